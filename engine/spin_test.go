package engine_test

import (
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/loopcall"
)

// steps makes the clock of loops one that moves by a step whenever it is read, and returns the step.
func steps(t *testing.T) *atomic.Int64 {
	var now, step atomic.Int64
	real := loopcall.Clock
	loopcall.Clock = func() time.Duration { return time.Duration(now.Add(step.Load())) }
	t.Cleanup(func() { loopcall.Clock = real })
	return &step
}

// asleep returns the counters when the loop sleeps again.
func asleep(l *engine.Loop, before engine.Counters) (c engine.Counters) {
	for c = l.Counters(); c.Sleeps == before.Sleeps; c = l.Counters() {
		runtime.Gosched()
	}
	return c
}

// A loop that has handled something takes turns as long as Spin says, and one more before it sleeps. One without Spin
// takes the turn that found nothing, and that one. One with io_uring sleeps in the turn, with one processor in naps.
func TestALoopSpinsBeforeItSleeps(t *testing.T) {
	step := steps(t)
	step.Store(int64(10 * time.Microsecond))
	for _, c := range []struct {
		spin  time.Duration
		empty uint64
	}{{0, 2}, {time.Microsecond, 3}, {100 * time.Microsecond, 12}, {time.Millisecond, 102}} {
		l := run(t, engine.Spin(c.spin))
		s, address := listen(t)
		counters := make(chan engine.Counters, 1)
		require.NoError(t, l.Serve(s, handler{received: func(*engine.Conn, []byte) { counters <- l.Counters() }}))
		_, err := dial(t, address).Write([]byte("x"))
		require.NoError(t, err)
		handled := <-counters
		empty, atOnce := c.empty, uint64(2)
		if backend == engine.IOUring {
			empty, atOnce = 0, 0
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
		}
		require.Equal(t, empty, asleep(l, handled).Empty-handled.Empty, "%v", c.spin)
		// What wakes it without a result lets it sleep at once.
		in(t, l, func() { handled = l.Counters() })
		require.Equal(t, atOnce, asleep(l, handled).Empty-handled.Empty, "%v", c.spin)
	}
}

// A loop that spins takes what comes without a sleep, also with one processor, which it yields.
func TestASpinningLoopDoesNotSleep(t *testing.T) {
	steps(t) // the clock stands still
	l := run(t)
	s, address := listen(t)
	require.NoError(t, l.Serve(s, echo))
	c := dial(t, address)
	exchange := func() {
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 1))
		require.NoError(t, err)
	}
	exchange()
	before := l.Counters()
	for range 10 {
		exchange()
	}
	after := l.Counters()
	if backend == engine.Epoll { // a ring wakes its thread
		require.Equal(t, before.Sleeps, after.Sleeps)
	}
	require.GreaterOrEqual(t, after.Results, before.Results+10)
}

func TestCounters(t *testing.T) {
	var invalid *esock.InvalidError
	_, err := engine.New(engine.Spin(-1))
	require.ErrorAs(t, err, &invalid)
	var none *engine.Loop
	require.Zero(t, none.Counters())
	l := run(t)
	fired := make(chan struct{})
	after(t, l, 0, func() { close(fired) })
	<-fired
	c := l.Counters()
	require.EqualValues(t, 1, c.Timers)
	require.Positive(t, c.Turns)
}
