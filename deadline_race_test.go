package esock

import (
	"bytes"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Deadlines move all the time, on both sides of a connection, and no byte is lost, doubled or out of place.
func TestRaceDeadlinesMoveUnderTraffic(t *testing.T) {
	a, b := pair(t, Stream)
	data := make([]byte, 1<<21)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(data)
	stop := make(chan struct{})
	var movers, wg sync.WaitGroup
	for i := range 4 {
		movers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 3))
			s := [2]*Socket{a, b}[i%2]
			for {
				select {
				case <-stop:
					return
				default:
				}
				t := time.Time{}
				if r.IntN(4) > 0 {
					t = time.Now().Add(time.Duration(r.IntN(200)-20) * time.Microsecond)
				}
				s.SetDeadline(t)
				runtime.Gosched()
			}
		})
	}
	wg.Go(func() {
		for rest := data; len(rest) > 0; {
			n, err := a.Send(rest[:min(len(rest), 1<<16)], 0, Forever)
			if err != nil && err != ErrTimeout {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
	})
	var mu sync.Mutex // the receivers', so that what they get is in order
	got := make([]byte, 0, len(data))
	for i := range 3 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 4))
			for {
				w := []Wait{Forever, Within(100 * time.Microsecond), Forever.Spin(20 * time.Microsecond)}[r.IntN(3)]
				mu.Lock()
				if len(got) == len(data) {
					mu.Unlock()
					return
				}
				n, err := b.RecvFull(got[len(got):min(cap(got), len(got)+1+r.IntN(1<<14))], 0, w)
				got = got[:len(got)+n]
				mu.Unlock()
				if err != nil && err != ErrTimeout {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	movers.Wait()
	assert.True(t, bytes.Equal(data, got))
	require.NoError(t, a.SetDeadline(time.Time{}))
	require.NoError(t, b.SetDeadline(time.Time{}))
	assert.True(t, laneIsFree(a, writing))
	assert.True(t, laneIsFree(b, reading))
}

// The lane guards its owner while deadlines move, and while the socket closes.
func TestRaceDeadlinesMoveBesideClose(t *testing.T) {
	for i := range 100 {
		b, at := boundUDP(t) // it has an error queue
		require.NoError(t, b.Connect(at, Forever))
		var wg sync.WaitGroup
		for g := range 6 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), uint64(g)))
				for {
					var err error
					switch {
					case g == 0:
						_, err = b.Send([]byte("x"), 0, Forever)
					case g == 1:
						err = recvError(b)(Forever)
					case g < 4:
						err = recvByte(b)(Forever)
					default:
						err = b.SetDeadline(time.Now().Add(time.Duration(r.IntN(100)-10) * time.Microsecond))
					}
					if err != nil && err != ErrTimeout {
						assert.ErrorIs(t, err, net.ErrClosed)
						return
					}
					runtime.Gosched() // a call after the deadline does not: with one processor it would have a time slice each time
				}
			})
		}
		for range i {
			runtime.Gosched()
		}
		require.NoError(t, b.Close())
		wg.Wait()
	}
}
