package esock

import (
	"context"
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// all takes what is in the mailbox.
func all(mb *Mailbox) (msgs []Message) {
	for msg, ok := mb.Poll(); ok; msg, ok = mb.Poll() {
		msgs = append(msgs, msg)
	}
	return msgs
}

func anything(Message) bool { return true }

// A handle that no mailbox made is in nothing, and does nothing.
func TestHandleOfNobody(t *testing.T) {
	h := new(Handle)
	assert.NotPanics(t, func() { h.notify() })
	assert.False(t, h.retract())
	assert.False(t, h.Busy())
	assert.False(t, h.unseen())
	assert.Nil(t, h.Mailbox())
	assert.Nil(t, h.Socket())
	assert.Error(t, h.post(note(1)))
}

// A message that is taken while match looks at it, and comes again, is a new one: it has its place behind the others.
func TestMessageThatComesAgainWhileMatchLooks(t *testing.T) {
	mb := NewMailbox()
	h := mb.NewHandle()
	h.notify()
	require.NoError(t, mb.Post(note(1)))
	looks := 0
	msg, ok := mb.PollMatch(func(m Message) bool {
		if looks++; looks == 1 {
			sameMessage(t, SelectMsg{h}, m)
			assert.True(t, h.retract())
			h.notify()
		}
		return true
	})
	require.True(t, ok)
	assert.Equal(t, note(1), msg)
	assert.Equal(t, []Message{SelectMsg{h}}, all(mb))
	assert.Zero(t, mb.Len())
}

// What a match takes out itself, the call that asks it does not give.
func TestMatchTakesTheMessageItself(t *testing.T) {
	mb := NewMailbox()
	for i := range 3 {
		require.NoError(t, mb.Post(note(i)))
	}
	_, ok := mb.PollMatch(func(m Message) bool {
		got, ok := mb.PollMatch(is(m.(note)))
		assert.True(t, ok)
		assert.Equal(t, m, got)
		return true
	})
	assert.False(t, ok)
	assert.Zero(t, mb.Len())
	require.NoError(t, mb.Post(note(9)))
	assert.Equal(t, []Message{note(9)}, all(mb))
}

// Nor does move take it.
func TestMoveOfMessagesThatMatchTakes(t *testing.T) {
	from, to := NewMailbox(), NewMailbox()
	for i := range 4 {
		require.NoError(t, from.Post(note(i)))
	}
	n, err := from.move(to, func(m Message) bool {
		if m == note(0) || m == note(2) {
			_, ok := from.PollMatch(is(m.(note)))
			assert.True(t, ok)
		}
		return m != note(3)
	})
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Equal(t, []Message{note(1)}, all(to))
	assert.Equal(t, 1, from.Len())
	assert.Equal(t, []Message{note(3)}, all(from))
}

// Messages that are put where a handle's last one was keep to that place, whatever is before it.
func TestPostKeepsToThePlaceOfItsHandle(t *testing.T) {
	mb := NewMailbox()
	a, b, c := mb.NewHandle(), mb.NewHandle(), mb.NewHandle()
	a.notify()
	b.notify()
	c.notify()
	msg, ok := mb.PollMatch(func(m Message) bool { return m == SelectMsg{b} })
	require.True(t, ok)
	sameMessage(t, SelectMsg{b}, msg)
	require.NoError(t, b.post(note(20)))
	require.NoError(t, a.post(note(10)))
	require.NoError(t, b.post(note(21)))
	require.NoError(t, c.post(note(30)))
	require.NoError(t, c.post(note(31)))
	require.NoError(t, a.post(note(11)))
	require.NoError(t, a.post(note(12)))
	assert.Equal(t, []Message{SelectMsg{a}, note(10), note(11), note(12), note(20), note(21), SelectMsg{c}, note(30), note(31)}, all(mb))
}

// Calls end in any order, begin again, and the mailbox still knows which are in progress.
func TestMailboxKnowsItsCallsInWhateverOrderTheyEnd(t *testing.T) {
	for _, order := range [][]int{{1, 0}, {1, 2}, {0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}, {2, 0}} {
		mb := NewMailbox()
		var socks [3]*Socket
		var handles [3]*Handle
		recv := func(i int) *Select {
			_, err := socks[i].Recv(make([]byte, 1), 0, With(handles[i]))
			var sel *Select
			require.ErrorAs(t, err, &sel)
			return sel
		}
		for i := range socks {
			_, socks[i] = pair(t, Stream)
			handles[i] = mb.NewHandle()
			recv(i)
		}
		for _, i := range order {
			require.NoError(t, socks[i].Cancel((*Select)(handles[i])))
			assert.False(t, handles[i].Busy())
		}
		for _, i := range order {
			recv(i)
			assert.True(t, handles[i].Busy())
		}
		done := make(chan error, 1)
		go func() { done <- mb.Close() }()
		require.NoError(t, within(t, done, "the end of Close"))
		for i, s := range socks { // and all were taken back
			assert.False(t, handles[i].Busy())
			_, err := s.Recv(make([]byte, 1), 0, Within(0))
			assert.Equal(t, ErrTimeout, err, "the direction is free")
		}
	}
}

// Owned sockets end in any order, too.
func TestMailboxKnowsItsSocketsInWhateverOrderTheyEnd(t *testing.T) {
	for _, order := range [][]int{{1, 0}, {1, 2}, {0, 1}, {2, 1}, {2, 0}, {0, 2}} {
		mb, other := NewMailbox(), NewMailbox()
		var socks [3]*Socket
		for i := range socks {
			_, socks[i] = pair(t, Stream)
			require.NoError(t, socks[i].ControllingProcess(nil, mb))
		}
		for _, i := range order {
			require.NoError(t, socks[i].ControllingProcess(mb, other))
		}
		require.NoError(t, socks[order[0]].ControllingProcess(other, mb))
		require.NoError(t, mb.Close())
		for i, s := range socks {
			assert.Equal(t, i != order[1], s.Closed(), "%v: %d", order, i)
		}
		require.NoError(t, other.Close())
		assert.True(t, socks[order[1]].Closed())
	}
}

// Nothing of a selective receive stays behind when it is over, however it ended.
func TestSelectiveReceiveLeavesNothingBehind(t *testing.T) {
	mb := NewMailbox()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for range 10 {
		require.NoError(t, mb.Post(note(1)))
		_, err := mb.ReceiveMatch(context.Background(), anything)
		require.NoError(t, err)
		_, err = mb.ReceiveMatch(ended, anything)
		require.ErrorIs(t, err, context.Canceled)
		assert.Panics(t, func() {
			mb.Post(note(2))
			mb.ReceiveMatch(ended, func(Message) bool { defer mb.Poll(); panic("no") })
		})
	}
	mb.mu.Lock()
	assert.Nil(t, mb.watchers.head)
	mb.mu.Unlock()
	require.NoError(t, mb.Close())
	_, err := mb.ReceiveMatch(context.Background(), anything)
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.Nil(t, mb.watchers.head)
}

// What ends a call while its handle's function runs is told, even if the function wants to be asked again.
func TestHandleFuncMeetsAnAbort(t *testing.T) {
	mb := NewMailbox()
	var h *Handle
	h = mb.newHandleFunc(nil, func(msg Message) (Message, bool) {
		if _, ok := msg.(SelectMsg); ok {
			mb.aborted(h, ErrCancelled)
			return nil, true
		}
		return msg, false
	})
	require.NoError(t, h.notify())
	assert.Empty(t, all(mb))
	assert.Equal(t, []Message{AbortMsg{h, ErrCancelled}}, all(mb))
}

// Move takes the older mailbox's lock first, so that two moves in opposite directions do not wait for each other.
func TestMoveLocksTheOlderFirst(t *testing.T) {
	older, newer := NewMailbox(), NewMailbox()
	require.NoError(t, newer.Post(note(1)))
	h := newer.messages.head
	older.mu.Lock()
	moved := make(chan struct{})
	go func() {
		defer close(moved)
		_, err := newer.moveOne(older, h, h.place())
		assert.NoError(t, err)
	}()
	free := true
	for range 500 {
		runtime.Gosched()
		if newer.mu.TryLock() {
			newer.mu.Unlock()
		} else {
			free = false
		}
	}
	older.mu.Unlock()
	<-moved
	assert.True(t, free)
	assert.Equal(t, []Message{note(1)}, all(older))
}

// A handle of no mailbox is that of one that is closed.
func TestHandleOfNoMailbox(t *testing.T) {
	_, s := pair(t, Stream)
	for _, mb := range []*Mailbox{nil, new(Mailbox)} {
		for _, h := range []*Handle{mb.NewHandle(), mb.newHandleFunc(nil, func(m Message) (Message, bool) { return m, false })} {
			_, err := s.Recv(make([]byte, 1), 0, With(h))
			assert.ErrorIs(t, err, &InvalidError{What: "mailbox"})
		}
	}
}

// The end of a mailbox names the mailbox, and is net.ErrClosed.
func TestClosedMailboxSaysSo(t *testing.T) {
	mb, to := NewMailbox(), NewMailbox()
	h := mb.NewHandle()
	mb.Close()
	anything := func(Message) bool { return true }
	for name, call := range map[string]func() error{
		"Receive":      func() error { _, err := mb.Receive(context.Background()); return err },
		"ReceiveMatch": func() error { _, err := mb.ReceiveMatch(context.Background(), anything); return err },
		"Post":         func() error { return mb.Post(SelectMsg{h}) },
		"notify":       h.notify,
		"post":         func() error { return h.post(SelectMsg{h}) },
		"move":         func() error { _, err := to.move(mb, anything); return err },
	} {
		err := call()
		assert.ErrorIs(t, err, net.ErrClosed, name)
		assert.EqualError(t, err, "esock: use of closed mailbox", name)
	}
}
