package tests

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

// provoke sends a datagram where nobody listens, and waits until the answer has come to the error queue, or was taken from
// there. Linux answers only so many in a while (icmp_msgs_burst, icmp_msgs_per_sec; those of other programs count too).
func provoke(t *testing.T, s *esock.Socket) (to esock.Addr) {
	t.Helper()
	to = nobody(t, esock.Dgram)
	seen := func() [2]uint64 {
		m, err := sockopt.SocketMemInfo.Get(s)
		require.NoError(t, err)
		return [2]uint64{uint64(m.RmemAlloc), uint64(s.Counters().ReadPkg)}
	}
	before := seen()
	testwait.Retry(t, "an answer", func() {
		machine.NeedICMP(t)
		eventually(t, "a send", func() bool {
			_, err := s.SendTo([]byte("ping"), to, 0, esock.Forever)
			if err != nil { // of a datagram before
				require.ErrorIs(t, err, syscall.ECONNREFUSED)
			}
			return err == nil
		})
	}, func() bool { return seen() != before })
	return to
}

// errorful is a bound UDP socket that wants its errors.
func errorful(t *testing.T) (*esock.Socket, esock.Addr) {
	t.Helper()
	machine.NeedICMP(t)
	s, at := udp(t)
	native(t, s, unix.SOL_IP, unix.IP_RECVERR, 1)
	return s, at
}

func tries(s *esock.Socket) uint64 { return uint64(s.Counters().ReadTries) }

// waited waits until n calls in all have had to wait for an error or for data.
func waited(t *testing.T, s *esock.Socket, n int) {
	t.Helper()
	eventually(t, "a call that waits", func() bool { return s.Counters().ReadWaits == uint64(n) })
}

func TestRecvErrWaits(t *testing.T) {
	s, _ := errorful(t)
	var m esock.Msg
	_, err := s.RecvErr(&m, esock.Within(0))
	assert.ErrorIs(t, err, esock.ErrTimeout)
	_, err = s.RecvErr(&m, esock.Within(5*time.Millisecond))
	assert.ErrorIs(t, err, esock.ErrTimeout)

	type answer struct {
		e   esock.QueuedError
		err error
	}
	ch := make(chan answer, 1)
	before := s.Counters().ReadWaits
	go func() {
		e, err := s.RecvErr(&m, esock.Forever)
		ch <- answer{e, err}
	}()
	waited(t, s, int(before)+1)
	to := provoke(t, s)
	a := <-ch
	require.NoError(t, a.err)
	assert.Equal(t, syscall.ECONNREFUSED, a.e.Errno)
	assert.Equal(t, esock.OriginICMP, a.e.Origin)
	assert.Equal(t, esock.ICMPPortUnreach, a.e.Code)
	assert.Equal(t, esock.Inet4Addr(loopback, 0), a.e.Offender)
	assert.Equal(t, to, m.Addr)
	assert.Equal(t, "ping", string(m.Data()))
	_, _, ok := a.e.Timestamp()
	assert.False(t, ok)
	_, ok = a.e.ZeroCopy()
	assert.False(t, ok)
}

func TestRecvErrIsApartFromReceiving(t *testing.T) {
	s, at := errorful(t)
	var m esock.Msg
	errs := start(func() (int, error) {
		_, err := s.RecvErr(&m, esock.Within(patience))
		return 0, err
	})
	buf := make([]byte, 10)
	data := recvStart(t, s, buf, esock.Within(patience), 1)
	c := open(t, esock.Inet, esock.Dgram, esock.UDP)
	_, err := c.SendTo([]byte("data"), at, 0, esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, outcome{4, nil}, result(t, data), "the receiver did not wait behind")

	data = recvStart(t, s, buf, esock.Forever, 1)
	provoke(t, s)
	assert.NoError(t, result(t, errs).err, "nor did who waits for errors")
	assert.NoError(t, s.Close())
	<-data
}

