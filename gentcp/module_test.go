package gentcp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/packet"
)

// odd is a module of any family.
type odd struct{ family esock.Domain }

func (o odd) Family() esock.Domain                                          { return o.family }
func (odd) Resolve(context.Context, string, uint16) ([]esock.Addr, error)   { return nil, ErrNXDomain }
func (odd) Connect(*esock.Socket, esock.Addr, esock.Addr, esock.Wait) error { return syscall.EPERM }
func (odd) Listen(*esock.Socket, esock.Addr, int) error                     { return syscall.EPERM }

// book is a module with host names of its own. It is not comparable.
type book struct {
	Module
	hosts map[string][]netip.Addr
	asked *[]string
}

func (b book) Resolve(ctx context.Context, host string, port uint16) ([]esock.Addr, error) {
	*b.asked = append(*b.asked, fmt.Sprintf("%s:%d", host, port))
	if ips, ok := b.hosts[host]; ok {
		var addrs []esock.Addr
		for _, ip := range ips {
			addrs = append(addrs, esock.AddrFrom(netip.AddrPortFrom(ip, port)))
		}
		return addrs, nil
	}
	return b.Module.Resolve(ctx, host, port)
}

func TestModule_Resolves(t *testing.T) {
	machine.NeedIPv6(t)
	l, l6 := listenWith(t, nil), listenWith(t, nil, Inet6(), IPv6V6Only(true))
	var asked []string
	b := book{InetTCP, map[string][]netip.Addr{"my.host": {ipA, ip4}, "none": nil, "six": {ip6}}, &asked}
	UseResolver(t, func(context.Context, string, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{IsNotFound: true}
	})
	port := portOf(t, l)

	s := opened(t)(Connect(nil, "my.host", port, soon, TCPModule(b)))
	peer, err := s.PeerName()
	require.NoError(t, err)
	assert.Equal(t, at(ip4, port), peer, "the second, because nobody listens on the first")
	opened(t)(Connect(nil, "loopback", port, soon, must(Opt("tcp_module", b))))
	assert.Equal(t, []string{fmt.Sprintf("my.host:%d", port), fmt.Sprintf("loopback:%d", port)}, asked)

	for host, want := range map[string]string{"other": "nxdomain", "none": "einval", "six": "eafnosupport"} {
		s, err := Connect(nil, host, port, soon, TCPModule(b))
		assertReason(t, want, s, err, host)
		assert.ErrorContains(t, err, fmt.Sprintf("connect to %s:%d", host, port))
	}
	b.Module = Inet6TCP
	opened(t)(Connect(nil, "six", portOf(t, l6), soon, TCPModule(b)))
	s, err = Connect(nil, "my.host", port, soon, TCPModule(b))
	assertReason(t, "eafnosupport", s, err)

	// An invalid address has its own error, and none that is not there does harm.
	b.hosts["zone"] = []netip.Addr{netip.MustParseAddr("fe80::1%a/b")}
	b.hosts["zero"] = []netip.Addr{{}}
	for host, want := range map[string]string{"zone": "zone", "zero": "address"} {
		s, err = Connect(nil, host, port, soon, TCPModule(b))
		assertReason(t, "einval", s, err, host)
		assert.ErrorContains(t, err, want)
	}

	// Of family words and modules the first counts, and an address of another family does not fit.
	asked = nil
	s, err = Connect(nil, "six", port, soon, Inet(), TCPModule(b))
	assertReason(t, "nxdomain", s, err)
	assert.Empty(t, asked)
	s, err = ConnectAddr(nil, nameOf(t, l), soon, TCPModule(b))
	assertReason(t, "eafnosupport", s, err)

	// The end of the wait is the end of the resolving.
	s, err = Connect(nil, "host", port, now, TCPModule(slow{InetTCP}))
	assertReason(t, "timeout", s, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Connect(nil, "host", port, esock.Context(ctx), TCPModule(slow{InetTCP}))
	assert.ErrorIs(t, err, context.Canceled)
}

// slow is a module whose resolver never answers.
type slow struct{ Module }

func (slow) Resolve(ctx context.Context, _ string, _ uint16) ([]esock.Addr, error) {
	<-ctx.Done()
	return nil, errors.New("too slow")
}

// noted is a module that notes what it connects and where it listens.
type noted struct {
	Module
	local, to esock.Addr
	backlog   int
	calls     atomic.Int32
	err       error
}

func (n *noted) Connect(s *esock.Socket, local, to esock.Addr, w esock.Wait) error {
	n.calls.Add(1)
	if n.local, n.to = local, to; n.err != nil {
		return n.err
	}
	return n.Module.Connect(s, local, to, w)
}

func (n *noted) Listen(s *esock.Socket, local esock.Addr, backlog int) error {
	n.calls.Add(1)
	if n.local, n.backlog = local, backlog; n.err != nil {
		return n.err
	}
	return n.Module.Listen(s, local, backlog)
}

func TestModule_ConnectsAndListens(t *testing.T) {
	n := &noted{Module: InetTCP}
	l := opened(t)(Listen(nil, 0, TCPModule(n), IPLoopback(), Backlog(7)))
	assert.Equal(t, at(netip.MustParseAddr("127.0.0.1"), 0), n.local)
	assert.Equal(t, 7, n.backlog)

	// With the options set, and bound only if an address is given.
	s := opened(t)(ConnectAddr(nil, nameOf(t, l), soon, TCPModule(n), NoDelay(true)))
	assert.Equal(t, esock.Addr{}, n.local)
	assert.Equal(t, nameOf(t, l), n.to)
	assert.Equal(t, true, valueOf(t, s, "nodelay"))
	s = opened(t)(ConnectAddr(nil, nameOf(t, l), soon, IP(ipA), TCPModule(n)))
	assert.Equal(t, at(ipA, 0), n.local)
	assert.Equal(t, ipA, nameOf(t, s).AddrPort().Addr())
	require.NoError(t, s.SetOpts(TCPModule(n)), "it is ignored")

	// Its errors are the reason. A number of the kernel's is about the address, another error about all of them.
	UseResolver(t, func(context.Context, string, string) ([]netip.Addr, error) { return []netip.Addr{ipA, ipB, ip4}, nil })
	for _, c := range []struct {
		err  error
		want int32
	}{{syscall.EHOSTUNREACH, 3}, {syscall.EINVAL, 1}, {errors.New("mine"), 1}} {
		n.err = c.err
		n.calls.Store(0)
		s, err := Connect(nil, "host", 1, soon, TCPModule(n))
		assert.Nil(t, s)
		assert.ErrorIs(t, err, c.err)
		assert.Equal(t, c.want, n.calls.Load())
		s, err = Listen(nil, 0, TCPModule(n))
		assert.Nil(t, s)
		assert.ErrorIs(t, err, c.err)
	}
}

// The modules of OTP, by name and as values.
func TestModule_OTPs(t *testing.T) {
	for name, m := range map[string]Module{"inet_tcp": InetTCP, "inet6_tcp": Inet6TCP, "local_tcp": LocalTCP} {
		assert.Equal(t, name, fmt.Sprint(m))
		o, err := Opt("tcp_module", name)
		require.NoError(t, err)
		assert.Equal(t, TCPModule(m), o)
		assert.Equal(t, "{tcp_module, "+name+"}", o.String())
	}
	assert.Equal(t, []esock.Domain{esock.Inet, esock.Inet6, esock.Local},
		[]esock.Domain{InetTCP.Family(), Inet6TCP.Family(), LocalTCP.Family()})
	_, err := LocalTCP.Resolve(t.Context(), "/run/s", 0)
	assert.ErrorIs(t, err, ErrBadArg)
	_, err = InetTCP.Resolve(nil, "host", 0) //nolint:staticcheck // a caller's mistake
	assert.ErrorIs(t, err, ErrBadArg)
	_, err = Opt("tcp_module", "no_such")
	assert.EqualError(t, err, "invalid tcp_module no_such: it takes a Module, or inet_tcp, inet6_tcp or local_tcp")
	_, err = Opt("tcp_module", odd{esock.VSock})
	assert.ErrorContains(t, err, "its family is vsock")
	_, err = Opt("tcp_module", (*noted)(nil))
	assert.ErrorContains(t, err, "it is nil")
}

// tunnel is a module that connects through an HTTP proxy.
type tunnel struct {
	Module
	proxy esock.Addr
}

func (m tunnel) Resolve(_ context.Context, host string, port uint16) ([]esock.Addr, error) {
	return []esock.Addr{esock.Inet4Addr(netip.MustParseAddr("192.0.2.1"), port)}, nil // the proxy knows better
}

func (m tunnel) Connect(s *esock.Socket, local, to esock.Addr, w esock.Wait) error {
	if err := m.Module.Connect(s, local, m.proxy, w); err != nil {
		return err
	}
	if _, err := s.Send(fmt.Appendf(nil, "CONNECT %v HTTP/1.1\r\n\r\n", to), 0, w); err != nil {
		return err
	}
	buf := make([]byte, len("HTTP/1.1 200 OK\r\n\r\n"))
	if _, err := s.RecvFull(buf, 0, w); err != nil {
		return err
	}
	if r, _, err := packet.Decode(packet.HTTP, buf, packet.Options{}); err != nil {
		return err
	} else if response, ok := r.HTTPResponse(); !ok || response.Status != 200 {
		return syscall.ECONNREFUSED
	}
	return nil
}

func TestModule_Tunnel(t *testing.T) {
	proxy, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer proxy.Close()
	asked := make(chan string, 1)
	background(t, func() {
		c, err := proxy.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if !assert.NoError(t, err) {
			return
		}
		asked <- req.Method + " " + req.Host
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\nhello")
	})
	m := tunnel{InetTCP, esock.AddrFrom(proxy.Addr().(*net.TCPAddr).AddrPort())}
	mb := owner(t)
	s := opened(t)(Connect(mb, "far.away", 80, soon, TCPModule(m)))
	assert.Equal(t, "CONNECT 192.0.2.1:80", <-asked)
	gets(t, mb, "tcp hello", "closed")
	_ = s
}

// nothing is a module that returns the error that it has.
type nothing struct {
	Module
	err error
}

func (n nothing) Connect(*esock.Socket, esock.Addr, esock.Addr, esock.Wait) error { return n.err }
func (n nothing) Listen(*esock.Socket, esock.Addr, int) error                     { return n.err }

// misnamed resolves every host to nothing and the error that it has.
type misnamed struct{ nothing }

func (m misnamed) Resolve(context.Context, string, uint16) ([]esock.Addr, error) { return nil, m.err }

// Functions whose result is declared as *net.OpError return a nil one that is no nil error, and its methods panic. Neither
// those of a module nor those of a context may reach a caller, or a lock that is held.
func TestNilPointersThatAreErrors(t *testing.T) {
	a, _ := wired(t, nil)
	l := listenWith(t, nil)
	for _, broken := range []error{(*esock.Error)(nil), (*esock.Select)(nil), (*net.OpError)(nil), (*esock.InvalidError)(nil),
		fmt.Errorf("my module: %w", (*net.OpError)(nil)), errors.Join((*net.OpError)(nil))} {
		m := nothing{InetTCP, broken}
		w := esock.Context(over{err: broken})
		for name, do := range map[string]func() error{
			"module, connect": func() error { _, err := Connect(nil, "loopback", 9, soon, TCPModule(m)); return err },
			"module, listen":  func() error { _, err := Listen(nil, 0, TCPModule(m)); return err },
			"module, resolve": func() error { _, err := Connect(nil, "a", 9, soon, TCPModule(misnamed{m})); return err },
			"connect":         func() error { _, err := Connect(nil, "loopback", 9, w); return err },
			"connect addr":    func() error { _, err := ConnectAddr(nil, nameOf(t, l), w); return err },
			"accept":          func() error { _, err := l.Accept(nil, w); return err },
			"recv":            func() error { _, err := a.Recv(0, w); return err },
			"recv n":          func() error { _, err := a.RecvInto(make([]byte, 9), 4, w); return err },
		} {
			err := do()
			require.Error(t, err, name)
			assert.NotEmpty(t, Reason(err), name)
			assert.NotErrorIs(t, err, syscall.EAGAIN)
			assert.NotContains(t, err.Error(), "would block")
		}
	}
}

// over is a context that has ended with an error.
type over struct {
	context.Context
	err error
}

func (over) Done() <-chan struct{}            { return ended }
func (o over) Err() error                     { return o.err }
func (over) Deadline() (t time.Time, ok bool) { return t, false }
func (over) Value(any) any                    { return nil }

// A module that panics leaves no socket behind, and the panic reaches the caller.
func TestModule_Panics(t *testing.T) {
	var given *esock.Socket
	m := &acting{Module: InetTCP, do: func(s *esock.Socket) { given = s; panic("mine") }}
	for name, do := range map[string]func(){
		"connect": func() { Connect(nil, "loopback", 9, soon, TCPModule(m)) },
		"listen":  func() { Listen(nil, 0, TCPModule(m)) },
	} {
		assert.PanicsWithValue(t, "mine", do, name)
		assert.True(t, given.Closed(), name)
	}
}

// A module that gives the socket to another owner is found out: messages would go to one mailbox, and the other's death would
// close the socket.
func TestModule_ChangesTheOwner(t *testing.T) {
	mine, other := owner(t), owner(t)
	l := listenWith(t, nil)
	var given *esock.Socket
	m := &acting{Module: InetTCP, do: func(s *esock.Socket) {
		given = s
		assert.NoError(t, s.ControllingProcess(s.Owner(), other))
	}}
	for _, from := range []*esock.Mailbox{nil, mine} {
		s, err := ConnectAddr(from, nameOf(t, l), soon, TCPModule(m))
		assertReason(t, "einval", s, err)
		assert.ErrorContains(t, err, "the module has changed the owner")
		assert.True(t, given.Closed())
		s, err = Listen(from, 0, TCPModule(m))
		assertReason(t, "einval", s, err)
		assert.True(t, given.Closed())
	}
}

// acting is a module that does something with the socket first.
type acting struct {
	Module
	do func(*esock.Socket)
}

func (a *acting) Connect(s *esock.Socket, local, to esock.Addr, w esock.Wait) error {
	a.do(s)
	return a.Module.Connect(s, local, to, w)
}

func (a *acting) Listen(s *esock.Socket, local esock.Addr, backlog int) error {
	a.do(s)
	return a.Module.Listen(s, local, backlog)
}

// zeroes is a module that resolves every host to the zero Addr.
type zeroes struct{ Module }

func (zeroes) Resolve(context.Context, string, uint16) ([]esock.Addr, error) {
	return make([]esock.Addr, 1), nil
}

func TestModule_ResolvesToTheZeroAddr(t *testing.T) {
	s, err := Connect(nil, "host", 1, soon, TCPModule(zeroes{InetTCP}))
	assertReason(t, "einval", s, err)
	assert.ErrorContains(t, err, "connect to host:1: invalid argument: the module has resolved the host to no address: a zero Addr")
}

var ended = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
