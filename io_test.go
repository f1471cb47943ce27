package esock

import (
	"bytes"
	"io"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pipeEnd is a pipe of which the write end can be passed on: gone reports that no holder is left.
func pipeEnd(t *testing.T) (w int, gone func() bool) {
	t.Helper()
	var p [2]int
	require.NoError(t, syscall.Pipe2(p[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK))
	t.Cleanup(func() { syscall.Close(p[0]) })
	return p[1], func() bool {
		n, err := syscall.Read(p[0], make([]byte, 1))
		return n == 0 && err == nil
	}
}

// empty receives what is there, and counts the descriptors that came with it.
func empty(t *testing.T, s *Socket) (n, fds int) {
	t.Helper()
	var m Msg
	for {
		err := s.RecvMsg(&m, 0, Within(0))
		if err == ErrTimeout {
			return n, fds
		}
		require.NoError(t, err)
		n += len(m.Data())
		for _, fd := range m.TakeFDs() {
			syscall.Close(fd)
			fds++
		}
	}
}

// Control messages go with the first bytes: not before, and not again.
func TestContinuedSendMsgPassesItsRightsOnce(t *testing.T) {
	large := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	for name, c := range map[string]struct {
		typ  Type
		full bool // before the first try
		iov  [][]byte
	}{
		"message, nothing went":             {Dgram, true, [][]byte{[]byte("x")}},
		"message in pieces, nothing went":   {SeqPacket, true, [][]byte{[]byte("x"), []byte("yz")}},
		"stream, nothing went":              {Stream, true, [][]byte{large(1 << 20)}},
		"stream in pieces, nothing went":    {Stream, true, [][]byte{large(8192), large(8192)}},
		"stream, some went":                 {Stream, false, [][]byte{large(1 << 20)}},
		"stream in pieces, some went":       {Stream, false, [][]byte{large(1 << 20), large(100), large(1 << 20)}},
		"stream in small pieces, some went": {Stream, false, slices.Repeat([][]byte{large(16)}, 1<<15)},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, c.typ)
			mb := NewMailbox()
			w, gone := pipeEnd(t)
			before, sent, got, fds := 0, 0, 0, 0
			if c.full {
				before = fill(t, a)
			}
			whole := Msg{Iov: c.iov}
			require.NoError(t, whole.SetControl(Rights(w)))
			rest := c.iov
			wait := NoWait(mb)
			for {
				whole.Iov = rest
				n, err := a.SendMsg(&whole, 0, wait)
				if sent == 0 && c.full {
					require.Zero(t, n)
					c.full = false
				} else {
					require.Positive(t, n)
				}
				sent += n
				if err == nil {
					break
				}
				var sel *Select
				require.ErrorAs(t, err, &sel)
				rest = after(rest, n)
				k, f := empty(t, b)
				got, fds = got+k, fds+f
				sameMessage(t, SelectMsg{sel.Handle()}, receive(t, mb))
				wait = NoWait(mb).Continue(sel)
			}
			k, f := empty(t, b)
			assert.Equal(t, before+sent, got+k)
			assert.Equal(t, 1, fds+f)
			require.NoError(t, syscall.Close(w))
			assert.True(t, gone())
		})
	}
}

// after is what is left of the pieces after n bytes.
func after(iov [][]byte, n int) [][]byte {
	for n > 0 && n >= len(iov[0]) {
		n -= len(iov[0])
		iov = iov[1:]
	}
	if n == 0 {
		return iov
	}
	return append([][]byte{iov[0][n:]}, iov[1:]...)
}

