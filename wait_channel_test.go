package esock

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whenever a waiter's time is neither the call's deadline nor the direction's, it has none.
func TestWaiterAimsAtTheEarlierDeadline(t *testing.T) {
	s, _ := pair(t, Stream)
	hour := clock() + time.Hour
	for _, own := range []time.Duration{0, hour} {
		wt := newWaiter(s, OpRecv, own)
		for _, bound := range []time.Duration{hour + 1, hour - 1, hour - 1, 1, 0, hour + 1, 0} {
			wt.aim(bound)
			want := earlier(own, bound)
			assert.Equal(t, want, wt.at)
			if want == 1 {
				within(t, wt.timer.C, "a deadline that has passed")
				continue
			}
			runs := wt.timer.Stop()
			assert.Equal(t, want != 0, runs, "the timer")
			if runs {
				wt.timer.Reset(time.Until(realTime(want)))
			}
		}
		wt.free()
	}
}

func TestNewWaiterHasTheDirectionsDeadline(t *testing.T) {
	s, _ := pair(t, Stream)
	require.NoError(t, s.SetReadDeadline(inHours()))
	bound := s.blk.Load().bounds[reading].get()
	for own, want := range map[time.Duration]time.Duration{0: bound, bound - 1: bound - 1, bound + 1: bound} {
		wt := newWaiter(s, OpRecv, own)
		assert.Equal(t, want, wt.at)
		wt.free()
	}
	wt := newWaiter(s, OpSend, 0)
	assert.Zero(t, wt.at)
	wt.free()
}

// The timer of a waiter that is used again must not end that wait.
func TestFreeWaiterHasNoTime(t *testing.T) {
	s, _ := pair(t, Stream)
	wt := newWaiter(s, OpRecv, clock()+time.Hour)
	timer := wt.timer
	wt.free()
	assert.False(t, timer.Stop(), "the timer runs")
	assert.Zero(t, wt.at)
}

// A call that waited for its turn in vain leaves nothing in the lane.
func TestWaiterThatEndsLeavesTheQueue(t *testing.T) {
	s, _ := pair(t, Stream)
	mb := NewMailbox()
	defer mb.Close()
	_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
	var sel *Select
	require.ErrorAs(t, err, &sel)
	assert.Equal(t, ErrTimeout, recvByte(s)(Within(time.Nanosecond)))
	l := s.lane(reading)
	assert.Nil(t, l.head)
	assert.Nil(t, l.tail)
	require.NoError(t, s.Cancel(sel))
	assert.True(t, laneIsFree(s, reading))
}

// A waiter that is used again does not end with the reason of the wait before.
func TestWaiterIsUsedAgainWithoutItsReason(t *testing.T) {
	s, _ := pair(t, Stream)
	s.mu.Lock()
	wt := newWaiter(s, OpRecv, 0)
	s.mu.Unlock()
	wt.ext.reason = net.ErrClosed // as when the queue that it waits in is closed
	ext := &wt.ext
	wt.free()
	assert.NoError(t, ext.reason)
}
