package hackney

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// fickle is a context that, once it has ended, makes a new error each time that it is asked.
type fickle struct{ context.Context }

type oddError struct{ n *int } // no two are equal

func (oddError) Error() string { return "odd" }

func (f fickle) Err() error {
	if f.Context.Err() == nil {
		return nil
	}
	return oddError{new(int)}
}

// After such a context has ended a receive, the connection goes on.
func TestAReceiveEndedByAnOddContextIsNotTheEnd(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		s, p := connect(t, nil, tr)
		ctx, cancel := context.WithCancel(context.Background())
		result := make(chan error)
		go func() {
			_, err := s.RecvWait(0, esock.Context(fickle{ctx}))
			result <- err
		}()
		eventually(t, func() bool { return beneath(s).Info().NumReaders == 1 }, "a receiver")
		cancel()
		var odd oddError
		require.ErrorAs(t, <-result, &odd)
		write(t, p, "data")
		require.Equal(t, "data", recv(t, s, 4))
	})
}

// probe is an error of the caller's, whose methods need the lock of the connection.
type probe struct{ c *TLSConn }

func (p probe) look() {
	p.c.mu.Lock()
	p.c.mu.Unlock()
}
func (p probe) Error() string  { p.look(); return "probe" }
func (p probe) Is(error) bool  { p.look(); return false }
func (p probe) As(any) bool    { p.look(); return false }
func (p probe) Unwrap() error  { p.look(); return nil }
func (p probe) String() string { p.look(); return "probe" }

// A function of the caller's tls.Config may return an error with methods that use the connection.
func TestErrorsOfTheCallerAreAskedWithoutTheLock(t *testing.T) {
	mb := mailbox(t)
	s, _ := connect(t, mb, overTLS)
	c := s.Sock.(*TLSConn)
	require.NoError(t, s.SetOpts(gentcp.Active(true)))
	reason := c.endOf(probe{c})
	c.mu.Lock()
	c.finish(reason)
	c.delivery.Deliver()
	c.mu.Unlock()
	require.Equal(t, "ssl_error", next(t, mb, s).Tag)
	require.Equal(t, "ssl_closed", next(t, mb, s).Tag)
	require.False(t, c.raw.Open())
	_, err := s.Recv(0)
	require.ErrorIs(t, err, gentcp.ErrClosed)
	require.True(t, c.unread())
}

func TestMessagesPrint(t *testing.T) {
	s, _ := connect(t, nil, overTLS)
	c := s.Sock.(*TLSConn)
	for want, msg := range map[string]esock.Message{
		fmt.Sprintf("{ssl, %v, none}", c):       SSLMsg{Sock: c},
		fmt.Sprintf("{ssl_passive, %v}", c):     SSLPassiveMsg{c},
		fmt.Sprintf("{ssl_closed, %v}", c):      SSLClosedMsg{c},
		fmt.Sprintf("{ssl_error, %v, oops}", c): SSLErrorMsg{c, errors.New("oops")},
		"{ssl_passive, no socket}":              SSLPassiveMsg{},
	} {
		require.Equal(t, want, fmt.Sprint(msg))
	}
}
