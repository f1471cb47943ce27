package esock

// The zero value of each exported type, and a nil pointer to one, is something that a program can make by mistake. A
// socket or mailbox like that is a closed one; of the other types it is empty. The rule is here: a method that touches
// what its receiver points to begins with orClosed or orZero, and everything behind it meets a pointer that is not nil.
// A zero socket is closed by its state word (stOpen), so its calls fail where those of a closed socket fail, and none
// reaches C without a handle. The tests in zero_test.go try them all.

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

// orZero is p, or a new zero value in place of nil.
func orZero[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

// isGone reports that the socket is closed entirely, or was never opened.
func (s *Socket) isGone() bool { return s.id == 0 || s.facts.Load()&factClosed != 0 }

// awake is what a zero mailbox has for a channel of wake-ups: who looks at it does not sleep for ever.
var awake = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// errNowhere is the answer to reading a value into a nil pointer.
func errNowhere(what string) error {
	return &InvalidError{What: what, Cause: "there is nowhere to put it: the pointer is nil"}
}
