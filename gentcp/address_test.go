package gentcp_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
)

// Loopback addresses that other processes do not use.
var (
	ipA, ipB, ipC = ownIP(2), ownIP(3), ownIP(4)
	any4, any6    = netip.IPv4Unspecified(), netip.IPv6Unspecified()
)

func ownIP(n byte) netip.Addr {
	pid := os.Getpid()
	return netip.AddrFrom4([4]byte{127, n, byte(pid >> 8), byte(pid)})
}

// freePorts are ports that are free, and that Linux does not choose by itself.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	family := Inet()
	if machine.IPv6 {
		family = Inet6() // for both
	}
	const first, last = 61000, 65535
	for i := range last - first {
		port := first + (os.Getpid()*16+i)%(last-first)
		if l, err := Listen(nil, port, family); err == nil {
			defer l.Close()
			if ports = append(ports, port); len(ports) == n {
				return ports
			}
		}
	}
	t.Skip("there are no free ports")
	return nil
}

// at is a sockaddr.
func at(ip netip.Addr, port int) esock.Addr {
	return esock.AddrFrom(netip.AddrPortFrom(ip, uint16(port)))
}

// ip, ifaddr and port make the address from left to right; 5, 7 and 9 stand for ports.
func TestAddress_Cells(t *testing.T) {
	p := freePorts(t, 3)
	p5, p7, p9 := p[0], p[1], p[2]
	b7, c9, six7 := IfAddr(at(ipB, p7)), IfAddr(at(ipC, p9)), IfAddr(at(ip6, p7))
	for name, c := range map[string]struct {
		arg  int // the port argument of Listen
		opts []Option
		want esock.Addr
	}{
		// The examples.
		"ip a, ifaddr b:7":  {0, []Option{IP(ipA), b7}, at(ipB, p7)},
		"ifaddr b:7, ip c":  {0, []Option{b7, IP(ipC)}, at(ipC, p7)},
		"ifaddr b:7 port 9": {0, []Option{b7, Port(p9)}, at(ipB, p9)},
		"port 9, ip a":      {0, []Option{Port(p9), IP(ipA)}, at(ipA, p9)},
		// A is unset or plain.
		"port 9":              {0, []Option{Port(p9)}, at(any4, p9)},
		"port 7, port 9":      {0, []Option{Port(p7), Port(p9)}, at(any4, p9)},
		"ip a, ip c, port 9":  {0, []Option{IP(ipA), IP(ipC), Port(p9)}, at(ipC, p9)},
		"ip a, ifaddr c, 9":   {0, []Option{IP(ipA), IfIP(ipC), Port(p9)}, at(ipC, p9)},
		"ifaddr a, ip c, 9":   {0, []Option{IfIP(ipA), IP(ipC), Port(p9)}, at(ipC, p9)},
		"port 9, ifaddr b:7":  {0, []Option{Port(p9), b7}, at(ipB, p7)},
		"ip loopback, port 9": {0, []Option{IPLoopback(), Port(p9)}, at(ip4, p9)},
		"ifaddr any, port 9":  {0, []Option{IP(ipA), IfAddr(esock.Any), Port(p9)}, at(any4, p9)},
		// A is a sockaddr.
		"b:7, c:9":              {0, []Option{b7, c9}, at(ipC, p9)},
		"b:7, ip c, port 9":     {0, []Option{b7, IP(ipC), Port(p9)}, at(ipC, p9)},
		"b:7, port 9, ip c":     {0, []Option{b7, Port(p9), IP(ipC)}, at(ipC, p9)},
		"b:7, ip any":           {0, []Option{b7, IPAny()}, at(any4, p7)},
		"b:7, ip loopback":      {0, []Option{b7, IPLoopback()}, at(ip4, p7)},
		"port 9, b:7, ifaddr c": {0, []Option{Port(p9), b7, IfIP(ipC)}, at(ipC, p9)},
		"9, b:7, 5, ifaddr c":   {0, []Option{Port(p9), b7, Port(p5), IfIP(ipC)}, at(ipC, p9)},
		"b:7, ifaddr loopback":  {0, []Option{Port(p9), b7, IfAddr(esock.Loopback)}, at(ip4, p9)},
		"b:7, ip of 6":          {0, []Option{b7, IP(ip6)}, at(ip6, p7)},
		"6:7":                   {0, []Option{six7}, at(ip6, p7)},
		"6:7, ip any":           {0, []Option{Inet6(), six7, IPAny()}, at(any6, p7)},
		"6:7, ip loopback, 9":   {0, []Option{Inet6(), six7, IPLoopback(), Port(p9)}, at(ip6, p9)},
		"6 any, port 9":         {0, []Option{Inet6(), Port(p9)}, at(any6, p9)},
		// The argument is a port option before all others.
		"5":                 {p5, nil, at(any4, p5)},
		"5, port 9":         {p5, []Option{Port(p9)}, at(any4, p9)},
		"5, ip a":           {p5, []Option{IP(ipA)}, at(ipA, p5)},
		"5, b:7":            {p5, []Option{b7}, at(ipB, p7)},
		"5, b:7, ifaddr c":  {p5, []Option{b7, IfIP(ipC)}, at(ipC, p5)},
		"5, b:7, 9, ifaddr": {p5, []Option{b7, Port(p9), IfIP(ipC)}, at(ipC, p5)},
	} {
		t.Run(name, func(t *testing.T) {
			l := opened(t)(Listen(nil, c.arg, c.opts...))
			assert.Equal(t, c.want, nameOf(t, l))
			l.Close()
			if c.arg != 0 {
				return
			}
			to := listenWith(t, nil)
			if c.want.Family() == esock.Inet6 {
				to = listenWith(t, nil, Inet6())
			}
			s := connectTo(t, nil, to, append([]Option{ReuseAddr(true)}, c.opts...)...)
			got := nameOf(t, s)
			assert.Equal(t, c.want.Port(), got.Port())
			if !c.want.IP().IsUnspecified() {
				assert.Equal(t, c.want.IP(), got.IP())
			}
		})
	}
}

