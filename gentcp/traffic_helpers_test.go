package gentcp_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// soft is what a check needs that runs beside the test's goroutine, or in a property.
type soft interface {
	Helper()
	Errorf(format string, args ...any)
	FailNow()
}

var (
	now  = esock.Within(0)
	none []gentcp.Option
)

// wired is a connection whose other end is the standard library's. Its receive buffer is that of Linux by default,
// whatever the machine's settings.
func wired(t testing.TB, mb *esock.Mailbox, opts ...gentcp.Option) (*gentcp.Socket, *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer l.Close()
	opts = append([]gentcp.Option{gentcp.RecBuf(1 << 16)}, opts...)
	s, err := gentcp.Connect(mb, "127.0.0.1", l.Addr().(*net.TCPAddr).Port, soon, opts...)
	made(t, s, err)
	peer, err := l.AcceptTCP()
	require.NoError(t, err)
	t.Cleanup(func() { peer.Close() })
	require.NoError(t, peer.SetDeadline(time.Now().Add(longEnough)))
	return s, peer
}

// put makes the peer write, and waits until it is with the socket's kernel.
func put(t testing.TB, s *gentcp.Socket, peer io.Writer, data string) {
	t.Helper()
	before, err := s.Socket().NRead()
	require.NoError(t, err)
	write(t, peer, data)
	inKernelQueue(t, s, before+len(data))
}

func write(t testing.TB, peer io.Writer, data string) {
	t.Helper()
	_, err := io.WriteString(peer, data)
	require.NoError(t, err)
}

// inKernelQueue waits until so many bytes wait to be read.
func inKernelQueue(t testing.TB, s *gentcp.Socket, n int) {
	t.Helper()
	comes(t, "the data", func() bool {
		k, err := s.Socket().NRead()
		return err == nil && k == n
	})
}

// unread is how many bytes the kernel has.
func unread(t testing.TB, s *gentcp.Socket) int {
	t.Helper()
	n, err := s.Socket().NRead()
	require.NoError(t, err)
	return n
}

// The states of TCP_INFO.
const (
	tcpClosed    = 7
	tcpCloseWait = 8
)

// inState waits until the connection is in a state.
func inState(t testing.TB, s *gentcp.Socket, state byte) {
	t.Helper()
	comes(t, "the state", func() bool {
		var info [8]byte
		_, err := s.Socket().GetOptionNative(6, 11, info[:])
		return err == nil && info[0] == state
	})
}

// hangUp makes the peer close, and waits until the end is with the socket's kernel.
func hangUp(t testing.TB, s *gentcp.Socket, peer *net.TCPConn) {
	t.Helper()
	require.NoError(t, peer.CloseWrite())
	inState(t, s, tcpCloseWait)
}

// reset makes the peer reset the connection, and waits until that is known.
func reset(t testing.TB, s *gentcp.Socket, peer *net.TCPConn) {
	t.Helper()
	require.NoError(t, peer.SetLinger(0))
	require.NoError(t, peer.Close())
	inState(t, s, tcpClosed)
}

// recvText is a receive whose result is text: the data, or "error: " and the reason.
func recvText(s *gentcp.Socket, length int, w esock.Wait) string {
	p, err := s.Recv(length, w)
	if err != nil {
		return "error: " + gentcp.Reason(err)
	}
	return textOf(p)
}

// textOf is a packet as text.
func textOf(p gentcp.Packet) string {
	if r, ok := p.HTTPRequest(); ok {
		return r.Method.String() + " " + string(r.URI.Path)
	}
	if r, ok := p.HTTPResponse(); ok {
		return "status " + string(r.Phrase)
	}
	if h, ok := p.HTTPHeader(); ok {
		return h.Field() + ": " + string(h.Value)
	}
	if p.Kind() != packet.KindData {
		return p.Kind().String() + string(p.Data())
	}
	return string(p.Data())
}

// recvs checks what the next receives of a socket answer: data, or "error: " and a reason.
func recvs(t testing.TB, s *gentcp.Socket, want ...string) {
	t.Helper()
	for i, w := range want {
		require.Equal(t, w, recvText(s, 0, soon), "receive %d", i)
	}
}

// describe is a message as text: "tcp abc", "passive".
func describe(msg esock.Message) string {
	switch m := msg.(type) {
	case gentcp.TCPMsg:
		return "tcp " + textOf(m.Packet)
	case gentcp.HTTPMsg:
		return "http " + textOf(m.Packet)
	case gentcp.PortMsg:
		return "port " + textOf(m.Packet)
	case gentcp.PassiveMsg:
		return "passive"
	case gentcp.ClosedMsg:
		return "closed"
	case gentcp.ErrorMsg:
		return "error " + gentcp.Reason(m.Reason)
	}
	return "something else"
}

// gets checks the next messages of a mailbox.
func gets(t testing.TB, mb *esock.Mailbox, want ...string) {
	t.Helper()
	for i, w := range want {
		require.Equal(t, w, describe(nextMessage(t, mb)), "message %d", i)
	}
}

// holds checks what a mailbox has now, to the last message.
func holds(t testing.TB, mb *esock.Mailbox, want ...string) {
	t.Helper()
	var got []string
	for {
		msg, ok := mb.Poll()
		if !ok {
			break
		}
		got = append(got, describe(msg))
	}
	assert.Equal(t, strings.Join(want, ", "), strings.Join(got, ", "))
}

// reads checks what comes next on the wire.
func reads(t soft, peer io.Reader, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	_, err := io.ReadFull(peer, buf)
	require.NoError(t, err)
	require.Equal(t, want, string(buf))
}

// readsEnd checks that nothing comes any more on the wire.
func readsEnd(t testing.TB, peer io.Reader) {
	t.Helper()
	rest, err := io.ReadAll(peer)
	require.NoError(t, err)
	require.Empty(t, rest)
}

// reasons checks an error by OTP's atom.
func reasons(t testing.TB, want string, err error, msg ...any) {
	t.Helper()
	assert.Equal(t, want, gentcp.Reason(err), msg...)
}

// background runs f beside the test, which waits for it at its end, or earlier by the function.
func background(t testing.TB, f func()) (wait func()) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(f)
	wait = func() {
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		testwait.Result(t, "the end of what runs beside the test", done)
	}
	t.Cleanup(wait)
	return wait
}

// recvLater is a receive in the background; the function is its result as text.
func recvLater(t testing.TB, s *gentcp.Socket, length int, w esock.Wait) func() string {
	t.Helper()
	var text string
	wait := background(t, func() { text = recvText(s, length, w) })
	return func() string { wait(); return text }
}

// turns waits until a receive has the turn and so many wait for it.
func turns(t testing.TB, s *gentcp.Socket, queued int) {
	t.Helper()
	comes(t, "the turns", func() bool { return gentcp.Receivers(s) == 1+queued })
}

// pattern is n bytes that tell where they are.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}
