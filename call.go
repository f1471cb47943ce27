package esock

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/esock-go/esock/internal/plain"
)

// call is one operation on its way through a lane, and its progress. It lives on the caller's stack, and is copied into the park
// while it waits on the runtime's poller; a quick call that waits first is made there.
type call struct {
	op         Op
	whole      bool // go on until everything has moved
	finish     bool // connect: only finish
	connecting bool // connect: the attempt has begun
	current    bool // the requester held the lane already
	woken      bool // the try follows a message or an event
	noted      bool // an event came during the try
	complete   bool // the call is done, and asks for the next event only ({otp, select_read})
	part       bool // something has moved: the next try carries on the request
	counted    bool // a try has counted the present wait
	inPark     bool // it is the call of a park: quick.go
	flags      int
	sends      uint32        // how many tries moved something
	tries      uint32        // how often the present wait on the runtime's poller has tried
	deadline   time.Duration // see until
	buf        []byte
	iov        []cIovec
	addr       *cAddr
	ctrl       []byte // control data; of a connect to several addresses: see cConnectX
	recs       []cCmsg
	out        *cMsg
	accepted   *handle
	file       *heldFile
	batch      *batch        // of RecvMMsg and SendMMsg, with its messages
	from, left int           // send: the messages of the batch that are still to go; receive: how many may come
	to         *Addr         // connect: where the attempt that the call goes on with leads
	own        func() int    // makes the try instead of the core: SyscallConn's functions, and tests
	lowat      lowat         // of a receive that is whole: lowat.go
	zc         *zeroCopySend // the memory that a send without copying leaves with the kernel

	// For a call that the library carries out: completion.go.
	x    *scratch // what other fields point into, nil if that is the caller's
	msg  *Msg     // of RecvMsg
	into []byte   // what buf was at first, if it is not whole any more
	cut  bool     // RecvMsg: control messages may be cut
}

// until is the deadline in the call's Wait, fixed when the call first has to wait; 0 for none.
func (c *call) until(s *Socket, w *Wait) time.Duration {
	if c.deadline == 0 {
		c.deadline = w.deadline(s)
	}
	return c.deadline
}

// peerDone is what the core answers when a message socket's peer has sent everything.
const peerDone = -int(syscall.ESHUTDOWN)

// try makes the system call once.
func (c *call) try(s *Socket, how uint) int {
	if c.op == OpRecv && c.flags&int(MsgErrQueue) == 0 && !c.whole { // what waits most often, by the shortest way
		return s.settled(c, cRecv(s.h, c.buf, c.flags, how))
	}
	if c.part {
		how |= howCont
	}
	queued := c.flags&int(MsgErrQueue) != 0
	var r int
	switch c.op {
	case OpRecv:
		if c.whole {
			how |= howFull
		}
		if queued {
			r = s.recvQueued(c, how)
		} else {
			r = cRecv(s.h, c.buf, c.flags, how)
		}
	case OpRecvFrom:
		if queued {
			r = s.recvQueued(c, how)
		} else {
			r = cRecvFrom(s.h, c.buf, c.flags, how, c.addr)
		}
	case OpRecvMsg:
		if queued {
			r = s.recvQueued(c, how)
		} else {
			r = cRecvMsg(s.h, c.buf, c.flags, how, c.ctrl, c.recs, c.out)
		}
	case OpRecvErr:
		return s.recvQueued(c, how)
	case OpSend:
		return cSend(s.h, c.buf, c.flags, how)
	case OpSendTo:
		return cSendTo(s.h, c.buf, c.flags, how, c.addr)
	case OpSendMsg, OpSendV:
		if c.iov != nil {
			return cSendMsgV(s.h, c.iov, c.flags, how, c.addr, c.ctrl)
		}
		return cSendMsg(s.h, c.buf, c.flags, how, c.addr, c.ctrl)
	case OpRecvMMsg:
		r = cBatchRecv(s.h, c.batch.c, c.left, c.flags, how)
	case OpSendMMsg:
		return cBatchSend(s.h, c.batch.c, c.from, c.left, c.flags, how)
	case OpSendFile:
		return c.file.send(s.h, how)
	case OpAccept:
		return cAccept(s.h, how, &c.accepted, c.addr)
	case OpConnect:
		if c.connecting {
			return cFinish(s.h)
		}
		if c.ctrl != nil {
			r = cConnectX(s.h, c.ctrl)
		} else {
			r = cConnect(s.h, c.addr)
		}
		c.connecting = r == -int(syscall.EINPROGRESS)
		return r
	default: // OpRawRead, OpRawWrite
		return c.own()
	}
	return s.settled(c, r)
}

