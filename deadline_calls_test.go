package esock

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// After the deadline no blocking call does anything, whatever is there.
func TestCallsAfterTheDeadline(t *testing.T) {
	a, b := pair(t, Stream)
	_, err := b.Send([]byte("xyz"), 0, Forever)
	require.NoError(t, err)
	require.NoError(t, a.SetDeadline(time.Now()))
	buf := make([]byte, 3)
	for name, call := range map[string]func(w Wait) error{
		"recv":     func(w Wait) error { _, err := a.Recv(buf, 0, w); return err },
		"recvfull": func(w Wait) error { _, err := a.RecvFull(buf, 0, w); return err },
		"recvfrom": func(w Wait) error { _, _, err := a.RecvFrom(buf, 0, w); return err },
		"recvmsg":  func(w Wait) error { return a.RecvMsg(&Msg{Buf: buf}, 0, w) },
		"send":     func(w Wait) error { _, err := a.Send(buf, 0, w); return err },
		"sendv":    func(w Wait) error { _, err := a.SendV([][]byte{buf, buf}, w); return err },
		"sendmsg":  func(w Wait) error { _, err := a.SendMsg(&Msg{Iov: [][]byte{buf}}, 0, w); return err },
	} {
		for _, w := range []Wait{Forever, Within(0), Within(time.Hour), Until(inHours()), Context(context.Background()),
			Forever.Spin(time.Second)} {
			assert.Equal(t, ErrTimeout, call(w), "%s %v", name, w)
		}
	}
	assert.True(t, sentNothing(b))

	n, err := a.Recv(buf[:1], 0, NoWait(NewMailbox()))
	assert.NoError(t, err, "an asynchronous call is not bound")
	assert.Equal(t, 1, n)
	require.NoError(t, a.SetReadDeadline(time.Time{}))
	n, err = a.Recv(buf, 0, Forever)
	assert.NoError(t, err)
	assert.Equal(t, "yz", string(buf[:n]))
	_, err = a.Send(buf, 0, Forever)
	assert.Equal(t, ErrTimeout, err, "the other direction keeps its own")
	require.NoError(t, a.SetDeadline(time.Time{}))
	_, err = a.Send(buf, 0, Forever)
	assert.NoError(t, err)
	for d := reading; d <= writing; d++ {
		assert.True(t, laneIsFree(a, d), "the fast way again")
	}
	assert.Zero(t, a.state.Load()&stSlow(erring))
}

// A call for no bytes is refused when any other would be, in both directions.
func TestCallsForNoBytesHeedTheirWait(t *testing.T) {
	a, _ := pair(t, Stream)
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer f.Close()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	dead := NewMailbox()
	require.NoError(t, dead.Close())
	for name, call := range map[string]func(Wait) error{
		"recv":     func(w Wait) error { _, err := a.Recv(nil, 0, w); return err },
		"recvfull": func(w Wait) error { _, err := a.RecvFull(nil, 0, w); return err },
		"recvfrom": func(w Wait) error { _, _, err := a.RecvFrom(nil, 0, w); return err },
		"recvmsg":  func(w Wait) error { return a.RecvMsg(&Msg{Buf: []byte{}}, 0, w) },
		"send":     func(w Wait) error { _, err := a.Send(nil, 0, w); return err },
		"sendv":    func(w Wait) error { _, err := a.SendV(nil, w); return err },
		"sendfile": func(w Wait) error { _, err := a.SendFile(f, 0, 0, w); return err },
	} {
		mb := NewMailbox()
		for _, w := range []Wait{Forever, Within(0), Within(time.Hour), Until(longAgo), NoWait(mb)} {
			assert.NoError(t, call(w), "%s, %v", name, w)
		}
		assert.ErrorIs(t, call(Context(ended)), context.Canceled, name)
		assert.ErrorIs(t, call(Within(-1)), &InvalidError{What: "timeout"}, name)
		assert.ErrorIs(t, call(NoWait(dead)), &InvalidError{What: "mailbox"}, name)
		require.NoError(t, a.SetDeadline(longAgo))
		for _, w := range []Wait{Forever, Within(0), Within(time.Hour)} {
			assert.Equal(t, ErrTimeout, call(w), "%s, %v", name, w)
		}
		assert.NoError(t, call(NoWait(mb)), "the deadline binds no asynchronous call")
		require.NoError(t, a.SetDeadline(time.Time{}))
		assert.Zero(t, mb.Len())
	}
}

