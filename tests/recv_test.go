package tests

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

// receiver is one of the ways to receive into a buffer.
type receiver struct {
	name string
	recv func(s *esock.Socket, b []byte, w esock.Wait) (int, error)
}

var receivers = []receiver{
	{"recv", func(s *esock.Socket, b []byte, w esock.Wait) (int, error) { return s.Recv(b, 0, w) }},
	{"recvfrom", func(s *esock.Socket, b []byte, w esock.Wait) (int, error) {
		n, _, err := s.RecvFrom(b, 0, w)
		return n, err
	}},
	{"recvmsg", func(s *esock.Socket, b []byte, w esock.Wait) (int, error) {
		m := esock.Msg{Buf: b}
		err := s.RecvMsg(&m, 0, w)
		return len(m.Data()), err
	}},
}

func eachReceiver(t *testing.T, test func(t *testing.T, r receiver)) {
	for _, r := range receivers {
		t.Run(r.name, func(t *testing.T) { test(t, r) })
	}
}

// The outcomes that a call has at once are those of every waiting form.
func TestRecv_Outcomes(t *testing.T) {
	for name, c := range map[string]struct {
		typ  esock.Type
		send []string // nil: nothing, and the peer closes
		size int
		want string
		err  error
	}{
		"stream: what is there":             {esock.Stream, []string{"abc"}, 10, "abc", nil},
		"stream: the buffer filled":         {esock.Stream, []string{"abcdef"}, 3, "abc", nil},
		"stream: the end":                   {esock.Stream, nil, 10, "", ioEOF},
		"dgram: one message":                {esock.Dgram, []string{"abc", "def"}, 10, "abc", nil},
		"dgram: cut silently":               {esock.Dgram, []string{"abcdef", "g"}, 3, "abc", nil},
		"dgram: an empty message":           {esock.Dgram, []string{"", "x"}, 10, "", nil},
		"seqpacket: one message":            {esock.SeqPacket, []string{"abc", "def"}, 10, "abc", nil},
		"seqpacket: an empty message":       {esock.SeqPacket, []string{"", "x"}, 10, "", nil},
		"seqpacket: the end":                {esock.SeqPacket, nil, 10, "", ioEOF},
		"seqpacket: cut to the buffer, too": {esock.SeqPacket, []string{"abcdef"}, 3, "abc", nil},
	} {
		t.Run(name, func(t *testing.T) {
			eachReceiver(t, func(t *testing.T, way receiver) {
				mb := esock.NewMailbox()
				for _, w := range append(kinds(mb), esock.Within(patience), esock.Context(context.Background())) {
					a, b := pair(t, c.typ)
					for _, m := range c.send {
						send(t, a, m)
					}
					if c.send == nil {
						a.Close()
					}
					buf := make([]byte, c.size)
					n, err := way.recv(b, buf, w)
					assert.Equal(t, c.err, err)
					assert.Equal(t, c.want, string(buf[:n]))
				}
				assert.Zero(t, mb.Len())
			})
		})
	}
}

func TestRecv_EndAbortsQueuedReaders(t *testing.T) {
	for _, typ := range []esock.Type{esock.Stream, esock.SeqPacket} {
		t.Run(typ.String(), func(t *testing.T) {
			eachReceiver(t, func(t *testing.T, way receiver) {
				a, b := pair(t, typ)
				m1, m2 := esock.NewMailbox(), esock.NewMailbox()
				s1, s2 := recvSelect(t, b, m1), recvSelect(t, b, m2)
				blocked := recvStart(t, b, make([]byte, 1), esock.Forever, 3)
				a.Close()
				assert.Equal(t, selectOf(s1), message(t, m1))
				_, err := way.recv(b, make([]byte, 1), esock.NoWait(m1))
				require.Equal(t, ioEOF, err)
				if way.name == "recv" || typ == esock.SeqPacket {
					assert.Equal(t, abortOf(s2, ioEOF), message(t, m2))
				} else if msg := message(t, m2); msg == selectOf(s2) { // or they meet the end themselves
					_, err = b.Recv(make([]byte, 1), 0, esock.NoWait(m2))
					assert.Equal(t, ioEOF, err)
				} else {
					assert.Equal(t, abortOf(s2, ioEOF), msg)
				}
				assert.Equal(t, ioEOF, result(t, blocked).err)
				assert.Zero(t, b.Info().NumReaders)
			})
		})
	}
}

