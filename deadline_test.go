package esock

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	longAgo = time.Unix(1, 0)
	inHours = func() time.Time { return time.Now().Add(time.Hour) }
)

// deadlineWait is a call of Forever at one of the places where a call can wait.
type deadlineWait struct {
	s    *Socket
	set  func(time.Time) error
	call func(Wait) error
	at   func() time.Duration // the deadline that is set where it waits; s.mu is held
}

func recvByte(s *Socket) func(Wait) error {
	return func(w Wait) error { _, err := s.Recv(make([]byte, 1), 0, w); return err }
}

func recvError(s *Socket) func(Wait) error {
	return func(w Wait) error { _, err := s.RecvErr(new(Msg), w); return err }
}

// onPoller is the deadline of the call that waits on the C poller.
func (w *deadlineWait) onPoller(d direction) func() time.Duration {
	return func() time.Duration {
		if w.s.blk == nil || w.s.blk.onPoller[d] == nil {
			return -1
		}
		return w.s.blk.onPoller[d].at
	}
}

// onRuntime is the deadline of the descriptor of the call that waits on the runtime's poller.
func (w *deadlineWait) onRuntime(d direction) func() time.Duration {
	return func() time.Duration {
		if w.s.blk == nil || !w.s.blk.parks[d].waiting {
			return -1
		}
		return w.s.blk.parks[d].at
	}
}

// deadlineWaits are the places where a call can wait. Each function makes one.
func deadlineWaits() map[string]func(t *testing.T) *deadlineWait {
	ofReading := func(s *Socket) *deadlineWait {
		return &deadlineWait{s: s, set: s.SetReadDeadline, call: recvByte(s)}
	}
	full := func(t *testing.T) *deadlineWait {
		s, _ := pair(t, Stream)
		fill(t, s)
		w := &deadlineWait{s: s, set: s.SetWriteDeadline}
		w.at = w.onRuntime(writing)
		return w
	}
	return map[string]func(t *testing.T) *deadlineWait{
		"receive": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			w := ofReading(s)
			w.at = w.onRuntime(reading)
			return w
		},
		"both directions": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			w := ofReading(s)
			w.set, w.at = s.SetDeadline, w.onRuntime(reading)
			return w
		},
		"accept": func(t *testing.T) *deadlineWait {
			l, _ := listening(t)
			w := &deadlineWait{s: l, set: l.SetReadDeadline, call: func(w Wait) error { _, err := l.Accept(w); return err }}
			w.at = w.onRuntime(reading)
			return w
		},
		"raw read": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			w := ofReading(s)
			w.at = w.onRuntime(reading)
			raw, err := s.SyscallConn()
			require.NoError(t, err)
			w.call = func(Wait) error { return raw.Read(func(uintptr) bool { return false }) }
			return w
		},
		"send": func(t *testing.T) *deadlineWait {
			w := full(t)
			w.call = func(wt Wait) error { _, err := w.s.Send(make([]byte, 1), 0, wt); return err }
			return w
		},
		"sendfile": func(t *testing.T) *deadlineWait {
			w := full(t)
			f, err := os.CreateTemp(t.TempDir(), "")
			require.NoError(t, err)
			t.Cleanup(func() { f.Close() })
			require.NoError(t, f.Truncate(1))
			w.call = func(wt Wait) error { _, err := w.s.SendFile(f, 0, 1, wt); return err }
			return w
		},
		"on the C poller": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			require.NoError(t, syscall.SetNonblock(fdOf(s), false)) // the runtime's poller refuses it
			w := ofReading(s)
			w.at = w.onPoller(reading)
			return w
		},
		"connect": func(t *testing.T) *deadlineWait {
			to := fullListener(t)
			s, err := Open(Inet, Stream, TCP)
			require.NoError(t, err)
			t.Cleanup(func() { s.Close() })
			w := &deadlineWait{s: s, set: s.SetWriteDeadline, call: func(w Wait) error { return s.Connect(to, w) }}
			w.at = w.onPoller(writing)
			return w
		},
		"error queue": func(t *testing.T) *deadlineWait {
			s, _ := boundUDP(t)
			w := &deadlineWait{s: s, set: s.SetReadDeadline, call: recvError(s)}
			w.at = w.onPoller(erring)
			return w
		},
		"queue": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			_, err := s.Recv(make([]byte, 1), 0, NoWait(NewMailbox()))
			require.ErrorAs(t, err, new(*Select))
			w := ofReading(s)
			w.at = func() time.Duration {
				if h := s.lanes[reading].head; h != nil {
					return h.ext.waiter.at
				}
				return -1
			}
			return w
		},
		"pause": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			w := ofReading(s)
			w.at = w.onPoller(reading)
			w.call = func(wt Wait) error {
				c := call{op: OpRecv}
				c.until(&wt)
				return s.waitOnPoller(&c, &wt, 10*time.Hour)
			}
			return w
		},
	}
}

