package esock

import (
	"context"
	"math"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"weak"
)

// The blocking side of a socket: made at the first call that has to wait, so that a socket that never waits costs
// none of it, and parking allocates nothing.
type blocking struct {
	file     *os.File        // how the runtime's poller knows the descriptor; owns it, unless it was adopted
	raw      syscall.RawConn // of file; nil if the runtime refuses the descriptor
	parks    [2]park         // of the directions that wait on the runtime's poller
	onPoller [3]*waiter      // per direction: the call that waits on the C poller; guarded by s.mu
}

// park is where the owner of a lane waits.
type park struct {
	s      *Socket
	d      direction
	try    func(fd uintptr) bool // one try of c, for the runtime's poller
	c      call                  // the call that waits
	result int                   // of its last try
	tries  int
	pace   pace          // the owner's
	pause  time.Duration // the wake-up came too early
	dirty  bool          // the descriptor's deadline is set; guarded by s.mu, as are the following

	// The context that wakes the lane, known by its Done channel. The first park with a channel stops its function on
	// return; the second in a row leaves it, so that steady use registers nothing.
	done   <-chan struct{} // registered
	stop   func() bool
	before <-chan struct{} // that of the last park with a context

	busySince time.Duration // the owner's: when it last parked, while spinning
}

// blockingSide makes the blocking side. s.mu is held.
func (s *Socket) blockingSide() *blocking {
	if s.blk != nil {
		return s.blk
	}
	b := &blocking{}
	for d := range b.parks {
		p := &b.parks[d]
		p.s, p.d = s, direction(d)
		p.try = func(uintptr) bool {
			how := uint(0)
			if p.tries++; p.tries > 1 {
				how = howPoll // it is one wait, however often it is woken for nothing
				if p.pause = p.pace.early(s, p.d); p.pause > 0 {
					return true
				}
			}
			p.result = p.c.try(s, how)
			if p.tries > 1 && p.c.wouldBlock(p.result) {
				p.pace.empty()
				if s.seesEnd(p.d) {
					p.result = p.c.try(s, how)
				}
			}
			return !p.c.wouldBlock(p.result)
		}
	}
	s.blk = b
	return b
}

// open gives the descriptor to the runtime's poller. From then on the File closes it. A descriptor that is not
// ours is given as a duplicate. s.mu is held.
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
	if f := s.unregistered(); f != nil {
		f.file = b.file
	}
	// NewFile hides a failed registration; a deadline reveals it.
	if b.file.SetDeadline(time.Time{}) == nil {
		b.raw, _ = b.file.SyscallConn()
	}
}

// setDeadline sets one direction's deadline. s.mu is held.
func (b *blocking) setDeadline(d direction, t time.Time) {
	if b.raw == nil {
		return
	}
	if d == reading {
		b.file.SetReadDeadline(t)
	} else {
		b.file.SetWriteDeadline(t)
	}
	b.parks[d].dirty = !t.IsZero()
}

// past is a deadline that wakes whoever waits.
var past = time.Unix(1, 0)

// wake ends the wait in a lane. s.mu is held.
func (s *Socket) wake(d direction) {
	if s.blk == nil {
		return
	}
	if d != erring {
		s.blk.setDeadline(d, past) // if nobody waits, the next takes it away
	}
	if wt := s.blk.onPoller[d]; wt != nil {
		wt.give()
		s.blk.onPoller[d] = nil
	}
}

// await waits until the call can make progress, and makes it: the result of a try that did not block, or why the
// wait ended. The caller owns the lane.
func (s *Socket) await(c *call, w *Wait) (int, error) {
	d := c.op.direction()
	l := s.lane(d)
	deadline := c.until(w)
	if err := w.calledOff(); err != nil {
		return 0, err
	}
	if q := s.silence(c.op); q.first != 0 {
		s.beginLook(d, q)
		defer s.endLook(d)
	}
	tries := 0
	for {
		s.mu.Lock()
		if s.closing() {
			s.mu.Unlock()
			return 0, net.ErrClosed
		}
		b := s.blockingSide()
		var p *park
		// A client that only selects never enters the runtime's poller, and that knows nothing of error queues.
		onRuntime := c.op != OpConnect && d != erring
		if onRuntime {
			b.open(s)
			onRuntime = b.raw != nil
		}
		l.parked, l.op = true, c.op
		var err error
		var pause time.Duration
		if onRuntime {
			p = &b.parks[d]
			if tries == 0 {
				p.pace = pace{}
			}
			switch {
			case deadline != 0:
				b.setDeadline(d, realTime(deadline))
			case p.dirty:
				b.setDeadline(d, time.Time{})
			}
			if w.kind == waitContext {
				p.watch(w.context())
			}
			p.c, p.tries, p.pause = *c, tries, 0
			s.mu.Unlock()
			if d == reading {
				err = b.raw.Read(p.try)
			} else {
				err = b.raw.Write(p.try)
			}
			s.mu.Lock()
			*c, p.c = p.c, call{}
			p.unwatch()
			l.waited = p.tries > 1 || err != nil
			tries, pause = p.tries, p.pause // woken again, it is the same wait
		}
		l.parked = onRuntime && err != nil || !onRuntime || pause > 0
		s.mu.Unlock()

		if onRuntime && err == nil && pause == 0 {
			return p.result, nil
		}
		// Woken by a deadline: the call's, a context's, a close's, or one left by the wait before.
		// Or the runtime would not wait: an error alone is pending on the descriptor.
		expired := onRuntime && isDeadline(err)
		var r int
		if !expired {
			how := uint(howPoll)
			if !onRuntime && !c.woken {
				how = 0 // this is the try that counts the wait
			}
			if pause == 0 {
				if r = c.try(s, how); !c.wouldBlock(r) {
					return r, nil
				}
			}
			switch err := s.waitOnPoller(d, c, w, deadline, pause); err {
			case nil:
				c.woken = true
				continue
			case ErrTimeout:
			default:
				return 0, err
			}
		}
		called := w.calledOff()
		switch {
		case s.closing():
			return 0, net.ErrClosed
		case called != nil:
			return 0, called
		case deadline != 0 && clock() >= deadline:
			// What came at the last moment still counts.
			if r = c.try(s, howPoll); !c.wouldBlock(r) {
				return r, nil
			}
			return 0, ErrTimeout
		}
	}
}

