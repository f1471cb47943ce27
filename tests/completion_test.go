package tests

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/sockopt"
)

// carried is the Completion that err must be.
func carried(t testing.TB, err error) *esock.Completion {
	t.Helper()
	c, ok := err.(*esock.Completion)
	require.True(t, ok, "it is not carried out: %v", err)
	return c
}

// completed takes the message about a call.
func completed(t testing.TB, mb *esock.Mailbox, c *esock.Completion) esock.CompletionMsg {
	t.Helper()
	msg := message(t, mb)
	require.Equal(t, esock.CompletionMsg{Handle: c.Handle()}, msg)
	assert.Equal(t, c.Op(), msg.(esock.CompletionMsg).Op())
	return msg.(esock.CompletionMsg)
}

// moved is what a call moved that must have succeeded.
func moved(t testing.TB, m esock.CompletionMsg) int {
	t.Helper()
	n, err := m.Result()
	require.NoError(t, err)
	return n
}

func TestCompletion_AtOnce(t *testing.T) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	n, err := a.Send([]byte("data"), 0, esock.Complete(mb))
	assert.Equal(t, outcome{4, nil}, outcome{n, err})
	n, err = b.RecvFull(make([]byte, 2), 0, esock.Complete(mb))
	assert.Equal(t, outcome{2, nil}, outcome{n, err})
	data, err := b.RecvBytes(0, 0, esock.Complete(mb))
	assert.Equal(t, "ta", string(data))
	assert.NoError(t, err)
	l, addr := listener(t, 5)
	dial(t, addr)
	testPeerIsThere(t, l)
	s, err := l.Accept(esock.Complete(mb))
	require.NoError(t, err)
	assert.Equal(t, mb, s.Owner())
	assert.NoError(t, s.Close())
	assert.Zero(t, mb.Len())
	assert.Empty(t, b.Info().RStates, "never armed")
}

// testPeerIsThere returns when a connection waits to be accepted.
func testPeerIsThere(t *testing.T, l *esock.Socket) {
	eventually(t, "a connection", func() bool {
		info, err := sockopt.TCPInfo.Get(l)
		require.NoError(t, err)
		return info.Unacked > 0
	})
}

func TestCompletion_Receives(t *testing.T) {
	from, at := udp(t)
	s, to := udp(t)
	mb := esock.NewMailbox()
	h := mb.NewHandle()
	buf := make([]byte, 8)
	m := &esock.Msg{Buf: buf}
	for name, call := range map[string]func() error{
		"recv":          func() error { _, err := s.Recv(buf, 0, esock.CompleteWith(h)); return err },
		"recvfull":      func() error { _, err := s.RecvFull(buf, 0, esock.CompleteWith(h)); return err },
		"recvfrom":      func() error { _, _, err := s.RecvFrom(buf, 0, esock.CompleteWith(h)); return err },
		"recvbytes":     func() error { _, err := s.RecvBytes(0, 0, esock.CompleteWith(h)); return err },
		"recvbytesfrom": func() error { _, _, err := s.RecvBytesFrom(0, 0, esock.CompleteWith(h)); return err },
		"recvmsg":       func() error { return s.RecvMsg(m, 0, esock.CompleteWith(h)) },
		"peek":          func() error { _, err := s.Recv(buf, esock.MsgPeek, esock.CompleteWith(h)); return err },
	} {
		t.Run(name, func(t *testing.T) {
			clear(buf)
			waits := s.Counters().ReadWaits
			c := carried(t, call())
			assert.Equal(t, h, c.Handle())
			assert.True(t, h.Busy())
			i := s.Info()
			assert.Equal(t, 1, i.NumReaders)
			assert.Equal(t, waits+1, s.Counters().ReadWaits)
			_, err := from.SendTo([]byte("data"), to, 0, esock.Forever)
			require.NoError(t, err)
			done := completed(t, mb, c)
			assert.Equal(t, 4, moved(t, done))
			assert.Equal(t, "data", string(done.Data()))
			assert.False(t, h.Busy())
			assert.Zero(t, s.Info().NumReaders)
			assert.Equal(t, waits+1, s.Counters().ReadWaits, "one wait")
			switch name {
			case "recvfrom", "recvbytesfrom":
				assert.Equal(t, at, done.From())
			case "recvmsg":
				assert.Equal(t, m, done.Msg())
				assert.Equal(t, "data", string(m.Data()))
				assert.Equal(t, at, m.Addr)
			case "peek":
				assert.Equal(t, "data", recv(t, s))
			}
		})
	}
}

