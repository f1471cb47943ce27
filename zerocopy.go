package esock

import (
	"encoding/binary"
	"sync"
	"syscall"
)

// MsgZeroCopy sends from the caller's memory without copying it; it must then stay as it is until the error queue says that the
// kernel is done with it. Socket.ZeroCopy keeps count. Linux 4.14 (TCP), 5.0 (UDP); MSG_ZEROCOPY.
const MsgZeroCopy MsgFlags = 0x4000000

const soZeroCopy = 60

// ZeroCopy sends without copying, and says when the kernel is done with the memory. One such value per socket. It keeps what
// was sent alive until then.
//
//	zc, err := s.ZeroCopy()
//	n, err := zc.Send(data, esock.Forever)
//	for e, err := range s.Errors(&m) {
//		for _, sent := range zc.Done(e) { … sent.Buf can be used again … }
//	}
//
// Its methods may be called from any goroutine.
type ZeroCopy struct {
	s       *Socket
	mu      sync.Mutex
	next    uint32 // the kernel's number of the next send
	lost    bool   // it is not known any more
	pending []zeroCopySend
	done    []ZeroCopied
}

// zeroCopySend is a Send that the kernel is not done with: several sends of the kernel's.
type zeroCopySend struct {
	buf    []byte
	first  uint32
	calls  uint32 // how many
	left   uint32 // how many of them are not done
	copied bool
}

// ZeroCopied is memory that the kernel is done with.
type ZeroCopied struct {
	Buf    []byte // what Send was given, as far as it was sent
	Copied bool   // at least some was copied after all; on loopback all of it is
}

// ZeroCopy allows sending without copying (SO_ZEROCOPY), on a socket that has not used it yet. Errors: those of setsockopt(2).
func (s *Socket) ZeroCopy() (*ZeroCopy, error) {
	if !s.hasErrorQueue() {
		return nil, s.fail("setopt", syscall.EOPNOTSUPP) // nothing would be given back
	}
	if err := s.SetOptionNative(solSocket, soZeroCopy, binary.NativeEndian.AppendUint32(nil, 1)); err != nil {
		return nil, err
	}
	return &ZeroCopy{s: s}, nil
}

// Send sends all of buf, which must not be changed until Done has given it back; also when an error came after the first bytes.
// Others who Send or ask for what is Done wait meanwhile. Errors: as Socket.Send; ENOBUFS: too much is not done yet, drain
// the error queue first. After a datagram that could not be sent, ErrState: what the kernel numbers is not known any more.
func (z *ZeroCopy) Send(buf []byte, w Wait) (n int, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.s == nil || z.lost {
		return 0, stateError("a datagram that could not be sent may have taken a number of the kernel's: open the socket anew")
	}
	p := zeroCopySend{first: z.next}
	// Each send of the kernel's has a number of its own.
	c := call{op: OpSend, buf: buf, flags: int(MsgZeroCopy), whole: z.s.typ == Stream}
	n, err = z.s.do(&c, &w)
	if p.calls = c.sends; p.calls == 0 && n > 0 {
		p.calls = 1
	}
	z.lost = z.s.typ != Stream && errnoIn(err) != 0
	if n > 0 {
		p.buf, p.left = buf[:n], p.calls
		z.next += p.calls
		z.pending = append(z.pending, p)
	}
	return n, err
}

// Pending is how many Sends the kernel is not done with.
func (z *ZeroCopy) Pending() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return len(z.pending)
}

// Done gives back what a record of the error queue says the kernel is done with; nothing, if it is about something else. The
// list is good until the next Done.
func (z *ZeroCopy) Done(e QueuedError) []ZeroCopied {
	r, ok := e.ZeroCopy()
	if !ok {
		return nil
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	clear(z.done)
	z.done = z.done[:0]
	keep := z.pending[:0]
	for _, p := range z.pending {
		// Numbers wrap; counted from the first of this Send they do not.
		first, last := int64(int32(r.First-p.first)), int64(int32(r.Last-p.first))
		if n := min(last, int64(p.calls)-1) - max(first, 0) + 1; n > 0 {
			p.left -= min(uint32(n), p.left)
			p.copied = p.copied || r.Copied
		}
		if p.left == 0 {
			z.done = append(z.done, ZeroCopied{Buf: p.buf, Copied: p.copied})
			continue
		}
		keep = append(keep, p)
	}
	clear(z.pending[len(keep):])
	z.pending = keep
	return z.done
}
