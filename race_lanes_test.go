package esock

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Here a Go function stands where the call into C is: under -race the runtime takes each of those for a
// synchronisation, and a lane that guards nothing would pass unnoticed. For the same reason wake-ups come from raw
// system calls, which the detector does not know.

// hook makes the tries of calls from hookedCall.
var hook func(current bool) int

// hooked sets hook for the test.
func hooked(t *testing.T, f func(current bool) int) {
	require.Nil(t, hook)
	hook = f
	t.Cleanup(func() { hook = nil })
}

// hookedCall returns a call of the reading lane whose tries are made by hook.
func hookedCall() *call {
	c := &call{op: OpNone}
	c.own = func() int { return hook(c.current) }
	return c
}

// lanePair is a pair whose second socket has its descriptor in the runtime's poller already.
func lanePair(t *testing.T) (peer int, s *Socket, fd int) {
	a, b := pair(t, Stream)
	parkOnce(t, a, b, Forever)
	return fdOf(a), b, fdOf(b)
}

func rawWrite(fd int) {
	b := [1]byte{'x'}
	for {
		_, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b)), 1)
		if errno == 0 {
			return
		}
		runtime.Gosched() // the buffer is full
	}
}

func rawRead(fd int) bool {
	var b [1]byte
	_, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b)), 1)
	return errno == 0
}

// turn takes a call through the reading lane.
func turn(s *Socket, w Wait) error {
	_, err := s.do(hookedCall(), &w)
	return err
}

func TestRaceLaneGuardsItsOwner(t *testing.T) {
	_, s, _ := lanePair(t)
	inside, total := 0, 0 // nothing guards them but the lane
	hooked(t, func(bool) int {
		inside++
		if inside != 1 {
			t.Error("two owners")
		}
		total++
		runtime.Gosched()
		inside--
		return 1
	})
	var wg sync.WaitGroup
	const workers, rounds = 8, 500
	polled := make([]int, workers)
	for g := range workers {
		wg.Go(func() {
			for i := range rounds {
				w := Forever
				if (i+g)%3 == 0 {
					w = Within(0)
				}
				switch err := turn(s, w); {
				case err == ErrTimeout && w.polls():
					polled[g]++
				default:
					assert.NoError(t, err)
				}
			}
		})
	}
	wg.Wait()
	for _, n := range polled {
		total += n
	}
	assert.Equal(t, workers*rounds, total)
}

func TestRaceLaneGuardsItsOwnerWhileParked(t *testing.T) {
	peer, s, fd := lanePair(t)
	total := 0
	hooked(t, func(bool) int {
		total++
		defer func() { total++ }()
		if !rawRead(fd) {
			return -int(syscall.EAGAIN)
		}
		return 1
	})
	const workers, rounds = 4, 300
	var wg sync.WaitGroup
	for g := range workers {
		wg.Go(func() {
			for i := range rounds {
				if (i+g)%7 == 0 { // times out somewhere: in the queue, in the park, or not at all
					for turn(s, Within(1)) != nil {
						runtime.Gosched()
					}
					continue
				}
				assert.NoError(t, turn(s, Forever))
			}
		})
	}
	for range workers * rounds {
		rawWrite(peer)
		runtime.Gosched()
	}
	wg.Wait()
	assert.GreaterOrEqual(t, total, 2*workers*rounds)
}

func TestRaceLaneGuardsAcrossContexts(t *testing.T) {
	peer, s, fd := lanePair(t)
	total, done := 0, 0
	hooked(t, func(bool) int {
		total++
		if !rawRead(fd) {
			return -int(syscall.EAGAIN)
		}
		done++
		return 1
	})
	const workers, rounds = 4, 100
	var wg sync.WaitGroup
	for g := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for range rounds {
				for {
					ctx, cancel := context.WithCancel(context.Background())
					yields := r.IntN(4)
					go func() {
						for range yields {
							runtime.Gosched()
						}
						cancel()
					}()
					if turn(s, Context(ctx)) == nil {
						break
					}
				}
			}
		})
	}
	for range workers * rounds {
		rawWrite(peer)
	}
	wg.Wait()
	require.NoError(t, turn(s, closedIsFine(s, peer)))
	assert.Equal(t, workers*rounds+1, done)
}

// closedIsFine gives the lane one more byte for a last look at what it guards.
func closedIsFine(_ *Socket, peer int) Wait {
	rawWrite(peer)
	return Forever
}

// Asynchronous requesters: the lane goes from a blocking owner to a queued handle, whose message takes its requester
// back in. The variable is guarded by the lane, and by the message on the way.
func TestRaceLaneGuardsAcrossMessages(t *testing.T) {
	_, s, _ := lanePair(t)
	total, asynchronous := 0, 0
	release := make(chan struct{}, 1)
	gate := false
	hooked(t, func(current bool) int {
		total++
		if gate && !current {
			gate = false
			<-release
		}
		if current {
			asynchronous++
		}
		return 1
	})
	const rounds = 200
	mbs := []*Mailbox{NewMailbox(), NewMailbox(), NewMailbox()}
	for range rounds {
		gate = true // no call is inside
		first := make(chan error)
		go func() { first <- turn(s, Forever) }()
		eventually(t, func() bool { return s.state.Load()&stOwned(reading) != 0 }, "an owner")
		var wg sync.WaitGroup
		for _, mb := range mbs {
			require.ErrorAs(t, turn(s, NoWait(mb)), new(*Select))
			wg.Go(func() {
				msg, err := mb.Receive(context.Background())
				assert.NoError(t, err)
				assert.IsType(t, SelectMsg{}, msg)
				s.noteEvent() // for the next one, so that no call asks the poller
				assert.NoError(t, turn(s, NoWait(mb)))
			})
		}
		s.noteEvent()
		release <- struct{}{}
		require.NoError(t, <-first)
		wg.Wait()
		assert.True(t, laneIsFree(s, reading))
	}
	assert.Equal(t, rounds*(1+len(mbs)), total)
	assert.Equal(t, rounds*len(mbs), asynchronous)
}

