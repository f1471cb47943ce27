package engine

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/kernel"
	"github.com/esock-go/esock/internal/loopcall"
)

// Backend is what a loop waits with.
type Backend uint8

const (
	// Epoll is epoll(7): the loop makes the system calls of its sockets itself. Linux has it everywhere.
	Epoll Backend = iota
	// IOUring is io_uring(7), of Linux 6.1 or later: the kernel carries the receives, sends and accepts out.
	IOUring
	// IOUringOrEpoll is io_uring where it is available, else epoll.
	IOUringOrEpoll
)

// String returns "epoll", "io_uring" or "io_uring or epoll".
func (b Backend) String() string {
	switch b {
	case Epoll:
		return "epoll"
	case IOUring:
		return "io_uring"
	case IOUringOrEpoll:
		return "io_uring or epoll"
	}
	return fmt.Sprintf("Backend(%d)", uint8(b))
}

// WaitWith sets what the loop waits with, Epoll if it is not given. A loop is the same with all, but for this: with
// io_uring, Run locks its goroutine to a thread, and Spin has no effect. Close of a socket waits until the loop has let go
// of it, unless the loop's own goroutine calls it, so a handler must not wait for a goroutine that closes a socket of the
// loop; handlers of two loops may close each other's. Connections that the kernel has accepted, and the loop has not seen
// when it closes or the listener does, are closed; Shutdown serves them.
func WaitWith(b Backend) Option {
	return func(c *config) error {
		if b > IOUringOrEpoll {
			return &esock.InvalidError{What: "backend", Value: b, Cause: "there is none of this number"}
		}
		c.backend = b
		return nil
	}
}

// Backend returns what the loop waits with: Epoll or IOUring. The error is nil unless IOUringOrEpoll was asked for and
// io_uring is not available: then it says why, and is a syscall.Errno for errors.Is.
func (l *Loop) Backend() (Backend, error) {
	switch {
	case !l.made():
		return Epoll, nil
	case l.ring.on:
		return IOUring, nil
	case l.ring.refused != 0:
		return Epoll, uringError(l.ring.refused)
	}
	return Epoll, nil
}

// uringError says why there is no io_uring.
func uringError(errno syscall.Errno) error {
	why := "the kernel lacks what Linux 6.1 has"
	switch errno {
	case syscall.EPERM:
		why = "the sysctl kernel.io_uring_disabled, or a seccomp filter, as of a container"
	case syscall.EOPNOTSUPP:
		why = "it does not work here"
	case syscall.ENOSYS, syscall.EACCES:
		why = "a seccomp filter, or a kernel without it"
	}
	return fmt.Errorf("engine: no io_uring: %s: %w", why, errno)
}

// ring is what a loop with io_uring has besides. Its queue is used by the goroutine of Run alone, which is locked to its
// thread, and without the loop's lock: other goroutines hand over what is to be done.
type ring struct {
	on      bool
	refused syscall.Errno
	thread  atomic.Int64  // that of Run
	exits   []exit        // to be taken out; guarded by l.mu
	asked   chan struct{} // buffer of 1: there may be exits

	// For the goroutine of Run alone.
	parking bool          // turns do not wait
	empty   int           // waits that found nothing, in a row
	yielded time.Duration // when other goroutines could run
}

// exit is a member that another goroutine wants to be taken out.
type exit struct {
	m    member
	err  error
	done chan struct{}
}

// Of a loop with one processor, which other goroutines need too:
const (
	breath = time.Millisecond // the longest wait without a yield
	naps   = 20               // waits in a row that find nothing before the loop parks
)

// bind locks the goroutine of Run to its thread, and returns what undoes it.
func (l *Loop) bind() func() {
	if !l.ring.on {
		return func() {}
	}
	runtime.LockOSThread()
	thread := int64(syscall.Gettid())
	l.ring.thread.Store(thread)
	around, nested := rings.Swap(thread, l) // whose handler closes this one
	return func() {
		if nested {
			rings.Store(thread, around)
		} else {
			rings.Delete(thread)
		}
		runtime.UnlockOSThread()
	}
}

