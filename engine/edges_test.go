package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/testwait"
)

// A greeting that is larger than the mark stops the receiving before it has begun.
func TestOpenedWritesMoreThanTheMark(t *testing.T) {
	l := run(t, engine.Mark(1000))
	s, address := listen(t)
	greeting := bytes.Repeat([]byte("x"), 1<<20)
	h := echo
	h.opened = func(c *engine.Conn) {
		n, err := c.Write(greeting)
		assert.NoError(t, err)
		assert.Equal(t, len(greeting), n)
	}
	require.NoError(t, l.Serve(s, h))
	c := dial(t, address)
	got := make([]byte, len(greeting))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(greeting, got))
	_, err = c.Write([]byte("hello"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, got[:5])
	require.NoError(t, err)
	require.Equal(t, "hello", string(got[:5]))
}

// tcpPair is a connection, which a ring receives from again and again; of unix sockets it does not.
func tcpPair(t *testing.T) (a, b *esock.Socket) {
	t.Helper()
	l, _ := listen(t)
	address, err := l.SockName()
	require.NoError(t, err)
	b, err = esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	require.NoError(t, b.Connect(address, esock.Forever))
	a, err = l.Accept(esock.Forever)
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	return a, b
}

// pair returns two connected unix sockets.
func pair(t *testing.T) (a, b *esock.Socket) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	a, err = esock.Adopt(fds[0], esock.TakeFD())
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	b, err = esock.Adopt(fds[1], esock.TakeFD())
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	return a, b
}

// A proxy's handler adopts a second connection and writes to it at once.
func TestAHandlerWritesToWhatItAdopts(t *testing.T) {
	l := run(t)
	s, address := listen(t)
	a, b := pair(t)
	var second *engine.Conn
	require.NoError(t, l.Serve(s, handler{opened: func(c *engine.Conn) {
		other, err := l.Adopt(a, handler{received: func(_ *engine.Conn, b []byte) { c.Write(b) }})
		if assert.NoError(t, err) {
			_, err = other.Write([]byte("hello"))
			assert.NoError(t, err)
			second = other
		}
	}}))
	c := dial(t, address)
	var got [5]byte
	_, err := b.RecvFull(got[:], 0, esock.Forever)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got[:]))
	_, err = b.Send([]byte("world"), 0, esock.Forever)
	require.NoError(t, err)
	_, err = io.ReadFull(c, got[:])
	require.NoError(t, err)
	require.Equal(t, "world", string(got[:]))
	unsent := make(chan int)
	second.Post(func() { unsent <- second.Unsent() })
	require.Zero(t, <-unsent)
}

// What a function adopts and writes to joins after the next turn, where the loop has taken its work for this one already.
func TestWhatIsAdoptedBetweenTurnsIsWrittenTo(t *testing.T) {
	for _, where := range []string{"Post", "Opened", "Closed", "HandOver"} {
		t.Run(where, func(t *testing.T) {
			l := run(t)
			a, b := pair(t)
			first, _ := pair(t)
			adopt := func() {
				c, err := l.Adopt(a, echo)
				if assert.NoError(t, err) {
					c.Write([]byte("hel"))
					c.Write([]byte("lo"))
				}
			}
			var h handler
			switch where {
			case "Post":
				h.opened = func(c *engine.Conn) { c.Post(adopt) }
			case "Opened":
				h.opened = func(*engine.Conn) { adopt() }
			case "Closed":
				h.opened = func(c *engine.Conn) { c.Close() }
				h.closed = func(*engine.Conn, error) { adopt() }
			case "HandOver":
				h.opened = func(c *engine.Conn) {
					c.HandOver(func(s *esock.Socket, _ []byte) {
						s.Close()
						adopt()
					})
				}
			}
			_, err := l.Adopt(first, h)
			require.NoError(t, err)
			var got [5]byte
			_, err = b.RecvFull(got[:], 0, esock.Forever)
			require.NoError(t, err)
			require.Equal(t, "hello", string(got[:]))
			_, err = b.Send([]byte("world"), 0, esock.Forever)
			require.NoError(t, err)
			_, err = b.RecvFull(got[:], 0, esock.Forever)
			require.NoError(t, err)
			require.Equal(t, "world", string(got[:]))
		})
	}
}

// What is written before the connection joins stops the receiving, too, and so does Close.
func TestWhatIsWrittenBeforeAConnectionJoins(t *testing.T) {
	for _, closes := range []bool{false, true} {
		t.Run(fmt.Sprint("closes: ", closes), func(t *testing.T) {
			l := run(t, engine.Mark(1000))
			a, b := pair(t)
			_, err := b.Send([]byte("x"), 0, esock.Forever)
			require.NoError(t, err)
			var received atomic.Int64
			greeting := make([]byte, 4<<20)
			closed := make(chan error, 1)
			in(t, l, func() {
				c, err := l.Adopt(a, handler{
					received: func(_ *engine.Conn, b []byte) { received.Add(int64(len(b))) },
					closed:   func(_ *engine.Conn, err error) { closed <- err },
				})
				if assert.NoError(t, err) {
					_, err = c.Write(greeting)
					assert.NoError(t, err)
				}
				if closes {
					c.Close()
				}
			})
			_, err = b.RecvFull(greeting[:1], 0, esock.Forever) // it has joined
			require.NoError(t, err)
			in(t, l, func() {})
			in(t, l, func() {})
			require.Zero(t, received.Load())
			require.Zero(t, a.Counters().ReadByte)
			_, err = b.RecvFull(greeting[1:], 0, esock.Forever)
			require.NoError(t, err)
			if !closes {
				require.NoError(t, b.Shutdown(esock.ShutWrite))
			}
			want := map[bool]error{false: io.EOF, true: net.ErrClosed}[closes]
			require.ErrorIs(t, testwait.Result(t, "the end", closed), want)
			require.EqualValues(t, map[bool]int{false: 1}[closes], received.Load())
		})
	}
}

