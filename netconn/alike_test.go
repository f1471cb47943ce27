package netconn

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testint"
)

// Calls at the edges, each made on a connection of net and on one of this package: the same must come of both.

// script collects what calls return.
type script struct {
	t    *testing.T
	said []string
}

func (s *script) say(what string, v ...any) {
	for i := range v {
		if err, ok := v[i].(error); ok {
			v[i] = described(err)
		}
	}
	s.said = append(s.said, fmt.Sprintf("%s: %v", what, v))
}

// alike runs a script on both sides.
func alike(t *testing.T, run func(s *script, of side)) {
	t.Helper()
	var said [2][]string
	for i, of := range sides {
		s := &script{t: t}
		run(s, of)
		said[i] = s.said
	}
	assert.Equal(t, said[0], said[1])
}

// connected is a pair of one side.
func connected(t *testing.T, of side, network string) (dialled, accepted net.Conn) {
	address := addressOf(t, network)
	l, err := of.listen(network, address)
	require.NoError(t, err)
	defer l.Close()
	d, err := of.dial(network, l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	a, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	return d, a
}

// option is the value of an option of an int, or the error.
func intOption(c any, level, name int) string {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return described(err)
	}
	var v int
	var failed error
	if err := raw.Control(func(fd uintptr) { v, failed = unix.GetsockoptInt(int(fd), level, name) }); err != nil {
		return described(err)
	}
	return fmt.Sprint(v, failed)
}

// tcpOptions are what both packages' connections of TCP have.
type tcpOptions interface {
	SetNoDelay(bool) error
	SetLinger(int) error
	SetKeepAlive(bool) error
	SetKeepAlivePeriod(time.Duration) error
	SetKeepAliveConfig(net.KeepAliveConfig) error
}

// isTCP reports whether the connection is one of TCP: others of this package have more methods than net's.
func isTCP(c net.Conn) bool { return c.LocalAddr().Network() == "tcp" }

type bufferSizes interface {
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
}

func sayOptions(s *script, c net.Conn) {
	if o, ok := c.(tcpOptions); ok {
		read := func() string {
			return intOption(c, unix.SOL_TCP, unix.TCP_NODELAY) + " " + intOption(c, unix.SOL_SOCKET, unix.SO_KEEPALIVE) + " " +
				intOption(c, unix.SOL_TCP, unix.TCP_KEEPIDLE) + " " + intOption(c, unix.SOL_TCP, unix.TCP_KEEPINTVL) + " " +
				intOption(c, unix.SOL_TCP, unix.TCP_KEEPCNT) + " " + intOption(c, unix.SOL_SOCKET, unix.SO_LINGER)
		}
		s.say("options", read())
		s.say("SetNoDelay", o.SetNoDelay(false), read())
		for _, sec := range []int{-1, 0, 5, 1 << 20, -1} {
			s.say("SetLinger", sec, o.SetLinger(sec), read())
		}
		for _, d := range []time.Duration{-1, 0, 1, time.Second, 1500 * time.Millisecond, time.Hour, 32767 * time.Second, 40000 * time.Second, time.Minute} {
			s.say("SetKeepAlivePeriod", d, o.SetKeepAlivePeriod(d), read())
		}
		s.say("SetKeepAlive", o.SetKeepAlive(false), read())
		for _, cfg := range []net.KeepAliveConfig{{}, {Enable: true}, {Enable: true, Idle: -1, Interval: -1, Count: -1}, {Enable: true, Idle: 7, Interval: 8,
			Count: 3}, {Enable: true, Count: 1000}, {Idle: time.Minute, Interval: time.Minute, Count: 4}} {
			s.say("SetKeepAliveConfig", cfg, o.SetKeepAliveConfig(cfg), read())
		}
	}
	b := c.(bufferSizes)
	for _, n := range []int{4096, 1, 0, 100_000} {
		s.say("SetReadBuffer", n, b.SetReadBuffer(n), intOption(c, unix.SOL_SOCKET, unix.SO_RCVBUF))
		s.say("SetWriteBuffer", n, b.SetWriteBuffer(n), intOption(c, unix.SOL_SOCKET, unix.SO_SNDBUF))
	}
}

