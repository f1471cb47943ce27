package tests

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

func TestMulticastMembershipsAsStructures(t *testing.T) {
	s := udp4(t)
	group, source, lo := netip.MustParseAddr("232.1.2.3"), netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("127.0.0.1")
	require.NoError(t, sockopt.IPAddSourceMembership.Set(s, sockopt.IPMreqSource{MultiAddr: group, Interface: lo, SourceAddr: source}))
	q := sockopt.IPSourceFilter{MultiAddr: group, Interface: lo}
	f, err := sockopt.IPMsFilter.Ask(s, sockopt.IPSourceFilter{MultiAddr: group, Interface: lo, SList: make([]netip.Addr, 4)})
	require.NoError(t, err)
	assert.Equal(t, sockopt.Include, f.Mode)
	assert.Equal(t, []netip.Addr{source}, f.SList)
	q.Mode, q.SList = sockopt.Include, []netip.Addr{source, netip.MustParseAddr("127.0.0.8")}
	require.NoError(t, sockopt.IPMsFilter.Set(s, q))
	require.NoError(t, sockopt.IPDropMembership.Set(s, sockopt.IPMreq{MultiAddr: group, Interface: lo}))
	assert.ErrorIs(t, sockopt.IPAddMembership.Set(s, sockopt.IPMreq{MultiAddr: netip.IPv6Loopback()}),
		&esock.InvalidError{What: "socket_option"})
	assert.ErrorContains(t, sockopt.Set(s, "ip", "add_membership", map[string]any{"multiadr": "239.1.1.1"}), "multiadr")
}

// The rows whose sample says that something must have been joined or blocked before, in an order in which it was.
func TestGroupsAndSourcesAreJoinedBlockedAndLeft(t *testing.T) {
	type step struct {
		name  string
		value map[string]any
	}
	v4 := map[string]any{"interface": 1, "group": "239.1.2.9"}
	v4s := map[string]any{"interface": 1, "group": "239.1.2.9", "source": "127.0.0.7"}
	old := map[string]any{"multiaddr": "239.1.2.8", "interface": "127.0.0.1"}
	olds := map[string]any{"multiaddr": "239.1.2.8", "interface": "127.0.0.1", "sourceaddr": "127.0.0.7"}
	v6 := map[string]any{"interface": 1, "group": "ff02::1:99"}
	v6s := map[string]any{"interface": 1, "group": "ff02::1:99", "source": "::1"}
	mreq := map[string]any{"multiaddr": "ff02::1:98", "interface": 1}
	for level, steps := range map[string][]step{
		"ip": {
			{"add_membership", old}, {"block_source", olds}, {"unblock_source", olds}, {"drop_membership", old},
			{"add_source_membership", olds}, {"drop_source_membership", olds},
			{"join_group", v4}, {"block_group_source", v4s}, {"unblock_group_source", v4s}, {"leave_group", v4},
			{"join_source_group", v4s},
			{"group_filter", map[string]any{"interface": 1, "group": "239.1.2.9", "mode": "include", "slist": []any{"127.0.0.7"}}},
			{"leave_source_group", v4s},
		},
		"ipv6": {
			{"add_membership", mreq}, {"drop_membership", mreq}, {"join_group", mreq}, {"leave_group", mreq},
			{"mcast_join_group", v6}, {"block_group_source", v6s}, {"unblock_group_source", v6s}, {"mcast_leave_group", v6},
			{"join_source_group", v6s}, {"leave_source_group", v6s},
		},
	} {
		s := udp4(t)
		if level == "ipv6" {
			s = udp6(t)
		}
		for _, st := range steps {
			require.NoError(t, sockopt.Set(s, level, st.name, st.value), "%s.%s", level, st.name)
		}
		assert.ErrorIs(t, sockopt.Set(s, level, "leave_group", map[string]map[string]any{"ip": v4, "ipv6": mreq}[level]),
			syscall.EADDRNOTAVAIL)
	}
}

func TestFiltersAreSetReadAndTakenAway(t *testing.T) {
	s := udp4(t)
	program := []sockopt.SockFilter{{Code: 6, K: 100}}
	require.NoError(t, sockopt.SocketAttachFilter.Set(s, program))
	got, err := sockopt.SocketAttachFilter.Get(s)
	require.NoError(t, err)
	assert.Equal(t, program, got)
	require.NoError(t, sockopt.SocketDetachFilter.Set(s, 0))
	assert.ErrorIs(t, sockopt.SocketDetachFilter.Set(s, 0), syscall.ENOENT)
	s = open(t, esock.Inet, esock.Dgram, esock.UDP) // not bound yet
	require.NoError(t, sockopt.SocketReusePort.Set(s, true))
	require.NoError(t, sockopt.SocketAttachReusePortCBPF.Set(s, []sockopt.SockFilter{{Code: 6}}))
	require.NoError(t, sockopt.SocketDetachReusePortBPF.Set(s, 0))
}
