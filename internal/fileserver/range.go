package fileserver

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// span is a range of a file: length bytes from an offset on.
type span struct{ offset, length int64 }

// requestedRange returns the part of the file that the request asks for. whole: the response is the whole file, because the
// request asks for it or for several ranges, or names another state of the file in If-Range. ok is false if the range has no
// bytes of the file: the status is 416 (RFC 9110, section 14.2).
func (h *head) requestedRange(size int64, tag []byte, modified time.Time) (part span, whole, ok bool) {
	part = span{0, size}
	if !h.get || h.ranges != 1 {
		return part, true, true
	}
	if f := h.fields[fieldIfRange]; f != nil && !bytes.Equal(f, tag) {
		if t, err := http.ParseTime(string(f)); err != nil || !modified.Truncate(time.Second).Equal(t) {
			return part, true, true
		}
	}
	return parseRange(h.fields[fieldRange], size)
}

// parseRange reads "bytes=1-2", "bytes=1-" or "bytes=-2". A malformed range is ignored, and the file is sent whole.
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
	case !hasFirst && last > 0 && size == 0: // the last bytes of an empty file are all of it (RFC 9110, section 14.1.2)
		return part, true, true
	case !hasFirst: // the last bytes of the file
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

// decimal returns the value of a number that has only digits. A number that is too large becomes the largest int64, which is
// more than any file has.
func decimal(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' { // ParseUint may stop before this character, at a digit that overflows
			return 0, false
		}
	}
	u, err := strconv.ParseUint(string(b), 10, 63)
	return int64(u), err == nil || errors.Is(err, strconv.ErrRange)
}
