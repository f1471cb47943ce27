package esock

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// alone runs a test in a process of its own, in which nothing of the package has been used yet, and says whether this is
// that process.
func alone(t *testing.T) bool {
	t.Helper()
	const child = "ESOCK_TEST_ALONE"
	if os.Getenv(child) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), child+"="+t.Name(), "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return false
}

// selectsOnce makes an asynchronous receive wait, and answers it.
func selectsOnce(t *testing.T, mb *Mailbox) {
	t.Helper()
	a, b := pair(t, Stream)
	_, err := a.Recv(make([]byte, 1), 0, NoWait(mb))
	var sel *Select
	require.ErrorAs(t, err, &sel)
	_, err = b.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	msg, err := mb.Receive(context.Background())
	require.NoError(t, err)
	sameMessage(t, SelectMsg{sel.Handle()}, msg)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

// queueUp makes a call wait behind another, and serves both.
func queueUp(t *testing.T) {
	t.Helper()
	a, b := pair(t, Stream)
	got := make(chan error, 2)
	for i := range 2 {
		go func() {
			_, err := a.Recv(make([]byte, 1), 0, Within(time.Minute))
			got <- err
		}()
		if i == 0 {
			spinUntil(func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.state.Load()&stParked(reading) != 0 })
		} else {
			spinUntil(func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.lanes[reading].head != nil })
		}
	}
	for range 2 {
		_, err := b.Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		require.NoError(t, <-got)
	}
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

// spinUntil waits in the machine's time, also in a bubble.
func spinUntil(cond func() bool) {
	for !cond() {
		nap(50 * time.Microsecond)
	}
}

// The first select of the process is made in a bubble, and the bubble ends; the poller goes on, for others outside.
func TestBubbleStartsThePoller(t *testing.T) {
	if !alone(t) {
		return
	}
	synctest.Test(t, func(t *testing.T) { selectsOnce(t, NewMailbox()) })
	selectsOnce(t, NewMailbox())
	synctest.Test(t, func(t *testing.T) { selectsOnce(t, NewMailbox()) })
}

// Waiters are used again by the next call, in this bubble, outside and in another.
func TestBubbleLeavesWaitersToOthers(t *testing.T) {
	if !alone(t) {
		return
	}
	for range 3 { // the pool gives what it was given in a bubble, and what it was given outside
		synctest.Test(t, queueUp)
		queueUp(t)
	}
}

// What is made in a bubble is told of, and closed, from outside.
func TestBubbleMailboxIsToldFromOutside(t *testing.T) {
	mbs := make(chan *Mailbox, 1)
	synctest.Test(t, func(t *testing.T) { mbs <- NewMailbox() })
	mb := <-mbs
	got := make(chan error, 1)
	go func() { _, err := mb.Receive(context.Background()); got <- err }()
	require.NoError(t, mb.Post(note(1)))
	require.NoError(t, <-got)
	go func() { _, err := mb.ReceiveMatch(context.Background(), is(7)); got <- err }()
	require.NoError(t, mb.Close())
	require.Error(t, <-got)
}

// A time is that of the machine: it passes while a call waits, and no more of it than was asked for.
func TestBubbleTimesOfWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const d = 5 * time.Millisecond
		a, b := pair(t, Stream)
		for _, w := range []func() Wait{
			func() Wait { return Within(d) },
			func() Wait { return Until(time.Now().Add(d)) },
			func() Wait { return Within(d).Begin() },
			func() Wait { return Within(d).Spin(d) },
		} {
			before := machineClock()
			_, err := a.Recv(make([]byte, 1), 0, w())
			assert.Equal(t, ErrTimeout, err)
			assert.GreaterOrEqual(t, machineClock()-before, d)
		}
		_, err := a.Recv(make([]byte, 1), 0, Until(time.Now().Add(-time.Hour)))
		assert.Equal(t, ErrTimeout, err)
		var m Msg // on the C poller
		u, err := Open(Inet, Dgram, UDP)
		require.NoError(t, err)
		_, err = u.RecvErr(&m, Within(d))
		assert.Error(t, err)
		require.NoError(t, u.Close())

		// Behind another call.
		ended := make(chan error, 1)
		go func() { _, err := a.Recv(make([]byte, 1), 0, Forever); ended <- err }()
		spinUntil(func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.state.Load()&stParked(reading) != 0 })
		_, err = a.Recv(make([]byte, 1), 0, Within(d))
		assert.Equal(t, ErrTimeout, err)
		require.NoError(t, a.Close())
		assert.Error(t, <-ended)
		require.NoError(t, b.Close())
		assert.Zero(t, time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), "the bubble's clock stood")
	})
}

// A context of the bubble ends a wait, registered once and for long.
func TestBubbleContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, Stream)
		ctx, cancel := context.WithCancel(context.Background())
		buf := make([]byte, 1)
		for range 3 {
			done := make(chan error, 1)
			go func() { _, err := a.Recv(buf, 0, Context(ctx)); done <- err }()
			spinUntil(func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.state.Load()&stParked(reading) != 0 })
			_, err := b.Send([]byte("x"), 0, Forever)
			require.NoError(t, err)
			require.NoError(t, <-done)
		}
		done := make(chan error, 1)
		go func() { _, err := a.Recv(buf, 0, Context(ctx)); done <- err }()
		spinUntil(func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.state.Load()&stParked(reading) != 0 })
		cancel()
		assert.ErrorIs(t, <-done, context.Canceled)
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	})
}

