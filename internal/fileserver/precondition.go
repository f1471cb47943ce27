package fileserver

import (
	"net/http"
	"time"
)

// precondition returns 304 or 412 if a condition of the request decides so, 0 if the response is the file (RFC 9110, section
// 13.2.2). It ignores invalid dates, and all if the zero time says that the file has no date.
func (h *head) precondition(tag []byte, modified time.Time) int {
	modified = modified.Truncate(time.Second) // dates in HTTP have no fraction
	if h.fields[fieldIfMatch] != nil {
		if !h.listsTag(fieldIfMatch, tag, false) {
			return http.StatusPreconditionFailed
		}
	} else if t, ok := h.since(fieldIfUnmodifiedSince, modified); ok && modified.After(t) {
		return http.StatusPreconditionFailed
	}
	if h.fields[fieldIfNoneMatch] != nil {
		if h.listsTag(fieldIfNoneMatch, tag, true) {
			return http.StatusNotModified
		}
	} else if t, ok := h.since(fieldIfModifiedSince, modified); ok && !modified.After(t) {
		return http.StatusNotModified
	}
	return 0
}

// since returns the date of a field, and whether it counts for a file of that date.
func (h *head) since(f field, modified time.Time) (time.Time, bool) {
	t, err := http.ParseTime(string(h.fields[f]))
	return t, err == nil && !modified.IsZero()
}
