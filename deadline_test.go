package esock

import (
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDeadlineMovesWhileCallsWait(t *testing.T) {
	for name, make := range deadlineWaits() {
		t.Run(name, func(t *testing.T) {
			w := make(t)
			got := goes(func() error { return w.call(Forever) })
			w.waits(t, time.Time{})
			for range 2 {
				first, second := inHours(), inHours()
				require.NoError(t, w.set(first))
				w.waits(t, first)
				require.NoError(t, w.set(second))
				w.waits(t, second)
				require.NoError(t, w.set(time.Time{}))
				w.waits(t, time.Time{})
			}
			require.Empty(t, got)
			require.NoError(t, w.set(longAgo))
			err := within(t, got, "the call's end")
			assert.ErrorIs(t, err, ErrTimeout)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)

			require.NoError(t, w.set(time.Time{}))
			if name == "connect" {
				return // the kernel's attempt goes on
			}
			got = goes(func() error { return w.call(Forever) })
			w.waits(t, time.Time{})
			require.NoError(t, w.set(time.Now().Add(time.Millisecond)))
			assert.ErrorIs(t, within(t, got, "a deadline that comes"), ErrTimeout)
		})
	}
}

func TestEarlierOfDeadlineAndWaitCounts(t *testing.T) {
	for name, make := range deadlineWaits() {
		if name == "connect" || name == "raw read" {
			continue // there is one attempt, and there is no Wait
		}
		t.Run(name, func(t *testing.T) {
			w := make(t)
			require.NoError(t, w.set(inHours()))
			assert.ErrorIs(t, within(t, goes(func() error { return w.call(Within(time.Millisecond)) }), "its time"), ErrTimeout)

			require.NoError(t, w.set(time.Time{}))
			until := inHours()
			got := goes(func() error { return w.call(Until(until)) })
			w.waits(t, until)
			require.NoError(t, w.set(until.Add(time.Hour)))
			w.waits(t, until)
			require.NoError(t, w.set(time.Now().Add(time.Millisecond)))
			assert.ErrorIs(t, within(t, got, "the deadline"), ErrTimeout)
		})
	}
}

// A call that the caller's goroutine spins in heeds the deadline.
func TestDeadlineMovesWhileACallSpins(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	_, s := pair(t, Stream)
	c, w := call{op: OpRecv, buf: make([]byte, 1)}, Forever
	require.NoError(t, s.enter(&c, &w))
	got := make(chan int, 1)
	go func() { got <- s.spin(&c, &w, 10*time.Hour) }()
	eventually(t, func() bool { return spinners.Load() > 0 }, "a spinner")
	require.NoError(t, s.SetReadDeadline(inHours()))
	require.NoError(t, s.SetWriteDeadline(longAgo))
	require.Empty(t, got)
	require.NoError(t, s.SetReadDeadline(longAgo))
	assert.Equal(t, -int(syscall.EAGAIN), within(t, got, "the end of the spin"))
	s.unpark(reading)
	s.leave(OpRecv, nil)
}

// The call that parks does not set the descriptor's deadline again if it has it. A pipe stands for the descriptor: its own
// deadline is past until the park sets another.
func TestSameDeadlineIsNotSetAgain(t *testing.T) {
	a, b := pair(t, Stream)
	until := inHours()
	require.NoError(t, b.SetReadDeadline(until))
	parkOnce(t, a, b, Forever)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	_, err = w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, r.SetReadDeadline(longAgo))
	file := b.blk.Load().file
	b.blk.Load().file = r
	defer func() { b.blk.Load().file = file }()

	require.NoError(t, b.SetReadDeadline(until))
	parkOnce(t, a, b, Forever)
	_, err = r.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "the same")
	require.NoError(t, b.SetReadDeadline(until.Add(1)))
	parkOnce(t, a, b, Forever)
	_, err = r.Read(make([]byte, 1))
	assert.NoError(t, err, "another")
}

// A wake-up of another kind is not undone by a deadline that is set before the call has seen it.
func TestDeadlineLeavesWakeUpsAlone(t *testing.T) {
	_, s := pair(t, Stream)
	for range 300 {
		ctx, cancel := context.WithCancel(context.Background())
		got := goes(func() error { return recvByte(s)(Context(ctx)) })
		parked(t, s, reading)
		cancel()
		eventually(t, func() bool {
			require.NoError(t, s.SetReadDeadline(inHours()))
			return watchedBy(s, reading) == nil
		}, "the context's function")
		require.NoError(t, s.SetReadDeadline(inHours()))
		require.ErrorIs(t, within(t, got, "the call's end"), context.Canceled)
	}
}

