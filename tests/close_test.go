package tests

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

func TestClose_EveryPendingOperation(t *testing.T) {
	eachLane(t, func(t *testing.T, l laneCase) {
		m1, m2, late := esock.NewMailbox(), esock.NewMailbox(), esock.NewMailbox()
		parked := l.blocked(t, esock.Forever, 1)
		s1 := l.async(t, m1)
		queued := l.blocked(t, esock.Within(patience), 3)
		s2 := l.async(t, m2)
		require.NoError(t, closeSoon(t, l.s))
		require.False(t, t.Failed())
		assert.Equal(t, abortOf(s1, errClosed), message(t, m1))
		assert.Equal(t, abortOf(s2, errClosed), message(t, m2))
		assert.ErrorIs(t, result(t, parked).err, errClosed)
		assert.ErrorIs(t, result(t, queued).err, errClosed)
		assert.Zero(t, l.count())
		assert.ErrorIs(t, l.s.Close(), errClosed)
		for _, w := range []esock.Wait{esock.Forever, esock.Within(0), l.wait(late)} {
			assert.ErrorIs(t, l.call(w), errClosed)
		}
		assert.Zero(t, late.Len())
	})
}

// An armed requester is told; one that has its select message finds out by its next call.
func TestClose_AfterTheSelectMessage(t *testing.T) {
	eachLaneOf(t, selectForm, func(t *testing.T, l laneCase) {
		mb := esock.NewMailbox()
		sel := l.async(t, mb)
		l.tell(t, mb)
		require.NoError(t, closeSoon(t, l.s))
		assert.Equal(t, selectOf(sel), message(t, mb))
		assert.Zero(t, mb.Len())
		assert.ErrorIs(t, l.call(esock.NoWait(mb)), errClosed)
	})
}

func TestClose_StatesAreAdded(t *testing.T) {
	l, _ := listener(t, 5)
	acceptSelect(t, l, esock.NewMailbox())
	require.NoError(t, l.Close())
	assert.Equal(t, []string{"bound", "listening", "accepting", "selected", "closing", "closed"}, l.Info().RStates)
	assert.Equal(t, []string{"closing", "closed"}, l.Info().WStates)
	assert.Nil(t, l.Owner())
}

func TestClose_ByAnybodyAndOnce(t *testing.T) {
	owner := esock.NewMailbox()
	s := open(t, esock.Inet, esock.Stream, esock.TCP, esock.Owner(owner))
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() { errs <- s.Close() }()
	}
	closed := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			closed++
		} else {
			assert.ErrorIs(t, err, errClosed)
		}
	}
	assert.Equal(t, 1, closed)
}

// Close meets calls at every stage: none hangs, leaks, or uses a descriptor that another socket has since got.
func TestCloseAtEveryStage(t *testing.T) {
	sameDescriptors(t)
	for round := range 150 {
		a, b := pair(t, esock.Stream)
		var wg sync.WaitGroup
		closedOr := func(err error, ok ...error) {
			for _, e := range ok {
				if isError(err, e) {
					return
				}
			}
			if _, selects := err.(*esock.Select); err != nil && !selects {
				assert.ErrorIs(t, err, errClosed)
			}
		}
		for i := range 3 {
			wg.Go(func() { _, err := b.Recv(make([]byte, 8), 0, esock.Forever); closedOr(err) })
			wg.Go(func() {
				_, err := b.Recv(make([]byte, 8), 0, esock.Within(time.Duration(i)*50*time.Microsecond))
				closedOr(err, esock.ErrTimeout)
			})
			wg.Go(func() { _, err := b.Send(make([]byte, 500_000), 0, esock.Forever); closedOr(err) })
			wg.Go(func() {
				mb := esock.NewMailbox()
				_, err := b.Recv(make([]byte, 8), 0, esock.NoWait(mb))
				if sel, ok := err.(*esock.Select); ok && i == 0 {
					closedOr(b.Cancel(sel), notInProgress)
				}
				closedOr(err)
			})
		}
		wg.Go(func() { a.Send([]byte("abcdefghij"), 0, esock.Within(0)) })
		for range round % 7 * 10 { // the stage
			runtime.Gosched()
		}
		wg.Go(func() { b.Close() })
		wg.Go(func() { b.Close() })
		wg.Wait()
		a.Close()
	}
}