// TCP discards what MsgTrunc receives: no byte of the buffer is the peer's then, and none is given out.
func TestDiscardedDataIsNotGivenOut(t *testing.T) {
	a, b := tcpLink(t)
	x, y := pair(t, Stream)
	secret := []byte("what another received")
	_, err := y.Send(secret, 0, Forever)
	require.NoError(t, err)
	for range 4 { // leaves it in the buffers that RecvBytes uses again
		_, err = x.RecvBytes(0, MsgPeek, Forever)
		require.NoError(t, err)
	}

	_, err = a.Send([]byte("0123456789"), 0, Forever)
	require.NoError(t, err)
	for _, length := range []int{0, 5} {
		got, err := b.RecvBytes(length, MsgTrunc, Forever)
		require.ErrorIs(t, err, &InvalidError{What: "msg_flag"})
		require.Nil(t, got)
	}
	got, err := b.RecvBytes(2, 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, "01", string(got), "the refusal takes nothing")

	m := Msg{Buf: append([]byte(nil), secret...)}
	m.Buf = m.Buf[:6]
	require.NoError(t, b.RecvMsg(&m, MsgTrunc, Forever))
	assert.Equal(t, 6, m.FullLen)
	assert.Empty(t, m.Data())
	buf := append([]byte(nil), secret...)
	n, err := b.Recv(buf, MsgTrunc, Forever)
	assert.NoError(t, err)
	assert.Equal(t, 2, n, "what was left is counted")
	_, err = b.Recv(buf, 0, Within(0))
	assert.Equal(t, ErrTimeout, err)

	// Elsewhere the flag only tells the whole length.
	got, err = x.RecvBytes(0, MsgTrunc, Forever)
	assert.NoError(t, err)
	assert.Equal(t, secret, got)
	c, d := pair(t, Dgram)
	_, err = c.Send(secret, 0, Forever)
	require.NoError(t, err)
	got, err = d.RecvBytes(4, MsgTrunc, Forever)
	assert.NoError(t, err)
	assert.Equal(t, secret[:4], got)
}

// receives are the ways to receive from a stream.
var receives = map[string]func(s *Socket, w Wait) error{
	"recv": func(s *Socket, w Wait) error { _, err := s.Recv(make([]byte, 10), 0, w); return err },
	"recv of a length": func(s *Socket, w Wait) error {
		_, err := s.RecvFull(make([]byte, 10), 0, w)
		return err
	},
	"recv of bytes": func(s *Socket, w Wait) error { _, err := s.RecvBytes(0, 0, w); return err },
	"recvfrom":      func(s *Socket, w Wait) error { _, _, err := s.RecvFrom(make([]byte, 10), 0, w); return err },
	"recvmsg":       func(s *Socket, w Wait) error { return s.RecvMsg(new(Msg), 0, w) },
}

func TestEndOfStreamIsToldByEveryReceive(t *testing.T) {
	for name, recv := range receives {
		for _, selectRead := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				a, b := pair(t, Stream)
				mb := NewMailbox()
				require.NoError(t, a.SetSelectRead(selectRead))
				require.NoError(t, b.Close())
				for range 2 {
					require.Equal(t, io.EOF, recv(a, NoWait(mb)))
					require.True(t, laneIsFree(a, reading), "no handle is left in it")
				}
				assert.Equal(t, io.EOF, recv(a, Within(0)))
				assert.Equal(t, io.EOF, recv(a, Forever))
				assert.Zero(t, mb.Len())
				assert.Equal(t, uint64(4), a.Counters().ReadFails)
				assert.Nil(t, mb.pending.head)
			})
		}
	}
}

func TestEndOfStreamEndsTheQueue(t *testing.T) {
	for name, recv := range receives {
		for _, selectRead := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				a, b := pair(t, Stream)
				m1, m2 := NewMailbox(), NewMailbox()
				require.NoError(t, a.SetSelectRead(selectRead))
				var s1, s2 *Select
				require.ErrorAs(t, recv(a, NoWait(m1)), &s1)
				require.ErrorAs(t, recv(a, NoWait(m2)), &s2)
				blocked := make(chan error, 1)
				go func() { blocked <- recv(a, Forever) }()
				queued(t, a, reading, 2)
				require.NoError(t, b.Close())
				sameMessage(t, SelectMsg{s1.Handle()}, receive(t, m1))
				require.Equal(t, io.EOF, recv(a, NoWait(m1)))
				sameMessage(t, AbortMsg{s2.Handle(), io.EOF}, receive(t, m2))
				assert.Equal(t, io.EOF, <-blocked)
				assert.True(t, laneIsFree(a, reading))
			})
		}
	}
}

