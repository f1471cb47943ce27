package esock

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gate is a context that stops its receiver between the look at the mailbox, which found nothing, and the wait.
type gate struct {
	context.Context
	reached, open chan struct{}
}

func newGate(t *testing.T) gate {
	ctx, cancel := context.WithTimeout(context.Background(), patience) // only a failure waits so long
	t.Cleanup(cancel)
	return gate{ctx, make(chan struct{}, 1), make(chan struct{})}
}

func (g gate) Done() <-chan struct{} {
	select {
	case g.reached <- struct{}{}:
	default:
	}
	<-g.open
	return g.Context.Done()
}

type received struct {
	msg Message
	err error
}

// receiveBehind starts a receiver that has looked and does not wait yet.
func receiveBehind(t *testing.T, f func(context.Context) (Message, error)) (g gate, got chan received) {
	g, got = newGate(t), make(chan received, 1)
	go func() {
		msg, err := f(g)
		got <- received{msg, err}
	}()
	<-g.reached
	return g, got
}

// Two messages come while two receivers have looked and do not wait yet: there is one wake-up, and the one that gets it wakes
// the other. So it is whichever way the first message is received.
func TestReceiverWakesTheNext(t *testing.T) {
	for name, post := range map[string]func(mb *Mailbox, h *Handle){
		"a message of its own":                func(mb *Mailbox, h *Handle) { mb.Post(note(1)) },
		"a message through a function":        func(mb *Mailbox, h *Handle) { h.notify() },
		"a message of a call":                 func(mb *Mailbox, h *Handle) { mb.selected(mb.NewHandle()) },
		"a message that was refused to first": func(mb *Mailbox, h *Handle) { mb.PollMatch(func(Message) bool { return false }); mb.Post(note(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			mb := NewMailbox()
			h := mb.newHandleFunc(nil, func(Message) (Message, bool) { return note(1), false })
			g1, got1 := receiveBehind(t, mb.Receive)
			g2, got2 := receiveBehind(t, mb.Receive)
			post(mb, h)
			require.NoError(t, mb.Post(note(2)))
			close(g1.open)
			require.NoError(t, (<-got1).err)
			close(g2.open)
			r := <-got2
			require.NoError(t, r.err, "it sleeps beside a message")
			assert.Equal(t, note(2), r.msg)
		})
	}
}

// The function of a handle may give nothing, or have more: what is behind is still received.
func TestReceiverThatGotNothingWakesTheNext(t *testing.T) {
	for name, more := range map[string]bool{"nothing": false, "more": true} {
		t.Run(name, func(t *testing.T) {
			mb := NewMailbox()
			asked := 0
			h := mb.newHandleFunc(nil, func(Message) (Message, bool) {
				asked++
				return nil, more && asked == 1
			})
			g1, got1 := receiveBehind(t, mb.Receive)
			g2, got2 := receiveBehind(t, mb.Receive)
			require.NoError(t, mb.Post(note(1)))
			h.notify()
			require.NoError(t, mb.Post(note(2)))
			close(g1.open)
			assert.Equal(t, received{note(1), nil}, <-got1)
			close(g2.open)
			assert.Equal(t, received{note(2), nil}, <-got2)
		})
	}
}

// A receiver with a match hears of every message by itself, also of one that a plain receiver was woken for.
func TestWhoChoosesHearsOfEveryMessage(t *testing.T) {
	mb := NewMailbox()
	wants := func(n note) func(context.Context) (Message, error) {
		return func(ctx context.Context) (Message, error) {
			return mb.ReceiveMatch(ctx, func(m Message) bool { return m == n })
		}
	}
	g1, got1 := receiveBehind(t, wants(1))
	g2, got2 := receiveBehind(t, wants(2))
	g3, got3 := receiveBehind(t, mb.Receive)
	for _, n := range []note{2, 1, 3} {
		require.NoError(t, mb.Post(n))
	}
	close(g1.open)
	assert.Equal(t, received{note(1), nil}, <-got1)
	close(g2.open)
	assert.Equal(t, received{note(2), nil}, <-got2)
	close(g3.open)
	assert.Equal(t, received{note(3), nil}, <-got3)
}

// Close reaches every receiver, whatever it waits for.
func TestCloseOfAMailboxWakesEveryReceiver(t *testing.T) {
	mb := NewMailbox()
	var all []chan received
	for i := range 6 {
		f := mb.Receive
		if i%2 == 0 {
			f = func(ctx context.Context) (Message, error) {
				return mb.ReceiveMatch(ctx, func(Message) bool { return false })
			}
		}
		g, got := receiveBehind(t, f)
		close(g.open)
		all = append(all, got, receiveAnyway(mb))
	}
	countWaiting(t, mb, 6)
	require.NoError(t, mb.Close())
	for _, got := range all {
		assert.ErrorIs(t, (<-got).err, net.ErrClosed)
	}
}

// receiveAnyway starts a receiver whose wait cannot end by itself.
func receiveAnyway(mb *Mailbox) (got chan received) {
	got = make(chan received, 1)
	go func() {
		msg, err := mb.Receive(context.Background())
		got <- received{msg, err}
	}()
	return got
}

// countWaiting waits until n such receivers wait, or are about to.
func countWaiting(t *testing.T, mb *Mailbox, n int) {
	eventually(t, func() bool {
		mb.mu.Lock()
		defer mb.mu.Unlock()
		return mb.waiting == n
	}, "the receivers that wait")
}

// Receivers whose wait cannot end share the messages with those that a context can end, and each message reaches one.
func TestReceiversOfEveryKindShareTheMessages(t *testing.T) {
	mb := NewMailbox()
	var all []chan received
	for range 3 {
		g, got := receiveBehind(t, mb.Receive)
		all = append(all, got, receiveAnyway(mb))
		close(g.open)
	}
	countWaiting(t, mb, 3)
	seen := map[Message]bool{}
	for i := range all {
		require.NoError(t, mb.Post(note(i)))
	}
	for _, got := range all {
		r := within(t, got, "a message")
		require.NoError(t, r.err)
		seen[r.msg] = true
	}
	assert.Len(t, seen, len(all))
	assert.Zero(t, mb.Len())
}

// A user of Wake that takes wake-ups and receives nothing takes none from receivers.
func TestUserOfWakeTakesNothingFromReceivers(t *testing.T) {
	mb := NewMailbox()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-mb.Wake():
			case <-stop:
				return
			}
		}
	}()
	for i := range 50 {
		a, b := receiveAnyway(mb), receiveAnyway(mb)
		countWaiting(t, mb, 2)
		require.NoError(t, mb.Post(note(i)))
		require.NoError(t, mb.Post(note(i)))
		within(t, a, "a message")
		within(t, b, "the other")
	}
	a, b := receiveAnyway(mb), receiveAnyway(mb)
	countWaiting(t, mb, 2)
	require.NoError(t, mb.Close())
	assert.ErrorIs(t, within(t, a, "the end").err, net.ErrClosed)
	assert.ErrorIs(t, within(t, b, "the other's").err, net.ErrClosed)
	close(stop)
	<-stopped
}

// A message that comes while a receiver runs the function of a handle, which gives nothing, is received by it.
func TestMessageDuringAFunctionThatGivesNothing(t *testing.T) {
	mb := NewMailbox()
	runs, goOn := make(chan struct{}), make(chan struct{})
	h := mb.newHandleFunc(nil, func(Message) (Message, bool) {
		close(runs)
		<-goOn
		return nil, false
	})
	got := receiveAnyway(mb)
	countWaiting(t, mb, 1)
	require.NoError(t, h.notify())
	<-runs
	require.NoError(t, mb.Post(note(1)))
	close(goOn)
	assert.Equal(t, received{note(1), nil}, within(t, got, "the message"))
}
