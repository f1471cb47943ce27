package gentcp_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// accepting starts an accept, and returns when it waits, as the nth.
func accepting(t testing.TB, l *Socket, mb *esock.Mailbox, w esock.Wait, nth int) <-chan result {
	t.Helper()
	ch := inBackground(func() (*Socket, error) { return l.Accept(mb, w) })
	comes(t, "a waiting acceptor", func() bool { return l.Socket().Info().NumAcceptors == nth })
	return ch
}

// assertPeers checks that two sockets are the ends of one connection.
func assertPeers(t testing.TB, client, server *Socket) {
	t.Helper()
	peer, err := server.PeerName()
	require.NoError(t, err)
	assert.Equal(t, nameOf(t, client), peer)
}

// A listener needs no owner to have an active mode: the mode is for accepted sockets.
func TestAccept_ActiveModeOfNobodysListener(t *testing.T) {
	for _, c := range []struct {
		opts []Option
		want any
	}{
		{nil, true}, {[]Option{ActiveOnce()}, Once}, {[]Option{ActiveN(3)}, 3}, {[]Option{Active(false)}, false},
		{[]Option{ActiveN(-1)}, false},
	} {
		l := listenWith(t, nil, c.opts...)
		assert.Equal(t, c.want, valueOf(t, l, "active"))
		connectTo(t, nil, l)
		assert.Equal(t, c.want, valueOf(t, acceptFrom(t, l, owner(t)), "active"))
		connectTo(t, nil, l)
		assert.Equal(t, false, valueOf(t, acceptFrom(t, l, nil), "active"))
		require.NoError(t, l.SetOpts(ActiveN(7)))
	}
}

// The mailbox of the accept owns the socket, whatever owns the listener.
func TestAccept_Owner(t *testing.T) {
	for name, listeners := range map[string]*esock.Mailbox{"of somebody's listener": owner(t), "of nobody's": nil} {
		t.Run(name, func(t *testing.T) {
			l := listenWith(t, listeners)
			mb := owner(t)
			client := connectTo(t, nil, l)
			server := acceptFrom(t, l, mb)
			assert.Equal(t, mb, server.Owner())
			assert.Equal(t, mb, server.Socket().Owner())
			assert.Equal(t, listeners, l.Owner())
			require.NoError(t, server.SetOpts(Active(true)))
			require.NoError(t, client.Send([]byte("hello")))
			assert.Equal(t, "hello", string(nextMessage(t, mb).(TCPMsg).Data()))
			mb.Close()
			assert.False(t, server.Open())
			_, err := client.Recv(0, soon)
			assert.ErrorIs(t, err, ErrClosed)
			assert.True(t, l.Open())

			connectTo(t, nil, l)
			nobodys := acceptFrom(t, l, nil)
			assert.Nil(t, nobodys.Owner())
			assert.Nil(t, nobodys.Socket().Owner())
			assert.Equal(t, false, valueOf(t, nobodys, "active"))
		})
	}
}

// An accepted socket has the options of its listener, those of this layer and those of the kernel.
func TestAccept_Inherits(t *testing.T) {
	for _, c := range optionCases() {
		if c.name == "active" && c.want == false {
			continue // below
		}
		t.Run(c.set.String(), func(t *testing.T) {
			mb := owner(t)
			l, err := Listen(mb, 0, c.family(IPLoopback(), c.set)...)
			c.mayBeForbidden(t, err)
			made(t, l, err)
			connectTo(t, nil, l)
			server := acceptFrom(t, l, mb)
			c.holds(t, server)
			c.holds(t, l)
		})
	}
	t.Run("active false", func(t *testing.T) {
		mb := owner(t)
		l := listenWith(t, mb, Active(false))
		connectTo(t, nil, l)
		assert.Equal(t, false, valueOf(t, acceptFrom(t, l, mb), "active"))
	})
}

// Each accepted socket has a count of its own, and the listener keeps its.
func TestAccept_InheritsTheCount(t *testing.T) {
	mb := owner(t)
	l := listenWith(t, mb, ActiveN(2), PacketType(packet.Len1))
	for range 2 {
		client := connectTo(t, nil, l, PacketType(packet.Len1))
		server := acceptFrom(t, l, mb)
		assert.Equal(t, 2, valueOf(t, server, "active"))
		for _, data := range []string{"a", "b"} {
			require.NoError(t, client.Send([]byte(data)))
			assert.Equal(t, data, string(nextMessage(t, mb).(TCPMsg).Data()))
		}
		assert.Equal(t, PassiveMsg{server}, nextMessage(t, mb))
		assert.Equal(t, false, valueOf(t, server, "active"))
		assert.Equal(t, 2, valueOf(t, l, "active"))
	}
}

