package esock

import (
	"encoding/binary"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
)

func noteOf(b *zeroCopyBook, first, last uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(ZeroCopyRange{First: first, Last: last})
}

func keptBy(b *zeroCopyBook, o *zeroCopyResult) *zeroCopySend {
	return &zeroCopySend{book: b, buf: []byte("x"), owner: o}
}

// A notice may be read before the send that it is about has come back.
func TestZeroCopyNoticesBeforeTheSendIsNoted(t *testing.T) {
	b := &zeroCopyBook{sending: true}
	o := &zeroCopyResult{book: b}
	noteOf(b, 0, 1)
	noteOf(b, 2, 2)
	keptBy(b, o).sent(&Socket{typ: Stream}, 4, 1, ErrTimeout)
	assert.Equal(t, 1, o.pending)
	noteOf(b, 3, 3)
	assert.Zero(t, o.pending)
	assert.Empty(t, b.slots)
	assert.False(t, b.lost)
}

// A number that this socket has not sent says that another sends: from then on nothing is given back early.
func TestZeroCopyNoticesOfSomebodyElse(t *testing.T) {
	b := &zeroCopyBook{}
	o := &zeroCopyResult{book: b}
	keptBy(b, o).sent(&Socket{typ: Stream}, 1, 1, nil)
	noteOf(b, 1, 1)
	noteOf(b, 0, 0)
	assert.True(t, b.lost)
	assert.Equal(t, 1, o.pending)
	b.release()
	assert.Zero(t, o.pending)
}

func TestZeroCopyDoubtIsSettledByTheNotice(t *testing.T) {
	for _, before := range []uint32{0, 2} {
		b := &zeroCopyBook{}
		o := &zeroCopyResult{book: b}
		for range before {
			keptBy(b, o).sent(&Socket{typ: Dgram}, 1, 1, nil)
		}
		keptBy(b, o).sent(&Socket{typ: Dgram}, 0, 0, syscall.EPERM)
		assert.True(t, b.doubt)
		noteOf(b, before, before)
		assert.False(t, b.doubt)
		assert.Equal(t, before == 0, b.idle())
		assert.False(t, b.lost)
		keptBy(b, o).sent(&Socket{typ: Dgram}, 1, 1, nil)
		noteOf(b, before+1, before+1)
		assert.Equal(t, int(before), o.pending)
		for n := range before {
			noteOf(b, n, n)
		}
		assert.Zero(t, o.pending)
		assert.Empty(t, b.slots)
	}
}

// Only of a datagram that could not be sent is it not known whether it took a number.
func TestZeroCopyDoubtIsOfDatagrams(t *testing.T) {
	for typ, doubt := range map[Type]bool{Stream: false, Dgram: true} {
		b := &zeroCopyBook{}
		keptBy(b, nil).sent(&Socket{typ: typ}, 0, 0, syscall.ENOBUFS)
		assert.Equal(t, doubt, b.doubt)
	}
}

// Only with IP_RECVERR does the kernel report that a fragment was dropped, and only a datagram larger than the MTU has any.
func TestZeroCopyDatagramMayGoInPart(t *testing.T) {
	for _, domain := range []Domain{Inet, Inet6} {
		if domain == Inet6 && !machine.IPv6 {
			continue
		}
		s, err := Open(domain, Dgram, UDP)
		require.NoError(t, err)
		defer s.Close()
		inPart := func(sizes ...int) bool {
			z := &zeroCopySend{}
			for _, n := range sizes {
				z.bufs = append(z.bufs, make([]byte, n))
			}
			return z.mayHaveGoneInPart(s)
		}
		assert.False(t, inPart(5000))
		level, recvErr := syscall.IPPROTO_IP, syscall.IP_RECVERR
		if domain == Inet6 {
			level, recvErr = syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR
		}
		require.NoError(t, s.SetOptionNative(level, recvErr, 1))
		assert.True(t, inPart(5000), "the MTU is not known before it is connected")
		assert.True(t, inPart(300, 300))
		assert.False(t, inPart(500))
		require.NoError(t, s.Bind(Loopback))
		at, err := s.SockName()
		require.NoError(t, err)
		require.NoError(t, s.Connect(at, Forever))
		mtu, ok := s.optionOf(level, map[Domain]int{Inet: 14, Inet6: 24}[domain])
		require.True(t, ok)
		assert.True(t, inPart(int(mtu)))
		if mtu > 5000 {
			assert.False(t, inPart(4000), "it fits")
		}
	}
}

