package packet

import "strconv"

// Type is how packets are separated. The zero value is Raw. OTP: inet:setopts/2, option packet.
type Type uint8

// The types, by OTP's names.
const (
	Raw      Type = iota // the bytes that are there
	Len0                 // OTP's 0: as Raw
	Len1                 // a length of 1 byte, then the packet
	Len2                 // a length of 2 bytes, big-endian
	Len4                 // a length of 4 bytes, big-endian
	ASN1                 // ASN.1 BER: tag, length, contents
	SunRM                // Sun RPC record marking (RFC 5531, section 11)
	CDR                  // CORBA GIOP 1.1
	FCGI                 // FastCGI
	Line                 // up to a delimiter, by default a newline
	TPKT                 // TPKT (RFC 1006)
	TLS                  // TLS and SSL records (RFC 8446, section 5.1)
	HTTP                 // HTTP/1 start line; a Parser goes on with headers
	HTTPH                // HTTP/1 header
	HTTPBin              // as HTTP; OTP delivers binaries
	HTTPHBin             // as HTTPH; OTP delivers binaries
	numTypes
)

var typeNames = [numTypes]string{"raw", "0", "1", "2", "4", "asn1", "sunrm", "cdr", "fcgi", "line", "tpkt", "ssl_tls",
	"http", "httph", "http_bin", "httph_bin"}

// String returns OTP's name of the type.
func (t Type) String() string {
	if t >= numTypes {
		return "packet.Type(" + strconv.Itoa(int(t)) + ")"
	}
	return typeNames[t]
}

// ParseType returns the type with OTP's name: "raw", "4", "http_bin". The error is an *ArgumentError.
func ParseType(name string) (Type, error) {
	for t, s := range typeNames {
		if s == name {
			return Type(t), nil
		}
	}
	return 0, &ArgumentError{What: "type", Value: name}
}

// MarshalText returns OTP's name of the type.
func (t Type) MarshalText() ([]byte, error) {
	if t >= numTypes {
		return nil, &ArgumentError{What: "type", Value: uint8(t)}
	}
	return []byte(typeNames[t]), nil
}

// UnmarshalText sets the type by OTP's name.
func (t *Type) UnmarshalText(name []byte) error {
	if t == nil {
		return &ArgumentError{What: "type", Cause: "there is no Type to set: the pointer is nil"}
	}
	parsed, err := ParseType(string(name))
	if err == nil {
		*t = parsed
	}
	return err
}

// IsHTTP reports whether packets of the type are lines of an HTTP head.
func (t Type) IsHTTP() bool { return t >= HTTP && t < numTypes }

// HeaderLen returns the size of the header that a sender adds to each packet: 1, 2 or 4 for Len1, Len2 and Len4, 0 for all
// other types, whose packets carry their own headers.
func (t Type) HeaderLen() int {
	switch t {
	case Len1:
		return 1
	case Len2:
		return 2
	case Len4:
		return 4
	}
	return 0
}
