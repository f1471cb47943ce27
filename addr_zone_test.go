package esock

import (
	"encoding/json"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A zone's name is kept through every form of an address, and prints as netip prints it.
func TestZoneNameIsKept(t *testing.T) {
	ap := netip.MustParseAddrPort("[fe80::1%eth0]:80")
	a := AddrFrom(ap)
	require.NoError(t, a.Err())
	assert.Equal(t, "eth0", a.Zone())
	assert.Zero(t, a.ScopeID())
	assert.Equal(t, ip6, a.IP())
	assert.Equal(t, ap, a.AddrPort())
	assert.Equal(t, ap.String(), a.String())
	assert.Equal(t, a, Inet6Addr(ip6, 80, 7).WithZone("eth0"))
	assert.NotEqual(t, a, Inet6Addr(ip6, 80, 0))

	parsed, err := ParseAddr(ap.String())
	require.NoError(t, err)
	assert.Equal(t, a, parsed)

	flow := a.WithFlowInfo(7)
	assert.Equal(t, "eth0", flow.Zone())
	assert.Equal(t, "eth0", flow.Map()["scope_id"])
	mapped, err := AddrFromMap(flow.Map())
	require.NoError(t, err)
	assert.Equal(t, flow, mapped)

	b, err := json.Marshal(a)
	require.NoError(t, err)
	var back Addr
	require.NoError(t, json.Unmarshal(b, &back))
	assert.Equal(t, a, back)
}

// A number is a number, in whatever digits, and "" is no zone.
func TestZoneNumbers(t *testing.T) {
	a := Inet6Addr(ip6, 80, 0)
	for zone, scope := range map[string]uint32{"": 0, "0": 0, "7": 7, "007": 7, "4294967295": 1<<32 - 1} {
		assert.Equal(t, Inet6Addr(ip6, 80, scope), a.WithZone(zone), zone)
		assert.Equal(t, Inet6Addr(ip6, 80, scope), a.WithZone("eth0").WithZone(zone), zone)
	}
	assert.Equal(t, "7", Inet6Addr(ip6, 80, 7).Zone())
	for _, other := range []Addr{a, Inet4Addr(ip4, 1), UnixAddr("x"), {}, Any, RawAddr(Inet6, nil)} {
		assert.Empty(t, other.Zone())
	}
}

// The zone of a map is in addr or in scope_id, not in both.
func TestZoneOfAMap(t *testing.T) {
	for _, c := range []struct{ addr, scope, want any }{
		{"fe80::1%eth0", nil, "[fe80::1%eth0]:0"},
		{ip6.WithZone("3"), nil, "[fe80::1%3]:0"},
		{"fe80::1", "eth0", "[fe80::1%eth0]:0"},
		{"fe80::1", "3", "[fe80::1%3]:0"},
		{"fe80::1", 3, "[fe80::1%3]:0"},
		{"fe80::1%eth0", 3, nil},
		{"fe80::1%eth0", "eth0", nil},
		{"fe80::1", "", nil},
		{"fe80::1", "a/b", nil},
		{"fe80::1", -1, nil},
		{"fe80::1", true, nil},
	} {
		m := map[string]any{"family": "inet6", "addr": c.addr}
		if c.scope != nil {
			m["scope_id"] = c.scope
		}
		a, err := AddrFromMap(m)
		if c.want == nil {
			assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"}, "%v", c)
			continue
		}
		require.NoError(t, err, "%v", c)
		assert.Equal(t, c.want, a.String())
	}
}

// Where no socket can look a name up, it is refused and not dropped.
func TestZoneNameNeedsASocket(t *testing.T) {
	named := AddrFrom(netip.MustParseAddrPort("[fe80::1%lo]:80"))
	var c cAddr
	assert.ErrorIs(t, named.toC(&c), &InvalidError{What: "sockaddr"})
	s, err := Open(Inet6, Dgram, UDP)
	if err != nil {
		t.Skip("no IPv6: ", err)
	}
	defer s.Close()
	s.Close()
	assert.ErrorIs(t, s.Bind(named), net.ErrClosed)
}
