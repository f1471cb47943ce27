package esock

import (
	"encoding/binary"
	"errors"
	"syscall"
)

// MsgZeroCopy sends from the caller's memory without copying, if the socket allows it (SO_ZEROCOPY, set by
// Socket.ZeroCopy or SocketZeroCopy); otherwise the kernel copies. The memory must not change until the error queue
// says that the kernel has released it. The library keeps the memory alive until then; a ZeroCopy returns it.
//
// While the socket is open, memory is freed only if the program reads the error queue (RecvErr, Errors, a receive with
// MsgErrQueue). The kernel numbers the sends of an open file description from 0. So no other socket or process that
// shares the description may send with MsgZeroCopy, or may have done so before the descriptor was adopted.
//
// The library drops the flag where no release would be reported: for empty sends, where RecvErr does not work (vsock),
// and when the numbering is lost (see ZeroCopy.Send). Linux 4.14 (TCP), 5.0 (UDP); MSG_ZEROCOPY,
// Documentation/networking/msg_zerocopy.rst.
const MsgZeroCopy MsgFlags = 0x4000000

const soZeroCopy = 60

// errUncopied makes a call go through sendUncopied. Callers never see it.
var errUncopied = errors.New("esock: MsgZeroCopy")

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

// ZeroCopied is memory that the kernel has released.
type ZeroCopied struct {
	Buf    []byte // what Send was given, as far as it was sent
	Copied bool   // at least some was copied after all; on loopback all of it is
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
// same description, or SO_ZEROCOPY was switched off.
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

// sendUncopied is do for a send after which the kernel may still use the caller's memory. z keeps that memory alive.
func (s *Socket) sendUncopied(c *call, w *Wait, z *zeroCopySend) (int, error) {
	op := c.op.String()
	c.zc = z
	if err := s.admit(c, w); err != nil {
		return 0, s.fail(op, err)
	}
	if err := s.beginUncopied(c, z); err != nil {
		s.leave(c.op, nil)
		return 0, s.fail(op, err)
	}
	return s.complete(c, w, false, 0)
}

// beginUncopied decides whether the send goes without copying. The caller has the lane, so the numbers stay in order.
func (s *Socket) beginUncopied(c *call, z *zeroCopySend) error {
	plain := func(cause string) error {
		if z.owner != nil && cause != "" {
			return stateError(cause)
		}
		c.flags &^= int(MsgZeroCopy)
		c.zc = nil
		return nil
	}
	if len(c.buf) == 0 && len(c.iov) == 0 {
		return plain("") // UDP would use a number
	}
	if cErrorQueue(s.h) != errorQueueYes {
		return plain("")
	}
	var on [4]byte
	if n, r := cGetOptNative(s.h, solSocket, soZeroCopy, on[:]); r < 0 || n != len(on) || on == [4]byte{} {
		return plain("SO_ZEROCOPY was switched off")
	}
	b := s.zeroCopyBook()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.doubt && !cErrorPending(s.h) {
		b.doubt = false // the notice would have come: the kernel used no number
	}
	switch {
	case b.lost:
		return plain("somebody else sends without copying on the same description")
	case b.doubt:
		if z.owner != nil {
			// A pending error that is no record goes away once it is reported, here as by any send.
			if n, r := cGetOptNative(s.h, solSocket, syscall.SO_ERROR, on[:]); r >= 0 && n == len(on) && on != [4]byte{} {
				return syscall.Errno(binary.NativeEndian.Uint32(on[:]))
			}
		}
		return plain("a datagram that could not be sent may have taken a number: read the error queue to its end first")
	}
	z.book, b.sending = b, true
	return nil
}

// sent notes the result of a call that beginUncopied let through: n bytes went, in this many sends of the kernel. The caller
// still has the lane.
func (z *zeroCopySend) sent(s *Socket, sends uint32, n int, err error) {
	b := z.book
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sending = false
	if n > 0 {
		if z.owner != nil {
			z.buf = z.buf[:n]
			z.owner.pending++
		}
		z.left = sends
		for range sends {
			b.slots = append(b.slots, z)
		}
		b.next += sends
	}
	if _, failed := err.(syscall.Errno); failed && s.typ != Stream {
		b.doubt = true // on a stream, only what went has a number
	}
	early := b.early
	b.early = b.early[:0]
	for _, r := range early {
		b.note(r)
	}
}
