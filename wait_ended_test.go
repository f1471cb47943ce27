package esock

import (
	"context"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWaitEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	for _, w := range []Wait{Forever, {}, Within(time.Nanosecond), Within(time.Hour), Within(time.Hour).Begin(),
		Until(time.Now().Add(time.Hour)), Context(ctx), NoWait(NewMailbox()), Within(-1)} {
		assert.NoError(t, w.Ended(), "%+v", w)
	}
	cancel()
	assert.ErrorIs(t, Context(ctx).Ended(), context.Canceled)
	assert.Equal(t, ErrTimeout, Until(time.Now().Add(-time.Second)).Ended())
	assert.Equal(t, ErrTimeout, Within(0).Ended())
}

// lagging is a context that end makes done, and that has no error even then.
func lagging() (ctx context.Context, end func()) {
	f := newForeign()
	return f, func() { close(f.done) }
}

// A context that is done and has no error has ended all the same: wherever a call waits, it is called off, and keeps nothing.
func TestContextThatIsDoneAndHasNoError(t *testing.T) {
	recv := func(s *Socket, w Wait) error { _, err := s.Recv(make([]byte, 1), 0, w); return err }
	for name, prepare := range map[string]func(s *Socket, w Wait) Wait{
		"parked":          func(_ *Socket, w Wait) Wait { return w },
		"on the C poller": func(s *Socket, w Wait) Wait { syscall.SetNonblock(fdOf(s), false); return w },
	} {
		t.Run(name, func(t *testing.T) {
			_, s := pair(t, Stream)
			ctx, end := lagging()
			w := prepare(s, Context(ctx))
			errs := make(chan error, 1)
			go func() { errs <- recv(s, w) }()
			parked(t, s, reading)
			end()
			require.ErrorIs(t, within(t, errs, "the call's end"), context.Canceled)
			assert.True(t, laneIsFree(s, reading))
			go func() { errs <- recv(s, w) }()
			assert.ErrorIs(t, within(t, errs, "the next call's end"), context.Canceled)
		})
	}
	t.Run("queued", func(t *testing.T) {
		a, s := pair(t, Stream)
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- recv(s, Forever) }()
		parked(t, s, reading)
		ctx, end := lagging()
		go func() { second <- recv(s, Context(ctx)) }()
		queued(t, s, reading, 1)
		end()
		require.ErrorIs(t, within(t, second, "the queued call's end"), context.Canceled)
		_, err := a.Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		require.NoError(t, within(t, first, "the first call's end"))
		assert.True(t, laneIsFree(s, reading))
	})
	t.Run("spinning", func(t *testing.T) {
		old := runtime.GOMAXPROCS(2)
		defer runtime.GOMAXPROCS(old)
		_, s := pair(t, Stream)
		ctx, end := lagging()
		tries := 0
		hooked(t, func(bool) int {
			switch tries++; {
			case tries == 2:
				end()
			case tries > 100:
				return 1 // it has not seen the end
			}
			return -int(syscall.EAGAIN)
		})
		assert.ErrorIs(t, turn(s, Context(ctx).Spin(time.Second)), context.Canceled)
	})
	t.Run("making progress", func(t *testing.T) {
		_, s := pair(t, Stream)
		ctx, end := lagging()
		n, err := progressing(t, s, Context(ctx), end)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 3, n)
	})
	t.Run("in a mailbox", func(t *testing.T) {
		ctx, end := lagging()
		end()
		_, err := NewMailbox().Receive(ctx)
		assert.ErrorIs(t, err, context.Canceled)
	})
	t.Run("for layers above", func(t *testing.T) {
		ctx, end := lagging()
		w := Context(ctx)
		ends, free := w.Ends()
		defer free()
		assert.NoError(t, w.over())
		end()
		<-ends.Done()
		assert.ErrorIs(t, ends.Err(), context.Canceled)
		assert.ErrorIs(t, w.Ended(), context.Canceled)
		assert.ErrorIs(t, w.over(), context.Canceled)
	})
}

// lateError has its error only when it is asked a second time.
type lateError struct {
	foreign
	asked *atomic.Int32
}

func (c lateError) Err() error {
	select {
	case <-c.done:
		if c.asked.Add(1) > 1 {
			return context.DeadlineExceeded
		}
	default:
	}
	return nil
}

// One that ends while it is asked has the error that it has by then.
func TestContextThatEndsWhileItIsAsked(t *testing.T) {
	c := lateError{newForeign(), new(atomic.Int32)}
	assert.NoError(t, Context(c).Ended())
	close(c.done)
	assert.ErrorIs(t, Context(c).Ended(), context.DeadlineExceeded)
}
