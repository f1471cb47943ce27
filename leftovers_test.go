package esock

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What waits leave behind, and must not.

// A context's function that comes late, when the lane is another's, leaves that one alone.
func TestLateFunctionOfAContextLeavesTheNextAlone(t *testing.T) {
	a, b := pair(t, Stream)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 2 {
		parkOnce(t, a, b, Context(ctx))
	}
	require.Equal(t, ctx.Done(), watchedBy(b, reading))
	b.contextEnded(reading, make(chan struct{}))
	assert.Equal(t, ctx.Done(), watchedBy(b, reading))
	b.mu.Lock()
	assert.Zero(t, b.blk.Load().parks[reading].at.get(), "nor is there a deadline")
	b.mu.Unlock()
}

// A wait on the C poller whose time is over waits for nothing any more: no event is put down to it, or armed again for it.
func TestTimedOutWaitOnThePollerIsDisarmed(t *testing.T) {
	s, err := Open(Inet, Dgram, UDP)
	require.NoError(t, err)
	defer s.Close()
	var m Msg
	_, err = s.RecvErr(&m, Within(time.Millisecond))
	require.Equal(t, ErrTimeout, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Zero(t, cFired(poller.p, s.h, eventErr))
}

// A context that lives long keeps nothing of a socket that was forgotten.
func TestForgottenSocketLeavesNothingWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	mine := sameFile(fds[0])
	watch := func() weak.Pointer[contextWatch] {
		peer, err := Adopt(fds[1], TakeFD())
		require.NoError(t, err)
		defer peer.Close()
		s, err := Adopt(fds[0], TakeFD(), Registered(false))
		require.NoError(t, err)
		for range 2 {
			parkOnce(t, peer, s, Context(ctx))
		}
		return s.forgotten.watches[reading]
	}()
	require.NotNil(t, watch.Value())
	collected(t, func() bool { return sameFile(fds[0]) != mine }, "the socket is forgotten")
	for range 2 {
		runtime.GC()
	}
	assert.Nil(t, watch.Value())
}

// asking is a context whose Done calls a function, once there is one.
type asking struct {
	context.Context
	ask atomic.Pointer[func()]
}

func (c *asking) Done() <-chan struct{} {
	if f := c.ask.Load(); f != nil {
		(*f)()
	}
	return c.Context.Done()
}

func (c *asking) Value(any) any { return nil } // it is none of the context package's

func newAsking(t *testing.T) *asking {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return &asking{Context: ctx}
}

// A context's methods are the user's, and may use the socket that Close takes its function back for.
func TestCloseCallsTheContextWithoutTheLock(t *testing.T) {
	a, b := pair(t, Stream)
	ctx := newAsking(t)
	for range 2 {
		parkOnce(t, a, b, Context(ctx))
	}
	asked := false
	ask := func() {
		asked = true
		b.Info()
	}
	ctx.ask.Store(&ask)
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	assert.NoError(t, within(t, closed, "the end of Close"))
	assert.True(t, asked)
}

// A context's methods may wait, and all finalizers of the program run in one goroutine.
func TestForgottenSocketDoesNotWaitForItsContext(t *testing.T) {
	ctx := newAsking(t)
	func() {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		peer, err := Adopt(fds[1], TakeFD())
		require.NoError(t, err)
		defer peer.Close()
		s, err := Adopt(fds[0], TakeFD(), Registered(false))
		require.NoError(t, err)
		for range 2 {
			parkOnce(t, peer, s, Context(ctx))
		}
	}()
	asked, release := make(chan struct{}), make(chan struct{})
	ask := sync.OnceFunc(func() {
		close(asked)
		<-release
	})
	ctx.ask.Store(&ask)
	defer close(release)
	collected(t, func() bool { return isClosed(asked) }, "the socket is forgotten")
	canary(t)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
