package gentcp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
)

// tos and tclass are written in OTP 29's forms, and read as a number with its parts.
func TestTOS_Forms(t *testing.T) {
	machine.NeedIPv6(t)
	l4, l6 := listenWith(t, nil), listenWith(t, nil, Inet6())
	for _, c := range []struct {
		value any
		want  int
	}{
		{0x10, 0x10}, {"lowdelay", 0x10}, {"throughput", 8}, {TOSByte(0xb8), 0xb8}, {0.0, 0},
		{map[string]any{"native": 0x20}, 0x20}, {map[string]any{"tos": "reliability"}, 4},
		{map[string]any{"dscp": 46}, 0xb8}, {map[string]any{"dscp": "ef"}, 0xb8}, {map[string]any{"dscp": "af41"}, 0x88},
		{map[string]any{"dscp": 46.0, "native": 0xb8}, 0xb8}, {TOSByte(0x10).Map(), 0x10}, {TOSByte(0).Map(), 0},
		{map[string]any{"dscp": 63}, 0xfc},
	} {
		for name, l := range map[Name]*Socket{"tos": l4, "tclass": l6} {
			o, err := Opt(string(name), c.value)
			require.NoError(t, err, "%v", c.value)
			require.NoError(t, l.SetOpts(o))
			assert.Equal(t, c.want, valueOf(t, l, name), "%v", c.value)
		}
	}
	require.NoError(t, l4.SetOpts(TOS(DSCP(46))))
	assert.Equal(t, TOSByte(0xb8), TOSByte(valueOf(t, l4, "tos").(int)))

	for _, bad := range []any{nil, -1, 256, "ef", "nothing", 1.5, true, map[string]any{}, map[string]any{"native": 256},
		map[string]any{"native": "16"}, map[string]any{"tos": 16}, map[string]any{"tos": "ef"}, map[string]any{"dscp": 64},
		map[string]any{"dscp": -1}, map[string]any{"dscp": "lowdelay"}, map[string]any{"dscp": nil}, map[string]any{"ecn": 1},
		map[string]any{"native": 16, "ecn": 1}, map[string]any{"native": 16, "dscp": 46}} {
		for _, name := range []string{"tos", "tclass"} {
			_, err := Opt(name, bad)
			assert.ErrorIs(t, err, ErrBadArg, "%v", bad)
		}
	}
	for _, o := range []Option{TOS(DSCP(64)), TOS(DSCP(-1)), TOS(256), TClass(-1)} {
		assert.Equal(t, "einval", Reason(l4.SetOpts(o)))
	}
}

// Every byte has its parts, and its map comes back.
func TestTOS_Parts(t *testing.T) {
	for n := range 256 {
		b := TOSByte(n)
		assert.Equal(t, n, b.DSCP()<<2|b.ECN())
		o, err := Opt("tos", b.Map())
		require.NoError(t, err)
		assert.Equal(t, TOS(n), o)
	}
	for b, want := range map[TOSByte]string{0x10: "0x10 (lowdelay)", 0xb8: "0xb8 (ef)", 0xb9: "0xb9 (ef)", 0x02: "0x02 (mincost)",
		0: "0x00 (cs0)", 0x0c: "0x0c"} {
		assert.Equal(t, want, b.String())
	}
	assert.Equal(t, map[string]any{"native": 0x11, "dscp": 4, "tos": "lowdelay"}, TOSByte(0x11).Map())
	assert.Equal(t, map[string]any{"native": 0xb8, "dscp": 46}, TOSByte(0xb8).Map())
}
