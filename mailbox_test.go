package esock

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// note is a message of a test's own.
type note int

func (note) Socket() *Socket { return nil }

// sameMessage compares handles by identity; assert.Equal would look into them, and find others alike.
func sameMessage(t testing.TB, want, got Message) {
	t.Helper()
	if want != got {
		t.Errorf("message %T %v instead of %T %v", got, got, want, want)
	}
}

func TestMailboxKeepsOrder(t *testing.T) {
	mb := NewMailbox()
	for i := range 100 {
		require.NoError(t, mb.Post(note(i)))
	}
	assert.Equal(t, 100, mb.Len())
	for i := range 100 {
		msg, err := mb.Receive(context.Background())
		require.NoError(t, err)
		assert.Equal(t, note(i), msg)
	}
	_, ok := mb.Poll()
	assert.False(t, ok)
	assert.Zero(t, mb.Len())
	assert.ErrorIs(t, mb.Post(nil), &InvalidError{What: "msg"})
}

func TestMailboxReceiveEndsWithItsContext(t *testing.T) {
	mb := NewMailbox()
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error)
	for range 3 {
		go func() { _, err := mb.Receive(ctx); errs <- err }()
	}
	cancel()
	for range 3 {
		assert.ErrorIs(t, <-errs, context.Canceled)
	}
	// What is there is received, also with a context that has ended.
	require.NoError(t, mb.Post(note(1)))
	msg, err := mb.Receive(ctx)
	assert.NoError(t, err)
	assert.Equal(t, note(1), msg)
}

func TestMailboxSeveralReceiversLoseNothing(t *testing.T) {
	mb := NewMailbox()
	const n, receivers = 20_000, 4
	var mu sync.Mutex
	seen := make(map[Message]int)
	var wg sync.WaitGroup
	for range receivers {
		wg.Go(func() {
			for {
				msg, err := mb.Receive(context.Background())
				if err != nil {
					assert.ErrorIs(t, err, net.ErrClosed)
					return
				}
				mu.Lock()
				seen[msg]++
				mu.Unlock()
			}
		})
	}
	var posters sync.WaitGroup
	for p := range 2 {
		posters.Go(func() {
			for i := range n / 2 {
				assert.NoError(t, mb.Post(note(p*n+i)))
			}
		})
	}
	posters.Wait()
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) == n }, "every message")
	require.NoError(t, mb.Close())
	wg.Wait()
	for msg, k := range seen {
		require.Equal(t, 1, k, "%v", msg)
	}
}

func TestMailboxWakeInSelect(t *testing.T) {
	mb := NewMailbox()
	const n = 2000
	got := make(chan int)
	go func() {
		count := 0
		for count < n {
			<-mb.Wake()
			for {
				msg, ok := mb.Poll()
				if !ok {
					break
				}
				if int(msg.(note)) != count {
					t.Errorf("message %v instead of %d", msg, count)
				}
				count++
			}
		}
		got <- count
	}()
	for i := range n {
		mb.Post(note(i))
	}
	assert.Equal(t, n, <-got)
}

// One goroutine that looks through Wake and one in Receive: the close reaches both, whichever is woken first.
func TestMailboxCloseReachesReceiverBesideWakeUser(t *testing.T) {
	for range 200 {
		mb := NewMailbox()
		errs := make(chan error, 1)
		woken := make(chan struct{})
		go func() {
			<-mb.Wake()
			_, ok := mb.Poll()
			assert.False(t, ok)
			close(woken)
		}()
		runtime.Gosched()
		go func() { _, err := mb.Receive(context.Background()); errs <- err }()
		runtime.Gosched()
		require.NoError(t, mb.Close())
		select {
		case err := <-errs:
			assert.ErrorIs(t, err, net.ErrClosed)
		case <-time.After(patience):
			t.Fatal("the receiver was not told that the mailbox is closed")
		}
		<-woken
	}
}

func TestMailboxClosedIsRefused(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	h := mb.NewHandle()
	require.NoError(t, mb.Post(note(1)))
	require.NoError(t, mb.Close())
	require.NoError(t, mb.Close(), "closing again does nothing")
	assert.Zero(t, mb.Len())
	assert.ErrorIs(t, mb.Post(note(2)), net.ErrClosed)
	_, err := mb.Receive(context.Background())
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = b.Recv(make([]byte, 1), 0, With(h))
	assert.ErrorIs(t, err, &InvalidError{What: "mailbox"})
	_, err = b.Recv(make([]byte, 1), 0, NoWait(mb))
	assert.ErrorIs(t, err, &InvalidError{What: "mailbox"})
	// The socket is none the worse for it.
	a.Send([]byte("x"), 0, Forever)
	n, err := b.Recv(make([]byte, 1), 0, Forever)
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
}

