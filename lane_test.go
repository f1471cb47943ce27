package esock

import (
	"bytes"
	"context"
	"errors"
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

func TestReadyCallsMoveData(t *testing.T) {
	a, b := pair(t, Stream)
	n, err := a.Send([]byte("hello"), 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, 5, n)
	buf := make([]byte, 10)
	n, err = b.Recv(buf, 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(buf[:n]))
}

func TestBlockingReceiveWaits(t *testing.T) {
	a, b := pair(t, Stream)
	for range 3 {
		got := make(chan string)
		go func() {
			buf := make([]byte, 10)
			n, err := b.Recv(buf, 0, Forever)
			assert.NoError(t, err)
			got <- string(buf[:n])
		}()
		parked(t, b, reading)
		_, err := a.Send([]byte("hello"), 0, Forever)
		require.NoError(t, err)
		assert.Equal(t, "hello", <-got)
	}
	require.NoError(t, a.Close())
	_, err := b.Recv(make([]byte, 1), 0, Forever)
	assert.Equal(t, io.EOF, err)
}

func TestTimeouts(t *testing.T) {
	a, b := pair(t, Stream)
	buf := make([]byte, 4)
	for range 3 {
		_, err := b.Recv(buf, 0, Within(0))
		assert.Equal(t, ErrTimeout, err)
		_, err = b.Recv(buf, 0, Within(time.Millisecond))
		assert.Equal(t, ErrTimeout, err)
		_, err = b.Recv(buf, 0, Until(time.Now().Add(-time.Second)))
		assert.Equal(t, ErrTimeout, err)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		_, err = b.Recv(buf, 0, Context(ctx))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
	}
	// A deadline that has passed is not left behind.
	a.Send([]byte("x"), 0, Forever)
	n, err := b.Recv(buf, 0, Forever)
	assert.Equal(t, 1, n)
	assert.NoError(t, err)
	go func() { parked(t, b, reading); a.Send([]byte("y"), 0, Forever) }()
	n, err = b.Recv(buf, 0, Forever)
	assert.Equal(t, 1, n)
	assert.NoError(t, err)
}

func TestContextCancelWakes(t *testing.T) {
	_, b := pair(t, Stream)
	for range 4 {
		ctx, cancel := context.WithCancel(context.Background())
		for range 3 { // used again: registered once, then kept
			errs := make(chan error)
			go func() {
				_, err := b.Recv(make([]byte, 4), 0, Context(ctx))
				errs <- err
			}()
			parked(t, b, reading)
			cancel()
			assert.ErrorIs(t, <-errs, context.Canceled)
			ctx, cancel = context.WithCancel(context.Background())
		}
		cancel()
	}
}

func TestSelectThenMessageThenData(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	buf := make([]byte, 8)
	for range 3 {
		_, err := b.Recv(buf, 0, NoWait(mb))
		var sel *Select
		require.ErrorAs(t, err, &sel)
		assert.Equal(t, OpRecv, sel.Op())
		a.Send([]byte("x"), 0, Forever)
		msg := receive(t, mb)
		sameMessage(t, SelectMsg{sel.Handle()}, msg)
		assert.Equal(t, b, msg.Socket())
		n, err := b.Recv(buf, 0, NoWait(mb))
		require.NoError(t, err)
		assert.Equal(t, 1, n)
	}
	assert.Zero(t, mb.Len())
}

func TestHandleReused(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	h := mb.NewHandle()
	buf := make([]byte, 8)
	_, err := b.Recv(buf, 0, With(h))
	require.ErrorAs(t, err, new(*Select))
	_, err = b.Recv(buf, 0, With(h))
	assert.ErrorIs(t, err, &InvalidError{What: "handle"})
	_, err = a.Recv(buf, 0, With(h))
	assert.ErrorIs(t, err, &InvalidError{What: "handle"})
	a.Send([]byte("x"), 0, Forever)
	sameMessage(t, SelectMsg{h}, receive(t, mb))
	n, err := b.Recv(buf, 0, With(h))
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
	_, err = a.Recv(buf, 0, With(h))
	require.ErrorAs(t, err, new(*Select))
}

func TestCancel(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	buf := make([]byte, 8)
	_, err := b.Recv(buf, 0, NoWait(mb))
	sel := err.(*Select)
	require.NoError(t, b.Cancel(sel))
	assert.ErrorIs(t, b.Cancel(sel), &InvalidError{What: "select"})
	assert.ErrorIs(t, a.Cancel(sel), &InvalidError{What: "select"})

	// Also when the message was sent, but not seen.
	_, err = b.Recv(buf, 0, NoWait(mb))
	sel = err.(*Select)
	a.Send([]byte("x"), 0, Forever)
	eventually(t, func() bool { return mb.Len() == 1 }, "the select message")
	require.NoError(t, b.Cancel(sel))
	assert.Zero(t, mb.Len())
	n, err := b.Recv(buf, 0, Within(0))
	assert.Equal(t, 1, n)
	assert.NoError(t, err)
}

func TestQueueIsFIFOAcrossKinds(t *testing.T) {
	a, b := pair(t, Stream)
	m1, m2 := NewMailbox(), NewMailbox()
	buf := make([]byte, 1)
	_, err := b.Recv(buf, 0, NoWait(m1))
	s1 := err.(*Select)
	got := make(chan byte, 1)
	go func() {
		x := make([]byte, 1)
		_, err := b.Recv(x, 0, Forever)
		assert.NoError(t, err)
		got <- x[0]
	}()
	queued(t, b, reading, 1)
	_, err = b.Recv(buf, 0, NoWait(m2))
	s2 := err.(*Select)
	queued(t, b, reading, 2)
	_, err = b.Recv(buf, 0, Within(0))
	assert.Equal(t, ErrTimeout, err, "a poll does not overtake")
	_, err = b.Recv(buf, 0, NoWait(m2))
	assert.ErrorIs(t, err, ErrState, "queued once")

	a.Send([]byte("123"), 0, Forever)
	sameMessage(t, SelectMsg{s1.Handle()}, receive(t, m1))
	assert.Empty(t, got)
	n, err := b.Recv(buf, 0, NoWait(m1))
	require.NoError(t, err)
	assert.Equal(t, "1", string(buf[:n]))
	assert.Equal(t, byte('2'), <-got)
	sameMessage(t, SelectMsg{s2.Handle()}, receive(t, m2))
	n, err = b.Recv(buf, 0, NoWait(m2))
	require.NoError(t, err)
	assert.Equal(t, "3", string(buf[:n]))
}

func TestCloseAbortsEverything(t *testing.T) {
	_, b := pair(t, Stream)
	m1, m2 := NewMailbox(), NewMailbox()
	_, err := b.Recv(make([]byte, 1), 0, NoWait(m1))
	s1 := err.(*Select)
	errs := make(chan error, 1)
	go func() {
		_, err := b.Recv(make([]byte, 1), 0, Forever)
		errs <- err
	}()
	queued(t, b, reading, 1)
	_, err = b.Recv(make([]byte, 1), 0, NoWait(m2))
	s2 := err.(*Select)
	require.NoError(t, b.Close())
	assert.Equal(t, AbortMsg{s1.Handle(), net.ErrClosed}, receive(t, m1))
	assert.Equal(t, AbortMsg{s2.Handle(), net.ErrClosed}, receive(t, m2))
	assert.ErrorIs(t, <-errs, net.ErrClosed)
	assert.ErrorIs(t, b.Close(), net.ErrClosed)
	assert.ErrorIs(t, b.Cancel(s1), net.ErrClosed)
	_, err = b.Send(nil, 0, Forever)
	assert.ErrorIs(t, err, net.ErrClosed)
}

func TestCloseWakesParked(t *testing.T) {
	for _, typ := range []Type{Stream, Dgram, SeqPacket} {
		_, b := pair(t, typ)
		errs := make(chan error, 1)
		go func() {
			_, err := b.Recv(make([]byte, 1), 0, Forever)
			errs <- err
		}()
		parked(t, b, reading)
		require.NoError(t, b.Close())
		assert.ErrorIs(t, <-errs, net.ErrClosed)
	}
}

func TestPartialSendAndContinue(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	data := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	var got bytes.Buffer
	buf := make([]byte, 64<<10)
	off, err := a.Send(data, 0, NoWait(mb))
	sel, ok := err.(*Select)
	require.True(t, ok, "%v", err)
	require.Positive(t, off)
	for off < len(data) {
		n, err := b.Recv(buf, 0, Within(0))
		if err == nil {
			got.Write(buf[:n])
		}
		if _, ok := mb.Poll(); !ok {
			continue
		}
		n, err = a.Send(data[off:], 0, NoWait(mb).Continue(sel))
		off += n
		if err != nil {
			sel, ok = err.(*Select)
			require.True(t, ok, "%v", err)
		}
	}
	for got.Len() < len(data) {
		n, err := b.Recv(buf, 0, Forever)
		require.NoError(t, err)
		got.Write(buf[:n])
	}
	assert.True(t, bytes.Equal(data, got.Bytes()))
}

func TestConcurrentWholeSendsDoNotMix(t *testing.T) {
	a, b := pair(t, Stream)
	const frames, size = 40, 300_000
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			frame := bytes.Repeat([]byte{byte('a' + g)}, size)
			for range frames / 4 {
				n, err := a.Send(frame, 0, Forever)
				assert.NoError(t, err)
				assert.Equal(t, size, n)
			}
		})
	}
	buf := make([]byte, size)
	for range frames {
		n, err := b.RecvFull(buf, 0, Forever)
		require.NoError(t, err)
		require.Equal(t, size, n)
		require.Equal(t, size, bytes.Count(buf, buf[:1]), "a frame is of one sender")
	}
	wg.Wait()
}

