package esock

import (
	"encoding/binary"
	"maps"
	"math"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/plain"
)

// carry encodes control messages as for a send, and decodes them as after a receive.
func carry(t *testing.T, cs ...ControlMessage) []ControlMessage {
	t.Helper()
	var m Msg
	require.NoError(t, m.SetControl(cs...))
	var out []ControlMessage
	m.walk(m.send, 0, func(c ControlMessage) bool {
		out = append(out, c)
		return true
	})
	require.Len(t, out, len(cs))
	return out
}

func TestControlMessagesSurviveTheKernelsForm(t *testing.T) {
	out := carry(t, TTL(5), TOS(0xb8), HopLimit(-1), TClass(255), Credentials{PID: 7, UID: math.MaxUint32, GID: 9}.Control(),
		PktInfo4{IfIndex: 3, SpecDst: ip4, Addr: netip.IPv4Unspecified()}.Control(),
		PktInfo6{IfIndex: 4, Addr: ip6}.Control(), Rights(1, 2, 3),
		ControlMessage{Level: 99, Type: 98, Data: []byte("odd")}, ControlMessage{Level: 99, Type: 97})

	n, ok := out[0].TTL()
	assert.True(t, ok)
	assert.Equal(t, 5, n)
	n, ok = out[1].TOS()
	assert.True(t, ok)
	assert.Equal(t, 0xb8, n)
	n, ok = out[2].HopLimit()
	assert.True(t, ok)
	assert.Equal(t, -1, n)
	n, ok = out[3].TClass()
	assert.True(t, ok)
	assert.Equal(t, 255, n)
	cred, ok := out[4].Credentials()
	assert.True(t, ok)
	assert.Equal(t, Credentials{PID: 7, UID: math.MaxUint32, GID: 9}, cred)
	p4, ok := out[5].PktInfo4()
	assert.True(t, ok)
	assert.Equal(t, PktInfo4{IfIndex: 3, SpecDst: ip4, Addr: netip.IPv4Unspecified()}, p4)
	p6, ok := out[6].PktInfo6()
	assert.True(t, ok)
	assert.Equal(t, PktInfo6{IfIndex: 4, Addr: ip6}, p6)
	assert.Equal(t, []int{0, 1, 2, 3}, out[7].AppendFDs([]int{0}))
	assert.Equal(t, []byte("odd"), out[8].Data)
	assert.Empty(t, out[9].Data)

	// Nothing is taken for something else.
	for i, c := range out {
		got := 0
		for _, ok := range []bool{second(c.TTL()), second(c.TOS()), second(c.HopLimit()), second(c.TClass()), second(c.Time()),
			second(c.Credentials()), second(c.PktInfo4()), second(c.PktInfo6())} {
			if ok {
				got++
			}
		}
		want := 1
		if i > 6 {
			want = 0
			assert.Equal(t, i == 7, len(c.AppendFDs(nil)) > 0)
		}
		assert.Equal(t, want, got, "%d", i)
	}
}

func second[T any](_ T, ok bool) bool { return ok }

// OTP encoded the microseconds of a timestamp from its seconds.
func TestTimestampKeepsSecondsAndMicroseconds(t *testing.T) {
	at := time.Unix(1_700_000_000, 123_456_000)
	got, ok := carry(t, Timestamp(at))[0].Time()
	require.True(t, ok)
	assert.True(t, at.Equal(got), "%v", got)

	c, err := ControlMessageFromMap(map[string]any{"level": "socket", "type": "timestamp",
		"value": map[string]any{"sec": 5, "usec": 7}})
	require.NoError(t, err)
	c = carry(t, c)[0]
	assert.Equal(t, map[string]any{"sec": 5, "usec": 7}, c.Map()["value"])
	assert.Equal(t, nativeOf(long(5), long(7)), c.Data)
}

// OTP masked the type of service, so that DSCP values looked like legacy names, and lost ECN.
func TestTypeOfServiceIsTheWholeByte(t *testing.T) {
	for tos := range 256 {
		n, ok := carry(t, TOS(tos))[0].TOS()
		require.True(t, ok)
		require.Equal(t, tos, n)
	}
	assert.Equal(t, "48", plain.TOS.Spell(48))
	assert.Equal(t, "lowdelay", plain.TOS.Spell(TOSLowDelay))
	assert.Equal(t, "17", plain.TOS.Spell(TOSLowDelay|1))
	// ip(7): recvmsg delivers one byte.
	c := carry(t, ControlMessage{Level: solIP, Type: ipTOS, Data: []byte{0xb9}})[0]
	n, ok := c.TOS()
	assert.True(t, ok)
	assert.Equal(t, 0xb9, n)
	c, err := ControlMessageFromMap(map[string]any{"level": "ip", "type": "tos", "value": "throughput"})
	require.NoError(t, err)
	n, _ = c.TOS()
	assert.Equal(t, TOSThroughput, n)
}

