package esock

import (
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/plain"
)

var (
	ip4 = netip.MustParseAddr("192.0.2.1")
	ip6 = netip.MustParseAddr("fe80::1")
)

// goodAddrs are addresses of every form.
func goodAddrs() []Addr {
	return []Addr{
		Inet4Addr(ip4, 80),
		Inet4Addr(netip.IPv4Unspecified(), 0),
		Inet6Addr(ip6, 65535, 3),
		Inet6Addr(netip.IPv6Loopback(), 1, math.MaxUint32).WithFlowInfo(flowInfoMax),
		Inet6Addr(ip4, 80, 0),
		UnixAddr("/run/x.sock"),
		UnixAddr("x.sock"),
		UnixAddr("@x/y"),
		UnixAddr(""),
		UnixAddr(strings.Repeat("p", 107)),
		UnixAddr("/" + strings.Repeat("p", 107)),
		UnixAddr(strings.Repeat("p", 108)),
		UnixAddr("\xff\xfe/not text"),
		AbstractAddr("name"),
		AbstractAddr("with\x00nul"),
		AbstractAddr(""),
		AbstractAddr(strings.Repeat("a", 107)),
		PacketAddr(LinkLayer{Protocol: 0x88b5, IfIndex: 2, PktType: 3, HaType: 1, Hardware: []byte{1, 2, 3, 4, 5, 6}}),
		PacketAddr(LinkLayer{}),
		VSockAddr(VSockHost, 1024),
		VSockAddr(VSockAny, math.MaxUint32),
		NetlinkAddr(0, 0),
		NetlinkAddr(math.MaxUint32, math.MaxUint32-1),
		RawAddr(31, []byte{1, 2, 3}),
		RawAddr(Unspec, nil),
		RawAddr(Unspec, []byte(strings.Repeat("x", addrDataMax))),
	}
}

func TestAddrComesBackFromC(t *testing.T) {
	for _, a := range goodAddrs() {
		var c cAddr
		require.NoError(t, a.toC(&c), "%v", a)
		assert.Equal(t, a, addrFromC(&c, Addr{}), "%v", a)
		assert.Equal(t, a, addrFromC(&c, a), "%v", a)
	}
}

func TestAddrComesBackFromMap(t *testing.T) {
	for _, a := range goodAddrs() {
		b, err := AddrFromMap(a.Map())
		require.NoError(t, err, "%v", a)
		assert.Equal(t, a, b)
	}
}

func TestAddrComesBackFromText(t *testing.T) {
	for _, a := range append(goodAddrs(), Any, Loopback, Broadcast, UnixAddr("packet:2/01"), UnixAddr("family 1:/"),
		UnixAddr("vsock:1/2"), UnixAddr("netlink:/"), UnixAddr("any"), UnixAddr("./any")) {
		b, err := ParseAddr(a.String())
		require.NoError(t, err, "%v", a)
		assert.Equal(t, shownInText(a), b, a.String())
		text, err := a.MarshalText()
		require.NoError(t, err)
		var c Addr
		require.NoError(t, c.UnmarshalText(text))
		assert.Equal(t, b, c)
	}
	a, err := ParseAddr("family vsock:01")
	require.NoError(t, err)
	assert.Equal(t, RawAddr(VSock, []byte{1}), a)
}

// shownInText is the address without what its text does not show.
func shownInText(a Addr) Addr {
	if l, ok := a.LinkLayer(); ok {
		return PacketAddr(LinkLayer{IfIndex: l.IfIndex, Hardware: l.Hardware})
	}
	if a.FlowInfo() != 0 {
		return a.WithFlowInfo(0)
	}
	return a
}

