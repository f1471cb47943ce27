package sockopt

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/kernel"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// without is the map without one key.
func without(m map[string]any, key string) map[string]any {
	m = maps.Clone(m)
	delete(m, key)
	return m
}

// What nobody said is 0 to the kernel, and 0 means something: any interface, the user root, all streams. So each key of
// each structure is needed, or one of those that ESOCK_KEYS says may be missing.
func TestStructuresByNameNeedTheirKeys(t *testing.T) {
	optional := map[string][]string{
		"so_timestamping": {"bind_phc"}, "tcp_md5sig": {"flags", "prefixlen", "ifindex"},
		"in6_flowlabel_req": {"share", "flags", "expires", "linger", "reserved"},
		"sctp_paddrparams":  {"address", "hbinterval", "pathmaxrxt", "pathmtu", "sackdelay", "flags", "ipv6_flowlabel", "dscp"},
		"sctp_sndrcvinfo":   {"ssn", "tsn", "cumtsn"}, "sctp_paddrthlds": {"address"},
		"sctp_paddrthlds_v2": {"address"}, "sctp_udpencaps": {"address"},
		"sctp_event_subscribe": {"stream_reset", "assoc_reset", "stream_change", "send_failure_event"},
		"sctp_probeinterval":   {"address"}, "ip_mreqn": {"interface", "ifindex"},
	}
	for name, sh := range shapes() {
		full := sh.plain(make([]byte, sh.size))
		_, cause := sh.fromPlain(full, false)
		require.Empty(t, cause, name)
		for key := range full {
			_, cause := sh.fromPlain(without(full, key), false)
			if slices.Contains(optional[name], key) {
				assert.Empty(t, cause, "%s without %s", name, key)
			} else {
				assert.Equal(t, "missing keys: "+key, cause, "%s without %s", name, key)
			}
			_, cause = sh.fromPlain(without(full, key), true)
			if asks := optionKeys[name].asks; len(asks) > 0 {
				assert.Equal(t, slices.Contains(asks, key), cause != "", "%s asked without %s", name, key)
			}
		}
		_, cause = sh.fromPlain(map[string]any{}, false)
		assert.Contains(t, cause, "missing keys: ", name)
	}
}

func TestKeysThatOthersMakeNecessary(t *testing.T) {
	for _, c := range []struct {
		name, missing string
		value         map[string]any
	}{
		{"ip_mreqn", "interface or ifindex", map[string]any{"multiaddr": "239.1.1.1"}},
		{"tcp_md5sig", "prefixlen", map[string]any{"addr": "10.0.0.0", "flags": 1, "keylen": 1, "key": "k"}},
		{"tcp_md5sig", "prefixlen, ifindex", map[string]any{"addr": "10.0.0.0", "flags": 3, "keylen": 1, "key": "k"}},
		{"tcp_md5sig", "keylen", map[string]any{"addr": "10.0.0.1", "key": "k"}}, // which would remove the key
		{"packet_mreq", "alen, address", map[string]any{"ifindex": 1, "type": 0}},
		{"packet_mreq", "address", map[string]any{"ifindex": 1, "type": 3, "alen": 6}},
		{"packet_mreq", "", map[string]any{"ifindex": 1, "type": 1}},
		{"sctp_reset_streams", "streams", map[string]any{"assoc_id": 0, "flags": 1}}, // which would be all
		{"linger", "linger", map[string]any{"onoff": true}},
		{"linger", "onoff", map[string]any{"linger": 0}},
		{"ucred", "uid, gid", map[string]any{"pid": 1}},
	} {
		_, _, cause := structFromPlain(c.name, c.value, false)
		if c.missing != "" {
			assert.Equal(t, "missing keys: "+c.missing, cause, "%s %v", c.name, c.value)
		} else {
			assert.Empty(t, cause)
		}
	}
	_, _, cause := filterFromPlain([]any{map[string]any{"code": 6}})
	assert.Equal(t, "missing keys: k", cause)
	_, _, cause = filterFromPlain([]any{map[string]any{"code": 6, "k": 9}})
	assert.Empty(t, cause)
	// OTP's null: no value at all.
	_, data, cause := optionFromPlain(findOption("ip", "msfilter"), nil)
	assert.Empty(t, cause)
	assert.Empty(t, data)
}

