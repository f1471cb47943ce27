package esock

import (
	"context"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/esock-go/esock/internal/callback"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rouseOnce wakes the call that waits on the C poller, for nothing, and waits until it waits there again.
func rouseOnce(t *testing.T, s *Socket, d direction) {
	t.Helper()
	var was *waiter
	eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		was = s.blk.Load().onPoller[d]
		if was != nil {
			s.wake(d)
		}
		return was != nil
	}, "a call on the C poller")
	eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.blk.Load().onPoller[d] != nil
	}, "the call waits again")
}

// A call that the C poller wakes for nothing goes on with the same wait, however often; it tries once each time.
func TestWokenForNothingOnThePollerIsOneWait(t *testing.T) {
	a, b := pair(t, Stream)
	require.NoError(t, syscall.SetNonblock(fdOf(b), false)) // the runtime's poller refuses it
	got := make(chan error, 1)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Forever); got <- err }()
	parked(t, b, reading)
	for range 3 {
		rouseOnce(t, b, reading)
	}
	c := b.Counters()
	assert.Equal(t, uint64(1), c.ReadWaits)
	assert.LessOrEqual(t, c.ReadTries, uint64(5), "the first, that before the wait, and one for each wake-up")
	_, err := a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	require.NoError(t, within(t, got, "the byte"))
	assert.Equal(t, uint64(1), b.Counters().ReadWaits)
}

// Events that come while a call tries, each time, and mean nothing, do not keep it from waiting.
func TestEventsThatMeetEveryTryAreNoSpin(t *testing.T) {
	peer, s, _ := lanePair(t)
	rawWrite(peer) // poll(2) says that it can be read
	const enough = 1000
	tries := 0
	hooked(t, func(bool) int {
		if tries++; tries < enough {
			s.noteEvent()
		}
		return -int(syscall.EAGAIN)
	})
	var sel *Select
	require.ErrorAs(t, turn(s, NoWait(NewMailbox())), &sel)
	assert.Less(t, tries, enough)
	s.mu.Lock()
	assert.True(t, s.lanes[reading].pausing.off, "what comes is the end of a pause")
	s.mu.Unlock()
	require.NoError(t, s.Cancel(sel))
}

// unwatchable is a socket whose descriptor no poller takes: it is another's by now.
func unwatchable(t *testing.T) *Socket {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	s, err := Adopt(fds[0], NoDup())
	require.NoError(t, err)
	t.Cleanup(func() {
		s.Close()
		syscall.Close(fds[0])
		syscall.Close(fds[1])
	})
	notWatchable(t, fds[0])
	return s
}

// notWatchable makes the descriptor that of a file that epoll does not take.
func notWatchable(t *testing.T, fd int) {
	t.Helper()
	file, err := os.Open("/dev/null")
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, syscall.Dup3(int(file.Fd()), fd, syscall.O_CLOEXEC))
}

// A call that cannot be woken does not begin to wait.
func TestWaitThatCannotBeWatchedFails(t *testing.T) {
	s := unwatchable(t)
	hooked(t, func(bool) int { return -int(syscall.EAGAIN) })
	mb := NewMailbox()
	for _, w := range []Wait{Within(time.Millisecond), Forever, NoWait(mb)} {
		require.ErrorAs(t, turn(s, w), new(SelectFailedError))
		assert.True(t, laneIsFree(s, reading))
		assert.Nil(t, mb.pending.head)
	}
}

// A call that waits in the other direction, and can be watched no longer, is told with the event that took the watch away.
func TestEventThatEndsAnothersWatch(t *testing.T) {
	s, _ := pair(t, Stream)
	fill(t, s)
	mb := NewMailbox()
	_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
	var recv, send *Select
	require.ErrorAs(t, err, &recv)
	_, err = s.Send([]byte("x"), 0, NoWait(mb))
	require.ErrorAs(t, err, &send)
	notWatchable(t, fdOf(s))
	s.event(eventOut)
	assert.ElementsMatch(t, []Message{SelectMsg{recv.Handle()}, SelectMsg{send.Handle()}}, all(mb))
}

// A pause does not begin the looks of a silent wait anew.
func TestPauseLeavesTheLooksAlone(t *testing.T) {
	s, _ := pair(t, Dgram)
	s.mu.Lock()
	s.blockingSide()
	x := s.pausing(writing)
	x.look = time.Hour
	s.mu.Unlock()
	assert.Equal(t, ErrTimeout, s.waitOnPoller(&call{op: OpSend, deadline: clock()}, &Wait{}, time.Hour))
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Equal(t, time.Hour, x.look)
	s.lane(writing).unpause()
}

// A socket that closes while a call tries once more, before it waits on the C poller, is not waited for.
func TestCloseBeforeAWaitOnThePoller(t *testing.T) {
	_, s := pair(t, Stream)
	require.NoError(t, syscall.SetNonblock(fdOf(s), false)) // the runtime's poller refuses it
	closed := make(chan error, 1)
	tries := 0
	hooked(t, func(bool) int {
		if tries++; tries == 2 {
			go func() { closed <- s.Close() }()
			eventually(t, s.closing, "closing")
			s.mu.Lock() // Close has woken the call that waits
			s.mu.Unlock()
		}
		return -int(syscall.EAGAIN)
	})
	result := make(chan error, 1)
	go func() { result <- turn(s, Forever) }()
	assert.ErrorIs(t, within(t, result, "the call's end"), net.ErrClosed)
	assert.NoError(t, within(t, closed, "the close"))
	assert.Equal(t, 2, tries)
}

