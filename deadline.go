package esock

import (
	"net"
	"time"
)

// Deadlines of a direction, as connections of package net have them. A set deadline keeps the slow bit of the state word set,
// so that calls meet it where they enter their lane, and a direction without one costs nothing. A waiting call is moved where
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
// with ErrTimeout. Asynchronous calls (NoWait, With) are not bound. Errors: net.ErrClosed. OTP has no such call; net.Conn.
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
		at = max(momentOf(t), 1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing() {
		return s.fail(op, net.ErrClosed)
	}
	if at == 0 && s.blk.Load() == nil {
		return nil // none was set
	}
	b := s.blockingSide()
	for d := first; d <= last; d++ {
		p := &b.parks[d]
		if p.bound == at {
			continue
		}
		p.bound = at
		s.moveWaiters(d, at)                                         // which sets the slow bit: a call that has parked before is found here, a later one finds the bit
		if s.state.Load()&stParked(d) != 0 && p.at.get() != passed { // passed: it is woken, and looks for itself before it waits again
			b.setDeadline(d, earlier(p.own, at))
		}
		if d == reading {
			s.moveWaiters(erring, at)
		}
	}
	return nil
}

// moveWaiters makes the direction's deadline known to its lane and to the calls that wait in the queue or on the C poller.
// s.mu is held.
func (s *Socket) moveWaiters(d direction, at time.Duration) {
	s.settle(d)
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

// bound is the deadline of a direction, 0 for none. The error queue has that of reading. s.mu is held.
func (s *Socket) bound(d direction) time.Duration {
	if s.blk.Load() == nil {
		return 0
	}
	if d == erring {
		d = reading
	}
	return s.blk.Load().parks[d].bound
}

// expired reports that the direction's deadline has passed. s.mu is held.
func (s *Socket) expired(d direction) bool {
	at := s.bound(d)
	return at != 0 && clock() >= at
}

// overdue reports that the time of a blocking call is over, by its own deadline or the direction's.
func (s *Socket) overdue(c *call) bool {
	at := c.deadline
	if d := c.op.direction(); s.state.Load()&stSlow(d) != 0 {
		s.mu.Lock()
		at = earlier(at, s.bound(d))
		s.mu.Unlock()
	}
	return at != 0 && clock() >= at
}