// A boolean by name is a boolean, in structures too, and whatever way it goes in.
func TestBooleansByNameAreBooleans(t *testing.T) {
	s := new(esock.Socket)
	for _, v := range []any{0, 1, 1.0, uint8(1), "true", "on", nil, []byte{1}} {
		for row, o := range optionRows {
			if o.codec == codecBool {
				_, _, cause := optionFromPlain(row, v)
				assert.Equal(t, "not a boolean", cause, "%s.%s %v", o.Level, o.Name, v)
			}
		}
		assert.ErrorIs(t, Set(s, "tcp", "nodelay", v), &esock.InvalidError{What: "socket_option"})
		batch := []Setting{{Level: "tcp", Name: "nodelay", Value: v}}
		_ = SetAll(s, batch)
		assert.ErrorIs(t, batch[0].Err, &esock.InvalidError{What: "socket_option"})
	}
	for name, sh := range shapes() {
		full := sh.plain(make([]byte, sh.size))
		for _, f := range sh.fields {
			if strings.HasPrefix(f.kind, "BOOL") {
				for _, v := range []any{0, 1, "true"} {
					full[f.name] = v
					_, cause := sh.fromPlain(full, false)
					assert.Contains(t, cause, "not a boolean", "%s.%s", name, f.name)
				}
				full[f.name] = true
			}
		}
	}
	// A text, of a command or a file, may say it in other words.
	for text, want := range map[string]any{"true": true, "on": true, "1": true, "false": false, "off": false, "0": false, "2": "2"} {
		assert.Equal(t, want, optionRows[findOption("tcp", "nodelay")].ParseValue(text), text)
	}
	assert.Equal(t, map[string]any{"onoff": true, "linger": 1},
		optionRows[findOption("socket", "linger")].ParseValue("onoff=1,linger=1"))
}

// The samples of the rows are complete maps, and probe as such.
func TestSamplesHaveTheirKeys(t *testing.T) {
	for row, o := range optionRows {
		if set, _, why := o.SampleValue(KindTCP4); why == "" && set != nil {
			if o.CanSet {
				_, _, cause := optionFromPlain(row, set)
				assert.Empty(t, cause, "%s.%s", o.Level, o.Name)
			}
			if o.Asks {
				_, _, cause := optionQuestionFromPlain(row, set)
				assert.Empty(t, cause, "%s.%s", o.Level, o.Name)
			}
		}
	}
}

// ---- What the running kernel is

// The last word of struct tcp_info changed its meaning in Linux 7.0, at the same length.
func TestLastWordOfTCPInfoIsTheRunningKernels(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		t.Skip("the words below are written for little-endian machines")
	}
	defer func(f func() map[string]wordBits) { ecnLayout = f }(ecnLayout)
	sh := shapes()["tcp_info"]
	require.Equal(t, 280, sh.size)
	decode := func(word uint32) (TCPInfoValue, map[string]any) {
		data := make([]byte, 280)
		binary.NativeEndian.PutUint32(data[276:], word)
		return codecOfTCPInfoValue.decode(0, data), sh.plain(data)
	}
	ecnLayout = func() map[string]wordBits { return ecnLayoutOld }
	v, m := decode(0x0003_0105)
	assert.Equal(t, []any{uint8(0), uint16(3), uint16(0x105), uint32(0)}, []any{v.ECNMode, v.AccECNOptSeen, v.AccECNFailMode, v.Options2})
	assert.Equal(t, []any{0, 3, 0x105, 0}, []any{m["ecn_mode"], m["accecn_opt_seen"], m["accecn_fail_mode"], m["options2"]})

	ecnLayout = func() map[string]wordBits { return ecnLayoutNew }
	v, m = decode(0xabcdef<<8 | 0x9<<4 | 1<<2 | 2)
	assert.Equal(t, []any{uint8(2), uint16(1), uint16(9), uint32(0xabcdef)}, []any{v.ECNMode, v.AccECNOptSeen, v.AccECNFailMode, v.Options2})
	assert.Equal(t, []any{2, 1, 9, 0xabcdef}, []any{m["ecn_mode"], m["accecn_opt_seen"], m["accecn_fail_mode"], m["options2"]})
	// And back into its bits.
	data, cause := sh.fromPlain(m, false)
	require.Empty(t, cause)
	assert.Equal(t, uint32(0xabcdef<<8|0x9<<4|1<<2|2), binary.NativeEndian.Uint32(data[276:]))
	m["ecn_mode"] = 4
	_, cause = sh.fromPlain(m, false)
	assert.Equal(t, "ecn_mode: out of range", cause)

	ecnLayout = whichECNLayout
	defer func(f func() [2]int) { kernel.Release = f }(kernel.Release)
	for _, r := range []struct {
		release [2]int
		layout  map[string]wordBits
	}{{[2]int{6, 18}, ecnLayoutOld}, {[2]int{6, 19}, ecnLayoutOld}, {[2]int{7, 0}, ecnLayoutNew}, {[2]int{8, 1}, ecnLayoutNew}, {[2]int{}, ecnLayoutOld}} {
		kernel.Release = func() [2]int { return r.release }
		assert.Equal(t, r.layout, ecnLayout(), "%v", r.release)
	}

	ecnLayout = func() map[string]wordBits {
		t.Error("the layout is not needed for other structures")
		return ecnLayoutOld
	}
	shapes()["tcp_repair_window"].plain(make([]byte, 20))
}

