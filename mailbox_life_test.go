package esock

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// waitsFor makes a receive on s hold the direction, and gives its handle.
func waitsFor(t *testing.T, s *Socket, w Wait) *Handle {
	t.Helper()
	_, err := s.Recv(make([]byte, 1), 0, w)
	var sel *Select
	require.ErrorAs(t, err, &sel)
	return sel.Handle()
}

// A message may say something else while a match looks at it: the match is asked about that, too, and no
// receiver sleeps beside a message that it accepts.
func TestMatchMeetsAMessageThatChanges(t *testing.T) {
	for name, accepts := range map[string]func(Message) bool{
		"both":      anything,
		"the later": func(m Message) bool { _, aborted := m.(AbortMsg); return aborted },
	} {
		for _, receive := range []string{"PollMatch", "ReceiveMatch"} {
			t.Run(name+", "+receive, func(t *testing.T) {
				a, b := pair(t, Stream)
				mb := NewMailbox()
				h := waitsFor(t, a, NoWait(mb))
				_, err := b.Send([]byte("x"), 0, Forever)
				require.NoError(t, err)
				eventually(t, func() bool { return mb.Len() == 1 }, "a message")
				looks := 0
				match := func(m Message) bool {
					if looks++; looks == 1 {
						// Another goroutine of the same requester makes the call again, with another handle.
						n, err := a.Recv(make([]byte, 1), 0, NoWait(mb))
						assert.NoError(t, err)
						assert.Equal(t, 1, n)
					}
					return accepts(m)
				}
				var msg Message
				if receive == "PollMatch" {
					msg, _ = mb.PollMatch(match)
				} else {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					defer cancel()
					msg, err = mb.ReceiveMatch(ctx, match)
					require.NoError(t, err)
				}
				sameMessage(t, AbortMsg{h, ErrCancelled}, msg)
				assert.Zero(t, mb.Len())
			})
		}
	}
}

// A receiver that sleeps beside a message that it refused hears when it becomes another.
func TestChangedMessageWakes(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	h := waitsFor(t, a, NoWait(mb))
	_, err := b.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	eventually(t, func() bool { return mb.Len() == 1 }, "a message")
	<-mb.Wake()
	g, got := receiveBehind(t, func(ctx context.Context) (Message, error) {
		return mb.ReceiveMatch(ctx, func(m Message) bool { _, aborted := m.(AbortMsg); return aborted })
	})
	_, err = a.Recv(make([]byte, 1), 0, NoWait(mb))
	require.NoError(t, err)
	close(g.open)
	assert.Equal(t, received{AbortMsg{h, ErrCancelled}, nil}, <-got)
	select {
	case <-mb.Wake():
	default:
		t.Error("Wake does not tell of it")
	}
}

// A call that waits has its own message to come: notify does nothing, and the queue stays whole.
func TestNotifyOfAHandleThatWaits(t *testing.T) {
	for _, f := range []func(mb *Mailbox) *Handle{
		(*Mailbox).NewHandle,
		func(mb *Mailbox) *Handle {
			return mb.newHandleFunc(nil, func(m Message) (Message, bool) { return m, false })
		},
	} {
		a, b := pair(t, Stream)
		first, mb := NewMailbox(), NewMailbox()
		head := waitsFor(t, a, NoWait(first))
		h := f(mb)
		waitsFor(t, a, With(h))
		last := make(chan error, 1)
		go func() { _, err := a.Recv(make([]byte, 1), 0, Within(patience)); last <- err }()
		queued(t, a, reading, 2)
		h.notify() // queued
		assert.False(t, h.unseen())
		assert.False(t, h.retract())
		require.NoError(t, h.post(note(1)))
		queued(t, a, reading, 2)
		assert.Equal(t, note(1), receive(t, mb))
		require.NoError(t, a.Cancel((*Select)(head)))
		queued(t, a, reading, 1)
		h.notify() // armed
		assert.Zero(t, mb.Len())
		_, err := b.Send([]byte("xyz"), 0, Forever)
		require.NoError(t, err)
		sameMessage(t, SelectMsg{h}, receive(t, mb))
		h.notify() // it was told, and holds the direction
		sameMessage(t, SelectMsg{h}, receive(t, mb))
		_, err = a.Recv(make([]byte, 1), 0, With(h))
		require.NoError(t, err)
		require.NoError(t, <-last)
		h.notify() // idle
		sameMessage(t, SelectMsg{h}, receive(t, mb))
	}
}

