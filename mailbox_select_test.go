package esock

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func is(n note) func(Message) bool { return func(m Message) bool { return m == n } }

func even(m Message) bool { return m.(note)%2 == 0 }

func TestSelectiveReceiveLeavesTheOthersInTheirOrder(t *testing.T) {
	mb := NewMailbox()
	for i := range 6 {
		require.NoError(t, mb.Post(note(i)))
	}
	for _, want := range []note{0, 2, 4} {
		msg, err := mb.ReceiveMatch(context.Background(), even)
		require.NoError(t, err)
		assert.Equal(t, want, msg)
	}
	_, ok := mb.PollMatch(even)
	assert.False(t, ok)
	for _, want := range []note{1, 3, 5} {
		msg, ok := mb.Poll()
		require.True(t, ok)
		assert.Equal(t, want, msg)
	}
}

// Of two receivers that wait for different messages, each is woken by its own, whichever comes first.
func TestSelectiveReceiversWakeForTheirOwn(t *testing.T) {
	for range 200 {
		mb := NewMailbox()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		var wg sync.WaitGroup
		for i := range note(4) {
			wg.Go(func() {
				msg, err := mb.ReceiveMatch(ctx, is(i))
				assert.NoError(t, err)
				assert.Equal(t, i, msg)
			})
		}
		for _, i := range rand.Perm(4) {
			require.NoError(t, mb.Post(note(i)))
		}
		wg.Wait()
		cancel()
	}
}

func TestSelectiveReceiveEnds(t *testing.T) {
	mb := NewMailbox()
	require.NoError(t, mb.Post(note(1)))
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error, 1)
	go func() { _, err := mb.ReceiveMatch(ctx, is(2)); errs <- err }()
	cancel()
	assert.ErrorIs(t, <-errs, context.Canceled)
	go func() { _, err := mb.ReceiveMatch(context.Background(), is(2)); errs <- err }()
	mb.Close()
	assert.ErrorIs(t, <-errs, net.ErrClosed)
	assert.True(t, mb.Closed())
}

// counting is a handle that gives so many messages, numbered, each when it is received.
type counting struct {
	next, last note
	h          *Handle
}

func (c *counting) receive(Message) (Message, bool) {
	if c.next > c.last {
		return nil, false
	}
	c.next++
	return c.next - 1, c.next <= c.last
}

func newCounting(mb *Mailbox, from, to note) *counting {
	c := &counting{next: from, last: to}
	c.h = mb.newHandleFunc(nil, c.receive)
	return c
}

func TestHandleFuncGivesWhatItsFunctionReturns(t *testing.T) {
	mb := NewMailbox()
	c := newCounting(mb, 1, 3)
	assert.False(t, c.h.unseen())
	c.h.notify()
	c.h.notify() // once is enough
	assert.True(t, c.h.unseen())
	assert.Equal(t, 1, mb.Len())
	require.NoError(t, mb.Post(note(100)))
	// After each of its messages it queues behind the others.
	for _, want := range []note{1, 100, 2, 3} {
		msg, ok := mb.Poll()
		require.True(t, ok)
		assert.Equal(t, want, msg)
	}
	c.h.notify() // it has nothing
	_, ok := mb.Poll()
	assert.False(t, ok)
	assert.Zero(t, mb.Len())

	c.next = 1
	c.h.notify()
	assert.True(t, c.h.retract())
	assert.False(t, c.h.retract())
	_, ok = mb.Poll()
	assert.False(t, ok)
	assert.Equal(t, note(1), c.next, "it was not asked")
}

func TestHandleFuncUnderSelectiveReceive(t *testing.T) {
	mb := NewMailbox()
	require.NoError(t, mb.Post(note(50)))
	c := newCounting(mb, 1, 4)
	c.h.notify()
	msg, err := mb.ReceiveMatch(context.Background(), is(3))
	require.NoError(t, err)
	assert.Equal(t, note(3), msg)
	// What it passed over is kept, in the order in which it came.
	var rest []Message
	for {
		msg, ok := mb.Poll()
		if !ok {
			break
		}
		rest = append(rest, msg)
	}
	assert.Equal(t, []Message{note(50), note(1), note(2), note(4)}, rest)
}

