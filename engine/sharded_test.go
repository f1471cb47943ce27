package engine_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/testwait"
)

// stopper is a handler that wants to know of Shutdown.
type stopper struct {
	handler
	stopping func(*engine.Conn)
}

func (s stopper) Stopping(c *engine.Conn) {
	if s.stopping != nil {
		s.stopping(c)
	}
}

// begin runs something until it ends by itself.
func begin(run func(context.Context) error) (ended chan error) {
	ended = make(chan error, 1)
	go func() { ended <- run(context.Background()) }()
	return ended
}

// A shutdown waits for the connections; those that are told end when they have finished.
func TestAShutdownWaitsForConnections(t *testing.T) {
	l, err := engine.New()
	require.NoError(t, err)
	ended := begin(l.Run)
	s, address := listen(t)
	opened, told, closed := make(chan *engine.Conn, 2), make(chan *engine.Conn, 2), make(chan error, 2)
	h := stopper{handler: echo, stopping: func(c *engine.Conn) { told <- c }}
	h.opened = func(c *engine.Conn) { opened <- c }
	h.closed = func(_ *engine.Conn, err error) { closed <- err }
	require.NoError(t, l.Serve(s, h))
	busy, idle := dial(t, address), dial(t, address)
	<-opened
	<-opened
	down := begin(l.Shutdown)
	first := <-told
	<-told
	// The listener is the caller's.
	_, err = s.Accept(esock.Within(0))
	require.ErrorIs(t, err, esock.ErrTimeout)
	// Connections go on.
	for _, c := range []net.Conn{busy, idle} {
		_, err = c.Write([]byte("x"))
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 1))
		require.NoError(t, err)
	}
	require.Empty(t, down)
	first.Post(first.Close)
	require.ErrorIs(t, <-closed, net.ErrClosed)
	require.Empty(t, down)
	busy.Close()
	idle.Close()
	require.NoError(t, <-down)
	require.ErrorIs(t, <-ended, engine.ErrClosed)
	require.NoError(t, l.Shutdown(context.Background()))
	require.NoError(t, l.Close())
}

// A listener that comes while a loop shuts down does not keep it.
func TestAListenerThatComesDuringAShutdown(t *testing.T) {
	l, err := engine.New()
	require.NoError(t, err)
	ended := begin(l.Run)
	a, _ := pair(t)
	s, address := listen(t)
	_, err = l.Adopt(a, stopper{stopping: func(c *engine.Conn) {
		assert.NoError(t, l.Serve(s, echo))
		c.Close()
	}})
	require.NoError(t, err)
	require.NoError(t, testwait.Result(t, "the shutdown", begin(l.Shutdown)))
	require.ErrorIs(t, <-ended, engine.ErrClosed)
	// It is the caller's.
	dial(t, address)
	c, err := s.Accept(esock.Forever)
	require.NoError(t, err)
	c.Close()
}

// It waits as long as its context.
func TestAShutdownWithALimit(t *testing.T) {
	l, err := engine.New()
	require.NoError(t, err)
	ended := begin(l.Run)
	s, address := listen(t)
	closed, opened := make(chan error, 1), make(chan struct{}, 1)
	require.NoError(t, l.Serve(s, handler{
		opened: func(*engine.Conn) { opened <- struct{}{} },
		closed: func(_ *engine.Conn, err error) { closed <- err },
	}))
	dial(t, address)
	<-opened
	ctx, cancel := context.WithCancel(context.Background())
	down := begin(func(context.Context) error { return l.Shutdown(ctx) })
	cancel()
	require.ErrorIs(t, <-down, context.Canceled)
	require.ErrorIs(t, <-closed, engine.ErrClosed)
	require.ErrorIs(t, <-ended, engine.ErrClosed)
}

func TestAShutdownWithNothingToDo(t *testing.T) {
	l, err := engine.New()
	require.NoError(t, err)
	var invalid *esock.InvalidError
	require.ErrorAs(t, l.Shutdown(nil), &invalid)        //nolint:staticcheck
	require.NoError(t, l.Shutdown(context.Background())) // it has never run
	require.ErrorIs(t, l.Run(context.Background()), engine.ErrClosed)
	l, err = engine.New()
	require.NoError(t, err)
	ended := begin(l.Run)
	in(t, l, func() {})
	require.NoError(t, l.Shutdown(context.Background()))
	require.ErrorIs(t, <-ended, engine.ErrClosed)
	var none *engine.Loop
	require.NoError(t, none.Shutdown(context.Background()))
}

