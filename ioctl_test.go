package esock

import (
	"encoding/binary"
	"math"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/esock-go/esock/internal/plain"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRequestsAreThoseOfTheContract(t *testing.T) {
	var here, absent []string
	for r := range IOCtls() {
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
	assert.Equal(t, []string{"rcvall", "rcvall_igmpmcast", "rcvall_mcast"}, absent)
	for range IOCtls() {
		break
	}
	rows := slices.Collect(IOCtls())
	assert.Equal(t, uint(syscall.SIOCSIFNETMASK), rows[ioSIFNetmask].Number)
	assert.Equal(t, "sifnetmask", rows[ioSIFNetmask].Name)
	assert.Equal(t, "SIOCGIFMTU", rows[ioGIFMTU].Constant)
}

func TestInterfaceFlagsHaveOTPsNames(t *testing.T) {
	f := IfUp | IfLoopback | IfRunning | IfDynamic
	assert.Equal(t, "up|loopback|running|dynamic", f.String())
	names, rest := f.Names()
	assert.Equal(t, []string{"up", "loopback", "running", "dynamic"}, names)
	assert.Zero(t, rest)
	assert.Empty(t, IfFlags(0).String())
	_, rest = IfFlags(math.MaxUint16).Names()
	assert.Zero(t, rest, "every bit has a name")
	for _, n := range plain.IfFlags {
		got, err := ParseIfFlag(n.Text)
		if n.Number == 0 || n.Number > math.MaxUint16 {
			assert.ErrorIs(t, err, &InvalidError{What: "ioctl_flag"}, n.Text)
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
	f := IfUp | IfFlags(0x4)
	assert.Equal(t, "up|0x4", f.String())
	assert.Equal(t, []any{"up", 4}, f.list())
}

func TestT45FlagsAreCheckedBeforeAnythingIsDone(t *testing.T) {
	on, off, err := ifFlagsFromPlain(map[string]any{"up": true, "noarp": false})
	require.NoError(t, err)
	assert.Equal(t, IfUp, on)
	assert.Equal(t, IfNoARP, off)
	on, off, err = ifFlagsFromPlain(map[string]bool{"up": false})
	require.NoError(t, err)
	assert.Zero(t, on)
	assert.Equal(t, IfUp, off)
	for _, m := range []any{map[string]any{"u": true}, map[string]bool{"u": true}, map[string]any{"link0": true},
		map[string]any{"lower_up": false}, map[string]any{"up": 1}} {
		_, _, err = ifFlagsFromPlain(m)
		assert.ErrorIs(t, err, &InvalidError{What: "ioctl_flag"}, m)
	}
	_, _, err = ifFlagsFromPlain([]string{"up"})
	assert.ErrorIs(t, err, &InvalidError{What: "ioctl_argument"})

	s, err := Open(Inet, Dgram, UDP)
	require.NoError(t, err)
	defer s.Close()
	var invalid *InvalidError
	_, err = s.IOCtl("sifflags", "lo", map[string]any{"uup": true})
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "ioctl_flag", invalid.What)
	assert.Equal(t, "uup", invalid.Value)
	assert.ErrorIs(t, s.SetIfFlags("lo", IfUp, IfUp|IfNoARP), &InvalidError{What: "ioctl_flag"})
}

func TestHardwareAddressesComeBackFromMaps(t *testing.T) {
	for _, hw := range []HWAddr{{Type: 1, Addr: net.HardwareAddr{1, 2, 3, 4, 5, 6}}, {Type: 770, Addr: net.HardwareAddr{1}},
		{Type: 65534}, {Type: 512}} {
		back, err := HWAddrFromMap(hw.Map())
		require.NoError(t, err)
		assert.Equal(t, hw.Type, back.Type)
		assert.Equal(t, hw.Addr.String(), back.Addr.String())
	}
	assert.Equal(t, "ether", HWAddr{Type: 1}.Map()["family"])
	assert.Equal(t, "frelay", HWAddr{Type: 770}.Map()["family"])
	assert.Equal(t, 512, HWAddr{Type: 512}.Map()["family"])
	for _, m := range []map[string]any{{}, {"family": "ether", "mac": []byte{1}}, {"family": "nothing"}, {"family": 1, "addr": 7},
		{"family": -1}, {"family": 65536}} {
		_, err := HWAddrFromMap(m)
		assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"}, m)
	}
}

// A kernel of each age tells the beginning of struct tcp_info; what it does not tell has no key.
func TestTCPInfoOfAnyLength(t *testing.T) {
	info := make([]byte, 248)
	info[0], info[5] = 1, 1
	put := func(offset int, v uint32) { binary.NativeEndian.PutUint32(info[offset:], v) }
	put(16, 1000)                                    // snd_mss
	put(68, 25)                                      // rtt
	put(80, 10)                                      // snd_cwnd
	put(144, 300)                                    // notsent_bytes
	put(148, 20)                                     // min_rtt
	put(228, 65535)                                  // snd_wnd
	binary.NativeEndian.PutUint64(info[200:], 1<<40) // bytes_sent
	binary.NativeEndian.PutUint16(info[242:], 3)     // total_rto_recoveries
	m := tcpInfoMap(info, 500, []byte{0, 0, 0, 0})
	assert.Equal(t, "established", m["state"])
	assert.Equal(t, true, m["timestamp_enabled"])
	for key, want := range map[string]uint64{"mss": 1000, "rtt": 25, "cwnd": 10000, "min_rtt": 20, "snd_wnd": 65535,
		"bytes_out": 1 << 40, "timeout_episodes": 3, "bytes_in_flight": 200, "rcv_buf": 0, "rcv_wnd": 0, "bytes_in": 0,
		"bytes_retrans": 0} {
		assert.Equal(t, want, m[key], key)
	}
	assert.Len(t, m, 14)
	for n := range len(info) {
		short := tcpInfoMap(info[:n], 0, nil)
		assert.LessOrEqual(t, len(short), 13)
		assert.NotContains(t, short, "rcv_buf")
		_, has := short["rtt"]
		assert.Equal(t, n >= 72, has)
	}
	assert.Equal(t, uint64(0), tcpInfoMap(info, 100, nil)["bytes_in_flight"], "the two answers are not of the same moment")
	info[0] = 99
	assert.Equal(t, 99, tcpInfoMap(info, 0, nil)["state"])
}
