package esock

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// manyDescriptors raises the limit of open files; it skips the test if that may not be.
func manyDescriptors(t *testing.T, n uint64) {
	t.Helper()
	var old syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old))
	if old.Cur >= n {
		return
	}
	if old.Max < n {
		t.Skipf("the limit of open files is %d, the test needs %d", old.Max, n)
	}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: old.Max}))
	t.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old) })
}

// Connections opened, used in every form, half of them cancelled or closed under load: afterwards everything is back.
func TestStressConnections(t *testing.T) {
	n := 5000
	if testing.Short() {
		n = 500
	}
	manyDescriptors(t, uint64(2*n+200))
	fds, sockets := len(descriptors()), gauges.read().Sockets
	heap, other := memory()
	connections(t, n)
	eventually(t, func() bool { return len(descriptors()) <= fds }, "the descriptors of the start")
	heapOnce, otherOnce := memory()
	t.Logf("%d connections: Go heap %+d bytes, other memory %+d", n, heapOnce-heap, otherOnce-other)
	// The runtime keeps its part of what was parked, and maps keep their size: 0.6 kB for each of 2n sockets. Its threads, which
	// a slow machine has more of, are in the other memory.
	assert.Less(t, heapOnce-heap, int64(2*n*600+1<<20))
	if !instrumented { // the detector's own memory is among it
		assert.Less(t, otherOnce-other, int64(2*n*600+16<<20))
	}
	// All that is used again, the next time.
	fds = len(descriptors())
	leavesNothing(t, 512<<10, 4<<20, func() {
		connections(t, n)
		eventually(t, func() bool { return len(descriptors()) <= fds }, "the descriptors of the start")
		assert.Equal(t, sockets, gauges.read().Sockets)
	})
}

func connections(t *testing.T, n int) {
	stuck, over := context.WithTimeout(context.Background(), longPatience)
	defer over()
	l, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	require.NoError(t, l.Bind(Inet4Addr(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)))
	require.NoError(t, l.Listen(4096))
	addr, err := l.SockName()
	require.NoError(t, err)

	// The server: one mailbox serves all connections.
	server := NewMailbox()
	var serving sync.WaitGroup
	var served atomic.Int64
	serve := func(c *Socket, w Wait) {
		buf := make([]byte, 256)
		for {
			k, err := c.Recv(buf, 0, w)
			if isSelect(err) {
				return
			}
			if err == nil {
				_, err = c.Send(buf[:k], 0, Within(longPatience))
			}
			if err != nil {
				if c.Close() == nil {
					served.Add(1)
				}
				return
			}
		}
	}
	serving.Go(func() {
		for {
			msg, err := server.Receive(stuck)
			if err != nil {
				assert.ErrorIs(t, err, net.ErrClosed)
				return
			}
			if m, ok := msg.(SelectMsg); ok {
				serve(m.Socket(), With(m.Handle))
			}
		}
	})
	serving.Go(func() {
		for {
			c, err := l.Accept(Forever)
			if err != nil {
				assert.ErrorIs(t, err, net.ErrClosed)
				return
			}
			serve(c, With(server.NewHandle()))
		}
	})

	defer serving.Wait()
	defer server.Close()
	defer l.Close()
	clients := make([]*Socket, n)
	const workers = 16
	each := func(f func(r *rand.Rand, i int)) {
		var wg sync.WaitGroup
		for g := range workers {
			r := rand.New(rand.NewPCG(uint64(g), uint64(n)))
			wg.Go(func() {
				for i := g; i < n; i += workers {
					f(r, i)
				}
			})
		}
		wg.Wait()
	}
	each(func(r *rand.Rand, i int) { // all are open at once
		c, err := Open(Inet, Stream, TCP, Registered(i%2 == 0))
		if err == nil {
			err = c.Connect(addr, Within(longPatience))
		}
		if !assert.NoError(t, err) {
			return
		}
		clients[i] = c
		echo(t, c, r, stuck)
	})
	require.False(t, slices.Contains(clients, nil), "all are connected")
	each(func(r *rand.Rand, i int) {
		c := clients[i]
		if i%2 == 0 {
			echo(t, c, r, stuck)
			return
		}
		calledOff(t, c, r, i)
		if i%4 == 1 {
			echo(t, c, r, stuck) // a cancelled call leaves the connection as it was
		}
	})
	each(func(_ *rand.Rand, i int) {
		if err := clients[i].Close(); i%4 != 3 {
			assert.NoError(t, err)
		}
	})
	eventually(t, func() bool { return served.Load() == int64(n) }, "every connection served to its end")
	require.NoError(t, l.Close())
	require.NoError(t, server.Close())
}

// echo sends something and receives it back, in one form or another.
func echo(t *testing.T, c *Socket, r *rand.Rand, stuck context.Context) {
	out := make([]byte, 64)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	_, err := c.Send(out, 0, Forever)
	if !assert.NoError(t, err) {
		return
	}
	in := make([]byte, 64)
	switch form := r.IntN(6); form {
	case 0:
		_, err = c.RecvFull(in, 0, Forever)
	case 1:
		_, err = c.RecvFull(in, 0, Within(longPatience))
	case 2:
		_, err = c.RecvFull(in, 0, Context(stuck))
	case 3:
		_, err = c.RecvFull(in, 0, Context(stuck).Spin(50*time.Microsecond))
	default:
		mb := NewMailbox()
		defer mb.Close()
		h := mb.NewHandle()
		for off := 0; off < len(in); {
			var k int
			if form == 4 {
				k, err = c.RecvFull(in[off:], 0, NoWait(mb))
			} else {
				k, err = c.Recv(in[off:], 0, With(h))
			}
			off += k
			if isSelect(err) {
				_, err = mb.Receive(stuck)
			}
			if err != nil {
				break
			}
		}
	}
	if err != nil {
		t.Errorf("echo: %v", err)
	} else if string(in) != string(out) {
		t.Error("other data came back")
	}
}

// calledOff makes a receive wait, and then cancels it (i%4 == 1) or closes the socket (i%4 == 3).
func calledOff(t *testing.T, c *Socket, r *rand.Rand, i int) {
	buf := make([]byte, 8)
	closes := i%4 == 3
	if r.IntN(2) == 0 {
		mb := NewMailbox()
		_, err := c.Recv(buf, 0, NoWait(mb))
		sel, ok := err.(*Select)
		if !assert.True(t, ok) {
			return
		}
		if closes {
			assert.NoError(t, c.Close())
			msg, ok := mb.Poll()
			assert.True(t, ok && msg == Message(AbortMsg{sel.Handle(), net.ErrClosed}))
			return
		}
		assert.NoError(t, c.Cancel(sel))
		assert.Zero(t, mb.Len())
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	errs := make(chan error, 1)
	go func() { _, err := c.Recv(buf, 0, Context(ctx)); errs <- err }()
	for range r.IntN(5) {
		runtime.Gosched()
	}
	if closes {
		assert.NoError(t, c.Close())
		assert.ErrorIs(t, <-errs, net.ErrClosed)
		return
	}
	cancel()
	assert.ErrorIs(t, <-errs, context.Canceled)
}
