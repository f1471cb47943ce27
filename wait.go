package esock

import (
	"context"
	"math"
	"time"
)

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

// Context waits until ctx ends; the call then returns an *Error in which errors.Is finds ctx.Err(), or context.Canceled if that
// is nil. A context that can end costs no goroutine and, when it is used again on the same socket, no allocation.
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

// Ended is why the wait has ended: ErrTimeout when the moment of Until has come, and for Within(0), or the error of the
// context, which is context.Canceled if it is done and gives none. It is nil as long as the wait goes on: Forever, NoWait and
// With do not end. The time of another Within has no beginning here: see Begin, also for the context of Ends.
func (w Wait) Ended() error {
	if w.polls() || w.kind == waitUntil && clock() >= w.d {
		return ErrTimeout
	}
	return w.calledOff()
}

// Over is Ended for a call of several receives, which asks between them, because a receive that finds data at once does not
// look at the time. It is nil for Within(0): each of the receives only looks.
func (w Wait) Over() error {
	if w.polls() {
		return nil
	}
	return w.Ended()
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
		return context.WithCancel(settled{w.context()})
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

// calledOff is why the wait's context has ended; nil: it has not, or there is none.
func (w *Wait) calledOff() error {
	if w.kind != waitContext {
		return nil
	}
	return ended(w.context())
}

// ended is why ctx has ended, nil as long as it has not.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return endOf(ctx)
	default:
		return nil
	}
}

// endOf is why ctx is done. Not every context has its error by the time its channel is closed, and a call that took the nil
// for success would go on without what it had waited for.
func endOf(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.Canceled
}

// settled is a context for the context package to derive from, which panics when one is done and has no error.
type settled struct{ context.Context }

func (c settled) Err() error { return ended(c.Context) }

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