// sayRaw makes the calls of the descriptor's own interface.
func sayRaw(s *script, c any, wait bool) {
	raw, err := c.(syscall.Conn).SyscallConn()
	s.say("SyscallConn", err)
	if err != nil {
		return
	}
	calls := 0
	s.say("Control", raw.Control(func(uintptr) { calls++ }))
	if wait {
		s.say("raw Read", raw.Read(func(uintptr) bool { calls++; return true }))
		s.say("raw Write", raw.Write(func(uintptr) bool { calls++; return true }))
	}
	s.say("calls", calls)
}

// sayFile makes a file of the connection.
func sayFile(s *script, c any) {
	f, err := c.(interface{ File() (*os.File, error) }).File()
	s.say("File", err)
	if err != nil {
		return
	}
	s.say("SetDeadline of the file", f.SetDeadline(time.Now().Add(-time.Hour)))
	s.say("O_NONBLOCK", nonblocking(s.t, c))
	fd := f.Fd()
	flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
	s.say("FD_CLOEXEC", flags, err)
	s.say("Close of the file", f.Close())
	// Fd of a file of net's makes the description block.
	unix.SetNonblock(descriptorOf(s.t, c), true)
}

func descriptorOf(t *testing.T, c any) (fd int) {
	raw, err := c.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(v uintptr) { fd = int(v) }))
	return fd
}

func nonblocking(t *testing.T, c any) bool {
	flags, err := unix.FcntlInt(uintptr(descriptorOf(t, c)), unix.F_GETFL, 0)
	require.NoError(t, err)
	return flags&unix.O_NONBLOCK != 0
}

func sayDeadlines(s *script, c net.Conn) {
	past := time.Now().Add(-time.Hour)
	for _, at := range []time.Time{past, time.Unix(0, 0), time.Unix(0, 1), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)} {
		s.say("SetDeadline", c.SetDeadline(at))
		for _, size := range []int{0, 1} {
			n, err := c.Read(make([]byte, size))
			s.say("late Read", size, n, err)
			n, err = c.Write(make([]byte, size))
			s.say("late Write", size, n, err)
		}
		if r, ok := c.(io.ReaderFrom); ok && isTCP(c) {
			n, err := r.ReadFrom(io.LimitReader(zeros{}, 10))
			s.say("late ReadFrom", n, err)
			n, err = r.ReadFrom(io.LimitReader(zeros{}, 0))
			s.say("late ReadFrom of nothing", n, err)
		}
		raw, err := c.(syscall.Conn).SyscallConn()
		s.say("late SyscallConn", err)
		s.say("late raw Read", raw.Read(func(uintptr) bool { return false }))
		s.say("late raw Write", raw.Write(func(uintptr) bool { return false }))
		s.say("late raw Read that is done", raw.Read(func(uintptr) bool { return true }))
		s.say("late Control", raw.Control(func(uintptr) {}))
	}
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	s.say("SetReadDeadline", c.SetReadDeadline(far), c.SetWriteDeadline(far), c.SetDeadline(time.Time{}))
}

func sayClosed(s *script, c net.Conn) {
	s.say("Close", c.Close(), c.Close())
	s.say("addresses", shape(c.LocalAddr()), isNil(c.RemoteAddr()))
	for _, size := range []int{0, 1} {
		n, err := c.Read(make([]byte, size))
		s.say("closed Read", n, err)
		n, err = c.Write(make([]byte, size))
		s.say("closed Write", n, err)
	}
	s.say("closed SetDeadline", c.SetDeadline(time.Time{}), c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Now()))
	if r, ok := c.(io.ReaderFrom); ok && isTCP(c) {
		n, err := r.ReadFrom(io.LimitReader(zeros{}, 10))
		s.say("closed ReadFrom", n, err)
		n, err = r.ReadFrom(io.LimitReader(zeros{}, 0))
		s.say("closed ReadFrom of nothing", n, err)
	}
	if e, ok := c.(streamEnd); ok {
		s.say("closed CloseRead", e.CloseRead())
		s.say("closed CloseWrite", e.CloseWrite())
	}
	sayRaw(s, c, true)
	sayFile(s, c)
	sayOptions(s, c)
}

