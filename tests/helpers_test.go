package tests

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testkit"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// open opens a socket, closed at the end of the test.
func open(t testing.TB, d esock.Domain, typ esock.Type, p esock.Protocol, opts ...esock.OpenOption) *esock.Socket {
	t.Helper()
	s, err := esock.Open(d, typ, p, opts...)
	require.NoError(t, err)
	closeAtEnd(t, s)
	return s
}

// closeAtEnd closes a socket at the end of the test, which fails if that takes too long.
func closeAtEnd(t testing.TB, s *esock.Socket) { t.Cleanup(func() { closeSoon(t, s) }) }

// closeSoon closes a socket. A Close that hangs fails the test, and not all that come after it.
func closeSoon(t testing.TB, c interface{ Close() error }) error {
	t.Helper()
	done := start(func() (int, error) { return 0, c.Close() })
	wait := patience
	if t.Failed() { // most likely because of what Close would wait for
		wait = time.Second
	}
	select {
	case o := <-done:
		return o.err
	case <-time.After(wait):
		t.Error("Close never returned")
		return nil
	}
}

// usualSndBuf is the send buffer of a Linux with its default settings (it doubles it). With it tests know what is more than a
// unix socket takes.
const usualSndBuf = 106496

// pair is two connected unix sockets of a type.
func pair(t testing.TB, typ esock.Type, opts ...esock.OpenOption) (a, b *esock.Socket) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, int(typ)|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	for _, fd := range fds {
		require.NoError(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, usualSndBuf))
	}
	return adopt(t, fds[0], opts...), adopt(t, fds[1], opts...)
}

// adopt makes a socket of a descriptor, and closes that.
func adopt(t testing.TB, fd int, opts ...esock.OpenOption) *esock.Socket {
	t.Helper()
	s, err := esock.Adopt(fd, opts...)
	require.NoError(t, err)
	syscall.Close(fd)
	closeAtEnd(t, s)
	return s
}

// twin is another socket that shares s's description.
func twin(t testing.TB, s *esock.Socket) *esock.Socket {
	t.Helper()
	d, err := esock.Adopt(fdOf(t, s))
	require.NoError(t, err)
	closeAtEnd(t, d)
	return d
}

// fdOf is a socket's descriptor.
func fdOf(t testing.TB, s *esock.Socket) int {
	t.Helper()
	fd, err := sockopt.Get(s, "otp", "fd")
	require.NoError(t, err)
	return fd.(int)
}

// listener is a TCP listener on loopback, and its address.
func listener(t testing.TB, backlog int) (*esock.Socket, esock.Addr) {
	t.Helper()
	l := open(t, esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, l.Bind(esock.Loopback))
	require.NoError(t, l.Listen(backlog))
	return l, sockName(t, l)
}

func sockName(t testing.TB, s *esock.Socket) esock.Addr {
	t.Helper()
	a, err := s.SockName()
	require.NoError(t, err)
	return a
}

// dial connects a new TCP socket to an address.
func dial(t testing.TB, to esock.Addr) *esock.Socket {
	t.Helper()
	c := open(t, esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, c.Connect(to, esock.Within(patience)))
	return c
}

// tcpPair is the two ends of a TCP connection, with small buffers so that they fill soon.
func tcpPair(t testing.TB) (client, server *esock.Socket) {
	t.Helper()
	l, addr := listener(t, 5)
	require.NoError(t, sockopt.SocketRcvBuf.Set(l, 32<<10))
	require.NoError(t, sockopt.SocketSndBuf.Set(l, 32<<10))
	client = open(t, esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, sockopt.SocketRcvBuf.Set(client, 32<<10))
	require.NoError(t, sockopt.SocketSndBuf.Set(client, 32<<10))
	require.NoError(t, client.Connect(addr, esock.Within(patience)))
	server, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, server)
	require.NoError(t, l.Close())
	return client, server
}

