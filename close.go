package esock

import (
	"errors"
	"net"
	"os"
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
	rare := s.rarely()
	s.keepStates()
	if inside = s.state.And(^stOpen) >= stRef; inside {
		rare.drained = newChannel(0)
	}
	for d := reading; d <= s.lastLane(); d++ {
		s.abortAll(d)
		s.wake(d)
	}
	return inside
}

// finishClose waits for the calls inside, and closes the descriptor.
func (s *Socket) finishClose(inside, linger bool) error {
	rare := s.rarely()
	if inside {
		s.awaitDrained(rare.drained)
	}

	// No call is inside any more, and none can enter.
	s.deregister()
	rare.cleanup.Stop()
	var how uint
	switch f := s.facts.Load(); {
	case f&factUnmade != 0:
		how = closeGiveBack
	case !linger && f&factBorrowed == 0:
		cNoLinger(s.h)
	}
	s.mu.Lock()
	h, blk := s.h, s.blk.Swap(nil)
	s.mu.Unlock()
	if blk != nil {
		for d := range blk.parks {
			if stop := blk.parks[d].drop(); stop != nil {
				stop()
			}
		}
	}
	gauges.add(s, -1)

	// Partial requests that were not continued end here. The counters are final now, and Info and Counters read this copy.
	s.mu.Lock()
	s.endRequest(reading)
	s.endRequest(writing)
	rare.final = *s.block
	if b := cSendfileCountersOf(h); b != nil {
		rare.sendfile, rare.hasFiles = *b, true
	}
	s.h, s.block = nil, &rare.final
	s.mu.Unlock()

	facts := s.facts.Load()
	if isAnothers(h, facts, rare.lent) {
		cDisown(h) // the flags of the number's new socket stay
	}

	// The File owns the descriptor, once there is one. Only the core waits for linger undisturbed by the runtime's signals.
	var err error
	var file *os.File
	if blk != nil {
		file = blk.file
	}
	if !rare.uncopied.Load().outlive(h, file, facts, rare.lent, linger) {
		if file != nil {
			if facts&factBorrowed == 0 {
				cReclaim(h)
			}
			err = fileError(file.Close())
		}
		if r := cClose(h, how, nil, nil); r < 0 {
			err = syscall.Errno(-r)
		}
	}
	s.mu.Lock()
	if s.owner != nil {
		s.owner.disown(s)
		s.owner = nil
	}
	s.facts.Or(factClosed)
	s.mu.Unlock()
	s.dropMeta()
	registry.remove(s)
	monitors.down(s)
	s.traceOp("close", 0, err)
	if err != nil {
		return s.fail("close", err)
	}
	return nil
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
