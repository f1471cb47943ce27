package tests

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// A call that spins tries again and again; one that has parked tries once more and counts the wait. So the counters tell them
// apart, however fast the machine is.

// enoughTries is more than a call makes that parks at once, or is woken for nothing a few times.
const enoughTries = 200

// alwaysSpins makes calls on s spin for an hour: what a Wait says is four seconds at most.
func alwaysSpins(t *testing.T, s *esock.Socket) {
	t.Helper()
	require.NoError(t, sockopt.Set(s, "otp", "spin", time.Hour))
}

// spins waits until the one call on s has made many tries without a wait.
func spins(t *testing.T, s *esock.Socket) {
	t.Helper()
	eventually(t, "a spinner", func() bool {
		c := s.Counters()
		require.Zero(t, c.ReadWaits, "it parked")
		return c.ReadTries > enoughTries
	})
}

// parks waits until the one call on s has parked, and it must not have spun before.
func parks(t *testing.T, s *esock.Socket) {
	t.Helper()
	eventually(t, "a parked call", func() bool {
		c := s.Counters()
		require.LessOrEqual(t, c.ReadTries, uint64(enoughTries), "it spins")
		return c.ReadWaits == 1
	})
}

func TestSpinnersAreHalfOfTheProcessorsAtMost(t *testing.T) {
	for _, procs := range []int{1, 2, 3, 4} {
		t.Run(fmt.Sprintf("GOMAXPROCS=%d", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			spinning := func(t *testing.T) (s, peer *esock.Socket, done <-chan outcome) {
				peer, s = pair(t, esock.Stream)
				alwaysSpins(t, s)
				return s, peer, start(func() (int, error) { return s.Recv(make([]byte, 1), 0, esock.Forever) })
			}
			var peers []*esock.Socket
			var ends []<-chan outcome
			for range procs / 2 {
				s, peer, done := spinning(t)
				spins(t, s)
				peers, ends = append(peers, peer), append(ends, done)
			}
			for range 2 { // a later call parks, and does not count
				s, peer, done := spinning(t)
				parks(t, s)
				peers, ends = append(peers, peer), append(ends, done)
			}
			for i, peer := range peers {
				send(t, peer, "x")
				assert.Equal(t, outcome{1, nil}, result(t, ends[i]))
			}
			if procs < 2 {
				return
			}
			// A spinner that is done, or was ended, leaves its place to the next.
			for _, end := range []func(s, peer *esock.Socket){
				func(_, peer *esock.Socket) { send(t, peer, "x") },
				func(s, _ *esock.Socket) { require.NoError(t, s.Close()) },
			} {
				s, peer, done := spinning(t)
				spins(t, s)
				end(s, peer)
				result(t, done)
			}
			s, peer, done := spinning(t)
			spins(t, s)
			send(t, peer, "x")
			assert.Equal(t, outcome{1, nil}, result(t, done))
		})
	}
}

// Yields alone never let the scheduler look at the network: a spinner sleeps now and then. Its stack shows it.
func TestSpinnerSleepsNowAndThen(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	peer, s := pair(t, esock.Stream)
	alwaysSpins(t, s)
	done := start(func() (int, error) { return s.Recv(make([]byte, 1), 0, esock.Forever) })
	spins(t, s)
	buf := make([]byte, 1<<20)
	slept := func() bool {
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "time.Sleep(") && strings.Contains(g, "esock.(*Socket).Recv(") {
				return true
			}
		}
		return false
	}
	// It sleeps after every thousand tries or so.
	const most = 2_000_000
	looks := 0
	for ; !slept(); looks++ {
		if looks > 1000 {
			require.Less(t, s.Counters().ReadTries, uint64(most), "it never sleeps")
		}
	}
	send(t, peer, "x")
	assert.Equal(t, outcome{1, nil}, result(t, done))
}

// Whatever ends the wait ends the spinning, long before its budget does.
func TestSpinnersEndBeforeTheirBudget(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for name, end := range map[string]struct {
		wait esock.Wait
		end  func(s *esock.Socket, cancel func())
		want error
	}{
		"deadline": {esock.Within(5 * time.Millisecond), nil, esock.ErrTimeout},
		"moment":   {esock.Until(time.Now().Add(100 * time.Millisecond)), nil, esock.ErrTimeout},
		"context":  {end: func(_ *esock.Socket, cancel func()) { cancel() }, want: context.Canceled},
		"close":    {end: func(s *esock.Socket, _ func()) { s.Close() }, want: errClosed},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := pair(t, esock.Stream)
			alwaysSpins(t, s)
			w := end.wait
			ctx, cancel := cancellable(t)
			if name == "context" {
				w = esock.Context(ctx)
			}
			done := start(func() (int, error) { return s.Recv(make([]byte, 1), 0, w) })
			if end.end != nil {
				spins(t, s) // with a context, too
				end.end(s, cancel)
			}
			assert.ErrorIs(t, result(t, done).err, end.want)
		})
	}
}

