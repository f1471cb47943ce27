package fileserver

import "bytes"

// place is what a request asks for.
type place struct {
	name  []byte // below the directory that is served: "a/b", or "."
	slash bool   // there was one at the end: a directory is meant
	query []byte // with its question mark
}

// locate makes a name of the target of a request: without the query, its percent escapes undone, without empty and dot
// segments (RFC 3986, section 5.2.4). false: it is malformed, or leads upwards out of the directory. Symbolic links are
// not its business.
func locate(dst, text []byte) (t place, ok bool) {
	if len(text) == 0 || text[0] != '/' {
		return t, false
	}
	for _, c := range text {
		if c <= ' ' || c == 0x7f || c == '#' {
			return t, false
		}
	}
	if i := bytes.IndexByte(text, '?'); i >= 0 {
		text, t.query = text[:i], text[i:]
	}
	name := dst[:0]
	begin := 0 // of the segment
	// end closes a segment.
	end := func() bool {
		switch segment := name[begin:]; {
		case len(segment) == 0, string(segment) == ".":
			name = name[:begin]
		case string(segment) == "..":
			if begin == 0 {
				return false
			}
			name = name[:bytes.LastIndexByte(name[:begin-1], '/')+1]
		default:
			name = append(name, '/')
			begin = len(name)
			return true
		}
		begin = len(name)
		t.slash = true // those name directories
		return true
	}
	for i := 1; i < len(text); i++ {
		c := text[i]
		if c == '%' {
			if i+2 >= len(text) {
				return t, false
			}
			high, low := hexDigit(text[i+1]), hexDigit(text[i+2])
			if high > 15 || low > 15 {
				return t, false
			}
			c = high<<4 | low
			i += 2
		}
		switch {
		case c == 0:
			return t, false
		case c == '/':
			if !end() {
				return t, false
			}
			t.slash = true
		default:
			t.slash = false
			name = append(name, c)
		}
	}
	if len(name) > begin && !end() {
		return t, false
	}
	if len(name) == 0 {
		t.name, t.slash = append(name, '.'), true
		return t, true
	}
	t.name = name[:len(name)-1] // without the slash behind the last segment
	return t, true
}

// hexDigit is the value of a digit, more than 15 if it is none.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// appendPath appends the name of a directory as the path of an URL. It begins with one slash, and so never names a
// host.
func appendPath(dst, name []byte) []byte {
	dst = append(dst, '/')
	if string(name) == "." {
		return dst
	}
	return append(appendURL(dst, name), '/')
}

// appendURL appends bytes of a path: all but unreserved characters and slashes escaped (RFC 3986, section 2.3).
func appendURL[T ~string | ~[]byte](dst []byte, text T) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}
