package active

import (
	"sync"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/layered"
)

// turn lets one goroutine at a time read the stream. Receives get it in the order they came.
type turn struct {
	taken bool
	queue []chan struct{} // of receives that wait; closing one hands the turn over
}

// try takes the turn if nobody has it.
func (t *turn) try() bool {
	free := !t.taken
	t.taken = true
	return free
}

// take waits for the turn. mu, which guards the turn, is held before and after, but not while waiting. The time of
// esock.Within runs from the moment the turn has come, so it does not end this wait; other waits do. Errors:
// esock.ErrTimeout, a context's.
func (t *turn) take(mu *sync.Mutex, w esock.Wait) error {
	if t.try() {
		return nil
	}
	if !engine.Blocks(w) {
		return esock.ErrTimeout
	}
	mine := layered.NewChannel(0)
	t.queue = append(t.queue, mine)
	mu.Unlock()
	defer mu.Lock()
	if engine.Within(w) {
		<-mine
		return nil
	}
	ctx, free := w.Ends()
	defer free()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	for i, ch := range t.queue {
		if ch == mine {
			t.queue = append(t.queue[:i], t.queue[i+1:]...)
			return w.Ended()
		}
	}
	t.pass() // it came at the same moment
	return w.Ended()
}

// pass gives the turn to the receive that has waited longest, or to nobody.
func (t *turn) pass() {
	if len(t.queue) == 0 {
		t.taken = false
		return
	}
	close(t.queue[0])
	t.queue = t.queue[1:]
}
