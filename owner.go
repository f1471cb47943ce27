package esock

import "net"

// A mailbox owns sockets as a process does in Erlang: Mailbox.Close closes each with closeFor.

// Owner returns the mailbox that owns the socket, nil if none does.
func (s *Socket) Owner() *Mailbox {
	s = s.orClosed()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owner
}

// ControllingProcess changes the owner from one mailbox to another; nil stands for no owner. Moving the socket to a
// closed mailbox closes it. Calls in progress stay with their callers. Errors: *InvalidError "not_owner";
// net.ErrClosed. OTP: controlling_process.
func (s *Socket) ControllingProcess(from, to *Mailbox) error {
	s = s.orClosed()
	const op = "controlling_process"
	s.mu.Lock()
	switch {
	case s.closing():
		s.mu.Unlock()
		return s.fail(op, net.ErrClosed)
	case s.owner != from:
		cause := "the socket has no owner"
		if s.owner != nil {
			cause = "the owner is " + s.owner.String()
		}
		s.mu.Unlock()
		return s.fail(op, &InvalidError{What: "not_owner", Cause: cause})
	}
	if from != nil {
		from.disown(s)
	}
	s.owner = nil
	alive := true
	if to != nil {
		if alive = to.own(s); alive {
			s.owner = to
		}
	}
	if alive {
		s.mu.Unlock()
		return nil
	}
	inside := s.beginClose() // a closed socket gets no other owner
	s.mu.Unlock()
	_ = s.finishClose(inside, false)
	return nil
}

// closeFor closes the socket because its owner closed, without waiting for unsent data. It does nothing if the socket has
// another owner by now.
func (s *Socket) closeFor(owner *Mailbox) { s.close(owner, false) }

// own makes the mailbox the owner of s. It returns false if the mailbox is closed. s.mu is held.
func (m *Mailbox) own(s *Socket) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open.Load() {
		return false
	}
	m.owned.insert(s, nil)
	return true
}

// disown ends the ownership of s. s.mu is held.
func (m *Mailbox) disown(s *Socket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owned.remove(s)
}

// ownedLinks link the sockets of a mailbox.
type ownedLinks struct{}

func (ownedLinks) of(s *Socket) *links[Socket] { return &s.owned }
