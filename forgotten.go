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

// Sockets that nobody closed. A socket that is not registered is watched by the garbage collector, so what the package
// keeps of it must not hold it: the poller's name of it, and the contexts that end its waits, know it weakly.

// forgotten is what has to be closed when nobody can reach the socket any more.
type forgotten struct {
	links[forgotten] // in watched

	h        *handle
	id       uint64
	file     *os.File                      // it owns the descriptor, once a call has parked
	ptr      unsafe.Pointer                // the poller's name, once armed
	watches  [2]weak.Pointer[contextWatch] // of the contexts that are registered: park.go
	uncopied *zeroCopyBook                 // what the kernel still sends from
	facts    uint32                        // of the socket, when it was made
	lent     uint64                        // as in rareState
	sock     weak.Pointer[Socket]
	armed    *Socket // the same, while it is armed: that keeps it
}

type forgottenLinks struct{}

func (forgottenLinks) of(f *forgotten) *links[forgotten] { return &f.links }

// watched are those that the poller has a name for. The registry knows the others.
var watched struct {
	mu sync.Mutex
	list[forgotten, forgottenLinks]
}

// watchForgotten makes the garbage collector close the socket when it is forgotten. Nobody else has the socket yet.
func (s *Socket) watchForgotten() {
	r := s.rarely()
	r.forgotten = &forgotten{h: s.h, id: s.id, facts: s.facts.Load(), lent: r.lent}
	r.cleanup = runtime.AddCleanup(s, closeForgotten, r.forgotten)
}

// unregistered is the socket's forgotten, nil if it is registered from the start.
func (s *Socket) unregistered() *forgotten {
	if r := s.rare.Load(); r != nil {
		return r.forgotten
	}
	return nil
}

// closeForgotten closes what nobody closed. It runs where the whole program's cleanups run, so it does not wait.
func closeForgotten(f *forgotten) {
	traceForgotten(f.id)
	gauges.forget(f.h)
	for _, known := range f.watches {
		if w := known.Value(); w != nil {
			go w.stop() // it calls methods of the user's context, which may wait
		}
	}
	if f.ptr != nil {
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
		cNoLinger(f.h)
	}
	f.file.Close() // there may be none
	cClose(f.h, closeNoLinger, nil, nil)
}

// cookieOf is the kernel's name of the socket that the handle's descriptor is now, never given again; 0: there is none.
func cookieOf(h *handle) uint64 {
	const cookie = 57 // SO_COOKIE
	var b [8]byte
	if n, r := cGetOptNative(h, syscall.SOL_SOCKET, cookie, b[:]); r < 0 || n != len(b) {
		return 0
	}
	return binary.NativeEndian.Uint64(b[:])
}

// isAnothers reports that the number of a borrowed descriptor belongs to another socket than the one that was lent.
func isAnothers(h *handle, facts uint32, lent uint64) bool {
	return facts&factBorrowed != 0 && cookieOf(h) != lent
}

// nameForPoller makes the poller's name of a socket. s.mu is held.
func (s *Socket) nameForPoller() unsafe.Pointer {
	f := s.unregistered()
	if f == nil {
		return pointer.Save(s)
	}
	f.sock = weak.Make(s)
	f.ptr = pointer.Save(f)
	watched.mu.Lock()
	watched.push(f)
	watched.mu.Unlock()
	return f.ptr
}

// named is the socket that the poller has a name for, nil if there is none any more.
func named(name unsafe.Pointer) *Socket {
	switch v := pointer.Restore(name).(type) {
	case *Socket:
		return v
	case *forgotten:
		return v.sock.Value()
	}
	return nil
}

// keepArmed holds a socket that is armed, or no longer. s.mu is held.
func (s *Socket) keepArmed() {
	f := s.unregistered()
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

// unname takes the name back.
func (f *forgotten) unname() {
	watched.mu.Lock()
	watched.remove(f)
	watched.mu.Unlock()
	pointer.Unref(f.ptr)
	f.ptr = nil
}
