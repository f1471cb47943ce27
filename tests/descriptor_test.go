package tests

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

func rawOf(t *testing.T, s *esock.Socket) syscall.RawConn {
	t.Helper()
	raw, err := s.SyscallConn()
	require.NoError(t, err)
	return raw
}

func TestSyscallConn_ControlHasTheDescriptor(t *testing.T) {
	a, _ := pair(t, esock.Stream)
	var got uintptr
	require.NoError(t, rawOf(t, a).Control(func(fd uintptr) { got = fd }))
	assert.EqualValues(t, a.FD(), got)
}

// Read takes its turn, waits until there is something, and ends with the socket.
func TestSyscallConn_Waits(t *testing.T) {
	a, b := pair(t, esock.Stream)
	read := func(s *esock.Socket, buf []byte, n *int) func(uintptr) bool {
		return func(fd uintptr) bool {
			var err error
			*n, err = syscall.Read(int(fd), buf)
			return err != syscall.EAGAIN
		}
	}
	buf, n := make([]byte, 8), 0
	done := make(chan error, 1)
	go func() { done <- rawOf(t, b).Read(read(b, buf, &n)) }()
	eventually(t, "a reader that waits", func() bool { return b.Info().NumReaders == 1 })
	send(t, a, "hello")
	require.NoError(t, <-done)
	assert.Equal(t, "hello", string(buf[:n]))

	go func() { done <- rawOf(t, b).Read(read(b, buf, &n)) }()
	eventually(t, "a reader that waits", func() bool { return b.Info().NumReaders == 1 })
	_, err := b.Recv(buf, 0, esock.Within(0))
	assert.ErrorIs(t, err, esock.ErrTimeout, "it has the turn")
	require.NoError(t, b.Close())
	assert.ErrorIs(t, <-done, net.ErrClosed)
}

func TestSyscallConn_Writes(t *testing.T) {
	a, b := pair(t, esock.Stream)
	require.NoError(t, rawOf(t, a).Write(func(fd uintptr) bool {
		_, err := syscall.Write(int(fd), []byte("x"))
		return err == nil
	}))
	got, err := b.RecvBytes(1, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, "x", string(got))
}

// A function that panics, or ends its goroutine, leaves the direction free, whether it was called at once or after a wait.
func TestSyscallConn_FunctionThatUnwinds(t *testing.T) {
	for name, unwind := range map[string]func(){"panics": func() { panic("of the function") }, "exits": runtime.Goexit} {
		for _, later := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				a, b := pair(t, esock.Stream)
				calls := make(chan int, 10)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					defer func() { recover() }()
					n := 0
					_ = rawOf(t, b).Read(func(uintptr) bool {
						calls <- n
						if n++; n == 1 && later || n == 2 && later {
							return false
						}
						unwind()
						return false
					})
				}()
				<-calls
				if later {
					eventually(t, "a reader that waits", func() bool { return b.Info().NumReaders == 1 })
					for range 3 {
						send(t, a, "x")
					}
				} else {
					send(t, a, "x")
				}
				for waiting := true; waiting; {
					select {
					case <-ended:
						waiting = false
					case <-calls:
						send(t, a, "x")
					case <-time.After(patience):
						require.Fail(t, "it never ended")
					}
				}
				assert.Zero(t, b.Info().NumReaders)
				_, err := b.Recv(make([]byte, 1), 0, esock.Within(patience))
				assert.NoError(t, err)
				require.NoError(t, b.Close())
			})
		}
	}
}

func TestSyscallConn_OfNoSocket(t *testing.T) {
	a, _ := pair(t, esock.Stream)
	raw := rawOf(t, a)
	for _, err := range []error{raw.Control(nil), raw.Read(nil), raw.Write(nil)} {
		assert.ErrorIs(t, err, &esock.InvalidError{What: "function"})
	}
	require.NoError(t, a.Close())
	never := func(uintptr) bool { t.Error("called"); return true }
	assert.ErrorIs(t, raw.Control(func(uintptr) { never(0) }), net.ErrClosed)
	assert.ErrorIs(t, raw.Read(never), net.ErrClosed)
	assert.ErrorIs(t, raw.Write(never), net.ErrClosed)
	for _, s := range []*esock.Socket{nil, new(esock.Socket), a} {
		_, err := s.SyscallConn()
		assert.ErrorIs(t, err, net.ErrClosed)
		_, err = s.File()
		assert.ErrorIs(t, err, net.ErrClosed)
	}
}

// The file and the socket are two descriptors of one description.
func TestFile(t *testing.T) {
	a, b := pair(t, esock.Stream)
	f, err := a.File()
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, a.Close())
	_, err = f.Write([]byte("by the file"))
	require.NoError(t, err)
	got, err := b.RecvBytes(11, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, "by the file", string(got))
	c, err := esock.AdoptFile(f)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, f.Close())
	send(t, c, "x")
}

// From File on the description is shared: the calls that a sharer could make sleep are bounded, as on an adopted socket.
func TestFile_BoundsWhatASharerCanMakeSleep(t *testing.T) {
	l := tcp4(t)
	require.NoError(t, l.Bind(esock.Loopback))
	require.NoError(t, l.Listen(1))
	bound := func() time.Duration {
		_, err := l.Accept(esock.Within(0))
		require.ErrorIs(t, err, esock.ErrTimeout)
		d, err := sockopt.SocketRcvTimeo.Get(l)
		require.NoError(t, err)
		return d
	}
	assert.Zero(t, bound())
	f, err := l.File()
	require.NoError(t, err)
	defer f.Close()
	assert.NotZero(t, bound())
}