func TestStreamsAtTheEdges(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix", "unixpacket"} {
		t.Run(network, func(t *testing.T) {
			alike(t, func(s *script, of side) {
				c, peer := connected(t, of, network)
				sayOptions(s, c)
				sayOptions(s, peer)
				c, peer = connected(t, of, network)
				sayRaw(s, c, true)
				sayDeadlines(s, c)
				sayFile(s, c)
				if network != "unixpacket" {
					v := net.Buffers{[]byte("some"), nil, []byte("more")}
					n, err := v.WriteTo(c)
					s.say("Buffers", n, err, len(v))
					b := make([]byte, 8)
					k, err := io.ReadFull(peer, b)
					s.say("read", k, err, string(b))
				}
				end := peer.(streamEnd)
				s.say("CloseWrite", end.CloseWrite(), end.CloseWrite())
				for _, size := range []int{0, 1} {
					n, err := peer.Write(make([]byte, size))
					s.say("Write after CloseWrite", size, n, err)
					if network != "unixpacket" || size > 0 {
						n, err = c.Read(make([]byte, size))
						s.say("Read at the end", size, n, err)
					}
				}
				if w, ok := c.(io.WriterTo); ok && isTCP(c) {
					n, err := w.WriteTo(io.Discard)
					s.say("WriteTo at the end", n, err)
				}
				s.say("CloseRead", end.CloseRead(), end.CloseRead())
				for _, size := range []int{0, 1} {
					n, err := peer.Read(make([]byte, size))
					s.say("Read after CloseRead", size, n, err)
				}
				sayClosed(s, c)
			})
		})
	}
}

func TestDatagramsAtTheEdges(t *testing.T) {
	for _, network := range []string{"udp4", "udp6", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			alike(t, func(s *script, of side) {
				p, err := of.packet(network, addressOf(t, network))
				require.NoError(t, err)
				defer p.Close()
				d, err := of.dial(network, p.LocalAddr().String())
				require.NoError(t, err)
				defer d.Close()
				for _, c := range []net.Conn{d, p.(net.Conn)} {
					sayRaw(s, c, true)
					sayOptions(s, c)
					sayFile(s, c)
				}
				n, err := d.Write(nil)
				s.say("Write of nothing", n, err)
				n, err = p.(net.Conn).Read(make([]byte, 5))
				s.say("Read of it", n, err)
				n, err = d.Write([]byte("some data"))
				s.say("Write", n, err)
				n, err = p.(net.Conn).Read(nil)
				s.say("Read into nothing", n, err)
				n, _, err = p.ReadFrom(nil)
				s.say("ReadFrom into nothing", n, err)
				n, err = d.Write(make([]byte, 70_000))
				if network != "unixgram" {
					s.say("Write of too much", n, err)
				}
				for _, to := range []net.Addr{nil, &net.TCPAddr{}, (*net.UDPAddr)(nil), (*net.UnixAddr)(nil), &net.UDPAddr{}, &net.UDPAddr{Port: 70_000},
					&net.UDPAddr{Port: -1}, &net.UDPAddr{IP: net.IP{1}, Port: 1}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.UnixAddr{},
					&net.UnixAddr{Net: "unixgram"}, &net.UnixAddr{Net: "unixgram", Name: "/nowhere/at/all"},
					&net.UnixAddr{Net: "unixgram", Name: fmt.Sprintf("/%0200d", 1)}, &net.UnixAddr{Net: "unixgram", Name: "@esock-nobody"}} {
					for _, c := range []net.PacketConn{p, d.(net.PacketConn)} {
						n, err := c.WriteTo([]byte("x"), to)
						s.say(fmt.Sprintf("WriteTo %T %v", to, to), n, err)
					}
				}
				sayClosed(s, d)
				sayClosed(s, p.(net.Conn))
				n, addr, err := p.ReadFrom(nil)
				s.say("closed ReadFrom", n, isNil(addr), err)
				n, err = p.WriteTo([]byte("x"), p.LocalAddr())
				s.say("closed WriteTo", n, err)
			})
		})
	}
}