func TestRecv_EndAbortsQueuedCompletions(t *testing.T) {
	for _, typ := range []esock.Type{esock.Stream, esock.SeqPacket} {
		a, b := pair(t, typ)
		m1, m2 := esock.NewMailbox(), esock.NewMailbox()
		s1, s2 := completionForm.recv(t, b, m1), completionForm.recv(t, b, m2)
		blocked := recvStart(t, b, make([]byte, 1), esock.Forever, 3)
		a.Close()
		require.Equal(t, ioEOF, completionForm.end(t, s1, m1, nil))
		assert.Equal(t, abortOf(s2, ioEOF), message(t, m2))
		assert.Equal(t, ioEOF, result(t, blocked).err)
		assert.Zero(t, b.Info().NumReaders)
	}
}

func TestRecv_ResetAbortsQueuedReaders(t *testing.T) { eachForm(t, resetAborts) }

func resetAborts(t *testing.T, f form) {
	a, b := tcpPair(t)
	m1, m2 := esock.NewMailbox(), esock.NewMailbox()
	s1, s2 := f.recv(t, b, m1), f.recv(t, b, m2)
	blocked := recvStart(t, b, make([]byte, 1), esock.Forever, 3)
	require.NoError(t, sockopt.SocketLinger.Set(a, sockopt.Linger{On: true}))
	a.Close()
	require.ErrorIs(t, f.end(t, s1, m1, receives1(b)), syscall.ECONNRESET)
	assert.Equal(t, abortOf(s2, syscall.ECONNRESET), message(t, m2))
	assert.ErrorIs(t, result(t, blocked).err, syscall.ECONNRESET)
}

func TestRecv_OtherErrors(t *testing.T) {
	closed, _ := udp(t)
	closed.Close()
	for name, c := range map[string]struct {
		s     *esock.Socket
		flags esock.MsgFlags
		err   error
	}{
		"not open":            {closed, 0, errClosed},
		"tcp never connected": {open(t, esock.Inet, esock.Stream, esock.TCP), 0, syscall.ENOTCONN},
		"no urgent data":      {first(tcpPair(t)), esock.MsgOOB, syscall.EINVAL},
	} {
		t.Run(name, func(t *testing.T) {
			mb := esock.NewMailbox()
			for _, w := range kinds(mb) {
				_, err := c.s.Recv(make([]byte, 1), c.flags, w)
				assert.ErrorIs(t, err, c.err)
				_, err = c.s.RecvBytes(0, c.flags, w)
				assert.ErrorIs(t, err, c.err)
			}
			assert.Zero(t, c.s.Info().NumReaders)
		})
	}
}

func first(a, _ *esock.Socket) *esock.Socket { return a }