// A message that is too long is cut, and control messages that do not fit are an error, as in the other forms.
func TestCompletion_CutMessages(t *testing.T) {
	from, _ := udp(t)
	s, to := udp(t)
	require.NoError(t, sockopt.Set(s, "ip", "pktinfo", true))
	mb := esock.NewMailbox()
	m := &esock.Msg{Buf: make([]byte, 2), CtrlSize: 8}
	for _, flags := range []esock.MsgFlags{0, esock.MsgCTrunc} {
		c := carried(t, s.RecvMsg(m, flags, esock.Complete(mb)))
		_, err := from.SendTo([]byte("data"), to, 0, esock.Forever)
		require.NoError(t, err)
		n, err := completed(t, mb, c).Result()
		assert.Equal(t, 2, n)
		if flags == 0 {
			assert.ErrorIs(t, err, esock.ErrControlTruncated)
		} else {
			assert.NoError(t, err)
		}
		assert.Equal(t, esock.MsgTrunc|esock.MsgCTrunc, m.Flags&(esock.MsgTrunc|esock.MsgCTrunc))
	}
}

// A stream's RecvFull is over when everything has come, in however many pieces.
func TestCompletion_RecvFull(t *testing.T) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	send(t, a, "ab")
	buf := make([]byte, 6)
	n, err := b.RecvFull(buf, 0, esock.Complete(mb))
	assert.Zero(t, n, "the message has the count")
	c := carried(t, err)
	for _, piece := range []string{"c", "d", "e"} {
		send(t, a, piece)
		pollerTurn(t)
		assert.Zero(t, mb.Len())
		assert.Equal(t, esock.ErrTimeout, second(b.Recv(make([]byte, 1), 0, esock.Within(0))))
	}
	send(t, a, "fg")
	done := completed(t, mb, c)
	assert.Equal(t, 6, moved(t, done))
	assert.Equal(t, "abcdef", string(done.Data()))
	assert.Equal(t, "abcdef", string(buf))
	assert.Equal(t, "g", recv(t, b))

	_, err = b.RecvFull(buf, 0, esock.Complete(mb))
	c = carried(t, err)
	send(t, a, "xy")
	a.Close()
	done = completed(t, mb, c)
	n, err = done.Result()
	assert.Equal(t, outcome{2, io.EOF}, outcome{n, err})
	assert.Equal(t, "xy", string(done.Data()))
}

// A send to a stream is over when everything is sent. The count beside a Completion is 0.
func TestCompletion_Sends(t *testing.T) {
	const size = 1 << 20
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * 7 / 3)
	}
	small := make([][]byte, 0, size/100+1)
	for rest := data; len(rest) > 0; rest = rest[min(100, len(rest)):] {
		small = append(small, rest[:min(100, len(rest))])
	}
	file := contentOf(t, data)
	for name, call := range map[string]func(s *esock.Socket, w esock.Wait) (int, error){
		"send": func(s *esock.Socket, w esock.Wait) (int, error) { return s.Send(data, 0, w) },
		"sendv": func(s *esock.Socket, w esock.Wait) (int, error) {
			return s.SendV([][]byte{data[:5000], {}, data[5000:]}, w)
		},
		"sendv of small buffers": func(s *esock.Socket, w esock.Wait) (int, error) { return s.SendV(small, w) },
		"sendmsg": func(s *esock.Socket, w esock.Wait) (int, error) {
			return s.SendMsg(&esock.Msg{Iov: [][]byte{data[:4], data[4:]}}, 0, w)
		},
		"sendmsg of one buffer": func(s *esock.Socket, w esock.Wait) (int, error) {
			return s.SendMsg(&esock.Msg{Iov: [][]byte{data}}, 0, w)
		},
		"sendfile": func(s *esock.Socket, w esock.Wait) (int, error) {
			n, err := s.SendFile(file, 0, esock.ToEnd, w)
			return int(n), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, esock.Stream)
			mb := esock.NewMailbox()
			for _, queued := range []bool{false, true} {
				before := len(descriptors())
				first := 0
				var p *esock.Completion
				other := esock.NewMailbox()
				if queued {
					first = fill(t, a)
					_, err := a.Send([]byte("x"), 0, esock.Complete(other))
					p = carried(t, err)
				}
				n, err := call(a, esock.Complete(mb))
				assert.Zero(t, n)
				c := carried(t, err)
				assert.Contains(t, a.Info().WStates, "selected")
				got := make([]byte, first)
				_, err = b.RecvFull(got, 0, esock.Within(patience))
				require.NoError(t, err)
				if queued {
					assert.Equal(t, 1, moved(t, completed(t, other, p)))
					require.Equal(t, "x", recvExactly(t, b, 1))
				}
				got = make([]byte, size)
				_, err = b.RecvFull(got, 0, esock.Within(patience))
				require.NoError(t, err)
				require.True(t, bytes.Equal(data, got), "everything, in order")
				assert.Equal(t, size, moved(t, completed(t, mb, c)))
				assert.Zero(t, a.Info().NumWriters)
				assert.Len(t, descriptors(), before)
			}
		})
	}
}

