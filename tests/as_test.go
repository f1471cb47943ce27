package tests

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// accept(nowait) and then accept(Time) of one process: the second is the call that waits, and its owner gets the socket.
func TestAs_AcceptReplacesTheMailboxesOwn(t *testing.T) {
	l, addr := listener(t, 5)
	mb, other := esock.NewMailbox(), esock.NewMailbox()
	_, err := l.Accept(esock.NoWait(mb))
	first := selected(t, err)
	_, err = l.Accept(esock.NoWait(other))
	behind := selected(t, err)

	accepted := make(chan *esock.Socket, 1)
	blocked := start(func() (int, error) {
		s, err := l.Accept(esock.Within(patience).As(mb))
		accepted <- s
		return 0, err
	})
	assert.Equal(t, abortOf(first, esock.ErrCancelled), message(t, mb))
	acceptors(t, l, 2)
	dial(t, addr)
	require.NoError(t, result(t, blocked).err)
	s := <-accepted
	closeAtEnd(t, s)
	assert.Same(t, mb, s.Owner(), "the acceptor owns the socket")
	assert.Zero(t, mb.Len())

	dial(t, addr)
	assert.Equal(t, selectOf(behind), message(t, other), "the next in the queue is told")
	s, err = l.Accept(esock.Within(0).As(other))
	require.NoError(t, err)
	closeAtEnd(t, s)

	// After a time-out no accept of the caller is pending, not even the earlier one.
	_, err = l.Accept(esock.NoWait(mb))
	first = selected(t, err)
	_, err = l.Accept(esock.Within(0).As(mb))
	assert.Equal(t, esock.ErrTimeout, err)
	assert.Equal(t, abortOf(first, esock.ErrCancelled), message(t, mb))
	acceptors(t, l, 0)
}

// A mailbox that closes ends no blocking call, but it owns nothing any more.
func TestAs_AcceptOfAMailboxThatCloses(t *testing.T) {
	sameDescriptors(t)
	l, addr := listener(t, 5)
	mb := esock.NewMailbox()
	blocked := start(func() (int, error) { _, err := l.Accept(esock.Within(patience).As(mb)); return 0, err })
	acceptors(t, l, 1)
	require.NoError(t, mb.Close())
	dial(t, addr)
	assert.ErrorIs(t, result(t, blocked).err, &esock.InvalidError{What: "owner"})
}

// For each pair of an asynchronous and a blocking call of a mailbox the second replaces the first, except where the operations
// exclude each other for any two callers.
func TestAs_EveryPair(t *testing.T) {
	type op struct {
		name string
		do   func(s *esock.Socket, w esock.Wait) error
	}
	var buf [1]byte
	msg := func() *esock.Msg { return &esock.Msg{Iov: [][]byte{buf[:]}} }
	f := fileOf(t, 100)
	reads := []op{
		{"recv", func(s *esock.Socket, w esock.Wait) error { _, err := s.Recv(buf[:], 0, w); return err }},
		{"recvfull", func(s *esock.Socket, w esock.Wait) error { _, err := s.RecvFull(buf[:], 0, w); return err }},
		{"recvfrom", func(s *esock.Socket, w esock.Wait) error { _, _, err := s.RecvFrom(buf[:], 0, w); return err }},
		{"recvmsg", func(s *esock.Socket, w esock.Wait) error { return s.RecvMsg(new(esock.Msg), 0, w) }},
		{"accept", func(s *esock.Socket, w esock.Wait) error { _, err := s.Accept(w); return err }},
	}
	writes := []op{
		{"send", func(s *esock.Socket, w esock.Wait) error { _, err := s.Send(buf[:], 0, w); return err }},
		{"sendmsg", func(s *esock.Socket, w esock.Wait) error { _, err := s.SendMsg(msg(), 0, w); return err }},
		{"sendv", func(s *esock.Socket, w esock.Wait) error { _, err := s.SendV([][]byte{buf[:]}, w); return err }},
		{"sendfile", func(s *esock.Socket, w esock.Wait) error { _, err := s.SendFile(f, 0, 100, w); return err }},
	}
	for _, ops := range [][]op{reads, writes} {
		for _, first := range ops {
			for _, second := range ops {
				t.Run(fmt.Sprintf("%s, %s", first.name, second.name), func(t *testing.T) {
					s, _ := tcpPair(t)
					switch {
					case first.name == "accept":
						s, _ = listener(t, 5)
					case first.name == "send", first.name == "sendmsg", first.name == "sendv", first.name == "sendfile":
						fill(t, s)
					}
					mb := esock.NewMailbox()
					sel := selected(t, first.do(s, esock.NoWait(mb)))
					err := second.do(s, esock.Within(0).As(mb))
					if first.name == "accept" != (second.name == "accept") || first.name == "sendfile" && second.name == "sendfile" {
						assert.ErrorIs(t, err, esock.ErrState)
						assert.Zero(t, mb.Len())
						assert.NoError(t, s.Cancel(sel), "the first goes on")
						return
					}
					assert.Equal(t, esock.ErrTimeout, err)
					assert.Equal(t, abortOf(sel, esock.ErrCancelled), message(t, mb))
					i := s.Info()
					assert.Zero(t, i.NumReaders+i.NumWriters+i.NumAcceptors)
					// Of another mailbox, or of none, it waits behind.
					sel = selected(t, first.do(s, esock.NoWait(mb)))
					for _, w := range []esock.Wait{esock.Within(0), esock.Within(0).As(esock.NewMailbox())} {
						assert.Equal(t, esock.ErrTimeout, second.do(s, w))
					}
					assert.Zero(t, mb.Len())
					require.NoError(t, s.Cancel(sel))
				})
			}
		}
	}
}

