package esock

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/esock-go/esock/internal/plain"
)

// Control message types by OTP's names, for each level, and in its manner for those that it does not know.
var cmsgTypeNames = map[int]plain.Names{
	solSocket: {{scmTimestamp, "timestamp"}, {scmRights, "rights"}, {scmCredentials, "credentials"},
		{scmSecurity, "security"}, {scmPidFD, "pidfd"}, {scmPriority, "priority"}, {scmTimestampNS, "timestampns"},
		{scmMark, "mark"}, {scmTimestamping, "timestamping"}, {scmRxqOvfl, "rxq_ovfl"}, {scmWifiStatus, "wifi_status"},
		{scmTxTime, "txtime"}, {scmTimestampNew, "timestamp_new"}, {scmTimestampNSNew, "timestampns_new"},
		{scmTimestampingNew, "timestamping_new"}, {scmTimestampID, "ts_opt_id"}, {scmInq, "inq"}},
	solIP: {{ipTOS, "tos"}, {ipTTL, "ttl"}, {ipPktInfo, "pktinfo"}, {ipRecvErr, "recverr"}, {ipRecvTTL, "recvttl"},
		{ipRecvTOS, "recvtos"}, {ipOrigDstAddr, "origdstaddr"}, {ipRecvOpts, "recvopts"}, {ipRetOpts, "retopts"},
		{ipChecksum, "checksum"}, {ipRecvFragSize, "recvfragsize"}},
	solIPv6: {{ipv6PktInfo, "pktinfo"}, {ipv6HopLimit, "hoplimit"}, {ipv6TClass, "tclass"}, {ipv6RecvTClass, "recvtclass"},
		{ipv6RecvErr, "recverr"}, {ipv6FlowInfo, "flowinfo"}, {ipv6HopOpts, "hopopts"}, {ipv6DstOpts, "dstopts"},
		{ipv6RTHdrDstOpts, "rthdrdstopts"}, {ipv6RTHdr, "rthdr"}, {ipv6OrigDstAddr, "origdstaddr"},
		{ipv6RecvFragSize, "recvfragsize"}},
	solTCP: {{tcpInq, "inq"}},
	solUDP: {{udpSegment, "segment"}, {udpGRO, "gro"}},
	solSCTP: {{sctpInit, "init"}, {sctpSndRcv, "sndrcv"}, {sctpSndInfo, "sndinfo"}, {sctpRcvInfo, "rcvinfo"},
		{sctpNxtInfo, "nxtinfo"}},
	solPacket: {{packetAuxData, "auxdata"}, {packetTxTime, "tx_timestamp"}},
	solVSock:  {{vsockRecvErr, "recverr"}},
	solALG:    {{algSetIV, "set_iv"}, {algSetOp, "set_op"}, {algSetAssocLen, "set_aead_assoclen"}},
	solTLS:    {{tlsSetRecordType, "set_record_type"}, {tlsGetRecordType, "get_record_type"}},
}