func TestAddrTextThatIsNoAddress(t *testing.T) {
	_, err := Inet4Addr(ip6, 80).MarshalText()
	assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"})
	for text, cause := range map[string]string{
		"127.0.0.1:99999":    `"99999" is not a port from 0 to 65535`,
		"127.0.0.1:http":     `"http" is not a port from 0 to 65535`,
		"[::1]:":             `"" is not a port from 0 to 65535`,
		"[fe80::1%eth0]:x":   `"x" is not a port`,
		"127.0.0.1":          "the port is missing",
		"[::1]":              "the port is missing",
		"::1":                "[address]:port",
		"localhost:80":       "neither ip:port nor a path",
		"packet:x/01":        "packet:index/hardware",
		"packet:2":           "packet:index/hardware",
		"packet:2/1":         "packet:index/hardware",
		"packet:2/01:":       "packet:index/hardware",
		"packet:2/0102":      "packet:index/hardware",
		"packet:2147483648/": "packet:index/hardware",
		"packet:2/" + strings.Repeat("01:", 32) + "01": "up to 32 bytes",
		"family 31":       "number:hexadecimal",
		"family x:01":     "number:hexadecimal",
		"family 31:0":     "number:hexadecimal",
		"family 65536:01": "16 bits",
		"family -1:01":    "16 bits",
	} {
		_, err := ParseAddr(text)
		assert.ErrorContains(t, err, cause, text)
	}
}

func TestAddrPrintsForPeople(t *testing.T) {
	for want, a := range map[string]Addr{
		"192.0.2.1:80":               Inet4Addr(ip4, 80),
		"[fe80::1%3]:80":             Inet6Addr(ip6, 80, 3),
		"[fe80::1]:80":               Inet6Addr(ip6, 80, 0),
		"/run/x":                     UnixAddr("/run/x"),
		"unix:x":                     UnixAddr("x"),
		"unix:":                      UnixAddr(""),
		"@name":                      AbstractAddr("name"),
		"vsock:2:1024":               VSockAddr(2, 1024),
		"netlink:7:0x11":             NetlinkAddr(7, 0x11),
		"packet:2/aa:bb:cc:dd:ee:ff": PacketAddr(LinkLayer{IfIndex: 2, Hardware: []byte{0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}}),
		"family 31:0102":             RawAddr(31, []byte{1, 2}),
		"any":                        Any,
		"broadcast":                  Broadcast,
		"":                           {},
		"unix:packet:1/":             UnixAddr("packet:1/"),
		"packet:0/":                  PacketAddr(LinkLayer{}),
		"family unspec:":             RawAddr(Unspec, nil),
		"invalid inet address":       Inet4Addr(ip6, 80),
	} {
		assert.Equal(t, want, a.String())
	}
	for _, bad := range []string{"", "localhost:80", "1.2.3.4", "1.2.3.4:65536", "::1:80", "[fe80::1%]:80", "[fe80::1%lo:1]:80", "x.sock",
		"vsock:1", "vsock:a:b", "netlink:", "netlink:1", "netlink:x:0x1", "netlink:1:1", "netlink:1:0x100000000", "\x00abstract", "unix:\x00abstract", "/" + strings.Repeat("p", 108), "/a\x00b", "unix:a\x00b", "@" + strings.Repeat("a", 108)} {
		_, err := ParseAddr(bad)
		assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"}, bad)
	}
}

func TestAddrAccessorsAreZeroForOtherFamilies(t *testing.T) {
	a := Inet6Addr(ip6, 80, 3).WithFlowInfo(7)
	assert.Equal(t, ip6, a.IP())
	assert.Equal(t, uint32(80), a.Port())
	assert.Equal(t, uint32(7), a.FlowInfo())
	assert.Equal(t, uint32(3), a.ScopeID())
	assert.Equal(t, "[fe80::1%3]:80", a.AddrPort().String())
	assert.Equal(t, a.WithFlowInfo(0), AddrFrom(a.AddrPort()))
	for _, b := range []Addr{VSockAddr(3, 4), UnixAddr("x"), Any, {}, RawAddr(Inet6, nil), PacketAddr(LinkLayer{IfIndex: 3})} {
		assert.False(t, b.IP().IsValid())
		assert.Zero(t, b.FlowInfo())
		assert.Zero(t, b.ScopeID())
		assert.False(t, b.AddrPort().IsValid())
	}
	cid, ok := VSockAddr(3, 4).CID()
	assert.True(t, ok)
	assert.Equal(t, uint32(3), cid)
	_, ok = a.CID()
	assert.False(t, ok)
	groups, ok := NetlinkAddr(3, 4).Groups()
	assert.True(t, ok)
	assert.Equal(t, uint32(4), groups)
	assert.Equal(t, uint32(3), NetlinkAddr(3, 4).Port())
	_, ok = a.Groups()
	assert.False(t, ok)
	l, ok := PacketAddr(LinkLayer{Protocol: 8, HaType: 9, IfIndex: 3}).LinkLayer()
	assert.True(t, ok)
	assert.Equal(t, [3]int{8, 9, 3}, [3]int{int(l.Protocol), int(l.HaType), l.IfIndex})
	_, ok = a.LinkLayer()
	assert.False(t, ok)
	assert.Equal(t, "\x00n", AbstractAddr("n").Path())
	assert.Empty(t, a.Path())
	data, ok := RawAddr(31, []byte{1}).RawData()
	assert.True(t, ok)
	assert.Equal(t, []byte{1}, data)
	_, ok = a.RawData()
	assert.False(t, ok)
	assert.True(t, Addr{}.IsZero())
	assert.False(t, UnixAddr("").IsZero())
	assert.False(t, RawAddr(Unspec, nil).IsZero())
}

