package engine_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testwait"
)

// full is whether the long form of tests runs.
var full = os.Getenv("ESOCK_STRESS") == "full"

// crowd is a loop with handlers that do everything a handler may do, and its clients.
type crowd struct {
	t       *testing.T
	l       *engine.Loop
	address string

	opened, ended, panics, reports atomic.Int64

	mu    sync.Mutex
	conns map[*engine.Conn]bool
	taken sync.WaitGroup // connections that were taken out of the loop
}

func gather(t *testing.T) *crowd {
	w := &crowd{t: t, conns: map[*engine.Conn]bool{}}
	w.l = run(t, engine.Buffers(64, 1024), engine.Mark(8<<10),
		engine.Panicked(func(*engine.Conn, *engine.PanicError) { w.reports.Add(1) }))
	s, address := listen(t)
	w.address = address
	require.NoError(t, w.l.Serve(s, handler{w.open, w.received, nil, w.closed}))
	return w
}

func (w *crowd) open(c *engine.Conn) {
	w.opened.Add(1)
	w.mu.Lock()
	w.conns[c] = true
	w.mu.Unlock()
	c.SetIdleTimeout(time.Minute)
	c.SetWriteTimeout(time.Minute)
}

func (w *crowd) closed(c *engine.Conn, err error) {
	w.end(c)
	if err == nil {
		w.t.Error("closed without an error")
	}
}

func (w *crowd) end(c *engine.Conn) {
	w.mu.Lock()
	if !w.conns[c] {
		w.t.Error("a connection has ended twice, or was never opened")
	}
	delete(w.conns, c)
	w.mu.Unlock()
	w.ended.Add(1)
}

// other is any connection.
func (w *crowd) other() *engine.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		return c
	}
	return nil
}

func (w *crowd) received(c *engine.Conn, b []byte) {
	if _, err := c.Write(b); err != nil && !errors.Is(err, engine.ErrFull) && !errors.Is(err, net.ErrClosed) {
		w.t.Error(err)
	}
	if c.Unsent() > 8<<10+1024 {
		w.t.Error("more is unsent than the mark and a buffer: ", c.Unsent())
	}
	switch rand.IntN(60) {
	case 0:
		w.panics.Add(1)
		panic("too much")
	case 1:
		for range 100 {
			runtime.Gosched()
		}
	case 2:
		if o := w.other(); o != nil {
			o.Close()
		}
	case 3:
		if o := w.other(); o != nil {
			o.Socket().Close()
		}
	case 4:
		c.Close()
	case 5:
		c.Post(func() {
			s, err := c.Detach()
			if err != nil {
				return
			}
			w.end(c)
			w.taken.Go(func() { // and in again
				s.Send([]byte("x"), 0, esock.Forever)
				if _, err := w.l.Adopt(s, handler{w.open, w.received, nil, w.closed}); err != nil {
					s.Close()
				}
			})
		})
	case 6:
		timer, err := w.l.After(time.Millisecond, func() { c.Write(b[:0]) })
		if err == nil && rand.IntN(2) == 0 {
			timer.Stop()
		}
	}
}

// visit is one client.
func (w *crowd) visit() {
	c, err := net.Dial("tcp", w.address)
	if !assert.NoError(w.t, err) {
		return
	}
	defer c.Close()
	b := make([]byte, 1+rand.IntN(4000))
	for range 1 + rand.IntN(5) {
		if _, err := c.Write(b); err != nil {
			return
		}
		if rand.IntN(4) == 0 {
			c.SetReadDeadline(time.Now()) // a call that is cancelled
		}
		if _, err := io.ReadFull(c, b[:1+rand.IntN(len(b))]); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		c.SetReadDeadline(time.Time{})
	}
	switch rand.IntN(4) {
	case 0:
		c.(*net.TCPConn).SetLinger(0)
	case 1:
		c.(*net.TCPConn).CloseWrite()
	case 2:
		if o := w.other(); o != nil {
			o.Socket().Close()
		}
	}
}

