package sockopt

import (
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

func TestNamesParseBack(t *testing.T) {
	for p := PMTUDont; p <= PMTUOmit; p++ {
		got, err := ParsePMTUDiscover(p.String())
		require.NoError(t, err)
		assert.Equal(t, p, got)
	}
	for _, m := range []FilterMode{Exclude, Include, 7} {
		got, err := ParseFilterMode(m.String())
		require.NoError(t, err)
		assert.Equal(t, m, got)
	}
	for _, r := range ProbeResults() {
		got, err := ParseProbeResult(r.String())
		require.NoError(t, err)
		assert.Equal(t, r, got)
		b, err := json.Marshal(r)
		require.NoError(t, err)
		var read ProbeResult
		require.NoError(t, json.Unmarshal(b, &read))
		assert.Equal(t, r, read)
	}
	for _, k := range append(AllKinds(), 0, KindTCP4|KindUDP6, 1<<len(kindNames)-1) {
		got, err := ParseKinds(k.String())
		require.NoError(t, err)
		assert.Equal(t, k, got)
	}
	for what, parse := range map[string]func(string) error{
		"pmtudisc":     func(s string) error { _, err := ParsePMTUDiscover(s); return err },
		"filter_mode":  func(s string) error { _, err := ParseFilterMode(s); return err },
		"probe_result": func(s string) error { _, err := ParseProbeResult(s); return err },
		"kind":         func(s string) error { _, err := ParseKinds(s); return err },
	} {
		for _, text := range []string{"nothing", "1.5", "99999999999"} {
			assert.ErrorIs(t, parse(text), &esock.InvalidError{What: what}, text)
		}
	}
	assert.Error(t, (*ProbeResult)(nil).UnmarshalText([]byte("reads")))
}

// OTP: timeval(). The unit of a number differs from option to option; a duration and {sec, usec} have their own.
func TestTimesByName(t *testing.T) {
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	defer s.Close()
	for _, option := range [][2]string{{"socket", "rcvtimeo"}, {"socket", "sndtimeo"}, {"tcp", "keepidle"}, {"tcp", "keepintvl"}} {
		unit := codecUnits[optionRows[findOption(option[0], option[1])].Codec]
		require.NotZero(t, unit, option)
		for _, v := range []any{7 * time.Second, "7s", map[string]any{"sec": 7, "usec": 0}, map[string]any{"sec": 7.0, "usec": 0.0},
			int64(7 * time.Second / unit)} {
			require.NoError(t, Set(s, option[0], option[1], v), "%v %v", option, v)
			got, err := Get(s, option[0], option[1])
			require.NoError(t, err)
			assert.Equal(t, int(7*time.Second/unit), got, "%v %v", option, v)
		}
		for _, v := range []any{-time.Second, "soon", "-1s", map[string]any{"sec": 1}, map[string]any{"sec": 0, "usec": 1_000_000},
			map[string]any{"sec": -1, "usec": 0}, map[string]any{"sec": int64(math.MaxInt64), "usec": 0},
			map[string]any{"sec": 1, "usec": 0, "nsec": 1}} {
			assert.ErrorIs(t, Set(s, option[0], option[1], v), &esock.InvalidError{What: "socket_option"}, "%v %v", option, v)
		}
	}
	require.NoError(t, Set(s, "tcp", "keepidle", 1500*time.Millisecond))
	got, err := TCPKeepIdle.Get(s)
	require.NoError(t, err)
	assert.Equal(t, 2*time.Second, got, "rounded up")

	for _, v := range []any{3, 3 * time.Second, "2001ms", map[string]any{"sec": 2, "usec": 1}} {
		require.NoError(t, Set(s, "socket", "linger", map[string]any{"onoff": true, "linger": v}))
		got, err := SocketLinger.Get(s)
		require.NoError(t, err)
		assert.Equal(t, Linger{On: true, Time: 3 * time.Second}, got, "%v", v)
	}
	require.NoError(t, Set(s, "otp", "spin", map[string]any{"sec": 0, "usec": 9}))
	assert.Equal(t, 9*time.Microsecond, s.Spin())
}

// Every option and every member whose Go type is a time.Duration takes one by name.
func TestAllTimesTakeDurations(t *testing.T) {
	times := 0
	for row, o := range optionRows {
		if unit, ok := codecUnits[o.Codec]; ok && o.CanSet {
			n, _, cause := optionFromPlain(row, time.Second)
			assert.Empty(t, cause, o.Name)
			assert.Equal(t, int64(time.Second/unit), n, o.Name)
			times++
		}
	}
	for _, sh := range shapes() {
		for k := range sh.fields {
			f := &sh.fields[k]
			unit, ok := units[f.kind]
			if !ok {
				continue
			}
			b := make([]byte, 8)
			for _, v := range []any{time.Second, "1s", map[string]any{"sec": 1, "usec": 0}, int(time.Second / unit)} {
				assert.Empty(t, f.fromPlain(b, v), "%s.%s", sh.name, f.name)
				assert.Equal(t, uint64(time.Second/unit), f.number(b), "%s.%s", sh.name, f.name)
			}
			assert.Equal(t, "out of range", f.fromPlain(b, -time.Second), "%s.%s", sh.name, f.name)
			times++
		}
	}
	assert.Greater(t, times, 20)
}

func TestAnyStandsForTheZeroAddress(t *testing.T) {
	_, data, cause := optionFromPlain(findOption("ip", "add_membership"), map[string]any{"multiaddr": "239.1.2.3", "interface": "any"})
	require.Empty(t, cause)
	got := codecOfIPMreq.decode(0, data)
	assert.Equal(t, IPMreq{MultiAddr: netip.MustParseAddr("239.1.2.3"), Interface: netip.IPv4Unspecified()}, got)
	for _, sh := range shapes() {
		for k := range sh.fields {
			if f := &sh.fields[k]; f.kind == "IN4" || f.kind == "IN6" {
				b := make([]byte, 16)
				assert.Empty(t, f.fromPlain(b, "any"), "%s.%s", sh.name, f.name)
				assert.Equal(t, make([]byte, 16), b)
				assert.NotEmpty(t, f.fromPlain(b, "anywhere"))
			}
		}
	}
}

// The option and the control message have the same keys, and take each other's old one.
func TestKeysHaveAliases(t *testing.T) {
	want := esock.SCTPInit{NumOStreams: 1, MaxInStreams: 2, MaxAttempts: 3, MaxInitTimeout: 4}
	for _, key := range []string{"num_ostreams", "num_outstreams"} {
		m := map[string]any{key: 1, "max_instreams": 2, "max_attempts": 3, "max_init_timeo": 4}
		_, data, cause := optionFromPlain(findOption("sctp", "initmsg"), m)
		require.Empty(t, cause)
		assert.Equal(t, want, sctpInitCodec.decode(0, data))
		assert.Equal(t, 1, shapes()["sctp_initmsg"].plain(data)["num_ostreams"])
		c, err := esock.ControlMessageFromMap(map[string]any{"level": "sctp", "type": "init", "value": m})
		require.NoError(t, err)
		got, ok := c.SCTPInit()
		require.True(t, ok)
		assert.Equal(t, want, got)
		assert.Len(t, m, 4, "the caller's map is as it was")
		assert.Contains(t, m, key)
	}
	both := map[string]any{"num_ostreams": 1, "num_outstreams": 1, "max_instreams": 2, "max_attempts": 3, "max_init_timeo": 4}
	_, _, cause := optionFromPlain(findOption("sctp", "initmsg"), both)
	assert.Equal(t, "unknown keys: num_outstreams", cause)
	for _, key := range []string{"number_peer_destinations", "numbe_peer_destinations"} {
		_, data, cause := optionFromPlain(findOption("sctp", "associnfo"), map[string]any{"assoc_id": 0, "asocmaxrxt": 1, key: 2,
			"peer_rwnd": 3, "local_rwnd": 4, "cookie_life": 5})
		require.Empty(t, cause)
		assert.Equal(t, 2, shapes()["sctp_assocparams"].plain(data)["number_peer_destinations"])
	}
}

// OTP has maxseg as an integer. So it is with all options that are a number of an association.
func TestAssociationValuesAreIntegersToo(t *testing.T) {
	for row, o := range optionRows {
		if o.Struct == "sctp_assoc_value" && o.CanSet {
			_, data, cause := optionFromPlain(row, 1000)
			require.Empty(t, cause, o.Name)
			assert.Equal(t, map[string]any{"assoc_id": 0, "value": 1000}, shapes()[o.Struct].plain(data))
			_, _, cause = optionFromPlain(row, -1)
			assert.Equal(t, "value: out of range", cause)
		}
	}
}

func TestLinuxRefusesANullFilter(t *testing.T) {
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	require.NoError(t, err)
	defer s.Close()
	for _, null := range []any{nil, "null"} {
		err := Set(s, "ip", "msfilter", null)
		assert.ErrorIs(t, err, syscall.EINVAL)
		assert.ErrorContains(t, err, "ip.msfilter null, no filter at all, is refused by Linux")
		assert.False(t, strings.Contains(err.Error(), "<nil>"), err.Error())
	}
}
