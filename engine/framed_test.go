package engine_test

import (
	"io"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// tcp returns a connection of package gentcp, and its client.
func tcp(t *testing.T, options ...gentcp.Option) (*gentcp.Socket, io.ReadWriter) {
	t.Helper()
	l, err := gentcp.Listen(nil, 0, append(options, gentcp.IPLoopback(), gentcp.Active(false))...)
	require.NoError(t, err)
	defer l.Close()
	a, err := l.SockName()
	require.NoError(t, err)
	c := dial(t, a.AddrPort().String())
	owner := esock.NewMailbox()
	t.Cleanup(func() { owner.Close() })
	s, err := l.Accept(owner, esock.Forever)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s, c
}

// A connection of gen_tcp goes into a loop and out, with what was received and is in no packet yet.
func TestALoopServesGenTCP(t *testing.T) {
	s, c := tcp(t, gentcp.PacketType(packet.Len2))
	_, err := c.Write([]byte("\x00\x03one\x00\x03t"))
	require.NoError(t, err)
	p, err := s.Recv(0, esock.Forever)
	require.NoError(t, err)
	require.Equal(t, "one", string(p.Data()))
	l := run(t)
	out := make(chan handed, 1)
	h := packets{packet: func(c *engine.Conn, p packet.Packet) {
		assert.NoError(t, c.WritePacket(p.Data()))
		assert.Equal(t, packet.Len2, c.Parser().Type())
		c.HandOver(func(s *esock.Socket, unread []byte) { out <- handed{s, string(unread)} })
	}}
	_, err = l.AdoptFramed(s, h)
	require.NoError(t, err)
	_, err = s.Recv(0, esock.Forever)
	require.ErrorIs(t, err, esock.ErrState)
	_, err = c.Write([]byte("wo\x00\x05thr"))
	require.NoError(t, err)
	got := make([]byte, 5)
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, "\x00\x03two", string(got))
	moved := testwait.Result(t, "the socket", out)
	require.Same(t, s.Socket(), moved.s)
	require.NoError(t, s.Unrecv([]byte(moved.unread)))
	_, err = c.Write([]byte("ee"))
	require.NoError(t, err)
	p, err = s.Recv(0, esock.Forever)
	require.NoError(t, err)
	require.Equal(t, "three", string(p.Data()))
}

func TestWrongFramed(t *testing.T) {
	l := run(t)
	var invalid *esock.InvalidError
	var none *gentcp.Socket
	_, err := l.AdoptFramed(nil, echoPackets)
	require.ErrorAs(t, err, &invalid)
	_, err = l.AdoptFramed(none, echoPackets)
	require.ErrorAs(t, err, &invalid)
	_, err = l.AdoptFramed(&gentcp.Socket{}, echoPackets)
	require.ErrorAs(t, err, &invalid)
	_, _, err = none.TakeInput()
	require.ErrorIs(t, err, gentcp.ErrBadArg)
	s, c := tcp(t, gentcp.PacketType(packet.Line))
	_, err = l.AdoptFramed(s, nil)
	require.ErrorAs(t, err, &invalid)
	require.NoError(t, s.SetOpts(gentcp.Active(true)))
	_, err = l.AdoptFramed(s, echoPackets)
	require.ErrorIs(t, err, syscall.EINVAL)
	require.NoError(t, s.SetOpts(gentcp.Active(false)))
	// What a loop does not take stays.
	_, err = c.Write([]byte("one\ntwo\n"))
	require.NoError(t, err)
	p, err := s.Recv(0, esock.Forever)
	require.NoError(t, err)
	require.Equal(t, "one\n", string(p.Data()))
	ended, err := engine.New()
	require.NoError(t, err)
	require.NoError(t, ended.Close())
	for _, l := range []*engine.Loop{nil, {}, ended} {
		_, err = l.AdoptFramed(s, echoPackets)
		require.ErrorIs(t, err, engine.ErrClosed)
	}
	p, err = s.Recv(0, esock.Forever)
	require.NoError(t, err)
	require.Equal(t, "two\n", string(p.Data()))
	require.NoError(t, s.Close())
	_, err = l.AdoptFramed(s, echoPackets)
	require.ErrorIs(t, err, gentcp.ErrClosed)
}
