package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/esock-go/esock"
)

// parse reads the text of a value as the option takes it.
func (t *target) parse(text string) (any, error) {
	if t.native {
		return parseNative(t.form, text)
	}
	if t.known && !t.info.CanSet || readOnly[t.codec()] {
		return nil, fmt.Errorf("%s can only be read", t.label())
	}
	if c := t.info.Codec; t.known && t.info.Struct != "linger" && (c == "struct" || c == "filter" || c == "bytes") {
		return t.info.ParseValue(text), nil
	}
	v, wants := parseValue(t.codec(), text)
	if wants != "" {
		return nil, fmt.Errorf("%s takes %s, not %q", t.label(), wants, text)
	}
	return v, nil
}

// readOnly are the kinds of values of level otp that cannot be given as text, or not be set at all.
var readOnly = map[string]bool{"mailbox": true, "descriptor": true, "domain": true}

func parseNative(form, text string) (any, error) {
	switch form {
	case "boolean":
		if v, ok := parseBool(text); ok {
			return v, nil
		}
		return nil, fmt.Errorf("%q is not a boolean: true or false", text)
	case "hex":
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			return nil, fmt.Errorf("%q is not an even number of hexadecimal digits", text)
		}
		return b, nil
	}
	n, err := strconv.ParseInt(text, 0, 32)
	if err != nil {
		return nil, fmt.Errorf("%q is not an integer that fits a C int; --boolean and --hex take other values", text)
	}
	return int(n), nil
}

// parseValue reads a value by the kind of the option; wants says what it would have taken.
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
		return nil, "a duration as in 50us"
	case "rcvbuf":
		if count, size, ok := strings.Cut(text, ":"); ok {
			a, err1 := strconv.Atoi(count)
			b, err2 := strconv.Atoi(size)
			if err1 != nil || err2 != nil {
				return nil, "SIZE, COUNT:SIZE, or default"
			}
			return esock.RcvBuf{N: a, Size: b}, ""
		}
		fallthrough
	case "size":
		if isInt {
			return int(n), ""
		}
		return text, "" // "default"; the library refuses the rest
	}
	if isInt && codec != "string" && codec != "text" {
		return n, ""
	}
	return text, "" // a name, or what the library refuses with its reason
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
