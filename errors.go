package esock

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// Error is what an operation on a socket returns when it fails: which operation, on which socket, and why.
//
// errors.Is sees through it: Reason is a syscall.Errno, net.ErrClosed (closed here), context.Canceled, an
// *InvalidError, or one of this package's errors. Two results are returned bare, because readers compare them:
// io.EOF (the peer has sent everything) and ErrTimeout.
type Error struct {
	Op     string  // the operation, by OTP's name: "recv", "setopt"; what OTP has not, by the method's: "adopt", "zero_copy"
	Socket *Socket // nil when there is none (open)
	Reason error
}

func (e *Error) Error() string {
	if e == nil {
		return "<nil>"
	}
	s := "esock: " + e.Op
	if e.Socket != nil {
		s += " on " + e.Socket.String()
	}
	if e.Reason == nil {
		return s
	}
	return s + ": " + e.Reason.Error()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return orZero(e).Reason }

// Timeout reports whether the operation ran out of time, as net.Error asks.
func (e *Error) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Unwrap(), &t) && t.Timeout()
}

// InvalidError says that an argument, or the moment of a call, is wrong. It stands for OTP's {invalid, What}.
type InvalidError struct {
	What  string // what is invalid, by OTP's name: "timeout", "sockaddr", "state", "socket_option"
	Value any    // the value, where there is one
	Cause string // why, in a few words, where it is known
}

func (e *InvalidError) Error() string {
	if e == nil {
		return "<nil>"
	}
	s := "invalid " + e.What
	if e.Value != nil {
		s += fmt.Sprintf(" %v", e.Value)
	}
	if e.Cause != "" {
		s += ": " + e.Cause
	}
	return s
}

// Is reports whether target is an *InvalidError with the same What, or syscall.EINVAL.
func (e *InvalidError) Is(target error) bool {
	if t, ok := target.(*InvalidError); ok {
		if e == nil || t == nil {
			return e == t
		}
		return t.What == e.What && t.Value == nil && t.Cause == ""
	}
	return e != nil && target == syscall.EINVAL
}

// ErrState is what errors.Is finds when a call does not fit what the socket is doing: a receive while an accept is
// pending, a send while it connects. OTP: {invalid, state}.
var ErrState error = &InvalidError{What: "state"}

// ErrTimeout says that the time of a call ran out. errors.Is also finds os.ErrDeadlineExceeded. OTP: timeout.
var ErrTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string        { return "esock: timeout" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Temporary() bool      { return true }
func (timeoutError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

var _ net.Error = timeoutError{}

// The errors that are reasons inside an *Error have no "esock: " of their own in front: that has it.

// ErrCancelled is the reason in the AbortMsg of a handle whose requester made the call again with another handle.
var ErrCancelled = errors.New("replaced by a later call")

// ErrAlready is what Connect answers while another requester is connecting the socket. OTP: already.
var ErrAlready = errors.New("already connecting")

// ErrControlTruncated is what RecvMsg and RecvErr return beside a received message whose control messages did not all fit into
// {otp,rcvctrlbuf}: the message is in the Msg, what did not fit is lost, and descriptors among it are closed. A RecvMsg with
// MsgCTrunc among its flags leaves it to the flags of the Msg, as OTP does. MSG_CTRUNC of recvmsg(2).
var ErrControlTruncated = errors.New("control messages truncated: {otp,rcvctrlbuf} is too small")

// errConnectTimeout is the reason of a connect that ran out of time: what state the kernel's attempt is in is
// not known, so that the socket is best closed.
type errConnectTimeout struct{ timeoutError }

func (errConnectTimeout) Error() string {
	return "timeout: the attempt may go on; close the socket and open another"
}

func (errConnectTimeout) Is(target error) bool {
	return target == ErrTimeout || target == os.ErrDeadlineExceeded
}

// fail wraps the reason of a failed operation. Select values, time-outs and ends of stream pass bare.
func (s *Socket) fail(op string, err error) error {
	switch err.(type) {
	case *Select, timeoutError, *Error:
		return err
	}
	if err == io.EOF {
		return err
	}
	return &Error{Op: op, Socket: s, Reason: err}
}

// failAs is fail with an error of a part of the operation, which has a name of its own.
func (s *Socket) failAs(op string, err error) error {
	if e, ok := err.(*Error); ok {
		err = e.Reason
	}
	return s.fail(op, err)
}

func stateError(cause string) error { return &InvalidError{What: "state", Cause: cause} }

// explainedErrno is the system's refusal with what is known of its cause. errors.Is finds the number.
type explainedErrno struct {
	errno syscall.Errno
	cause string
}

func (e *explainedErrno) Error() string { return e.errno.Error() + ": " + e.cause }
func (e *explainedErrno) Unwrap() error { return e.errno }
