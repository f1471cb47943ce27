package tests

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// twoPaths makes two network namespaces with two cables between them. Host h has the address 10.78.c.h+1 at the end of cable c.
func twoPaths(t *testing.T) (names [2]string, ip func(args ...string)) {
	t.Helper()
	privileged(t)
	ip = func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("ip %v: %v: %s", args, err, out)
		}
	}
	for h := range names {
		names[h] = fmt.Sprintf("esock-paths-%d-%d", os.Getpid(), h)
		ip("netns", "add", names[h])
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", names[h]).Run() })
	}
	for c := range 2 {
		dev := fmt.Sprintf("path%d", c)
		ip("-n", names[0], "link", "add", dev, "type", "veth", "peer", "name", dev, "netns", names[1])
		for h := range names {
			ip("-n", names[h], "addr", "add", fmt.Sprintf("10.78.%d.%d/24", c, h+1), "dev", dev)
			ip("-n", names[h], "link", "set", dev, "up")
		}
	}
	return names, ip
}

// A connection of two paths goes on over the second when the first is cut.
func TestMPTCPGoesOnWhenAPathIsCut(t *testing.T) {
	kindSocket(t, sockopt.KindMPTCP)
	names, ip := twoPaths(t)
	ip("-n", names[0], "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2")
	ip("-n", names[1], "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2")
	ip("-n", names[1], "mptcp", "endpoint", "add", "10.78.1.2", "dev", "path1", "signal")
	at := func(h int) *esock.Socket {
		return open(t, esock.Inet, esock.Stream, esock.MPTCP, esock.NetNS("/run/netns/"+names[h]))
	}
	l, a := at(1), at(0)
	require.NoError(t, l.Bind(esock.Any)) // the second path comes in at the other address
	require.NoError(t, l.Listen(1))
	to := esock.Inet4Addr(netip.MustParseAddr("10.78.0.2"), uint16(sockName(t, l).Port()))
	require.NoError(t, a.Connect(to, esock.Within(patience)))
	b, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, b)
	if _, err := sockopt.MPTCPInfo.Get(a); err != nil {
		t.Skip("this kernel does not tell how many paths there are: ", err)
	}
	echoes(t, a, b) // the kernel announces the other address once the first data is acknowledged
	eventually(t, "a second path", func() bool {
		info, err := sockopt.MPTCPInfo.Get(a)
		require.NoError(t, err)
		return info.Subflows == 1 // besides the first
	})
	addrs, err := sockopt.MPTCPSubflowAddrs.Ask(a, sockopt.MPTCPSubflowData{SizeSubflowData: 16, SizeUser: 256})
	require.NoError(t, err)
	assert.EqualValues(t, 2, addrs.NumSubflows)
	assert.Len(t, addrs.Data, 512)

	ip("-n", names[0], "link", "set", "path0", "down")
	data := make([]byte, 1<<18)
	for i := range data {
		data[i] = byte(i * 5 >> 2)
	}
	for _, way := range [2][2]*esock.Socket{{a, b}, {b, a}} {
		sent := start(func() (int, error) { return way[0].Send(data, 0, esock.Within(patience)) })
		got := make([]byte, len(data))
		_, err = way[1].RecvFull(got, 0, esock.Within(patience))
		require.NoError(t, err)
		assert.Equal(t, outcome{len(data), nil}, result(t, sent))
		assert.True(t, string(data) == string(got), "the bytes that were sent")
	}
}
