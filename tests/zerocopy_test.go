package tests

import (
	"bytes"
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// stalled is a TCP connection whose receiver takes little until it reads, so that what is sent stays in the kernel's queue.
func stalled(t *testing.T, opts ...esock.OpenOption) (from, to *esock.Socket) {
	t.Helper()
	l, at := listener(t, 1)
	require.NoError(t, sockopt.SocketRcvBuf.Set(l, 16<<10))
	from, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, opts...)
	require.NoError(t, err)
	require.NoError(t, sockopt.SocketSndBuf.Set(from, 4<<20))
	require.NoError(t, from.Connect(at, esock.Within(patience)))
	to, err = l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, to)
	require.NoError(t, l.Close())
	return from, to
}

// litter has the collector free what is not held, and fills it anew.
func litter() {
	var all [][]byte
	for range 6 {
		runtime.GC()
		for _, size := range []int{1000, 4096, 20_000, 64 << 10, 256 << 10} {
			for range 1 << 20 / size {
				all = append(all, bytes.Repeat([]byte("B"), size))
			}
		}
	}
	runtime.KeepAlive(all)
}

// zeroCopyWays are all calls that send without copying, each with memory that nothing else holds.
var zeroCopyWays = map[string]func(s *esock.Socket) (int, error){
	"Send": func(s *esock.Socket) (int, error) {
		return s.Send(bytes.Repeat([]byte("A"), 256<<10), esock.MsgZeroCopy, esock.Within(0))
	},
	"SendMsg, one slice": func(s *esock.Socket) (int, error) {
		m := esock.Msg{Iov: [][]byte{bytes.Repeat([]byte("A"), 256<<10)}}
		return s.SendMsg(&m, esock.MsgZeroCopy, esock.Within(0))
	},
	"SendMsg, small slices": func(s *esock.Socket) (int, error) {
		m := esock.Msg{}
		for range 60 {
			m.Iov = append(m.Iov, bytes.Repeat([]byte("A"), 1000))
		}
		return s.SendMsg(&m, esock.MsgZeroCopy, esock.Within(0))
	},
	"SendMsg, large slices": func(s *esock.Socket) (int, error) {
		m := esock.Msg{}
		for range 10 {
			m.Iov = append(m.Iov, bytes.Repeat([]byte("A"), 20_000), nil)
		}
		return s.SendMsg(&m, esock.MsgZeroCopy, esock.Within(0))
	},
	"SendMsg, more slices than one call takes": func(s *esock.Socket) (int, error) {
		m := esock.Msg{}
		for range 1100 {
			m.Iov = append(m.Iov, bytes.Repeat([]byte("A"), 200))
		}
		return s.SendMsg(&m, esock.MsgZeroCopy, esock.Within(0))
	},
	"asynchronously, given up": func(s *esock.Socket) (int, error) {
		mb := esock.NewMailbox()
		defer mb.Close()
		n, err := s.Send(bytes.Repeat([]byte("A"), 1<<20), esock.MsgZeroCopy, esock.NoWait(mb))
		var sel *esock.Select
		if errors.As(err, &sel) {
			err = errors.Join(esock.ErrTimeout, s.Cancel(sel))
		}
		return n, err
	},
	"ZeroCopy, dropped": func(s *esock.Socket) (int, error) {
		z, err := s.ZeroCopy()
		if err != nil {
			return 0, err
		}
		n, err := z.Send(bytes.Repeat([]byte("A"), 1<<20), esock.Within(0))
		if err == nil {
			err = esock.ErrTimeout // one such value per socket
		}
		return n, err
	},
}