// Less than a length that was asked for, on a stream: the call needs the rest.
func TestRecvFull_Stream(t *testing.T) {
	t.Run("polled", func(t *testing.T) {
		a, b := pair(t, esock.Stream)
		send(t, a, "abc")
		buf := make([]byte, 5)
		n, err := b.RecvFull(buf, 0, esock.Within(0))
		assert.Equal(t, outcome{3, esock.ErrTimeout}, outcome{n, err})
		n, err = b.RecvFull(buf, 0, esock.Within(0))
		assert.Equal(t, outcome{0, esock.ErrTimeout}, outcome{n, err})
	})
	t.Run("waited for", func(t *testing.T) {
		a, b := pair(t, esock.Stream)
		send(t, a, "abc")
		buf := make([]byte, 5)
		got := start(func() (int, error) { return b.RecvFull(buf, 0, esock.Forever) })
		readers(t, b, 1)
		send(t, a, "defgh")
		assert.Equal(t, outcome{5, nil}, result(t, got))
		assert.Equal(t, "abcde", string(buf))
		assert.Equal(t, "fgh", recv(t, b))
		c := b.Counters()
		assert.EqualValues(t, 5, c.ReadPkgMax, "one request")
		assert.EqualValues(t, 2, c.ReadPkg)
	})
	t.Run("selected, then asked for what is missing", func(t *testing.T) {
		a, b := pair(t, esock.Stream)
		mb := esock.NewMailbox()
		send(t, a, "abc")
		buf := make([]byte, 5)
		n, err := b.RecvFull(buf, 0, esock.NoWait(mb))
		assert.Equal(t, 3, n)
		sel := selected(t, err)
		send(t, a, "de")
		assert.Equal(t, selectOf(sel), message(t, mb))
		n, err = b.RecvFull(buf[3:], 0, esock.NoWait(mb).Continue(sel))
		assert.Equal(t, outcome{2, nil}, outcome{n, err})
		assert.Equal(t, "abcde", string(buf))
		c := b.Counters()
		assert.EqualValues(t, 5, c.ReadByte)
		assert.EqualValues(t, 1, c.ReadPkg)
		assert.EqualValues(t, 5, c.ReadPkgMax, "the steps are summed")
	})
	ends := map[string]struct {
		end  func(a, b *esock.Socket, cancel func())
		want error
	}{
		"the end":      {func(a, _ *esock.Socket, _ func()) { a.Close() }, ioEOF},
		"closed here":  {func(_, b *esock.Socket, _ func()) { b.Close() }, errClosed},
		"cancelled":    {func(_, _ *esock.Socket, cancel func()) { cancel() }, context.Canceled},
		"out of time":  {nil, esock.ErrTimeout},
		"peer's reset": {func(a, _ *esock.Socket, _ func()) { a.Close() }, syscall.ECONNRESET},
	}
	for name, c := range ends {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, esock.Stream)
			ctx, cancel := cancellable(t)
			w := esock.Context(ctx)
			if c.end == nil {
				w = esock.Within(5 * time.Millisecond)
			}
			if c.want == syscall.ECONNRESET {
				send(t, b, "unread")
			}
			send(t, a, "abc")
			got := start(func() (int, error) { return b.RecvFull(make([]byte, 5), 0, w) })
			if c.end != nil {
				readers(t, b, 1)
				c.end(a, b, cancel)
			}
			o := result(t, got)
			assert.ErrorIs(t, o.err, c.want)
			assert.Equal(t, 3, o.n, "and what came is there")
		})
	}
}

func TestLengthBeyondTheMessageEndsWithTheMessage(t *testing.T) {
	for _, typ := range []esock.Type{esock.Dgram, esock.SeqPacket} {
		for _, w := range append(kinds(esock.NewMailbox()), esock.Within(patience)) {
			a, b := pair(t, typ)
			send(t, a, "one")
			send(t, a, "two")
			got, err := b.RecvBytes(100, 0, w)
			require.NoError(t, err)
			assert.Equal(t, "one", string(got))
			buf := make([]byte, 100)
			n, err := b.RecvFull(buf, 0, w)
			assert.Equal(t, outcome{3, nil}, outcome{n, err})
		}
	}
}

func TestPeekNeverAccumulates(t *testing.T) {
	a, b := pair(t, esock.Stream)
	send(t, a, "abc")
	buf := make([]byte, 10)
	for range 2 {
		n, err := b.RecvFull(buf, esock.MsgPeek, esock.Within(patience))
		assert.Equal(t, outcome{3, nil}, outcome{n, err})
	}
	got, err := b.RecvBytes(10, esock.MsgPeek, esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, "abc", string(got))
	assert.Zero(t, b.Counters().ReadByte, "peeked bytes are not counted")
	require.NoError(t, sockopt.Set(b, "otp", "rcvbuf", esock.RcvBuf{N: 5, Size: 3}))
	got, err = b.RecvBytes(0, esock.MsgPeek, esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, "abc", string(got))
	assert.Equal(t, "abc", recv(t, b))
}

