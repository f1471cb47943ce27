package tests

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// Several sockets share a description: the kernel wakes all of them for what only one of them gets. A wait is counted once,
// however often it is woken for nothing.
func TestWakeUpForNothingIsNoWait(t *testing.T) {
	type counts struct{ tries, waits uint64 }
	for name, c := range map[string]struct {
		// prepare gives a socket on which the call has to wait, and what ends one wait.
		prepare func(t *testing.T) (s *esock.Socket, end func(t *testing.T))
		call    func(s *esock.Socket) (int, error)
		read    func(c esock.Counters) counts
	}{
		"recv": {
			func(t *testing.T) (*esock.Socket, func(t *testing.T)) {
				a, b := pair(t, esock.Dgram)
				return b, func(t *testing.T) { send(t, a, "x") }
			},
			func(s *esock.Socket) (int, error) { return s.Recv(make([]byte, 1), 0, esock.Forever) },
			func(c esock.Counters) counts { return counts{c.ReadTries, c.ReadWaits} },
		},
		"recvmsg": {
			func(t *testing.T) (*esock.Socket, func(t *testing.T)) {
				a, b := pair(t, esock.SeqPacket)
				return b, func(t *testing.T) { send(t, a, "x") }
			},
			func(s *esock.Socket) (int, error) {
				var m esock.Msg
				err := s.RecvMsg(&m, 0, esock.Forever)
				return len(m.Data()), err
			},
			func(c esock.Counters) counts { return counts{c.ReadTries, c.ReadWaits} },
		},
		"accept": {
			func(t *testing.T) (*esock.Socket, func(t *testing.T)) {
				l, addr := listener(t, 8)
				return l, func(t *testing.T) { dial(t, addr) }
			},
			func(s *esock.Socket) (int, error) {
				c, err := s.Accept(esock.Forever)
				if err != nil {
					return 0, err
				}
				return 1, c.Close()
			},
			func(c esock.Counters) counts { return counts{c.AccTries, c.AccWaits} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			first, end := c.prepare(t)
			socks := []*esock.Socket{first, twin(t, first), twin(t, first)}
			var calls [3]uint64
			var before [3]counts
			ends := make([]<-chan outcome, len(socks))
			done := make(chan int, len(socks))
			begin := func(i int) {
				calls[i]++
				result := make(chan outcome, 1)
				ends[i] = result
				go func() {
					n, err := c.call(socks[i])
					result <- outcome{n, err}
					done <- i
				}()
				eventually(t, "the wait", func() bool { return c.read(socks[i].Counters()).waits-before[i].waits >= calls[i] })
			}
			for i, s := range socks {
				before[i] = c.read(s.Counters())
			}
			for i := range socks {
				begin(i)
			}
			forNothing := func() (n uint64) {
				for i, s := range socks {
					// A call tries once or twice before it waits, and once when it is woken.
					if tries := c.read(s.Counters()).tries - before[i].tries; tries > 3*calls[i] {
						n += tries - 3*calls[i]
					}
				}
				return n
			}
			for rounds := 0; rounds < 100 || forNothing() < 10; rounds++ {
				if rounds == 2000 {
					t.Skip("the kernel makes no wake-up for nothing here")
				}
				end(t)
				i := <-done
				o := <-ends[i]
				require.NoError(t, o.err)
				begin(i)
			}
			for i, s := range socks {
				assert.Equal(t, calls[i], c.read(s.Counters()).waits-before[i].waits, "waits of socket %d", i)
				require.NoError(t, s.Close())
				assert.ErrorIs(t, result(t, ends[i]).err, errClosed)
			}
		})
	}
}

// A lane remembers how its last call ended: a call behind one that had to wait parks at once, with one try that fails, and a
// call behind one that was served tries first.
func TestOneTryThatFailsInEachWait(t *testing.T) {
	a, b := pair(t, esock.Stream)
	buf := make([]byte, 1)
	tries := func(call func()) uint64 {
		before := b.Counters().ReadTries
		call()
		return b.Counters().ReadTries - before
	}
	waits := func() {
		before := b.Counters().ReadWaits
		done := start(func() (int, error) { return b.Recv(buf, 0, esock.Forever) })
		eventually(t, "the wait", func() bool { return b.Counters().ReadWaits == before+1 })
		send(t, a, "x")
		require.Equal(t, outcome{1, nil}, result(t, done))
	}
	calledOff := func() {
		ctx, cancel := cancellable(t)
		before := b.Counters().ReadWaits
		done := start(func() (int, error) { return b.Recv(buf, 0, esock.Context(ctx)) })
		eventually(t, "the wait", func() bool { return b.Counters().ReadWaits == before+1 })
		cancel()
		require.Error(t, result(t, done).err)
	}
	served := func() {
		send(t, a, "x")
		require.Equal(t, "x", string(recvN(t, b, 1)))
	}
	// The runtime's poller may report data that has been taken already: then a wait makes one try more. The fewest tries of
	// several rounds are those of a wait that is woken once.
	var fewest [7]uint64
	for range 30 {
		served()
		for i, f := range []func(){waits, waits, calledOff, waits, served, calledOff, calledOff} {
			if n := tries(f); fewest[i] == 0 || n < fewest[i] {
				fewest[i] = n
			}
		}
	}
	assert.EqualValues(t, 3, fewest[0], "it looks, parks, and is woken")
	assert.EqualValues(t, 2, fewest[1], "it parks, and is woken")
	assert.EqualValues(t, 1, fewest[2], "it parks")
	assert.EqualValues(t, 2, fewest[3], "also behind one that was called off")
	assert.EqualValues(t, 1, fewest[4], "what is there is taken at once")
	assert.EqualValues(t, 2, fewest[5])
	assert.EqualValues(t, 1, fewest[6])
}

func recvN(t *testing.T, s *esock.Socket, n int) []byte {
	t.Helper()
	buf := make([]byte, n)
	_, err := s.RecvFull(buf, 0, esock.Within(patience))
	require.NoError(t, err)
	return buf
}

// The runtime's poller refuses a descriptor that was made blocking before the first wait. A call that then waits elsewhere waits,
// too: it tries a few times, and not again until something happens.
func TestWaitBesideTheRuntimeIsAWait(t *testing.T) {
	a, b := pair(t, esock.Stream)
	require.NoError(t, syscall.SetNonblock(fdOf(t, b), false))
	for range 3 {
		before := b.Counters().ReadTries
		done := recvStart(t, b, make([]byte, 1), esock.Forever, 1)
		for range 20 {
			pollerTurn(t) // a call that does not wait makes many tries meanwhile
		}
		assert.LessOrEqual(t, b.Counters().ReadTries-before, uint64(5))
		send(t, a, "x")
		assert.Equal(t, outcome{1, nil}, result(t, done))
	}
}
