package esock

import (
	"net"
	"time"
)

// Deadlines of a direction, as connections of package net have them. A set deadline sets a bit of the state word, so that
// calls meet it where they enter their lane, and a direction without one costs nothing. A waiting call is moved where
// it waits: the descriptor's deadline, or the timer of its waiter.

// SetDeadline sets the deadline of reading and writing: SetReadDeadline and SetWriteDeadline in one.
func (s *Socket) SetDeadline(t time.Time) error {
	return s.setBounds("set_deadline", t, reading, writing)
}

// SetReadDeadline sets the moment after which blocking receives and accepts end with ErrTimeout, RecvErr and SyscallConn's
// Read among them: calls to come, and waiting ones, which move with it. The zero time is no deadline.
//
// A call ends at the earlier of the deadline and its Wait. A call that begins after the deadline ends at once, also one with
// Within(0) or for no bytes, and takes nothing, even if data is there. A call that has received a part returns the count
// with ErrTimeout. Asynchronous calls are not bound. Errors: net.ErrClosed. OTP has no such call; net.Conn.
func (s *Socket) SetReadDeadline(t time.Time) error {
	return s.setBounds("set_read_deadline", t, reading, reading)
}

// SetWriteDeadline is SetReadDeadline for calls that write, and for Connect.
func (s *Socket) SetWriteDeadline(t time.Time) error {
	return s.setBounds("set_write_deadline", t, writing, writing)
}

// setBounds sets the deadlines of the directions from first to last.
func (s *Socket) setBounds(op string, t time.Time, first, last direction) error {
	s = s.orClosed()
	var at time.Duration
	if !t.IsZero() {
		at = max(s.simulated().moment(t), 1)
	}
	s.mu.Lock()
	closing := s.closing()
	if !closing && (at != 0 || s.blk.Load() != nil) { // else none was set
		s.moveBounds(at, first, last)
	}
	s.mu.Unlock()
	if closing {
		return s.fail(op, net.ErrClosed)
	}
	return nil
}

// moveBounds is the part of setBounds that holds s.mu.
func (s *Socket) moveBounds(at time.Duration, first, last direction) {
	b := s.blockingSide()
	for d := first; d <= last; d++ {
		if b.bounds[d].get() == at {
			continue
		}
		b.bounds[d].set(at)
		s.setBounded(d, at != 0) // before it looks for a parked call: one that parks later finds the bit
		s.moveWaiters(d, at)
		// A call whose deadline has passed is woken, and looks for itself before it waits again.
		if p := b.parks[d]; p != nil && s.state.Load()&stParked(d) != 0 && p.at.get() != passed {
			b.setDeadline(d, earlier(p.own, at))
		}
		if d == reading {
			s.setBounded(erring, at != 0)
			s.moveWaiters(erring, at)
		}
	}
}

// setBounded notes whether the direction has a deadline, at no cost if it is as before. s.mu is held.
func (s *Socket) setBounded(d direction, bounded bool) {
	switch bit := stBounded(d); {
	case s.state.Load()&bit != 0 == bounded:
	case bounded:
		s.state.Or(bit)
	default:
		s.state.And(^bit)
	}
}

// moveWaiters makes the direction's deadline known to the calls that wait in the queue or on the C poller. s.mu is held.
func (s *Socket) moveWaiters(d direction, at time.Duration) {
	if d > s.lastLane() {
		return
	}
	if wt := s.blk.Load().onPoller[d]; wt != nil {
		wt.aim(at)
	}
	for h := s.lane(d).head; h != nil; h = h.entry.next {
		if h.mb == nil {
			h.ext.waiter.aim(at)
		}
	}
}

// bound is the deadline of a direction, 0 for none. The error queue has that of reading.
func (s *Socket) bound(d direction) time.Duration {
	b := s.blk.Load()
	if b == nil {
		return 0
	}
	if d == erring {
		d = reading
	}
	return b.bounds[d].get()
}

// expired reports that the direction's deadline has passed.
func (s *Socket) expired(d direction) bool {
	at := s.bound(d)
	return at != 0 && s.simulated().now() >= at
}

// overdue reports that the time of a blocking call is over, by its own deadline or the direction's.
func (s *Socket) overdue(c *call) bool {
	at := earlier(c.deadline, s.bound(c.op.direction()))
	return at != 0 && s.simulated().now() >= at
}