// A handle whose function makes a call and wants to be met again is in one list at a time: its call's message comes instead.
func TestHandleFuncThatWaitsAndWantsMore(t *testing.T) {
	a, b := pair(t, Stream)
	first, mb := NewMailbox(), NewMailbox()
	head := waitsFor(t, a, NoWait(first))
	calls := 0
	var h *Handle
	h = mb.newHandleFunc(nil, func(m Message) (Message, bool) {
		if calls++; calls > 1 {
			return m, false
		}
		waitsFor(t, a, With(h)) // queued
		return nil, true
	})
	h.notify()
	_, ok := mb.Poll()
	assert.False(t, ok)
	assert.Zero(t, mb.Len())
	last := make(chan error, 1)
	go func() { _, err := a.Recv(make([]byte, 1), 0, Within(patience)); last <- err }()
	queued(t, a, reading, 2)
	require.NoError(t, a.Cancel((*Select)(head)))
	_, err := b.Send([]byte("xy"), 0, Forever)
	require.NoError(t, err)
	sameMessage(t, SelectMsg{h}, receive(t, mb))
	_, err = a.Recv(make([]byte, 1), 0, With(h))
	require.NoError(t, err)
	require.NoError(t, <-last)
}

// A mailbox that closes while messages move to it keeps none of those that had not: they stay where they were.
func TestMoveToAMailboxThatCloses(t *testing.T) {
	from, to := NewMailbox(), NewMailbox()
	for i := range 4 {
		require.NoError(t, from.Post(note(i)))
	}
	n, err := from.move(to, func(m Message) bool {
		if m == note(2) {
			require.NoError(t, to.Close())
		}
		return true
	})
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.Equal(t, 2, n)
	assert.Equal(t, []Message{note(2), note(3)}, all(from))
}

// Two mailboxes that move to each other do not lock each other out, and lose nothing.
func TestMoveBothWays(t *testing.T) {
	a, b := NewMailbox(), NewMailbox()
	const n = 50
	for i := range n {
		require.NoError(t, a.Post(note(i)))
		require.NoError(t, b.Post(note(n+i)))
	}
	done := make(chan bool)
	for _, m := range [][2]*Mailbox{{a, b}, {b, a}} {
		go func() {
			for range 50 {
				m[0].move(m[1], anything)
			}
			done <- true
		}()
	}
	<-done
	<-done
	seen := map[Message]bool{}
	for _, m := range append(all(a), all(b)...) {
		seen[m] = true
	}
	assert.Len(t, seen, 2*n)
}

// A mailbox queues once in each direction of each socket, however many others wait.
func TestMailboxQueuesOnce(t *testing.T) {
	a, _ := pair(t, Stream)
	c, _ := pair(t, Stream)
	first := NewMailbox()
	waitsFor(t, a, NoWait(first))
	waitsFor(t, c, NoWait(first))
	fill(t, a)
	_, err := a.Send(make([]byte, 1), 0, NoWait(first))
	require.ErrorAs(t, err, new(*Select))
	var mbs []*Mailbox
	for range 5 {
		mb := NewMailbox()
		mbs = append(mbs, mb)
		_, err := a.Send(make([]byte, 1), 0, NoWait(mb))
		require.ErrorAs(t, err, new(*Select))
		waitsFor(t, a, NoWait(mb))
		waitsFor(t, c, NoWait(mb))
		for range 9 { // calls elsewhere, so that both lists are long
			s, _ := pair(t, Stream)
			waitsFor(t, s, NoWait(mb))
		}
	}
	for _, mb := range mbs {
		for _, s := range []*Socket{a, c} {
			_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
			assert.ErrorIs(t, err, ErrState)
		}
		_, err := a.Send(make([]byte, 1), 0, NoWait(mb))
		assert.ErrorIs(t, err, ErrState)
	}
	for i, mb := range mbs { // a call that is called off may queue again
		if i%2 == 0 {
			require.NoError(t, mb.Close())
		}
	}
	queued(t, a, reading, 2)
	queued(t, a, writing, 2)
	queued(t, c, reading, 2)
}

// Monitors end in any order, and the others are still known, in theirs.
func TestMonitorsInWhateverOrderTheyEnd(t *testing.T) {
	for _, order := range [][]int{{0}, {1}, {2}, {0, 1}, {2, 1}, {1, 0}, {0, 1, 2}, {2, 0, 1}} {
		s, err := Open(Inet, Dgram, UDP)
		require.NoError(t, err)
		mb := NewMailbox()
		var ms []*Monitor
		for range 3 {
			m, err := s.Monitor(mb)
			require.NoError(t, err)
			ms = append(ms, m)
		}
		ended := map[*Monitor]bool{}
		for _, i := range order {
			assert.True(t, ms[i].Cancel())
			assert.False(t, ms[i].Cancel())
			ended[ms[i]] = true
			var want []*Monitor
			for _, m := range ms {
				if !ended[m] {
					want = append(want, m)
				}
			}
			require.Equal(t, want, s.WhichMonitors())
			require.Equal(t, want, mb.WhichMonitors())
		}
		last, err := s.Monitor(mb)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		var got []*Monitor
		for _, m := range all(mb) {
			got = append(got, m.(DownMsg).Monitor)
		}
		assert.Len(t, got, 4-len(order))
		assert.Same(t, last, got[len(got)-1])
		assert.Empty(t, s.MonitoredBy())
	}
}
