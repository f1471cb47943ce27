package gentcp

import (
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/ctext"
	"github.com/esock-go/esock/internal/plain"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
)

// A check converts the value that the caller gave to the option's own, or returns why it cannot.
type check func(v any) (value any, cause string)

func checkBool(v any) (any, string) {
	if b, ok := v.(bool); ok {
		return b, ""
	}
	return nil, "it takes a boolean"
}

// checkInt accepts integers of any type, and floats without a fraction, as in JSON.
func checkInt(low, high int64, cause string) check {
	return func(v any) (any, string) {
		if n, ok := plain.Integer(v); ok && n >= low && n <= high {
			return int(n), ""
		}
		return nil, cause
	}
}

var (
	checkSize     = checkInt(0, math.MaxInt32, "it takes a number from 0")
	checkPositive = checkInt(1, math.MaxInt32, "it takes a number from 1")
	checkAnyInt   = checkInt(math.MinInt32, math.MaxInt32, "it takes a number")
)

// checkWord accepts nil, or true from a map, for an option that is a word.
func checkWord(v any) (any, string) {
	if v == nil || v == true {
		return nil, ""
	}
	return nil, "it is a word and takes no value"
}

// checkTime accepts a time.Duration, or milliseconds as a number; infinite: also "infinity" and negative ones.
func checkTime(infinite bool, longest time.Duration) check {
	return func(v any) (any, string) {
		d, ok := v.(time.Duration)
		if !ok {
			n, isInt := plain.Integer(v)
			switch {
			case v == "infinity":
				d, ok = Infinity, true
			case isInt && n >= 0 && n <= math.MaxInt64/int64(time.Millisecond):
				d, ok = time.Duration(n)*time.Millisecond, true
			}
		}
		switch {
		case !ok:
			return nil, "it takes a time, or milliseconds"
		case d < 0 && infinite:
			return Infinity, ""
		case d < 0:
			return nil, "the time is negative"
		case d > longest:
			return nil, "it takes a time up to " + longest.String()
		}
		return d, ""
	}
}

func checkActive(v any) (any, string) {
	switch v {
	case true, false, Once:
		return v, ""
	case string(Once):
		return Once, ""
	}
	if n, ok := plain.Integer(v); ok && n >= math.MinInt16 && n <= math.MaxInt16 {
		return int(n), ""
	}
	return nil, "it takes true, false, once, or a number from -32768 to 32767"
}

func checkMode(v any) (any, string) {
	switch v {
	case ModeList, "list":
		return ModeList, ""
	case ModeBinary, "binary":
		return ModeBinary, ""
	}
	return nil, "it takes list or binary"
}

func checkDeliver(v any) (any, string) {
	switch v {
	case DeliverTerm, "term":
		return DeliverTerm, ""
	case DeliverPort, "port":
		return DeliverPort, ""
	}
	return nil, "it takes term or port"
}

func checkProtocol(v any) (any, string) {
	switch v {
	case ProtocolTCP, "tcp":
		return ProtocolTCP, ""
	case ProtocolMPTCP, "mptcp":
		return ProtocolMPTCP, ""
	}
	return nil, "it takes tcp or mptcp"
}

// packetTypes are the names of the types that sockets have.
var packetTypes = func() string {
	var names []string
	for t := packet.Raw; t <= packet.HTTPHBin; t++ {
		if t != packet.TLS {
			names = append(names, t.String())
		}
	}
	return strings.Join(names, ", ")
}()

func checkPacket(v any) (any, string) {
	t, ok := v.(packet.Type)
	if s, isText := v.(string); isText {
		var err error
		t, err = packet.ParseType(s)
		ok = err == nil
	} else if n, isInt := plain.Integer(v); isInt && !ok {
		t, ok = map[int64]packet.Type{0: packet.Len0, 1: packet.Len1, 2: packet.Len2, 4: packet.Len4}[n]
	}
	switch {
	case !ok || t > packet.HTTPHBin:
		return nil, "it takes a packet type: " + packetTypes
	case t == packet.TLS:
		return nil, "ssl_tls is for the decoder, not for sockets"
	}
	return t, ""
}

// checkPacketSize accepts the numbers of packet.Options. On a 32-bit system the largest int stands for all above it: no
// packet is larger.
func checkPacketSize(v any) (any, string) {
	if n, ok := plain.Integer(v); ok && n >= 0 && n <= math.MaxUint32 {
		return int(min(n, math.MaxInt)), ""
	}
	return nil, "it takes a number from 0 to 2^32 - 1"
}