// A socket made in a bubble is closed from outside while a call waits in it, and the other way round.
func TestBubbleCloseAcross(t *testing.T) {
	socks := make(chan *Socket, 2)
	synctest.Test(t, func(*testing.T) {
		a, b := pair(t, Stream) // t: they live on
		socks <- a
		socks <- b
	})
	a, b := <-socks, <-socks
	got := make(chan error, 1)
	go func() { _, err := a.Recv(make([]byte, 1), 0, Forever); got <- err }()
	parked(t, a, reading)
	synctest.Test(t, func(*testing.T) { assert.NoError(t, a.Close()) })
	assert.Error(t, <-got)
	assert.NoError(t, b.Close())
}

// The whole of a server and its client: listener, connect that waits, accept, both directions, timeouts of the bubble.
func TestBubbleServerAndClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, addr := listening(t)
		served := make(chan error, 1)
		go func() {
			c, err := l.Accept(Within(time.Minute))
			if err != nil {
				served <- err
				return
			}
			defer c.Close()
			buf := make([]byte, 5)
			if _, err = c.RecvFull(buf, 0, Within(time.Minute)); err == nil {
				_, err = c.Send(buf, 0, Within(time.Minute))
			}
			served <- err
		}()
		c, err := Open(Inet, Stream, TCP)
		require.NoError(t, err)
		require.NoError(t, c.Connect(addr, Within(time.Minute)))
		_, err = c.Send([]byte("hello"), 0, Forever)
		require.NoError(t, err)
		buf := make([]byte, 5)
		_, err = c.RecvFull(buf, 0, Within(time.Minute))
		require.NoError(t, err)
		assert.Equal(t, "hello", string(buf))
		require.NoError(t, <-served)
		require.NoError(t, c.Close())
		require.NoError(t, l.Close())
	})
}

// A moment that was taken outside is the machine's.
func TestBubbleMomentsFromOutside(t *testing.T) {
	before := time.Now()
	synctest.Test(t, func(t *testing.T) {
		const d = 20 * time.Millisecond
		a, b := pair(t, Stream)
		assert.Equal(t, before.Sub(epoch), momentOf(before))
		_, err := a.Recv(make([]byte, 1), 0, Until(before.Add(d)))
		assert.Equal(t, ErrTimeout, err)
		assert.GreaterOrEqual(t, clock(), before.Add(d).Sub(epoch))
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	})
}

// A pause of the spinner is the machine's too: the bubble's clock stands while the peer waits for the kernel.
func TestBubbleSpinnerDoesNotSleepForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, Stream)
		go func() { _, _ = b.Recv(make([]byte, 1), 0, Forever) }()
		_, err := a.Recv(make([]byte, 1), 0, Within(20*time.Millisecond).Spin(10*time.Millisecond))
		assert.Equal(t, ErrTimeout, err)
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	})
}

func TestBubbleIsNoticed(t *testing.T) {
	assert.False(t, inBubble())
	synctest.Test(t, func(t *testing.T) {
		assert.True(t, inBubble())
		before := clock()
		time.Sleep(time.Hour)
		assert.Less(t, clock()-before, time.Minute, "the machine's")
		assert.InDelta(t, time.Minute, time.Until(realTime(clock()+time.Minute)), float64(patience))
	})
	assert.InDelta(t, clock(), machineClock()-machineEpoch, float64(patience))
}

// The context of a wait ends by the machine's clock, too, and so do those that are made of it.
func TestBubbleEndsOfWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, Stream)
		ended := make(chan error, 1)
		go func() { _, err := a.Recv(make([]byte, 1), 0, Forever); ended <- err }() // the bubble's clock stands
		for _, w := range []Wait{Within(5 * time.Millisecond), Within(5 * time.Millisecond).Begin()} {
			ctx, free := w.Ends()
			child, cancel := context.WithCancel(ctx)
			at, ok := ctx.Deadline()
			assert.True(t, ok)
			assert.LessOrEqual(t, time.Until(at), 5*time.Millisecond)
			<-child.Done()
			assert.Equal(t, context.DeadlineExceeded, ctx.Err())
			cancel()
			free()
		}
		ctx, free := Within(time.Hour).Ends()
		assert.NoError(t, ctx.Err(), "the time is not over")
		free()
		<-ctx.Done()
		assert.Equal(t, context.Canceled, ctx.Err())
		require.NoError(t, a.Close())
		assert.Error(t, <-ended)
		require.NoError(t, b.Close())
	})
}

func TestBubbleDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const d = 5 * time.Millisecond
		a, b := pair(t, Stream)
		u, err := Open(Inet, Dgram, UDP)
		require.NoError(t, err)
		for _, call := range []func() error{
			func() error { return recvByte(a)(Forever) },
			func() error { return recvByte(a)(Forever.Spin(time.Second)) },
			func() error { return recvError(u)(Forever) },
		} {
			before := machineClock()
			require.NoError(t, a.SetReadDeadline(time.Now().Add(d)))
			require.NoError(t, u.SetReadDeadline(time.Now().Add(d)))
			assert.Equal(t, ErrTimeout, call())
			assert.GreaterOrEqual(t, machineClock()-before, d)
		}
		require.NoError(t, a.SetReadDeadline(time.Time{}))
		ended := goes(func() error { return recvByte(a)(Forever) })
		spinUntil(func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.state.Load()&stParked(reading) != 0 })
		behind := goes(func() error { return recvByte(a)(Forever) })
		spinUntil(func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.lanes[reading].head != nil })
		require.NoError(t, a.SetReadDeadline(time.Now().Add(d)))
		assert.Equal(t, ErrTimeout, <-ended)
		assert.Equal(t, ErrTimeout, <-behind)
		for _, s := range []*Socket{a, b, u} {
			require.NoError(t, s.Close())
		}
		assert.Zero(t, time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), "the bubble's clock stood")
	})
}