// settled is the result of a try, put right where reading of a message socket is shut: Linux reports such a socket as readable
// for ever, though there is nothing to read.
func (s *Socket) settled(c *call, r int) int {
	if r == -int(syscall.EAGAIN) && s.typ != Stream && c.op.direction() == reading && s.facts.Load()&factShutRead != 0 {
		return peerDone
	}
	return r
}

// wouldBlock reports whether the result r means to wait. A connect with EAGAIN (the backlog of a unix listener is full) has
// failed: no event would end the wait.
func (c *call) wouldBlock(r int) bool {
	if c.op == OpConnect {
		return r == -int(syscall.EINPROGRESS)
	}
	return r == -int(syscall.EAGAIN)
}

// advance records that a try moved r, and reports whether the call is complete.
func (c *call) advance(s *Socket, r int) bool {
	c.sends++
	c.woken = false // the wake-up was not empty, so the next arm is one-shot again
	switch {
	case c.op == OpSendFile:
		return c.file.advance(r)
	case c.op == OpSendMMsg:
		c.from, c.left = c.from+r, c.left-r
		return c.left == 0
	case !c.whole:
		return true
	case r == 0 && c.ends(s):
		return true
	case c.iov != nil:
		c.iov = advanceIov(c.iov, r)
		c.part, c.ctrl = true, nil
		return len(c.iov) == 0
	}
	c.buf = c.buf[min(r, len(c.buf)):] // with MsgTrunc, SCTP's streams report more than they stored
	if r > 0 {
		c.part, c.ctrl = true, nil // control messages go with the first bytes only
	}
	return len(c.buf) == 0
}

// ends reports whether a receive of 0 bytes is the end of the stream: the buffer has room, and the call asks for data.
func (c *call) ends(s *Socket) bool {
	if s.typ != Stream || c.op > OpRecvMsg || len(c.buf) == 0 {
		return false
	}
	switch {
	case c.flags&int(MsgErrQueue) == 0:
		return true
	case c.op == OpRecvMsg:
		return MsgFlags(c.out.flags)&MsgErrQueue == 0 // the kernel says whether it heeded the flag
	}
	return cErrorQueue(s.h) == errorQueueNo
}

// do takes the call through its lane: enter, try, wait, try again, leave. It returns how much was moved in all, and why the
// call ended early.
func (s *Socket) do(c *call, w *Wait) (n int, err error) {
	if err := s.admit(c, w); err != nil {
		if err == errUncopied {
			return s.sendUncopied(c, w, &zeroCopySend{buf: c.buf})
		}
		return 0, s.answer(c.op, w, err)
	}
	// The usual case stands alone: the kernel is ready, and does everything at once. After a system call the processor
	// mispredicts each branch, so there are few.
	var tried bool
	var r int
	if len(c.buf) > 0 && !w.async() && s.state.Load()&stWaited(c.op.direction()) == 0 && s.otp.Load() == nil {
		r = c.try(s, howPoll)
		if r > 0 && (!c.whole || r == len(c.buf)) && atomic.LoadUint32((*uint32)(&s.block.wrapped)) == 0 {
			s.leave(c.op, nil)
			return r, nil
		}
		tried = true
	}
	return s.complete(c, w, tried, r)
}

