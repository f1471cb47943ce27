package engine

import (
	"context"

	"github.com/esock-go/esock"
)

// Stopper is what a Handler or PacketHandler also is if it wants to know of Shutdown.
type Stopper interface {
	// Stopping is called once for each connection of the loop when Shutdown begins, and for later ones after Opened. It
	// ends those that have nothing to finish (Conn.Close), or gives them away (Conn.HandOver).
	Stopping(c *Conn)
}

// Shutdown lets go of the listeners, also of those that come later: they are the caller's again. It tells each Stopper,
// and waits until all connections have ended. Then it closes the loop. When ctx ends before, it closes the loop at once,
// with its connections, and returns the error of ctx. When it returns the loop is closed and its handlers have returned,
// so a handler must not wait for it. Errors also: *esock.InvalidError.
//
// Without a Stopper, connections end as they do otherwise, by their peer or a timeout. A socket of datagrams does not
// end by itself: its Stopping closes it, or Shutdown takes until ctx ends.
func (l *Loop) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return &esock.InvalidError{What: "context", Cause: "it is nil"}
	}
	if !l.made() {
		return nil
	}
	if l.running.CompareAndSwap(false, true) { // nobody serves them
		l.halt(ErrClosed)
		l.live()
		return nil
	}
	l.post(nil, l.wind)
	select {
	case <-l.over:
		return nil
	case <-ctx.Done():
	}
	l.halt(ErrClosed)
	<-l.over
	return ctx.Err()
}

// wind begins the end.
func (l *Loop) wind() {
	if l.winding {
		return
	}
	l.winding = true
	for _, m := range l.members {
		switch m := m.(type) {
		case *listening:
			m.leave()
		case *Conn:
			l.todo.tell = append(l.todo.tell, m)
		}
	}
}

// wound ends Run when nothing is left, and reports whether it does.
func (l *Loop) wound() bool {
	if len(l.members) > len(l.unused) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.joins)+len(l.left)+len(l.calls) > 0 {
		return false
	}
	if l.stop == nil {
		l.stop = ErrClosed
	}
	return true
}

// tellStopping tells the handler of the end of the loop.
func (c *Conn) tellStopping() {
	if h, ok := c.h.(Stopper); ok && !c.gone.Load() {
		defer c.l.returned(c)
		c.l.inside = true
		h.Stopping(c)
		c.l.inside = false
	}
}
