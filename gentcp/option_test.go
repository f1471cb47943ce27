package gentcp_test

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/packet"
)

// family is what a socket for the case needs.
func (c optionCase) family(opts ...Option) []Option {
	if c.inet6 {
		return append([]Option{Inet6()}, opts...)
	}
	return opts
}

// holds checks that an option has been set.
func (c optionCase) holds(t *testing.T, s *Socket) {
	t.Helper()
	opts, err := s.GetOpts(Name(c.name))
	require.NoError(t, err)
	if c.want == nil {
		assert.Empty(t, opts)
		return
	}
	require.Len(t, opts, 1)
	assert.Equal(t, c.name, opts[0].Name())
	assert.Equal(t, c.want, opts[0].Value())
	if c.kernel[1] != 0 {
		assert.Equal(t, c.is, inKernel(t, s, c.kernel[0], c.kernel[1]))
	}
}

// hasDefault checks that it has not.
func (c optionCase) hasDefault(t *testing.T, s *Socket) {
	t.Helper()
	opts, err := s.GetOpts(Name(c.name))
	require.NoError(t, err)
	switch c.def {
	case nil:
		assert.Empty(t, opts)
	case system{}:
		require.Len(t, opts, 1)
		assert.NotEqual(t, c.want, opts[0].Value())
		assert.IsType(t, c.want, opts[0].Value())
	default:
		require.Len(t, opts, 1)
		assert.Equal(t, c.def, opts[0].Value())
	}
}

func (c optionCase) mayBeForbidden(t *testing.T, err error) {
	t.Helper()
	if c.name == "bind_to_device" && Reason(err) == "eperm" {
		t.Skip("SO_BINDTODEVICE needs CAP_NET_RAW where a device is set already")
	}
}

func TestOption_AtListen(t *testing.T) {
	machine.NeedMapped(t)
	for _, c := range optionCases() {
		t.Run(c.set.String(), func(t *testing.T) {
			mb := owner(t)
			c.hasDefault(t, opened(t)(Listen(mb, 0, c.family()...)))
			s, err := Listen(mb, 0, c.family(c.set)...)
			c.mayBeForbidden(t, err)
			c.holds(t, made(t, s, err))
		})
	}
}

func TestOption_AtConnect(t *testing.T) {
	machine.NeedMapped(t)
	l4, l6 := listenWith(t, nil), listenWith(t, nil, Inet6())
	for _, c := range optionCases() {
		t.Run(c.set.String(), func(t *testing.T) {
			mb, l := owner(t), l4
			if c.inet6 {
				l = l6
			}
			s := connectTo(t, mb, l, Active(false))
			if c.name != "active" {
				c.hasDefault(t, s)
			} else {
				c.hasDefault(t, connectTo(t, mb, l))
			}
			s, err := ConnectAddr(mb, nameOf(t, l), soon, c.set)
			c.mayBeForbidden(t, err)
			c.holds(t, made(t, s, err))
		})
	}
}

func TestOption_InSetOpts(t *testing.T) {
	machine.NeedMapped(t)
	l4, l6 := listenWith(t, nil), listenWith(t, nil, Inet6())
	for _, c := range optionCases() {
		t.Run(c.set.String(), func(t *testing.T) {
			l := l4
			if c.inet6 {
				l = l6
			}
			s := connectTo(t, owner(t), l)
			err := s.SetOpts(c.set)
			c.mayBeForbidden(t, err)
			if c.early {
				assert.Equal(t, "einval", Reason(err), "it is bound")
				c.hasDefault(t, s)
				return
			}
			require.NoError(t, err)
			c.holds(t, s)
		})
	}
}

// By name, an option is what its function makes: set, read, and as text.
func TestOpt_ByName(t *testing.T) {
	machine.NeedIPv6(t)
	l4, l6 := listenWith(t, nil), listenWith(t, nil, Inet6())
	for _, c := range optionCases() {
		t.Run(c.set.String(), func(t *testing.T) {
			plain := c.plain
			if plain == nil {
				plain = c.set.Value()
			}
			o, err := Opt(c.name, plain)
			require.NoError(t, err)
			assert.Equal(t, c.name, o.Name())
			_, err = Opt(c.name, o.Value())
			assert.NoError(t, err, "its own value")
			l := l4
			if c.inet6 {
				l = l6
			}
			s, err := ConnectAddr(owner(t), nameOf(t, l), soon, o)
			c.mayBeForbidden(t, err)
			c.holds(t, made(t, s, err))
			for _, v := range c.plains {
				_, err := Opt(c.name, v)
				assert.NoError(t, err, "%v", v)
			}
		})
	}
}