// Connections that close, and directions that are shut, do not wait for the deadline.
func TestDeadlineDoesNotDelayOtherEnds(t *testing.T) {
	_, s := pair(t, Stream)
	require.NoError(t, s.SetDeadline(inHours()))
	got := goes(func() error { return recvByte(s)(Forever) })
	parked(t, s, reading)
	require.NoError(t, s.Shutdown(ShutRead))
	assert.Equal(t, io.EOF, within(t, got, "the shut direction"))

	_, s = pair(t, Stream)
	require.NoError(t, s.SetDeadline(inHours()))
	got = goes(func() error { return recvByte(s)(Forever) })
	parked(t, s, reading)
	behind := goes(func() error { return recvByte(s)(Forever) })
	queued(t, s, reading, 1)
	require.NoError(t, s.Close())
	assert.ErrorIs(t, within(t, got, "the closed socket"), net.ErrClosed)
	assert.ErrorIs(t, within(t, behind, "the closed socket"), net.ErrClosed)
	for _, set := range []func(time.Time) error{s.SetDeadline, s.SetReadDeadline, s.SetWriteDeadline} {
		assert.ErrorIs(t, set(inHours()), net.ErrClosed)
		assert.ErrorIs(t, set(time.Time{}), net.ErrClosed)
	}
}

func TestDeadlineAtTheEdgesOfTime(t *testing.T) {
	a, b := pair(t, Stream)
	for _, far := range []time.Time{time.Unix(1<<40, 0), time.Now().Add(1<<63 - 1), inHours().Round(0)} {
		require.NoError(t, b.SetDeadline(far))
		parkOnce(t, a, b, Forever)
		parkOnce(t, a, b, Within(time.Hour))
	}
	for _, gone := range []time.Time{time.Unix(-1<<40, 0), time.Time{}.Add(1), time.Now().Round(0), time.Now().Add(-1 << 62)} {
		require.NoError(t, b.SetDeadline(gone))
		assert.Equal(t, ErrTimeout, recvByte(b)(Forever), gone)
	}
}

// A deadline moves every call that is queued.
func TestDeadlineMovesTheWholeQueue(t *testing.T) {
	s, _ := pair(t, Stream)
	mb := NewMailbox()
	defer mb.Close()
	_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
	require.ErrorAs(t, err, new(*Select))
	const n = 3
	errs := make(chan error, n)
	for range n {
		go func() { _, err := s.Recv(make([]byte, 1), 0, Forever); errs <- err }()
	}
	all := func() (at []time.Duration) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for h := s.lanes[reading].head; h != nil; h = h.entry.next {
			at = append(at, h.ext.waiter.at)
		}
		return at
	}
	eventually(t, func() bool { return len(all()) == n }, "the queue")
	require.NoError(t, s.SetReadDeadline(time.Now().Add(time.Hour)))
	bound := s.blk.Load().bounds[reading].get()
	assert.Equal(t, []time.Duration{bound, bound, bound}, all())
	require.NoError(t, s.SetReadDeadline(longAgo))
	for range n {
		assert.ErrorIs(t, within(t, errs, "the end of a call"), ErrTimeout)
	}
}

// The tests below set a deadline beside calls that are only made up, so that they cannot hang: where calls wait, the others find
// the same with real ones.

func TestDeadlineIsKeptPerDirection(t *testing.T) {
	a, _ := pair(t, Stream)
	require.NoError(t, a.SetDeadline(time.Time{}))
	assert.Nil(t, a.blk.Load(), "there is nothing to take away, so nothing is made")

	require.NoError(t, a.SetReadDeadline(epoch))
	assert.Equal(t, [2]time.Duration{1, 0}, [2]time.Duration{a.blk.Load().bounds[reading].get(), a.blk.Load().bounds[writing].get()},
		"the moment from which others are counted is one too")
	require.NoError(t, a.SetReadDeadline(epoch.Add(-time.Hour)))
	assert.Equal(t, time.Duration(1), a.blk.Load().bounds[reading].get())
	until := inHours()
	require.NoError(t, a.SetWriteDeadline(until))
	assert.Equal(t, until.Sub(epoch), a.blk.Load().bounds[writing].get())
	all := stBounded(reading) | stBounded(writing) | stBounded(erring)
	assert.Equal(t, all, a.state.Load()&all)

	for d, want := range map[direction]time.Duration{reading: 1, writing: until.Sub(epoch), erring: 1} {
		assert.Equal(t, want, a.bound(d))
		assert.Equal(t, want == 1, a.expired(d))
	}
	require.NoError(t, a.SetReadDeadline(time.Time{}))
	assert.Equal(t, stBounded(writing), a.state.Load()&all)
	assert.False(t, a.expired(reading))
	require.NoError(t, a.SetDeadline(until))
	assert.Equal(t, a.blk.Load().bounds[writing].get(), a.blk.Load().bounds[reading].get())
}

