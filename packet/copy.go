package packet

// CopyTo returns a copy of the packet: at the front of buf if it fits, otherwise in new memory.
func (p Packet) CopyTo(buf []byte) Packet {
	if cap(buf) < len(p.raw) {
		buf = make([]byte, len(p.raw))
	}
	buf = buf[:len(p.raw)]
	copy(buf, p.raw)
	p.raw = buf[:len(buf):len(buf)]
	return p
}