// waits waits until the call waits with the deadline, or, if it is the zero time, without one.
func (w *deadlineWait) waits(t *testing.T, until time.Time) {
	t.Helper()
	var want time.Duration
	if !until.IsZero() {
		want = until.Sub(epoch)
	}
	eventually(t, func() bool {
		w.s.mu.Lock()
		defer w.s.mu.Unlock()
		return w.at() == want
	}, "a call with this deadline")
}

func TestDeadlineMovesWhileCallsWait(t *testing.T) {
	for name, make := range deadlineWaits() {
		t.Run(name, func(t *testing.T) {
			w := make(t)
			got := goes(func() error { return w.call(Forever) })
			w.waits(t, time.Time{})
			for range 2 {
				first, second := inHours(), inHours()
				require.NoError(t, w.set(first))
				w.waits(t, first)
				require.NoError(t, w.set(second))
				w.waits(t, second)
				require.NoError(t, w.set(time.Time{}))
				w.waits(t, time.Time{})
			}
			require.Empty(t, got)
			require.NoError(t, w.set(longAgo))
			err := within(t, got, "the call's end")
			assert.ErrorIs(t, err, ErrTimeout)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)

			require.NoError(t, w.set(time.Time{}))
			if name == "connect" {
				return // the kernel's attempt goes on
			}
			got = goes(func() error { return w.call(Forever) })
			w.waits(t, time.Time{})
			require.NoError(t, w.set(time.Now().Add(time.Millisecond)))
			assert.ErrorIs(t, within(t, got, "a deadline that comes"), ErrTimeout)
		})
	}
}

// goes runs f in a goroutine.
func goes(f func() error) <-chan error {
	got := make(chan error, 1)
	go func() { got <- f() }()
	return got
}

func TestEarlierOfDeadlineAndWaitCounts(t *testing.T) {
	for name, make := range deadlineWaits() {
		if name == "connect" || name == "raw read" {
			continue // there is one attempt, and there is no Wait
		}
		t.Run(name, func(t *testing.T) {
			w := make(t)
			require.NoError(t, w.set(inHours()))
			assert.ErrorIs(t, within(t, goes(func() error { return w.call(Within(time.Millisecond)) }), "its time"), ErrTimeout)

			require.NoError(t, w.set(time.Time{}))
			until := inHours()
			got := goes(func() error { return w.call(Until(until)) })
			w.waits(t, until)
			require.NoError(t, w.set(until.Add(time.Hour)))
			w.waits(t, until)
			require.NoError(t, w.set(time.Now().Add(time.Millisecond)))
			assert.ErrorIs(t, within(t, got, "the deadline"), ErrTimeout)
		})
	}
}