// {otp, select_read}: a handle that is busy elsewhere, or a mailbox that was closed meanwhile, cannot ask for the
// next message. The one that came is the caller's all the same.
func TestReceivedIsKeptThoughTheNextCannotBeAskedFor(t *testing.T) {
	for _, typ := range []Type{Stream, Dgram} {
		a, b := pair(t, typ)
		other, _ := pair(t, typ)
		mb := NewMailbox()
		h := mb.NewHandle()
		_, err := other.Recv(make([]byte, 1), 0, With(h))
		require.ErrorAs(t, err, new(*Select))
		require.NoError(t, a.SetSelectRead(true))

		w, gone := pipeEnd(t)
		out := Msg{Iov: [][]byte{[]byte("x")}}
		require.NoError(t, out.SetControl(Rights(w)))
		_, err = b.SendMsg(&out, 0, Forever)
		require.NoError(t, err)
		require.NoError(t, syscall.Close(w))
		var in Msg
		require.NoError(t, a.RecvMsg(&in, 0, With(h)))
		assert.Equal(t, "x", string(in.Data()))
		assert.False(t, gone())
		in.Reset()
		assert.True(t, gone(), "a descriptor is left behind")

		for _, recv := range receives {
			_, err = b.Send([]byte("0123456789"), 0, Forever)
			require.NoError(t, err)
			assert.NoError(t, recv(a, With(h)))
			_, err = a.Recv(make([]byte, 1), 0, Within(0))
			assert.Equal(t, ErrTimeout, err, "it was received")
			assert.True(t, laneIsFree(a, reading))
		}
		require.NoError(t, other.Cancel((*Select)(h)), "the other call goes on")
	}
}

// A zero-copy notice in the error queue has no bytes, and says nothing about the stream's end.
func TestErrorQueueOfAStreamIsNotItsEnd(t *testing.T) {
	const (
		soZeroCopy  = 60
		msgZeroCopy = 0x4000000
	)
	a, b := tcpLink(t)
	if err := a.SetOptionNative(solSocket, soZeroCopy, 1); err != nil {
		t.Skip("no zero copy: ", err)
	}
	_, err := a.Send(make([]byte, 1000), msgZeroCopy, Forever)
	require.NoError(t, err)
	drain(t, b, 1000)
	mb := NewMailbox()
	require.ErrorAs(t, b.RecvMsg(new(Msg), 0, NoWait(mb)), new(*Select)) // the other direction, meanwhile
	var m Msg
	eventually(t, func() bool { err = a.RecvMsg(&m, MsgErrQueue, Within(0)); return err != ErrTimeout }, "the notice")
	require.NoError(t, err)
	assert.Empty(t, m.Data())
	assert.NotZero(t, m.Flags&MsgErrQueue)
	var notices []ExtendedError
	for c := range m.Control() {
		if e, ok := c.ExtendedError(); ok {
			notices = append(notices, e)
		}
	}
	require.Len(t, notices, 1)
	assert.Equal(t, ErrorOrigin(5), notices[0].Origin, "SO_EE_ORIGIN_ZEROCOPY")
	c := a.Counters()
	assert.Zero(t, c.ReadFails)
	assert.Equal(t, uint64(1), c.ReadPkg)

	// Nor does it end those that wait for data.
	var sel *Select
	require.ErrorAs(t, a.RecvMsg(&m, 0, NoWait(mb)), &sel)
	assert.Zero(t, a.Counters().ReadFails)
	require.NoError(t, b.Close())
	receive(t, mb) // b's abort
	receive(t, mb)
	assert.Equal(t, io.EOF, a.RecvMsg(&m, 0, NoWait(mb)))
}

// Unix sockets have no error queue: the flag says nothing there, and the stream ends.
func TestErrorQueueFlagOfAUnixStreamHidesNoEnd(t *testing.T) {
	a, b := pair(t, Stream)
	require.NoError(t, b.Close())
	assert.Equal(t, io.EOF, a.RecvMsg(new(Msg), MsgErrQueue, Within(0)))
	_, err := a.Recv(make([]byte, 1), MsgErrQueue, Within(0))
	assert.Equal(t, io.EOF, err)
	assert.Equal(t, uint64(2), a.Counters().ReadFails)
}
