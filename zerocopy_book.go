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
	readers int             // calls that take records and note them later
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
		if int32(r.First-b.next) < 0 {
			r.First = b.next
		}
		b.early = append(b.early, r)
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

// noteRecords takes down what received records say. b.mu is held.
func (b *zeroCopyBook) noteRecords(recs []cCmsg, n int) {
	for i := range recs[:min(n, len(recs))] {
		if recs[i].kind != cmsgRecvErr {
			continue
		}
		v := cmsgRecvErrOf(&recs[i])
		x := ExtendedError{Errno: syscall.Errno(v.error), Origin: ErrorOrigin(v.origin), Code: ErrorCode(v.code), Info: v.info, Data: v.data}
		if r, ok := x.ZeroCopy(); ok {
			b.note(r)
		}
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
	b.noteRecords(recs, int(out.cmsgs)) // none if it failed
	return r
}

// reading counts a call that takes a record by another way; took notes what it took.
func (b *zeroCopyBook) reading() {
	b.mu.Lock()
	b.readers++
	b.mu.Unlock()
}

// took is the end of a call that reading counted.
func (b *zeroCopyBook) took(m *Msg) {
	b.mu.Lock()
	if m.came {
		b.noteRecords(m.recs, int(m.out.cmsgs))
	}
	b.readers--
	b.mu.Unlock()
}