// rings has the loops that run with io_uring, by their threads.
var rings sync.Map

// await waits for what handOver returned. A loop whose handler waits lets go of its own members meanwhile: two loops may
// close each other's sockets.
func await(done chan struct{}) {
	var self *Loop
	var asked chan struct{}
	if l, ok := rings.Load(int64(syscall.Gettid())); ok && l.(*Loop).ring.thread.Load() == int64(syscall.Gettid()) {
		self = l.(*Loop)
		asked = self.ring.asked
	}
	for {
		select {
		case <-done:
			return
		case <-asked:
			self.mu.Lock()
			self.letOut()
			self.mu.Unlock()
		}
	}
}

// serveOn serves in the goroutine that a Goexit ends, since another one would have another thread.
func (l *Loop) serveOn(returned *bool) {
	defer func() {
		if v := recover(); v != nil {
			panic(v)
		}
		if !*returned {
			l.serveOn(returned)
		}
	}()
	l.serve()
	*returned = true
}

// handOver has a member taken out by the goroutine of Run, and returns what is closed then; nil if it is none of the queue,
// which anybody may take out. It is so until l.mu is unlocked, which is held.
func (l *Loop) handOver(m member, err error) (done chan struct{}) {
	j := m.base()
	if j.gone.Load() || j.member == nil {
		return nil
	}
	done = make(chan struct{})
	l.ring.exits = append(l.ring.exits, exit{m, err, done})
	select {
	case l.ring.asked <- struct{}{}:
	default:
	}
	l.wake()
	return done
}

// letOut takes out what handOver has brought. l.mu is held.
func (l *Loop) letOut() {
	for _, e := range l.ring.exits {
		if e.m.base().takeOut() {
			l.left = append(l.left, departure{e.m, e.err})
		}
		close(e.done)
	}
	l.ring.exits = nil
}

// keeps reports whether the kernel has received something for the connection that its handler has not got yet. If not, it
// receives nothing more. l.mu is held.
func (l *Loop) keeps(c *Conn) bool {
	if !l.ring.on || c.member == nil {
		return false
	}
	loopcall.Cancel(l.q, c.op)
	if !loopcall.Kept(l.q, c.member) {
		return false
	}
	c.again()
	return true
}

// cross gives n operations and returns the number of results. With io_uring it also waits for some, without l.mu, which is
// held.
func (l *Loop) cross(n int) int {
	if !l.ring.on {
		return loopcall.Turn(l.q, l.ops, n, l.results, l.most)
	}
	ms := l.patience()
	if ms != 0 {
		l.parked.Store(true)
		l.did.Sleeps++
	}
	q := l.q
	l.mu.Unlock()
	if ms != 0 && runtime.GOMAXPROCS(0) == 1 {
		ms = 1
		if now := loopcall.Clock(); now-l.ring.yielded >= breath {
			l.ring.yielded = now
			runtime.Gosched()
		}
	}
	r := loopcall.Wait(q, l.ops, n, l.results, l.most, ms)
	l.mu.Lock()
	if ms != 0 {
		l.parked.Store(false)
	}
	if r == 0 && ms != 0 {
		l.ring.empty++
	} else if r > 0 {
		l.ring.empty = 0
	}
	return r
}

// patience is how many milliseconds a turn may wait, -1 for ever. l.mu is held.
func (l *Loop) patience() int {
	if l.ring.parking || l.undone() {
		return 0
	}
	l.moved = false
	if l.wheel.count == 0 {
		return -1
	}
	return int(min(max(l.wheel.next()-int64(loopcall.Clock()/tick), 0), 1<<30))
}

// parks reports whether a loop that found nothing is to sleep as one with epoll does: where waiting in C would keep the
// only processor from other goroutines. A thread that a goroutine is locked to is slow to park, so not at once. On Linux 6.12
// the runtime's poller does not hear of what arrives then, as it does on 6.18; where that is not known it does not park.
func (l *Loop) parks() bool {
	if l.ring.empty < naps || runtime.GOMAXPROCS(0) > 1 || !kernel.From(6, 18) {
		return false
	}
	l.ring.empty = 0
	return true
}
