package tests

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/sockopt"
)

func tcp4(t testing.TB) *esock.Socket { return open(t, esock.Inet, esock.Stream, esock.TCP) }
func tcp6(t testing.TB) *esock.Socket { return inet6(t, esock.Stream, esock.TCP) }
func udp6(t testing.TB) *esock.Socket { return inet6(t, esock.Dgram, esock.UDP) }

// inet6 skips where the kernel has no IPv6, or it is switched off on the loopback.
func inet6(t testing.TB, typ esock.Type, p esock.Protocol) *esock.Socket {
	t.Helper()
	try, err := esock.Open(esock.Inet6, esock.Dgram, esock.UDP)
	if err == nil {
		err = try.Bind(esock.Loopback)
		_ = try.Close()
	}
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	return open(t, esock.Inet6, typ, p)
}

func udp4(t testing.TB) *esock.Socket {
	s, _ := udp(t)
	return s
}

func unixEnd(t testing.TB) *esock.Socket {
	a, _ := pair(t, esock.Stream)
	return a
}

// roundTrip sets a typed option, and reads it back.
func roundTrip[T any](t *testing.T, s *esock.Socket, o sockopt.Option[T], v, want T) {
	t.Helper()
	name := o.Info().Constant
	require.NoError(t, o.Set(s, v), name)
	got, err := o.Get(s)
	require.NoError(t, err, name)
	assert.Equal(t, want, got, name)
}

func reads[T any](t *testing.T, s *esock.Socket, o sockopt.Option[T], want T) {
	t.Helper()
	got, err := o.Get(s)
	require.NoError(t, err)
	assert.Equal(t, want, got, o.Info().Constant)
	var zero T
	assert.ErrorIs(t, o.Set(s, zero), &esock.InvalidError{What: "socket_option"})
}

func TestTypedOptionsHaveTheTypesOfTheirMeaning(t *testing.T) {
	s := tcp4(t)
	roundTrip(t, s, sockopt.SocketReuseAddr, true, true)
	roundTrip(t, s, sockopt.SocketReuseAddr, false, false)
	roundTrip(t, s, sockopt.IPTTL, 9, 9)
	roundTrip(t, s, sockopt.TCPCongestion, "reno", "reno")
	roundTrip(t, s, sockopt.TCPKeepIdle, 59*time.Second+1, time.Minute)
	roundTrip(t, s, sockopt.TCPKeepIntvl, 2*time.Second, 2*time.Second)
	roundTrip(t, s, sockopt.TCPUserTimeout, 1500*time.Millisecond, 1500*time.Millisecond)
	roundTrip(t, s, sockopt.SocketLinger, sockopt.Linger{On: true, Time: 7 * time.Second}, sockopt.Linger{On: true, Time: 7 * time.Second})
	// Linux keeps the seconds when linger is switched off.
	roundTrip(t, s, sockopt.SocketLinger, sockopt.Linger{}, sockopt.Linger{Time: 7 * time.Second})
	require.NoError(t, sockopt.Set(s, "socket", "linger", "abort"))
	got, err := sockopt.SocketLinger.Get(s)
	require.NoError(t, err)
	assert.Equal(t, sockopt.Linger{On: true}, got)

	reads(t, s, sockopt.SocketType, esock.Stream)
	reads(t, s, sockopt.SocketDomain, esock.Inet)
	reads(t, s, sockopt.SocketProtocol, esock.TCP)
	reads(t, s, sockopt.SocketError, 0)
	reads(t, unixEnd(t), sockopt.SocketPeerCred,
		esock.Credentials{PID: os.Getpid(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())})
	reads(t, unixEnd(t), sockopt.SocketProtocol, esock.Default)
}

func TestOptionErrorsSayWhatIsWrong(t *testing.T) {
	s := tcp4(t)
	for name, err := range map[string]error{
		"tcp.nodely":     sockopt.Set(s, "tcp", "nodely", true),
		"socket.type":    sockopt.Set(s, "socket", "type", "stream"),
		"tcp.congestion": sockopt.TCPCongestion.Set(s, "a name of more than 15 bytes"),
		"ip.ttl":         sockopt.Set(s, "ip", "ttl", int64(math.MaxInt32+1)),
	} {
		var invalid *esock.InvalidError
		require.ErrorAs(t, err, &invalid, name)
		assert.Equal(t, "socket_option", invalid.What)
		assert.ErrorContains(t, err, name)
		var op *esock.Error
		require.ErrorAs(t, err, &op)
		assert.Equal(t, "setopt", op.Op)
	}
	assert.ErrorIs(t, sockopt.IPTTL.Set(s, 256), syscall.EINVAL, "the kernel's own range")
	assert.Error(t, sockopt.TCPCongestion.Set(s, "with\x00nul"))
	assert.ErrorIs(t, sockopt.TCPCongestion.Set(s, "nosuchcc"), syscall.ENOENT)
	_, err := sockopt.TCPNoDelay.Get(unixEnd(t))
	assert.ErrorIs(t, err, syscall.EOPNOTSUPP)
	assert.False(t, errors.As(err, new(*esock.InvalidError)))
}