// A call that the caller's goroutine spins in heeds the deadline.
func TestDeadlineMovesWhileACallSpins(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	_, s := pair(t, Stream)
	c, w := call{op: OpRecv, buf: make([]byte, 1)}, Forever
	require.NoError(t, s.enter(&c, &w))
	got := make(chan int, 1)
	go func() { got <- s.spin(&c, &w, 10*time.Hour) }()
	eventually(t, func() bool { return spinners.Load() > 0 }, "a spinner")
	require.NoError(t, s.SetReadDeadline(inHours()))
	require.NoError(t, s.SetWriteDeadline(longAgo))
	require.Empty(t, got)
	require.NoError(t, s.SetReadDeadline(longAgo))
	assert.Equal(t, -int(syscall.EAGAIN), within(t, got, "the end of the spin"))
	s.unpark(s.lane(reading))
	s.leave(OpRecv, nil)
}

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

// The error queue has the deadline of reading, also if it is set before the queue is first used.
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

// The call that parks does not set the descriptor's deadline again if it has it. A pipe stands for the descriptor: its own
// deadline is past until the park sets another.
func TestSameDeadlineIsNotSetAgain(t *testing.T) {
	a, b := pair(t, Stream)
	until := inHours()
	require.NoError(t, b.SetReadDeadline(until))
	parkOnce(t, a, b, Forever)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	_, err = w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, r.SetReadDeadline(longAgo))
	file := b.blk.file
	b.blk.file = r
	defer func() { b.blk.file = file }()

	require.NoError(t, b.SetReadDeadline(until))
	parkOnce(t, a, b, Forever)
	_, err = r.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "the same")
	require.NoError(t, b.SetReadDeadline(until.Add(1)))
	parkOnce(t, a, b, Forever)
	_, err = r.Read(make([]byte, 1))
	assert.NoError(t, err, "another")
}

// A wake-up of another kind is not undone by a deadline that is set before the call has seen it.
func TestDeadlineLeavesWakeUpsAlone(t *testing.T) {
	_, s := pair(t, Stream)
	for range 300 {
		ctx, cancel := context.WithCancel(context.Background())
		got := goes(func() error { return recvByte(s)(Context(ctx)) })
		parked(t, s, reading)
		cancel()
		eventually(t, func() bool {
			require.NoError(t, s.SetReadDeadline(inHours()))
			return watchedBy(s, reading) == nil
		}, "the context's function")
		require.NoError(t, s.SetReadDeadline(inHours()))
		require.ErrorIs(t, within(t, got, "the call's end"), context.Canceled)
	}
}

// Connections that close, and directions that are shut, do not wait for the deadline.
func TestDeadlineDoesNotDelayOtherEnds(t *testing.T) {
	_, s := pair(t, Stream)
	require.NoError(t, s.SetDeadline(inHours()))
	got := goes(func() error { return recvByte(s)(Forever) })
	parked(t, s, reading)
	require.NoError(t, s.Shutdown(ShutRead))
	assert.Equal(t, io.EOF, within(t, got, "the shut direction"))

	_, s = pair(t, Stream)
	require.NoError(t, s.SetDeadline(inHours()))
	got = goes(func() error { return recvByte(s)(Forever) })
	parked(t, s, reading)
	behind := goes(func() error { return recvByte(s)(Forever) })
	queued(t, s, reading, 1)
	require.NoError(t, s.Close())
	assert.ErrorIs(t, within(t, got, "the closed socket"), net.ErrClosed)
	assert.ErrorIs(t, within(t, behind, "the closed socket"), net.ErrClosed)
	for _, set := range []func(time.Time) error{s.SetDeadline, s.SetReadDeadline, s.SetWriteDeadline} {
		assert.ErrorIs(t, set(inHours()), net.ErrClosed)
		assert.ErrorIs(t, set(time.Time{}), net.ErrClosed)
	}
}