// udp is a UDP socket bound on loopback, and its address.
func udp(t testing.TB) (*esock.Socket, esock.Addr) {
	t.Helper()
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	require.NoError(t, s.Bind(esock.Loopback))
	return s, sockName(t, s)
}

// nobody is a loopback address where no UDP or TCP socket listens.
func nobody(t testing.TB, typ esock.Type) esock.Addr {
	t.Helper()
	s := open(t, esock.Inet, typ, esock.Default)
	require.NoError(t, s.Bind(esock.Loopback))
	a := sockName(t, s)
	require.NoError(t, s.Close())
	return a
}

// pendingAddr is the address of a TCP listener whose queue is full: connecting to it does not end.
func pendingAddr(t testing.TB) esock.Addr {
	t.Helper()
	l, addr := listener(t, 0)
	dial(t, addr)
	eventually(t, "a full queue", func() bool {
		info, err := sockopt.TCPInfo.Get(l)
		require.NoError(t, err)
		return info.Unacked > info.Sacked // more than the backlog: Linux drops every SYN
	})
	return addr
}

// outcome is what a call returned.
type outcome struct {
	n   int
	err error
}

// start makes a call in a goroutine.
func start(f func() (int, error)) <-chan outcome {
	ch := make(chan outcome, 1)
	go func() {
		n, err := f()
		ch <- outcome{n, err}
	}()
	return ch
}

// result is the outcome of a started call, which must come.
func result(t testing.TB, ch <-chan outcome) outcome {
	t.Helper()
	return testwait.Result(t, "the call's end", ch)
}

// recvStart starts a receive, and returns when it waits: as the nth reader.
func recvStart(t testing.TB, s *esock.Socket, buf []byte, w esock.Wait, nth int) <-chan outcome {
	t.Helper()
	before := s.Counters().ReadWaits
	ch := start(func() (int, error) { return s.Recv(buf, 0, w) })
	readers(t, s, nth)
	if nth == 1 { // a reader counts as soon as it is about to wait
		eventually(t, "the wait", func() bool { return s.Counters().ReadWaits > before })
	}
	return ch
}

// sendStart starts a send, and returns when it waits: as the nth writer.
func sendStart(t testing.TB, s *esock.Socket, buf []byte, w esock.Wait, nth int) <-chan outcome {
	t.Helper()
	before := s.Counters().WriteWaits
	ch := start(func() (int, error) { return s.Send(buf, 0, w) })
	writers(t, s, nth)
	if nth == 1 {
		eventually(t, "the wait", func() bool { return s.Counters().WriteWaits > before })
	}
	return ch
}

// readers waits until n calls wait to read.
func readers(t testing.TB, s *esock.Socket, n int) {
	t.Helper()
	eventually(t, "waiting readers", func() bool { return s.Info().NumReaders == n })
}

// writers waits until n calls wait to write.
func writers(t testing.TB, s *esock.Socket, n int) {
	t.Helper()
	eventually(t, "waiting writers", func() bool { return s.Info().NumWriters == n })
}

// acceptors waits until n calls wait to accept.
func acceptors(t testing.TB, s *esock.Socket, n int) {
	t.Helper()
	eventually(t, "waiting acceptors", func() bool { return s.Info().NumAcceptors == n })
}

// selected is the *Select that err must be.
func selected(t testing.TB, err error) *esock.Select {
	t.Helper()
	sel, ok := err.(*esock.Select)
	require.True(t, ok, "not a select: %v", err)
	return sel
}

// recvSelect makes an asynchronous receive, which must select.
func recvSelect(t testing.TB, s *esock.Socket, mb *esock.Mailbox) *esock.Select {
	t.Helper()
	_, err := s.Recv(make([]byte, 1), 0, esock.NoWait(mb))
	return selected(t, err)
}

// sendSelect makes an asynchronous send of one byte, which must select.
func sendSelect(t testing.TB, s *esock.Socket, mb *esock.Mailbox) *esock.Select {
	t.Helper()
	_, err := s.Send([]byte("x"), 0, esock.NoWait(mb))
	return selected(t, err)
}