// No sample is not a round-trip time of 71 minutes.
func TestNoShortestRoundTripTimeIsZero(t *testing.T) {
	sh := shapes()["tcp_info"]
	data := make([]byte, sh.size)
	binary.NativeEndian.PutUint32(data[148:], math.MaxUint32)
	assert.Zero(t, codecOfTCPInfoValue.decode(0, data).MinRTT)
	assert.Equal(t, 0, sh.plain(data)["min_rtt"])
	binary.NativeEndian.PutUint32(data[148:], 50)
	assert.Equal(t, 50*time.Microsecond, codecOfTCPInfoValue.decode(0, data).MinRTT)
}

func TestOptionsThatLinuxHasNoLongerSaySo(t *testing.T) {
	n := 0
	for _, o := range optionRows {
		if o.Level == "udplite" {
			n++
			assert.Equal(t, "7.1", o.Until)
			assert.Contains(t, explainOption(&o, KindUDPLite, syscall.ENOPROTOOPT, func() bool { return false }), "since 2.6.20, until 7.1")
		} else {
			assert.Empty(t, o.Until, "%s.%s", o.Level, o.Name)
		}
	}
	assert.Equal(t, 2, n)
	row := findOption("udplite", "send_cscov")
	if a := optionRows[row].Probe().Answers[0]; a.Result == ProbeNoSocket {
		assert.Contains(t, a.Why, "until 7.1")
	}
}

// ---- How much is asked for

func TestMoreRoomIsAskedForAsLongAsThereIsMore(t *testing.T) {
	row := findOption("socket", "peergroups")
	const enobufs = -int(syscall.ENOBUFS)
	for _, c := range []struct {
		room, n, r, want int
		again            bool
	}{
		{4096, 5000, enobufs, 8192, true},   // no smaller steps than twice
		{4096, 50000, enobufs, 50000, true}, // what it takes
		{600000, 700000, enobufs, 1 << 20, true},
		{4096, 1<<20 + 1, enobufs, 0, false}, // more than any value has
		{4096, 4096, enobufs, 0, false},      // the kernel's own
		{4096, 5000, -int(syscall.ERANGE), 0, false},
		{4096, 5000, 0, 0, false},
	} {
		more, again := moreRoom(row, c.room, c.n, c.r)
		assert.Equal(t, c.again, again, "%+v", c)
		assert.Equal(t, c.want, more, "%+v", c)
	}
	huge := make([]byte, 1<<20)
	optionBuffers.put(&huge)
	assert.LessOrEqual(t, cap(*optionBuffers.get(10)), 1<<16, "a long list's memory is not kept")
}