func TestRecvErrEnds(t *testing.T) {
	s, _ := errorful(t)
	var m esock.Msg
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(5*time.Millisecond, cancel)
	_, err := s.RecvErr(&m, esock.Context(ctx))
	assert.ErrorIs(t, err, context.Canceled)

	ch := start(func() (int, error) { _, err := s.RecvErr(&m, esock.Forever); return 0, err })
	waited(t, s, 2)
	// This one waits behind, or comes when the socket is closed: the answer is the same.
	var m2 esock.Msg
	ch2 := start(func() (int, error) { _, err := s.RecvErr(&m2, esock.Forever); return 0, err })
	require.NoError(t, s.Close())
	assert.ErrorIs(t, result(t, ch).err, net.ErrClosed)
	assert.ErrorIs(t, result(t, ch2).err, net.ErrClosed)
	_, err = s.RecvErr(&m, esock.Forever)
	assert.ErrorIs(t, err, net.ErrClosed)

	u := open(t, esock.Local, esock.Dgram, esock.Default)
	_, err = u.RecvErr(&m, esock.Forever)
	assert.ErrorIs(t, err, syscall.EOPNOTSUPP)
	_, err = u.RecvErr(nil, esock.Forever)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "msg"})
}

func TestRecvErrSelects(t *testing.T) {
	s, _ := errorful(t)
	mb := esock.NewMailbox()
	defer mb.Close()
	var m esock.Msg
	_, err := s.RecvErr(&m, esock.NoWait(mb))
	sel := selected(t, err)
	assert.Equal(t, esock.OpRecvErr, sel.Op())
	require.NoError(t, s.Cancel(sel))
	_, err = s.RecvErr(&m, esock.NoWait(mb))
	sel = selected(t, err)

	// Data wakes nobody who waits for an error. One event has both, so who waits for data says when it has come.
	readers := esock.NewMailbox()
	defer readers.Close()
	forData := recvSelect(t, s, readers)
	c := open(t, esock.Inet, esock.Dgram, esock.UDP)
	_, err = c.SendTo([]byte("data"), sockName(t, s), 0, esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, selectOf(forData), message(t, readers))
	s.Info() // the event has been dealt with
	_, ok := mb.Poll()
	assert.False(t, ok)
	n, err := s.Recv(make([]byte, 9), 0, esock.NoWait(readers))
	assert.Equal(t, outcome{4, nil}, outcome{n, err})

	provoke(t, s)
	assert.Equal(t, selectOf(sel), message(t, mb))
	e, err := s.RecvErr(&m, esock.NoWait(mb))
	require.NoError(t, err)
	assert.Equal(t, syscall.ECONNREFUSED, e.Errno)

	_, err = s.RecvErr(&m, esock.NoWait(mb))
	sel = selected(t, err)
	require.NoError(t, s.Close())
	assert.Equal(t, abortOf(sel, net.ErrClosed), message(t, mb))
}

func TestErrorsDrains(t *testing.T) {
	s, _ := errorful(t)
	var m esock.Msg
	for range s.Errors(&m) {
		t.Fatal("an empty queue")
	}
	for range 3 {
		provoke(t, s)
	}
	n := 0
	for e, err := range s.Errors(&m) {
		require.NoError(t, err)
		assert.Equal(t, syscall.ECONNREFUSED, e.Errno)
		n++
	}
	assert.Equal(t, 3, n)
	v, err := s.GetOptionNativeInt(unix.SOL_SOCKET, unix.SO_ERROR)
	require.NoError(t, err)
	assert.Zero(t, v, "nothing is left for the next call")
	provoke(t, s)
	provoke(t, s)
	for range s.Errors(&m) {
		break
	}
	_, err = s.RecvErr(&m, esock.Within(patience))
	assert.NoError(t, err, "the rest is still there")
}

