package esock

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// ErrTimeout says that the time of a call ran out. errors.Is also finds os.ErrDeadlineExceeded in it. OTP: timeout.
var ErrTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string        { return "esock: timeout" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Temporary() bool      { return true }
func (timeoutError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

var _ net.Error = timeoutError{}

// The errors that are reasons inside an *Error have no "esock: " of their own in front: that has it.

// ErrCancelled is the Reason of an AbortMsg for a call that another call of the same mailbox replaced.
var ErrCancelled = errors.New("replaced by another call")

// ErrAlready means that another requester connects already. OTP: already.
var ErrAlready = errors.New("already connecting")

// ErrControlTruncated accompanies a received message whose control messages did not all fit into its CtrlSize. The Msg
// has the message; the other control messages are lost, their descriptors closed. RecvMsg with
// MsgCTrunc reports this in Msg.Flags only, as OTP does.
var ErrControlTruncated = errors.New("control messages truncated: {otp,rcvctrlbuf}, or CtrlSize of the Msg, is too small")

// errConnectTimeout is the reason of a connect that ran out of time: what state the kernel's attempt is in is
// not known, so that the socket is best closed.
type errConnectTimeout struct{ timeoutError }

func (errConnectTimeout) Error() string {
	return "timeout: the attempt may go on; close the socket and open another"
}

func (errConnectTimeout) Is(target error) bool {
	return target == ErrTimeout || target == os.ErrDeadlineExceeded
}

// errnoIn is the errno in an error, 0 if there is none.
func errnoIn(err error) syscall.Errno {
	if err == nil {
		return 0 // without the allocation of what follows
	}
	var e syscall.Errno
	errors.As(err, &e)
	return e
}