// What was noted before its send is noted once.
func TestZeroCopyEarlyNoticesAreForgotten(t *testing.T) {
	b := &zeroCopyBook{sending: true}
	noteOf(b, 0, 0)
	keptBy(b, nil).sent(&Socket{typ: Stream}, 1, 1, nil)
	assert.Empty(t, b.early)
	assert.True(t, b.idle())
}

// Notices come in any order, and what is given up then is what is left.
func TestZeroCopyReleaseBetweenOthers(t *testing.T) {
	b := &zeroCopyBook{}
	o := &zeroCopyResult{book: b}
	for range 3 {
		keptBy(b, o).sent(&Socket{typ: Stream}, 1, 1, nil)
	}
	noteOf(b, 1, 1)
	assert.Equal(t, 2, o.pending)
	b.release()
	assert.Zero(t, o.pending)
	assert.Len(t, o.done, 3)
	assert.True(t, b.idle())
}

// A receive with the flag, and a send with another, send nothing without copying.
func TestZeroCopyIsOfSendsWithTheFlag(t *testing.T) {
	s, peer := tcpLink(t)
	zc, err := s.ZeroCopy()
	require.NoError(t, err)
	_, err = peer.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	_, err = s.Recv(make([]byte, 1), MsgZeroCopy, Forever)
	require.NoError(t, err)
	assert.True(t, s.uncopied().idle())
	_, err = s.Send([]byte("x"), MsgCmsgCloexec, Forever) // a greater flag, which sends do not heed
	require.NoError(t, err)
	assert.True(t, s.uncopied().idle())
	assert.Zero(t, zc.Pending())
}

// An error that is no record keeps the doubt, until a send has reported it.
func TestZeroCopyDoubtReportsThePendingError(t *testing.T) {
	gone, addr := boundUDP(t)
	require.NoError(t, gone.Close())
	s, err := Open(Inet, Dgram, UDP)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Connect(addr, Forever))
	zc, err := s.ZeroCopy()
	require.NoError(t, err)
	eventually(t, func() bool {
		_, _ = s.Send([]byte("x"), 0, Forever)
		return cErrorPending(s.h)
	}, "that no peer is there")
	b := s.uncopied()
	b.doubt = true
	_, err = zc.Send([]byte("x"), Forever)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	_, err = zc.Send([]byte("x"), Forever)
	assert.NoError(t, err)
}

func TestZeroCopyMemoryThatIsKept(t *testing.T) {
	var l zeroCopyRestList
	b := new(zeroCopyBook)
	l.keep(b)
	assert.Contains(t, l.kept, b)
}

// restOf is what stays of a connection whose peer reads nothing.
func restOf(t *testing.T) (r *zeroCopyRest, z *ZeroCopy, peer *Socket) {
	t.Helper()
	l, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, l.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10))
	require.NoError(t, l.Bind(Loopback))
	require.NoError(t, l.Listen(1))
	at, err := l.SockName()
	require.NoError(t, err)
	c, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	require.NoError(t, c.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_SNDBUF, 1<<20))
	require.NoError(t, c.Connect(at, Forever))
	peer, err = l.Accept(Forever)
	require.NoError(t, err)
	t.Cleanup(func() { peer.Close() })
	z, err = c.ZeroCopy()
	require.NoError(t, err)
	_, err = z.Send(make([]byte, 4<<20), Within(0))
	require.ErrorIs(t, err, ErrTimeout)
	m := cAdopt(cFD(c.h), adoptDup, -1, -1, -1, nil)
	require.NoError(t, errnoOf(int(m.r)))
	// The socket goes without its book, which is the test's.
	book := c.rarely().uncopied.Swap(nil)
	require.NoError(t, c.Close())
	return &zeroCopyRest{book: book, h: m.h}, z, peer
}

