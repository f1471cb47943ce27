package esock

import (
	"context"
	"math"
	"strconv"
	"time"
)

// Op names an operation that can wait.
type Op uint8

// The operations, by their names in OTP's socket module.
const (
	OpNone Op = iota
	OpAccept
	OpRecv
	OpRecvFrom
	OpRecvMsg
	OpConnect
	OpSend
	OpSendTo
	OpSendMsg
	OpSendV
	OpSendFile
	OpRecvErr
)

var opNames = [...]string{"none", "accept", "recv", "recvfrom", "recvmsg", "connect", "send", "sendto", "sendmsg",
	"sendv", "sendfile", "recverr"}

func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return strconv.Itoa(int(o))
}

// direction says which of a socket's lanes an operation uses. The error queue has one of its own: whoever waits
// for an error neither holds up a receiver nor waits behind one.
type direction uint8

const (
	reading direction = iota
	writing
	erring
)

func (o Op) direction() direction {
	switch {
	case o == OpRecvErr:
		return erring
	case o >= OpConnect:
		return writing
	}
	return reading
}

type waitKind uint8

const (
	waitForever waitKind = iota
	waitFor
	waitUntil
	waitContext
	waitAsync
	waitBad // an argument was invalid
)

// Wait says what a call does when the kernel answers "would block". It is a value: make it once, use it often.
//
//	Forever      wait (the zero value)
//	Within(d)    wait for at most d; Within(0) only looks
//	Until(t)     wait until t
//	Context(ctx) wait until ctx ends
//	NoWait(mb)   do not wait: return a *Select, and a message comes to mb when it is worth trying again
//	With(h)      the same with a handle of the caller's
//
// A blocking call that finds others waiting in its direction queues behind them, first come first served;
// so does an asynchronous one, and its *Select then stands for its place. Within(0) does not queue: it
// answers ErrTimeout.
type Wait struct {
	// Four words, so that a call passes it in registers.
	ref  any           // whom to ask or tell: context.Context, *Mailbox, *Handle, *continuation; waitBad: the error
	d    time.Duration // waitFor: the time; waitUntil: the moment, as time since epoch
	spin uint32        // nanoseconds
	kind waitKind
}

// continuation is what Continue makes of the ref of a Wait.
type continuation struct {
	ref any
	sel *Select
}

// Forever waits for as long as it takes. OTP: infinity.
var Forever = Wait{}

func badWait(err *InvalidError) Wait { return Wait{kind: waitBad, ref: err} }

// Within waits for at most d, which must not be negative. The time runs from the moment the first try did not complete the
// call, whether it has to wait then or has moved a part. Within(0) does not wait: a call that moves a part tries again, up
// to 16 times in all, as long as each try moves more. OTP: a time-out in milliseconds.
func Within(d time.Duration) Wait {
	if d < 0 {
		return badWait(&InvalidError{What: "timeout", Value: d, Cause: "a time is not negative"})
	}
	return Wait{kind: waitFor, d: d}
}

// Until waits until t. A moment in the past looks and does not wait.
func Until(t time.Time) Wait {
	// By how far it is from now: what t has may be the time of a wall clock, which jumps.
	return Wait{kind: waitUntil, d: later(clock(), time.Until(t))}
}

// later is d after t, or the end of time.
func later(t, d time.Duration) time.Duration {
	return t + min(d, math.MaxInt64-t)
}

// Context waits until ctx ends; the call then returns an *Error in which errors.Is finds ctx.Err(). A context that can end costs no goroutine
// and, when it is used again on the same socket, no allocation.
func Context(ctx context.Context) Wait {
	if ctx == nil {
		return badWait(&InvalidError{What: "timeout", Cause: "the context is nil"})
	}
	return Wait{kind: waitContext, ref: ctx}
}

// NoWait does not wait: a call that would block returns a *Select, and mb gets a SelectMsg when it is
// worth repeating. The mailbox is the requester: until it repeats the call or cancels, it holds the
// socket's direction and others queue behind it. OTP: nowait.
func NoWait(mb *Mailbox) Wait {
	if mb == nil {
		return badWait(&InvalidError{What: "timeout", Cause: "no mailbox to answer to"})
	}
	return Wait{kind: waitAsync, ref: mb}
}

// With is NoWait with a handle that the caller made (Mailbox.NewHandle) and may use again for one call after another,
// which then allocates nothing. OTP: a caller-made reference.
func With(h *Handle) Wait {
	if h == nil || h.mb == nil {
		return badWait(&InvalidError{What: "timeout", Cause: "no mailbox to answer to"})
	}
	return Wait{kind: waitAsync, ref: h}
}

