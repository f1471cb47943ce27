package esock

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"weak"
)

// blocking is the blocking side of a socket. The first call that has to wait makes it, so that a socket that never waits does
// not pay for it, and later parks allocate nothing.
type blocking struct {
	file     *os.File        // what the runtime's poller knows; owns the descriptor, unless that was adopted
	raw      syscall.RawConn // of file; nil if the runtime refuses the descriptor
	parks    [2]*park        // of the directions that wait on the runtime's poller; made when first needed: parkOf
	bounds   [2]sharedTime   // per direction: its deadline; written with s.mu: deadline.go
	onPoller [3]*waiter      // per direction: the call that waits on the C poller; guarded by s.mu
}

// park is the state of one direction's wait on the runtime's poller. It belongs to the owner of the lane, except what s.mu
// guards. A call that waits often is made in its park; any other is copied into it.
type park struct {
	s         *Socket
	d         direction
	try       func(fd uintptr) bool // one try of c, for the runtime's poller
	c         call                  // the waiting call
	result    int                   // of its last try
	pace      pace
	pause     time.Duration // the wait goes on after this pause, because the wake-up came too early
	busySince time.Duration // when the owner last parked, while it spins

	// Guarded by s.mu.
	own time.Duration // the deadline in the waiting call's Wait
	at  sharedTime    // the deadline of the descriptor, 0 for none, or passed; the owner reads it without s.mu

	// The context that wakes the lane, known by its Done channel; guarded by s.mu. The first park with a channel stops its
	// function on return, and the second in a row leaves it registered, so that steady use registers nothing.
	done   <-chan struct{} // registered
	stop   func() bool
	before <-chan struct{} // that of the last park with a context
}

// sharedTime is a time since epoch that other goroutines read without a lock.
type sharedTime struct{ ns atomic.Int64 }

func (m *sharedTime) get() time.Duration   { return time.Duration(m.ns.Load()) }
func (m *sharedTime) set(at time.Duration) { m.ns.Store(int64(at)) }

// blockingSide returns the blocking side, made at the first call. s.mu is held.
func (s *Socket) blockingSide() *blocking {
	if b := s.blk.Load(); b != nil {
		return b
	}
	b := &blocking{}
	s.blk.Store(b)
	return b
}

// parkOf returns the park of a direction, made at the first call, which the owner of the lane makes. A connection whose writes
// never wait has none for them. s.mu is held.
func (s *Socket) parkOf(d direction) *park {
	b := s.blockingSide()
	if p := b.parks[d]; p != nil {
		return p
	}
	p := &park{s: s, d: d}
	p.try = func(uintptr) bool {
		s, c := p.s, &p.c
		if c.tries++; c.tries > 1 {
			if p.pause = p.pace.early(s, p.d); p.pause > 0 {
				return true
			}
		}
		p.result = c.try(s, c.count())
		if c.tries > 1 && c.wouldBlock(p.result) {
			p.pace.empty(s, p.d)
			if s.seesEnd(p.d) {
				p.result = c.try(s, howPoll)
			}
		}
		return !c.wouldBlock(p.result)
	}
	b.parks[d] = p
	return p
}

// open gives the descriptor to the runtime's poller, and the File closes it from then on. A borrowed descriptor is duplicated,
// because the socket must not close it. s.mu is held.
func (b *blocking) open(s *Socket) {
	if b.file != nil {
		return
	}
	var fd int
	if s.facts.Load()&factBorrowed != 0 {
		if fd = cDup(s.h); fd < 0 {
			return
		}
	} else {
		fd = cDisown(s.h)
	}
	b.file = os.NewFile(uintptr(fd), "esock")
	if f := s.forgotten; f != nil {
		f.file = b.file
	}
	// NewFile hides a failed registration; a deadline reveals it.
	if b.file.SetDeadline(time.Time{}) == nil {
		b.raw, _ = b.file.SyscallConn()
	}
}

// passed stands for the deadline of a descriptor that has come, or was set in the past to wake the waiting call.
const passed = time.Duration(-1)

// past is a moment in the past.
var past = time.Unix(1, 0)