// anHour is a linger time that no test outlives.
const anHour = 3600

// lingeringWays are the ways by which linger can be on: each returns two connected sockets, of which the first lingers.
var lingeringWays = map[string]func(t *testing.T) (a, b *esock.Socket){
	"an option": onPair(func(t *testing.T, a *esock.Socket) error {
		return sockopt.SocketLinger.Set(a, sockopt.Linger{On: true, Time: anHour * time.Second})
	}),
	"an option by name": onPair(func(t *testing.T, a *esock.Socket) error {
		return sockopt.Set(a, "socket", "linger", map[string]any{"onoff": true, "linger": anHour})
	}),
	"a batch": onPair(func(t *testing.T, a *esock.Socket) error {
		list := []sockopt.Setting{{Level: "socket", Name: "linger", Value: map[string]any{"onoff": true, "linger": anHour}}}
		return errors.Join(sockopt.SetAll(a, list), list[0].Err)
	}),
	"a native option": onPair(func(t *testing.T, a *esock.Socket) error {
		b := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, 1), anHour)
		return a.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_LINGER, b)
	}),
	"FD": onPair(func(t *testing.T, a *esock.Socket) error { return lingerFD(a.FD()) }),
	"SyscallConn": onPair(func(t *testing.T, a *esock.Socket) (err error) {
		raw, err := a.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) { err = lingerFD(int(fd)) }))
		return err
	}),
	"SyscallConn's Write": onPair(func(t *testing.T, a *esock.Socket) (err error) {
		raw, err := a.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Write(func(fd uintptr) bool { err = lingerFD(int(fd)); return true }))
		return err
	}),
	"File": onPair(func(t *testing.T, a *esock.Socket) error {
		f, err := a.File()
		require.NoError(t, err)
		defer f.Close()
		return lingerFD(int(f.Fd()))
	}),
	"the listener's": func(t *testing.T) (a, b *esock.Socket) {
		l, addr := listener(t, 1)
		require.NoError(t, sockopt.SocketLinger.Set(l, sockopt.Linger{On: true, Time: anHour * time.Second}))
		b = open(t, esock.Inet, esock.Stream, esock.TCP)
		require.NoError(t, b.Connect(addr, esock.Within(patience)))
		a, err := l.Accept(esock.Within(patience))
		require.NoError(t, err)
		closeAtEnd(t, a)
		require.NoError(t, sockopt.SocketLinger.Set(l, sockopt.Linger{})) // closing it is not what is tested
		return a, b
	},
	"before it was adopted": func(t *testing.T) (a, b *esock.Socket) {
		from, b := tcpPair(t)
		f, err := from.File()
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, from.Close())
		require.NoError(t, lingerFD(int(f.Fd())))
		a, err = esock.AdoptFile(f)
		require.NoError(t, err)
		closeAtEnd(t, a)
		return a, b
	},
}

// onPair makes a way of an action on one end of a connection.
func onPair(set func(t *testing.T, a *esock.Socket) error) func(t *testing.T) (a, b *esock.Socket) {
	return func(t *testing.T) (a, b *esock.Socket) {
		a, b = tcpPair(t)
		require.NoError(t, set(t, a))
		return a, b
	}
}

func lingerFD(fd int) error {
	return syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1, Linger: anHour})
}

// When a socket is closed because its owner died, the close does not wait for unsent data, however linger was set.
func TestClose_OwnersDeathDoesNotLinger(t *testing.T) {
	for way, lingering := range lingeringWays {
		for _, parked := range []bool{false, true} {
			t.Run(fmt.Sprint(way, ", parked before=", parked), func(t *testing.T) {
				owner := esock.NewMailbox()
				a, b := lingering(t)
				require.NoError(t, a.ControllingProcess(nil, owner))
				if parked { // the runtime's File closes then
					_, err := a.Recv(make([]byte, 1), 0, esock.Within(time.Nanosecond))
					require.Equal(t, esock.ErrTimeout, err)
				}
				n := fill(t, a)
				require.NoError(t, closeSoon(t, owner)) // with linger it would take an hour
				// Not an abort either: the peer gets what was sent.
				got, err := io.Copy(io.Discard, reader{b})
				require.NoError(t, err)
				assert.EqualValues(t, n, got)
			})
		}
	}
}

