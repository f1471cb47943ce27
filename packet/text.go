package packet

import "fmt"

// shownBytes limits how many bytes of a part String shows.
const shownBytes = 64

// String formats the packet for logs, in the form of OTP's term. Of each part it shows 64 bytes at most.
func (p Packet) String() string {
	switch p.kind {
	case KindData:
		return quoted(p.raw)
	case KindHTTPRequest:
		r, _ := p.HTTPRequest()
		return fmt.Sprintf("{%v, %s, %s, {%d, %d}}", p.kind, quoted(r.Method.Name), quoted(r.URI.Text),
			r.Version.Major, r.Version.Minor)
	case KindHTTPResponse:
		r, _ := p.HTTPResponse()
		return fmt.Sprintf("{%v, {%d, %d}, %d, %s}", p.kind, r.Version.Major, r.Version.Minor, r.Status, quoted(r.Phrase))
	case KindHTTPHeader:
		h, _ := p.HTTPHeader()
		return fmt.Sprintf("{%v, %s, %s}", p.kind, quoted(h.Name), quoted(h.Value))
	case KindHTTPError:
		return fmt.Sprintf("{%v, %s}", p.kind, quoted(p.raw))
	case KindTLS:
		r, _ := p.TLS()
		return fmt.Sprintf("{%v, %d, {%d, %d}, %s}", p.kind, r.ContentType, r.Major, r.Minor, quoted(r.Data))
	}
	return p.kind.String()
}

// quoted shows bytes as a string of Go, and how many there are if it does not show all.
func quoted(b []byte) string {
	if len(b) > shownBytes {
		return fmt.Sprintf("%q... (%d bytes)", b[:shownBytes], len(b))
	}
	return fmt.Sprintf("%q", b)
}
