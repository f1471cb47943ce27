package fileserver

import (
	"bytes"
	"time"
)

// httpTime is the form of dates that is sent; the two old ones are read, too (RFC 9110, section 5.6.7).
const httpTime = "Mon, 02 Jan 2006 15:04:05 GMT"

// appendTag appends the entity tag of a file: it changes with the time of the last change, or the size.
func appendTag(dst []byte, modified time.Time, size int64) []byte {
	const digits = "0123456789abcdef"
	hex := func(n uint64) {
		shift := 60
		for shift > 0 && n>>shift == 0 {
			shift -= 4
		}
		for ; shift >= 0; shift -= 4 {
			dst = append(dst, digits[n>>shift&15])
		}
	}
	dst = append(dst, '"')
	hex(uint64(modified.UnixNano()))
	dst = append(dst, '-')
	hex(uint64(size))
	return append(dst, '"')
}

// condition is 304 or 412 when the conditions of a request ask for that, else 0 (RFC 9110, section 13.2.2).
func (h *head) condition(tag []byte, modified time.Time) int {
	if h.fields[fieldIfMatch] != nil {
		if !h.lists(fieldIfMatch, tag, false) {
			return 412
		}
	} else if t, ok := parseTime(h.fields[fieldIfUnmodifiedSince]); ok && modified.Truncate(time.Second).After(t) {
		return 412
	}
	if h.fields[fieldIfNoneMatch] != nil {
		if h.lists(fieldIfNoneMatch, tag, true) {
			return 304
		}
	} else if t, ok := parseTime(h.fields[fieldIfModifiedSince]); ok && !modified.Truncate(time.Second).After(t) {
		return 304
	}
	return 0
}

// lists reports whether a tag is in a field, which may have come several times: they count as one list (RFC 9110,
// section 5.3).
func (h *head) lists(f field, tag []byte, weak bool) bool {
	if lists(h.fields[f], tag, weak) {
		return true
	}
	for _, m := range h.more {
		if m.field == f && lists(m.value, tag, weak) {
			return true
		}
	}
	return false
}

// lists reports whether a tag is in a list of them. weak: those that stand for equivalent files count, too.
func lists(list, tag []byte, weak bool) bool {
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

// parseTime reads a date.
func parseTime(b []byte) (time.Time, bool) {
	if len(b) == 0 {
		return time.Time{}, false
	}
	for _, form := range []string{httpTime, time.RFC850, time.ANSIC} {
		if t, err := time.Parse(form, string(b)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// span is a range of a file: so many bytes from an offset.
type span struct{ offset, length int64 }

// partial is the part of a file that a request asks for. Whole: it asks for all, or for several parts, or the file is
// not the one it asks about. ok is false when the file has nothing of it (RFC 9110, section 14.2).
func (h *head) partial(size int64, tag []byte, modified time.Time) (part span, whole, ok bool) {
	part = span{0, size}
	if !h.get || h.ranges != 1 {
		return part, true, true
	}
	if f := h.fields[fieldIfRange]; f != nil && !bytes.Equal(f, tag) {
		if t, is := parseTime(f); !is || !modified.Truncate(time.Second).Equal(t) {
			return part, true, true
		}
	}
	return parseRange(h.fields[fieldRange], size)
}

// parseRange reads "bytes=1-2", "bytes=1-" or "bytes=-2". What is malformed counts for nothing.
func parseRange(b []byte, size int64) (part span, whole, ok bool) {
	part = span{0, size}
	const unit = "bytes="
	if len(b) < len(unit) || !bytes.EqualFold(b[:len(unit)], []byte(unit)) {
		return part, true, true
	}
	from, to, found := bytes.Cut(bytes.Trim(b[len(unit):], " \t"), []byte("-"))
	first, hasFirst := decimal(from)
	last, hasLast := decimal(to)
	switch {
	case !found, !hasFirst && len(from) > 0, !hasLast && len(to) > 0, !hasFirst && !hasLast:
		return part, true, true
	case !hasFirst && last > 0 && size == 0: // all of nothing (RFC 9110, section 14.1.2)
		return part, true, true
	case !hasFirst: // the last so many bytes
		part.length = min(last, size)
		part.offset = size - part.length
		return part, false, part.length > 0
	case hasLast && last < first:
		return part, true, true
	case !hasLast:
		last = size
	}
	part.offset = first
	part.length = min(last, size-1) - first + 1
	return part, false, first < size
}