// An error that nobody takes out of the queue keeps EPOLLERR up. Waiting must not become spinning.
func TestQueuedErrorsDoNotSpin(t *testing.T) {
	waits := map[string]func(t *testing.T, s *esock.Socket) (stop func()){
		"a blocking receive": func(t *testing.T, s *esock.Socket) func() {
			ch := start(func() (int, error) {
				for {
					_, err := s.Recv(make([]byte, 9), 0, esock.Within(100*time.Millisecond))
					if !errors.Is(err, syscall.ECONNREFUSED) {
						return 0, err
					}
				}
			})
			return func() { assert.ErrorIs(t, result(t, ch).err, esock.ErrTimeout) }
		},
		"an asynchronous receive": func(t *testing.T, s *esock.Socket) func() {
			mb := esock.NewMailbox()
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			for {
				_, err := s.Recv(make([]byte, 9), 0, esock.NoWait(mb))
				if errors.Is(err, syscall.ECONNREFUSED) {
					continue
				}
				selected(t, err)
				if _, err := mb.Receive(ctx); err != nil {
					break
				}
			}
			return func() { cancel(); mb.Close() }
		},
		"a wait for errors, the socket having one of its own": func(t *testing.T, s *esock.Socket) func() {
			var m esock.Msg
			for range s.Errors(&m) {
			}
			// The peer of a connected socket refuses: that error is pending without a record.
			native(t, s, unix.SOL_IP, unix.IP_RECVERR, 0)
			require.NoError(t, s.Connect(nobody(t, esock.Dgram), esock.Forever))
			_, err := s.Send([]byte("ping"), 0, esock.Forever)
			require.NoError(t, err)
			_, err = s.RecvErr(&m, esock.Within(100*time.Millisecond))
			return func() { assert.ErrorIs(t, err, esock.ErrTimeout) }
		},
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			s, _ := errorful(t)
			for range 3 {
				provoke(t, s)
			}
			before := tries(s)
			wait(t, s)()
			assert.Less(t, tries(s)-before, uint64(15), "tries in a tenth of a second")
		})
	}
}

// What comes back of its answers does not stop a server.
func TestUDPServerOutlivesItsClients(t *testing.T) {
	server, at := errorful(t)
	served := start(func() (int, error) {
		buf := make([]byte, 64)
		for n := 0; ; {
			k, from, err := server.RecvFrom(buf, 0, esock.Forever)
			if errors.Is(err, syscall.ECONNREFUSED) {
				continue // of somebody else: RecvErr tells
			}
			if err != nil || string(buf[:k]) == "stop" {
				return n, err
			}
			if _, err = server.SendTo(buf[:k], from, 0, esock.Forever); errors.Is(err, syscall.ECONNREFUSED) {
				_, err = server.SendTo(buf[:k], from, 0, esock.Forever)
			}
			if err != nil {
				return n, err
			}
			n++
		}
	})
	readers(t, server, 1)
	const clients = 50
	for range clients {
		c := open(t, esock.Inet, esock.Dgram, esock.UDP)
		_, err := c.SendTo([]byte("and gone"), at, 0, esock.Forever)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	before := tries(server)
	c := open(t, esock.Inet, esock.Dgram, esock.UDP)
	buf := make([]byte, 9)
	const questions = 100
	for range questions {
		_, err := c.SendTo([]byte("alive?"), at, 0, esock.Forever)
		require.NoError(t, err)
		n, err := c.Recv(buf, 0, esock.Within(patience))
		require.NoError(t, err)
		assert.Equal(t, "alive?", string(buf[:n]))
	}
	assert.Less(t, tries(server)-before, uint64(3*clients+4*questions), "errors that nobody takes wake nobody again and again")
	_, err := c.SendTo([]byte("stop"), at, 0, esock.Forever)
	require.NoError(t, err)
	o := result(t, served)
	assert.NoError(t, o.err)
	assert.NotZero(t, o.n)
}

// stamps collects transmit timestamps until there are n.
func stamps(t *testing.T, s *esock.Socket, tx *esock.TxTimestamps, n int) (all []esock.TxTimestamp) {
	t.Helper()
	var m esock.Msg
	for len(all) < n {
		e, err := s.RecvErr(&m, esock.Within(patience))
		require.NoError(t, err, "%d of %d timestamps", len(all), n)
		p, ok := tx.Pair(e)
		require.True(t, ok, "%+v", e)
		assert.WithinDuration(t, time.Now(), p.Stamps.Software, time.Minute)
		assert.Empty(t, m.Data(), "the stamp alone")
		all = append(all, p)
	}
	return all
}

func TestTxTimestampsOfDatagrams(t *testing.T) {
	_, at := udp(t)
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	_, err := s.TxTimestamps(esock.TimestampRxSoftware)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "flags"})
	tx, err := s.TxTimestamps(esock.TimestampTxSoftware | esock.TimestampTxSched)
	require.NoError(t, err)
	for i := range uint64(5) {
		n, sent, err := tx.Send(func() (int, error) { return s.SendTo([]byte("x"), at, 0, esock.Forever) })
		require.NoError(t, err)
		assert.Equal(t, 1, sent)
		assert.Equal(t, i, n)
	}
	seen := map[esock.TxStage][]uint64{}
	for _, p := range stamps(t, s, tx, 10) {
		assert.True(t, p.Whole)
		seen[p.Stage] = append(seen[p.Stage], p.Send)
	}
	assert.Equal(t, map[esock.TxStage][]uint64{esock.TxSent: {0, 1, 2, 3, 4}, esock.TxScheduled: {0, 1, 2, 3, 4}}, seen)

	// Switched on again it counts from the start.
	tx, err = s.TxTimestamps(esock.TimestampTxSoftware)
	require.NoError(t, err)
	tx.Send(func() (int, error) { return s.SendTo([]byte("x"), at, 0, esock.Forever) })
	assert.Equal(t, uint64(0), stamps(t, s, tx, 1)[0].Send)
}

