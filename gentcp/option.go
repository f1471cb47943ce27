package gentcp

import (
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/active"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
)

// Option is an element of an option list. Order matters: options apply from the first to the last, the later of two wins,
// and ip, ifaddr and port combine as their comments say. The functions of this file make options, and so do Opt and
// OptionsFromMap, by name. Listen and Connect check all options before they make a socket (ErrBadArg); SetOpts checks each
// when it sets it (EINVAL).
type Option struct {
	name       string
	value      any
	level, opt int // raw
}

// Name returns OTP's name of the option.
func (o Option) Name() string { return o.name }

// Value returns the value in the type that the option's function takes: a number for ActiveN, a
// sockopt.Linger for Linger, bytes for Raw, nil for options that are a word.
func (o Option) Value() any { return o.value }

// Native returns the level and number of a raw option, 0 for other options.
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
	if l, ok := o.value.(sockopt.Linger); ok {
		return fmt.Sprintf("{linger, {%v, %d}}", l.On, l.Time/time.Second)
	}
	return fmt.Sprintf("{%s, %v}", o.name, o.value)
}

// Name is an option's name for GetOpts: "active", "packet_size", or a result of RawName or RawAsk.
type Name string

// RawName is the name of a native option, of which size bytes are read. OTP: {raw, Level, Opt, Size}.
func RawName(level, opt, size int) Name { return Name(fmt.Sprintf("raw %d %d %d", level, opt, size)) }

// RawAsk is RawName for options with an input: the kernel gets value, and as many bytes are read. OTP: {raw, Level, Opt,
// Bytes}.
func RawAsk(level, opt int, value []byte) Name {
	return Name(fmt.Sprintf("raw %d %d 0x%x", level, opt, value))
}

// raw returns the parts of a name made by RawName or RawAsk; ok is false for other names.
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

// nativeMax limits how many bytes of a native option are read.
const nativeMax = 1 << 20

// Opt makes an option by OTP's name. The value has the type that the option's function takes, or is plain data as in JSON:
// numbers of any type (times in OTP's unit: milliseconds for send_timeout and user_timeout), "infinity", words as text,
// addresses as text; for raw a list [Level, Opt, Bytes]. Words (list, inet6) take nil or true. Errors: ErrBadArg.
func Opt(name string, value any) (Option, error) {
	if name == "raw" {
		return rawFromPlain(value)
	}
	r, cause := find(name, ^use(0))
	if cause != "" {
		return Option{}, &badArgument{"option", named(name), cause}
	}
	v, cause := r.check(value)
	if cause != "" {
		return Option{}, &badArgument{name, value, cause}
	}
	return Option{name: name, value: v}, nil
}

// OptionsFromMap makes options from a map of names to values, such as a configuration; Opt describes the values. The order
// is: inet_backend, family, ifaddr, ip, port, mode words, then by name. So ip and port change a sockaddr in ifaddr. raw takes a list of
// lists. Errors: ErrBadArg.
func OptionsFromMap(m map[string]any) ([]Option, error) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	first := map[string]int{"inet_backend": 0, "inet": 1, "inet6": 1, "local": 1, "ifaddr": 2, "ip": 3, "port": 4, "list": 5, "binary": 5}
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

// Active sets mode true, in which every packet becomes a message, or false, in which packets wait for Recv. The default is
// true for sockets with an owner. OTP: {active, true | false}.
func Active(on bool) Option { return Option{name: "active", value: on} }

// ActiveOnce makes the next packet a message. Then the socket is passive. OTP: {active, once}.
func ActiveOnce() Option { return Option{name: "active", value: Once} }

// ActiveN adds n, which may be negative, to the number of packets that become messages. When it reaches 0, the socket is
// passive and the owner gets a PassiveMsg. The sum must not exceed 32767. OTP: {active, N}.
func ActiveN(n int) Option { return Option{name: "active", value: n} }

// Once is the value of option active in mode once.
const Once = active.Once

// DataMode is the value of option mode.
type DataMode uint8

// The types that OTP delivers data as. In Go, data is bytes in both modes. ModeBinary enables Head.
const (
	ModeList DataMode = iota
	ModeBinary
)

func (m DataMode) String() string { return [...]string{"list", "binary"}[m&1] }

// Mode sets the type that OTP would deliver data as; the default is ModeList. In Go only option header depends on it: it
// needs ModeBinary. OTP: {mode, list | binary}.
func Mode(m DataMode) Option { return Option{name: "mode", value: m} }