func TestOptionsOfAClosedSocketAreClosed(t *testing.T) {
	s := tcp4(t)
	require.NoError(t, s.Close())
	_, err := sockopt.TCPNoDelay.Get(s)
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.ErrorIs(t, sockopt.TCPNoDelay.Set(s, true), net.ErrClosed)
	_, err = sockopt.Get(s, "tcp", "nodelay")
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.ErrorIs(t, sockopt.Set(s, "tcp", "nodelay", true), net.ErrClosed)
	_, err = s.GetOptionNative(syscall.IPPROTO_TCP, syscall.TCP_NODELAY, make([]byte, 4))
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.ErrorIs(t, s.SetOptionNative(syscall.IPPROTO_TCP, syscall.TCP_NODELAY, true), net.ErrClosed)
}

// OTP compared option numbers without their level, to know whether it had to restore priority and tos.
func TestOnlySettingTOSTouchesPriorityAndItIsPutBack(t *testing.T) {
	s := tcp4(t)
	require.NoError(t, sockopt.SocketPriority.Set(s, 3))
	require.NoError(t, sockopt.IPTOS.Set(s, 0xb8))
	for _, set := range []func() error{
		func() error { return sockopt.IPTOS.Set(s, 0x10) }, // which Linux makes priority 6 of
		func() error { return s.SetOptionNative(syscall.SOL_IP, syscall.IP_TOS, 0x10) },
		func() error { return sockopt.TCPNoDelay.Set(s, true) },   // number 1, as IP_TOS
		func() error { return sockopt.IPRecvTTL.Set(s, true) },    // number 12, as SO_PRIORITY
		func() error { return sockopt.SocketRcvBuf.Set(s, 9999) }, // number 8
	} {
		require.NoError(t, set())
		p, err := sockopt.SocketPriority.Get(s)
		require.NoError(t, err)
		assert.Equal(t, 3, p)
	}
	tos, err := sockopt.IPTOS.Get(s)
	require.NoError(t, err)
	assert.Equal(t, 0x10, tos)
}

// A DSCP never comes back as one of the old names, and keeps its bits.
func TestTypeOfServiceOptionIsTheWholeByte(t *testing.T) {
	s := udp4(t)
	for _, tos := range []int{0x10, 0x08, 0x04, 0x02, 48, 0xb8, 0xb9, 255} {
		roundTrip(t, s, sockopt.IPTOS, tos, tos)
		v, err := sockopt.Get(s, "ip", "tos")
		require.NoError(t, err)
		assert.Equal(t, tos, v)
	}
	require.NoError(t, sockopt.Set(s, "ip", "tos", "lowdelay"))
	v, err := sockopt.IPTOS.Get(s)
	require.NoError(t, err)
	assert.Equal(t, esock.TOSLowDelay, v)
}

// No NUL is left in a name.
func TestOptionStringsEndAtTheirNUL(t *testing.T) {
	s := tcp4(t)
	v, err := sockopt.TCPCongestion.Get(s)
	require.NoError(t, err)
	assert.NotEmpty(t, v)
	assert.NotContains(t, v, "\x00")
	if err := sockopt.SocketBindToDevice.Set(s, "lo"); errors.Is(err, syscall.EPERM) {
		t.Skip("binding to a device is not allowed here")
	}
	v, err = sockopt.SocketBindToDevice.Get(s)
	require.NoError(t, err)
	assert.Equal(t, "lo", v)
	if os.Geteuid() == 0 {
		roundTrip(t, s, sockopt.SocketBindToDevice, "", "")
	}
}

// OTP took the microseconds for the seconds.
func TestTimesKeepTheirMicroseconds(t *testing.T) {
	s := tcp4(t)
	require.NoError(t, sockopt.SocketRcvTimeo.Set(s, 3250*time.Millisecond))
	got, err := sockopt.SocketRcvTimeo.Get(s)
	require.NoError(t, err)
	assert.InDelta(t, 3250*time.Millisecond, got, float64(10*time.Millisecond))
	assert.ErrorIs(t, sockopt.SocketRcvTimeo.Set(s, -1), &esock.InvalidError{What: "socket_option"})
}

