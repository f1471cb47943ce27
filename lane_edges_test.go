package esock

import (
	"context"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/testwait"
)

// within is what comes from ch, which must come.
func within[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	return testwait.Result(t, what, ch)
}

// A socket closes while a call is inside the kernel: the call holds nothing afterwards, and says so.
func TestCloseWhileACallIsInsideTheKernel(t *testing.T) {
	for name, w := range map[string]func(mb *Mailbox) Wait{
		"asynchronous": NoWait,
		"blocking":     func(*Mailbox) Wait { return Forever },
	} {
		t.Run(name, func(t *testing.T) {
			_, s, _ := lanePair(t)
			mb := NewMailbox()
			inside, goOn := make(chan struct{}), make(chan struct{})
			first := true
			hooked(t, func(bool) int {
				if first {
					first = false
					close(inside)
					<-goOn
				}
				return -int(syscall.EAGAIN)
			})
			result := make(chan error, 1)
			go func() { result <- turn(s, w(mb)) }()
			<-inside
			closed := make(chan error, 1)
			go func() { closed <- s.Close() }()
			eventually(t, s.Closed, "closing")
			close(goOn)
			assert.ErrorIs(t, within(t, result, "the call's end"), net.ErrClosed)
			assert.NoError(t, within(t, closed, "the close"))
			assert.Zero(t, mb.Len())
			assert.Nil(t, mb.pending.head)
		})
	}
}

// The last call to leave a socket that closes wakes Close, and none before it does.
func TestOnlyTheLastTellsTheCloser(t *testing.T) {
	_, s, _ := lanePair(t)
	inside, goOn := make(chan struct{}), make(chan struct{})
	hooked(t, func(bool) int { close(inside); <-goOn; return 1 })
	require.NoError(t, s.ref("test")) // another call is inside
	result := make(chan error, 1)
	go func() { result <- turn(s, Forever) }()
	<-inside
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	eventually(t, s.Closed, "closing")
	close(goOn)
	require.NoError(t, within(t, result, "the call's end"))
	assert.Empty(t, closed)
	assert.NotPanics(t, s.unref)
	assert.NoError(t, within(t, closed, "the close"))
}

// A handle's function may close the mailbox: nothing is put into it any more.
func TestHandleFuncThatClosesTheMailbox(t *testing.T) {
	for _, match := range []func(Message) bool{anything, func(Message) bool { return false }} {
		mb := NewMailbox()
		h := mb.newHandleFunc(nil, func(Message) (Message, bool) { mb.Close(); return note(1), true })
		h.notify()
		mb.PollMatch(match)
		assert.Zero(t, mb.Len())
		assert.False(t, h.unseen())
		_, ok := mb.Poll()
		assert.False(t, ok)
	}
}

// A handle has one message at most, and a closed mailbox none.
func TestReadinessIsToldOnce(t *testing.T) {
	mb := NewMailbox()
	h := mb.NewHandle()
	h.notify()
	mb.selected(h)
	mb.selected(h)
	require.NoError(t, mb.Post(note(1)))
	assert.Equal(t, 2, mb.Len())
	assert.Equal(t, []Message{SelectMsg{h}, note(1)}, all(mb))
	require.NoError(t, mb.Close())
	mb.selected(h)
	mb.aborted(mb.NewHandle(), net.ErrClosed)
	assert.Zero(t, mb.Len())
}

// A call that only looks does not wait, but another that is inside the kernel is soon out: then it looks.
func TestPollLooksAfterWhoIsInsideTheKernel(t *testing.T) {
	_, s, _ := lanePair(t)
	inside, goOn := make(chan struct{}), make(chan struct{})
	calls := 0
	hooked(t, func(bool) int {
		if calls++; calls == 2 {
			close(inside)
			<-goOn
		}
		return 1
	})
	require.NoError(t, turn(s, Forever)) // one that does not wait: the next tries before it parks
	owner, poll := make(chan error, 1), make(chan error, 1)
	go func() { owner <- turn(s, Forever) }()
	<-inside
	go func() { poll <- turn(s, Within(0)) }()
	for range 500 {
		runtime.Gosched()
	}
	assert.Empty(t, poll)
	close(goOn)
	assert.NoError(t, within(t, owner, "the owner's end"))
	assert.NoError(t, within(t, poll, "the poll"))
}

