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
)

func inetAddr(text string) esock.Addr { return esock.Inet4Addr(netip.MustParseAddr(text), 0) }

func invalid(what string) error { return &esock.InvalidError{What: what} }

func TestLoopbackInterfaceIsAnswered(t *testing.T) {
	s := udp4(t)
	lo, err := net.InterfaceByName("lo")
	require.NoError(t, err)

	index, err := s.IfIndex("lo")
	require.NoError(t, err)
	assert.Equal(t, lo.Index, index)
	name, err := s.IfName(index)
	require.NoError(t, err)
	assert.Equal(t, "lo", name)
	addr, err := s.IfAddr("lo")
	require.NoError(t, err)
	assert.Equal(t, inetAddr("127.0.0.1"), addr)
	mask, err := s.IfNetmask("lo")
	require.NoError(t, err)
	assert.Equal(t, inetAddr("255.0.0.0"), mask)
	dst, err := s.IfDstAddr("lo")
	require.NoError(t, err)
	assert.Equal(t, addr, dst)
	_, err = s.IfBrdAddr("lo")
	require.NoError(t, err)
	mtu, err := s.IfMTU("lo")
	require.NoError(t, err)
	assert.Equal(t, lo.MTU, mtu)
	length, err := s.IfTxQLen("lo")
	require.NoError(t, err)
	assert.GreaterOrEqual(t, length, 0)
	flags, err := s.IfFlags("lo")
	require.NoError(t, err)
	assert.Equal(t, esock.IfUp|esock.IfLoopback, flags&(esock.IfUp|esock.IfLoopback|esock.IfBroadcast))
	m, err := s.IfMap("lo")
	require.NoError(t, err)
	assert.Zero(t, m)

	list, err := s.IfConf()
	require.NoError(t, err)
	assert.Contains(t, list, esock.IfAddr{Name: "lo", Addr: inetAddr("127.0.0.1")})
}

func TestT49HardwareAddressesHaveTheirOwnLength(t *testing.T) {
	hw, err := udp4(t).IfHWAddr("lo")
	require.NoError(t, err)
	assert.Equal(t, esock.HWAddr{Type: 772, Addr: make(net.HardwareAddr, 6)}, hw)
}

func TestRequestsByNameArePlainData(t *testing.T) {
	s := udp4(t)
	index, err := s.IfIndex("lo")
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
		got, err := s.IOCtl(c.request, c.args...)
		require.NoError(t, err, c.request)
		assert.Equal(t, c.want, got, c.request)
	}
	flags, err := s.IOCtl("gifflags", "lo")
	require.NoError(t, err)
	assert.Subset(t, flags, []any{"up", "loopback"})
	list, err := s.IOCtl("gifconf")
	require.NoError(t, err)
	assert.Contains(t, list, map[string]any{"name": "lo",
		"addr": map[string]any{"family": "inet", "addr": "127.0.0.1", "port": 0}})
}

func TestRequestsThatCannotBeAreRefused(t *testing.T) {
	s := udp4(t)
	for _, request := range []string{"rcvall", "rcvall_mcast", "rcvall_igmpmcast", "gifnothing", ""} {
		_, err := s.IOCtl(request, "on")
		assert.ErrorIs(t, err, invalid("ioctl_request"), request)
	}
	for request, args := range map[string][]any{
		"gifconf": {1}, "nread": {"lo"}, "gifname": {"lo"}, "gifindex": {1}, "gifmtu": {}, "gifaddr": {"lo", "lo"},
		"sifmtu": {"lo"}, "siftxqlen": {"lo", "long"}, "sifaddr": {"lo", 7}, "sifhwaddr": {"lo", "00:00"},
		"sifflags": {"lo", "up"}, "tcp_info": {1}, "atmark": {nil}, "gifflags": {nil},
	} {
		_, err := s.IOCtl(request, args...)
		assert.ErrorIs(t, err, invalid("ioctl_argument"), request)
	}
	for _, err := range []error{
		s.SetIfAddr("lo", esock.UnixAddr("/tmp/x")),
		s.SetIfNetmask("lo", esock.Inet6Addr(netip.IPv6Loopback(), 0, 0)),
		s.SetIfBrdAddr("lo", esock.Addr{}),
		s.SetIfHWAddr("lo", esock.HWAddr{Type: 1 << 20}),
	} {
		assert.ErrorIs(t, err, invalid("sockaddr"))
	}
	_, err := s.IfName(1 << 40)
	assert.ErrorIs(t, err, invalid("ioctl_argument"))
	assert.ErrorIs(t, s.SetIfMTU("lo", 1<<40), invalid("ioctl_argument"))
}

