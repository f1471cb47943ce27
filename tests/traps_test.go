package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

// Behaviour of the kernel and of Go's runtime that the waiting is built around: docs/architecture.md.

// fewTries is the most system calls that a wait which does not spin may have made.
const fewTries = 50

// polled is what poll(2) says of a socket.
func polled(t testing.TB, s *esock.Socket) int16 {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fdOf(t, s)), Events: unix.POLLIN | unix.POLLOUT}}
	_, err := unix.Poll(fds, 0)
	require.NoError(t, err)
	return fds[0].Revents
}

// errorQueueUDP is a UDP socket with an ICMP error in its queue, which nobody drains.
func errorQueueUDP(t *testing.T) (s, peer *esock.Socket) {
	t.Helper()
	peer, to := udp(t)
	s, from := udp(t)
	require.NoError(t, s.SetOptionNative(0, 11, 1)) // IP_RECVERR
	provoke(t, s)
	require.NotZero(t, polled(t, s)&unix.POLLERR)
	_, err := s.Recv(make([]byte, 1), 0, esock.Within(0))
	require.ErrorIs(t, err, syscall.ECONNREFUSED, "given once")
	require.NotZero(t, polled(t, s)&unix.POLLERR, "but the queue stays")
	require.NoError(t, peer.Connect(from, esock.Forever))
	_ = to
	return s, peer
}

// errorQueueTCP is a TCP socket whose error queue has timestamps, and whose send buffer is full as well: epoll then
// reports an error alone.
func errorQueueTCP(t *testing.T) (s, peer *esock.Socket) {
	t.Helper()
	s, peer = tcpPair(t)
	const software, txSoftware, onlyStamp = unix.SOF_TIMESTAMPING_SOFTWARE, unix.SOF_TIMESTAMPING_TX_SOFTWARE, unix.SOF_TIMESTAMPING_OPT_TSONLY
	require.NoError(t, s.SetOptionNative(unix.SOL_SOCKET, unix.SO_TIMESTAMPING, software|txSoftware|onlyStamp))
	fill(t, s)
	if polled(t, s)&(unix.POLLERR|unix.POLLOUT) != unix.POLLERR {
		t.Skip("this kernel makes no transmit timestamps on loopback")
	}
	return s, peer
}

func TestErrorQueuePending_ReaderParkedAndSelected(t *testing.T) {
	for name, setup := range map[string]func(*testing.T) (s, peer *esock.Socket){
		"udp": errorQueueUDP, "tcp with a full send buffer": errorQueueTCP,
	} {
		t.Run(name+", parked", func(t *testing.T) {
			s, peer := setup(t)
			before := s.Counters()
			for range 3 {
				got := recvStart(t, s, make([]byte, 10), esock.Forever, 1)
				send(t, peer, "data")
				assert.Equal(t, outcome{4, nil}, result(t, got))
			}
			after := s.Counters()
			assert.Less(t, after.ReadTries-before.ReadTries, uint64(fewTries), "no spinning")
			assert.Equal(t, uint64(3), after.ReadWaits-before.ReadWaits, "each wait counts once")
			_, err := s.Recv(make([]byte, 1), 0, esock.Within(time.Millisecond))
			assert.Equal(t, esock.ErrTimeout, err)
			got := recvStart(t, s, make([]byte, 1), esock.Forever, 1)
			require.NoError(t, s.Close())
			assert.ErrorIs(t, result(t, got).err, errClosed)
		})
		t.Run(name+", selected", func(t *testing.T) {
			s, peer := setup(t)
			mb := esock.NewMailbox()
			before := s.Counters().ReadTries
			for range 3 {
				sel := recvSelect(t, s, mb)
				// The pending error wakes it for nothing, a few times at the most.
				for sent := false; ; {
					if mb.Len() == 0 && !sent {
						time.Sleep(time.Millisecond) // give a spinning poller its chance
						if mb.Len() == 0 {
							send(t, peer, "data")
							sent = true
						}
					}
					assert.Equal(t, selectOf(sel), message(t, mb))
					n, err := s.Recv(make([]byte, 10), 0, esock.NoWait(mb))
					if err == nil {
						assert.Equal(t, 4, n)
						break
					}
					sel = selected(t, err)
				}
			}
			assert.Less(t, s.Counters().ReadTries-before, uint64(fewTries), "no spinning")
			sel := recvSelect(t, s, mb)
			require.NoError(t, s.Cancel(sel))
			assert.Zero(t, mb.Len())
		})
	}
}