// A call that moves up and cannot be watched is told why, and the next moves up.
func TestNextThatCannotBeWatchedIsTold(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fds[1])
	s, err := Adopt(fds[0], TakeFD())
	require.NoError(t, err)
	defer s.Close()
	var sels [3]*Select
	mbs := [3]*Mailbox{NewMailbox(), NewMailbox(), NewMailbox()}
	for i, mb := range mbs {
		_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
		require.ErrorAs(t, err, &sels[i])
	}
	require.Equal(t, 1, must(syscall.Write(fds[1], []byte("x"))))
	sameMessage(t, SelectMsg{sels[0].Handle()}, receive(t, mbs[0])) // an arm now asks the kernel anew
	notWatchable(t, fds[0])
	require.NoError(t, s.Cancel(sels[0]))
	for i, mb := range mbs[1:] {
		msg, ok := mb.Poll()
		require.True(t, ok)
		abort, ok := msg.(AbortMsg)
		require.True(t, ok, "%v", msg)
		assert.Same(t, sels[1+i].Handle(), abort.Handle)
		assert.ErrorAs(t, abort.Reason, new(SelectFailedError))
		assert.False(t, abort.Handle.Busy())
	}
	assert.Zero(t, mbs[0].Len())
	assert.True(t, laneIsFree(s, reading))
}

// A call whose handle is in another call is not queued with it.
func TestBusyHandleIsNotQueued(t *testing.T) {
	_, s := pair(t, Stream)
	_, elsewhere := pair(t, Stream)
	mb := NewMailbox()
	h := mb.NewHandle()
	_, err := elsewhere.Recv(make([]byte, 1), 0, With(h))
	require.ErrorAs(t, err, new(*Select))
	_, err = s.Recv(make([]byte, 1), 0, NoWait(NewMailbox()))
	var first *Select
	require.ErrorAs(t, err, &first)
	_, err = s.Recv(make([]byte, 1), 0, With(h))
	assert.ErrorIs(t, err, &InvalidError{What: "handle"})
	require.NoError(t, s.Cancel(first))
	assert.True(t, laneIsFree(s, reading))
	assert.NoError(t, elsewhere.Cancel((*Select)(h)), "its own call goes on")
}

// An event that answers no watch is noted, and a message that is put off stays so.
func TestStaleEventLeavesAPauseAlone(t *testing.T) {
	_, s := pair(t, Stream)
	mb := NewMailbox()
	_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
	var sel *Select
	require.ErrorAs(t, err, &sel)
	s.mu.Lock()
	cDisarm(poller.p, s.h, eventIn)
	err = s.pauseFor(reading, time.Hour)
	s.mu.Unlock()
	require.NoError(t, err)
	s.event(eventIn)
	assert.Zero(t, mb.Len())
	assert.NotZero(t, s.state.Load()&stNote(reading))
	assert.NoError(t, s.Cancel(sel))
}

// A handle that is in another call does not replace the one that holds the lane.
func TestBusyHandleReplacesNone(t *testing.T) {
	_, s := pair(t, Stream)
	_, elsewhere := pair(t, Stream)
	mb := NewMailbox()
	busy := mb.NewHandle()
	_, err := elsewhere.Recv(make([]byte, 1), 0, With(busy))
	require.ErrorAs(t, err, new(*Select))
	_, err = s.Recv(make([]byte, 1), 0, NoWait(mb))
	var holds *Select
	require.ErrorAs(t, err, &holds)
	_, err = s.Recv(make([]byte, 1), 0, With(busy))
	assert.ErrorIs(t, err, &InvalidError{What: "handle"})
	assert.NoError(t, s.Cancel(holds), "it holds the lane still")
	assert.NoError(t, elsewhere.Cancel((*Select)(busy)))
	assert.Zero(t, mb.Len())
}

// An event that no call waited for is noted in its direction.
func TestEventIsNotedInItsDirection(t *testing.T) {
	_, s := pair(t, Stream)
	_, err := s.Recv(make([]byte, 1), 0, NoWait(NewMailbox()))
	var sel *Select
	require.ErrorAs(t, err, &sel)
	require.NoError(t, s.Cancel(sel)) // the poller knows it
	notes := func() (in, out bool) {
		st := s.state.Load()
		return st&stNote(reading) != 0, st&stNote(writing) != 0
	}
	s.event(eventOut)
	in, out := notes()
	assert.False(t, in)
	assert.True(t, out)
	s.event(eventErr)
	in, out = notes()
	assert.True(t, in, "an error may be any direction's")
	assert.True(t, out)
}

