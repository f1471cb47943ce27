package engine

import (
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/loopcall"
)

// listening is a listener in a loop.
type listening struct {
	joined
	h     Handler
	pause time.Duration
	retry timer

	leaving bool // of a loop that shuts down
}

// listens reports whether a socket listens.
func listens(s *esock.Socket) (bool, error) {
	on, err := s.GetOptionNativeInt(syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	return on != 0, err
}

// Serve gives a listening socket to the loop, which accepts its connections and serves them. Errors: as Adopt;
// *esock.InvalidError "socket" for one that does not listen.
func (l *Loop) Serve(s *esock.Socket, h Handler) error {
	switch {
	case s == nil:
		return &esock.InvalidError{What: "socket", Cause: "it is nil"}
	case h == nil:
		return &esock.InvalidError{What: "handler", Cause: "it is nil"}
	}
	switch on, err := listens(s); {
	case errors.Is(err, net.ErrClosed):
		return err
	case err == nil && !on:
		return &esock.InvalidError{What: "socket", Cause: "it does not listen"}
	}
	return l.enlist(&listening{joined: joined{l: l, s: s}, h: h})
}

func (s *listening) join() {
	if s.l.winding {
		s.l.drop(s, ErrClosed)
		return
	}
	s.op.Kind, s.op.Flags = loopcall.Accept, loopcall.Again
	s.again()
}

func (s *listening) result(r *loopcall.Result) {
	switch {
	case r.N == 0:
		s.pause = 0
		made := loopcall.Accepted(s.s, r.Accepted).(*esock.Socket)
		c := &Conn{joined: joined{l: s.l, s: made}, h: s.h}
		if err := loopcall.Hold(made, c); err == nil {
			s.l.enter(c)
		} else { // it is in the registry, and another goroutine has closed or used it
			loopcall.Close(made)
		}
	case r.Flags&loopcall.More != 0: // a connection that has gone before its turn
	default:
		// Descriptors or memory may be there again soon.
		s.pause = min(max(2*s.pause, 5*time.Millisecond), time.Second)
		s.retry.who = s
		s.l.setTimer(&s.retry, loopcall.Clock(), s.pause)
	}
	if s.leaving && !s.gone.Load() {
		s.leave()
	}
}

// expired is the end of a pause.
func (s *listening) expired() {
	if !s.gone.Load() {
		s.again()
	}
}

func (s *listening) ended(error) {
	s.l.mu.Lock()
	s.l.wheel.remove(&s.retry)
	s.l.mu.Unlock()
}

// leave takes a listener out of a loop that shuts down, when the loop has got what the kernel has accepted already.
func (s *listening) leave() {
	l := s.l
	if l.ring.on && s.op != nil {
		s.leaving = true
		l.mu.Lock()
		kept := false
		if !s.gone.Load() && s.member != nil {
			loopcall.Cancel(l.q, s.op)
			kept = loopcall.Kept(l.q, s.member)
		}
		l.mu.Unlock()
		if kept {
			s.op.Flags = 0 // one, and nothing more is accepted
			s.again()
			return
		}
	}
	l.drop(s, ErrClosed)
}
