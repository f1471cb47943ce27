package netdevice

import (
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
	"github.com/esock-go/esock/internal/plain"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRequestsHaveTheirNumbers(t *testing.T) {
	var here, absent []string
	for r := range Requests() {
		assert.NotEmpty(t, r.Doc, r.Name)
		if r.Constant == "" {
			absent = append(absent, r.Name)
			assert.Zero(t, r.Number)
		} else {
			here = append(here, r.Name)
		}
		assert.Equal(t, strings.HasPrefix(r.Name, "sif") || r.Constant == "", r.Set, r.Name)
	}
	assert.Equal(t, []string{"gifconf", "nread", "nwrite", "nspace", "atmark", "tcp_info", "gifname", "gifindex", "gifaddr",
		"gifdstaddr", "gifbrdaddr", "gifnetmask", "gifhwaddr", "gifmtu", "giftxqlen", "gifflags", "gifmap", "sifflags",
		"sifaddr", "sifdstaddr", "sifbrdaddr", "sifnetmask", "sifhwaddr", "sifmtu", "siftxqlen"}, here)
	assert.Equal(t, []string{"rcvall", "rcvall_igmpmcast", "rcvall_mcast", "rcvall_igmpmcall", "rcvall_mcall"}, absent)
	for range Requests() {
		break
	}
	rows := slices.Collect(Requests())
	assert.Equal(t, uint(syscall.SIOCSIFNETMASK), rows[corecall.SIFNetmask].Number)
	assert.Equal(t, "sifnetmask", rows[corecall.SIFNetmask].Name)
	assert.Equal(t, "SIOCGIFMTU", rows[corecall.GIFMTU].Constant)
}

func TestInterfaceFlagsHaveOTPsNames(t *testing.T) {
	f := Up | Loopback | Running | Dynamic
	assert.Equal(t, "up|loopback|running|dynamic", f.String())
	names, rest := f.Names()
	assert.Equal(t, []string{"up", "loopback", "running", "dynamic"}, names)
	assert.Zero(t, rest)
	assert.Empty(t, Flag(0).String())
	_, rest = Flag(math.MaxUint16).Names()
	assert.Zero(t, rest, "every bit has a name")
	for _, n := range plain.IfFlags {
		got, err := ParseFlag(n.Text)
		if n.Number == 0 || n.Number > math.MaxUint16 {
			assert.ErrorIs(t, err, &esock.InvalidError{What: "ioctl_flag"}, n.Text)
			continue
		}
		assert.NoError(t, err)
		assert.Equal(t, n.Number, int(got))
	}
	assert.Len(t, plain.IfFlags, 32)
}

func TestBitsWithoutANameComeLast(t *testing.T) {
	old := plain.IfFlags
	defer func() { plain.IfFlags = old }()
	plain.IfFlags = old[:1]
	f := Up | Flag(0x4)
	assert.Equal(t, "up|0x4", f.String())
	assert.Equal(t, []any{"up", 4}, f.list())
}

func TestFlagsAreCheckedBeforeAnythingIsDone(t *testing.T) {
	on, off, err := flagsFromPlain(map[string]any{"up": true, "noarp": false})
	require.NoError(t, err)
	assert.Equal(t, Up, on)
	assert.Equal(t, NoARP, off)
	on, off, err = flagsFromPlain(map[string]bool{"up": false})
	require.NoError(t, err)
	assert.Zero(t, on)
	assert.Equal(t, Up, off)
	for _, m := range []any{map[string]any{"u": true}, map[string]bool{"u": true}, map[string]any{"link0": true},
		map[string]any{"lower_up": false}, map[string]any{"up": 1}} {
		_, _, err = flagsFromPlain(m)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "ioctl_flag"}, m)
	}
	_, _, err = flagsFromPlain([]string{"up"})
	assert.ErrorIs(t, err, &esock.InvalidError{What: "ioctl_argument"})

	s := inet(t)
	var invalid *esock.InvalidError
	_, err = IOCtl(s, "sifflags", "lo", map[string]any{"uup": true})
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "ioctl_flag", invalid.What)
	assert.Equal(t, "uup", invalid.Value)
	assert.ErrorIs(t, SetFlags(s, "lo", Up, Up|NoARP), &esock.InvalidError{What: "ioctl_flag"})
}