func TestTxTimestampsByKeysOfOurOwn(t *testing.T) {
	_, at := udp(t)
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	_, err := s.TxTimestamps(esock.TimestampTxSoftware)
	require.NoError(t, err)
	m := esock.Msg{Iov: [][]byte{[]byte("x")}, Addr: at}
	require.NoError(t, m.SetControl(esock.TimestampID(0xfeedbeef)))
	if _, err = s.SendMsg(&m, 0, esock.Forever); errors.Is(err, syscall.EINVAL) {
		t.Skip("this kernel is before 6.13")
	}
	require.NoError(t, err)
	var r esock.Msg
	e, err := s.RecvErr(&r, esock.Within(patience))
	require.NoError(t, err)
	stage, key, ok := e.Timestamp()
	assert.True(t, ok)
	assert.Equal(t, esock.TxSent, stage)
	assert.Equal(t, uint32(0xfeedbeef), key)
}

func TestTxTimestampsOfOneSendAlone(t *testing.T) {
	_, at := udp(t)
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	native(t, s, unix.SOL_SOCKET, unix.SO_TIMESTAMPING,
		int(esock.TimestampSoftware|esock.TimestampOptTSOnly|esock.TimestampOptID))
	m := esock.Msg{Iov: [][]byte{[]byte("x")}, Addr: at}
	_, err := s.SendMsg(&m, 0, esock.Forever)
	require.NoError(t, err)
	require.NoError(t, m.SetControl(esock.TimestampsFor(esock.TimestampTxSoftware)))
	_, err = s.SendMsg(&m, 0, esock.Forever)
	require.NoError(t, err)
	var r esock.Msg
	n := 0
	for e, err := range s.Errors(&r) {
		require.NoError(t, err)
		assert.False(t, e.Stamps.Software.IsZero())
		n++
	}
	assert.Equal(t, 1, n)
}

