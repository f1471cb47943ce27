package netconn

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

var streams = []string{"tcp4", "tcp6", "unix", "unixpacket"}

func TestConnectionsMoveBytesAndEnd(t *testing.T) {
	for _, network := range streams {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network)
			n, err := a.Write([]byte("hello"))
			require.NoError(t, err)
			require.Equal(t, 5, n)
			buf := make([]byte, 10)
			n, err = b.Read(buf)
			require.NoError(t, err)
			assert.Equal(t, "hello", string(buf[:n]))

			require.NoError(t, a.(interface{ CloseWrite() error }).CloseWrite())
			_, err = b.Read(buf)
			assert.Equal(t, io.EOF, err, "bare")
			_, err = b.Write([]byte("back"))
			require.NoError(t, err)
			n, err = a.Read(buf)
			require.NoError(t, err)
			assert.Equal(t, "back", string(buf[:n]))
		})
	}
}

func TestAddressesAreThoseOfNet(t *testing.T) {
	for _, network := range streams {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network)
			assert.Equal(t, a.LocalAddr(), b.RemoteAddr())
			assert.Equal(t, a.RemoteAddr(), b.LocalAddr())
			for _, addr := range []net.Addr{a.LocalAddr(), b.LocalAddr()} {
				switch network {
				case "tcp4", "tcp6":
					assert.IsType(t, &net.TCPAddr{}, addr)
					assert.Equal(t, "tcp", addr.Network())
				default:
					assert.IsType(t, &net.UnixAddr{}, addr)
					assert.Equal(t, network, addr.Network())
				}
			}
			local := a.LocalAddr()
			require.NoError(t, a.Close())
			assert.Equal(t, local, a.LocalAddr(), "after Close")
		})
	}
}

func TestErrorsAreThoseOfNet(t *testing.T) {
	a, b := pair(t, "tcp4")
	buf := make([]byte, 1)

	require.NoError(t, a.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err := a.Read(buf)
	op := opError(t, err)
	assert.Equal(t, net.OpError{Op: "read", Net: "tcp4", Source: a.LocalAddr(), Addr: a.RemoteAddr(), Err: os.ErrDeadlineExceeded}, *op)
	assert.True(t, op.Timeout())

	require.NoError(t, b.(*TCPConn).SetLinger(0))
	require.NoError(t, b.Close())
	require.NoError(t, a.SetReadDeadline(time.Time{}))
	_, err = a.Read(buf)
	op = opError(t, err)
	assert.Equal(t, os.NewSyscallError("read", syscall.ECONNRESET), op.Err)
	assert.ErrorIs(t, err, syscall.ECONNRESET)
	_, err = a.Write(buf)
	op = opError(t, err)
	assert.Equal(t, "write", op.Op)
	assert.Equal(t, os.NewSyscallError("write", syscall.EPIPE), op.Err)

	require.NoError(t, a.Close())
	for what, err := range map[string]error{
		"read": func() error { _, err := a.Read(buf); return err }(), "write": func() error { _, err := a.Write(buf); return err }(),
		"close": a.Close(), "file": func() error { _, err := a.File(); return err }(), "set": a.SetDeadline(time.Time{}),
	} {
		op := opError(t, err)
		assert.Equal(t, what, op.Op)
		assert.Equal(t, net.ErrClosed, op.Err, what)
	}
	_, err = a.Read(nil)
	assert.ErrorIs(t, err, net.ErrClosed)
	raw, err := b.SyscallConn()
	require.NoError(t, err, "as in package net")
	assert.ErrorIs(t, raw.Control(func(uintptr) {}), net.ErrClosed)
}

func TestReadOfNothingIsNothing(t *testing.T) {
	for _, network := range streams {
		a, _ := pair(t, network)
		require.NoError(t, a.SetReadDeadline(time.Now().Add(-time.Second)))
		n, err := a.Read(nil)
		assert.NoError(t, err)
		assert.Zero(t, n)
	}
}

// A deadline that moves while a call waits reaches it, also one made through SyscallConn.
func TestDeadlinesMove(t *testing.T) {
	a, _ := pair(t, "tcp4")
	raw, err := a.SyscallConn()
	require.NoError(t, err)
	for what, call := range map[string]func() error{
		"read":     func() error { _, err := a.Read(make([]byte, 1)); return err },
		"raw-read": func() error { return raw.Read(func(uintptr) bool { return false }) },
	} {
		require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Hour)))
		done := make(chan error, 1)
		go func() { done <- call() }()
		testwait.Until(t, "the call waits", func() bool { return waits(a.Socket()) })
		require.NoError(t, a.SetReadDeadline(time.Now()))
		op := opError(t, testwait.Result(t, "the end of the call", done))
		assert.Equal(t, what, op.Op)
		assert.Equal(t, os.ErrDeadlineExceeded, op.Err)
		require.NoError(t, a.SetReadDeadline(time.Time{}))
	}
}