func TestAddress_IPHasNoPort(t *testing.T) {
	for _, v := range []any{"127.0.0.1:80", netip.AddrPortFrom(ipA, 80), at(ipA, 80)} {
		_, err := Opt("ip", v)
		assert.ErrorIs(t, err, ErrBadArg, v)
	}
}

func TestAddress_ByName(t *testing.T) {
	machine.NeedIPv6(t)
	port := freePorts(t, 1)[0]
	for _, c := range []struct {
		name  string
		value any
		want  esock.Addr
	}{
		{"ip", ipA.String(), at(ipA, 0)},
		{"ip", "loopback", at(ip4, 0)},
		{"ip", "any", at(any4, 0)},
		{"ip", "::1", at(ip6, 0)},
		{"ip", ipA, at(ipA, 0)},
		{"ifaddr", netip.AddrPortFrom(ipA, uint16(port)), at(ipA, port)},
		{"ifaddr", at(ipA, port).String(), at(ipA, port)},
		{"ifaddr", map[string]any{"family": "inet", "addr": ipA.String(), "port": port}, at(ipA, port)},
		{"ifaddr", ipA.String(), at(ipA, 0)},
		{"ifaddr", "loopback", at(ip4, 0)},
	} {
		o, err := Opt(c.name, c.value)
		require.NoError(t, err)
		l := opened(t)(Listen(nil, 0, o))
		got := nameOf(t, l)
		assert.Equal(t, c.want.IP(), got.IP(), o)
		if c.want.Port() != 0 {
			assert.Equal(t, c.want, got, o)
		}
		l.Close()
	}
}

// A zone is the number or the name of an interface; the sockaddr's scope outlives an update of its address.
func TestAddress_Zones(t *testing.T) {
	machine.NeedIPv6(t)
	for _, zone := range []string{"1", "lo"} {
		l := opened(t)(Listen(nil, 0, IP(ip6.WithZone(zone))))
		opened(t)(Connect(nil, "::1%"+zone, portOf(t, l), soon))
	}
	s, err := Listen(nil, 0, IP(ip6.WithZone("no-such")))
	assertReason(t, "einval", s, err)
	assert.ErrorContains(t, err, "zone")
	s, err = Connect(nil, "::1%no-such", 1, soon)
	assertReason(t, "einval", s, err)

	// The link-local address of a loopback does not exist, which only the interface can tell: without one it is EINVAL.
	far := netip.MustParseAddr("fe80::dead")
	s, err = Listen(nil, 0, IfAddr(esock.Inet6Addr(far, 0, 0)))
	assertReason(t, "einval", s, err)
	if !machine.RefusesForeign() {
		return
	}
	s, err = Listen(nil, 0, IfAddr(esock.Inet6Addr(far, 0, 1)))
	assertReason(t, "eaddrnotavail", s, err)
	s, err = Listen(nil, 0, IfAddr(esock.Inet6Addr(ip6, 0, 1)), IP(far))
	assertReason(t, "eaddrnotavail", s, err)
}