// What IP_PKTOPTIONS holds is taken apart like what a receive gives.
func TestPktOptionsAreControlMessages(t *testing.T) {
	l, addr := listener(t, 5)
	require.NoError(t, sockopt.IPRecvTTL.Set(l, true))
	require.NoError(t, sockopt.IPRecvTOS.Set(l, true))
	c := tcp4(t)
	require.NoError(t, c.Connect(addr, esock.Within(patience)))
	a, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	defer a.Close()
	require.NoError(t, sockopt.IPRecvTTL.Set(a, true))
	all, err := sockopt.IPPktOptions.Get(a)
	require.NoError(t, err)
	for _, m := range all {
		assert.Equal(t, syscall.SOL_IP, m.Level)
		assert.NotEmpty(t, m.Data)
	}
	require.NotEmpty(t, all)
	list, err := sockopt.Get(a, "ip", "pktoptions")
	require.NoError(t, err)
	assert.Len(t, list, len(all))
	assert.ErrorIs(t, sockopt.IPPktOptions.Set(a, nil), &esock.InvalidError{What: "socket_option"})
}

// Levels have one name each, whatever the system's protocol database says.
func TestLevelsHaveNoAliases(t *testing.T) {
	s := tcp4(t)
	for _, alias := range []string{"IP", "hopopt", "TCP", "SOL_SOCKET", "0"} {
		assert.ErrorIs(t, sockopt.Set(s, alias, "ttl", 5), &esock.InvalidError{What: "socket_option"}, alias)
	}
}

// {ipv6,hopopts} and its like are booleans: they switch the receiving on.
func TestHeadersOfIPv6AreReceivedWhenTheirBooleanIsSet(t *testing.T) {
	for name, twin := range map[string]sockopt.Option[bool]{"hopopts": sockopt.IPv6RecvHopOpts, "dstopts": sockopt.IPv6RecvDstOpts,
		"rthdr": sockopt.IPv6RecvRtHdr, "hoplimit": sockopt.IPv6RecvHopLimit} {
		s := udp6(t)
		require.NoError(t, sockopt.Set(s, "ipv6", name, true), name)
		on, err := twin.Get(s)
		require.NoError(t, err)
		assert.True(t, on, name)
	}
}

func TestTCPInfoIsAStructure(t *testing.T) {
	_, addr := listener(t, 5)
	c := tcp4(t)
	require.NoError(t, c.Connect(addr, esock.Within(patience)))
	info, err := sockopt.TCPInfo.Get(c)
	require.NoError(t, err)
	assert.Equal(t, uint8(1), info.State)
	assert.Positive(t, info.RTO)
	assert.Less(t, info.RTO, time.Minute)
	assert.Positive(t, info.SndMSS)
	const windowScaling = 4
	if info.Options&windowScaling != 0 { // net.ipv4.tcp_window_scaling
		assert.Positive(t, info.SndWScale())
	}
	m, err := sockopt.Get(c, "tcp", "info")
	require.NoError(t, err)
	assert.Equal(t, 1, m.(map[string]any)["state"])
}

func TestBatchesHaveAResultForEachOption(t *testing.T) {
	s := tcp4(t)
	set := []sockopt.Setting{
		{Level: "tcp", Name: "nodelay", Value: true}, {Level: "tcp", Name: "congestion", Value: "reno"},
		{Level: "socket", Name: "linger", Value: "abort"}, {Level: "otp", Name: "rcvbuf", Value: 4096},
		{Level: "socket", Name: "type", Value: "stream"}, {Level: "tcp", Name: "nothing", Value: 1},
		{Level: "ip", Name: "ttl", Value: "many"}, {Level: "ip", Name: "ttl", Value: 7},
	}
	require.NoError(t, sockopt.SetAll(s, set))
	for i, o := range set {
		if i < 4 || i == 7 {
			assert.NoError(t, o.Err, o.Name)
		} else {
			assert.ErrorIs(t, o.Err, &esock.InvalidError{What: "socket_option"}, o.Name)
		}
	}
	get := []sockopt.Setting{{Level: "tcp", Name: "nodelay"}, {Level: "tcp", Name: "congestion"}, {Level: "socket", Name: "linger"},
		{Level: "otp", Name: "rcvbuf"}, {Level: "ip", Name: "ttl"}, {Level: "tcp", Name: "info"}, {Level: "ipv6", Name: "v6only"}}
	require.NoError(t, sockopt.GetAll(s, get))
	for i, want := range []any{true, "reno", map[string]any{"onoff": true, "linger": 0}, 4096, 7} {
		assert.NoError(t, get[i].Err)
		assert.Equal(t, want, get[i].Value)
	}
	assert.Contains(t, get[5].Value, "rtt")
	assert.ErrorIs(t, get[6].Err, syscall.EOPNOTSUPP)
	require.NoError(t, s.Close())
	assert.ErrorIs(t, sockopt.GetAll(s, get), net.ErrClosed)
}

