package engine

import (
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/loopcall"
)

// member is a socket in a loop: a *Conn or a *listening.
type member interface {
	base() *joined
	join() // makes it a member of the queue
	result(r *loopcall.Result)
	ended(err error) // it has been taken out
}

// departure is a member that was taken out of the queue, and why.
type departure struct {
	m   member
	err error
}

// joined is what all members have.
type joined struct {
	l      *Loop
	s      *esock.Socket
	id     uint64
	member unsafe.Pointer // nil while it is not in the queue; guarded by l.mu
	op     *loopcall.Op   // the repeated receive or accept
	gone   atomic.Bool    // the loop has let the socket go; set with l.mu
	listed bool           // op is among those to be given
	paused bool           // op is not to be given
}

func (j *joined) base() *joined { return j }

// again gives op with the next turn, once, unless the member is paused then.
func (j *joined) again() {
	if !j.listed {
		j.listed = true
		j.l.given = append(j.l.given, order{j, nil, j.op})
	}
}

// takeOut ends the membership. It reports false if it has ended before. l.mu is held.
func (j *joined) takeOut() bool {
	if j.gone.Swap(true) {
		return false
	}
	if j.member != nil {
		loopcall.Remove(j.l.q, j.member)
		j.member = nil
	}
	loopcall.LetGo(j.s)
	return true
}

// enlist holds a socket for the loop, and makes it a member soon.
func (l *Loop) enlist(m member) error {
	if !l.made() {
		return ErrClosed
	}
	j := m.base()
	if err := loopcall.Hold(j.s, m); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		j.takeOut()
		return ErrClosed
	}
	l.joins = append(l.joins, m)
	l.wake()
	return nil
}

func init() {
	loopcall.Leave = func(m any) { m.(member).base().l.drop(m.(member), net.ErrClosed) }
}

// drop takes a member out of the queue; tend tells it why. Any goroutine may call it.
func (l *Loop) drop(m member, err error) {
	if done := l.dropHere(m, err); done != nil {
		await(done)
	}
}

// dropHere is drop, unless the goroutine of Run is to do it: then it returns what tells the end of that.
func (l *Loop) dropHere(m member, err error) (done chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ring.on && l.ring.thread.Load() != int64(syscall.Gettid()) {
		done = l.handOver(m, err)
	}
	if done == nil && m.base().takeOut() {
		l.left = append(l.left, departure{m, err})
		l.wake()
	}
	return done
}

// enter makes a member of the queue, with a number.
func (l *Loop) enter(m member) {
	j := m.base()
	if j.gone.Load() { // it is, or was, among those that have left
		return
	}
	j.op = (*loopcall.Op)(loopcall.Alloc(unsafe.Sizeof(loopcall.Op{})))
	l.mu.Lock()
	if n := len(l.unused); n > 0 {
		j.id = l.unused[n-1]
		l.unused = l.unused[:n-1]
		l.members[j.id] = m
	} else {
		j.id = uint64(len(l.members))
		l.members = append(l.members, m)
	}
	r := -int(syscall.ENOMEM)
	gone := j.gone.Load()
	if !gone && j.op != nil {
		j.member, r = loopcall.Join(l.q, j.s)
	}
	l.mu.Unlock()
	switch {
	case gone: // it is among those that have left
	case r < 0:
		l.drop(m, &os.SyscallError{Syscall: "epoll_ctl", Err: syscall.Errno(-r)})
	default:
		m.join()
	}
}

// bury is the end of a member. No result of it is left.
func (l *Loop) bury(d departure) {
	defer l.forget(d.m.base())
	d.m.ended(d.err)
}

// forget frees a member's number and operation.
func (l *Loop) forget(j *joined) {
	if j.op != nil { // it has a number
		loopcall.Release(unsafe.Pointer(j.op))
		j.op = nil
		l.mu.Lock()
		defer l.mu.Unlock()
		l.members[j.id] = nil
		l.unused = append(l.unused, j.id)
	}
}
