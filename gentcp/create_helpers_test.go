package gentcp_test

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testwait"
)

// longEnough is how long a test waits for what must come.
const longEnough = testwait.Patience

var (
	soon = esock.Within(longEnough)
	ip4  = netip.MustParseAddr("127.0.0.1")
	ip6  = netip.IPv6Loopback()

	noAddr netip.Addr
)

// owner is a mailbox, closed at the end of the test.
func owner(t testing.TB) *esock.Mailbox {
	t.Helper()
	mb := esock.NewMailbox()
	t.Cleanup(func() { mb.Close() })
	return mb
}

// made is the socket of a call that must succeed, closed at the end of the test.
func made(t testing.TB, s *gentcp.Socket, err error) *gentcp.Socket {
	t.Helper()
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
		machine.NeedIPv6(t)
	}
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// opened is made, for a call with its results.
func opened(t testing.TB) func(s *gentcp.Socket, err error) *gentcp.Socket {
	return func(s *gentcp.Socket, err error) *gentcp.Socket {
		t.Helper()
		return made(t, s, err)
	}
}

// listenWith makes a listener on the loopback address of the family, with a backlog for connections that no test accepts.
func listenWith(t testing.TB, mb *esock.Mailbox, opts ...gentcp.Option) *gentcp.Socket {
	t.Helper()
	s, err := gentcp.Listen(mb, 0, append([]gentcp.Option{gentcp.IPLoopback(), gentcp.Backlog(1000)}, opts...)...)
	return made(t, s, err)
}

// connectTo is a connection to a listener.
func connectTo(t testing.TB, mb *esock.Mailbox, l *gentcp.Socket, opts ...gentcp.Option) *gentcp.Socket {
	t.Helper()
	s, err := gentcp.ConnectAddr(mb, nameOf(t, l), soon, opts...)
	return made(t, s, err)
}

// acceptFrom is the next connection of a listener.
func acceptFrom(t testing.TB, l *gentcp.Socket, mb *esock.Mailbox) *gentcp.Socket {
	t.Helper()
	s, err := l.Accept(mb, soon)
	return made(t, s, err)
}

// bothEnds makes a connection: the connecting socket, with the options, and the accepted one.
func bothEnds(t testing.TB, mb *esock.Mailbox, opts ...gentcp.Option) (client, server *gentcp.Socket) {
	t.Helper()
	l := listenWith(t, nil)
	client = connectTo(t, mb, l, opts...)
	server = acceptFrom(t, l, nil)
	require.NoError(t, l.Close())
	return client, server
}

func nameOf(t testing.TB, s *gentcp.Socket) esock.Addr {
	t.Helper()
	a, err := s.SockName()
	require.NoError(t, err)
	return a
}

func portOf(t testing.TB, s *gentcp.Socket) int {
	t.Helper()
	port, err := s.Port()
	require.NoError(t, err)
	require.NotZero(t, port)
	return port
}

// valueOf is the value of one option, which the socket must have.
func valueOf(t testing.TB, s *gentcp.Socket, name gentcp.Name) any {
	t.Helper()
	v, err := s.Opt(name)
	require.NoError(t, err, "%s", name)
	return v
}

// inKernel is an option as the kernel has it.
func inKernel(t testing.TB, s *gentcp.Socket, level, opt int) int {
	t.Helper()
	v, err := s.Socket().GetOptionNativeInt(level, opt)
	require.NoError(t, err)
	return v
}

// assertReason checks an error by OTP's atom, and that no socket came with it.
func assertReason(t testing.TB, want string, s *gentcp.Socket, err error, msg ...any) {
	t.Helper()
	assert.Equal(t, want, gentcp.Reason(err), msg...)
	if s != nil {
		assert.Nil(t, s)
		s.Close()
	}
}

// nextMessage is the next message of a mailbox, which must come.
func nextMessage(t testing.TB, mb *esock.Mailbox) esock.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longEnough)
	defer cancel()
	msg, err := mb.Receive(ctx)
	require.NoError(t, err)
	return msg
}

// comes waits until cond holds.
func comes(t testing.TB, what string, cond func() bool) {
	t.Helper()
	testwait.Until(t, what, cond)
}

// sent checks that bytes go through a connection.
func sent(t testing.TB, from, to *gentcp.Socket, data string) {
	t.Helper()
	require.NoError(t, from.Send([]byte(data)))
	p, err := to.Recv(len(data), soon)
	require.NoError(t, err)
	require.Equal(t, data, string(p.Data()))
}

// isOpen reports whether a descriptor is open.
func isOpen(fd int) bool {
	return syscall.Fstat(fd, new(syscall.Stat_t)) == nil
}

// result is what a call in the background returned.
type result struct {
	s   *gentcp.Socket
	err error
}

// inBackground makes a call whose result is waited for later.
func inBackground(f func() (*gentcp.Socket, error)) <-chan result {
	ch := make(chan result, 1)
	go func() {
		s, err := f()
		ch <- result{s, err}
	}()
	return ch
}

// outcomeOf is the result of a call in the background, which must come.
func outcomeOf(t testing.TB, ch <-chan result) result {
	t.Helper()
	return testwait.Result(t, "the call's end", ch)
}