func TestConnectUnixBacklogFullIsAnError(t *testing.T) {
	l, err := Open(Local, Stream, Default)
	require.NoError(t, err)
	defer l.Close()
	name := UnixAddr("")
	require.NoError(t, l.Bind(name))
	require.NoError(t, l.Listen(0))
	addr, err := l.SockName()
	require.NoError(t, err)
	for {
		c, err := Open(Local, Stream, Default)
		require.NoError(t, err)
		defer c.Close()
		if err = c.Connect(addr, Within(patience)); err != nil {
			assert.ErrorIs(t, err, syscall.EAGAIN)
			return
		}
	}
}

// An accept or a connect that is inside its system call will soon be out again, or wait. A call that it would exclude
// if it waited is not queued behind it, and neither is it behind such a call.
func TestNobodyIsQueuedBehindAnExclusiveCallInsideTheKernel(t *testing.T) {
	send := func(s *Socket, w Wait) error { _, err := s.Send([]byte("x"), 0, w); return err }
	recv := func(s *Socket, w Wait) error { _, err := s.Recv(make([]byte, 1), 0, w); return err }
	connect := func(s *Socket, w Wait) error { return s.Connect(UnixAddr("/a/name/of/some/length"), w) }
	accept := func(s *Socket, w Wait) error {
		n, err := s.Accept(w)
		if err == nil {
			n.Close()
		}
		return err
	}
	for name, c := range map[string]struct {
		inside Op
		call   func(s *Socket, w Wait) error
		want   syscall.Errno // 0: it has to wait, as the first
	}{
		"send and connect":    {OpConnect, send, syscall.EPIPE},
		"connect and connect": {OpConnect, connect, syscall.EAFNOSUPPORT},
		"receive and accept":  {OpAccept, recv, syscall.ENOTCONN},
		"accept and receive":  {OpRecv, accept, 0},
		"accept and recvmsg":  {OpRecvMsg, accept, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				s, err := Open(Inet, Stream, TCP)
				require.NoError(t, err)
				defer s.Close()
				if c.inside.direction() == reading {
					require.NoError(t, s.Bind(Loopback))
					require.NoError(t, s.Listen(1))
				}
				d := c.inside.direction()
				l := &s.lanes[d]
				mb := NewMailbox()
				s.state.Add(c.inside.hold()) // an owner that has not come back from the kernel
				ended := make(chan error, 1)
				go func() { ended <- c.call(s, NoWait(mb)) }()
				queued := false
				for range 200 {
					runtime.Gosched()
					s.mu.Lock()
					queued = queued || l.head != nil
					s.mu.Unlock()
				}
				s.leave(c.inside, nil)
				err = <-ended
				require.False(t, queued)
				if c.want != 0 {
					require.ErrorIs(t, err, c.want)
					require.True(t, laneIsFree(s, d))
					continue
				}
				var sel *Select
				require.ErrorAs(t, err, &sel)
				s.mu.Lock()
				assert.Same(t, sel.Handle(), l.cur)
				s.mu.Unlock()
				require.NoError(t, s.Cancel(sel))
			}
		})
	}
}

