package esock

import (
	"context"
	"runtime"
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
	assert.Zero(t, b.blk.parks[reading].at, "nor is there a deadline")
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
		return s.unregistered().watches[reading]
	}()
	require.NotNil(t, watch.Value())
	collected(t, func() bool { return sameFile(fds[0]) != mine }, "the socket is forgotten")
	for range 2 {
		runtime.GC()
	}
	assert.Nil(t, watch.Value())
}
