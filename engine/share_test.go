package engine_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/loopcall"
	"github.com/esock-go/esock/internal/testwait"
)

// batches notes how many results the turns of loops may have, at the least and now.
func batches(t *testing.T) (least, now *atomic.Int64) {
	least, now = new(atomic.Int64), new(atomic.Int64)
	least.Store(1 << 30)
	note := func(most int) {
		now.Store(int64(most))
		least.Store(min(least.Load(), int64(most)))
	}
	turn, wait := loopcall.Turn, loopcall.Wait
	loopcall.Turn = func(q unsafe.Pointer, ops *unsafe.Pointer, n int, results *loopcall.Result, most int) int {
		note(most)
		return turn(q, ops, n, results, most)
	}
	loopcall.Wait = func(q unsafe.Pointer, ops *unsafe.Pointer, n int, results *loopcall.Result, most, ms int) int {
		note(most)
		return wait(q, ops, n, results, most, ms)
	}
	t.Cleanup(func() { loopcall.Turn, loopcall.Wait = turn, wait })
	return least, now
}

// A loop with much to do lets other goroutines run between its handlers if those take long, and then does less in a
// turn. When they are quick again it does more.
func TestALoopSharesTheProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	step := steps(t) // only handlers that are slow move the clock
	least, most := batches(t)
	l := run(t, engine.Spin(0))
	const conns = 600
	slow, handled := true, 0
	var others atomic.Int64
	var last, gap, longest int64
	all := make(chan struct{}, 1)
	h := handler{received: func(*engine.Conn, []byte) {
		if slow {
			step.Store(int64(50 * time.Microsecond))
			loopcall.Clock()
			step.Store(0)
		}
		if n := others.Load(); n != last {
			last, gap = n, 0
		}
		gap++
		longest = max(longest, gap)
		if handled++; handled%conns == 0 {
			all <- struct{}{}
		}
	}}
	var peers []*esock.Socket
	for range conns {
		a, b := pair(t)
		peers = append(peers, b)
		_, err := l.Adopt(a, h)
		require.NoError(t, err)
	}
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				others.Add(1)
				runtime.Gosched()
			}
		}
	}()
	defer close(stop)
	round := func() {
		in(t, l, func() {
			for _, p := range peers {
				_, err := p.Send([]byte("x"), 0, esock.Forever)
				assert.NoError(t, err)
			}
		})
		testwait.Result(t, "the results", all)
	}
	round()
	in(t, l, func() { longest = 0 }) // the first turn knows nothing of the handlers
	for range 5 {
		round()
	}
	require.EqualValues(t, 64, least.Load())
	// A few small turns may come before one that is large enough to yield. Without a yield it is all of a round.
	in(t, l, func() { assert.LessOrEqual(t, longest, int64(2*64)) })
	slow = false
	for range 5 {
		round()
	}
	require.EqualValues(t, 256, most.Load())
}
