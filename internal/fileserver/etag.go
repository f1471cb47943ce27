package fileserver

import (
	"bytes"
	"strconv"
	"time"
)

// appendTag appends the entity tag of a file, which depends on its modification time and size.
func appendTag(dst []byte, modified time.Time, size int64) []byte {
	dst = append(dst, '"')
	dst = strconv.AppendUint(dst, uint64(modified.UnixNano()), 16)
	dst = append(dst, '-')
	dst = strconv.AppendUint(dst, uint64(size), 16)
	return append(dst, '"')
}

// listsTag reports whether the values of a field list the tag. Several fields of the name count as one list (RFC 9110,
// section 5.3).
func (h *head) listsTag(f field, tag []byte, weak bool) bool {
	if listsTag(h.fields[f], tag, weak) {
		return true
	}
	for _, r := range h.repeated {
		if r.field == f && listsTag(r.value, tag, weak) {
			return true
		}
	}
	return false
}

// listsTag reports whether a list has the tag, or is "*". weak: the weak comparison, in which W/"x" equals "x" (RFC 9110,
// section 8.8.3.2).
func listsTag(list, tag []byte, weak bool) bool {
	for len(list) > 0 {
		list = bytes.TrimLeft(list, " \t,")
		if len(list) > 0 && list[0] == '*' {
			return true
		}
		rest, isWeak := bytes.CutPrefix(list, []byte("W/"))
		if len(rest) == 0 || rest[0] != '"' {
			return false
		}
		end := bytes.IndexByte(rest[1:], '"') + 2
		if end < 2 {
			return false
		}
		if bytes.Equal(rest[:end], tag) && (weak || !isWeak) {
			return true
		}
		list = rest[end:]
	}
	return false
}
