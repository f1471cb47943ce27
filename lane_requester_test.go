package esock

import (
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A mailbox's call comes while another of the same mailbox is in the kernel, and both have to wait: only one of them does.
// The other would wait behind it, for the mailbox's own next call.
func TestMailboxDoesNotQueueBehindItself(t *testing.T) {
	for _, again := range []bool{false, true} {
		name := "a first call"
		if again {
			name = "the next call of the lane's holder"
		}
		t.Run(name, func(t *testing.T) {
			peer, s, _ := lanePair(t)
			mb, other := NewMailbox(), NewMailbox()
			inside, goOn := make(chan struct{}), make(chan struct{})
			gate := false
			hooked(t, func(bool) int {
				if gate {
					gate = false
					close(inside)
					<-goOn
				}
				return -int(syscall.EAGAIN)
			})
			first := mb.NewHandle()
			if again {
				require.ErrorAs(t, turn(s, With(first)), new(*Select))
			}
			gate = true
			h1, h2, h3 := mb.NewHandle(), mb.NewHandle(), other.NewHandle()
			one := make(chan error, 1)
			go func() { one <- turn(s, With(h1)) }()
			<-inside
			require.ErrorAs(t, turn(s, With(h3)), new(*Select))
			require.ErrorAs(t, turn(s, With(h2)), new(*Select))
			queued(t, s, reading, 2)
			close(goOn)
			require.ErrorAs(t, within(t, one, "the first call's end"), new(*Select))
			queued(t, s, reading, 1)
			if again {
				sameMessage(t, AbortMsg{first, ErrCancelled}, receive(t, mb))
			}
			sameMessage(t, AbortMsg{h2, ErrCancelled}, receive(t, mb))
			assert.False(t, h2.Busy())

			rawWrite(peer)
			sameMessage(t, SelectMsg{h1}, receive(t, mb))
			require.NoError(t, s.Cancel((*Select)(h1)))
			sameMessage(t, SelectMsg{h3}, receive(t, other))
			require.NoError(t, s.Cancel((*Select)(h3)))
			assert.True(t, laneIsFree(s, reading))
			assert.Nil(t, mb.pending.head)
			assert.Zero(t, mb.Len())
		})
	}
}

// The blocking call of a mailbox that is queued when another of the mailbox comes to hold the lane is told, not left to wait.
func TestBlockingCallOfAMailboxDoesNotQueueBehindIt(t *testing.T) {
	peer, s, _ := lanePair(t)
	mb := NewMailbox()
	inside, goOn := make(chan struct{}), make(chan struct{})
	gate := true
	hooked(t, func(bool) int {
		if gate {
			gate = false
			close(inside)
			<-goOn
		}
		return -int(syscall.EAGAIN)
	})
	h := mb.NewHandle()
	one, two, three := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { one <- turn(s, With(h)) }()
	<-inside
	go func() { two <- turn(s, Forever.As(mb)) }()
	queued(t, s, reading, 1)
	go func() { three <- turn(s, Forever.As(NewMailbox())) }()
	queued(t, s, reading, 2)
	close(goOn)
	require.ErrorAs(t, within(t, one, "the asynchronous call's end"), new(*Select))
	require.ErrorIs(t, within(t, two, "the blocking call's end"), ErrState)
	queued(t, s, reading, 1)
	rawWrite(peer)
	sameMessage(t, SelectMsg{h}, receive(t, mb))
	require.NoError(t, s.Close())
	require.ErrorIs(t, within(t, three, "the end of the other's call"), net.ErrClosed)
	assert.Zero(t, s.lanes[reading].named)
}

// A layer above the socket has requests of its own, which As does not name.
func TestAsIsIgnoredBelowALayer(t *testing.T) {
	_, b := pair(t, Stream)
	b.facts.Or(factLayered)
	mb := NewMailbox()
	_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
	sel, _ := err.(*Select)
	require.NotNil(t, sel)
	_, err = b.Recv(make([]byte, 1), 0, Within(0).As(mb))
	assert.Equal(t, ErrTimeout, err)
	_, err = b.Recv(nil, MsgPeek, Within(0).As(mb))
	assert.Equal(t, nil, err)
	assert.Zero(t, mb.Len())
	assert.True(t, sel.Handle().Busy())
}

// A call that has moved a part is the lane's current request until it leaves. Once it has a handle the handle is: the mailbox's
// next call waits until the call has left, and takes the handle's place.
func TestMailboxDoesNotQueueBehindItsCallThatLeaves(t *testing.T) {
	_, s, _ := lanePair(t)
	mb := NewMailbox()
	hooked(t, func(bool) int { return -int(syscall.EAGAIN) })
	h1, h2 := mb.NewHandle(), mb.NewHandle()
	c, w := hookedCall(), With(h1)
	require.NoError(t, s.enter(c, &w))
	s.park(reading, OpRecv) // between two tries
	require.ErrorAs(t, s.selectOn(c, &w, 0), new(*Select))

	two := make(chan error, 1)
	go func() { two <- turn(s, With(h2)) }()
	for range 500 {
		runtime.Gosched()
	}
	assert.Empty(t, two, "the owner is soon out")
	s.leave(c.op, nil)
	require.ErrorAs(t, within(t, two, "the second call's end"), new(*Select))
	sameMessage(t, AbortMsg{h1, ErrCancelled}, receive(t, mb))
	queued(t, s, reading, 0)
	require.NoError(t, s.Cancel((*Select)(h2)))
	assert.True(t, laneIsFree(s, reading))
}

// A call that is done lets the one through that came meanwhile, as before.
func TestCallsOfAMailboxThatGoOnLetTheNextThrough(t *testing.T) {
	peer, s, _ := lanePair(t)
	mb := NewMailbox()
	inside, goOn := make(chan struct{}), make(chan struct{})
	hooked(t, func(bool) int { close(inside); <-goOn; return 1 })
	one := make(chan error, 1)
	go func() { one <- turn(s, NoWait(mb)) }()
	<-inside
	h2 := mb.NewHandle()
	require.ErrorAs(t, turn(s, With(h2)), new(*Select))
	close(goOn)
	require.NoError(t, within(t, one, "the first call's end"))
	rawWrite(peer)
	sameMessage(t, SelectMsg{h2}, receive(t, mb))
	require.NoError(t, s.Cancel((*Select)(h2)))
	assert.True(t, laneIsFree(s, reading))
}

// Goroutines that share a mailbox call at once, in every state of the lane: when all calls have returned, one of them waits,
// and every other has its answer.
func TestRaceCallsOfOneMailbox(t *testing.T) {
	for name, recv := range map[string]func(s *Socket, w Wait) error{
		"Recv":     func(s *Socket, w Wait) error { _, err := s.Recv(make([]byte, 4), 0, w); return err },
		"RecvFull": func(s *Socket, w Wait) error { _, err := s.RecvFull(make([]byte, 4), 0, w); return err },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, Stream)
			mb := NewMailbox()
			const callers, rounds = 3, 300
			for range rounds {
				results := make([]error, callers)
				start := make(chan struct{})
				var wg sync.WaitGroup
				for g := range callers {
					wg.Go(func() { <-start; results[g] = recv(b, NoWait(mb)) })
				}
				wg.Go(func() { <-start; a.Send([]byte("x"), 0, Forever) })
				close(start)
				wg.Wait()

				b.mu.Lock()
				l := b.lane(reading)
				cur := l.cur
				alone := cur == nil || l.head == nil
				b.mu.Unlock()
				require.True(t, alone, "a call waits for the next call of its own mailbox")
				waiting := map[*Handle]bool{}
				for _, err := range results {
					if sel, ok := err.(*Select); ok {
						waiting[sel.Handle()] = true
					} else if err != nil {
						require.ErrorIs(t, err, ErrState, "queued already")
					}
				}
				for {
					msg, ok := mb.PollMatch(func(msg Message) bool { _, ok := msg.(AbortMsg); return ok })
					if !ok {
						break
					}
					require.Equal(t, ErrCancelled, msg.(AbortMsg).Reason)
					delete(waiting, handleOf(msg))
				}
				require.LessOrEqual(t, len(waiting), 1)
				for h := range waiting {
					require.NoError(t, b.Cancel((*Select)(h)))
				}
				require.Zero(t, mb.Len())
				for {
					if _, err := b.Recv(make([]byte, 64), 0, Within(0)); err != nil {
						require.Equal(t, ErrTimeout, err)
						break
					}
				}
				require.True(t, laneIsFree(b, reading))
			}
		})
	}
}
