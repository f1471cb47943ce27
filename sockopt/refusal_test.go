package sockopt

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/esock-go/esock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func udpSocket(t *testing.T) *esock.Socket {
	t.Helper()
	s, err := KindUDP4.Open()
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// What the kernel refuses is named as well as what the package refuses: the option, and a value that is short.
func TestWhatTheKernelRefusesIsNamed(t *testing.T) {
	s := udpSocket(t)
	err := Set(s, "ip", "ttl", 300)
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.Equal(t, "esock: setopt on "+s.String()+": invalid argument: ip.ttl 300", err.Error(), "nothing more is known")
	assert.Equal(t, err.Error(), IPTTL.Set(s, 300).Error())
	batch := []Setting{{Level: "ip", Name: "ttl", Value: 300}}
	require.NoError(t, SetAll(s, batch))
	assert.Equal(t, err.Error(), batch[0].Err.Error())
	_, err = Get(s, "ip", "mtu")
	assert.ErrorIs(t, err, syscall.ENOTCONN)
	assert.ErrorContains(t, err, "ip.mtu")

	// Structures may hold keys.
	for _, value := range []any{[]byte("secret"), "secret", map[string]any{"key": "secret"}, Linger{}, nil} {
		err = optionResult(s, setopt, findOption("socket", "linger"), value, -int(syscall.EDOM))
		assert.Equal(t, "esock: setopt on "+s.String()+": numerical argument out of domain: socket.linger", err.Error())
	}
}

// A refusal says which state or value the option's row asks for, and only where that may be the reason.
func TestARefusalSaysWhatTheOptionNeeds(t *testing.T) {
	s := udpSocket(t)
	group := IPMreq{MultiAddr: netip.MustParseAddr("224.0.0.99"), Interface: netip.MustParseAddr("127.0.0.1")}
	err := IPDropMembership.Set(s, group)
	assert.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
	assert.ErrorContains(t, err, "ip.drop_membership: the group must have been joined")
	tcp, err := KindTCP4.Open()
	require.NoError(t, err)
	defer tcp.Close()
	err = optionResult(tcp, setopt, TLSTX.row, TLSCryptoInfo{}, -int(syscall.ENOPROTOOPT))
	assert.ErrorContains(t, err, "(it is in Linux since 4.13); the connection must have the ulp tls")
	for row, o := range optionRows {
		condition, has := strings.CutPrefix(o.Sample, "!")
		if !has {
			continue
		}
		assert.NotEmpty(t, condition, o.Level+"."+o.Name)
		kind := o.Kinds & -o.Kinds
		for errno, says := range map[syscall.Errno]bool{syscall.EINVAL: true, syscall.ENOPROTOOPT: true, syscall.EPERM: false, syscall.EBUSY: false} {
			assert.Equal(t, says, optionRows[row].conditionFor(kind, errno) == condition, "%s.%s: %v", o.Level, o.Name, errno)
		}
		assert.Equal(t, o.Kinds.Has(KindPacket), o.conditionFor(KindPacket, syscall.EINVAL) != "", "not of another kind of socket")
	}
}

// A connection that fell back to TCP answers as if the kernel had no MPTCP.
func TestWhatMPTCPAndSCTPRefuseIsExplained(t *testing.T) {
	never := func() bool { return false }
	info, reset := MPTCPInfo.Info(), SCTPResetStreams.Info()
	assert.Equal(t, "is not known to this kernel (it is in Linux since 5.16), or the connection has fallen back to TCP",
		explainOption(&info, KindMPTCP, syscall.EOPNOTSUPP, never))
	assert.Contains(t, explainOption(&info, KindTCP4, syscall.EOPNOTSUPP, never), "is for sockets of kind mptcp")
	assert.Contains(t, explainOption(&reset, KindSCTP, syscall.EINVAL, never), "needs an association that the socket has")
}

func TestAnOptionPrintsItsNames(t *testing.T) {
	assert.Equal(t, "tcp.nodelay", TCPNoDelay.String())
	assert.Equal(t, "vsock.buffer_size sctp.initmsg", fmt.Sprint(VSockBufferSize, " ", SCTPInitMsg))
	assert.Empty(t, Option[bool]{}.String())
}

// A key is in no error, neither as bytes nor as text: no option whose value is bytes or a structure shows it.
func TestNoErrorShowsAKey(t *testing.T) {
	s := udpSocket(t)
	long := "secret" + strings.Repeat("x", 1<<20)
	for o := range All() {
		if o.codec != codecBytes && o.codec != codecStruct || !o.CanSet {
			continue
		}
		batch := []Setting{{Level: o.Level, Name: o.Name, Value: "secret"}, {Level: o.Level, Name: o.Name, Value: long}}
		require.NoError(t, SetAll(s, batch))
		for _, err := range []error{batch[0].Err, batch[1].Err, Set(s, o.Level, o.Name, "secret"), Set(s, o.Level, o.Name, long),
			optionResult(s, setopt, findOption(o.Level, o.Name), "secret", -int(syscall.EDOM))} {
			if err != nil {
				assert.NotContains(t, fmt.Sprintf("%.500v", err), "secret", "%s.%s", o.Level, o.Name)
			}
		}
	}
}

// What the package refuses is named in the same form, whichever way it is set.
func TestWhatThePackageRefusesIsNamed(t *testing.T) {
	s := udpSocket(t)
	for _, c := range []struct {
		level, name string
		value       any
		says        string
	}{
		{"ip", "recvttl", "yes", `ip.recvttl "yes": not a boolean`},
		{"ip", "ttl", int64(1 << 40), "ip.ttl 1099511627776: out of range"},
		{"socket", "linger", map[string]any{"onoff": "secret"}, "socket.linger: missing keys: linger"},
		{"ip", "ttl", nil, "ip.ttl: not an integer"},
	} {
		err := Set(s, c.level, c.name, c.value)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
		assert.EqualError(t, err, "esock: setopt on "+s.String()+": invalid socket_option "+c.says)
		batch := []Setting{{Level: c.level, Name: c.name, Value: c.value}}
		require.NoError(t, SetAll(s, batch))
		assert.EqualError(t, batch[0].Err, err.Error())
	}
	assert.ErrorContains(t, TCPCongestion.Set(s, "a\x00b"), `invalid socket_option tcp.congestion "a\x00b": `)
}

// A level that does not exist is what the error is about, and a name tells the level that it belongs to.
func TestAnUnknownLevelIsNamedAsSuch(t *testing.T) {
	s := udpSocket(t)
	for _, c := range []struct{ level, name, says string }{
		{"tcpp", "nodelay", "invalid socket_option tcpp.nodelay: no level of that name has options by name; nodelay is an option of level tcp, sctp"},
		{"tcpp", "x", "no level of that name has options by name; the levels are otp, socket, ip, "},
		{"", "spin", "no level of that name has options by name; spin is an option of level otp"},
		{"socket", "nodelay", "not a known option; nodelay is an option of level tcp, sctp"},
		{"otp", "nodelay", "not a known option; nodelay is an option of level tcp, sctp"},
		{"tcp", "x", "invalid socket_option tcp.x: not a known option"},
		{"socket", "setfib", "not on Linux: it is for FreeBSD"},
	} {
		assert.ErrorContains(t, Set(s, c.level, c.name, 1), c.says)
		_, err := Get(s, c.level, c.name)
		assert.ErrorContains(t, err, c.says)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
	}
}

// An option that can be read is known to the kernel, whatever it answers to setting it.
func TestARefusalDoesNotSayThatWhatReadsIsUnknown(t *testing.T) {
	s := udpSocket(t)
	for _, c := range []struct {
		name  string
		cause string
	}{
		{"rcvbuf", "socket.rcvbuf cannot be set here, only read"},         // it reads
		{"prefer_busy_poll", "socket.prefer_busy_poll"},                   // whether it reads depends on the kernel
		{"sndbufforce", "socket.sndbufforce is not known to this kernel"}, // nobody can read it
	} {
		err := optionResult(s, setopt, findOption("socket", c.name), 1, -int(syscall.ENOPROTOOPT))
		assert.ErrorIs(t, err, syscall.ENOPROTOOPT)
		assert.ErrorContains(t, err, c.cause)
	}
	raw, err := KindRaw4.Open()
	if err != nil {
		t.Skip("no raw sockets: ", err)
	}
	defer raw.Close()
	err = optionResult(raw, setopt, findOption("tcp", "nodelay"), true, -int(syscall.ENOPROTOOPT))
	assert.ErrorContains(t, err, "is for sockets of kind", "the kind says more")
}

// Linux has no code to set these two, in no version.
func TestOptionsThatLinuxOnlyReads(t *testing.T) {
	s := udpSocket(t)
	n, err := SocketSndLowat.Get(s)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	for _, o := range []struct{ level, name string }{{"socket", "sndlowat"}, {"ip", "protocol"}} {
		row := findOption(o.level, o.name)
		assert.True(t, optionRows[row].CanGet)
		assert.False(t, optionRows[row].CanSet)
		err := Set(s, o.level, o.name, 1)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
		assert.ErrorContains(t, err, "can only be read")
		assert.ErrorIs(t, s.SetOptionNative(optionRows[row].LevelNumber, optionRows[row].Number, 1), syscall.ENOPROTOOPT)
	}
}

func TestANumberThatIsTooLargeIsOutOfRange(t *testing.T) {
	s := udpSocket(t)
	for _, v := range []any{uint64(math.MaxUint64), int64(1) << 40, 1e30} {
		assert.ErrorContains(t, Set(s, "socket", "rcvbuf", v), "out of range", "%T", v)
		assert.ErrorContains(t, Set(s, "socket", "linger", map[string]any{"onoff": true, "linger": v}), "linger: out of range")
		assert.ErrorContains(t, Set(s, "ip", "add_membership", map[string]any{"multiaddr": "224.1.1.1", "interface": "127.0.0.1",
			"ifindex": v}), "ifindex: out of range")
		_, err := esock.ControlMessageFromMap(map[string]any{"level": "ip", "type": "ttl", "value": uint64(math.MaxUint64)})
		assert.ErrorContains(t, err, "out of range")
	}
	assert.ErrorContains(t, Set(s, "socket", "rcvbuf", 1.5), "not an integer")
}

// Errors of level otp name operation and socket in a batch, too.
func TestOTPErrorsOfABatch(t *testing.T) {
	s := udpSocket(t)
	batch := []Setting{{Level: "otp", Name: "domain", Value: 1}, {Level: "otp", Name: "nope", Value: 1}, {Level: "nope", Name: "x"}}
	check := func(op string, some []Setting) {
		for _, o := range some {
			var e *esock.Error
			require.ErrorAs(t, o.Err, &e, "%s.%s", o.Level, o.Name)
			assert.Equal(t, op, e.Op)
			assert.Same(t, s, e.Socket)
			assert.ErrorIs(t, o.Err, &esock.InvalidError{What: "socket_option"})
		}
	}
	require.NoError(t, SetAll(s, batch))
	check("setopt", batch)
	require.NoError(t, GetAll(s, batch))
	check("getopt", batch[1:])
	assert.NoError(t, batch[0].Err)
}

// No owner is nil, and no *Mailbox that is nil.
func TestNoOwnerIsNil(t *testing.T) {
	s := udpSocket(t)
	v, err := Get(s, "otp", "controlling_process")
	require.NoError(t, err)
	assert.True(t, v == nil)
	assert.ErrorIs(t, Set(s, "otp", "controlling_process", nil), &esock.InvalidError{What: "socket_option"})
	assert.ErrorIs(t, Set(s, "otp", "spin", 5), &esock.InvalidError{What: "socket_option"})
	mb := esock.NewMailbox()
	defer mb.Close()
	require.NoError(t, Set(s, "otp", "controlling_process", mb))
	v, err = Get(s, "otp", "controlling_process")
	require.NoError(t, err)
	assert.Same(t, mb, v)
}
