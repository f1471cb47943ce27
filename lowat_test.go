package esock

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lowatOf is the mark that the kernel has.
func lowatOf(t *testing.T, s *Socket) int {
	t.Helper()
	b := make([]byte, 4)
	_, err := s.GetOptionNative(syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, b)
	require.NoError(t, err)
	return int(binary.NativeEndian.Uint32(b))
}

// dripped is a whole receive of size bytes on s, which has been woken often enough to set the mark: the peer has sent a
// piece for each of its waits.
func dripped(t *testing.T, peer, s *Socket, size int, w Wait) (sent int, ended chan result) {
	t.Helper()
	ended = make(chan result, 1)
	go func() {
		buf := make([]byte, size)
		n, err := s.RecvFull(buf, 0, w)
		ended <- result{n, err}
	}()
	const piece = 8
	for i := range lowatWaits {
		eventually(t, func() bool { return s.Counters().ReadWaits > uint64(i) }, "a wait")
		_, err := peer.Send(make([]byte, piece), 0, Forever)
		require.NoError(t, err)
		eventually(t, func() bool { return s.Counters().ReadByte == uint64(i+1)*piece }, "the bytes to be received")
	}
	return lowatWaits * piece, ended
}

type result struct {
	n   int
	err error
}

func TestWholeReceiveAsksForMoreAtOnce(t *testing.T) {
	const size = 1 << 20
	peer, s := tcpPair(t)
	require.NoError(t, s.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, 7))
	sent, ended := dripped(t, peer, s, size, Forever)
	eventually(t, func() bool { return lowatOf(t, s) == lowatMost }, "the mark")
	eventually(t, func() bool { return s.Counters().ReadWaits == lowatWaits+1 }, "the next wait")
	for range 20 { // each would be a wake-up
		_, err := peer.Send(make([]byte, 100), 0, Forever)
		require.NoError(t, err)
	}
	eventually(t, func() bool { n, err := s.NRead(); return err == nil && n == 2000 }, "the bytes to arrive")
	assert.EqualValues(t, sent, s.Counters().ReadByte, "the call sleeps until there is more")
	assert.EqualValues(t, lowatWaits+1, s.Counters().ReadWaits)
	_, err := peer.Send(make([]byte, size-sent-2000), 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, result{size, nil}, within(t, ended, "the receive"))
	assert.Equal(t, 7, lowatOf(t, s), "the user's mark is back")
}

// The last bytes are fewer than the mark was.
func TestLowatFollowsWhatIsLeft(t *testing.T) {
	const size = lowatLeast + 100
	peer, s := tcpPair(t)
	sent, ended := dripped(t, peer, s, size, Forever)
	eventually(t, func() bool { return lowatOf(t, s) > 1 }, "the mark")
	assert.Equal(t, size-sent, lowatOf(t, s))
	_, err := peer.Send(make([]byte, size-sent), 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, result{size, nil}, within(t, ended, "the receive"))
	assert.Equal(t, 1, lowatOf(t, s))
}

// A part that comes without a wait lowers the mark as well.
func TestLowatIsNeverAboveWhatIsLeft(t *testing.T) {
	_, s := tcpPair(t)
	c := call{op: OpRecv, whole: true, buf: make([]byte, 100), lowat: lowat{waits: lowatWaits, set: lowatMost, was: 1}}
	s.mu.Lock()
	c.lowat.put(s, lowatMost)
	s.mu.Unlock()
	require.NoError(t, s.ref("test"))
	s.state.Add(stOwned(reading))
	require.NoError(t, s.between(&c, &Wait{}, 0))
	assert.Equal(t, 100, lowatOf(t, s))
	c.lowat.reset(s)
	assert.Equal(t, 1, lowatOf(t, s))
	s.leave(OpRecv, nil)
}

// A mark that the user sets while the call has set its own stands when the call has returned; one that is refused changes nothing.
func TestLowatOfTheUserStands(t *testing.T) {
	for name, c := range map[string]struct {
		set  any
		then int
	}{
		"set":                      {9, 9},
		"set to what the call has": {lowatMost, lowatMost},
		"refused":                  {"", 1},
	} {
		t.Run(name, func(t *testing.T) {
			const size = 1 << 20
			peer, s := tcpPair(t)
			sent, ended := dripped(t, peer, s, size, Forever)
			eventually(t, func() bool { return lowatOf(t, s) == lowatMost }, "the mark")
			assert.Equal(t, c.set == "", s.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, c.set) != nil)
			_, err := peer.Send(make([]byte, size-sent), 0, Forever)
			require.NoError(t, err)
			assert.Equal(t, result{size, nil}, within(t, ended, "the receive"))
			assert.Equal(t, c.then, lowatOf(t, s))
		})
	}
}

