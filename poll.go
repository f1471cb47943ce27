package esock

import (
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"weak"

	pointer "github.com/mattn/go-pointer"
)

// The Go half of the C poller: one goroutine serves every handle of the process. The C poller's own descriptor is
// in the runtime's poller, so that waiting for events costs no thread, and each wake-up collects a batch of
// them in one crossing.
var poller pollerState

type pollerState struct {
	p      *pollerHandle // set once, before the first socket is armed
	file   *os.File      // its descriptor, whose deadline is the next event of pause.go; guarded by pauses.mu
	mu     sync.Mutex    // guards the start
	events []cEvent      // room for a batch; the poller goroutine's
	lost   []*os.File    // kept open: their descriptor numbers may be in use for something else by now
}

// SelectFailedError is the reason when a socket cannot be watched for readiness. OTP: {select_failed, N}.
type SelectFailedError struct{ Errno syscall.Errno }

func (e SelectFailedError) Error() string { return "cannot wait for readiness: " + e.Errno.Error() }

// Unwrap returns the errno of epoll_ctl(2) or epoll_create1(2).
func (e SelectFailedError) Unwrap() error { return e.Errno }

// startPoller starts the poller if it is not running. After a failure, the next call that needs the poller tries again.
func startPoller() error {
	poller.mu.Lock()
	defer poller.mu.Unlock()
	if poller.p != nil {
		return nil
	}
	p, r := cPollerNew(nil)
	if r < 0 {
		return SelectFailedError{syscall.Errno(-r)}
	}
	raw, err := watchPoller(cPollerFD(p))
	if err != nil {
		cPollerForget(p)
		return err
	}
	poller.p, poller.events = p, cNewEvents(64)
	serve := func() { go servePoller(func() { serveEvents(raw) }) }
	if inBubble() {
		outside(serve) // the poller serves the whole process
	} else {
		serve()
	}
	return nil
}

// watchPoller gives the poller's descriptor to the runtime's poller. On an error, SelectFailedError, it closes the descriptor.
func watchPoller(fd int) (syscall.RawConn, error) {
	// The File owns the descriptor. NewFile hides that the runtime refuses it; SetDeadline reveals it.
	f := os.NewFile(uintptr(fd), "esock poller")
	err := f.SetDeadline(time.Time{})
	var raw syscall.RawConn
	if err == nil {
		raw, err = f.SyscallConn()
	}
	if err != nil {
		f.Close()
		return nil, SelectFailedError{syscall.EPERM}
	}
	pauses.watch(f)
	return raw, nil
}

// serveEvents gives events to their sockets for as long as the process lives. If the poller's descriptor fails, for example
// because the program closed it, the poller gets another, and each waiting call tries again.
func serveEvents(raw syscall.RawConn) {
	for pause := firstKick; ; pause = firstKick {
		err := handOutEvents(raw)
		common.tell(slog.LevelError, "esock: the poller failed; it is started again", "error", err)
		poller.abandon(err)
		for {
			fd := cPollerRenew(poller.p)
			err = errnoOf(fd)
			if err == nil {
				raw, err = watchPoller(fd)
			}
			wakeArmed() // also after a failure: a call that arms again gets the error
			if err == nil {
				break
			}
			common.tell(slog.LevelError, "esock: the poller cannot be started again yet", "error", err)
			time.Sleep(pause)
			pause = min(2*pause, lastKick)
		}
	}
}

// pollerFails replaces the kernel's answer in tests of its failure.
var pollerFails atomic.Pointer[func() int]

// handOutEvents gives events to their sockets until the poller fails. Errors: those of epoll_wait(2) and of the runtime's
// poller.
func handOutEvents(raw syscall.RawConn) error {
	var n int
	// The events are handed out before the wait goes on: the runtime keeps what comes during a Read. A new Read would forget
	// it, and so would have to look again first.
	collect := func(uintptr) bool {
		for {
			n = cPoll(poller.p, poller.events)
			if f := pollerFails.Load(); f != nil {
				n = (*f)()
			}
			for i := range max(n, 0) {
				// An event fetched before its socket was deregistered finds no socket, or the next one with the address.
				if s := named(poller.events[i].user); s != nil {
					s.event(int(poller.events[i].events))
				}
			}
			if n < len(poller.events) { // a full batch may not be all
				return n < 0
			}
		}
	}
	for {
		if err := raw.Read(collect); isDeadline(err) {
			pauses.due()
		} else if err != nil {
			return err
		} else {
			return errnoOf(n)
		}
	}
}

// abandon closes the poller's descriptor, which failed with err, unless its number may be in use for something else.
func (p *pollerState) abandon(err error) {
	pauses.mu.Lock()
	f := p.file
	pauses.mu.Unlock()
	if err == syscall.EBADF || err == syscall.EINVAL {
		p.lost = append(p.lost, f) // the File must not be collected, which would close the number
		return
	}
	f.Close()
}

// wakeArmed makes each call that waits for an event of the poller try again, and deregisters its socket, which the new
// descriptor does not know.
func wakeArmed() {
	for _, s := range registry.all() {
		s.wakeArmed()
	}
	var list []weak.Pointer[Socket]
	watched.mu.Lock()
	for f := watched.head; f != nil; f = f.next {
		list = append(list, f.sock)
	}
	watched.mu.Unlock()
	for _, known := range list {
		if s := known.Value(); s != nil {
			s.wakeArmed()
		}
	}
}

func (s *Socket) wakeArmed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing() || s.ptr == nil || s.simulated() != nil {
		return
	}
	cDeregister(poller.p, s.h)
	for d := reading; d <= s.lastLane(); d++ {
		s.rouse(d)
	}
}

// poller is the C poller that watches the socket. It has been started.
func (s *Socket) poller() *pollerHandle {
	if k := s.simulated(); k != nil {
		return k.poller
	}
	return poller.p
}

// startPoller starts the poller for a socket, if it is not running.
func (s *Socket) startPoller() error {
	if s.simulated() != nil {
		return nil // it has run from the beginning of the simulation
	}
	return startPoller()
}

// arm asks for one event in a direction. again says that the last event was empty. s.mu is held.
func (s *Socket) arm(d direction, again bool) error {
	if again {
		return s.armAfter(d, afterEmpty)
	}
	return s.armAfter(d, afterNothing)
}

// armAfter asks for one event in a direction. s.mu is held.
func (s *Socket) armAfter(d direction, after armAfter) error {
	if s.ptr == nil {
		if err := s.startPoller(); err != nil {
			return err
		}
		s.ptr = s.nameForPoller()
	}
	s.facts.Or(d.selectedFact())
	if r := cArm(s.poller(), s.h, d.bits(), after, s.ptr); r < 0 {
		return SelectFailedError{syscall.Errno(-r)}
	}
	return nil
}

// deregister removes the socket from the poller. No call uses the C handle any more.
func (s *Socket) deregister() {
	s.mu.Lock()
	ptr := s.ptr
	s.ptr = nil
	s.mu.Unlock()
	if ptr == nil {
		return
	}
	cDeregister(s.poller(), s.h)
	if f := s.forgotten; f != nil && f.name != nil {
		f.unname()
	} else {
		pointer.Unref(ptr)
	}
}
