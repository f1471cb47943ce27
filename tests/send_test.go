package tests

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// sender is one of the ways to send some bytes.
type sender struct {
	name string
	send func(s *esock.Socket, b []byte, w esock.Wait) (int, error)
}

var senders = []sender{
	{"send", func(s *esock.Socket, b []byte, w esock.Wait) (int, error) { return s.Send(b, 0, w) }},
	{"sendmsg", func(s *esock.Socket, b []byte, w esock.Wait) (int, error) {
		return s.SendMsg(&esock.Msg{Iov: [][]byte{b}}, 0, w)
	}},
	{"sendv in two", func(s *esock.Socket, b []byte, w esock.Wait) (int, error) {
		return s.SendV([][]byte{b[:len(b)/2], b[len(b)/2:]}, w)
	}},
}

// eachSender runs a test with every way to send.
func eachSender(t *testing.T, test func(t *testing.T, send sender)) {
	for _, s := range senders {
		t.Run(s.name, func(t *testing.T) { test(t, s) })
	}
}

func TestSend_All(t *testing.T) {
	for _, typ := range []esock.Type{esock.Stream, esock.Dgram, esock.SeqPacket} {
		eachSender(t, func(t *testing.T, way sender) {
			a, b := pair(t, typ)
			mb := esock.NewMailbox()
			for _, w := range append(kinds(mb), esock.Within(patience), esock.With(mb.NewHandle()),
				esock.CompleteWith(mb.NewHandle())) {
				n, err := way.send(a, []byte("hello"), w)
				require.NoError(t, err)
				assert.Equal(t, 5, n)
				assert.Equal(t, "hello", recv(t, b))
			}
			assert.Zero(t, mb.Len())
		})
	}
}

// Partial on a stream, then EAGAIN, then the rest: what nowait and a handle do.
func TestSend_PartialSelectsAndContinues(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<15)
	eachSender(t, func(t *testing.T, way sender) {
		a, b := pair(t, esock.Stream)
		mb := esock.NewMailbox()
		h := mb.NewHandle()
		sent, err := way.send(a, data, esock.With(h))
		sel := selected(t, err)
		require.Positive(t, sent)
		require.Less(t, sent, len(data))
		assert.Same(t, h, sel.Handle())
		received := start(func() (int, error) {
			got := make([]byte, len(data))
			n, err := b.RecvFull(got, 0, esock.Within(patience))
			assert.True(t, bytes.Equal(data, got))
			return n, err
		})
		for sent < len(data) {
			require.Equal(t, selectOf(sel), message(t, mb))
			n, err := way.send(a, data[sent:], esock.With(h).Continue(sel))
			sent += n
			if sent < len(data) {
				sel = selected(t, err)
			} else {
				require.NoError(t, err)
			}
		}
		assert.Equal(t, outcome{len(data), nil}, result(t, received))
		assert.Zero(t, mb.Len())
		c := a.Counters()
		assert.EqualValues(t, len(data), c.WriteByte, "every byte once")
		assert.EqualValues(t, 1, c.WritePkg)
		assert.EqualValues(t, len(data), c.WritePkgMax)
	})
}

func TestSend_BlockedContinuesWithTheRest(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<15)
	eachSender(t, func(t *testing.T, way sender) {
		a, b := pair(t, esock.Stream)
		sent := start(func() (int, error) { return way.send(a, data, esock.Within(patience)) })
		got := make([]byte, len(data))
		_, err := b.RecvFull(got, 0, esock.Within(patience))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(data, got))
		assert.Equal(t, outcome{len(data), nil}, result(t, sent))
	})
}

// EAGAIN on any type.
func TestSend_FullBuffer(t *testing.T) {
	for _, typ := range []esock.Type{esock.Stream, esock.Dgram, esock.SeqPacket} {
		t.Run(typ.String(), func(t *testing.T) {
			a, b := pair(t, typ)
			mb := esock.NewMailbox()
			fill(t, a)
			n, err := a.Send([]byte("x"), 0, esock.Within(0))
			assert.Equal(t, outcome{0, esock.ErrTimeout}, outcome{n, err})
			n, err = a.Send([]byte("x"), 0, esock.Within(time.Millisecond))
			assert.Equal(t, outcome{0, esock.ErrTimeout}, outcome{n, err})
			sel := sendSelect(t, a, mb)
			assert.Equal(t, []string{"connected", "selected"}, a.Info().WStates)
			assert.Equal(t, 1, a.Info().NumWriters)
			makeRoom(t, b, mb)
			assert.Equal(t, selectOf(sel), message(t, mb))
			n, err = a.Send([]byte("x"), 0, esock.NoWait(mb))
			assert.Equal(t, outcome{1, nil}, outcome{n, err})
		})
	}
}

