package packet

import "strconv"

// Kind is the kind of a packet, which tells how to read its parts.
type Kind uint8

// The kinds of packets, with what OTP delivers for each.
const (
	KindNone         Kind = iota
	KindData              // bytes
	KindHTTPRequest       // {http_request, Method, Uri, Version}
	KindHTTPResponse      // {http_response, Version, Status, Phrase}
	KindHTTPHeader        // {http_header, Index, Field, UnmodifiedName, Value}
	KindHTTPEOH           // http_eoh: the empty line that ends the headers
	KindHTTPError         // {http_error, Line}
	KindTLS               // {ssl_tls, [], ContentType, Version, Data}
	numKinds
)

var kindNames = [numKinds]string{"none", "data", "http_request", "http_response", "http_header", "http_eoh",
	"http_error", "ssl_tls"}

// String returns OTP's name of the kind.
func (k Kind) String() string {
	if k >= numKinds {
		return "packet.Kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// ParseKind returns the kind with OTP's name: "data", "http_eoh". The error is an *ArgumentError.
func ParseKind(name string) (Kind, error) {
	for k, s := range kindNames {
		if s == name {
			return Kind(k), nil
		}
	}
	return 0, &ArgumentError{What: "kind", Value: name}
}

// Packet is a view of the bytes in which it was found. It is small: pass it by value. The zero value is no packet.
//
// Go keeps a struct of at most four words and four fields in registers. With more, Next would take three times as long. So a
// packet stores one mark, and the methods that return its parts search for the others again.
type Packet struct {
	raw  []byte
	kind Kind
	mark uint32 // where a part begins in raw: the version, the phrase, the colon, or 0
}

// DataPacket makes a packet of kind KindData.
func DataPacket(b []byte) Packet { return Packet{raw: b, kind: KindData} }

// Kind returns the kind of the packet, which tells the method that returns its parts.
func (p Packet) Kind() Kind { return p.kind }

// Data returns the data of a data packet, the whole line of an HTTP error, or the body of a TLS record; nil for other kinds.
func (p Packet) Data() []byte {
	switch p.kind {
	case KindData, KindHTTPError:
		return p.raw
	case KindTLS:
		return p.raw[tlsHeader:]
	}
	return nil
}

// TLSRecord has the parts of a TLS or SSL record. OTP: {ssl_tls, [], ContentType, {Major, Minor}, Data}.
type TLSRecord struct {
	ContentType  byte // 20 to 24; other types are accepted
	Major, Minor byte // the version: 3, 3 is TLS 1.2
	Data         []byte
}

// TLS returns the parts of a TLS record; false if the packet is not a TLS record.
func (p Packet) TLS() (TLSRecord, bool) {
	if p.kind != KindTLS {
		return TLSRecord{}, false
	}
	return TLSRecord{p.raw[0], p.raw[1], p.raw[2], p.raw[tlsHeader:]}, true
}