func TestAddrThatCannotBeIsRefusedAtEveryUse(t *testing.T) {
	bad := map[string]Addr{
		"inet with IPv6":    Inet4Addr(ip6, 1),
		"inet with nothing": Inet4Addr(netip.Addr{}, 1),
		"inet6 with zone":   Inet6Addr(ip6.WithZone("1"), 1, 0),
		"inet6 nothing":     Inet6Addr(netip.Addr{}, 1, 0),
		"named zone":        AddrFrom(netip.MustParseAddrPort("[fe80::1%eth0]:1")),
		"no AddrPort":       AddrFrom(netip.AddrPort{}),
		"flow of inet":      Inet4Addr(ip4, 1).WithFlowInfo(1),
		"flow too large":    Inet6Addr(ip6, 1, 0).WithFlowInfo(flowInfoMax + 1),
		"long path":         UnixAddr(strings.Repeat("p", 109)),
		"NUL in a path":     UnixAddr("/a\x00b"),
		"NUL at its end":    UnixAddr("/a\x00"),
		"zone of IPv4":      Inet4Addr(netip.AddrFrom16(ip4.As16()).WithZone("lo"), 1),
		"impossible zone":   AddrFrom(netip.AddrPortFrom(ip6.WithZone("a/b"), 1)),
		"long zone":         AddrFrom(netip.AddrPortFrom(ip6.WithZone("sixteen-letters."), 1)),
		"NUL in a zone":     Inet6Addr(ip6, 1, 0).WithZone("lo\x00"),
		"alias as a zone":   Inet6Addr(ip6, 1, 0).WithZone("lo:1"),
		"large zone":        Inet6Addr(ip6, 1, 0).WithZone("4294967296"),
		"zone of inet":      Inet4Addr(ip4, 1).WithZone("lo"),
		"long abstract":     AbstractAddr(strings.Repeat("p", 108)),
		"raw data":          RawAddr(31, make([]byte, addrDataMax+1)),
		"raw family":        RawAddr(-1, nil),
		"raw family large":  RawAddr(65536, nil),
		"hardware":          PacketAddr(LinkLayer{Hardware: make([]byte, hardwareMax+1)}),
		"interface":         PacketAddr(LinkLayer{IfIndex: -1}),
		"zero":              {},
		"shorthand":         Loopback,
	}
	for name, a := range bad {
		var c cAddr
		err := a.toC(&c)
		var invalid *InvalidError
		require.ErrorAs(t, err, &invalid, name)
		assert.Equal(t, "sockaddr", invalid.What, name)
		assert.NotEmpty(t, invalid.Cause, name)
	}
	assert.Equal(t, Inet4Addr(ip4, 1), Inet4Addr(netip.AddrFrom16(ip4.As16()), 1), "IPv4 in IPv6 form")
}

