package tests

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// lane is one direction of a socket that is about to block, as a test sees it.
type laneCase struct {
	form
	name  string
	s     *esock.Socket
	call  func(w esock.Wait) error // moves one unit
	ready func()                   // makes one more call possible
	count func() int               // how many wait
	much  int                      // how often ready is called until the kernel says so
}

// lanes are the directions whose queue is tested: with units small enough that one makes one call possible.
func lanes(t *testing.T, f form) []laneCase {
	l, addr := listener(t, 16)
	a, b := pair(t, esock.Dgram)
	full, reader := pair(t, esock.Dgram)
	messages := fill(t, full) / 4096
	return []laneCase{
		{f, "read", b, func(w esock.Wait) error { _, err := b.Recv(make([]byte, 1), 0, w); return err },
			func() { send(t, a, "x") }, func() int { return b.Info().NumReaders }, 1},
		{f, "accept", l, func(w esock.Wait) error {
			n, err := l.Accept(w)
			if err == nil {
				n.Close()
			}
			return err
		}, func() { dial(t, addr) }, func() int { return l.Info().NumAcceptors }, 1},
		{f, "write", full, func(w esock.Wait) error { _, err := full.Send(make([]byte, 4096), 0, w); return err },
			func() { reader.RecvBytes(0, 0, esock.Within(0)) }, func() int { return full.Info().NumWriters }, messages},
	}
}

// eachLane runs a test for each lane and form of asynchronous calls.
func eachLane(t *testing.T, test func(t *testing.T, l laneCase)) {
	eachForm(t, func(t *testing.T, f form) { eachLaneOf(t, f, test) })
}

func eachLaneOf(t *testing.T, f form, test func(t *testing.T, l laneCase)) {
	for _, l := range lanes(t, f) {
		t.Run(l.name, func(t *testing.T) { test(t, l) })
	}
}

// makeReady makes calls possible, so that the kernel says so.
func (l *laneCase) makeReady() {
	for range l.much {
		l.ready()
	}
}

// tell makes calls possible until mb has a message.
func (l *laneCase) tell(t testing.TB, mb *esock.Mailbox) {
	t.Helper()
	if l.much == 1 {
		l.ready()
	}
	eventually(t, "a message", func() bool {
		if mb.Len() == 0 && l.much > 1 {
			l.ready()
		}
		return mb.Len() > 0
	})
}

// async makes an asynchronous call, which must go on.
func (l *laneCase) async(t testing.TB, mb *esock.Mailbox) esock.Pending {
	t.Helper()
	return l.pending(t, l.call(l.wait(mb)))
}

// done takes the message about a call and brings the call to its end, which must be a success.
func (l *laneCase) done(t testing.TB, p esock.Pending, mb *esock.Mailbox) {
	t.Helper()
	require.NoError(t, l.end(t, p, mb, l.call))
}

// blocked makes a blocking call, and returns when it is the nth that waits.
func (l *laneCase) blocked(t testing.TB, w esock.Wait, nth int) <-chan outcome {
	t.Helper()
	ch := start(func() (int, error) { return 0, l.call(w) })
	eventually(t, "a waiting call", func() bool { return l.count() == nth })
	return ch
}

func TestSelect_CompleteAtOnceIsNeverCurrent(t *testing.T) {
	a, b := pair(t, esock.Stream)
	send(t, a, "x")
	mb := esock.NewMailbox()
	_, err := b.Recv(make([]byte, 4), 0, esock.NoWait(mb))
	require.NoError(t, err)
	i := b.Info()
	assert.Zero(t, i.NumReaders)
	assert.Empty(t, i.RStates, "never armed")
}

// First come, first served, across all kinds of requesters.
func TestSelect_QueueIsFIFO(t *testing.T) {
	eachLane(t, func(t *testing.T, l laneCase) {
		m1, m3, m5 := esock.NewMailbox(), esock.NewMailbox(), esock.NewMailbox()
		s1 := l.async(t, m1)
		two := l.blocked(t, esock.Forever, 2)
		s3 := l.async(t, m3)
		four := l.blocked(t, esock.Within(patience), 4)
		s5 := l.async(t, m5)
		assert.Equal(t, 5, l.count())
		assert.ErrorIs(t, l.call(l.wait(m3)), esock.ErrState, "queued once")
		assert.Equal(t, esock.ErrTimeout, l.call(esock.Within(0)), "no call overtakes")
		pending := []<-chan outcome{two, four}
		l.tell(t, m1)
		for range 5 {
			if s1 == nil && l.much == 1 {
				l.ready()
			}
			if l.much > 1 { // a socket is writable when a quarter is free, not when there is room for one more
				l.makeReady()
			}
			switch {
			case s1 != nil:
				if !l.completes || l.much == 1 {
					assert.Zero(t, m3.Len()+m5.Len())
				}
				l.done(t, s1, m1)
				s1 = nil
			case len(pending) > 0 && (len(pending) == 2 || s3 == nil):
				assert.NoError(t, result(t, pending[0]).err)
				pending = pending[1:]
			case s3 != nil:
				l.done(t, s3, m3)
				s3 = nil
			default:
				l.done(t, s5, m5)
			}
		}
		assert.Zero(t, l.count())
	})
}

