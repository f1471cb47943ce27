package tests

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/netdevice"
)

func inetAddr(text string) esock.Addr { return esock.Inet4Addr(netip.MustParseAddr(text), 0) }

func invalid(what string) error { return &esock.InvalidError{What: what} }

func TestLoopbackInterfaceIsAnswered(t *testing.T) {
	s := udp4(t)
	lo, err := net.InterfaceByName("lo")
	require.NoError(t, err)

	index, err := netdevice.Index(s, "lo")
	require.NoError(t, err)
	assert.Equal(t, lo.Index, index)
	name, err := netdevice.Name(s, index)
	require.NoError(t, err)
	assert.Equal(t, "lo", name)
	addr, err := netdevice.Addr(s, "lo")
	require.NoError(t, err)
	assert.Equal(t, inetAddr("127.0.0.1"), addr)
	mask, err := netdevice.Netmask(s, "lo")
	require.NoError(t, err)
	assert.Equal(t, inetAddr("255.0.0.0"), mask)
	dst, err := netdevice.DstAddr(s, "lo")
	require.NoError(t, err)
	assert.Equal(t, addr, dst)
	_, err = netdevice.BrdAddr(s, "lo")
	require.NoError(t, err)
	mtu, err := netdevice.MTU(s, "lo")
	require.NoError(t, err)
	assert.Equal(t, lo.MTU, mtu)
	length, err := netdevice.TxQLen(s, "lo")
	require.NoError(t, err)
	assert.GreaterOrEqual(t, length, 0)
	flags, err := netdevice.Flags(s, "lo")
	require.NoError(t, err)
	assert.Equal(t, netdevice.Up|netdevice.Loopback, flags&(netdevice.Up|netdevice.Loopback|netdevice.Broadcast))
	m, err := netdevice.Map(s, "lo")
	require.NoError(t, err)
	assert.Zero(t, m)

	list, err := netdevice.Addrs(s)
	require.NoError(t, err)
	assert.Contains(t, list, netdevice.InterfaceAddr{Name: "lo", Addr: inetAddr("127.0.0.1")})
}

func TestHardwareAddressesHaveTheirOwnLength(t *testing.T) {
	hw, err := netdevice.HWAddr(udp4(t), "lo")
	require.NoError(t, err)
	assert.Equal(t, netdevice.HardwareAddr{Type: 772, Addr: make(net.HardwareAddr, 6)}, hw)
}

func TestRequestsByNameArePlainData(t *testing.T) {
	s := udp4(t)
	index, err := netdevice.Index(s, "lo")
	require.NoError(t, err)
	for _, c := range []struct {
		request string
		args    []any
		want    any
	}{
		{"gifname", []any{index}, "lo"},
		{"gifname", []any{float64(index)}, "lo"},
		{"gifindex", []any{"lo"}, index},
		{"gifaddr", []any{"lo"}, map[string]any{"family": "inet", "addr": "127.0.0.1", "port": 0}},
		{"gifnetmask", []any{"lo"}, map[string]any{"family": "inet", "addr": "255.0.0.0", "port": 0}},
		{"gifhwaddr", []any{"lo"}, map[string]any{"family": "loopback", "addr": make([]byte, 6)}},
		{"gifmap", []any{"lo"}, map[string]any{"mem_start": uint64(0), "mem_end": uint64(0), "base_addr": 0, "irq": 0,
			"dma": 0, "port": 0}},
		{"nread", nil, 0},
		{"nwrite", nil, 0},
	} {
		got, err := netdevice.IOCtl(s, c.request, c.args...)
		require.NoError(t, err, c.request)
		assert.Equal(t, c.want, got, c.request)
	}
	flags, err := netdevice.IOCtl(s, "gifflags", "lo")
	require.NoError(t, err)
	assert.Subset(t, flags, []any{"up", "loopback"})
	list, err := netdevice.IOCtl(s, "gifconf")
	require.NoError(t, err)
	assert.Contains(t, list, map[string]any{"name": "lo",
		"addr": map[string]any{"family": "inet", "addr": "127.0.0.1", "port": 0}})
}

