package packet

import "bytes"

// line decodes a line that was searched in part, or that may be too long. A line longer than LineLength comes in pieces, all
// but the last of that length. The search is not repeated for each piece.
func (p *Parser) line(b []byte) (Packet, int, error) {
	size, piece := int(limit(p.o.PacketSize)), int(limit(p.o.LineLength))
	window := b[:min(len(b), p.window())]
	from := p.from(window)
	i := bytes.IndexByte(window[from:], p.o.LineDelimiter.Byte())
	if i >= 0 {
		n := from + i + 1
		p.searched = 0
		if n > piece {
			n = piece
			p.searched = from + i - n
		}
		return Packet{raw: b[:n:n], kind: KindData}, n, nil
	}
	if len(b) > size {
		p.searched = 0
		return Packet{}, 0, ErrInvalid
	}
	if len(b) >= piece {
		p.searched = len(window) - piece
		return Packet{raw: b[:piece:piece], kind: KindData}, piece, nil
	}
	p.searched = len(window)
	return Packet{}, 0, ErrMore
}

// window returns the number of bytes in which to search for the end of a line.
func (p *Parser) window() int {
	if p.o.PacketSize == 0 {
		return int(limit(p.o.LineLength))
	}
	return int(limit(p.o.PacketSize))
}
