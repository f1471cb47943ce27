package esock

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCompletionOfAReceive(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	h := mb.NewHandle()
	buf := make([]byte, 8)
	for range 3 {
		n, err := a.Recv(buf, 0, CompleteWith(h))
		require.Equal(t, (*Completion)(h), err)
		require.Zero(t, n)
		_, err = a.Recv(buf, 0, Complete(mb))
		require.ErrorIs(t, err, ErrState)
		b.Send([]byte("abc"), 0, Forever)
		msg, err := mb.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, CompletionMsg{h}, msg)
		n, err = msg.(CompletionMsg).Result()
		assert.Equal(t, 3, n)
		assert.NoError(t, err)
		assert.Equal(t, "abc", string(msg.(CompletionMsg).Data()))
	}
	_, err := a.Recv(buf, 0, CompleteWith(h))
	require.Equal(t, (*Completion)(h), err)
	require.NoError(t, a.Cancel(err.(*Completion)))
	_, err = a.Recv(buf, 0, CompleteWith(h))
	require.NoError(t, a.Close())
	msg, _ := mb.Receive(t.Context())
	assert.Equal(t, AbortMsg{h, net.ErrClosed}, msg)
}

// An event may come before the call that handed its operation over has left the lane.
func TestCompletionWhoseEventComesBeforeTheCallLeaves(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	h := mb.NewHandle()
	for how, leave := range map[string]func(){
		"it leaves": func() { b.leave(OpRecv, nil) },
		"cancelled first": func() {
			require.NoError(t, b.Cancel((*Completion)(h)))
			b.leave(OpRecv, nil)
		},
	} {
		t.Run(how, func(t *testing.T) {
			buf := make([]byte, 1)
			x, w := call{op: OpRecv, buf: buf}, CompleteWith(h)
			require.NoError(t, b.enter(&x, &w))
			require.Equal(t, (*Completion)(h), b.selectOn(&x, &w, 0))
			_, err := a.Send([]byte("x"), 0, Forever)
			require.NoError(t, err)
			eventually(t, func() bool {
				b.mu.Lock()
				defer b.mu.Unlock()
				return h.due
			}, "the event")
			require.Zero(t, mb.Len())
			leave()
			if how != "it leaves" {
				n, err := b.Recv(buf, 0, Within(patience))
				require.NoError(t, err)
				require.Equal(t, 1, n)
				require.Zero(t, mb.Len())
				return
			}
			msg, err := mb.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, "x", string(msg.(CompletionMsg).Data()))
		})
	}
	assert.Zero(t, b.state.Load()&(stOwned(reading)|stSlow(reading)))
}

// A socket that a loop of package engine serves takes no call of any form.
func TestCompletionOnALoopsSocket(t *testing.T) {
	_, b := pair(t, Stream)
	require.NoError(t, b.holdForLoop(func() {}))
	defer b.letGo()
	mb := NewMailbox()
	_, err := b.Recv(make([]byte, 1), 0, Complete(mb))
	assert.ErrorIs(t, err, errLooped)
	_, err = b.Send([]byte("x"), 0, Complete(mb))
	assert.ErrorIs(t, err, errLooped)
}