// What becomes of the socket with sends pending.
var zeroCopyFates = map[string]func(t *testing.T, send func(*esock.Socket)) (to *esock.Socket){
	"the socket stays open": func(t *testing.T, send func(*esock.Socket)) *esock.Socket {
		from, to := stalled(t)
		send(from)
		t.Cleanup(func() { from.Close() })
		return to
	},
	"Close": func(t *testing.T, send func(*esock.Socket)) *esock.Socket {
		from, to := stalled(t)
		send(from)
		require.NoError(t, from.Close())
		return to
	},
	"Close after a park": func(t *testing.T, send func(*esock.Socket)) *esock.Socket {
		from, to := stalled(t)
		_, err := from.Recv(make([]byte, 1), 0, esock.Within(time.Millisecond))
		require.ErrorIs(t, err, esock.ErrTimeout)
		send(from)
		require.NoError(t, from.Close())
		return to
	},
	"the owner's death": func(t *testing.T, send func(*esock.Socket)) *esock.Socket {
		mb := esock.NewMailbox()
		from, to := stalled(t, esock.Owner(mb))
		require.NoError(t, sockopt.SocketLinger.Set(from, sockopt.Linger{On: true, Time: 9}))
		send(from)
		mb.Close()
		return to
	},
	"forgotten": func(t *testing.T, send func(*esock.Socket)) *esock.Socket {
		from, to := stalled(t, esock.Registered(false))
		send(from)
		return to
	},
	"adopted, Close": func(t *testing.T, send func(*esock.Socket)) *esock.Socket {
		from, to := stalled(t)
		a, err := esock.Adopt(fdOf(t, from))
		require.NoError(t, err)
		send(a)
		require.NoError(t, a.Close())
		require.NoError(t, from.Close())
		return to
	},
	"adopted without dup, Close": func(t *testing.T, send func(*esock.Socket)) *esock.Socket {
		from, to := stalled(t)
		a, err := esock.Adopt(fdOf(t, from), esock.NoDup())
		require.NoError(t, err)
		send(a)
		require.NoError(t, a.Close())
		require.NoError(t, from.Close())
		return to
	},
}

// Memory that the kernel has belongs to it until it says otherwise, whatever the caller, the collector or a close do.
func TestZeroCopyMemoryIsTheKernels(t *testing.T) {
	for way, call := range zeroCopyWays {
		for fate, run := range zeroCopyFates {
			t.Run(way+"/"+fate, func(t *testing.T) {
				sameDescriptors(t)
				sent := 0
				to := run(t, func(s *esock.Socket) {
					require.NoError(t, sockopt.SocketZeroCopy.Set(s, true))
					for sent < 1<<20 {
						n, err := call(s)
						if sent += n; err != nil {
							require.ErrorIs(t, err, esock.ErrTimeout)
							break
						}
					}
				})
				require.Greater(t, sent, 100_000, "more than the peer holds")
				litter()
				got := make([]byte, sent)
				n, err := to.RecvFull(got, 0, esock.Within(patience))
				require.NoError(t, err)
				assert.Equal(t, n, bytes.Count(got[:n], []byte("A")))
				if fate != "the socket stays open" {
					if fate == "forgotten" {
						runtime.GC()
					}
					_, err = to.Recv(got, 0, esock.Within(patience))
					assert.Equal(t, ioEOF, err, "then the peer sees the end")
				}
			})
		}
	}
}

// Buffers that are sent small and together are not the library's pooled ones.
func TestZeroCopyOfSmallSlicesKeepsThem(t *testing.T) {
	from, to := stalled(t)
	defer from.Close()
	require.NoError(t, sockopt.SocketZeroCopy.Set(from, true))
	var want, got bytes.Buffer
	for i := range 200 {
		m := esock.Msg{Iov: [][]byte{bytes.Repeat([]byte{byte(i)}, 1000), bytes.Repeat([]byte{byte(i)}, 500)}}
		n, err := from.SendMsg(&m, esock.MsgZeroCopy, esock.Within(0))
		want.Write(bytes.Repeat([]byte{byte(i)}, n))
		if err != nil {
			break
		}
	}
	buf := make([]byte, want.Len())
	n, err := to.RecvFull(buf, 0, esock.Within(patience))
	require.NoError(t, err)
	got.Write(buf[:n])
	assert.True(t, bytes.Equal(want.Bytes(), got.Bytes()))
}