// A function that always has more must not keep a receiver that wants something else.
func TestHandleFuncWithoutEndDoesNotHoldPollMatch(t *testing.T) {
	mb := NewMailbox()
	calls := 0
	h := mb.newHandleFunc(nil, func(Message) (Message, bool) { calls++; return note(1), calls < 100 }) // many are enough
	h.notify()
	_, ok := mb.PollMatch(is(2))
	assert.False(t, ok)
	assert.Equal(t, 1, calls)
}

func TestHandleFuncHearsOfSelectAndAbort(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	var got []Message
	h := mb.newHandleFunc(nil, func(m Message) (Message, bool) { got = append(got, m); return note(len(got)), false })
	_, err := a.Recv(make([]byte, 8), 0, With(h))
	require.ErrorAs(t, err, new(*Select))
	assert.True(t, h.Busy())
	_, err = b.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	msg, err := mb.Receive(context.Background())
	require.NoError(t, err)
	assert.Equal(t, note(1), msg)
	sameMessage(t, SelectMsg{h}, got[0])

	n, err := a.Recv(make([]byte, 8), 0, With(h))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	assert.False(t, h.Busy())
	_, err = a.Recv(make([]byte, 8), 0, With(h))
	require.ErrorAs(t, err, new(*Select))
	a.Close()
	msg, err = mb.Receive(context.Background())
	require.NoError(t, err)
	assert.Equal(t, note(2), msg)
	assert.ErrorIs(t, got[1].(AbortMsg).Reason, net.ErrClosed)
}

// notify may come while the poller's message is on its way: there is one message, and the mailbox's list is whole.
func TestNotifyMeetsThePoller(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	h := mb.newHandleFunc(nil, func(m Message) (Message, bool) { return m, false })
	buf := make([]byte, 8)
	for range 300 {
		sel := new(Select)
		_, err := a.Recv(buf, 0, With(h))
		require.ErrorAs(t, err, &sel)
		go b.Send([]byte("x"), 0, Forever)
		h.notify()
		for {
			_, err := mb.Receive(context.Background())
			require.NoError(t, err)
			n, err := a.Recv(buf, 0, With(h))
			if err == nil {
				require.Equal(t, 1, n)
				break
			}
			// Either it was from notify, and the call is in progress, or it selected again.
			if _, ok := err.(*Select); !ok {
				require.ErrorIs(t, err, &InvalidError{What: "handle"})
			}
		}
		h.retract()
		require.Zero(t, mb.Len())
	}
}

func TestHandlePostsWhereItsMessageWas(t *testing.T) {
	mb := NewMailbox()
	c := newCounting(mb, 100, 100)
	require.NoError(t, mb.Post(note(1)))
	c.h.notify()
	require.NoError(t, mb.Post(note(2)))
	c.h.retract()
	require.NoError(t, c.h.post(note(10)))
	require.NoError(t, c.h.post(note(11)))
	assert.Equal(t, 4, mb.Len())
	c.h.notify()
	for _, want := range []note{1, 10, 11, 2, 100} {
		msg, ok := mb.Poll()
		require.True(t, ok)
		assert.Equal(t, want, msg)
	}
	require.NoError(t, mb.Post(note(3)))
	require.NoError(t, c.h.post(note(4)), "its last message was before all that waits")
	msg, err := mb.ReceiveMatch(context.Background(), even)
	require.NoError(t, err)
	assert.Equal(t, note(4), msg)
	assert.ErrorIs(t, c.h.post(nil), &InvalidError{What: "msg"})
	mb.Close()
	assert.ErrorIs(t, c.h.post(note(1)), net.ErrClosed)
}