func TestPollRespectsTheQueue(t *testing.T) {
	eachReceiver(t, func(t *testing.T, way receiver) {
		a, b := pair(t, esock.Stream)
		mb := esock.NewMailbox()
		sel := recvSelect(t, b, mb)
		send(t, a, "abc")
		assert.Equal(t, selectOf(sel), message(t, mb))
		_, err := way.recv(b, make([]byte, 5), esock.Within(0))
		assert.Equal(t, esock.ErrTimeout, err, "it is another's")
		assert.Equal(t, 1, b.Info().NumReaders, "it stays current")
		n, err := way.recv(b, make([]byte, 5), esock.NoWait(mb))
		assert.Equal(t, outcome{3, nil}, outcome{n, err})
	})
}

// RecvBytesFrom makes a buffer of the size asked for, or of the option's.
func TestRecvBytesFrom(t *testing.T) {
	from, sender := udp(t)
	to, addr := udp(t)
	sendTo := func(size int) {
		n, err := from.SendTo(bytes.Repeat([]byte("x"), size), addr, 0, esock.Forever)
		require.NoError(t, err)
		require.Equal(t, size, n)
	}
	require.NoError(t, to.SetRcvBuf(esock.RcvBuf{Size: 50}))
	// In the completion form the buffer is the call's, and keeps what room it has if that is little.
	for _, c := range []struct{ sent, length, want int }{
		{10, 0, 10}, {100, 0, 50}, {100, 20, 20}, {100, 200, 100}, {0, 0, 0}, {0, 5, 0},
	} {
		for _, w := range []esock.Wait{esock.Forever, esock.Within(patience), esock.NoWait(esock.NewMailbox())} {
			sendTo(c.sent)
			got, a, err := to.RecvBytesFrom(c.length, 0, w)
			require.NoError(t, err)
			assert.NotNil(t, got)
			assert.Equal(t, bytes.Repeat([]byte("x"), c.want), got)
			assert.Equal(t, c.want, cap(got), "it is as long as its data")
			assert.Equal(t, sender, a)
		}
	}
	sendTo(100)
	got, _, err := to.RecvBytesFrom(0, esock.MsgTrunc, esock.Forever)
	require.NoError(t, err)
	assert.Len(t, got, 50, "the full length is for RecvFrom")
	got, a, err := to.RecvBytesFrom(0, 0, esock.Within(0))
	assert.Equal(t, esock.ErrTimeout, err)
	assert.Nil(t, got)
	assert.Zero(t, a)
	for _, length := range append(testint.Wide(), -1) {
		_, _, err = to.RecvBytesFrom(length, 0, esock.Forever)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "data_size"})
	}
	_, server := tcpPair(t)
	_, _, err = server.RecvBytesFrom(0, esock.MsgTrunc, esock.Forever)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "msg_flag"})
}

