package esock

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// soPeekOff is SO_PEEK_OFF.
const soPeekOff = 42

// drainer is a socket whose receiver has so often drained it before it waited that its arms are kept: an event of data alone
// would answer the next one.
func drainer(t *testing.T, peer, s *Socket, mb *Mailbox) {
	t.Helper()
	for range 10 {
		_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
		require.IsType(t, (*Select)(nil), err)
		_, err = peer.Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		require.IsType(t, SelectMsg{}, receive(t, mb))
		_, err = s.Recv(make([]byte, 1), 0, NoWait(mb))
		require.NoError(t, err)
	}
}

// leaveUnread makes s a socket with data in it that no event announces any more.
func leaveUnread(t *testing.T, peer, s *Socket, mb *Mailbox) {
	t.Helper()
	_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
	require.IsType(t, (*Select)(nil), err)
	_, err = peer.Send([]byte("1234567890"), 0, Forever)
	require.NoError(t, err)
	require.IsType(t, SelectMsg{}, receive(t, mb))
	n, err := s.Recv(make([]byte, 4), 0, NoWait(mb))
	require.NoError(t, err)
	require.Equal(t, 4, n)
}

// pollerTurn returns when the poller has handed out what it had to report before.
func pollerTurn(t *testing.T) {
	t.Helper()
	peer, s := pair(t, Stream)
	mb := NewMailbox()
	defer mb.Close()
	_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
	require.IsType(t, (*Select)(nil), err)
	_, err = peer.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	require.IsType(t, SelectMsg{}, receive(t, mb))
}

// A peek at an offset that has no data yet is told of the data before it, once: a message means that the socket is readable,
// and its receiver may want to receive then.
func TestPeekAtAnOffsetHearsOfWhatIsThere(t *testing.T) {
	set := map[string]func(s *Socket) error{
		"by number": func(s *Socket) error { return s.SetOptionNative(syscall.SOL_SOCKET, soPeekOff, 100) },
		"by another who has the descriptor": func(s *Socket) error {
			return syscall.SetsockoptInt(s.FD(), syscall.SOL_SOCKET, soPeekOff, 100)
		},
	}
	for name, set := range set {
		t.Run(name, func(t *testing.T) {
			peer, s := tcpPair(t)
			hearsOfWhatIsThere(t, peer, s, func() error { return set(s) })
		})
	}
	t.Run("of an adopted socket", func(t *testing.T) {
		peer, s := pair(t, Stream)
		hearsOfWhatIsThere(t, peer, s, func() error {
			return syscall.SetsockoptInt(fdOf(s), syscall.SOL_SOCKET, soPeekOff, 100)
		})
	})
}

func hearsOfWhatIsThere(t *testing.T, peer, s *Socket, set func() error) {
	t.Helper()
	mb := NewMailbox()
	defer mb.Close()
	drainer(t, peer, s, mb)
	leaveUnread(t, peer, s, mb)
	if err := set(); err != nil {
		t.Skip("TCP peeks at offsets since Linux 6.9:", err)
	}
	_, err := s.Recv(make([]byte, 1), MsgPeek, NoWait(mb))
	if err == nil {
		t.Skip("TCP peeks at offsets since Linux 6.9")
	}
	require.IsType(t, (*Select)(nil), err)
	pollerTurn(t)
	require.Equal(t, 1, mb.Len())
	n, err := s.Recv(make([]byte, 10), 0, NoWait(mb))
	assert.NoError(t, err)
	assert.Equal(t, 6, n)
}

// An accepted socket inherits the offset.
func TestAcceptedPeekAtAnOffsetHearsOfWhatIsThere(t *testing.T) {
	for name, set := range map[string]func(t *testing.T, l *Socket) error{
		"set on the listener": func(t *testing.T, l *Socket) error {
			return l.SetOptionNative(syscall.SOL_SOCKET, soPeekOff, 100)
		},
		"set by another who has the listener": func(t *testing.T, l *Socket) error {
			return syscall.SetsockoptInt(l.FD(), syscall.SOL_SOCKET, soPeekOff, 100)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Open(Inet, Stream, TCP)
			require.NoError(t, err)
			defer l.Close()
			if err := set(t, l); err != nil {
				t.Skip("TCP peeks at offsets since Linux 6.9:", err)
			}
			require.NoError(t, l.Bind(Loopback))
			require.NoError(t, l.Listen(1))
			at, err := l.SockName()
			require.NoError(t, err)
			peer, err := Open(Inet, Stream, TCP)
			require.NoError(t, err)
			defer peer.Close()
			require.NoError(t, peer.Connect(at, Forever))
			s, err := l.Accept(Forever)
			require.NoError(t, err)
			defer s.Close()
			if off, err := s.GetOptionNativeInt(syscall.SOL_SOCKET, soPeekOff); err != nil || off != 100 {
				t.Skip("the kernel does not pass the offset on:", off, err)
			}
			hearsOfWhatIsThere(t, peer, s, func() error { return nil })
		})
	}
}
