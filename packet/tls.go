package packet

import "encoding/binary"

const tlsHeader = 5

// tls decodes a record: content type, version (2), length (2), body.
func (p *Parser) tls(b []byte) (Packet, int, error) {
	if len(b) < tlsHeader {
		return Packet{}, 0, ErrMore
	}
	if b[0]&0x80 != 0 && b[2] == 1 {
		return p.sslv2Hello(b)
	}
	l := uint32(binary.BigEndian.Uint16(b[3:]))
	if !p.whole(b, tlsHeader, l) {
		return p.partial(tlsHeader, l)
	}
	n := tlsHeader + int(l)
	return Packet{raw: b[:n:n], kind: KindTLS}, n, nil
}

// sslv2Hello decodes the client hello of SSL 2.0 (RFC 5246, appendix E.2): length (2, top bit set), message type 1,
// version (2), and so on. The length counts from the message type on. OTP delivers it as a handshake record of TLS,
// which takes a copy.
func (p *Parser) sslv2Hello(b []byte) (Packet, int, error) {
	const counted = 3 // bytes of the header that the length counts
	l := uint32(binary.BigEndian.Uint16(b) &^ (1 << 15))
	if l < counted {
		return Packet{}, 0, ErrInvalid
	}
	l -= counted
	if !p.whole(b, tlsHeader, l) {
		return p.partial(tlsHeader, l)
	}
	n := tlsHeader + int(l)
	rest := n - 3
	const handshake, clientHello = 22, 1
	raw := make([]byte, 0, tlsHeader+4+rest)
	raw = append(raw, handshake, b[3], b[4], 0, 0) // no method returns the record's length
	raw = append(raw, clientHello, byte(rest>>16), byte(rest>>8), byte(rest))
	return Packet{raw: append(raw, b[3:n]...), kind: KindTLS}, n, nil
}