// The error queue has the deadline of reading, also if it is set before the queue is first used.
func TestDeadlineOfTheErrorQueue(t *testing.T) {
	s, _ := boundUDP(t)
	require.NoError(t, s.SetReadDeadline(longAgo))
	assert.Equal(t, ErrTimeout, within(t, goes(func() error { return recvError(s)(Forever) }), "the call's end"))
	require.NoError(t, s.SetReadDeadline(time.Time{}))
	require.NoError(t, s.SetWriteDeadline(longAgo))
	got := goes(func() error { return recvError(s)(Forever) })
	w := &deadlineWait{s: s}
	w.at = w.onPoller(erring)
	w.waits(t, time.Time{})
	require.NoError(t, s.Close())
	assert.ErrorIs(t, within(t, got, "the call's end"), net.ErrClosed)
}

// sentNothing reports that there is nothing to receive.
func sentNothing(s *Socket) bool {
	_, err := s.Recv(make([]byte, 1), 0, Within(0))
	return err == ErrTimeout
}

func TestDeadlineBindsNoAsynchronousCall(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	require.NoError(t, a.SetReadDeadline(longAgo))
	_, err := a.Recv(make([]byte, 1), 0, NoWait(mb))
	var sel *Select
	require.ErrorAs(t, err, &sel)
	require.NoError(t, a.SetReadDeadline(longAgo.Add(time.Second)))
	_, err = b.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	sameMessage(t, SelectMsg{sel.Handle()}, receive(t, mb))
	n, err := a.Recv(make([]byte, 1), 0, NoWait(mb))
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
}

// A request that a blocking call carries on is bound like any other, and gives the direction up when it ends.
func TestDeadlineBindsAContinuedCall(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	begin := func() *Select {
		_, err := b.Send([]byte("ab"), 0, Forever)
		require.NoError(t, err)
		buf := make([]byte, 4)
		n, err := a.RecvFull(buf, 0, NoWait(mb))
		require.Equal(t, 2, n)
		var sel *Select
		require.ErrorAs(t, err, &sel)
		_, err = b.Send([]byte("cd"), 0, Forever)
		require.NoError(t, err)
		sameMessage(t, SelectMsg{sel.Handle()}, receive(t, mb))
		return sel
	}
	rest := make([]byte, 2)
	require.NoError(t, a.SetReadDeadline(inHours()))
	n, err := a.RecvFull(rest, 0, Forever.Continue(begin()))
	require.NoError(t, err)
	assert.Equal(t, "cd", string(rest[:n]))

	sel := begin()
	require.NoError(t, a.SetReadDeadline(longAgo))
	n, err = a.RecvFull(rest, 0, Forever.Continue(sel))
	assert.Equal(t, ErrTimeout, err)
	assert.Zero(t, n)
	require.NoError(t, a.SetReadDeadline(time.Time{}))
	assert.True(t, laneIsFree(a, reading))
	n, err = a.Recv(rest, 0, Forever)
	assert.NoError(t, err)
	assert.Equal(t, "cd", string(rest[:n]), "it took nothing")

	// One that waits.
	_, err = a.Recv(rest, 0, NoWait(mb))
	require.ErrorAs(t, err, &sel)
	got := goes(func() error { _, err := a.Recv(rest, 0, Forever.Continue(sel)); return err })
	parked(t, a, reading)
	require.NoError(t, a.SetReadDeadline(longAgo))
	assert.Equal(t, ErrTimeout, within(t, got, "the call's end"))
}

// What a call did before the deadline is in its count.
func TestDeadlineReportsPartialProgress(t *testing.T) {
	a, b := pair(t, Stream)
	data := make([]byte, 8*usualSndBuf)
	type result struct {
		n   int
		err error
	}
	sent := make(chan result, 1)
	go func() { n, err := a.Send(data, 0, Forever); sent <- result{n, err} }()
	parked(t, a, writing)
	require.NoError(t, a.SetWriteDeadline(longAgo))
	r := within(t, sent, "the end of the send")
	assert.Equal(t, ErrTimeout, r.err)
	assert.Positive(t, r.n)
	n, err := b.RecvFull(data[:r.n], 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, r.n, n)
	assert.True(t, sentNothing(b))

	_, err = b.Send([]byte("abc"), 0, Forever)
	require.NoError(t, err)
	go func() { n, err := a.RecvFull(data, 0, Forever); sent <- result{n, err} }()
	parked(t, a, reading)
	require.NoError(t, a.SetReadDeadline(longAgo))
	assert.Equal(t, result{3, ErrTimeout}, within(t, sent, "the end of the receive"))
	assert.Equal(t, "abc", string(data[:3]))
}

// A call that makes progress with each try heeds the deadline between tries.
func TestProgressHeedsTheDeadline(t *testing.T) {
	for name, w := range map[string]Wait{"for ever": Forever, "time": Within(time.Hour), "context": Context(context.Background())} {
		t.Run(name, func(t *testing.T) {
			_, s := pair(t, Stream)
			n, err := progressing(t, s, w, func() { require.NoError(t, s.SetReadDeadline(longAgo)) })
			assert.Equal(t, ErrTimeout, err)
			assert.Equal(t, 3, n)
		})
	}
}
