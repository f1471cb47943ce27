package engine_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
)

// handed is what HandOver has called with.
type handed struct {
	s      *esock.Socket
	unread string
}

// pass sends the descriptor of a socket through another, and returns what comes out: as a new process would get it.
func pass(t *testing.T, s *esock.Socket) *esock.Socket {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fds[0])
	defer syscall.Close(fds[1])
	require.NoError(t, syscall.Sendmsg(fds[0], []byte("x"), syscall.UnixRights(s.FD()), nil, 0))
	oob := make([]byte, 64)
	_, n, _, _, err := syscall.Recvmsg(fds[1], make([]byte, 1), oob, syscall.MSG_CMSG_CLOEXEC)
	require.NoError(t, err)
	messages, err := syscall.ParseSocketControlMessage(oob[:n])
	require.NoError(t, err)
	got, err := syscall.ParseUnixRights(&messages[0])
	require.NoError(t, err)
	other, err := esock.Adopt(got[0], esock.TakeFD())
	require.NoError(t, err)
	t.Cleanup(func() { other.Close() })
	return other
}

// At a restart the connections of a loop go on in another, and in blocking code, with what was half received, and the
// peers notice nothing.
func TestConnectionsAreHandedOverAtARestart(t *testing.T) {
	old, err := engine.New()
	require.NoError(t, err)
	ended := begin(old.Run)
	out := make(chan handed, 3)
	h := stopperOfPackets{packets: echoPackets, stopping: func(c *engine.Conn) {
		assert.True(t, c.HandOver(func(s *esock.Socket, unread []byte) { out <- handed{s, string(unread)} }))
	}}
	framed, err := engine.Packets(packet.Len2, packet.Options{}, h)
	require.NoError(t, err)
	s, address := listen(t)
	require.NoError(t, old.Serve(s, framed))
	var clients []net.Conn
	exchange := func(c net.Conn, rest, text string) {
		_, err := c.Write([]byte(rest))
		require.NoError(t, err)
		got := make([]byte, 2+len(text))
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		require.Equal(t, text, string(got[2:]))
	}
	for range 3 {
		c := dial(t, address)
		clients = append(clients, c)
		exchange(c, "\x00\x05hello\x00\x07ha", "hello") // and half of the next
	}
	down := begin(old.Shutdown)
	next := run(t)
	framed, err = engine.Packets(packet.Len2, packet.Options{}, echoPackets)
	require.NoError(t, err)
	for range 3 {
		moved := testwait.Result(t, "a connection", out)
		require.Equal(t, "\x00\x07ha", moved.unread)
		_, err = next.AdoptUnread(pass(t, moved.s), framed, []byte(moved.unread))
		require.NoError(t, err)
		require.NoError(t, moved.s.Close())
	}
	require.NoError(t, testwait.Result(t, "the end of the shutdown", down))
	require.ErrorIs(t, <-ended, engine.ErrClosed)
	for _, c := range clients {
		exchange(c, "lf of it", "half of")
	}
	// The listener goes on as well.
	other := pass(t, s)
	require.NoError(t, s.Close())
	require.NoError(t, next.Serve(other, echo))
	c := dial(t, address)
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
}

type stopperOfPackets struct {
	packets
	stopping func(*engine.Conn)
}

func (s stopperOfPackets) Stopping(c *engine.Conn) { s.stopping(c) }

// A connection is handed over when all is sent, and not at all if it ends before.
func TestHandOverWaitsForWhatIsUnsent(t *testing.T) {
	l := run(t)
	a, b := pair(t)
	out, closed := make(chan handed, 1), make(chan error, 1)
	h := handler{closed: func(_ *engine.Conn, err error) { closed <- err }}
	c, err := l.Adopt(a, h)
	require.NoError(t, err)
	over := func(s *esock.Socket, unread []byte) { out <- handed{s, string(unread)} }
	data := make([]byte, 1<<20)
	in(t, l, func() {
		_, err := c.Write(data)
		assert.NoError(t, err)
		assert.True(t, c.HandOver(func(*esock.Socket, []byte) { t.Error("replaced") }))
		assert.True(t, c.HandOver(over))
	})
	in(t, l, func() {})
	require.Empty(t, out)
	_, err = b.RecvFull(data, 0, esock.Forever)
	require.NoError(t, err)
	require.Same(t, a, testwait.Result(t, "the socket", out).s)
	require.Empty(t, closed)
	_, err = a.Send([]byte("x"), 0, esock.Forever) // blocking code has it
	require.NoError(t, err)
	// And in again.
	c, err = l.Adopt(a, h)
	require.NoError(t, err)
	in(t, l, func() {
		_, err := c.Write(data)
		assert.NoError(t, err)
		assert.True(t, c.HandOver(over))
	})
	require.NoError(t, b.Close())
	require.Error(t, testwait.Result(t, "the end", closed))
	in(t, l, func() { assert.False(t, c.HandOver(over)) })
	require.Empty(t, out)
	// Taken back.
	a, _ = pair(t)
	c, err = l.Adopt(a, h)
	require.NoError(t, err)
	in(t, l, func() {
		assert.True(t, c.HandOver(over))
		assert.True(t, c.HandOver(nil))
	})
	in(t, l, func() {})
	require.Empty(t, out)
	for _, c := range []*engine.Conn{nil, {}} {
		require.False(t, c.HandOver(over))
	}
}

