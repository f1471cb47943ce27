package packet

// HTTPHeader is a header. OTP: {http_header, Index, Field, UnmodifiedField, Value}.
type HTTPHeader struct {
	Index int    // its number in OTP's table of known headers, from 1; 0 if it is not there
	Name  []byte // as received
	Value []byte // without blanks before it; blanks after it and the line breaks of a folded value are kept
}

// maxNormal is the longest name that is looked up and brought to normal form; OTP leaves others as they are.
const maxNormal = 50

// headerLine decodes a header without its end. The packet is of KindNone if it is none.
func headerLine(b []byte) Packet {
	if len(b) == 0 {
		return Packet{kind: KindHTTPEOH}
	}
	name := skip(b, 0, tokenChar)
	if name == len(b) || b[name] != ':' {
		return Packet{}
	}
	return Packet{raw: b, kind: KindHTTPHeader, mark: uint32(name)}
}

// HTTPHeader returns the parts of a header; false if the packet is none.
func (p Packet) HTTPHeader() (HTTPHeader, bool) {
	if p.kind != KindHTTPHeader {
		return HTTPHeader{}, false
	}
	name := p.raw[:p.mark:p.mark]
	value := p.raw[skip(p.raw, len(name)+1, blankChar):]
	return HTTPHeader{Index: headerIndex(name), Name: name, Value: value}, true
}

// Field returns the name in normal form, as "Content-Type". That of a known header takes no allocation.
func (h HTTPHeader) Field() string {
	if h.Index > 0 && h.Index < len(headerNames) {
		return headerNames[h.Index]
	}
	var buf [maxNormal]byte
	if len(h.Name) > maxNormal {
		return string(h.Name)
	}
	return string(h.AppendField(buf[:0]))
}

// AppendField appends the name in normal form to dst: the first byte and the one after a hyphen are capitals if they
// are letters, other letters are small. A hyphen in such a place counts as that byte, and the one after it is no
// capital: "--a--b--" is "--A--b--", "-a" stays. A name of more than 50 bytes stays as it is. OTP does the same.
func (h HTTPHeader) AppendField(dst []byte) []byte {
	if len(h.Name) > maxNormal {
		return append(dst, h.Name...)
	}
	up := true
	for _, c := range h.Name {
		switch {
		case up && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case !up && 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		up = !up && c == '-'
		dst = append(dst, c)
	}
	return dst
}
