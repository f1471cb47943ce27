package esock

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
					for again := true; again; {
						msg, err := mb.Receive(stuck)
						if err != nil || msg != Message(SelectMsg{sel.Handle()}) {
							t.Errorf("a wake-up was lost, or another came: %v %v", msg, err)
							return
						}
						// The event may have been that of a message before, which was read when the poller had the event already.
						_, err = l.b.Recv(buf, 0, NoWait(mb))
						if sel, again = err.(*Select); !again && err != nil {
							t.Errorf("selected, but: %v", err)
							return
						}
					}
					selected.Add(1)
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