func TestRecvBytes_BufferOption(t *testing.T) {
	data := string(content(1000))
	for name, c := range map[string]struct {
		option any
		typ    esock.Type
		want   int
	}{
		"default":                         {"default", esock.Stream, 1000},
		"a size":                          {300, esock.Stream, 300},
		"N of a size":                     {esock.RcvBuf{N: 3, Size: 300}, esock.Stream, 900},
		"N more than there is":            {esock.RcvBuf{N: 9, Size: 300}, esock.Stream, 1000},
		"filled exactly, and no more":     {esock.RcvBuf{N: 9, Size: 500}, esock.Stream, 1000},
		"N means nothing to message type": {esock.RcvBuf{N: 3, Size: 300}, esock.Dgram, 300},
	} {
		t.Run(name, func(t *testing.T) {
			for _, w := range kinds(esock.NewMailbox()) {
				a, b := pair(t, c.typ)
				require.NoError(t, sockopt.Set(b, "otp", "rcvbuf", c.option))
				send(t, a, data)
				got, err := b.RecvBytes(0, 0, w)
				require.NoError(t, err)
				assert.Equal(t, data[:c.want], string(got))
				assert.Zero(t, b.Info().NumReaders, "the slot is not held")
			}
		})
	}
	t.Run("the end behind the data is met by the next call", func(t *testing.T) {
		a, b := pair(t, esock.Stream)
		require.NoError(t, sockopt.Set(b, "otp", "rcvbuf", esock.RcvBuf{N: 3, Size: 500}))
		send(t, a, data)
		a.Close()
		assert.Equal(t, data, recv(t, b))
		_, err := b.RecvBytes(0, 0, esock.Forever)
		assert.Equal(t, ioEOF, err)
	})
}

func TestResultIsAsLongAsTheData(t *testing.T) {
	a, b := pair(t, esock.Dgram)
	require.NoError(t, sockopt.Set(b, "otp", "rcvbuf", 60_000))
	for _, length := range []int{0, 50_000} {
		send(t, a, "tiny")
		got, err := b.RecvBytes(length, 0, esock.Forever)
		require.NoError(t, err)
		assert.Equal(t, "tiny", string(got))
		assert.LessOrEqual(t, cap(got), 64, "no large buffer behind it")
	}
}

func TestSignalsDoNotEndCalls(t *testing.T) {
	a, b := pair(t, esock.Stream)
	signals := 0
	stop := testwait.Repeat(func() {
		syscall.Kill(syscall.Getpid(), syscall.SIGURG) // the runtime takes it for itself
		signals++
		runtime.Gosched()
	})
	data := content(4 << 20)
	sent := start(func() (int, error) { return a.Send(data, 0, esock.Within(patience)) })
	got := make([]byte, len(data))
	n, err := b.RecvFull(got, 0, esock.Within(patience))
	assert.Equal(t, outcome{len(data), nil}, outcome{n, err})
	assert.Equal(t, outcome{len(data), nil}, result(t, sent))
	assert.True(t, bytes.Equal(data, got))
	stop()
	assert.Positive(t, signals)
}

func TestTruncFlag(t *testing.T) {
	t.Run("datagram: clipped, and the full length told", func(t *testing.T) {
		a, b := pair(t, esock.Dgram)
		for range 4 {
			send(t, a, "abcdef")
		}
		buf := []byte("......")
		n, err := b.Recv(buf[:3], esock.MsgTrunc, esock.Forever)
		assert.Equal(t, outcome{6, nil}, outcome{n, err})
		assert.Equal(t, "abc...", string(buf))
		n, _, err = b.RecvFrom(buf[:3], esock.MsgTrunc, esock.Forever)
		assert.Equal(t, outcome{6, nil}, outcome{n, err})
		n, err = b.RecvFull(buf[:3], esock.MsgTrunc, esock.Forever)
		assert.Equal(t, outcome{6, nil}, outcome{n, err})
		m := esock.Msg{Buf: buf[:3]}
		require.NoError(t, b.RecvMsg(&m, esock.MsgTrunc, esock.Forever))
		assert.Equal(t, "abc", string(m.Data()))
		assert.Equal(t, 6, m.FullLen)
		assert.NotZero(t, m.Flags&esock.MsgTrunc)
		assert.EqualValues(t, 12, b.Counters().ReadByte)
	})
	t.Run("TCP: thrown away, a count and no data", func(t *testing.T) {
		a, b := tcpPair(t)
		send(t, a, "abcdef")
		buf := []byte("......")
		n, err := b.Recv(buf[:4], esock.MsgTrunc, esock.Within(patience))
		assert.Equal(t, outcome{4, nil}, outcome{n, err})
		assert.Equal(t, "......", string(buf))
		assert.Equal(t, "ef", recv(t, b))
	})
}

