package packet

import (
	"bytes"
	"strconv"
)

// URIKind is the form of a request's URI.
type URIKind uint8

// The forms of a URI, with what OTP delivers for each.
const (
	URIString   URIKind = iota // none of the others: a string
	URIStar                    // '*'
	URIAbsPath                 // {abs_path, Path}
	URIAbsolute                // {absoluteURI, http | https, Host, Port | undefined, Path}
	URIScheme                  // {scheme, Scheme, Path}
	numURIKinds
)

var uriKindNames = [numURIKinds]string{"string", "star", "abs_path", "absoluteURI", "scheme"}

// String returns OTP's name of the form.
func (k URIKind) String() string {
	if k >= numURIKinds {
		return "packet.URIKind(" + strconv.Itoa(int(k)) + ")"
	}
	return uriKindNames[k]
}

// ParseURIKind returns the form with OTP's name: "abs_path", "absoluteURI". The error is an *ArgumentError.
func ParseURIKind(name string) (URIKind, error) {
	for k, s := range uriKindNames {
		if s == name {
			return URIKind(k), nil
		}
	}
	return 0, &ArgumentError{What: "uri_kind", Value: name}
}

// URI is the target of a request in OTP's parts. Percent escapes stay.
type URI struct {
	Kind   URIKind
	Text   []byte // all of it, as received
	Scheme []byte // URIAbsolute: "http" or "https", in lower case; URIScheme: what is before the first colon
	// Host ends before the first colon (URIAbsolute). If there is a colon and the host begins with a closed bracket, it ends
	// with the bracket: an IPv6 address keeps its brackets, as in OTP 28.
	Host []byte
	// Path is the whole text (URIAbsPath), the text from the slash after the host on, "/" without a slash (URIAbsolute), or
	// the text after the colon (URIScheme).
	Path []byte
	Port int // URIAbsolute; 0: undefined; at most 2^31-1
}

// These are delivered where the input does not have the bytes. Callers must not change them.
var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
	rootPath    = []byte("/")
)

func parseURI(text []byte) URI {
	u := URI{Text: text}
	switch {
	case len(text) == 1 && text[0] == '*':
		u.Kind = URIStar
	case len(text) == 1 || text[0] == '/':
		u.Kind, u.Path = URIAbsPath, text
	case hasPrefixFold(text, "http://"):
		u.absolute(schemeHTTP)
	case hasPrefixFold(text, "https://"):
		u.absolute(schemeHTTPS)
	default:
		if i := bytes.IndexByte(text, ':'); i >= 0 {
			u.Kind, u.Scheme, u.Path = URIScheme, text[:i:i], text[i+1:]
		}
	}
	return u
}

// hasPrefixFold reports whether b begins with the prefix, which is in lower case.
func hasPrefixFold(b []byte, prefix string) bool {
	if len(b) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

func (u *URI) absolute(scheme []byte) {
	u.Kind, u.Scheme, u.Path = URIAbsolute, scheme, rootPath
	host := u.Text[len(scheme)+len("://"):]
	if i := bytes.IndexByte(host, '/'); i >= 0 {
		host, u.Path = host[:i:i], host[i:]
	}
	colon := bytes.IndexByte(host, ':')
	if colon < 0 { // without a colon brackets have no meaning: the host of "http://[a]b/" is "[a]b"
		u.Host = host
		return
	}
	if end := bytes.IndexByte(host, ']') + 1; end > 0 && host[0] == '[' {
		if end == len(host) || host[end] != ':' { // only a port may follow an address in brackets
			u.Host = host[:end:end]
			return
		}
		colon = end
	}
	u.Host = host[:colon:colon]
	if port, digits := number(host[colon+1:]); digits == len(host)-colon-1 {
		u.Port = port
	}
}
