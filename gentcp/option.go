package gentcp

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/active"
	"github.com/esock-go/esock/packet"
)

// Option is one element of an option list. Order matters: options are applied from the first to the last, the later
// of two wins, and ip, ifaddr and port combine as their comments say. Options are made by the functions of this file,
// or by name with Opt and OptionsFromMap. They are checked where they are used: by Listen and Connect before there is
// a socket (ErrBadArg), by SetOpts one after the other (EINVAL).
type Option struct {
	name       string
	value      any
	level, opt int // raw
}

// Name is OTP's name of the option.
func (o Option) Name() string { return o.name }

// Value is its value: what the function that makes the option takes, a number for ActiveN, a LingerValue for Linger,
// bytes for Raw, nil for the options that are a word.
func (o Option) Value() any { return o.value }

// Native is the level and number of a raw option, 0 for others.
func (o Option) Native() (level, opt int) { return o.level, o.opt }

func (o Option) String() string {
	switch {
	case o.name == "raw":
		return fmt.Sprintf("{raw, %d, %d, %x}", o.level, o.opt, o.value)
	case o.value == nil:
		return o.name
	case o.name == "send_timeout":
		if d, ok := o.value.(time.Duration); ok && d < 0 {
			return "{send_timeout, infinity}"
		}
	}
	return fmt.Sprintf("{%s, %v}", o.name, o.value)
}

// Name names an option for GetOpts: "active", "packet_size", or what RawName makes.
type Name string

// RawName names a native option of which size bytes are read. OTP: {raw, Level, Opt, Size}.
func RawName(level, opt, size int) Name { return Name(fmt.Sprintf("raw %d %d %d", level, opt, size)) }

// RawAsk is RawName for the options that take a question: what is in value goes to the kernel, and as many bytes are
// read. OTP: {raw, Level, Opt, Bytes}.
func RawAsk(level, opt int, value []byte) Name {
	return Name(fmt.Sprintf("raw %d %d 0x%x", level, opt, value))
}

// raw is what RawName or RawAsk made the name of; false: it is the name of another option, or of none.
func (n Name) raw() (level, opt int, value []byte, ok bool) {
	f := strings.Fields(string(n))
	if len(f) != 4 || f[0] != "raw" {
		return 0, 0, nil, false
	}
	level, err1 := strconv.Atoi(f[1])
	opt, err2 := strconv.Atoi(f[2])
	size, err3 := strconv.Atoi(f[3])
	if digits, isHex := strings.CutPrefix(f[3], "0x"); isHex {
		value, err3 = hex.DecodeString(digits)
	} else if size >= 0 && size <= nativeMax {
		value = make([]byte, size)
	}
	return level, opt, value, err1 == nil && err2 == nil && err3 == nil && value != nil
}

// nativeMax is the most bytes that are read of a native option.
const nativeMax = 1 << 20

// Opt is the option of that name of OTP's. The value may be what the option's function takes, or plain data as JSON
// has it: numbers of any type (times in OTP's unit: milliseconds for send_timeout and user_timeout), "infinity",
// words as text, addresses as text; for raw a list [Level, Opt, Bytes]. Words (list, inet6) take nil or true. Errors:
// ErrBadArg.
func Opt(name string, value any) (Option, error) {
	if name == "raw" {
		return rawFromPlain(value)
	}
	r := rows[name]
	if r == nil {
		return Option{}, &badArgument{"option", name, "there is none of that name"}
	}
	v, cause := r.check(value)
	if cause != "" {
		return Option{}, &badArgument{name, value, cause}
	}
	return Option{name: name, value: v}, nil
}

// OptionsFromMap makes a list of a map from names to values, as in a configuration; see Opt for the values. A map has
// no order, so the list has this one: family, ifaddr, ip, port, mode words, then by name; ip and port therefore
// update a sockaddr in ifaddr. raw takes a list of lists. Errors: ErrBadArg.
func OptionsFromMap(m map[string]any) ([]Option, error) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	first := map[string]int{"inet": 1, "inet6": 1, "local": 1, "ifaddr": 2, "ip": 3, "port": 4, "list": 5, "binary": 5}
	rank := func(name string) int {
		if r, ok := first[name]; ok {
			return r
		}
		return len(first)
	}
	sort.Slice(names, func(i, j int) bool {
		if a, b := rank(names[i]), rank(names[j]); a != b {
			return a < b
		}
		return names[i] < names[j]
	})
	var opts []Option
	for _, name := range names {
		if many, ok := m[name].([]any); ok && name == "raw" {
			if len(many) == 0 {
				continue
			}
			if _, nested := many[0].([]any); nested {
				for _, one := range many {
					o, err := Opt(name, one)
					if err != nil {
						return nil, err
					}
					opts = append(opts, o)
				}
				continue
			}
		}
		o, err := Opt(name, m[name])
		if err != nil {
			return nil, err
		}
		opts = append(opts, o)
	}
	return opts, nil
}