// A match asks the message about its socket, and that about its owner, while others change both.
func TestMatchMayAskAboutSockets(t *testing.T) {
	s, err := Open(Inet, Dgram, UDP)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Bind(Loopback))
	mb := NewMailbox()
	defer mb.Close()
	require.NoError(t, s.ControllingProcess(nil, mb))
	_, err = s.Recv(make([]byte, 1), 0, NoWait(mb))
	require.ErrorAs(t, err, new(*Select))
	at, err := s.SockName()
	require.NoError(t, err)
	_, err = s.SendTo([]byte("x"), at, 0, Forever)
	require.NoError(t, err)
	msg, err := mb.ReceiveMatch(context.Background(), func(m Message) bool {
		return m.Socket() == s && m.Socket().Owner() == mb && mb.Len() == 1
	})
	require.NoError(t, err)
	assert.IsType(t, SelectMsg{}, msg)

	require.NoError(t, mb.Post(note(1)))
	to := NewMailbox()
	n, err := mb.move(to, func(Message) bool { return mb.Len() == 1 && to.Len() == 0 })
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
}

// A message that is taken while a match looks at it is not received twice, and those behind it are not overlooked.
func TestMatchMeetsAnotherReceiver(t *testing.T) {
	mb := NewMailbox()
	for i := range 4 {
		require.NoError(t, mb.Post(note(i)))
	}
	stolen := false
	msg, ok := mb.PollMatch(func(m Message) bool {
		if m == note(1) && !stolen {
			stolen = true
			for range 2 {
				_, ok := mb.Poll()
				assert.True(t, ok)
			}
		}
		return m.(note) >= 1
	})
	assert.True(t, ok)
	assert.Equal(t, note(2), msg)
	msg, ok = mb.Poll()
	assert.True(t, ok)
	assert.Equal(t, note(3), msg)
	assert.Zero(t, mb.Len())
}

func TestMoveTakesWhatMatches(t *testing.T) {
	from, to := NewMailbox(), NewMailbox()
	c := newCounting(from, 100, 101)
	for i := range 5 {
		require.NoError(t, from.Post(note(i)))
		c.h.notify()
	}
	require.NoError(t, to.Post(note(-2)))
	n, err := from.move(to, even)
	require.NoError(t, err)
	assert.Equal(t, 3, n)
	for _, want := range []note{-2, 0, 2, 4} {
		msg, ok := to.Poll()
		require.True(t, ok)
		assert.Equal(t, want, msg)
	}
	for _, want := range []note{100, 1, 3, 101} {
		msg, ok := from.Poll()
		require.True(t, ok)
		assert.Equal(t, want, msg)
	}

	require.NoError(t, from.Post(note(2)))
	n, err = from.move(from, even)
	assert.NoError(t, err)
	assert.Zero(t, n)
	_, err = from.move(nil, even)
	assert.ErrorIs(t, err, &InvalidError{What: "mailbox"})
	_, err = from.move(to, nil)
	assert.ErrorIs(t, err, &InvalidError{What: "mailbox"})
	to.Close()
	_, err = from.move(to, even)
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.Equal(t, 1, from.Len(), "nothing moved")
}