// Ended early: the count beside the error is what the kernel took.
func TestSend_EndedEarlyTellsHowMuch(t *testing.T) {
	data := make([]byte, 1<<20)
	for name, c := range map[string]struct {
		end  func(a, b *esock.Socket, cancel func())
		want error
	}{
		"out of time":    {nil, esock.ErrTimeout},
		"cancelled":      {func(_, _ *esock.Socket, cancel func()) { cancel() }, context.Canceled},
		"closed here":    {func(a, _ *esock.Socket, _ func()) { a.Close() }, errClosed},
		"peer is closed": {func(_, b *esock.Socket, _ func()) { b.Close() }, syscall.EPIPE},
	} {
		eachSender(t, func(t *testing.T, way sender) {
			t.Run(name, func(t *testing.T) {
				a, b := pair(t, esock.Stream)
				ctx, cancel := cancellable(t)
				w := esock.Context(ctx)
				if c.end == nil {
					w = esock.Within(5 * time.Millisecond)
				}
				sent := start(func() (int, error) { return way.send(a, data, w) })
				if c.end != nil {
					writers(t, a, 1)
					c.end(a, b, cancel)
				}
				o := result(t, sent)
				assert.ErrorIs(t, o.err, c.want)
				assert.Positive(t, o.n)
				assert.Less(t, o.n, len(data))
				assert.EqualValues(t, o.n, a.Counters().WriteByte)
				if name != "peer is closed" {
					drain(t, b, o.n)
				}
			})
		})
	}
}

func TestSend_ErrorAtOnce(t *testing.T) {
	tcp := func() *esock.Socket { return open(t, esock.Inet, esock.Stream, esock.TCP) }
	udp4 := func() *esock.Socket { return open(t, esock.Inet, esock.Dgram, esock.UDP) }
	closed := tcp()
	closed.Close()
	listens, _ := listener(t, 1)
	halfClosed, _ := tcpPair(t)
	require.NoError(t, halfClosed.Shutdown(esock.ShutWrite))
	connected := udp4()
	_, to := udp(t)
	require.NoError(t, connected.Connect(to, esock.Forever))
	for name, c := range map[string]struct {
		s    *esock.Socket
		size int
		to   esock.Addr
		err  error
	}{
		"not open":                        {s: closed, err: errClosed},
		"tcp never connected":             {s: tcp(), err: syscall.EPIPE},
		"tcp listening":                   {s: listens, err: syscall.EPIPE},
		"tcp after shutdown(write)":       {s: halfClosed, err: syscall.EPIPE},
		"udp without destination":         {s: udp4(), err: syscall.EDESTADDRREQ},
		"udp to port 0":                   {s: udp4(), to: esock.Inet4Addr(loopback, 0), err: syscall.EINVAL},
		"udp too long":                    {s: connected, size: 65508, err: syscall.EMSGSIZE},
		"broadcast without the option":    {s: udp4(), to: esock.Inet4Addr(netip.MustParseAddr("127.255.255.255"), 9), err: syscall.EACCES},
		"wrong family":                    {s: udp4(), to: esock.Inet6Addr(netip.IPv6Loopback(), 9, 0), err: syscall.EAFNOSUPPORT},
		"unix address to udp":             {s: udp4(), to: esock.UnixAddr("/a/path/that/is/long"), err: syscall.EAFNOSUPPORT},
		"address that cannot be":          {s: udp4(), to: esock.Inet4Addr(netip.IPv6Loopback(), 9), err: &esock.InvalidError{What: "sockaddr"}},
		"closed, address that cannot be":  {s: closed, to: esock.Inet4Addr(netip.IPv6Loopback(), 9), err: &esock.InvalidError{What: "sockaddr"}},
		"sendto with a shorthand address": {s: udp4(), to: esock.Loopback, err: &esock.InvalidError{What: "sockaddr"}},
	} {
		t.Run(name, func(t *testing.T) {
			mb := esock.NewMailbox()
			for _, w := range kinds(mb) {
				data := make([]byte, max(c.size, 1))
				var err error
				if c.to.IsZero() {
					_, err = c.s.Send(data, 0, w)
				} else {
					_, err = c.s.SendTo(data, c.to, 0, w)
				}
				assert.ErrorIs(t, err, c.err)
				_, err = c.s.SendMsg(&esock.Msg{Iov: [][]byte{data}, Addr: c.to}, 0, w)
				assert.ErrorIs(t, err, c.err, "sendmsg")
			}
			assert.Zero(t, c.s.Info().NumWriters, "the lane is free")
		})
	}
	n, err := connected.Send([]byte("x"), 0, esock.Forever)
	assert.Equal(t, outcome{1, nil}, outcome{n, err}, "still usable")
}

