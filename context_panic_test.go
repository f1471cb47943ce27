package esock

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// badContext is a context whose methods fail the way set in how, once it is set.
type badContext struct {
	context.Context
	how  atomic.Pointer[func()]
	done chan struct{}
}

func (c *badContext) Done() <-chan struct{} { return c.done }

func (c *badContext) Err() error {
	if how := c.how.Load(); how != nil {
		(*how)()
	}
	return nil
}

// AfterFunc keeps the context package from calling Err in a goroutine of its own.
func (c *badContext) AfterFunc(f func()) func() bool {
	stop := make(chan struct{})
	var once atomic.Bool
	go func() {
		select {
		case <-c.done:
			if once.CompareAndSwap(false, true) {
				f()
			}
		case <-stop:
		}
	}()
	return func() bool {
		first := once.CompareAndSwap(false, true)
		if first {
			close(stop)
		}
		return first
	}
}

// A method of a context that panics or ends the goroutine ends the call, and leaves nothing behind: the lane is free, the mark of
// a whole receive is taken back, and Close returns.
func TestContextThatPanics(t *testing.T) {
	panics, exits := func() { panic("a context's") }, runtime.Goexit
	for name, how := range map[string]*func(){"panic": &panics, "exit": &exits} {
		begin := func(call func(w Wait)) (*badContext, chan struct{}) {
			ctx := &badContext{Context: context.Background(), done: make(chan struct{})}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer func() { recover() }()
				call(Context(ctx))
			}()
			return ctx, ended
		}
		clean := func(t *testing.T, peer, s *Socket) {
			t.Helper()
			st := s.state.Load()
			assert.Equal(t, stOpen, st&^(stWaited(reading)|stNote(reading)|stNote(erring)), "nothing is held: %b", st)
			_, err := peer.Send([]byte("x"), 0, Forever)
			require.NoError(t, err)
			got := make(chan error, 1)
			go func() {
				_, err := s.Recv(make([]byte, 1), 0, Forever)
				got <- err
			}()
			require.NoError(t, within(t, got, "the next receive"))
			closeSoon(t, s)
		}
		t.Run(name+", a whole receive between two parts", func(t *testing.T) {
			peer, s := tcpPair(t)
			ctx, ended := begin(func(w Wait) { s.RecvFull(make([]byte, 1<<20), 0, w) })
			for i := range lowatWaits {
				eventually(t, func() bool { return s.Counters().ReadWaits > uint64(i) }, "a wait")
				_, err := peer.Send(make([]byte, 8), 0, Forever)
				require.NoError(t, err)
				eventually(t, func() bool { return s.Counters().ReadByte == uint64(i+1)*8 }, "the bytes to be received")
			}
			eventually(t, func() bool { return lowatOf(t, s) == lowatMost }, "the mark")
			ctx.how.Store(how)
			_, err := peer.Send(make([]byte, lowatMost), 0, Forever)
			require.NoError(t, err)
			within(t, ended, "the end of the call")
			assert.Equal(t, 1, lowatOf(t, s))
			clean(t, peer, s)
		})
		t.Run(name+", a waiting receive", func(t *testing.T) {
			peer, s := pair(t, Stream)
			ctx, ended := begin(func(w Wait) { s.Recv(make([]byte, 1), 0, w) })
			parked(t, s, reading)
			ctx.how.Store(how)
			require.NoError(t, s.SetReadDeadline(longAgo)) // wakes it, and it asks the context
			within(t, ended, "the end of the call")
			require.NoError(t, s.SetReadDeadline(time.Time{}))
			clean(t, peer, s)
		})
		t.Run(name+", a queued receive", func(t *testing.T) {
			peer, s := pair(t, Stream)
			first := make(chan error, 1)
			go func() {
				_, err := s.Recv(make([]byte, 1), 0, Forever)
				first <- err
			}()
			parked(t, s, reading)
			ctx, ended := begin(func(w Wait) { s.Recv(make([]byte, 1), 0, w) })
			queued(t, s, reading, 1)
			ctx.how.Store(how)
			close(ctx.done)
			within(t, ended, "the end of the call")
			_, err := peer.Send([]byte("x"), 0, Forever)
			require.NoError(t, err)
			require.NoError(t, within(t, first, "the byte"))
			clean(t, peer, s)
		})
		t.Run(name+", a wait on the poller", func(t *testing.T) {
			peer, s := udpPair(t)
			ctx, ended := begin(func(w Wait) { s.RecvErr(&Msg{}, w) })
			parked(t, s, erring)
			ctx.how.Store(how)
			close(ctx.done)
			within(t, ended, "the end of the call")
			clean(t, peer, s)
		})
	}
}
