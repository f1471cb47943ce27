package esock

import (
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Which calls go which way. The quick way is nobody's right: a call that needs more must not take it.
func TestQuickCalls(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	set := func(s *Socket, bits uint64) func() {
		s.state.Or(bits)
		return func() { s.state.And(^bits) }
	}
	for _, c := range []struct {
		name   string
		w      Wait
		flags  MsgFlags
		state  uint64
		stream quick
		dgram  quick
	}{
		{"nothing special", Forever, 0, 0, quickTry, quickShare},
		{"a flag", Forever, MsgPeek | MsgTrunc, 0, quickTry, quickShare},
		{"a time", Within(time.Hour), 0, 0, quickTry, quickShare},
		{"no time", Within(0), 0, 0, quickTry, quickShare},
		{"a moment", Until(time.Unix(1, 0)), 0, 0, quickTry, quickShare},
		{"the last call waited", Forever, 0, stWaited(reading), quickWait, quickWait},
		{"the last call waited, and this one has a time", Within(time.Hour), 0, stWaited(reading), quickWait, quickWait},
		{"the last call waited, and this one does not", Within(0), 0, stWaited(reading), quickTry, quickTry},
		{"the last call waited, and this one spins", Forever.Spin(time.Second), 0, stWaited(reading), quickTry, quickTry},
		{"the last call of the other direction waited", Forever, 0, stWaited(writing), quickTry, quickShare},
		{"the other direction is in use", Forever, 0, stOwned(writing) | stSlow(writing), quickTry, quickShare},
		{"a context", Context(t.Context()), 0, 0, quickNot, quickNot},
		{"a mailbox", NoWait(mb), 0, 0, quickNot, quickNot},
		{"a handle", With(mb.NewHandle()), 0, 0, quickNot, quickNot},
		{"a name", Forever.As(mb), 0, 0, quickNot, quickNot},
		{"no valid wait", Within(-1), 0, 0, quickNot, quickNot},
		{"the error queue", Forever, MsgErrQueue, 0, quickNot, quickNot},
		{"memory of the caller's", Forever, MsgZeroCopy, 0, quickNot, quickNot},
		{"a flag above", Forever, MsgZeroCopy << 1, 0, quickNot, quickNot},
		{"a negative flag", Forever, -1, 0, quickNot, quickNot},
		{"the lane is in use", Forever, 0, stOwned(reading), quickNot, quickNot},
		{"the lane has a queue or a deadline", Forever, 0, stSlow(reading), quickNot, quickNot},
	} {
		for typ, want := range map[Type]quick{Stream: c.stream, Dgram: c.dgram} {
			_, s := pair(t, typ)
			undo := set(s, c.state)
			got := s.quickly(stOwned(reading), c.flags, &c.w)
			assert.Equal(t, want, got, "%s, %s", c.name, typ)
			switch got {
			case quickShare:
				s.unref()
			case quickTry, quickWait:
				s.state.Add(^(stRef + stOwned(reading) - 1))
			}
			undo()
		}
	}
	t.Run("settings of its own", func(t *testing.T) {
		_, s := pair(t, Stream)
		s.SetSpin(time.Microsecond)
		assert.Equal(t, quickNot, s.quickly(stOwned(reading), 0, &Wait{}))
	})
	t.Run("a deadline", func(t *testing.T) {
		_, s := pair(t, Stream)
		require.NoError(t, s.SetReadDeadline(inHours()))
		assert.Equal(t, quickTry, s.quickly(stOwned(reading), 0, &Wait{}))
		s.quickEnd(stOwned(reading), quickTry)
		require.NoError(t, s.SetReadDeadline(longAgo))
		assert.Equal(t, quickNot, s.quickly(stOwned(reading), 0, &Wait{}))
		require.NoError(t, s.SetReadDeadline(time.Time{}))
		assert.Equal(t, quickTry, s.quickly(stOwned(reading), 0, &Wait{}))
		s.quickEnd(stOwned(reading), quickTry)
	})
	t.Run("closed", func(t *testing.T) {
		_, s := pair(t, Stream)
		s.Close()
		assert.Equal(t, quickNot, s.quickly(stOwned(reading), 0, &Wait{}))
		assert.Equal(t, quickNot, new(Socket).quickly(stOwned(reading), 0, &Wait{}))
	})
}

func TestDirectionOf(t *testing.T) {
	for d := reading; d <= erring; d++ {
		assert.Equal(t, d, directionOf(stOwned(d)))
	}
	assert.Less(t, stParked(erring), stRef)
}

// Calls of a datagram socket share a lane. Each message goes once, and the counters are exact.
func TestDatagramCallsShareTheLane(t *testing.T) {
	const goroutines, each = 8, 500
	a, b := pair(t, SeqPacket) // its calls do not share: the counters of both kinds agree
	c, d := udpPair(t)
	to, err := d.SockName()
	require.NoError(t, err)
	assert.False(t, a.shares || b.shares)
	assert.True(t, c.shares && d.shares)
	for _, x := range []struct {
		from, to *Socket
		send     func(*Socket) (int, error)
	}{
		{a, b, func(s *Socket) (int, error) { return s.Send([]byte("1234"), 0, Forever) }},
		{c, d, func(s *Socket) (int, error) { return s.SendTo([]byte("1234"), to, 0, Forever) }},
	} {
		var senders, receivers sync.WaitGroup
		for range goroutines {
			senders.Go(func() {
				for range each {
					if n, err := x.send(x.from); n != 4 || err != nil {
						t.Errorf("send: %d, %v", n, err)
					}
				}
			})
			receivers.Go(func() {
				buf := make([]byte, 8)
				for {
					n, _, err := x.to.RecvFrom(buf, 0, Forever)
					if err != nil {
						return
					}
					if n != 4 {
						t.Errorf("received %d", n)
					}
				}
			})
		}
		senders.Wait()
		sent := x.from.Counters()
		assert.EqualValues(t, goroutines*each, sent.WritePkg)
		assert.EqualValues(t, goroutines*each*4, sent.WriteByte)
		assert.EqualValues(t, 4, sent.WritePkgMax)
		assert.GreaterOrEqual(t, sent.WriteTries, sent.WritePkg)
		require.NoError(t, x.to.Close())
		receivers.Wait()
		got := x.to.Counters()
		assert.Equal(t, 4*got.ReadPkg, got.ReadByte, "UDP may drop what its receiver has no room for")
	}
}

// A shared call that finds nothing takes the lane, unless another call has it or waits for it.
func TestSharedCallTakesTheLane(t *testing.T) {
	_, s := pair(t, Dgram)
	for name, bits := range map[string]uint64{"owned": stOwned(reading), "slow": stSlow(reading)} {
		s.state.Or(bits)
		assert.False(t, s.takeLane(reading), name)
		s.state.And(^bits)
	}
	s.state.And(^stOpen)
	assert.False(t, s.takeLane(reading), "closed")
	s.state.Or(stOpen)
	require.True(t, s.takeLane(reading))
	assert.Equal(t, stOpen|stOwned(reading), s.state.Load())
	s.state.And(^stOwned(reading))
}

// No call tries more often than it must: once before it waits, if the last call did not have to, and once in the park.
func TestQuickCallsTryOnce(t *testing.T) {
	for _, typ := range []Type{Stream, Dgram, SeqPacket} {
		for _, w := range []Wait{Forever, Within(time.Hour)} {
			a, b := pair(t, typ)
			got := make(chan error, 1)
			receive := func() {
				_, err := b.Recv(make([]byte, 1), 0, w)
				got <- err
			}
			for i, tries := range []uint64{2, 4} { // the second waits first: the first took one more, with what came
				if i > 0 {
					b.setWaited(reading, true)
				}
				go receive()
				eventually(t, func() bool { return b.Counters().ReadWaits == uint64(i+1) }, "the wait")
				assert.Equal(t, tries, b.Counters().ReadTries, "%s %s %d", typ, w, i)
				_, err := a.Send([]byte("x"), 0, Forever)
				require.NoError(t, err)
				require.NoError(t, within(t, got, "the byte"))
			}
			b.setWaited(reading, true)
			_, err := a.Send([]byte("x"), 0, Forever)
			require.NoError(t, err)
			_, err = b.Recv(make([]byte, 1), 0, w)
			require.NoError(t, err)
			assert.Zero(t, b.state.Load()&stWaited(reading), "it did not have to wait")
		}
	}
}

// While one call of a datagram socket waits, later calls queue behind it, in order.
func TestDatagramCallsQueueBehindOneThatWaits(t *testing.T) {
	a, b := pair(t, Dgram)
	var got []chan string
	for i := range 4 {
		ch := make(chan string, 1)
		got = append(got, ch)
		go func() {
			buf := make([]byte, 8)
			n, _ := b.Recv(buf, 0, Forever)
			ch <- string(buf[:n])
		}()
		if i == 0 {
			parked(t, b, reading)
		} else {
			queued(t, b, reading, i)
		}
	}
	_, err := b.Recv(make([]byte, 1), 0, Within(0))
	assert.ErrorIs(t, err, ErrTimeout, "a call that does not wait does not pass them")
	for _, m := range []string{"1", "2", "3", "4"} {
		_, err := a.Send([]byte(m), 0, Forever)
		require.NoError(t, err)
	}
	for i, ch := range got {
		assert.Equal(t, string(rune('1'+i)), within(t, ch, "a message"))
	}
}

// An error that the kernel reports once goes to the call that meets it, on the shared way too.
func TestSharedCallReturnsItsError(t *testing.T) {
	s, gone := udpPair(t)
	require.NoError(t, gone.Close())
	_, err := s.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	eventually(t, func() bool { return cErrorPending(s.h) }, "the refusal")
	_, err = s.Send([]byte("x"), 0, Forever)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.EqualValues(t, 1, s.Counters().WriteFails)
	_, err = s.Send([]byte("x"), 0, Forever)
	assert.NoError(t, err)
	assert.Equal(t, stOpen, s.state.Load(), "nothing is held")
}

// A wait in the park drops the caller's memory before the next call has the lane.
func TestParkKeepsNothingOfACall(t *testing.T) {
	a, b := pair(t, Stream)
	for range 3 {
		got := make(chan error, 1)
		go func() {
			buf := make([]byte, 8)
			_, err := b.Recv(buf, 0, Forever)
			got <- err
		}()
		parked(t, b, reading)
		_, err := a.Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		require.NoError(t, within(t, got, "the byte"))
		b.setWaited(reading, true) // even if the byte came before the first try
	}
	p := b.blk.Load().parks[reading]
	assert.Nil(t, p.c.buf)
	assert.Zero(t, p.c.op)
}

// Whatever ends a wait of a quick call ends it: a deadline that is set meanwhile, one that is moved, Shutdown, Close, the end of
// the stream. So it does when the call is about to park.
func TestQuickWaitEnds(t *testing.T) {
	waits := func(t *testing.T, begin, bounded bool) (peer, s *Socket, ended chan error) {
		peer, s = pair(t, Stream)
		warm := make(chan error, 1)
		go func() {
			_, err := s.Recv(make([]byte, 1), 0, Forever)
			warm <- err
		}()
		parked(t, s, reading)
		_, err := peer.Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		require.NoError(t, within(t, warm, "the byte"))
		s.setWaited(reading, true) // even if the byte came before the first try
		if bounded {
			require.NoError(t, s.SetReadDeadline(inHours()))
		}
		ended = make(chan error, 1)
		go func() {
			_, err := s.Recv(make([]byte, 1), 0, Forever)
			ended <- err
		}()
		if begin {
			parked(t, s, reading)
		} else {
			runtime.Gosched()
		}
		return peer, s, ended
	}
	for name, c := range map[string]struct {
		end  func(peer, s *Socket) error
		want error
	}{
		"a deadline in the past": {func(_, s *Socket) error { return s.SetReadDeadline(longAgo) }, ErrTimeout},
		"a deadline soon":        {func(_, s *Socket) error { return s.SetReadDeadline(time.Now().Add(time.Millisecond)) }, ErrTimeout},
		"a deadline that moves": {func(_, s *Socket) error {
			if err := s.SetReadDeadline(inHours()); err != nil {
				return err
			}
			return s.SetReadDeadline(longAgo)
		}, ErrTimeout},
		"close":            {func(_, s *Socket) error { return s.Close() }, net.ErrClosed},
		"shutdown":         {func(_, s *Socket) error { return s.Shutdown(ShutRead) }, io.EOF},
		"the peer's close": {func(p, _ *Socket) error { return p.Close() }, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 40 {
				peer, s, ended := waits(t, i%2 == 0, i%4 < 2)
				require.NoError(t, c.end(peer, s))
				assert.ErrorIs(t, within(t, ended, "the end"), c.want)
			}
		})
	}
}

