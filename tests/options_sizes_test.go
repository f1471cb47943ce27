package tests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/netdevice"
	"github.com/esock-go/esock/sockopt"
)

// ownNetwork is a network namespace of the test's own, with the loopback up and the settings made there ("ipv4/igmp_max_msf").
// A thread holds it, and goes with it at the end.
func ownNetwork(t *testing.T, settings map[string]string) esock.OpenOption {
	t.Helper()
	type made struct {
		path string
		err  error
	}
	done, ready := make(chan struct{}), make(chan made)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		path := fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), syscall.Gettid())
		err := syscall.Unshare(syscall.CLONE_NEWNET)
		if err == nil {
			var s *esock.Socket
			if s, err = esock.Open(esock.Inet, esock.Dgram, esock.UDP); err == nil {
				err = netdevice.SetFlags(s, "lo", netdevice.Up|netdevice.Multicast, 0)
				s.Close()
			}
		}
		for name, value := range settings {
			if err == nil {
				err = os.WriteFile("/proc/sys/net/"+name, []byte(value), 0)
			}
		}
		ready <- made{path, err}
		<-done
	}()
	m := <-ready
	t.Cleanup(func() { close(done) })
	if m.err != nil {
		t.Skipf("no network namespace of our own, with %v: %v", settings, m.err)
	}
	return esock.NetNS(m.path)
}

// program is a classic BPF program that takes all, of so many instructions.
func program(n int) []sockopt.SockFilter {
	p := make([]sockopt.SockFilter, n) // ld #0
	p[n-1] = sockopt.SockFilter{Code: 6, K: 0xffff}
	return p
}

// attach sets a filter, and skips where the system has no memory for it.
func attach(t *testing.T, s *esock.Socket, n int) {
	t.Helper()
	err := sockopt.SocketAttachFilter.Set(s, program(n))
	if n > 1024 && errors.Is(err, syscall.ENOMEM) {
		t.Skipf("net.core.optmem_max is too small here: %v", err)
	}
	require.NoError(t, err, "%d instructions", n)
}

func TestFiltersHaveAllTheInstructionsThatTheKernelTakes(t *testing.T) {
	for _, n := range []int{1, 511, 512, 513, 600, 1000, 4095, 4096} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := udp4(t)
			attach(t, s, n)
			got, err := sockopt.SocketAttachFilter.Get(s)
			require.NoError(t, err)
			assert.Equal(t, program(n), got)
			v, err := sockopt.Get(s, "socket", "attach_filter")
			require.NoError(t, err)
			assert.Len(t, v, n)
			batch := []sockopt.Setting{{Level: "socket", Name: "type"}, {Level: "socket", Name: "attach_filter"},
				{Level: "socket", Name: "domain"}}
			require.NoError(t, sockopt.GetAll(s, batch))
			for _, o := range batch {
				assert.NoError(t, o.Err)
			}
			assert.Equal(t, []any{"dgram", v, "inet"}, []any{batch[0].Value, batch[1].Value, batch[2].Value})
			// What was read can be set, by name and in a batch.
			o := udp4(t)
			require.NoError(t, sockopt.Set(o, "socket", "attach_filter", v))
			set := []sockopt.Setting{{Level: "socket", Name: "attach_filter", Value: v}}
			require.NoError(t, sockopt.SetAll(o, set))
			assert.NoError(t, set[0].Err)
			got, err = sockopt.SocketAttachFilter.Get(o)
			require.NoError(t, err)
			assert.Len(t, got, n)
		})
	}
	s := udp4(t)
	err := sockopt.SocketAttachFilter.Set(s, program(4097))
	assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
	assert.ErrorContains(t, err, "4096 instructions")
	assert.ErrorContains(t, sockopt.SocketAttachReusePortCBPF.Set(s, program(5000)), "4096 instructions")
	assert.Error(t, sockopt.SocketAttachFilter.Set(s, program(1<<16+1)), "whose length would wrap in struct sock_fprog")
}

func TestLongFiltersOfOtherProgramsAreRead(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	p := program(600)
	prog := struct {
		n uint16
		p unsafe.Pointer
	}{600, unsafe.Pointer(&p[0])}
	_, _, errno := syscall.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, syscall.SO_ATTACH_FILTER,
		uintptr(unsafe.Pointer(&prog)), unsafe.Sizeof(prog), 0)
	require.Zero(t, errno)
	s := adopt(t, fd)
	got, err := sockopt.SocketAttachFilter.Get(s)
	require.NoError(t, err)
	assert.Equal(t, p, got)
}

// members are so many addresses.
func members(n int, make func(i int) netip.Addr) (list []netip.Addr) {
	for i := range n {
		list = append(list, make(i))
	}
	return list
}

func v4Sender(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
func v6Sender(i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i)})
}