func TestDeadlineAtTheEdgesOfTime(t *testing.T) {
	a, b := pair(t, Stream)
	for _, far := range []time.Time{time.Unix(1<<40, 0), time.Now().Add(1<<63 - 1), inHours().Round(0)} {
		require.NoError(t, b.SetDeadline(far))
		parkOnce(t, a, b, Forever)
		parkOnce(t, a, b, Within(time.Hour))
	}
	for _, gone := range []time.Time{time.Unix(-1<<40, 0), time.Time{}.Add(1), time.Now().Round(0), time.Now().Add(-1 << 62)} {
		require.NoError(t, b.SetDeadline(gone))
		assert.Equal(t, ErrTimeout, recvByte(b)(Forever), gone)
	}
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
		spinUntil(func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.lanes[reading].parked })
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

func TestAllocDeadlines(t *testing.T) {
	buf := make([]byte, 64)
	t.Run("set, and receive what is there", func(t *testing.T) {
		a, b := pair(t, Stream)
		noAllocations(t, func() error {
			_, err := a.Send(buf, 0, Forever)
			err2 := b.SetReadDeadline(inHours())
			_, err3 := b.Recv(buf, 0, Forever)
			return errors.Join(err, err2, err3)
		})
		assert.Nil(t, b.blk.file, "it never parked")
	})
	t.Run("set, and park", func(t *testing.T) {
		a, b := pair(t, SeqPacket)
		echoed := make([]byte, 64)
		go func() {
			for {
				if _, err := b.Recv(echoed, 0, Forever); err != nil {
					return
				}
				b.Send(echoed, 0, Forever)
			}
		}()
		noAllocations(t, func() error {
			_, err := a.Send(buf, 0, Forever)
			err2 := a.SetReadDeadline(inHours())
			_, err3 := a.Recv(buf, 0, Forever)
			return errors.Join(err, err2, err3)
		})
		assert.NotNil(t, a.blk.file, "it parked")
	})
	t.Run("set and expire, on both pollers", func(t *testing.T) {
		_, b := pair(t, Stream)
		u, _ := boundUDP(t)
		var m Msg
		noAllocations(t, func() error {
			soon := time.Now().Add(time.Microsecond)
			err := errors.Join(b.SetReadDeadline(soon), u.SetReadDeadline(soon))
			if _, err := b.Recv(buf, 0, Forever); err != ErrTimeout {
				return err
			}
			if _, err := u.RecvErr(&m, Forever); err != ErrTimeout {
				return err
			}
			return err
		})
	})
	for name, make := range deadlineWaits() {
		t.Run("moved under a waiting call: "+name, func(t *testing.T) {
			w := make(t)
			got := goes(func() error { return w.call(Forever) })
			w.waits(t, time.Time{})
			i := 0
			noAllocations(t, func() error {
				i++
				return w.set(time.Now().Add(time.Duration(i) * time.Hour))
			})
			require.NoError(t, w.set(longAgo))
			assert.Error(t, within(t, got, "the call's end"))
		})
	}
}