// A spinner waits as a parked call does: it is shown as waiting, a call that only looks does not wait for it, and others queue.
func TestSpinnerCountsAsWaiting(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	a, b := pair(t, esock.Stream)
	alwaysSpins(t, b)
	first := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, esock.Forever) })
	spins(t, b)
	assert.Equal(t, 1, b.Info().NumReaders)
	look := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, esock.Within(0)) })
	assert.Equal(t, esock.ErrTimeout, result(t, look).err)
	second := recvStart(t, b, make([]byte, 1), esock.Forever, 2)
	assert.Zero(t, b.Counters().ReadWaits, "the first spins on")
	send(t, a, "x")
	assert.Equal(t, outcome{1, nil}, result(t, first))
	send(t, a, "y")
	assert.Equal(t, outcome{1, nil}, result(t, second))
	assert.Zero(t, b.Info().NumReaders, "no call waits any more")
	third := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, esock.Forever) })
	eventually(t, "the third spins", func() bool { return b.Info().NumReaders == 1 })
	send(t, a, "z")
	assert.Equal(t, outcome{1, nil}, result(t, third))
	assert.Zero(t, b.Info().NumReaders, "nor behind one that spun only")
}

// When the budget is used up the call parks, however long it may still wait.
func TestSpinnerParksAfterItsBudget(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for _, w := range []esock.Wait{esock.Forever, esock.Within(time.Hour), esock.Until(time.Now().Add(time.Hour))} {
		a, b := pair(t, esock.Stream)
		done := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, w.Spin(100*time.Microsecond)) })
		eventually(t, "the wait", func() bool { return b.Counters().ReadWaits == 1 })
		send(t, a, "x")
		assert.Equal(t, outcome{1, nil}, result(t, done))
	}
}

// A spinner has a budget without end; another socket's echo must make its progress all the same.
func TestSpinnerStarvesNobody(t *testing.T) {
	for _, procs := range []int{1, 2} {
		t.Run(fmt.Sprintf("GOMAXPROCS=%d", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			quiet, other := pair(t, esock.Stream)
			spinning := start(func() (int, error) {
				return quiet.Recv(make([]byte, 1), 0, esock.Forever.Spin(time.Hour))
			})
			eventually(t, "the spinner", func() bool { return quiet.Counters().ReadTries > 0 })
			a, b := tcpPair(t)
			const rounds = 100
			server := start(func() (int, error) {
				buf := make([]byte, 16)
				for range rounds {
					n, err := b.Recv(buf, 0, esock.Forever)
					if err != nil {
						return 0, err
					}
					if _, err = b.Send(buf[:n], 0, esock.Forever); err != nil {
						return 0, err
					}
				}
				return rounds, nil
			})
			for range rounds {
				send(t, a, "ping")
				assert.Equal(t, "ping", recv(t, a))
			}
			assert.Equal(t, outcome{rounds, nil}, result(t, server))
			mb := esock.NewMailbox()
			sel := recvSelect(t, a, mb)
			send(t, b, "x")
			assert.Equal(t, selectOf(sel), message(t, mb), "the C poller is served, too")
			send(t, other, "x")
			assert.Equal(t, outcome{1, nil}, result(t, spinning))
		})
	}
}

// What ends other waits ends those that spin.
func TestSpinnerIsEndedByEverything(t *testing.T) {
	_, b := pair(t, esock.Stream)
	spin := func(w esock.Wait) <-chan outcome {
		before := b.Counters().ReadTries
		ch := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, w.Spin(time.Hour)) })
		eventually(t, "the spinner", func() bool { return b.Counters().ReadTries > before })
		return ch
	}
	assert.Equal(t, esock.ErrTimeout, result(t, spin(esock.Within(2*time.Millisecond))).err)
	ctx, cancel := cancellable(t)
	done := spin(esock.Context(ctx))
	cancel()
	assert.Error(t, result(t, done).err)
	done = spin(esock.Forever)
	require.NoError(t, b.Close())
	assert.ErrorIs(t, result(t, done).err, errClosed)
}