// The options are those at the time of the call, not of the connection.
func TestAccept_OptionsOfTheCall(t *testing.T) {
	mb := owner(t)
	l := listenWith(t, mb, PacketType(packet.Line), ActiveN(4))
	waiting := accepting(t, l, mb, soon, 1)
	require.NoError(t, l.SetOpts(PacketType(packet.Len2), Active(false), Binary(), Header(1)))
	connectTo(t, nil, l)
	r := outcomeOf(t, waiting)
	server := made(t, r.s, r.err)
	assert.Equal(t, packet.Line, valueOf(t, server, "packet"))
	assert.Equal(t, 4, valueOf(t, server, "active"))
	assert.Equal(t, ModeList, valueOf(t, server, "mode"))

	connectTo(t, nil, l)
	require.NoError(t, l.SetOpts(PacketType(packet.Len4))) // after the connection, before the call
	second := acceptFrom(t, l, mb)
	assert.Equal(t, packet.Len4, valueOf(t, second, "packet"))
	assert.Equal(t, ModeBinary, valueOf(t, second, "mode"))

	require.NoError(t, l.SetOpts(PacketType(packet.Raw), Header(7)))
	require.NoError(t, second.SetOpts(Header(5), KeepIdle(5)))
	assert.Equal(t, packet.Len4, valueOf(t, second, "packet"), "later changes are not shared")
	assert.Equal(t, 7, valueOf(t, l, "header"))
	assert.NotEqual(t, 5, valueOf(t, l, "keepidle"))
}

// Acceptors get their connections in the order they came.
func TestAccept_FirstComeFirstServed(t *testing.T) {
	l := listenWith(t, nil)
	var waiting []<-chan result
	for i := range 3 {
		waiting = append(waiting, accepting(t, l, nil, soon, i+1))
	}
	for _, w := range waiting {
		client := connectTo(t, nil, l)
		r := outcomeOf(t, w)
		assertPeers(t, client, made(t, r.s, r.err))
	}
	assertNobodyCame(t, l)
}

// An acceptor whose time is over leaves the others as they are.
func TestAccept_TimeoutsOfTheirOwn(t *testing.T) {
	l := listenWith(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first := accepting(t, l, nil, esock.Forever, 1)
	second := accepting(t, l, nil, esock.Context(ctx), 2)
	third := accepting(t, l, nil, soon, 3)
	s, err := l.Accept(nil, esock.Within(time.Millisecond))
	assertReason(t, "timeout", s, err)
	assert.Equal(t, esock.ErrTimeout, err, "bare")
	cancel()
	r := outcomeOf(t, second)
	assert.Equal(t, context.Canceled, r.err, "bare")
	assert.Nil(t, r.s)
	for _, w := range []<-chan result{first, third} {
		client := connectTo(t, nil, l)
		r := outcomeOf(t, w)
		assertPeers(t, client, made(t, r.s, r.err))
	}
}

// Timeout 0 takes a connection that is there.
func TestAccept_TimeoutZero(t *testing.T) {
	l := listenWith(t, nil)
	assertNobodyCame(t, l)
	client := connectTo(t, nil, l)
	assertPeers(t, client, opened(t)(l.Accept(nil, esock.Within(0))))
	assertNobodyCame(t, l)
}

func TestAccept_Close(t *testing.T) {
	l := listenWith(t, nil)
	client := connectTo(t, nil, l)
	server := acceptFrom(t, l, nil)
	var waiting []<-chan result
	for i := range 3 {
		waiting = append(waiting, accepting(t, l, nil, esock.Forever, i+1))
	}
	require.NoError(t, l.Close())
	for _, w := range waiting {
		r := outcomeOf(t, w)
		assertReason(t, "closed", r.s, r.err)
		assert.ErrorIs(t, r.err, ErrClosed)
	}
	for _, w := range []esock.Wait{esock.Forever, esock.Within(0)} {
		s, err := l.Accept(nil, w)
		assertReason(t, "closed", s, err)
	}
	sent(t, client, server, "accepted sockets live on")
	sent(t, server, client, "in both directions")
}

func TestAccept_NotAListener(t *testing.T) {
	client, server := bothEnds(t, nil)
	for _, s := range []*Socket{client, server} {
		got, err := s.Accept(nil, soon)
		assertReason(t, "einval", got, err)
		assert.ErrorIs(t, err, syscall.EINVAL)
		s.Close()
		got, err = s.Accept(nil, soon)
		assertReason(t, "closed", got, err)
	}
}

// An acceptor that ends while it waits gets no socket, and the connection is closed.
func TestAccept_AcceptorEnds(t *testing.T) {
	l := listenWith(t, nil)
	mb := owner(t)
	waiting := accepting(t, l, mb, soon, 1)
	mb.Close()
	client := connectTo(t, nil, l)
	r := outcomeOf(t, waiting)
	assertReason(t, "badarg", r.s, r.err)
	_, err := client.Recv(0, soon)
	assert.ErrorIs(t, err, ErrClosed)
}

// Without descriptors it is EMFILE; the connection waits in the queue.
func TestCreation_NoDescriptors(t *testing.T) {
	l := listenWith(t, nil)
	client := connectTo(t, nil, l)
	free, err := syscall.Dup(0)
	require.NoError(t, err)
	syscall.Close(free)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	low := limit
	low.Cur = uint64(free)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low))
	s1, err1 := l.Accept(nil, soon)
	s2, err2 := Listen(nil, 0)
	s3, err3 := ConnectAddr(nil, nameOf(t, l), soon)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	assertReason(t, "emfile", s1, err1)
	assertReason(t, "emfile", s2, err2)
	assertReason(t, "emfile", s3, err3)
	assertPeers(t, client, acceptFrom(t, l, nil))
}
