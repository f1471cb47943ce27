package esock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
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

// memory is the live Go heap, and the rest of the process's own memory: C's heap, mostly.
func memory() (goHeap, other int64) {
	for range 3 {
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), rssAnon() - int64(m.HeapSys-m.HeapReleased+m.StackSys)
}

// rssAnon is the process's anonymous memory in bytes.
func rssAnon() int64 {
	data, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// Connections opened, used in every form, half of them cancelled or closed under load: afterwards everything is back.
func TestStressConnections(t *testing.T) {
	n := 5000
	if testing.Short() {
		n = 500
	}
	manyDescriptors(t, uint64(2*n+200))
	fds, sockets := len(descriptors()), gauges[gaugeSockets].Load()
	heap, other := memory()
	connections(t, n)
	eventually(t, func() bool { return len(descriptors()) <= fds+4 }, "the descriptors of the start")
	heapOnce, otherOnce := memory()
	t.Logf("%d connections: Go heap %+d bytes, other memory %+d", n, heapOnce-heap, otherOnce-other)
	// The runtime keeps its part of what was parked, and maps keep their size: 0.6 kB for each of 2n sockets.
	assert.Less(t, heapOnce-heap, int64(2*n*600+1<<20))
	if !instrumented { // the detector's own memory is among it
		assert.Less(t, otherOnce-other, int64(2*n*600+4<<20))
	}
	// All that is used again, the next time.
	fds = len(descriptors())
	connections(t, n)
	eventually(t, func() bool { return len(descriptors()) <= fds }, "the descriptors of the start")
	assert.Equal(t, sockets, gauges[gaugeSockets].Load())
	heapTwice, otherTwice := memory()
	t.Logf("the same again: Go heap %+d bytes, other memory %+d", heapTwice-heapOnce, otherTwice-otherOnce)
	assert.Less(t, heapTwice-heapOnce, int64(512<<10))
	if !instrumented {
		assert.Less(t, otherTwice-otherOnce, int64(4<<20)) // arenas of malloc: it goes to 0 from round to round
	}
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
	if t.Failed() {
		t.FailNow()
	}
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
	serving.Wait()
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

// Sockets closed at every stage under everything that can be under way, while others take the numbers at once.
func TestStressClose(t *testing.T) {
	rounds := 8500
	if instrumented {
		rounds = 4000
	}
	if testing.Short() {
		rounds /= 10
	}
	before := len(descriptors())
	stop := make(chan struct{})
	var markers sync.WaitGroup
	var lent atomic.Int64
	for g := range 2 {
		markers.Go(func() { // takes numbers, and looks whether anybody else uses them
			want := []byte{0xee, byte(g), 0xee, 0xee}
			got := make([]byte, 64)
			for {
				select {
				case <-stop:
					return
				default:
				}
				fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
				if err != nil {
					t.Error(err)
					return
				}
				lent.Add(1)
				for range 3 {
					_, err = syscall.Write(fds[0], want)
					runtime.Gosched()
					n, rerr := syscall.Read(fds[1], got)
					if err != nil || rerr != nil || string(got[:n]) != string(want) {
						t.Errorf("a marker was disturbed: %v %v %x", err, rerr, got[:max(n, 0)])
					}
				}
				if err := errors.Join(syscall.Close(fds[0]), syscall.Close(fds[1])); err != nil {
					t.Errorf("somebody closed a marker: %v", err)
				}
			}
		})
	}
	var wg sync.WaitGroup
	for g := range 4 {
		r := rand.New(rand.NewPCG(uint64(g), 3))
		wg.Go(func() {
			for range rounds / 4 {
				closeRound(t, r)
			}
		})
	}
	wg.Wait()
	close(stop)
	markers.Wait()
	t.Logf("%d sockets closed, %d numbers taken meanwhile", 2*rounds, 2*lent.Load())
	eventually(t, func() bool { return len(descriptors()) <= before+4 }, "every descriptor closed")
}

// closeRound is one pair's life: everything at once, and then nothing.
func closeRound(t *testing.T, r *rand.Rand) {
	a, b := pairNow(t)
	yields := func() {
		for range r.IntN(6) {
			runtime.Gosched()
		}
	}
	mb := NewMailbox()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	waits := []Wait{Forever, Within(time.Duration(r.IntN(100)) * time.Microsecond), Context(ctx),
		Forever.Spin(20 * time.Microsecond), NoWait(mb)}
	r.Shuffle(len(waits), func(i, j int) { waits[i], waits[j] = waits[j], waits[i] })
	var sel *Select
	for _, w := range waits[:3+r.IntN(3)] {
		receiver := func() {
			buf := make([]byte, 16)
			n, err := b.Recv(buf, 0, w)
			for _, c := range buf[:n] {
				if c != 0x11 {
					t.Errorf("somebody else's data: %x", buf[:n])
				}
			}
			switch {
			case err == nil, err == io.EOF, err == ErrTimeout, errors.Is(err, net.ErrClosed),
				errors.Is(err, context.Canceled):
			case isSelect(err):
				sel = err.(*Select)
			default:
				t.Errorf("recv: %v", err)
			}
		}
		if w.kind == waitAsync {
			receiver()
		} else {
			wg.Go(receiver)
		}
		yields()
	}
	wg.Go(func() {
		for range 2 {
			if _, err := a.Send([]byte{0x11, 0x11}, 0, Within(patience)); err != nil {
				return
			}
		}
	})
	yields()
	if r.IntN(3) == 0 {
		cancel()
	}
	if r.IntN(4) == 0 {
		wg.Go(func() { a.Close() })
	}
	var closed atomic.Int32
	for range 2 {
		wg.Go(func() {
			switch err := b.Close(); {
			case err == nil:
				closed.Add(1)
			case !errors.Is(err, net.ErrClosed):
				t.Errorf("close: %v", err)
			}
		})
		yields()
	}
	wg.Wait()
	cancel()
	a.Close()
	if n := closed.Load(); n != 1 {
		t.Errorf("closed %d times", n)
	}
	told := mb.Len()
	if sel != nil && told != 1 || sel == nil && told != 0 {
		t.Errorf("%d messages for a handle (armed: %v)", told, sel != nil)
	}
	if mb.pending.head != nil {
		t.Error("the mailbox still has a handle in progress")
	}
	if n := b.state.Load() / stRef; n != 0 {
		t.Errorf("%d references left", n)
	}
}

// pairNow is pair without the test's memory of it.
func pairNow(t testing.TB) (a, b *Socket) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		a, err = Adopt(fds[0])
	}
	if err == nil {
		b, err = Adopt(fds[1])
	}
	if err != nil {
		panic(fmt.Sprint("no sockets: ", err))
	}
	syscall.Close(fds[0])
	syscall.Close(fds[1])
	return a, b
}

