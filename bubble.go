package esock

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Bubbles of testing/synctest.
//
// Goroutines, channels and timers that are made in a bubble belong to it. The bubble ends only when its goroutines have, and
// using its channels from outside is a fatal error. But the poller's goroutine serves the whole process and signals
// mailboxes, and waiters are reused by later calls. So the package makes these outside of every bubble.
//
// Waits in a bubble therefore behave like those of package net: they do not count as blocked, so synctest.Wait waits for
// them, and the bubble's clock stands still meanwhile.
//
// With a simulated kernel in a bubble it is the other way round: simulated.go.

// inBubble reports whether the caller is in a bubble.
func inBubble() bool { return bubbled(time.Now()) }

// bubbled reports whether now was read in a bubble, where times have no monotonic reading.
func bubbled(now time.Time) bool { return now == now.Round(0) }

// newChannel makes a channel outside.
func newChannel(size int) chan struct{} {
	if !inBubble() {
		return make(chan struct{}, size)
	}
	var c chan struct{}
	outside(func() { c = make(chan struct{}, size) })
	return c
}

// newTimer makes a timer outside.
func newTimer(d time.Duration) *time.Timer {
	if !inBubble() {
		return time.NewTimer(d)
	}
	var t *time.Timer
	outside(func() { t = time.NewTimer(d) })
	return t
}

// resetTimer resets a timer that was made outside to d of the machine's time.
func resetTimer(t *time.Timer, d time.Duration) {
	if inBubble() {
		outside(func() { t.Reset(d) })
		return
	}
	t.Reset(d)
}

// helper is a goroutine outside of every bubble, started when a bubble first needs it.
var helper struct {
	mu   sync.Mutex
	asks chan func()
}

// outside runs f in a goroutine outside of every bubble, and waits for it. f must not wait, because the caller may hold
// locks.
func outside(f func()) {
	helper.mu.Lock()
	if helper.asks == nil {
		escape(func() {
			helper.asks = make(chan func())
			go servePoller(func() {
				for f := range helper.asks {
					f()
				}
			})
		})
	}
	asks := helper.asks
	helper.mu.Unlock()
	var called sync.Mutex // a channel would belong to the bubble, and waiting for it would count as blocked
	called.Lock()
	asks <- func() {
		f()
		called.Unlock()
	}
	called.Lock()
}

// escape is outside before there is a helper. Only the runtime's goroutine for cleanups is sure to be outside of every bubble,
// so f runs as a cleanup, which takes a garbage collection.
func escape(f func()) {
	var done atomic.Bool
	attachCleanup(func() {
		f()
		done.Store(true)
	})
	for !done.Load() {
		runtime.GC()
		for range 100 {
			runtime.Gosched()
		}
	}
}

// servePoller is the first function of each goroutine of the package that lives as long as the process, so that a leak check
// has one name to ignore.
func servePoller(serve func()) { serve() }

// attachCleanup makes an unreachable object, so that the next collection calls f.
//
//go:noinline
func attachCleanup(f func()) {
	garbage := new([4]*int) // large enough not to share its block with other objects
	runtime.AddCleanup(garbage, func(f func()) { f() }, f)
}

// contextFor returns a context that ends after d of the machine's time.
func contextFor(d time.Duration) (context.Context, context.CancelFunc) {
	if !inBubble() || inSimulation() {
		return context.WithTimeout(context.Background(), d)
	}
	// A goroutine of the bubble must end it, because contexts derived from it there have channels of the bubble.
	inner, cancel := context.WithCancel(context.Background())
	c := &bubbleContext{Context: inner, deadline: time.Now().Add(d)}
	t := newTimer(d)
	go func() {
		defer t.Stop()
		select {
		case <-t.C:
			c.over.Store(true)
			cancel()
		case <-inner.Done():
		}
	}()
	return c, cancel
}

// bubbleContext is a context that ends by the machine's clock.
type bubbleContext struct {
	context.Context
	deadline time.Time
	over     atomic.Bool
}

// Deadline returns the deadline by the bubble's clock.
func (c *bubbleContext) Deadline() (time.Time, bool) { return c.deadline, true }

func (c *bubbleContext) Err() error {
	err := c.Context.Err()
	if err != nil && c.over.Load() {
		return context.DeadlineExceeded
	}
	return err
}