// noteEvent is an event that meets no call.
func (s *Socket) noteEvent() {
	s.mu.Lock()
	s.state.Or(stNote(reading))
	s.mu.Unlock()
}

// laneIsFree reports whether no call holds the direction or is queued in it, and the state word agrees.
func laneIsFree(s *Socket, d direction) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.lanes[d]
	return l.cur == nil && l.head == nil && l.tail == nil && s.state.Load()&(stOwned(d)|stParked(d)|stSlow(d)) == 0
}

// Replacement, cancel and the death of a mailbox, from many goroutines, without the core.
func TestRaceQueueChurn(t *testing.T) {
	peer, s, _ := lanePair(t)
	rawWrite(peer) // always readable: a call that is armed after all is told
	total := 0
	hooked(t, func(bool) int {
		total++
		runtime.Gosched()
		return 1
	})
	var wg sync.WaitGroup
	for g := range 3 { // they keep the lane busy
		wg.Go(func() {
			for i := range 1000 {
				if err := turn(s, Forever); err != nil {
					t.Error(g, i, err)
				}
				s.noteEvent()
			}
		})
	}
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 2))
			mb := NewMailbox()
			h := mb.NewHandle()
			for range 400 {
				w := NoWait(mb)
				if r.IntN(2) == 0 {
					w = With(h)
				}
				err := turn(s, w)
				sel, selected := err.(*Select)
				if !selected {
					assert.NoError(t, err)
					assert.Zero(t, mb.Len())
					continue
				}
				switch r.IntN(4) {
				case 0:
					assert.NoError(t, s.Cancel(sel))
				case 1:
					mb.Close()
					mb = NewMailbox()
					h = mb.NewHandle()
				default:
					s.noteEvent()
					msg, err := mb.Receive(context.Background())
					assert.NoError(t, err)
					sameMessage(t, SelectMsg{sel.Handle()}, msg)
					assert.NoError(t, turn(s, NoWait(mb)))
				}
				assert.Zero(t, mb.Len(), "nothing after a cancel, nothing twice")
			}
		})
	}
	wg.Wait()
	assert.True(t, laneIsFree(s, reading))
}

// A mailbox orders what was done before a message with what its receiver does.
func TestRaceMailboxHandsOver(t *testing.T) {
	mb := NewMailbox()
	const n = 5000
	values := make([]int, n) // written before the message, read after
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				msg, err := mb.Receive(context.Background())
				if err != nil {
					return
				}
				values[msg.(note)]++
			}
		})
	}
	wg.Go(func() {
		for i := range n {
			values[i] = i
			mb.Post(note(i))
		}
		for mb.Len() > 0 {
			runtime.Gosched()
		}
		mb.Close()
	})
	wg.Wait()
	for i, v := range values {
		require.Equal(t, i+1, v)
	}
}

func TestRaceMailboxOfHandles(t *testing.T) {
	mb := NewMailbox()
	s := &Socket{}
	const handles, rounds = 8, 500
	var wg sync.WaitGroup
	hs := map[*Handle]*struct{ sent, seen, taken int }{}
	for range handles {
		hs[mb.NewHandle()] = new(struct{ sent, seen, taken int })
	}
	turns := map[*Handle]chan struct{}{}
	for h := range hs {
		turns[h] = make(chan struct{}, 1)
	}
	for h, n := range hs {
		wg.Go(func() {
			for i := range rounds {
				assert.NoError(t, mb.claim(h, s))
				assert.Error(t, mb.claim(h, s), "in use")
				n.sent++
				if i%2 == 0 {
					mb.selected(h)
				} else {
					mb.aborted(h, ErrCancelled)
				}
				if i%3 == 0 && mb.withdrew(h) {
					n.taken++
					mb.release(h)
					continue
				}
				<-turns[h]
				mb.release(h)
			}
		})
	}
	var receivers sync.WaitGroup
	for range 2 {
		receivers.Go(func() {
			for {
				msg, err := mb.Receive(context.Background())
				if err != nil {
					return
				}
				var h *Handle
				switch m := msg.(type) {
				case SelectMsg:
					h = m.Handle
				case AbortMsg:
					h = m.Handle
					assert.Equal(t, ErrCancelled, m.Reason)
				}
				hs[h].seen++
				turns[h] <- struct{}{}
			}
		})
	}
	wg.Wait()
	require.NoError(t, mb.Close())
	receivers.Wait()
	for _, n := range hs {
		assert.Equal(t, rounds, n.sent)
		assert.Equal(t, rounds, n.seen+n.taken)
	}
	assert.Nil(t, mb.pending.head)
}

// withdrew is withdraw that says whether there was a message.
func (m *Mailbox) withdrew(h *Handle) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h.posted == messageNone {
		return false
	}
	m.unlink(h)
	return true
}