// An event of a socket that has closed was fetched before.
func TestEventAfterClose(t *testing.T) {
	_, s := pair(t, Stream)
	_, err := s.Recv(make([]byte, 1), 0, NoWait(NewMailbox()))
	require.ErrorAs(t, err, new(*Select))
	require.NotNil(t, s.ptr)
	require.NoError(t, s.Close())
	assert.Nil(t, s.ptr)
	state := s.state.Load()
	s.event(eventIn | eventOut)
	s.wakeArmed()
	assert.Equal(t, state, s.state.Load())
}

// A call spins if it waits, for as long as it says itself or else the socket.
func TestWhoSpins(t *testing.T) {
	old := runtime.GOMAXPROCS(2)
	defer runtime.GOMAXPROCS(old)
	_, s := pair(t, Stream)
	budget := func(d time.Duration) { require.NoError(t, s.SetSpin(d)) }
	const enough = 20
	tries := 0
	hooked(t, func(bool) int {
		if tries++; tries < enough {
			return -int(syscall.EAGAIN)
		}
		return 1
	})
	budget(time.Second)
	var sel *Select
	require.ErrorAs(t, turn(s, NoWait(NewMailbox())), &sel)
	assert.Less(t, tries, enough)
	require.NoError(t, s.Cancel(sel))
	assert.Equal(t, ErrTimeout, turn(s, Within(0)))
	assert.Less(t, tries, enough)
	for name, own := range map[string]Wait{"the socket's": Within(4 * time.Second), "its own": Within(4 * time.Second).Spin(4 * time.Second)} {
		tries = 0
		if budget(4 * time.Second); own.spin != 0 {
			budget(time.Nanosecond)
		}
		assert.NoError(t, turn(s, own), name)
		assert.Equal(t, enough, tries, name)
	}
}

// A call that is called off at the moment when the queue ends is in it no more.
func TestCalledOffWhileTheQueueEnds(t *testing.T) {
	_, s := pair(t, Stream)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := Context(ctx)
	l := s.lane(reading)
	for range 20 {
		wt := newWaiter(s, OpRecv, 0)
		s.mu.Lock()
		wt.h.state = handleQueued
		l.push(&wt.h)
		go func() {
			for range 100 { // until it waits for the mutex
				runtime.Gosched()
			}
			s.abortQueue(l, net.ErrClosed)
			s.mu.Unlock()
		}()
		assert.Error(t, s.awaitTurn(&call{op: OpRecv}, wt, &w))
		require.Empty(t, wt.ext.wake, "it wakes no later user of the waiter")
		require.True(t, laneIsFree(s, reading))
	}
}

// A waiter that ended with an error is used again for one that has its turn.
func TestTurnAfterAnAbort(t *testing.T) {
	_, s := pair(t, Stream)
	hooked(t, func(bool) int { return 1 })
	for range 20 {
		require.NoError(t, s.ref("test"))
		s.state.Add(stOwned(reading)) // an owner that is parked
		l := s.lane(reading)
		s.park(reading, OpRecv)
		for _, want := range []error{syscall.EPIPE, nil} {
			result := make(chan error, 1)
			go func() { result <- turn(s, Forever) }()
			queued(t, s, reading, 1)
			if want != nil {
				s.mu.Lock()
				s.abortQueue(l, want)
				s.mu.Unlock()
			} else {
				s.unpark(reading)
				s.leave(OpRecv, nil)
			}
			assert.ErrorIs(t, within(t, result, "the call's end"), want)
		}
	}
}

// A notice of the error queue has no bytes, and a call that wants a whole buffer goes on after it.
func TestEmptyNoticeIsNoEnd(t *testing.T) {
	s, _ := listening(t)
	c := call{op: OpRecv, whole: true, buf: make([]byte, 1), flags: int(MsgErrQueue)}
	assert.False(t, c.advance(s, 0))
	c.flags = 0
	assert.True(t, c.advance(s, 0))
	c = call{op: OpRecvMsg, buf: make([]byte, 1), flags: int(MsgErrQueue), out: new(cMsg)}
	assert.True(t, c.ends(s), "the kernel did not heed the flag")
	c.out.flags = syscall.MSG_ERRQUEUE
	assert.False(t, c.ends(s))
}

// The next call after one that had to wait goes to the wait at once, but a connect has to begin first.
func TestConnectAfterACallThatWaited(t *testing.T) {
	to, err := Open(Local, Dgram, 0)
	require.NoError(t, err)
	defer to.Close()
	require.NoError(t, to.Bind(UnixAddr("")))
	addr, err := to.SockName()
	require.NoError(t, err)
	s, err := Open(Local, Dgram, 0)
	require.NoError(t, err)
	defer s.Close()
	s.state.Or(stWaited(writing))
	assert.NoError(t, s.Connect(addr, Forever))
}
