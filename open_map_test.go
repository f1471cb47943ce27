package esock

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOpenOptionsFromMap(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		m    map[string]any
		want openConfig // of Adopt
	}{
		"nothing":         {map[string]any{}, openConfig{}},
		"switches":        {map[string]any{"debug": true, "use_registry": false}, openConfig{debug: &yes, registry: &no}},
		"not duplicated":  {map[string]any{"dup": false}, openConfig{way: "NoDup"}},
		"duplicated":      {map[string]any{"dup": true}, openConfig{way: "dup: true", adopt: adoptDup}},
		"protocol alone":  {map[string]any{"protocol": "TCP"}, openConfig{domain: -1, typ: -1, proto: 6}},
		"names":           {map[string]any{"domain": "inet6", "type": "seqpacket", "protocol": "sctp"}, openConfig{domain: 10, typ: 5, proto: 132}},
		"numbers":         {map[string]any{"domain": 10.0, "type": int64(5), "protocol": "132"}, openConfig{domain: 10, typ: 5, proto: 132}},
		"Go's own values": {map[string]any{"domain": Inet6, "type": SeqPacket, "protocol": SCTP}, openConfig{domain: 10, typ: 5, proto: 132}},
	} {
		opts, err := OpenOptionsFromMap(c.m)
		require.NoError(t, err, name)
		got := openConfig{adopts: true}
		require.NoError(t, got.apply(opts), name)
		c.want.adopts = true
		assert.Equal(t, c.want, got, name)
	}
	opts, err := OpenOptionsFromMap(map[string]any{"netns": "/run/netns/blue"})
	require.NoError(t, err)
	var got openConfig
	require.NoError(t, got.apply(opts))
	assert.Equal(t, "/run/netns/blue", got.netns)

	for cause, m := range map[string]map[string]any{
		"unknown keys: dupe":          {"dupe": true},
		"debug: not a boolean":        {"debug": 1},
		"dup: not a boolean":          {"dup": "yes"},
		"netns: not a string":         {"netns": 5},
		"domain: neither a known":     {"domain": "nowhere"},
		"type: neither a known name":  {"type": nil},
		"protocol: neither a known":   {"protocol": "nothing"},
		"protocol: neither a known n": {"protocol": int64(1 << 40)},
	} {
		_, err := OpenOptionsFromMap(m)
		assert.ErrorIs(t, err, &InvalidError{What: "options"}, "%v", m)
		assert.ErrorContains(t, err, cause)
	}
}

// What is only for Adopt, or only for Open, is refused by the other, as with the functions.
func TestOptionsOfMapsAreForOpenOrAdopt(t *testing.T) {
	for _, m := range []map[string]any{{"dup": true}, {"dup": false}, {"domain": "inet"}, {"type": "stream"}, {"protocol": "tcp"}} {
		opts, err := OpenOptionsFromMap(m)
		require.NoError(t, err)
		_, err = Open(Inet, Stream, TCP, opts...)
		assert.ErrorIs(t, err, &InvalidError{What: "options"}, "%v", m)
	}
	opts, err := OpenOptionsFromMap(map[string]any{"netns": "/proc/self/ns/net"})
	require.NoError(t, err)
	_, err = Adopt(0, opts...)
	assert.ErrorIs(t, err, &InvalidError{What: "options"})
	both, err := OpenOptionsFromMap(map[string]any{"dup": true})
	require.NoError(t, err)
	_, err = Adopt(0, append(both, NoDup())...)
	assert.ErrorContains(t, err, "exclude each other")

	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fds[0])
	defer syscall.Close(fds[1])
	for dup, dupOf := range map[bool]int{true: fds[0], false: -1} {
		opts, err := OpenOptionsFromMap(map[string]any{"dup": dup, "domain": "local", "use_registry": false})
		require.NoError(t, err)
		s, err := Adopt(fds[0], opts...)
		require.NoError(t, err)
		assert.Equal(t, dupOf, s.Info().DupOf)
		assert.False(t, s.Registered())
		require.NoError(t, s.Close())
	}
}

// Two ways to use a descriptor are named as they were given.
func TestWaysToAdoptThatExcludeEachOther(t *testing.T) {
	dup, err := OpenOptionsFromMap(map[string]any{"dup": true})
	require.NoError(t, err)
	for _, c := range []struct {
		opts []OpenOption
		says string
	}{
		{append(dup, NoDup()), "dup: true and NoDup exclude each other"},
		{append([]OpenOption{TakeFD()}, dup...), "TakeFD and dup: true exclude each other"},
		{[]OpenOption{NoDup(), TakeFD()}, "NoDup and TakeFD exclude each other"},
	} {
		_, err := Adopt(0, c.opts...)
		assert.ErrorIs(t, err, &InvalidError{What: "options"})
		assert.ErrorContains(t, err, c.says)
	}
}