func TestErrorQueue_IsReadByItsFlag(t *testing.T) {
	s, peer := errorQueueUDP(t)
	var m esock.Msg
	require.NoError(t, s.RecvMsg(&m, esock.MsgErrQueue, esock.Within(0)))
	assert.Equal(t, "ping", string(m.Data()), "the message that failed")
	assert.NotZero(t, m.Flags&esock.MsgErrQueue)
	assert.Equal(t, esock.ErrTimeout, s.RecvMsg(&m, esock.MsgErrQueue, esock.Within(0)), "empty")
	assert.Zero(t, polled(t, s)&unix.POLLERR)
	send(t, peer, "data")
	assert.Equal(t, "data", recv(t, s))
}

func TestReadAndWriteArmedTogether(t *testing.T) {
	for _, readFirst := range []bool{false, true} {
		for _, readFires := range []bool{false, true} {
			t.Run(fmt.Sprintf("read armed first=%v fires first=%v", readFirst, readFires), func(t *testing.T) {
				a, b := pair(t, esock.Stream)
				n := fill(t, a)
				rmb, wmb := esock.NewMailbox(), esock.NewMailbox()
				var r, w *esock.Select
				if readFirst {
					r, w = recvSelect(t, a, rmb), sendSelect(t, a, wmb)
				} else {
					w, r = sendSelect(t, a, wmb), recvSelect(t, a, rmb)
				}
				read := func() {
					send(t, b, "x")
					assert.Equal(t, selectOf(r), message(t, rmb))
				}
				write := func() {
					drain(t, b, n)
					assert.Equal(t, selectOf(w), message(t, wmb))
				}
				if readFires {
					read()
					assert.Zero(t, wmb.Len(), "T29: each its own direction")
					write()
				} else {
					write()
					assert.Zero(t, rmb.Len(), "T29: each its own direction")
					read()
				}
				assert.Zero(t, rmb.Len()+wmb.Len())
				_, err := a.Recv(make([]byte, 1), 0, esock.NoWait(rmb))
				assert.NoError(t, err)
				_, err = a.Send([]byte("x"), 0, esock.NoWait(wmb))
				assert.NoError(t, err)
			})
		}
	}
}

// A parked call in one direction, an armed one in the other.
func TestParkedAndArmedTogether(t *testing.T) {
	a, b := pair(t, esock.Stream)
	n := fill(t, a)
	mb := esock.NewMailbox()
	got := recvStart(t, a, make([]byte, 1), esock.Forever, 1)
	w := sendSelect(t, a, mb)
	drain(t, b, n)
	assert.Equal(t, selectOf(w), message(t, mb))
	send(t, b, "x")
	assert.Equal(t, outcome{1, nil}, result(t, got))
}

// watchedFiles lists what the epoll instances of the process watch.
func watchedFiles(t *testing.T) (list []string) {
	t.Helper()
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	require.NoError(t, err)
	for _, name := range infos {
		text, _ := os.ReadFile(name)
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "tfd:" {
				list = append(list, filepath.Base(name)+" watches "+f[1]+" "+line[strings.Index(line, "ino:"):])
			}
		}
	}
	sort.Strings(list)
	return list
}

// A closed number whose description lives on elsewhere keeps reporting, unless it was deregistered.
func TestDuplicateClosedWhileItsDescriptionLivesOn(t *testing.T) {
	a, b := pair(t, esock.Stream)
	before := watchedFiles(t)
	mb := esock.NewMailbox()
	for range 3 {
		d := twin(t, b)
		sel := recvSelect(t, d, mb)
		n := fill(t, d)
		parked := sendStart(t, d, []byte("x"), esock.Forever, 1)
		require.NoError(t, d.Close())
		drain(t, a, n)
		assert.Equal(t, abortOf(sel, errClosed), message(t, mb))
		assert.ErrorIs(t, result(t, parked).err, errClosed)
		assert.Equal(t, before, watchedFiles(t), "nothing of it is watched any more")
		other, _ := pair(t, esock.Stream) // may get the number, and what go-pointer gave the other
		sel = recvSelect(t, other, mb)
		echoes(t, a, b)
		assert.Zero(t, mb.Len(), "and nobody hears of it")
		require.NoError(t, other.Close())
		message(t, mb)
	}
}

