package engine_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// told is what Panicked was told.
type told struct {
	c   *engine.Conn
	err *engine.PanicError
}

// leavers are the ways in which a function of the program does not return, and the Value of their PanicError.
var leavers = []struct {
	name  string
	leave func()
	value any
}{
	{"panic", func() { panic("too much") }, "too much"},
	{"Goexit", runtime.Goexit, engine.ErrGoexit},
}

// A function of the program that does not return ends its connection, if it has one. It is told, and the loop lives.
func TestTheLoopLivesWhatDoesNotReturn(t *testing.T) {
	for _, way := range leavers {
		framed := func(h packets) engine.Handler {
			p, err := engine.Packets(packet.Line, packet.Options{}, h)
			require.NoError(t, err)
			return p
		}
		for _, c := range []struct {
			name    string
			handler func(handler) engine.Handler
			post    func(*engine.Loop, *engine.Conn) // in another goroutine
			ends    bool                             // the connection ends, by a PanicError
		}{
			{"Opened", func(h handler) engine.Handler { h.opened = func(*engine.Conn) { way.leave() }; return h }, nil, true},
			{"Received", func(h handler) engine.Handler {
				h.received = func(*engine.Conn, []byte) { way.leave() }
				return h
			}, nil, true},
			{"Writable", func(h handler) engine.Handler {
				h.received = func(c *engine.Conn, _ []byte) {
					c.Write(make([]byte, 300<<10))
					_, err := c.Write([]byte("more"))
					assert.ErrorIs(t, err, engine.ErrFull)
				}
				h.writable = func(*engine.Conn) { way.leave() }
				return h
			}, nil, true},
			{"Closed", func(h handler) engine.Handler {
				closed := h.closed
				h.received = func(c *engine.Conn, _ []byte) { c.Close() }
				h.closed = func(c *engine.Conn, err error) { closed(c, err); way.leave() }
				return h
			}, nil, false},
			{"Packet", func(h handler) engine.Handler {
				return framed(packets{h, func(*engine.Conn, packet.Packet) { way.leave() }})
			}, nil, true},
			{"Packet that waited", func(h handler) engine.Handler {
				first := true
				return framed(packets{h, func(c *engine.Conn, _ packet.Packet) {
					if !first {
						way.leave()
					}
					first = false
					c.Write(make([]byte, 300<<10))
				}})
			}, nil, true},
			{"Conn.Post", nil, func(_ *engine.Loop, c *engine.Conn) { c.Post(way.leave) }, true},
			{"Loop.Post", nil, func(l *engine.Loop, _ *engine.Conn) { l.Post(way.leave) }, false},
			{"After", nil, func(l *engine.Loop, _ *engine.Conn) { l.After(0, way.leave) }, false},
		} {
			t.Run(way.name+" in "+c.name, func(t *testing.T) {
				reports := make(chan told, 1)
				l, ended := runDeferred(t, engine.Panicked(func(c *engine.Conn, err *engine.PanicError) { reports <- told{c, err} }))
				s, address := listen(t)
				opened, closed := make(chan *engine.Conn, 1), make(chan error, 1)
				h := handler{
					opened: func(c *engine.Conn) { opened <- c },
					closed: func(_ *engine.Conn, err error) { closed <- err },
				}
				var served engine.Handler = h
				if c.handler != nil {
					served = c.handler(h)
				}
				require.NoError(t, l.Serve(s, served))
				client := dial(t, address)
				if c.post != nil {
					c.post(l, testwait.Result(t, "the connection", opened))
				} else {
					_, err := client.Write([]byte("a\nb\n"))
					require.NoError(t, err)
					go io.Copy(io.Discard, client)
				}
				report := testwait.Result(t, "the report", reports)
				require.Equal(t, way.value, report.err.Value)
				require.NotEmpty(t, report.err.Stack)
				require.Equal(t, c.name == "Loop.Post" || c.name == "After", report.c == nil)
				if c.ends {
					var p *engine.PanicError
					require.ErrorAs(t, testwait.Result(t, "the end of the connection", closed), &p)
					require.Same(t, report.err, p)
					require.Equal(t, way.value == engine.ErrGoexit, errors.Is(p, engine.ErrGoexit))
				} else if c.name == "Closed" {
					require.ErrorIs(t, testwait.Result(t, "the end of the connection", closed), net.ErrClosed)
				} else {
					require.Empty(t, closed)
				}
				// The loop serves others.
				in(t, l, func() {})
				a, b := pair(t)
				_, err := l.Adopt(a, echo)
				require.NoError(t, err)
				_, err = b.Send([]byte("x"), 0, esock.Forever)
				require.NoError(t, err)
				_, err = b.RecvFull(make([]byte, 1), 0, esock.Forever)
				require.NoError(t, err)
				require.NoError(t, l.Close())
				err = testwait.Result(t, "the end of Run", ended)
				if way.value == engine.ErrGoexit {
					require.ErrorIs(t, err, engine.ErrGoexit) // it has not returned
				} else {
					require.ErrorIs(t, err, engine.ErrClosed)
				}
			})
		}
	}
}

