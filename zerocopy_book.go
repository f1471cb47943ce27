package esock

import (
	"sync"
	"syscall"
)

// zeroCopyBook is what the kernel may still read of the process's memory, because it was sent from there without copying. It
// belongs to a socket, and outlives it: zerocopy_rest.go. It must not hold the socket, which could then not be forgotten.
//
// The kernel numbers the sends with MSG_ZEROCOPY of a description, from 0, and tells the numbers that it is done with, each
// once and in any order, by records of the error queue.
type zeroCopyBook struct {
	mu      sync.Mutex
	first   uint32          // the number of slots[0]
	next    uint32          // the number of the next send
	slots   []*zeroCopySend // of the numbers from first on, nil once done
	sending bool            // a call is inside whose numbers are not noted yet
	early   []ZeroCopyRange // done, and not noted as sent yet
	noted   uint64          // sends that the kernel is done with
	doubt   bool            // a datagram could not be sent: next may be its number
	lost    bool            // somebody else sends: a number says nothing
}

// zeroCopySend is one call's memory: several sends of the kernel's.
type zeroCopySend struct {
	book   *zeroCopyBook
	buf    []byte
	bufs   [][]byte        // where there are several
	owner  *zeroCopyResult // nil: nobody asks for it
	left   uint32          // how many sends are not done
	copied bool
}

// zeroCopyResult is what a ZeroCopy shares with its sends; guarded by the book's mutex.
type zeroCopyResult struct {
	book    *zeroCopyBook
	pending int
	done    []ZeroCopied
}

// zeroCopyBook is the socket's book, made when it is first needed.
func (s *Socket) zeroCopyBook() *zeroCopyBook {
	r := s.rarely()
	if b := r.uncopied.Load(); b != nil {
		return b
	}
	r.uncopied.CompareAndSwap(nil, new(zeroCopyBook))
	b := r.uncopied.Load()
	s.mu.Lock()
	if r.forgotten != nil {
		r.forgotten.uncopied = b
	}
	s.mu.Unlock()
	return b
}

// uncopied is the book if there is one.
func (s *Socket) uncopied() *zeroCopyBook {
	if r := s.rare.Load(); r != nil {
		return r.uncopied.Load()
	}
	return nil
}

// note takes down what the kernel is done with. Numbers that were noted before are passed over. b.mu is held.
func (b *zeroCopyBook) note(r ZeroCopyRange) {
	if b.lost {
		return
	}
	// Numbers wrap; counted from the first slot they do not.
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
		b.early = append(b.early, r) // of those noted here, the second time finds nothing
	case b.doubt && beyond == 0:
		// The datagram that could not be sent had the number.
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

// finish gives the memory back.
func (z *zeroCopySend) finish() {
	if o := z.owner; o != nil {
		o.pending--
		o.done = append(o.done, ZeroCopied{Buf: z.buf, Copied: z.copied})
	}
	z.buf, z.bufs = nil, nil
}

// noteRecords takes down what received records say: recs, or, where there were more than it has room for, all of ctrl. b.mu
// is held.
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

// noteRecord takes down what one record says. b.mu is held.
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

// idle reports that the kernel is done with everything. b may be nil.
func (b *zeroCopyBook) idle() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.slots) == 0
}

// release gives all that is left back.
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

// take is one try at the error queue. A record is noted in the same step: whoever finds the queue empty knows what it had.
func (b *zeroCopyBook) take(h *handle, buf []byte, flags int, how uint, ctrl []byte, recs []cCmsg, out *cMsg) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := cRecvMsg(h, buf, flags, how, ctrl, recs, out)
	b.noteRecords(ctrl, recs, out) // none if it failed
	return r
}

// recvQueued is one try of a receive with MsgErrQueue. Where the socket has memory that the kernel sends from, a notice is
// noted whichever receive takes it: those without control messages get room for them.
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