func TestShorthandsMeanWhatTheDomainSays(t *testing.T) {
	for _, c := range []struct {
		a    Addr
		d    Domain
		want Addr
	}{
		{Any, Inet, Inet4Addr(netip.IPv4Unspecified(), 0)},
		{Loopback, Inet, Inet4Addr(netip.MustParseAddr("127.0.0.1"), 0)},
		{Broadcast, Inet, Inet4Addr(netip.MustParseAddr("255.255.255.255"), 0)},
		{Any, Inet6, Inet6Addr(netip.IPv6Unspecified(), 0, 0)},
		{Loopback, Inet6, Inet6Addr(netip.IPv6Loopback(), 0, 0)},
		{UnixAddr("x"), Inet, UnixAddr("x")},
	} {
		got, err := c.a.resolve(c.d)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
	_, err := Broadcast.resolve(Inet6)
	assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"})
	for _, d := range []Domain{Local, Unspec, Packet, VSock} {
		_, err := Any.resolve(d)
		assert.ErrorIs(t, err, syscall.EAFNOSUPPORT)
	}
}

func TestAddrMapsHaveOTPsKeysAndDefaults(t *testing.T) {
	assert.Equal(t, map[string]any{"family": "inet", "addr": "192.0.2.1", "port": 80}, Inet4Addr(ip4, 80).Map())
	assert.Equal(t, map[string]any{"family": "inet6", "addr": "fe80::1", "port": 80, "flowinfo": 0, "scope_id": 3},
		Inet6Addr(ip6, 80, 3).Map())
	assert.Equal(t, map[string]any{"family": "local", "path": "\x00n"}, AbstractAddr("n").Map())
	assert.Equal(t, map[string]any{"family": "vsock", "cid": "host", "port": 1}, VSockAddr(VSockHost, 1).Map())
	assert.Equal(t, map[string]any{"family": "netlink", "port": plain.Int(math.MaxUint32), "groups": 1}, NetlinkAddr(math.MaxUint32, 1).Map())
	assert.Equal(t, map[string]any{"family": "packet", "protocol": 8, "ifindex": 1, "pkttype": "outgoing", "hatype": "loopback",
		"addr": []byte{1}}, PacketAddr(LinkLayer{Protocol: 8, IfIndex: 1, PktType: 4, HaType: 772, Hardware: []byte{1}}).Map())
	assert.Equal(t, map[string]any{"family": "unspec", "addr": []byte{}}, Addr{}.Map())
	assert.Equal(t, map[string]any{"family": 31, "addr": []byte{1}}, RawAddr(31, []byte{1}).Map())

	for _, c := range []struct {
		m    map[string]any
		want Addr
	}{
		{map[string]any{"family": "inet"}, Inet4Addr(netip.IPv4Unspecified(), 0)},
		{map[string]any{"family": Inet, "addr": "loopback", "port": 80.0}, Inet4Addr(netip.MustParseAddr("127.0.0.1"), 80)},
		{map[string]any{"family": "inet", "addr": "broadcast"}, Inet4Addr(netip.MustParseAddr("255.255.255.255"), 0)},
		{map[string]any{"family": 2, "addr": ip4, "port": uint16(80)}, Inet4Addr(ip4, 80)},
		{map[string]any{"family": "inet6"}, Inet6Addr(netip.IPv6Unspecified(), 0, 0)},
		{map[string]any{"family": "inet6", "addr": "loopback", "flowinfo": 5}, Inet6Addr(netip.IPv6Loopback(), 0, 0).WithFlowInfo(5)},
		{map[string]any{"family": "local", "path": []byte("/x")}, UnixAddr("/x")},
		{map[string]any{"family": "local"}, UnixAddr("")},
		{map[string]any{"family": "vsock", "port": 1}, VSockAddr(VSockAny, 1)},
		{map[string]any{"family": "unspec"}, RawAddr(Unspec, nil)},
	} {
		got, err := AddrFromMap(c.m)
		require.NoError(t, err, "%v", c.m)
		assert.Equal(t, c.want, got)
	}
}

// OTP checked no range of port, and turned flowinfo and scope_id into signed numbers.
func TestAddressNumbersAreCheckedAndUnsigned(t *testing.T) {
	a, err := AddrFromMap(map[string]any{"family": "inet6", "flowinfo": 1048575, "scope_id": uint32(math.MaxUint32)})
	require.NoError(t, err)
	assert.Equal(t, plain.Int(math.MaxUint32), a.Map()["scope_id"])
	assert.Equal(t, 1048575, a.Map()["flowinfo"])
	for key, values := range map[string][]any{
		"port":     {-1, 65536, 1 << 20, 0.5, "80", nil},
		"flowinfo": {-1, 1048576},
		"scope_id": {-1, int64(1 << 32)},
		"addr":     {"1.2.3.4.5", 5, nil, "broadcast", "nowhere", netip.Addr{}},
	} {
		for _, v := range values {
			_, err := AddrFromMap(map[string]any{"family": "inet6", key: v})
			assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"}, "%s %v", key, v)
		}
	}
}

func TestNetlinkNumbersAreCheckedAndUnsigned(t *testing.T) {
	for _, key := range []string{"port", "groups"} {
		for _, v := range []any{-1, int64(1 << 32), "x"} {
			_, err := AddrFromMap(map[string]any{"family": "netlink", key: v})
			assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"}, "%s %v", key, v)
		}
	}
}

func TestAddrMapsRefuseUnknownKeysByName(t *testing.T) {
	_, err := AddrFromMap(map[string]any{"family": "inet", "prot": 80, "adr": "any"})
	assert.ErrorContains(t, err, "unknown keys: adr, prot")
	_, err = AddrFromMap(map[string]any{"family": "inet", "scope_id": 1})
	assert.ErrorContains(t, err, "unknown keys: scope_id", "a key of another family")
	_, err = AddrFromMap(map[string]any{"port": 80})
	assert.ErrorContains(t, err, "family")
	_, err = AddrFromMap(nil)
	assert.ErrorContains(t, err, "family")
	_, err = AddrFromMap(map[string]any{"family": "nowhere"})
	assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"})
	_, err = AddrFromMap(map[string]any{"family": "local", "path": 5})
	assert.ErrorContains(t, err, "path")
	_, err = AddrFromMap(map[string]any{"family": "packet", "pkttype": "strange"})
	assert.ErrorContains(t, err, "pkttype")
}

func TestAddrMapsSurviveJSON(t *testing.T) {
	for _, a := range []Addr{Inet4Addr(ip4, 80), Inet6Addr(ip6, 80, 3), UnixAddr("/x"), VSockAddr(5, 6), NetlinkAddr(7, 8)} {
		b, err := json.Marshal(a.Map())
		require.NoError(t, err)
		var m map[string]any
		require.NoError(t, json.Unmarshal(b, &m))
		got, err := AddrFromMap(m)
		require.NoError(t, err)
		assert.Equal(t, a, got)
	}
}

func TestAddrAllocatesNothing(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(Addr{}), uintptr(72))
	for _, a := range []Addr{Inet4Addr(ip4, 80), Inet6Addr(ip6, 80, 3), UnixAddr("/run/a/socket"), AbstractAddr("n"), VSockAddr(1, 2)} {
		var c cAddr
		prev := a
		n := allocsPerRun(100, func() {
			if prev.toC(&c) != nil {
				t.Fatal("toC")
			}
			prev = addrFromC(&c, prev)
		})
		assert.Zero(t, n, "%v", a)
		assert.Equal(t, a, prev)
	}
}