// visits is many clients, and the wait until all connections have ended.
func (w *crowd) visits(n int) {
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range n / 16 {
				w.visit()
			}
		})
	}
	group.Wait()
	w.taken.Wait()
	testwait.Until(w.t, "the end of all connections", func() bool {
		in(w.t, w.l, func() {})
		w.taken.Wait()
		return w.ended.Load() == w.opened.Load()
	})
	require.Equal(w.t, w.panics.Load(), w.reports.Load())
}

// Thousands of connections end in every way, and the loop lives.
func TestManyConnectionsOfEveryKind(t *testing.T) {
	w := gather(t)
	n := 480
	if full {
		n = 10000
	}
	w.visits(n)
	require.GreaterOrEqual(t, w.opened.Load(), int64(n))
	echoOnce(t, w.l)
}

// echoOnce is an exchange with a loop.
func echoOnce(t *testing.T, l *engine.Loop) {
	a, b := pair(t)
	_, err := l.Adopt(a, echo)
	require.NoError(t, err)
	_, err = b.Send([]byte("x"), 0, esock.Forever)
	require.NoError(t, err)
	_, err = b.RecvFull(make([]byte, 1), 0, esock.Forever)
	require.NoError(t, err)
	require.NoError(t, b.Close())
}

// soak is how long TestALoopLeavesNothingBehind goes on with each backend: ESOCK_STRESS=full, ten minutes, or that time itself,
// ESOCK_STRESS=1m for example.
func soak() time.Duration {
	if full {
		return 10 * time.Minute
	}
	d, _ := time.ParseDuration(os.Getenv("ESOCK_STRESS"))
	return d
}

// What a loop has taken for connections it gives back: descriptors, goroutines, memory.
func TestALoopLeavesNothingBehind(t *testing.T) {
	w := gather(t)
	rounds, long := 3, soak() > 0
	end := time.Now().Add(soak())
	if full {
		rounds = 100
	}
	type usage struct {
		descriptors, goroutines int
		heap, resident          uint64
	}
	use := func() (u usage) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		u = usage{len(machine.Descriptors()), runtime.NumGoroutine(), m.HeapAlloc, resident(t)}
		return u
	}
	w.visits(320)
	before := use()
	for i := 0; i < rounds || time.Now().Before(end); i++ {
		w.visits(160)
	}
	var after usage
	testwait.Until(t, "descriptors and goroutines as before", func() bool {
		after = use()
		return after.descriptors <= before.descriptors && after.goroutines <= before.goroutines
	})
	t.Logf("%d connections, before %+v, after %+v", w.opened.Load(), before, after)
	require.Less(t, after.heap, before.heap+4<<20)
	if long {
		require.Less(t, after.resident, before.resident+32<<20)
	}
}

// resident is the memory of the process, that of C too.
func resident(t *testing.T) uint64 {
	b, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	var size, pages uint64
	_, err = fmt.Sscan(string(b), &size, &pages)
	require.NoError(t, err)
	return pages * uint64(os.Getpagesize())
}

// A peer that does not read, and sends, stops its connection alone, whose memory stays below the mark and a buffer.
func TestASlowReaderKeepsToItsMark(t *testing.T) {
	const mark, size = 64 << 10, 4 << 10
	l := run(t, engine.Mark(mark), engine.Buffers(64, size))
	a, b := pair(t)
	most := 0
	c, err := l.Adopt(a, handler{received: func(c *engine.Conn, b []byte) {
		if _, err := c.Write(b); err != nil { // io_uring may have received more before
			assert.ErrorIs(t, err, engine.ErrFull)
		}
		most = max(most, c.Unsent())
	}})
	require.NoError(t, err)
	stuck := 0
	for piece := make([]byte, 10000); stuck < 3; {
		_, err := b.Send(piece, 0, esock.Within(0))
		if err == nil {
			stuck = 0
			continue
		}
		require.ErrorIs(t, err, esock.ErrTimeout)
		sleeps(t, l)
		stuck++
	}
	in(t, l, func() {
		assert.Positive(t, c.Unsent())
		assert.LessOrEqual(t, most, mark+size)
	})
	echoOnce(t, l)
	counters := a.Info().Counters
	require.LessOrEqual(t, counters.ReadByte-counters.WriteByte, uint64(mark+64*size))
}
