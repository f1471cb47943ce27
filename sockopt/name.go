package sockopt

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/ctext"
	"github.com/esock-go/esock/internal/plain"
)

// Get reads an option by OTP's names of level and option: "tcp", "nodelay". The value is plain data:
//
//	bool, int, uint    a bool, an int (times in the kernel's unit, which docs/options.md says)
//	string             a string
//	linger             {onoff, linger (seconds)}
//	ucred              {pid, uid, gid}
//	other structures   a map with the names of docs/options.md; an in_addr is a text, groups are a list of numbers
//	type, domain,
//	protocol, pmtu     the name, or the number if there is none
//	bytes              bytes
//	filter             a list of {code, jt, jf, k}; Set takes missing jt and jf as 0
//	control messages   a list, in the form of ControlMessage.Map
//
// Level "otp" has the library's own settings; the package documentation lists their values. Errors are those of Option.Get, and
// *InvalidError "socket_option" for unknown names. OTP: socket:getopt/2.
func Get(s *esock.Socket, level, name string) (any, error) {
	if level == "otp" {
		return getOTP(s, name)
	}
	row := findOption(level, name)
	if row < 0 {
		return nil, fail(s, getopt, unknownOption(level, name))
	}
	return plainRow(s, row, 0, nil)
}

// Ask is Get for options that take a question. The question is a value as Get returns it; the kernel reads the parts that the
// answer depends on. OTP 29: socket:getopt/3.
func Ask(s *esock.Socket, level, name string, question any) (any, error) {
	row := findOption(level, name)
	if row < 0 {
		return nil, fail(s, getopt, unknownOption(level, name))
	}
	i, data, cause := optionQuestionFromPlain(row, question)
	if cause != "" {
		return nil, fail(s, getopt, optionError(row, question, cause))
	}
	return plainRow(s, row, i, data)
}

func plainRow(s *esock.Socket, row int, i int64, question []byte) (any, error) {
	i, b, err := getRow(s, row, i, question)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return plainOption(row, i, nil), nil
	}
	defer optionBuffers.put(b)
	return plainOption(row, i, *b), nil
}

// Set sets an option by OTP's names of level and option. The value is as Get returns it. Integers may be of any type; a
// boolean must be a bool; an in_addr or in6_addr may also be "any"; the tos of level ip may be a name ("lowdelay");
// unicast_hops and multicast_hops of level ipv6 are "default" or 0 to 255. A time may also be a time.Duration, its text
// ("1.5s"), or OTP's timeval, {sec, usec}: rcvtimeo, keepidle and others, and members of structures. A linger may also be a
// Linger or "abort", and a sctp_assoc_value an integer, for assoc_id 0. The msfilter of level ip may be nil, OTP's null, which
// Linux refuses with EINVAL. The map of a structure needs all keys except those
// that docs/options.md marks: a missing key has no sensible default, and 0 often means something else (any interface, the user
// root). Errors are those of Option.Set, and *InvalidError "socket_option" for unknown names and values that do not fit. OTP:
// socket:setopt/3.
func Set(s *esock.Socket, level, name string, value any) error {
	if level == "otp" {
		return setOTP(s, name, value)
	}
	row := findOption(level, name)
	if row < 0 {
		return fail(s, setopt, unknownOption(level, name))
	}
	i, data, cause := optionFromPlain(row, value)
	if cause != "" {
		return fail(s, setopt, optionError(row, value, cause))
	}
	return setRow(s, row, value, i, data)
}

func unknownOption(level, name string) error {
	return &esock.InvalidError{What: "socket_option", Value: level + "." + name, Cause: whyUnknown(level, name)}
}

// whyUnknown says what of a level and a name is wrong, and where the name is an option.
func whyUnknown(level, name string) string {
	for _, o := range otherOptions {
		if o.Level == level && o.Name == name {
			return "not on Linux: it is for " + o.Where
		}
	}
	levels, has := []string{"otp"}, []string(nil)
	if slices.Contains(OTPNames(), name) {
		has = append(has, "otp")
	}
	for i := range optionRows {
		o := &optionRows[i]
		if !slices.Contains(levels, o.Level) {
			levels = append(levels, o.Level)
		}
		if o.Name == name {
			has = append(has, o.Level)
		}
	}
	cause, known := "not a known option", slices.Contains(levels, level)
	if !known {
		cause = "no level of that name has options by name"
	}
	switch {
	case len(has) > 0:
		cause += "; " + name + " is an option of level " + strings.Join(has, ", ")
	case !known:
		cause += "; the levels are " + strings.Join(levels, ", ")
	}
	return cause
}