func TestControlMessagesTooShortForTheirKindStayBytes(t *testing.T) {
	for _, c := range []ControlMessage{
		{Level: solIP, Type: ipTTL, Data: []byte{}},
		{Level: solIP, Type: ipPktInfo, Data: make([]byte, 11)},
		{Level: solIPv6, Type: ipv6PktInfo, Data: make([]byte, 19)},
		{Level: solSocket, Type: scmCredentials, Data: make([]byte, 11)},
		{Level: solSocket, Type: scmTimestamp, Data: make([]byte, len(nativeOf(long(0), long(0)))-1)},
	} {
		m := carry(t, c)[0].Map()
		assert.NotContains(t, m, "value", "%v", m)
		assert.Len(t, m["data"], len(c.Data))
	}
	assert.Empty(t, carry(t, ControlMessage{Level: solSocket, Type: scmRights, Data: []byte{1, 2}})[0].AppendFDs(nil))
}

func TestControlMessageMapsComeBack(t *testing.T) {
	for _, m := range []map[string]any{
		{"level": "ip", "type": "ttl", "value": 5},
		{"level": "ip", "type": "tos", "value": 0xb8},
		{"level": "ipv6", "type": "hoplimit", "value": 5},
		{"level": "ipv6", "type": "tclass", "value": 5},
		{"level": "socket", "type": "credentials", "value": map[string]any{"pid": 1, "uid": 2, "gid": 3}},
		{"level": "ip", "type": "pktinfo", "value": map[string]any{"ifindex": 1, "spec_dst": "127.0.0.1", "addr": "127.0.0.2"}},
		{"level": "ipv6", "type": "pktinfo", "value": map[string]any{"ifindex": 1, "addr": "::1"}},
		{"level": "socket", "type": "rights", "data": []byte{0, 0, 0, 0}},
		{"level": 99, "type": 98, "data": []byte{1}},
	} {
		c, err := ControlMessageFromMap(m)
		require.NoError(t, err, "%v", m)
		assert.Equal(t, m, c.Map())
		got := carry(t, c)[0].Map()
		assert.NotNil(t, got["data"])
		delete(got, "data")
		delete(m, "data")
		assert.Equal(t, m, got)
	}
	for _, v := range []any{true, 1, 1.0} {
		c, err := ControlMessageFromMap(map[string]any{"level": "ip", "type": 98, "data": v})
		require.NoError(t, err)
		assert.Equal(t, binary.NativeEndian.AppendUint32(nil, 1), c.Data, "a C int")
	}
}

// OTP dropped elements without a level, and nothing warned about unknown keys.
func TestControlMessageMapsAreRefusedByName(t *testing.T) {
	for cause, m := range map[string]map[string]any{
		"level is missing":                        {"type": "ttl", "value": 5},
		"type is missing":                         {"level": "ip", "value": 5},
		"unknown keys: dta":                       {"level": "ip", "type": "ttl", "dta": 5, "value": 5},
		"data or value is needed":                 {"level": "ip", "type": "ttl"},
		"value is not what data":                  {"level": "ip", "type": "ttl", "value": 5, "data": 6},
		"value is not what data holds: leave out": {"level": "ip", "type": 98, "value": 5, "data": 5},
		"not a type of level ip":                  {"level": "ip", "type": "rights", "data": 5},
		"has no value":                            {"level": "socket", "type": "rights", "value": 5},
		"no value to send":                        {"level": "ip", "type": "recvttl", "value": 5},
		"ip ttl 2147483648 is":                    {"level": "ip", "type": "ttl", "value": int64(1 << 31)},
		"data is neither":                         {"level": "ip", "type": "ttl", "data": int64(1 << 31)},
		"not a map":                               {"level": "ip", "type": "pktinfo", "value": 5},
		"ifindex: out of range":                   {"level": "ip", "type": "pktinfo", "value": map[string]any{"ifindex": -1}},
		"unknown keys: idx":                       {"level": "ip", "type": "pktinfo", "value": map[string]any{"idx": 1}},
		"usec: out of range":                      {"level": "socket", "type": "timestamp", "value": map[string]any{"usec": 1_000_000}},
	} {
		_, err := ControlMessageFromMap(m)
		assert.ErrorIs(t, err, &InvalidError{What: "msg"}, "%v", m)
		assert.ErrorContains(t, err, cause)
	}
	_, err := ControlMessageFromMap(map[string]any{"level": "nowhere", "type": 1, "data": 1})
	assert.ErrorIs(t, err, &InvalidError{What: "protocol"})
}

