package engine_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/kernel"
	"github.com/esock-go/esock/internal/loopcall"
	"github.com/esock-go/esock/internal/testwait"
)

// refuse makes io_uring unavailable, as the kernel would.
func refuse(t *testing.T, errno syscall.Errno) {
	real := loopcall.New
	loopcall.New = func(buffers, size, kind uint32) (unsafe.Pointer, *loopcall.Buffers, int, uint32, int, int) {
		if kind == loopcall.URing {
			return nil, nil, -1, 0, 0, -int(errno)
		}
		q, b, fd, _, _, r := real(buffers, size, loopcall.Epoll)
		return q, b, fd, loopcall.Epoll, -int(errno), r
	}
	t.Cleanup(func() { loopcall.New = real })
}

func TestBackends(t *testing.T) {
	l := run(t)
	got, err := l.Backend()
	require.NoError(t, err)
	require.Equal(t, backend, got)
	var invalid *esock.InvalidError
	_, err = engine.New(engine.WaitWith(3))
	require.ErrorAs(t, err, &invalid)
	var none *engine.Loop
	got, err = none.Backend()
	require.NoError(t, err)
	require.Equal(t, engine.Epoll, got)
	require.Equal(t, "epoll io_uring io_uring or epoll Backend(9)",
		engine.Epoll.String()+" "+engine.IOUring.String()+" "+engine.IOUringOrEpoll.String()+" "+engine.Backend(9).String())
}

// Where io_uring is not available a loop says why, or does without.
func TestWithoutIOUring(t *testing.T) {
	for errno, why := range map[syscall.Errno]string{
		syscall.EPERM:  "io_uring_disabled",
		syscall.ENOSYS: "seccomp",
		syscall.EINVAL: "6.1",
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			refuse(t, errno)
			_, err := engine.New(engine.WaitWith(engine.IOUring))
			require.ErrorIs(t, err, errno)
			require.ErrorContains(t, err, why)
			l, err := engine.New(engine.WaitWith(engine.IOUringOrEpoll))
			require.NoError(t, err)
			defer l.Close()
			got, err := l.Backend()
			require.Equal(t, engine.Epoll, got)
			require.ErrorIs(t, err, errno)
			require.ErrorContains(t, err, why)
		})
	}
}

// Another goroutine closes a socket of a loop that is asleep, and one of a loop whose handler runs.
func TestClosesFromOtherGoroutines(t *testing.T) {
	l := run(t)
	a, b := pair(t)
	closed := make(chan error, 1)
	h := handler{closed: func(_ *engine.Conn, err error) { closed <- err }}
	_, err := l.Adopt(a, h)
	require.NoError(t, err)
	in(t, l, func() {})
	require.NoError(t, a.Close())
	require.ErrorIs(t, <-closed, net.ErrClosed)
	_, err = b.Recv(make([]byte, 1), 0, esock.Forever)
	require.ErrorIs(t, err, io.EOF) // nothing holds the socket any more
	a, b = pair(t)
	busy := make(chan struct{})
	h.received = func(*engine.Conn, []byte) {
		close(busy)
		runtime.Gosched()
	}
	_, err = l.Adopt(a, h)
	require.NoError(t, err)
	_, err = b.Send([]byte("x"), 0, esock.Forever)
	require.NoError(t, err)
	<-busy
	require.NoError(t, a.Close())
	require.ErrorIs(t, <-closed, net.ErrClosed)
}

// A socket that another goroutine closes just when it joins is taken out by the goroutine of Run, which has the ring.
func TestASocketThatClosesAsItJoins(t *testing.T) {
	remove := loopcall.Remove
	t.Cleanup(func() { loopcall.Remove = remove })
	var thread, others atomic.Int64
	loopcall.Remove = func(q, m unsafe.Pointer) {
		if backend == engine.IOUring && thread.Load() != int64(syscall.Gettid()) {
			others.Add(1)
		}
		remove(q, m)
	}
	l := run(t)
	in(t, l, func() { thread.Store(int64(syscall.Gettid())) })
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 { // they contend for the loop's lock
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					l.Counters()
				}
			}
		})
	}
	for range 500 {
		a, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
		require.NoError(t, err)
		_, err = l.Adopt(a, handler{})
		require.NoError(t, err)
		require.NoError(t, a.Close())
	}
	close(stop)
	group.Wait()
	require.Zero(t, others.Load())
}

// Handlers of two loops close sockets of each other's loop at the same time.
func TestTwoLoopsCloseEachOthersSockets(t *testing.T) {
	one, other := run(t), run(t)
	h := handler{}
	closed := make(chan error, 2)
	h.closed = func(_ *engine.Conn, err error) { closed <- err }
	var sockets []*esock.Socket
	loops := []*engine.Loop{one, other}
	for _, l := range loops {
		a, _ := pair(t)
		_, err := l.Adopt(a, h)
		require.NoError(t, err)
		in(t, l, func() {})
		sockets = append(sockets, a)
	}
	var both sync.WaitGroup
	both.Add(2)
	for i, l := range loops {
		require.True(t, l.Post(func() {
			both.Done()
			both.Wait()
			sockets[1-i].Close()
		}))
	}
	for range 2 {
		require.ErrorIs(t, testwait.Result(t, "the end of a connection", closed), net.ErrClosed)
	}
}

// Many goroutines close sockets while the loop ends.
func TestClosesWhileTheLoopEnds(t *testing.T) {
	for range 20 {
		l, err := engine.New(engine.Buffers(64, 256))
		require.NoError(t, err)
		ended := begin(l.Run)
		var sockets []*esock.Socket
		for range 20 {
			a, _ := pair(t)
			_, err := l.Adopt(a, echo)
			require.NoError(t, err)
			sockets = append(sockets, a)
		}
		in(t, l, func() {})
		done := make(chan struct{})
		for _, s := range sockets {
			go func() {
				s.Close()
				done <- struct{}{}
			}()
		}
		l.Close()
		require.ErrorIs(t, <-ended, engine.ErrClosed)
		for range sockets {
			<-done
		}
	}
}