// Deadlines move all the time, on both sides of a connection, and no byte is lost, doubled or out of place.
func TestRaceDeadlinesMoveUnderTraffic(t *testing.T) {
	a, b := pair(t, Stream)
	data := make([]byte, 1<<21)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(data)
	stop := make(chan struct{})
	var movers, wg sync.WaitGroup
	for i := range 4 {
		movers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 3))
			s := [2]*Socket{a, b}[i%2]
			for {
				select {
				case <-stop:
					return
				default:
				}
				t := time.Time{}
				if r.IntN(4) > 0 {
					t = time.Now().Add(time.Duration(r.IntN(200)-20) * time.Microsecond)
				}
				s.SetDeadline(t)
				runtime.Gosched()
			}
		})
	}
	wg.Go(func() {
		for rest := data; len(rest) > 0; {
			n, err := a.Send(rest[:min(len(rest), 1<<16)], 0, Forever)
			if err != nil && err != ErrTimeout {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
	})
	var mu sync.Mutex // the receivers', so that what they get is in order
	got := make([]byte, 0, len(data))
	for i := range 3 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 4))
			for {
				w := []Wait{Forever, Within(100 * time.Microsecond), Forever.Spin(20 * time.Microsecond)}[r.IntN(3)]
				mu.Lock()
				if len(got) == len(data) {
					mu.Unlock()
					return
				}
				n, err := b.RecvFull(got[len(got):min(cap(got), len(got)+1+r.IntN(1<<14))], 0, w)
				got = got[:len(got)+n]
				mu.Unlock()
				if err != nil && err != ErrTimeout {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	movers.Wait()
	assert.True(t, bytes.Equal(data, got))
	require.NoError(t, a.SetDeadline(time.Time{}))
	require.NoError(t, b.SetDeadline(time.Time{}))
	assert.True(t, laneIsFree(a, writing))
	assert.True(t, laneIsFree(b, reading))
}

// The lane guards its owner while deadlines move, and while the socket closes.
func TestRaceDeadlinesMoveBesideClose(t *testing.T) {
	for i := range 100 {
		b, at := boundUDP(t) // it has an error queue
		require.NoError(t, b.Connect(at, Forever))
		var wg sync.WaitGroup
		for g := range 6 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), uint64(g)))
				for {
					var err error
					switch {
					case g == 0:
						_, err = b.Send([]byte("x"), 0, Forever)
					case g == 1:
						err = recvError(b)(Forever)
					case g < 4:
						err = recvByte(b)(Forever)
					default:
						err = b.SetDeadline(time.Now().Add(time.Duration(r.IntN(100)-10) * time.Microsecond))
					}
					if err != nil && err != ErrTimeout {
						assert.ErrorIs(t, err, net.ErrClosed)
						return
					}
				}
			})
		}
		for range i {
			runtime.Gosched()
		}
		require.NoError(t, b.Close())
		wg.Wait()
	}
}

// A deadline that is taken away stops the timer of the call that it was set for.
func TestDeadlineTakenAwayStopsItsTimer(t *testing.T) {
	s, _ := pair(t, Stream)
	s.mu.Lock()
	defer s.mu.Unlock()
	wt := newWaiter(s, OpRecv, 0)
	wt.aim(clock() + time.Hour)
	wt.aim(0)
	assert.False(t, wt.timer.Stop(), "the timer runs")
	wt.free()
}

// A deadline moves every call that is queued.
func TestDeadlineMovesTheWholeQueue(t *testing.T) {
	s, _ := pair(t, Stream)
	mb := NewMailbox()
	defer mb.Close()
	_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
	require.ErrorAs(t, err, new(*Select))
	const n = 3
	errs := make(chan error, n)
	for range n {
		go func() { _, err := s.Recv(make([]byte, 1), 0, Forever); errs <- err }()
	}
	all := func() (at []time.Duration) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for h := s.lanes[reading].head; h != nil; h = h.entry.next {
			at = append(at, h.ext.waiter.at)
		}
		return at
	}
	eventually(t, func() bool { return len(all()) == n }, "the queue")
	require.NoError(t, s.SetReadDeadline(time.Now().Add(time.Hour)))
	bound := s.blk.parks[reading].bound
	assert.Equal(t, []time.Duration{bound, bound, bound}, all())
	require.NoError(t, s.SetReadDeadline(longAgo))
	for range n {
		assert.ErrorIs(t, within(t, errs, "the end of a call"), ErrTimeout)
	}
}

// A waiter that is used again does not end with the reason of the wait before.
func TestWaiterIsUsedAgainWithoutItsReason(t *testing.T) {
	s, _ := pair(t, Stream)
	s.mu.Lock()
	wt := newWaiter(s, OpRecv, 0)
	s.mu.Unlock()
	wt.ext.reason = net.ErrClosed // as when the queue that it waits in is closed
	ext := &wt.ext
	wt.free()
	assert.NoError(t, ext.reason)
}
