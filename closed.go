package esock

// Nil and zero sockets and mailboxes, which are closed: see zero.go for the rule.

// nil stands for these.
var (
	closedSocket  Socket
	closedMailbox Mailbox
)

// orClosed returns the socket, or the closed one in place of nil.
func (s *Socket) orClosed() *Socket {
	if s == nil {
		return &closedSocket
	}
	return s
}

// orClosed returns the mailbox, or the closed one in place of nil.
func (m *Mailbox) orClosed() *Mailbox {
	if m == nil {
		return &closedMailbox
	}
	return m
}

// isGone reports whether Close is complete, or the socket was never opened.
func (s *Socket) isGone() bool { return s.id == 0 || s.facts.Load()&factClosed != 0 }

// awake is the wake-up channel of a zero mailbox. It is closed, so that no receiver sleeps for ever.
var awake = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
