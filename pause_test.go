package esock

import (
	"container/heap"
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/testwait"
)

// fullUnix is a unix datagram socket without a peer, and an address whose queue is full.
func fullUnix(t *testing.T) (s, receiver *Socket, to Addr) {
	t.Helper()
	open := func() *Socket {
		s, err := Open(Local, Dgram, 0)
		require.NoError(t, err)
		t.Cleanup(func() { s.Close() })
		return s
	}
	s, receiver = open(), open()
	require.NoError(t, receiver.Bind(UnixAddr("")))
	to, err := receiver.SockName()
	require.NoError(t, err)
	for err == nil {
		_, err = s.SendTo([]byte("x"), to, 0, Within(0))
	}
	require.ErrorIs(t, err, ErrTimeout)
	return s, receiver, to
}

// inPause is whether the lane's next event is the end of a pause.
func inPause(s *Socket, d direction) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.lane(d).pausing
	return x != nil && x.off && scheduled(x)
}

func scheduled(x *pausing) bool {
	pauses.mu.Lock()
	defer pauses.mu.Unlock()
	return x.place >= 0
}

// pausedSend sends asynchronously until its next message is put off.
func pausedSend(t *testing.T, s *Socket, to Addr, mb *Mailbox) *Select {
	t.Helper()
	for {
		_, err := s.SendTo([]byte("x"), to, 0, NoWait(mb))
		sel, ok := err.(*Select)
		require.True(t, ok, "%v", err)
		testwait.Until(t, "a message or a pause", func() bool { return mb.Len() > 0 || inPause(s, writing) })
		if _, ok := mb.Poll(); !ok {
			return sel
		}
	}
}

// drawOut makes a pause last, unless it has ended, and reports whether it did.
func drawOut(x *pausing) bool {
	pauses.mu.Lock()
	defer pauses.mu.Unlock()
	if x.place < 0 {
		return false
	}
	x.at += time.Hour
	heap.Fix(&pauses.heap, x.place)
	return true
}

func TestPauseGrows(t *testing.T) {
	s, _, _ := fullUnix(t)
	var p pace
	assert.Zero(t, p.early(s, writing), "nothing has proved empty")
	// A moment ago, whatever the machine's speed.
	empty := func() { p.last = time.Since(epoch) + time.Minute }
	empty()
	assert.Zero(t, p.early(s, writing), "it may just have become ready")
	assert.Zero(t, p.early(s, writing), "nor may the try after it be kept from it")
	assert.Equal(t, shortestPause, p.gap, "which says nothing")
	last := time.Duration(0)
	for range 20 {
		empty()
		gap := p.gap
		pause := p.early(s, writing)
		assert.GreaterOrEqual(t, pause, gap)
		assert.GreaterOrEqual(t, gap, last)
		assert.LessOrEqual(t, gap, longestPause)
		last = gap
	}
	assert.Equal(t, longestPause, last)
	p.last = -time.Hour
	assert.Zero(t, p.early(s, writing), "an event that comes later is believed")
	assert.Zero(t, p.gap)
}

// On a slow machine each wake-up comes later than the first pauses would have ended.
func TestPauseGrowsHoweverLongAWakeUpTakes(t *testing.T) {
	s, _, _ := fullUnix(t)
	var p pace
	testwait.Until(t, "the longest pause", func() bool {
		p.empty(s, writing)
		require.True(t, p.lied, "poll(2) says that the next try would not be in vain")
		p.last -= 2 * shortestPause
		p.early(s, writing)
		return p.gap == longestPause
	})

	a, _ := pair(t, Stream)
	p = pace{gap: shortestPause}
	p.empty(a, reading)
	require.False(t, p.lied)
	p.last -= 2 * shortestPause
	p.early(a, reading)
	assert.Zero(t, p.gap, "something may have come since")
}

func TestPauseOnlyIfThePollAgrees(t *testing.T) {
	a, _ := pair(t, Stream)
	p := pace{last: time.Since(epoch) + time.Minute, gap: longestPause}
	assert.Zero(t, p.early(a, reading), "there is nothing to read: the event was about something else")
}