// A quick wait that meets a Close does not rely on the descriptor's deadline: a deadline that is moved when the one before has just
// ended a wait leaves the park with `passed` and the descriptor without, and Close sets nothing that is set already.
func TestQuickWaitMeetsCloseBesideAStaleDeadline(t *testing.T) {
	_, s := pair(t, Stream)
	require.NoError(t, s.SetReadDeadline(inHours()))
	_, err := s.Recv(make([]byte, 1), 0, Within(time.Millisecond))
	require.ErrorIs(t, err, ErrTimeout)
	require.NoError(t, s.SetReadDeadline(time.Time{}))
	s.mu.Lock()
	b := s.blk.Load()
	b.setDeadline(reading, 0)
	b.parks[reading].at.set(passed)
	s.mu.Unlock()
	w := Forever
	how := s.quickly(stOwned(reading), 0, &w)
	require.Equal(t, quickWait, how)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	eventually(t, s.Closed, "the close")
	func() { s.mu.Lock(); defer s.mu.Unlock() }() // Close has woken who waited
	ended := make(chan error, 1)
	go func() {
		_, err := s.carryOn(&call{op: OpRecv, buf: make([]byte, 1)}, &w, how, untried)
		ended <- err
	}()
	select {
	case err := <-ended:
		assert.ErrorIs(t, err, net.ErrClosed)
	case <-time.After(patience):
		t.Error("the call never ends")
		s.mu.Lock()
		b.file.SetReadDeadline(past)
		s.mu.Unlock()
		<-ended
	}
	assert.NoError(t, within(t, closed, "the close"))
}

