package esock

// Nil and zero sockets and mailboxes, which are closed: see zero.go for the rule.

// The socket and the mailbox that nil stands for.
var (
	closedSocket  Socket
	closedMailbox Mailbox
)

// orClosed is the socket, or the closed one in place of nil.
func (s *Socket) orClosed() *Socket {
	if s == nil {
		return &closedSocket
	}
	return s
}

// orClosed is the mailbox, or the closed one in place of nil.
func (m *Mailbox) orClosed() *Mailbox {
	if m == nil {
		return &closedMailbox
	}
	return m
}

// isGone reports that the socket is closed entirely, or was never opened.
func (s *Socket) isGone() bool { return s.id == 0 || s.facts.Load()&factClosed != 0 }

// awake is what a zero mailbox has for a channel of wake-ups: who looks at it does not sleep for ever.
var awake = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
