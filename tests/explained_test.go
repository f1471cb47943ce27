package tests

import (
	"context"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/sockopt"
)

// A refusal that the caller can do something about says what is wrong, and has the kernel's number.
func TestErrorsSayWhatIsWrong(t *testing.T) {
	four, six := esock.Inet4Addr(loopback, 80), esock.Inet6Addr(netip.IPv6Loopback(), 80, 0)
	path := esock.UnixAddr(filepath.Join(t.TempDir(), "sock"))
	msg := func(to esock.Addr) *esock.Msg { return &esock.Msg{Addr: to, Iov: [][]byte{{1}}} }
	var one [1]byte
	open := func(d esock.Domain, typ esock.Type) *esock.Socket { return open(t, d, typ, esock.Default) }
	connected := func() *esock.Socket { a, _ := tcpPair(t); return a }
	listening := func() *esock.Socket { l, _ := listener(t, 1); return l }
	unix := func(typ esock.Type) *esock.Socket { a, _ := pair(t, typ); return a }
	shut := func(s *esock.Socket, how esock.How) *esock.Socket { require.NoError(t, s.Shutdown(how)); return s }
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	sendFile := func(f *os.File, offset, count int64) error {
		_, err := connected().SendFile(f, offset, count, esock.Forever)
		return err
	}
	second := func(_ any, err error) error { return err }
	for _, c := range []struct {
		what string
		do   func() error
		is   syscall.Errno
		says string
	}{
		{"bind inet to inet6", func() error { return open(esock.Inet, esock.Stream).Bind(six) }, syscall.EAFNOSUPPORT,
			"to [::1]:80: address family not supported by protocol: the address is inet6, and the socket is inet"},
		{"bind inet6 to inet", func() error { return open(esock.Inet6, esock.Stream).Bind(four) }, 0,
			"to 127.0.0.1:80: invalid argument: the address is inet, and the socket is inet6, where it is ::ffff:127.0.0.1"},
		{"bind local to inet", func() error { return open(esock.Local, esock.Stream).Bind(four) }, syscall.EINVAL,
			"to 127.0.0.1:80: invalid argument: the address is inet, and the socket is local"},
		{"bind inet to local", func() error { return open(esock.Inet, esock.Stream).Bind(path) }, 0,
			"the address is local, and the socket is inet"},
		{"bind local to a shorthand", func() error { return open(esock.Local, esock.Stream).Bind(esock.Loopback) }, syscall.EAFNOSUPPORT,
			"to loopback: address family not supported by protocol: only inet and inet6 have such an address, and the socket is local"},
		{"bind again", func() error {
			s := open(esock.Inet, esock.Stream)
			require.NoError(t, s.Bind(esock.Loopback))
			return s.Bind(esock.Loopback)
		}, syscall.EINVAL, "has an address already"},
		{"connect inet to inet6", func() error { return open(esock.Inet, esock.Stream).Connect(six, esock.Forever) },
			syscall.EAFNOSUPPORT, "to [::1]:80: address family not supported by protocol: the address is inet6, and the socket is inet"},
		{"connect local to inet", func() error { return open(esock.Local, esock.Stream).Connect(four, esock.Forever) },
			syscall.EINVAL, "to 127.0.0.1:80: invalid argument: the address is inet, and the socket is local"},
		{"connect a listener", func() error { return listening().Connect(four, esock.Forever) }, syscall.EISCONN, "listens"},
		{"sendto inet to inet6", func() error { return second(open(esock.Inet, esock.Dgram).SendTo(one[:], six, 0, esock.Forever)) },
			syscall.EAFNOSUPPORT, "to [::1]:80: address family not supported by protocol: the address is inet6, and the socket is inet"},
		{"sendto local to inet", func() error { return second(open(esock.Local, esock.Dgram).SendTo(one[:], four, 0, esock.Forever)) },
			syscall.EINVAL, "to 127.0.0.1:80: invalid argument: the address is inet, and the socket is local"},
		{"sendmsg inet to inet6", func() error { return second(open(esock.Inet, esock.Dgram).SendMsg(msg(six), 0, esock.Forever)) },
			syscall.EAFNOSUPPORT, "to [::1]:80: address family not supported by protocol: the address is inet6, and the socket is inet"},
		{"sendto port 0", func() error {
			return second(open(esock.Inet, esock.Dgram).SendTo(one[:], esock.Inet4Addr(loopback, 0), 0, esock.Forever))
		}, syscall.EINVAL, "to 127.0.0.1:0: invalid argument: the address has no port"},
		{"sendto a connected stream", func() error { return second(unix(esock.Stream).SendTo(one[:], path, 0, esock.Forever)) },
			syscall.EISCONN, "send without an address"},
		{"sendto a stream", func() error {
			return second(open(esock.Local, esock.Stream).SendTo(one[:], path, 0, esock.Forever))
		}, syscall.EOPNOTSUPP, "call Connect first"},
		{"send to nowhere", func() error { return second(open(esock.Inet, esock.Dgram).Send(one[:], 0, esock.Forever)) },
			syscall.EDESTADDRREQ, "no destination"},
		{"send before connect", func() error { return second(open(esock.Inet, esock.Stream).Send(one[:], 0, esock.Forever)) },
			syscall.EPIPE, "call Connect first"},
		{"seqpacket before connect", func() error { return second(open(esock.Local, esock.SeqPacket).Send(one[:], 0, esock.Forever)) },
			syscall.ENOTCONN, "call Connect first"},
		{"send on a listener", func() error { return second(listening().Send(one[:], 0, esock.Forever)) }, syscall.EPIPE, "listens"},
		{"send after shutdown", func() error { return second(shut(connected(), esock.ShutWrite).Send(one[:], 0, esock.Forever)) },
			syscall.EPIPE, "Shutdown has ended writing"},
		{"broadcast", func() error {
			return second(open(esock.Inet, esock.Dgram).SendTo(one[:], esock.Inet4Addr(netip.MustParseAddr("127.255.255.255"), 9), 0, esock.Forever))
		}, syscall.EACCES, "{socket, broadcast}"},
		{"connect to a broadcast address", func() error {
			return open(esock.Inet, esock.Dgram).Connect(esock.Inet4Addr(netip.MustParseAddr("127.255.255.255"), 9), esock.Forever)
		}, syscall.EACCES, "{socket, broadcast}"},
		{"recverr without an error queue", func() error { return second(unix(esock.Stream).RecvErr(&esock.Msg{}, esock.Within(0))) },
			syscall.EOPNOTSUPP, "sockets of this kind have no error queue"},
		{"zero copy without an error queue", func() error { return second(unix(esock.Stream).ZeroCopy()) },
			syscall.EOPNOTSUPP, "sockets of this kind have no error queue"},
		{"the mark of a datagram socket", func() error { return second(open(esock.Inet, esock.Dgram).AtMark()) }, syscall.ENOTTY, ": atmark"},
		{"monitor for a closed mailbox", func() error {
			mb := esock.NewMailbox()
			mb.Close()
			return second(open(esock.Inet, esock.Dgram).Monitor(mb))
		}, 0, "use of closed network connection: the mailbox is closed"},
		{"recv before connect", func() error { return second(open(esock.Inet, esock.Stream).Recv(one[:], 0, esock.Forever)) },
			syscall.ENOTCONN, "call Connect first"},
		{"recv on a listener", func() error { return second(listening().Recv(one[:], 0, esock.Forever)) }, syscall.ENOTCONN, "Accept"},
		{"listen on a datagram socket", func() error { return open(esock.Inet, esock.Dgram).Listen(1) }, syscall.EOPNOTSUPP,
			"only stream and seqpacket sockets take connections, and this is a dgram socket"},
		{"listen connected", func() error { return connected().Listen(1) }, syscall.EINVAL, "is connected"},
		{"listen unbound", func() error { return open(esock.Local, esock.Stream).Listen(1) }, syscall.EINVAL, "call Bind first"},
		{"accept on a datagram socket", func() error { return second(open(esock.Inet, esock.Dgram).Accept(esock.Forever)) },
			syscall.EOPNOTSUPP, "this is a dgram socket"},
		{"accept before listen", func() error { return second(open(esock.Inet, esock.Stream).Accept(esock.Forever)) },
			syscall.EINVAL, "call Listen first"},
		{"accept after shutdown", func() error { return second(shut(listening(), esock.ShutRead).Accept(esock.Forever)) },
			syscall.EINVAL, "Shutdown has ended reading"},
		{"sendfile of a directory", func() error { return sendFile(dir, 0, esock.ToEnd) }, 0, "is a directory"},
		{"sendfile of a pipe", func() error { return sendFile(r, 0, esock.ToEnd) }, 0, "has no offset"},
		{"sendfile from before the start", func() error { return sendFile(dir, -5, 1) }, syscall.EINVAL, "invalid offset -5: an offset cannot be negative"},
		{"sendfile of fewer than no bytes", func() error { return sendFile(dir, 0, math.MinInt64) }, syscall.EINVAL,
			"invalid count -9223372036854775808: it is neither ToEnd nor at least 0"},
	} {
		t.Run(c.what, func(t *testing.T) {
			if c.what == "bind inet6 to inet" {
				machine.NeedIPv6(t)
			}
			err := c.do()
			require.Error(t, err)
			assert.ErrorContains(t, err, c.says)
			if c.is != 0 {
				assert.ErrorIs(t, err, c.is)
			}
			var e *esock.Error
			require.ErrorAs(t, err, &e)
		})
	}
}

