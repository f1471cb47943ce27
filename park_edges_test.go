package esock

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rouseOnce wakes the call that waits on the C poller, for nothing, and waits until it waits there again.
func rouseOnce(t *testing.T, s *Socket, d direction) {
	t.Helper()
	var was *waiter
	eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		was = s.blk.onPoller[d]
		if was != nil {
			s.wake(d)
		}
		return was != nil
	}, "a call on the C poller")
	eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.blk.onPoller[d] != nil
	}, "the call waits again")
}

// A call that the C poller wakes for nothing goes on with the same wait, however often; it tries once each time.
func TestWokenForNothingOnThePollerIsOneWait(t *testing.T) {
	a, b := pair(t, Stream)
	require.NoError(t, syscall.SetNonblock(fdOf(b), false)) // the runtime's poller refuses it
	got := make(chan error, 1)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Forever); got <- err }()
	parked(t, b, reading)
	for range 3 {
		rouseOnce(t, b, reading)
	}
	c := b.Counters()
	assert.Equal(t, uint64(1), c.ReadWaits)
	assert.LessOrEqual(t, c.ReadTries, uint64(5), "the first, that before the wait, and one for each wake-up")
	_, err := a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	require.NoError(t, within(t, got, "the byte"))
	assert.Equal(t, uint64(1), b.Counters().ReadWaits)
}

// Events that come while a call tries, each time, and mean nothing, do not keep it from waiting.
func TestEventsThatMeetEveryTryAreNoSpin(t *testing.T) {
	peer, s, _ := lanePair(t)
	rawWrite(peer) // poll(2) says that it can be read
	const enough = 1000
	tries := 0
	hooked(t, func(bool) int {
		if tries++; tries < enough {
			s.noteEvent()
		}
		return -int(syscall.EAGAIN)
	})
	var sel *Select
	require.ErrorAs(t, turn(s, NoWait(NewMailbox())), &sel)
	assert.Less(t, tries, enough)
	require.NoError(t, s.Cancel(sel))
}