// Map returns the control message with OTP's keys: level and type (names, or numbers without one), data (a copy) and, if
// the kind is known, value:
//
//	ttl, tos, hoplimit, tclass   an integer; so with mark, priority, rxq_ovfl, wifi_status, txtime, ts_opt_id,
//	                             checksum, recvfragsize, flowinfo, segment, gro, inq, set_record_type, get_record_type,
//	                             set_aead_assoclen, set_op (encrypt, decrypt, or its number)
//	timestamp, timestampns       {sec, usec}, {sec, nsec}
//	timestamping                 {software, hardware}, each {sec, nsec}, where known
//	credentials                  {pid, uid, gid}
//	ip pktinfo                   {ifindex, spec_dst, addr}
//	ipv6 pktinfo                 {ifindex, addr}
//	origdstaddr                  as Addr.Map
//	recverr                      {error, origin, type, code, info, data, offender}: see ExtendedError.Map
//	security, set_iv             the text; the bytes of the vector
//	auxdata, of level sctp all   the fields of the structure, named without the prefix
func (c ControlMessage) Map() map[string]any {
	m := map[string]any{
		"level": plain.Levels.Value(c.Level),
		"type":  cmsgTypeNames[c.Level].Value(c.Type),
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
	switch c.at().kind {
	case cmsgInt:
		n := *cmsgIntValue(c.at())
		if name, ok := cmsgValueNames(c.Level, c.Type).Text(int(n)); ok {
			return name
		}
		return plain.Int(n)
	case cmsgTime:
		v := cmsgTimeOf(c.at())
		if c.Type == scmTimestamp || c.Type == scmTimestampNew {
			return map[string]any{"sec": int(v.sec), "usec": int(v.nsec / 1000)}
		}
		return map[string]any{"sec": int(v.sec), "nsec": int(v.nsec)}
	case cmsgStamps:
		v, _ := c.Timestamping()
		return v.Map()
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
	case cmsgAddr:
		v, _ := c.OrigDstAddr()
		return v.Map()
	case cmsgBytes:
		if v, ok := c.SecurityLabel(); ok {
			return string(v)
		}
		if c.Level == solALG && c.Type == algSetIV {
			return slices.Clone(c.Data[4 : 4+binary.NativeEndian.Uint32(c.Data)])
		}
	case cmsgAuxData:
		v, _ := c.AuxData()
		return v.fields().Map()
	case cmsgSCTPInit:
		v, _ := c.SCTPInit()
		return v.fields().Map()
	case cmsgSCTPSndRcv:
		v, _ := c.SCTPSndRcv()
		return v.fields().Map()
	case cmsgSCTPSndInfo:
		v, _ := c.SCTPSndInfo()
		return v.fields().Map()
	case cmsgSCTPRcvInfo:
		v, _ := c.SCTPRcvInfo()
		return v.fields().Map()
	case cmsgSCTPNxtInfo:
		v, _ := c.SCTPNxtInfo()
		return v.fields().Map()
	}
	return nil
}

// readFields reads the members of a structure from the map, and returns the required keys: all but those that are only
// received.
func readFields(r *plain.Map, fields plain.Fields) (needed []string) {
	r.Fields(fields)
	for _, f := range fields {
		if f.Name != "ssn" && f.Name != "tsn" && f.Name != "cumtsn" {
			needed = append(needed, f.Name)
		}
	}
	return needed
}

// ControlMessageFromMap makes a control message to send from a map: level, type, and data (bytes; an integer or boolean
// stands for a C int) or value (as in Map; tos also by name). Of both, which must agree, data is sent. A value alone needs
// all keys except those only received (addr of an ip pktinfo; ssn, tsn and cumtsn). Errors: *InvalidError "msg",
// "protocol".
func ControlMessageFromMap(m map[string]any) (ControlMessage, error) {
	bad := func(cause string) (ControlMessage, error) {
		return ControlMessage{}, &InvalidError{What: "msg", Value: m, Cause: "ctrl: " + cause}
	}
	r := plain.Read(m)
	l, ok := r.Get("level")
	if !ok {
		return bad("the key level is missing")
	}
	level, ok := levelFromAny(l)
	if !ok {
		return ControlMessage{}, &InvalidError{What: "protocol", Value: l, Cause: unknownName}
	}
	t, ok := r.Get("type")
	if !ok {
		return bad("the key type is missing")
	}
	typ, ok := nameFromAny(cmsgTypeNames[level], t)
	if !ok {
		cause := fmt.Sprintf("%v is not a type of level %v", t, l)
		if level == solIP && t == "hoplimit" { // OTP's name of Windows' IP_HOPLIMIT
			cause = "not on Linux: {ip, hoplimit} is for Windows; here it is {ip, ttl}"
		}
		return bad(cause)
	}
	data, hasData := r.Get("data")
	value, hasValue := r.Get("value")
	if cause := r.Finish(); cause != "" {
		return bad(cause)
	}
	var c ControlMessage
	cause := ""
	switch {
	case hasData:
		b, ok := nativeBytes(data)
		if !ok {
			return bad("data is neither bytes, an integer that fits a C int, nor a boolean")
		}
		if c = controlOfData(level, typ, b); hasValue && !plain.Same(value, c.plainValue()) {
			cause = "value is not what data holds: leave out the one that is not meant"
		}
	case hasValue:
		c, cause = controlFromValue(level, typ, value)
	default:
		cause = "data or value is needed"
	}
	if cause != "" {
		return bad(cause)
	}
	return c, nil
}

func levelFromAny(v any) (int, bool) {
	if text, is := v.(string); is {
		return plain.Level(text)
	}
	return numberFromAny(v)
}

// controlOfData makes a control message of its bytes, decoded as if it had been received.
func controlOfData(level, typ int, data []byte) ControlMessage {
	c := ControlMessage{Level: level, Type: typ, Data: data}
	rec, cause := c.sent()
	if cause != "" {
		return c // SetControl refuses it
	}
	rec.length = cU32(len(data))
	ctrl := make([]byte, len(data)+32) // the header, and the padding of both
	n := cCmsgEncode([]cCmsg{rec}, data, ctrl)
	var pos uintptr
	if got := new(cCmsg); n > 0 && cCmsgNext(ctrl[:n], &pos, got) == 1 {
		return controlOf(got, ctrl)
	}
	return c
}

// cmsgValueNames are the names of a type's numbers.
func cmsgValueNames(level, typ int) plain.Names {
	if level == solALG && typ == algSetOp {
		return plain.Names{{0, "decrypt"}, {1, "encrypt"}}
	}
	return nil
}

// isScalar reports whether the type is sent as a number.
func isScalar(level, typ int) bool {
	switch level {
	case solSocket:
		return typ == scmMark || typ == scmPriority || typ == scmTxTime || typ == scmTimestampID
	case solIP:
		return typ == ipTTL || typ == ipTOS
	case solIPv6:
		return typ == ipv6HopLimit || typ == ipv6TClass || typ == ipv6FlowInfo
	case solTLS:
		return typ == tlsSetRecordType
	case solALG:
		return typ == algSetOp || typ == algSetAssocLen
	}
	return level == solUDP && typ == udpSegment
}

func controlFromValue(level, typ int, value any) (c ControlMessage, cause string) {
	if isScalar(level, typ) {
		if s, isText := value.(string); isText {
			names := cmsgValueNames(level, typ)
			if level == solIP && typ == ipTOS {
				names = plain.TOS // read only: the byte has more bits than those names
			}
			if n, ok := names.Number(s); ok {
				value = n
			}
		}
		n, cause := plain.Number(value, math.MinInt64, math.MaxInt64)
		if cause != "" {
			return c, "value is " + cause
		}
		c = intControl(level, typ, n)
		return c, c.misfit(n)
	}
	if level == solALG && typ == algSetIV {
		iv, ok := value.([]byte)
		if text, isText := value.(string); isText {
			iv, ok = []byte(text), true
		}
		if !ok {
			return c, "value is not bytes"
		}
		return bytesControl(level, typ, append(binary.NativeEndian.AppendUint32(nil, uint32(len(iv))), iv...)), ""
	}
	v, isMap := value.(map[string]any)
	r := plain.Read(v)
	var needed []string
	switch {
	case level == solSocket && typ == scmTimestamp:
		sec := r.Number("sec", math.MinInt64, math.MaxInt64, 0)
		usec := r.Number("usec", 0, 999_999, 0)
		c, needed = Timestamp(time.Unix(sec, usec*1000)), []string{"sec", "usec"}
	case level == solSCTP && typ == sctpInit:
		var v SCTPInit
		r.Alias("num_outstreams", "num_ostreams") // as in the option initmsg
		needed = readFields(r, v.fields())
		c = v.Control()
	case level == solSCTP && typ == sctpSndRcv:
		var v SCTPSndRcv
		needed = readFields(r, v.fields())
		c = v.Control()
	case level == solSCTP && typ == sctpSndInfo:
		var v SCTPSndInfo
		needed = readFields(r, v.fields())
		c = v.Control()
	case level == solSocket && typ == scmCredentials:
		c = Credentials{
			PID: int(r.Number("pid", 0, math.MaxInt32, 0)),
			UID: uint32(r.Number("uid", 0, math.MaxUint32, 0)),
			GID: uint32(r.Number("gid", 0, math.MaxUint32, 0)),
		}.Control()
		needed = []string{"pid", "uid", "gid"}
	case level == solIP && typ == ipPktInfo:
		c = PktInfo4{
			IfIndex: int(r.Number("ifindex", 0, math.MaxInt32, 0)),
			SpecDst: ipOf(r, "spec_dst", Inet),
			Addr:    ipOf(r, "addr", Inet),
		}.Control()
		needed = []string{"ifindex", "spec_dst"} // addr is only received
	case level == solIPv6 && typ == ipv6PktInfo:
		c = PktInfo6{
			IfIndex: int(r.Number("ifindex", 0, math.MaxInt32, 0)),
			Addr:    ipOf(r, "addr", Inet6),
		}.Control()
		needed = []string{"ifindex", "addr"}
	default:
		return c, "this type has no value to send, only data"
	}
	if !isMap {
		return c, "value is not a map"
	}
	if cause := r.Finish(needed...); cause != "" {
		return c, "value: " + cause
	}
	if c.bad {
		return c, "value: " + c.badCause()
	}
	return c, ""
}

// nativeBytes makes the bytes of a value for setsockopt(2): bytes unchanged, an integer or a boolean as a C int.
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
	n, ok := plain.Integer(v)
	if !ok || !plain.FitsCInt(n) {
		return nil, false
	}
	return binary.NativeEndian.AppendUint32(nil, uint32(int32(n))), true
}
