package engine_test

import (
	"context"
	"io"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// Each way to end something works in each function of the program, and each connection is told of its end once.
func TestEverythingEndsInEachCallback(t *testing.T) {
	ends := map[string]func(*engine.Loop, *engine.Conn, *esock.Socket){
		"Conn.Close":       func(_ *engine.Loop, c *engine.Conn, _ *esock.Socket) { c.Close(); c.Close() },
		"Socket.Close":     func(_ *engine.Loop, c *engine.Conn, _ *esock.Socket) { c.Socket().Close() },
		"listener's Close": func(_ *engine.Loop, c *engine.Conn, s *esock.Socket) { s.Close(); c.Close() },
		"Loop.Close":       func(l *engine.Loop, _ *engine.Conn, _ *esock.Socket) { l.Close(); l.Close() },
		"Detach and Close": func(_ *engine.Loop, c *engine.Conn, _ *esock.Socket) {
			if s, err := c.Detach(); err == nil {
				s.Close()
			} else {
				c.Close()
			}
		},
		"limits": func(_ *engine.Loop, c *engine.Conn, _ *esock.Socket) {
			c.SetIdleTimeout(1)
			c.SetWriteTimeout(-1)
		},
	}
	for name, end := range ends {
		for _, where := range []string{"Opened", "Received", "Packet", "Writable", "Closed", "Stopping", "Post", "After"} {
			t.Run(name+" in "+where, func(t *testing.T) {
				l, err := engine.New()
				require.NoError(t, err)
				ended := begin(l.Run)
				s, address := listen(t)
				opened, closed := 0, make(chan struct{}, 10)
				at := func(here string, c *engine.Conn) {
					if here == where {
						end(l, c, s)
					}
				}
				h := stopperOfPackets{stopping: func(c *engine.Conn) { at("Stopping", c); c.Close() }}
				h.opened = func(c *engine.Conn) {
					opened++
					at("Opened", c)
					switch where {
					case "Post":
						c.Post(func() { at("Post", c) })
					case "After":
						_, err := l.After(0, func() { at("After", c) })
						assert.NoError(t, err)
					}
				}
				h.packet = func(c *engine.Conn, _ packet.Packet) {
					at("Packet", c)
					if c.Unsent() == 0 {
						c.Write(make([]byte, 1<<20))
						c.Write([]byte("x"))
					}
				}
				h.writable = func(c *engine.Conn) { at("Writable", c); c.Close() }
				h.closed = func(c *engine.Conn, err error) {
					assert.Error(t, err)
					at("Closed", c)
					closed <- struct{}{}
				}
				var served engine.Handler
				if where == "Received" {
					served = handler{opened: h.opened, closed: h.closed, writable: h.writable,
						received: func(c *engine.Conn, _ []byte) { at(where, c) }}
				} else {
					served, err = engine.Packets(packet.Line, packet.Options{}, h)
					require.NoError(t, err)
				}
				require.NoError(t, l.Serve(s, served))
				c := dial(t, address)
				c.Write([]byte("a\nb\nc"))
				if where == "Stopping" {
					in(t, l, func() {})
				} else {
					io.Copy(io.Discard, c)
				}
				c.Close()
				l.Shutdown(context.Background())
				require.ErrorIs(t, testwait.Result(t, "the end of Run", ended), engine.ErrClosed)
				detached := name == "Detach and Close" && len(closed) == 0
				require.Equal(t, opened, len(closed)+map[bool]int{true: 1}[detached])
			})
		}
	}
}

// Timers of any duration may be set, stopped and set again, also in their own functions.
func TestTimersInTheirOwnFunctions(t *testing.T) {
	jump := jumps(t)
	l := run(t)
	for _, d := range []time.Duration{math.MinInt64, -1, 0, 1, 999 * time.Microsecond} {
		fired := make(chan struct{}, 1)
		after(t, l, d, func() { fired <- struct{}{} })
		testwait.Result(t, d.String(), fired)
	}
	never := after(t, l, math.MaxInt64, func() { t.Error("292 years have passed") })
	require.True(t, never.Reset(math.MaxInt64-1))
	var timer *engine.Timer
	calls := make(chan bool, 10)
	in(t, l, func() {
		timer = after(t, l, 0, func() {
			calls <- timer.Stop() // there is nothing to stop
			if len(calls) < 3 {
				assert.True(t, timer.Reset(time.Hour))
				assert.True(t, timer.Reset(0)) // in its place
			} else {
				assert.True(t, timer.Reset(0))
				assert.True(t, timer.Stop())
			}
		})
	})
	testwait.Until(t, "three calls", func() bool { return len(calls) == 3 })
	jump(2 * time.Hour)
	in(t, l, func() {})
	in(t, l, func() {})
	require.Len(t, calls, 3)
	for range 3 {
		require.False(t, <-calls)
	}
	// A function stops others that are due in the same tick, and they are not called.
	in(t, l, func() {
		var timers [10]*engine.Timer
		for i := range timers {
			timers[i] = after(t, l, 0, func() {
				for j, other := range timers {
					assert.Equal(t, j != i, other.Stop())
				}
				calls <- true
			})
		}
	})
	testwait.Until(t, "the first", func() bool { in(t, l, func() {}); return len(calls) == 1 })
	require.True(t, <-calls)
	in(t, l, func() {})
	in(t, l, func() {})
	require.Empty(t, calls)
	require.True(t, never.Stop())
}

// The wheel turns over many times its smallest level and its others.
func TestTheWheelTurnsOver(t *testing.T) {
	jump := jumps(t)
	l := run(t)
	for _, d := range []time.Duration{63, 64, 65, 4095, 4096, 4097, 1 << 18, 1 << 24, 1 << 30, 1 << 36, 1<<42 - 1} {
		d *= time.Millisecond
		fired := make(chan struct{}, 1)
		after(t, l, d, func() { fired <- struct{}{} })
		jump(d / 2)
		in(t, l, func() {})
		require.Empty(t, fired)
		jump(d)
		in(t, l, func() {})
		testwait.Result(t, d.String(), fired)
	}
}

// Many goroutines set and stop timers, and each is called or stopped.
func TestTimersOfManyGoroutines(t *testing.T) {
	l := run(t)
	var group, called sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 200 {
				called.Add(1)
				timer := after(t, l, time.Duration(i)*time.Millisecond, called.Done)
				if i%2 == 0 && timer.Stop() {
					called.Done()
				}
			}
		})
	}
	group.Wait()
	called.Wait()
}

