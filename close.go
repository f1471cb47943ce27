package esock

import (
	"errors"
	"net"
	"os"
	"runtime"
	"syscall"
)

// Close closes the socket. Waiting calls return net.ErrClosed, and handles get an AbortMsg with it. With {socket,
// linger} on and unsent data, Close waits for up to the linger time. Errors: net.ErrClosed if it was closed before; those of
// close(2), after which the socket is closed as well. OTP: socket:close/1.
func (s *Socket) Close() error { return s.close(nil, true) }

// close closes the socket, if owner is nil or owns it. With linger it waits for unsent data as {socket, linger} says.
func (s *Socket) close(owner *Mailbox, linger bool) error {
	s = s.orClosed()
	s.mu.Lock()
	if s.closing() || owner != nil && s.owner != owner {
		s.mu.Unlock()
		return s.fail("close", net.ErrClosed)
	}
	inside := s.beginClose()
	s.mu.Unlock()
	return s.finishClose(inside, linger)
}

// beginClose ends all waits and refuses new calls. It reports whether a call is still inside. s.mu is held.
func (s *Socket) beginClose() (inside bool) {
	s.keepStates()
	if inside = s.state.And(^stOpen) >= stRef; inside {
		s.rarely().drained = s.simulated().newChannel(0)
	}
	for d := reading; d <= s.lastLane(); d++ {
		s.abortAll(d)
		s.wake(d)
	}
	return inside
}

// finishClose waits for the calls inside, and closes the descriptor.
func (s *Socket) finishClose(inside, linger bool) error {
	if inside {
		s.leaveLoop()
		s.awaitDrained(s.rare.Load().drained)
	}

	// No call is inside any more, and none can enter.
	var book *zeroCopyBook
	lent := s.lent()
	if rare := s.rare.Load(); rare != nil {
		book = rare.uncopied.Load()
	}
	if s.forgotten != nil {
		runtime.SetFinalizer(s.forgotten, nil)
	}
	gauges.add(s, -1)
	h, blk := s.retire()
	if blk != nil {
		for _, p := range blk.parks {
			if p == nil {
				continue
			}
			if stop := p.drop(); stop != nil {
				stop()
			}
		}
	}

	k := s.simulated()
	k.enter()
	facts := s.facts.Load()
	if isAnothers(h, facts, lent) {
		cDisown(h) // the flags of the number's new socket stay
	}
	var how uint
	switch {
	case facts&factUnmade != 0:
		how = closeGiveBack
	case !linger && facts&factBorrowed == 0:
		how = closeNoLinger
	}

	// The File owns the descriptor, once there is one. Only the core waits for linger undisturbed by the runtime's signals.
	var err error
	var file *os.File
	if blk != nil {
		file = blk.file
	}
	if !book.outlive(h, file, facts, lent, linger) {
		if file != nil {
			if facts&factBorrowed == 0 {
				cReclaim(h, how == closeNoLinger)
			}
			err = fileError(file.Close())
		}
		if r := cClose(h, how); r < 0 {
			err = syscall.Errno(-r)
		}
	}
	s.mu.Lock()
	if s.owner != nil {
		s.owner.disown(s)
		s.owner = nil
	}
	s.facts.Or(factClosed)
	s.dropMeta()
	s.mu.Unlock()
	k.remove(s)
	k.leave()
	registry.remove(s)
	monitors.down(s)
	s.traceOp("close", 0, err)
	if err != nil {
		return s.fail("close", err)
	}
	return nil
}

// retire takes the socket out of the poller, and the handle and the blocking side out of the socket. Partial requests that
// were not continued end here. The counters are final then, and Info and Counters read the copy that is left of them.
func (s *Socket) retire() (h *handle, blk *blocking) {
	final := new(cCounters)
	s.mu.Lock()
	if s.ptr != nil {
		s.mu.Unlock()
		s.deregister()
		s.mu.Lock()
	}
	h, blk = s.h, s.blk.Swap(nil)
	s.endRequest(reading)
	s.endRequest(writing)
	*final = *s.block
	if s.facts.Load()&factFiles != 0 {
		if b := cSendfileCountersOf(h); b != nil {
			files := *b
			s.rarely().sendfile = &files
		}
	}
	s.h, s.block = nil, final
	s.mu.Unlock()
	return h, blk
}

// fileError returns the errno in an error of os.File.
func fileError(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Closed reports whether the socket is closed or closing.
func (s *Socket) Closed() bool { return s.orClosed().closing() }