// Where the socket does not allow it the kernel copies, numbers nothing, and holds nothing.
func TestZeroCopyThatIsNotAllowedHoldsNothing(t *testing.T) {
	from, to := stalled(t)
	defer from.Close()
	freed := make(chan struct{})
	sent := func() int {
		data := bytes.Repeat([]byte("A"), 1<<20)
		runtime.AddCleanup(&data[0], func(int) { close(freed) }, 0)
		n, err := from.Send(data, esock.MsgZeroCopy, esock.Within(0))
		if err != nil {
			require.ErrorIs(t, err, esock.ErrTimeout)
		}
		return n
	}()
	eventually(t, "the collector frees the data", func() bool {
		runtime.GC()
		select {
		case <-freed:
			return true
		default:
			return false
		}
	})
	litter()
	got := make([]byte, sent)
	n, err := to.RecvFull(got, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, n, bytes.Count(got, []byte("A")))
	var m esock.Msg
	_, err = from.RecvErr(&m, esock.Within(0))
	assert.ErrorIs(t, err, esock.ErrTimeout)

	// A socket without an error queue just sends, and one that was asked for its errors closes.
	a, b := pair(t, esock.Stream)
	_, err = a.Send([]byte("data"), esock.MsgZeroCopy, esock.Forever)
	require.NoError(t, err)
	require.NoError(t, b.RecvMsg(&m, esock.MsgErrQueue, esock.Within(patience)))
	assert.Equal(t, "data", string(m.Data()))
	require.NoError(t, b.Close())
}

// The records may be read in any way, and free the memory.
func TestZeroCopyIsFreedByWhoReadsTheErrors(t *testing.T) {
	for way, read := range map[string]func(s *esock.Socket, m *esock.Msg) error{
		"RecvErr": func(s *esock.Socket, m *esock.Msg) error { _, err := s.RecvErr(m, esock.Within(0)); return err },
		"RecvMsg": func(s *esock.Socket, m *esock.Msg) error { return s.RecvMsg(m, esock.MsgErrQueue, esock.Within(0)) },
		"Recv": func(s *esock.Socket, _ *esock.Msg) error {
			return second(s.Recv(make([]byte, 1), esock.MsgErrQueue, esock.Within(0)))
		},
		"RecvFull": func(s *esock.Socket, _ *esock.Msg) error {
			return second(s.RecvFull(make([]byte, 1), esock.MsgErrQueue, esock.Within(0)))
		},
		"RecvFrom": func(s *esock.Socket, _ *esock.Msg) error {
			_, _, err := s.RecvFrom(make([]byte, 1), esock.MsgErrQueue, esock.Within(0))
			return err
		},
		"RecvBytes": func(s *esock.Socket, _ *esock.Msg) error {
			return second(s.RecvBytes(0, esock.MsgErrQueue, esock.Within(0)))
		},
		"Recv, waiting": func(s *esock.Socket, _ *esock.Msg) error {
			return second(s.Recv(make([]byte, 1), esock.MsgErrQueue, esock.Within(10*time.Millisecond)))
		},
		"Recv, asynchronously": func(s *esock.Socket, _ *esock.Msg) error {
			mb := esock.NewMailbox()
			defer mb.Close()
			_, err := s.Recv(make([]byte, 1), esock.MsgErrQueue, esock.NoWait(mb))
			if errors.As(err, new(*esock.Select)) {
				err = esock.ErrTimeout
			}
			return err
		},
	} {
		t.Run(way, func(t *testing.T) {
			from, to := stalled(t)
			defer from.Close()
			require.NoError(t, sockopt.SocketZeroCopy.Set(from, true))
			freed := make(chan struct{})
			func() {
				data := bytes.Repeat([]byte("A"), 10_000)
				runtime.AddCleanup(&data[0], func(int) { close(freed) }, 0)
				_, err := from.Send(data, esock.MsgZeroCopy, esock.Within(patience))
				require.NoError(t, err)
			}()
			_, err := to.RecvFull(make([]byte, 10_000), 0, esock.Within(patience))
			require.NoError(t, err)
			var m esock.Msg
			eventually(t, "the data is freed", func() bool {
				if err := read(from, &m); err != nil {
					assert.ErrorIs(t, err, esock.ErrTimeout)
				}
				runtime.GC()
				select {
				case <-freed:
					return true
				default:
					return false
				}
			})
		})
	}
}

