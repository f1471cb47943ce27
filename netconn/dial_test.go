package netconn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

// endpoints are addresses of one port, in an order.
func endpoints(port int, ips ...string) (list []endpoint) {
	for _, ip := range ips {
		list = append(list, endpoint{ip: netip.MustParseAddr(ip), port: uint16(port)})
	}
	return list
}

// dialAll dials as for a name that has the addresses.
func dialAll(ctx context.Context, d Dialer, list []endpoint) (net.Conn, error) {
	n, _ := parseNetwork("tcp")
	a := &attempts{d: d, ctx: ctx, n: n, left: alternate(list)}
	defer a.end()
	return a.run()
}

func portOf(a net.Addr) int { return a.(*net.TCPAddr).Port }

// unused is a port of 127.0.0.1 that refuses connections.
func unused(t *testing.T) int {
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP) // bound and not listening
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	require.NoError(t, s.Bind(esock.Loopback))
	a, err := s.SockName()
	require.NoError(t, err)
	return int(a.Port())
}

func TestFamiliesAlternate(t *testing.T) {
	got := alternate(endpoints(1, "::1", "::2", "::3", "1.1.1.1", "1.1.1.2"))
	assert.Equal(t, endpoints(1, "::1", "1.1.1.1", "::2", "1.1.1.2", "::3"), got)
	assert.Equal(t, endpoints(1, "1.1.1.1"), alternate(endpoints(1, "1.1.1.1")))
}

// An address that refuses is followed by the next one at once, and the first error is the result if all do.
func TestTheNextAddressFollowsAFailure(t *testing.T) {
	l := listening(t, ListenConfig{}, "tcp4")
	for _, delay := range []time.Duration{time.Hour, -1} { // beside each other, and one after the other
		c, err := dialAll(background, Dialer{AttemptDelay: delay}, endpoints(portOf(l.Addr()), "127.0.0.2", "127.0.0.3", "127.0.0.1"))
		require.NoError(t, err)
		assert.Equal(t, l.Addr().String(), c.RemoteAddr().String())
		require.NoError(t, c.Close())

		port := unused(t)
		_, err = dialAll(background, Dialer{AttemptDelay: delay}, endpoints(port, "127.0.0.1", "127.0.0.2"))
		op := opError(t, err)
		assert.Equal(t, "dial", op.Op)
		assert.Equal(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), op.Addr.String())
		assert.Equal(t, os.NewSyscallError("connect", syscall.ECONNREFUSED), op.Err)
	}
}

// full is a listener whose queue is full, so that connecting to it waits: the kernel drops the first packet.
func full(t *testing.T, ip string) (port int) {
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	require.NoError(t, s.Bind(esock.Inet4Addr(netip.MustParseAddr(ip), 0)))
	require.NoError(t, s.Listen(0))
	a, err := s.SockName()
	require.NoError(t, err)
	c, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.Connect(a, esock.Within(patience)))
	testwait.Until(t, "the queue is full", func() bool {
		info, err := sockopt.TCPInfo.Get(s)
		require.NoError(t, err)
		return info.Unacked > info.Sacked // of a listener: how many wait, and how many may
	})
	return int(a.Port())
}

