package tests

import (
	"fmt"
	"os"
	"path/filepath"
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

// What the kernel reports to the poller beside what a wait is for: errors, and the other direction.

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

// errorQueueUDP is a UDP socket with an ICMP error in its queue, which is not drained.
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
						pollerTurn(t) // a spinning poller has its chance
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
				eachForm(t, func(t *testing.T, f form) { armedTogether(t, f, readFirst, readFires) })
			})
		}
	}
}

func armedTogether(t *testing.T, f form, readFirst, readFires bool) {
	a, b := pair(t, esock.Stream)
	n := fill(t, a)
	rmb, wmb := esock.NewMailbox(), esock.NewMailbox()
	var r, w esock.Pending
	if readFirst {
		r, w = f.recv(t, a, rmb), f.send(t, a, wmb)
	} else {
		w, r = f.send(t, a, wmb), f.recv(t, a, rmb)
	}
	read := func() {
		send(t, b, "x")
		assert.NoError(t, f.end(t, r, rmb, receives1(a)))
	}
	write := func() {
		drain(t, b, n)
		assert.NoError(t, f.end(t, w, wmb, sends1(a)))
	}
	if readFires {
		read()
		assert.Zero(t, wmb.Len(), "each its own direction")
		write()
	} else {
		write()
		assert.Zero(t, rmb.Len(), "each its own direction")
		read()
	}
	assert.Zero(t, rmb.Len()+wmb.Len())
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
