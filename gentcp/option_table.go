package gentcp

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
)

// A row is one option. An option of this layer has set and get; an option of the kernel has setSocket and getSocket. One
// with neither is accepted and not stored.
type row struct {
	name      string
	check     check
	use       use
	set       func(o *settings, v any)
	get       func(o *settings) any
	setSocket func(s *esock.Socket, v any) error
	getSocket func(s *esock.Socket) (any, error)
	only      esock.Domain // the family it belongs to; 0: all
	sends     bool         // it does not affect what is received
}

// use has a bit for each call that takes the option.
type use uint8

const (
	atListen  use = 1 << iota
	atConnect     // and FDOpen
	inSetOpts     // takes effect on a living socket
	ignored       // SetOpts accepts it and does nothing
	inGetOpts     // GetOpts knows the name

	anywhere = atListen | atConnect | inSetOpts | inGetOpts
	creating = atListen | atConnect
)

func bool1(o sockopt.Option[bool]) (func(*esock.Socket, any) error, func(*esock.Socket) (any, error)) {
	return func(s *esock.Socket, v any) error { return o.Set(s, v.(bool)) },
		func(s *esock.Socket) (any, error) { return o.Get(s) }
}

func int1(o sockopt.Option[int]) (func(*esock.Socket, any) error, func(*esock.Socket) (any, error)) {
	return func(s *esock.Socket, v any) error { return o.Set(s, v.(int)) },
		func(s *esock.Socket) (any, error) { return o.Get(s) }
}

func seconds1(o sockopt.Option[time.Duration]) (func(*esock.Socket, any) error, func(*esock.Socket) (any, error)) {
	return func(s *esock.Socket, v any) error { return o.Set(s, time.Duration(v.(int))*time.Second) },
		func(s *esock.Socket) (any, error) {
			d, err := o.Get(s)
			return int(d / time.Second), err
		}
}

// system makes the row of a kernel option.
func system[T any](name string, c check, only esock.Domain, o sockopt.Option[T],
	access func(sockopt.Option[T]) (func(*esock.Socket, any) error, func(*esock.Socket) (any, error))) row {
	set, get := access(o)
	return row{name: name, check: c, use: anywhere, setSocket: set, getSocket: get, only: only}
}

// layer makes the row of an option of this layer.
func layer[T any](name string, c check, field func(*settings) *T) row {
	return row{name: name, check: c, use: anywhere,
		set: func(o *settings, v any) { *field(o) = v.(T) },
		get: func(o *settings) any { return *field(o) }}
}

// sending is layer for an option that does not affect what is received.
func sending[T any](name string, c check, field func(*settings) *T) row {
	r := layer(name, c, field)
	r.sends = true
	return r
}

// without makes the row of an option that has no effect, and that GetOpts omits.
func without(name string, c check) row { return row{name: name, check: c, use: anywhere} }