// message is the next message of a mailbox, which must come.
func message(t testing.TB, mb *esock.Mailbox) esock.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	msg, err := mb.Receive(ctx)
	require.NoError(t, err, "a message")
	return msg
}

func selectOf(p esock.Pending) esock.Message { return esock.SelectMsg{Handle: p.Handle()} }

func abortOf(p esock.Pending, reason error) esock.Message {
	return esock.AbortMsg{Handle: p.Handle(), Reason: reason}
}

// fill sends until the kernel takes no more, and says how much it took. It takes no more until the peer receives,
// however long that is.
func fill(t testing.TB, s *esock.Socket) (total int) {
	t.Helper()
	chunk := make([]byte, 4096)
	eventually(t, "a full buffer", func() bool {
		for {
			n, err := s.Send(chunk, 0, esock.Within(0))
			total += n
			if err != nil {
				require.Equal(t, esock.ErrTimeout, err)
				return s.Protocol() != esock.TCP || testkit.StaysFull(t, s)
			}
		}
	})
	return total
}

// fillForFiles is fill for a test of SendFile: before Linux 6.5 it adds to what waits in a full unix socket, a few times.
func fillForFiles(t testing.TB, s *esock.Socket) int {
	t.Helper()
	total, f := fill(t, s), fileOf(t, 1)
	for {
		n, err := s.SendFile(f, 0, 1, esock.Within(0))
		total += int(n)
		if err != nil {
			require.Equal(t, esock.ErrTimeout, err)
			return total
		}
	}
}

// discard receives until the end.
func discard(s *esock.Socket) {
	for buf := make([]byte, 1<<20); ; {
		if _, err := s.Recv(buf, 0, esock.Forever); err != nil {
			return
		}
	}
}

// makeRoom receives from s, which is full, until the mailbox of a waiting sender has a message.
func makeRoom(t testing.TB, s *esock.Socket, sender *esock.Mailbox) {
	t.Helper()
	eventually(t, "a message to the sender", func() bool {
		if sender.Len() > 0 {
			return true
		}
		if _, err := s.RecvBytes(4096, 0, esock.Within(0)); err != nil {
			require.Equal(t, esock.ErrTimeout, err)
		}
		return false
	})
}

// pollerTurn returns when the poller has served another socket: what it had to do before, it has done.
func pollerTurn(t testing.TB) {
	t.Helper()
	peer, s := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	defer mb.Close()
	sel := recvSelect(t, s, mb)
	send(t, peer, "x")
	require.Equal(t, selectOf(sel), message(t, mb))
}

// drain receives n bytes.
func drain(t testing.TB, s *esock.Socket, n int) {
	t.Helper()
	got, err := s.RecvFull(make([]byte, n), 0, esock.Within(patience))
	require.NoError(t, err)
	require.Equal(t, n, got)
}

// send sends data, which must be taken whole.
func send(t testing.TB, s *esock.Socket, data string) {
	t.Helper()
	n, err := s.Send([]byte(data), 0, esock.Within(patience))
	require.NoError(t, err)
	require.Equal(t, len(data), n)
}

// recv receives what comes first.
func recv(t testing.TB, s *esock.Socket) string {
	t.Helper()
	b, err := s.RecvBytes(0, 0, esock.Within(patience))
	require.NoError(t, err)
	return string(b)
}

// echoes checks that a connection works in both directions.
func echoes(t testing.TB, a, b *esock.Socket) {
	t.Helper()
	send(t, a, "there")
	require.Equal(t, "there", recv(t, b))
	send(t, b, "back")
	require.Equal(t, "back", recv(t, a))
}

func hasState(states []string, state string) bool { return slices.Contains(states, state) }

// cancellable is a context that ends with the test at the latest.
func cancellable(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx, cancel
}

// errClosed is what calls on a socket that is closed here say.
var errClosed = net.ErrClosed

func isError(err, target error) bool { return errors.Is(err, target) }
