package esock

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A deadline that is taken away stops the timer of the call that it was set for.
func TestDeadlineTakenAwayStopsItsTimer(t *testing.T) {
	s, _ := pair(t, Stream)
	s.mu.Lock()
	defer s.mu.Unlock()
	wt := newWaiter(s, OpRecv, 0)
	wt.aim(clock() + time.Hour)
	wt.aim(0)
	assert.False(t, wt.timer.Stop(), "the timer runs")
	wt.free()
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
