package gentcp_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
)

// bareFD is a descriptor of a new socket, bound to the address unless that is zero.
func bareFD(t testing.TB, domain, typ int, bind syscall.Sockaddr) int {
	t.Helper()
	fd, err := syscall.Socket(domain, typ|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	if bind != nil {
		require.NoError(t, syscall.Bind(fd, bind))
	}
	return fd
}

func tcpFD(t testing.TB, bind syscall.Sockaddr) int {
	t.Helper()
	return bareFD(t, syscall.AF_INET, syscall.SOCK_STREAM, bind)
}

// portOfFD is the port that a descriptor is bound to.
func portOfFD(t testing.TB, fd int) int {
	t.Helper()
	a, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	return a.(*syscall.SockaddrInet4).Port
}

var loopbackPort0 = &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}

// usesItself checks that the socket has the descriptor, not a duplicate, and closes it.
func usesItself(t testing.TB, s *Socket, fd int) {
	t.Helper()
	got, err := sockopt.Get(s.Socket(), "otp", "fd")
	require.NoError(t, err)
	assert.Equal(t, fd, got)
	require.NoError(t, s.Close())
	assert.False(t, isOpen(fd))
}

func TestFD_Listen(t *testing.T) {
	t.Run("bound", func(t *testing.T) {
		fd := tcpFD(t, loopbackPort0)
		port := portOfFD(t, fd)
		l := opened(t)(Listen(owner(t), 0, FD(fd), PacketType(packet.Line), KeepIdle(7)))
		assert.Equal(t, port, portOf(t, l))
		assert.Equal(t, 7, valueOf(t, l, "keepidle"))
		sent(t, connectTo(t, nil, l), acceptFrom(t, l, nil), "hello\n")
		usesItself(t, l, fd)
	})
	t.Run("to be bound", func(t *testing.T) {
		port := freePorts(t, 1)[0]
		for _, c := range []struct {
			arg  int
			opts []Option
			want esock.Addr
		}{
			{0, []Option{Port(port)}, at(any4, port)},
			{port, nil, at(any4, port)},
			{port, []Option{IP(ipA)}, at(ipA, port)},
			{0, []Option{IfAddr(at(ipA, port))}, at(ipA, port)},
		} {
			fd := tcpFD(t, nil)
			l := opened(t)(Listen(nil, c.arg, append(c.opts, must(Opt("fd", fd)))...))
			assert.Equal(t, c.want, nameOf(t, l))
			usesItself(t, l, fd)
		}
		fd := tcpFD(t, nil)
		l := opened(t)(Listen(nil, 0, FD(fd), IPLoopback()))
		assert.Equal(t, ip4, nameOf(t, l).IP())
	})
	t.Run("listening already", func(t *testing.T) {
		fd := tcpFD(t, loopbackPort0)
		require.NoError(t, syscall.Listen(fd, 5))
		l := opened(t)(Listen(nil, 0, FD(fd)))
		sent(t, connectTo(t, nil, l), acceptFrom(t, l, nil), "hello")
		usesItself(t, l, fd)
	})
	t.Run("of another family", func(t *testing.T) {
		machine.NeedIPv6(t)
		fd := bareFD(t, syscall.AF_INET6, syscall.SOCK_STREAM, nil)
		l := opened(t)(Listen(nil, 0, Inet6(), FD(fd), IPLoopback()))
		assert.Equal(t, ip6, nameOf(t, l).IP())
		path := filepath.Join(t.TempDir(), "l")
		fd = bareFD(t, syscall.AF_UNIX, syscall.SOCK_STREAM, &syscall.SockaddrUnix{Name: path})
		l = opened(t)(Listen(nil, 0, Local(), FD(fd)))
		assert.Equal(t, esock.UnixAddr(path), nameOf(t, l))
		sent(t, connectTo(t, nil, l), acceptFrom(t, l, nil), "hello")
	})
}

