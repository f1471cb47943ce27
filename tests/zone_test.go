package tests

import (
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/netdevice"
)

// zones makes a network namespace with two interfaces at the ends of a cable, which are not in the test's own, and a
// link-local address on each.
func zones(t *testing.T) (path string) {
	t.Helper()
	path = namespace(t)
	name := path[len("/run/netns/"):]
	for _, args := range [][]string{
		{"link", "add", "zone-a", "type", "veth", "peer", "name", "zone-b"},
		{"link", "set", "zone-a", "up"}, {"link", "set", "zone-b", "up"}, {"link", "set", "lo", "up"},
		{"addr", "add", "fe80::a/64", "dev", "zone-a", "nodad"}, {"addr", "add", "fe80::b/64", "dev", "zone-b", "nodad"},
	} {
		if out, err := exec.Command("ip", append([]string{"-n", name}, args...)...).CombinedOutput(); err != nil {
			t.Skipf("ip %v: %v: %s", args, err, out)
		}
	}
	return path
}

func zoned(text string) esock.Addr { return esock.AddrFrom(netip.MustParseAddrPort(text)) }

// The name of a zone is that of the socket's network namespace, in every call that takes an address.
func TestZoneNamesAreThoseOfTheSocketsNamespace(t *testing.T) {
	machine.NeedIPv6(t)
	in := esock.NetNS(zones(t))
	a := open(t, esock.Inet6, esock.Dgram, esock.UDP, in)
	b := open(t, esock.Inet6, esock.Dgram, esock.UDP, in)
	index, err := netdevice.Index(a, "zone-a")
	require.NoError(t, err)
	require.NoError(t, a.Bind(zoned("[fe80::a%zone-a]:0")))
	require.NoError(t, b.Bind(zoned("[fe80::b%zone-b]:0")))
	at := sockName(t, a)
	assert.Equal(t, esock.Inet6Addr(netip.MustParseAddr("fe80::a"), uint16(at.Port()), uint32(index)), at,
		"what the kernel reports has the index")

	// b is reached through zone-a, so that is its zone for a.
	toB := esock.Inet6Addr(netip.MustParseAddr("fe80::b"), uint16(sockName(t, b).Port()), 0).WithZone("zone-a")
	_, err = a.SendTo([]byte("to"), toB, 0, esock.Within(patience))
	require.NoError(t, err)
	_, err = a.SendMsg(&esock.Msg{Addr: toB, Iov: [][]byte{[]byte("msg")}}, 0, esock.Within(patience))
	require.NoError(t, err)
	require.NoError(t, a.Connect(toB, esock.Within(patience)))
	_, err = a.Send([]byte("conn"), 0, esock.Within(patience))
	require.NoError(t, err)
	buf := make([]byte, 8)
	var from esock.Addr
	for _, want := range []string{"to", "msg", "conn"} {
		var n int
		n, from, err = b.RecvFrom(buf, 0, esock.Within(patience))
		require.NoError(t, err)
		assert.Equal(t, want, string(buf[:n]))
	}
	assert.Equal(t, "[fe80::a%zone-b]:"+strconv.Itoa(int(at.Port())), b.NameZone(from).String())
	assert.Equal(t, toB, a.NameZone(func() esock.Addr { p, err := a.PeerName(); require.NoError(t, err); return p }()))

	// Numbers work as ever, and so does answering an address as it came.
	_, err = b.SendTo([]byte("back"), from, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, "back", recv(t, a))

	// The same names here, where there are none.
	here := open(t, esock.Inet6, esock.Dgram, esock.UDP)
	for _, err := range []error{
		here.Bind(zoned("[fe80::a%zone-a]:0")),
		here.Connect(toB, esock.Within(patience)),
		func() error { _, err := here.SendTo(nil, toB, 0, esock.Within(patience)); return err }(),
		func() error { _, err := here.SendMsg(&esock.Msg{Addr: toB}, 0, esock.Within(patience)); return err }(),
	} {
		assert.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"})
		assert.ErrorIs(t, err, syscall.ENODEV)
		assert.ErrorContains(t, err, "zone")
		assert.ErrorContains(t, err, "zone-a")
		assert.ErrorContains(t, err, "namespace")
	}
	nowhere := from.WithZone("2147483646")
	assert.Equal(t, nowhere, here.NameZone(nowhere), "no interface of that index")
}

// In the caller's own namespace an address with a zone is what it is for package net, in both directions.
func TestZoneNamesAreThoseOfNet(t *testing.T) {
	lo, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Skip("no loopback interface: ", err)
	}
	s, err := esock.Open(esock.Inet6, esock.Stream, esock.TCP)
	if err != nil {
		t.Skip("no IPv6: ", err)
	}
	defer s.Close()
	ap := netip.AddrPortFrom(netip.IPv6Loopback().WithZone(lo.Name), 0)
	if err := s.Bind(esock.AddrFrom(ap)); err != nil {
		require.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
		t.Skip("no ::1 here")
	}
	require.NoError(t, s.Listen(5))
	c := open(t, esock.Inet6, esock.Stream, esock.TCP)
	require.NoError(t, c.Connect(sockName(t, s).WithZone(lo.Name), esock.Within(patience)))
	number := esock.Inet6Addr(netip.MustParseAddr("fe80::1"), 80, uint32(lo.Index))
	want := (&net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 80, Zone: lo.Name}).AddrPort()
	assert.Equal(t, want, s.NameZone(number).AddrPort())
	assert.Equal(t, esock.AddrFrom(want), s.NameZone(number))
	for _, same := range []esock.Addr{sockName(t, s), esock.Any, {}, esock.UnixAddr("/x")} {
		assert.Equal(t, same, s.NameZone(same))
	}
}