func checkLinger(v any) (any, string) {
	const cause = "it takes a boolean and seconds"
	var on, seconds any
	switch v := v.(type) {
	case sockopt.Linger:
		whole := v.Time.Truncate(time.Second)
		if on = v.On; v.Time > whole {
			whole += time.Second
		} else if v.Time < 0 {
			return nil, cause
		}
		seconds = int64(whole / time.Second)
	case []any:
		if len(v) != 2 {
			return nil, cause
		}
		on, seconds = v[0], v[1]
	case map[string]any:
		on, seconds = v["onoff"], v["linger"]
	}
	b, ok := on.(bool)
	n, isInt := plain.Integer(seconds)
	if !ok || !isInt || n < 0 || n > math.MaxInt32 {
		return nil, cause
	}
	return sockopt.Linger{On: b, Time: time.Duration(n) * time.Second}, ""
}

func checkText(v any) (any, string) {
	switch v := v.(type) {
	case string:
		if v != "" {
			return v, ctext.Cause(v)
		}
	case []byte:
		return checkText(string(v))
	}
	return nil, "it takes text"
}

// checkDevice accepts the name of an interface, or the empty name, which undoes the option.
func checkDevice(v any) (any, string) {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	if name, ok := v.(string); ok {
		return name, ctext.Cause(name)
	}
	return nil, "it takes the name of an interface"
}

func checkBackend(v any) (any, string) {
	switch v {
	case BackendSocket, "socket":
		return BackendSocket, ""
	case BackendInet, "inet":
		return BackendInet, ""
	}
	return nil, "it takes inet or socket"
}

// checkIP is checkAddr for an address without a port.
func checkIP(v any) (any, string) {
	v, cause := checkAddr(v)
	if a, ok := v.(esock.Addr); ok && cause == "" && a.Port() != 0 {
		return nil, "it has a port; ip takes an address only"
	}
	return v, cause
}

// unfit returns why an address is not valid for a stream, "" if it is.
func unfit(a esock.Addr) string {
	var e *esock.InvalidError
	switch {
	case errors.As(a.Err(), &e):
		return e.Cause
	case wellFormed(a):
		return ""
	}
	return notAddress
}

const notAddress = "it takes an address"

// checkAddr accepts a local address: netip.Addr, netip.AddrPort, esock.Addr, a map or text for one of these, "any",
// "loopback".
func checkAddr(v any) (any, string) {
	var a esock.Addr
	var err error
	switch v := v.(type) {
	case netip.Addr:
		return v, unfit(esock.AddrFrom(netip.AddrPortFrom(v, 0)))
	case netip.AddrPort:
		a = esock.AddrFrom(v)
	case esock.Addr:
		a = v
	case map[string]any:
		a, err = esock.AddrFromMap(v)
	case string:
		switch v {
		case "any":
			return esock.Any, ""
		case "loopback":
			return esock.Loopback, ""
		}
		if ip, err := netip.ParseAddr(v); err == nil {
			return checkAddr(ip)
		}
		a, err = esock.ParseAddr(v)
	default:
		return nil, notAddress
	}
	var e *esock.InvalidError
	if errors.As(err, &e) {
		return nil, notAddress + ": " + e.Cause
	}
	return a, unfit(a)
}

// wellFormed reports whether a is an address of a family that streams have here, or any or loopback.
func wellFormed(a esock.Addr) bool {
	switch a.Family() {
	case esock.Inet, esock.Inet6:
		return a.IP().IsValid()
	case esock.Local:
		return a.Path() != "" || a == esock.UnixAddr("")
	}
	return a == esock.Any || a == esock.Loopback
}

// rawFromPlain makes a raw option from a list [Level, Opt, Bytes]. The bytes may be hex.
func rawFromPlain(v any) (Option, error) {
	const cause = "it takes level, option and bytes"
	l, ok := v.([]any)
	if !ok || len(l) != 3 {
		return Option{}, &badArgument{"raw", v, cause}
	}
	level, ok1 := plain.Integer(l[0])
	opt, ok2 := plain.Integer(l[1])
	b, ok3 := l[2].([]byte)
	if text, isText := l[2].(string); isText {
		var err error
		b, err = hex.DecodeString(text)
		ok3 = err == nil
	}
	if !ok1 || !ok2 || !ok3 || level != int64(int32(level)) || opt != int64(int32(opt)) {
		return Option{}, &badArgument{"raw", v, cause}
	}
	return Raw(int(level), int(opt), b), nil
}
