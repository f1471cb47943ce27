package esock

import (
	"context"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stuckIn waits until a goroutine waits in a function for what the runtime calls why.
func stuckIn(t *testing.T, function, why string) {
	t.Helper()
	stacks := make([]byte, 4<<20)
	eventually(t, func() bool {
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if head, calls, _ := strings.Cut(stack, "\n"); strings.Contains(head, why) && strings.Contains(calls, function) {
				return true
			}
		}
		return false
	}, "a goroutine in "+function)
}

// The turn of a queued call comes in the moment in which its wait ends. A call whose time is over has the lane, and looks once;
// one that was called off passes it on; one whose socket closed has none.
func TestTurnThatComesWhenTheWaitEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	over := Until(time.Now().Add(-time.Second))
	for name, c := range map[string]struct {
		w    Wait
		come func(s *Socket)
		want error
		owns bool
	}{
		"a time":         {over, func(s *Socket) { s.promote(reading) }, nil, true},
		"a context":      {Context(ctx), func(s *Socket) { s.promote(reading) }, context.Canceled, false},
		"a time, closed": {over, func(s *Socket) { s.abortQueue(s.lane(reading), net.ErrClosed) }, ErrTimeout, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := pair(t, Stream)
			wt := newWaiter(s, OpRecv, c.w.deadline(s))
			wt.h.state = handleQueued
			s.mu.Lock()
			s.lane(reading).push(&wt.h)
			got := make(chan error, 1)
			go func() { got <- s.awaitTurn(&call{op: OpRecv}, wt, &c.w) }()
			stuckIn(t, "awaitTurn", "sync.Mutex.Lock") // its wait has ended
			c.come(s)
			s.mu.Unlock()
			assert.Equal(t, c.want, within(t, got, "the end of its wait"))
			assert.Equal(t, c.owns, s.state.Load()&stOwned(reading) != 0)
			if c.owns {
				s.leave(OpRecv, nil)
			}
			require.True(t, laneIsFree(s, reading))
		})
	}
}