// An address that does not answer does not keep the next one waiting for longer than the delay, and the context ends all.
func TestAttemptsRunBesideEachOther(t *testing.T) {
	port := full(t, "127.0.0.4")
	l, err := ownListener(ListenConfig{}.Listen(background, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))))
	require.NoError(t, err)
	defer l.Close()
	c, err := dialAll(background, Dialer{AttemptDelay: time.Millisecond}, endpoints(port, "127.0.0.4", "127.0.0.1"))
	require.NoError(t, err)
	assert.Equal(t, l.Addr().String(), c.RemoteAddr().String())
	require.NoError(t, c.Close())

	for _, list := range [][]endpoint{endpoints(port, "127.0.0.4"), endpoints(port, "127.0.0.4", "127.0.0.4")} {
		ctx, cancel := context.WithCancelCause(background)
		var once sync.Once
		d := Dialer{AttemptDelay: time.Hour, Control: func(context.Context, string, string, *esock.Socket) error {
			once.Do(func() { time.AfterFunc(time.Millisecond, func() { cancel(errors.New("enough")) }) })
			return nil
		}}
		_, err = dialAll(ctx, d, list)
		op := opError(t, err)
		assert.Equal(t, "dial", op.Op)
		assert.ErrorIs(t, err, context.Canceled)
	}
	_, err = Dialer{Timeout: time.Millisecond}.Dial("tcp", net.JoinHostPort("127.0.0.4", strconv.Itoa(port)))
	op := opError(t, err)
	assert.True(t, op.Timeout())
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestDialNames(t *testing.T) {
	if found, err := net.LookupHost("localhost"); err != nil {
		t.Skip("localhost has no address: ", found, err)
	}
	l := listening(t, ListenConfig{}, "tcp4")
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	c, err := Dialer{}.DialContext(background, "tcp", "localhost:"+port)
	require.NoError(t, err)
	assert.Equal(t, l.Addr().String(), c.RemoteAddr().String())
	require.NoError(t, c.Close())
	c, err = Dialer{}.Dial("tcp", ":"+port) // this host
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestDialErrors(t *testing.T) {
	ended, cancel := context.WithCancel(background)
	cancel()
	for _, test := range []struct {
		ctx              context.Context
		network, address string
		is               error
	}{
		{background, "tcp9", "127.0.0.1:1", net.UnknownNetworkError("tcp9")},
		{background, "tcp", "", errMissingAddress},
		{ended, "tcp", "127.0.0.1:1", context.Canceled},
		{background, "unix", filepath.Join(t.TempDir(), "none"), syscall.ENOENT},
	} {
		_, err := Dialer{}.DialContext(test.ctx, test.network, test.address)
		op := opError(t, err)
		assert.Equal(t, "dial", op.Op)
		assert.Equal(t, test.network, op.Net)
		assert.ErrorIs(t, err, test.is)
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.1:99999", "[::1]:http:1"} {
		_, err := Dialer{}.Dial("tcp", address)
		assert.Equal(t, "dial", opError(t, err).Op, address)
	}
	_, err := Dialer{}.Dial("tcp6", "127.0.0.1:1")
	var addr *net.AddrError
	assert.ErrorAs(t, err, &addr)
	_, err = Dialer{LocalAddr: &net.UDPAddr{}}.Dial("tcp", "127.0.0.1:1")
	assert.ErrorAs(t, err, &addr)
	_, err = Dialer{}.DialContext(nil, "tcp", "127.0.0.1:1") // a mistake
	assert.Error(t, err)
	refusal := errors.New("refused by the hook")
	_, err = Dialer{Control: func(context.Context, string, string, *esock.Socket) error { return refusal }}.Dial("udp", "127.0.0.1:1")
	assert.ErrorIs(t, err, refusal)
}

func TestControlGetsTheSocketBeforeConnect(t *testing.T) {
	l := listening(t, ListenConfig{}, "tcp4")
	var sock *esock.Socket
	d := Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	d.Control = func(_ context.Context, network, address string, s *esock.Socket) error {
		sock = s
		assert.Equal(t, "tcp4", network)
		assert.Equal(t, l.Addr().String(), address)
		_, err := s.PeerName()
		assert.ErrorIs(t, err, syscall.ENOTCONN)
		return sockopt.TCPMaxSeg.Set(s, 1000)
	}
	c, err := d.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	s, ok := SocketOf(c)
	require.True(t, ok)
	assert.Same(t, sock, s)
	assert.Equal(t, "127.0.0.9", c.LocalAddr().(*net.TCPAddr).IP.String())
	a, err := l.Accept()
	require.NoError(t, err)
	defer a.Close()
	assert.Equal(t, c.LocalAddr().String(), a.RemoteAddr().String())
}

func TestDialUnixFromAName(t *testing.T) {
	l := listening(t, ListenConfig{}, "unix")
	local := &net.UnixAddr{Name: abstractName(), Net: "unix"}
	c, err := Dialer{LocalAddr: local}.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	a, err := l.Accept()
	require.NoError(t, err)
	defer a.Close()
	assert.Equal(t, local.Name, a.RemoteAddr().String())
}

func TestMPTCPAndFastOpen(t *testing.T) {
	l, err := ownListener(ListenConfig{MPTCP: true, FastOpen: 10, DeferAccept: time.Second}.Listen(background, "tcp", "127.0.0.1:0"))
	if errors.Is(err, syscall.ENOPROTOOPT) {
		t.Skip("MPTCP takes TCP_FASTOPEN since Linux 6.2")
	}
	require.NoError(t, err)
	defer l.Close()
	c, err := Dialer{MPTCP: true}.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	a, err := l.AcceptConn()
	require.NoError(t, err)
	defer a.Close()
	on, err := a.(*TCPConn).MultipathTCP()
	require.NoError(t, err)
	assert.Equal(t, a.Socket().Protocol() == esock.MPTCP, on)

	c, err = Dialer{FastOpen: true}.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	a, err = l.AcceptConn()
	require.NoError(t, err)
	defer a.Close()
	assert.Equal(t, l.Addr().String(), c.RemoteAddr().String())
	n, err := a.Read(make([]byte, 5))
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

// Dialling serves all its attempts in the caller's goroutine.
func TestCancelledDialsLeaveNothing(t *testing.T) {
	port := full(t, "127.0.0.5")
	ctx, cancel := context.WithCancel(background)
	done := make(chan error, 1)
	var opened []*esock.Socket
	second := make(chan bool, 1)
	d := Dialer{AttemptDelay: time.Millisecond, Control: func(_ context.Context, _, _ string, s *esock.Socket) error {
		if opened = append(opened, s); len(opened) == 2 {
			second <- true
		}
		return nil
	}}
	go func() {
		_, err := dialAll(ctx, d, endpoints(port, "127.0.0.5", "127.0.0.5"))
		done <- err
	}()
	testwait.Result(t, "the second attempt", second)
	cancel()
	assert.ErrorIs(t, testwait.Result(t, "the end of the attempts", done), context.Canceled)
	for _, s := range opened {
		assert.True(t, s.Closed())
	}
}