// recvExactly receives n bytes.
func recvExactly(t testing.TB, s *esock.Socket, n int) string {
	t.Helper()
	buf := make([]byte, n)
	_, err := s.RecvFull(buf, 0, esock.Within(patience))
	require.NoError(t, err)
	return string(buf)
}

// contentOf is a file with that content.
func contentOf(t testing.TB, data []byte) *os.File {
	t.Helper()
	f := fileOf(t, len(data))
	w, err := os.OpenFile(f.Name(), os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return f
}

// A datagram is sent when its receiver has room, from memory that is the caller's again with the message. Control messages go
// with it.
func TestCompletion_Datagrams(t *testing.T) {
	a, b := pair(t, esock.Dgram)
	mb := esock.NewMailbox()
	fill(t, a)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	m := &esock.Msg{Iov: [][]byte{[]byte("with"), []byte("pipe")}}
	require.NoError(t, m.SetControl(esock.Rights(int(w.Fd()))))
	_, err = a.SendMsg(m, 0, esock.Complete(mb))
	c := carried(t, err)
	eventually(t, "the message", func() bool {
		b.RecvBytes(0, 0, esock.Within(0))
		return mb.Len() > 0
	})
	done := completed(t, mb, c)
	assert.Equal(t, 8, moved(t, done))
	w.Close()
	var got esock.Msg
	defer got.Reset()
	for string(got.Data()) != "withpipe" {
		require.NoError(t, b.RecvMsg(&got, 0, esock.Within(patience)))
	}
	assert.Len(t, got.TakeFiles(), 1)
}

func TestCompletion_SendTo(t *testing.T) {
	dir := t.TempDir()
	at := esock.UnixAddr(dir + "/s")
	to := open(t, esock.Local, esock.Dgram, esock.Default)
	require.NoError(t, to.Bind(at))
	s, mb := open(t, esock.Local, esock.Dgram, esock.Default), esock.NewMailbox()
	var c *esock.Completion
	for c == nil { // the receiver's queue is full soon, which no event ends
		_, err := s.SendTo([]byte("data"), at, 0, esock.Complete(mb))
		if err != nil {
			c = carried(t, err)
		}
	}
	eventually(t, "the message", func() bool {
		to.RecvBytes(0, 0, esock.Within(0))
		return mb.Len() > 0
	})
	assert.Equal(t, 4, moved(t, completed(t, mb, c)))
	for c = nil; c == nil; {
		_, err := s.SendTo([]byte("data"), at, 0, esock.Complete(mb))
		if err != nil {
			c = carried(t, err)
		}
	}
	require.NoError(t, to.Close())
	_, err := completed(t, mb, c).Result()
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.ErrorContains(t, err, at.String(), "it names the address")
}

func TestCompletion_Accept(t *testing.T) {
	sameDescriptors(t)
	l, addr := listener(t, 5)
	mb := esock.NewMailbox()
	_, err := l.Accept(esock.Complete(mb))
	c := carried(t, err)
	assert.Contains(t, l.Info().RStates, "accepting")
	assert.Equal(t, 1, l.Info().NumAcceptors)
	client := dial(t, addr)
	done := completed(t, mb, c)
	moved(t, done)
	s := done.Accepted()
	require.NotNil(t, s)
	assert.Equal(t, mb, s.Owner())
	assert.Contains(t, s.Info().WStates, "connected")
	echoes(t, client, s)
	assert.NotContains(t, l.Info().RStates, "accepting")
	mb.Close()
	assert.ErrorIs(t, s.Close(), errClosed, "its owner died")

	mb = esock.NewMailbox()
	_, err = l.Accept(esock.Complete(mb))
	c = carried(t, err)
	require.NoError(t, l.Shutdown(esock.ShutRead))
	_, err = completed(t, mb, c).Result()
	assert.ErrorIs(t, err, syscall.EINVAL)
}

func TestCompletion_Connect(t *testing.T) {
	l, addr := listener(t, 5)
	s, mb := open(t, esock.Inet, esock.Stream, esock.TCP), esock.NewMailbox()
	c := carried(t, s.Connect(addr, esock.Complete(mb)))
	moved(t, completed(t, mb, c))
	assert.Equal(t, []string{"connected"}, remove(s.Info().WStates, "selected"))
	peer, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, peer)
	echoes(t, s, peer)

	s = open(t, esock.Inet, esock.Stream, esock.TCP)
	to := nobody(t, esock.Stream)
	c = carried(t, s.Connect(to, esock.Complete(mb)))
	_, err = completed(t, mb, c).Result()
	require.Error(t, err)
	assert.ErrorContains(t, err, to.String(), "it names the address")

	s = open(t, esock.Inet, esock.Stream, esock.TCP)
	c = carried(t, s.Connect(pendingAddr(t), esock.Complete(mb)))
	assert.ErrorIs(t, s.FinishConnect(esock.Complete(mb)), esock.ErrState, "the library does that")
	assert.ErrorIs(t, s.Connect(addr, esock.NoWait(mb)), esock.ErrState)
	assert.ErrorIs(t, s.Connect(addr, esock.NoWait(esock.NewMailbox())), esock.ErrAlready)
	assert.ErrorIs(t, second(s.Send([]byte("x"), 0, esock.Within(0))), esock.ErrState)
	require.NoError(t, s.Cancel(c))
	assert.NotContains(t, s.Info().WStates, "connecting")
}

