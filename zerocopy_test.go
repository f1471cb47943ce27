package esock

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestErrorsAreReadWithASpinBudget(t *testing.T) {
	s, err := Open(Inet, Dgram, UDP)
	require.NoError(t, err)
	defer s.Close()
	var m Msg
	_, err = s.RecvErr(&m, Within(time.Millisecond).Spin(time.Millisecond))
	assert.Equal(t, ErrTimeout, err)
}

func TestZeroCopyNeedsAnErrorQueue(t *testing.T) {
	a, _ := pair(t, Stream)
	_, err := a.ZeroCopy()
	assert.ErrorIs(t, err, syscall.EOPNOTSUPP)
	_, err = new(ZeroCopy).Send([]byte("x"), Forever)
	assert.ErrorIs(t, err, ErrState)
}

// A whole zero-copy send holds the lane: nothing comes between its parts, and its time is one.
func TestZeroCopySendIsOneCall(t *testing.T) {
	c, peer := tcpLink(t)
	z, err := c.ZeroCopy()
	require.NoError(t, err)
	const size = 8 << 20
	sent := make(chan error, 1)
	go func() {
		n, err := z.Send(bytes.Repeat([]byte("z"), size), Forever)
		assert.Equal(t, size, n)
		sent <- err
	}()
	parked(t, c, writing)
	other := make(chan error, 1)
	go func() {
		_, err := c.Send([]byte("other"), 0, Forever)
		other <- err
	}()
	queued(t, c, writing, 1)
	got := make([]byte, size+5)
	_, err = peer.RecvFull(got, 0, Forever)
	require.NoError(t, err)
	require.NoError(t, <-sent)
	require.NoError(t, <-other)
	assert.Equal(t, size, bytes.Count(got[:size], []byte("z")))
	assert.Equal(t, "other", string(got[size:]))
}
