package netconn

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

func TestListenOnBothFamilies(t *testing.T) {
	l, err := ownListener(ListenConfig{}.Listen(background, "tcp", ":0"))
	require.NoError(t, err)
	defer l.Close()
	if l.Socket().Domain() != esock.Inet6 {
		t.Skip("no IPv6 here")
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	for _, host := range []string{"127.0.0.1", "::1"} {
		c, err := net.Dial("tcp", net.JoinHostPort(host, port))
		require.NoError(t, err)
		a, err := l.Accept()
		require.NoError(t, err)
		assert.Equal(t, c.LocalAddr().String(), a.RemoteAddr().String())
		require.NoError(t, a.Close())
		require.NoError(t, c.Close())
	}
	// The port is free for a listener of IPv6 alone only where that shares it.
	_, err = ListenConfig{}.Listen(background, "tcp6", net.JoinHostPort("::1", port))
	op := opError(t, err)
	assert.Equal(t, "listen", op.Op)
	assert.ErrorIs(t, err, syscall.EADDRINUSE)
}

func TestListenErrors(t *testing.T) {
	for _, test := range []struct{ network, address string }{{"tcp9", ":0"}, {"udp", ":0"}, {"unixgram", "@x"}, {"tcp", "127.0.0.1"}} {
		_, err := ListenConfig{}.Listen(background, test.network, test.address)
		assert.Equal(t, "listen", opError(t, err).Op, test)
	}
	for _, test := range []struct{ network, address string }{{"tcp", ":0"}, {"unixpacket", "@x"}, {"udp", ":none:"}} {
		_, err := ListenConfig{}.ListenPacket(background, test.network, test.address)
		assert.Equal(t, "listen", opError(t, err).Op, test)
	}
	refusal := errors.New("refused by the hook")
	lc := ListenConfig{Control: func(context.Context, string, string, *esock.Socket) error { return refusal }}
	_, err := lc.Listen(background, "tcp4", "127.0.0.1:0")
	assert.ErrorIs(t, err, refusal)
	_, err = ListenConfig{}.Listen(nil, "tcp", ":0") // a mistake
	assert.Error(t, err)
}

func TestListenOptions(t *testing.T) {
	var before *esock.Socket
	lc := ListenConfig{ReusePort: true, FastOpen: 7, DeferAccept: 3 * time.Second, KeepAlive: -1, Backlog: 3,
		Control: func(_ context.Context, network, address string, s *esock.Socket) error {
			before = s
			assert.Equal(t, "tcp4", network)
			assert.Equal(t, "127.0.0.1:0", address)
			return nil
		}}
	l, err := ownListener(lc.Listen(background, "tcp", "127.0.0.1:0"))
	require.NoError(t, err)
	defer l.Close()
	assert.Same(t, before, l.Socket())
	lc.Control = nil
	again, err := ownListener(lc.Listen(background, "tcp", l.Addr().String()))
	require.NoError(t, err, "both share the port")
	defer again.Close()
	n, err := sockopt.TCPFastOpen.Get(l.Socket())
	require.NoError(t, err)
	assert.Equal(t, 7, n)
	n, err = sockopt.TCPDeferAccept.Get(l.Socket())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, n, 3)
	on, err := sockopt.SocketKeepAlive.Get(l.Socket())
	require.NoError(t, err)
	assert.False(t, on)
}

func TestListenerDeadlinesAndClose(t *testing.T) {
	l := listening(t, ListenConfig{}, "tcp4")
	require.NoError(t, l.SetDeadline(time.Now().Add(-time.Hour)))
	_, err := l.Accept()
	op := opError(t, err)
	assert.Equal(t, net.OpError{Op: "accept", Net: "tcp4", Addr: l.Addr(), Err: os.ErrDeadlineExceeded}, *op)
	require.NoError(t, l.SetDeadline(time.Time{}))
	done := make(chan error, 1)
	go func() { _, err := l.Accept(); done <- err }()
	testwait.Until(t, "the accept waits", func() bool { return waits(l.Socket()) })
	require.NoError(t, l.Close())
	assert.ErrorIs(t, testwait.Result(t, "the end of the accept", done), net.ErrClosed)
	assert.ErrorIs(t, l.Close(), net.ErrClosed)
	assert.ErrorIs(t, l.SetDeadline(time.Now()), net.ErrClosed)
	_, err = l.File()
	assert.ErrorIs(t, err, net.ErrClosed)
	raw, err := l.SyscallConn()
	require.NoError(t, err, "as in package net")
	assert.ErrorIs(t, raw.Control(func(uintptr) {}), net.ErrClosed)
}

// The address of a peer is known also when it has reset the connection before Accept.
func TestThePeerThatHasGoneHasAnAddress(t *testing.T) {
	l := listening(t, ListenConfig{}, "tcp4")
	d, err := Dialer{}.Dial("tcp4", l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, d.(*TCPConn).SetLinger(0))
	require.NoError(t, d.Close())
	a, err := l.Accept()
	require.NoError(t, err)
	defer a.Close()
	assert.Equal(t, d.LocalAddr(), a.RemoteAddr())
	_, err = a.Read(make([]byte, 1))
	assert.ErrorIs(t, err, syscall.ECONNRESET)

	l = listening(t, ListenConfig{}, "unix")
	d, err = Dialer{}.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, d.Close())
	u, err := l.Accept()
	require.NoError(t, err)
	defer u.Close()
	assert.Equal(t, "@", u.RemoteAddr().String())
}

