package esock

import (
	"net"
	"time"
)

// Cancel takes an asynchronous call back. When it returns nil, no message about it will be received; a waiting
// SelectMsg is withdrawn, and the buffers of a *Completion are the caller's again. What had moved has moved. The next
// call in the queue moves up. A connection attempt goes on in the kernel. Errors: net.ErrClosed; *InvalidError "select"
// or "completion" if it is not in progress. A CompletionMsg that was sent stays. OTP: socket:cancel/2.
//
// How much a cancelled *Completion has moved is not its result: Counters tell (ReadByte, WriteByte). It matters for
// RecvFull, whose buffer has those bytes, and for a send, which may have ended anywhere.
func (s *Socket) Cancel(call Pending) error {
	s = s.orClosed()
	var h *Handle
	if call != nil {
		h = call.Handle()
	}
	if h == nil || h.mb == nil {
		return s.fail("cancel", &InvalidError{What: "select", Cause: "it is nil"})
	}
	if err := s.cancel(h); err != nil {
		return s.fail("cancel", err)
	}
	return nil
}

func (s *Socket) cancel(h *Handle) error {
	defer s.simulated().leave() // the next call in the queue may have armed
	s.mu.Lock()
	defer s.mu.Unlock()
	sock, busy := h.calls()
	for sock == s && busy && h.state == handleCarried {
		// Its try does not block, and the case is clear then. Only a sendfile may wait, for the disk.
		s.mu.Unlock()
		nap(5 * time.Microsecond)
		s.mu.Lock()
		sock, busy = h.calls()
	}
	if sock != s { // claiming it for this socket needs s.mu
		return h.notInProgress()
	}
	if s.closing() {
		h.mb.withdraw(h)
		return net.ErrClosed
	}
	if !busy {
		h.mb.withdraw(h)
		return h.notInProgress()
	}
	d := h.op.direction()
	if l := s.lane(d); h.state == handleQueued {
		l.unqueue(h)
		s.dropFile(h)
	} else {
		s.dropCurrent(d)
	}
	h.mb.finish(h)
	s.promote(d)
	return nil
}

var (
	errNotInProgress = &InvalidError{What: "select", Cause: "it is not in progress here"}
	errNotCarriedOut = &InvalidError{What: "completion", Cause: errNotInProgress.Cause}
)

// notInProgress says that h's last call is over, or another socket's.
func (h *Handle) notInProgress() error {
	if h.completes {
		return errNotCarriedOut
	}
	return errNotInProgress
}

// dropCurrent ends the current request of a lane without a message. s.mu is held.
func (s *Socket) dropCurrent(d direction) {
	l := s.lane(d)
	h := l.cur
	l.cur = nil
	l.unpause()
	if h.state == handleArmed {
		cDisarm(s.poller(), s.h, d.bits())
	}
	h.state = handleIdle
	s.keepArmed()
	s.dropFile(h)
	s.endRequest(d)
}

// yield gives up the lane that mb holds for calls like op, if mb has received the message to continue. Before that, the
// message still makes it come back.
func (s *Socket) yield(op Op, mb *Mailbox) {
	d := op.direction()
	if d > s.lastLane() {
		return
	}
	defer s.simulated().leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.lane(d).cur
	switch {
	case h == nil || h.mb != mb || h.op.exclusive() != op.exclusive():
		return
	case h.state != handleSelected || mb.unseen(h):
		return
	}
	s.dropCurrent(d)
	mb.release(h)
	s.promote(d)
}

// endRequest ends the request in progress in the counters, if there is one. The C handle must be there.
func (s *Socket) endRequest(d direction) {
	switch {
	case d == reading && s.block.receiving != 0:
		cEndRead(s.h)
	case d == writing && s.block.sending != 0:
		cEndWrite(s.h)
	}
}
