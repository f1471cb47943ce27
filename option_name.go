package esock

import "math"

// Option reads an option by OTP's names of level and option: "tcp", "nodelay". The value is plain data:
//
//	bool, int, uint    a bool, an int (times in the kernel's unit)
//	string             a string
//	linger             {onoff, linger (seconds)}
//	ucred              {pid, uid, gid}
//	type, domain,
//	protocol           the name, or the number where there is none
//
// Level "otp" has esock's own options. Errors are those of Option.Get, and *InvalidError "socket_option" for names
// that are not known. OTP: socket:getopt/2.
func (s *Socket) Option(level, name string) (any, error) {
	if level == "otp" {
		v, err := s.otpOption(name)
		if err != nil {
			err = s.fail(opGetOpt, err)
		}
		return v, err
	}
	row := findOption(level, name)
	if row < 0 {
		return nil, s.fail(opGetOpt, unknownOption(level, name))
	}
	i, data, err := s.getRow(row)
	if err != nil {
		return nil, err
	}
	return plainOption(row, i, data), nil
}

// SetOption sets an option by OTP's names of level and option. The value is as Option returns it: integers of any
// type are taken; a linger may also be a Linger or "abort"; the tos of level ip also a name ("lowdelay"). Errors are
// those of Option.Set, and *InvalidError "socket_option" for names that are not known and values that do not
// fit. OTP: socket:setopt/3.
func (s *Socket) SetOption(level, name string, value any) error {
	if level == "otp" {
		if err := s.setOTPOption(name, value); err != nil {
			return s.fail(opSetOpt, err)
		}
		return nil
	}
	row := findOption(level, name)
	if row < 0 {
		return s.fail(opSetOpt, unknownOption(level, name))
	}
	i, data, cause := optionFromPlain(row, value)
	if cause != "" {
		return s.fail(opSetOpt, optionError(row, value, cause))
	}
	return s.setRow(row, value, i, data)
}

func unknownOption(level, name string) error {
	return &InvalidError{What: "socket_option", Value: level + "." + name, Cause: "not a known option"}
}

// optionNames are the options whose numbers have names.
func optionNames(row int) []namedNumber {
	switch r := &optionRows[row]; r.Level + "." + r.Name {
	case "socket.domain", "ipv6.addrform":
		return domainNames
	case "socket.type":
		return typeNames
	case "socket.protocol":
		return protocolNames
	}
	return nil
}

func plainOption(row int, i int64, data []byte) any {
	switch optionRows[row].codec {
	case codecBool:
		return i != 0
	case codecInt, codecUint:
		return plainName(optionNames(row), int(i))
	case codecString:
		return string(data)
	case codecLinger:
		l := valueOf[cLinger](data)
		return map[string]any{"onoff": l.onoff != 0, "linger": int(l.seconds)}
	case codecUcred:
		u := valueOf[cmsgCredValue](data)
		return map[string]any{"pid": int(u.pid), "uid": int(u.uid), "gid": int(u.gid)}
	}
	return data
}

func optionFromPlain(row int, value any) (i int64, data []byte, cause string) {
	switch optionRows[row].codec {
	case codecBool:
		return boolFromPlain(value)
	case codecInt, codecUint:
		return numberFromPlain(row, value)
	case codecString:
		switch v := value.(type) {
		case string:
			return 0, []byte(v), ""
		case []byte:
			return 0, v, ""
		}
		return 0, nil, "not a string"
	case codecLinger:
		return lingerFromPlain(value)
	case codecUcred:
		return ucredFromPlain(value)
	}
	return 0, nil, "cannot be set by name"
}

func boolFromPlain(value any) (i int64, data []byte, cause string) {
	if v, ok := value.(bool); ok {
		return int64(boolInt(v)), nil, ""
	}
	if n, ok := integer(value); ok && (n == 0 || n == 1) {
		return n, nil, ""
	}
	return 0, nil, "not a boolean"
}

func numberFromPlain(row int, value any) (i int64, data []byte, cause string) {
	low, high := int64(math.MinInt32), int64(math.MaxInt32)
	if optionRows[row].codec == codecUint {
		low, high = 0, math.MaxUint32
	}
	names := optionNames(row)
	if r := &optionRows[row]; r.Level == "ip" && r.Name == "tos" {
		names = tosNames
	}
	switch v := value.(type) {
	case string:
		n, ok := numberOf(names, v)
		if !ok {
			return 0, nil, "not an integer"
		}
		return int64(n), nil, ""
	case Domain:
		value = int(v)
	case Type:
		value = int(v)
	case Protocol:
		value = int(v)
	}
	n, ok := integer(value)
	switch {
	case !ok:
		return 0, nil, "not an integer"
	case n < low || n > high:
		return 0, nil, "out of range"
	}
	return n, nil, ""
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
		r := mapReader{m: v}
		on, hasOn := r.get("onoff")
		_, hasTime := v["linger"]
		seconds := r.number("linger", 0, math.MaxInt32, 0)
		if cause := r.finish(); cause != "" {
			return 0, nil, cause
		}
		if !hasOn || !hasTime {
			return 0, nil, "both onoff and linger are needed"
		}
		n, _, cause := boolFromPlain(on)
		if cause != "" {
			return 0, nil, "onoff: " + cause
		}
		l := cLinger{onoff: int32(n), seconds: int32(seconds)}
		return 0, bytesOf(&l), ""
	}
	return 0, nil, `neither {onoff, linger} nor "abort"`
}

func ucredFromPlain(value any) (i int64, data []byte, cause string) {
	switch v := value.(type) {
	case Credentials:
		return ucredCodec.encode(v)
	case map[string]any:
		r := mapReader{m: v}
		u := cmsgCredValue{
			pid: int32(r.number("pid", 0, math.MaxInt32, 0)),
			uid: uint32(r.number("uid", 0, math.MaxUint32, 0)),
			gid: uint32(r.number("gid", 0, math.MaxUint32, 0)),
		}
		return 0, bytesOf(&u), r.finish()
	}
	return 0, nil, "not {pid, uid, gid}"
}
