package esock

import (
	"encoding/binary"
	"errors"
	"math"
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

// zeroCopySend is the memory of one call, which the kernel may take in several sends.
type zeroCopySend struct {
	book   *zeroCopyBook
	buf    []byte
	bufs   [][]byte        // several buffers, in place of buf
	owner  *zeroCopyResult // nil: no ZeroCopy reports it
	left   uint32          // sends not released yet
	copied bool
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
		return plain("the kernel's numbers are not known: another sends without copying on the same description, or a datagram went in part")
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
	if errno, failed := err.(syscall.Errno); failed && s.typ != Stream {
		b.doubt = true // on a stream, only what went has a number
		b.lost = b.lost || errno == syscall.ENOBUFS && z.mayHaveGoneInPart(s)
	}
	early := b.early
	b.early = b.early[:0]
	for _, r := range early {
		b.note(r)
	}
}

// finish releases the memory.
func (z *zeroCopySend) finish() {
	if o := z.owner; o != nil {
		o.pending--
		o.done = append(o.done, ZeroCopied{Buf: z.buf, Copied: z.copied})
	}
	z.buf, z.bufs = nil, nil
}

// mayHaveGoneInPart reports that a datagram failed with ENOBUFS, and some of its fragments may be on their way all the same:
// with IP_RECVERR the kernel reports a fragment that a full queue dropped. The number of such a datagram is used, but its notice
// comes only when the other fragments are gone, after half a minute if the receiver waits for the rest. A send in between
// would be taken for one with the number before, and its memory be given back early.
func (z *zeroCopySend) mayHaveGoneInPart(s *Socket) bool {
	const leastMTU, headers = 576, 28
	size := len(z.buf)
	for _, b := range z.bufs {
		size += len(b)
	}
	if size <= leastMTU-headers {
		return false
	}
	var asked bool
	mtu := uint32(math.MaxUint32)
	for _, o := range [...]struct{ level, recvErr, mtu int }{{syscall.IPPROTO_IP, 11, 14}, {syscall.IPPROTO_IPV6, 25, 24}} {
		if v, ok := s.optionOf(o.level, o.recvErr); ok && v != 0 {
			asked = true
		}
		if v, ok := s.optionOf(o.level, o.mtu); ok { // it has one when it is connected
			mtu = min(mtu, v)
		}
	}
	return asked && (mtu == math.MaxUint32 || size > int(mtu)-headers)
}

// optionOf reads a native option that is a C int.
func (s *Socket) optionOf(level, opt int) (v uint32, ok bool) {
	var b [4]byte
	n, r := cGetOptNative(s.h, level, opt, b[:])
	return binary.NativeEndian.Uint32(b[:]), r >= 0 && n == len(b)
}
