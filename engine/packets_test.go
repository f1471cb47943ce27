package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/packet"
)

// packets is a handler with a function for packets.
type packets struct {
	handler
	packet func(*engine.Conn, packet.Packet)
}

func (p packets) Packet(c *engine.Conn, pkt packet.Packet) { p.packet(c, pkt) }

// serve runs a loop that serves packets.
func serve(t *testing.T, ty packet.Type, o packet.Options, h packets, options ...engine.Option) (address string) {
	t.Helper()
	framed, err := engine.Packets(ty, o, h)
	require.NoError(t, err)
	l := run(t, options...)
	s, address := listen(t)
	require.NoError(t, l.Serve(s, framed))
	return address
}

var echoPackets = packets{packet: func(c *engine.Conn, p packet.Packet) { c.WritePacket(p.Data()) }}

// Packets arrive whole however their bytes do, also those that are larger than buffers, and many in one.
func TestPacketsArriveWhole(t *testing.T) {
	address := serve(t, packet.Len4, packet.Options{}, echoPackets, engine.Buffers(16, 1024), engine.Mark(4096))
	c := dial(t, address)
	var sent, all []byte
	for i := range 2000 {
		data := bytes.Repeat([]byte{byte(i)}, i%7*i%3000)
		if i == 1000 {
			data = make([]byte, 300<<10)
		}
		var err error
		sent, err = packet.Append(sent, packet.Len4, data)
		require.NoError(t, err)
	}
	wrote := make(chan error, 1)
	go func() {
		var err error
		for rest, n := sent, 1; len(rest) > 0 && err == nil; n = n%5000 + 7 {
			n = min(n, len(rest))
			_, err = c.Write(rest[:n])
			rest = rest[n:]
		}
		wrote <- errors.Join(err, c.(*net.TCPConn).CloseWrite())
	}()
	all, err := io.ReadAll(c)
	require.NoError(t, err)
	require.NoError(t, <-wrote)
	require.True(t, bytes.Equal(sent, all), "%d bytes of %d", len(all), len(sent))
}

// A packet that is invalid, too large or not whole ends the connection by name, after what was answered before.
func TestPacketsThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name string
		ty   packet.Type
		sent string
		want error
	}{
		{"too large", packet.Len2, "\x00\x02ok\x00\x65", packet.ErrInvalid},
		{"no record", packet.TPKT, "\x03\x00\x00\x06ok\x09\x00\x00\x06", packet.ErrInvalid},
		{"half", packet.Len2, "\x00\x02ok\x00\x05hal", io.ErrUnexpectedEOF},
		{"half a header", packet.Len2, "\x00\x02ok\x00", io.ErrUnexpectedEOF},
		{"end", packet.Len2, "\x00\x02ok", io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			closed := make(chan error, 1)
			h := packets{packet: func(c *engine.Conn, p packet.Packet) { c.Write([]byte("ok")) }}
			h.closed = func(_ *engine.Conn, err error) { closed <- err }
			client := dial(t, serve(t, c.ty, packet.Options{PacketSize: 100}, h))
			_, err := client.Write([]byte(c.sent))
			require.NoError(t, err)
			require.NoError(t, client.(*net.TCPConn).CloseWrite())
			answer := make([]byte, 2)
			_, err = io.ReadFull(client, answer)
			require.NoError(t, err)
			require.Equal(t, "ok", string(answer))
			require.ErrorIs(t, <-closed, c.want)
		})
	}
}

