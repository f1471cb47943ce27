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

// Error is a failed operation: which, on which socket or address, and why. errors.Is and errors.As find the reason. Except
// by the functions that connect, three errors are returned without this wrapper, because callers compare them:
// esock.ErrTimeout, *SendTimeoutError, and a context's error.
type Error struct {
	Op     string     // "connect", "recv"
	Socket *Socket    // nil when there is none
	Host   string     // of Connect: host and port, as in "example.com:80"
	Addr   esock.Addr // of Connect and ConnectAddr: the address tried last; of Listen: the local address
	Reason error
	cause  string // of an Errno, for the text
}

func (e *Error) Error() string {
	if e == nil {
		return "gentcp: no error"
	}
	text := "gentcp: " + e.Op
	addr := e.Addr.String()
	switch {
	case e.Socket.made():
		text += " on " + e.Socket.String()
	case e.Host != "":
		text += " to " + e.Host
		if addr != "" && addr != e.Host {
			text += " (" + addr + ")"
		}
	case addr != "" && e.Op == opListen:
		text += " on " + addr
	case addr != "":
		text += " to " + addr
	}
	if e.Reason != nil {
		text += ": " + e.Reason.Error()
	}
	if e.cause != "" {
		text += ": " + e.cause
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

// ErrClosed reports that the connection is over. errors.Is also finds io.EOF if the peer ended it, and net.ErrClosed if it
// was closed here. OTP: closed.
var ErrClosed = active.ErrClosed

// ErrNotOwner reports a call that only the owner may make. OTP: not_owner.
var ErrNotOwner = active.ErrNotOwner

// ErrNXDomain reports that the host has no address of the requested family. OTP: nxdomain.
var ErrNXDomain = errors.New("no such host")

// ErrBadArg reports arguments that are never valid. The text of the error says which. OTP raises badarg.
var ErrBadArg = errors.New("bad argument")

// The two ends of a connection that are not failures.
var (
	closedHere   = active.ClosedHere
	closedByPeer = active.ClosedByPeer
)

// badArgument is an ErrBadArg with the argument and the cause.
type badArgument struct {
	what  string
	value any
	cause string
}

func (e *badArgument) Error() string {
	return (&esock.InvalidError{What: e.what, Value: e.value, Cause: e.cause}).Error()
}
func (e *badArgument) Is(target error) bool { return target == ErrBadArg || target == syscall.EINVAL }

// ownerClosed refuses a closed mailbox as the owner of a socket.
var ownerClosed error = &badArgument{"owner", nil, "its mailbox is closed"}

// checkWait refuses a wait that this layer does not support. Errors: ErrBadArg.
func checkWait(w esock.Wait) error {
	var e *esock.InvalidError
	switch {
	case errors.As(w.Err(), &e):
		return &badArgument{e.What, e.Value, e.Cause}
	case w.Asynchronous():
		return &badArgument{"timeout", nil, "gentcp takes no asynchronous wait; use an active mode (SetOpts with Active)"}
	}
	return nil
}

// named is the name of an option as the value of an error: nil for none.
func named(name string) any {
	if name == "" {
		return nil
	}
	return name
}

// invalid is EINVAL with the argument and the cause. A change of an existing socket returns it where the creation of a
// socket returns ErrBadArg.
func invalid(what string, value any, cause string) error {
	return &esock.InvalidError{What: what, Value: value, Cause: cause}
}

// SendTimeoutError reports that option send_timeout ran out before the kernel had taken all data. The socket is open, and
// the peer has the beginning of a packet. To go on, set the packet type to raw, send Rest, and set the type back. errors.Is
// finds esock.ErrTimeout. OTP: {timeout, RestData}.
type SendTimeoutError struct {
	Rest []byte // what the kernel has not taken, which may include the packet's header
}

func (e *SendTimeoutError) Error() string { return "gentcp: send: timeout" }
func (e *SendTimeoutError) Timeout() bool { return true }
func (e *SendTimeoutError) Is(target error) bool {
	return target == esock.ErrTimeout || target == os.ErrDeadlineExceeded
}

// fail makes the error of an operation from its reason.
func (s *Socket) fail(op string, err error) error {
	cause := ""
	if e, ok := err.(*esock.Error); ok && e != nil { // a module or a context may return a nil one
		err, cause = e.Reason, active.Cause(e)
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
	if err == syscall.ENOTCONN && cause == "" && s.made() && s.delivery.Listener() {
		cause = "the socket is a listener: Accept returns its connections"
	}
	return &Error{Op: op, Socket: s, Reason: err, cause: cause}
}

// failAs is fail with another reason in place of that in err. The cause stays.
func (s *Socket) failAs(op string, reason, err error) error {
	shown := s.fail(op, reason)
	if e, ok := shown.(*Error); ok && e.cause == "" {
		e.cause = active.Cause(err)
	}
	return shown
}

// The operations that make sockets.
const (
	opConnect = "connect"
	opListen  = "listen"
)

// errnoIn returns the errno in an error, 0 if it has none.
func errnoIn(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

// Reason returns OTP's atom for an error of this package or of esock: "closed", "timeout", "einval", "econnrefused"; "ok" for
// nil. For an unknown error it returns the text.
func Reason(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, esock.ErrNoSocket):
		return "nosock"
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
	case errors.Is(err, esock.ErrAlready):
		return "already"
	case errors.Is(err, esock.ErrCancelled):
		return "cancelled"
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