// A connect that the mailbox began is finished by its blocking call; a connect of another is ErrAlready.
func TestAs_Connect(t *testing.T) {
	addr := pendingAddr(t)
	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	mb := esock.NewMailbox()
	sel := selected(t, s.Connect(addr, esock.NoWait(mb)))
	for _, w := range []esock.Wait{esock.Within(0), esock.Within(0).As(esock.NewMailbox())} {
		assert.ErrorIs(t, s.Connect(addr, w), esock.ErrAlready)
		assert.ErrorIs(t, s.FinishConnect(w), esock.ErrState)
	}
	err := s.FinishConnect(esock.Within(0).As(mb))
	assert.ErrorIs(t, err, esock.ErrTimeout)
	assert.Equal(t, abortOf(sel, esock.ErrCancelled), message(t, mb))

	_, addr = listener(t, 5)
	s = open(t, esock.Inet, esock.Stream, esock.TCP)
	err = s.Connect(addr, esock.NoWait(mb))
	if _, ok := err.(*esock.Select); ok {
		err = s.Connect(addr, esock.Within(patience).As(mb))
	}
	require.NoError(t, err)
	assert.Contains(t, s.Info().WStates, "connected")
}

// A mailbox has one call in a queue.
func TestAs_QueuedOnce(t *testing.T) {
	a, b := pair(t, esock.Stream)
	holder, mb := esock.NewMailbox(), esock.NewMailbox()
	held := recvSelect(t, b, holder)
	var buf [1]byte
	recv := func(w esock.Wait) error { _, err := b.Recv(buf[:], 0, w); return err }

	sel := selected(t, recv(esock.NoWait(mb)))
	assert.ErrorIs(t, recv(esock.Within(patience).As(mb)), esock.ErrState, "behind its own asynchronous call")
	require.NoError(t, b.Cancel(sel))

	blocked := recvStart(t, b, make([]byte, 1), esock.Within(patience).As(mb), 2)
	for _, w := range []esock.Wait{esock.NoWait(mb), esock.Within(patience).As(mb)} {
		assert.ErrorIs(t, recv(w), esock.ErrState, "behind its own blocking call")
	}
	other := recvStart(t, b, make([]byte, 1), esock.Within(patience).As(esock.NewMailbox()), 3)
	require.NoError(t, b.Cancel(held))
	send(t, a, "x")
	assert.Equal(t, outcome{1, nil}, result(t, blocked))
	send(t, a, "y")
	assert.Equal(t, outcome{1, nil}, result(t, other))
	assert.Zero(t, mb.Len())

	// What waits in the queue ends with the socket.
	recvSelect(t, b, holder)
	blocked = recvStart(t, b, make([]byte, 1), esock.Within(patience).As(mb), 2)
	require.NoError(t, closeSoon(t, b))
	assert.ErrorIs(t, result(t, blocked).err, errClosed)
}

func TestAs_Refuses(t *testing.T) {
	_, b := pair(t, esock.Stream)
	mb, closed := esock.NewMailbox(), esock.NewMailbox()
	require.NoError(t, closed.Close())
	sel := recvSelect(t, b, mb)
	for name, c := range map[string]struct {
		w    esock.Wait
		what string
	}{
		"nil":                     {esock.Forever.As(nil), "mailbox"},
		"closed":                  {esock.Within(0).As(closed), "mailbox"},
		"another than NoWait has": {esock.NoWait(mb).As(esock.NewMailbox()), "mailbox"},
		"another than With has":   {esock.With(mb.NewHandle()).As(esock.NewMailbox()), "mailbox"},
		"another than Continue":   {esock.Within(0).Continue(sel).As(esock.NewMailbox()), "mailbox"},
		"a second one":            {esock.Within(0).As(mb).As(esock.NewMailbox()), "mailbox"},
		"another's continuation":  {esock.Within(0).As(esock.NewMailbox()).Continue(sel), "select"},
		"a bad wait":              {esock.Within(-1).As(mb), "timeout"},
	} {
		_, err := b.Recv(make([]byte, 1), 0, c.w)
		assert.ErrorIs(t, err, &esock.InvalidError{What: c.what}, name)
	}
	assert.Equal(t, esock.NoWait(mb), esock.NoWait(mb).As(mb), "it has the mailbox")
	assert.Equal(t, "Within(1s).As("+mb.String()+")", esock.Within(1e9).As(mb).String())
	_, err := b.Recv(make([]byte, 1), 0, esock.Within(0).As(mb).Continue(sel))
	assert.Equal(t, esock.ErrTimeout, err)
	assert.Zero(t, mb.Len(), "a call that is named ends in silence")
}