// The type changes between two packets of one message, and who takes the connection out gets what is left.
func TestPacketsOfAnotherType(t *testing.T) {
	out := make(chan string, 1)
	lines := []string{}
	h := packets{packet: func(c *engine.Conn, p packet.Packet) {
		lines = append(lines, fmt.Sprint(c.Parser().Type(), " ", string(p.Data())))
		switch len(lines) {
		case 1:
			assert.NoError(t, c.Parser().SetType(packet.Len1))
		case 2:
			assert.Equal(t, "the rest", string(c.Unread()))
			s, err := c.Detach()
			assert.NoError(t, err)
			rest := string(c.Unread())
			out <- rest
			assert.NoError(t, s.Close())
		}
	}}
	c := dial(t, serve(t, packet.Line, packet.Options{}, h))
	_, err := c.Write([]byte("upgrade\n\x04nextthe rest"))
	require.NoError(t, err)
	require.Equal(t, "the rest", <-out)
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	require.Equal(t, []string{"line upgrade\n", "1 next"}, lines)
}

// Packets that came together wait while too much is unsent, so that WritePacket in the handler does not fail.
func TestPacketsWaitForSlowReaders(t *testing.T) {
	full := 0
	h := packets{packet: func(c *engine.Conn, p packet.Packet) {
		if err := c.WritePacket(bytes.Repeat(p.Data(), 100)); err != nil {
			full++
		}
	}}
	c := dial(t, serve(t, packet.Line, packet.Options{}, h, engine.Mark(1)))
	_, err := c.Write([]byte(strings.Repeat("a line\n", 2000)))
	require.NoError(t, err)
	got := make([]byte, 2000*700)
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("a line\n", 200000), string(got))
	require.Zero(t, full)
}

// counting is a Handler around another one.
type counting struct {
	engine.Handler
	calls int
}

func (h *counting) Received(c *engine.Conn, b []byte) {
	h.calls++
	h.Handler.Received(c, b)
}

// They wait no longer if the Handler is within one of the program's.
func TestPacketsOfAHandlerWithinAnother(t *testing.T) {
	framed, err := engine.Packets(packet.Line, packet.Options{}, echoPackets)
	require.NoError(t, err)
	l := run(t, engine.Mark(1))
	a, b := pair(t)
	h := &counting{Handler: framed}
	c, err := l.Adopt(a, h)
	require.NoError(t, err)
	_, err = b.Send([]byte("a\nb\nc\n"), 0, esock.Forever)
	require.NoError(t, err)
	var got [6]byte
	_, err = b.RecvFull(got[:], 0, esock.Within(time.Minute))
	require.NoError(t, err)
	require.Equal(t, "a\nb\nc\n", string(got[:]))
	calls := make(chan int)
	require.True(t, c.Post(func() { calls <- h.calls }))
	require.Equal(t, 1, <-calls)
}

func TestAPanicOverAPacket(t *testing.T) {
	closed := make(chan error, 1)
	h := packets{packet: func(*engine.Conn, packet.Packet) { panic("too much") }}
	h.closed = func(_ *engine.Conn, err error) { closed <- err }
	c := dial(t, serve(t, packet.Line, packet.Options{}, h, engine.Panicked(func(*engine.Conn, *engine.PanicError) {})))
	_, err := c.Write([]byte("a\nb\n"))
	require.NoError(t, err)
	var p *engine.PanicError
	require.ErrorAs(t, <-closed, &p)
}

func TestWrongPackets(t *testing.T) {
	var invalid *esock.InvalidError
	_, err := engine.Packets(packet.Line, packet.Options{}, nil)
	require.ErrorAs(t, err, &invalid)
	var argument *packet.ArgumentError
	_, err = engine.Packets(packet.Line, packet.Options{PacketSize: -1}, echoPackets)
	require.ErrorAs(t, err, &argument)
	var none *engine.Conn
	require.Nil(t, none.Parser())
	require.Nil(t, none.Unread())
	require.ErrorIs(t, none.WritePacket(nil), net.ErrClosed)
	long := make(chan error, 1)
	h := packets{packet: func(c *engine.Conn, p packet.Packet) { long <- c.WritePacket(make([]byte, 256)) }}
	c := dial(t, serve(t, packet.Len1, packet.Options{}, h))
	_, err = c.Write([]byte("\x01x"))
	require.NoError(t, err)
	require.ErrorIs(t, <-long, packet.ErrTooLong)
}