// setDeadline sets the descriptor's deadline for one direction, unless it has it already. A direction without a park has no
// call to end, and the first sets its own. s.mu is held.
func (b *blocking) setDeadline(d direction, at time.Duration) {
	p := b.parks[d]
	if p == nil || b.raw == nil || p.at.get() == at {
		return
	}
	var t time.Time
	switch at {
	case 0:
	case passed:
		t = past
	default:
		t = realTime(at)
	}
	if d == reading {
		b.file.SetReadDeadline(t)
	} else {
		b.file.SetWriteDeadline(t)
	}
	p.at.set(at)
}

// wake ends the wait in a lane. s.mu is held.
func (s *Socket) wake(d direction) {
	b := s.blk.Load()
	if b == nil {
		return
	}
	if d != erring {
		b.setDeadline(d, passed) // the next wait sets its own
	}
	if wt := b.onPoller[d]; wt != nil {
		wt.give()
		b.onPoller[d] = nil
	}
}

// count says how the next try counts: only the first try of a wait counts the wait, however often it is woken for nothing.
func (c *call) count() (how uint) {
	if c.counted {
		return howPoll
	}
	c.counted = true
	return 0
}

// errRefused says that the runtime's poller does not serve the call, so that it waits on the C poller.
var errRefused = errors.New("not for the runtime's poller")

// await waits until the call can make progress, and makes it. It returns the result of a try that did not block, or why the
// wait ended. The caller owns the lane.
func (s *Socket) await(c *call, w *Wait) (int, error) {
	c.until(s, w)
	if err := w.calledOff(); err != nil {
		return 0, err
	}
	if q := s.silence(c.op); q.first != 0 {
		d := c.op.direction()
		s.beginLook(d, q)
		defer s.endLook(d)
	}
	for c.tries = 0; ; {
		r, pause, err := s.awaitOnRuntime(c, w)
		if err == errRefused || pause > 0 {
			r, err = s.awaitOnPoller(c, w, pause)
		}
		switch {
		case err == ErrTimeout:
		case err != nil:
			return 0, err
		case !c.wouldBlock(r):
			c.counted = false // the next wait counts again
			return r, nil
		default:
			continue // an event came
		}
		// A deadline ended the wait: the call's, the direction's, a context's or a close's. The deadline may also have been
		// moved, or have been left by another wait: then the wait goes on.
		called := w.calledOff()
		switch {
		case s.closing():
			return 0, net.ErrClosed
		case called != nil:
			return 0, called
		case s.overdue(c):
			// What came at the last moment still counts. The time may also have been over before the first try.
			if r = s.try(c, c.count()); !c.wouldBlock(r) {
				c.counted = false
				return r, nil
			}
			return 0, ErrTimeout
		}
	}
}

// awaitOnRuntime waits on the runtime's poller. It returns the result of the last try, or a pause with which the wait goes on.
// Errors: ErrTimeout when any deadline ended the wait; errRefused; net.ErrClosed.
func (s *Socket) awaitOnRuntime(c *call, w *Wait) (r int, pause time.Duration, err error) {
	d := c.op.direction()
	// Connect does not come here, so that a client that only selects never enters the runtime's poller. The error queue does
	// not because the runtime does not report it; nor does a simulated socket, whose descriptor the runtime does not know.
	if c.op == OpConnect || d == erring || s.simulated() != nil {
		return 0, 0, errRefused
	}
	var done <-chan struct{}
	if w.kind == waitContext {
		done = w.context().Done()
	}
	s.mu.Lock()
	if w.kind == waitContext && !s.closing() && !s.parkOf(d).watch(w.context(), done) {
		s.mu.Unlock()
		return 0, 0, ErrTimeout
	}
	if s.closing() {
		s.mu.Unlock()
		return 0, 0, net.ErrClosed
	}
	b := s.blockingSide()
	b.open(s)
	if b.raw == nil {
		s.mu.Unlock()
		return 0, 0, errRefused
	}
	p := s.parkOf(d)
	if c.tries == 0 {
		p.pace = pace{}
	}
	p.own = c.deadline
	b.setDeadline(d, earlier(p.own, b.bounds[d].get()))
	s.park(d, c.op)
	p.pause = 0
	if c != &p.c {
		p.c = *c
	}
	s.mu.Unlock()
	if d == reading {
		err = b.raw.Read(p.try)
	} else {
		err = b.raw.Write(p.try)
	}
	s.mu.Lock()
	if pause = p.pause; c != &p.c {
		// What a try changes in the call itself; all else is behind its pointers.
		c.tries, c.counted, c.accepted = p.c.tries, p.c.counted, p.c.accepted
		p.c = call{}
	}
	stop := p.end()
	s.setWaited(d, c.tries > 1 || err != nil)
	if err == nil && pause == 0 {
		s.unpark(d)
	}
	switch {
	case isDeadline(err):
		err = ErrTimeout
		p.at.set(passed)
	case err != nil:
		err = errRefused // an error alone is pending on the descriptor
	case pause == 0:
		r = p.result
	}
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	return r, pause, err
}

