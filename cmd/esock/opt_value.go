package main

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/esock-go/esock"
)

// parse makes a value that the option takes out of its text.
func (t *target) parse(text string) (any, error) {
	if t.native {
		return parseNative(t.form, text)
	}
	if t.known && !t.info.CanSet || readOnly[t.codec()] {
		return nil, usagef("%s can only be read", t.label())
	}
	if t.known {
		return t.parseKnown(text)
	}
	v, wants := parseValue(t.codec(), text)
	if wants != "" {
		return nil, usagef("%s takes %s, not %q", t.label(), wants, text)
	}
	return v, nil
}

// parseKnown is parse for an option that has a row.
func (t *target) parseKnown(text string) (any, error) {
	switch codec := t.info.Codec; {
	case t.info.Struct == "linger" && !strings.ContainsAny(text, "{="):
	case codec == "struct" || codec == "filter":
		if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
			return t.parseJSON(text)
		}
		if codec == "filter" && !isProgram(text) {
			return nil, usagef("%s takes a program, as JSON or CODE:JT:JF:K+CODE:JT:JF:K, not %q", t.label(), text)
		}
		if codec == "struct" && t.info.Struct != "in_addr" && !strings.Contains(text, "=") {
			return nil, usagef("%s takes a structure, as JSON or field=value,field=value, not %q", t.label(), text)
		}
		return t.info.ParseValue(text), nil
	case codec == "bytes":
		b, err := parseHex(text)
		if err != nil {
			return nil, usagef("%s takes bytes, in hexadecimal digits, not %q", t.label(), text)
		}
		return b, nil
	case timeUnits[codec] != 0:
		if d, err := time.ParseDuration(text); err == nil && text != "0" {
			unit := timeUnits[codec]
			return int((d + unit - 1) / unit), nil
		}
	}
	v, wants := parseValue(t.codec(), text)
	if wants != "" {
		return nil, usagef("%s takes %s, not %q", t.label(), wants, text)
	}
	return v, nil
}

// isProgram reports whether a text is that of a filter.
func isProgram(text string) bool {
	for one := range strings.SplitSeq(text, "+") {
		parts := strings.Split(one, ":")
		if len(parts) != 4 {
			return false
		}
		for i, bits := range [...]int{16, 8, 8, 32} {
			if _, err := strconv.ParseUint(parts[i], 10, bits); err != nil {
				return false
			}
		}
	}
	return true
}

// timeUnits are the units of times, which may be given as a number of units or as a duration.
var timeUnits = map[string]time.Duration{"sec": time.Second, "msec": time.Millisecond, "usec": time.Microsecond,
	"timeval": time.Microsecond}

// parseJSON reads a value in the form in which the command prints it as JSON.
func (t *target) parseJSON(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber() // 64 bits do not fit a float
	if err := d.Decode(&v); err != nil {
		return nil, usagef("the value of %s is not JSON: %s", t.label(), cmp.Or(jsonCause(err), err.Error()))
	}
	if d.More() {
		return nil, usagef("the value of %s is more than one JSON value", t.label())
	}
	return fromJSON(v), nil
}

// fromJSON turns numbers into integers, and texts that begin with 0x into bytes.
func fromJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, x := range v {
			v[key] = fromJSON(x)
		}
	case []any:
		for i, x := range v {
			v[i] = fromJSON(x)
		}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return int(n)
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n
		}
		return v.String() // not an integer; the library refuses it
	case string:
		if digits, ok := strings.CutPrefix(v, "0x"); ok {
			if b, err := hex.DecodeString(digits); err == nil {
				return b
			}
		}
	}
	return v
}

// readOnly are the kinds of values of level otp that cannot be given as text or cannot be set at all.
var readOnly = map[string]bool{"mailbox": true, "descriptor": true, "domain": true}

func parseNative(form, text string) (any, error) {
	switch form {
	case "boolean":
		if v, ok := parseBool(text); ok {
			return v, nil
		}
		return nil, usagef("%q is not a boolean; use true or false", text)
	case "hex":
		b, err := parseHex(text)
		if err != nil {
			return nil, usagef("%q is not an even number of hexadecimal digits", text)
		}
		return b, nil
	}
	n, err := strconv.ParseInt(text, 0, 32)
	if err != nil {
		return nil, usagef("%q is not an integer that fits a C int; --boolean and --hex take other values", text)
	}
	return int(n), nil
}

// parseHex reads bytes: hexadecimal digits, blanks between them, 0x before them.
func parseHex(text string) ([]byte, error) {
	text = strings.ReplaceAll(text, " ", "")
	if len(text) > 1 && text[0] == '0' && text[1]|' ' == 'x' {
		text = text[2:]
	}
	return hex.DecodeString(text)
}

// parseValue reads a value of a kind. If it cannot, wants says what the option takes.
func parseValue(codec, text string) (v any, wants string) {
	n, err := strconv.ParseInt(text, 0, 64)
	isInt := err == nil
	switch codec {
	case "bool":
		if b, ok := parseBool(text); ok {
			return b, ""
		}
		return nil, "true or false"
	case "linger":
		switch d, err := time.ParseDuration(text); {
		case text == "abort":
			return text, ""
		case text == "off":
			return map[string]any{"onoff": false, "linger": 0}, ""
		case isInt:
			return map[string]any{"onoff": true, "linger": n}, ""
		case err == nil && d >= 0 && d%time.Second == 0:
			return map[string]any{"onoff": true, "linger": int(d / time.Second)}, ""
		}
		return nil, "off, abort, or a number of seconds"
	case "duration":
		if d, err := time.ParseDuration(text); err == nil {
			return d, ""
		}
		return nil, "a duration such as 50us"
	case "rcvbuf":
		if count, size, ok := strings.Cut(text, ":"); ok {
			a, err1 := strconv.Atoi(count)
			b, err2 := strconv.Atoi(size)
			if err1 != nil || err2 != nil {
				return nil, "SIZE, COUNT:SIZE, or default"
			}
			return esock.RcvBuf{N: a, Size: b}, ""
		}
		if !isInt && text != "default" {
			return nil, "SIZE, COUNT:SIZE, or default"
		}
	case "size":
		if !isInt && text != "default" {
			return nil, "SIZE, or default"
		}
	}
	if isInt && codec != "string" && codec != "text" {
		return n, ""
	}
	return text, "" // a name, or something that the library refuses and says why
}

func parseBool(text string) (v, ok bool) {
	switch strings.ToLower(text) {
	case "true", "on", "yes", "1":
		return true, true
	case "false", "off", "no", "0":
		return false, true
	}
	return false, false
}
