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