// optionNames returns the names of a codec's numbers.
func optionNames(row int) plain.Names {
	switch optionRows[row].Codec {
	case "domain":
		return plain.Domains
	case "type":
		return plain.Types
	case "protocol":
		return plain.Protocols
	case "pmtu":
		return pmtuNames
	}
	return nil
}

func plainOption(row int, i int64, data []byte) any {
	o := &optionRows[row]
	switch o.codec {
	case codecBool:
		return i != 0
	case codecInt, codecUint, codecU16, codecBE32, codecTimeval:
		if name, ok := optionNames(row).Text(int(i)); ok && int64(int(i)) == i {
			return name
		}
		return plain.Int(i)
	case codecU64:
		if i < 0 {
			return uint64(i)
		}
		return plain.Int(i)
	case codecString:
		return string(data)
	case codecFilter:
		list := []any{}
		for _, f := range filterCodec.decode(0, data) {
			list = append(list, map[string]any{"code": int(f.Code), "jt": int(f.JT), "jf": int(f.JF), "k": plain.Int(int64(f.K))})
		}
		return list
	case codecStruct:
		return plainStruct(o.Struct, data)
	}
	if o.Codec == "ctrl" {
		list := []any{}
		for _, c := range controlCodec.decode(0, data) {
			list = append(list, c.Map())
		}
		return list
	}
	return bytes.Clone(data)
}

func plainStruct(name string, data []byte) any {
	switch name {
	case "in_addr":
		return inAddrCodec.decode(0, data).String()
	case "gids":
		return plainList(gidsCodec.decode(0, data))
	case "netlink_groups":
		return plainList(groupsCodec.decode(0, data))
	}
	return shapes()[name].plain(data)
}

func plainList(numbers []int) []any {
	list := make([]any, len(numbers))
	for i, n := range numbers {
		list[i] = n
	}
	return list
}

func optionFromPlain(row int, value any) (i int64, data []byte, cause string) {
	o := &optionRows[row]
	switch o.codec {
	case codecBool:
		return boolFromPlain(value)
	case codecInt, codecUint, codecU16, codecBE32, codecTimeval:
		return numberFromPlain(row, value)
	case codecU64:
		if u, ok := value.(uint64); ok {
			return int64(u), nil, ""
		}
		n, ok := plain.Integer(value)
		if !ok || n < 0 {
			return 0, nil, "not an integer from 0"
		}
		return n, nil, ""
	case codecString, codecBytes:
		switch v := value.(type) {
		case string:
			data = []byte(v)
		case []byte:
			data = v
		default:
			return 0, nil, "not a string"
		}
		if o.codec == codecString {
			cause = ctext.Cause(string(data))
		}
		return 0, data, cause
	case codecFilter:
		return filterFromPlain(value)
	case codecStruct:
		return structFromPlain(o.Struct, value, !o.CanSet) // what cannot be set takes a question alone
	}
	return 0, nil, "cannot be set by name"
}

// optionQuestionFromPlain is optionFromPlain for a question.
func optionQuestionFromPlain(row int, question any) (i int64, data []byte, cause string) {
	if o := &optionRows[row]; o.codec == codecStruct {
		return structFromPlain(o.Struct, question, true)
	}
	return optionFromPlain(row, question)
}

func filterFromPlain(value any) (i int64, data []byte, cause string) {
	if f, ok := value.([]SockFilter); ok {
		return filterCodec.encode(f)
	}
	list, ok := listOf(value)
	if !ok {
		return 0, nil, "not a list"
	}
	program := make([]SockFilter, len(list))
	for k, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return 0, nil, "not a list of {code, jt, jf, k}"
		}
		r := plain.Read(m)
		program[k] = SockFilter{
			Code: uint16(r.Number("code", 0, math.MaxUint16, 0)),
			JT:   uint8(r.Number("jt", 0, math.MaxUint8, 0)),
			JF:   uint8(r.Number("jf", 0, math.MaxUint8, 0)),
			K:    uint32(r.Number("k", 0, math.MaxUint32, 0)),
		}
		if cause := r.Finish("code", "k"); cause != "" { // most instructions do not jump
			return 0, nil, cause
		}
	}
	return filterCodec.encode(program)
}