// The same with real calls that meet: a send never waits for a connect, nor a receive for an accept.
func TestExclusiveCallsMeetOthers(t *testing.T) {
	server, addr := listening(t)
	gone, nobody := listening(t)
	require.NoError(t, gone.Close())
	mb, other := NewMailbox(), NewMailbox()
	for i := range 300 {
		s, err := Open(Inet, Stream, TCP)
		require.NoError(t, err)
		to := addr
		if i%2 == 0 {
			to = nobody
		}
		connected := make(chan error, 1)
		go func() { connected <- s.Connect(to, Forever) }()
		_, err = s.Send([]byte("x"), 0, NoWait(mb))
		var sel *Select
		require.False(t, errors.As(err, &sel), "a send queued behind a connect")
		if <-connected == nil {
			c, err := server.Accept(Forever)
			require.NoError(t, err)
			require.NoError(t, c.Close())
		}
		require.True(t, laneIsFree(s, writing))
		require.NoError(t, s.Close())

		l, _ := listening(t)
		accepting := make(chan error, 1)
		go func() { _, err := l.Accept(NoWait(other)); accepting <- err }()
		_, err = l.Recv(make([]byte, 1), 0, NoWait(mb))
		require.False(t, errors.As(err, &sel), "a receive queued behind an accept")
		require.ErrorAs(t, <-accepting, &sel)
		require.NoError(t, l.Cancel(sel))
		require.True(t, laneIsFree(l, reading))
		require.NoError(t, l.Close())
	}
}

// An event that met no call makes the next one look once more before it waits: that is still one wait.
func TestNotedEventIsNoSecondWait(t *testing.T) {
	a, b := pair(t, Dgram)
	mb := NewMailbox()
	for i := range 3 {
		b.noteEvent()
		_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
		var sel *Select
		require.ErrorAs(t, err, &sel)
		c := b.Counters()
		assert.Equal(t, uint64(i+1), c.ReadWaits)
		assert.Equal(t, uint64(2*(i+1)), c.ReadTries-uint64(i), "it did look once more")
		require.NoError(t, b.Cancel(sel))
		_, err = a.Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		_, err = b.Recv(make([]byte, 1), 0, Within(0))
		require.NoError(t, err)
	}
}
