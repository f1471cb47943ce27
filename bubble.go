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
// A goroutine that is started in a bubble belongs to it, and so does a channel or a timer that is made there: the bubble
// ends when its goroutines have, and whoever is outside and uses such a channel dies with a fatal error. But the poller's
// goroutine serves the whole process, waiters are used again by whoever comes next, and a mailbox is told by the poller.
// So what the package makes of these, it makes outside.
//
// That also makes waits in a bubble what those of package net are there: they are for a kernel that knows nothing of
// the bubble, so they do not count as blocked, synctest.Wait waits for them, and the bubble's clock stands meanwhile.

// inBubble reports whether the caller is in a bubble.
func inBubble() bool { return bubbled(time.Now()) }

// bubbled reports whether time.Now was asked in a bubble: its times have no monotonic reading, all others have.
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

// resetTimer sets a timer that was made outside to run out after a time of the machine's.
func resetTimer(t *time.Timer, d time.Duration) {
	if inBubble() {
		outside(func() { t.Reset(d) })
		return
	}
	t.Reset(d)
}

// helper is the goroutine that is in no bubble. It is started when a bubble first needs it.
var helper struct {
	mu   sync.Mutex
	asks chan func()
}

// outside has f called by a goroutine that is in no bubble, and waits for it. f must not wait for anything: the caller may
// hold locks.
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
	var called sync.Mutex // a channel would be the bubble's, and a wait for it would count as blocked
	called.Lock()
	asks <- func() {
		f()
		called.Unlock()
	}
	called.Lock()
}

// escape is outside for the first time: nothing but the runtime's own goroutines, which run cleanups, is out of every bubble.
// It takes a collection.
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

// attachCleanup makes something that nobody can reach, so that the next collection has f called.
//
//go:noinline
func attachCleanup(f func()) {
	garbage := new([4]*int) // large enough to have a place of its own
	runtime.AddCleanup(garbage, func(f func()) { f() }, f)
}

// contextFor is a context that ends when a time of the machine's is over.
func contextFor(d time.Duration) (context.Context, context.CancelFunc) {
	if !inBubble() {
		return context.WithTimeout(context.Background(), d)
	}
	// It must end in the bubble: contexts that are made of it there have channels of the bubble.
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

// bubbleContext is a context with a deadline by the machine's clock.
type bubbleContext struct {
	context.Context
	deadline time.Time
	over     atomic.Bool
}

// Deadline is the moment as the bubble's clock stands.
func (c *bubbleContext) Deadline() (time.Time, bool) { return c.deadline, true }

func (c *bubbleContext) Err() error {
	err := c.Context.Err()
	if err != nil && c.over.Load() {
		return context.DeadlineExceeded
	}
	return err
}
