package gentcp

import (
	"github.com/esock-go/esock"
)

// turn lets receivers in one after the other, first come first served. It is guarded by the socket's mu.
type turn struct {
	taken bool
	queue []chan struct{} // those who wait; a closed channel means: it is yours
}

// take waits for the turn. s.mu is held before and after, but not while waiting. The time of esock.Within runs from the
// moment the turn has come; other waits may end before. Errors: esock.ErrTimeout, a context's.
func (s *Socket) take(w esock.Wait) error {
	t := &s.turn
	if !t.taken {
		t.taken = true
		return nil
	}
	if !w.Blocks() {
		return esock.ErrTimeout
	}
	mine := make(chan struct{})
	t.queue = append(t.queue, mine)
	s.mu.Unlock()
	defer s.mu.Lock()
	if _, within := w.Duration(); within {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, ch := range t.queue {
		if ch == mine {
			t.queue = append(t.queue[:i], t.queue[i+1:]...)
			return w.Ended()
		}
	}
	s.pass() // it came at the same moment
	return w.Ended()
}

// pass gives the turn to the next, or to nobody, and then an active mode goes on. s.mu is held.
func (s *Socket) pass() {
	t := &s.turn
	if len(t.queue) > 0 {
		close(t.queue[0])
		t.queue = t.queue[1:]
		return
	}
	t.taken = false
	s.deliver()
}
