package gentcp_test

import (
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testwait"
)

// A text that goes to C is not cut at a NUL: the option can never be right, and says why.
func TestText_NUL(t *testing.T) {
	for _, o := range []Option{
		NetNS("/proc/self/ns/net\x00x"), BindToDevice("lo\x00x"), IfAddr(esock.UnixAddr("/a\x00b")),
	} {
		s, err := Listen(nil, 0, o)
		assertReason(t, "badarg", s, err)
		assert.ErrorContains(t, err, "NUL", o.Name())
		s, err = Connect(nil, "127.0.0.1", 1, soon, o)
		assertReason(t, "badarg", s, err)
		assert.ErrorContains(t, err, "NUL", o.Name())
	}
	for name, v := range map[string]any{
		"netns": []byte("/proc/self/ns/net\x00x"), "bind_to_device": []byte("lo\x00x"), "ifaddr": "unix:/a\x00b",
		"ip": map[string]any{"family": "local", "path": "/a\x00b"},
	} {
		_, err := Opt(name, v)
		assert.ErrorIs(t, err, ErrBadArg, name)
		assert.ErrorContains(t, err, "NUL", name)
	}
	s, err := ConnectAddr(nil, esock.UnixAddr("/a\x00b"), soon)
	assertReason(t, "badarg", s, err)
	assert.ErrorContains(t, err, "NUL")
	l := opened(t)(Listen(nil, 0))
	err = l.SetOpts(BindToDevice("lo\x00x"))
	assert.Equal(t, "einval", Reason(err))
	assert.ErrorContains(t, err, "NUL")
}

// An address with a zone is one in every option that takes addresses, and in every form.
func TestText_ZoneForms(t *testing.T) {
	machine.NeedIPv6(t)
	far := netip.MustParseAddr("fe80::dead")
	// The loopback has no such address, which the kernel only says when it knows the interface.
	for _, zone := range []string{"1", "lo"} {
		ip := far.WithZone(zone)
		whole := esock.AddrFrom(netip.AddrPortFrom(ip, 0))
		for _, o := range []Option{
			IP(ip), IfIP(ip), IfAddr(whole), must(Opt("ip", ip.String())), must(Opt("ip", whole.String())),
			must(Opt("ip", whole)), must(Opt("ifaddr", netip.AddrPortFrom(ip, 0))), must(Opt("ifaddr", whole.String())),
			must(Opt("ifaddr", whole.Map())), must(Opt("ip", map[string]any{"family": "inet6", "addr": ip.String()})),
		} {
			s, err := Listen(nil, 0, o)
			assertReason(t, "eaddrnotavail", s, err)
		}
		s, err := Listen(nil, 0, IfAddr(esock.AddrFrom(netip.AddrPortFrom(ip6.WithZone(zone), 0))), IP(far))
		assertReason(t, "eaddrnotavail", s, err)
	}
	for _, zone := range []string{"a/b", "sixteen-letters.", "4294967296"} {
		for _, o := range []Option{IP(far.WithZone(zone)), IfAddr(esock.AddrFrom(netip.AddrPortFrom(far.WithZone(zone), 0)))} {
			s, err := Listen(nil, 0, o)
			assertReason(t, "badarg", s, err)
			assert.ErrorContains(t, err, "zone")
		}
	}
}

// The name of a zone is looked up in the namespace of the socket, where the caller's may have none of that name, or
// another interface.
func TestText_ZoneOfANamespace(t *testing.T) {
	name := "gentcp-zone-" + strconv.Itoa(os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("ip netns add: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	for _, line := range []string{"link add za type veth peer name zb", "link set za up", "link set zb up",
		"addr add fe80::a/64 dev za nodad", "addr add fe80::b/64 dev zb nodad"} {
		if out, err := exec.Command("ip", append([]string{"-n", name}, strings.Fields(line)...)...).CombinedOutput(); err != nil {
			t.Skipf("ip %s: %v: %s", line, err, out)
		}
	}
	for _, link := range []string{"za", "zb"} { // an address works once the kernel has noticed the carrier
		testwait.Until(t, "the state up of "+link, func() bool {
			out, err := exec.Command("ip", "-n", name, "-o", "link", "show", link).Output()
			return err == nil && strings.Contains(string(out), "state UP")
		})
	}
	in := NetNS("/run/netns/" + name)
	l := opened(t)(Listen(nil, 0, in, IP(netip.MustParseAddr("fe80::b%zb"))))
	c := opened(t)(Connect(nil, "fe80::b%za", portOf(t, l), soon, in))
	p, err := c.PeerName()
	require.NoError(t, err)
	assert.Equal(t, "fe80::b%za", c.Socket().NameZone(p).AddrPort().Addr().String())

	s, err := Connect(nil, "fe80::b%za", portOf(t, l), soon)
	assertReason(t, "einval", s, err)
	assert.ErrorContains(t, err, "zone")
	s, err = Listen(nil, 0, IP(netip.MustParseAddr("fe80::b%zb")))
	assertReason(t, "einval", s, err)
	assert.ErrorContains(t, err, "zone")
}

// A time that never ends prints as what sets it.
func TestInfinitePrints(t *testing.T) {
	assert.Equal(t, "{send_timeout, infinity}", SendTimeout(Infinity).String())
	assert.Equal(t, "{send_timeout, 1s}", SendTimeout(time.Second).String())
}