func TestOpt_WrongValuesAreBadArg(t *testing.T) {
	for _, c := range optionCases() {
		for _, v := range c.bad {
			_, err := Opt(c.name, v)
			require.ErrorIs(t, err, ErrBadArg, "%s %v", c.name, v)
			assert.Contains(t, err.Error(), c.name)
			_, err = OptionsFromMap(map[string]any{c.name: v})
			require.ErrorIs(t, err, ErrBadArg, "%s %v", c.name, v)
		}
	}
	for _, name := range []string{"", "Active", "no_such", "raw ", "inet_backend", "pktoptions"} {
		_, err := Opt(name, true)
		assert.ErrorIs(t, err, ErrBadArg, name)
		assert.Contains(t, err.Error(), name)
	}
}

// A wrong value is badarg before there is a socket, EINVAL for a socket that lives, and the error names the option.
func TestOption_WrongValues(t *testing.T) {
	machine.NeedIPv6(t)
	mb := owner(t)
	l4, l6 := listenWith(t, nil), listenWith(t, nil, Inet6())
	living := map[bool]*Socket{false: connectTo(t, mb, l4), true: connectTo(t, mb, l6)}
	before := esock.NumberOf()
	for _, c := range optionCases() {
		for _, o := range c.wrong {
			s, err := Listen(mb, 0, c.family(o)...)
			assertReason(t, "badarg", s, err, o)
			assert.Contains(t, err.Error(), c.name)
			s, err = Connect(mb, "no such host", 1, soon, o)
			assertReason(t, "badarg", s, err, o)
			s, err = ConnectAddr(mb, nameOf(t, l4), soon, o)
			assertReason(t, "badarg", s, err, o)
			s, err = FDOpen(mb, 1, o)
			assertReason(t, "badarg", s, err, o)
			err = living[c.inet6].SetOpts(o)
			assert.Equal(t, "einval", Reason(err), o)
			assert.NotErrorIs(t, err, ErrBadArg)
			assert.Contains(t, err.Error(), c.name)
		}
	}
	assert.Equal(t, before, esock.NumberOf(), "no socket was left")
	assert.True(t, isOpen(1))
}

// The options of creation are checked as the others are.
func TestOption_WrongCreationOptions(t *testing.T) {
	rawAddr := esock.RawAddr(esock.Inet, []byte{1, 2})
	for _, o := range []Option{{}, Port(-1), Port(65536), FD(-1), NetNS(""), Protocol(2), TCPModule(nil), TCPModule((*odd)(nil)), TCPModule(odd{esock.VSock}),
		IP(noAddr), IfIP(noAddr), IfAddr(esock.Addr{}), IfAddr(esock.Broadcast), IfAddr(esock.VSockAddr(1, 2)),
		IfAddr(rawAddr),
		IfAddr(esock.NetlinkAddr(0, 0)), IfAddr(esock.Inet4Addr(ip6, 1)), IfAddr(esock.UnixAddr(string(make([]byte, 200))))} {
		s, err := Listen(nil, 0, o)
		assertReason(t, "badarg", s, err, o)
		s, err = Connect(nil, "127.0.0.1", 1, soon, o)
		assertReason(t, "badarg", s, err, o)
	}
	s, err := Listen(nil, 0, Backlog(-1))
	assertReason(t, "badarg", s, err)
	s, err = Connect(nil, "127.0.0.1", 1, soon, Backlog(5))
	assertReason(t, "badarg", s, err, "it is an option of listeners")
	assert.ErrorContains(t, err, "backlog")
	for name, bad := range map[string][]any{
		"port":       {nil, -1, 65536, "http", 1.5},
		"fd":         {nil, -1, "0", 1.5},
		"backlog":    {nil, -1, "5", 1.5},
		"netns":      {nil, "", 5, []byte{}},
		"protocol":   {nil, "udp", 6, []any{}},
		"tcp_module": {nil, "foo", 1, []any{}, map[string]any{}},
		"inet":       {false, "inet", 1, []any{}},
		"list":       {false, 1},
		"ip": {nil, "", "localhost", "1.2.3", 5, []any{1, 2, 3, 4}, "vsock:1:2", "netlink:1:0x1", map[string]any{},
			map[string]any{"family": "inet", "addr": "x"}},
		"ifaddr": {nil, esock.Addr{}, "vsock:1:2", true},
	} {
		for _, v := range bad {
			_, err := Opt(name, v)
			assert.ErrorIs(t, err, ErrBadArg, "%s %v", name, v)
		}
	}
}