func structFromPlain(name string, value any, asks bool) (i int64, data []byte, cause string) {
	switch name {
	case "linger":
		return lingerFromPlain(value)
	case "ucred":
		return ucredFromPlain(value)
	case "in_addr":
		data = make([]byte, 4)
		return 0, data, (&placedField{shapeField: shapeField{"addr", "IN4"}}).fromPlain(data, value)
	}
	if name == "ip_msfilter" && isNull(value) && !asks {
		return 0, nil, "" // no value at all, which is the kernel's to judge
	}
	if n, ok := plain.Integer(value); ok && name == "sctp_assoc_value" {
		value = map[string]any{"assoc_id": 0, "value": n}
	}
	m, ok := value.(map[string]any)
	if !ok {
		return 0, nil, "not a map"
	}
	data, cause = shapes()[name].fromPlain(m, asks)
	return 0, data, cause
}

// isNull reports whether a value is OTP's null.
func isNull(value any) bool { return value == nil || value == "null" }

func boolFromPlain(value any) (i int64, data []byte, cause string) {
	if v, ok := value.(bool); ok {
		return int64(boolInt(v)), nil, ""
	}
	return 0, nil, "not a boolean"
}

func numberFromPlain(row int, value any) (n int64, data []byte, cause string) {
	low, high := int64(math.MinInt32), int64(math.MaxInt32)
	switch optionRows[row].codec {
	case codecUint, codecBE32:
		low, high = 0, math.MaxUint32
	case codecU16:
		low, high = 0, math.MaxUint16
	case codecTimeval:
		low, high = 0, math.MaxInt64
	}
	if unit, ok := codecUnits[optionRows[row].Codec]; ok {
		if d, is, cause := durationFromPlain(value); is {
			if cause == "" {
				n, cause = wholeUnits(d, unit, high)
			}
			return n, nil, cause
		}
	}
	names := optionNames(row)
	outside := "out of range"
	switch r := &optionRows[row]; r.Level + "." + r.Name {
	case "ip.tos":
		names = plain.TOS
	case "ipv6.unicast_hops", "ipv6.multicast_hops":
		// OTP: default | 0..255. The kernel's default is -1, which must be given by name.
		if value == "default" {
			return -1, nil, ""
		}
		low, high, outside = 0, math.MaxUint8, `out of range: 0 to 255, or "default"`
	}
	switch v := value.(type) {
	case string:
		n, ok := names.Number(v)
		switch {
		case ok:
			return int64(n), nil, ""
		case len(names) == 0:
			return 0, nil, "not an integer"
		}
		return 0, nil, "neither an integer nor one of " + names.List()
	case esock.Domain:
		value = int(v)
	case esock.Type:
		value = int(v)
	case esock.Protocol:
		value = int(v)
	}
	n, cause = plain.Number(value, low, high)
	if cause == "out of range" {
		cause = outside
	}
	return n, nil, cause
}

func lingerFromPlain(value any) (i int64, data []byte, cause string) {
	switch v := value.(type) {
	case Linger:
		return lingerCodec.encode(v)
	case string:
		if v == "abort" {
			return lingerCodec.encode(Linger{On: true})
		}
	case map[string]any:
		r := plain.Read(v)
		on, _ := r.Get("onoff")
		wait, _ := r.Get("linger")
		if cause := r.Finish("onoff", "linger"); cause != "" {
			return 0, nil, cause
		}
		n, _, cause := boolFromPlain(on)
		if cause != "" {
			return 0, nil, "onoff: " + cause
		}
		seconds, cause := timeFromPlain(wait, time.Second, math.MaxInt32)
		if cause != "" {
			return 0, nil, "linger: " + cause
		}
		l := cLinger{onoff: int32(n), seconds: int32(seconds)}
		return 0, bytesOf(&l), ""
	}
	return 0, nil, `neither {onoff, linger} nor "abort"`
}

func ucredFromPlain(value any) (i int64, data []byte, cause string) {
	switch v := value.(type) {
	case esock.Credentials:
		return ucredCodec.encode(v)
	case map[string]any:
		r := plain.Read(v)
		u := ucred{
			pid: int32(r.Number("pid", 0, math.MaxInt32, 0)),
			uid: uint32(r.Number("uid", 0, math.MaxUint32, 0)),
			gid: uint32(r.Number("gid", 0, math.MaxUint32, 0)),
		}
		return 0, bytesOf(&u), r.Finish("pid", "uid", "gid")
	}
	return 0, nil, "not {pid, uid, gid}"
}
