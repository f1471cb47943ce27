package esock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// calledOut is how often callOut has looked when it kicks for the n-th time; asleep is what it finds.
func calledOut(t *testing.T, asleep bool, n int) int {
	t.Helper()
	drained, when := make(chan struct{}), make(chan int, 1)
	looks, kicks := 0, 0
	go callOut(drained, func() bool { looks++; return asleep }, func() {
		if kicks++; kicks == n {
			when <- looks
			close(drained)
		}
	})
	return within(t, when, "the kick")
}

// A call that sleeps for good is called out each time.
func TestCloseCallsOutWhoeverIsAsleep(t *testing.T) {
	assert.Equal(t, 3, calledOut(t, true, 3))
}

// A call that is not asleep, such as a sendfile that waits for the disk, would begin anew each time: it is left alone for long.
func TestCloseLeavesWhoeverWaitsForTheDisk(t *testing.T) {
	assert.Equal(t, 6, calledOut(t, false, 1))
	late, pause := 0, firstKick
	for range 100 {
		var now bool
		if pause, now = pauseAfter(pause); now {
			late++
		}
	}
	assert.Equal(t, 1, late, "and is called out once")
	assert.Equal(t, time.Second, pause)
}