// A wait that a deadline has woken leaves nothing behind: without one the next wait lasts.
func TestQuickWaitAfterADeadline(t *testing.T) {
	a, b := pair(t, Stream)
	for range 10 {
		got := make(chan error, 1)
		recv := func() {
			_, err := b.Recv(make([]byte, 1), 0, Forever)
			got <- err
		}
		go recv()
		parked(t, b, reading) // only then the deadline comes, however slow the machine is
		require.NoError(t, b.SetReadDeadline(time.Now().Add(time.Millisecond)))
		require.ErrorIs(t, within(t, got, "the deadline"), ErrTimeout)
		require.NoError(t, b.SetReadDeadline(time.Time{}))
		b.setWaited(reading, true)
		go recv()
		parked(t, b, reading)
		_, err := a.Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		require.NoError(t, within(t, got, "the byte"))
	}
}

// udpPair is two UDP sockets of loopback. The first is connected to the second.
func udpPair(t *testing.T) (a, b *Socket) {
	t.Helper()
	var socks [2]*Socket
	for i := range socks {
		s, err := Open(Inet, Dgram, UDP)
		require.NoError(t, err)
		t.Cleanup(func() { closeSoon(t, s) })
		require.NoError(t, s.Bind(Loopback))
		socks[i] = s
	}
	to, err := socks[1].SockName()
	require.NoError(t, err)
	require.NoError(t, socks[0].Connect(to, Forever))
	return socks[0], socks[1]
}

