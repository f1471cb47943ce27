package esock

import (
	"sync/atomic"
	"syscall"
)

// The quick path of a call that nothing holds up: it takes its lane in one step, makes one system call, and leaves in one step.
// It makes no call structure, because passing one around costs more than all else here. What has a context, a mailbox or a flag
// that needs more, or whose socket has settings of its own, goes through do; so does what finds its lane in use. A quick call
// that is not complete after its one try becomes a call, which goes on in complete.
//
// The calls of a datagram socket share the lane: each is one message, which the kernel keeps apart from the others. The one that
// has to wait takes the lane for itself, and later calls queue behind it. On a stream or seqpacket connection a call has the
// lane for itself from the start: a send may take several system calls, and an error ends the calls that are queued behind.

// untried is the result of a quick call that has made no system call yet.
const untried = -int(syscall.EAGAIN)

// quickFlags are the flags that need nothing but the system call.
const quickFlags = (MsgZeroCopy - 1) &^ MsgErrQueue

// quick says how a quick call goes.
type quick uint8

const (
	quickNot   quick = iota // not at all: the call goes through do
	quickTry                // it has the lane, and tries
	quickWait               // it has the lane, and waits first, because the last call of the direction had to wait
	quickShare              // it shares the lane, and tries
)

// quickly takes the lane of a direction for a quick call, if it can. own is stOwned of the direction, so that the compiler makes
// constants of the bits.
func (s *Socket) quickly(own uint64, flags MsgFlags, w *Wait) quick {
	slow, waited, bounded := own<<(slowBit-ownedBit), own<<(waitedBit-ownedBit), own<<(boundedBit-ownedBit)
	if w.ref != nil || flags&^quickFlags != 0 || s.otp.Load() != nil {
		return quickNot
	}
	for {
		how, hold := quickTry, stRef+own
		st := s.state.Load()
		if st&bounded != 0 && s.expired(directionOf(own)) {
			return quickNot
		}
		switch st & (stOpen | own | slow | waited) {
		case stOpen:
			if s.shares {
				how, hold = quickShare, stRef
			}
		case stOpen | waited:
			if w.spin == 0 && w.blocks() {
				how = quickWait
			}
		default:
			return quickNot
		}
		// Another call of the socket may enter or leave at this moment. One that shares the lane is no reason to take it alone.
		if s.state.CompareAndSwap(st, st+hold) {
			return how
		}
	}
}

// quickEnd ends a quick call that is complete. With quickWait it has waited, and so has parked.
func (s *Socket) quickEnd(own uint64, how quick) {
	if atomic.LoadUint32((*uint32)(&s.block.wrapped)) != 0 {
		s.noticeWrap()
	}
	if how == quickShare {
		s.unref()
		return
	}
	hold := stRef + own
	if how == quickWait {
		hold += own << (parkedBit - ownedBit)
	}
	if st := s.state.Add(^(hold - 1)); st&(own<<(slowBit-ownedBit)|stOpen) != stOpen {
		s.left(directionOf(own), st)
	}
}

// carryOn is the rest of a quick call that is not complete. r is the result of its try, or untried. A call that could not go the
// quick way goes through do.
func (s *Socket) carryOn(c *call, w *Wait, how quick, r int) (int, error) {
	switch how {
	case quickNot:
		return s.do(c, w)
	case quickWait:
		return s.waitFirst(c, w)
	case quickShare:
		if r != untried {
			s.quickEnd(stOwned(c.op.direction()), how)
			return 0, s.fail(c.op.String(), syscall.Errno(-r))
		}
		if !s.takeLane(c.op.direction()) {
			s.quickEnd(stOwned(c.op.direction()), how)
			return s.do(c, w)
		}
	}
	return s.complete(c, w, true, s.settled(c, r))
}

// takeLane makes a call that shares the lane its only owner. It reports false if another has it, or waits for it.
func (s *Socket) takeLane(d direction) bool {
	for {
		st := s.state.Load()
		if st&(stOpen|stOwned(d)|stSlow(d)) != stOpen {
			return false
		}
		if s.state.CompareAndSwap(st, st+stOwned(d)) {
			return true
		}
	}
}

// waitFirst waits for a quick call, and makes it. The call moves into the park.
func (s *Socket) waitFirst(c *call, w *Wait) (int, error) {
	d := c.op.direction()
	b := s.blk.Load() // the call before made it
	p := b.parks[d]
	p.c = *c
	c = &p.c
	c.inPark = true
	if w.kind != waitForever || d == writing && s.silence(c.op).first != 0 {
		return s.complete(c, w, true, untried)
	}
	if st := s.park(d, c.op); st&stBounded(d) != 0 || p.at.get() != 0 {
		s.mu.Lock()
		if s.closing() { // Close may have found the descriptor's deadline passed, and not set it
			s.mu.Unlock()
			return s.complete(c, w, true, untried)
		}
		b.setDeadline(d, b.bounds[d].get())
		s.mu.Unlock()
	}
	p.pace, p.pause = pace{}, 0
	var err error
	if d == reading {
		err = b.raw.Read(p.try)
	} else {
		err = b.raw.Write(p.try)
	}
	switch r := p.result; {
	case err != nil || p.pause > 0:
		if isDeadline(err) {
			s.mu.Lock()
			p.at.set(passed)
			s.mu.Unlock()
		}
		return s.complete(c, w, true, untried)
	case r <= 0 || r < len(c.buf) && c.whole || c.tries == 1:
		s.setWaited(d, c.tries > 1)
		c.counted = false
		return s.complete(c, w, true, r)
	default:
		*c = call{}
		s.quickEnd(stOwned(d), quickWait)
		return r, nil
	}
}
