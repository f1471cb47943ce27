package tests

import (
	"encoding/binary"
	"errors"
	"math"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// optionTest shows one option at work on a live socket.
type optionTest struct {
	on  func(testing.TB) *esock.Socket // where it works; nil: a TCP socket
	set any                            // what to set, if it can be
	get any                            // what it then reads; nil: what was set
	own any                            // for those that cannot be set: what they read; a type's zero if any value will do
}

func tcp4(t testing.TB) *esock.Socket { return open(t, esock.Inet, esock.Stream, esock.TCP) }
func tcp6(t testing.TB) *esock.Socket { return open(t, esock.Inet6, esock.Stream, esock.TCP) }
func udp6(t testing.TB) *esock.Socket { return open(t, esock.Inet6, esock.Dgram, esock.UDP) }

func udp4(t testing.TB) *esock.Socket {
	s, _ := udp(t)
	return s
}

func unixEnd(t testing.TB) *esock.Socket {
	a, _ := pair(t, esock.Stream)
	return a
}

var me = map[string]any{"pid": os.Getpid(), "uid": os.Getuid(), "gid": os.Getgid()}

// optionTests has every row of the option table.
var optionTests = map[string]optionTest{
	"socket.reuseaddr":    {set: true},
	"socket.type":         {own: "stream"},
	"socket.error":        {own: 0},
	"socket.dontroute":    {set: true},
	"socket.broadcast":    {on: udp4, set: true},
	"socket.sndbuf":       {set: 10000, get: 20000}, // Linux doubles it
	"socket.rcvbuf":       {set: 10000, get: 20000},
	"socket.keepalive":    {set: true},
	"socket.oobinline":    {set: true},
	"socket.priority":     {set: 5},
	"socket.linger":       {set: map[string]any{"onoff": true, "linger": 7}},
	"socket.reuseport":    {set: true},
	"socket.passcred":     {on: unixEnd, set: true},
	"socket.peercred":     {on: unixEnd, own: me},
	"socket.rcvlowat":     {set: 3},
	"socket.bindtodevice": {set: "lo"},
	"socket.timestamp":    {on: udp4, set: true},
	"socket.acceptconn":   {own: false},
	"socket.protocol":     {own: "tcp"},
	"socket.domain":       {own: "inet"},

	"ip.tos":     {set: 0xb8},
	"ip.ttl":     {set: 5},
	"ip.pktinfo": {on: udp4, set: true},
	"ip.recvttl": {on: udp4, set: true},
	"ip.recvtos": {on: udp4, set: true},

	"ipv6.unicast_hops": {on: tcp6, set: 5},
	"ipv6.v6only":       {on: tcp6, set: true},
	"ipv6.recvpktinfo":  {on: udp6, set: true},
	"ipv6.recvhoplimit": {on: udp6, set: true},
	"ipv6.recvtclass":   {on: udp6, set: true},
	"ipv6.tclass":       {on: udp6, set: 0xb8},

	"tcp.nodelay":      {set: true},
	"tcp.maxseg":       {set: 1000},
	"tcp.cork":         {set: true},
	"tcp.keepidle":     {set: 60},
	"tcp.keepintvl":    {set: 61},
	"tcp.keepcnt":      {set: 5},
	"tcp.congestion":   {set: "reno"},
	"tcp.user_timeout": {set: 1500},
}

func optionSocket(t testing.TB, test optionTest) *esock.Socket {
	if test.on == nil {
		return tcp4(t)
	}
	return test.on(t)
}

func TestEveryOptionRowHasATest(t *testing.T) {
	rows := map[string]bool{}
	for o := range esock.Options() {
		name := o.Level + "." + o.Name
		rows[name] = true
		assert.Contains(t, optionTests, name)
		assert.Equal(t, o.CanSet, optionTests[name].set != nil, "%s can be set", name)
	}
	for name := range optionTests {
		assert.True(t, rows[name], "%s is no row", name)
	}
}

func TestEveryOptionReadsBackWhatWasSet(t *testing.T) {
	for o := range esock.Options() {
		test, ok := optionTests[o.Level+"."+o.Name]
		if !ok {
			continue
		}
		t.Run(o.Level+"."+o.Name, func(t *testing.T) {
			s := optionSocket(t, test)
			before, err := s.Option(o.Level, o.Name)
			if !o.CanGet {
				assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
			} else {
				require.NoError(t, err)
			}
			if !o.CanSet {
				assert.Equal(t, test.own, before)
				err := s.SetOption(o.Level, o.Name, test.own)
				assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
				assert.ErrorContains(t, err, "read")
				return
			}
			err = s.SetOption(o.Level, o.Name, test.set)
			if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOENT) {
				t.Skipf("not allowed, or not there: %v", err)
			}
			require.NoError(t, err)
			want := test.get
			if want == nil {
				want = test.set
			}
			assert.NotEqual(t, want, before, "the test would see no difference")
			got, err := s.Option(o.Level, o.Name)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

// What the typed options, names and numbers say of one option is the same.
func TestEveryOptionReadsAlikeByNumber(t *testing.T) {
	for o := range esock.Options() {
		test := optionTests[o.Level+"."+o.Name]
		if o.Codec != "bool" && o.Codec != "int" && o.Codec != "uint" {
			continue
		}
		s := optionSocket(t, test)
		byName, err := s.Option(o.Level, o.Name)
		require.NoError(t, err, o.Constant)
		byNumber, err := s.GetOptionNativeInt(o.LevelNumber, o.Number)
		require.NoError(t, err, o.Constant)
		switch v := byName.(type) {
		case bool:
			assert.Equal(t, v, byNumber != 0, o.Constant)
		case int:
			assert.Equal(t, v, byNumber, o.Constant)
		case string: // a name
			assert.NotEmpty(t, v)
		default:
			t.Errorf("%s is a %T", o.Constant, v)
		}
	}
}

// roundTrip sets a typed option, and reads it back.
func roundTrip[T any](t *testing.T, s *esock.Socket, o esock.Option[T], v, want T) {
	t.Helper()
	name := o.Info().Constant
	require.NoError(t, o.Set(s, v), name)
	got, err := o.Get(s)
	require.NoError(t, err, name)
	assert.Equal(t, want, got, name)
}

func reads[T any](t *testing.T, s *esock.Socket, o esock.Option[T], want T) {
	t.Helper()
	got, err := o.Get(s)
	require.NoError(t, err)
	assert.Equal(t, want, got, o.Info().Constant)
	var zero T
	assert.ErrorIs(t, o.Set(s, zero), &esock.InvalidError{What: "socket_option"})
}

func TestTypedOptionsHaveTheTypesOfTheirMeaning(t *testing.T) {
	s := tcp4(t)
	roundTrip(t, s, esock.SocketReuseAddr, true, true)
	roundTrip(t, s, esock.SocketReuseAddr, false, false)
	roundTrip(t, s, esock.IPTTL, 9, 9)
	roundTrip(t, s, esock.TCPCongestion, "reno", "reno")
	roundTrip(t, s, esock.TCPKeepIdle, 59*time.Second+1, time.Minute)
	roundTrip(t, s, esock.TCPKeepIntvl, 2*time.Second, 2*time.Second)
	roundTrip(t, s, esock.TCPUserTimeout, 1500*time.Millisecond, 1500*time.Millisecond)
	roundTrip(t, s, esock.SocketLinger, esock.Linger{On: true, Time: 7 * time.Second}, esock.Linger{On: true, Time: 7 * time.Second})
	// Linux keeps the seconds when linger is switched off.
	roundTrip(t, s, esock.SocketLinger, esock.Linger{}, esock.Linger{Time: 7 * time.Second})
	require.NoError(t, s.SetOption("socket", "linger", "abort"))
	got, err := esock.SocketLinger.Get(s)
	require.NoError(t, err)
	assert.Equal(t, esock.Linger{On: true}, got)

	reads(t, s, esock.SocketType, esock.Stream)
	reads(t, s, esock.SocketDomain, esock.Inet)
	reads(t, s, esock.SocketProtocol, esock.TCP)
	reads(t, s, esock.SocketError, 0)
	reads(t, unixEnd(t), esock.SocketPeerCred,
		esock.Credentials{PID: os.Getpid(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())})
	reads(t, unixEnd(t), esock.SocketProtocol, esock.Default)
}

func TestOptionErrorsSayWhatIsWrong(t *testing.T) {
	s := tcp4(t)
	for name, err := range map[string]error{
		"tcp.nodely":     s.SetOption("tcp", "nodely", true),
		"socket.type":    s.SetOption("socket", "type", "stream"),
		"tcp.congestion": esock.TCPCongestion.Set(s, "a name of more than 15 bytes"),
		"ip.ttl":         s.SetOption("ip", "ttl", int64(math.MaxInt32+1)),
	} {
		var invalid *esock.InvalidError
		require.ErrorAs(t, err, &invalid, name)
		assert.Equal(t, "socket_option", invalid.What)
		assert.ErrorContains(t, err, name)
		var op *esock.Error
		require.ErrorAs(t, err, &op)
		assert.Equal(t, "setopt", op.Op)
	}
	assert.ErrorIs(t, esock.IPTTL.Set(s, 256), syscall.EINVAL, "the kernel's own range")
	assert.Error(t, esock.TCPCongestion.Set(s, "with\x00nul"))
	assert.ErrorIs(t, esock.TCPCongestion.Set(s, "nosuchcc"), syscall.ENOENT)
	_, err := esock.TCPNoDelay.Get(unixEnd(t))
	assert.ErrorIs(t, err, syscall.EOPNOTSUPP)
	assert.False(t, errors.As(err, new(*esock.InvalidError)))
}

func TestOptionsOfAClosedSocketAreClosed(t *testing.T) {
	s := tcp4(t)
	require.NoError(t, s.Close())
	_, err := esock.TCPNoDelay.Get(s)
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.ErrorIs(t, esock.TCPNoDelay.Set(s, true), net.ErrClosed)
	_, err = s.Option("tcp", "nodelay")
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.ErrorIs(t, s.SetOption("tcp", "nodelay", true), net.ErrClosed)
	_, err = s.GetOptionNative(syscall.IPPROTO_TCP, syscall.TCP_NODELAY, make([]byte, 4))
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.ErrorIs(t, s.SetOptionNative(syscall.IPPROTO_TCP, syscall.TCP_NODELAY, true), net.ErrClosed)
}

func TestNativeOptionsTakeBytesIntegersAndBooleans(t *testing.T) {
	s := tcp4(t)
	for _, v := range []any{true, 1, int8(1), 1.0, binary.NativeEndian.AppendUint32(nil, 1)} {
		require.NoError(t, s.SetOptionNative(syscall.IPPROTO_TCP, syscall.TCP_NODELAY, false))
		require.NoError(t, s.SetOptionNative(syscall.IPPROTO_TCP, syscall.TCP_NODELAY, v))
		on, err := s.GetOptionNativeInt(syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
		require.NoError(t, err)
		assert.NotZero(t, on, "%T", v)
	}
	require.NoError(t, s.SetOptionNative(6, 13, "reno"))
	buf := make([]byte, 100)
	n, err := s.GetOptionNative(6, 13, buf)
	require.NoError(t, err)
	assert.Equal(t, 16, n, "Linux hands out all of the name's array")
	assert.Equal(t, "reno\x00", string(buf[:5]))
	n, err = s.GetOptionNative(6, 13, buf[:2])
	require.NoError(t, err)
	assert.Equal(t, 2, n, "never more than there is room for")

	n, err = s.GetOptionNative(6, 13, nil)
	assert.NoError(t, err, "Linux has nothing to write")
	assert.Zero(t, n)
	_, err = s.GetOptionNative(6, 9999, buf)
	assert.ErrorIs(t, err, syscall.ENOPROTOOPT)
	assert.ErrorIs(t, s.SetOptionNative(6, 9999, 1), syscall.ENOPROTOOPT)
	assert.ErrorIs(t, s.SetOptionNative(6, 1, []byte{1}), syscall.EINVAL)
	assert.ErrorIs(t, s.SetOptionNative(6, 1, nil), &esock.InvalidError{What: "value"})
}

// T52: a size that cannot be meant is refused before the kernel is asked.
func TestT52AbsurdNativeSizeIsRefusedAtOnce(t *testing.T) {
	s := tcp4(t)
	began := time.Now()
	_, err := s.GetOptionNative(6, 13, make([]byte, 1<<20+1))
	assert.ErrorIs(t, err, &esock.InvalidError{What: "value_spec"})
	assert.Less(t, time.Since(began), time.Second)
}

// T15: OTP compared option numbers without their level, to know whether it had to restore priority and tos.
func TestT15OnlySettingTOSTouchesPriorityAndItIsPutBack(t *testing.T) {
	s := tcp4(t)
	require.NoError(t, esock.SocketPriority.Set(s, 3))
	require.NoError(t, esock.IPTOS.Set(s, 0xb8))
	for _, set := range []func() error{
		func() error { return esock.IPTOS.Set(s, 0x10) }, // which Linux makes priority 6 of
		func() error { return s.SetOptionNative(syscall.SOL_IP, syscall.IP_TOS, 0x10) },
		func() error { return esock.TCPNoDelay.Set(s, true) },   // number 1, as IP_TOS
		func() error { return esock.IPRecvTTL.Set(s, true) },    // number 12, as SO_PRIORITY
		func() error { return esock.SocketRcvBuf.Set(s, 9999) }, // number 8
	} {
		require.NoError(t, set())
		p, err := esock.SocketPriority.Get(s)
		require.NoError(t, err)
		assert.Equal(t, 3, p)
	}
	tos, err := esock.IPTOS.Get(s)
	require.NoError(t, err)
	assert.Equal(t, 0x10, tos)
}

// T14: a DSCP never comes back as one of the old names, and keeps its bits.
func TestT14TypeOfServiceOptionIsTheWholeByte(t *testing.T) {
	s := udp4(t)
	for _, tos := range []int{0x10, 0x08, 0x04, 0x02, 48, 0xb8, 0xb9, 255} {
		roundTrip(t, s, esock.IPTOS, tos, tos)
		v, err := s.Option("ip", "tos")
		require.NoError(t, err)
		assert.Equal(t, tos, v)
	}
	require.NoError(t, s.SetOption("ip", "tos", "lowdelay"))
	v, err := esock.IPTOS.Get(s)
	require.NoError(t, err)
	assert.Equal(t, esock.TOSLowDelay, v)
}

// T16: no NUL is left in a name.
func TestT16OptionStringsEndAtTheirNUL(t *testing.T) {
	s := tcp4(t)
	v, err := esock.TCPCongestion.Get(s)
	require.NoError(t, err)
	assert.NotEmpty(t, v)
	assert.NotContains(t, v, "\x00")
	if err := esock.SocketBindToDevice.Set(s, "lo"); errors.Is(err, syscall.EPERM) {
		t.Skip("binding to a device is not allowed here")
	}
	v, err = esock.SocketBindToDevice.Get(s)
	require.NoError(t, err)
	assert.Equal(t, "lo", v)
	if os.Geteuid() == 0 {
		roundTrip(t, s, esock.SocketBindToDevice, "", "")
	}
}

// IPV6_ADDRFORM turns an IPv6 socket with a v4-mapped connection into an IPv4 socket.
func TestDomainFollowsAddrForm(t *testing.T) {
	_, addr := listener(t, 5)
	c := tcp6(t)
	require.NoError(t, c.Connect(esock.Inet6Addr(addr.IP(), uint16(addr.Port()), 0), esock.Within(patience)))
	require.Equal(t, esock.Inet6, c.Domain())
	require.NoError(t, c.SetOptionNative(syscall.IPPROTO_IPV6, syscall.IPV6_ADDRFORM, syscall.AF_INET))
	assert.Equal(t, esock.Inet, c.Domain())
	a, err := c.PeerName()
	require.NoError(t, err)
	assert.Equal(t, addr, a)
}

func TestOptionsOfLevelOTPAreDelegated(t *testing.T) {
	s := tcp4(t)
	require.NoError(t, s.SetOption("otp", "rcvbuf", 4096))
	v, err := s.Option("otp", "rcvbuf")
	require.NoError(t, err)
	assert.Equal(t, 4096, v)
	_, err = s.Option("otp", "nothing")
	assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
}

func TestTypedOptionsOfScalarsAllocateNothing(t *testing.T) {
	s := tcp4(t)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if esock.TCPNoDelay.Set(s, true) != nil || esock.IPTTL.Set(s, 5) != nil {
			t.Fatal("set")
		}
		if on, err := esock.TCPNoDelay.Get(s); !on || err != nil {
			t.Fatal("get")
		}
		if d, err := esock.TCPKeepIdle.Get(s); d == 0 || err != nil {
			t.Fatal("get")
		}
	}))
}

// Whatever is asked of any option: an error or not, but no panic, and the socket works on.
func FuzzSetOption(f *testing.F) {
	options := slices.Collect(esock.Options())
	for i := range options {
		f.Add(uint(i), int64(1), "abort", []byte{1, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, row uint, n int64, text string, data []byte) {
		s := tcp4(t)
		o := options[row%uint(len(options))]
		for _, v := range []any{n, text, data, n != 0, float64(n), nil, map[string]any{text: n},
			map[string]any{"onoff": n, "linger": n}} {
			if s.SetOption(o.Level, o.Name, v) == nil && o.CanGet {
				_, err := s.Option(o.Level, o.Name)
				assert.NoError(t, err)
			}
		}
		_ = s.SetOptionNative(o.LevelNumber, o.Number, data)
		_, _ = s.GetOptionNative(o.LevelNumber, o.Number, data)
		// A linger that was set would make the close wait.
		assert.NoError(t, s.SetOption("socket", "linger", "abort"))
	})
}
