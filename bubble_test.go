package esock

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inChild runs the rest of the test in a process of its own, where nothing of the package has been used yet.
func inChild(t *testing.T) bool {
	t.Helper()
	if os.Getenv("ESOCK_CHILD") == t.Name() {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "ESOCK_CHILD="+t.Name())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return false
}

// waits uses each way to wait once, on real sockets.
func waits(t *testing.T) {
	a, b := pair(t, Stream)
	buf := make([]byte, 1)
	_, err := b.Recv(buf, 0, Within(time.Millisecond)) // the runtime's poller
	assert.Equal(t, ErrTimeout, err)
	_, err = b.Recv(buf, 0, Until(time.Now().Add(time.Millisecond)))
	assert.Equal(t, ErrTimeout, err)
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan error)
	go func() { _, err := b.Recv(buf, 0, Context(ctx)); got <- err }()
	parked(t, b, reading)
	_, err = b.Recv(buf, 0, Within(time.Millisecond)) // the queue
	assert.Equal(t, ErrTimeout, err)
	cancel()
	assert.ErrorIs(t, <-got, context.Canceled)

	mb := NewMailbox() // the C poller
	_, err = b.Recv(buf, 0, NoWait(mb))
	sel, ok := err.(*Select)
	require.True(t, ok, "%v", err)
	_, err = a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	msg, err := mb.Receive(context.Background())
	require.NoError(t, err)
	assert.Equal(t, SelectMsg{sel.Handle()}, msg)
	n, err := b.Recv(buf, 0, NoWait(mb))
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
	_, err = mb.ReceiveMatch(ended(), func(Message) bool { return true })
	assert.ErrorIs(t, err, context.Canceled)

	_, err = a.Send([]byte("x"), 0, Within(time.Hour).Spin(time.Microsecond))
	assert.NoError(t, err)
	_, err = b.RecvFull(make([]byte, 2), 0, Within(time.Millisecond).Spin(time.Millisecond))
	assert.Equal(t, ErrTimeout, err)

	full := make([]byte, 1<<20)
	_, err = a.Send(full, 0, Within(time.Millisecond)) // with an eye on the peer's end
	assert.Equal(t, ErrTimeout, err)

	go func() { _, err := b.Accept(Forever); got <- err }()
	assert.ErrorIs(t, <-got, syscall.EINVAL)
	go func() { _, err := a.Send(full, 0, Forever); got <- err }()
	parked(t, a, writing)
	assert.NoError(t, a.Close())
	assert.Error(t, <-got)
	assert.NoError(t, mb.Close())
	b.Close()
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestWaitsInBubbles(t *testing.T) {
	for range 3 {
		synctest.Test(t, waits)
		waits(t) // what was used there is used here
	}
	synctest.Test(t, func(t *testing.T) {
		start := now()
		time.Sleep(time.Hour) // of the bubble's clock
		assert.Less(t, now()-start, time.Hour, "and that does not move ours")
		assert.True(t, inBubble())
		waits(t)
	})
	assert.False(t, inBubble())
}

// Whatever is made at the first use is made outside, where everybody can use it, and a bubble ends when its goroutines have.
func TestFirstUseInABubble(t *testing.T) {
	if !inChild(t) {
		return
	}
	synctest.Test(t, waits)
	waits(t)
	synctest.Test(t, waits)
}

// A time-out in a bubble is one of the real clock, and never one that has passed already.
func TestTimeOfABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, Dgram)
		got := make(chan error, 1)
		go func() { _, err := b.Recv(make([]byte, 1), 0, Within(time.Hour)); got <- err }()
		parked(t, b, reading)
		queue := make(chan error, 1)
		go func() { _, err := b.Recv(make([]byte, 1), 0, Until(time.Now().Add(time.Hour))); queue <- err }()
		queued(t, b, reading, 1)
		for _, ch := range []chan error{got, queue} {
			_, err := a.Send([]byte("x"), 0, Forever)
			require.NoError(t, err)
			assert.NoError(t, <-ch)
		}
	})
}

// A poller that ends tells those who wait.
func TestEndOfThePollerIsTold(t *testing.T) {
	if !inChild(t) {
		return
	}
	a, b := pair(t, Stream)
	m1, m2 := NewMailbox(), NewMailbox()
	_, err := b.Recv(make([]byte, 1), 0, NoWait(m1))
	s1, ok := err.(*Select)
	require.True(t, ok)
	_, err = b.Recv(make([]byte, 1), 0, NoWait(m2))
	s2, ok := err.(*Select)
	require.True(t, ok)
	u, err := Open(Inet, Dgram, UDP)
	require.NoError(t, err)
	defer u.Close()
	blocked := make(chan error, 1)
	go func() { var m Msg; _, err := u.RecvErr(&m, Forever); blocked <- err }()
	eventually(t, func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		return u.blk != nil && u.blk.onPoller[erring] != nil
	}, "a wait for errors")
	require.NoError(t, poller.file.Close())
	for mb, sel := range map[*Mailbox]*Select{m1: s1, m2: s2} {
		msg, ok := receive(t, mb).(AbortMsg)
		if assert.True(t, ok) {
			assert.Equal(t, sel.Handle(), msg.Handle)
			assert.ErrorIs(t, msg.Reason, syscall.EBADF)
			assert.IsType(t, SelectFailedError{}, msg.Reason)
		}
	}
	assert.ErrorIs(t, <-blocked, syscall.EBADF)
	_, err = b.Recv(make([]byte, 1), 0, NoWait(m1))
	assert.ErrorIs(t, err, SelectFailedError{syscall.EBADF})
	assert.Zero(t, b.Info().NumReaders)
	_, err = a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	n, err := b.Recv(make([]byte, 1), 0, Forever)
	assert.NoError(t, err, "what needs no event works on")
	assert.Equal(t, 1, n)
}
