package gentcp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/active"
	"golang.org/x/sys/unix"
)

// Error is what an operation returns when it fails: which, on which socket, and why. errors.Is sees through it. Three
// results are returned bare, because callers look at them: esock.ErrTimeout, *SendTimeoutError, and a context's error.
type Error struct {
	Op     string  // "connect", "recv"
	Socket *Socket // nil when there is none
	Reason error
}

func (e *Error) Error() string {
	if e == nil {
		return "gentcp: no error"
	}
	text := "gentcp: " + e.Op
	if e.Socket.made() {
		text += " on " + e.Socket.String()
	}
	if e.Reason != nil {
		text += ": " + e.Reason.Error()
	}
	return text
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Reason
}

// Timeout reports whether the operation ran out of time, as net.Error asks.
func (e *Error) Timeout() bool {
	var t interface{ Timeout() bool }
	return e != nil && errors.As(e.Reason, &t) && t.Timeout()
}

// ErrClosed says that the connection is over, whoever ended it. errors.Is finds io.EOF as well when the peer did, and
// net.ErrClosed when it was closed here. OTP: closed.
var ErrClosed = active.ErrClosed

// ErrNotOwner says that only the owner may do it. OTP: not_owner.
var ErrNotOwner = active.ErrNotOwner

// ErrNXDomain says that the host has no address of the family asked for. OTP: nxdomain.
var ErrNXDomain = errors.New("no such host")

// ErrBadArg is what errors.Is finds when a call could never be right; what is wrong is in the text. OTP raises badarg.
var ErrBadArg = errors.New("bad argument")

// The ends without an error.
var (
	closedHere   = active.ClosedHere
	closedByPeer = active.ClosedByPeer
)

// badArgument is an ErrBadArg that says what is wrong.
type badArgument struct {
	what  string
	value any
	cause string
}

func (e *badArgument) Error() string {
	return (&esock.InvalidError{What: e.what, Value: e.value, Cause: e.cause}).Error()
}
func (e *badArgument) Is(target error) bool { return target == ErrBadArg || target == syscall.EINVAL }

// ownerClosed is the answer to who wants to own a socket with a mailbox that is closed.
var ownerClosed error = &badArgument{"owner", nil, "its mailbox is closed"}

// checkWait says whether a call of this layer can wait so. Errors: ErrBadArg.
func checkWait(w esock.Wait) error {
	var e *esock.InvalidError
	switch {
	case errors.As(w.Err(), &e):
		return &badArgument{e.What, e.Value, e.Cause}
	case w.Asynchronous():
		return &badArgument{"timeout", nil, "NoWait and With are not for gentcp: data comes without a call in the active modes (SetOpts with Active)"}
	}
	return nil
}

// invalid is EINVAL that says what is wrong: what a change of a living socket answers where its creation answers
// ErrBadArg.
func invalid(what string, value any, cause string) error {
	return &esock.InvalidError{What: what, Value: value, Cause: cause}
}

// SendTimeoutError says that option send_timeout ran out before the kernel had taken all. The socket is open, and the
// peer has the beginning of a packet: to go on, set the packet type to raw, send Rest, and set the type back.
// errors.Is finds esock.ErrTimeout. OTP: {timeout, RestData}.
type SendTimeoutError struct {
	Rest []byte // what the kernel has not taken, the packet's header included where it has not
}

func (e *SendTimeoutError) Error() string { return "gentcp: send: timeout" }
func (e *SendTimeoutError) Timeout() bool { return true }
func (e *SendTimeoutError) Is(target error) bool {
	return target == esock.ErrTimeout || target == os.ErrDeadlineExceeded
}

// fail wraps a reason.
func (s *Socket) fail(op string, err error) error {
	if e, ok := err.(*esock.Error); ok {
		err = e.Reason
	}
	switch {
	case err == nil, err == context.Canceled, err == context.DeadlineExceeded:
		return err
	case err == net.ErrClosed:
		err = closedHere
	case err == io.EOF:
		err = closedByPeer
	case errors.Is(err, esock.ErrTimeout):
		return esock.ErrTimeout
	}
	return &Error{Op: op, Socket: s, Reason: err}
}

// errnoIn is the errno in an error, 0 if it is none.
func errnoIn(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

// Reason is OTP's atom for an error of this package: "closed", "timeout", "einval", "econnrefused"; "ok" for nil. An
// error it does not know is its text.
func Reason(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrClosed), errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF):
		return "closed"
	case errors.Is(err, esock.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, ErrNotOwner):
		return "not_owner"
	case errors.Is(err, ErrBadArg):
		return "badarg"
	case errors.Is(err, ErrNXDomain):
		return "nxdomain"
	case errors.As(err, &errno):
		if name := unix.ErrnoName(errno); name != "" {
			return strings.ToLower(name)
		}
	case errors.Is(err, syscall.EMSGSIZE):
		return "emsgsize"
	case errors.Is(err, syscall.EINVAL):
		return "einval"
	}
	return err.Error()
}