// The limit of IPv6, mld_max_msf, is the whole system's and 64; where it is less the test asks for no more.
var manyMembers = map[string]string{"ipv4/igmp_max_msf": "2000"}

// The kernel says how many members a source filter has in the structure, and gives as many as there is room for: however
// much that is in the question, all come.
func TestSourceFiltersComeWhole(t *testing.T) {
	network := ownNetwork(t, manyMembers)
	group4, lo := netip.MustParseAddr("239.1.2.3"), netip.MustParseAddr("127.0.0.1")
	group6 := netip.MustParseAddr("ff02::4242")
	for _, n := range []int{1, 32, 33, 64, 65, 1024, 1500} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := open(t, esock.Inet, esock.Dgram, esock.UDP, network)
			require.NoError(t, sockopt.IPAddMembership.Set(s, sockopt.IPMreq{MultiAddr: group4, Interface: lo}))
			want := members(n, v4Sender)
			q := sockopt.IPSourceFilter{MultiAddr: group4, Interface: lo}
			require.NoError(t, sockopt.IPMsFilter.Set(s, sockopt.IPSourceFilter{MultiAddr: group4, Interface: lo,
				Mode: sockopt.Include, SList: want}))
			for _, room := range []int{0, 4, n, n + 100} {
				q.SList = make([]netip.Addr, room)
				f, err := sockopt.IPMsFilter.Ask(s, q)
				require.NoError(t, err)
				assert.ElementsMatch(t, want, f.SList)
			}
			question := map[string]any{"multiaddr": group4.String(), "interface": lo.String()}
			v, err := sockopt.Ask(s, "ip", "msfilter", question)
			require.NoError(t, err)
			assert.Len(t, v.(map[string]any)["slist"], n)
			batch := []sockopt.Setting{{Level: "ip", Name: "msfilter", Value: question}, {Level: "ip", Name: "ttl"}}
			require.NoError(t, sockopt.GetAll(s, batch))
			require.NoError(t, batch[0].Err)
			assert.Equal(t, v, batch[0].Value)
			assert.NoError(t, batch[1].Err)

			g, err := sockopt.IPGroupFilter.Ask(s, sockopt.GroupFilter{Interface: 1, Group: esock.Inet4Addr(group4, 0)})
			require.NoError(t, err)
			assert.Len(t, g.SList, n)
			assert.Equal(t, sockopt.Include, g.Mode)

			if n > 64 {
				return
			}
			machine.NeedIPv6(t)
			s = open(t, esock.Inet6, esock.Dgram, esock.UDP, network)
			require.NoError(t, sockopt.IPv6AddMembership.Set(s, sockopt.IPv6Mreq{MultiAddr: group6, Interface: 1}))
			g = sockopt.GroupFilter{Interface: 1, Group: esock.Inet6Addr(group6, 0, 0), Mode: sockopt.Include}
			for _, a := range members(n, v6Sender) {
				g.SList = append(g.SList, esock.Inet6Addr(a, 0, 0))
			}
			err = sockopt.IPv6GroupFilter.Set(s, g)
			if n > 10 && errors.Is(err, syscall.ENOBUFS) {
				t.Skipf("net.ipv6.mld_max_msf is below its default here: %v", err)
			}
			require.NoError(t, err)
			got, err := sockopt.IPv6GroupFilter.Ask(s, sockopt.GroupFilter{Interface: 1, Group: g.Group})
			require.NoError(t, err)
			assert.Len(t, got.SList, n)
		})
	}
	s := open(t, esock.Inet, esock.Dgram, esock.UDP, network)
	require.NoError(t, sockopt.IPAddMembership.Set(s, sockopt.IPMreq{MultiAddr: group4, Interface: lo}))
	err := sockopt.IPMsFilter.Set(s, sockopt.IPSourceFilter{MultiAddr: group4, Interface: lo, SList: members(2001, v4Sender)})
	assert.ErrorIs(t, err, syscall.ENOBUFS, "the kernel's own limit")
	assert.ErrorContains(t, err, "igmp_max_msf")
}