// Whatever the text: no panic, and what is understood comes back from text, map and C.
func FuzzParseAddr(f *testing.F) {
	for _, a := range goodAddrs() {
		f.Add(a.String())
	}
	f.Add("[::ffff:1.2.3.4%0]:1")
	f.Add("[fe80::1%007]:1")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddr(text)
		if err != nil {
			assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"})
			assert.True(t, a.IsZero())
			return
		}
		b, err := ParseAddr(a.String())
		require.NoError(t, err)
		require.Equal(t, a, b)
		if a.form == formShort {
			return // it means nothing without a socket
		}
		survives(t, a)
	})
}

// Whatever the map, as JSON has it: no panic, and an address can be used.
func FuzzAddrFromMap(f *testing.F) {
	for _, a := range goodAddrs() {
		b, err := json.Marshal(a.Map())
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`{"family":2,"port":-0.0,"addr":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var m map[string]any
		if json.Unmarshal(text, &m) != nil {
			return
		}
		a, err := AddrFromMap(m)
		if err != nil {
			assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"})
			return
		}
		survives(t, a)
	})
}

// survives checks that an address comes back from its map, and from the core.
func survives(t *testing.T, a Addr) {
	t.Helper()
	b, err := AddrFromMap(a.Map())
	require.NoError(t, err)
	require.Equal(t, a, b)
	var c cAddr
	if err = a.toC(&c); err == errZoneName {
		return // a socket looks it up
	}
	require.NoError(t, err)
	require.Equal(t, a, addrFromC(&c, Addr{}))
}
