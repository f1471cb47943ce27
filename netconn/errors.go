package netconn

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/esock-go/esock"
)

// wrap makes the error of package net: what failed, on which network, between which addresses.
func wrap(op, network string, source, addr net.Addr, err error) error {
	return &net.OpError{Op: op, Net: network, Source: source, Addr: addr, Err: err}
}

// failed is the error of an operation on the connection. call is the system call.
func (c *conn) failed(op, call string, err error) error {
	c = c.orClosed()
	if err == io.EOF {
		return err
	}
	return wrap(op, c.network, c.local, c.peer, reason(call, err))
}

// failedTo is failed for a datagram to an address.
func (c *conn) failedTo(addr net.Addr, call string, err error) error {
	c = c.orClosed()
	return wrap("write", c.network, c.local, addr, reason(call, err))
}

// reason is the cause of esock's error in the form of package net.
func reason(call string, err error) error {
	switch {
	case errors.Is(err, esock.ErrTimeout):
		return os.ErrDeadlineExceeded
	case errors.Is(err, net.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, context.Canceled):
		return errCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return errTimeout
	}
	var named *os.SyscallError
	if errors.As(err, &named) {
		return named
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return os.NewSyscallError(call, errno)
	}
	var e *esock.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return err
}

// dialReason is reason for a dial, the end of whose time is that of a context: Timeout and Deadline are its deadline.
func dialReason(call string, err error) error {
	if err = reason(call, err); err == os.ErrDeadlineExceeded {
		return errTimeout
	}
	return err
}

var (
	errMissingAddress = errors.New("missing address")
	errNotInet4       = "non-IPv4 address"
	errNotInet6       = "non-IPv6 address"
)

// canceledError and timeoutError are the end of a context, with net's words.
type (
	canceledError struct{}
	timeoutError  struct{}
)

var (
	errCanceled error = canceledError{}
	errTimeout  error = &timeoutError{}
)

func (canceledError) Error() string        { return "operation was canceled" }
func (canceledError) Is(target error) bool { return target == context.Canceled }
func (*timeoutError) Error() string        { return "i/o timeout" }
func (*timeoutError) Timeout() bool        { return true }
func (*timeoutError) Temporary() bool      { return true }

// Is finds both errors that package net has for it: which one comes there depends on what the dial does at that moment.
func (*timeoutError) Is(target error) bool {
	return target == context.DeadlineExceeded || target == os.ErrDeadlineExceeded
}

// notAn is the error for an address of a type that the socket's network does not have.
func (c *conn) notAn(addr net.Addr) error {
	c = c.orClosed()
	return wrap("write", c.network, c.local, addr, syscall.EINVAL)
}

// refused is the error of a sendmsg(2): what esock refuses in its place, malformed control messages for example, is EINVAL.
func refused(err error) error {
	var invalid *esock.InvalidError
	if errors.As(err, &invalid) {
		return os.NewSyscallError("sendmsg", syscall.EINVAL)
	}
	return err
}