// Spin lets a blocking call look again and again, for up to d, before it parks: lower latency for
// processor time. At most half of the processors (GOMAXPROCS) spin at once; with one, nobody does. Without it the socket's
// {otp, spin} applies. More than four seconds are four seconds.
func (w Wait) Spin(d time.Duration) Wait {
	if d < 0 {
		return badWait(&InvalidError{What: "timeout", Value: d, Cause: "a spin budget is not negative"})
	}
	w.spin = uint32(min(d, math.MaxUint32))
	return w
}

// Continue says that the call carries on the partial one that returned sel: same operation, same
// requester. Its flags and destination are given again; control messages are not sent again, and a
// SendFile goes on with the file, offset and count it had. OTP: the continuation form of a call.
func (w Wait) Continue(sel *Select) Wait {
	switch {
	case w.kind == waitBad:
	case sel == nil:
		return badWait(&InvalidError{What: "select", Cause: "there is nothing to continue"})
	default:
		w.ref = &continuation{w.base(), sel}
	}
	return w
}

// Begin is the wait as it is from now on: Within(d) becomes Until(now plus d), so that several calls share one time. The
// others are as they were.
func (w Wait) Begin() Wait {
	if w.kind == waitFor && w.d > 0 {
		w.kind, w.d = waitUntil, later(clock(), w.d)
	}
	return w
}

// String is the wait as it is written: "Within(1s)", "Forever", "NoWait(mailbox)"; Until shows how far off the moment is.
func (w Wait) String() string {
	text := "Forever"
	switch w.kind {
	case waitFor:
		text = "Within(" + w.d.String() + ")"
	case waitUntil:
		text = "Until(in " + (w.d - clock()).String() + ")"
	case waitContext:
		text = "Context"
	case waitAsync:
		text = "NoWait"
		if w.handle() != nil {
			text = "With"
		}
		text += "(" + w.requester().String() + ")"
	case waitBad:
		text = w.ref.(error).Error()
	}
	if w.spin > 0 {
		text += ".Spin(" + time.Duration(w.spin).String() + ")"
	}
	if w.continues() != nil {
		text += ".Continue"
	}
	return text
}

// Err says why the wait cannot be used: a negative time, a nil context. Every call that is given it answers the same.
func (w Wait) Err() error {
	if w.kind == waitBad {
		return w.ref.(error)
	}
	return nil
}

// Blocks reports whether a call with the wait may keep its goroutine waiting: neither NoWait, nor With, nor Within(0).
func (w Wait) Blocks() bool { return w.kind != waitBad && w.blocks() }

// Asynchronous reports NoWait or With.
func (w Wait) Asynchronous() bool { return w.kind == waitAsync }

// Ended is why the context of Ends has ended: ErrTimeout, or the error of the wait's own context.
func (w Wait) Ended() error {
	if w.kind == waitContext {
		return w.context().Err()
	}
	return ErrTimeout
}

// Over says that the time of Until, or the context, has ended: ErrTimeout, or the error of the context; nil as long as it has
// not. The time of a Within has no beginning here: see Begin. A call of several receives asks between them, because a
// receive that finds data at once does not look at the time.
func (w Wait) Over() error {
	switch {
	case w.kind == waitContext:
		return w.context().Err()
	case w.kind == waitUntil && clock() >= w.d:
		return ErrTimeout
	}
	return nil
}

// Duration is the time of Within, and whether the wait is one; of others it means nothing.
func (w Wait) Duration() (time.Duration, bool) { return w.d, w.kind == waitFor }

// Ends gives a context that ends when the wait does, for calls that take one. The function frees what it holds.
func (w Wait) Ends() (context.Context, context.CancelFunc) {
	switch w.kind {
	case waitFor:
		return contextFor(w.d)
	case waitUntil:
		return contextFor(w.d - clock())
	case waitContext:
		return context.WithCancel(w.context())
	}
	return context.WithCancel(context.Background())
}

// base is the ref without what Continue added.
func (w *Wait) base() any {
	if c, ok := w.ref.(*continuation); ok {
		return c.ref
	}
	return w.ref
}

// context is that of waitContext.
func (w *Wait) context() context.Context {
	ctx, _ := w.base().(context.Context)
	return ctx
}

// handle is the caller's, nil if the library makes one.
func (w *Wait) handle() *Handle {
	h, _ := w.base().(*Handle)
	return h
}

// continues is the call that this one carries on, nil if it is a new one.
func (w *Wait) continues() *Select {
	if c, ok := w.ref.(*continuation); ok {
		return c.sel
	}
	return nil
}

// polls reports whether the call only looks.
func (w *Wait) polls() bool { return w.kind == waitFor && w.d == 0 }

// blocks reports whether the caller's goroutine waits.
func (w *Wait) blocks() bool { return w.kind != waitAsync && !w.polls() }

