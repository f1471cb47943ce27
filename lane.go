package esock

import (
	"math/bits"
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// A lane is one direction of a socket: the call that is in it now, the request that holds it for its next call, and the
// calls queued behind.
//
// The state word has a bit that says that the socket is open; the zero Socket lacks it, and so is closed. For each lane it has
// seven bits:
//
//	owned      a call is inside
//	exclusive  the owner's operation excludes the others of its direction (accept, connect)
//	slow       a handle holds the lane, or a call is queued: entering needs the mutex
//	note       an event came that no wait has used
//	waited     the last blocking call had to wait, so the next one waits before it tries
//	parked     the owner waits or works piece by piece, and so does not leave soon; it is the current request
//	bounded    the direction has a deadline: see deadline.go
//
// The rest of the word counts references. Entering takes a reference and the lane in one step, and leaving returns both in one.
// Ownership spans the whole call, waits included; s.mu never spans a system call on data.
//
// Everything in the structure is guarded by s.mu, except op.
type lane struct {
	cur        *Handle       // the asynchronous requester that holds the lane
	handleList               // the calls queued behind, in order of arrival
	op         atomic.Uint32 // the owner's operation, while it is parked; the owner writes it
	named      int32         // how many of the queued calls are blocking ones of a mailbox (Wait.As)
	pausing    *pausing      // pause.go; nil until needed
}

const (
	stOpen uint64 = 1 << 0  // cleared when the socket begins to close; a zero Socket never has it
	stRef  uint64 = 1 << 22 // references are counted from this bit up
)

// The bits of the first lane. Those of the next are laneBits higher.
const (
	ownedBit = 1 + iota
	slowBit
	noteBit
	exclusiveBit
	waitedBit
	parkedBit
	boundedBit
	laneBits = iota
)

func stOwned(d direction) uint64     { return 1 << (ownedBit + laneBits*d) }
func stSlow(d direction) uint64      { return 1 << (slowBit + laneBits*d) }
func stNote(d direction) uint64      { return 1 << (noteBit + laneBits*d) }
func stExclusive(d direction) uint64 { return 1 << (exclusiveBit + laneBits*d) }
func stWaited(d direction) uint64    { return 1 << (waitedBit + laneBits*d) }
func stParked(d direction) uint64    { return 1 << (parkedBit + laneBits*d) }
func stBounded(d direction) uint64   { return 1 << (boundedBit + laneBits*d) }

// directionOf is the direction of a bit stOwned.
func directionOf(owned uint64) direction {
	return direction(bits.TrailingZeros64(owned)-ownedBit) / laneBits
}

// lane returns the lane of a direction.
func (s *Socket) lane(d direction) *lane {
	if d == erring {
		return s.errLane()
	}
	return &s.lanes[d]
}

// errLane is the lane of the error queue, made when it is first needed.
func (s *Socket) errLane() *lane {
	r := s.rarely()
	if r.errs.Load() == nil {
		r.errs.CompareAndSwap(nil, new(lane))
	}
	return r.errs.Load()
}

// lastLane is the last of the socket's lanes. Few sockets have one for the error queue.
func (s *Socket) lastLane() direction {
	if r := s.rare.Load(); r == nil || r.errs.Load() == nil {
		return writing
	}
	return erring
}

// current is the operation that a lane waits for, OpNone if there is none. s.mu is held.
func (s *Socket) current(d direction) Op {
	l := s.lane(d)
	if l.cur != nil {
		return l.cur.op
	}
	if s.state.Load()&stParked(d) == 0 {
		return OpNone
	}
	return Op(l.op.Load())
}

// count counts the calls that wait in a lane for one of the operations from first to last. s.mu is held.
func (s *Socket) count(d direction, first, last Op) int {
	n := 0
	l := s.lane(d)
	if op := s.current(d); op >= first && op <= last {
		n++
	}
	for h := l.head; h != nil; h = h.entry.next {
		if h.op >= first && h.op <= last {
			n++
		}
	}
	return n
}

// completions counts the calls that wait in a lane and that the library carries out. s.mu is held.
func (s *Socket) completions(d direction) int {
	n := 0
	l := s.lane(d)
	if l.cur != nil && l.cur.completes {
		n++
	}
	for h := l.head; h != nil; h = h.entry.next {
		if h.completes {
			n++
		}
	}
	return n
}

// ref takes a reference, which keeps the C handle.
func (s *Socket) ref(op string) error {
	for {
		st := s.state.Load()
		if st&stOpen == 0 {
			return s.fail(op, net.ErrClosed)
		}
		if s.state.CompareAndSwap(st, st+stRef) {
			return nil
		}
	}
}

// unref returns a reference.
func (s *Socket) unref() {
	if st := s.state.Add(^(stRef - 1)); st&stOpen == 0 && st < stRef {
		s.lastOut()
	}
}

// lastOut tells the closer that no call is inside any more.
func (s *Socket) lastOut() {
	s.mu.Lock() // close sets drained under it
	drained := s.rare.Load().drained
	s.mu.Unlock()
	close(drained)
}

// closing reports that the socket is closed, or closing, or was never opened.
func (s *Socket) closing() bool { return s.state.Load()&stOpen == 0 }

// enter takes a reference and the lane for one call. Errors: net.ErrClosed, ErrState, ErrTimeout, a context's, and
// a *Select when the call was queued.
func (s *Socket) enter(c *call, w *Wait) error {
	d := c.op.direction()
	looked, hold := stOpen|stOwned(d)|stSlow(d)|stBounded(d), c.op.hold()
	for {
		st := s.state.Load()
		if st&looked != stOpen || c.finish || w.amendment() != nil {
			return s.enterSlow(c, w)
		}
		if s.state.CompareAndSwap(st, st+hold) {
			return nil
		}
	}
}

// enterSlow is enter with the mutex: the lane is in use, or has a deadline, or the call continues another.
func (s *Socket) enterSlow(c *call, w *Wait) error {
	d := c.op.direction()
	l := s.lane(d)
	mb := s.requester(w)
	if mb != nil && w.named() == mb && mb.Closed() {
		return errMailboxClosed
	}
	for {
		s.mu.Lock()
		if s.closing() {
			s.mu.Unlock()
			return net.ErrClosed
		}
		// From here no call enters without the mutex, and an owner that leaves takes it.
		st := s.state.Load()
		if st&stSlow(d) == 0 { // the bit changes with s.mu held alone
			st = s.state.Or(stSlow(d))
		}
		owned := st&stOwned(d) != 0
		other := c.op.exclusive() != (st&stExclusive(d) != 0)
		mine := l.cur != nil && l.cur.mb == mb
		err := s.clash(l, c, w, mine)
		switch {
		case err != nil:
		case !w.async() && s.expired(d):
			err = ErrTimeout
		case !owned && mine:
			if err = s.replace(l, c, w); err == nil {
				s.state.Add(c.op.hold())
			}
		case !owned && l.cur == nil && l.head == nil:
			s.state.Add(c.op.hold())
		case owned && st&stParked(d) == 0 && (mine || other || w.polls() || c.op == OpConnect):
			// The owner is inside a system call, which does not block. It soon leaves or parks, and the case is clear then.
			s.settle(d)
			s.mu.Unlock()
			runtime.Gosched()
			continue
		case w.polls():
			err = ErrTimeout
		case w.async():
			err = s.queueAsync(l, c, w)
		case mb != nil && s.hasQueued(mb, l, d) != nil:
			err = errQueuedAlready
		default:
			wt := newWaiter(s, c.op, c.until(s, w))
			wt.h.state = handleQueued
			if wt.as = mb; mb != nil {
				l.named++
			}
			l.push(&wt.h)
			s.mu.Unlock()
			return s.awaitTurn(c, wt, w)
		}
		s.settle(d)
		s.mu.Unlock()
		return err
	}
}

// clash reports why a call may not even wait for the lane. s.mu is held.
func (s *Socket) clash(l *lane, c *call, w *Wait, mine bool) error {
	if c.op.direction() != erring && s.loop != nil {
		return errLooped
	}
	current, cont := s.current(c.op.direction()), w.continues()
	if cont != nil && (l.cur != cont.Handle() || !mine || l.cur.op != c.op || l.cur.completes) {
		return errNotInProgress
	}
	switch {
	case mine && l.cur.completes:
		return errCarried
	case c.finish && (current != OpConnect || !mine):
		return stateError("no connect of this requester is in progress")
	case current == OpNone:
		return nil
	case (c.op == OpAccept) != (current == OpAccept) && c.op.direction() == reading:
		return stateError("an accept and a receive exclude each other")
	case c.op == OpConnect && current == OpConnect:
		if !mine {
			return ErrAlready
		}
	case c.op == OpConnect || current == OpConnect:
		return stateError("a connect and a send exclude each other")
	case c.op == OpSendFile && current == OpSendFile && l.cur != nil && cont == nil:
		if f := l.cur.heldFile(); !mine || f != nil && f.started {
			return stateError("a sendfile is in progress")
		}
	}
	return nil
}

// replace lets the requester that holds the lane make its next call. The handle that held the lane is done: if its message
// has not been received, an abort takes the message's place. s.mu is held.
func (s *Socket) replace(l *lane, c *call, w *Wait) error {
	h, own, cont := l.cur, w.handle(), w.continues()
	if own == h && h.state == handleArmed {
		return errHandleBusy
	}
	if own != nil && own != h && own.inUse() {
		return errHandleBusy
	}
	c.current = true
	c.woken = h.state == handleSelected
	if c.connecting = h.op == OpConnect; c.connecting && h.ext != nil {
		c.to = h.ext.to
	}
	if f := h.heldFile(); f != nil {
		if cont != nil {
			h.ext.file, c.file = nil, f
		} else {
			s.dropFile(h)
		}
	}
	c.part = cont != nil && h.moved
	named := own == h || cont != nil
	unseen := !named && (h.state == handleArmed || h.mb.unseen(h))
	l.cur = nil
	l.unpause()
	h.state = handleIdle
	s.keepArmed()
	switch {
	case named:
		h.mb.finish(h)
	case unseen:
		h.mb.aborted(h, ErrCancelled)
	default:
		h.mb.release(h)
	}
	return nil
}

// queueAsync queues an asynchronous call. s.mu is held.
func (s *Socket) queueAsync(l *lane, c *call, w *Wait) error {
	mb := w.requester()
	if s.hasQueued(mb, l, c.op.direction()) != nil {
		return errQueuedAlready
	}
	h := w.handle()
	if h == nil {
		h = w.newHandle()
	}
	if err := mb.claim(h, s); err != nil {
		return err
	}
	h.op, h.complete, h.moved, h.state = c.op, false, false, handleQueued
	h.completes, h.due = w.kind == waitComplete, false
	if h.completes {
		h.take(c, 0)
	}
	h.keep(c)
	l.push(h)
	return h.pending()
}

var errQueuedAlready = stateError("a call of this mailbox is queued already")

// requester is the mailbox that makes the call. In the calls of a layer above, the mailbox of Wait.As counts for nothing: it is
// the layer's user, and the lane's requests are the layer's own.
func (s *Socket) requester(w *Wait) *Mailbox {
	if !w.async() && w.continues() == nil && s.facts.Load()&factLayered != 0 {
		return nil
	}
	return w.requester()
}

// hasQueued returns the call that the mailbox has queued in a lane, or nil. s.mu is held.
func (s *Socket) hasQueued(mb *Mailbox, l *lane, d direction) *Handle {
	if l.named > 0 {
		for h := l.head; h != nil; h = h.entry.next {
			if h.mb == nil && h.ext.waiter.as == mb {
				return h
			}
		}
	}
	return mb.queuedIn(s, l, d)
}

// unqueue takes a call out of the queue. s.mu is held.
func (l *lane) unqueue(h *Handle) {
	l.remove(h)
	h.state = handleIdle
	if h.mb == nil && h.ext.waiter.as != nil {
		l.named--
	}
}

// turn tells a blocking call that it has left the queue: it owns the lane, or reason says why it does not. s.mu is held.
func (h *Handle) turn(reason error) {
	h.ext.reason = reason
	h.ext.wake <- struct{}{}
}

// settle sets the slow bit if a handle holds the lane or a call is queued, and clears it otherwise. s.mu is held.
func (s *Socket) settle(d direction) {
	slow := false
	if d <= s.lastLane() {
		l := s.lane(d)
		slow = slow || l.cur != nil || l.head != nil
	}
	switch was := s.state.Load()&stSlow(d) != 0; {
	case slow == was: // the bit changes with s.mu held alone
	case slow:
		s.state.Or(stSlow(d))
	default:
		s.state.And(^stSlow(d))
	}
}

// leave returns the lane and the reference. A fatal error also ends the calls queued behind.
func (s *Socket) leave(op Op, fatal error) {
	d := op.direction()
	if fatal != nil {
		s.mu.Lock()
		s.abortQueue(s.lane(d), fatal)
		s.settle(d)
		s.mu.Unlock()
	}
	hold := op.hold() | s.state.Load()&stParked(d) // only the owner parks
	st := s.state.Add(^(hold - 1))
	if st&(stSlow(d)|stOpen) != stOpen {
		s.left(d, st)
	}
}

// left is the rest of leaving a lane that has more to say: the socket closes, or the lane has a queue. st is the state after.
func (s *Socket) left(d direction, st uint64) {
	if st&stOpen == 0 {
		if st < stRef {
			s.lastOut()
		}
		return
	}
	s.mu.Lock()
	if h := s.lane(d).cur; h != nil && h.due && h.state == handleArmed && !s.closing() {
		go s.carry(s.beginCarry(d))
	}
	s.promote(d)
	s.mu.Unlock()
	s.simulated().leave()
}

// promote gives the lane, if it is free, to the next in the queue. A blocking call owns it then; an asynchronous call holds it
// and waits for readiness. s.mu is held.
func (s *Socket) promote(d direction) {
	l := s.lane(d)
	for !s.closing() && l.cur == nil && l.head != nil && s.state.Load()&stOwned(d) == 0 {
		h := l.head
		l.unqueue(h)
		if h.mb == nil {
			s.state.Add(h.op.hold())
			h.turn(nil)
			break
		}
		if err := s.hold(d, h, afterNothing); err != nil {
			s.dropFile(h)
			h.mb.aborted(h, err)
		}
	}
	s.settle(d)
}

// hold makes h the current request and arms it. s.mu is held.
func (s *Socket) hold(d direction, h *Handle, after armAfter) error {
	l := s.lane(d)
	if s.state.And(^stNote(d))&stNote(d) != 0 && !h.completes {
		// An event came that no call has acted on. To arm for a call that is carried out makes another event of what is ready.
		l.cur, h.state = h, handleSelected
		h.mb.selected(h)
		return nil
	}
	if err := s.armAfter(d, after); err != nil {
		return err
	}
	l.cur, h.state = h, handleArmed
	s.keepArmed()
	s.lookOut(d, s.silence(h.op))
	return nil
}

// selectOn ends an asynchronous call that would block: the requester holds the lane from then on. It returns nil if an event
// came meanwhile, so that the call tries again. n has moved so far.
func (s *Socket) selectOn(c *call, w *Wait, n int) error {
	s.mu.Lock()
	err := s.selectLocked(c, w, n)
	s.mu.Unlock()
	s.simulated().leave()
	return err
}

// selectLocked is selectOn with s.mu held.
func (s *Socket) selectLocked(c *call, w *Wait, n int) error {
	d := c.op.direction()
	if s.closing() {
		return net.ErrClosed
	}
	again, pause := s.inVain(c)
	if again {
		return nil
	}
	h := w.handle()
	if h == nil {
		h = w.newHandle()
	}
	mb := h.mb
	if err := mb.claim(h, s); err != nil {
		return err
	}
	h.op, h.complete, h.moved = c.op, c.complete, c.part
	h.completes, h.due = w.kind == waitComplete, false
	h.keepAddr(c)
	if h.completes {
		c.counted = true
		h.take(c, n)
	}
	if err := s.holdFor(h, c, pause); err != nil {
		if h.completes {
			*h.ext.operation = operation{} // the caller's part ends it
		}
		mb.release(h)
		return err
	}
	h.keep(c)
	l := s.lane(d)
	s.unpark(d) // the owner leaves soon, and the handle is the current request
	s.supersede(l, mb, d)
	s.settle(d)
	return h.pending()
}

// inVain notes that a try would block. It reports whether the call should try again, because an event came meanwhile, or else
// the pause after which it should, 0 to wait for an event. s.mu is held.
func (s *Socket) inVain(c *call) (again bool, pause time.Duration) {
	d := c.op.direction()
	if c.woken && s.seesEnd(d) {
		return true, 0
	}
	s.tried(d, c.woken || c.noted)
	if s.state.And(^stNote(d))&stNote(d) != 0 {
		if pause = s.early(d); pause == 0 {
			c.noted = true
			return true, 0
		}
	}
	return false, pause
}

// holdFor makes h the current request, to wait for an event or a pause. s.mu is held.
func (s *Socket) holdFor(h *Handle, c *call, pause time.Duration) error {
	d := c.op.direction()
	if pause == 0 {
		return s.hold(d, h, c.armAfter())
	}
	err := s.pauseFor(d, pause)
	if err == nil {
		s.lane(d).cur, h.state = h, handleArmed // the list of pauses keeps the socket alive
	}
	return err
}

// armAfter says what the call knows of the socket when it arms. After a try that moved something, and after one that did not
// ask for all there is, the socket may be ready.
func (c *call) armAfter() armAfter {
	switch {
	case c.woken:
		return afterEmpty
	case c.complete || c.sends >= pollTries || c.flags&^int(MsgPeek) != 0 || c.own != nil:
		return afterNothing
	case c.flags != 0:
		return afterPeek
	}
	return afterTry
}

// supersede ends the call that the mailbox queued while its other call, which now holds the lane, was in the kernel. The
// queued call would wait for the mailbox's own next call. s.mu is held.
func (s *Socket) supersede(l *lane, mb *Mailbox, d direction) {
	h := s.hasQueued(mb, l, d)
	if h == nil {
		return
	}
	l.unqueue(h)
	if h.mb == nil {
		h.turn(stateError("another call of this mailbox waits"))
		return
	}
	s.dropFile(h)
	mb.aborted(h, ErrCancelled)
}

// abortQueue ends every call that is queued in l. s.mu is held.
func (s *Socket) abortQueue(l *lane, reason error) {
	for l.head != nil {
		h := l.head
		l.unqueue(h)
		if h.mb == nil {
			h.turn(reason)
			continue
		}
		s.dropFile(h)
		h.mb.aborted(h, reason)
	}
}

// abortAll ends everything that waits in the lane, because the socket closes. s.mu is held.
func (s *Socket) abortAll(d direction) {
	l := s.lane(d)
	l.unpause()
	if h := l.cur; h != nil && h.state != handleCarried { // who carries it sees that the socket closes
		l.cur = nil
		s.dropFile(h)
		if h.state == handleArmed {
			h.mb.aborted(h, net.ErrClosed)
		} else {
			h.mb.release(h) // its message was sent, and the requester's next call sees that the socket is closed
		}
		h.state = handleIdle
	}
	s.abortQueue(l, net.ErrClosed)
}

// event takes what the poller reports about the socket. It is a hint: a call may have used the readiness already, or the event
// may be about the socket that had the address before.
func (s *Socket) event(events int) {
	s.mu.Lock()
	carried := s.events(events)
	s.mu.Unlock()
	for _, h := range carried {
		if h != nil {
			s.carry(h)
		}
	}
}

// events is event without what takes longer: it returns the operations to carry on. s.mu is held.
func (s *Socket) events(events int) (carried [2]*Handle) {
	if s.ptr == nil {
		return // deregistered
	}
	answered := cFired(s.poller(), s.h, events)
	events |= answered // a direction that can no longer be watched is answered without an event of its own
	if events&eventErr != 0 {
		events |= eventIn | eventOut // an error may be about any direction
	}
	blk := s.blk.Load()
	for d := reading; d <= s.lastLane(); d++ {
		l := s.lane(d)
		switch {
		case events&d.bits() == 0:
		case l.cur != nil && l.cur.state == handleArmed && answered&d.bits() != 0:
			if s.defers(d) {
				continue
			}
			if l.cur.completes {
				carried[d] = s.beginCarry(d)
				continue
			}
			l.cur.state = handleSelected
			s.keepArmed()
			l.cur.mb.selected(l.cur)
		case blk != nil && blk.onPoller[d] != nil && answered&d.bits() != 0:
			if s.defers(d) {
				continue
			}
			blk.onPoller[d].give()
			blk.onPoller[d] = nil
		default:
			// No call waits for it now. The next one to arm must try first.
			s.state.Or(stNote(d))
		}
	}
	return carried
}
