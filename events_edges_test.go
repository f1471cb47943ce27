package esock

import (
	"io"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A sharer shuts the reading of a datagram socket. The first call after the message says so, though the kernel has nothing to
// say: else each call would be told to wait for a message that comes at once.
func TestSharersShutdownIsTheEndOfAsynchronousReceives(t *testing.T) {
	_, s := pair(t, Dgram)
	dup, err := syscall.Dup(fdOf(s))
	require.NoError(t, err)
	defer syscall.Close(dup)
	mb := NewMailbox()
	defer mb.Close()
	_, err = s.Recv(make([]byte, 1), 0, NoWait(mb))
	var sel *Select
	require.ErrorAs(t, err, &sel)
	require.NoError(t, syscall.Shutdown(dup, syscall.SHUT_RD))
	sameMessage(t, SelectMsg{sel.Handle()}, receive(t, mb))
	_, err = s.Recv(make([]byte, 1), 0, NoWait(mb))
	assert.Equal(t, io.EOF, err)
	assert.True(t, laneIsFree(s, reading))
}

// Both directions are armed, one fires, and the other cannot be armed again. TCP has no other event that would tell its writer.
func TestEventTellsBothLanesThatItAnswers(t *testing.T) {
	c, peer := tcpLink(t)
	fd, err := syscall.Dup(fdOf(c)) // c keeps the description, and so the registration
	require.NoError(t, err)
	s, err := Adopt(fd, TakeFD())
	require.NoError(t, err)
	defer s.Close()
	reader, writer := NewMailbox(), NewMailbox()
	defer reader.Close()
	defer writer.Close()
	_, err = s.Send(make([]byte, 64<<20), 0, NoWait(writer))
	require.IsType(t, (*Select)(nil), err)
	_, err = s.Recv(make([]byte, 1), 0, NoWait(reader))
	require.IsType(t, (*Select)(nil), err)
	notWatchable(t, fd)
	_, err = peer.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	assert.IsType(t, SelectMsg{}, receive(t, reader))
	s.mu.Lock() // what the event is to both of them happens under it
	defer s.mu.Unlock()
	assert.Equal(t, 1, writer.Len())
}

// A call that is refused does not give up the lane as long as the message that the lane is kept for is unseen.
func TestRefusedCallKeepsTheLaneForItsMessage(t *testing.T) {
	a, s := pair(t, Stream)
	mb := NewMailbox()
	defer mb.Close()
	_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
	var sel *Select
	require.ErrorAs(t, err, &sel)
	const beyond = 1 << min(40, strconv.IntSize-2)
	if strconv.IntSize == 32 {
		t.Skip("every number of flags fits a C int")
	}
	refused := func() *Handle {
		_, err := s.Recv(make([]byte, 1), beyond, NoWait(mb))
		require.ErrorIs(t, err, &InvalidError{What: "msg_flag"})
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.lanes[reading].cur
	}
	assert.Same(t, sel.Handle(), refused(), "armed")
	_, err = a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	eventually(t, func() bool { return mb.Len() == 1 }, "the message")
	assert.Same(t, sel.Handle(), refused(), "unseen")
	sameMessage(t, SelectMsg{sel.Handle()}, receive(t, mb))
	assert.Nil(t, refused(), "seen")
	assert.True(t, laneIsFree(s, reading))
}

// The end of a pause wakes the call that waits on the C poller.
func TestEndOfAPauseWakesACallOnThePoller(t *testing.T) {
	s, _ := pair(t, Stream)
	wt := newWaiter(s, OpSend, 0)
	defer wt.free()
	s.mu.Lock()
	s.blockingSide().onPoller[writing] = wt
	s.park(writing, OpSend)
	s.mu.Unlock()
	s.paused(&pausing{s: s, d: writing, off: true, wanted: true, place: -1})
	require.Len(t, wt.ext.wake, 1)
	<-wt.ext.wake
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Nil(t, s.blk.Load().onPoller[writing])
	s.unpark(writing)
}

// A datagram socket without a peer is shut although the kernel says that it is not connected: a call that looks sees the end.
func TestShutdownOfADatagramSocketWithoutAPeer(t *testing.T) {
	s, err := Open(Inet, Dgram, UDP)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Bind(Loopback))
	require.ErrorIs(t, s.Shutdown(ShutRead), syscall.ENOTCONN)
	mb := NewMailbox()
	defer mb.Close()
	for _, w := range []Wait{Within(0), NoWait(mb), Forever} {
		_, err = s.Recv(make([]byte, 1), 0, w)
		require.Equal(t, io.EOF, err)
	}
	assert.Zero(t, mb.Len())
}