// The empty path lets the kernel choose an abstract name.
func TestListenOnAChosenName(t *testing.T) {
	l, err := ownListener(ListenConfig{}.Listen(background, "unix", ""))
	require.NoError(t, err)
	defer l.Close()
	assert.Regexp(t, "^@.+", l.Addr().String())
	c, err := Dialer{}.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestThePathOfAListener(t *testing.T) {
	there := func(l net.Listener) bool { _, err := os.Lstat(l.Addr().String()); return err == nil }
	l := listening(t, ListenConfig{}, "unix")
	assert.True(t, there(l))
	require.NoError(t, l.Close())
	assert.False(t, there(l))

	l = listening(t, ListenConfig{}, "unix")
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	assert.True(t, there(l))

	// A listener that comes later has the path for itself.
	path := l.Addr().String()
	require.NoError(t, os.Remove(path))
	l, err := ownListener(ListenConfig{}.Listen(background, "unix", path))
	require.NoError(t, err)
	defer l.Close()
	// Also from a late Close of the earlier one, whose socket was closed beneath it.
	require.NoError(t, l.Socket().Close())
	require.NoError(t, os.Remove(path))
	earlier := l
	l, err = ownListener(ListenConfig{}.Listen(background, "unix", path))
	require.NoError(t, err)
	defer l.Close()
	require.ErrorIs(t, earlier.Close(), net.ErrClosed)
	assert.True(t, there(l), "it belongs to the later one")

	f, err := l.File()
	require.NoError(t, err)
	defer f.Close()
	copied, err := FileListener(f)
	require.NoError(t, err)
	require.NoError(t, copied.Close())
	assert.True(t, there(l), "it belongs to the first one")
}

func TestFilesBecomeConnections(t *testing.T) {
	d, a := netPair(t)
	f, err := d.File()
	require.NoError(t, err)
	defer f.Close()
	c, err := FileConn(f)
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, d.LocalAddr(), c.LocalAddr())
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	n, err := a.Read(make([]byte, 5))
	require.NoError(t, err)
	assert.Equal(t, 1, n)

	p, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer p.Close()
	pf, err := p.(*net.UDPConn).File()
	require.NoError(t, err)
	defer pf.Close()
	pc, err := FilePacketConn(pf)
	require.NoError(t, err)
	assert.Equal(t, p.LocalAddr(), pc.LocalAddr())
	require.NoError(t, pc.Close())
	_, err = FileConn(pf) // not connected
	assert.ErrorIs(t, err, syscall.ENOTCONN)

	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	_, err = FileConn(null)
	op := opError(t, err)
	assert.Equal(t, "file", op.Op)
	assert.ErrorIs(t, err, syscall.ENOTSOCK)
	_, err = FileListener(nil)
	assert.Error(t, err)
}

// The way back: from a connection of another package to the socket's options, and to a connection of this one.
func TestAdoptAndTake(t *testing.T) {
	d, a := netPair(t)
	s, err := Adopt(d)
	require.NoError(t, err)
	info, err := sockopt.TCPInfo.Get(s)
	require.NoError(t, err)
	assert.NotZero(t, info.SndMSS)
	assert.False(t, s.Registered())
	require.NoError(t, s.Close())
	_, err = d.Write([]byte("x"))
	require.NoError(t, err, "the connection has its own descriptor")

	s, err = Take(d)
	require.NoError(t, err)
	_, err = d.Write([]byte("x"))
	assert.ErrorIs(t, err, net.ErrClosed)
	c, err := NewConn(s)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("yz"))
	require.NoError(t, err)
	buf := make([]byte, 3)
	for n := 0; n < 3; {
		m, err := a.Read(buf[n:])
		require.NoError(t, err)
		n += m
	}
	assert.Equal(t, "xyz", string(buf))

	l, err := net.Listen("unix", addressOf(t, "unix"))
	require.NoError(t, err)
	s, err = Take(l.(*net.UnixListener))
	require.NoError(t, err)
	taken, err := NewListener(s)
	require.NoError(t, err)
	dialled, err := net.Dial("unix", taken.Addr().String())
	require.NoError(t, err, "the path is still there")
	require.NoError(t, dialled.Close())
	require.NoError(t, taken.Close())

	_, err = Adopt(nil)
	assert.Error(t, err)
	_, err = Take(nil)
	assert.Error(t, err)
	_, err = Adopt(d)
	assert.ErrorIs(t, err, net.ErrClosed)
}

func TestSocketOfFindsTheSocketBeneath(t *testing.T) {
	a, _ := pair(t, "tcp4")
	s, ok := SocketOf(tls.Client(tls.Client(a, &tls.Config{}), &tls.Config{}))
	require.True(t, ok)
	assert.Same(t, a.Socket(), s)
	d, _ := netPair(t)
	_, ok = SocketOf(d)
	assert.False(t, ok)
	_, ok = SocketOf(nil)
	assert.False(t, ok)
}