// What has come for a connection that a function of Post detaches is not lost, whoever has it.
func TestDetachWhileBytesCome(t *testing.T) {
	const total = 1 << 16
	l := run(t)
	a, b := tcpPair(t)
	var got atomic.Int64
	c, err := l.Adopt(a, handler{received: func(_ *engine.Conn, b []byte) { got.Add(int64(len(b))) }})
	require.NoError(t, err)
	go func() {
		for range total / 16 {
			_, err := b.Send(make([]byte, 16), 0, esock.Forever)
			assert.NoError(t, err)
		}
	}()
	testwait.Until(t, "the first bytes", func() bool { return got.Load() > 0 })
	out := make(chan *esock.Socket)
	var detach func()
	detach = func() {
		s, err := c.Detach()
		if err != nil {
			assert.ErrorIs(t, err, esock.ErrState)
			c.Post(detach)
			return
		}
		out <- s
	}
	c.Post(detach)
	s := <-out
	rest := make([]byte, total)
	for n := int(got.Load()); n < total; {
		k, err := s.Recv(rest, 0, esock.Within(time.Minute))
		require.NoError(t, err)
		n += k
	}
}

// A Detach that fails because the kernel has received more than one buffer has the rest delivered.
func TestAFailedDetachGoesOnReceiving(t *testing.T) {
	l := run(t, engine.Buffers(8, 256))
	a, b := tcpPair(t)
	sent := bytes.Repeat([]byte("0123456789"), 60)
	out := make(chan *esock.Socket, 1)
	var got []byte
	c, err := l.Adopt(a, handler{received: func(c *engine.Conn, data []byte) {
		got = append(got, data...)
		c.Post(func() {
			if s, err := c.Detach(); err == nil {
				out <- s
			} else {
				assert.ErrorIs(t, err, esock.ErrState) // Received comes again, and tries again
			}
		})
	}})
	require.NoError(t, err)
	_, err = b.Send(sent, 0, esock.Forever)
	require.NoError(t, err)
	s := testwait.Result(t, "the socket", out)
	if n := len(sent) - len(got); n > 0 {
		data := make([]byte, n)
		_, err = s.RecvFull(data, 0, esock.Within(time.Minute))
		require.NoError(t, err)
		got = append(got, data...)
	}
	require.Equal(t, string(sent), string(got))
	require.NoError(t, c.Socket().Close())
}

// A connection that another goroutine closes in the same turn that it has written in takes its sends with it. The address
// sanitizer sees whoever looks at them later.
func TestACloseTakesTheSendsOfItsTurn(t *testing.T) {
	l := run(t)
	for _, n := range []int{10, 100 << 10} { // in a buffer of the loop, and in memory of its own
		a, b := pair(t)
		ended := make(chan error, 1)
		_, err := l.Adopt(a, handler{
			received: func(c *engine.Conn, _ []byte) {
				_, err := c.Write(make([]byte, n))
				assert.NoError(t, err)
				c.Socket().Close()
				_, err = c.Write(make([]byte, n))
				assert.ErrorIs(t, err, net.ErrClosed)
			},
			closed: func(_ *engine.Conn, err error) { ended <- err },
		})
		require.NoError(t, err)
		_, err = b.Send([]byte("go"), 0, esock.Forever)
		require.NoError(t, err)
		require.ErrorIs(t, testwait.Result(t, "the end", ended), net.ErrClosed)
		in(t, l, func() {})
	}
}

// With one processor a loop that waits lets other goroutines run, and parks at last; then it wakes again.
func TestOneProcessorIsShared(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	idle := loopcall.Idle
	parks := make(chan struct{}, 1)
	loopcall.Idle = func(q unsafe.Pointer) bool {
		is := idle(q)
		if is {
			select {
			case parks <- struct{}{}:
			default:
			}
		}
		return is
	}
	t.Cleanup(func() { loopcall.Idle = idle })
	l := run(t)
	s, address := listen(t)
	require.NoError(t, l.Serve(s, echo))
	c := dial(t, address)
	for range 3 {
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 1))
		require.NoError(t, err)
		if b, _ := l.Backend(); b == engine.Epoll || kernel.From(6, 18) {
			<-parks
		}
	}
	in(t, l, func() {})
}

// The end of a context ends a loop that waits.
func TestAContextEndsAWait(t *testing.T) {
	l, err := engine.New()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	testwait.Until(t, "a sleep", func() bool { return l.Counters().Sleeps > 0 })
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// Shutdown serves the connections that were made before, also those that the loop has not seen yet, or leaves them to the
// listener.
func TestShutdownLosesNoConnection(t *testing.T) {
	const many = 120 // more than a turn accepts of one listener, fewer than its backlog
	s, address := listen(t)
	l, err := engine.New()
	require.NoError(t, err)
	var served atomic.Int64
	first := true
	h := handler{opened: func(c *engine.Conn) {
		served.Add(1)
		if first {
			first = false
			go l.Shutdown(context.Background())
		}
		c.Close()
	}}
	require.NoError(t, l.Serve(s, h))
	var clients []net.Conn
	for range many {
		clients = append(clients, dial(t, address))
	}
	require.ErrorIs(t, l.Run(context.Background()), engine.ErrClosed)
	for n := int(served.Load()); n < many; n++ {
		c, err := s.Accept(esock.Within(time.Minute)) // all are connected
		require.NoError(t, err)
		c.Close()
	}
	for _, c := range clients {
		_, err := c.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
	}
}
