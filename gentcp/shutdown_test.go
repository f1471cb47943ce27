package gentcp_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

func TestShutdownWrite(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb)
	require.NoError(t, s.Send([]byte("last words")))
	require.NoError(t, s.Shutdown(esock.ShutWrite))
	reasons(t, "closed", s.Send([]byte("x")))
	reads(t, peer, "last words")
	readsEnd(t, peer)
	write(t, peer, "answer")
	gets(t, mb, "tcp answer")
	require.NoError(t, s.Shutdown(esock.ShutWrite), "again, while the other direction is open")
	require.NoError(t, peer.CloseWrite())
	gets(t, mb, "closed")
	holds(t, mb)
}

// What has come is still handed out, and what comes later; when there is nothing there is the end.
func TestShutdownRead(t *testing.T) {
	t.Run("passive", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Line), gentcp.ExitOnClose(false))
		put(t, s, peer, "a\nb\n")
		recvs(t, s, "a\n")
		require.NoError(t, s.Shutdown(esock.ShutRead))
		recvs(t, s, "b\n", "error: closed", "error: closed")
		require.NoError(t, s.Send([]byte("still sent")))
		reads(t, peer, "still sent")
		require.NoError(t, s.Shutdown(esock.ShutRead), "again")
	})
	t.Run("a receive that waits", func(t *testing.T) {
		s, _ := wired(t, nil)
		got := recvLater(t, s, 0, esock.Forever)
		turns(t, s, 0)
		require.NoError(t, s.Shutdown(esock.ShutRead))
		assert.Equal(t, "error: closed", got())
		assert.False(t, s.Open(), "exit_on_close")
		reasons(t, "closed", s.Send([]byte("x")))
	})
	for _, exit := range []bool{true, false} {
		t.Run("active "+gentcp.ExitOnClose(exit).String(), func(t *testing.T) {
			mb := owner(t)
			s, peer := wired(t, mb, gentcp.ExitOnClose(exit))
			holds(t, mb) // it is with the poller
			require.NoError(t, s.Shutdown(esock.ShutRead))
			gets(t, mb, "closed")
			holds(t, mb)
			assert.Equal(t, !exit, s.Open())
			if !exit {
				require.NoError(t, s.Send([]byte("still sent")))
				reads(t, peer, "still sent")
			}
		})
	}
}

func TestShutdownReadWrite(t *testing.T) {
	s, peer := wired(t, nil, gentcp.ExitOnClose(false))
	put(t, s, peer, "x")
	require.NoError(t, s.Shutdown(esock.ShutReadWrite))
	recvs(t, s, "x", "error: closed")
	reasons(t, "closed", s.Send([]byte("x")))
	readsEnd(t, peer)
}

// Once both directions are finished, by whomever, there is nothing to shut.
func TestShutdownOfWhatIsOver(t *testing.T) {
	for _, c := range []struct {
		name   string
		finish func(t *testing.T, s *gentcp.Socket, hangUp func())
	}{
		{"both here", func(t *testing.T, s *gentcp.Socket, hangUp func()) {
			require.NoError(t, s.Shutdown(esock.ShutReadWrite))
			hangUp()
		}},
		{"one each", func(t *testing.T, s *gentcp.Socket, hangUp func()) {
			require.NoError(t, s.Shutdown(esock.ShutWrite))
			hangUp()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, peer := wired(t, nil, gentcp.ExitOnClose(false))
			c.finish(t, s, func() { peer.Close() })
			comes(t, "the end", func() bool { return gentcp.Reason(s.Shutdown(esock.ShutWrite)) == "enotconn" })
			for _, how := range []esock.How{esock.ShutRead, esock.ShutWrite, esock.ShutReadWrite} {
				reasons(t, "enotconn", s.Shutdown(how))
			}
			_, err := s.PeerName()
			reasons(t, "enotconn", err)
			_, err = s.SockName()
			reasons(t, "ok", err)
			assert.True(t, s.Open())
		})
	}
}

func TestShutdownUnconnected(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	s, err := gentcp.FDOpen(nil, fd)
	made(t, s, err)
	reasons(t, "enotconn", s.Shutdown(esock.ShutReadWrite))
	reasons(t, "enotconn", mustFail(s.PeerName()))
}

func mustFail[T any](_ T, err error) error { return err }

func TestShutdownListener(t *testing.T) {
	for _, c := range []struct {
		how   esock.How
		stops bool
	}{{esock.ShutWrite, false}, {esock.ShutRead, true}, {esock.ShutReadWrite, true}} {
		t.Run(fmt.Sprint(c.how), func(t *testing.T) {
			l := listenWith(t, nil)
			pending := inBackground(func() (*gentcp.Socket, error) { return l.Accept(nil, esock.Forever) })
			comes(t, "a waiting accept", func() bool { return len(l.Socket().Info().RStates) > 0 })
			at := nameOf(t, l)
			require.NoError(t, l.Shutdown(c.how))
			if c.stops {
				r := outcomeOf(t, pending)
				assertReason(t, "einval", r.s, r.err)
				_, err := l.Accept(nil, now)
				reasons(t, "einval", err)
				s, err := gentcp.ConnectAddr(nil, at, soon)
				assertReason(t, "econnrefused", s, err)
				return
			}
			connectTo(t, nil, l)
			r := outcomeOf(t, pending)
			made(t, r.s, r.err)
		})
	}
}

// Unix listeners as well, for which the kernel has no event.
func TestShutdownListenerEndsAccept(t *testing.T) {
	for name, opts := range map[string][]gentcp.Option{"inet": {gentcp.IPLoopback()}, "local": {gentcp.Local()}} {
		t.Run(name, func(t *testing.T) {
			l, err := gentcp.Listen(nil, 0, opts...)
			require.NoError(t, err)
			defer l.Close()
			done := make(chan error, 2)
			for range 2 {
				go func() {
					_, err := l.Accept(nil, esock.Forever)
					done <- err
				}()
			}
			comes(t, "two acceptors", func() bool { return l.Socket().Info().NumAcceptors == 2 })
			require.NoError(t, l.Shutdown(esock.ShutRead))
			for range 2 {
				assert.ErrorIs(t, <-done, syscall.EINVAL)
			}
			_, err = l.Accept(nil, esock.Within(0))
			assert.ErrorIs(t, err, syscall.EINVAL)
		})
	}
}
