package engine_test

import (
	"io"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/loopcall"
)

// jumps makes the clock of loops one that the function moves on.
func jumps(t *testing.T) (jump func(time.Duration)) {
	var ahead atomic.Int64
	real := loopcall.Clock
	loopcall.Clock = func() time.Duration { return real() + time.Duration(ahead.Load()) }
	t.Cleanup(func() { loopcall.Clock = real })
	return func(d time.Duration) { ahead.Add(int64(d)) }
}

// in runs a function in the goroutine of the loop.
func in(t *testing.T, l *engine.Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	require.True(t, l.Post(func() { f(); close(done) }))
	<-done
}

func after(t *testing.T, l *engine.Loop, d time.Duration, f func()) *engine.Timer {
	t.Helper()
	timer, err := l.After(d, f)
	require.NoError(t, err)
	return timer
}

// Timers fire in order, once, and not before their time, however far the clock moves at once.
func TestTimersFireInOrder(t *testing.T) {
	jump := jumps(t)
	l := run(t)
	const many = 3000
	fired, stopped := map[int]int{}, 0
	var last time.Duration
	in(t, l, func() {
		for i := range many {
			d := time.Duration(rand.Int64N(1 << (20 + rand.IntN(42))))
			at := loopcall.Clock() + d // or a bit later
			var latest time.Duration
			timer := after(t, l, d, func() {
				fired[i]++
				assert.GreaterOrEqual(t, loopcall.Clock(), at)
				assert.Greater(t, latest+time.Millisecond, last) // two times may have the same tick
				last = max(last, at)
			})
			latest = loopcall.Clock() + d
			if rand.IntN(4) == 0 {
				assert.True(t, timer.Stop())
				assert.False(t, timer.Stop())
				stopped++
			}
		}
	})
	for shift := 20; shift < 62; shift++ {
		jump(1 << shift)
		in(t, l, func() {})
	}
	done := make(chan struct{})
	after(t, l, time.Millisecond, func() { close(done) })
	jump(time.Second)
	in(t, l, func() {})
	<-done
	in(t, l, func() {})
	require.Len(t, fired, many-stopped)
	for _, n := range fired {
		require.Equal(t, 1, n)
	}
}

// A sleeping loop wakes for its next timer, also for one that another goroutine sets meanwhile, and one that is set
// again.
func TestASleepingLoopWakesForItsTimers(t *testing.T) {
	l := run(t)
	never := after(t, l, time.Hour, func() { t.Error("an hour has passed") })
	for range 20 {
		fired := make(chan struct{}, 1)
		timer := after(t, l, time.Millisecond, func() { fired <- struct{}{} })
		<-fired
		require.False(t, timer.Stop())
		require.True(t, timer.Reset(0))
		<-fired
	}
	require.True(t, never.Stop())
}

// The clock of a bubble stands still while the loop waits; timers are of the machine's.
func TestTimersInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t)
		fired := make(chan struct{})
		after(t, l, 2*time.Millisecond, func() { close(fired) })
		<-fired
	})
}

// A timer that sets itself again does not keep others from their turn.
func TestATimerThatSetsItselfAgain(t *testing.T) {
	l := run(t)
	var timer *engine.Timer
	in(t, l, func() { timer = after(t, l, 0, func() { timer.Reset(0) }) })
	for range 10 {
		in(t, l, func() {})
	}
	require.NoError(t, l.Close())
	require.Eventually(t, func() bool { return !timer.Reset(0) }, time.Minute, time.Millisecond)
}

func TestTimersOfAClosedLoop(t *testing.T) {
	l, err := engine.New()
	require.NoError(t, err)
	var invalid *esock.InvalidError
	_, err = l.After(0, nil)
	require.ErrorAs(t, err, &invalid)
	timers := []*engine.Timer{after(t, l, 0, func() { t.Error("called") }), after(t, l, time.Hour, func() {}), {}, nil}
	require.NoError(t, l.Close())
	_, err = l.After(0, func() {})
	require.ErrorIs(t, err, engine.ErrClosed)
	for i, timer := range timers {
		require.False(t, timer.Reset(0))
		require.Equal(t, i < 2, timer.Stop())
	}
}

