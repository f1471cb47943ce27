package tests

import (
	"context"
	"errors"
	"net"
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

// provoke sends a datagram to a port without a listener, and waits until the answer has come to the error queue, or was taken from
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
	keepControl(t, &m)
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
	assert.NoError(t, result(t, errs).err, "nor did the wait for errors")
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

	before := int(s.Counters().ReadWaits) // none, if the end came before the wait
	ch := start(func() (int, error) { _, err := s.RecvErr(&m, esock.Forever); return 0, err })
	waited(t, s, before+1)
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

	// Data does not wake a wait for an error. One event has both, so the wait for data shows when it has come.
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

// An error that stays in the queue keeps EPOLLERR up. Waiting must not become spinning.
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
				continue // of another datagram: RecvErr tells
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
	c := open(t, esock.Inet, esock.Dgram, esock.UDP)
	require.NoError(t, c.Bind(esock.Loopback)) // before the others, or it might get the port of one, and the answer to that
	const clients = 50
	for range clients {
		gone := open(t, esock.Inet, esock.Dgram, esock.UDP)
		_, err := gone.SendTo([]byte("and gone"), at, 0, esock.Forever)
		require.NoError(t, err)
		require.NoError(t, gone.Close())
	}
	before := tries(server)
	buf := make([]byte, 9)
	const questions = 100
	for range questions {
		_, err := c.SendTo([]byte("alive?"), at, 0, esock.Forever)
		require.NoError(t, err)
		n, err := c.Recv(buf, 0, esock.Within(patience))
		require.NoError(t, err)
		assert.Equal(t, "alive?", string(buf[:n]))
	}
	assert.Less(t, tries(server)-before, uint64(3*clients+4*questions), "errors that stay do not wake the server again and again")
	_, err := c.SendTo([]byte("stop"), at, 0, esock.Forever)
	require.NoError(t, err)
	o := result(t, served)
	assert.NoError(t, o.err)
	assert.NotZero(t, o.n)
}