func remove(list []string, drop string) (rest []string) {
	for _, s := range list {
		if s != drop {
			rest = append(rest, s)
		}
	}
	return rest
}

// A mailbox has one call that is carried out in each direction of a socket.
func TestCompletion_OnePerMailbox(t *testing.T) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	buf := make([]byte, 1)
	_, err := b.Recv(buf, 0, esock.Complete(mb))
	c := carried(t, err)
	for name, w := range map[string]esock.Wait{"completion": esock.Complete(mb), "select": esock.NoWait(mb),
		"blocking": esock.Within(patience).As(mb), "poll": esock.Within(0).As(mb),
		"handle": esock.CompleteWith(c.Handle())} {
		assert.ErrorIs(t, second(b.Recv(make([]byte, 1), 0, w)), esock.ErrState, name)
	}
	continued := esock.NoWait(mb).Continue((*esock.Select)(c.Handle()))
	assert.ErrorIs(t, second(b.Recv(make([]byte, 1), 0, continued)), notInProgress, "there is nothing to continue")
	assert.Equal(t, 1, b.Info().NumReaders, "it goes on")
	send(t, a, "x")
	assert.Equal(t, 1, moved(t, completed(t, mb, c)))
}

// The two forms may follow each other in one handle, and a select's call may be carried on as a completion.
func TestCompletion_AfterSelect(t *testing.T) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	h := mb.NewHandle()
	buf := make([]byte, 6)
	n, err := 0, error(nil)
	send(t, a, "ab")
	n, err = b.RecvFull(buf, 0, esock.With(h))
	require.Equal(t, 2, n)
	sel := selected(t, err)
	send(t, a, "cd")
	assert.Equal(t, selectOf(sel), message(t, mb))
	_, err = b.RecvFull(buf[2:], 0, esock.CompleteWith(h).Continue(sel))
	c := carried(t, err)
	send(t, a, "ef")
	done := completed(t, mb, c)
	assert.Equal(t, 4, moved(t, done))
	assert.Equal(t, "abcdef", string(buf))
	_, err = b.Recv(buf, 0, esock.With(h))
	sel = selected(t, err)
	assert.ErrorIs(t, second(b.Recv(buf, 0, esock.CompleteWith(h))), &esock.InvalidError{What: "handle"})
	other := b.RecvMsg(new(esock.Msg), 0, esock.Complete(mb)) // takes the place of the mailbox's select
	c = carried(t, other)
	assert.Equal(t, abortOf(sel, esock.ErrCancelled), message(t, mb))
	require.NoError(t, b.Cancel(c))
	assert.Zero(t, b.Info().NumReaders)
}

