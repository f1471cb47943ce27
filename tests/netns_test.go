package tests

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/sockopt"
)

// host is a network namespace with one interface, the end of a cable.
type host struct {
	name  string // of the namespace
	dev   string
	index int // of the interface
	ip    netip.Addr
	mac   net.HardwareAddr
}

func (h host) inside() esock.OpenOption { return esock.NetNS("/run/netns/" + h.name) }

func (h host) addr(port uint16) esock.Addr { return esock.Inet4Addr(h.ip, port) }

// cable makes two namespaces joined by a pair of veth.
func cable(t *testing.T) (a, b host) {
	t.Helper()
	privileged(t)
	ip := func(args ...string) string {
		var says bytes.Buffer // its warnings: a peer whose namespace is gone, say
		cmd := exec.Command("ip", args...)
		cmd.Stderr = &says
		out, err := cmd.Output()
		if err != nil {
			t.Skipf("ip %v: %v: %s", args, err, says.Bytes())
		}
		return string(out)
	}
	ends := [2]host{}
	for i := range ends {
		h := host{name: fmt.Sprintf("esock-%d-%d", os.Getpid(), i), dev: fmt.Sprintf("end%d", i),
			ip: netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}), mac: net.HardwareAddr{2, 0, 0, 0, 77, byte(i + 1)}}
		ip("netns", "add", h.name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", h.name).Run() })
		ends[i] = h
	}
	ip("link", "add", ends[0].dev, "netns", ends[0].name, "address", ends[0].mac.String(), "type", "veth",
		"peer", "name", ends[1].dev, "netns", ends[1].name, "address", ends[1].mac.String())
	for i, h := range ends {
		ip("-n", h.name, "link", "set", "lo", "up")
		ip("-n", h.name, "address", "add", h.ip.String()+"/24", "dev", h.dev)
		ip("-n", h.name, "link", "set", h.dev, "up")
		number, _, _ := strings.Cut(ip("-n", h.name, "-oneline", "link", "show", h.dev), ":")
		index, err := strconv.Atoi(number)
		require.NoError(t, err)
		ends[i].index = index
	}
	for _, h := range ends { // until both are up, what a packet socket sends is dropped
		eventually(t, "the carrier", func() bool {
			return strings.Contains(ip("-n", h.name, "-oneline", "link", "show", h.dev), "state UP")
		})
	}
	return ends[0], ends[1]
}

func TestTwoHostsTalkOverTCP(t *testing.T) {
	a, b := cable(t)
	l := open(t, esock.Inet, esock.Stream, esock.TCP, a.inside())
	require.NoError(t, l.Bind(a.addr(0)))
	require.NoError(t, l.Listen(5))
	c := open(t, esock.Inet, esock.Stream, esock.TCP, b.inside())
	require.NoError(t, c.Connect(sockName(t, l), esock.Within(patience)))
	s, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, s)
	echoes(t, c, s)
	peer, err := s.PeerName()
	require.NoError(t, err)
	assert.Equal(t, b.ip, peer.IP())
	assert.Equal(t, netnsOf(t, l), netnsOf(t, s), "accepted where the listener is")
	assert.NotEqual(t, netnsOf(t, c), netnsOf(t, s))
}

func TestTwoHostsTalkOverUDPAndSayByWhichInterface(t *testing.T) {
	a, b := cable(t)
	server := open(t, esock.Inet, esock.Dgram, esock.UDP, a.inside())
	require.NoError(t, server.Bind(esock.Any))
	require.NoError(t, sockopt.IPPktInfo.Set(server, true))
	client := open(t, esock.Inet, esock.Dgram, esock.UDP, b.inside())
	require.NoError(t, client.Connect(a.addr(uint16(sockName(t, server).Port())), esock.Forever))
	send(t, client, "hello")

	m := esock.Msg{Buf: make([]byte, 16)}
	info := gotInto(t, server, &m, cm.PktInfo4)
	assert.Equal(t, "hello", string(m.Data()))
	assert.Equal(t, b.ip, m.Addr.IP())
	assert.Equal(t, a.index, info.IfIndex)
	assert.Equal(t, a.ip, info.Addr)

	reply := esock.Msg{Addr: m.Addr, Iov: [][]byte{[]byte("back")}}
	require.NoError(t, reply.SetControl(esock.PktInfo4{IfIndex: info.IfIndex}.Control()))
	_, err := server.SendMsg(&reply, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, "back", recv(t, client))
}

// strays are the threads that are in another network namespace than the caller's.
func strays(t *testing.T) (tids []string) {
	t.Helper()
	home, err := os.Readlink("/proc/thread-self/ns/net") // not the first thread's: it cannot end, wherever it is
	require.NoError(t, err)
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	require.NoError(t, err)
	for _, task := range tasks {
		if there, err := os.Readlink(task); err == nil && there != home { // else it has ended
			tids = append(tids, task)
		}
	}
	return tids
}

func TestManyOpenInNamespacesAtOnceAndEveryThreadIsHome(t *testing.T) {
	a, b := cable(t)
	sameDescriptors(t)
	inodes := map[string]uint64{}
	for _, h := range []host{a, b} {
		s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP, h.inside())
		require.NoError(t, err)
		inodes[h.name] = netnsOf(t, s)
		require.NoError(t, s.Close())
	}
	before := strays(t) // threads of tests that live in a namespace of their own, and end with them

	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			h := []host{a, b}[i%2]
			for range 25 {
				s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, h.inside())
				if !assert.NoError(t, err) {
					return
				}
				inode, err := machine.NetNSOf(s.FD())
				assert.NoError(t, err)
				assert.Equal(t, inodes[h.name], inode)
				assert.NoError(t, s.Close())
				_, err = esock.Open(esock.Inet, esock.Stream, esock.UDP, h.inside())
				assert.ErrorIs(t, err, syscall.EPROTONOSUPPORT)
			}
		})
	}
	all.Wait()
	eventually(t, "every thread is back", func() bool {
		return !slices.ContainsFunc(strays(t), func(tid string) bool { return !slices.Contains(before, tid) })
	})
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	assert.NotContains(t, []uint64{inodes[a.name], inodes[b.name]}, netnsOf(t, s))
	require.NoError(t, s.Close())
}

func TestOpenInNamespaceAndBack(t *testing.T) {
	path := namespace(t)
	sameDescriptors(t)
	home := func() uint64 { return netnsOf(t, open(t, esock.Inet, esock.Dgram, esock.UDP)) }
	before := home()
	there, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, esock.NetNS(path))
	if errors.Is(err, syscall.EPERM) {
		t.Skip("setns needs CAP_SYS_ADMIN")
	}
	require.NoError(t, err)
	defer there.Close()
	assert.NotEqual(t, before, netnsOf(t, there))

	// Socket(2) fails over there: every thread is back all the same.
	for range 20 {
		_, err = esock.Open(esock.Inet, esock.Stream, esock.UDP, esock.NetNS(path))
		assert.ErrorIs(t, err, syscall.EPROTONOSUPPORT)
		assert.Equal(t, before, home())
	}
}