// 3,000 groups are 12,000 bytes, which the kernel says with ERANGE.
func TestGroupsOfThePeerComeWhole(t *testing.T) {
	const groups = 3000
	type ends struct {
		fds [2]int
		err error
	}
	made := make(chan ends)
	go func() {
		runtime.LockOSThread() // the thread's groups are its own, and end with it
		var ids [groups]uint32
		for i := range ids {
			ids[i] = uint32(100000 + i)
		}
		setgroups := map[string]uintptr{"386": 206}[runtime.GOARCH] // setgroups32
		if setgroups == 0 {
			setgroups = syscall.SYS_SETGROUPS
		}
		if _, _, errno := syscall.RawSyscall(setgroups, groups, uintptr(unsafe.Pointer(&ids[0])), 0); errno != 0 {
			made <- ends{err: errno}
			return
		}
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		made <- ends{fds, err}
	}()
	m := <-made
	if m.err != nil {
		t.Skipf("setting groups is not allowed here: %v", m.err)
	}
	a := adopt(t, m.fds[0])
	adopt(t, m.fds[1])
	got, err := sockopt.SocketPeerGroups.Get(a)
	require.NoError(t, err)
	require.Len(t, got, groups)
	assert.Equal(t, 100000+groups-1, got[groups-1])
	v, err := sockopt.Get(a, "socket", "peergroups")
	require.NoError(t, err)
	assert.Len(t, v, groups)
	batch := []sockopt.Setting{{Level: "socket", Name: "peergroups"}, {Level: "socket", Name: "peercred"}}
	require.NoError(t, sockopt.GetAll(a, batch))
	assert.Equal(t, v, batch[0].Value)
	assert.NoError(t, batch[1].Err)

	// Natively the length comes with the refusal.
	const peerGroups = 59
	n, err := a.GetOptionNative(syscall.SOL_SOCKET, peerGroups, make([]byte, 8))
	assert.ErrorIs(t, err, syscall.ERANGE)
	assert.Equal(t, 4*groups, n)
	n, err = a.GetOptionNative(syscall.SOL_SOCKET, peerGroups, make([]byte, n))
	assert.NoError(t, err)
	assert.Equal(t, 4*groups, n)
}

func TestNativeOptionsSayHowLongTheyAre(t *testing.T) {
	s := open(t, esock.Netlink, esock.Raw, esock.Default)
	require.NoError(t, sockopt.NetlinkAddMembership.Set(s, 1))
	const listMemberships = 9
	all, err := s.GetOptionNative(270, listMemberships, make([]byte, 4096))
	require.NoError(t, err)
	require.GreaterOrEqual(t, all, 4)
	n, err := s.GetOptionNative(270, listMemberships, nil)
	require.NoError(t, err)
	assert.Equal(t, all, n, "asked with no buffer")

	s = udp4(t)
	attach(t, s, 7)
	n, err = s.GetOptionNative(syscall.SOL_SOCKET, syscall.SO_ATTACH_FILTER, nil)
	require.NoError(t, err)
	assert.Equal(t, 7, n, "this one counts instructions")
	// Room for one instruction is not taken for room for eight.
	memory := bytes.Repeat([]byte{0x55}, 128)
	_, err = s.GetOptionNative(syscall.SOL_SOCKET, syscall.SO_ATTACH_FILTER, memory[:8:8])
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.Equal(t, bytes.Repeat([]byte{0x55}, 128), memory)
	n, err = s.GetOptionNative(syscall.SOL_SOCKET, syscall.SO_ATTACH_FILTER, memory)
	require.NoError(t, err)
	assert.Equal(t, 7, n)
	assert.Equal(t, uint16(6), binary.NativeEndian.Uint16(memory[6*8:]))
}

// The headers of a SYN are taken away by reading; with too little room the kernel refuses, so that nothing is lost.
func TestSavedSynComesWholeAndOnce(t *testing.T) {
	l, addr := listener(t, 5)
	require.NoError(t, sockopt.TCPSaveSYN.Set(l, 1))
	c := tcp4(t)
	require.NoError(t, c.Connect(addr, esock.Within(patience)))
	a, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, a)
	const savedSyn = 28
	need, err := a.GetOptionNative(syscall.IPPROTO_TCP, savedSyn, make([]byte, 1))
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.GreaterOrEqual(t, need, 40)
	syn, err := sockopt.TCPSavedSYN.Get(a)
	require.NoError(t, err)
	assert.Len(t, syn, need)
	syn, err = sockopt.TCPSavedSYN.Get(a)
	assert.NoError(t, err)
	assert.Empty(t, syn)
}

// 20 bytes are an InfiniBand address; the kernel takes up to 32 and compares them with the device's length.
func TestHardwareAddressesOfAnyLengthReachTheKernel(t *testing.T) {
	s, err := esock.Open(esock.Packet, esock.Dgram, esock.Default, ownNetwork(t, nil))
	require.NoError(t, err)
	closeAtEnd(t, s)
	m := sockopt.PacketMreq{IfIndex: 1, Type: 0, ALen: 6}
	copy(m.Address[:], "\x01\x00\x5e\x00\x00\x01")
	assert.NoError(t, sockopt.PacketAddMembership.Set(s, m))
	m.ALen = uint16(copy(m.Address[:], bytes.Repeat([]byte{1}, 20)))
	assert.ErrorIs(t, sockopt.PacketAddMembership.Set(s, m), syscall.EINVAL, "the loopback's addresses have 6")
	err = sockopt.Set(s, "packet", "add_membership", map[string]any{"ifindex": 1, "type": 0, "alen": 6, "address": []byte{1, 0, 94, 0, 0, 2}})
	assert.NoError(t, err)
}
