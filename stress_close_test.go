package esock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

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
		markers.Go(func() { // takes numbers, and looks whether others use them
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
					t.Errorf("a marker was closed: %v", err)
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
	eventually(t, func() bool { return len(descriptors()) <= before }, "every descriptor closed")
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
					t.Errorf("another connection's data: %x", buf[:n])
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