// A name that is cut is the name of something else.
func TestLongNamesAreRefusedAndNotCut(t *testing.T) {
	s := udp4(t)
	long := strings.Repeat("x", 16)
	_, err := s.IfMTU(long)
	assert.ErrorIs(t, err, invalid("ioctl_argument"))
	assert.ErrorIs(t, s.SetIfMTU(long, 1500), invalid("ioctl_argument"))
	_, err = s.IfMTU(long[:15])
	assert.ErrorIs(t, err, syscall.ENODEV)
	_, err = s.IfMTU("lo\x00x")
	assert.ErrorIs(t, err, invalid("ioctl_argument"))
}

func TestWhatTheKernelSaysOfRequests(t *testing.T) {
	s := udp4(t)
	_, err := s.IfIndex("nothing")
	assert.ErrorIs(t, err, syscall.ENODEV)
	_, err = s.IfName(1 << 30)
	assert.ErrorIs(t, err, syscall.ENODEV)
	_, err = s.AtMark()
	assert.ErrorIs(t, err, syscall.ENOTTY)
	u := unixEnd(t)
	_, err = u.IfAddr("lo")
	assert.ErrorIs(t, err, syscall.ENOTTY)
	_, err = u.IfMTU("lo")
	assert.NoError(t, err)
	l, _ := listener(t, 1)
	for _, f := range []func() (int, error){l.NRead, l.NWrite, l.NSpace} {
		_, err = f()
		assert.ErrorIs(t, err, syscall.EINVAL)
	}
	require.NoError(t, s.Close())
	_, err = s.NRead()
	assert.ErrorIs(t, err, errClosed)
	_, err = s.IOCtl("gifmtu", "lo")
	assert.ErrorIs(t, err, errClosed)
	_, err = s.IfConf()
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
		v, err := b.IOCtl("tcp_info", args...)
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
	v, err := l.IOCtl("tcp_info")
	require.NoError(t, err)
	assert.Equal(t, "listen", v.(map[string]any)["state"])
	_, err = udp4(t).IOCtl("tcp_info")
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
		_, err = s.IfAddr("lo")
		assert.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
		list, err := s.IfConf()
		assert.NoError(t, err)
		assert.Empty(t, list)

		for _, c := range []struct {
			set  func(string, esock.Addr) error
			get  func(string) (esock.Addr, error)
			addr string
		}{
			{s.SetIfAddr, s.IfAddr, "10.1.2.3"},
			{s.SetIfNetmask, s.IfNetmask, "255.255.0.0"}, // T21
			{s.SetIfBrdAddr, s.IfBrdAddr, "10.1.255.255"},
			{s.SetIfDstAddr, s.IfDstAddr, "10.1.2.4"},
		} {
			assert.NoError(t, c.set("lo", inetAddr(c.addr)))
			got, err := c.get("lo")
			assert.NoError(t, err)
			assert.Equal(t, inetAddr(c.addr), got)
		}
		assert.ErrorIs(t, s.SetIfNetmask("lo", inetAddr("255.0.255.0")), syscall.EINVAL)

		assert.NoError(t, s.SetIfMTU("lo", 1400))
		mtu, err := s.IfMTU("lo")
		assert.NoError(t, err)
		assert.Equal(t, 1400, mtu)
		assert.NoError(t, s.SetIfTxQLen("lo", 77))
		n, err := s.IfTxQLen("lo")
		assert.NoError(t, err)
		assert.Equal(t, 77, n)

		mac := esock.HWAddr{Type: 772, Addr: net.HardwareAddr{2, 0, 0, 0, 0, 7}}
		assert.NoError(t, s.SetIfHWAddr("lo", mac))
		hw, err := s.IfHWAddr("lo")
		assert.NoError(t, err)
		assert.Equal(t, mac, hw)
		mac.Addr = mac.Addr[:5]
		assert.ErrorIs(t, s.SetIfHWAddr("lo", mac), syscall.EINVAL)

		before, err := s.IfFlags("lo")
		assert.NoError(t, err)
		assert.NoError(t, s.SetIfFlags("lo", esock.IfUp|esock.IfNoARP, 0))
		flags, err := s.IfFlags("lo")
		assert.NoError(t, err)
		assert.Equal(t, before|esock.IfUp|esock.IfNoARP, flags&^esock.IfRunning)
		assert.NoError(t, s.SetIfFlags("lo", 0, esock.IfNoARP))
		flags, err = s.IfFlags("lo")
		assert.NoError(t, err)
		assert.Equal(t, before|esock.IfUp, flags&^esock.IfRunning, "the others stay")
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
			got, err := s.IOCtl(c.set, "lo", c.value)
			assert.NoError(t, err, c.set)
			assert.Nil(t, got)
			got, err = s.IOCtl(c.get, "lo")
			assert.NoError(t, err)
			if m, ok := got.(map[string]any); ok {
				got = m["addr"]
			}
			assert.Equal(t, c.want, got, c.set)
		}
		_, err = s.IOCtl("sifflags", "lo", map[string]any{"up": true})
		assert.NoError(t, err)
		flags, err := s.IOCtl("gifflags", "lo")
		assert.NoError(t, err)
		assert.Contains(t, flags, "up")
		_, err = s.IOCtl("sifflags", "lo", map[string]any{"up": false, "nonsense": true}) // T45
		assert.ErrorIs(t, err, invalid("ioctl_flag"))
		flags, err = s.IOCtl("gifflags", "lo")
		assert.NoError(t, err)
		assert.Contains(t, flags, "up", "nothing was done")

		hw, err := s.IOCtl("gifhwaddr", "lo")
		assert.NoError(t, err)
		hw.(map[string]any)["addr"].([]byte)[5] = 9
		_, err = s.IOCtl("sifhwaddr", "lo", hw)
		assert.NoError(t, err)
		got, err := s.IOCtl("gifhwaddr", "lo")
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
			list, err := s.IfConf()
			assert.NoError(t, err)
			assert.Len(t, list, 51)
		}
		if sys(t, "ip", "link", "add", "left", "type", "veth", "peer", "name", "right") {
			flags, err := s.IfFlags("left")
			assert.NoError(t, err)
			assert.Equal(t, esock.IfBroadcast|esock.IfMulticast, flags)
			hw := esock.HWAddr{Type: 1, Addr: net.HardwareAddr{2, 1, 2, 3, 4, 0}}
			assert.NoError(t, s.SetIfHWAddr("left", hw))
			got, err := s.IfHWAddr("left")
			assert.NoError(t, err)
			assert.Equal(t, hw, got, "zeros at the end belong to it")
		}
		if sys(t, "ip", "tuntap", "add", "dev", "tunnel", "mode", "tun") {
			hw, err := s.IfHWAddr("tunnel")
			assert.NoError(t, err)
			assert.Equal(t, esock.HWAddr{Type: 65534}, hw, "no address at all")
		}
	})
}

func TestSetRequestsNeedAPrivilege(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may do all of them")
	}
	s := udp4(t)
	assert.ErrorIs(t, s.SetIfMTU("lo", 65536), syscall.EPERM)
	assert.ErrorIs(t, s.SetIfAddr("lo", inetAddr("127.0.0.1")), syscall.EPERM)
	assert.ErrorIs(t, s.SetIfFlags("lo", esock.IfUp, 0), syscall.EPERM)
}