// A blocked receive against a send, with yields at random: nothing is lost.
func TestStressWakeUps(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 1000
	}
	for _, typ := range []Type{Stream, SeqPacket} {
		a, b := pair(t, typ)
		stuck, over := context.WithTimeout(context.Background(), longPatience)
		defer over()
		r := rand.New(rand.NewPCG(1, uint64(typ)))
		done := make(chan error, 1)
		go func() {
			r := rand.New(rand.NewPCG(2, uint64(typ)))
			buf := make([]byte, 1)
			for i := range rounds {
				for range r.IntN(3) {
					runtime.Gosched()
				}
				w := Context(stuck)
				if i%3 == 0 {
					w = Within(longPatience)
				}
				if _, err := b.Recv(buf, 0, w); err != nil {
					done <- fmt.Errorf("round %d: %w", i, err)
					return
				}
				if buf[0] != byte(i) {
					done <- fmt.Errorf("round %d: got %d", i, buf[0])
					return
				}
				if _, err := b.Send(buf, 0, w); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		buf := make([]byte, 1)
		for i := range rounds {
			for range r.IntN(4) {
				runtime.Gosched()
			}
			_, err := a.Send([]byte{byte(i)}, 0, Forever)
			require.NoError(t, err)
			if _, err = a.Recv(buf, 0, Context(stuck)); err != nil {
				t.Fatalf("round %d: %v; the other side: %v", i, err, <-done)
			}
		}
		require.NoError(t, <-done)
	}
}

// Arms, with cancels at the same time as the writes that answer them: nothing is lost, doubled, or seen after its
// cancel.
func TestStressArmsAndCancels(t *testing.T) {
	sockets, arms := 200, 180
	if testing.Short() {
		sockets = 40
	}
	stuck, over := context.WithTimeout(context.Background(), longPatience)
	defer over()
	type link struct{ a, b *Socket }
	links := make([]link, sockets)
	for i := range links {
		links[i].a, links[i].b = pair(t, SeqPacket)
	}
	var wrote, read, cancelled, selected atomic.Int64
	var wg sync.WaitGroup
	const workers = 8
	for g := range workers {
		r := rand.New(rand.NewPCG(uint64(g), 5))
		wg.Go(func() {
			mb := NewMailbox()
			buf := make([]byte, 8)
			for range arms {
				for i := g; i < sockets; i += workers {
					l := links[i]
					_, err := l.b.Recv(buf, 0, NoWait(mb))
					if err == nil { // of a round that was cancelled
						read.Add(1)
						continue
					}
					sel, ok := err.(*Select)
					if !ok {
						t.Errorf("recv: %v", err)
						return
					}
					written := make(chan struct{})
					yields, yields2 := r.IntN(4), r.IntN(4)
					go func() {
						for range yields {
							runtime.Gosched()
						}
						if _, err := l.a.Send([]byte{1}, 0, Forever); err != nil {
							t.Errorf("send: %v", err)
						}
						wrote.Add(1)
						close(written)
					}()
					for range yields2 {
						runtime.Gosched()
					}
					if r.IntN(2) == 0 {
						if err := l.b.Cancel(sel); err != nil {
							t.Errorf("cancel: %v", err)
						}
						if n := mb.Len(); n != 0 {
							t.Errorf("%d messages after the cancel", n)
						}
						cancelled.Add(1)
						<-written
						continue
					}
					msg, err := mb.Receive(stuck)
					if err != nil || msg != Message(SelectMsg{sel.Handle()}) {
						t.Errorf("a wake-up was lost, or another came: %v %v", msg, err)
						return
					}
					selected.Add(1)
					if _, err := l.b.Recv(buf, 0, NoWait(mb)); err != nil {
						t.Errorf("selected, but: %v", err)
						return
					}
					read.Add(1)
					<-written
				}
			}
			if n := mb.Len(); n != 0 {
				t.Errorf("%d messages at the end", n)
			}
			mb.Close()
		})
	}
	wg.Wait()
	for _, l := range links { // what is left is there
		for buf := make([]byte, 8); ; read.Add(1) {
			if _, err := l.b.Recv(buf, 0, Within(0)); err != nil {
				assert.Equal(t, ErrTimeout, err)
				break
			}
		}
		assert.True(t, laneIsFree(l.b, reading))
	}
	assert.Equal(t, wrote.Load(), read.Load())
	t.Logf("%d selected, %d cancelled", selected.Load(), cancelled.Load())
}

// A socket's life, ended at different stages, many times: what it took is given back, to a few bytes.
func TestStressNothingIsLeft(t *testing.T) {
	if instrumented {
		t.Skip("the race detector's own memory hides it")
	}
	lives := 20_000
	if testing.Short() {
		lives = 4000
	}
	life := func(i int) {
		a, b := pairNow(t)
		mb := NewMailbox()
		_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
		sel := err.(*Select)
		switch i % 4 {
		case 0:
			b.Cancel(sel)
		case 1:
			mb.Close()
		case 2:
			a.Send([]byte("x"), 0, Forever)
		}
		if i%3 == 0 {
			a.Recv(make([]byte, 1), 0, Within(time.Microsecond)) // parks
		}
		a.Close()
		b.Close()
	}
	for i := range 4000 {
		life(i)
	}
	heap, other := memory()
	for i := range lives {
		life(i)
	}
	heapAfter, otherAfter := memory()
	t.Logf("%d lives: Go heap %+d, other memory %+d", lives, heapAfter-heap, otherAfter-other)
	assert.Less(t, heapAfter-heap, int64(lives*16), "Go heap")
	assert.Less(t, otherAfter-other, int64(lives*64), "C heap")
}
