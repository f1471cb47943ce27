package packet

// CopyTo returns the same packet in memory of its own: at the front of buf if it fits there, else newly made.
func (p Packet) CopyTo(buf []byte) Packet {
	if cap(buf) < len(p.raw) {
		buf = make([]byte, len(p.raw))
	}
	buf = buf[:len(p.raw)]
	copy(buf, p.raw)
	p.raw = buf[:len(buf):len(buf)]
	return p
}
