package engine_test

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/loopcall"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// wakes counts how often loops are woken.
func wakes(t *testing.T) *atomic.Int64 {
	var n atomic.Int64
	real := loopcall.Wake
	loopcall.Wake = func(q unsafe.Pointer) {
		n.Add(1)
		real(q)
	}
	t.Cleanup(func() { loopcall.Wake = real })
	return &n
}

// A loop that sleeps is woken by what is given to it, and by a timer that is earlier than the next one, within the
// call.
func TestWhatWakesALoop(t *testing.T) {
	n := wakes(t)
	l := run(t)
	s, _ := listen(t)
	a, _ := pair(t)
	b, _ := pair(t)
	var timer *engine.Timer
	after(t, l, time.Hour, func() {})
	for _, c := range []struct {
		name string
		do   func()
		want int64
	}{
		{"Post", func() { l.Post(func() {}) }, 1},
		{"Post without a function", func() { l.Post(nil) }, 0},
		{"Serve", func() { l.Serve(s, echo) }, 1},
		{"Adopt", func() { l.Adopt(a, echo) }, 1},
		{"Close of a socket", func() { a.Close() }, 1},
		{"Close of another's socket", func() { b.Close() }, 0},
		{"an earlier timer", func() { timer = after(t, l, 30*time.Minute, func() {}) }, 1},
		{"a later timer", func() { after(t, l, 40*time.Minute, func() {}) }, 0},
		{"a timer set earlier", func() { timer.Reset(20 * time.Minute) }, 1},
		{"a timer stopped", func() { timer.Stop() }, 0},
		{"Close", func() { l.Close() }, 1},
	} {
		sleeps(t, l)
		before := n.Load()
		c.do()
		require.Equal(t, c.want, n.Load()-before, c.name)
	}
}

// sleeps waits until the loop sleeps and has nothing left to do.
func sleeps(t *testing.T, l *engine.Loop) {
	t.Helper()
	var before engine.Counters
	in(t, l, func() { before = l.Counters() })
	testwait.Until(t, "a sleep", func() bool { return l.Counters().Sleeps > before.Sleeps })
}

// A timer that is set when Run has looked at the wheel, and does not sleep yet, is not slept through.
func TestATimerSetBeforeTheSleep(t *testing.T) {
	var l *engine.Loop
	if backend == engine.IOUring {
		timerSetBeforeTheWait(t)
		return
	}
	var armed, set atomic.Bool
	realTime := loopcall.RealTime
	alarms := make(chan time.Duration, 100)
	loopcall.RealTime = func(clock time.Duration) time.Time {
		alarms <- clock
		if armed.CompareAndSwap(true, false) {
			after(t, l, time.Minute, func() {})
			set.Store(true)
		}
		return realTime(clock)
	}
	t.Cleanup(func() { loopcall.RealTime = realTime })
	l, err := engine.New()
	require.NoError(t, err)
	armed.Store(true)
	after(t, l, time.Hour, func() {})
	ended := begin(l.Run)
	testwait.Until(t, "a sleep", func() bool { return set.Load() && l.Counters().Sleeps > 0 })
	require.Len(t, alarms, 2) // it does not sleep before it has set the second
	require.Greater(t, <-alarms, <-alarms)
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-ended, engine.ErrClosed)
}

// timerSetBeforeTheWait is the same where the loop waits in C, with a second processor: with one it never waits for
// long.
func timerSetBeforeTheWait(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	wait := loopcall.Wait
	var l *engine.Loop
	var armed atomic.Bool
	waits := make(chan int, 2)
	loopcall.Wait = func(q unsafe.Pointer, ops *unsafe.Pointer, n int, r *loopcall.Result, most, ms int) int {
		if ms != 0 && len(waits) < cap(waits) {
			waits <- ms
		}
		if armed.CompareAndSwap(true, false) {
			after(t, l, time.Minute, func() {})
		}
		return wait(q, ops, n, r, most, ms)
	}
	defer func() { loopcall.Wait = wait }()
	l, err := engine.New()
	require.NoError(t, err)
	armed.Store(true)
	after(t, l, time.Hour, func() {})
	ended := begin(l.Run)
	first, second := <-waits, <-waits
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-ended, engine.ErrClosed)
	require.Greater(t, first, 60_000)
	require.LessOrEqual(t, second, 60_000)
}

// Packets that waited for a slow reader are handed over with the end of what they waited for.
func TestWaitingPacketsGoOn(t *testing.T) {
	l := run(t)
	a, b := pair(t)
	handed := 0
	framed, err := engine.Packets(packet.Line, packet.Options{}, packets{packet: func(c *engine.Conn, _ packet.Packet) {
		if handed++; handed == 1 {
			_, err := c.Write(make([]byte, 1<<20))
			assert.NoError(t, err)
		}
	}})
	require.NoError(t, err)
	_, err = b.Send([]byte("1\n2\n3\n"), 0, esock.Forever)
	require.NoError(t, err)
	c, err := l.Adopt(a, framed)
	require.NoError(t, err)
	_, err = b.RecvFull(make([]byte, 1<<20), 0, esock.Forever)
	require.NoError(t, err)
	unsent, then := 1, 0
	testwait.Until(t, "the end of the send", func() bool {
		in(t, l, func() { unsent, then = c.Unsent(), handed })
		return unsent == 0
	})
	require.Equal(t, 3, then)
}

// A connection that another goroutine has closed or uses before the loop has it is closed, and the loop goes on.
func TestAnAcceptedSocketThatTheLoopCannotHold(t *testing.T) {
	var fails atomic.Int64
	real := loopcall.Hold
	loopcall.Hold = func(s, member any) error {
		if fails.Add(-1) == 0 {
			return esock.ErrState
		}
		return real(s, member)
	}
	t.Cleanup(func() { loopcall.Hold = real })
	l := run(t)
	s, address := listen(t)
	opened := make(chan *engine.Conn, 2)
	h := echo
	h.opened = func(c *engine.Conn) { opened <- c }
	fails.Store(2) // the listener's comes first
	require.NoError(t, l.Serve(s, h))
	lost := dial(t, address)
	_, err := lost.Read(make([]byte, 1))
	require.Error(t, err) // closed, and not its deadline
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Empty(t, opened)
	dial(t, address)
	testwait.Result(t, "the next connection", opened)
}

// A function of Post that posts itself again does not keep the loop from its connections.
func TestPostsThatPostLeaveTheLoopItsTurns(t *testing.T) {
	l := run(t)
	a, b := pair(t)
	got := make(chan string, 1)
	stopped := false
	_, err := l.Adopt(a, handler{received: func(_ *engine.Conn, b []byte) {
		stopped = true
		got <- string(b)
	}})
	require.NoError(t, err)
	var again func()
	again = func() {
		if !stopped {
			l.Post(again)
		}
	}
	require.True(t, l.Post(again))
	_, err = b.Send([]byte("x"), 0, esock.Forever)
	require.NoError(t, err)
	require.Equal(t, "x", testwait.Result(t, "the byte", got))
}
