package esock

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/esock-go/esock/internal/plain"
)

type waitKind uint8

const (
	waitForever waitKind = iota
	waitFor
	waitUntil
	waitContext
	waitAsync
	waitComplete
	waitBad // an argument was invalid
)

// Wait says what a call does when it would block. One serves many calls.
//
//	Forever         wait without limit (the zero value)
//	Within(d)       wait for at most d; Within(0) does not wait
//	Until(t)        wait until t
//	Context(ctx)    wait until ctx ends
//	NoWait(mb)      do not wait: return a *Select, and send mb a message when the call is worth repeating
//	With(h)         the same, with a handle that the caller made
//	Complete(mb)    do not wait: return a *Completion, carry the call out, and send mb a message with its result
//	CompleteWith(h) the same, with a handle that the caller made
//
// A call that finds others waiting in its direction queues behind them. That holds for asynchronous calls too: the
// *Select or *Completion then stands for the place in the queue. Within(0) does not queue and returns ErrTimeout. With
// a deadline (Socket.SetDeadline) and a Wait, the earlier counts; asynchronous calls have none.
type Wait struct {
	// Four words, so that a call passes it in registers.
	ref  any           // context.Context, *Mailbox, *Handle or *amended; of waitBad the error
	d    time.Duration // waitFor: the time; waitUntil: the moment, as time since epoch
	spin uint32        // nanoseconds
	kind waitKind
}

// amended is the ref of a Wait that Continue or As made.
type amended struct {
	ref any
	sel *Select  // of Continue
	as  *Mailbox // of As
}

// Forever waits without limit. OTP: infinity.
var Forever = Wait{}

func badWait(err *InvalidError) Wait { return Wait{kind: waitBad, ref: err} }

// Within waits for at most d, which must not be negative. The time starts when the first try leaves the call
// incomplete. Within(0) does not wait, but a call that made progress tries again, up to 16 times in all, while each
// try moves more. OTP: a timeout in milliseconds.
func Within(d time.Duration) Wait {
	if d < 0 {
		return badWait(&InvalidError{What: "timeout", Value: d, Cause: "a time cannot be negative"})
	}
	return Wait{kind: waitFor, d: d}
}

// Until waits until t. After t the call tries once and does not wait.
func Until(t time.Time) Wait {
	return Wait{kind: waitUntil, d: momentOf(t)}.inBubbleToo(func() time.Duration { return t.Sub(beginning) })
}

// Context waits until ctx ends; the call then returns an *Error in which errors.Is finds ctx.Err(), or
// context.Canceled if that is nil. It costs no goroutine, and no allocation when ctx is used again on the same socket.
func Context(ctx context.Context) Wait {
	if ctx == nil {
		return badWait(&InvalidError{What: "timeout", Cause: "the context is nil"})
	}
	return Wait{kind: waitContext, ref: ctx}
}

// NoWait makes a call asynchronous: if it would block, it returns a *Select, and mb gets a SelectMsg when the call is
// worth repeating. Until mb repeats or cancels the call, it holds the socket's direction and later calls queue behind
// it. OTP: nowait.
func NoWait(mb *Mailbox) Wait {
	if mb == nil {
		return badWait(&InvalidError{What: "timeout", Cause: "there is no mailbox to send a message to"})
	}
	return Wait{kind: waitAsync, ref: mb}
}

// With is NoWait with a handle from Mailbox.NewHandle. Reusing the handle saves the allocation of a Select. OTP: a
// caller-made reference.
func With(h *Handle) Wait {
	if h == nil || h.mb == nil {
		return badWait(&InvalidError{What: "timeout", Cause: "there is no mailbox to send a message to"})
	}
	return Wait{kind: waitAsync, ref: h}
}

// Complete makes a call asynchronous: if it would block, it returns a *Completion with the count 0, the library carries
// the call out, and mb gets a CompletionMsg with the result. From the *Completion to the message, the call's buffers and
// Msg are the library's. What can be done at once is done at once, and no message follows. A send to a stream sends
// everything, RecvFull receives everything. mb has one such call per direction of a socket: another is ErrState, also
// with another handle. If the socket is closed meanwhile, an AbortMsg comes instead. RecvErr has no such form. OTP:
// nowait, where the system has completions.
func Complete(mb *Mailbox) Wait {
	w := NoWait(mb)
	if w.kind == waitAsync {
		w.kind = waitComplete
	}
	return w
}