func TestFD_Connect(t *testing.T) {
	l := listenWith(t, nil)
	t.Run("not bound", func(t *testing.T) {
		fd := tcpFD(t, nil)
		s := connectTo(t, nil, l, FD(fd), KeepIdle(7))
		assert.Equal(t, 7, valueOf(t, s, "keepidle"))
		sent(t, s, acceptFrom(t, l, nil), "hello")
		usesItself(t, s, fd)
	})
	t.Run("bound", func(t *testing.T) {
		fd := tcpFD(t, loopbackPort0)
		port := portOfFD(t, fd)
		s := connectTo(t, nil, l, FD(fd))
		assert.Equal(t, port, portOf(t, s))
	})
	t.Run("to be bound", func(t *testing.T) {
		s := connectTo(t, nil, l, FD(tcpFD(t, nil)), IP(ipC))
		assert.Equal(t, ipC, nameOf(t, s).IP())
	})
	t.Run("by name", func(t *testing.T) {
		needLocalhost(t)
		opened(t)(Connect(nil, "localhost", portOf(t, l), soon, FD(tcpFD(t, nil))))
	})
	t.Run("only one address is tried", func(t *testing.T) {
		hosts(t, ipA, ip4)
		fd := tcpFD(t, nil)
		before := esock.NumberOf()
		s, err := Connect(nil, "host", portOf(t, l), soon, FD(fd))
		assertReason(t, "econnrefused", s, err)
		assert.False(t, isOpen(fd))
		assert.Equal(t, before, esock.NumberOf())
	})
}