// admit checks the call and takes the lane for it.
func (s *Socket) admit(c *call, w *Wait) error {
	if w.kind == waitBad {
		return w.ref.(error)
	}
	if uint64(c.flags) >= uint64(MsgZeroCopy) { // one branch for two rare cases
		switch {
		case !plain.FitsCInt(int64(c.flags)):
			return &InvalidError{What: "msg_flag", Value: c.flags}
		case c.flags&int(MsgZeroCopy) != 0 && c.zc == nil && c.op.direction() == writing:
			return errUncopied
		}
	}
	if w.kind == waitContext {
		// A context that is done and has no error is noticed where the call waits, because this is on the path of every call.
		if err := w.context().Err(); err != nil {
			return sound(err)
		}
	}
	if w.async() && w.requester().Closed() {
		return errMailboxClosed
	}
	if err := s.enter(c, w); err != nil {
		return err
	}
	if c.part {
		c.ctrl = nil // control messages went with the first bytes
	}
	return nil
}

// answer returns the result of a call that is decided before the call has the lane: an argument is wrong, there is nothing to
// do, or its time is over. It counts as the requester's next call, so a requester that holds the lane gives it up, and the next
// in the queue moves up.
func (s *Socket) answer(op Op, w *Wait, err error) error {
	if isPending(err) {
		return err // it has a place in the queue
	}
	if mb := s.requester(w); mb != nil && !errors.Is(err, ErrState) { // after ErrState the request in progress goes on
		s.yield(op, mb)
	}
	if err == nil {
		return nil
	}
	return s.fail(op.String(), err)
}

// complete is the rest of do, with every case. r is the result of the first try, if tried.
func (s *Socket) complete(c *call, w *Wait, tried bool, r int) (n int, err error) {
	if w.kind == waitContext {
		n, err = s.runInContext(c, w, tried, r)
	} else {
		n, err = s.run(c, w, tried, r)
	}
	return s.finish(c, w, n, err)
}

// runInContext is run with the caller's context, whose methods may panic or end the goroutine. The call ends then as it does
// after an error: whoever recovers finds the lane free, and Close does not wait for the call.
func (s *Socket) runInContext(c *call, w *Wait, tried bool, r int) (n int, err error) {
	ended := false
	defer func() {
		if !ended {
			s.endWait(c.op.direction())
			if c.zc != nil && c.sends > 0 {
				n = max(1, len(c.zc.buf)-len(c.buf)) // the kernel has that memory
			}
			s.finish(c, w, n, context.Canceled)
		}
	}()
	n, err = s.run(c, w, tried, r)
	ended = true
	return n, err
}

// finish is the part of complete that ends the call: n and err are the result of run.
func (s *Socket) finish(c *call, w *Wait, n int, err error) (int, error) {
	d := c.op.direction()
	c.lowat.reset(s)
	o := s.otp.Load()
	if o != nil && o.selectRead && err == nil && w.kind == waitAsync && d == reading && c.op != OpAccept {
		c.complete = true
		for err == nil {
			err = s.selectOn(c, w, n)
		}
		if _, ok := err.(*Select); !ok {
			err = nil // the data is there, even if the next event cannot be asked for
		}
	}
	failed := err != nil && !isPending(err)
	if failed && c.part {
		s.endRequest(d)
	}
	if atomic.LoadUint32((*uint32)(&s.block.wrapped)) != 0 {
		s.noticeWrap()
	}
	var fatal error
	if failed && s.isFatal(c, err) {
		fatal = err
	}
	if c.zc != nil {
		c.zc.sent(s, c.sends, n, err)
	}
	if c.file != nil { // else it is held for a continuation
		s.endSendFile(c.file, err)
		c.file = nil
	}
	op := c.op
	if c.inPark {
		*c = call{} // the next call of the lane is made there
	}
	s.leave(op, fatal)
	if o != nil && o.debug {
		s.trace(op.String(), n, err)
	}
	switch {
	case failed:
		err = s.fail(op.String(), err)
	case isCompletion(err):
		n = 0 // the message has it
	}
	return n, err
}

