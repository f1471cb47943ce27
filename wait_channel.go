package esock

import (
	"context"
	"sync"
	"time"
)

// A waiter is a blocking call that waits in a lane's queue, or on the C poller. The timer and what it is set to are guarded by
// the socket's mu, because SetDeadline sets it too.
type waiter struct {
	h     Handle
	ext   handleExt
	timer *time.Timer
	own   time.Duration // the deadline in the call's Wait
	at    time.Duration // when the timer fires, 0 for never
	as    *Mailbox      // in the queue: whose call it is (Wait.As)
}

var waiters = sync.Pool{New: func() any { return makeWaiter(newTimer(time.Hour), newChannel(1)) }}

// makeWaiter makes a waiter of a timer and a channel with a buffer of 1.
func makeWaiter(timer *time.Timer, wake chan struct{}) *waiter {
	w := &waiter{timer: timer}
	w.timer.Stop()
	w.ext.wake = wake
	w.h.ext, w.ext.waiter = &w.ext, w
	return w
}

// waiterPool is the pool of the waiters for calls on sockets of the kernel.
func (k *simulation) waiterPool() *sync.Pool {
	if k != nil && k.bubbled {
		return &k.waiters
	}
	return &waiters
}

// newWaiter returns a waiter whose time runs. own is the deadline in the call's Wait. s.mu is held.
func newWaiter(s *Socket, op Op, own time.Duration) *waiter {
	w := s.simulated().waiterPool().Get().(*waiter)
	w.h.sock, w.h.op, w.own = s, op, own
	w.aim(s.bound(op.direction()))
	return w
}

// aim sets the timer to the earlier of the call's deadline and the direction's. s.mu is held.
func (w *waiter) aim(bound time.Duration) {
	at := earlier(w.own, bound)
	switch {
	case at == w.at:
		return
	case at == 0:
		w.timer.Stop()
	default:
		if k := w.h.sock.simulated(); k != nil {
			k.aim(w.timer, at-k.now())
		} else {
			resetTimer(w.timer, at-clock())
		}
	}
	w.at = at
}

// free gives the waiter back. It is in no queue, and not on the poller.
func (w *waiter) free() {
	w.ext.reason = nil // an event gives none, and the next wait may be for one
	if w.at != 0 {
		w.timer.Stop()
	}
	pool := w.h.sock.simulated().waiterPool()
	w.h.sock, w.at, w.as = nil, 0, nil
	pool.Put(w)
}

// give ends the wait on the C poller. Whoever calls it has taken the waiter off the poller, so that it is called once.
func (w *waiter) give() { w.ext.wake <- struct{}{} }

// wait waits for give, the lane, the timer or the context. given means one of the first two, with the reason if the lane was
// refused.
func (w *waiter) wait(wt *Wait) (given bool, err error) {
	var done <-chan struct{}
	if wt.kind == waitContext {
		done = wt.context().Done()
	}
	select {
	case <-w.ext.wake:
		return true, w.ext.reason
	case <-w.timer.C:
		return false, ErrTimeout
	case <-done:
		return false, endOf(wt.context())
	}
}

// awaitTurn waits in the lane's queue until the call owns the lane.
func (s *Socket) awaitTurn(c *call, wt *waiter, w *Wait) error {
	ended := false
	defer func() {
		if !ended { // a method of the context panicked, or ended the goroutine
			s.giveUpTurn(c, wt, context.Canceled)
		}
	}()
	given, err := wt.wait(w)
	ended = true
	if !given {
		err = s.giveUpTurn(c, wt, err)
	}
	wt.free()
	return err
}

// giveUpTurn takes a call out of its lane's queue, because its wait has ended with err. It returns nil if the call has the
// lane after all.
func (s *Socket) giveUpTurn(c *call, wt *waiter, err error) error {
	d := c.op.direction()
	s.mu.Lock()
	queued := wt.h.state == handleQueued
	if queued {
		s.lane(d).unqueue(&wt.h)
		s.settle(d)
	}
	s.mu.Unlock()
	if queued {
		return err
	}
	// The turn came at the same moment. A call whose time is over still tries once; a call that was called off passes the turn on.
	<-wt.ext.wake
	switch {
	case wt.ext.reason != nil:
	case err == ErrTimeout:
		return nil
	default:
		s.leave(c.op, nil)
	}
	return err
}