func TestTxTimestampsOfAStream(t *testing.T) {
	a, b := tcpPair(t)
	go func() {
		buf := make([]byte, 1<<20)
		for {
			if _, err := b.Recv(buf, 0, esock.Forever); err != nil {
				return
			}
		}
	}()
	_, err := a.Send([]byte("before it counts"), 0, esock.Forever)
	require.NoError(t, err)
	tx, err := a.TxTimestamps(esock.TimestampTxSoftware | esock.TimestampTxAck)
	require.NoError(t, err)
	acked := func(want uint64) (parts int) {
		for {
			for _, p := range stamps(t, a, tx, 1) {
				assert.Equal(t, want, p.Send)
				if !p.Whole {
					parts++
				}
				if p.Whole && p.Stage == esock.TxAcked {
					return parts
				}
			}
		}
	}
	for i, size := range []int{1, 10, 1, 1000} {
		n, _, err := tx.Send(func() (int, error) { return a.Send(make([]byte, size), 0, esock.Forever) })
		require.NoError(t, err)
		assert.Equal(t, uint64(i), n)
		acked(n)
	}
	// More than the buffers hold: the kernel takes it in parts, and each has its own stamps.
	big := make([]byte, 1<<20)
	n, sent, err := tx.Send(func() (int, error) { return a.Send(big, 0, esock.Within(patience)) })
	require.NoError(t, err)
	assert.Equal(t, len(big), sent)
	assert.NotZero(t, acked(n))
}

func TestZeroCopyGivesBackWhatWasSent(t *testing.T) {
	a, b := tcpPair(t)
	go func() {
		buf := make([]byte, 1<<20)
		for {
			if _, err := b.Recv(buf, 0, esock.Forever); err != nil {
				return
			}
		}
	}()
	zc, err := a.ZeroCopy()
	require.NoError(t, err)
	bufs := [][]byte{bytes.Repeat([]byte("a"), 1<<18), bytes.Repeat([]byte("b"), 100), bytes.Repeat([]byte("c"), 1<<16)}
	for _, buf := range bufs {
		n, err := zc.Send(buf, esock.Within(patience))
		require.NoError(t, err)
		assert.Equal(t, len(buf), n)
	}
	n, err := zc.Send(nil, esock.Forever)
	assert.NoError(t, err)
	assert.Zero(t, n)
	var back []string
	var m esock.Msg
	for len(back) < len(bufs) {
		e, err := a.RecvErr(&m, esock.Within(patience))
		require.NoError(t, err, "%d of %d", len(back), len(bufs))
		for _, d := range zc.Done(e) {
			assert.True(t, d.Copied, "the loopback copies")
			assert.True(t, slices.ContainsFunc(bufs, func(b []byte) bool { return &b[0] == &d.Buf[0] && len(b) == len(d.Buf) }))
			back = append(back, string(d.Buf[:1]))
		}
	}
	slices.Sort(back)
	assert.Equal(t, "abc", strings.Join(back, ""))
	assert.Zero(t, zc.Pending())
	assert.Empty(t, zc.Done(esock.QueuedError{}))
}

func TestZeroCopyOfDatagrams(t *testing.T) {
	from, to := both(t, esock.Inet)
	zc, err := from.ZeroCopy()
	require.NoError(t, err)
	buf := bytes.Repeat([]byte("z"), 5000)
	_, err = zc.Send(buf, esock.Forever)
	require.NoError(t, err)
	n, err := to.Recv(make([]byte, 6000), 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, 5000, n)
	var m esock.Msg
	e, err := from.RecvErr(&m, esock.Within(patience))
	require.NoError(t, err)
	require.Len(t, zc.Done(e), 1)
}

func TestTxTimestampsThatFailChangeNothing(t *testing.T) {
	const soTimestamping = 37
	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	_, err := s.TxTimestamps(esock.TimestampTxSoftware)
	assert.ErrorIs(t, err, syscall.EINVAL, "a stream must be connected")
	on, err := s.GetOptionNativeInt(syscall.SOL_SOCKET, soTimestamping)
	require.NoError(t, err)
	assert.Zero(t, on)
}
