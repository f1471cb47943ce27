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
		all = append(all, got)
	}
	require.NoError(t, mb.Close())
	for _, got := range all {
		assert.ErrorIs(t, (<-got).err, net.ErrClosed)
	}
}
