package active

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/callback"
	"github.com/esock-go/esock/internal/testwait"
)

// A receive that is called off leaves the queue in one step, however many wait: it uses only the two beside it. So the steps
// to call off thousands are as many as the receives.
func TestLeavingTheQueueTouchesTheNeighboursAlone(t *testing.T) {
	const n = 1000
	for _, at := range []int{0, 1, n / 2, n - 2, n - 1} {
		var q turn
		ws := make([]*waiter, n)
		for i := range ws {
			ws[i] = new(waiter)
			q.push(ws[i])
		}
		// Cut all other links, so that a walk along the queue cannot find the one that leaves.
		for i, w := range ws {
			if i < at-1 || i > at+1 {
				w.prev, w.next = nil, nil
			}
		}
		q.remove(ws[at])
		require.Equal(t, n-1, q.waiting)
		require.Equal(t, waiter{}, *ws[at], "it keeps nothing of the queue")
		switch {
		case at == 0:
			require.Same(t, ws[1], q.first)
			require.Nil(t, ws[1].prev)
		case at == n-1:
			require.Same(t, ws[n-2], q.last)
			require.Nil(t, ws[n-2].next)
		default:
			require.Same(t, ws[at+1], ws[at-1].next)
			require.Same(t, ws[at-1], ws[at+1].prev)
		}
	}
}

// The receives that stay get their turn in the order they came, whichever have left.
func TestTheOrderOfTheQueue(t *testing.T) {
	var q turn
	require.True(t, q.try())
	var ws []*waiter
	for range 10 {
		w := &waiter{came: make(chan struct{})}
		ws = append(ws, w)
		q.push(w)
	}
	for _, i := range []int{0, 9, 4, 5, 1} {
		q.remove(ws[i])
	}
	late := &waiter{came: make(chan struct{})}
	q.push(late)
	for _, w := range []*waiter{ws[2], ws[3], ws[6], ws[7], ws[8], late} {
		select {
		case <-w.came:
			require.Fail(t, "it came before its turn")
		default:
		}
		q.pass()
		<-w.came
	}
	require.Zero(t, q.waiting)
	q.pass()
	require.False(t, q.taken)
	require.Equal(t, turn{}, q)
}

// No method of a caller's context runs under the lock: not in a read, between reads, or in the queue.
func TestAContextMayUseTheConnection(t *testing.T) {
	s := newStream(t, nil)
	parent, cancel := context.WithCancel(t.Context())
	w := esock.Context(callback.Context(parent, func() {
		s.Lock()
		defer s.Unlock()
		s.d.Owner()
	}))
	s.arrives(t, "a")
	errs := make(chan error, 2)
	receive := func() { _, err := s.receive(w); errs <- err }
	receivers := func(n int) {
		t.Helper()
		eventually(t, func() bool { s.Lock(); defer s.Unlock(); return s.d.Receivers() == n })
	}
	var wg sync.WaitGroup
	wg.Go(receive)
	receivers(1)
	wg.Go(receive)
	receivers(2)
	cancel()
	for range 2 {
		require.ErrorIs(t, testwait.Result(t, "a receive's end", errs), context.Canceled)
	}
	wg.Wait()
	s.set(t, false)
}

// queued takes the turn that another has, until it is in the queue.
func queued(t *testing.T, mu *sync.Mutex, q *turn, w esock.Wait) <-chan error {
	t.Helper()
	errs := make(chan error, 1)
	go func() {
		mu.Lock()
		defer mu.Unlock()
		errs <- q.take(mu, w)
	}()
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return q.waiting == 1 || len(errs) == 1 })
	return errs
}

func TestHowAWaitForTheTurnEnds(t *testing.T) {
	var mu sync.Mutex
	q := &turn{taken: true}
	mu.Lock()
	require.Equal(t, esock.ErrTimeout, q.take(&mu, esock.Within(0)), "it does not wait")
	mu.Unlock()
	require.Equal(t, esock.ErrTimeout, <-queued(t, &mu, q, esock.Until(time.Now().Add(time.Millisecond))))
	require.Zero(t, q.waiting)

	// The time of Within begins with the turn.
	errs := queued(t, &mu, q, esock.Within(time.Nanosecond))
	require.Empty(t, errs)
	mu.Lock()
	q.pass()
	mu.Unlock()
	require.NoError(t, testwait.Result(t, "the turn", errs))
	require.True(t, q.taken)
}

// A turn that comes while its receive is called off is passed on.
func TestTheTurnIsNotLost(t *testing.T) {
	var mu sync.Mutex
	for ended := false; !ended; {
		q := &turn{taken: true}
		ctx, cancel := context.WithCancel(t.Context())
		errs := queued(t, &mu, q, esock.Context(ctx))
		mu.Lock()
		cancel() // a receive that waits already sees this first, and then waits for the lock
		q.pass()
		mu.Unlock()
		err := testwait.Result(t, "the end of the wait", errs)
		ended = err != nil
		require.Equal(t, !ended, q.taken)
	}
}

// foreign is a context of another package than context, which needs a goroutine to watch it.
type foreign struct{ context.Context }

func (foreign) Value(any) any { return nil }

// When the turn has come, the queue watches the caller's context no longer: it may live long.
func TestATurnWatchesNoContextAfterwards(t *testing.T) {
	before := goleak.IgnoreCurrent()
	var mu sync.Mutex
	q := &turn{taken: true}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	errs := queued(t, &mu, q, esock.Context(foreign{ctx}))
	require.Empty(t, errs)
	mu.Lock()
	q.pass()
	mu.Unlock()
	require.NoError(t, testwait.Result(t, "the turn", errs))
	goleak.VerifyNone(t, before)
}