func TestZeroCopyRestIsBounded(t *testing.T) {
	t.Run("nothing moves: the connection is aborted", func(t *testing.T) {
		r, z, peer := restOf(t)
		over, moved := r.step(time.Millisecond)
		assert.False(t, over)
		assert.True(t, moved, "the first look")
		over, _ = r.step(zeroCopyPatience - 1)
		assert.False(t, over)
		assert.Equal(t, 1, z.Pending())
		over, _ = r.step(1)
		assert.True(t, over)
		assert.Zero(t, z.Pending())
		var err error
		for buf := make([]byte, 1<<16); err == nil; {
			_, err = peer.Recv(buf, 0, Within(patience))
		}
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
	t.Run("a shared connection is not, and the memory stays", func(t *testing.T) {
		r, z, _ := restOf(t)
		r.shared = true
		r.step(time.Millisecond)
		over, _ := r.step(zeroCopyPatience)
		assert.True(t, over)
		assert.Equal(t, 1, z.Pending())
		zeroCopyRests.mu.Lock()
		assert.Contains(t, zeroCopyRests.kept, r.book)
		zeroCopyRests.kept = nil
		zeroCopyRests.mu.Unlock()
	})
	t.Run("all went, and another holder took the notices", func(t *testing.T) {
		r, z, peer := restOf(t)
		require.NoError(t, errnoOf(cShutdown(r.h, syscall.SHUT_WR)))
		var err error
		for buf := make([]byte, 1<<16); err == nil; {
			_, err = peer.Recv(buf, 0, Within(patience))
		}
		assert.Equal(t, io.EOF, err)
		r.book.lost = true
		for over := false; !over; { // until the kernel has the last acknowledgement
			over, _ = r.step(zeroCopyGrace / 4)
		}
		assert.Zero(t, z.Pending())
	})
}

// A call is complete when its buffer is full, also when the kernel reports more than it stored.
func TestMoreThanTheBufferIsNoMore(t *testing.T) {
	a, _ := pair(t, Stream)
	for _, c := range []call{
		{op: OpRecv, buf: make([]byte, 4), whole: true},
		{op: OpSend, buf: make([]byte, 4), whole: true},
		{op: OpSendMsg, iov: []cIovec{iovecOf(make([]byte, 4))}, whole: true},
	} {
		assert.NotPanics(t, func() { assert.True(t, c.advance(a, 10)) })
		assert.Empty(t, c.buf)
	}
}

func TestMoreThanTheBufferIsClipped(t *testing.T) {
	a, _ := pair(t, Stream)
	hooked(t, func(bool) int { return 10 })
	c := hookedCall()
	c.buf, c.whole, c.flags = make([]byte, 4), true, int(MsgTrunc)
	w := Forever
	n, err := a.do(c, &w)
	assert.NoError(t, err)
	assert.Equal(t, 10, n)
	assert.Empty(t, c.buf)
}

// A connection that has another holder is not aborted, whatever its linger.
func TestZeroCopyRestOfASharedConnection(t *testing.T) {
	abort := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, 1), 0)
	for name, facts := range map[string]uint32{"adopted": factFromFD, "borrowed": factFromFD | factBorrowed} {
		t.Run(name, func(t *testing.T) {
			r, z, peer := restOf(t)
			require.NoError(t, errnoOf(cSetOptNative(r.h, solSocket, syscall.SO_LINGER, abort)))
			others := cDup(r.h)
			require.Positive(t, others)
			taken := r.book.outlive(r.h, nil, facts, cookieOf(r.h), true)
			assert.Equal(t, facts&factBorrowed == 0, taken)
			if !taken {
				require.NoError(t, errnoOf(cClose(r.h, 0)))
			}
			require.NoError(t, syscall.SetsockoptLinger(others, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{}))
			require.NoError(t, syscall.Close(others))
			zeroCopyRests.mu.Lock()
			assert.NotContains(t, zeroCopyRests.kept, r.book)
			zeroCopyRests.mu.Unlock()
			var err error
			for buf := make([]byte, 1<<16); err == nil; {
				_, err = peer.Recv(buf, 0, Within(patience))
			}
			assert.Equal(t, io.EOF, err)
			eventually(t, func() bool { return z.Pending() == 0 }, "that the kernel is done")
		})
	}
}