func TestRequestsThatCannotBeAreRefused(t *testing.T) {
	s := udp4(t)
	for _, request := range []string{"rcvall", "rcvall_mcast", "rcvall_igmpmcast", "rcvall_mcall", "rcvall_igmpmcall", "gifnothing", ""} {
		_, err := netdevice.IOCtl(s, request, "on")
		assert.ErrorIs(t, err, invalid("ioctl_request"), request)
		assert.Equal(t, strings.HasPrefix(request, "rcvall"), strings.Contains(err.Error(), "Windows"), request)
	}
	for request, args := range map[string][]any{
		"gifconf": {1}, "nread": {"lo"}, "gifname": {"lo"}, "gifindex": {1}, "gifmtu": {}, "gifaddr": {"lo", "lo"},
		"sifmtu": {"lo"}, "siftxqlen": {"lo", "long"}, "sifaddr": {"lo", 7}, "sifhwaddr": {"lo", "00:00"},
		"sifflags": {"lo", "up"}, "tcp_info": {1}, "atmark": {nil}, "gifflags": {nil},
	} {
		_, err := netdevice.IOCtl(s, request, args...)
		assert.ErrorIs(t, err, invalid("ioctl_argument"), request)
	}
	for _, err := range []error{
		netdevice.SetAddr(s, "lo", esock.UnixAddr("/tmp/x")),
		netdevice.SetNetmask(s, "lo", esock.Inet6Addr(netip.IPv6Loopback(), 0, 0)),
		netdevice.SetBrdAddr(s, "lo", esock.Addr{}),
		netdevice.SetHWAddr(s, "lo", netdevice.HardwareAddr{Type: 1 << 20}),
	} {
		assert.ErrorIs(t, err, invalid("sockaddr"))
	}
	for _, n := range testint.Wide() {
		_, err := netdevice.Name(s, n)
		assert.ErrorIs(t, err, invalid("ioctl_argument"))
		assert.ErrorIs(t, netdevice.SetMTU(s, "lo", n), invalid("ioctl_argument"))
	}
}

// A name that is cut is the name of something else.
func TestLongNamesAreRefusedAndNotCut(t *testing.T) {
	s := udp4(t)
	long := strings.Repeat("x", 16)
	_, err := netdevice.MTU(s, long)
	assert.ErrorIs(t, err, invalid("ioctl_argument"))
	assert.ErrorIs(t, netdevice.SetMTU(s, long, 1500), invalid("ioctl_argument"))
	_, err = netdevice.MTU(s, long[:15])
	assert.ErrorIs(t, err, syscall.ENODEV)
	_, err = netdevice.MTU(s, "lo\x00x")
	assert.ErrorIs(t, err, invalid("ioctl_argument"))
}

func TestWhatTheKernelSaysOfRequests(t *testing.T) {
	s := udp4(t)
	_, err := netdevice.Index(s, "nothing")
	assert.ErrorIs(t, err, syscall.ENODEV)
	_, err = netdevice.Name(s, 1<<30)
	assert.ErrorIs(t, err, syscall.ENODEV)
	_, err = s.AtMark()
	assert.ErrorIs(t, err, syscall.ENOTTY)
	u := unixEnd(t)
	_, err = netdevice.Addr(u, "lo")
	assert.ErrorIs(t, err, syscall.ENOTTY)
	_, err = netdevice.MTU(u, "lo")
	assert.NoError(t, err)
	l, _ := listener(t, 1)
	for _, f := range []func() (int, error){l.NRead, l.NWrite, l.NSpace} {
		_, err = f()
		assert.ErrorIs(t, err, syscall.EINVAL)
	}
	require.NoError(t, s.Close())
	_, err = s.NRead()
	assert.ErrorIs(t, err, errClosed)
	_, err = netdevice.IOCtl(s, "gifmtu", "lo")
	assert.ErrorIs(t, err, errClosed)
	_, err = netdevice.Addrs(s)
	assert.ErrorIs(t, err, errClosed)
}

func TestQueuesAreMeasured(t *testing.T) {
	a, b := udp(t)
	send, _ := udp(t)
	for _, m := range []string{"hello", "you"} {
		_, err := send.SendTo([]byte(m), b, 0, esock.Forever)
		require.NoError(t, err)
	}
	n, err := a.NRead()
	require.NoError(t, err)
	assert.Equal(t, 5, n, "of the next message only")

	c, _ := tcpPair(t)
	before, err := c.NSpace()
	require.NoError(t, err)
	assert.Positive(t, before)
	filled := fill(t, c)
	waiting, err := c.NWrite()
	require.NoError(t, err)
	assert.Positive(t, waiting)
	assert.LessOrEqual(t, waiting, filled)
	after, err := c.NSpace()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, after, 0)
	assert.Less(t, after, before)
}

func TestMarkIsWhereUrgentDataWas(t *testing.T) {
	a, b := tcpPair(t)
	_, err := a.Send([]byte("ab!"), esock.MsgOOB, esock.Forever)
	require.NoError(t, err)
	buf := make([]byte, 10)
	n, err := b.Recv(buf, 0, esock.Within(patience))
	require.NoError(t, err)
	require.Equal(t, "ab", string(buf[:n]), "a receive stops at the mark")
	eventually(t, "the mark", func() bool {
		at, err := b.AtMark()
		return err == nil && at
	})
}