// Active is mode true, every packet becomes a message, or false, packets wait for Recv. The default is true for sockets
// with an owner. OTP: {active, true | false}.
func Active(on bool) Option { return Option{name: "active", value: on} }

// ActiveOnce is the mode in which one packet becomes a message, and then the socket is passive. OTP: {active, once}.
func ActiveOnce() Option { return Option{name: "active", value: Once} }

// ActiveN adds n, which may be negative, to the number of packets that become messages. When it runs out the socket is
// passive and the owner gets a PassiveMsg. The sum must not exceed 32767. OTP: {active, N}.
func ActiveN(n int) Option { return Option{name: "active", value: n} }

// Once is the value of option active in mode once.
const Once = active.Once

// DataMode is the value of option mode.
type DataMode uint8

// What OTP delivers data as. In Go it is bytes in both cases; only whether Head is divided off depends on it.
const (
	ModeList DataMode = iota
	ModeBinary
)

func (m DataMode) String() string { return [...]string{"list", "binary"}[m&1] }

// Mode says what OTP would deliver data as; the default is ModeList. In Go it matters for option header alone, which
// needs ModeBinary. OTP: {mode, list | binary}.
func Mode(m DataMode) Option { return Option{name: "mode", value: m} }

// List is Mode(ModeList). OTP: list.
func List() Option { return Option{name: "list"} }

// Binary is Mode(ModeBinary). OTP: binary.
func Binary() Option { return Option{name: "binary"} }

// PacketType is how the stream is cut into packets, and what Send puts in front of them; the default is packet.Raw.
// All types but packet.TLS. Setting it lets http begin with a start line again, and applies to what was read already.
// OTP: {packet, Type}.
func PacketType(t packet.Type) Option { return Option{name: "packet", value: t} }

// PacketSize is the largest packet that is accepted, in bytes without its header; 0: no limit. The default is 64 MiB.
// A larger one is EMSGSIZE. OTP: {packet_size, N}.
func PacketSize(n int) Option { return Option{name: "packet_size", value: n} }

// LineDelimiter is the byte that ends a packet of type packet.Line; the default is a newline. OTP: {line_delimiter,
// Byte}.
func LineDelimiter(b byte) Option { return Option{name: "line_delimiter", value: int(b)} }

// Header is how many bytes Packet.Head divides off the data, with ModeBinary. OTP: {header, N}.
func Header(n int) Option { return Option{name: "header", value: n} }

// DeliverAs is the value of option deliver.
type DeliverAs uint8

// The shapes of data messages.
const (
	DeliverTerm DeliverAs = iota // TCPMsg, HTTPMsg
	DeliverPort                  // PortMsg
)

func (d DeliverAs) String() string { return [...]string{"term", "port"}[d&1] }

// Deliver is the shape of data messages. OTP: {deliver, term | port}.
func Deliver(d DeliverAs) Option { return Option{name: "deliver", value: d} }

// Buffer is how many bytes one read takes at most, and so one raw packet has: up to 1 MiB. The default is 8192, which 0
// stands for. OTP: {buffer, N}.
func Buffer(n int) Option { return Option{name: "buffer", value: n} }

// ReadAhead says whether a read may take more than the present packet needs; the default is true. Without it the
// kernel keeps what is not needed yet, and lines are read byte by byte. OTP: {read_ahead, Bool}.
func ReadAhead(on bool) Option { return Option{name: "read_ahead", value: on} }

// ExitOnClose says whether the socket is closed when the peer has sent everything; the default is true. With false it
// goes on sending until Close. OTP: {exit_on_close, Bool}.
func ExitOnClose(on bool) Option { return Option{name: "exit_on_close", value: on} }

// ShowEconnreset says whether a connection that the peer reset is reported as ECONNRESET, once, instead of ErrClosed.
// OTP: {show_econnreset, Bool}.
func ShowEconnreset(on bool) Option { return Option{name: "show_econnreset", value: on} }

// Infinity is the SendTimeout that never ends a send.
const Infinity = time.Duration(-1)

// SendTimeout is how long a Send may wait; negative: for ever, which is the default. See SendTimeoutError. OTP:
// {send_timeout, Ms}.
func SendTimeout(d time.Duration) Option { return Option{name: "send_timeout", value: d} }

// SendTimeoutClose says whether a Send that timed out closes the socket, and then is plain esock.ErrTimeout. OTP:
// {send_timeout_close, Bool}.
func SendTimeoutClose(on bool) Option { return Option{name: "send_timeout_close", value: on} }