func TestRightsOfOpenFilesOnly(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	c, err := RightsOf(r, w)
	require.NoError(t, err)
	assert.Len(t, c.AppendFDs(nil), 2)
	require.NoError(t, r.Close())
	_, err = RightsOf(r)
	assert.ErrorIs(t, err, os.ErrClosed)
	_, err = RightsOf(nil)
	assert.Error(t, err)
	if tooLong := int64(math.MaxInt32 + 1); int64(int(tooLong)) == tooLong {
		assert.Equal(t, []int{-1}, Rights(int(tooLong)).AppendFDs(nil), "not some other descriptor")
		assert.ErrorIs(t, new(Msg).SetControl(Rights(int(tooLong))), &InvalidError{What: "msg"})
	}
	assert.Equal(t, syscall.SCM_RIGHTS, c.Type)
}

func TestNumbersThatDoNotFitAreRefused(t *testing.T) {
	var m Msg
	long := []ControlMessage{PktInfo4{IfIndex: -1}.Control(), PktInfo6{IfIndex: -1}.Control()}
	if tooLong := int64(1 << 32); int64(int(tooLong)) == tooLong {
		long = append(long, TTL(int(tooLong/2)), PktInfo4{IfIndex: int(tooLong)}.Control(),
			PktInfo6{IfIndex: int(tooLong + 1)}.Control(), Credentials{PID: int(tooLong + 1)}.Control())
	}
	for _, c := range long {
		assert.ErrorIs(t, m.SetControl(c), &InvalidError{What: "msg"})
	}
	assert.NoError(t, m.SetControl(PktInfo4{IfIndex: 1}.Control(), Credentials{PID: 1}.Control()))
}

func TestControlMessagesByNameNeedTheirKeys(t *testing.T) {
	for _, c := range []struct {
		level, typ string
		full       map[string]any
		optional   []string
	}{
		{"socket", "credentials", map[string]any{"pid": 1, "uid": 2, "gid": 3}, nil},
		{"socket", "timestamp", map[string]any{"sec": 1, "usec": 2}, nil},
		{"ip", "pktinfo", map[string]any{"ifindex": 1, "spec_dst": "127.0.0.1", "addr": "127.0.0.1"}, []string{"addr"}},
		{"ipv6", "pktinfo", map[string]any{"ifindex": 1, "addr": "::1"}, nil},
	} {
		from := func(v map[string]any) error {
			_, err := ControlMessageFromMap(map[string]any{"level": c.level, "type": c.typ, "value": v})
			return err
		}
		require.NoError(t, from(c.full), c.typ)
		for key := range c.full {
			err := from(without(c.full, key))
			if slices.Contains(c.optional, key) {
				assert.NoError(t, err, "%s without %s", c.typ, key)
				continue
			}
			assert.ErrorIs(t, err, &InvalidError{What: "msg"})
			assert.ErrorContains(t, err, "missing keys: "+key)
		}
	}
	for _, c := range []ControlMessage{SCTPInit{}.Control(), SCTPSndRcv{}.Control(), SCTPSndInfo{}.Control()} {
		full := c.Map()
		full["value"] = carry(t, c)[0].Map()["value"]
		delete(full, "data")
		_, err := ControlMessageFromMap(full)
		require.NoError(t, err, "%v", full)
		for key := range full["value"].(map[string]any) {
			m := maps.Clone(full)
			m["value"] = without(full["value"].(map[string]any), key)
			_, err := ControlMessageFromMap(m)
			assert.Equal(t, slices.Contains([]string{"ssn", "tsn", "cumtsn"}, key), err == nil, "%v without %s", full["type"], key)
		}
	}
}

// without is the map without one key.
func without(m map[string]any, key string) map[string]any {
	m = maps.Clone(m)
	delete(m, key)
	return m
}
