package netconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

// A socket that is not what a constructor takes is refused with the name of the one that does, and stays the caller's.
func TestConstructorsNameEachOther(t *testing.T) {
	open := func(typ esock.Type, proto esock.Protocol) *esock.Socket {
		s, err := esock.Open(esock.Inet, typ, proto)
		require.NoError(t, err)
		t.Cleanup(func() { s.Close() })
		require.NoError(t, s.Bind(esock.Loopback))
		return s
	}
	listening, idle, udp := open(esock.Stream, esock.TCP), open(esock.Stream, esock.TCP), open(esock.Dgram, esock.UDP)
	require.NoError(t, listening.Listen(5))

	_, err := NewConn(listening)
	assert.ErrorContains(t, err, "invalid socket: it listens: see NewListener")
	_, err = NewConn(udp)
	assert.ErrorIs(t, err, syscall.ENOTCONN)
	assert.ErrorContains(t, err, "see NewPacketConn")
	_, err = NewConn(idle)
	assert.ErrorIs(t, err, syscall.ENOTCONN)
	_, err = NewPacketConn(idle)
	assert.ErrorContains(t, err, "invalid socket: it has no datagrams: see NewConn")
	for _, s := range []*esock.Socket{idle, udp} {
		_, err = NewListener(s)
		opError(t, err)
		assert.ErrorIs(t, err, syscall.EINVAL)
		assert.ErrorContains(t, err, "invalid socket: it does not listen: see NewConn, NewPacketConn and esock.Socket.Listen")
		f, err := s.File()
		require.NoError(t, err)
		_, err = FileListener(f)
		assert.ErrorContains(t, err, "it does not listen")
		require.NoError(t, f.Close())
	}
	for _, s := range []*esock.Socket{listening, idle, udp} {
		assert.False(t, s.Closed())
	}
}

// Nil pointers within interfaces are nil, and nothing panics.
func TestNilConnections(t *testing.T) {
	for _, c := range []any{nil, (*TCPConn)(nil), &TCPConn{}, (*UDPConn)(nil), (*Listener)(nil), &Listener{}, (*net.TCPConn)(nil), (*tls.Conn)(nil), 7,
		(*int)(nil)} {
		s, ok := SocketOf(c)
		assert.Nil(t, s)
		assert.False(t, ok, "%T", c)
	}
	type taken interface {
		syscall.Conn
		Close() error
	}
	for _, c := range []taken{nil, (*net.TCPConn)(nil), (*net.TCPListener)(nil), (*os.File)(nil), (*TCPConn)(nil), (*Listener)(nil)} {
		_, err := Adopt(c)
		assert.EqualError(t, err, "invalid connection: it is nil", "%T", c)
		_, err = Take(c)
		assert.EqualError(t, err, "invalid connection: it is nil", "%T", c)
	}
	for _, c := range []taken{&net.TCPConn{}, &TCPConn{}, &Listener{}} {
		_, err := Adopt(c)
		assert.Error(t, err)
		_, err = Take(c)
		assert.Error(t, err)
	}
	var none context.Context
	_, err := Dialer{}.DialContext(none, "tcp", "127.0.0.1:1")
	assert.EqualError(t, err, "dial tcp: invalid context: it is nil")
	_, err = ListenConfig{}.Listen(none, "tcp", "127.0.0.1:0")
	assert.EqualError(t, err, "listen tcp: invalid context: it is nil")
	_, err = ListenConfig{}.ListenPacket(none, "udp", "127.0.0.1:0")
	assert.EqualError(t, err, "listen udp: invalid context: it is nil")
}

// Negative values of ListenConfig are refused by name, and what a network does not have is ignored.
func TestListenConfigOutOfPlace(t *testing.T) {
	for name, lc := range map[string]ListenConfig{
		"FastOpen -1": {FastOpen: -1}, "Backlog -5": {Backlog: -5}, "DeferAccept -1s": {DeferAccept: -time.Second},
	} {
		want := fmt.Sprintf("invalid %s: it is negative", name)
		_, err := lc.Listen(background, "tcp4", "127.0.0.1:0")
		opError(t, err)
		assert.ErrorContains(t, err, want)
		_, err = lc.ListenPacket(background, "udp4", "127.0.0.1:0")
		assert.ErrorContains(t, err, want)
	}
	lc := ListenConfig{FastOpen: 5, DeferAccept: time.Second, MPTCP: true, ReusePort: true, KeepAlive: time.Minute, Backlog: 3}
	for _, network := range []string{"unix", "unixpacket"} {
		l, err := lc.Listen(background, network, abstractName())
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
	for network, address := range map[string]string{"udp4": "127.0.0.1:0", "unixgram": abstractName()} {
		c, err := lc.ListenPacket(background, network, address)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
}

// Connections print what they connect.
func TestConnectionsPrintTheirAddresses(t *testing.T) {
	l := listening(t, ListenConfig{}, "tcp4")
	assert.Equal(t, "tcp4 "+l.Addr().String(), fmt.Sprint(l))
	c, err := Dial("tcp4", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, "tcp4 "+c.LocalAddr().String()+"->"+l.Addr().String(), fmt.Sprint(c))
	u := receiving(t, "udp4")
	assert.Equal(t, "udp4 "+u.LocalAddr().String(), fmt.Sprint(u))
	assert.Equal(t, "closed closed", fmt.Sprint(&TCPConn{}, " ", &Listener{}))
	assert.Equal(t, "closed", (*UDPConn)(nil).String())
	assert.Equal(t, "closed", (*Listener)(nil).String())
}

// What a file's connections and listener have is what package net gives them.
func TestFilesGetTheOptionsOfNet(t *testing.T) {
	options := func(c any) string {
		return intOption(c, unix.SOL_TCP, unix.TCP_NODELAY) + " " + intOption(c, unix.SOL_SOCKET, unix.SO_KEEPALIVE) + " " +
			intOption(c, unix.SOL_TCP, unix.TCP_KEEPIDLE)
	}
	var got [2]string
	for i, of := range []struct {
		listener func(*os.File) (net.Listener, error)
		conn     func(*os.File) (net.Conn, error)
	}{
		{net.FileListener, net.FileConn},
		{func(f *os.File) (net.Listener, error) { return FileListener(f) }, func(f *os.File) (net.Conn, error) { return FileConn(f) }},
	} {
		s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
		require.NoError(t, err)
		defer s.Close()
		require.NoError(t, s.Bind(esock.Loopback))
		require.NoError(t, s.Listen(5))
		f, err := s.File()
		require.NoError(t, err)
		defer f.Close()
		l, err := of.listener(f)
		require.NoError(t, err)
		defer l.Close()
		at, err := s.SockName()
		require.NoError(t, err)
		d, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
		require.NoError(t, err)
		defer d.Close()
		require.NoError(t, d.Connect(at, esock.Within(patience)))
		a, err := l.Accept()
		require.NoError(t, err)
		defer a.Close()
		df, err := d.File()
		require.NoError(t, err)
		defer df.Close()
		c, err := of.conn(df)
		require.NoError(t, err)
		defer c.Close()
		got[i] = options(a) + ", " + options(c)
	}
	assert.Equal(t, got[0], got[1])
	assert.Equal(t, "1 <nil> 1 <nil> 15 <nil>, 1 <nil> 1 <nil> 15 <nil>", got[1])
}