// DelaySend is kept and can be read; nothing is queued outside the kernel, so there is nothing to delay. OTP:
// {delay_send, Bool}.
func DelaySend(on bool) Option { return Option{name: "delay_send", value: on} }

// HighWatermark is accepted and without effect: Send waits for the kernel, not for a queue of its own. OTP:
// {high_watermark, N}.
func HighWatermark(n int) Option { return Option{name: "high_watermark", value: n} }

// LowWatermark is accepted and without effect; see HighWatermark. OTP: {low_watermark, N}.
func LowWatermark(n int) Option { return Option{name: "low_watermark", value: n} }

// HighMsgqWatermark is accepted and without effect; see HighWatermark. OTP: {high_msgq_watermark, N}.
func HighMsgqWatermark(n int) Option { return Option{name: "high_msgq_watermark", value: n} }

// LowMsgqWatermark is accepted and without effect; see HighWatermark. OTP: {low_msgq_watermark, N}.
func LowMsgqWatermark(n int) Option { return Option{name: "low_msgq_watermark", value: n} }

// ExclusiveAddrUse is accepted and without effect: it is an option of Windows. OTP: {exclusiveaddruse, Bool}.
func ExclusiveAddrUse(on bool) Option { return Option{name: "exclusiveaddruse", value: on} }

// Debug switches the trace of the esock socket on or off. OTP: {debug, Bool}.
func Debug(on bool) Option { return Option{name: "debug", value: on} }

// DontRoute is SO_DONTROUTE. OTP: {dontroute, Bool}.
func DontRoute(on bool) Option { return Option{name: "dontroute", value: on} }

// Keepalive is SO_KEEPALIVE. OTP: {keepalive, Bool}.
func Keepalive(on bool) Option { return Option{name: "keepalive", value: on} }

// KeepCnt is TCP_KEEPCNT: how many probes go unanswered before the connection is given up. OTP: {keepcnt, N}.
func KeepCnt(n int) Option { return Option{name: "keepcnt", value: n} }

// KeepIdle is TCP_KEEPIDLE: seconds without traffic until the first probe. OTP: {keepidle, N}.
func KeepIdle(seconds int) Option { return Option{name: "keepidle", value: seconds} }

// KeepIntvl is TCP_KEEPINTVL: seconds between probes. OTP: {keepintvl, N}.
func KeepIntvl(seconds int) Option { return Option{name: "keepintvl", value: seconds} }

// LingerValue is the value of option linger.
type LingerValue struct {
	On      bool
	Seconds int // 0 with On: Close aborts the connection
}

// Linger is SO_LINGER: how many seconds Close waits for unsent data. OTP: {linger, {Bool, Seconds}}.
func Linger(on bool, seconds int) Option {
	return Option{name: "linger", value: LingerValue{on, seconds}}
}

// NoDelay is TCP_NODELAY. Local sockets refuse it with ENOTSUP. OTP: {nodelay, Bool}.
func NoDelay(on bool) Option { return Option{name: "nodelay", value: on} }

// NoPush is TCP_CORK: only full segments go out. OTP: {nopush, Bool}.
func NoPush(on bool) Option { return Option{name: "nopush", value: on} }

// Priority is SO_PRIORITY. OTP: {priority, N}.
func Priority(n int) Option { return Option{name: "priority", value: n} }

// Raw is setsockopt(2) as it is: any level, any option, any bytes. It may occur several times. OTP: {raw, Level, Opt,
// Bytes}.
func Raw(level, opt int, value []byte) Option {
	return Option{name: "raw", value: value, level: level, opt: opt}
}

// RecBuf is SO_RCVBUF, in bytes; Linux answers double. It does not change Buffer. OTP: {recbuf, N}.
func RecBuf(n int) Option { return Option{name: "recbuf", value: n} }

// SndBuf is SO_SNDBUF, in bytes; Linux answers double. OTP: {sndbuf, N}.
func SndBuf(n int) Option { return Option{name: "sndbuf", value: n} }

// RecvTOS is IP_RECVTOS: the type of service shows in option pktoptions. OTP: {recvtos, Bool}.
func RecvTOS(on bool) Option { return Option{name: "recvtos", value: on} }

// RecvTTL is IP_RECVTTL: the time to live shows in option pktoptions. OTP: {recvttl, Bool}.
func RecvTTL(on bool) Option { return Option{name: "recvttl", value: on} }

// RecvTClass is IPV6_RECVTCLASS: the traffic class shows in option pktoptions. OTP: {recvtclass, Bool}.
func RecvTClass(on bool) Option { return Option{name: "recvtclass", value: on} }

// ReuseAddr is SO_REUSEADDR. OTP: {reuseaddr, Bool}.
func ReuseAddr(on bool) Option { return Option{name: "reuseaddr", value: on} }

