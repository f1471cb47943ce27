package esock

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A call whose every try moves something heeds what a waiting call heeds. The hook stands where the kernel is, and gives
// one byte a time for as long as it is asked.

const bytesThere = 10000

// progressing makes a call for bytesThere bytes; at runs in the hook, at the third of its tries.
func progressing(t *testing.T, s *Socket, w Wait, at func()) (int, error) {
	t.Helper()
	tries := 0
	hooked(t, func(bool) int {
		if tries++; tries == 3 {
			at()
		}
		return 1
	})
	c := hookedCall()
	c.buf, c.whole = make([]byte, bytesThere), true
	return s.do(c, &w)
}

func TestProgressHeedsItsContext(t *testing.T) {
	_, s := pair(t, Stream)
	ctx, cancel := context.WithCancel(context.Background())
	n, err := progressing(t, s, Context(ctx), cancel)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 3, n, "and it says how much it has")
}

func TestProgressHeedsItsTime(t *testing.T) {
	pass := func(until time.Time) {
		for time.Now().Before(until) {
		}
	}
	const d = 5 * time.Millisecond
	for name, w := range map[string]func() Wait{
		"within":   func() Wait { return Within(d) },
		"until":    func() Wait { return Until(time.Now().Add(d)) },
		"begun":    func() Wait { return Within(d).Begin() },
		"spinning": func() Wait { return Within(d).Spin(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			_, s := pair(t, Stream)
			n, err := progressing(t, s, w(), func() { pass(time.Now().Add(2 * d)) })
			assert.Equal(t, ErrTimeout, err)
			assert.LessOrEqual(t, n, 3)
			assert.Positive(t, n)
		})
	}
}

func TestProgressHeedsClose(t *testing.T) {
	for name, w := range map[string]Wait{"for ever": Forever, "poll": Within(0), "asynchronous": NoWait(NewMailbox())} {
		t.Run(name, func(t *testing.T) {
			_, s := pair(t, Stream)
			closed := make(chan error)
			n, err := progressing(t, s, w, func() {
				go func() { closed <- s.Close() }()
				eventually(t, s.closing, "closing")
			})
			assert.ErrorIs(t, err, net.ErrClosed)
			assert.Equal(t, 3, n)
			assert.NoError(t, <-closed)
		})
	}
}

func TestProgressOfACallThatDoesNotWaitIsBounded(t *testing.T) {
	_, s := pair(t, Stream)
	n, err := progressing(t, s, Within(0), func() {})
	assert.Equal(t, ErrTimeout, err)
	assert.Equal(t, pollTries, n)
}

func TestProgressOfAnAsynchronousCallIsBounded(t *testing.T) {
	a, s := pair(t, Stream)
	_, err := a.Send([]byte("x"), 0, Forever) // it is readable
	require.NoError(t, err)
	mb := NewMailbox()
	n, err := progressing(t, s, NoWait(mb), func() {})
	assert.Equal(t, pollTries, n)
	sel, ok := err.(*Select)
	require.True(t, ok, "%v", err)
	sameMessage(t, SelectMsg{sel.Handle()}, receive(t, mb))
	assert.NoError(t, s.Cancel(sel))
}

// Those beside a call that goes on need not wait for it to find out that it does.
func TestProgressIsTheCurrentRequest(t *testing.T) {
	_, s := pair(t, Stream)
	type answer struct {
		n   int
		err error
	}
	mb := NewMailbox()
	beside := make(chan answer, 1)
	_, err := progressing(t, s, Forever, func() {
		ask := func(f func() (int, error)) (a answer, ok bool) {
			go func() { n, err := f(); beside <- answer{n, err} }()
			select {
			case a = <-beside:
				return a, true
			case <-time.After(patience):
				return a, false
			}
		}
		a, ok := ask(func() (int, error) { return s.Recv(make([]byte, 1), 0, Within(0)) })
		if assert.True(t, ok, "a call that only looks is answered") {
			assert.Equal(t, answer{0, ErrTimeout}, a)
		}
		a, ok = ask(func() (int, error) { _, err := s.Recv(make([]byte, 1), 0, NoWait(mb)); return 0, err })
		if assert.True(t, ok, "an asynchronous one is queued") {
			assert.IsType(t, (*Select)(nil), a.err)
			assert.NoError(t, s.Cancel(a.err.(*Select)))
		}
	})
	assert.NoError(t, err)
	assert.Nil(t, s.lanes[reading].cur)
	assert.False(t, s.state.Load()&stParked(reading) != 0, "no call is there any more")
}

// What ends the stream ends those queued; what one call did wrong, or met alone, does not.
func TestWhichErrorsEndTheQueue(t *testing.T) {
	stream, _ := pair(t, Stream)
	seq, _ := pair(t, SeqPacket)
	dgram, _ := pair(t, Dgram)
	ends := []syscall.Errno{syscall.EPIPE, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ENOTCONN, syscall.ETIMEDOUT}
	own := []syscall.Errno{syscall.EBADF, syscall.EINVAL, syscall.ESPIPE, syscall.EPERM, syscall.EACCES, syscall.EISCONN,
		syscall.ETOOMANYREFS, syscall.EIO, syscall.ENOBUFS, syscall.ENOMEM, syscall.EFAULT, syscall.EMSGSIZE,
		syscall.EOPNOTSUPP, syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.EMFILE, syscall.EDESTADDRREQ}
	for op := OpRecv; op <= OpSendFile; op++ {
		if op == OpConnect {
			continue
		}
		for _, errno := range own {
			for _, s := range []*Socket{stream, seq, dgram} {
				assert.False(t, s.isFatal(&call{op: op}, errno), "%v %v", op, errno)
			}
		}
		for _, errno := range ends {
			want := op != OpSendFile || errno == syscall.EPIPE || errno == syscall.ECONNRESET
			assert.Equal(t, want, stream.isFatal(&call{op: op}, errno), "%v %v", op, errno)
			assert.False(t, dgram.isFatal(&call{op: op}, errno), "%v %v", op, errno)
			assert.False(t, stream.isFatal(&call{op: OpConnect}, errno))
			assert.False(t, stream.isFatal(&call{op: OpRecvErr}, errno))
			assert.False(t, stream.isFatal(&call{op: OpRecvMsg, flags: int(MsgErrQueue)}, errno))
		}
	}
	assert.True(t, seq.isFatal(&call{op: OpSend}, syscall.EPIPE))
	assert.True(t, stream.isFatal(&call{op: OpAccept}, syscall.EINVAL), "it listens no longer")
	for _, errno := range append(ends, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EPERM) {
		assert.False(t, stream.isFatal(&call{op: OpAccept}, errno), "%v is one connection's", errno)
	}
}
