package packet

import (
	"bytes"
	"encoding/binary"
)

// Parser decodes the packets of a buffer that grows. It remembers how far an incomplete packet was searched, so that the
// cost is linear in the bytes however they arrive. For HTTP it remembers whether a start line or a header comes next.
//
// It does not keep the bytes: the caller keeps unused bytes, and passes them again with those that follow. A Parser can be
// copied. The zero value has type Raw. Methods of a nil pointer return an *ArgumentError, or the zero value.
type Parser struct {
	t        Type
	header   bool // HTTP: a header comes next
	o        Options
	searched int // so many bytes at the front have no end of a packet
}

// NewParser makes a Parser of packets of type t. The error is an *ArgumentError.
func NewParser(t Type, o Options) (Parser, error) {
	if err := check(t, o); err != nil {
		return Parser{}, err
	}
	return Parser{t: t, o: o}, nil
}

// Next returns the packet at the front of b, with the results of [Decode]. Pass the bytes that the previous packets did not
// take, and after ErrMore the same bytes and more. After ErrInvalid no bytes are used, and the same bytes are invalid again.
func (p *Parser) Next(b []byte) (pkt Packet, n int, err error) {
	if p == nil {
		return Packet{}, 0, noParser()
	}
	h, l := 0, uint32(0)
	switch p.t {
	case Raw, Len0:
		if len(b) == 0 {
			return Packet{}, 0, ErrMore
		}
		return Packet{raw: b[:len(b):len(b)], kind: KindData}, len(b), nil
	case Len1:
		if len(b) < 1 {
			return Packet{}, 0, ErrMore
		}
		h, l = 1, uint32(b[0])
	case Len2:
		if len(b) < 2 {
			return Packet{}, 0, ErrMore
		}
		h, l = 2, uint32(binary.BigEndian.Uint16(b))
	case Len4:
		if len(b) < 4 {
			return Packet{}, 0, ErrMore
		}
		h, l = 4, binary.BigEndian.Uint32(b)
	case Line:
		if p.searched == 0 && p.o.LineLength == 0 { // the usual case, without a call
			window := b[:min(len(b), int(limit(p.o.PacketSize)))]
			if i := bytes.IndexByte(window, p.o.LineDelimiter.Byte()); i >= 0 {
				n := i + 1
				return Packet{raw: b[:n:n], kind: KindData}, n, nil
			}
			p.searched = len(window)
		}
		return p.line(b)
	case ASN1:
		return p.asn1(b)
	case SunRM:
		return p.sunRM(b)
	case CDR:
		return p.cdr(b)
	case FCGI:
		return p.fcgi(b)
	case TPKT:
		return p.tpkt(b)
	case TLS:
		return p.tls(b)
	default:
		return p.http(b)
	}
	if !p.whole(b, h, l) {
		return p.partial(h, l)
	}
	n = h + int(l)
	return Packet{raw: b[h:n:n], kind: KindData}, n, nil
}

// from returns where the search continues. A shorter buffer is a new one, searched from its beginning.
func (p *Parser) from(b []byte) int {
	if p.searched > len(b) {
		p.searched = 0
	}
	return p.searched
}

func noParser() error { return &ArgumentError{What: "parser"} }

// Type returns the type that NewParser or SetType set.
func (p *Parser) Type() Type {
	if p == nil {
		return Raw
	}
	return p.t
}

// Options returns the options as they were given.
func (p *Parser) Options() Options {
	if p == nil {
		return Options{}
	}
	return p.o
}

// SetType changes the type of the packets from the first unused byte on. For HTTP a start line comes next. After an error,
// an *ArgumentError, nothing has changed; a delimiter must be removed from the options first.
func (p *Parser) SetType(t Type) error {
	if p == nil {
		return noParser()
	}
	q, err := NewParser(t, p.o)
	if err == nil {
		*p = q
	}
	return err
}

// SetOptions changes the options. It keeps whether a start line or a header comes next. After an error, an *ArgumentError,
// nothing has changed.
func (p *Parser) SetOptions(o Options) error {
	if p == nil {
		return noParser()
	}
	if err := check(p.t, o); err != nil {
		return err
	}
	p.o, p.searched = o, 0
	return nil
}

// Rewind forgets how far the Parser has searched. Call it when the next call of Next passes other bytes.
func (p *Parser) Rewind() {
	if p != nil {
		p.searched = 0
	}
}