// What was received before comes first, and is the handler's even if it ends the connection.
func TestWhatWasReceivedBeforeComesFirst(t *testing.T) {
	l := run(t)
	a, b := pair(t)
	_, err := b.Send([]byte("later"), 0, esock.Forever)
	require.NoError(t, err)
	got := make(chan string, 3)
	before := []byte("before")
	_, err = l.AdoptUnread(a, handler{
		opened: func(c *engine.Conn) {
			_, err := c.Detach() // which would lose it
			assert.ErrorIs(t, err, esock.ErrState)
			got <- ""
		},
		received: func(_ *engine.Conn, b []byte) { got <- string(b) },
	}, before)
	require.NoError(t, err)
	clear(before)
	for _, want := range []string{"", "before", "later"} {
		require.Equal(t, want, testwait.Result(t, "the bytes", got))
	}
	reports := make(chan error, 1)
	l = run(t, engine.Panicked(func(_ *engine.Conn, err *engine.PanicError) { reports <- err }))
	a, _ = pair(t)
	_, err = l.AdoptUnread(a, handler{received: func(*engine.Conn, []byte) { panic("too much") }}, []byte("x"))
	require.NoError(t, err)
	testwait.Result(t, "the report", reports)
	_, err = l.AdoptUnread(nil, echo, []byte("x"))
	var invalid *esock.InvalidError
	require.ErrorAs(t, err, &invalid)
}

// With SteerByCPU a connection is of the loop of the CPU that its client, which is on this machine, runs on.
func TestShardsAreSteeredByCPU(t *testing.T) {
	var cpus unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &cpus))
	for _, before := range []bool{true, false} {
		s, err := engine.Sharded(3)
		require.NoError(t, err)
		ended := begin(s.Run)
		if before {
			require.NoError(t, s.SteerByCPU())
		}
		cpu := make(chan int, 1)
		h := stopper{stopping: (*engine.Conn).Close}
		h.opened = func(c *engine.Conn) {
			n, err := sockopt.SocketIncomingCPU.Get(c.Socket())
			assert.NoError(t, err)
			cpu <- n
		}
		listeners, err := s.Listen(loopback(0), 128, h)
		require.NoError(t, err)
		if !before {
			require.NoError(t, s.SteerByCPU())
		}
		a, err := listeners[0].SockName()
		require.NoError(t, err)
		accepted := func() (n [3]uint64) {
			for i, l := range listeners {
				n[i] = l.Info().Counters.AccSuccess
			}
			return n
		}
		for i := range 20 {
			want := accepted()
			onOneCPU(&cpus, i%cpus.Count(), func() { dial(t, a.AddrPort().String()) })
			want[testwait.Result(t, "the connection", cpu)%3]++
			require.Equal(t, want, accepted())
		}
		require.NoError(t, s.Shutdown(context.Background()))
		require.ErrorIs(t, <-ended, engine.ErrClosed)
	}
	for _, s := range []*engine.Shards{nil, {}} {
		require.ErrorIs(t, s.SteerByCPU(), engine.ErrClosed)
	}
}

// onOneCPU runs a function in a thread that stays on its CPU, which is another one for another number.
func onOneCPU(all *unix.CPUSet, number int, f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var one unix.CPUSet
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			if number == 0 {
				one.Set(cpu)
			}
			number--
		}
	}
	unix.SchedSetaffinity(0, &one)
	defer unix.SchedSetaffinity(0, all)
	f()
}
