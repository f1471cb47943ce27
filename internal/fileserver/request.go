package fileserver

import (
	"bytes"
	"errors"
	"net"
	"net/http"
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

// head has the parts of a request's head that the server uses.
type head struct {
	store    []byte // holds the bytes of the fields below
	first    []byte // the request line, for the log
	target   []byte // the path with the query; nil: another form
	get      bool
	headOnly bool // the method is HEAD
	known    bool // the method is one that this server knows, though it may refuse it
	minor    int  // of the version
	hosts    int  // how many Host fields there are
	close    bool
	keep     bool
	coding   coding
	expects  bool  // the client waits for a 100 (Continue) before it sends the body
	length   int64 // of the body; -1: not given
	ranges   int   // how many Range fields there are
	fields   [numFields][]byte
	repeated []repeatedField
}

// repeatedField is a second or later field of the same name. Its value continues the list of the first.
type repeatedField struct {
	field field
	value []byte
}

// coding is what the Transfer-Encoding fields of a request list.
type coding struct {
	any     bool // there is such a field
	chunked bool // the last coding is "chunked", so the body shows where it ends
	unknown bool // one is not "chunked": this server decodes no other
	after   bool // one follows "chunked", so the end of the body cannot be found
}

// add adds the value of a field, which continues the list of those before it.
func (c *coding) add(list []byte) {
	c.any = true
	for token := range bytes.SplitSeq(list, []byte(",")) {
		if token = bytes.Trim(token, " \t"); len(token) == 0 {
			continue
		}
		c.after = c.after || c.chunked
		c.chunked = bytes.EqualFold(token, []byte("chunked"))
		c.unknown = c.unknown || !c.chunked
	}
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

// keptFields are these headers by name.
var keptFields = map[string]field{"Range": fieldRange, "If-Range": fieldIfRange, "If-Match": fieldIfMatch,
	"If-None-Match": fieldIfNoneMatch, "If-Modified-Since": fieldIfModifiedSince,
	"If-Unmodified-Since": fieldIfUnmodifiedSince}

// retain copies bytes that are needed after their line is overwritten. When the store grows, earlier copies stay valid.
func (h *head) retain(b []byte) []byte {
	n := len(h.store)
	h.store = append(h.store, b...)
	return h.store[n:len(h.store):len(h.store)]
}

// readHead reads the head of the next request. problem is the status of the response if the head cannot be served, otherwise
// 0. After an error there is no response: the client ended the connection, or sent no request in time.
func (c *connection) readHead(wait esock.Wait) (problem int, err error) {
	h := &c.head
	*h = head{store: h.store[:0], repeated: h.repeated[:0], length: -1}
	problem, err = c.readRequestLine(wait)
	if err == nil && !c.crowd.rouse(&c.member) {
		err = net.ErrClosed
	}
	if problem != 0 || err != nil {
		return problem, err
	}
	c.until = c.until.Begin()
	for lines, size := 0, 0; ; lines++ {
		p, err := c.next(c.line[:], c.until)
		switch {
		case errors.Is(err, syscall.EMSGSIZE):
			return http.StatusRequestHeaderFieldsTooLarge, nil
		case timedOut(err):
			return http.StatusRequestTimeout, nil
		case err != nil:
			return 0, err
		}
		switch p.Kind() {
		case packet.KindHTTPEOH:
			return h.check(), nil
		case packet.KindHTTPHeader:
			x, _ := p.HTTPHeader()
			if size += len(x.Name) + len(x.Value); size > maxHead || lines == maxLines {
				return http.StatusRequestHeaderFieldsTooLarge, nil
			}
			if !h.addHeader(x) {
				return http.StatusBadRequest, nil
			}
		default:
			return http.StatusBadRequest, nil
		}
	}
}

// readRequestLine reads the first line of a request.
func (c *connection) readRequestLine(wait esock.Wait) (problem int, err error) {
	h := &c.head
	wait = wait.Begin()
	for blanks := 0; ; blanks++ {
		p, err := c.next(c.line[:], wait)
		if errors.Is(err, syscall.EMSGSIZE) {
			return http.StatusRequestURITooLong, nil
		} else if err != nil {
			return 0, err
		}
		r, ok := p.HTTPRequest()
		if !ok {
			line := bytes.TrimRight(p.Data(), "\r\n")
			if p.Kind() != packet.KindHTTPError || len(line) > 0 || blanks == maxBlanks {
				h.first = h.retain(line)
				return http.StatusBadRequest, nil
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
		return h.setRequestLine(r), nil
	}
}

// setRequestLine stores the method, the target and the version.
func (h *head) setRequestLine(r packet.HTTPRequest) (problem int) {
	h.get, h.headOnly, h.known = false, false, true
	switch string(r.Method.Name) {
	case "GET":
		h.get = true
	case "HEAD":
		h.headOnly = true
	case "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH": // RFC 9110, section 9.3, and RFC 5789
	default:
		h.known = false
	}
	h.minor = r.Version.Minor
	switch {
	case len(r.VersionText) != len("HTTP/1.1"), len(r.Rest) > 0, r.Version.Major == 0: // RFC 9112, section 2.3
		return http.StatusBadRequest
	case r.Version.Major != 1:
		return http.StatusHTTPVersionNotSupported
	}
	switch r.URI.Kind {
	case packet.URIAbsPath:
	case packet.URIAbsolute: // the form for proxies; this server accepts any host
		h.target = h.target[len(r.URI.Scheme)+len("://"):]
		end := bytes.IndexAny(h.target, "/?")
		if end < 0 {
			end = len(h.target)
		}
		if host := h.target[:end]; len(host) == 0 || host[0] == ':' || !isHost(host) {
			return http.StatusBadRequest
		}
		if h.target = h.target[end:]; len(h.target) == 0 || h.target[0] == '?' {
			h.target = rootTarget // the path is left out
		}
	default:
		h.target = nil // not the name of a file, but valid for other methods
	}
	return 0
}

// addHeader stores a header, and reports whether it is well-formed.
func (h *head) addHeader(x packet.HTTPHeader) bool {
	value := bytes.TrimRight(x.Value, " \t")
	if len(x.Name) == 0 {
		return false
	}
	for _, b := range value {
		if b < ' ' && b != '\t' || b == 0x7f { // this includes a folded line (RFC 9112, section 5.2)
			return false
		}
	}
	if x.Index == 0 { // not a header that package packet knows
		h.expects = h.expects || bytes.EqualFold(x.Name, []byte("expect"))
		return true
	}
	switch name := x.Field(); name {
	case "Host":
		h.hosts++
		return isHost(value)
	case "Connection":
		for token := range bytes.SplitSeq(value, []byte(",")) {
			token = bytes.Trim(token, " \t")
			h.close = h.close || bytes.EqualFold(token, []byte("close"))
			h.keep = h.keep || bytes.EqualFold(token, []byte("keep-alive"))
		}
	case "Transfer-Encoding":
		h.coding.add(value)
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
			h.repeated = append(h.repeated, repeatedField{f, h.retain(value)})
		}
	}
	return true
}

// check returns the status for an invalid head, 0 if it is valid.
func (h *head) check() (problem int) {
	switch {
	case h.minor >= 1 && h.hosts != 1, h.hosts > 1: // RFC 9112, section 3.2
		return http.StatusBadRequest
	case h.coding.any && (h.length >= 0 || h.minor == 0): // section 6.1: two lengths may be an attempt at request smuggling
		return http.StatusBadRequest
	case h.coding.after, h.coding.any && !h.coding.chunked && !h.coding.unknown: // an empty list
		return http.StatusBadRequest
	case h.coding.unknown:
		return http.StatusNotImplemented
	}
	return 0
}