// optionTable has all options in alphabetical order, except raw.
var optionTable = []row{
	{name: "active", check: checkActive, use: anywhere}, // active.go
	{name: "backlog", check: checkSize, use: atListen | ignored},
	{name: "binary", check: checkWord, use: creating | inSetOpts, set: func(o *settings, _ any) { o.mode = ModeBinary }},
	{name: "bind_to_device", check: checkDevice, use: anywhere,
		setSocket: func(s *esock.Socket, v any) error { return sockopt.SocketBindToDevice.Set(s, v.(string)) },
		getSocket: func(s *esock.Socket) (any, error) { return sockopt.SocketBindToDevice.Get(s) }},
	{name: "buffer", check: checkInt(0, 1<<30, "it takes a size"), use: anywhere,
		set: func(o *settings, v any) { o.buffer = cmp.Or(v.(int), defaultBuffer) },
		get: func(o *settings) any { return o.buffer }},
	{name: "debug", check: checkBool, use: anywhere,
		setSocket: func(s *esock.Socket, v any) error { return sockopt.Set(s, "otp", "debug", v) },
		getSocket: func(s *esock.Socket) (any, error) { return sockopt.Get(s, "otp", "debug") }},
	sending("delay_send", checkBool, func(o *settings) *bool { return &o.delaySend }),
	layer("deliver", checkDeliver, func(o *settings) *DeliverAs { return &o.deliver }),
	system("dontroute", checkBool, 0, sockopt.SocketDontRoute, bool1),
	without("exclusiveaddruse", checkBool),
	layer("exit_on_close", checkBool, func(o *settings) *bool { return &o.exitOnClose }),
	{name: "fd", check: checkSize, use: creating},
	layer("header", checkSize, func(o *settings) *int { return &o.header }),
	without("high_msgq_watermark", checkPositive),
	without("high_watermark", checkSize),
	{name: "ifaddr", check: checkAddr, use: creating},
	{name: "inet", check: checkWord, use: creating | ignored},
	{name: "inet6", check: checkWord, use: creating | ignored},
	{name: "inet_backend", check: checkBackend, use: creating},
	{name: "ip", check: checkIP, use: creating | ignored},
	system("ipv6_v6only", checkBool, esock.Inet6, sockopt.IPv6V6Only, bool1),
	system("keepalive", checkBool, 0, sockopt.SocketKeepAlive, bool1),
	system("keepcnt", checkAnyInt, 0, sockopt.TCPKeepCnt, int1),
	system("keepidle", checkAnyInt, 0, sockopt.TCPKeepIdle, seconds1),
	system("keepintvl", checkAnyInt, 0, sockopt.TCPKeepIntvl, seconds1),
	{name: "line_delimiter", check: checkInt(0, 255, "it takes a byte"), use: anywhere,
		set: func(o *settings, v any) { o.delimiter = packet.DelimiterOf(byte(v.(int))) },
		get: func(o *settings) any { return int(o.delimiter.Byte()) }},
	{name: "linger", check: checkLinger, use: anywhere, setSocket: setLinger, getSocket: getLinger},
	{name: "list", check: checkWord, use: creating | inSetOpts, set: func(o *settings, _ any) { o.mode = ModeList }},
	{name: "local", check: checkWord, use: creating | ignored},
	without("low_msgq_watermark", checkPositive),
	without("low_watermark", checkSize),
	layer("mode", checkMode, func(o *settings) *DataMode { return &o.mode }),
	{name: "netns", check: checkText, use: creating},
	{name: "nodelay", check: checkBool, use: anywhere, setSocket: setNoDelay,
		getSocket: func(s *esock.Socket) (any, error) { return sockopt.TCPNoDelay.Get(s) }},
	system("nopush", checkBool, 0, sockopt.TCPCork, bool1),
	layer("packet", checkPacket, func(o *settings) *packet.Type { return &o.typ }),
	layer("packet_size", checkPacketSize, func(o *settings) *int { return &o.packetSize }),
	{name: "pktoptions", check: readOnly, use: inGetOpts, getSocket: pktOptions},
	{name: "port", check: checkInt(0, 65535, "it takes a port number"), use: creating},
	system("priority", checkSize, 0, sockopt.SocketPriority, int1),
	{name: "protocol", check: checkProtocol, use: creating},
	layer("read_ahead", checkBool, func(o *settings) *bool { return &o.readAhead }),
	system("recbuf", checkSize, 0, sockopt.SocketRcvBuf, int1),
	system("recvtclass", checkBool, esock.Inet6, sockopt.IPv6RecvTClass, bool1),
	system("recvtos", checkBool, esock.Inet, sockopt.IPRecvTOS, bool1),
	system("recvttl", checkBool, esock.Inet, sockopt.IPRecvTTL, bool1),
	system("reuseaddr", checkBool, 0, sockopt.SocketReuseAddr, bool1),
	system("reuseport", checkBool, 0, sockopt.SocketReusePort, bool1),
	system("reuseport_lb", checkBool, 0, sockopt.SocketReusePort, bool1),
	sending("send_timeout", checkTime(true, math.MaxInt64), func(o *settings) *time.Duration { return &o.sendTimeout }),
	sending("send_timeout_close", checkBool, func(o *settings) *bool { return &o.sendTimeoutClose }),
	layer("show_econnreset", checkBool, func(o *settings) *bool { return &o.showReset }),
	system("sndbuf", checkSize, 0, sockopt.SocketSndBuf, int1),
	system("tclass", checkTOS, esock.Inet6, sockopt.IPv6TClass, int1),
	{name: "tcp_module", check: checkModule, use: creating | ignored},
	system("tos", checkTOS, esock.Inet, sockopt.IPTOS, int1),
	system("ttl", checkSize, esock.Inet, sockopt.IPTTL, int1),
	{name: "user_timeout", check: checkTime(false, math.MaxInt32*time.Millisecond), use: anywhere,
		setSocket: func(s *esock.Socket, v any) error { return sockopt.TCPUserTimeout.Set(s, v.(time.Duration)) },
		getSocket: func(s *esock.Socket) (any, error) { return sockopt.TCPUserTimeout.Get(s) }},
}

