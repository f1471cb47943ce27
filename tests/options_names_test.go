package tests

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/netdevice"
	"github.com/esock-go/esock/sockopt"
)

var invalidOption = &esock.InvalidError{What: "socket_option"}

// OTP: default | 0..255. What else the kernel takes (-1) has a name, and is refused before it is asked.
func TestHopsByNameAreDefaultOrAByte(t *testing.T) {
	s := udp6(t)
	for _, name := range []string{"unicast_hops", "multicast_hops"} {
		fresh, err := sockopt.Get(s, "ipv6", name)
		require.NoError(t, err)
		for _, v := range []any{1, 255} {
			require.NoError(t, sockopt.Set(s, "ipv6", name, v))
			got, err := sockopt.Get(s, "ipv6", name)
			require.NoError(t, err)
			assert.Equal(t, v, got)
		}
		require.NoError(t, sockopt.Set(s, "ipv6", name, "default"))
		got, err := sockopt.Get(s, "ipv6", name)
		require.NoError(t, err)
		assert.Equal(t, fresh, got)
		for _, v := range []any{-1, 256, -2, int64(1 << 31), "none", true, 1.5, nil} {
			err := sockopt.Set(s, "ipv6", name, v)
			assert.ErrorIs(t, err, invalidOption, "%v", v)
			assert.ErrorContains(t, err, "ipv6."+name)
		}
		batch := []sockopt.Setting{{Level: "ipv6", Name: name, Value: -1}, {Level: "ipv6", Name: name, Value: "default"}}
		require.NoError(t, sockopt.SetAll(s, batch))
		assert.ErrorIs(t, batch[0].Err, invalidOption)
		assert.NoError(t, batch[1].Err)
	}
}

func TestSetsOfBitsTakeAllBits(t *testing.T) {
	s, err := sockopt.KindRaw4.Open()
	if err != nil {
		t.Skipf("no raw sockets: %v", err)
	}
	closeAtEnd(t, s)
	all := ^uint32(1 << 8)
	require.NoError(t, sockopt.RawICMPFilter.Set(s, all))
	got, err := sockopt.RawICMPFilter.Get(s)
	require.NoError(t, err)
	assert.Equal(t, all, got)
	require.NoError(t, sockopt.Set(s, "raw", "icmp_filter", ^uint32(0)))
	v, err := sockopt.Get(s, "raw", "icmp_filter")
	require.NoError(t, err)
	assert.EqualValues(t, ^uint32(0), v)
	assert.ErrorIs(t, sockopt.Set(s, "raw", "icmp_filter", ^uint64(0)), invalidOption)
}

// Nothing is done with half a structure.
func TestMissingKeysAreRefusedBeforeTheKernelIsAsked(t *testing.T) {
	s := udp4(t)
	for name, c := range map[string]struct {
		level, option string
		value         any
	}{
		"interface or ifindex": {"ip", "add_membership", map[string]any{"multiaddr": "239.1.2.3"}},
		"multiaddr":            {"ip", "add_membership", map[string]any{"interface": "127.0.0.1"}},
		"sourceaddr":           {"ip", "add_source_membership", map[string]any{"multiaddr": "232.1.2.3", "interface": "127.0.0.1"}},
		"group":                {"ip", "join_group", map[string]any{"interface": 1}},
		"interface":            {"ip", "join_group", map[string]any{"group": "239.1.2.3"}},
		"mode, slist":          {"ip", "msfilter", map[string]any{"multiaddr": "239.1.2.3", "interface": "127.0.0.1"}},
		"onoff":                {"socket", "linger", map[string]any{"linger": 5}},
		"clockid":              {"socket", "txtime", map[string]any{"flags": 0}},
	} {
		err := sockopt.Set(s, c.level, c.option, c.value)
		assert.ErrorIs(t, err, invalidOption, name)
		assert.ErrorContains(t, err, "missing keys: "+name)
		batch := []sockopt.Setting{{Level: c.level, Name: c.option, Value: c.value}}
		require.NoError(t, sockopt.SetAll(s, batch))
		assert.ErrorContains(t, batch[0].Err, "missing keys: "+name)
	}
	_, err := sockopt.Ask(s, "ip", "msfilter", map[string]any{"multiaddr": "239.1.2.3"})
	assert.ErrorIs(t, err, invalidOption)
	assert.ErrorContains(t, err, "missing keys: interface")
	s6 := udp6(t)
	assert.ErrorContains(t, sockopt.Set(s6, "ipv6", "add_membership", map[string]any{"multiaddr": "ff02::1:99"}), "missing keys: interface")
	assert.ErrorContains(t, sockopt.Set(s6, "ipv6", "pktinfo", map[string]any{"addr": "::1"}), "missing keys: ifindex")
	// Any interface can still be said, but explicitly.
	joined := open(t, esock.Inet, esock.Dgram, esock.UDP, ownNetwork(t, nil))
	assert.NoError(t, sockopt.Set(joined, "ip", "add_membership", map[string]any{"multiaddr": "239.1.2.3", "ifindex": 1}))
}

// Before there is a sample, no time says that there is one.
func TestFreshTCPInfoHasNoRoundTripTime(t *testing.T) {
	s := tcp4(t)
	info, err := sockopt.TCPInfo.Get(s)
	require.NoError(t, err)
	assert.Zero(t, info.MinRTT)
	assert.Equal(t, uint32(sockopt.TCPNoSSThresh), info.SndSSThresh)
	v, err := sockopt.Get(s, "tcp", "info")
	require.NoError(t, err)
	assert.Equal(t, 0, v.(map[string]any)["min_rtt"])
	v, err = netdevice.IOCtl(s, "tcp_info")
	require.NoError(t, err)
	assert.NotContains(t, v, "min_rtt")

	_, addr := listener(t, 5)
	c := tcp4(t)
	require.NoError(t, c.Connect(addr, esock.Within(patience)))
	info, err = sockopt.TCPInfo.Get(c)
	require.NoError(t, err)
	assert.Positive(t, info.MinRTT)
	assert.Less(t, info.MinRTT, time.Hour)
}
