package fileserver

import (
	"bytes"
	"errors"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// The limits of a request's head.
const (
	maxLine   = 8 << 10
	maxLines  = 100
	maxHead   = 64 << 10 // of all lines together
	maxBlanks = 4        // empty lines before a request, which old clients send (RFC 9112, section 2.2)
)

// head is what counts of a request's head.
type head struct {
	store   []byte // holds what follows
	first   []byte // the request line, for the log
	target  []byte // the path, with the query
	get     bool
	only    bool // HEAD
	minor   int  // of the version
	hosts   int
	close   bool
	keep    bool
	coded   bool  // there is a body with a transfer coding
	expects bool  // the client waits for our leave before it sends the body
	length  int64 // of the body; -1: not told
	ranges  int   // how many fields Range
	fields  [numFields][]byte
	more    []repeated
}

// repeated is a field that has come before, with a value that goes on with a list.
type repeated struct {
	field field
	value []byte
}

// field is a header whose value is kept.
type field uint8

const (
	fieldRange field = iota
	fieldIfRange
	fieldIfMatch
	fieldIfNoneMatch
	fieldIfModifiedSince
	fieldIfUnmodifiedSince
	numFields
)

var rootTarget = []byte("/")

// keptFields are these by name.
var keptFields = map[string]field{"Range": fieldRange, "If-Range": fieldIfRange, "If-Match": fieldIfMatch,
	"If-None-Match": fieldIfNoneMatch, "If-Modified-Since": fieldIfModifiedSince,
	"If-Unmodified-Since": fieldIfUnmodifiedSince}

// retain copies bytes that must outlive the line they are in. The store may move, what was copied stays where it is.
func (h *head) retain(b []byte) []byte {
	n := len(h.store)
	h.store = append(h.store, b...)
	return h.store[n:len(h.store):len(h.store)]
}

// readHead reads the next head. problem is the status to answer when it is none that can be served, 0 if it is.
// An error says that there is nobody to answer: the client has ended, or did not begin in time.
func (c *conversation) readHead(wait esock.Wait) (problem int, err error) {
	h := &c.head
	*h = head{store: h.store[:0], more: h.more[:0], length: -1}
	if problem, err = c.readStart(wait); problem != 0 || err != nil {
		return problem, err
	}
	c.until = c.until.Begin()
	for lines, size := 0, 0; ; lines++ {
		p, err := c.sock.RecvInto(c.line[:], 0, c.until)
		switch {
		case errors.Is(err, syscall.EMSGSIZE):
			return 431, nil
		case timedOut(err):
			return 408, nil
		case err != nil:
			return 0, err
		}
		switch p.Kind() {
		case packet.KindHTTPEOH:
			return h.check(), nil
		case packet.KindHTTPHeader:
			x, _ := p.HTTPHeader()
			if size += len(x.Name) + len(x.Value); size > maxHead || lines == maxLines {
				return 431, nil
			}
			if !h.take(x) {
				return 400, nil
			}
		default:
			return 400, nil
		}
	}
}

// readStart reads the request line.
func (c *conversation) readStart(wait esock.Wait) (problem int, err error) {
	h := &c.head
	wait = wait.Begin()
	for blanks := 0; ; blanks++ {
		p, err := c.sock.RecvInto(c.line[:], 0, wait)
		if errors.Is(err, syscall.EMSGSIZE) {
			return 414, nil
		} else if err != nil {
			return 0, err
		}
		r, ok := p.HTTPRequest()
		if !ok {
			line := bytes.TrimRight(p.Data(), "\r\n")
			if p.Kind() != packet.KindHTTPError || len(line) > 0 || blanks == maxBlanks {
				h.first = h.retain(line)
				return 400, nil
			}
			continue
		}
		h.first = h.retain(r.Method.Name)
		h.store = append(h.store, ' ')
		h.target = h.retain(r.URI.Text)
		if len(r.VersionText) > 0 {
			h.store = append(append(h.store, ' '), r.VersionText...)
			h.store = append(h.store, r.Rest...)
		}
		h.first = h.store
		return h.begin(r), nil
	}
}

// begin takes the request line.
func (h *head) begin(r packet.HTTPRequest) (problem int) {
	h.get, h.only = string(r.Method.Name) == "GET", string(r.Method.Name) == "HEAD"
	h.minor = r.Version.Minor
	switch {
	case len(r.VersionText) != len("HTTP/1.1"), len(r.Rest) > 0, r.Version.Major == 0: // RFC 9112, section 2.3
		return 400
	case r.Version.Major != 1:
		return 505
	}
	switch r.URI.Kind {
	case packet.URIAbsPath:
	case packet.URIAbsolute: // what a proxy is sent; whose host it is does not matter here
		h.target = h.target[len(r.URI.Scheme)+len("://"):]
		end := bytes.IndexAny(h.target, "/?")
		if end < 0 {
			end = len(h.target)
		}
		if host := h.target[:end]; len(host) == 0 || host[0] == ':' || !isHost(host) {
			return 400
		}
		if h.target = h.target[end:]; len(h.target) == 0 || h.target[0] == '?' {
			h.target = rootTarget // the path has been left out
		}
	default:
		h.target = nil // no file has such a name, but another method may use it
	}
	return 0
}

// take takes a header; false: it is malformed.
func (h *head) take(x packet.HTTPHeader) bool {
	value := bytes.TrimRight(x.Value, " \t")
	if len(x.Name) == 0 {
		return false
	}
	for _, b := range value {
		if b < ' ' && b != '\t' || b == 0x7f { // a folded line, too: RFC 9112, section 5.2
			return false
		}
	}
	if x.Index == 0 {
		if len(x.Name) == len("expect") && bytes.EqualFold(x.Name, []byte("expect")) {
			h.expects = true
		}
		return true
	}
	switch name := x.Field(); name {
	case "Host":
		h.hosts++
		return isHost(value)
	case "Connection":
		for rest, more := value, true; more; {
			var token []byte
			token, rest, more = bytes.Cut(rest, []byte(","))
			token = bytes.Trim(token, " \t")
			h.close = h.close || bytes.EqualFold(token, []byte("close"))
			h.keep = h.keep || bytes.EqualFold(token, []byte("keep-alive"))
		}
	case "Transfer-Encoding":
		h.coded = true
	case "Content-Length":
		n, ok := decimal(value)
		if !ok || h.length >= 0 && h.length != n {
			return false
		}
		h.length = n
	case "Range":
		h.ranges++
		fallthrough
	default:
		f, ok := keptFields[name]
		switch {
		case !ok:
		case h.fields[f] == nil:
			h.fields[f] = h.retain(value)
		case f == fieldIfMatch || f == fieldIfNoneMatch:
			h.more = append(h.more, repeated{f, h.retain(value)})
		}
	}
	return true
}

// check is what can be said once the head is complete.
func (h *head) check() (problem int) {
	switch {
	case h.minor >= 1 && h.hosts != 1, h.hosts > 1: // RFC 9112, section 3.2
		return 400
	case h.coded && (h.length >= 0 || h.minor == 0): // section 6.1: somebody may try to smuggle a request in
		return 400
	}
	return 0
}

// isHost reports a host with or without a port (RFC 3986, section 3.2.2). There may be none.
func isHost(b []byte) bool {
	name, port := b, []byte(nil)
	end := bytes.IndexByte(b, ']') + 1 // of an address in brackets, which has colons
	if i := bytes.IndexByte(b[end:], ':'); i >= 0 {
		name, port = b[:end+i], b[end+i+1:]
	}
	for _, c := range port {
		if c < '0' || c > '9' {
			return false
		}
	}
	colon := byte('-') // allowed in any case
	if end > 0 {
		if name[0] != '[' || end != len(name) || end == len("[]") {
			return false
		}
		name, colon = name[1:end-1], ':'
	}
	for i, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == colon,
			bytes.IndexByte([]byte("-._~!$&'()*+,;="), c) >= 0:
		case c == '%' && i+2 < len(name) && hexDigit(name[i+1]) < 16 && hexDigit(name[i+2]) < 16:
		default:
			return false
		}
	}
	return true
}

// beyond is more than any file has; ten times as much is a number, too.
const beyond = 1 << 59

// decimal is the value of digits, and whether there is nothing else.
func decimal(b []byte) (n int64, ok bool) {
	if len(b) == 0 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int64(c-'0'); n > beyond {
			n = beyond
		}
	}
	return n, true
}
