package esock

import (
	"encoding/binary"
	"syscall"
)

// A receive of many bytes that come in small pieces is woken for each piece. Once a call has been woken a few times for less
// than it needs, it asks the kernel (SO_RCVLOWAT) to wake it for more at once, and takes that back when it leaves. Where the
// bytes come as fast as they are taken, no call waits that often, and nothing is set. Only TCP's readiness heeds the mark. It
// does not delay an end, an error or a deadline, and what is there at the deadline is received. An adopted socket may be shared
// with a process that the mark would hold up, so it gets none. A mark that the user sets meanwhile stands.
const (
	lowatWaits = 4         // the waits of one call before it asks
	lowatLeast = 32 << 10  // less to receive is not worth the system calls
	lowatMost  = 128 << 10 // so that the sender and the receiver go on side by side
)

// lowat is the mark that a call has set. The zero value has set none.
type lowat struct {
	waits uint32
	set   int32 // the present mark, 0 if the call has not set it
	was   int32
}

// waited records that the call has waited and got a part. The call owns the lane.
func (m *lowat) waited(s *Socket, left int) {
	if m.waits++; m.waits < lowatWaits || Protocol(s.proto) != TCP || s.facts.Load()&factFromFD != 0 || left < lowatLeast && m.set == 0 {
		return
	}
	want := int32(min(left, lowatMost))
	if want == m.set {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.set == 0 {
		var b [4]byte
		if n, r := cGetOptNative(s.h, syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, b[:]); r < 0 || n != len(b) {
			m.waits = 0
			return
		}
		m.was = int32(binary.NativeEndian.Uint32(b[:]))
		s.facts.And(^factLowat)
	}
	m.put(s, want)
}

// lower keeps the mark at what is left to receive, or below: no event would come for the last bytes.
func (m *lowat) lower(s *Socket, left int) {
	if int(m.set) > left {
		s.mu.Lock()
		m.put(s, int32(left))
		s.mu.Unlock()
	}
}

// reset takes the mark back.
func (m *lowat) reset(s *Socket) {
	if m.set != 0 {
		s.mu.Lock()
		m.put(s, m.was)
		s.mu.Unlock()
		m.set = 0
	}
}

// put sets the mark, unless the user has set one meanwhile: then the call has none any more. s.mu is held.
func (m *lowat) put(s *Socket, mark int32) {
	if m.set != 0 && s.facts.Load()&factLowat != 0 {
		*m = lowat{}
		return
	}
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(mark))
	if cSetOptNative(s.h, syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, b[:]) >= 0 {
		m.set = mark
	}
}

// isLowat reports whether an option is the mark. Whoever sets it for the user holds s.mu until optionWasSet has returned.
func isLowat(level, number int) bool {
	return level == syscall.SOL_SOCKET && number == syscall.SO_RCVLOWAT
}