// The function of a context that another has replaced may have begun already: it is not about this wait.
func TestEndOfAContextThatWasReplaced(t *testing.T) {
	a, b := pair(t, Stream)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	parkOnce(t, a, b, Context(ctx))
	parkOnce(t, a, b, Context(ctx))
	b.contextEnded(reading, make(chan struct{}))
	assert.Equal(t, ctx.Done(), watchedBy(b, reading))
	assert.Zero(t, b.blk.Load().parks[reading].at.get())
}

// A wake-up for nothing does not end a call whose time has not come.
func TestWokenForNothingBeforeItsTime(t *testing.T) {
	a, b := pair(t, Stream)
	got := make(chan error, 1)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Within(time.Hour)); got <- err }()
	for range 3 {
		parked(t, b, reading)
		b.mu.Lock()
		b.wake(reading)
		b.mu.Unlock()
		eventually(t, func() bool { // it has seen the deadline, or is about to
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.state.Load()&stParked(reading) != 0 || len(got) > 0
		}, "parked again")
	}
	assert.Empty(t, got)
	_, err := a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	assert.NoError(t, within(t, got, "the byte"))
}

// An event that came too early, while no call waited, makes the wait on the C poller a pause.
func TestNotedEventThatCameTooEarlyIsAPause(t *testing.T) {
	peer, s, _ := lanePair(t)
	rawWrite(peer) // poll(2) says that it can be read
	s.mu.Lock()
	x := s.pausing(reading)
	x.gap = time.Hour
	s.mu.Unlock()
	s.noteEvent()
	assert.Equal(t, ErrTimeout, s.waitOnPoller(&call{op: OpRecv, woken: true, deadline: clock()}, &Wait{}, 0))
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.True(t, x.off)
	s.lane(reading).unpause()
}

// A wake-up that proved worth while is not looked behind.
func TestWokenForSomethingTriesOnce(t *testing.T) {
	_, s := pair(t, Dgram)
	var tries atomic.Int32
	hooked(t, func(bool) int {
		if tries.Add(1) < 3 {
			return -int(syscall.EAGAIN)
		}
		return 1
	})
	got := make(chan error, 1)
	go func() { got <- turn(s, Forever) }()
	eventually(t, func() bool { return tries.Load() == 2 }, "the try of the park, before which a wake-up is forgotten")
	require.NoError(t, syscall.Shutdown(fdOf(s), syscall.SHUT_RD)) // wakes it
	assert.NoError(t, within(t, got, "the call's end"))
	assert.EqualValues(t, 3, tries.Load())
	assert.Zero(t, s.blk.Load().parks[reading].pace.last, "no wake-up has proved empty")
}

// An event that no call has looked at is a reason to try, and not to wait.
func TestNotedEventIsNoWaitOnThePoller(t *testing.T) {
	_, s, _ := lanePair(t)
	s.noteEvent()
	require.NoError(t, s.waitOnPoller(&call{op: OpRecv, deadline: clock()}, &Wait{}, 0))
	require.True(t, s.mu.TryLock())
	s.mu.Unlock()
	assert.Zero(t, s.state.Load()&stNote(reading))
}

// No method of a caller's context runs with the socket locked: it may use the socket itself.
func TestContextMayUseTheSocketThatItEnds(t *testing.T) {
	for name, end := range map[string]func(a, b *Socket, cancel func()){
		"context": func(_, _ *Socket, cancel func()) { cancel() },
		"data":    func(a, _ *Socket, _ func()) { a.Send([]byte("x"), 0, Forever) },
		"close":   func(_, b *Socket, _ func()) { b.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, Stream)
			var locked atomic.Bool
			uses := func() {
				if !locked.Load() && !canLock(b) {
					locked.Store(true)
				}
			}
			for range 3 { // the second wait in a row with one context leaves it registered; the third has it so
				parent, cancel := context.WithCancel(context.Background())
				ctx := callback.Context(parent, uses)
				for range 2 {
					errs := make(chan error, 1)
					go func() { _, err := b.Recv(make([]byte, 1), 0, Context(ctx)); errs <- err }()
					testwait.Until(t, "the wait", func() bool { return waits(b) || len(errs) > 0 })
					end(a, b, cancel)
					within(t, errs, "the end of the receive")
				}
				cancel()
			}
			assert.False(t, locked.Load(), "a method runs with the socket locked")
		})
	}
}

// waits reports that a receive waits on the runtime's poller.
func waits(s *Socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blk.Load() != nil && s.state.Load()&stParked(reading) != 0
}

// canLock reports that a goroutine gets the lock of a socket in the end.
func canLock(s *Socket) bool {
	for start := time.Now(); time.Since(start) < 5*time.Second; runtime.Gosched() {
		if s.mu.TryLock() {
			s.mu.Unlock()
			return true
		}
	}
	return false
}
