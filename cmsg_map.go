package esock

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"
)

// Control message types by OTP's names, for each level.
var cmsgTypeNames = map[int][]namedNumber{
	solSocket: {{scmTimestamp, "timestamp"}, {scmRights, "rights"}, {scmCredentials, "credentials"},
		{scmPidFD, "pidfd"}},
	solIP: {{ipTOS, "tos"}, {ipTTL, "ttl"}, {ipPktInfo, "pktinfo"}, {ipRecvErr, "recverr"}, {12, "recvttl"}, {13, "recvtos"},
		{20, "origdstaddr"}},
	solIPv6: {{ipv6PktInfo, "pktinfo"}, {ipv6HopLimit, "hoplimit"}, {ipv6TClass, "tclass"}, {66, "recvtclass"},
		{ipv6RecvErr, "recverr"}},
}

// Map is the control message with OTP's keys: level and type (names, or numbers without one), data (a copy of
// the bytes) and, if its kind is known, value:
//
//	ttl, tos, hoplimit, tclass   an integer
//	timestamp                    {sec, usec}
//	credentials                  {pid, uid, gid}
//	ip pktinfo                   {ifindex, spec_dst, addr}
//	ipv6 pktinfo                 {ifindex, addr}
//	recverr                      {error, origin, type, code, info, data, offender}: see ExtendedError.Map
func (c ControlMessage) Map() map[string]any {
	m := map[string]any{
		"level": plainName(levelNames, c.Level),
		"type":  plainName(cmsgTypeNames[c.Level], c.Type),
	}
	if c.Data != nil {
		m["data"] = slices.Clone(c.Data)
	}
	if v := c.plainValue(); v != nil {
		m["value"] = v
	}
	return m
}

func (c *ControlMessage) plainValue() any {
	switch c.rec.kind {
	case cmsgInt:
		return int(*cmsgIntValue(&c.rec))
	case cmsgTime:
		v := cmsgTimeOf(&c.rec)
		return map[string]any{"sec": int(v.sec), "usec": int(v.nsec / 1000)}
	case cmsgCredentials:
		v, _ := c.Credentials()
		return map[string]any{"pid": v.PID, "uid": int(v.UID), "gid": int(v.GID)}
	case cmsgPktInfo4:
		v, _ := c.PktInfo4()
		return map[string]any{"ifindex": v.IfIndex, "spec_dst": v.SpecDst.String(), "addr": v.Addr.String()}
	case cmsgPktInfo6:
		v, _ := c.PktInfo6()
		return map[string]any{"ifindex": v.IfIndex, "addr": v.Addr.String()}
	case cmsgRecvErr:
		v, _ := c.ExtendedError()
		return v.Map()
	}
	return nil
}

// ControlMessageFromMap makes a control message to send of a map with the keys level, type, and exactly one of data
// (bytes; an integer or a boolean means a C int) and value (as in Map; tos also by name). What is missing, unknown
// or cannot be encoded is refused by name: an *InvalidError "msg", or "protocol" for an unknown level.
func ControlMessageFromMap(m map[string]any) (ControlMessage, error) {
	bad := func(cause string) (ControlMessage, error) {
		return ControlMessage{}, &InvalidError{What: "msg", Value: m, Cause: "ctrl: " + cause}
	}
	r := mapReader{m: m}
	l, ok := r.get("level")
	if !ok {
		return bad("the key level is missing")
	}
	level, err := nameFromAny("protocol", levelNames, l)
	if err != nil {
		return ControlMessage{}, err
	}
	t, ok := r.get("type")
	if !ok {
		return bad("the key type is missing")
	}
	typ, err := nameFromAny("msg", cmsgTypeNames[level], t)
	if err != nil {
		return bad(fmt.Sprintf("%v is not a type of level %v", t, l))
	}
	data, hasData := r.get("data")
	value, hasValue := r.get("value")
	if cause := r.finish(); cause != "" {
		return bad(cause)
	}
	if hasData == hasValue {
		return bad("exactly one of data and value is needed")
	}
	if hasData {
		b, ok := nativeBytes(data)
		if !ok {
			return bad("data is neither bytes, an integer that fits a C int, nor a boolean")
		}
		return ControlMessage{Level: level, Type: typ, Data: b}, nil
	}
	c, cause := controlFromValue(level, typ, value)
	if cause != "" {
		return bad(cause)
	}
	return c, nil
}

func controlFromValue(level, typ int, value any) (c ControlMessage, cause string) {
	scalar := level == solIP && (typ == ipTTL || typ == ipTOS) ||
		level == solIPv6 && (typ == ipv6HopLimit || typ == ipv6TClass)
	if scalar {
		n, ok := integer(value)
		if s, isText := value.(string); isText && level == solIP && typ == ipTOS {
			var t int
			t, ok = numberOf(tosNames, s)
			n = int64(t)
		}
		if !ok || !fitsCInt(n) {
			return c, "value is not an integer that fits a C int"
		}
		return intControl(level, typ, int(n)), ""
	}
	v, isMap := value.(map[string]any)
	r := mapReader{m: v}
	switch {
	case level == solSocket && typ == scmTimestamp:
		sec := r.number("sec", math.MinInt64, math.MaxInt64, 0)
		usec := r.number("usec", 0, 999_999, 0)
		c = Timestamp(time.Unix(sec, usec*1000))
	case level == solSocket && typ == scmCredentials:
		c = Credentials{
			PID: int(r.number("pid", 0, math.MaxInt32, 0)),
			UID: uint32(r.number("uid", 0, math.MaxUint32, 0)),
			GID: uint32(r.number("gid", 0, math.MaxUint32, 0)),
		}.Control()
	case level == solIP && typ == ipPktInfo:
		c = PktInfo4{
			IfIndex: int(r.number("ifindex", 0, math.MaxInt32, 0)),
			SpecDst: r.ip("spec_dst", Inet),
			Addr:    r.ip("addr", Inet),
		}.Control()
	case level == solIPv6 && typ == ipv6PktInfo:
		c = PktInfo6{
			IfIndex: int(r.number("ifindex", 0, math.MaxInt32, 0)),
			Addr:    r.ip("addr", Inet6),
		}.Control()
	default:
		return c, "this type has no value to send, only data"
	}
	if !isMap {
		return c, "value is not a map"
	}
	if cause := r.finish(); cause != "" {
		return c, "value: " + cause
	}
	return c, ""
}

// nativeBytes is a value as setsockopt(2) takes it: bytes as they are, an integer or a boolean as a C int.
func nativeBytes(v any) ([]byte, bool) {
	switch v := v.(type) {
	case []byte:
		return v, true
	case string:
		return []byte(v), true
	case bool:
		var n uint32
		if v {
			n = 1
		}
		return binary.NativeEndian.AppendUint32(nil, n), true
	}
	n, ok := integer(v)
	if !ok || !fitsCInt(n) {
		return nil, false
	}
	return binary.NativeEndian.AppendUint32(nil, uint32(int32(n))), true
}
