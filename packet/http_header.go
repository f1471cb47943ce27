package packet

// HTTPHeader has the parts of a header line. OTP: {http_header, Index, Field, UnmodifiedField, Value}.
type HTTPHeader struct {
	Index int    // its number in OTP's table of known headers, from 1; 0: unknown
	Name  []byte // as received
	Value []byte // without leading blanks; trailing blanks and the line breaks of a folded value stay
}

// maxNormal is the longest name that is looked up and normalized; as in OTP, longer ones stay unchanged.
const maxNormal = 50

// headerLine decodes a header without its end. The packet has KindNone if the line is not a header.
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

// HTTPHeader returns the parts of a header; false if the packet is not a header.
func (p Packet) HTTPHeader() (HTTPHeader, bool) {
	if p.kind != KindHTTPHeader {
		return HTTPHeader{}, false
	}
	name := p.raw[:p.mark:p.mark]
	value := p.raw[skip(p.raw, len(name)+1, blankChar):]
	return HTTPHeader{Index: headerIndex(name), Name: name, Value: value}, true
}

// Field returns the name in normal form, such as "Content-Type". It does not allocate for known headers.
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

// AppendField appends the name in normal form to dst: a letter at the front or after a hyphen is a capital, other letters
// are small. A hyphen in such a place takes the place of the letter, so the letter after it is small: "--a--b--" is
// "--A--b--", "-a" stays. A name of more than 50 bytes stays unchanged. OTP does the same.
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
