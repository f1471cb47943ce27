package active

import (
	"sync"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/layered"
)

// turn lets one goroutine at a time read the stream. Receives get it in the order they came. Its mutex is that of the
// Delivery.
type turn struct {
	taken       bool
	waiting     int // how many receives are in the queue
	first, last *waiter
}

// waiter is a receive in the queue. It leaves in constant time, wherever it stands: thousands may be called off at once.
type waiter struct {
	came       chan struct{} // closed when the turn is handed over
	prev, next *waiter
	queued     bool
}

// try takes the turn if it is free.
func (t *turn) try() bool {
	free := !t.taken
	t.taken = true
	return free
}

// take waits for the turn. mu is held before and after, but not while waiting, nor while a method of the wait's context
// runs. The time of esock.Within starts when the turn has come, so it does not end this wait; other waits do. Errors:
// esock.ErrTimeout, a context's.
func (t *turn) take(mu *sync.Mutex, w esock.Wait) error {
	if t.try() {
		return nil
	}
	if !engine.Blocks(w) {
		return esock.ErrTimeout
	}
	mine := &waiter{came: layered.NewChannel(0)}
	t.push(mine)
	mu.Unlock()
	defer mu.Lock()
	if engine.Within(w) {
		<-mine.came
		return nil
	}
	ended := false
	defer func() {
		if !ended { // time is over, or a method of the context panics
			t.leave(mu, mine)
		}
	}()
	ctx, free := w.Ends()
	defer free()
	select {
	case <-mine.came:
		ended = true
		return nil
	case <-ctx.Done():
	}
	return w.Ended()
}

// leave ends the wait of a receive that does not want the turn any more. mu is not held.
func (t *turn) leave(mu *sync.Mutex, mine *waiter) {
	mu.Lock()
	defer mu.Unlock()
	if mine.queued {
		t.remove(mine)
	} else {
		t.pass() // it came at the same moment
	}
}

// pass gives the turn to the receive that has waited longest, or frees it.
func (t *turn) pass() {
	next := t.first
	if next == nil {
		t.taken = false
		return
	}
	t.remove(next)
	close(next.came)
}

// push puts a waiter at the end of the queue.
func (t *turn) push(w *waiter) {
	w.queued, w.prev = true, t.last
	if t.last == nil {
		t.first = w
	} else {
		t.last.next = w
	}
	t.last = w
	t.waiting++
}

// remove takes a waiter out of the queue. It touches the two beside it and no other.
func (t *turn) remove(w *waiter) {
	if w.prev == nil {
		t.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		t.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.queued, w.prev, w.next = false, nil, nil
	t.waiting--
}