// awaitOnPoller tries, and then waits on the C poller, or for a pause. It returns the result of the try, which would block if
// an event or the end of the pause came. Errors: those of waitOnPoller.
func (s *Socket) awaitOnPoller(c *call, w *Wait, pause time.Duration) (r int, err error) {
	r = -int(syscall.EAGAIN)
	if pause == 0 {
		c.counted = c.counted || c.woken
		if r = s.try(c, c.count()); !c.wouldBlock(r) {
			return r, nil
		}
	}
	if err = s.waitOnPoller(c, w, pause); err == nil {
		c.woken = true
	}
	return r, err
}

// waitOnPoller waits for one event of the C poller, or for a pause. Errors: ErrTimeout, a context's, net.ErrClosed,
// SelectFailedError.
func (s *Socket) waitOnPoller(c *call, w *Wait, pause time.Duration) error {
	d := c.op.direction()
	s.mu.Lock()
	if s.closing() {
		s.mu.Unlock()
		return net.ErrClosed
	}
	s.park(d, c.op)
	if pause == 0 {
		s.tried(d, c.woken)
	}
	if s.state.And(^stNote(d))&stNote(d) != 0 && pause == 0 {
		if pause = s.early(d); pause == 0 {
			s.mu.Unlock()
			return nil
		}
	}
	var err error
	if pause > 0 {
		err = s.pauseFor(d, pause)
	} else {
		err = s.arm(d, c.woken)
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	wt := newWaiter(s, c.op, c.deadline)
	blk := s.blockingSide()
	blk.onPoller[d] = wt
	s.mu.Unlock()
	s.simulated().leave()

	given, err := wt.wait(w)
	if !given {
		s.mu.Lock()
		mine := blk.onPoller[d] == wt
		if mine {
			blk.onPoller[d] = nil
			s.lane(d).unpause()
			if !s.closing() {
				cDisarm(s.poller(), s.h, d.bits())
			}
		}
		s.mu.Unlock()
		if !mine {
			<-wt.ext.wake
		}
	}
	wt.free()
	return err
}

// setWaited records whether the last blocking call of a direction had to wait. Only the lane's owner does.
func (s *Socket) setWaited(d direction, waited bool) {
	switch had := s.state.Load()&stWaited(d) != 0; {
	case had == waited:
	case waited:
		s.state.Or(stWaited(d))
	default:
		s.state.And(^stWaited(d))
	}
}

// park marks a lane's owner as its current request, because it will not leave soon. Only the owner parks. It returns the state
// word: what had set a bit before finds the owner parked, and what sets one later finds it as well.
func (s *Socket) park(d direction, op Op) (state uint64) {
	l := s.lane(d)
	if l.op.Load() != uint32(op) {
		l.op.Store(uint32(op))
	}
	return s.state.Or(stParked(d))
}

// unpark undoes park, if the owner has parked.
func (s *Socket) unpark(d direction) {
	if s.state.Load()&stParked(d) != 0 {
		s.state.And(^stParked(d))
	}
}

func isDeadline(err error) bool { return err == os.ErrDeadlineExceeded }

// watch registers the context of the wait that begins, unless it is registered. done is its Done channel. It reports whether
// the context may still end the wait: false if it has ended meanwhile. s.mu is held, but not while methods of the context run.
func (p *park) watch(ctx context.Context, done <-chan struct{}) bool {
	if done == p.done {
		return true
	}
	s := p.s
	stop := p.drop()
	p.done = done
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	var w *contextWatch
	if done != nil {
		w = &contextWatch{s: weak.Make(s), d: p.d, done: done}
		w.stop = context.AfterFunc(settled{ctx}, w.ended)
	}
	s.mu.Lock()
	if p.done == done && !s.closing() {
		p.note(w)
		return true
	}
	if w != nil {
		s.mu.Unlock()
		w.stop()
		s.mu.Lock()
	}
	return s.closing() // Close has an error of its own
}

// contextWatch is what a registered context holds. It refers to the socket weakly, so that a long-lived context does not keep
// a socket that no longer waits. In turn the socket's forgotten refers to it weakly, because the context may hold the socket
// as a value.
type contextWatch struct {
	s    weak.Pointer[Socket]
	d    direction
	done <-chan struct{} // the context's
	stop func() bool
}

func (w *contextWatch) ended() {
	if s := w.s.Value(); s != nil {
		s.contextEnded(w.d, w.done)
	}
}

// note records how to stop the context's function, here and for a forgotten socket. A nil w records that none
// is registered. s.mu is held.
func (p *park) note(w *contextWatch) {
	p.stop = nil
	var known weak.Pointer[contextWatch]
	if w != nil {
		p.stop, known = w.stop, weak.Make(w)
	}
	if f := p.s.forgotten; f != nil {
		f.watches[p.d] = known
	}
}

// contextEnded ends the wait that the context is registered for, if it still is.
func (s *Socket) contextEnded(d direction, done <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.blk.Load()
	if b == nil {
		return
	}
	p := b.parks[d]
	if p == nil || p.done != done {
		return
	}
	p.drop() // the function runs, so there is nothing to stop
	b.setDeadline(d, passed)
}

// end ends the wait. The result is that of drop. s.mu is held.
func (p *park) end() (stop func() bool) {
	p.own = 0
	if p.done != nil && p.done != p.before {
		p.before = p.done
		stop = p.drop()
	}
	return stop
}

// endWait ends a wait that its goroutine has left by a panic or runtime.Goexit, wherever it was. The caller owns the lane.
func (s *Socket) endWait(d direction) {
	s.mu.Lock()
	b := s.blk.Load()
	if b == nil {
		s.mu.Unlock()
		return
	}
	var stop func() bool
	if d != erring && b.parks[d] != nil {
		p := b.parks[d]
		p.c, p.own = call{}, 0
		stop = p.drop()
	}
	if b.onPoller[d] != nil {
		b.onPoller[d] = nil
		s.lane(d).unpause()
		if !s.closing() && s.ptr != nil {
			cDisarm(s.poller(), s.h, d.bits())
		}
	}
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// drop forgets the context. It returns the function that unregisters it, nil for none, to be called when s.mu is not held,
// because it calls methods of the context. s.mu is held.
func (p *park) drop() (stop func() bool) {
	stop = p.stop
	p.done = nil
	p.note(nil)
	return stop
}

// spinners counts the calls that spin now.
var spinners atomic.Int32

// spin retries the call until the budget or a deadline ends, with a scheduler yield between tries. It returns the last result,
// which would block if nothing came.
func (s *Socket) spin(c *call, w *Wait, budget time.Duration) int {
	if int(spinners.Add(1)) > runtime.GOMAXPROCS(0)/2 {
		spinners.Add(-1)
		return -int(syscall.EAGAIN)
	}
	defer spinners.Add(-1)
	d := c.op.direction()
	s.mu.Lock()
	p := s.parkOf(d)
	s.mu.Unlock()
	s.park(d, c.op) // so that a call with Within(0) returns instead of waiting for this one
	start := clock()
	end := earlier(later(start, budget), c.until(s, w))
	if p.busySince == 0 {
		p.busySince = start
	}
	for {
		runtime.Gosched()
		r := c.try(s, howPoll)
		if !c.wouldBlock(r) || s.closing() {
			return r
		}
		now := clock()
		if now >= end || s.overdue(c) || w.calledOff() != nil {
			p.busySince = 0 // the call parks, or ends
			return r
		}
		if now-p.busySince > time.Millisecond {
			// The scheduler polls the network only when a goroutine sleeps: with yields alone, other sockets starve.
			nap(5 * time.Microsecond)
			p.busySince = clock()
		}
	}
}