// A call with a deadline costs no goroutine but the caller's, and neither does an attempt to connect.
func TestWaitingCostsNoGoroutine(t *testing.T) {
	a, _ := pair(t, "tcp4")
	port := full(t, "127.0.0.6")
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	before := runtime.NumGoroutine()
	require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Hour)))
	done := make(chan error, 2)
	go func() { _, err := a.Read(make([]byte, 1)); done <- err }()
	second, opened := make(chan bool), 0
	d := Dialer{AttemptDelay: time.Millisecond, Control: func(context.Context, string, string, *esock.Socket) error {
		if opened++; opened == 2 {
			close(second)
		}
		return nil
	}}
	go func() {
		_, err := dialAll(ctx, d, endpoints(port, "127.0.0.6", "127.0.0.6"))
		done <- err
	}()
	testwait.Until(t, "the read waits", func() bool { return waits(a.Socket()) })
	testwait.Result(t, "the second attempt", second)
	// The poller of esock may have begun, which serves all sockets.
	testwait.Until(t, "no more goroutines than calls", func() bool { return runtime.NumGoroutine() <= before+3 })
	cancel()
	assert.ErrorIs(t, testwait.Result(t, "the end of the attempts", done), context.Canceled)
	require.NoError(t, a.Close())
	assert.ErrorIs(t, testwait.Result(t, "the end of the read", done), net.ErrClosed)
}

// waits reports whether a call waits in the reading direction, or is about to.
func waits(s *esock.Socket) bool { return s.Info().NumReaders > 0 || s.Info().NumAcceptors > 0 }

func TestCloseEndsWaitingCalls(t *testing.T) {
	a, _ := pair(t, "unix")
	done := make(chan error, 1)
	go func() { _, err := a.Read(make([]byte, 1)); done <- err }()
	testwait.Until(t, "the call waits", func() bool { return waits(a.Socket()) })
	require.NoError(t, a.Close())
	assert.ErrorIs(t, testwait.Result(t, "the end of the call", done), net.ErrClosed)
}

func TestOptionsOfTCP(t *testing.T) {
	a, b := pair(t, "tcp4")
	for _, c := range []Conn{a, b} { // dialled and accepted
		s := c.Socket()
		on, err := sockopt.TCPNoDelay.Get(s)
		require.NoError(t, err)
		assert.True(t, on)
		on, err = sockopt.SocketKeepAlive.Get(s)
		require.NoError(t, err)
		assert.True(t, on)
		idle, err := sockopt.TCPKeepIdle.Get(s)
		require.NoError(t, err)
		assert.Equal(t, 15*time.Second, idle)
	}
	c := a.(*TCPConn)
	require.NoError(t, c.SetNoDelay(false))
	on, err := sockopt.TCPNoDelay.Get(c.s)
	require.NoError(t, err)
	assert.False(t, on)
	require.NoError(t, c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: -1, Count: 4}))
	idle, err := sockopt.TCPKeepIdle.Get(c.s)
	require.NoError(t, err)
	assert.Equal(t, 30*time.Second, idle)
	count, err := sockopt.TCPKeepCnt.Get(c.s)
	require.NoError(t, err)
	assert.Equal(t, 4, count)
	for _, test := range []struct{ set, want time.Duration }{{40 * time.Second, 40 * time.Second}, {-1, 40 * time.Second},
		{1500 * time.Millisecond, 2 * time.Second}, {0, 15 * time.Second}} {
		require.NoError(t, c.SetKeepAlivePeriod(test.set))
		idle, err = sockopt.TCPKeepIdle.Get(c.s)
		require.NoError(t, err)
		assert.Equal(t, test.want, idle)
	}
	require.NoError(t, c.SetKeepAlive(false))
	on, err = sockopt.SocketKeepAlive.Get(c.s)
	require.NoError(t, err)
	assert.False(t, on)
	require.NoError(t, c.SetLinger(3))
	linger, err := sockopt.SocketLinger.Get(c.s)
	require.NoError(t, err)
	assert.Equal(t, sockopt.Linger{On: true, Time: 3 * time.Second}, linger)
	require.NoError(t, c.SetLinger(-1))
	linger, err = sockopt.SocketLinger.Get(c.s)
	require.NoError(t, err)
	assert.False(t, linger.On)
	multipath, err := c.MultipathTCP()
	require.NoError(t, err)
	assert.False(t, multipath)
	require.NoError(t, c.SetReadBuffer(100<<10))
	size, err := sockopt.SocketRcvBuf.Get(c.s)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, size, 100<<10)
	require.NoError(t, c.SetWriteBuffer(100<<10))
}