// List is Mode(ModeList). OTP: list.
func List() Option { return Option{name: "list"} }

// Binary is Mode(ModeBinary). OTP: binary.
func Binary() Option { return Option{name: "binary"} }

// PacketType sets how the stream is cut into packets, and which header Send adds; the default is packet.Raw. It takes all
// types but packet.TLS. Data that was read already counts as packets of the new type; http begins with a start line again.
// OTP: {packet, Type}.
func PacketType(t packet.Type) Option { return Option{name: "packet", value: t} }

// PacketSize sets the largest packet that is accepted, in bytes without its header; 0: no limit. The default is 64 MiB. A
// larger packet is EMSGSIZE. OTP: {packet_size, N}.
func PacketSize(n int) Option { return Option{name: "packet_size", value: n} }

// LineDelimiter sets the byte that ends a packet of type packet.Line; the default is a newline. OTP: {line_delimiter, Byte}.
func LineDelimiter(b byte) Option { return Option{name: "line_delimiter", value: int(b)} }

// Header sets how many bytes of a packet Packet.Head returns, in ModeBinary. OTP: {header, N}.
func Header(n int) Option { return Option{name: "header", value: n} }

// DeliverAs is the value of option deliver.
type DeliverAs uint8

// The messages that data comes in.
const (
	DeliverTerm DeliverAs = iota // TCPMsg, HTTPMsg
	DeliverPort                  // PortMsg
)

func (d DeliverAs) String() string { return [...]string{"term", "port"}[d&1] }

// Deliver sets which messages data comes in: TCPMsg and HTTPMsg, or PortMsg. OTP: {deliver, term | port}.
func Deliver(d DeliverAs) Option { return Option{name: "deliver", value: d} }

// Buffer limits how many bytes one read takes, and so the size of a raw packet: up to 1 MiB. The default is 8192; 0 stands
// for it. OTP: {buffer, N}.
func Buffer(n int) Option { return Option{name: "buffer", value: n} }

// ReadAhead sets whether a read may take more than the present packet needs; the default is true. With false the rest stays
// in the kernel, and lines are read byte by byte. OTP: {read_ahead, Bool}.
func ReadAhead(on bool) Option { return Option{name: "read_ahead", value: on} }

// ExitOnClose sets whether the peer's end of sending closes the socket; the default is true. With false it can go on sending
// until Close. OTP: {exit_on_close, Bool}.
func ExitOnClose(on bool) Option { return Option{name: "exit_on_close", value: on} }

// ShowEconnreset sets whether a reset by the peer is reported as ECONNRESET, once, instead of ErrClosed. OTP:
// {show_econnreset, Bool}.
func ShowEconnreset(on bool) Option { return Option{name: "show_econnreset", value: on} }

// Infinity is the SendTimeout that never ends a send.
const Infinity = time.Duration(-1)

// SendTimeout limits how long a Send waits; negative: no limit, which is the default. See SendTimeoutError. OTP:
// {send_timeout, Ms}.
func SendTimeout(d time.Duration) Option { return Option{name: "send_timeout", value: d} }

// SendTimeoutClose sets whether a Send that times out closes the socket. Its error is then esock.ErrTimeout. OTP:
// {send_timeout_close, Bool}.
func SendTimeoutClose(on bool) Option { return Option{name: "send_timeout_close", value: on} }

// DelaySend is stored and has no effect, because nothing is queued outside the kernel. OTP: {delay_send, Bool}.
func DelaySend(on bool) Option { return Option{name: "delay_send", value: on} }

// HighWatermark is accepted and has no effect, because Send waits for the kernel and not for a queue. OTP: {high_watermark,
// N}.
func HighWatermark(n int) Option { return Option{name: "high_watermark", value: n} }

// LowWatermark is accepted and has no effect; see HighWatermark. OTP: {low_watermark, N}.
func LowWatermark(n int) Option { return Option{name: "low_watermark", value: n} }

// HighMsgqWatermark is accepted and has no effect; see HighWatermark. OTP: {high_msgq_watermark, N}.
func HighMsgqWatermark(n int) Option { return Option{name: "high_msgq_watermark", value: n} }

// LowMsgqWatermark is accepted and has no effect; see HighWatermark. OTP: {low_msgq_watermark, N}.
func LowMsgqWatermark(n int) Option { return Option{name: "low_msgq_watermark", value: n} }