// O_NONBLOCK belongs to the description: whoever shares it can clear it.
func TestDescriptionMadeBlockingBySomebodyElse(t *testing.T) {
	for _, typ := range []esock.Type{esock.Stream, esock.Dgram, esock.SeqPacket} {
		t.Run(typ.String(), func(t *testing.T) {
			a, b := pair(t, typ)
			foreign, err := unix.FcntlInt(uintptr(fdOf(t, b)), unix.F_DUPFD_CLOEXEC, 0)
			require.NoError(t, err)
			defer syscall.Close(foreign)
			makeBlocking := func() {
				require.NoError(t, syscall.SetNonblock(foreign, false))
				_, nonblock := fdFlags(t, fdOf(t, b))
				require.False(t, nonblock)
			}
			makeBlocking()
			mb := esock.NewMailbox()
			eachReceiver(t, func(t *testing.T, way receiver) {
				buf := make([]byte, 4)
				for _, w := range []esock.Wait{esock.Within(0), esock.Within(time.Millisecond)} {
					done := start(func() (int, error) { return way.recv(b, buf, w) })
					assert.Equal(t, outcome{0, esock.ErrTimeout}, result(t, done))
					makeBlocking()
				}
				_, err := way.recv(b, buf, esock.NoWait(mb))
				sel := selected(t, err)
				send(t, a, "one")
				assert.Equal(t, selectOf(sel), message(t, mb))
				n, err := way.recv(b, buf, esock.NoWait(mb))
				assert.Equal(t, outcome{3, nil}, outcome{n, err})
				parked := start(func() (int, error) { return way.recv(b, buf, esock.Forever) })
				readers(t, b, 1)
				send(t, a, "two")
				assert.Equal(t, outcome{3, nil}, result(t, parked))
				makeBlocking()
			})
			fill(t, b)
			done := start(func() (int, error) { return b.Send([]byte("x"), 0, esock.Within(time.Millisecond)) })
			assert.Equal(t, outcome{0, esock.ErrTimeout}, result(t, done))
			require.NoError(t, b.Cancel(sendSelect(t, b, mb)))
			parked := recvStart(t, b, make([]byte, 4), esock.Forever, 1)
			require.NoError(t, b.Close())
			assert.ErrorIs(t, result(t, parked).err, errClosed)
		})
	}
}

// A spinner has a budget without end; another socket's echo must make its progress all the same.
func TestSpinnerStarvesNobody(t *testing.T) {
	for _, procs := range []int{1, 2} {
		t.Run(fmt.Sprintf("GOMAXPROCS=%d", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			quiet, other := pair(t, esock.Stream)
			spinning := start(func() (int, error) {
				return quiet.Recv(make([]byte, 1), 0, esock.Forever.Spin(time.Hour))
			})
			eventually(t, "the spinner", func() bool { return quiet.Counters().ReadTries > 0 })
			a, b := tcpPair(t)
			const rounds = 100
			server := start(func() (int, error) {
				buf := make([]byte, 16)
				for range rounds {
					n, err := b.Recv(buf, 0, esock.Forever)
					if err != nil {
						return 0, err
					}
					if _, err = b.Send(buf[:n], 0, esock.Forever); err != nil {
						return 0, err
					}
				}
				return rounds, nil
			})
			for range rounds {
				send(t, a, "ping")
				assert.Equal(t, "ping", recv(t, a))
			}
			assert.Equal(t, outcome{rounds, nil}, result(t, server))
			mb := esock.NewMailbox()
			sel := recvSelect(t, a, mb)
			send(t, b, "x")
			assert.Equal(t, selectOf(sel), message(t, mb), "the C poller is served, too")
			send(t, other, "x")
			assert.Equal(t, outcome{1, nil}, result(t, spinning))
		})
	}
}

// Spinners end like everybody else.
func TestSpinnerIsEndedByEverything(t *testing.T) {
	_, b := pair(t, esock.Stream)
	spin := func(w esock.Wait) <-chan outcome {
		before := b.Counters().ReadTries
		ch := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, w.Spin(time.Hour)) })
		eventually(t, "the spinner", func() bool { return b.Counters().ReadTries > before })
		return ch
	}
	assert.Equal(t, esock.ErrTimeout, result(t, spin(esock.Within(2*time.Millisecond))).err)
	ctx, cancel := cancellable(t)
	done := spin(esock.Context(ctx))
	cancel()
	assert.Error(t, result(t, done).err)
	done = spin(esock.Forever)
	require.NoError(t, b.Close())
	assert.ErrorIs(t, result(t, done).err, errClosed)
}

func TestListenerMadeBlockingBySomebodyElse(t *testing.T) {
	l, addr := listener(t, 5)
	mb := esock.NewMailbox()
	accept := func(w esock.Wait) <-chan outcome {
		require.NoError(t, syscall.SetNonblock(fdOf(t, l), false))
		return start(func() (int, error) {
			a, err := l.Accept(w)
			if err == nil {
				a.Close()
			}
			return 0, err
		})
	}
	for _, w := range []esock.Wait{esock.Within(0), esock.Within(time.Millisecond)} {
		assert.Equal(t, esock.ErrTimeout, result(t, accept(w)).err)
	}
	sel := selected(t, result(t, accept(esock.NoWait(mb))).err)
	dial(t, addr)
	assert.Equal(t, selectOf(sel), message(t, mb))
	assert.NoError(t, result(t, accept(esock.NoWait(mb))).err)
}
