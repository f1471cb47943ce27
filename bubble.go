package esock

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Inside a testing/synctest bubble the clock is a fake one, and what a goroutine makes there (channels, timers, other
// goroutines) belongs to the bubble: used from outside, it ends the process. Sockets are as real there as anywhere. So
// whatever outlives one call, or is shared by several, is made outside, and time is taken from outside. As with package
// net, a wait for a socket is then not durably blocking, and its time runs by the real clock.

// epoch is where moments are counted from.
var epoch = time.Now()

// now is the moment by the real clock, as time since epoch.
func now() time.Duration {
	d := time.Since(epoch)
	if d < 0 { // see inBubble
		return nowOutside()
	}
	return d
}

//go:noinline
func nowOutside() (d time.Duration) {
	outside(func() { d = time.Since(epoch) })
	return d
}

// timeAt is a moment as the caller's clock has it, for the functions that compare with that clock.
func timeAt(moment time.Duration) time.Time {
	if inBubble() {
		return time.Now().Add(moment - now())
	}
	return epoch.Add(moment)
}

// inBubble reports whether the goroutine is in a bubble: the fake clock begins in the year 2000.
func inBubble() bool { return time.Since(epoch) < 0 }

// outside runs f outside of any bubble, and returns when it has run. What f refers to is on the heap, so a call that may not
// allocate asks inBubble first.
func outside(f func()) {
	if !inBubble() {
		f()
		return
	}
	outsider.mu.Lock()
	defer outsider.mu.Unlock()
	outsider.start()
	outsider.work <- f
	<-outsider.done
}

// outsider is a goroutine outside of any bubble that works for those inside. A program without bubbles has none.
var outsider outsideWorker

type outsideWorker struct {
	mu   sync.Mutex
	up   atomic.Bool
	work chan func()
	done chan struct{}
}

// start starts the goroutine, if there is none yet. What a bubble starts belongs to it, but for the functions that
// runtime.AddCleanup was given. w.mu is held.
func (w *outsideWorker) start() {
	if w.up.Load() {
		return
	}
	w.leaveRubbish()
	for !w.up.Load() {
		runtime.GC()
		runtime.Gosched()
	}
}

//go:noinline
func (w *outsideWorker) leaveRubbish() {
	runtime.AddCleanup(new([64]byte), func(w *outsideWorker) {
		w.work, w.done = make(chan func()), make(chan struct{})
		go w.serve()
		w.up.Store(true)
	}, w)
}

func (w *outsideWorker) serve() {
	for f := range w.work {
		f()
		w.done <- struct{}{}
	}
}