// CompleteWith is Complete with a handle from Mailbox.NewHandle. Reusing the handle saves all allocation. OTP: a
// caller-made reference.
func CompleteWith(h *Handle) Wait {
	w := With(h)
	if w.kind == waitAsync {
		w.kind = waitComplete
	}
	return w
}

// Spin makes a blocking call retry for up to d before parking, trading processor time for latency. At most half of the
// processors (GOMAXPROCS) spin at once; with a single processor, none does. The default is {otp, spin}; the limit is
// about four seconds.
func (w Wait) Spin(d time.Duration) Wait {
	if d < 0 {
		return badWait(&InvalidError{What: "timeout", Value: d, Cause: "a spin budget cannot be negative"})
	}
	w.spin = uint32(min(d, math.MaxUint32))
	return w
}

// Continue makes the call carry on the partial one that returned sel: same operation, same requester. Pass the flags
// and destination again. Control messages are not sent again, and SendFile keeps its file, offset and count. OTP: the
// continuation form of a call.
func (w Wait) Continue(sel *Select) Wait {
	switch {
	case w.kind == waitBad:
	case sel == nil:
		return badWait(&InvalidError{What: "select", Cause: "there is nothing to continue"})
	default:
		w.ref = &amended{w.base(), sel, w.named()}
	}
	return w
}

// As makes a blocking call one of mb's, where it is otherwise of no mailbox. It takes the place of the call that mb has
// waiting in the socket's direction, which ends with an AbortMsg, and mb owns what Accept takes. If mb has a call in
// the queue, it is ErrState. Closing mb does not end it. Package gentcp ignores As. OTP: the calling process.
func (w Wait) As(mb *Mailbox) Wait {
	has := w.requester()
	switch {
	case w.kind == waitBad, mb != nil && has == mb:
	case mb == nil:
		return badWait(&InvalidError{What: "mailbox", Cause: "it is nil"})
	case has != nil:
		return badWait(&InvalidError{What: "mailbox", Value: mb, Cause: "the call is one of " + has.String()})
	default:
		w.ref = &amended{ref: w.ref, as: mb}
	}
	return w
}

// Begin starts the time of Within(d): it returns Until(now plus d), so that several calls share it. Other waits are
// unchanged.
func (w Wait) Begin() Wait {
	if w.kind == waitFor && w.d > 0 {
		d := w.d
		w.kind, w.d = waitUntil, later(clock(), d)
		return w.inBubbleToo(func() time.Duration { return later(bubbleClock(), d) })
	}
	return w
}