// ReusePort is SO_REUSEPORT. OTP: {reuseport, Bool}.
func ReusePort(on bool) Option { return Option{name: "reuseport", value: on} }

// ReusePortLB is SO_REUSEPORT_LB, which on Linux is SO_REUSEPORT. OTP: {reuseport_lb, Bool}.
func ReusePortLB(on bool) Option { return Option{name: "reuseport_lb", value: on} }

// TOS is IP_TOS. TCP keeps the two low bits to itself. OTP: {tos, N}.
func TOS(n int) Option { return Option{name: "tos", value: n} }

// TTL is IP_TTL, 1 to 255. OTP: {ttl, N}.
func TTL(n int) Option { return Option{name: "ttl", value: n} }

// TClass is IPV6_TCLASS. OTP: {tclass, N}.
func TClass(n int) Option { return Option{name: "tclass", value: n} }

// UserTimeout is TCP_USER_TIMEOUT, in whole milliseconds: how long sent data may stay unacknowledged. 0: as the
// system has it. OTP: {user_timeout, Ms}.
func UserTimeout(d time.Duration) Option { return Option{name: "user_timeout", value: d} }

// IPv6V6Only is IPV6_V6ONLY. It has to be set before the socket is bound. OTP: {ipv6_v6only, Bool}.
func IPv6V6Only(on bool) Option { return Option{name: "ipv6_v6only", value: on} }

// Inet makes the socket for IPv4, the default. Of several family words the first counts. OTP: inet.
func Inet() Option { return Option{name: "inet"} }

// Inet6 makes the socket for IPv6. OTP: inet6.
func Inet6() Option { return Option{name: "inet6"} }

// Local makes the socket for local (unix) addresses. A listener without an address gets an abstract one, which SockName
// tells. OTP: local.
func Local() Option { return Option{name: "local"} }

// IP is the local address; after an IfAddr with a port it updates only the address. OTP: {ip, Address}.
func IP(ip netip.Addr) Option { return Option{name: "ip", value: ip} }

// IPAny is IP with the address that stands for all of the host. OTP: {ip, any}.
func IPAny() Option { return Option{name: "ip", value: esock.Any} }

// IPLoopback is IP with the address of the host to itself. OTP: {ip, loopback}.
func IPLoopback() Option { return Option{name: "ip", value: esock.Loopback} }

// IfAddr is the local address as a whole, with its port, or a path: it takes precedence over IP and Port before it,
// those after it update it. An address without a port (IfIP) is the same as IP. OTP: {ifaddr, SockAddr}.
func IfAddr(a esock.Addr) Option { return Option{name: "ifaddr", value: a} }

// IfIP is IfAddr with an address alone. OTP: {ifaddr, Address}.
func IfIP(ip netip.Addr) Option { return Option{name: "ifaddr", value: ip} }

// Port is the local port. OTP: {port, N}.
func Port(n int) Option { return Option{name: "port", value: n} }

// FD makes the socket of a descriptor, itself and not a duplicate, instead of opening one. It is bound only if IP,
// IfAddr or a port is given, and then connected or listened on. It is closed with the socket, and when the call
// fails, except with ErrBadArg, EBADF and ENOTSOCK. The family is still what the options say. OTP: {fd, N}.
func FD(fd int) Option { return Option{name: "fd", value: fd} }

// Backlog is how many connections a listener keeps until they are accepted; the default is 5. Listen only. OTP:
// {backlog, N}.
func Backlog(n int) Option { return Option{name: "backlog", value: n} }

// NetNS opens the socket in the network namespace that the file names. It needs CAP_SYS_ADMIN. OTP: {netns, File}.
func NetNS(path string) Option { return Option{name: "netns", value: path} }

// BindToDevice is SO_BINDTODEVICE: the name of an interface; none undoes it. OTP: {bind_to_device, Name}.
func BindToDevice(name string) Option { return Option{name: "bind_to_device", value: name} }

// TCPProtocol is the value of option protocol.
type TCPProtocol uint8

// The protocols of a stream.
const (
	ProtocolTCP TCPProtocol = iota
	ProtocolMPTCP
)

func (p TCPProtocol) String() string { return [...]string{"tcp", "mptcp"}[p&1] }

// Protocol is TCP or Multipath TCP (RFC 8684). A kernel without the latter answers EPROTONOSUPPORT, one where it is
// switched off ENOPROTOOPT. OTP: {protocol, tcp | mptcp}.
func Protocol(p TCPProtocol) Option { return Option{name: "protocol", value: p} }

// TCPModule is accepted for its meaning as a family word: "inet_tcp", "inet6_tcp", "local_tcp". OTP: {tcp_module,
// Module}.
func TCPModule(name string) Option { return Option{name: "tcp_module", value: name} }