var rows = func() map[string]*row {
	m := make(map[string]*row, len(optionTable))
	for i := range optionTable {
		m[optionTable[i].name] = &optionTable[i]
	}
	return m
}()

// find returns the row of an option that a call takes. Otherwise cause says why it does not take it.
func find(name string, where use) (r *row, cause string) {
	r = rows[name]
	switch {
	case name == "":
		return nil, "it has no name: a zero Option"
	case r == nil:
		return nil, "there is no such option"
	case r.use&where != 0:
		return r, ""
	case r.use == inGetOpts:
		return nil, "it can only be read"
	case where == inGetOpts:
		return nil, "it cannot be read"
	case where&inSetOpts != 0:
		return nil, "it can only be given when the socket is made"
	}
	return nil, "it is for Listen only" // where is atConnect
}

func readOnly(any) (any, string) { return nil, "it can only be read" }

// suits reports whether sockets of this family have the option.
func (r *row) suits(s *esock.Socket) bool { return r.only == 0 || r.only == s.Domain() }

func setLinger(s *esock.Socket, v any) error {
	return sockopt.SocketLinger.Set(s, v.(sockopt.Linger))
}

func getLinger(s *esock.Socket) (any, error) {
	return sockopt.SocketLinger.Get(s)
}

// setNoDelay fails for a local socket, which has no such option: ENOTSUP.
func setNoDelay(s *esock.Socket, v any) error {
	if s.Domain() == esock.Local {
		return fmt.Errorf("%w: nodelay is an option of TCP, and the socket is local", syscall.ENOTSUP)
	}
	return sockopt.TCPNoDelay.Set(s, v.(bool))
}

// PktOption is one value of option pktoptions: "tos", "ttl" or "tclass".
type PktOption struct {
	Name  string
	Value int
}

// pktOptions reads the control messages of the last segment: IP_PKTOPTIONS, or IPV6_2292PKTOPTIONS.
func pktOptions(s *esock.Socket) (any, error) {
	opt := sockopt.IPPktOptions
	switch s.Domain() {
	case esock.Inet:
	case esock.Inet6:
		opt = sockopt.IPv6PktOptions
	default:
		return nil, syscall.ENOPROTOOPT
	}
	all, err := opt.Get(s)
	if err != nil {
		return nil, err
	}
	found := []PktOption{}
	for _, c := range all {
		if v, ok := c.TOS(); ok {
			found = append(found, PktOption{"tos", v})
		} else if v, ok := c.TTL(); ok {
			found = append(found, PktOption{"ttl", v})
		} else if v, ok := c.TClass(); ok {
			found = append(found, PktOption{"tclass", v})
		}
	}
	return found, nil
}

// lacks reports whether the kernel's error means that the socket has no such option.
func lacks(err error) bool {
	return errors.Is(err, syscall.ENOPROTOOPT) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EINVAL)
}
