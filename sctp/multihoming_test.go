package sctp

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// ip runs ip(8), and skips the test where it cannot do what is asked.
func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Skipf("ip %v: %v: %s", args, err, out)
	}
}

// Two hosts have two cables. When one is cut, the association says so, and goes on by the other; when it is mended, it
// says so, too.
func TestAnAssociationOutlivesACable(t *testing.T) {
	open(t, esock.Stream)
	hosts := [2]string{fmt.Sprintf("sctp-%d-a", os.Getpid()), fmt.Sprintf("sctp-%d-b", os.Getpid())}
	for _, h := range hosts {
		ip(t, "netns", "add", h)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", h).Run() })
	}
	addr := func(cable, host int, port uint32) esock.Addr {
		return esock.Inet4Addr(netip.AddrFrom4([4]byte{10, 88, byte(cable), byte(host + 1)}), uint16(port))
	}
	for cable := range 2 {
		dev := fmt.Sprintf("cable%d", cable)
		ip(t, "link", "add", dev, "netns", hosts[0], "type", "veth", "peer", "name", dev, "netns", hosts[1])
		for i, h := range hosts {
			ip(t, "-n", h, "address", "add", addr(cable, i, 0).IP().String()+"/24", "dev", dev)
			ip(t, "-n", h, "link", "set", dev, "up")
		}
	}

	var s [2]*esock.Socket
	for i, h := range hosts {
		s[i] = open(t, esock.Stream, esock.NetNS("/run/netns/"+h))
		require.NoError(t, BindX(s[i], addr(0, i, 7000), addr(1, i, 7000)))
		require.NoError(t, sockopt.SCTPRTOInfo.Set(s[i], sockopt.SCTPRTOInfoValue{Initial: 50 * time.Millisecond,
			Min: 50 * time.Millisecond, Max: 100 * time.Millisecond}))
		const heartbeats = 1 // SPP_HB_ENABLE
		require.NoError(t, sockopt.SCTPPeerAddrParams.Set(s[i], sockopt.SCTPPeerAddrParamsValue{PathMaxRxt: 2,
			HBInterval: 50 * time.Millisecond, Flags: heartbeats}))
		require.NoError(t, Subscribe(s[i], AllAssoc, EventPeerAddrChange, EventAssocChange))
	}
	require.NoError(t, s[1].Listen(1))
	_, err := ConnectX(s[0], patient, addr(0, 1, 7000), addr(1, 1, 7000))
	require.NoError(t, err)
	server, err := s[1].Accept(patient)
	require.NoError(t, err)
	closes(t, server)
	client := s[0]
	hears := func(s *esock.Socket, of esock.Addr, state AddrState) {
		t.Helper()
		for n := next[PeerAddrChange](t, s); n.Addr != of || n.State != state; n = next[PeerAddrChange](t, s) {
		}
	}
	hears(server, addr(1, 0, 7000), AddrConfirmed) // the client was given its addresses, and believes them
	primary, err := sockopt.SCTPPrimaryAddr.Ask(client, sockopt.SCTPPrim{})
	require.NoError(t, err)
	assert.Equal(t, addr(0, 1, 7000), primary.Addr)
	sends(t, client, "by the first cable")
	assert.Equal(t, "by the first cable", string(message(t, server).Data()))

	ip(t, "-n", hosts[1], "link", "set", "cable0", "down")
	for i := range 10 {
		text := fmt.Sprintf("message %d", i)
		sends(t, client, text)
		assert.Equal(t, text, string(message(t, server).Data()))
	}
	hears(client, addr(0, 1, 7000), AddrUnreachable)
	info, err := sockopt.SCTPGetPeerAddrInfo.Ask(client, sockopt.SCTPPeerAddrInfo{Address: addr(0, 1, 7000)})
	require.NoError(t, err)
	assert.Zero(t, info.State, "inactive")
	sends(t, client, "by the second cable")
	assert.Equal(t, "by the second cable", string(message(t, server).Data()))

	ip(t, "-n", hosts[1], "link", "set", "cable0", "up")
	hears(client, addr(0, 1, 7000), AddrAvailable)
	sends(t, client, "as before")
	assert.Equal(t, "as before", string(message(t, server).Data()))
}
