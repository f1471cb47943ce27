package tests

import (
	"context"
	"errors"
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

func acceptSelect(t testing.TB, l *esock.Socket, mb *esock.Mailbox) *esock.Select {
	t.Helper()
	_, err := l.Accept(esock.NoWait(mb))
	return selected(t, err)
}

func TestAccept_Preconditions(t *testing.T) {
	l, addr := listener(t, 5)
	mb, other := esock.NewMailbox(), esock.NewMailbox()

	eachForm(t, func(t *testing.T, f form) { // no current acceptor: it becomes one
		p := f.accept(t, l, mb)
		assert.Equal(t, esock.OpAccept, p.Op())
		states := []string{"bound", "listening", "accepting", "selected"}
		if f.completes {
			states = append(states, "completing")
		}
		assert.Equal(t, states, l.Info().RStates)
		assert.Equal(t, 1, l.Info().NumAcceptors)
		require.NoError(t, l.Cancel(p))
		assert.Equal(t, []string{"bound", "listening", "selected"}, l.Info().RStates)
	})
	t.Run("a current reader exists", func(t *testing.T) {
		a, _ := pair(t, esock.Stream)
		sel := recvSelect(t, a, mb)
		for _, w := range []esock.Wait{esock.Forever, esock.Within(0), esock.NoWait(mb), esock.Complete(mb), esock.NoWait(other)} {
			_, err := a.Accept(w)
			assert.ErrorIs(t, err, esock.ErrState)
		}
		assert.NoError(t, a.Cancel(sel))
	})
	t.Run("a parked reader exists", func(t *testing.T) {
		a, b := pair(t, esock.Stream)
		got := recvStart(t, a, make([]byte, 1), esock.Forever, 1)
		_, err := a.Accept(esock.Forever)
		assert.ErrorIs(t, err, esock.ErrState)
		send(t, b, "x")
		assert.Equal(t, outcome{1, nil}, result(t, got))
	})
	t.Run("a receive while an acceptor exists", func(t *testing.T) {
		sel := acceptSelect(t, l, mb)
		_, err := l.Recv(make([]byte, 1), 0, esock.NoWait(mb))
		assert.ErrorIs(t, err, esock.ErrState)
		require.NoError(t, l.Cancel(sel))
	})
	t.Run("another requester is current: queued", func(t *testing.T) {
		s1, s2 := acceptSelect(t, l, mb), acceptSelect(t, l, other)
		assert.Equal(t, 2, l.Info().NumAcceptors)
		_, err := l.Accept(esock.NoWait(other))
		assert.ErrorIs(t, err, esock.ErrState, "queued once")
		dial(t, addr)
		assert.Equal(t, selectOf(s1), message(t, mb))
		assert.Zero(t, other.Len())
		a, err := l.Accept(esock.NoWait(mb))
		require.NoError(t, err)
		a.Close()
		dial(t, addr)
		assert.Equal(t, selectOf(s2), message(t, other))
		a, err = l.Accept(esock.NoWait(other))
		require.NoError(t, err)
		assert.Equal(t, other, a.Owner(), "the acceptor owns what it accepted")
		a.Close()
	})
}

func TestAccept_Errors(t *testing.T) {
	mb := esock.NewMailbox()
	unbound := open(t, esock.Inet, esock.Stream, esock.TCP)
	dgram, _ := udp(t)
	closed := open(t, esock.Inet, esock.Stream, esock.TCP)
	closed.Close()
	for name, c := range map[string]struct {
		s   *esock.Socket
		err error
	}{
		"not listening": {unbound, syscall.EINVAL},
		"wrong type":    {dgram, syscall.EOPNOTSUPP},
		"not open":      {closed, errClosed},
	} {
		t.Run(name, func(t *testing.T) {
			for _, w := range kinds(mb) {
				_, err := c.s.Accept(w)
				assert.ErrorIs(t, err, c.err)
			}
			assert.Zero(t, c.s.Info().NumAcceptors)
		})
	}
}

func TestAccept_FatalErrorAbortsTheQueue(t *testing.T) { eachForm(t, acceptQueueAborted) }

func acceptQueueAborted(t *testing.T, f form) {
	l, _ := listener(t, 5)
	m1, m2 := esock.NewMailbox(), esock.NewMailbox()
	s1, s2 := f.accept(t, l, m1), f.accept(t, l, m2)
	blocked := start(func() (int, error) { _, err := l.Accept(esock.Forever); return 0, err })
	acceptors(t, l, 3)
	require.NoError(t, l.Shutdown(esock.ShutRead), "the listener stops listening")
	require.ErrorIs(t, f.end(t, s1, m1, accepts(l)), syscall.EINVAL)
	assert.Equal(t, abortOf(s2, syscall.EINVAL), message(t, m2))
	assert.ErrorIs(t, result(t, blocked).err, syscall.EINVAL)
	assert.Zero(t, l.Info().NumAcceptors)
	require.NoError(t, l.Listen(5), "and may listen again")
	dial(t, sockName(t, l))
	a, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	a.Close()
}

// In the completion form the second call is ErrState: TestCompletion_OnePerMailbox.
func TestRepeatedByCurrentAbortsTheOldHandle(t *testing.T) {
	l, addr := listener(t, 5)
	full, reader := pair(t, esock.Stream)
	fill(t, full)
	x, y := pair(t, esock.Stream)
	for name, c := range map[string]struct {
		call    func(w esock.Wait) error
		trigger func()
	}{
		"accept": {func(w esock.Wait) error {
			n, err := l.Accept(w)
			if n != nil {
				n.Close()
			}
			return err
		}, func() { dial(t, addr) }},
		"recv": {func(w esock.Wait) error { _, err := y.Recv(make([]byte, 1), 0, w); return err },
			func() { send(t, x, "x") }},
		"send": {func(w esock.Wait) error { _, err := full.Send([]byte("x"), 0, w); return err },
			func() { reader.RecvBytes(1<<20, 0, esock.Within(time.Millisecond)) }},
	} {
		t.Run(name, func(t *testing.T) {
			mb := esock.NewMailbox()
			s1 := selected(t, c.call(esock.NoWait(mb)))
			s2 := selected(t, c.call(esock.NoWait(mb)))
			assert.NotSame(t, s1, s2)
			assert.Equal(t, abortOf(s1, esock.ErrCancelled), message(t, mb))
			c.trigger()
			assert.Equal(t, selectOf(s2), message(t, mb))
			assert.NoError(t, c.call(esock.NoWait(mb)))
			assert.Zero(t, mb.Len(), "no stray handle")
		})
	}
}

func TestBlockingCallIsAnotherRequester(t *testing.T) { eachForm(t, blockingIsAnother) }

func blockingIsAnother(t *testing.T, f form) {
	l, addr := listener(t, 5)
	mb := esock.NewMailbox()
	p := f.accept(t, l, mb)
	blocked := start(func() (int, error) {
		a, err := l.Accept(esock.Forever)
		if err == nil {
			a.Close()
		}
		return 0, err
	})
	acceptors(t, l, 2)
	dial(t, addr)
	require.NoError(t, f.end(t, p, mb, accepts(l)))
	dial(t, addr)
	assert.NoError(t, result(t, blocked).err)
}

// Only in the select form: the library would take the connection before the thief.
func TestAcceptRepeatedWhenTheConnectionIsGone(t *testing.T) {
	l, addr := listener(t, 5)
	thief, mb := twin(t, l), esock.NewMailbox()
	sel := acceptSelect(t, l, mb)
	for range 3 {
		dial(t, addr)
		assert.Equal(t, selectOf(sel), message(t, mb))
		stolen, err := thief.Accept(esock.Within(patience))
		require.NoError(t, err)
		stolen.Close()
		sel = acceptSelect(t, l, mb)
	}
	dial(t, addr)
	assert.Equal(t, selectOf(sel), message(t, mb))
	a, err := l.Accept(esock.NoWait(mb))
	require.NoError(t, err)
	a.Close()
	assert.Zero(t, mb.Len())
}

func TestAccept_TimedLeavesNothingPending(t *testing.T) {
	l, addr := listener(t, 5)
	for _, w := range []esock.Wait{esock.Within(0), esock.Within(time.Millisecond)} {
		_, err := l.Accept(w)
		assert.Equal(t, esock.ErrTimeout, err)
		assert.Zero(t, l.Info().NumAcceptors)
		assert.NotContains(t, l.Info().RStates, "accepting")
	}
	ctx, cancel := cancellable(t)
	blocked := start(func() (int, error) { _, err := l.Accept(esock.Context(ctx)); return 0, err })
	acceptors(t, l, 1)
	assert.Contains(t, l.Info().RStates, "accepting")
	cancel()
	assert.ErrorIs(t, result(t, blocked).err, context.Canceled)
	assert.Zero(t, l.Info().NumAcceptors)
	dial(t, addr)
	a, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	a.Close()
}

func TestAccept_Inherits(t *testing.T) {
	l, addr := listener(t, 5)
	require.NoError(t, sockopt.Set(l, "otp", "rcvbuf", esock.RcvBuf{N: 3, Size: 17}))
	require.NoError(t, sockopt.Set(l, "otp", "rcvctrlbuf", 333))
	require.NoError(t, sockopt.Set(l, "otp", "sndctrlbuf", 222))
	require.NoError(t, sockopt.Set(l, "otp", "iow", true))
	require.NoError(t, sockopt.Set(l, "otp", "meta", "mine"))
	require.NoError(t, sockopt.TCPNoDelay.Set(l, true))
	dial(t, addr)
	a, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, a)
	for name, want := range map[string]any{"rcvbuf": esock.RcvBuf{N: 3, Size: 17}, "rcvctrlbuf": 333, "sndctrlbuf": 222,
		"iow": true, "meta": nil} {
		got, err := sockopt.Get(a, "otp", name)
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
	}
	on, err := sockopt.TCPNoDelay.Get(a)
	require.NoError(t, err)
	assert.True(t, on, "the kernel's part")
	assert.Equal(t, l.Domain(), a.Domain())
	assert.Equal(t, l.Type(), a.Type())
	assert.Equal(t, l.Protocol(), a.Protocol())
	assert.Equal(t, []string{"connected"}, a.Info().WStates)
	assert.Nil(t, a.Owner(), "a blocking call has no mailbox")
}

