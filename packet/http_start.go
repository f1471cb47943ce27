package packet

// HTTPVersion is the version of a request or response. A number above 2^31-1 becomes 2^31-1.
type HTTPVersion struct{ Major, Minor int }

// Method is the method of a request, known to OTP or not.
type Method struct {
	Name  []byte
	Known bool // one of OPTIONS, GET, HEAD, POST, PUT, DELETE and TRACE, in capitals. OTP delivers them as atoms
}

// String returns the name; for known methods without allocating.
func (m Method) String() string {
	switch string(m.Name) {
	case "OPTIONS":
		return "OPTIONS"
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "DELETE":
		return "DELETE"
	case "TRACE":
		return "TRACE"
	}
	return string(m.Name)
}

func knownMethod(name []byte) bool {
	switch string(name) {
	case "OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE":
		return true
	}
	return false
}

// HTTPRequest has the parts of a request line. OTP: {http_request, Method, Uri, Version}.
type HTTPRequest struct {
	Method  Method
	URI     URI
	Version HTTPVersion // 0, 9 if the line has none

	VersionText []byte // the version as received: "HTTP/1.1"; empty if the line has none
	// Rest is what follows the version. OTP ignores it; a strict server refuses such a line (RFC 9112, section 3).
	Rest []byte
}

// HTTPResponse has the parts of a status line. OTP: {http_response, Version, Status, Phrase}.
type HTTPResponse struct {
	Version HTTPVersion
	Status  int // 0 if the line has none
	Phrase  []byte
}

// startLine decodes a start line without its end. The packet has KindNone if the line is not a start line.
func startLine(b []byte) Packet {
	if len(b) >= 5 && string(b[:5]) == "HTTP/" {
		return statusLine(b)
	}
	return requestLine(b)
}

// statusLine decodes version, blanks, digits, blanks, phrase (RFC 9112, section 4). What follows each of the blanks may be
// missing.
func statusLine(b []byte) Packet {
	end := versionEnd(b)
	status := skip(b, end, blankChar)
	if status == end { // also without a version, because b does not begin with a blank
		return Packet{}
	}
	after := skip(b, status, digitChar)
	if after < len(b) && !isBlank(b[after]) {
		return Packet{}
	}
	phrase := skip(b, after, blankChar)
	return Packet{raw: b, kind: KindHTTPResponse, mark: uint32(phrase)}
}

// HTTPResponse returns the parts of a status line; false if the packet is not a status line.
func (p Packet) HTTPResponse() (HTTPResponse, bool) {
	if p.kind != KindHTTPResponse {
		return HTTPResponse{}, false
	}
	version, end := versionOf(p.raw)
	status, _ := number(p.raw[skip(p.raw, end, blankChar):])
	return HTTPResponse{Version: version, Status: status, Phrase: p.raw[p.mark:]}, true
}

// requestLine decodes method, blanks, URI, and optionally blanks and the version (RFC 9112, section 3; HTTP/0.9 had no
// version). As in OTP, anything may follow the version.
func requestLine(b []byte) Packet {
	method := skip(b, 0, tokenChar)
	uri := skip(b, method, blankChar)
	if method == 0 || uri == method || uri == len(b) {
		return Packet{}
	}
	version := uri
	for version < len(b) && !isBlank(b[version]) {
		version++
	}
	version = skip(b, version, blankChar)
	if version == len(b) {
		version = 0
	} else if versionEnd(b[version:]) == 0 {
		return Packet{}
	}
	return Packet{raw: b, kind: KindHTTPRequest, mark: uint32(version)}
}

// HTTPRequest returns the parts of a request line; false if the packet is not a request line.
func (p Packet) HTTPRequest() (HTTPRequest, bool) {
	if p.kind != KindHTTPRequest {
		return HTTPRequest{}, false
	}
	name := p.raw[:skip(p.raw, 0, tokenChar)]
	uri := p.raw[skip(p.raw, len(name), blankChar):]
	r := HTTPRequest{Version: HTTPVersion{0, 9}}
	if p.mark != 0 {
		uri = uri[:len(uri)-len(p.raw)+int(p.mark)]
		var end int
		text := p.raw[p.mark:]
		r.Version, end = versionOf(text)
		r.VersionText, r.Rest = text[:end:end], text[end:]
	}
	uri = trimBlanks(uri)
	r.Method = Method{Name: name[:len(name):len(name)], Known: knownMethod(name)}
	r.URI = parseURI(uri[:len(uri):len(uri)])
	return r, true
}

// versionEnd returns the end of a version such as "HTTP/1.1" at the front of b; 0: there is none.
func versionEnd(b []byte) int {
	if len(b) < 8 || string(b[:5]) != "HTTP/" {
		return 0
	}
	dot := skip(b, 5, digitChar)
	if dot == 5 || dot == len(b) || b[dot] != '.' {
		return 0
	}
	end := skip(b, dot+1, digitChar)
	if end == dot+1 {
		return 0
	}
	return end
}

// versionOf returns the version that versionEnd has found, and its end.
func versionOf(b []byte) (v HTTPVersion, end int) {
	major, n := number(b[5:])
	minor, m := number(b[5+n+1:])
	return HTTPVersion{major, minor}, 5 + n + 1 + m
}