func TestHardwareAddressesComeBackFromMaps(t *testing.T) {
	for _, hw := range []HardwareAddr{{Type: 1, Addr: net.HardwareAddr{1, 2, 3, 4, 5, 6}}, {Type: 770, Addr: net.HardwareAddr{1}},
		{Type: 65534}, {Type: 512}} {
		back, err := HardwareAddrFromMap(hw.Map())
		require.NoError(t, err)
		assert.Equal(t, hw.Type, back.Type)
		assert.Equal(t, hw.Addr.String(), back.Addr.String())
	}
	assert.Equal(t, "ether", HardwareAddr{Type: 1}.Map()["family"])
	assert.Equal(t, "frelay", HardwareAddr{Type: 770}.Map()["family"])
	assert.Equal(t, 512, HardwareAddr{Type: 512}.Map()["family"])
	for _, m := range []map[string]any{{}, {"family": "ether", "mac": []byte{1}}, {"family": "nothing"}, {"family": 1, "addr": 7},
		{"family": -1}, {"family": 65536}} {
		_, err := HardwareAddrFromMap(m)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"}, m)
	}
}

// Numbers of requests, keys and forms are written twice, in the core and in internal/corecall.
func TestRequestsHaveTheNumbersOfTheCore(t *testing.T) {
	rows := corecall.Requests()
	require.Len(t, rows, corecall.NumRequests)
	for i, want := range []struct {
		name      string
		number    int
		key, form int
	}{
		{"gifconf", corecall.GIFConf, corecall.KeyNone, corecall.FormConf},
		{"nread", corecall.NRead, corecall.KeyNone, corecall.FormInt},
		{"nwrite", corecall.NWrite, corecall.KeyNone, corecall.FormInt},
		{"nspace", corecall.NSpace, corecall.KeyNone, corecall.FormSpace},
		{"atmark", corecall.AtMark, corecall.KeyNone, corecall.FormBool},
		{"tcp_info", corecall.TCPInfo, corecall.KeyNone, corecall.FormInfo},
		{"gifname", corecall.GIFName, corecall.KeyIndex, corecall.FormName},
		{"gifindex", corecall.GIFIndex, corecall.KeyName, corecall.FormInt},
		{"gifaddr", corecall.GIFAddr, corecall.KeyName, corecall.FormAddr},
		{"gifdstaddr", corecall.GIFDstAddr, corecall.KeyName, corecall.FormAddr},
		{"gifbrdaddr", corecall.GIFBrdAddr, corecall.KeyName, corecall.FormAddr},
		{"gifnetmask", corecall.GIFNetmask, corecall.KeyName, corecall.FormAddr},
		{"gifhwaddr", corecall.GIFHWAddr, corecall.KeyName, corecall.FormHWAddr},
		{"gifmtu", corecall.GIFMTU, corecall.KeyName, corecall.FormInt},
		{"giftxqlen", corecall.GIFTxQLen, corecall.KeyName, corecall.FormInt},
		{"gifflags", corecall.GIFFlags, corecall.KeyName, corecall.FormFlags},
		{"gifmap", corecall.GIFMap, corecall.KeyName, corecall.FormMap},
		{"sifflags", corecall.SIFFlags, corecall.KeyName, corecall.FormFlags},
		{"sifaddr", corecall.SIFAddr, corecall.KeyName, corecall.FormAddr},
		{"sifdstaddr", corecall.SIFDstAddr, corecall.KeyName, corecall.FormAddr},
		{"sifbrdaddr", corecall.SIFBrdAddr, corecall.KeyName, corecall.FormAddr},
		{"sifnetmask", corecall.SIFNetmask, corecall.KeyName, corecall.FormAddr},
		{"sifhwaddr", corecall.SIFHWAddr, corecall.KeyName, corecall.FormHWAddr},
		{"sifmtu", corecall.SIFMTU, corecall.KeyName, corecall.FormInt},
		{"siftxqlen", corecall.SIFTxQLen, corecall.KeyName, corecall.FormInt},
		{"rcvall", corecall.RCVAll, corecall.KeyNone, corecall.FormInt},
		{"rcvall_igmpmcast", corecall.RCVAllIGMPMCast, corecall.KeyNone, corecall.FormInt},
		{"rcvall_mcast", corecall.RCVAllMCast, corecall.KeyNone, corecall.FormInt},
	} {
		assert.Equal(t, i, want.number, want.name)
		row := rows[want.number]
		assert.Equal(t, want.name, row.Name)
		assert.Equal(t, want.key, int(row.Key), want.name)
		assert.Equal(t, want.form, int(row.Form), want.name)
	}
}

func TestRequestsDoNotAllocate(t *testing.T) {
	s := inet(t)
	for name, f := range map[string]func() error{
		"MTU":  func() error { _, err := MTU(s, "lo"); return err },
		"Addr": func() error { _, err := BrdAddr(s, "lo"); return err },
	} {
		if err := f(); err != nil {
			t.Skipf("%s of lo: %v", name, err)
		}
		assert.Zero(t, testing.AllocsPerRun(100, func() { _ = f() }), name)
	}
}

