package packet

// asn1 decodes a BER value (X.690, section 8.1): tag, length, contents. Of a value of indefinite length only the header
// is the packet.
func (p *Parser) asn1(b []byte) (Packet, int, error) {
	if len(b) < 2 {
		return Packet{}, 0, ErrMore
	}
	i := 1
	if b[0]&0x1f == 0x1f { // a tag of several bytes; all but the last have bit 7 set
		i = max(1, p.from(b))
		for i < len(b) && b[i]&0x80 != 0 {
			i++
		}
		if i > maxTag && i > int(limit(p.o.PacketSize)) {
			p.searched = 0
			return Packet{}, 0, ErrInvalid
		}
		if len(b)-i < 2 {
			p.searched = i
			return Packet{}, 0, ErrMore
		}
		i++
	}
	l := uint32(b[i])
	i++
	if l&0x80 != 0 {
		k := int(l & 0x7f)
		if len(b)-i < k {
			return Packet{}, 0, ErrMore
		}
		if k > 4 {
			p.searched = 0
			return Packet{}, 0, ErrInvalid
		}
		l = 0
		for _, c := range b[i : i+k] {
			l = l<<8 | uint32(c)
		}
		i += k
	}
	pkt, n, err := p.framed(b, i, l)
	if err != ErrMore {
		p.searched = 0
	}
	return pkt, n, err
}

// maxTag is the longest tag that is always accepted. A longer tag must fit into Options.PacketSize, or a peer could send a
// tag without end. OTP has no limit.
const maxTag = 64