// A shared call that has to wait does not pass an asynchronous call that took the lane meanwhile.
func TestSharedCallWaitsBehindAHandle(t *testing.T) {
	_, s := pair(t, Dgram)
	mb := NewMailbox()
	defer mb.Close()
	var w Wait
	require.Equal(t, quickShare, s.quickly(stOwned(reading), 0, &w))
	_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
	var sel *Select
	require.ErrorAs(t, err, &sel)
	assert.False(t, s.takeLane(reading), "the handle holds it")
	s.quickEnd(stOwned(reading), quickShare)
	require.NoError(t, s.Cancel(sel))
}

// A shared call that the kernel has answered with an error returns that, and nothing else, although another call has the lane
// by then. The kernel gives such an error once.
func TestSharedCallReturnsItsErrorBesideAnOwner(t *testing.T) {
	_, s := pair(t, Dgram)
	w := Within(0)
	require.Equal(t, quickShare, s.quickly(stOwned(reading), 0, &w))
	require.True(t, s.takeLane(reading)) // another call's
	n, err := s.carryOn(&call{op: OpRecv, buf: make([]byte, 1)}, &w, quickShare, -int(syscall.ECONNREFUSED))
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.Zero(t, n)
	require.NoError(t, s.ref("test")) // of the other call
	s.leave(OpRecv, nil)
	assert.True(t, laneIsFree(s, reading))
}