// What is closed when the socket is forgotten knows what the kernel still sends from.
func TestZeroCopyBookOfAForgottenSocket(t *testing.T) {
	s, err := Open(Inet, Stream, TCP, Registered(false))
	require.NoError(t, err)
	defer s.Close()
	_, err = s.ZeroCopy()
	require.NoError(t, err)
	require.NotNil(t, s.uncopied())
	assert.Same(t, s.uncopied(), s.forgotten.uncopied)
}

// What stays of a connection that was closed inside a bubble is looked after outside.
func TestZeroCopyRestOfABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, z, peer := restOf(t)
		zeroCopyRests.add(r)
		var err error
		for buf := make([]byte, 1<<16); err == nil; {
			_, err = peer.Recv(buf, 0, Within(patience))
		}
		assert.Equal(t, io.EOF, err)
		assert.Zero(t, z.Pending())
	})
}

// The number of a borrowed descriptor may be another's when the socket ends: that one's error queue is not read. Nothing can tell
// when the kernel is done with the memory, so it is kept.
func TestZeroCopyBookAfterTheBorrowedNumberWasReused(t *testing.T) {
	borrow := func(t *testing.T, registered bool) (fd int, s *Socket, book *zeroCopyBook) {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		t.Cleanup(func() { syscall.Close(fd) })
		s, err = Adopt(fd, NoDup(), Registered(registered))
		require.NoError(t, err)
		toItself(t, s)
		z, err := s.ZeroCopy()
		require.NoError(t, err)
		_, err = z.Send([]byte("not received, so not released"), Forever)
		require.NoError(t, err)
		require.Equal(t, 1, z.Pending())
		return fd, s, s.uncopied()
	}
	reused := func(t *testing.T, fd int) *Socket {
		o, err := Open(Inet, Dgram, UDP)
		require.NoError(t, err)
		t.Cleanup(func() { o.Close() })
		toItself(t, o)
		require.NoError(t, o.SetOptionNative(solSocket, scmTimestamping,
			binary.NativeEndian.AppendUint32(nil, uint32(TimestampTxSoftware|TimestampSoftware))))
		_, err = o.Send([]byte("stamped"), 0, Forever)
		require.NoError(t, err)
		require.NoError(t, syscall.Dup3(cFD(o.h), fd, syscall.O_CLOEXEC))
		return o
	}
	check := func(t *testing.T, o *Socket, book *zeroCopyBook) {
		zeroCopyRests.mu.Lock()
		assert.Contains(t, zeroCopyRests.kept, book)
		zeroCopyRests.kept = nil
		zeroCopyRests.mu.Unlock()
		assert.False(t, book.idle())
		var m Msg
		e, err := o.RecvErr(&m, Within(2*time.Second))
		assert.NoError(t, err, "its record is still there")
		assert.Equal(t, OriginTxStatus, e.Origin)
	}
	t.Run("closed", func(t *testing.T) {
		fd, s, book := borrow(t, true)
		o := reused(t, fd)
		require.NoError(t, s.Close())
		check(t, o, book)
	})
	t.Run("forgotten", func(t *testing.T) {
		before := gauges.read().Sockets
		var fd int
		var book *zeroCopyBook
		func() { fd, _, book = borrow(t, false) }()
		o := reused(t, fd)
		collected(t, func() bool { return gauges.read().Sockets == before+1 }, "the socket is forgotten")
		canary(t)
		check(t, o, book)
	})
}
