package packet

import "encoding/binary"

// Decode returns the packet at the front of b, which it does not change. If err is nil, the packet took n bytes of b, and
// the rest is b[n:]. OTP: erlang:decode_packet/3.
//
// ErrMore: b is the beginning of a packet, or empty; n is the length of the whole packet, or 0 if it is unknown. ErrInvalid:
// b does not begin with a packet, or the packet is larger than allowed. *ArgumentError: the type is unknown, a
// size is out of range, or the delimiter is for another type.
func Decode(t Type, b []byte, o Options) (p Packet, n int, err error) {
	if !usual(t, o) {
		if err := check(t, o); err != nil {
			return Packet{}, 0, err
		}
	}
	parser := Parser{t: t, o: o}
	return parser.Next(b)
}

// whole reports whether a packet with a length is complete and not too large: a header of h bytes, which is in b, announces
// l bytes.
func (p *Parser) whole(b []byte, h int, l uint32) bool {
	return l <= limit(p.o.PacketSize) && uint64(h)+uint64(l) <= uint64(min(len(b), maxTotal))
}

// partial is the result if whole is false.
func (p *Parser) partial(h int, l uint32) (Packet, int, error) {
	if l > limit(p.o.PacketSize) || uint64(h)+uint64(l) > maxTotal {
		return Packet{}, 0, ErrInvalid
	}
	return Packet{}, h + int(l), ErrMore
}

// framed decodes a packet whose header is delivered too.
func (p *Parser) framed(b []byte, h int, l uint32) (Packet, int, error) {
	if !p.whole(b, h, l) {
		return p.partial(h, l)
	}
	n := h + int(l)
	return Packet{raw: b[:n:n], kind: KindData}, n, nil
}

const (
	sunRMHeader = 4
	cdrHeader   = 12
	fcgiHeader  = 8
	tpktHeader  = 4
)

// sunRM decodes a fragment. The top bit marks the record's last fragment; the receiver finds it in the delivered header.
func (p *Parser) sunRM(b []byte) (Packet, int, error) {
	if len(b) < sunRMHeader {
		return Packet{}, 0, ErrMore
	}
	return p.framed(b, sunRMHeader, binary.BigEndian.Uint32(b)&^(1<<31))
}

// cdr: "GIOP", major, minor, flags, type, size. Flag 1: little-endian.
func (p *Parser) cdr(b []byte) (Packet, int, error) {
	if len(b) < cdrHeader {
		return Packet{}, 0, ErrMore
	}
	if string(b[:4]) != "GIOP" {
		return Packet{}, 0, ErrInvalid
	}
	l := binary.BigEndian.Uint32(b[8:])
	if b[6]&1 != 0 {
		l = binary.LittleEndian.Uint32(b[8:])
	}
	return p.framed(b, cdrHeader, l)
}

// fcgi: version, type, id (2), content length (2), padding length, reserved. The padding is not delivered.
func (p *Parser) fcgi(b []byte) (Packet, int, error) {
	if len(b) < fcgiHeader {
		return Packet{}, 0, ErrMore
	}
	if b[0] != 1 {
		return Packet{}, 0, ErrInvalid
	}
	content, padding := uint32(binary.BigEndian.Uint16(b[4:])), uint32(b[6])
	if !p.whole(b, fcgiHeader, content+padding) {
		return p.partial(fcgiHeader, content+padding)
	}
	end := fcgiHeader + int(content)
	return Packet{raw: b[:end:end], kind: KindData}, end + int(padding), nil
}

// tpkt: version, reserved, length (2), which counts the header.
func (p *Parser) tpkt(b []byte) (Packet, int, error) {
	if len(b) < tpktHeader {
		return Packet{}, 0, ErrMore
	}
	l := uint32(binary.BigEndian.Uint16(b[2:]))
	if b[0] != 3 || l < tpktHeader {
		return Packet{}, 0, ErrInvalid
	}
	return p.framed(b, tpktHeader, l-tpktHeader)
}