// Each wait of a call that waits first counts once: one that a deadline ends, and the next of one that got a part.
func TestQuickWaitsAreCounted(t *testing.T) {
	a, b := pair(t, Stream)
	start := func() chan result {
		ended := make(chan result, 1)
		go func() {
			n, err := b.RecvFull(make([]byte, 4), 0, Forever)
			ended <- result{n, err}
		}()
		return ended
	}
	_, err := b.Recv(make([]byte, 1), 0, Within(time.Nanosecond)) // makes the blocking side
	require.ErrorIs(t, err, ErrTimeout)
	b.setWaited(reading, true)
	waits := b.Counters().ReadWaits
	ended := start()
	eventually(t, func() bool { return b.Counters().ReadWaits == waits+1 }, "the wait")
	require.NoError(t, b.SetReadDeadline(past))
	assert.ErrorIs(t, within(t, ended, "the deadline").err, ErrTimeout)
	assert.Equal(t, waits+1, b.Counters().ReadWaits)

	require.NoError(t, b.SetReadDeadline(time.Time{}))
	b.setWaited(reading, true)
	ended = start()
	eventually(t, func() bool { return b.Counters().ReadWaits == waits+2 }, "the first wait")
	_, err = a.Send([]byte("12"), 0, Forever)
	require.NoError(t, err)
	eventually(t, func() bool { return b.Counters().ReadWaits == waits+3 }, "the second wait")
	_, err = a.Send([]byte("34"), 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, result{4, nil}, within(t, ended, "the receive"))
	assert.Equal(t, waits+3, b.Counters().ReadWaits)
}

// A send that waits first is told what no event tells: that the peer has shut its reading. Then it is no longer the lane's
// current request, and neither is one that has sent.
func TestQuickWaitOfASend(t *testing.T) {
	a, b := pair(t, Stream)
	full := fill(t, a)
	sent := make(chan error, 1)
	send := func() {
		_, err := a.Send(make([]byte, 1), 0, Forever)
		sent <- err
	}
	for range 2 { // the second waits before it tries
		go send()
		parked(t, a, writing)
		drain(t, b, full)
		require.NoError(t, within(t, sent, "the send"))
		assert.Zero(t, a.state.Load()&(stParked(writing)|stNote(reading)|stNote(writing)|stOwned(writing)))
		drain(t, b, 1)
		full = fill(t, a)
		a.setWaited(writing, true)
	}
	go send()
	parked(t, a, writing)
	require.NoError(t, b.Shutdown(ShutRead))
	assert.ErrorIs(t, within(t, sent, "the end"), syscall.EPIPE)
	assert.True(t, laneIsFree(a, writing))
}

// A receive that has waited first is no longer the lane's current request.
func TestQuickWaitUnparks(t *testing.T) {
	a, b := pair(t, Stream)
	for range 3 {
		got := make(chan error, 1)
		go func() {
			_, err := b.Recv(make([]byte, 1), 0, Forever)
			got <- err
		}()
		parked(t, b, reading)
		_, err := a.Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		require.NoError(t, within(t, got, "the byte"))
		assert.True(t, laneIsFree(b, reading))
		b.setWaited(reading, true)
	}
}