func TestWriteBuffersSendsAndConsumes(t *testing.T) {
	a, b := pair(t, "tcp4")
	before := a.Socket().Counters().WriteTries
	v := net.Buffers{[]byte("one "), nil, []byte("two "), []byte("three")}
	n, err := a.(*TCPConn).WriteBuffers(&v)
	require.NoError(t, err)
	assert.EqualValues(t, 13, n)
	assert.Empty(t, v)
	assert.EqualValues(t, 1, a.Socket().Counters().WriteTries-before)
	buf := make([]byte, 13)
	_, err = io.ReadFull(b, buf)
	require.NoError(t, err)
	assert.Equal(t, "one two three", string(buf))

	n, err = a.(*TCPConn).WriteBuffers(nil)
	assert.NoError(t, err)
	assert.Zero(t, n)
	v = net.Buffers{[]byte("ab"), []byte("cd")}
	consume(&v, 3)
	assert.Equal(t, net.Buffers{[]byte("d")}, v)
}

// A TCP connection whose reading has ended still gets what comes later, as in package net, and the end is no longer the end.
func TestDataAfterCloseRead(t *testing.T) {
	alike(t, func(s *script, of side) {
		c, peer := connected(t, of, "tcp4")
		s.say("CloseRead", c.(streamEnd).CloseRead())
		n, err := c.Read(make([]byte, 5))
		s.say("Read", n, err)
		n, err = peer.Write([]byte("later"))
		s.say("Write", n, err)
		testwait.Until(t, "the data has come", func() bool { n, err = c.Read(make([]byte, 5)); return n > 0 })
		s.say("Read", n, err)
	})
}

