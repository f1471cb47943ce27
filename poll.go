package esock

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	pointer "github.com/mattn/go-pointer"
)

// The Go half of the C poller: one goroutine serves every handle of the process. The C poller's own descriptor is
// in the runtime's poller, so that waiting for events costs no thread, and each wake-up collects a batch of
// them in one crossing.
var poller struct {
	p    *pollerHandle // set once, before the first socket is armed
	file *os.File      // its descriptor, whose deadline is the next pause's end
	mu   sync.Mutex    // guards the start
}

// SelectFailedError is the reason when a socket could not be watched for readiness. OTP: {select_failed, N}.
type SelectFailedError struct{ Errno syscall.Errno }

func (e SelectFailedError) Error() string { return "cannot wait for readiness: " + e.Errno.Error() }

// Unwrap returns the errno of epoll_ctl(2) or epoll_create1(2).
func (e SelectFailedError) Unwrap() error { return e.Errno }

// startPoller starts the poller, if it is not running: an attempt that fails is made again by the next who needs it.
func startPoller() error {
	poller.mu.Lock()
	defer poller.mu.Unlock()
	if poller.p != nil {
		return nil
	}
	p, r := cPollerNew()
	if r < 0 {
		return SelectFailedError{syscall.Errno(-r)}
	}
	// The File takes the descriptor over. If the runtime refuses it, closing the File closes it.
	f := os.NewFile(uintptr(cPollerFD(p)), "esock poller")
	err := f.SetDeadline(time.Time{})
	var raw syscall.RawConn
	if err == nil {
		raw, err = f.SyscallConn()
	}
	if err != nil {
		f.Close()
		cPollerForget(p)
		return SelectFailedError{syscall.EPERM}
	}
	poller.p, poller.file = p, f
	go servePoller(f, raw)
	return nil
}

// servePoller hands events to the sockets they are about, for as long as the process lives.
func servePoller(f *os.File, raw syscall.RawConn) {
	var events [64]cEvent
	var n int
	collect := func(uintptr) bool {
		n = cPoll(poller.p, events[:])
		return n != 0
	}
	for {
		if err := raw.Read(collect); isDeadline(err) {
			pauses.due()
			continue
		} else if err != nil || n <= 0 {
			break
		}
		for i := range n {
			// An event that was fetched before its socket was deregistered finds nobody, or the next one that has
			// the address.
			if s, ok := pointer.Restore(events[i].user).(*Socket); ok {
				s.event(int(events[i].events))
			}
		}
	}
	runtime.KeepAlive(f)
}

// arm asks for one event in a direction. again says that the last one proved empty. s.mu is held.
func (s *Socket) arm(d direction, again bool) error {
	if s.ptr == nil {
		if err := startPoller(); err != nil {
			return err
		}
		s.ptr = pointer.Save(s)
	}
	s.facts.Or(d.selectedFact())
	if r := cArm(poller.p, s.h, d.bits(), again, s.ptr); r < 0 {
		return SelectFailedError{syscall.Errno(-r)}
	}
	return nil
}

// deregister takes the socket out of the poller. Nobody uses the handle any more.
func (s *Socket) deregister() {
	s.mu.Lock()
	ptr := s.ptr
	s.ptr = nil
	s.mu.Unlock()
	if ptr != nil {
		cDeregister(poller.p, s.h)
		pointer.Unref(ptr)
	}
}