// A socket that was never opened is closed, also for an address that depends on the socket's domain.
func TestBindOfAZeroSocketSaysThatItIsClosed(t *testing.T) {
	for _, s := range []*esock.Socket{nil, {}} {
		for _, a := range []esock.Addr{esock.Any, esock.Loopback, esock.Inet4Addr(loopback, 0), {}} {
			assert.ErrorIs(t, s.Bind(a), net.ErrClosed, a.String())
		}
	}
}

// An address that is right is not blamed.
func TestErrorsBlameNoRightAddress(t *testing.T) {
	s := open(t, esock.Inet, esock.Stream, esock.Default)
	err := s.Connect(nobody(t, esock.Stream), esock.Within(patience))
	var e *esock.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, syscall.ECONNREFUSED, e.Reason)
	assert.NotContains(t, err.Error(), "the address")

	// A Connect was called, so that its absence is no cause.
	_, err = s.Send([]byte{1}, 0, esock.Within(patience))
	assert.ErrorIs(t, err, syscall.EPIPE)
	assert.ErrorContains(t, err, "its Connect has not succeeded")
	_, err = s.Recv(make([]byte, 1), 0, esock.Within(patience))
	assert.NotContains(t, err.Error(), "call Connect first")
}

// The text of an error has what the caller gave to the call: the address, the kind of socket, the descriptor.
func TestErrorsNameWhatTheCallWasAbout(t *testing.T) {
	second := func(_ any, err error) error { return err }
	refused := nobody(t, esock.Stream)
	_, taken := listener(t, 1)
	full := pendingAddr(t)
	tcp := func() *esock.Socket { return open(t, esock.Inet, esock.Stream, esock.TCP) }
	missing := esock.UnixAddr(filepath.Join(t.TempDir(), "missing"))
	twice := func() error { // both may bind, and only one may listen
		a, b := tcp(), tcp()
		require.NoError(t, sockopt.SocketReuseAddr.Set(a, true))
		require.NoError(t, sockopt.SocketReuseAddr.Set(b, true))
		require.NoError(t, a.Bind(esock.Loopback))
		taken := sockName(t, a)
		require.NoError(t, b.Bind(taken))
		require.NoError(t, a.Listen(1))
		err := b.Listen(1)
		assert.ErrorContains(t, err, b.String()+" at "+taken.String()+": ")
		return err
	}
	for _, c := range []struct {
		what string
		err  error
		is   error
		says string
	}{
		{"bind", tcp().Bind(taken), syscall.EADDRINUSE, " to " + taken.String() + ": "},
		{"connect", tcp().Connect(refused, esock.Within(patience)), syscall.ECONNREFUSED, " to " + refused.String() + ": "},
		{"connect, timeout", tcp().Connect(full, esock.Within(time.Millisecond)), esock.ErrTimeout, " to " + full.String() + ": "},
		{"listen", twice(), syscall.EADDRINUSE, " at 127.0.0.1:"},
		{"sendto", second(open(t, esock.Local, esock.Dgram, 0).SendTo([]byte{1}, missing, 0, esock.Forever)), syscall.ENOENT,
			" to " + missing.String() + ": "},
		{"sendmsg", second(open(t, esock.Local, esock.Dgram, 0).SendMsg(&esock.Msg{Addr: missing, Iov: [][]byte{{1}}}, 0, esock.Forever)),
			syscall.ENOENT, " to " + missing.String() + ": "},
		{"open", second(esock.Open(esock.Inet, esock.Stream, esock.UDP)), syscall.EPROTONOSUPPORT, "open inet stream udp: "},
		{"adopt", second(esock.Adopt(-1)), syscall.EBADF, "adopt descriptor -1: "},
	} {
		require.ErrorIs(t, c.err, c.is, c.what)
		assert.ErrorContains(t, c.err, c.says)
		assert.Equal(t, 1, strings.Count(c.err.Error(), c.says), c.err.Error())
	}
}

// given is a context that has ended with an error of the caller's choice.
type given struct {
	context.Context
	err error
}

func (c given) Err() error { return c.err }

// A context's error stays as it is, though it looks like one of a call: others have it, too. A nil one does no harm.
func TestErrorsOfContextsAreNotExplained(t *testing.T) {
	s := open(t, esock.Inet, esock.Stream, esock.Default)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	shared := &esock.Error{Op: "connect", Reason: syscall.EINVAL}
	text := shared.Error()
	err := s.Connect(esock.Inet6Addr(netip.IPv6Loopback(), 80, 0), esock.Context(given{ctx, shared}))
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.Equal(t, text, shared.Error())
	assert.Error(t, s.Connect(esock.Inet4Addr(loopback, 80), esock.Context(given{ctx, (*esock.Error)(nil)})))
}