// A call that fails closes the descriptor, unless its arguments were wrong or it is no socket's.
func TestFD_WhoseItIsAfterAFailure(t *testing.T) {
	l := listenWith(t, nil)
	gone := esock.NewMailbox()
	gone.Close()
	hosts(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	defer file.Close()
	port := portOf(t, l)
	for name, c := range map[string]struct {
		call func(fd Option) (*Socket, error)
		want string
		open bool
	}{
		"bind":      {func(fd Option) (*Socket, error) { return Listen(nil, port, fd) }, "eaddrinuse", false},
		"an option": {func(fd Option) (*Socket, error) { return Listen(nil, 0, fd, TTL(300)) }, "einval", false},
		"another family": {func(fd Option) (*Socket, error) { return Listen(nil, 0, fd, Inet(), IP(ip6)) },
			"eafnosupport", false},
		"refused": {func(fd Option) (*Socket, error) { return ConnectAddr(nil, at(ipA, port), soon, fd) },
			"econnrefused", false},
		"connect of another family": {func(fd Option) (*Socket, error) {
			return ConnectAddr(nil, at(ip6, port), soon, fd, Inet())
		}, "eafnosupport", false},
		"no host": {func(fd Option) (*Socket, error) { return Connect(nil, "::1", 1, soon, fd, Inet()) },
			"nxdomain", false},
		"no addresses": {func(fd Option) (*Socket, error) { return Connect(nil, "host", 1, soon, fd) }, "einval", false},
		"timeout": {func(fd Option) (*Socket, error) {
			return ConnectAddr(nil, nameOf(t, blackHole(t, ipB, 0)), esock.Within(0), fd)
		}, "timeout", false},
		"fdopen": {func(fd Option) (*Socket, error) { return FDOpen(nil, fd.Value().(int), TTL(300)) }, "einval", false},

		"no port":        {func(fd Option) (*Socket, error) { return Listen(nil, -1, fd) }, "badarg", true},
		"a wrong option": {func(fd Option) (*Socket, error) { return Listen(nil, 0, fd, Header(-1)) }, "badarg", true},
		"no owner":       {func(fd Option) (*Socket, error) { return Listen(gone, 0, fd) }, "badarg", true},
		"no wait": {func(fd Option) (*Socket, error) { return Connect(nil, "::1", 1, esock.Within(-1), fd) },
			"badarg", true},
		"a host for local": {func(fd Option) (*Socket, error) { return Connect(nil, "::1", 1, soon, fd, Local()) },
			"badarg", true},
		"no address": {func(fd Option) (*Socket, error) { return ConnectAddr(nil, esock.Any, soon, fd) },
			"badarg", true},
		"fdopen with badarg": {func(fd Option) (*Socket, error) { return FDOpen(gone, fd.Value().(int)) }, "badarg", true},
	} {
		t.Run(name, func(t *testing.T) {
			fd := tcpFD(t, nil)
			s, err := c.call(FD(fd))
			assertReason(t, c.want, s, err)
			assert.Equal(t, c.open, isOpen(fd))
			if c.open {
				syscall.Close(fd)
			}
		})
	}
	before := esock.NumberOf()
	for want, fd := range map[string]int{"enotsock": int(file.Fd()), "ebadf": 1 << 20} {
		s, err := Listen(nil, 0, FD(fd))
		assertReason(t, want, s, err)
		s, err = ConnectAddr(nil, nameOf(t, l), soon, FD(fd))
		assertReason(t, want, s, err)
		s, err = FDOpen(nil, fd)
		assertReason(t, want, s, err)
	}
	assert.True(t, isOpen(int(file.Fd())))
	assert.Equal(t, before, esock.NumberOf())
}

func TestFD_WrongKind(t *testing.T) {
	l := listenWith(t, nil)
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer syscall.Close(fds[1])
	s, err := ConnectAddr(nil, nameOf(t, l), soon, FD(fds[0]))
	require.Error(t, err)
	assert.Nil(t, s)
	datagrams := bareFD(t, syscall.AF_INET, syscall.SOCK_DGRAM, nil)
	for _, open := range []func() (*Socket, error){
		func() (*Socket, error) { return Listen(nil, 0, FD(datagrams)) },
		func() (*Socket, error) { return FDOpen(nil, datagrams) },
		func() (*Socket, error) { return Listen(nil, 0, FD(datagrams), NetNS("/nowhere")) },
	} {
		s, err = open()
		assertReason(t, "badarg", s, err)
		assert.True(t, isOpen(datagrams), "it is still the caller's")
	}
	require.NoError(t, syscall.Close(datagrams))
	connected := tcpFD(t, nil)
	require.NoError(t, syscall.Connect(connected, &syscall.SockaddrInet4{Port: portOf(t, l), Addr: [4]byte{127, 0, 0, 1}}))
	s, err = ConnectAddr(nil, nameOf(t, l), soon, FD(connected))
	assertReason(t, "eisconn", s, err)
}

func TestFDOpen(t *testing.T) {
	for name, family := range map[string]struct {
		word   []Option
		domain esock.Domain
		fds    func() (a, b int)
	}{
		"local": {nil, esock.Local, func() (int, int) {
			fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			require.NoError(t, err)
			return fds[0], fds[1]
		}},
		"inet": {[]Option{Inet()}, esock.Inet, func() (int, int) {
			l := listenWith(t, nil)
			fd := tcpFD(t, nil)
			require.NoError(t, syscall.Connect(fd, &syscall.SockaddrInet4{Port: portOf(t, l), Addr: [4]byte{127, 0, 0, 1}}))
			server := acceptFrom(t, l, nil)
			b, err := syscall.Dup(must(sockopt.Get(server.Socket(), "otp", "fd")).(int))
			require.NoError(t, err)
			server.Close()
			return fd, b
		}},
	} {
		t.Run(name, func(t *testing.T) {
			fdA, fdB := family.fds()
			mb := owner(t)
			a := opened(t)(FDOpen(mb, fdA, append(family.word, Binary(), ActiveOnce(), PacketType(packet.Len2))...))
			b := opened(t)(FDOpen(nil, fdB, PacketType(packet.Len2)))
			assert.Equal(t, family.domain, a.Socket().Domain())
			assert.Equal(t, mb, a.Owner())
			assert.Equal(t, ModeBinary, valueOf(t, a, "mode"))
			require.NoError(t, b.Send([]byte("hello")))
			assert.Equal(t, "hello", string(nextMessage(t, mb).(TCPMsg).Data()))
			assert.Equal(t, false, valueOf(t, b, "active"))
			require.NoError(t, a.Send([]byte("back")))
			p, err := b.Recv(0, soon)
			require.NoError(t, err)
			assert.Equal(t, "back", string(p.Data()))
			require.NoError(t, b.Unrecv([]byte("\x00\x01x")))
			p, err = b.Recv(0, soon)
			require.NoError(t, err)
			assert.Equal(t, "x", string(p.Data()))
			got, err := b.Accept(nil, soon)
			assertReason(t, "einval", got, err)
			mb.Close()
			assert.False(t, isOpen(fdA), "it ends with its owner")
			usesItself(t, b, fdB)
		})
	}
	s, err := FDOpen(nil, -1)
	assertReason(t, "badarg", s, err)
	s, err = FDOpen(nil, 0, Backlog(5))
	assertReason(t, "badarg", s, err)
}