// With credentials, the kernel distinguishes an empty message from the end.
func TestSeqpacketEmptyMessagesAndTheEnd(t *testing.T) {
	for _, cred := range []bool{false, true} {
		a, b := pair(t, esock.SeqPacket)
		require.NoError(t, sockopt.SocketPassCred.Set(b, cred))
		send(t, a, "")
		send(t, a, "x")
		send(t, a, "")
		if !cred {
			send(t, a, "last")
		}
		a.Close()
		m := esock.Msg{Buf: make([]byte, 10)}
		var got []string
		for {
			err := b.RecvMsg(&m, 0, esock.Forever)
			if err != nil {
				assert.Equal(t, ioEOF, err)
				break
			}
			got = append(got, string(m.Data()))
		}
		if cred { // then even an empty last message is told from the end
			assert.Equal(t, []string{"", "x", ""}, got)
		} else {
			assert.Equal(t, []string{"", "x", "", "last"}, got)
		}
	}
}

// What has no sender has not that of an earlier call's message.
func TestRecvFromOfAnEmptyMessageHasNoOtherAddress(t *testing.T) {
	s, to := udp(t)
	a, b := pair(t, esock.SeqPacket)
	for range 20 {
		_, err := s.SendTo(nil, to, 0, esock.Forever)
		require.NoError(t, err)
		send(t, a, "")
		n, from, err := b.RecvFrom(make([]byte, 4), 0, esock.Forever)
		require.NoError(t, err)
		assert.Zero(t, n)
		require.Zero(t, from)
	}
}

func TestRecvFrom(t *testing.T) {
	// A connected stream gives no address.
	a, b := tcpPair(t)
	send(t, a, "x")
	_, from, err := b.RecvFrom(make([]byte, 4), 0, esock.Forever)
	require.NoError(t, err)
	assert.True(t, from.IsZero())
	// Nor does an unnamed unix datagram sender have a name.
	x, y := pair(t, esock.Dgram)
	send(t, x, "x")
	_, from, err = y.RecvFrom(make([]byte, 4), 0, esock.Forever)
	require.NoError(t, err)
	assert.Empty(t, from.Path())
	// The size is found by peeking.
	s, _ := udp(t)
	d, to := udp(t)
	_, err = s.SendTo([]byte("abcdef"), to, 0, esock.Forever)
	require.NoError(t, err)
	m := esock.Msg{Buf: make([]byte, 1)}
	require.NoError(t, d.RecvMsg(&m, esock.MsgPeek|esock.MsgTrunc, esock.Within(patience)))
	require.Equal(t, 6, m.FullLen)
	got, err := d.RecvBytes(m.FullLen, 0, esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, "abcdef", string(got))
}

func TestRecvMsg_FlagsAndControl(t *testing.T) {
	s, _ := udp(t)
	d, to := udp(t)
	require.NoError(t, sockopt.IPRecvTTL.Set(d, true))
	_, err := s.SendTo([]byte("hello"), to, 0, esock.Forever)
	require.NoError(t, err)
	var m esock.Msg
	require.NoError(t, d.RecvMsg(&m, 0, esock.Within(patience)))
	assert.Equal(t, "hello", string(m.Data()))
	assert.Equal(t, sockName(t, s), m.Addr)
	assert.Zero(t, m.Flags, "cmsg_cloexec, which esock adds, is masked out")
	n := 0
	for c := range m.Control() {
		n++
		ttl, ok := c.TTL()
		assert.True(t, ok)
		assert.Positive(t, ttl)
	}
	assert.Equal(t, 1, n)
	// A peek of an asynchronous caller does not move the data.
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	sel := selected(t, b.RecvMsg(&m, esock.MsgPeek, esock.NoWait(mb)))
	send(t, a, "data")
	assert.Equal(t, selectOf(sel), message(t, mb))
	require.NoError(t, b.RecvMsg(&m, esock.MsgPeek, esock.NoWait(mb)))
	require.NoError(t, b.RecvMsg(&m, 0, esock.NoWait(mb)))
	assert.Equal(t, "data", string(m.Data()))
}