// String formats the wait as "Within(1s)", "Forever" or "NoWait(mailbox)". Until shows the time left.
func (w Wait) String() string {
	text := "Forever"
	switch w.kind {
	case waitFor:
		text = "Within(" + w.d.String() + ")"
	case waitUntil:
		text = "Until(in " + w.left().String() + ")"
	case waitContext:
		text = "Context"
	case waitAsync, waitComplete:
		text = "NoWait"
		switch own := w.handle() != nil; {
		case w.kind == waitComplete && own:
			text = "CompleteWith"
		case w.kind == waitComplete:
			text = "Complete"
		case own:
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
	if as := w.named(); as != nil {
		text += ".As(" + as.String() + ")"
	}
	return text
}

// Err reports what is invalid in the wait: a negative time, a nil context. Every call given the wait returns that
// error.
func (w Wait) Err() error {
	if w.kind == waitBad {
		return w.ref.(error)
	}
	return nil
}

// Asynchronous reports whether the wait is NoWait, With, Complete or CompleteWith.
func (w Wait) Asynchronous() bool { return w.async() }

// Ended returns nil while the wait goes on. Afterwards it returns ErrTimeout (Until; always for Within(0)) or the
// context's error, context.Canceled if it has none. Forever and the asynchronous ones never end. Another Within has not begun:
// call Begin first.
func (w Wait) Ended() error {
	if w.polls() || w.kind == waitUntil && w.left() <= 0 {
		return ErrTimeout
	}
	return w.calledOff()
}

// over is Ended for use between the receives of one operation, since a receive that finds data does not check the
// time. It is nil for Within(0), where each receive is a single try.
func (w Wait) over() error {
	if w.polls() {
		return nil
	}
	return w.Ended()
}

// Ends returns a context that ends when the wait does, for calls that take a context. Calling the function releases
// it.
func (w Wait) Ends() (context.Context, context.CancelFunc) {
	switch w.kind {
	case waitFor:
		return contextFor(w.d)
	case waitUntil:
		return contextFor(w.left())
	case waitContext:
		return context.WithCancel(settled{w.context()})
	}
	return context.WithCancel(context.Background())
}

// amendment is what Continue and As added, nil for nothing.
func (w *Wait) amendment() *amended {
	x, _ := w.ref.(*amended)
	return x
}

// base is the ref without what Continue and As added.
func (w *Wait) base() any {
	if x := w.amendment(); x != nil {
		return x.ref
	}
	return w.ref
}

// context is the context of a waitContext.
func (w *Wait) context() context.Context {
	ctx, _ := w.base().(context.Context)
	return ctx
}

// calledOff is why the wait's context has ended, nil if it has not or there is none.
func (w *Wait) calledOff() error {
	if w.kind != waitContext {
		return nil
	}
	return ended(w.context())
}

// ended is why ctx has ended, nil if it has not.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return sound(err)
	}
	select {
	case <-ctx.Done():
		return endOf(ctx)
	default:
		return nil
	}
}

// endOf is why ctx is done. Some contexts close their channel before they have an error, and a nil error would be taken for
// success.
func endOf(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return sound(err)
	}
	return context.Canceled
}

// sound is a context's error as a call returns it: one that is or wraps a nil pointer would panic where errors.Is looks at it,
// and a *Select would say that the call waits.
func sound(err error) error {
	if err == context.Canceled || err == context.DeadlineExceeded {
		return err
	}
	if isPending(err) {
		return fmt.Errorf("the error of the context is one of a call that goes on: %w", context.Canceled)
	}
	return plain.Sound("the context", err)
}

// settled gives every done context an error. The context package derives from it, and panics if a done context has none.
type settled struct{ context.Context }

func (c settled) Err() error { return ended(c.Context) }

// handle is the caller's handle, nil if the library makes one.
func (w *Wait) handle() *Handle {
	h, _ := w.base().(*Handle)
	return h
}

// continues is the call that this one continues, nil for a new call.
func (w *Wait) continues() *Select {
	if x := w.amendment(); x != nil {
		return x.sel
	}
	return nil
}

// named is the mailbox of As, nil for none.
func (w *Wait) named() *Mailbox {
	if x := w.amendment(); x != nil {
		return x.as
	}
	return nil
}

// polls reports whether the wait is Within(0).
func (w *Wait) polls() bool { return w.kind == waitFor && w.d == 0 }

// blocks reports whether the caller's goroutine waits.
func (w *Wait) blocks() bool { return !w.async() && !w.polls() }

// async reports whether a call that would block returns a *Select or a *Completion.
func (w *Wait) async() bool { return w.kind == waitAsync || w.kind == waitComplete }

// requester is the mailbox that makes the call. A blocking call has none, unless it continues an asynchronous one or has As.
func (w *Wait) requester() *Mailbox {
	switch r := w.base().(type) {
	case *Mailbox:
		return r
	case *Handle:
		return r.mb
	}
	if as := w.named(); as != nil {
		return as
	}
	if sel := w.continues(); sel != nil {
		return sel.mb
	}
	return nil
}

// deadline is the moment, by the clock of the socket, when the wait ends, 0 for never. The time of Within begins with this call.
func (w *Wait) deadline(s *Socket) time.Duration {
	switch w.kind {
	case waitFor:
		return later(s.simulated().now(), w.d)
	case waitUntil:
		return max(w.end(s.simulated()), 1)
	}
	return 0
}
