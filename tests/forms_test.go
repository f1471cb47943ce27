package tests

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// form is one of the two ways of an asynchronous call.
type form struct {
	name      string
	wait      func(*esock.Mailbox) esock.Wait
	with      func(*esock.Handle) esock.Wait
	completes bool // the message has the result; else the call is made again
}

var (
	selectForm     = form{"select", esock.NoWait, esock.With, false}
	completionForm = form{"completion", esock.Complete, esock.CompleteWith, true}
	forms          = []form{selectForm, completionForm}
)

// kinds are waits of every kind, for a call that is decided at once: it answers the same with each.
func kinds(mb *esock.Mailbox) []esock.Wait {
	return []esock.Wait{esock.Forever, esock.Within(0), esock.NoWait(mb), esock.Complete(mb)}
}

func eachForm(t *testing.T, test func(t *testing.T, f form)) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) { test(t, f) })
	}
}

// pending is the call that err must say goes on, in this form.
func (f form) pending(t testing.TB, err error) esock.Pending {
	t.Helper()
	p, ok := err.(esock.Pending)
	require.True(t, ok, "it does not go on: %v", err)
	_, completes := err.(*esock.Completion)
	require.Equal(t, f.completes, completes, "the form of %v", err)
	return p
}

// recv makes an asynchronous receive, which must go on.
func (f form) recv(t testing.TB, s *esock.Socket, mb *esock.Mailbox) esock.Pending {
	t.Helper()
	_, err := s.Recv(make([]byte, 1), 0, f.wait(mb))
	return f.pending(t, err)
}

// send makes an asynchronous send of one byte, which must go on.
func (f form) send(t testing.TB, s *esock.Socket, mb *esock.Mailbox) esock.Pending {
	t.Helper()
	n, err := s.Send([]byte("x"), 0, f.wait(mb))
	require.Zero(t, n)
	return f.pending(t, err)
}

// accept makes an asynchronous accept, which must go on.
func (f form) accept(t testing.TB, l *esock.Socket, mb *esock.Mailbox) esock.Pending {
	t.Helper()
	_, err := l.Accept(f.wait(mb))
	return f.pending(t, err)
}

// accepts is an accept that closes what it gets.
func accepts(l *esock.Socket) func(w esock.Wait) error {
	return func(w esock.Wait) error {
		s, err := l.Accept(w)
		if err == nil {
			s.Close()
		}
		return err
	}
}

// receives1 is a receive of a byte.
func receives1(s *esock.Socket) func(w esock.Wait) error {
	return func(w esock.Wait) error { return second(s.Recv(make([]byte, 1), 0, w)) }
}

// sends1 is a send of a byte.
func sends1(s *esock.Socket) func(w esock.Wait) error {
	return func(w esock.Wait) error { return second(s.Send([]byte("x"), 0, w)) }
}

// end takes the message about a call, which must be the next one, and returns how the call ended: with call if it is to be
// made again.
func (f form) end(t testing.TB, p esock.Pending, mb *esock.Mailbox, call func(esock.Wait) error) error {
	t.Helper()
	msg := message(t, mb)
	if !f.completes {
		assert.Equal(t, selectOf(p), msg)
		return call(f.wait(mb))
	}
	require.Equal(t, esock.CompletionMsg{Handle: p.Handle()}, msg)
	_, err := resultOf(msg)
	return err
}

// resultOf is the result of a completion. What it accepted is closed.
func resultOf(msg esock.Message) (int, error) {
	m, ok := msg.(esock.CompletionMsg)
	if !ok {
		return 0, errors.New("no completion")
	}
	if s := m.Accepted(); s != nil {
		s.Close()
	}
	return m.Result()
}