// runDeferred runs a loop. The channel gets ErrGoexit if Run does not return.
func runDeferred(t *testing.T, options ...engine.Option) (*engine.Loop, chan error) {
	l, err := engine.New(options...)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	ended := make(chan error, 1)
	go func() {
		err := engine.ErrGoexit
		defer func() { ended <- err }()
		err = l.Run(context.Background())
	}()
	return l, ended
}

// Nothing that one turn has found is lost when handlers leave, nor what was posted or waits for its end.
func TestNothingIsLostWhenHandlersLeave(t *testing.T) {
	for _, way := range leavers {
		t.Run(way.name, func(t *testing.T) {
			reports := 0
			l, ended := runDeferred(t, engine.Panicked(func(*engine.Conn, *engine.PanicError) { reports++ }), engine.Buffers(64, 256))
			const many = 200
			var peers []*esock.Socket
			received, closed, posted := 0, 0, 0
			all := make(chan struct{})
			in(t, l, func() { // so that they all join in one turn
				for range many {
					a, b := pair(t)
					peers = append(peers, b)
					_, err := b.Send([]byte("x"), 0, esock.Forever)
					assert.NoError(t, err)
					_, err = l.Adopt(a, stopper{handler: handler{
						received: func(*engine.Conn, []byte) { received++; way.leave() },
						closed: func(*engine.Conn, error) {
							if closed++; closed == many {
								close(all)
							}
							way.leave()
						},
					}})
					assert.NoError(t, err)
					assert.True(t, l.Post(func() { posted++; way.leave() }))
				}
			})
			testwait.Result(t, "the end of all", all)
			require.NoError(t, l.Close())
			testwait.Result(t, "the end of Run", ended)
			require.Equal(t, []int{many, many, many, 3 * many}, []int{received, closed, posted, reports})
			for _, p := range peers {
				_, err := p.Recv(make([]byte, 1), 0, esock.Forever)
				require.Error(t, err)
			}
		})
	}
}

// Shutdown tells all of its beginning, and Close of a loop that never ran all of their end, though each of them leaves.
func TestEachIsToldWhenHandlersLeave(t *testing.T) {
	for _, way := range leavers {
		t.Run(way.name, func(t *testing.T) {
			silent := engine.Panicked(func(*engine.Conn, *engine.PanicError) {})
			l, ended := runDeferred(t, silent)
			stopped := 0
			for range 5 {
				a, _ := pair(t)
				_, err := l.Adopt(a, stopper{stopping: func(*engine.Conn) { stopped++; way.leave() }})
				require.NoError(t, err)
			}
			in(t, l, func() {})
			require.NoError(t, l.Shutdown(context.Background()))
			testwait.Result(t, "the end of Run", ended)
			require.Equal(t, 5, stopped)

			l, err := engine.New(silent)
			require.NoError(t, err)
			told := 0
			for range 5 {
				a, _ := pair(t)
				_, err := l.Adopt(a, handler{
					opened: func(*engine.Conn) { told++; way.leave() },
					closed: func(*engine.Conn, error) { told++; way.leave() },
				})
				require.NoError(t, err)
			}
			require.True(t, l.Post(func() { told++; way.leave() }))
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				l.Close()
			}()
			testwait.Result(t, "the end of Close", gone)
			require.Equal(t, 11, told)
		})
	}
}

// What Post has taken is called, also when the loop closes.
func TestWhatWasPostedIsCalled(t *testing.T) {
	for _, end := range []func(*engine.Loop){
		func(l *engine.Loop) { l.Close() },
		func(l *engine.Loop) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			l.Shutdown(ctx)
		},
		func(l *engine.Loop) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			l.Run(ctx)
		},
	} {
		l, err := engine.New()
		require.NoError(t, err)
		a, _ := pair(t)
		var order []string
		_, err = l.Adopt(a, handler{closed: func(*engine.Conn, error) { order = append(order, "closed") }})
		require.NoError(t, err)
		require.True(t, l.Post(func() {
			order = append(order, "posted")
			assert.False(t, l.Post(func() { order = append(order, "late") }))
		}))
		end(l)
		require.Equal(t, []string{"posted", "closed"}, order)
	}
}