// Which family a listener has, or why it has none.
func TestFamily_Listen(t *testing.T) {
	machine.NeedIPv6(t)
	path := func() Option { return IfAddr(esock.UnixAddr(filepath.Join(t.TempDir(), "l"))) }
	v6, v4 := IP(ip6), IP(ip4)
	for _, c := range []struct {
		opts []Option
		want string
	}{
		{nil, "inet"},
		{[]Option{Inet()}, "inet"},
		{[]Option{Inet6()}, "inet6"},
		{[]Option{Local()}, "local"},
		{[]Option{TCPModule(InetTCP)}, "inet"},
		{[]Option{TCPModule(Inet6TCP)}, "inet6"},
		{[]Option{TCPModule(LocalTCP)}, "local"},
		// The first word counts,
		{[]Option{Inet6(), Inet(), Local()}, "inet6"},
		{[]Option{TCPModule(Inet6TCP), Inet()}, "inet6"},
		{[]Option{Inet(), TCPModule(Inet6TCP)}, "inet"},
		{[]Option{v4, Inet6(), IPAny()}, "inet6"},
		// else the last address,
		{[]Option{v4}, "inet"},
		{[]Option{v6}, "inet6"},
		{[]Option{IfIP(ip6)}, "inet6"},
		{[]Option{IfAddr(at(ip6, 0))}, "inet6"},
		{[]Option{IfAddr(at(ip4, 0))}, "inet"},
		{[]Option{path()}, "local"},
		{[]Option{v4, v6}, "inet6"},
		{[]Option{v6, v4}, "inet"},
		{[]Option{v4, IfIP(ip6)}, "inet6"},
		{[]Option{IfIP(ip6), v4}, "inet"},
		{[]Option{v6, path()}, "local"},
		{[]Option{path(), v6}, "inet6"},
		{[]Option{must(Opt("ip", esock.UnixAddr(filepath.Join(t.TempDir(), "ip"))))}, "local"},
		// any and loopback say nothing of it.
		{[]Option{v6, IPAny()}, "inet"},
		{[]Option{IPLoopback()}, "inet"},
		{[]Option{IPLoopback(), Inet6()}, "inet6"},
		// An address of another family than the word's.
		{[]Option{Inet(), v6}, "eafnosupport"},
		{[]Option{Inet6(), v4}, "eafnosupport"},
		{[]Option{Inet6(), IfAddr(at(ip4, 0))}, "eafnosupport"},
		{[]Option{Inet(), IfAddr(at(ip6, 0))}, "eafnosupport"},
		{[]Option{Local(), v4}, "eafnosupport"},
		{[]Option{Inet(), path()}, "eafnosupport"},
		{[]Option{Inet6(), path()}, "eafnosupport"},
	} {
		s, err := Listen(nil, 0, c.opts...)
		if err != nil {
			assertReason(t, c.want, s, err, c.opts)
			continue
		}
		assert.Equal(t, c.want, s.Socket().Domain().String(), c.opts)
		s.Close()
	}
}