func TestEarlierDeadlineMakesACallOverdue(t *testing.T) {
	s, _ := pair(t, Stream)
	c, last := call{op: OpRecv}, clock()
	assert.False(t, s.overdue(&c))
	c.deadline = last
	assert.True(t, s.overdue(&c), "its own")
	c.deadline = last + time.Hour
	assert.False(t, s.overdue(&c))
	require.NoError(t, s.SetReadDeadline(longAgo))
	assert.True(t, s.overdue(&c), "the direction's")
	c.deadline = 0
	assert.True(t, s.overdue(&c))
	require.NoError(t, s.SetDeadline(inHours()))
	assert.False(t, s.overdue(&c))
	c.deadline = last
	assert.True(t, s.overdue(&c))
}

// The descriptor has the deadline only while a call waits, and one that is woken already looks for itself.
func TestDeadlineOfTheDescriptor(t *testing.T) {
	s, _ := pair(t, Stream)
	s.mu.Lock()
	b := s.blockingSide()
	b.open(s)
	p := s.parkOf(reading)
	s.mu.Unlock()
	require.NoError(t, s.SetReadDeadline(inHours()))
	assert.Zero(t, p.at.get(), "no call waits")

	s.park(reading, OpRecv)
	p.own = clock() + time.Minute
	until := inHours()
	require.NoError(t, s.SetReadDeadline(until))
	assert.Equal(t, p.own, p.at.get(), "the call's own is earlier")
	p.own = 0
	require.NoError(t, s.SetReadDeadline(until.Add(time.Hour)))
	assert.Equal(t, b.bounds[reading].get(), p.at.get())
	require.NoError(t, s.SetReadDeadline(time.Time{}))
	assert.Zero(t, p.at.get())

	b.setDeadline(reading, passed)
	require.NoError(t, s.SetReadDeadline(until))
	assert.Equal(t, passed, p.at.get())
	s.unpark(reading)
}

// The park takes the deadline of its call from the call, for those who move the direction's, and forgets it with the call: the
// next one may have none.
func TestParkKnowsTheDeadlineOfItsCall(t *testing.T) {
	_, s := pair(t, Stream)
	c, w := call{op: OpRecv, buf: make([]byte, 1)}, Until(inHours())
	require.NoError(t, s.enter(&c, &w))
	c.until(s, &w)
	ended := make(chan error, 1)
	go func() {
		_, _, err := s.awaitOnRuntime(&c, &w)
		ended <- err
	}()
	parked(t, s, reading)
	s.mu.Lock()
	own := s.blk.Load().parks[reading].own
	s.mu.Unlock()
	assert.Equal(t, w.d, own)
	require.NoError(t, s.SetReadDeadline(longAgo))
	assert.Equal(t, ErrTimeout, within(t, ended, "the wait's end"))
	assert.Zero(t, s.blk.Load().parks[reading].own)
	s.unpark(reading)
	s.leave(OpRecv, nil)
}

func TestDeadlineReachesWaitersOnThePollerAndInTheQueue(t *testing.T) {
	s, _ := boundUDP(t)
	_, err := s.RecvErr(new(Msg), Within(0)) // the lane of the error queue is made
	require.ErrorIs(t, err, ErrTimeout)
	mailboxes := [2]*Mailbox{NewMailbox(), NewMailbox()}
	for _, mb := range mailboxes { // the second is queued: it has no deadline
		defer mb.Close()
		_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
		require.ErrorAs(t, err, new(*Select))
	}
	s.mu.Lock()
	blk := s.blockingSide()
	var onPoller, inQueue [3]*waiter
	for d := reading; d <= erring; d++ {
		onPoller[d], inQueue[d] = newWaiter(s, OpRecv, 0), newWaiter(s, OpRecv, 0)
		blk.onPoller[d] = onPoller[d]
		s.lane(d).push(&inQueue[d].h)
	}
	s.mu.Unlock()
	have := func() (at [2][3]time.Duration) {
		for d := reading; d <= erring; d++ {
			at[0][d], at[1][d] = onPoller[d].at, inQueue[d].at
		}
		return at
	}
	require.NoError(t, s.SetReadDeadline(inHours()))
	r := blk.bounds[reading].get()
	assert.Equal(t, [2][3]time.Duration{{reading: r, erring: r}, {reading: r, erring: r}}, have())
	require.NoError(t, s.SetWriteDeadline(inHours()))
	w := blk.bounds[writing].get()
	assert.Equal(t, [2][3]time.Duration{{reading: r, writing: w, erring: r}, {reading: r, writing: w, erring: r}}, have())
	require.NoError(t, s.SetDeadline(time.Time{}))
	assert.Zero(t, have())

	s.mu.Lock()
	for d := reading; d <= erring; d++ {
		blk.onPoller[d] = nil
		s.lane(d).remove(&inQueue[d].h)
		onPoller[d].free()
		inQueue[d].free()
		s.settle(d)
	}
	s.mu.Unlock()
	assert.Zero(t, s.state.Load()&(stSlow(writing)|stSlow(erring)))
}
