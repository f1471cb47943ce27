package esock

import (
	"bytes"
	"context"
	"io"
	"net"
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
		if err = c.Connect(addr, Within(time.Second)); err != nil {
			assert.ErrorIs(t, err, syscall.EAGAIN)
			return
		}
	}
}