func TestPauseIsWithdrawn(t *testing.T) {
	for name, end := range map[string]func(s *Socket, sel *Select, mb *Mailbox){
		"cancel":  func(s *Socket, sel *Select, mb *Mailbox) { assert.NoError(t, s.Cancel(sel)) },
		"close":   func(s *Socket, sel *Select, mb *Mailbox) { assert.NoError(t, s.Close()) },
		"mailbox": func(s *Socket, sel *Select, mb *Mailbox) { assert.NoError(t, mb.Close()) },
		"another call": func(s *Socket, sel *Select, mb *Mailbox) {
			_, err := s.SendTo(make([]byte, 1), Addr{}, 0, NoWait(mb))
			assert.Error(t, err)
			assert.NoError(t, s.Cancel(sel))
		},
	} {
		t.Run(name, func(t *testing.T) {
			mb := NewMailbox()
			defer mb.Close()
			s, _, to := fullUnix(t)
			sel := pausedSend(t, s, to, mb)
			x := s.lane(writing).pausing
			for !drawOut(x) {
				receive(t, mb)
				sel = pausedSend(t, s, to, mb)
			}
			end(s, sel, mb)
			assert.False(t, scheduled(x), "nothing is to come, and nothing holds the socket")
			if name == "close" {
				sameMessage(t, AbortMsg{sel.Handle(), net.ErrClosed}, receive(t, mb))
			}
			assert.Zero(t, mb.Len())
		})
	}
}

// A message that was put off comes, though nothing happens, and the calls queued behind have their turn.
func TestPauseEndsAndTheNextHaveTheirTurn(t *testing.T) {
	s, receiver, to := fullUnix(t)
	mb, other := NewMailbox(), NewMailbox()
	defer mb.Close()
	defer other.Close()
	first := pausedSend(t, s, to, mb)
	_, err := s.SendTo([]byte("second"), to, 0, NoWait(other))
	var second *Select
	require.ErrorAs(t, err, &second)
	sameMessage(t, SelectMsg{first.Handle()}, receive(t, mb))
	require.NoError(t, s.Cancel(first))
	sameMessage(t, SelectMsg{second.Handle()}, receive(t, other))
	for range 2 {
		_, err = receiver.RecvBytes(0, 0, Within(patience))
		require.NoError(t, err)
	}
	_, err = s.SendTo([]byte("second"), to, 0, NoWait(other))
	require.NoError(t, err)
}

// What else ends a wait ends one that pauses.
func TestPausedCallIsEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, c := range map[string]struct {
		w    Wait
		end  func(s *Socket)
		want error
	}{
		"close":   {Forever, func(s *Socket) { s.Close() }, net.ErrClosed},
		"context": {Context(ctx), func(*Socket) { cancel() }, context.Canceled},
		"time":    {Within(100 * time.Millisecond), func(*Socket) {}, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, to := fullUnix(t)
			before := s.Counters()
			done := make(chan error, 1)
			go func() {
				_, err := s.SendTo([]byte("x"), to, 0, c.w)
				done <- err
			}()
			testwait.Until(t, "a pause", func() bool { return inPause(s, writing) || len(done) > 0 })
			c.end(s)
			assert.ErrorIs(t, <-done, c.want)
			after := s.Counters()
			assert.Equal(t, before.WriteWaits+1, after.WriteWaits, "it is one wait")
			assert.False(t, scheduled(s.lane(writing).pausing))
		})
	}
}