// Every option has a promise in this file, and every promise an option.
func TestOption_AllAreTested(t *testing.T) {
	tested := []string{"backlog", "binary", "fd", "ifaddr", "inet", "inet6", "inet_backend", "ip", "list", "local", "netns",
		"pktoptions", "port",
		"protocol", "tcp_module"} // by tests of their own
	for _, c := range optionCases() {
		if !slices.Contains(tested, c.name) {
			tested = append(tested, c.name)
		}
	}
	assert.ElementsMatch(t, OptionNames(), tested)
	for _, name := range OptionNames() {
		_, err := Opt(name, func() {})
		assert.ErrorIs(t, err, ErrBadArg, name)
	}
}

func TestOption_ShortForms(t *testing.T) {
	for _, c := range []struct {
		opts []Option
		want DataMode
	}{
		{[]Option{Binary()}, ModeBinary},
		{[]Option{Binary(), List()}, ModeList},
		{[]Option{List(), Mode(ModeBinary)}, ModeBinary},
		{[]Option{Mode(ModeBinary), List()}, ModeList},
	} {
		l := listenWith(t, nil, c.opts...)
		assert.Equal(t, c.want, valueOf(t, l, "mode"), c.opts)
		l = listenWith(t, nil)
		require.NoError(t, l.SetOpts(c.opts...))
		assert.Equal(t, c.want, valueOf(t, l, "mode"), c.opts)
	}
	for _, v := range []any{nil, true} {
		o, err := Opt("binary", v)
		require.NoError(t, err)
		assert.Equal(t, Binary(), o)
	}
}

func TestOption_LastWins(t *testing.T) {
	mb := owner(t)
	l := listenWith(t, mb, KeepIdle(5), KeepIdle(6), PacketType(packet.Line), PacketType(packet.Len0), ActiveN(5),
		ActiveN(3))
	assert.Equal(t, 6, valueOf(t, l, "keepidle"))
	assert.Equal(t, packet.Len0, valueOf(t, l, "packet"))
	assert.Equal(t, 3, valueOf(t, l, "active"), "at creation counts do not add up")
	require.NoError(t, l.SetOpts(KeepIdle(7), KeepIdle(8), ActiveN(1), ActiveN(1)))
	assert.Equal(t, 8, valueOf(t, l, "keepidle"))
	assert.Equal(t, 5, valueOf(t, l, "active"), "later they do")
}

// On Linux reuseport and reuseport_lb are one: the order shows.
func TestOption_AppliedInOrder(t *testing.T) {
	l := listenWith(t, nil, ReusePort(true), ReusePortLB(false))
	assert.Equal(t, false, valueOf(t, l, "reuseport"))
	l = listenWith(t, nil, ReusePortLB(false), ReusePort(true))
	assert.Equal(t, true, valueOf(t, l, "reuseport_lb"))
	require.NoError(t, l.SetOpts(ReusePort(true), ReusePortLB(false)))
	assert.Equal(t, false, valueOf(t, l, "reuseport"))
}

// Linux would change the priority with tos.
func TestOption_TOSKeepsThePriority(t *testing.T) {
	l := listenWith(t, nil, Priority(3), TOS(0x10))
	assert.Equal(t, 3, valueOf(t, l, "priority"))
	assert.Equal(t, 16, valueOf(t, l, "tos"))
}