// What came before many sockets joined is not forgotten when the loop sleeps.
func TestManySocketsJoinAtOnce(t *testing.T) {
	l, err := engine.New()
	require.NoError(t, err)
	const many = 1200
	received := make(chan struct{})
	var last *esock.Socket
	for i := range many {
		a, b := pair(t)
		h := handler{}
		if i == many-1 {
			h.received = func(*engine.Conn, []byte) { close(received) }
			last = b
		}
		_, err := l.Adopt(a, h)
		require.NoError(t, err)
	}
	_, err = last.Send([]byte("x"), 0, esock.Forever)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	<-received
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// Each connection that a loop has taken is told of its beginning and of its end, in this order.
func TestAConnectionThatClosesBeforeItOpens(t *testing.T) {
	for _, runs := range []bool{true, false} {
		l, err := engine.New()
		require.NoError(t, err)
		a, _ := pair(t)
		var told []string
		_, err = l.Adopt(a, handler{
			opened: func(c *engine.Conn) {
				told = append(told, "opened")
				_, err := c.Write([]byte("x"))
				assert.ErrorIs(t, err, net.ErrClosed)
			},
			closed: func(_ *engine.Conn, err error) {
				told = append(told, "closed")
				want := engine.ErrClosed
				if runs {
					want = net.ErrClosed
				}
				assert.ErrorIs(t, err, want)
			},
		})
		require.NoError(t, err)
		if runs {
			require.NoError(t, a.Close())
			l.Post(func() { l.Close() })
			require.ErrorIs(t, l.Run(context.Background()), engine.ErrClosed)
		} else {
			require.NoError(t, l.Close())
		}
		require.Equal(t, []string{"opened", "closed"}, told)
	}
}

// A connection that another's handler detaches keeps what has come for it.
func TestDetachLosesNothing(t *testing.T) {
	l, err := engine.New()
	require.NoError(t, err)
	var conns [2]*engine.Conn
	var peers [2]*esock.Socket
	got := make(chan string, 2)
	first := true
	for i := range conns {
		var a *esock.Socket
		a, peers[i] = pair(t)
		conns[i], err = l.Adopt(a, handler{received: func(_ *engine.Conn, b []byte) {
			got <- string(b)
			if !first {
				return
			}
			first = false
			other := conns[1-i]
			_, err := other.Detach() // its bytes came with the same turn
			assert.ErrorIs(t, err, esock.ErrState)
			other.Post(func() {
				s, err := other.Detach()
				assert.NoError(t, err)
				assert.Same(t, other.Socket(), s)
				l.Close()
			})
		}})
		require.NoError(t, err)
		_, err = peers[i].Send([]byte{'a' + byte(i)}, 0, esock.Forever)
		require.NoError(t, err)
	}
	require.ErrorIs(t, l.Run(context.Background()), engine.ErrClosed)
	require.ElementsMatch(t, []string{"a", "b"}, []string{<-got, <-got})
}

// Zero and nil loops and connections are closed.
func TestZeroValues(t *testing.T) {
	s, _ := listen(t)
	a, _ := pair(t)
	for _, l := range []*engine.Loop{nil, {}} {
		_, err := l.Adopt(a, echo)
		assert.ErrorIs(t, err, engine.ErrClosed)
		assert.ErrorIs(t, l.Serve(s, echo), engine.ErrClosed)
		assert.False(t, l.Post(func() {}))
		assert.ErrorIs(t, l.Run(context.Background()), engine.ErrClosed)
		assert.NoError(t, l.Close())
	}
	for _, c := range []*engine.Conn{nil, {}} {
		_, err := c.Write([]byte("x"))
		assert.ErrorIs(t, err, net.ErrClosed)
		_, err = c.Detach()
		assert.ErrorIs(t, err, net.ErrClosed)
		assert.Nil(t, c.Socket())
		assert.Nil(t, c.Loop())
		assert.Zero(t, c.Unsent())
		assert.False(t, c.Post(func() {}))
		c.Close()
	}
	assert.NotEmpty(t, (&engine.PanicError{}).Error())
}

// Messages stay apart, also those that are written in one turn or are larger than a buffer, and the end is io.EOF.
func TestMessagesStayWhole(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	a, err := esock.Adopt(fds[0], esock.TakeFD())
	require.NoError(t, err)
	b, err := esock.Adopt(fds[1], esock.TakeFD())
	require.NoError(t, err)
	defer b.Close()
	l := run(t, engine.Buffers(8, 256))
	closed := make(chan error, 1)
	sizes := []int{3, 200, 1, 1000, 2}
	_, err = l.Adopt(a, handler{
		opened: func(c *engine.Conn) {
			for _, n := range sizes {
				_, err := c.Write(make([]byte, n))
				assert.NoError(t, err)
			}
		},
		closed: func(_ *engine.Conn, err error) { closed <- err },
	})
	require.NoError(t, err)
	for _, want := range sizes {
		n, err := b.Recv(make([]byte, 2000), 0, esock.Forever)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	require.NoError(t, b.Close())
	require.Equal(t, io.EOF, <-closed)
}

// A socket that does not listen is not served in vain.
func TestServeTakesOnlyListeners(t *testing.T) {
	l := run(t)
	a, _ := pair(t)
	var invalid *esock.InvalidError
	require.ErrorAs(t, l.Serve(a, echo), &invalid)
	require.Equal(t, "socket", invalid.What)
	_, err := a.Recv(make([]byte, 1), 0, esock.Within(0))
	require.ErrorIs(t, err, esock.ErrTimeout)
}