func loopback(port uint16) esock.Addr {
	return esock.Inet4Addr(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// All loops get connections, and each connection is of one loop.
func TestShardsShareTheConnections(t *testing.T) {
	const shards = 3
	s, err := engine.Sharded(shards)
	require.NoError(t, err)
	ended := begin(s.Run)
	var mu sync.Mutex
	of := map[string]int{}
	h := stopper{handler: echo, stopping: (*engine.Conn).Close}
	h.opened = func(c *engine.Conn) {
		mu.Lock()
		defer mu.Unlock()
		a, err := c.Socket().SockName()
		assert.NoError(t, err)
		of[a.String()]++
	}
	listeners, err := s.Listen(loopback(0), 128, h)
	require.NoError(t, err)
	require.Len(t, listeners, shards)
	address, err := listeners[0].SockName()
	require.NoError(t, err)
	accepted := func() (loops int) {
		for _, l := range listeners {
			if l.Info().Counters.AccSuccess > 0 {
				loops++
			}
		}
		return loops
	}
	n := 0
	for accepted() < shards {
		c := dial(t, address.AddrPort().String())
		n++
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 1))
		require.NoError(t, err)
		require.Less(t, n, 1000)
	}
	mu.Lock()
	require.Equal(t, map[string]int{address.String(): n}, of)
	mu.Unlock()
	require.NoError(t, s.Shutdown(context.Background()))
	require.ErrorIs(t, <-ended, engine.ErrClosed)
	for _, l := range listeners {
		_, err = l.SockName()
		require.ErrorIs(t, err, net.ErrClosed)
	}
}

func TestShardsEndTogether(t *testing.T) {
	s, err := engine.Sharded(3)
	require.NoError(t, err)
	ended := begin(s.Run)
	in(t, s.Loops()[1], func() {})
	require.NoError(t, s.Loops()[1].Close())
	require.ErrorIs(t, <-ended, engine.ErrClosed)
	_, err = s.Listen(loopback(0), 1, echo)
	require.ErrorIs(t, err, engine.ErrClosed)
}

// They do so also if a function of the program has called runtime.Goexit.
func TestShardsEndTogetherAfterGoexit(t *testing.T) {
	s, err := engine.Sharded(2, engine.Panicked(func(*engine.Conn, *engine.PanicError) {}))
	require.NoError(t, err)
	ended := begin(s.Run)
	for _, l := range s.Loops() {
		require.True(t, l.Post(runtime.Goexit))
		in(t, l, func() {})
	}
	require.NoError(t, s.Loops()[1].Close())
	require.ErrorIs(t, testwait.Result(t, "the end", ended), engine.ErrClosed)
}

// Another call of Run does not end the first.
func TestShardsRunOnce(t *testing.T) {
	s, err := engine.Sharded(2)
	require.NoError(t, err)
	ended := begin(s.Run)
	for range 2 {
		for _, l := range s.Loops() {
			in(t, l, func() {})
		}
		require.ErrorIs(t, s.Run(context.Background()), engine.ErrClosed)
	}
	require.Empty(t, ended)
	require.NoError(t, s.Close())
	require.ErrorIs(t, testwait.Result(t, "the end", ended), engine.ErrClosed)
}

func TestWrongShards(t *testing.T) {
	var invalid *esock.InvalidError
	for _, n := range []int{-1, 0, 1025} {
		_, err := engine.Sharded(n)
		require.ErrorAs(t, err, &invalid)
	}
	_, err := engine.Sharded(2, engine.Mark(0))
	require.ErrorAs(t, err, &invalid)
	s, err := engine.Sharded(2)
	require.NoError(t, err)
	_, err = s.Listen(loopback(0), 1, nil)
	require.ErrorAs(t, err, &invalid)
	_, err = s.Listen(esock.UnixAddr("/x"), 1, echo)
	require.ErrorAs(t, err, &invalid)
	_, err = s.Listen(esock.Addr{}, 1, echo)
	require.ErrorAs(t, err, &invalid)
	_, err = s.Listen(loopback(0), -1, echo)
	require.ErrorAs(t, err, &invalid)
	require.ErrorAs(t, s.Run(nil), &invalid)      //nolint:staticcheck
	require.ErrorAs(t, s.Shutdown(nil), &invalid) //nolint:staticcheck
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Run(context.Background()), engine.ErrClosed)
	for _, s := range []*engine.Shards{nil, {}} {
		require.Empty(t, s.Loops())
		require.ErrorIs(t, s.Run(context.Background()), engine.ErrClosed)
		require.NoError(t, s.Shutdown(context.Background()))
		require.NoError(t, s.Close())
		_, err = s.Listen(loopback(0), 1, echo)
		require.ErrorIs(t, err, engine.ErrClosed)
	}
}

// A loop that has ended in a shutdown does not end those that still have connections.
func TestAShutdownWaitsForEachShard(t *testing.T) {
	s, err := engine.Sharded(2)
	require.NoError(t, err)
	ended := begin(s.Run)
	for _, l := range s.Loops() {
		in(t, l, func() {})
	}
	a, address := listen(t)
	require.NoError(t, s.Loops()[0].Serve(a, echo))
	c := dial(t, address)
	exchange := func() {
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 1))
		require.NoError(t, err)
	}
	exchange()
	down := begin(s.Shutdown)
	for s.Loops()[1].Post(nil) {
		runtime.Gosched()
	}
	require.NoError(t, s.Loops()[1].Shutdown(context.Background())) // its Run has ended
	for range 10 {
		exchange()
	}
	require.Empty(t, down)
	require.NoError(t, c.Close())
	require.NoError(t, <-down)
	require.ErrorIs(t, <-ended, engine.ErrClosed)
}