// The time of an event comes while its wait ends: the poller's goroutine has taken it off its list, and finds no waiting call.
func TestPauseTakenBackAtItsTime(t *testing.T) {
	s, _, to := fullUnix(t)
	s.beginLook(writing, s.silence(OpSendTo))
	x := s.lane(writing).pausing
	pauses.remove(x) // as due does
	s.park(writing, OpSendTo)
	s.endLook(writing)
	s.paused(x)
	assert.False(t, scheduled(x), "no other look follows")
	s.unpark(writing)
	_, err := s.SendTo([]byte("x"), to, 0, Within(0))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// A look may come before its call has parked, on a slow machine. The next one is planned all the same.
func TestALookBeforeThePark(t *testing.T) {
	s, _, _ := fullUnix(t)
	s.beginLook(writing, s.silence(OpSendTo))
	x := s.lane(writing).pausing
	pauses.remove(x) // as due does
	s.paused(x)
	assert.True(t, scheduled(x), "the next look")
	s.endLook(writing)
	assert.False(t, scheduled(x))
}

// A pause that the end of its wait cuts short is taken back in every family.
func TestPauseEndsWithItsWait(t *testing.T) {
	a, _ := pair(t, Stream)
	a.mu.Lock()
	a.blockingSide()
	a.mu.Unlock()
	c := call{op: OpRecv, deadline: clock() + time.Millisecond}
	w := Within(time.Millisecond)
	err := a.waitOnPoller(&c, &w, time.Hour)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.False(t, scheduled(a.lane(reading).pausing))
}

// A blocked unix sender looks now and then, and leaves nothing behind.
func TestSilentWaitLooks(t *testing.T) {
	a, b := pair(t, Stream)
	full := fill(t, a)
	waits := a.Counters().WriteWaits
	done := make(chan error, 1)
	go func() {
		_, err := a.Send([]byte("x"), 0, Forever)
		done <- err
	}()
	look := func() time.Duration {
		a.mu.Lock()
		defer a.mu.Unlock()
		if x := a.lane(writing).pausing; x != nil {
			return x.look
		}
		return 0
	}
	testwait.Until(t, "the third look", func() bool { return look() >= 40*time.Millisecond })
	drain(t, b, full)
	require.NoError(t, <-done)
	assert.Equal(t, waits+1, a.Counters().WriteWaits, "looking is no other wait")
	assert.False(t, scheduled(a.lane(writing).pausing))
}

func TestQuietLookSendsNoMessage(t *testing.T) {
	a, b := pair(t, Stream)
	full := fill(t, a)
	mb := NewMailbox()
	defer mb.Close()
	_, err := a.Send([]byte("x"), 0, NoWait(mb))
	var sel *Select
	require.ErrorAs(t, err, &sel)
	testwait.Until(t, "the third look", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.lane(writing).pausing.look >= 40*time.Millisecond
	})
	assert.Zero(t, mb.Len())
	drain(t, b, full)
	sameMessage(t, SelectMsg{sel.Handle()}, receive(t, mb))
}

func TestPausesComeInTheirOrder(t *testing.T) {
	var l pauseList
	l.next = 1 // no poller is asked
	var all []*pausing
	for _, after := range []time.Duration{5, 1, 4, 2, 3} {
		x := &pausing{place: -1}
		all = append(all, x)
		l.add(x, after*time.Hour)
	}
	l.remove(all[2])
	l.remove(all[2])
	l.add(all[1], 6*time.Hour) // again: it moves
	assert.Len(t, l.heap, 4)
	assert.Same(t, all[3], l.heap[0])
	for i, x := range l.heap {
		assert.Equal(t, i, x.place)
	}
}

// Only a datagram socket's receive looks for an end that no event tells.
func TestSeesTheEndOfDatagramsAlone(t *testing.T) {
	for typ, sees := range map[Type]bool{Stream: false, SeqPacket: false, Dgram: true} {
		_, s := pair(t, typ)
		require.NoError(t, syscall.Shutdown(fdOf(s), syscall.SHUT_RD))
		assert.False(t, s.seesEnd(writing), "%v", typ)
		assert.Zero(t, s.facts.Load()&(factShutRead|factReadEnded))
		assert.Equal(t, sees, s.seesEnd(reading), "%v", typ)
		assert.Equal(t, sees, s.facts.Load()&(factShutRead|factReadEnded) != 0)
	}
}

// The event that esock makes is a hint: the call that waited may have gone.
func TestPauseEndsWhenNoCallWaits(t *testing.T) {
	s, _ := pair(t, Stream)
	s.mu.Lock()
	x := s.pausing(writing)
	x.silence = s.silence(OpSend)
	s.mu.Unlock()
	state := s.state.Load()
	s.paused(x)
	assert.False(t, scheduled(x))
	assert.Equal(t, state, s.state.Load())
}

// An event that came too early is put off.
func TestEventThatCameTooEarlyIsPutOff(t *testing.T) {
	peer, s, _ := lanePair(t)
	rawWrite(peer) // poll(2) says that it can be read
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.False(t, s.defers(reading))
	x := s.pausing(reading)
	x.empty(s, reading)
	x.gap = time.Hour
	assert.True(t, s.defers(reading))
	assert.True(t, scheduled(x))
	s.lane(reading).unpause()
}