func TestZeroCopyPendingFallsAfterClose(t *testing.T) {
	sameDescriptors(t)
	from, to := stalled(t)
	z, err := from.ZeroCopy()
	require.NoError(t, err)
	n, _ := z.Send(bytes.Repeat([]byte("A"), 1<<20), esock.Within(0))
	require.NoError(t, from.Close())
	assert.Equal(t, 1, z.Pending(), "the peer has not taken it")
	_, err = z.Send([]byte("more"), esock.Forever)
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = to.RecvFull(make([]byte, n), 0, esock.Within(patience))
	require.NoError(t, err)
	eventually(t, "nothing pending", func() bool { return z.Pending() == 0 })
	_, err = to.Recv(make([]byte, 1), 0, esock.Within(patience))
	assert.Equal(t, ioEOF, err)
}

func TestZeroCopyCloseKeepsToLinger(t *testing.T) {
	t.Run("abort", func(t *testing.T) {
		from, to := stalled(t)
		z, err := from.ZeroCopy()
		require.NoError(t, err)
		z.Send(bytes.Repeat([]byte("A"), 1<<20), esock.Within(0))
		require.NoError(t, sockopt.SocketLinger.Set(from, sockopt.Linger{On: true}))
		require.NoError(t, from.Close())
		eventually(t, "nothing pending", func() bool { return z.Pending() == 0 })
		for err = nil; err == nil; {
			_, err = to.Recv(make([]byte, 1<<16), 0, esock.Within(patience))
		}
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
	t.Run("wait", func(t *testing.T) {
		from, to := stalled(t)
		z, err := from.ZeroCopy()
		require.NoError(t, err)
		n, _ := z.Send(bytes.Repeat([]byte("A"), 1<<20), esock.Within(0))
		require.NoError(t, sockopt.SocketLinger.Set(from, sockopt.Linger{On: true, Time: patience}))
		closed := start(func() (int, error) { return z.Pending(), from.Close() })
		_, err = to.RecvFull(make([]byte, n), 0, esock.Within(patience))
		require.NoError(t, err)
		assert.Equal(t, outcome{1, nil}, result(t, closed))
		assert.Zero(t, z.Pending(), "Close waited")
	})
	t.Run("wait no longer", func(t *testing.T) {
		from, to := stalled(t)
		z, err := from.ZeroCopy()
		require.NoError(t, err)
		n, _ := z.Send(bytes.Repeat([]byte("A"), 1<<20), esock.Within(0))
		require.NoError(t, sockopt.SocketLinger.Set(from, sockopt.Linger{On: true, Time: time.Second}))
		require.NoError(t, from.Close())
		assert.Equal(t, 1, z.Pending())
		_, err = to.RecvFull(make([]byte, n), 0, esock.Within(patience))
		require.NoError(t, err, "it is sent all the same")
		eventually(t, "nothing pending", func() bool { return z.Pending() == 0 })
	})
}

// SO_ZEROCOPY is inherited: an accepted socket has it, and its sends are kept.
func TestZeroCopyOfAcceptedSockets(t *testing.T) {
	l, at := listener(t, 1)
	require.NoError(t, sockopt.SocketZeroCopy.Set(l, true))
	require.NoError(t, sockopt.SocketSndBuf.Set(l, 4<<20))
	to := open(t, esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, sockopt.SocketRcvBuf.Set(to, 16<<10))
	require.NoError(t, to.Connect(at, esock.Within(patience)))
	from, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	n, _ := from.Send(bytes.Repeat([]byte("A"), 1<<20), esock.MsgZeroCopy, esock.Within(0))
	require.NoError(t, from.Close())
	litter()
	got := make([]byte, n)
	_, err = to.RecvFull(got, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, n, bytes.Count(got, []byte("A")))
	_, err = to.Recv(got, 0, esock.Within(patience))
	assert.Equal(t, ioEOF, err)
}

// allDone reads the error queue until everything is given back.
func allDone(t *testing.T, s *esock.Socket, z *esock.ZeroCopy) (n int) {
	t.Helper()
	var m esock.Msg
	eventually(t, "all given back", func() bool {
		for e, err := range s.Errors(&m) {
			require.NoError(t, err)
			for _, d := range z.Done(e) {
				n += len(d.Buf)
			}
		}
		return z.Pending() == 0
	})
	return n
}

// Linux numbers an empty datagram with MSG_ZEROCOPY, though there is nothing to give back.
func TestZeroCopyOfEmptyDatagrams(t *testing.T) {
	from, to := both(t, esock.Inet)
	z, err := from.ZeroCopy()
	require.NoError(t, err)
	for _, data := range []string{"one", "", "", "three", ""} {
		n, err := z.Send([]byte(data), esock.Forever)
		require.NoError(t, err)
		assert.Equal(t, len(data), n)
		assert.Equal(t, data, recv(t, to))
	}
	assert.Equal(t, len("onethree"), allDone(t, from, z))
	_, err = z.Send([]byte("last"), esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, 4, allDone(t, from, z))
}

// A datagram that cannot be sent gets no number, or one that the error queue tells of. Either way the next one's is known.
func TestZeroCopyAfterARefusedDatagram(t *testing.T) {
	t.Run("too long", func(t *testing.T) {
		from, _ := both(t, esock.Inet)
		z, err := from.ZeroCopy()
		require.NoError(t, err)
		for range 3 {
			_, err = z.Send(make([]byte, 70_000), esock.Forever)
			assert.ErrorIs(t, err, syscall.EMSGSIZE)
			_, err = z.Send([]byte("data"), esock.Forever)
			require.NoError(t, err, "nothing is in the error queue")
			assert.Equal(t, 4, allDone(t, from, z))
		}
	})
	t.Run("refused, with a record", func(t *testing.T) {
		from, to := both(t, esock.Inet)
		native(t, from, unix.SOL_IP, unix.IP_RECVERR, 1)
		z, err := from.ZeroCopy()
		require.NoError(t, err)
		for range 3 {
			_, err = z.Send([]byte("data"), esock.Forever)
			require.NoError(t, err)
			_, err = z.Send(make([]byte, 65535), esock.Forever) // with the headers more than a packet can be
			require.ErrorIs(t, err, syscall.EMSGSIZE)
			_, err = z.Send([]byte("data"), esock.Forever)
			require.ErrorIs(t, err, esock.ErrState, "the error queue may have its number")
			n, err := from.Send([]byte("data"), esock.MsgZeroCopy, esock.Forever)
			assert.Equal(t, outcome{4, nil}, outcome{n, err}, "copied")
			local := 0
			var m esock.Msg
			for e, err := range from.Errors(&m) {
				require.NoError(t, err)
				if e.Origin == esock.OriginLocal {
					local++
				}
				z.Done(e)
			}
			assert.Equal(t, 1, local)
			assert.Zero(t, z.Pending())
			assert.Equal(t, "data", recv(t, to))
			assert.Equal(t, "data", recv(t, to))
		}
	})
	t.Run("dropped on its way out, which takes a number", func(t *testing.T) {
		from, to := both(t, esock.Inet)
		z, err := from.ZeroCopy()
		require.NoError(t, err)
		// More segments than there may be are found out when the packet is complete.
		m := esock.Msg{Iov: [][]byte{make([]byte, 2000)}}
		require.NoError(t, m.SetControl(esock.UDPSegment(1)))
		_, err = from.SendMsg(&m, esock.MsgZeroCopy, esock.Forever)
		require.Error(t, err)
		var in esock.Msg
		numbers := 0
		for e := range from.Errors(&in) {
			if r, ok := e.ZeroCopy(); ok {
				numbers += int(r.Last-r.First) + 1
			}
		}
		assert.Equal(t, 1, numbers)
		_, err = z.Send([]byte("data"), esock.Forever)
		require.NoError(t, err)
		assert.Equal(t, "data", recv(t, to))
		assert.Equal(t, 4, allDone(t, from, z))
	})
}

func TestZeroCopySwitchedOff(t *testing.T) {
	from, _ := both(t, esock.Inet)
	z, err := from.ZeroCopy()
	require.NoError(t, err)
	native(t, from, unix.SOL_SOCKET, unix.SO_ZEROCOPY, 0)
	_, err = z.Send([]byte("data"), esock.Forever)
	assert.ErrorIs(t, err, esock.ErrState)
	_, err = from.Send([]byte("data"), esock.MsgZeroCopy, esock.Forever)
	assert.NoError(t, err, "the kernel copies")
	native(t, from, unix.SOL_SOCKET, unix.SO_ZEROCOPY, 1)
	_, err = z.Send([]byte("data"), esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, 4, allDone(t, from, z))
}