// Closed sockets, and those that are in another loop, are refused, and nothing of them stays.
func TestSocketsThatALoopDoesNotTake(t *testing.T) {
	l, other := run(t), run(t)
	a, b := pair(t)
	require.NoError(t, b.Close())
	for _, s := range []*esock.Socket{b, {}} {
		_, err := l.Adopt(s, echo)
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = l.AdoptUnread(s, echo, []byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, l.Serve(s, echo), net.ErrClosed)
	}
	a, b = pair(t) // one that goes on
	_, err := l.Adopt(a, echo)
	require.NoError(t, err)
	_, err = other.Adopt(a, echo)
	require.ErrorIs(t, err, esock.ErrState)
	// A listener is not a connection. One that is not connected ends.
	s, _ := listen(t)
	var invalid *esock.InvalidError
	_, err = l.Adopt(s, echo)
	require.ErrorAs(t, err, &invalid)
	_, err = s.Accept(esock.Within(0))
	require.ErrorIs(t, err, esock.ErrTimeout)
	s, err = esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	defer s.Close()
	closed := make(chan error, 1)
	_, err = l.Adopt(s, handler{closed: func(_ *engine.Conn, err error) { closed <- err }})
	require.NoError(t, err)
	require.Error(t, testwait.Result(t, "the end", closed))
	// One shard is as good as many.
	shards, err := engine.Sharded(1)
	require.NoError(t, err)
	require.NoError(t, shards.SteerByCPU())
	ended := begin(shards.Run)
	listeners, err := shards.Listen(loopback(0), 1, echo)
	require.NoError(t, err)
	address, err := listeners[0].SockName()
	require.NoError(t, err)
	c := dial(t, address.AddrPort().String())
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, shards.Close())
	require.ErrorIs(t, testwait.Result(t, "the end", ended), engine.ErrClosed)
}