// requester is the mailbox that makes the call, nil for a blocking call of its own.
func (w *Wait) requester() *Mailbox {
	switch r := w.base().(type) {
	case *Mailbox:
		return r
	case *Handle:
		return r.mb
	}
	if sel := w.continues(); sel != nil {
		return sel.mb
	}
	return nil
}

// deadline is the moment, since epoch, when the wait ends; 0: never. Called when the wait begins.
func (w *Wait) deadline() time.Duration {
	switch w.kind {
	case waitFor:
		return later(clock(), w.d)
	case waitUntil:
		return max(w.d, 1)
	}
	return 0
}

type handleState uint8

const (
	handleIdle     handleState = iota // in no lane
	handleQueued                      // behind others, in a lane's queue
	handleArmed                       // has the slot; a message will come
	handleSelected                    // has the slot; the message was sent
)

// messageKind says which message about a handle is in its mailbox.
type messageKind uint8

const (
	messageNone messageKind = iota
	messageSelect
	messageAbort
	messageOther // ext.msg
)

// handleList is a list of handles, each in one list at a time: the calls queued in a lane, a mailbox's messages.
type handleList struct{ head, tail *Handle }

// push appends h.
func (l *handleList) push(h *Handle) { l.insert(h, l.tail) }

// insert puts h behind another, nil: at the front.
func (l *handleList) insert(h, after *Handle) {
	h.prev, h.next = after, l.head
	if after == nil {
		l.head = h
	} else {
		h.next = after.next
		after.next = h
	}
	if h.next == nil {
		l.tail = h
	} else {
		h.next.prev = h
	}
}

// remove takes h out; it must be in.
func (l *handleList) remove(h *Handle) {
	if h.prev == nil {
		l.head = h.next
	} else {
		h.prev.next = h.next
	}
	if h.next == nil {
		l.tail = h.prev
	} else {
		h.next.prev = h.prev
	}
	h.prev, h.next = nil, nil
}

// Handle identifies one asynchronous call after another of one requester. Make it with Mailbox.NewHandle. It
// serves one call at a time: a second one that would have to wait while one is in progress answers an *InvalidError "handle".
// A call that the kernel completes at once needs no handle, and looks at none.
//
// It is also its own place in a lane's queue and in a mailbox's list of messages, so that neither allocates.
type Handle struct {
	mb         *Mailbox // the requester; nil for a blocking call waiting its turn
	sock       *Socket  // where it was last used; guarded by mb.mu
	prev, next *Handle  // in a lane's queue, guarded by the socket's mu, or a mailbox's messages, by mb.mu
	pprev      *Handle  // in the mailbox's list of handles in progress, guarded by mb.mu
	pnext      *Handle
	ext        *handleExt // what few handles have
	seq        uint64     // place of its message in the mailbox; guarded by mb.mu
	op         Op
	state      handleState // guarded by the socket's mu
	posted     messageKind // guarded by mb.mu
	away       bool        // its function is running (NewHandleFunc); guarded by mb.mu
	busy       bool        // in a lane; guarded by mb.mu
	waiting    bool        // and its message is still to come; guarded by mb.mu
	complete   bool        // see Select.Complete
	moved      bool        // a part of the request has moved; guarded by the socket's mu
}

// handleExt is what only some handles need.
type handleExt struct {
	wake   chan struct{} // a blocking call waits here for its turn; buffer of 1
	reason error         // of an abort
	msg    Message       // messageOther
	file   *heldFile     // the sendfile in progress

	receive func(Message) (Message, bool) // NewHandleFunc
}

// Socket is the socket the handle was last used on, nil before.
func (h *Handle) Socket() *Socket {
	h = orZero(h)
	if h.mb == nil {
		return h.sock
	}
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	return h.sock
}

// Unseen reports whether a message about the handle waits in its mailbox.
func (h *Handle) Unseen() bool { return h != nil && h.mb != nil && h.mb.unseen(h) }

// Mailbox is the mailbox that the handle belongs to.
func (h *Handle) Mailbox() *Mailbox { return orZero(h).mb }

func (h *Handle) extend() *handleExt {
	if h.ext == nil {
		h.ext = new(handleExt)
	}
	return h.ext
}

// Select is the error of an asynchronous call that would block. It is not a failure: a message for the handle will
// come to the mailbox, after which the call is repeated, or Socket.Cancel takes it back. The count
// beside it says what was done already. OTP: {select, SelectInfo}.
type Select Handle

var _ error = (*Select)(nil)

func (s *Select) Error() string { return "esock: " + s.Op().String() + " would block: selected" }

// Handle is the handle that messages about this call name.
func (s *Select) Handle() *Handle { return (*Handle)(s) }

// Op is the operation to repeat.
func (s *Select) Op() Op { return orZero(s).op }

// Complete reports that the call beside it is complete, and the Select is about the next one: {otp, select_read}
// is on. OTP: select_read.
func (s *Select) Complete() bool { return orZero(s).complete }