func TestTCPInfoHasOTPsKeys(t *testing.T) {
	a, b := tcpPair(t)
	send(t, a, "hello")
	require.Equal(t, "hello", recv(t, b))
	for _, args := range [][]any{nil, {0}} {
		v, err := netdevice.IOCtl(b, "tcp_info", args...)
		require.NoError(t, err)
		m := v.(map[string]any)
		assert.Equal(t, "established", m["state"])
		assert.EqualValues(t, 5, m["bytes_in"])
		assert.Positive(t, m["mss"])
		assert.Positive(t, m["cwnd"])
		assert.Positive(t, m["rcv_buf"])
		assert.IsType(t, true, m["timestamp_enabled"])
	}
	l, _ := listener(t, 1)
	v, err := netdevice.IOCtl(l, "tcp_info")
	require.NoError(t, err)
	assert.Equal(t, "listen", v.(map[string]any)["state"])
	_, err = netdevice.IOCtl(udp4(t), "tcp_info")
	assert.Error(t, err)
}

// inOwnNamespace calls f on a thread in a new network namespace; thread and namespace end with the call.
func inOwnNamespace(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	errs := make(chan error, 1)
	go func() {
		defer close(errs)
		runtime.LockOSThread() // and never unlocked: the thread goes with the goroutine
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			errs <- err
			return
		}
		f(t)
	}()
	if err := <-errs; err != nil {
		t.Skip("making a network namespace needs CAP_SYS_ADMIN: ", err)
	}
}

// sys runs a command in the thread's namespace; false if it failed.
func sys(t *testing.T, args ...string) bool {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Logf("%v: %v: %s", args, err, out)
	}
	return err == nil
}

func TestInterfacesAreChangedInANamespaceOfTheirOwn(t *testing.T) {
	inOwnNamespace(t, func(t *testing.T) {
		s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
		if !assert.NoError(t, err) {
			return
		}
		defer s.Close()
		_, err = netdevice.Addr(s, "lo")
		assert.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
		list, err := netdevice.Addrs(s)
		assert.NoError(t, err)
		assert.Empty(t, list)

		for _, c := range []struct {
			set  func(*esock.Socket, string, esock.Addr) error
			get  func(*esock.Socket, string) (esock.Addr, error)
			addr string
		}{
			{netdevice.SetAddr, netdevice.Addr, "10.1.2.3"},
			{netdevice.SetNetmask, netdevice.Netmask, "255.255.0.0"},
			{netdevice.SetBrdAddr, netdevice.BrdAddr, "10.1.255.255"},
			{netdevice.SetDstAddr, netdevice.DstAddr, "10.1.2.4"},
		} {
			assert.NoError(t, c.set(s, "lo", inetAddr(c.addr)))
			got, err := c.get(s, "lo")
			assert.NoError(t, err)
			assert.Equal(t, inetAddr(c.addr), got)
		}
		assert.ErrorIs(t, netdevice.SetNetmask(s, "lo", inetAddr("255.0.255.0")), syscall.EINVAL)

		assert.NoError(t, netdevice.SetMTU(s, "lo", 1400))
		mtu, err := netdevice.MTU(s, "lo")
		assert.NoError(t, err)
		assert.Equal(t, 1400, mtu)
		assert.NoError(t, netdevice.SetTxQLen(s, "lo", 77))
		n, err := netdevice.TxQLen(s, "lo")
		assert.NoError(t, err)
		assert.Equal(t, 77, n)

		mac := netdevice.HardwareAddr{Type: 772, Addr: net.HardwareAddr{2, 0, 0, 0, 0, 7}}
		assert.NoError(t, netdevice.SetHWAddr(s, "lo", mac))
		hw, err := netdevice.HWAddr(s, "lo")
		assert.NoError(t, err)
		assert.Equal(t, mac, hw)
		mac.Addr = mac.Addr[:5]
		assert.ErrorIs(t, netdevice.SetHWAddr(s, "lo", mac), syscall.EINVAL)

		before, err := netdevice.Flags(s, "lo")
		assert.NoError(t, err)
		assert.NoError(t, netdevice.SetFlags(s, "lo", netdevice.Up|netdevice.NoARP, 0))
		flags, err := netdevice.Flags(s, "lo")
		assert.NoError(t, err)
		assert.Equal(t, before|netdevice.Up|netdevice.NoARP, flags&^netdevice.Running)
		assert.NoError(t, netdevice.SetFlags(s, "lo", 0, netdevice.NoARP))
		flags, err = netdevice.Flags(s, "lo")
		assert.NoError(t, err)
		assert.Equal(t, before|netdevice.Up, flags&^netdevice.Running, "the others stay")
	})
}

