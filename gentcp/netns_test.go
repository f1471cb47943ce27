package gentcp_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
)

func TestNetNS_Errors(t *testing.T) {
	before := esock.NumberOf()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, path := range []string{"/nowhere/at/all", file, "/bad\x00path"} {
		for _, f := range []func() (*Socket, error){
			func() (*Socket, error) { return Listen(nil, 0, NetNS(path)) },
			func() (*Socket, error) { return Connect(nil, "127.0.0.1", 1, soon, NetNS(path)) },
		} {
			s, err := f()
			require.Error(t, err)
			assert.Nil(t, s)
		}
	}
	s, err := Listen(nil, 0, NetNS("/nowhere/at/all"))
	assertReason(t, "enoent", s, err)
	assert.Equal(t, before, esock.NumberOf())
}

// netnsOf names the network namespace of a socket.
func netnsOf(t testing.TB, s *Socket) uint64 {
	t.Helper()
	inode, err := machine.NetNSOf(s.Socket().FD())
	require.NoError(t, err)
	return inode
}

func TestNetNS(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs CAP_SYS_ADMIN")
	}
	name := "gentcp-test-" + strconv.Itoa(os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("ip netns add: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	require.NoError(t, exec.Command("ip", "-n", name, "link", "set", "lo", "up").Run())
	inside := NetNS("/run/netns/" + name)

	l := opened(t)(Listen(nil, 0, inside, IP(ipB)))
	port := portOf(t, l)
	client := opened(t)(Connect(nil, ipB.String(), port, soon, must(Opt("netns", "/run/netns/"+name))))
	server := acceptFrom(t, l, nil)
	sent(t, client, server, "hello")
	home := listenWith(t, nil)
	assert.Equal(t, netnsOf(t, l), netnsOf(t, client))
	assert.Equal(t, netnsOf(t, l), netnsOf(t, server))
	assert.NotEqual(t, netnsOf(t, l), netnsOf(t, home))

	// This namespace has no such listener.
	s, err := Connect(nil, ipB.String(), port, soon)
	assertReason(t, "econnrefused", s, err)
	s, err = Connect(nil, "127.0.0.1", portOf(t, home), soon, inside)
	assertReason(t, "econnrefused", s, err)

	// Several addresses: each attempt is in there.
	hosts(t, ipA, ipB)
	again := opened(t)(Connect(nil, "host", port, soon, inside))
	assert.Equal(t, netnsOf(t, l), netnsOf(t, again))
}