// The zero connection and a nil pointer are closed ones.
func TestZeroConnections(t *testing.T) {
	for _, c := range []Conn{&TCPConn{}, &UnixConn{}, &UDPConn{}, &UnixgramConn{}, &IPConn{}, (*TCPConn)(nil), (*UnixConn)(nil), (*UDPConn)(nil),
		(*UnixgramConn)(nil), (*IPConn)(nil)} {
		_, err := c.Read(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
		_, err = c.Write(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
		assert.ErrorIs(t, c.Close(), net.ErrClosed)
		assert.ErrorIs(t, c.SetDeadline(time.Now()), net.ErrClosed)
		assert.Nil(t, c.LocalAddr())
		assert.Nil(t, c.RemoteAddr())
	}
	_, err := NewConn(nil)
	assert.Error(t, err)
	_, err = NewPacketConn(nil)
	assert.Error(t, err)
	_, err = NewListener(nil)
	assert.Error(t, err)
}

func TestNewConnTakesAnySocket(t *testing.T) {
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	defer s.Close()
	_, err = NewConn(s)
	assert.ErrorIs(t, err, syscall.ENOTCONN)
	_, err = NewPacketConn(s)
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.False(t, s.Closed(), "a refused socket stays open")

	u, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	require.NoError(t, err)
	require.NoError(t, u.Bind(esock.Loopback))
	p, err := NewPacketConn(u)
	require.NoError(t, err)
	assert.IsType(t, (*UDPConn)(nil), p)
	require.NoError(t, p.Close())
	assert.True(t, u.Closed())
}

// A socket of a family that package net does not have is a connection as well: netlink, whose kernel side answers.
func TestOtherFamilies(t *testing.T) {
	s, err := esock.Open(esock.Netlink, esock.Raw, 0) // NETLINK_ROUTE
	require.NoError(t, err)
	require.NoError(t, s.Bind(esock.NetlinkAddr(0, 0)))
	c, err := NewPacketConn(s)
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, "netlink", c.LocalAddr().Network())
	kernel := esock.NetlinkAddr(0, 0).NetAddr("netlink")
	request := make([]byte, 16) // struct nlmsghdr: an unknown request that asks for an acknowledgement
	binary.NativeEndian.PutUint32(request, 16)
	binary.NativeEndian.PutUint16(request[4:], 5000)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	_, err = c.WriteTo(request, kernel)
	require.NoError(t, err)
	buf := make([]byte, 100)
	n, from, err := c.ReadFrom(buf)
	require.NoError(t, err)
	assert.Greater(t, n, 16)
	assert.EqualValues(t, unix.NLMSG_ERROR, binary.NativeEndian.Uint16(buf[4:]))
	assert.Equal(t, kernel.String(), from.String())
	_, err = c.WriteTo([]byte("x"), nil)
	assert.Equal(t, "write", opError(t, err).Op)
}

// Streams of other families have the methods of a stream, where the kernel has such a family.
func TestOtherStreams(t *testing.T) {
	s, err := esock.Open(esock.Inet, esock.Stream, esock.SCTP)
	if err != nil {
		t.Skip("no SCTP here: ", err)
	}
	require.NoError(t, s.Bind(esock.Loopback))
	require.NoError(t, s.Listen(5))
	l, err := NewListener(s)
	require.NoError(t, err)
	defer l.Close()
	d, err := esock.Open(esock.Inet, esock.Stream, esock.SCTP)
	require.NoError(t, err)
	at, err := s.SockName()
	require.NoError(t, err)
	require.NoError(t, d.Connect(at, esock.Within(patience)))
	c, err := NewConn(d)
	require.NoError(t, err)
	defer c.Close()
	accepted, err := l.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	n, err := accepted.Read(make([]byte, 10))
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Implements(t, (*io.ReaderFrom)(nil), c)
}

// A connection that nobody can reach any more is closed, so its peer reads the end.
func TestForgottenConnectionsAreClosed(t *testing.T) {
	_, b := pair2(t)
	end := make(chan error, 1)
	go func() { _, err := b.Read(make([]byte, 1)); end <- err }()
	var err error
	testwait.Until(t, "the end of the forgotten connection", func() bool {
		runtime.GC()
		select {
		case err = <-end:
			return true
		default:
			return false
		}
	})
	assert.Equal(t, io.EOF, err)
}

// pair2 is a pair whose dialled end nobody keeps.
func pair2(t *testing.T) (registered bool, accepted Conn) {
	l := listening(t, ListenConfig{}, "tcp4")
	c, err := Dialer{}.Dial("tcp4", l.Addr().String())
	require.NoError(t, err)
	accepted, err = l.AcceptConn()
	require.NoError(t, err)
	t.Cleanup(func() { accepted.Close() })
	assert.False(t, accepted.Socket().Registered())
	return c.(Conn).Socket().Registered(), accepted
}

func TestRegisteredWhenAskedFor(t *testing.T) {
	l := listening(t, ListenConfig{Registered: true}, "tcp4")
	c, err := Dialer{Registered: true}.Dial("tcp4", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	a, err := l.AcceptConn()
	require.NoError(t, err)
	defer a.Close()
	for _, s := range []*esock.Socket{l.Socket(), c.(Conn).Socket(), a.Socket()} {
		assert.True(t, s.Registered())
	}
}