// ExclusiveAddrUse is accepted and has no effect: it is an option of Windows. OTP: {exclusiveaddruse, Bool}.
func ExclusiveAddrUse(on bool) Option { return Option{name: "exclusiveaddruse", value: on} }

// Debug switches the trace of the esock socket beneath on or off. OTP: {debug, Bool}.
func Debug(on bool) Option { return Option{name: "debug", value: on} }

// DontRoute is SO_DONTROUTE. OTP: {dontroute, Bool}.
func DontRoute(on bool) Option { return Option{name: "dontroute", value: on} }

// Keepalive is SO_KEEPALIVE. OTP: {keepalive, Bool}.
func Keepalive(on bool) Option { return Option{name: "keepalive", value: on} }

// KeepCnt is TCP_KEEPCNT: how many unanswered probes end the connection. OTP: {keepcnt, N}.
func KeepCnt(n int) Option { return Option{name: "keepcnt", value: n} }

// KeepIdle is TCP_KEEPIDLE: seconds without traffic until the first probe. OTP: {keepidle, N}.
func KeepIdle(seconds int) Option { return Option{name: "keepidle", value: seconds} }

// KeepIntvl is TCP_KEEPINTVL: seconds between probes. OTP: {keepintvl, N}.
func KeepIntvl(seconds int) Option { return Option{name: "keepintvl", value: seconds} }

// Linger is SO_LINGER: how many seconds Close waits for unsent data; on with 0, it aborts the connection. OTP:
// {linger, {Bool, Seconds}}.
func Linger(on bool, seconds int) Option {
	t := time.Duration(-1) // refused with the option
	if seconds >= 0 && seconds <= math.MaxInt32 {
		t = time.Duration(seconds) * time.Second
	}
	return Option{name: "linger", value: sockopt.Linger{On: on, Time: t}}
}

// NoDelay is TCP_NODELAY. Local sockets refuse it with ENOTSUP. OTP: {nodelay, Bool}.
func NoDelay(on bool) Option { return Option{name: "nodelay", value: on} }

// NoPush is TCP_CORK: the kernel sends only full segments. OTP: {nopush, Bool}.
func NoPush(on bool) Option { return Option{name: "nopush", value: on} }

// Priority is SO_PRIORITY. OTP: {priority, N}.
func Priority(n int) Option { return Option{name: "priority", value: n} }

// Raw calls setsockopt(2) with any level, option and bytes. A list may have several. OTP: {raw, Level, Opt, Bytes}.
func Raw(level, opt int, value []byte) Option {
	return Option{name: "raw", value: value, level: level, opt: opt}
}

// RecBuf is SO_RCVBUF, in bytes; Linux doubles it. It does not change Buffer. OTP: {recbuf, N}.
func RecBuf(n int) Option { return Option{name: "recbuf", value: n} }

// SndBuf is SO_SNDBUF, in bytes; Linux doubles it. OTP: {sndbuf, N}.
func SndBuf(n int) Option { return Option{name: "sndbuf", value: n} }

// RecvTOS is IP_RECVTOS: option pktoptions includes the type of service. OTP: {recvtos, Bool}.
func RecvTOS(on bool) Option { return Option{name: "recvtos", value: on} }

// RecvTTL is IP_RECVTTL: option pktoptions includes the time to live. OTP: {recvttl, Bool}.
func RecvTTL(on bool) Option { return Option{name: "recvttl", value: on} }

// RecvTClass is IPV6_RECVTCLASS: option pktoptions includes the traffic class. OTP: {recvtclass, Bool}.
func RecvTClass(on bool) Option { return Option{name: "recvtclass", value: on} }

// ReuseAddr is SO_REUSEADDR. OTP: {reuseaddr, Bool}.
func ReuseAddr(on bool) Option { return Option{name: "reuseaddr", value: on} }

// ReusePort is SO_REUSEPORT. OTP: {reuseport, Bool}.
func ReusePort(on bool) Option { return Option{name: "reuseport", value: on} }

// ReusePortLB is SO_REUSEPORT_LB, which on Linux is SO_REUSEPORT. OTP: {reuseport_lb, Bool}.
func ReusePortLB(on bool) Option { return Option{name: "reuseport_lb", value: on} }

// TOS is IP_TOS, 0 to 255, or DSCP of a codepoint. TCP ignores the two low bits and uses them itself. TOSByte has the parts.
// OTP: {tos, N}.
func TOS(n int) Option { return Option{name: "tos", value: n} }