// After the select message no other requester proceeds until the current one calls or cancels.
// Only in the select form: with a CompletionMsg the call is over.
func TestSelect_LockedOutUntilTheCurrentActs(t *testing.T) {
	eachLaneOf(t, selectForm, func(t *testing.T, l laneCase) {
		m1, m2 := esock.NewMailbox(), esock.NewMailbox()
		s1 := l.async(t, m1)
		l.tell(t, m1)
		assert.Equal(t, selectOf(s1), message(t, m1))
		s2 := l.async(t, m2)
		assert.Equal(t, esock.ErrTimeout, l.call(esock.Within(0)))
		assert.Equal(t, esock.ErrTimeout, l.call(esock.Within(time.Millisecond)))
		assert.Zero(t, m2.Len())
		require.NoError(t, l.s.Cancel(s1))
		assert.Equal(t, selectOf(s2), message(t, m2), "promoted, and armed in its own direction")
		require.NoError(t, l.call(esock.NoWait(m2)))
		assert.Zero(t, m1.Len()+m2.Len())
	})
}

func TestSelect_QueuedBlockingCallsThatEnd(t *testing.T) {
	eachLane(t, func(t *testing.T, l laneCase) {
		mb := esock.NewMailbox()
		sel := l.async(t, mb)
		ctx, cancel := cancellable(t)
		called := l.blocked(t, esock.Context(ctx), 2)
		assert.Equal(t, esock.ErrTimeout, l.call(esock.Within(time.Millisecond)))
		assert.Equal(t, esock.ErrTimeout, l.call(esock.Until(time.Now().Add(-time.Second))))
		cancel()
		assert.ErrorIs(t, result(t, called).err, context.Canceled)
		assert.Equal(t, 1, l.count())
		l.tell(t, mb)
		l.done(t, sel, mb)
	})
}

// The current requester is known by its identity: its next call is executed, whatever the operation.
func TestSelect_CurrentMayChangeTheOperation(t *testing.T) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	s1 := recvSelect(t, b, mb)
	send(t, a, "data")
	assert.Equal(t, selectOf(s1), message(t, mb))
	var m esock.Msg
	require.NoError(t, b.RecvMsg(&m, 0, esock.NoWait(mb)))
	assert.Equal(t, "data", string(m.Data()))
	assert.Zero(t, b.Info().NumReaders)
}

// A fatal error ends the queue behind it; EINVAL is about the call that has it.
func TestSelect_FatalErrorAbortsTheWriteQueue(t *testing.T) {
	eachForm(t, fatalErrorAborts)
}

func fatalErrorAborts(t *testing.T, f form) {
	a, b := pair(t, esock.Stream)
	m1, m2 := esock.NewMailbox(), esock.NewMailbox()
	fill(t, a)
	s1, s2 := f.send(t, a, m1), f.send(t, a, m2)
	blocked := sendStart(t, a, []byte("x"), esock.Forever, 3)
	b.Close()
	require.ErrorIs(t, f.end(t, s1, m1, func(w esock.Wait) error {
		_, err := a.Send([]byte("x"), 0, w)
		return err
	}), syscall.EPIPE)
	assert.Equal(t, abortOf(s2, syscall.EPIPE), message(t, m2))
	assert.ErrorIs(t, result(t, blocked).err, syscall.EPIPE)
	assert.Zero(t, a.Info().NumWriters)
}

// Whatever a call does wrong, it does not keep the lane, and those behind it move up.
func TestInvalidArgumentsDoNotBlockTheLane(t *testing.T) {
	tooMany := make([][]byte, esock.Info().IOVMax+1)
	for i := range tooMany {
		tooMany[i] = []byte{1}
	}
	for name, wrong := range map[string]func(s *esock.Socket, w esock.Wait) error{
		"bad address": func(s *esock.Socket, w esock.Wait) error {
			_, err := s.SendTo([]byte("x"), esock.Addr{}, 0, w)
			return err
		},
		"address of another family": func(s *esock.Socket, w esock.Wait) error {
			_, err := s.SendTo([]byte("x"), esock.Inet4Addr(loopback, 9), 0, w)
			return err
		},
		"too many buffers": func(s *esock.Socket, w esock.Wait) error { _, err := s.SendV(tooMany, w); return err },
		"bad control message": func(s *esock.Socket, w esock.Wait) error {
			m := &esock.Msg{Iov: [][]byte{{1}}}
			if err := m.SetControl(esock.ControlMessage{Level: syscall.SOL_SOCKET, Type: 99}); err != nil {
				return err
			}
			_, err := s.SendMsg(m, 0, w)
			return err
		},
		"nil message": func(s *esock.Socket, w esock.Wait) error { _, err := s.SendMsg(nil, 0, w); return err },
		"nil file":    func(s *esock.Socket, w esock.Wait) error { _, err := s.SendFile(nil, 0, esock.ToEnd, w); return err },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, esock.Dgram)
			m1, m2 := esock.NewMailbox(), esock.NewMailbox()
			fill(t, a)
			s1, s2 := sendSelect(t, a, m1), sendSelect(t, a, m2)
			makeRoom(t, b, m1)
			assert.Equal(t, selectOf(s1), message(t, m1))
			err := wrong(a, esock.NoWait(m1))
			require.Error(t, err)
			require.NotErrorIs(t, err, esock.ErrState)
			assert.Equal(t, selectOf(s2), message(t, m2), "not aborted: the error was another's")
			_, err = a.Send([]byte("x"), 0, esock.NoWait(m2))
			require.NoError(t, err)
			assert.Zero(t, a.Info().NumWriters)
		})
	}
}