func TestFamily_Connect(t *testing.T) {
	machine.NeedMapped(t)
	l4, l6 := listenWith(t, nil), listenWith(t, nil, Inet6())
	for _, c := range []struct {
		to   *Socket
		host string
		opts []Option
		want string // the peer's address, or the reason
	}{
		{l4, "127.0.0.1", nil, "127.0.0.1"},
		{l4, "loopback", nil, "127.0.0.1"},
		{l4, "any", nil, "127.0.0.1"},
		{l4, "127.0.0.1", []Option{Inet()}, "127.0.0.1"},
		{l4, "127.0.0.1", []Option{Inet6()}, "::ffff:127.0.0.1"},
		{l4, "::ffff:127.0.0.1", nil, "::ffff:127.0.0.1"},
		{l4, "127.0.0.1", []Option{IP(any6)}, "::ffff:127.0.0.1"},
		{l4, "127.0.0.1", []Option{IP(ip4)}, "127.0.0.1"},
		{l6, "::1", nil, "::1"},
		{l6, "::1", []Option{Inet6()}, "::1"},
		{l6, "::1", []Option{IPAny()}, "::1"},
		{l6, "::1", []Option{TCPModule(Inet6TCP)}, "::1"},
		{l6, "loopback", []Option{Inet6()}, "::1"},
		{l6, "any", []Option{Inet6()}, "::1"},
		{l6, "loopback", []Option{IP(ip6)}, "::1"},
		{l6, "::1", []Option{Inet()}, "nxdomain"},
		{l6, "::ffff:127.0.0.1", []Option{Inet()}, "nxdomain"},
		{l6, "::1", []Option{IP(ip4)}, "nxdomain"}, // ip says the family
		{l6, "::1", []Option{Inet6(), IP(ip4)}, "eafnosupport"},
		{l4, "127.0.0.1", []Option{Inet(), IP(ip6)}, "eafnosupport"},
		{l4, "", nil, "nxdomain"},
		{l4, "not a name", nil, "nxdomain"},
		{l4, "127.0.0.1", []Option{Local()}, "badarg"},
	} {
		s, err := Connect(nil, c.host, portOf(t, c.to), soon, c.opts...)
		if err != nil {
			assertReason(t, c.want, s, err, "%v %v", c.host, c.opts)
			continue
		}
		peer, err := s.PeerName()
		require.NoError(t, err)
		assert.Equal(t, c.want, peer.IP().String(), "%v %v", c.host, c.opts)
		s.Close()
	}
}

func TestFamily_ConnectByName(t *testing.T) {
	needLocalhost(t)
	s := opened(t)(Connect(nil, "localhost", portOf(t, listenWith(t, nil)), soon))
	peer, err := s.PeerName()
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1", peer.IP().String())
}

func TestFamily_ConnectAddr(t *testing.T) {
	machine.NeedMapped(t)
	l4, l6 := listenWith(t, nil), listenWith(t, nil, Inet6())
	a4, a6, path := nameOf(t, l4), nameOf(t, l6), esock.UnixAddr("/nowhere/at/all")
	for _, c := range []struct {
		to   esock.Addr
		opts []Option
		want string
	}{
		{a4, nil, "ok"},
		{a6, nil, "ok"},
		{a6, []Option{Inet6(), IP(ip6)}, "ok"},
		{esock.Inet6Addr(ip6, uint16(a6.Port()), 1), nil, "ok"}, // with a scope
		{esock.Inet6Addr(ip4, uint16(a4.Port()), 0), nil, "ok"}, // mapped
		{a4, []Option{Inet6()}, "eafnosupport"},
		{a6, []Option{Inet()}, "eafnosupport"},
		{a4, []Option{IP(ip6)}, "eafnosupport"},
		{a6, []Option{IP(ip4)}, "eafnosupport"},
		{a4, []Option{Local()}, "eafnosupport"},
		{a4, []Option{IfAddr(path)}, "eafnosupport"},
		{path, []Option{Inet()}, "eafnosupport"},
		{path, nil, "enoent"},
		{path, []Option{Port(7)}, "badarg"},
		{esock.Addr{}, nil, "badarg"},
		{esock.Any, nil, "badarg"},
		{esock.Loopback, nil, "badarg"},
		{esock.VSockAddr(1, 1), nil, "badarg"},
		{esock.RawAddr(esock.Inet, []byte{1}), nil, "badarg"},
		{esock.UnixAddr(string(make([]byte, 200))), nil, "badarg"},
	} {
		s, err := ConnectAddr(nil, c.to, soon, c.opts...)
		assert.Equal(t, c.want, Reason(err), "%v %v", c.to, c.opts)
		if err == nil {
			s.Close()
		}
	}
}
