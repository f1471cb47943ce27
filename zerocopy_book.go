package esock

import (
	"sync"
	"syscall"
)

// zeroCopyBook records the memory that the kernel may still read, because it was sent without copying. It belongs to a socket
// and outlives it (zerocopy_rest.go). It must not refer to the socket, which would then never become unreachable.
//
// The kernel numbers the sends with MSG_ZEROCOPY of a description from 0. Records in the error queue report the released
// numbers, each once and in any order.
type zeroCopyBook struct {
	mu      sync.Mutex
	first   uint32          // the number of slots[0]
	next    uint32          // the number of the next send
	slots   []*zeroCopySend // of the numbers from first on, nil once done
	sending bool            // a call is sending, and its numbers are not noted yet
	early   []ZeroCopyRange // released before they were noted as sent
	noted   uint64          // sends that were released
	doubt   bool            // a datagram could not be sent, and may have used the number next
	lost    bool            // numbers mean nothing: another socket or process sends too, or a datagram went in part
}

// ZeroCopied is memory that the kernel has released.
type ZeroCopied struct {
	Buf    []byte // what Send was given, as far as it was sent
	Copied bool   // at least some was copied after all; on loopback all of it is
}

// zeroCopyResult is what a ZeroCopy shares with its sends; guarded by the book's mutex.
type zeroCopyResult struct {
	book    *zeroCopyBook
	pending int
	done    []ZeroCopied
}

// zeroCopyBook returns the socket's book, made when first needed.
func (s *Socket) zeroCopyBook() *zeroCopyBook {
	r := s.rarely()
	if b := r.uncopied.Load(); b != nil {
		return b
	}
	r.uncopied.CompareAndSwap(nil, new(zeroCopyBook))
	b := r.uncopied.Load()
	s.mu.Lock()
	if s.forgotten != nil {
		s.forgotten.uncopied = b
	}
	s.mu.Unlock()
	return b
}

// uncopied returns the book, nil if there is none.
func (s *Socket) uncopied() *zeroCopyBook {
	if r := s.rare.Load(); r != nil {
		return r.uncopied.Load()
	}
	return nil
}

// note releases the sends of a range. Those that were released before are skipped. b.mu is held.
func (b *zeroCopyBook) note(r ZeroCopyRange) {
	if b.lost {
		return
	}
	// Numbers wrap, but not their distance from the first slot.
	from, to := int64(int32(r.First-b.first)), int64(int32(r.Last-b.first))
	for i := max(from, 0); i <= to && i < int64(len(b.slots)); i++ {
		if z := b.slots[i]; z != nil {
			b.slots[i] = nil
			b.noted++
			z.copied = z.copied || r.Copied
			if z.left--; z.left == 0 {
				z.finish()
			}
		}
	}
	switch beyond := to - int64(len(b.slots)); {
	case beyond < 0:
	case b.sending:
		b.early = append(b.early, r) // those released above are skipped the second time
	case b.doubt && beyond == 0:
		// The datagram that could not be sent had used the number.
		b.doubt = false
		b.next++
		b.slots = append(b.slots, nil)
	default:
		b.lost = true
	}
	for len(b.slots) > 0 && b.slots[0] == nil {
		b.slots, b.first = b.slots[1:], b.first+1
	}
}

// noteRecords notes the notices among received records: recs, or all of ctrl if recs had too little room. b.mu is held.
func (b *zeroCopyBook) noteRecords(ctrl []byte, recs []cCmsg, out *cMsg) {
	if n := int(out.cmsgs); n <= len(recs) {
		for i := range recs[:n] {
			b.noteRecord(&recs[i])
		}
		return
	}
	var pos uintptr
	var rec cCmsg
	for cCmsgNext(ctrl[:out.control_len], &pos, &rec) > 0 {
		b.noteRecord(&rec)
	}
}

// noteRecord notes one record, if it is a notice. b.mu is held.
func (b *zeroCopyBook) noteRecord(rec *cCmsg) {
	if rec.kind != cmsgRecvErr {
		return
	}
	v := cmsgRecvErrOf(rec)
	x := ExtendedError{Errno: syscall.Errno(v.error), Origin: ErrorOrigin(v.origin), Code: ErrorCode(v.code), Info: v.info, Data: v.data}
	if r, ok := x.ZeroCopy(); ok {
		b.note(r)
	}
}

// idle reports whether everything was released. b may be nil.
func (b *zeroCopyBook) idle() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.slots) == 0
}

// release releases everything that is left.
func (b *zeroCopyBook) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, z := range b.slots {
		if z != nil && z.left > 0 {
			z.left = 0
			z.finish()
		}
	}
	b.slots, b.first, b.lost = nil, b.next, true
}

// take is one try at the error queue. It notes the records under the same lock, so that after an empty queue all are noted.
func (b *zeroCopyBook) take(h *handle, buf []byte, flags int, how uint, ctrl []byte, recs []cCmsg, out *cMsg) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := cRecvMsg(h, buf, flags, how, ctrl, recs, out)
	b.noteRecords(ctrl, recs, out) // none if it failed
	return r
}

// recvQueued is one try of a receive with MsgErrQueue. If the socket has a book, every receive notes notices: a receive
// without control messages gets room for them.
func (s *Socket) recvQueued(c *call, how uint) int {
	b := s.uncopied()
	switch {
	case b != nil && c.op != OpRecv && c.op != OpRecvFrom:
		return b.take(s.h, c.buf, c.flags, how, c.ctrl, c.recs, c.out)
	case b != nil:
		var ctrl [256]byte
		var recs [2]cCmsg
		var out cMsg
		r := b.take(s.h, c.buf, c.flags, how, ctrl[:], recs[:], &out)
		if r >= 0 && c.addr != nil {
			*c.addr = out.addr
		}
		return r
	case c.op == OpRecv:
		return cRecv(s.h, c.buf, c.flags, how)
	case c.op == OpRecvFrom:
		return cRecvFrom(s.h, c.buf, c.flags, how, c.addr)
	}
	return cRecvMsg(s.h, c.buf, c.flags, how, c.ctrl, c.recs, c.out)
}