// A refusal says why, where the row knows, and errors.Is finds the number.
func TestRefusalsSayWhy(t *testing.T) {
	tcp := tcp4(t)
	_, err := sockopt.UDPCork.Get(tcp)
	assert.ErrorIs(t, err, syscall.EOPNOTSUPP)
	assert.ErrorContains(t, err, "udp.cork is for sockets of kind udp4, udp6, and this is tcp4")
	_, err = sockopt.IPMTU.Get(tcp)
	assert.ErrorIs(t, err, syscall.ENOTCONN)
	assert.ErrorContains(t, err, "needs a connected socket")
	assert.ErrorContains(t, sockopt.SocketType.Set(tcp, esock.Stream), "can only be read")
	m, err := sockopt.KindMPTCP.Open()
	if err != nil {
		t.Skip("no MPTCP here")
	}
	defer m.Close()
	err = sockopt.TCPMD5Sig.Set(m, sockopt.TCPMD5SigValue{Addr: esock.Inet4Addr(netip.MustParseAddr("127.0.0.1"), 0), KeyLen: 1})
	assert.ErrorIs(t, err, syscall.ENOPROTOOPT)
	assert.ErrorContains(t, err, "tcp.md5sig is not available on an MPTCP socket")
}

// IPV6_ADDRFORM turns an IPv6 socket with a v4-mapped connection into an IPv4 socket.
func TestDomainFollowsAddrForm(t *testing.T) {
	machine.NeedMapped(t)
	_, addr := listener(t, 5)
	c := tcp6(t)
	require.NoError(t, c.Connect(esock.Inet6Addr(addr.IP(), uint16(addr.Port()), 0), esock.Within(patience)))
	require.Equal(t, esock.Inet6, c.Domain())
	before := esock.Info().Gauges
	require.NoError(t, sockopt.Set(c, "ipv6", "addrform", "inet"))
	assert.Equal(t, esock.Inet, c.Domain())
	after := esock.Info().Gauges
	assert.Equal(t, before.Inet6-1, after.Inet6)
	assert.Equal(t, before.Inet+1, after.Inet)
	a, err := c.PeerName()
	require.NoError(t, err)
	assert.Equal(t, addr, a)
}

func TestOptionsOfLevelOTPAreDelegated(t *testing.T) {
	s := tcp4(t)
	require.NoError(t, sockopt.Set(s, "otp", "rcvbuf", 4096))
	v, err := sockopt.Get(s, "otp", "rcvbuf")
	require.NoError(t, err)
	assert.Equal(t, 4096, v)
	_, err = sockopt.Get(s, "otp", "nothing")
	assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
}

func TestTypedOptionsOfScalarsAllocateNothing(t *testing.T) {
	s := tcp4(t)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if sockopt.TCPNoDelay.Set(s, true) != nil || sockopt.IPTTL.Set(s, 5) != nil {
			t.Fatal("set")
		}
		if on, err := sockopt.TCPNoDelay.Get(s); !on || err != nil {
			t.Fatal("get")
		}
		if d, err := sockopt.TCPKeepIdle.Get(s); d == 0 || err != nil {
			t.Fatal("get")
		}
	}))
}

// Whatever is asked of any option: an error or not, but no panic, and the socket works on.
func FuzzSetOption(f *testing.F) {
	options := slices.Collect(sockopt.All())
	for i := range options {
		f.Add(uint(i), int64(1), "abort", []byte{1, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, row uint, n int64, text string, data []byte) {
		s := tcp4(t)
		o := options[row%uint(len(options))]
		for _, v := range []any{n, text, data, n != 0, float64(n), nil, map[string]any{text: n},
			map[string]any{"onoff": n, "linger": n}} {
			if sockopt.Set(s, o.Level, o.Name, v) == nil && o.CanGet {
				if _, err := sockopt.Get(s, o.Level, o.Name); err != nil {
					assert.NotErrorIs(t, err, syscall.EFAULT)
				}
			}
		}
		_ = s.SetOptionNative(o.LevelNumber, o.Number, data)
		_, _ = s.GetOptionNative(o.LevelNumber, o.Number, data)
		// A linger that was set would make the close wait.
		assert.NoError(t, sockopt.Set(s, "socket", "linger", "abort"))
	})
}