// Several receivers, each with its own taste, beside several handles with functions: nothing is lost or doubled.
func TestSelectiveReceiversLoseNothing(t *testing.T) {
	const per, handles = 200, 4
	mb := NewMailbox()
	var mu sync.Mutex
	counts := map[note]int{}
	ctx, cancel := context.WithTimeout(context.Background(), longPatience)
	defer cancel()
	for i := range note(handles) {
		var one sync.Mutex // a handle with more may be met by two receivers in turn
		c := counting{next: i * per, last: i*per + per - 1}
		h := mb.newHandleFunc(nil, func(m Message) (Message, bool) {
			one.Lock()
			defer one.Unlock()
			return c.receive(m)
		})
		h.notify()
	}
	var wg sync.WaitGroup
	for r := range note(2) {
		for range 2 {
			wg.Go(func() {
				for range handles * per / 4 {
					msg, err := mb.ReceiveMatch(ctx, func(m Message) bool { return m.(note)%2 == r })
					if !assert.NoError(t, err) {
						return
					}
					mu.Lock()
					counts[msg.(note)]++
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	assert.Len(t, counts, handles*per)
	for n, c := range counts {
		assert.Equal(t, 1, c, "message %d", n)
	}
	assert.Zero(t, mb.Len())
}

func TestWaitForLayersAbove(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	mb := NewMailbox()
	assert.True(t, engine{}.Blocks(Forever))
	assert.True(t, engine{}.Blocks(Within(1)))
	assert.False(t, engine{}.Blocks(Within(0)))
	assert.False(t, engine{}.Blocks(NoWait(mb)))
	assert.False(t, engine{}.Blocks(Within(-1)))
	assert.True(t, NoWait(mb).Asynchronous())
	assert.False(t, Within(0).Asynchronous())
	assert.NoError(t, Forever.Err())
	assert.ErrorIs(t, Within(-1).Err(), &InvalidError{What: "timeout"})
	assert.True(t, engine{}.Within(Within(time.Hour)))
	assert.False(t, engine{}.Within(Within(time.Hour).Begin()), "it is a moment now")
	assert.True(t, engine{}.Within(Within(0).Begin()), "a look stays a look")

	short := Within(time.Nanosecond).Begin()
	ends, free := short.Ends()
	<-ends.Done()
	free()
	assert.Equal(t, ErrTimeout, short.Ended())
	ends, free = Context(ctx).Ends()
	<-ends.Done()
	free()
	assert.ErrorIs(t, Context(ctx).Ended(), context.Canceled)
	ends, free = Forever.Ends()
	assert.NoError(t, ends.Err())
	free()
	deadline, ok := func() (time.Time, bool) { c, f := Within(time.Hour).Ends(); defer f(); return c.Deadline() }()
	assert.True(t, ok)
	assert.Greater(t, time.Until(deadline), 59*time.Minute)
}

// One time for several calls: the second receive has what the first left of it, which is nothing.
func TestBegunWaitIsSharedByCalls(t *testing.T) {
	a, _ := pair(t, Stream)
	w := Within(time.Nanosecond).Begin()
	for range 2 {
		_, err := a.Recv(make([]byte, 1), 0, w)
		assert.Equal(t, ErrTimeout, err)
	}
}

// A match that panics takes nothing with it: neither the message nor the mailbox's lock.
func TestMatchThatPanicsLosesNothing(t *testing.T) {
	mb := NewMailbox()
	c := newCounting(mb, 1, 2)
	c.h.notify()
	require.NoError(t, mb.Post(note(3)))
	assert.Panics(t, func() { mb.PollMatch(func(Message) bool { panic("no") }) })
	assert.Panics(t, func() { mb.PollMatch(func(m Message) bool { return m == note(2) && panicking() }) })
	for _, want := range []note{1, 3, 2} {
		msg, ok := mb.Poll()
		require.True(t, ok)
		assert.Equal(t, want, msg)
	}
	assert.Zero(t, mb.Len())
}

func panicking() bool { panic("no") }

// What is said about a handle while its function runs comes after what the function gave.
func TestHandleIsAwayWhileItsFunctionRuns(t *testing.T) {
	mb := NewMailbox()
	var h *Handle
	n := note(0)
	h = mb.newHandleFunc(nil, func(Message) (Message, bool) {
		if n++; n == 1 {
			h.notify()
		}
		assert.False(t, h.unseen())
		assert.False(t, h.retract(), "its receiver goes on")
		return n, false
	})
	h.notify()
	msg, ok := mb.PollMatch(func(m Message) bool {
		assert.Equal(t, note(1), m)
		assert.Equal(t, 2, mb.Len(), "it is a message like any other, and the handle is behind it")
		return false
	})
	assert.Nil(t, msg)
	assert.False(t, ok)
	for _, want := range []note{1, 2} {
		msg, ok := mb.Poll()
		require.True(t, ok)
		assert.Equal(t, want, msg)
	}
	_, ok = mb.Poll()
	assert.False(t, ok)
}
