package esock

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A select message becomes an abort while match looks at it: the receiver wakes for what it is now.
func TestReceiveMatch_MessageThatChangesUnderIt(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
	sel := err.(*Select)
	_, err = a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	eventually(t, sel.Handle().Unseen, "the select message")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	looked := false
	msg, err := mb.ReceiveMatch(ctx, func(m Message) bool {
		if _, aborted := m.(AbortMsg); aborted {
			return true
		}
		if !looked {
			looked = true
			mb.aborted(sel.Handle(), ErrCancelled) // as a call with another handle does
		}
		return false
	})
	require.NoError(t, err)
	sameMessage(t, AbortMsg{sel.Handle(), ErrCancelled}, msg)
}

// A handle is in one list at a time: that of its lane, while it is queued.
func TestNotify_OfACallIsRefused(t *testing.T) {
	a, b := pair(t, Stream)
	m1, m2 := NewMailbox(), NewMailbox()
	h := m2.NewHandle()
	assert.NoError(t, h.Notify())
	assert.True(t, h.Retract())
	_, err := b.Recv(make([]byte, 1), 0, NoWait(m1))
	s1 := err.(*Select)
	require.ErrorIs(t, s1.Handle().Notify(), &InvalidError{What: "handle"}, "it holds the lane")
	_, err = b.Recv(make([]byte, 1), 0, With(h))
	require.IsType(t, (*Select)(nil), err)
	behind := make(chan error, 1)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Within(10*time.Second)); behind <- err }()
	queued(t, b, reading, 2)
	require.ErrorIs(t, h.Notify(), &InvalidError{What: "handle"})
	assert.Zero(t, m2.Len())
	queued(t, b, reading, 2)
	require.NoError(t, b.Cancel(s1))
	require.NoError(t, b.Cancel((*Select)(h)))
	_, err = a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	assert.NoError(t, <-behind)
	require.NoError(t, m2.Close())
	assert.ErrorIs(t, h.Notify(), net.ErrClosed)
	assert.ErrorIs(t, (&Handle{}).Notify(), net.ErrClosed)
}

type numbered int

func (numbered) Socket() *Socket { return nil }

// A message is in one mailbox or in the other, whatever is closed meanwhile.
func TestMove_TargetThatCloses(t *testing.T) {
	from, to := NewMailbox(), NewMailbox()
	for i := range 3 {
		require.NoError(t, from.Post(numbered(i)))
	}
	n, err := from.Move(to, func(m Message) bool {
		if m == numbered(1) {
			require.NoError(t, to.Close())
		}
		return true
	})
	assert.Equal(t, 1, n)
	assert.ErrorIs(t, err, net.ErrClosed)
	for i := 1; i < 3; i++ {
		msg, ok := from.Poll()
		assert.True(t, ok)
		assert.Equal(t, numbered(i), msg)
	}
	assert.Zero(t, from.Len())
}

func TestMove_BothWays(t *testing.T) {
	a, b := NewMailbox(), NewMailbox()
	const messages = 200
	for i := range messages {
		require.NoError(t, a.Post(numbered(i)))
	}
	all := func(Message) bool { return true }
	done := make(chan error, 2)
	move := func(from, to *Mailbox) {
		var errs error
		for range 200 {
			_, err := from.Move(to, all)
			errs = errors.Join(errs, err)
		}
		done <- errs
	}
	go move(a, b)
	go move(b, a)
	for range 2 {
		select {
		case err := <-done:
			assert.NoError(t, err)
		case <-time.After(10 * time.Second):
			t.Fatal("they wait for each other")
		}
	}
	assert.Equal(t, messages, a.Len()+b.Len())
}

// Calling off what many have queued takes as long as it takes for each: the queue is not searched.
func TestManyQueuedCallsAreCalledOff(t *testing.T) {
	_, b := pair(t, Stream)
	const calls = 20000
	holder := NewMailbox()
	_, err := b.Recv(make([]byte, 1), 0, NoWait(holder))
	held := err.(*Select)
	var sels []*Select
	for range calls {
		mb := NewMailbox()
		_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
		sels = append(sels, err.(*Select))
		_, err = b.Recv(make([]byte, 1), 0, NoWait(mb))
		require.ErrorIs(t, err, ErrState, "one call of a mailbox at a time")
	}
	b.mu.Lock()
	assert.Len(t, b.lanes[reading].crowd, calls)
	b.mu.Unlock()
	for i := len(sels) - 1; i >= 0; i-- { // those at the end first
		require.NoError(t, b.Cancel(sels[i]))
	}
	b.mu.Lock()
	assert.Nil(t, b.lanes[reading].crowd)
	b.mu.Unlock()
	_, err = b.Recv(make([]byte, 1), 0, NoWait(sels[0].mb))
	require.IsType(t, (*Select)(nil), err)
	assert.NoError(t, b.Cancel(err.(*Select)), "and it may queue again")
	assert.NoError(t, b.Cancel(held))
}