// A call whose mark the user has replaced does not raise or lower the user's.
func TestLowatOfTheUserIsNotLowered(t *testing.T) {
	_, s := tcpPair(t)
	require.NoError(t, s.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, 7))
	m := lowat{waits: lowatWaits - 1}
	m.waited(s, 1<<20)
	assert.Equal(t, lowatMost, lowatOf(t, s), "what was set before does not count")
	require.NoError(t, s.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, 500))
	m.lower(s, 100)
	assert.Equal(t, 500, lowatOf(t, s))
	for range lowatWaits - 1 {
		m.waited(s, 1<<20)
		assert.Equal(t, 500, lowatOf(t, s))
	}
	m.waited(s, 1<<20) // from here it is as if the call had begun
	assert.Equal(t, lowatMost, lowatOf(t, s))
	m.reset(s)
	assert.Equal(t, 500, lowatOf(t, s))
}

// What ends a receive ends it beside the mark too, and what has come by then is received.
func TestLowatDelaysNoEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(peer, s *Socket) error
		want error
	}{
		"a deadline":       {func(_, s *Socket) error { return s.SetReadDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		"the peer's close": {func(p, _ *Socket) error { return p.Close() }, io.EOF},
		"shutdown":         {func(_, s *Socket) error { return s.Shutdown(ShutRead) }, io.EOF},
		"close":            {func(_, s *Socket) error { return s.Close() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			peer, s := tcpPair(t)
			sent, ended := dripped(t, peer, s, 1<<20, Forever)
			eventually(t, func() bool { return lowatOf(t, s) == lowatMost }, "the mark")
			_, err := peer.Send(make([]byte, 1000), 0, Forever)
			require.NoError(t, err)
			eventually(t, func() bool { n, err := s.NRead(); return err == nil && n == 1000 }, "the bytes to arrive")
			require.NoError(t, c.end(peer, s))
			got := within(t, ended, "the receive")
			assert.ErrorIs(t, got.err, c.want)
			if c.want == net.ErrClosed {
				return // Close drops what is there
			}
			assert.Equal(t, sent+1000, got.n)
			assert.Equal(t, 1, lowatOf(t, s))
		})
	}
}

func TestNoLowat(t *testing.T) {
	check := func(name string, size int, pair func() (peer, s *Socket)) {
		t.Run(name, func(t *testing.T) {
			peer, s := pair()
			sent, ended := dripped(t, peer, s, size, Forever)
			eventually(t, func() bool { return s.Counters().ReadWaits > lowatWaits }, "the next wait")
			assert.Equal(t, 1, lowatOf(t, s))
			_, err := peer.Send(make([]byte, size-sent), 0, Forever)
			require.NoError(t, err)
			assert.Equal(t, result{size, nil}, within(t, ended, "the receive"))
		})
	}
	check("few bytes", lowatLeast, func() (peer, s *Socket) { return tcpPair(t) })
	check("a unix stream", 1<<17, func() (peer, s *Socket) { return pair(t, Stream) })
	check("an adopted socket", 1<<17, func() (peer, s *Socket) {
		peer, own := tcpPair(t)
		s, err := Adopt(own.FD())
		require.NoError(t, err)
		t.Cleanup(func() { closeSoon(t, s) })
		return peer, s
	})
}

// tcpPair is a TCP connection over loopback, both ends.
func tcpPair(t *testing.T) (client, server *Socket) {
	t.Helper()
	l, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, l.Bind(Loopback))
	require.NoError(t, l.Listen(1))
	at, err := l.SockName()
	require.NoError(t, err)
	client, err = Open(Inet, Stream, TCP)
	require.NoError(t, err)
	t.Cleanup(func() { closeSoon(t, client) })
	require.NoError(t, client.Connect(at, Forever))
	server, err = l.Accept(Forever)
	require.NoError(t, err)
	t.Cleanup(func() { closeSoon(t, server) })
	return client, server
}