// A direction's deadline is for calls that block: an asynchronous call has no time.
func TestCompletion_Deadline(t *testing.T) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	require.NoError(t, b.SetDeadline(time.Now().Add(-time.Second)))
	_, err := b.Recv(make([]byte, 1), 0, esock.Complete(mb))
	c := carried(t, err)
	send(t, a, "x")
	assert.Equal(t, 1, moved(t, completed(t, mb, c)))
}

func TestCompletion_Refused(t *testing.T) {
	_, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	dgram, _ := udp(t)
	_, err := dgram.RecvErr(new(esock.Msg), esock.Complete(mb))
	assert.ErrorIs(t, err, &esock.InvalidError{What: "timeout"})
	for _, n := range testint.Wide() {
		err := second(b.Recv(make([]byte, 1), esock.MsgFlags(n), esock.Complete(mb)))
		assert.ErrorIs(t, err, &esock.InvalidError{What: "msg_flag"})
	}
	assert.ErrorIs(t, second(dgram.Recv(nil, 0, esock.Complete(mb))), &esock.InvalidError{What: "data_size"})
	n, err := b.Recv(nil, 0, esock.Complete(mb))
	assert.Equal(t, outcome{0, nil}, outcome{n, err}, "nothing to do")
	assert.Zero(t, mb.Len())
	assert.Zero(t, b.Info().NumReaders+dgram.Info().NumReaders)
}

// The buffer of a call that was cancelled, or whose socket or mailbox was closed, is the caller's again, and what comes
// afterwards does not reach it.
func TestCompletion_BufferIsFree(t *testing.T) {
	for name, end := range map[string]func(s *esock.Socket, mb *esock.Mailbox, c *esock.Completion) error{
		"cancel":        func(s *esock.Socket, _ *esock.Mailbox, c *esock.Completion) error { return s.Cancel(c) },
		"close":         func(s *esock.Socket, _ *esock.Mailbox, _ *esock.Completion) error { return s.Close() },
		"mailbox close": func(_ *esock.Socket, mb *esock.Mailbox, _ *esock.Completion) error { return mb.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, esock.Dgram)
			keeper := twin(t, b)
			mb := esock.NewMailbox()
			buf := []byte("mine")
			_, err := b.Recv(buf, 0, esock.Complete(mb))
			require.NoError(t, end(b, mb, carried(t, err)))
			send(t, a, "x")
			pollerTurn(t)
			assert.Equal(t, "mine", string(buf))
			assert.Equal(t, "x", recv(t, keeper), "nobody took it")
		})
	}
}

// A handle is free when its message was received, and a result stays until then.
func TestCompletion_HandleUntilReceived(t *testing.T) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	h := mb.NewHandle()
	buf := make([]byte, 1)
	_, err := b.Recv(buf, 0, esock.CompleteWith(h))
	c := carried(t, err)
	send(t, a, "x")
	eventually(t, "the message", func() bool { return mb.Len() == 1 })
	assert.ErrorIs(t, second(b.Recv(buf, 0, esock.CompleteWith(h))), &esock.InvalidError{What: "handle"})
	require.NoError(t, closeSoon(t, b))
	assert.ErrorIs(t, b.Cancel(c), errClosed)
	done := completed(t, mb, c)
	assert.Equal(t, "x", string(done.Data()), "close does not take a result back")
	assert.Equal(t, b, done.Socket())
	assert.Contains(t, done.String(), "completion: recv on ")
}

// ZeroCopy's sends have the form too: the memory is the kernel's until the notice.
func TestCompletion_ZeroCopy(t *testing.T) {
	a, b := tcpPair(t)
	z, err := a.ZeroCopy()
	if errors.Is(err, syscall.ENOPROTOOPT) || errors.Is(err, syscall.EOPNOTSUPP) {
		t.Skip("the kernel has no MSG_ZEROCOPY here:", err)
	}
	require.NoError(t, err)
	mb := esock.NewMailbox()
	data := make([]byte, 1<<20)
	_, err = z.Send(data, esock.Complete(mb))
	c := carried(t, err)
	assert.Zero(t, z.Pending())
	recvExactly(t, b, len(data))
	assert.Equal(t, len(data), moved(t, completed(t, mb, c)))
	var m esock.Msg
	var back []esock.ZeroCopied
	for len(back) == 0 {
		e, err := a.RecvErr(&m, esock.Within(patience))
		require.NoError(t, err)
		back = append(back, z.Done(e)...)
	}
	assert.Len(t, back[0].Buf, len(data))
}