// run is the part of complete that owns the lane: it tries and waits until the call is complete or ends.
func (s *Socket) run(c *call, w *Wait, tried bool, r int) (n int, err error) {
	d := c.op.direction()
	budget := time.Duration(w.spin)
	if o := s.otp.Load(); budget == 0 && o != nil {
		budget = o.spin
	}
	if d == erring || s.simulated() != nil {
		budget = 0 // reading errors is not urgent, and in a bubble time stands still for who spins
	}
	blocks := w.blocks()
	var how uint
	if !w.async() {
		how = howPoll // the wait that follows counts, not the try
	}
	for ; ; tried = false {
		if !tried {
			r = -int(syscall.EAGAIN)
			if c.op == OpConnect || !blocks || s.state.Load()&stWaited(d) == 0 || budget > 0 {
				if c.op == OpSendFile {
					s.park(d, c.op) // it may wait for the disk
				}
				r = s.try(c, how)
			}
		}
		switch {
		case !c.wouldBlock(r):
			if !tried {
				s.setWaited(d, false)
			}
		case blocks && budget > 0:
			r = s.spin(c, w, budget)
		}
		if c.wouldBlock(r) {
			switch {
			case w.async():
				if err = s.selectOn(c, w, n); err == nil {
					how = howPoll
					continue // an event came meanwhile, and the wait goes on
				}
			case blocks:
				r, err = s.await(c, w)
			default:
				err = ErrTimeout
			}
			if err != nil {
				return n, err
			}
		}
		if r < 0 {
			if r == peerDone && d == reading {
				return n, io.EOF
			}
			return n, syscall.Errno(-r)
		}
		n += r
		if c.advance(s, r) {
			if r == 0 && c.ends(s) {
				return n, io.EOF
			}
			return n, nil
		}
		if err = s.between(c, w, n); err != nil {
			return n, err
		}
	}
}

// pollTries limits the tries of a call that does not wait. Otherwise a peer that keeps up would hold the caller for ever.
const pollTries = 16

// between runs after each try that moved a part, so that a call that makes progress heeds Close, its context and its deadlines
// as a waiting call does. From here on the call is also the lane's current request, so that a call with Within(0) returns at
// once.
func (s *Socket) between(c *call, w *Wait, n int) error {
	s.park(c.op.direction(), c.op)
	switch {
	case s.closing():
		return net.ErrClosed
	case w.async():
		if c.sends >= pollTries {
			return s.selectOn(c, w, n) // the socket is ready, so that the message comes at once
		}
	case w.polls():
		if c.sends >= pollTries {
			return ErrTimeout
		}
	default:
		if c.op == OpRecv && c.tries > 1 { // it has waited for this part
			c.tries = 0
			c.lowat.waited(s, len(c.buf))
		}
		c.lowat.lower(s, len(c.buf))
		if err := w.calledOff(); err != nil {
			return err
		}
		if c.until(s, w); s.overdue(c) {
			return ErrTimeout
		}
	}
	return nil
}

// isFatal reports whether the error of a call also ends the calls queued behind it. Only an error that ends the stream itself
// does. Any other concerns its call alone: its arguments, its message, its file, one refused datagram, one connection that
// could not be accepted.
func (s *Socket) isFatal(c *call, err error) bool {
	if c.op.direction() == reading && err == io.EOF {
		return true
	}
	switch {
	case c.op == OpAccept:
		return err == syscall.EINVAL // the socket no longer listens
	case c.op == OpConnect || c.op.direction() == erring:
		return false
	case c.flags&int(MsgErrQueue) != 0:
		return false
	case s.typ != Stream && (s.typ != SeqPacket || Protocol(s.proto) == SCTP): // one-to-many SCTP: the error is one peer's
		return false
	}
	switch err {
	case syscall.EPIPE, syscall.ECONNRESET:
		return true
	case syscall.ENOTCONN, syscall.ECONNABORTED, syscall.ETIMEDOUT:
		return c.op != OpSendFile // user-space and network file systems fail with these too
	}
	return false
}

// scratch is the memory that a call with an address or several buffers needs.
type scratch struct {
	addr  cAddr
	msg   cMsg
	arena []byte
	iov   []cIovec
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (x *scratch) free() {
	clear(x.iov)
	scratches.Put(x)
}