func TestAdoptFile_OfNet(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	require.NoError(t, err)
	s, err := esock.AdoptFile(f, esock.Registered(false))
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, f.Close())
	assert.False(t, s.Registered())
	at, err := s.SockName()
	require.NoError(t, err)
	assert.Equal(t, l.Addr(), at.NetAddr("tcp"))
}

func TestAdoptFile_Refuses(t *testing.T) {
	_, err := esock.AdoptFile(nil)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "file"})
	f, err := os.Open("/dev/null")
	require.NoError(t, err)
	_, err = esock.AdoptFile(f)
	assert.ErrorIs(t, err, syscall.ENOTSOCK)
	for _, o := range []esock.OpenOption{esock.NoDup(), esock.TakeFD(), nil} {
		_, err = esock.AdoptFile(f, o)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "options"})
	}
	require.NoError(t, f.Close())
	_, err = esock.AdoptFile(f)
	assert.ErrorIs(t, err, os.ErrClosed)
}

// What io.Copy hands over is often a value around a file, not a file.
func TestSendFile_OfAnythingWithADescriptor(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteString("from a file")
	require.NoError(t, err)
	a, b := pair(t, esock.Stream)
	n, err := a.SendFile(struct{ syscall.Conn }{f}, 5, esock.ToEnd, esock.Within(patience))
	require.NoError(t, err)
	assert.EqualValues(t, 6, n)
	got, err := b.RecvBytes(6, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, "a file", string(got))
	_, err = a.SendFile((*os.File)(nil), 0, esock.ToEnd, esock.Forever)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "file"})
}

func TestAddressesOfNet(t *testing.T) {
	v4, v6 := esock.AddrFrom(netip.MustParseAddrPort("192.0.2.1:80")), esock.AddrFrom(netip.MustParseAddrPort("[fe80::1%eth0]:80"))
	for _, c := range []struct {
		addr    esock.Addr
		network string
		want    net.Addr
	}{
		{v4, "tcp", &net.TCPAddr{IP: net.IP{192, 0, 2, 1}, Port: 80}},
		{v6, "tcp6", &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 80, Zone: "eth0"}},
		{v4, "udp4", &net.UDPAddr{IP: net.IP{192, 0, 2, 1}, Port: 80}},
		{esock.Inet4Addr(netip.MustParseAddr("192.0.2.1"), 0), "ip4:icmp", &net.IPAddr{IP: net.IP{192, 0, 2, 1}}},
		{esock.UnixAddr("/tmp/x"), "unix", &net.UnixAddr{Name: "/tmp/x", Net: "unix"}},
		{esock.AbstractAddr("x"), "unixgram", &net.UnixAddr{Name: "@x", Net: "unixgram"}},
		{esock.UnixAddr(""), "unix", &net.UnixAddr{Net: "unix"}},
	} {
		got := c.addr.NetAddr(c.network)
		assert.Equal(t, c.want.String(), got.String())
		assert.IsType(t, c.want, got)
		back, err := esock.AddrFromNet(got)
		require.NoError(t, err)
		assert.Equal(t, c.addr, back)
	}
	odd := esock.NetlinkAddr(7, 1)
	got := odd.NetAddr("netlink")
	assert.Equal(t, "netlink", got.Network())
	assert.Equal(t, odd.String(), got.String())
	back, err := esock.AddrFromNet(got)
	require.NoError(t, err)
	assert.Equal(t, odd, back)
	assert.Equal(t, "tcp", esock.UnixAddr("/x").NetAddr("tcp").Network(), "no such address, and no nil")
	for _, a := range []net.Addr{nil, (*net.TCPAddr)(nil), (*net.UDPAddr)(nil), (*net.IPAddr)(nil), (*net.UnixAddr)(nil), &net.TCPAddr{Port: 1},
		&net.TCPAddr{IP: net.IP{1, 2}}, &net.TCPAddr{IP: net.IP{1, 2, 3, 4}, Port: 70000}, &net.UnixAddr{Name: string(make([]byte, 200))},
		&net.IPNet{}} {
		_, err := esock.AddrFromNet(a)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"}, "%v", a)
	}
}

// A packet socket that is opened with EtherType receives; a number in the order of the host is refused where it can be no type.
func TestEtherType(t *testing.T) {
	privileged(t)
	_, err := esock.Open(esock.Packet, esock.Raw, 3)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "protocol"})
	assert.ErrorContains(t, err, "EtherType")
	s := open(t, esock.Packet, esock.Dgram, esock.EtherType(3))
	u := udp4(t)
	_, err = u.SendTo([]byte("captured"), sockName(t, u), 0, esock.Forever)
	require.NoError(t, err)
	buf := make([]byte, 1<<16)
	for {
		n, _, err := s.RecvFrom(buf, 0, esock.Within(patience))
		require.NoError(t, err)
		if n >= 8 && string(buf[n-8:n]) == "captured" {
			break
		}
	}
}