func TestSetRequestsByName(t *testing.T) {
	inOwnNamespace(t, func(t *testing.T) {
		s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
		if !assert.NoError(t, err) {
			return
		}
		defer s.Close()
		for _, c := range []struct {
			set   string
			value any
			get   string
			want  any
		}{
			{"sifaddr", "10.0.0.1", "gifaddr", "10.0.0.1"},
			{"sifaddr", map[string]any{"family": "inet", "addr": "10.0.0.2"}, "gifaddr", "10.0.0.2"},
			{"sifaddr", inetAddr("10.0.0.3"), "gifaddr", "10.0.0.3"},
			{"sifaddr", esock.Loopback, "gifaddr", "127.0.0.1"},
			{"sifnetmask", netip.MustParseAddr("255.255.255.0"), "gifnetmask", "255.255.255.0"},
			{"sifbrdaddr", "127.0.0.255:0", "gifbrdaddr", "127.0.0.255"},
			{"sifdstaddr", "127.0.0.2", "gifdstaddr", "127.0.0.2"},
			{"sifmtu", 2000, "gifmtu", 2000},
			{"siftxqlen", 5., "giftxqlen", 5},
		} {
			got, err := netdevice.IOCtl(s, c.set, "lo", c.value)
			assert.NoError(t, err, c.set)
			assert.Nil(t, got)
			got, err = netdevice.IOCtl(s, c.get, "lo")
			assert.NoError(t, err)
			if m, ok := got.(map[string]any); ok {
				got = m["addr"]
			}
			assert.Equal(t, c.want, got, c.set)
		}
		_, err = netdevice.IOCtl(s, "sifflags", "lo", map[string]any{"up": true})
		assert.NoError(t, err)
		flags, err := netdevice.IOCtl(s, "gifflags", "lo")
		assert.NoError(t, err)
		assert.Contains(t, flags, "up")
		_, err = netdevice.IOCtl(s, "sifflags", "lo", map[string]any{"up": false, "nonsense": true})
		assert.ErrorIs(t, err, invalid("ioctl_flag"))
		flags, err = netdevice.IOCtl(s, "gifflags", "lo")
		assert.NoError(t, err)
		assert.Contains(t, flags, "up", "nothing was done")

		hw, err := netdevice.IOCtl(s, "gifhwaddr", "lo")
		assert.NoError(t, err)
		hw.(map[string]any)["addr"].([]byte)[5] = 9
		_, err = netdevice.IOCtl(s, "sifhwaddr", "lo", hw)
		assert.NoError(t, err)
		got, err := netdevice.IOCtl(s, "gifhwaddr", "lo")
		assert.NoError(t, err)
		assert.Equal(t, hw, got)
	})
}

func TestInterfacesOfOtherKinds(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("the command ip makes the interfaces: ", err)
	}
	inOwnNamespace(t, func(t *testing.T) {
		s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
		if !assert.NoError(t, err) {
			return
		}
		defer s.Close()
		// Many, so that the list grows.
		if sys(t, "ip", "link", "set", "lo", "up") {
			for i := range 50 {
				sys(t, "ip", "addr", "add", netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}).String()+"/32", "dev", "lo")
			}
			list, err := netdevice.Addrs(s)
			assert.NoError(t, err)
			assert.Len(t, list, 51)
		}
		if sys(t, "ip", "link", "add", "left", "type", "veth", "peer", "name", "right") {
			flags, err := netdevice.Flags(s, "left")
			assert.NoError(t, err)
			assert.Equal(t, netdevice.Broadcast|netdevice.Multicast, flags)
			hw := netdevice.HardwareAddr{Type: 1, Addr: net.HardwareAddr{2, 1, 2, 3, 4, 0}}
			assert.NoError(t, netdevice.SetHWAddr(s, "left", hw))
			got, err := netdevice.HWAddr(s, "left")
			assert.NoError(t, err)
			assert.Equal(t, hw, got, "zeros at the end belong to it")
		}
		if sys(t, "ip", "tuntap", "add", "dev", "tunnel", "mode", "tun") {
			hw, err := netdevice.HWAddr(s, "tunnel")
			assert.NoError(t, err)
			assert.Equal(t, netdevice.HardwareAddr{Type: 65534}, hw, "no address at all")
		}
	})
}

func TestSetRequestsNeedAPrivilege(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may do all of them")
	}
	s := udp4(t)
	assert.ErrorIs(t, netdevice.SetMTU(s, "lo", 65536), syscall.EPERM)
	assert.ErrorIs(t, netdevice.SetAddr(s, "lo", inetAddr("127.0.0.1")), syscall.EPERM)
	assert.ErrorIs(t, netdevice.SetFlags(s, "lo", netdevice.Up, 0), syscall.EPERM)
}