// TTL is IP_TTL, 1 to 255. OTP: {ttl, N}.
func TTL(n int) Option { return Option{name: "ttl", value: n} }

// TClass is IPV6_TCLASS, with the values of TOS. OTP: {tclass, N}.
func TClass(n int) Option { return Option{name: "tclass", value: n} }

// UserTimeout is TCP_USER_TIMEOUT, in whole milliseconds: how long sent data may stay unacknowledged; 0: the system's
// default. OTP: {user_timeout, Ms}.
func UserTimeout(d time.Duration) Option { return Option{name: "user_timeout", value: d} }

// IPv6V6Only is IPV6_V6ONLY. Set it before the socket is bound. OTP: {ipv6_v6only, Bool}.
func IPv6V6Only(on bool) Option { return Option{name: "ipv6_v6only", value: on} }

// Inet selects IPv4, the default. Of several family words the first counts. OTP: inet.
func Inet() Option { return Option{name: "inet"} }

// Inet6 selects IPv6. OTP: inet6.
func Inet6() Option { return Option{name: "inet6"} }

// Local selects local (unix) sockets. A listener without an address gets an abstract one, which SockName returns. OTP:
// local.
func Local() Option { return Option{name: "local"} }

// IP sets the local address. After an IfAddr with a port it changes the address only. OTP: {ip, Address}.
func IP(ip netip.Addr) Option { return Option{name: "ip", value: ip} }

// IPAny is IP with the wildcard address. OTP: {ip, any}.
func IPAny() Option { return Option{name: "ip", value: esock.Any} }

// IPLoopback is IP with the loopback address. OTP: {ip, loopback}.
func IPLoopback() Option { return Option{name: "ip", value: esock.Loopback} }

// IfAddr sets the whole local address: IP address and port, or a path. It overrides IP and Port before it; those after it
// change it. OTP: {ifaddr, SockAddr}.
func IfAddr(a esock.Addr) Option { return Option{name: "ifaddr", value: a} }

// IfIP is IfAddr without a port, which is the same as IP. OTP: {ifaddr, Address}.
func IfIP(ip netip.Addr) Option { return Option{name: "ifaddr", value: ip} }

// Port sets the local port. OTP: {port, N}.
func Port(n int) Option { return Option{name: "port", value: n} }

// FD makes the socket from a descriptor, without duplicating it, instead of opening one. It is bound only if IP, IfAddr or a
// port is given; then it connects or listens. The descriptor is closed with the socket, and when the call fails, except with
// ErrBadArg, EBADF and ENOTSOCK. The options must give the family. OTP: {fd, N}.
func FD(fd int) Option { return Option{name: "fd", value: fd} }

// Backlog sets how many connections of a listener may wait for an accept; the default is 5. Listen only. OTP: {backlog, N}.
func Backlog(n int) Option { return Option{name: "backlog", value: n} }

// NetNS opens the socket in the network namespace of the file. It needs CAP_SYS_ADMIN. OTP: {netns, File}.
func NetNS(path string) Option { return Option{name: "netns", value: path} }

// BindToDevice is SO_BINDTODEVICE: the name of an interface; an empty name undoes it. OTP: {bind_to_device, Name}.
func BindToDevice(name string) Option { return Option{name: "bind_to_device", value: name} }

// TCPProtocol is the value of option protocol.
type TCPProtocol uint8

// The protocols of a stream.
const (
	ProtocolTCP TCPProtocol = iota
	ProtocolMPTCP
)

func (p TCPProtocol) String() string { return [...]string{"tcp", "mptcp"}[p&1] }

// Protocol selects TCP or Multipath TCP (RFC 8684). A kernel without MPTCP returns EPROTONOSUPPORT, one with MPTCP switched
// off ENOPROTOOPT. OTP: {protocol, tcp | mptcp}.
func Protocol(p TCPProtocol) Option { return Option{name: "protocol", value: p} }

// Backend is the value of option inet_backend.
type Backend uint8

// The backends of OTP. Here there is one implementation, which has the contract of BackendSocket.
const (
	BackendSocket Backend = iota
	BackendInet
)

func (b Backend) String() string { return [...]string{"socket", "inet"}[b&1] }

// InetBackend is accepted and has no effect: there is one implementation. It must be the first option. OTP: {inet_backend,
// inet | socket}.
func InetBackend(b Backend) Option { return Option{name: "inet_backend", value: b} }