func TestMailboxCloseLetsTheNextThrough(t *testing.T) {
	a, b := pair(t, Stream)
	m1, m2, m3 := NewMailbox(), NewMailbox(), NewMailbox()
	buf := make([]byte, 1)
	_, err := b.Recv(buf, 0, NoWait(m1))
	require.ErrorAs(t, err, new(*Select))
	_, err = b.Recv(buf, 0, NoWait(m2))
	require.ErrorAs(t, err, new(*Select))
	_, err = b.Recv(buf, 0, NoWait(m3))
	sel := err.(*Select)
	require.NoError(t, m2.Close(), "queued")
	require.NoError(t, m1.Close(), "current")
	a.Send([]byte("x"), 0, Forever)
	sameMessage(t, SelectMsg{sel.Handle()}, receive(t, m3))
	_, err = b.Recv(buf, 0, NoWait(m3))
	assert.NoError(t, err)
	assert.Nil(t, m1.pending.head)
	assert.Nil(t, m2.pending.head)
	assert.Nil(t, m3.pending.head, "nothing holds the handle any more")
}

func TestMailboxCloseAfterSelectWasSent(t *testing.T) {
	a, b := pair(t, Stream)
	m1, m2 := NewMailbox(), NewMailbox()
	buf := make([]byte, 1)
	b.Recv(buf, 0, NoWait(m1))
	b.Recv(buf, 0, NoWait(m2))
	a.Send([]byte("x"), 0, Forever)
	eventually(t, func() bool { return m1.Len() == 1 }, "the select message")
	assert.Zero(t, m2.Len())
	require.NoError(t, m1.Close())
	assert.IsType(t, SelectMsg{}, receive(t, m2))
}

func TestMailboxCloseClosesWhatItOwns(t *testing.T) {
	mb, watcher := NewMailbox(), NewMailbox()
	var socks []*Socket
	for range 5 {
		s, err := Open(Local, Stream, Default, Owner(mb))
		require.NoError(t, err)
		defer s.Close()
		socks = append(socks, s)
	}
	_, err := socks[0].Monitor(watcher)
	require.NoError(t, err)
	require.NoError(t, socks[1].Close())
	require.NoError(t, socks[2].ControllingProcess(mb, nil))
	require.NoError(t, mb.Close())
	for i, s := range socks {
		_, err := s.SockName()
		if i == 2 {
			assert.NoError(t, err, "given away")
			continue
		}
		assert.ErrorIs(t, err, net.ErrClosed)
	}
	assert.IsType(t, DownMsg{}, receive(t, watcher))
	_, err = Open(Local, Stream, Default, Owner(mb))
	assert.Error(t, err)
	assert.ErrorIs(t, socks[2].ControllingProcess(nil, mb), nil)
	assert.True(t, socks[2].closing(), "its new owner is dead")
}

func TestReplacedHandleIsAbortedOnce(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	buf := make([]byte, 1)
	_, err := b.Recv(buf, 0, NoWait(mb))
	h1 := err.(*Select).Handle()
	// Armed: replaced.
	_, err = b.Recv(buf, 0, NoWait(mb))
	h2 := err.(*Select).Handle()
	sameMessage(t, AbortMsg{h1, ErrCancelled}, receive(t, mb))
	// Its message was sent, but not seen: it becomes the abort.
	a.Send([]byte("xy"), 0, Forever)
	eventually(t, func() bool { return mb.Len() == 1 }, "the select message")
	_, err = b.Recv(buf, 0, NoWait(mb))
	require.NoError(t, err)
	sameMessage(t, AbortMsg{h2, ErrCancelled}, receive(t, mb))
	assert.Zero(t, mb.Len())
	// A handle whose message has not been seen is not used again; then it is.
	b.Recv(buf, 0, Forever)
	_, err = b.Recv(buf, 0, NoWait(mb))
	h3 := err.(*Select).Handle()
	b.Recv(buf, 0, NoWait(mb))
	_, err = a.Recv(buf, 0, With(h3))
	assert.ErrorIs(t, err, &InvalidError{What: "handle"})
	sameMessage(t, AbortMsg{h3, ErrCancelled}, receive(t, mb))
	_, err = a.Recv(buf, 0, With(h3))
	assert.ErrorAs(t, err, new(*Select))
}

