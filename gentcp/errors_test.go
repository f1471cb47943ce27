package gentcp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
)

func TestReason(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "ok"},
		{ErrClosed, "closed"},
		{io.EOF, "closed"},
		{net.ErrClosed, "closed"},
		{esock.ErrNoSocket, "nosock"},
		{esock.ErrTimeout, "timeout"},
		{&SendTimeoutError{}, "timeout"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "context canceled"},
		{ErrNotOwner, "not_owner"},
		{ErrBadArg, "badarg"},
		{ErrNXDomain, "nxdomain"},
		{esock.ErrAlready, "already"},
		{&esock.Error{Op: "connect", Reason: esock.ErrAlready}, "already"},
		{esock.ErrCancelled, "cancelled"},
		{syscall.EINVAL, "einval"},
		{syscall.ENOTCONN, "enotconn"},
		{syscall.EMSGSIZE, "emsgsize"},
		{syscall.ECONNREFUSED, "econnrefused"},
		{syscall.ECONNRESET, "econnreset"},
		{syscall.ETIMEDOUT, "etimedout"},
		{syscall.ENOTSUP, "enotsup"},
		{syscall.EAFNOSUPPORT, "eafnosupport"},
		{syscall.EMFILE, "emfile"},
		{syscall.Errno(9999), "errno 9999"},
		{&esock.InvalidError{What: "timeout"}, "einval"},
		{fmt.Errorf("about it: %w", syscall.EPERM), "eperm"},
		{&Error{Op: "recv", Reason: ErrClosed}, "closed"},
		{&Error{Op: "recv", Reason: &esock.Error{Reason: syscall.EPIPE}}, "epipe"},
		{errors.New("something else"), "something else"},
	} {
		assert.Equal(t, c.want, Reason(c.err), "%v", c.err)
	}
}

// Errors say which operation, on which socket, and what is wrong; errors.Is and errors.As see through them.
func TestError(t *testing.T) {
	client, server := bothEnds(t, nil)
	_, err := client.Accept(nil, soon)
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "accept", e.Op)
	assert.Same(t, client, e.Socket)
	assert.ErrorIs(t, e.Reason, syscall.EINVAL)
	assert.Equal(t, e.Reason, errors.Unwrap(err))
	assert.Equal(t, "gentcp: accept on "+client.String()+": invalid argument: the socket is not a listener", err.Error())
	assert.False(t, e.Timeout())

	_, err = Listen(nil, 0, Header(-3))
	require.ErrorAs(t, err, &e)
	assert.Nil(t, e.Socket)
	assert.Equal(t, "gentcp: listen: invalid header -3: it takes a number from 0", err.Error())
	assert.ErrorIs(t, err, ErrBadArg)
	assert.ErrorIs(t, err, syscall.EINVAL, "a bad argument is invalid")
	assert.NotErrorIs(t, err, ErrClosed)

	err = client.SetOpts(Header(-3))
	assert.Equal(t, "gentcp: setopts on "+client.String()+": invalid header -3: it takes a number from 0", err.Error())
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.NotErrorIs(t, err, ErrBadArg)

	// The end: by the peer, or here.
	require.NoError(t, server.Close())
	_, err = client.Recv(0, soon)
	assert.ErrorIs(t, err, ErrClosed)
	assert.ErrorIs(t, err, io.EOF)
	assert.NotErrorIs(t, err, net.ErrClosed)
	assert.ErrorContains(t, err, "closed by the peer")
	_, err = server.Recv(0, soon)
	assert.ErrorIs(t, err, ErrClosed)
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.NotErrorIs(t, err, io.EOF)
	assert.Equal(t, "gentcp: recv on "+server.String()+": closed", err.Error())
	assert.NotErrorIs(t, err, syscall.EINVAL)

	err = server.SetOpts(Header(1))
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.NotErrorIs(t, err, ErrClosed, "for options it is EINVAL")
	assert.ErrorContains(t, err, "closed")
}

// A time-out is bare, and what package net takes for one; the system's own is not ours.
func TestError_Timeouts(t *testing.T) {
	client, _ := bothEnds(t, nil)
	_, err := client.Recv(0, esock.Within(time.Millisecond))
	assert.Equal(t, esock.ErrTimeout, err)
	for _, err := range []error{err, &SendTimeoutError{}, &Error{Op: "connect", Reason: syscall.ETIMEDOUT}} {
		var n interface{ Timeout() bool }
		require.ErrorAs(t, err, &n)
		assert.True(t, n.Timeout(), "%v", err)
	}
	assert.ErrorIs(t, &SendTimeoutError{}, esock.ErrTimeout)
	assert.ErrorIs(t, &SendTimeoutError{}, os.ErrDeadlineExceeded)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.NotErrorIs(t, &Error{Reason: syscall.ETIMEDOUT}, esock.ErrTimeout)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = client.Recv(0, esock.Context(ctx))
	assert.Equal(t, context.Canceled, err, "bare")
	l := listenWith(t, nil)
	_, err = l.Accept(nil, esock.Context(ctx))
	assert.Equal(t, context.Canceled, err, "bare")
}

// The errors are told apart.
func TestErrors_AreDifferent(t *testing.T) {
	all := []error{ErrClosed, ErrNotOwner, ErrNXDomain, ErrBadArg, esock.ErrTimeout}
	for i, a := range all {
		for j, b := range all {
			assert.Equal(t, i == j, errors.Is(a, b), "%v %v", a, b)
		}
	}
}
