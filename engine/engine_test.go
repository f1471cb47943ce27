package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/loopcall"
	"github.com/esock-go/esock/internal/testmain"
)

// backend is that of the loops which the tests make: all run with each.
var backend = engine.Epoll

// onRing is the variable that makes a copy of this binary run the tests with io_uring.
const onRing = "ESOCK_ENGINE_IO_URING"

// TestMain runs all tests with epoll, and in another process with io_uring where that is available.
func TestMain(m *testing.M) {
	new := loopcall.New
	if os.Getenv(onRing) != "" {
		backend = engine.IOUring
		loopcall.New = func(buffers, size, engine uint32) (unsafe.Pointer, *loopcall.Buffers, int, uint32, int, int) {
			if engine == loopcall.Epoll {
				engine = loopcall.URing
			}
			return new(buffers, size, engine)
		}
		os.Exit(testmain.Run(m))
	}
	q, _, _, _, _, r := new(4, 256, loopcall.URing)
	if r < 0 {
		fmt.Println("skipped: no io_uring:", syscall.Errno(-r))
		os.Exit(testmain.Run(m))
	}
	loopcall.Free(q)
	code := testmain.Run(m)
	fmt.Println("with io_uring:")
	again := exec.Command(os.Args[0], slices.DeleteFunc(slices.Clone(os.Args[1:]), func(arg string) bool {
		// Files of the test itself.
		return strings.HasPrefix(arg, "-test.testlogfile") || strings.HasPrefix(arg, "-test.coverprofile")
	})...)
	again.Env = append(os.Environ(), onRing+"=1")
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	if err := again.Run(); err != nil {
		fmt.Println("with io_uring:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// handler calls functions, those that are set.
type handler struct {
	opened   func(*engine.Conn)
	received func(*engine.Conn, []byte)
	writable func(*engine.Conn)
	closed   func(*engine.Conn, error)
}

func (h handler) Opened(c *engine.Conn) {
	if h.opened != nil {
		h.opened(c)
	}
}

func (h handler) Received(c *engine.Conn, b []byte) {
	if h.received != nil {
		h.received(c, b)
	}
}

func (h handler) Writable(c *engine.Conn) {
	if h.writable != nil {
		h.writable(c)
	}
}

func (h handler) Closed(c *engine.Conn, err error) {
	if h.closed != nil {
		h.closed(c, err)
	}
}

var echo = handler{received: func(c *engine.Conn, b []byte) { c.Write(b) }}

// run runs a loop until the test ends.
func run(t *testing.T, options ...engine.Option) *engine.Loop {
	t.Helper()
	l, err := engine.New(options...)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- l.Run(context.Background()) }()
	t.Cleanup(func() {
		l.Close()
		assert.ErrorIs(t, <-ended, engine.ErrClosed)
	})
	return l
}

// listen returns a listener on the loopback.
func listen(t *testing.T) (*esock.Socket, string) {
	t.Helper()
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	require.NoError(t, s.Bind(esock.Loopback))
	require.NoError(t, s.Listen(128))
	a, err := s.SockName()
	require.NoError(t, err)
	return s, a.AddrPort().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	c.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { c.Close() })
	return c
}

func TestALoopServesConnections(t *testing.T) {
	l := run(t)
	s, address := listen(t)
	closed := make(chan error, 1)
	h := echo
	h.closed = func(_ *engine.Conn, err error) { closed <- err }
	require.NoError(t, l.Serve(s, h))
	for range 3 {
		c := dial(t, address)
		for range 10 {
			_, err := c.Write([]byte("hello"))
			require.NoError(t, err)
			var b [5]byte
			_, err = io.ReadFull(c, b[:])
			require.NoError(t, err)
			require.Equal(t, "hello", string(b[:]))
		}
		require.NoError(t, c.(*net.TCPConn).CloseWrite())
		_, err := c.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		require.Equal(t, io.EOF, <-closed)
	}
}

// What is larger than the buffers of sockets and loop arrives whole, and the slow reader stops the reading.
func TestLargeMessagesAndASlowReader(t *testing.T) {
	l := run(t, engine.Buffers(16, 4096), engine.Mark(64<<10))
	s, address := listen(t)
	require.NoError(t, l.Serve(s, echo))
	c := dial(t, address)
	data := make([]byte, 8<<20)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	go c.Write(data)
	got := make([]byte, len(data))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
}

func TestCloseFromEverywhere(t *testing.T) {
	l := run(t)
	s, address := listen(t)
	opened, closed := make(chan *engine.Conn, 1), make(chan error, 1)
	require.NoError(t, l.Serve(s, handler{
		opened:   func(c *engine.Conn) { assert.Same(t, l, c.Loop()); opened <- c },
		received: func(c *engine.Conn, b []byte) { c.Socket().Close() },
		closed:   func(_ *engine.Conn, err error) { closed <- err },
	}))
	// By the handler, through the socket.
	c := dial(t, address)
	<-opened
	_, err := c.Write([]byte("x"))
	require.NoError(t, err)
	require.ErrorIs(t, <-closed, net.ErrClosed)
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	// By another goroutine, while the loop sleeps.
	c = dial(t, address)
	conn := <-opened
	require.NoError(t, conn.Socket().Close())
	require.ErrorIs(t, <-closed, net.ErrClosed)
	// Gracefully: what was written arrives.
	c = dial(t, address)
	conn = <-opened
	conn.Post(func() {
		conn.Write([]byte("goodbye"))
		conn.Close()
		_, err := conn.Write([]byte("more"))
		assert.ErrorIs(t, err, net.ErrClosed)
	})
	all, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, "goodbye", string(all))
	require.ErrorIs(t, <-closed, net.ErrClosed)
}