// A handle that served a {otp, select_read} call says nothing of it when it is queued elsewhere.
func TestQueuedHandleIsNotComplete(t *testing.T) {
	a, b := pair(t, Stream)
	mb, other := NewMailbox(), NewMailbox()
	h := mb.NewHandle()
	require.NoError(t, b.SetSelectRead(true))
	a.Send([]byte("x"), 0, Forever)
	_, err := b.Recv(make([]byte, 1), 0, With(h))
	var sel *Select
	require.ErrorAs(t, err, &sel)
	require.True(t, sel.Complete())
	require.NoError(t, b.Cancel(sel))
	_, err = a.Recv(make([]byte, 1), 0, NoWait(other))
	require.ErrorAs(t, err, new(*Select))
	m := Msg{}
	err = a.RecvMsg(&m, 0, With(h))
	require.ErrorAs(t, err, &sel, "it is queued, nothing was received")
	assert.False(t, sel.Complete())
}

// What a dying owner gave away before its turn came stays open.
func TestMailboxCloseSparesWhatItGaveAway(t *testing.T) {
	for name, park := range map[string]bool{"idle": false, "parked": true} {
		t.Run(name, func(t *testing.T) {
			a, s := pair(t, Stream)
			first, _ := pair(t, Stream)
			m1, m2 := NewMailbox(), NewMailbox()
			require.NoError(t, s.ControllingProcess(nil, m1))
			require.NoError(t, first.ControllingProcess(nil, m1))
			if park {
				parkOnce(t, a, s, Forever)
			}
			require.NoError(t, first.ref("test")) // its close waits for us, the other's for it
			closed := make(chan error)
			go func() { closed <- m1.Close() }()
			eventually(t, first.closing, "the owner's death")
			require.False(t, s.closing())
			require.NoError(t, s.ControllingProcess(m1, m2))
			first.unref()
			require.NoError(t, <-closed)
			assert.False(t, s.closing())
			assert.Equal(t, m2, s.Owner())
			_, err := a.Send([]byte("x"), 0, Forever)
			require.NoError(t, err)
			_, err = s.Recv(make([]byte, 1), 0, Forever)
			assert.NoError(t, err)
			require.NoError(t, m2.Close())
			assert.True(t, s.closing(), "it is its new owner's")
		})
	}
}

// Whichever wins, the socket is its new owner's, or closed by the old one: never given away and then closed.
func TestMailboxCloseMeetsControllingProcess(t *testing.T) {
	m2 := NewMailbox()
	given := 0
	for i := range 300 {
		m1 := NewMailbox()
		s, err := Open(Local, Dgram, Default, Owner(m1))
		require.NoError(t, err)
		closed := make(chan error)
		go func() { closed <- m1.Close() }()
		for range i % 4 {
			runtime.Gosched()
		}
		err = s.ControllingProcess(m1, m2)
		require.NoError(t, <-closed)
		if err == nil {
			given++
			require.False(t, s.closing())
			require.Equal(t, m2, s.Owner())
		} else {
			require.ErrorIs(t, err, net.ErrClosed)
		}
		require.Nil(t, m1.owned.head)
	}
	t.Logf("given away %d times", given)
	require.NoError(t, m2.Close())
	assert.Nil(t, m2.owned.head)
}

// Messages say in logs what they are about.
func TestMessagesPrint(t *testing.T) {
	_, b := pair(t, Stream)
	mb := NewMailbox()
	defer mb.Close()
	_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
	sel, _ := err.(*Select)
	require.NotNil(t, sel)
	m := monitor(t, b, mb)
	for _, c := range []struct {
		msg  Message
		want string
	}{
		{SelectMsg{sel.Handle()}, "select: recv on " + b.String()},
		{AbortMsg{sel.Handle(), ErrCancelled}, "abort: recv on " + b.String() + ": replaced by another call"},
		{DownMsg{m, ErrNoSocket}, "down: " + m.String() + " of " + b.String() + ": closed before it was monitored"},
		{CounterWrapMsg{b, "read_byte"}, "counter_wrap: read_byte of " + b.String()},
		{SelectMsg{mb.NewHandle()}, "select: unused handle"},
		{AbortMsg{}, "abort: unused handle: <nil>"},
	} {
		assert.Equal(t, c.want, fmt.Sprint(c.msg))
	}
}
