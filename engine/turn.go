package engine

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/esock-go/esock/internal/loopcall"
)

// order is an operation to be given.
type order struct {
	j  *joined
	c  *Conn // of a send
	op *loopcall.Op
}

// The most results of a turn, and of one while a round, which is a turn and its handlers, takes long.
const (
	batch    = 256
	minBatch = 64
)

// longRound is how long a round may take, and handlers before they let other goroutines run.
const longRound = 400 * time.Microsecond

// room makes room for n operations in ops.
func (l *Loop) room(n int) bool {
	if n <= l.opsRoom {
		return true
	}
	n = max(n, 2*l.opsRoom)
	p := loopcall.Alloc(uintptr(n) * unsafe.Sizeof(unsafe.Pointer(nil)))
	if p == nil {
		return false
	}
	if l.ops != nil {
		loopcall.Release(unsafe.Pointer(l.ops))
	}
	l.ops, l.opsRoom = (*unsafe.Pointer)(p), n
	return true
}

// handle handles the results of a turn, and the timers. Other goroutines run in between if that takes long.
func (l *Loop) handle() {
	for c, ok := l.eased.next(); ok; c, ok = l.eased.next() {
		c.ease()
	}
	if len(l.rest) > 16 {
		l.yielded = loopcall.Clock()
	}
	for len(l.rest) > 0 {
		r := &l.rest[0]
		l.rest = l.rest[1:]
		l.members[r.User].result(r)
		if n := len(l.rest); n > 0 && n%16 == 0 && loopcall.Clock()-l.yielded > longRound {
			l.yield()
		}
	}
	l.expire()
}

// share lets other goroutines run after some results, and makes the next turn smaller if a large round took long. A
// loop that always has something to do never sleeps, and the scheduler takes the processor from it after 10 ms only.
func (l *Loop) share() {
	large := l.got >= minBatch
	if large && l.began > 0 {
		switch took := loopcall.Clock() - l.began; {
		case took > longRound:
			l.most = max(l.most/2, minBatch)
		case took < longRound/2:
			l.most = min(l.most*2, batch)
		}
	}
	l.began = 0
	if l.load < minBatch {
		return
	}
	l.yield()
	l.load = 0
	if large {
		l.began = l.yielded
	}
}

// yield lets other goroutines run. That takes long for one that is locked to its thread, so with io_uring it happens
// only where there is no other processor for them, and not more often than each breath.
func (l *Loop) yield() {
	if l.ring.on {
		l.yielded = loopcall.Clock()
		if runtime.GOMAXPROCS(0) > 1 || l.yielded-l.ring.yielded < breath {
			return
		}
		l.ring.yielded = l.yielded
	}
	runtime.Gosched()
	l.yielded = loopcall.Clock()
}

// turn gives what is to be given, and returns how many results there are, or a negative errno. It does not wait.
func (l *Loop) turn() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.room(len(l.given)) {
		return -int(syscall.ENOMEM)
	}
	ops, n := unsafe.Slice(l.ops, l.opsRoom), 0
	for i, o := range l.given {
		if o.j.member == nil && !o.j.gone.Load() {
			// A function of Post, for example, has written to a connection that it had adopted, and that joins later.
			l.later = append(l.later, o)
			l.given[i] = order{}
			continue
		}
		again := o.c == nil
		if again {
			o.j.listed = false
		} else {
			o.c.open = false
		}
		if !o.j.gone.Load() && !(again && o.j.paused) {
			// A handler may have written to a connection that it had just adopted, and that was no member yet.
			o.op.Member, o.op.User = o.j.member, o.j.id
			ops[n] = unsafe.Pointer(o.op)
			n++
		}
	}
	r := l.cross(n)
	if l.wheel.count > 0 {
		l.now = loopcall.Clock()
	}
	done := l.settle() + max(r, 0)
	l.did.Turns++
	if done > 0 {
		l.did.Results += uint64(done)
		l.active = true
	} else {
		l.did.Empty++
	}
	return r
}

// settle notes what has become of the sends that were given: most are done, and have no result. It returns how many
// those are.
func (l *Loop) settle() (done int) {
	for i, o := range l.given {
		l.given[i] = order{}
		c := o.c
		switch {
		case c == nil || c.gone.Load() || o.op.Flags&loopcall.Quiet == 0:
		case o.op.Done == o.op.Len:
			done++
			c.done(o.op)
			if c.waits() {
				l.eased.add(c)
			}
		default: // the queue has it still, or it has failed
			o.op.Flags &^= loopcall.Quiet
			c.behind = true
		}
	}
	l.given = append(l.given[:0], l.later...)
	clear(l.later)
	l.later = l.later[:0]
	return done
}

// linger takes turns until there are results, whose number it returns, as long as Spin says. Other goroutines run
// before each: a client in this process, for example. A loop that only timers have woken does not linger.
func (l *Loop) linger() int {
	if l.spin == 0 || !l.active || l.ring.on {
		return 0
	}
	l.active = false
	for end := loopcall.Clock() + l.spin; ; {
		runtime.Gosched()
		if n := l.turn(); n != 0 || l.pending() || loopcall.Clock() >= end {
			return n
		}
	}
}

// sleep waits until there are results, whose number it returns, or something else to do.
func (l *Loop) sleep() int {
	l.found = 0
	if l.ring.on && !l.parks() || !l.setAlarm() {
		return 0
	}
	l.ring.parking = true
	defer func() { l.ring.parking = false }()
	if err := l.raw.Read(l.look); err != nil && l.found == 0 {
		l.parked.Store(false)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			l.now = loopcall.Clock()
			return 0
		}
		return -int(syscall.EBADF) // nobody else has the File
	}
	return l.found
}

// lookAgain takes a turn in a sleep, and reports whether that is over.
func (l *Loop) lookAgain(uintptr) bool {
	l.parked.Store(true)
	l.found = l.turn()
	if l.found == 0 && !l.pending() && l.idle() {
		return false
	}
	l.parked.Store(false)
	return true
}

func (l *Loop) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !loopcall.Idle(l.q) {
		return false
	}
	l.did.Sleeps++
	return true
}
