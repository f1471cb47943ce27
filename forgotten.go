package esock

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
	"weak"

	pointer "github.com/mattn/go-pointer"
)

// Sockets that became unreachable without a Close. The garbage collector watches a socket that is not registered, so the
// package must not keep it reachable: the poller and the contexts that end its waits refer to it weakly.

// forgotten is what has to be closed once the socket is unreachable.
type forgotten struct {
	h        *handle
	id       uint64
	file     *os.File                      // owns the descriptor, once a call has parked
	name     *pollerName                   // once armed
	watches  [2]weak.Pointer[contextWatch] // of the contexts that are registered: park.go
	uncopied *zeroCopyBook                 // what the kernel still sends from
	facts    uint32                        // of the socket, when it was made
	lent     uint64                        // as in adoption
	armed    *Socket                       // the socket while armed, which keeps it reachable
}

// pollerName is by what the poller's events name an unregistered socket.
type pollerName struct {
	links[pollerName] // in watched

	ptr  unsafe.Pointer
	sock weak.Pointer[Socket]
}

type nameLinks struct{}

func (nameLinks) of(n *pollerName) *links[pollerName] { return &n.links }

// watched lists the unregistered sockets that the poller has a name for. The registry lists the others.
var watched struct {
	mu sync.Mutex
	list[pollerName, nameLinks]
}

// watchForgotten makes the garbage collector close the socket once it is unreachable. No other goroutine has the socket yet.
func (s *Socket) watchForgotten() {
	s.forgotten = &forgotten{h: s.h, id: s.id, facts: s.facts.Load(), lent: s.lent()}
	// A finalizer, because a cleanup allocates. It does not keep the socket: nothing here refers to that, unless it is armed.
	runtime.SetFinalizer(s.forgotten, closeForgotten)
}

// closeForgotten closes an unreachable socket. It must not wait, because all finalizers of the program run in its goroutine.
func closeForgotten(f *forgotten) {
	traceForgotten(f.id)
	gauges.forget(f.h)
	for _, known := range f.watches {
		if w := known.Value(); w != nil {
			go w.stop() // it calls methods of the user's context, which may wait
		}
	}
	if f.name != nil {
		cDeregister(poller.p, f.h)
		f.unname()
	}
	if f.uncopied.outlive(f.h, f.file, f.facts, f.lent, false) {
		return
	}
	switch {
	case f.facts&factBorrowed != 0:
		cDisown(f.h) // its number may be another's
	case f.file != nil:
		cReclaim(f.h, true)
	}
	f.file.Close() // there may be none
	cClose(f.h, closeNoLinger)
}

// cookieOf returns the kernel's number for the socket that the handle's descriptor refers to now, 0 if it has none. The kernel
// does not reuse these numbers.
func cookieOf(h *handle) uint64 {
	const cookie = 57 // SO_COOKIE
	var b [8]byte
	if n, r := cGetOptNative(h, syscall.SOL_SOCKET, cookie, b[:]); r < 0 || n != len(b) {
		return 0
	}
	return binary.NativeEndian.Uint64(b[:])
}

// isAnothers reports whether a borrowed descriptor now refers to another socket than the one that was lent.
func isAnothers(h *handle, facts uint32, lent uint64) bool {
	return facts&factBorrowed != 0 && cookieOf(h) != lent
}

// nameForPoller makes the pointer by which the poller's events name the socket. s.mu is held.
func (s *Socket) nameForPoller() unsafe.Pointer {
	f := s.forgotten
	if f == nil {
		return pointer.Save(s)
	}
	n := &pollerName{sock: weak.Make(s)}
	n.ptr = pointer.Save(n)
	f.name = n
	watched.mu.Lock()
	watched.push(n)
	watched.mu.Unlock()
	return n.ptr
}

// named returns the socket of a name, nil if it is gone.
func named(name unsafe.Pointer) *Socket {
	switch v := pointer.Restore(name).(type) {
	case *Socket:
		return v
	case *pollerName:
		return v.sock.Value()
	}
	return nil
}

// keepArmed keeps the socket reachable while an asynchronous call of it is armed, and not longer. s.mu is held.
func (s *Socket) keepArmed() {
	f := s.forgotten
	if f == nil {
		return
	}
	f.armed = nil
	for d := reading; d <= s.lastLane(); d++ {
		if h := s.lane(d).cur; h != nil && h.state == handleArmed {
			f.armed = s
		}
	}
}

// unname ends the name.
func (f *forgotten) unname() {
	n := f.name
	watched.mu.Lock()
	watched.remove(n)
	watched.mu.Unlock()
	pointer.Unref(n.ptr)
	f.name = nil
}
