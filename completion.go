package esock

import (
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Calls that the library carries out. Such a call passes through its lane like any other. When it would block, what is left of it
// goes into the operation of its handle, and the handle holds the lane. An event makes the poller's goroutine own the lane for
// the tries that the call would make itself (carry), until the call is complete and its message is sent, or it would block again.

// Pending is the error of an asynchronous call that goes on: a *Select or a *Completion.
type Pending interface {
	error
	Handle() *Handle
	Op() Op
}

var (
	_ Pending = (*Select)(nil)
	_ Pending = (*Completion)(nil)
)

// Completion is the error of a call with Complete that would block. It is not a failure: the library carries the call
// out, and a CompletionMsg about the handle comes to the mailbox, once; Socket.Cancel takes the call back. OTP:
// {completion, CompletionInfo}.
type Completion Handle

func (c *Completion) Error() string {
	return "esock: " + c.Op().String() + " would block: it is carried out"
}

// Handle returns the handle that the message about this call names.
func (c *Completion) Handle() *Handle { return (*Handle)(c) }

// Op returns the operation.
func (c *Completion) Op() Op { return orZero(c).op }

// CompletionMsg says that the handle's call is over, and has its result, until the handle is used again. OTP:
// {'$socket', Socket, completion, {Handle, Result}}.
type CompletionMsg struct{ Handle *Handle }

// Socket returns the socket that the call was made on.
func (m CompletionMsg) Socket() *Socket { return m.Handle.Socket() }

// Op returns the operation.
func (m CompletionMsg) Op() Op { return m.result().c.op }

// Result returns what the call would have returned: how much it moved in all, and why it ended early.
func (m CompletionMsg) Result() (int, error) { return m.result().n, m.result().err }

// Data returns the bytes received, in the buffer of the call; of RecvBytes, in a new one.
func (m CompletionMsg) Data() []byte { return m.result().data }

// From returns the sender of what RecvFrom received.
func (m CompletionMsg) From() Addr { return m.result().from }

// Msg returns the Msg of RecvMsg or SendMsg.
func (m CompletionMsg) Msg() *Msg { return m.result().c.msg }

// Accepted returns the socket that Accept took.
func (m CompletionMsg) Accepted() *Socket { return m.result().accepted }

func (m CompletionMsg) String() string {
	text := "completion: " + m.Handle.String()
	if err := m.result().err; err != nil {
		text += ": " + err.Error()
	}
	return text
}

// noOperation is that of a message that no call has.
var noOperation operation

func (m CompletionMsg) result() *operation {
	if h := m.Handle; h != nil && h.ext != nil && h.ext.operation != nil {
		return h.ext.operation
	}
	return &noOperation
}

// operation is a call that the library carries out, and then its result. While the handle is armed or queued, the socket's mu
// guards it; while it is carried, it is of who carries it, and from the message on of who receives that.
type operation struct {
	c        call     // what is left of it
	iov      []cIovec // the room for the call's
	n        int      // how much has moved
	err      error
	data     []byte // the buffer of a receive, and then what came
	from     Addr
	accepted *Socket
}

// errCarried refuses a call of a mailbox whose last call of the direction goes on.
var errCarried = stateError("a call of this mailbox is carried out")

// newHandle makes the handle of a call that has none.
func (w *Wait) newHandle() *Handle {
	mb := w.requester()
	if w.kind != waitComplete {
		return mb.NewHandle()
	}
	x := new(struct {
		h   Handle
		ext handleExt
		o   operation
	})
	x.h.mb, x.h.ext, x.ext.operation = mb, &x.ext, &x.o
	return &x.h
}

// pending is the error of the call that goes on with h.
func (h *Handle) pending() error {
	if h.completes {
		return (*Completion)(h)
	}
	return (*Select)(h)
}

// isPending reports whether a call goes on.
func isPending(err error) bool {
	switch err.(type) {
	case *Select, *Completion:
		return true
	}
	return false
}

// isCompletion reports whether a call is carried out, so that what it was given is not the caller's any more.
func isCompletion(err error) bool {
	_, ok := err.(*Completion)
	return ok
}

// take makes the call, of which n has moved, h's operation. s.mu is held.
func (h *Handle) take(c *call, n int) {
	x := h.extend()
	if x.operation == nil {
		x.operation = new(operation)
	}
	o := x.operation
	o.c, o.n, o.err, o.from, o.accepted = *c, n, nil, Addr{}, nil
	if c.iov != nil {
		o.iov = append(o.iov[:0], c.iov...)
		o.c.iov = o.iov
	}
	switch o.data = c.buf; {
	case c.op == OpConnect:
		o.c.addr, o.c.ctrl = nil, nil // the attempt has begun
	case c.op.direction() != reading:
		o.data = nil
	case c.into != nil:
		o.data = c.into
	}
}

// keep makes h hold what the call still needs when it goes on with h, so that the end of the caller's part does not end it.
func (h *Handle) keep(c *call) {
	h.keepFile(c)
	if h.completes {
		c.zc = nil
	}
}

// free ends the use of the call's memory. What the message tells of it stays.
func (o *operation) free() {
	if o.c.x != nil {
		o.c.x.free()
	}
	if o.c.batch != nil {
		o.c.batch.free()
	}
	clear(o.iov)
	o.c = call{op: o.c.op, msg: o.c.msg}
}

// drop ends an operation that has no result. s.mu is held, and the C handle must be there.
func (o *operation) drop(s *Socket) {
	if z := o.c.zc; z != nil && z.book != nil {
		z.sent(s, o.c.sends, o.n, nil)
	}
	o.free()
	*o = operation{iov: o.iov}
}

// beginCarry makes the caller own the lane whose operation's event came, to carry it on. It returns nil where the call that
// handed the operation over has not left the lane yet: that call goes on with it (left). s.mu is held.
func (s *Socket) beginCarry(d direction) *Handle {
	h := s.lane(d).cur
	if h.due = s.state.Load()&stOwned(d) != 0; h.due {
		return nil
	}
	h.state = handleCarried
	s.state.Add(h.op.hold())
	s.keepArmed()
	return h
}

// carry makes the tries that an event calls for, if h is not nil.
func (s *Socket) carry(h *Handle) {
	if h == nil {
		return
	}
	if o := s.otp.Load(); h.op == OpSendFile || o != nil && o.debug {
		go s.carryOut(h) // a disk or the user's logger would hold up the events of all sockets
		return
	}
	s.carryOut(h)
}

// carryOut carries an operation on until it is complete or waits again.
func (s *Socket) carryOut(h *Handle) {
	o := h.ext.operation
	c := &o.c
	c.woken = true
	if c.op == OpSendFile {
		s.park(writing, c.op)
	}
	var err error
	if c.zc != nil && c.zc.book == nil {
		err = s.beginUncopied(c, c.zc)
	}
	for tries := 0; err == nil; {
		r := o.try(s)
		switch {
		case c.wouldBlock(r):
			if err = s.carryLater(h, c); err == errWaits {
				return
			}
			continue
		case r == peerDone && c.op.direction() == reading:
			err = io.EOF
		case r < 0:
			err = syscall.Errno(-r)
		default:
			o.n += r
			if c.advance(s, r) {
				if r == 0 && c.ends(s) {
					err = io.EOF
				}
				s.carried(h, err)
				return
			}
			if tries++; tries >= pollTries { // the socket is ready, so that the event comes at once
				c.sends = pollTries
				if err = s.carryLater(h, c); err == errWaits {
					return
				}
			}
		}
	}
	s.carried(h, err)
}

// errWaits says that an operation waits for its next event.
var errWaits = stateError("the operation waits")

// try makes the system call once.
func (o *operation) try(s *Socket) int {
	c := &o.c
	if len(c.iov) > 0 {
		var pin runtime.Pinner
		defer pin.Unpin()
		for i := range c.iov {
			pin.Pin(unsafe.Pointer(c.iov[i].iov_base))
		}
	}
	return s.try(c, c.count())
}

// carryLater makes an operation wait for its next event: errWaits, after which it is not the caller's any more. A nil error
// says to try again.
func (s *Socket) carryLater(h *Handle, c *call) error {
	defer s.simulated().leave()
	d := h.op.direction()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing() {
		return net.ErrClosed
	}
	again, pause := s.inVain(c)
	if again {
		return nil
	}
	if err := s.holdFor(h, c, pause); err != nil {
		return err
	}
	hold := h.op.hold() | s.state.Load()&stParked(d)
	s.state.Add(^(hold - 1))
	s.settle(d)
	return errWaits
}

// carried ends an operation with its message.
func (s *Socket) carried(h *Handle, err error) {
	o := h.ext.operation
	c, op := &o.c, h.op
	d := op.direction()
	if err != nil && c.part {
		s.endRequest(d)
	}
	var fatal error
	if err != nil && s.isFatal(c, err) {
		fatal = err
	}
	if c.zc != nil {
		c.zc.sent(s, c.sends, o.n, err)
	}
	if f := h.ext.file; f != nil {
		h.ext.file = nil
		s.endSendFile(f, err)
	}
	closed := err == net.ErrClosed
	if !closed {
		s.result(h, err)
	}
	if atomic.LoadUint32((*uint32)(&s.block.wrapped)) != 0 {
		s.noticeWrap()
	}
	o.free()
	n, err, accepted := o.n, o.err, o.accepted

	s.mu.Lock()
	l := s.lane(d)
	l.cur, h.state = nil, handleIdle
	l.unpause()
	if fatal != nil {
		s.abortQueue(l, fatal)
	}
	hold := op.hold() | s.state.Load()&stParked(d)
	st := s.state.Add(^(hold - 1))
	told := true
	if closed {
		h.mb.aborted(h, net.ErrClosed)
	} else {
		told = h.mb.completed(h)
	}
	s.promote(d)
	s.mu.Unlock()
	s.simulated().leave()
	if !told && accepted != nil {
		accepted.close(nil, false)
	}
	if st&stOpen == 0 && st < stRef {
		s.lastOut()
	}
	if x := s.otp.Load(); x != nil && x.debug && !closed {
		s.trace(op.String(), n, err)
	}
}

// result makes the operation's result of how it ended.
func (s *Socket) result(h *Handle, err error) {
	o := h.ext.operation
	c := &o.c
	if err != nil {
		err = s.fail(c.op.String(), err)
	}
	got := err == nil || o.n > 0
	switch c.op {
	case OpAccept:
		if err == nil {
			o.accepted, err = s.acceptedBy(c, h.mb)
		}
	case OpConnect:
		err = s.blameIn(s.connected(err), h.ext.to)
	case OpRecvMsg:
		if err == nil || err == io.EOF {
			err = s.receivedMsg(c.msg, MsgFlags(c.flags), c.cut, o.n, err)
			o.n = len(c.msg.Iov[0])
		}
	case OpRecvFrom:
		if got {
			o.from = addrFromC(c.addr, Addr{})
		}
		o.n = cut(o.n, o.data, MsgFlags(c.flags))
	case OpRecv:
		o.n = cut(o.n, o.data, MsgFlags(c.flags))
	case OpRecvMMsg:
		c.batch.received(o.n)
	case OpSendMMsg:
		err = s.sentMany(c.batch, o.n, err)
	case OpSendTo, OpSendMsg:
		if err != nil && c.addr != nil {
			to := addrFromC(c.addr, Addr{})
			err = s.blame(err, &to)
		}
	}
	o.data = o.data[:min(o.n, len(o.data))]
	o.err = err
}

// completed ends h's call and sends its CompletionMsg. It reports false if the mailbox is closed.
func (m *Mailbox) completed(h *Handle) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unclaim(h)
	if !m.open.Load() {
		return false
	}
	m.link(h, messageCompletion)
	return true
}