// A shorthand is the IPv4 address that it stands for.
func TestAddressesToSet(t *testing.T) {
	for text, a := range map[string]esock.Addr{"0.0.0.0": esock.Any, "127.0.0.1": esock.Loopback,
		"255.255.255.255": esock.Broadcast, "192.0.2.7": esock.Inet4Addr(netip.MustParseAddr("::ffff:192.0.2.7"), 80)} {
		ip, err := inet4(a)
		require.NoError(t, err)
		assert.Equal(t, text, ip.String())
	}
	for cause, a := range map[string]esock.Addr{
		"no address was given":                  {},
		"not an IPv4 address":                   esock.Inet4Addr(netip.IPv6Loopback(), 0),
		"this request sets inet addresses only": esock.RawAddr(esock.Inet, []byte{0, 0, 127, 0, 0, 1}),
	} {
		_, err := inet4(a)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"})
		assert.ErrorContains(t, err, cause)
	}
}

func TestHardwareAddressesThatNoRequestHolds(t *testing.T) {
	s := inet(t)
	for _, hw := range []HardwareAddr{{Type: 1 << 16}, {Type: -1}, {Type: 1, Addr: make(net.HardwareAddr, 200)}} {
		assert.ErrorIs(t, SetHWAddr(s, "lo", hw), &esock.InvalidError{What: "sockaddr"})
	}
	assert.ErrorIs(t, SetHWAddr(s, "lo", HardwareAddr{Type: 772, Addr: make(net.HardwareAddr, 15)}), syscall.EINVAL)
}

// AX.25 and its like answer with addresses of their own family.
func TestAddressesOfOtherFamilies(t *testing.T) {
	a := addrOf(corecall.Address{Family: 3, Len: 7, Data: [14]byte{1, 2, 3, 4, 5, 6, 7}})
	assert.Equal(t, esock.RawAddr(3, []byte{1, 2, 3, 4, 5, 6, 7}), a)
}

// inet is a socket that answers all requests about interfaces.
func inet(t *testing.T) *esock.Socket {
	t.Helper()
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestMapsOfRequestsAreRefusedByName(t *testing.T) {
	lo := esock.Inet4Addr(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	a, err := InterfaceAddrFromMap(map[string]any{"name": "lo", "addr": lo.Map()})
	assert.NoError(t, err)
	assert.Equal(t, InterfaceAddr{Name: "lo", Addr: lo}, a)
	for cause, m := range map[string]map[string]any{
		"missing keys: name, addr": nil,
		"name: not a string":       {"name": 1, "addr": lo.Map()},
		"addr: not a map":          {"name": "lo", "addr": "127.0.0.1"},
		"unknown keys: index":      {"name": "lo", "addr": lo.Map(), "index": 1},
	} {
		_, err := InterfaceAddrFromMap(m)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "ifconf"})
		assert.ErrorContains(t, err, cause)
	}
	_, err = InterfaceAddrFromMap(map[string]any{"name": "lo", "addr": map[string]any{}})
	assert.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"})
	for cause, m := range map[string]map[string]any{
		"irq: out of range":        {"irq": 256},
		"base_addr: not an":        {"base_addr": "0"},
		"mem_start: not a count":   {"mem_start": -1},
		"unknown keys: mem":        {"mem": 1},
		"port: not an integer":     {"port": nil},
		"mem_end: not a count":     {"mem_end": 1.5},
		"base_addr: out of range":  {"base_addr": 1 << 16},
		"unknown keys: mem_sta":    {"mem_sta": 0},
		"dma: out of range":        {"dma": -1},
		"unknown keys: MemStart":   {"MemStart": 0},
		"base_addr: not an intege": {"base_addr": true},
	} {
		_, err := MappingFromMap(m)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "ifmap"})
		assert.ErrorContains(t, err, cause)
	}
}

func TestFlagsParseWhatTheyPrint(t *testing.T) {
	for _, f := range []Flag{0, Up, Up | Loopback | Dynamic, math.MaxUint16} {
		got, err := ParseFlags(f.String())
		assert.NoError(t, err)
		assert.Equal(t, f, got)
	}
	got, err := ParseFlags("up|0x10")
	assert.NoError(t, err)
	assert.Equal(t, Up|PointOPoint, got)
	for _, text := range []string{"up|", "|", "up running", "0x10000", "renaming", "lower_up", "nonsense"} {
		_, err := ParseFlags(text)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "ioctl_flag"}, text)
	}
}