func TestListenersAtTheEdges(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix", "unixpacket"} {
		t.Run(network, func(t *testing.T) {
			alike(t, func(s *script, of side) {
				address := addressOf(t, network)
				l, err := of.listen(network, address)
				require.NoError(t, err)
				defer l.Close()
				s.say("address", shape(l.Addr()))
				sayRaw(s, l, false)
				sayFile(s, l)
				past := l.(interface{ SetDeadline(time.Time) error })
				s.say("SetDeadline", past.SetDeadline(time.Now().Add(-time.Hour)))
				_, err = l.Accept()
				s.say("Accept", err)
				s.say("SetDeadline", past.SetDeadline(time.Time{}))
				s.say("Close", l.Close(), l.Close())
				s.say("address", shape(l.Addr()))
				_, err = l.Accept()
				s.say("Accept", err)
				sayRaw(s, l, false)
				sayFile(s, l)
				if network == "unix" {
					_, err := os.Stat(address)
					s.say("the path", os.IsNotExist(err))
					l, err := of.listen(network, address)
					require.NoError(t, err)
					l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
					s.say("Close", l.Close())
					_, err = os.Stat(address)
					s.say("the path", err)
					_, err = of.listen(network, address)
					s.say("the path is in use", err)
					l, err = of.listen(network, "") // the kernel makes an address
					s.say("no path", err)
					s.say("address", len(l.Addr().String()), l.Addr().String()[0])
					s.say("Close", l.Close())
				}
			})
		})
	}
}

// A dial that is over before it begins, with local addresses of all kinds.
func TestDialsAtTheEdges(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	gone, cancel := context.WithCancel(background)
	cancel()
	late, end := context.WithDeadline(background, time.Now().Add(-time.Hour))
	defer end()
	address := l.Addr().String()
	type dial struct {
		what             string
		ctx              context.Context
		network, address string
		local            net.Addr
		deadline         time.Time
		timeout          time.Duration
	}
	none := filepath.Join(t.TempDir(), "none")
	for _, d := range []dial{
		{what: "cancelled", ctx: gone, network: "tcp", address: address},
		{what: "late", ctx: late, network: "tcp", address: address},
		{what: "late udp", ctx: late, network: "udp", address: address},
		{what: "late unix", ctx: late, network: "unix", address: none},
		{what: "cancelled unix", ctx: gone, network: "unix", address: none},
		{what: "deadline", deadline: time.Now().Add(-time.Hour), network: "tcp", address: address},
		{what: "timeout", timeout: time.Nanosecond, network: "tcp", address: address},
		{what: "negative timeout", timeout: -1, network: "tcp", address: address},
		{what: "nil local", local: (*net.TCPAddr)(nil), network: "tcp", address: address},
		{what: "zero local", local: &net.TCPAddr{}, network: "tcp", address: address},
		{what: "another's local", local: &net.UDPAddr{}, network: "tcp", address: address},
		{what: "another's nil local", local: (*net.UDPAddr)(nil), network: "tcp", address: address},
		{what: "local of another family", local: &net.TCPAddr{IP: net.IPv6loopback}, network: "tcp", address: address},
		{what: "local of another family", local: &net.TCPAddr{IP: net.IPv6loopback}, network: "tcp", address: ":1"},
		{what: "local that is not here", local: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}, network: "tcp", address: address},
		{what: "local in use", local: l.Addr(), network: "tcp", address: address},
		{what: "bad local", local: &net.TCPAddr{IP: net.IP{1, 2}}, network: "tcp", address: address},
		{what: "bad local port", local: &net.TCPAddr{Port: 70_000}, network: "tcp", address: address},
		{what: "unix local", local: &net.UnixAddr{Name: none, Net: "unix"}, network: "tcp", address: address},
		{what: "unix local of another network", local: &net.UnixAddr{Name: none, Net: "unixgram"}, network: "unix", address: none},
		{what: "unix local without a directory", local: &net.UnixAddr{Name: none + "/x", Net: "unix"}, network: "unix", address: none},
		{what: "long unix", network: "unix", address: fmt.Sprintf("/%0200d", 1)},
		{what: "port by name", network: "tcp", address: "127.0.0.1:nosuchservice"},
		{what: "no port", network: "tcp4", address: "127.0.0.1:"},
		{what: "no host", network: "tcp4", address: ":1"},
		{what: "all of IPv6", network: "tcp", address: "[::]:1"},
		{what: "udp to nowhere", network: "udp", address: ":0"},
		{what: "a mapped address", network: "tcp", address: "[::ffff:127.0.0.1]:1"},
		{what: "a mapped address of tcp6", network: "tcp6", address: "[::ffff:127.0.0.1]:1"},
		{what: "broadcast", network: "tcp", address: "255.255.255.255:1"},
	} {
		t.Run(d.what, func(t *testing.T) {
			ctx := d.ctx
			if ctx == nil {
				ctx = background
			}
			n := net.Dialer{LocalAddr: d.local, Deadline: d.deadline, Timeout: d.timeout}
			e := Dialer{LocalAddr: d.local, Deadline: d.deadline, Timeout: d.timeout}
			var got [2]string
			for i, dial := range []func(context.Context, string, string) (net.Conn, error){n.DialContext, e.DialContext} {
				c, err := dial(ctx, d.network, d.address)
				got[i] = described(err)
				if err != nil {
					got[i] += fmt.Sprint(" ", addrOf(err))
					for _, like := range []error{context.Canceled, context.DeadlineExceeded, net.ErrClosed, os.ErrPermission} {
						got[i] += fmt.Sprint(" ", isLike(err, like))
					}
				} else {
					got[i] += shape(c.LocalAddr()) + shape(c.RemoteAddr())
					c.Close()
				}
			}
			assert.Equal(t, got[0], got[1])
		})
	}
}