// An error of one message says nothing of those queued behind.
// Only in the select form: the message of the other has its result, and the wrong call comes after the message.
func TestDatagramErrorsEndOnlyTheirOwnCall(t *testing.T) {
	a, b := pair(t, esock.Dgram)
	m1, m2 := esock.NewMailbox(), esock.NewMailbox()
	fill(t, a)
	s1, s2 := sendSelect(t, a, m1), sendSelect(t, a, m2)
	blocked := sendStart(t, a, []byte("blocked"), esock.Forever, 3)
	makeRoom(t, b, m1)
	assert.Equal(t, selectOf(s1), message(t, m1))
	_, err := a.Send(make([]byte, 16<<20), 0, esock.NoWait(m1))
	require.ErrorIs(t, err, syscall.EMSGSIZE)
	assert.Equal(t, selectOf(s2), message(t, m2))
	_, err = a.Send([]byte("x"), 0, esock.NoWait(m2))
	require.NoError(t, err)
	assert.NoError(t, result(t, blocked).err)
}

// What comes at the last moment still counts. The deadline has passed when the lane is entered.
func TestLateDataIsTakenBeforeTimeout(t *testing.T) {
	a, b := pair(t, esock.Stream)
	for range 200 {
		got := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, esock.Within(50*time.Microsecond)) })
		send(t, a, "x")
		if o := result(t, got); o.err != nil {
			require.Equal(t, esock.ErrTimeout, o.err)
			n, err := b.Recv(make([]byte, 1), 0, esock.Until(time.Now().Add(-time.Hour)))
			require.Equal(t, outcome{1, nil}, outcome{n, err}, "a moment in the past looks")
		}
	}
}

func TestHandleInProgressIsRefused(t *testing.T) {
	eachForm(t, handleInProgress)
}

func handleInProgress(t *testing.T, f form) {
	a, b := pair(t, esock.Stream)
	x, y := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	h := mb.NewHandle()
	buf := make([]byte, 4)
	_, err := b.Recv(buf, 0, f.with(h))
	p := f.pending(t, err)
	invalid := &esock.InvalidError{What: "handle"}
	_, err = b.Recv(buf, 0, f.with(h))
	if f.completes {
		assert.ErrorIs(t, err, esock.ErrState, "the same call")
	} else {
		assert.ErrorIs(t, err, invalid, "the same call")
	}
	_, err = y.Recv(buf, 0, f.with(h))
	assert.ErrorIs(t, err, invalid, "another socket")
	assert.Zero(t, y.Info().NumReaders)
	fill(t, b)
	_, err = b.Send(buf, 0, f.with(h))
	assert.ErrorIs(t, err, invalid, "another direction")
	assert.Zero(t, b.Info().NumWriters)
	assert.Equal(t, b, h.Socket())
	send(t, a, "x")
	require.NoError(t, f.end(t, p, mb, func(esock.Wait) error {
		n, err := b.Recv(buf, 0, f.with(h))
		assert.Equal(t, 1, n)
		return err
	}))
	// Free again, for another socket.
	_, err = y.Recv(buf, 0, f.with(h))
	p = f.pending(t, err)
	send(t, x, "x")
	require.NoError(t, f.end(t, p, mb, func(esock.Wait) error { return nil }))
}

func TestSelectRead_AsksForTheNextAtOnce(t *testing.T) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	require.NoError(t, sockopt.Set(b, "otp", "select_read", true))
	send(t, a, "one")
	buf := make([]byte, 10)
	n, err := b.Recv(buf, 0, esock.NoWait(mb))
	assert.Equal(t, 3, n)
	sel := selected(t, err)
	assert.True(t, sel.Complete())
	send(t, a, "two")
	assert.Equal(t, selectOf(sel), message(t, mb))
	n, err = b.Recv(buf, 0, esock.NoWait(mb))
	assert.Equal(t, 3, n)
	sel = selected(t, err)
	require.NoError(t, b.Cancel(sel))
	n, err = b.Recv(buf, 0, esock.Within(0))
	assert.Equal(t, outcome{0, esock.ErrTimeout}, outcome{n, err})
}