func TestAnIdleConnectionEnds(t *testing.T) {
	jump := jumps(t)
	l := run(t)
	s, address := listen(t)
	opened, received, closed := make(chan *engine.Conn, 1), make(chan string, 1), make(chan error, 1)
	require.NoError(t, l.Serve(s, handler{
		opened: func(c *engine.Conn) {
			c.SetIdleTimeout(time.Hour)
			opened <- c
		},
		received: func(_ *engine.Conn, b []byte) { received <- string(b) },
		closed:   func(_ *engine.Conn, err error) { closed <- err },
	}))
	c := dial(t, address)
	<-opened
	for range 3 { // traffic keeps it
		jump(50 * time.Minute)
		_, err := c.Write([]byte("still here"))
		require.NoError(t, err)
		require.Equal(t, "still here", <-received)
		in(t, l, func() {})
	}
	require.Empty(t, closed)
	jump(2 * time.Hour)
	in(t, l, func() {})
	require.ErrorIs(t, <-closed, os.ErrDeadlineExceeded)
	_, err := c.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	// Zero takes the limit away.
	dial(t, address)
	conn := <-opened
	in(t, l, func() { conn.SetIdleTimeout(0) })
	jump(24 * time.Hour)
	in(t, l, func() {})
	in(t, l, func() {})
	require.Empty(t, closed)
}

// A loop that stood still, as with its machine, looks at what has arrived before it ends a connection.
func TestWhatArrivedInTimeCounts(t *testing.T) {
	jump := jumps(t)
	l := run(t)
	s, address := listen(t)
	const conns = 300 // more than the results of a turn
	opened := make(chan struct{}, conns)
	received, closed := make(chan struct{}, conns), make(chan error, conns)
	require.NoError(t, l.Serve(s, handler{
		opened: func(c *engine.Conn) {
			c.SetIdleTimeout(time.Hour)
			opened <- struct{}{}
		},
		received: func(*engine.Conn, []byte) { received <- struct{}{} },
		closed:   func(_ *engine.Conn, err error) { closed <- err },
	}))
	var clients []io.Writer
	for range conns {
		clients = append(clients, dial(t, address))
		<-opened
	}
	in(t, l, func() {
		for _, c := range clients {
			_, err := c.Write([]byte("x"))
			assert.NoError(t, err)
		}
		jump(2 * time.Hour)
	})
	for range conns {
		select {
		case <-received:
		case err := <-closed:
			require.NoError(t, err)
		}
	}
	require.Empty(t, closed)
}

func TestAPeerThatDoesNotReadEnds(t *testing.T) {
	jump := jumps(t)
	l := run(t)
	s, address := listen(t)
	opened, closed := make(chan *engine.Conn, 1), make(chan error, 1)
	require.NoError(t, l.Serve(s, handler{
		opened: func(c *engine.Conn) {
			c.SetWriteTimeout(time.Hour)
			opened <- c
		},
		closed: func(_ *engine.Conn, err error) { closed <- err },
	}))
	c := dial(t, address)
	conn := <-opened
	// What the kernel takes at once starts no limit.
	in(t, l, func() { conn.Write([]byte("x")) })
	_, err := io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
	jump(24 * time.Hour)
	in(t, l, func() {})
	in(t, l, func() {})
	require.Empty(t, closed)
	in(t, l, func() { conn.Write(make([]byte, 64<<20)); conn.Close() })
	for len(closed) == 0 { // the kernel may still take some
		jump(2 * time.Hour)
		in(t, l, func() {})
	}
	require.ErrorIs(t, <-closed, os.ErrDeadlineExceeded)
}

// A timer expires in its tick, not in the one after it.
func TestATimerExpiresInItsTick(t *testing.T) {
	var now atomic.Int64
	now.Store(int64(time.Hour))
	real := loopcall.Clock
	loopcall.Clock = func() time.Duration { return time.Duration(now.Load()) }
	t.Cleanup(func() { loopcall.Clock = real })
	l := run(t, engine.Spin(0))
	// move moves the clock, and returns when the loop has looked at its timers since.
	move := func(ms int64) {
		var before uint64
		in(t, l, func() {
			now.Add(ms * int64(time.Millisecond))
			before = l.Counters().Turns
		})
		for l.Counters().Turns < before+2 { // the second turn follows the look after the first
			in(t, l, func() {})
		}
	}
	for _, ms := range []int64{1, 63, 64, 65, 4096, 5000} {
		var fired atomic.Bool
		after(t, l, time.Duration(ms)*time.Millisecond, func() { fired.Store(true) })
		move(ms - 1)
		require.False(t, fired.Load(), "%d", ms)
		move(1)
		require.True(t, fired.Load(), "%d", ms)
	}
}