// Unless it is told before the bind, a wildcard listener for IPv6 takes IPv4 as well.
func TestOption_IPv6V6Only(t *testing.T) {
	for _, only := range []bool{false, true} {
		l := opened(t)(Listen(nil, 0, Inet6(), IPv6V6Only(only)))
		assert.Equal(t, only, valueOf(t, l, "ipv6_v6only"))
		s, err := Connect(nil, "127.0.0.1", portOf(t, l), soon)
		if only {
			assertReason(t, "econnrefused", s, err)
			continue
		}
		made(t, s, err)
	}
}

func cInt(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func TestOption_RawAllAreApplied(t *testing.T) {
	idle := func(n uint32) Option { return Raw(tcpLevel, syscall.TCP_KEEPIDLE, cInt(n)) }
	cnt := Raw(tcpLevel, syscall.TCP_KEEPCNT, cInt(4))
	l := listenWith(t, nil, idle(11), cnt, idle(12), Raw(solSocket, syscall.SO_KEEPALIVE, cInt(1)))
	assert.Equal(t, 12, valueOf(t, l, "keepidle"))
	assert.Equal(t, 4, valueOf(t, l, "keepcnt"))
	assert.Equal(t, true, valueOf(t, l, "keepalive"))
	require.NoError(t, l.SetOpts(idle(13), KeepIdle(14), idle(15)))
	assert.Equal(t, 15, valueOf(t, l, "keepidle"))

	o := idle(5)
	level, opt := o.Native()
	assert.Equal(t, []any{"raw", tcpLevel, syscall.TCP_KEEPIDLE, cInt(5)}, []any{o.Name(), level, opt, o.Value()})
}

// What the kernel refuses is its own reason at creation, and no socket is left.
func TestOption_RefusedByTheKernel(t *testing.T) {
	before := esock.NumberOf()
	for want, opts := range map[string][]Option{
		"einval":      {TTL(300)},
		"enoprotoopt": {Raw(tcpLevel, 9999, cInt(1))},
		"enodev":      {BindToDevice("no-such-device")},
	} {
		s, err := Listen(nil, 0, opts...)
		assertReason(t, want, s, err)
		s, err = Connect(nil, "127.0.0.1", 1, soon, opts...)
		assertReason(t, want, s, err)
	}
	wrong := []Option{KeepCnt(-1), KeepIdle(-1), KeepIntvl(0), TTL(0), Raw(tcpLevel, syscall.TCP_NODELAY, nil)}
	for _, n := range testint.Wide() {
		wrong = append(wrong, Raw(n, 1, nil))
	}
	for _, o := range wrong {
		s, err := Listen(nil, 0, o)
		assertReason(t, "einval", s, err, o)
	}
	assert.Equal(t, before, esock.NumberOf())
}

// An option of the other family is EINVAL, at creation too.
func TestOption_OfTheOtherFamily(t *testing.T) {
	machine.NeedIPv6(t)
	four, six, path := listenWith(t, nil), listenWith(t, nil, Inet6()), opened(t)(Listen(nil, 0, Local()))
	only4 := []Option{TOS(0), TTL(5), RecvTOS(false), RecvTTL(false)}
	only6 := []Option{TClass(0), RecvTClass(false), IPv6V6Only(false)}
	for _, c := range []struct {
		l       *Socket
		family  Option
		foreign []Option
	}{
		{four, Inet(), only6}, {six, Inet6(), only4}, {path, Local(), append(only4, only6...)},
	} {
		for _, o := range c.foreign {
			err := c.l.SetOpts(o)
			assert.Equal(t, "einval", Reason(err), o)
			assert.ErrorContains(t, err, o.Name())
			s, err := Listen(nil, 0, c.family, o)
			assertReason(t, "einval", s, err, o)
			assert.NotErrorIs(t, err, ErrBadArg)
			got, err := c.l.GetOpts("mode", Name(o.Name()), "packet")
			require.NoError(t, err)
			assert.Len(t, got, 2, "%s is left out", o.Name())
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestOptionsFromMap(t *testing.T) {
	machine.NeedIPv6(t)
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(`{
		"active": "once", "packet": 4, "packet_size": 1000, "linger": [true, 5], "inet6": true, "ip": "::1", "port": 7,
		"ifaddr": "[::2]:8", "send_timeout": "infinity", "user_timeout": 1500, "mode": "binary", "list": null,
			"deliver": "port",
		"raw": [[6, 4, "0b000000"], [6, 6, "04000000"]], "nodelay": true, "backlog": 3
	}`), &m))
	opts, err := OptionsFromMap(m)
	require.NoError(t, err)
	var texts []string
	for _, o := range opts {
		texts = append(texts, o.String())
	}
	assert.Equal(t, []string{"inet6", "{ifaddr, [::2]:8}", "{ip, ::1}", "{port, 7}", "list", "{active, once}",
		"{backlog, 3}",
		"{deliver, port}", "{linger, {true, 5}}", "{mode, binary}", "{nodelay, true}", "{packet, 4}", "{packet_size, 1000}",
		"{raw, 6, 4, 0b000000}", "{raw, 6, 6, 04000000}", "{send_timeout, infinity}", "{user_timeout, 1.5s}"}, texts)

	delete(m, "port")
	m["ifaddr"] = "[::1]:0"
	opts, err = OptionsFromMap(m)
	require.NoError(t, err)
	l := opened(t)(Listen(owner(t), 0, opts...))
	assert.Equal(t, ip6, nameOf(t, l).IP())
	assert.Equal(t, Once, valueOf(t, l, "active"))
	assert.Equal(t, packet.Len4, valueOf(t, l, "packet"))
	assert.Equal(t, 11, valueOf(t, l, "keepidle"))
	assert.Equal(t, 4, valueOf(t, l, "keepcnt"))

	for _, v := range []any{nil, []any{}, []any{[]any{}}, []any{[]any{}, 1}} {
		opts, err := OptionsFromMap(map[string]any{"raw": v})
		if list, ok := v.([]any); ok && len(list) == 0 {
			assert.NoError(t, err)
			assert.Empty(t, opts)
			continue
		}
		assert.ErrorIs(t, err, ErrBadArg, "%v", v)
	}
	opts, err = OptionsFromMap(nil)
	require.NoError(t, err)
	assert.Empty(t, opts)
}

func TestOpt_Raw(t *testing.T) {
	o, err := Opt("raw", []any{6.0, uint8(4), []byte{1, 2}})
	require.NoError(t, err)
	assert.Equal(t, Raw(6, 4, []byte{1, 2}), o)
	for _, v := range []any{nil, 5, []any{6, 4}, []any{6, 4, 1}, []any{6, 4, "xyz"}, []any{"tcp", 4, ""},
		[]any{int64(1 << 40), 4, ""},
		[]any{6, int64(-1 << 40), ""}, []any{6, 4, "00", 1}} {
		_, err := Opt("raw", v)
		assert.ErrorIs(t, err, ErrBadArg, "%v", v)
	}
}

func TestOption_String(t *testing.T) {
	for want, o := range map[string]Option{
		"{active, 5}":               ActiveN(5),
		"{active, once}":            ActiveOnce(),
		"binary":                    Binary(),
		"{mode, list}":              Mode(ModeList),
		"{deliver, term}":           Deliver(DeliverTerm),
		"{protocol, mptcp}":         Protocol(ProtocolMPTCP),
		"{ip, loopback}":            IPLoopback(),
		"{ip, 127.0.0.1}":           IP(ip4),
		"{ifaddr, 127.0.0.1:5}":     IfAddr(esock.Inet4Addr(ip4, 5)),
		"{raw, 6, 4, 0102}":         Raw(6, 4, []byte{1, 2}),
		"{packet, 0}":               PacketType(packet.Len0),
		"{packet, raw}":             PacketType(packet.Raw),
		"{tcp_module, inet6_tcp}":   TCPModule(Inet6TCP),
		"{line_delimiter, 59}":      LineDelimiter(';'),
		"{bind_to_device, lo}":      BindToDevice("lo"),
		"{high_msgq_watermark, 1}":  HighMsgqWatermark(1),
		"{user_timeout, 1.5s}":      UserTimeout(1500 * time.Millisecond),
		"{exclusiveaddruse, false}": ExclusiveAddrUse(false),
	} {
		assert.Equal(t, want, o.String())
	}
}
