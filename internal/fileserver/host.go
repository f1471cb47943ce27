package fileserver

import (
	"bytes"
	"net/url"
	"strings"
)

// isHost reports whether b is a valid Host header: a host with or without a port (RFC 3986, section 3.2.2). Either may be
// empty.
func isHost(b []byte) bool {
	name, port := b, []byte(nil)
	end := bytes.IndexByte(b, ']') + 1 // an address in brackets has colons
	if i := bytes.IndexByte(b[end:], ':'); i >= 0 {
		name, port = b[:end+i], b[end+i+1:]
	}
	for _, c := range port {
		if c < '0' || c > '9' {
			return false
		}
	}
	allowed := "%-._~!$&'()*+,;="
	if end > 0 {
		if name[0] != '[' || end != len(name) || end == len("[]") {
			return false
		}
		name, allowed = name[1:end-1], allowed+":"
	}
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(allowed, c) >= 0:
		default:
			return false
		}
	}
	_, err := url.PathUnescape(string(name)) // only percent escapes can be wrong
	return err == nil
}