func TestSendTo(t *testing.T) {
	s, from := udp(t)
	d, to := udp(t)
	n, err := s.SendTo([]byte("hello"), to, 0, esock.Forever)
	assert.Equal(t, outcome{5, nil}, outcome{n, err})
	buf := make([]byte, 10)
	n, source, err := d.RecvFrom(buf, 0, esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(buf[:n]))
	assert.Equal(t, from, source)

	// On a connected stream the kernel decides: TCP ignores the address.
	a, b := tcpPair(t)
	n, err = a.SendTo([]byte("tcp"), to, 0, esock.Forever)
	assert.Equal(t, outcome{3, nil}, outcome{n, err})
	assert.Equal(t, "tcp", recv(t, b))
	// A unix stream refuses it.
	x, _ := pair(t, esock.Stream)
	_, err = x.SendTo([]byte("unix"), esock.UnixAddr("/x"), 0, esock.Forever)
	assert.ErrorIs(t, err, syscall.EISCONN)
}

func TestSend_NothingIsLegal(t *testing.T) {
	for _, data := range [][]byte{nil, {}} {
		a, b := pair(t, esock.Stream)
		n, err := a.Send(data, 0, esock.Forever)
		assert.Equal(t, outcome{0, nil}, outcome{n, err})
		n, err = a.SendV(nil, esock.Forever)
		assert.Equal(t, outcome{0, nil}, outcome{n, err})
		n, err = a.SendV([][]byte{data, data}, esock.Forever)
		assert.Equal(t, outcome{0, nil}, outcome{n, err})
		echoes(t, a, b)

		x, y := pair(t, esock.Dgram)
		n, err = x.Send(data, 0, esock.Forever)
		assert.Equal(t, outcome{0, nil}, outcome{n, err})
		n, err = y.Recv(make([]byte, 4), 0, esock.Within(patience))
		assert.Equal(t, outcome{0, nil}, outcome{n, err}, "an empty message")
	}
}

func TestSend_NoSIGPIPE(t *testing.T) {
	got := make(chan os.Signal, 4)
	signal.Notify(got, syscall.SIGPIPE)
	defer signal.Stop(got)
	f := fileOf(t, 100)
	a, b := pair(t, esock.Stream)
	b.Close()
	eachSender(t, func(t *testing.T, way sender) {
		_, err := way.send(a, []byte("xy"), esock.Forever)
		assert.ErrorIs(t, err, syscall.EPIPE)
	})
	_, err := a.SendFile(f, 0, esock.ToEnd, esock.Forever)
	assert.ErrorIs(t, err, syscall.EPIPE)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGUSR1), "signals before this one would have come")
	assert.Empty(t, got)
}

// Errors are one-shot on Linux, and given to the call that meets them.
func TestErrorsAreOneShot(t *testing.T) {
	reset := func(t *testing.T) (a *esock.Socket) {
		a, b := tcpPair(t)
		require.NoError(t, sockopt.SocketLinger.Set(b, sockopt.Linger{On: true}))
		send(t, b, "queued")
		readable(t, a)
		require.NoError(t, b.Close()) // a reset
		eventually(t, "the reset", func() bool {
			_, err := a.PeerName()
			return err != nil
		})
		return a
	}
	t.Run("reported by recv, send has epipe", func(t *testing.T) {
		a := reset(t)
		_, err := a.Recv(make([]byte, 10), 0, esock.Forever)
		if err == nil { // what was queued first
			_, err = a.Recv(make([]byte, 10), 0, esock.Forever)
		}
		require.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = a.Send([]byte("x"), 0, esock.Forever)
		assert.ErrorIs(t, err, syscall.EPIPE)
	})
	t.Run("reported by send, recv has what is queued and the end", func(t *testing.T) {
		a := reset(t)
		_, err := a.Send([]byte("x"), 0, esock.Forever)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		n, err := a.Recv(make([]byte, 10), 0, esock.Forever)
		if err == nil {
			assert.Equal(t, 6, n)
			_, err = a.Recv(make([]byte, 10), 0, esock.Forever)
		}
		assert.Equal(t, ioEOF, err)
	})
	t.Run("unix stream: queued data, econnreset, then the end", func(t *testing.T) {
		a, b := pair(t, esock.Stream)
		send(t, a, "unread")
		send(t, b, "queued")
		require.NoError(t, b.Close())
		assert.Equal(t, "queued", recv(t, a))
		_, err := a.Recv(make([]byte, 10), 0, esock.Forever)
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = a.Recv(make([]byte, 10), 0, esock.Forever)
		assert.Equal(t, ioEOF, err)
	})
	t.Run("seqpacket: econnreset before the queued messages", func(t *testing.T) {
		a, b := pair(t, esock.SeqPacket)
		send(t, a, "unread")
		send(t, b, "queued")
		require.NoError(t, b.Close())
		_, err := a.Recv(make([]byte, 10), 0, esock.Forever)
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		assert.Equal(t, "queued", recv(t, a))
		_, err = a.Recv(make([]byte, 10), 0, esock.Forever)
		assert.Equal(t, ioEOF, err)
	})
}

// readable waits until there is something to receive.
func readable(t testing.TB, s *esock.Socket) {
	t.Helper()
	eventually(t, "data", func() bool {
		_, err := s.Recv(make([]byte, 1), esock.MsgPeek, esock.Within(0))
		return err != esock.ErrTimeout
	})
}