// What package net hands to the kernel, or changes in silence, is refused by name.
func TestWhatNoKernelTakes(t *testing.T) {
	_, err := Listen("unix", fmt.Sprintf("/%0200d", 1))
	assert.ErrorContains(t, err, "the path has 201 bytes, and 108 fit")
	c, _ := pair(t, "tcp4")
	refused := map[string]error{
		"a path with a NUL": second(Dialer{}.Dial("unix", "a\x00b")),
		"a path too long":   second(Dialer{}.Dial("unix", fmt.Sprintf("/%0200d", 1))),
		"an unknown zone":   second(Dialer{}.Dial("tcp6", "[::1%nosuchzone]:1")),
		"an endless time":   c.(*TCPConn).SetKeepAlivePeriod(1 << 62),
	}
	for _, n := range testint.Wide() {
		refused[fmt.Sprintf("a linger of %d", n)] = c.(*TCPConn).SetLinger(n)
		refused[fmt.Sprintf("a receive buffer of %d", n)] = c.(*TCPConn).SetReadBuffer(n)
		wraps := int64(18446744074)
		refused["a linger that wraps"] = c.(*TCPConn).SetLinger(int(wraps))
	}
	for what, err := range refused {
		opError(t, err)
		assert.ErrorIs(t, err, syscall.EINVAL, what)
		var invalid *esock.InvalidError
		assert.ErrorAs(t, err, &invalid, what)
	}
}

// ReadMsgUnix into no bytes takes a byte of a stream if control messages may come with it, as in package net.
func TestReadMsgUnixIntoNothing(t *testing.T) {
	alike(t, func(s *script, of side) {
		c, peer := connected(t, of, "unix")
		_, err := peer.Write([]byte("ab"))
		require.NoError(t, err)
		n, oobn, _, addr, err := c.(unixMessages).ReadMsgUnix(nil, make([]byte, 50))
		s.say("with room for control messages", n, oobn, addr.Net, err)
		b := make([]byte, 5)
		n, err = c.Read(b)
		s.say("Read", n, err, string(b[:n]))
	})
	c, peer := pair(t, "unix")
	_, err := peer.Write([]byte("a"))
	require.NoError(t, err)
	n, oobn, flags, _, err := c.(*UnixConn).ReadMsgUnix(nil, nil) // package net says io.EOF
	require.NoError(t, err)
	assert.Zero(t, n+oobn+flags)
	b := make([]byte, 5)
	n, err = c.Read(b)
	require.NoError(t, err)
	assert.Equal(t, "a", string(b[:n]), "nothing is lost")
}