func TestASocketGoesInAndOut(t *testing.T) {
	l := run(t)
	s, address := listen(t)
	client := dial(t, address)
	conn, err := s.Accept(esock.Forever)
	require.NoError(t, err)
	received := make(chan string, 1)
	c, err := l.Adopt(conn, handler{received: func(_ *engine.Conn, b []byte) { received <- string(b) }})
	require.NoError(t, err)
	_, err = client.Write([]byte("in"))
	require.NoError(t, err)
	require.Equal(t, "in", <-received)
	_, err = conn.Recv(make([]byte, 1), 0, esock.Forever)
	require.ErrorIs(t, err, esock.ErrState)
	_, err = conn.Send([]byte("x"), 0, esock.Forever)
	require.ErrorIs(t, err, esock.ErrState)
	_, err = l.Adopt(conn, echo)
	require.ErrorIs(t, err, esock.ErrState)
	out := make(chan *esock.Socket, 1)
	c.Post(func() {
		s, err := c.Detach()
		assert.NoError(t, err)
		out <- s
	})
	require.Same(t, conn, <-out)
	_, err = client.Write([]byte("out"))
	require.NoError(t, err)
	var b [3]byte
	_, err = conn.RecvFull(b[:], 0, esock.Forever)
	require.NoError(t, err)
	require.Equal(t, "out", string(b[:]))
	require.NoError(t, conn.Close())
}

func TestAPanicEndsTheConnectionAlone(t *testing.T) {
	told := make(chan *engine.PanicError, 1)
	l := run(t, engine.Panicked(func(_ *engine.Conn, err *engine.PanicError) { told <- err }))
	s, address := listen(t)
	closed := make(chan error, 1)
	require.NoError(t, l.Serve(s, handler{
		received: func(c *engine.Conn, b []byte) {
			if b[0] == '!' {
				panic("too much")
			}
			c.Write(b)
		},
		closed: func(_ *engine.Conn, err error) { closed <- err },
	}))
	bad, good := dial(t, address), dial(t, address)
	_, err := bad.Write([]byte("!"))
	require.NoError(t, err)
	require.Equal(t, "too much", (<-told).Value)
	var p *engine.PanicError
	require.ErrorAs(t, <-closed, &p)
	_, err = good.Write([]byte("?"))
	require.NoError(t, err)
	_, err = io.ReadFull(good, make([]byte, 1))
	require.NoError(t, err)
}

func TestRunEndsWithItsContext(t *testing.T) {
	l, err := engine.New()
	require.NoError(t, err)
	s, address := listen(t)
	closed := make(chan error, 1)
	opened := make(chan struct{})
	require.NoError(t, l.Serve(s, handler{
		opened: func(*engine.Conn) { close(opened) },
		closed: func(_ *engine.Conn, err error) { closed <- err },
	}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	c := dial(t, address)
	<-opened
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.ErrorIs(t, <-closed, context.Canceled)
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	require.False(t, l.Post(func() {}))
	require.ErrorIs(t, l.Serve(s, echo), engine.ErrClosed)
	require.ErrorIs(t, l.Run(context.Background()), engine.ErrClosed)
	// The listener is the caller's again.
	go dial(t, address)
	a, err := s.Accept(esock.Forever)
	require.NoError(t, err)
	a.Close()
}

func TestALoopThatNeverRanLetsGo(t *testing.T) {
	l, err := engine.New()
	require.NoError(t, err)
	s, _ := listen(t)
	require.NoError(t, l.Serve(s, echo))
	_, err = s.Accept(esock.Within(0))
	require.ErrorIs(t, err, esock.ErrState)
	require.NoError(t, l.Close())
	_, err = s.Accept(esock.Within(0))
	require.ErrorIs(t, err, esock.ErrTimeout)
}

func TestWrongArguments(t *testing.T) {
	for _, o := range []engine.Option{nil, engine.Buffers(0, 4096), engine.Buffers(16, 100), engine.Buffers(1<<20, 1<<20), engine.Mark(0),
		engine.Panicked(nil)} {
		_, err := engine.New(o)
		var invalid *esock.InvalidError
		require.ErrorAs(t, err, &invalid)
	}
	l, err := engine.New()
	require.NoError(t, err)
	defer l.Close()
	var invalid *esock.InvalidError
	require.ErrorAs(t, l.Serve(nil, echo), &invalid)
	require.ErrorAs(t, l.Run(nil), &invalid) //nolint:staticcheck
	require.ErrorIs(t, l.Serve(&esock.Socket{}, echo), net.ErrClosed)
	s, _ := listen(t)
	require.ErrorAs(t, l.Serve(s, nil), &invalid)
	_, err = l.Adopt(nil, echo)
	require.ErrorAs(t, err, &invalid)
}