// occupy makes the owner of a lane its current request: it will not be out soon. The owner alone writes parked, so it may
// read it without the lock.
func (s *Socket) occupy(l *lane, op Op) {
	if l.parked {
		return
	}
	s.mu.Lock()
	l.parked, l.op = true, op
	s.mu.Unlock()
}

// unpark is the end of that.
func (s *Socket) unpark(l *lane) {
	s.mu.Lock()
	l.parked = false
	s.mu.Unlock()
}

func isDeadline(err error) bool { return err == os.ErrDeadlineExceeded }

// waitOnPoller waits for one event of the C poller, or for a pause.
func (s *Socket) waitOnPoller(d direction, c *call, w *Wait, deadline, pause time.Duration) error {
	s.mu.Lock()
	if s.closing() {
		s.mu.Unlock()
		return net.ErrClosed
	}
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
	wt := newWaiter(s, c.op)
	blk := s.blk
	blk.onPoller[d] = wt
	s.mu.Unlock()

	given, err := wt.wait(w, deadline)
	if !given {
		s.mu.Lock()
		mine := blk.onPoller[d] == wt
		if mine {
			blk.onPoller[d] = nil
			s.lane(d).unpause()
			if !s.closing() {
				cDisarm(poller.p, s.h, d.bits())
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

// watch registers the context that ends the wait which begins. s.mu is held.
func (p *park) watch(ctx context.Context) {
	done := ctx.Done()
	if done == p.done {
		return
	}
	p.drop()
	if done == nil {
		return
	}
	p.done = done
	w := &contextWatch{s: weak.Make(p.s), d: p.d, done: done}
	w.stop = context.AfterFunc(settled{ctx}, w.ended)
	p.note(w)
}

// contextWatch is what a context holds that ends a wait: not the socket, which may wait no more. Nor does what is kept for a
// forgotten socket hold the context, which may have the socket as a value.
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

// note notes how to take the context's function back, also where it is found when the socket is forgotten; nil: there is none
// any more. s.mu is held.
func (p *park) note(w *contextWatch) {
	p.stop = nil
	var known weak.Pointer[contextWatch]
	if w != nil {
		p.stop, known = w.stop, weak.Make(w)
	}
	if f := p.s.unregistered(); f != nil {
		f.watches[p.d] = known
	}
}

// contextEnded ends the wait that a context was registered for.
func (s *Socket) contextEnded(d direction, done <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blk == nil {
		return
	}
	p := &s.blk.parks[d]
	if p.done != done {
		return
	}
	p.drop()
	s.blk.setDeadline(d, past)
}

// unwatch is the end of that wait. s.mu is held.
func (p *park) unwatch() {
	if p.done != nil && p.done != p.before {
		p.before = p.done
		p.drop()
	}
}

// drop forgets the registered context. s.mu is held.
func (p *park) drop() {
	if p.stop != nil {
		p.stop()
	}
	p.done = nil
	p.note(nil)
}

// spinners is how many calls spin now.
var spinners atomic.Int32

// spin tries again and again, yielding to other goroutines in between, for as long as the budget lasts.
// It reports the last result, which would block if nothing came.
func (s *Socket) spin(c *call, w *Wait, budget time.Duration) int {
	if int(spinners.Add(1)) > runtime.GOMAXPROCS(0)/2 {
		spinners.Add(-1)
		return -int(syscall.EAGAIN)
	}
	defer spinners.Add(-1)
	d := c.op.direction()
	l := s.lane(d)
	s.mu.Lock()
	p := &s.blockingSide().parks[d]
	l.parked, l.op = true, c.op // it waits, and a call that only looks does not wait for it
	s.mu.Unlock()
	start := clock()
	end := start + min(budget, math.MaxInt64-start)
	if deadline := c.until(w); deadline != 0 && deadline < end {
		end = deadline
	}
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
		if now >= end || w.calledOff() != nil {
			p.busySince = 0 // it parks now
			return r
		}
		if now-p.busySince > time.Millisecond {
			// The scheduler looks at the network only when somebody sleeps: yields alone starve the others.
			nap(5 * time.Microsecond)
			p.busySince = clock()
		}
	}
}