func TestClose_AbortiveLingerStays(t *testing.T) {
	owner := esock.NewMailbox()
	a, b := tcpPair(t)
	require.NoError(t, a.ControllingProcess(nil, owner))
	require.NoError(t, sockopt.SocketLinger.Set(a, sockopt.Linger{On: true}))
	require.NoError(t, closeSoon(t, owner))
	_, err := b.Recv(make([]byte, 1), 0, esock.Within(patience))
	assert.ErrorIs(t, err, syscall.ECONNRESET)
}

// The closer itself waits for unsent data: it is back once the peer has taken enough.
func TestClose_Lingers(t *testing.T) {
	for _, parked := range []bool{false, true} {
		t.Run(fmt.Sprint("parked before=", parked), func(t *testing.T) {
			a, b := tcpPair(t)
			require.NoError(t, sockopt.SocketLinger.Set(a, sockopt.Linger{On: true, Time: time.Hour}))
			if parked { // the runtime's File closes then
				_, err := a.Recv(make([]byte, 1), 0, esock.Within(time.Nanosecond))
				require.Equal(t, esock.ErrTimeout, err)
			}
			n := fill(t, a)
			done := start(func() (int, error) { return 0, a.Close() })
			eventually(t, "closing", func() bool { return hasState(a.Info().RStates, "closing") })
			select {
			case <-done:
				t.Error("closed with unsent data")
			case <-time.After(20 * time.Millisecond): // it cannot be seen that a close goes on, only that it is not over
			}
			assert.ErrorIs(t, a.Close(), errClosed)
			drain(t, b, n)
			assert.NoError(t, result(t, done).err)
			_, err := b.Recv(make([]byte, 1), 0, esock.Within(patience))
			assert.Equal(t, ioEOF, err)
		})
	}
}

func TestClose_DescriptorIsReusedByOthers(t *testing.T) {
	sameDescriptors(t)
	for range 200 {
		a, b := pair(t, esock.Stream)
		got := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, esock.Forever) })
		fd := fdOf(t, b)
		b.Close()
		other, err := net.ListenPacket("udp", "127.0.0.1:0") // likely with the same number
		require.NoError(t, err)
		assert.ErrorIs(t, result(t, got).err, errClosed)
		_, err = other.WriteTo([]byte("x"), other.LocalAddr())
		require.NoError(t, err, "descriptor %d is another's now", fd)
		other.Close()
		a.Close()
	}
}

func TestClosedSocketAnswers(t *testing.T) {
	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, s.Close())
	var m esock.Msg
	for name, err := range map[string]error{
		"bind":        s.Bind(esock.Loopback),
		"listen":      s.Listen(1),
		"shutdown":    s.Shutdown(esock.ShutRead),
		"option":      sockopt.TCPNoDelay.Set(s, true),
		"otp option":  sockopt.Set(s, "otp", "meta", 1),
		"native":      s.SetOptionNative(6, 1, 1),
		"recv":        second(s.Recv(nil, 0, esock.Forever)),
		"recv full":   second(s.RecvFull(make([]byte, 3), 0, esock.Forever)),
		"recv bytes":  second(s.RecvBytes(0, 0, esock.Forever)),
		"recvmsg":     s.RecvMsg(&m, 0, esock.Forever),
		"send":        second(s.Send(nil, 0, esock.Forever)),
		"sendv":       second(s.SendV([][]byte{{1}, {2}}, esock.Forever)),
		"sendmsg":     second(s.SendMsg(&m, 0, esock.Forever)),
		"owner":       s.ControllingProcess(nil, esock.NewMailbox()),
		"sendfile":    second64(s.SendFile(fileOf(t, 1), 0, esock.ToEnd, esock.Forever)),
		"close again": s.Close(),
	} {
		assert.ErrorIs(t, err, errClosed, name)
	}
	assert.NotPanics(t, func() { s.Info(); s.Counters(); _ = s.String() })
}

func second(_ any, err error) error     { return err }
func second64(_ int64, err error) error { return err }