func TestRecv_LowWater(t *testing.T) {
	a, b := tcpPair(t)
	require.NoError(t, sockopt.SocketRcvLowat.Set(b, 4))
	send(t, a, "ab")
	readable(t, b)
	n, err := b.Recv(make([]byte, 10), 0, esock.Within(patience))
	assert.Equal(t, outcome{2, nil}, outcome{n, err}, "a direct read delivers fewer")
	mb := esock.NewMailbox()
	sel := recvSelect(t, b, mb)
	send(t, a, "abcd")
	assert.Equal(t, selectOf(sel), message(t, mb))
}

// A whole receive that is woken for each small piece sets a mark of its own. One that the user sets meanwhile stands afterwards,
// however it is set.
func TestRecvFull_LeavesTheUsersLowWater(t *testing.T) {
	for name, set := range map[string]func(s *esock.Socket) error{
		"typed":   func(s *esock.Socket) error { return sockopt.SocketRcvLowat.Set(s, 5) },
		"by name": func(s *esock.Socket) error { return sockopt.Set(s, "socket", "rcvlowat", 5) },
		"together": func(s *esock.Socket) error {
			return sockopt.SetAll(s, []sockopt.Setting{{Level: "socket", Name: "rcvlowat", Value: 5},
				{Level: "socket", Name: "keepalive", Value: true}})
		},
		"native": func(s *esock.Socket) error {
			return s.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, 5)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := tcpPair(t)
			const size = 1 << 16
			done := make(chan outcome, 1)
			go func() {
				n, err := b.RecvFull(make([]byte, size), 0, esock.Forever)
				done <- outcome{n, err}
			}()
			mark := func() int {
				mark, err := sockopt.SocketRcvLowat.Get(b)
				require.NoError(t, err)
				return mark
			}
			sent := 0
			for ; mark() == 1; sent++ {
				require.Less(t, sent, 100, "it sets a mark")
				eventually(t, "the wait", func() bool { return b.Counters().ReadWaits == uint64(sent+1) })
				send(t, a, "x")
				eventually(t, "the next wait", func() bool { return b.Counters().ReadWaits > uint64(sent+1) })
			}
			require.NoError(t, set(b))
			send(t, a, strings.Repeat("x", size-sent))
			assert.Equal(t, outcome{size, nil}, result(t, done))
			assert.Equal(t, 5, mark())
		})
	}
}

// MSG_DONTWAIT and MSG_WAITALL change nothing: the Wait says whether a call waits, and the method whether it wants all.
func TestRecv_FlagsOfWaitingChangeNothing(t *testing.T) {
	for _, flags := range []esock.MsgFlags{syscall.MSG_DONTWAIT, syscall.MSG_WAITALL} {
		a, b := pair(t, esock.Stream)
		waits := b.Counters().ReadWaits
		got := start(func() (int, error) { return b.Recv(make([]byte, 10), flags, esock.Forever) })
		eventually(t, "the wait", func() bool { return b.Counters().ReadWaits > waits })
		send(t, a, "abc")
		assert.Equal(t, outcome{3, nil}, result(t, got), "%v", flags)
		_, err := b.Recv(make([]byte, 10), flags, esock.Within(0))
		assert.Equal(t, esock.ErrTimeout, err, "%v", flags)
		waits = a.Counters().WriteWaits
		sent := start(func() (int, error) { return a.Send(make([]byte, 8<<20), flags&syscall.MSG_DONTWAIT, esock.Forever) })
		eventually(t, "the wait", func() bool { return a.Counters().WriteWaits > waits })
		drain(t, b, 8<<20)
		assert.Equal(t, outcome{8 << 20, nil}, result(t, sent), "%v", flags)
	}
}
