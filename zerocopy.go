package esock

import "encoding/binary"

// ZeroCopy sends without copying and reports when the kernel has released the memory. A socket has at most one. What
// was sent stays alive until then, even if the ZeroCopy is dropped or the socket closed. Any goroutine may call its
// methods.
//
//	zc, err := s.ZeroCopy()
//	n, err := zc.Send(data, esock.Forever)
//	for e, err := range s.Errors(&m) {
//		for _, sent := range zc.Done(e) { … sent.Buf can be used again … }
//	}
//
// Close does not wait for the peer. Pending data is still sent, and the library keeps the descriptor until the peer
// has acknowledged it: only then does the peer see the end of the stream and Pending reach 0. The memory must not
// change before. A minute without an acknowledgement aborts the connection, and {socket, linger} of 0 seconds makes
// Close abort at once.
type ZeroCopy struct {
	s    *Socket
	o    *zeroCopyResult
	list []ZeroCopied // what Done gave last; guarded by the book's mutex
}

// ZeroCopy enables sending without copying (SO_ZEROCOPY) on a socket that has not used it yet. Errors: those of
// setsockopt(2); EOPNOTSUPP where RecvErr does not work.
func (s *Socket) ZeroCopy() (*ZeroCopy, error) {
	const op = "zero_copy"
	if err := s.needErrorQueue(op); err != nil {
		return nil, err // no release would be reported
	}
	if err := s.SetOptionNative(solSocket, soZeroCopy, binary.NativeEndian.AppendUint32(nil, 1)); err != nil {
		return nil, s.failAs(op, err)
	}
	return &ZeroCopy{s: s, o: &zeroCopyResult{book: s.zeroCopyBook()}}, nil
}

// Send sends all of buf, which must not change until Done returns it, even if an error follows the first bytes.
// Errors: as Socket.Send; ENOBUFS if too much is pending: drain the error queue first.
//
// After a datagram that could not be sent, Send returns ErrState, because the kernel may have numbered it and only the
// error queue tells: read the queue to its end, then send again. If ErrState persists, another process sends on the
// same description, SO_ZEROCOPY was switched off, or a datagram larger than the MTU failed with ENOBUFS (IP_RECVERR).
func (z *ZeroCopy) Send(buf []byte, w Wait) (n int, err error) {
	if z == nil || z.s == nil {
		return 0, stateError("it was not made by Socket.ZeroCopy")
	}
	c := call{op: OpSend, buf: buf, flags: int(MsgZeroCopy), whole: z.s.typ == Stream}
	return z.s.sendUncopied(&c, &w, &zeroCopySend{buf: buf, owner: z.o})
}

// Pending returns how many Sends the kernel has not released.
func (z *ZeroCopy) Pending() int {
	if z == nil || z.s == nil {
		return 0
	}
	b := z.o.book
	b.mu.Lock()
	defer b.mu.Unlock()
	return z.o.pending
}

// Done takes a record of the error queue and returns the memory that it and those before it release; nothing for other
// records. The list is valid until the next Done.
func (z *ZeroCopy) Done(e QueuedError) []ZeroCopied {
	r, ok := e.ZeroCopy()
	if !ok || z == nil || z.s == nil {
		return nil
	}
	b := z.o.book
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(r)
	clear(z.list)
	z.list, z.o.done = z.o.done, z.list[:0]
	return z.list
}
