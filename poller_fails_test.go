package esock

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A poller that fails is logged, and no waiting call is left behind. In a process of its own: it is the only poller.
func TestPollerThatFailsIsStartedAgain(t *testing.T) {
	if !alone(t) {
		return
	}
	full := fullListener(t)
	var said sync.Map
	SetLogger(slog.New(atError{slog.DiscardHandler, func(msg string) { said.Store(msg, true) }}))
	defer SetLogger(nil)
	mb := NewMailbox()
	var socks, peers [4]*Socket
	for i := range socks {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		socks[i], err = Adopt(fds[0], TakeFD(), Registered(i%2 == 0))
		require.NoError(t, err)
		peers[i], err = Adopt(fds[1], TakeFD())
		require.NoError(t, err)
		defer socks[i].Close()
		defer peers[i].Close()
	}
	armRead := func(i int) {
		_, err := socks[i].Recv(make([]byte, 1), 0, NoWait(mb))
		require.ErrorAs(t, err, new(*Select))
	}
	c, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	connecting := make(chan error, 1)
	go func() { connecting <- c.Connect(full, Forever) }()
	parked(t, c, writing)
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EBADF} {
		for i := range socks[:3] {
			armRead(i)
		}
		var failed sync.Once
		fail := func() (n int) {
			n = 0 // the event is lost, too
			failed.Do(func() { n = -int(errno) })
			pollerFails.Store(nil)
			return n
		}
		old := cPollerFD(poller.p)
		pollerFails.Store(&fail)
		armRead(3)
		_, err := peers[3].Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		// Every waiting call is told to look.
		woken := map[*Socket]bool{}
		for range socks {
			woken[receive(t, mb).Socket()] = true
		}
		assert.Len(t, woken, len(socks))
		if errno == syscall.EBADF {
			assert.NotEqual(t, old, cPollerFD(poller.p))
			assert.NotEqual(t, -1, fdFlags(old), "it may be another's")
		}
		n, err := socks[3].Recv(make([]byte, 1), 0, NoWait(mb))
		require.NoError(t, err)
		require.Equal(t, 1, n)
		for i := range socks { // and the new one answers
			armRead(i)
			_, err := peers[i].Send([]byte("x"), 0, Forever)
			require.NoError(t, err)
			require.Equal(t, socks[i], receive(t, mb).Socket())
			_, err = socks[i].Recv(make([]byte, 1), 0, NoWait(mb))
			require.NoError(t, err)
		}
		assert.Zero(t, mb.Len())
	}
	_, ok := said.Load("esock: the poller failed; it is started again")
	assert.True(t, ok, "it says so")
	require.NoError(t, c.Close())
	assert.ErrorIs(t, <-connecting, net.ErrClosed)
}

// atError calls f with what is logged as an error.
type atError struct {
	slog.Handler
	f func(string)
}

func (h atError) Enabled(context.Context, slog.Level) bool { return true }

func (h atError) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelError {
		h.f(r.Message)
	}
	return nil
}

// A poller that gets no descriptor says so, waiting calls are told at once, and it goes on as soon as there is one.
func TestPollerThatGetsNoDescriptorGoesOn(t *testing.T) {
	if !alone(t) {
		return
	}
	a, b := pair(t, Stream)
	mb := NewMailbox()
	_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
	require.ErrorAs(t, err, new(*Select))
	var said sync.Map
	SetLogger(slog.New(atError{slog.DiscardHandler, func(msg string) { said.Store(msg, true) }}))
	defer SetLogger(nil)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	free := must(syscall.Dup(0)) // all below are taken
	require.NoError(t, syscall.Close(free))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(free), Max: limit.Max}))
	fail := func() int {
		pollerFails.Store(nil)
		return -int(syscall.EBADF) // the descriptor is not given back
	}
	pollerFails.Store(&fail)
	_, err = a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	eventually(t, func() bool {
		_, ok := said.Load("esock: the poller cannot be started again yet")
		return ok
	}, "that it cannot be started")
	assert.Equal(t, b, receive(t, mb).Socket())
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	_, err = b.Recv(make([]byte, 1), 0, NoWait(mb))
	require.NoError(t, err)
	eventually(t, func() bool {
		_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
		return err != nil && !errors.As(err, new(SelectFailedError))
	}, "an arm that succeeds")
	_, err = a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, b, receive(t, mb).Socket())
}
