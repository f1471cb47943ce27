package packet

import "bytes"

// http decodes one line of a head: a start line, or a header with the lines that continue it.
func (p *Parser) http(b []byte) (Packet, int, error) {
	header := p.header || p.t == HTTPH || p.t == HTTPHBin
	n, err := p.httpLine(b, header)
	if err != nil {
		return Packet{}, 0, err
	}
	p.searched = 0
	end := n - 1 // without the end of the line
	if n >= 2 && b[n-2] == '\r' {
		end--
	}
	var pkt Packet
	if header {
		pkt = headerLine(b[:end:end])
	} else {
		pkt = startLine(b[:end:end])
	}
	switch pkt.kind {
	case KindNone:
		return Packet{raw: b[:n:n], kind: KindHTTPError}, n, nil
	case KindHTTPRequest, KindHTTPResponse:
		p.header = true
	case KindHTTPEOH:
		p.header = false
	}
	return pkt, n, nil
}

// httpLine finds the end of the line. A header continues on the next line if that begins with a blank (RFC 9112, section
// 5.2), so the byte after it must have come. The empty line that ends the headers needs no such byte.
func (p *Parser) httpLine(b []byte, header bool) (n int, err error) {
	if len(b) == 1 && b[0] == '\n' || len(b) == 2 && b[0] == '\r' && b[1] == '\n' {
		return len(b), nil
	}
	largest := p.window()
	window := b[:min(len(b), largest)]
	for from := p.from(window); ; from = n {
		i := bytes.IndexByte(window[from:], '\n')
		if i < 0 {
			if len(b) >= largest {
				p.searched = 0
				return 0, ErrInvalid
			}
			p.searched = len(window)
			return 0, ErrMore
		}
		n = from + i + 1
		if !header {
			return n, nil
		}
		if n == len(b) {
			p.searched = n - 1
			return 0, ErrMore
		}
		if n <= 2 || !isBlank(b[n]) {
			return n, nil
		}
	}
}