func TestAccept_ClientThatResetBefore(t *testing.T) {
	l, addr := listener(t, 5)
	c := dial(t, addr)
	require.NoError(t, sockopt.SocketLinger.Set(c, sockopt.Linger{On: true}))
	require.NoError(t, c.Close())
	a, err := l.Accept(esock.Within(patience))
	require.NoError(t, err, "Linux delivers it all the same")
	closeAtEnd(t, a)
	_, err = a.Recv(make([]byte, 1), 0, esock.Within(patience))
	assert.ErrorIs(t, err, syscall.ECONNRESET)
	_, err = a.PeerName()
	assert.ErrorIs(t, err, syscall.ENOTCONN)
}

func TestManyAcceptorsSomeCancelled(t *testing.T) {
	sameDescriptors(t)
	l, addr := listener(t, 128)
	const each, connections = 8, 40
	var accepted sync.WaitGroup
	accepted.Add(connections)
	took := func(a *esock.Socket, err error) error {
		if err == nil {
			a.Close()
			accepted.Done()
		}
		return err
	}
	var serving sync.WaitGroup
	for range each { // until the listener closes
		serving.Go(func() {
			for err := error(nil); err == nil; err = took(l.Accept(esock.Forever)) {
			}
		})
		serving.Go(func() { // carried out
			mb := esock.NewMailbox()
			for {
				s, err := l.Accept(esock.Complete(mb))
				if _, carried := err.(*esock.Completion); carried {
					done, ok := message(t, mb).(esock.CompletionMsg)
					if !ok {
						return // the abort
					}
					s = done.Accepted()
					_, err = done.Result()
				}
				if took(s, err) != nil {
					return
				}
			}
		})
		serving.Go(func() { // asynchronously
			mb := esock.NewMailbox()
			for {
				err := took(l.Accept(esock.NoWait(mb)))
				if _, selects := err.(*esock.Select); selects {
					if _, aborted := message(t, mb).(esock.AbortMsg); aborted {
						return
					}
				} else if err != nil {
					return
				}
			}
		})
	}
	var called sync.WaitGroup
	ctx, cancel := cancellable(t)
	for range each { // called off
		called.Go(func() {
			err := took(l.Accept(esock.Context(ctx)))
			assert.True(t, err == nil || errors.Is(err, context.Canceled), "%v", err)
		})
		called.Go(func() {
			mb := esock.NewMailbox()
			if sel, ok := took(l.Accept(esock.NoWait(mb))).(*esock.Select); ok {
				assert.NoError(t, l.Cancel(sel))
				assert.Zero(t, mb.Len())
			}
			s, err := l.Accept(esock.Complete(mb))
			call, ok := err.(*esock.Completion)
			switch {
			case !ok:
				took(s, err)
			case l.Cancel(call) != nil: // too late
				took(message(t, mb).(esock.CompletionMsg).Accepted(), nil)
			}
			assert.Zero(t, mb.Len())
		})
		called.Go(func() { // dies
			mb := esock.NewMailbox()
			took(l.Accept(esock.NoWait(mb)))
			mb.Close()
		})
	}
	for i := range connections {
		if i == connections/2 {
			cancel()
		}
		c := open(t, esock.Inet, esock.Stream, esock.TCP)
		require.NoError(t, c.Connect(addr, esock.Within(patience)))
		_, err := c.Recv(make([]byte, 1), 0, esock.Within(patience))
		assert.Equal(t, io.EOF, err, "accepted, and closed")
		c.Close()
	}
	accepted.Wait()
	called.Wait()
	require.NoError(t, l.Close())
	serving.Wait()
	assert.EqualValues(t, connections, l.Counters().AccSuccess)
	assert.Zero(t, l.Info().NumAcceptors)
}
