package esock

import (
	"sync"
	"time"
)

// A waiter is a blocking call that waits in a lane's queue, or on the C poller, or for a lane.
type waiter struct {
	h     Handle
	ext   handleExt
	timer *time.Timer
}

var waiters = sync.Pool{New: func() any {
	w := &waiter{timer: newTimer(time.Hour)}
	w.timer.Stop()
	w.ext.wake = newChannel(1)
	w.h.ext = &w.ext
	return w
}}

func newWaiter(s *Socket, op Op) *waiter {
	w := waiters.Get().(*waiter)
	w.h.sock, w.h.op = s, op
	return w
}

func (w *waiter) free() {
	w.h.sock = nil
	waiters.Put(w)
}

// give ends the wait on the C poller.
func (w *waiter) give() { w.ext.wake <- struct{}{} }

// wait waits for give, the lane, the deadline (0: none) or the context. given: for one of the first two, and err is why the lane
// is not ours.
func (w *waiter) wait(wt *Wait, deadline time.Duration) (given bool, err error) {
	var done <-chan struct{}
	if wt.kind == waitContext {
		done = wt.context().Done()
	}
	var expired <-chan time.Time
	if deadline != 0 {
		resetTimer(w.timer, deadline-clock())
		expired = w.timer.C
		defer w.timer.Stop()
	}
	select {
	case <-w.ext.wake:
		return true, w.ext.reason
	case <-expired:
		return false, ErrTimeout
	case <-done:
		return false, endOf(wt.context())
	}
}

// awaitTurn waits, in the lane's queue, until the lane is ours.
func (s *Socket) awaitTurn(c *call, wt *waiter, w *Wait) error {
	d := c.op.direction()
	given, err := wt.wait(w, c.until(w))
	if !given {
		s.mu.Lock()
		queued := wt.h.state == handleQueued
		if queued {
			wt.h.state = handleIdle
			s.lane(d).remove(&wt.h)
			s.settle(d)
		}
		s.mu.Unlock()
		if !queued {
			// The turn came at the same moment: for a late call that is enough to look once, a call that was
			// called off passes it on.
			<-wt.ext.wake
			switch {
			case wt.ext.reason != nil:
			case err == ErrTimeout:
				err = nil
			default:
				s.leave(c.op, nil)
			}
		}
	}
	wt.free()
	return err
}
