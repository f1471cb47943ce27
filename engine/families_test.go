package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
)

// messages returns a socket of messages and its peer, which are connected.
func messages(t *testing.T, d esock.Domain, ty esock.Type) (s, peer *esock.Socket) {
	t.Helper()
	if d == esock.Local {
		n := map[esock.Type]int{esock.Dgram: syscall.SOCK_DGRAM, esock.SeqPacket: syscall.SOCK_SEQPACKET}[ty]
		fds, err := syscall.Socketpair(syscall.AF_UNIX, n|syscall.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		s, err = esock.Adopt(fds[0], esock.TakeFD())
		require.NoError(t, err)
		peer, err = esock.Adopt(fds[1], esock.TakeFD())
		require.NoError(t, err)
	} else {
		var err error
		s, err = esock.Open(d, ty, esock.UDP)
		require.NoError(t, err)
		peer, err = esock.Open(d, ty, esock.UDP)
		require.NoError(t, err)
		require.NoError(t, s.Bind(esock.Loopback))
		require.NoError(t, peer.Bind(esock.Loopback))
		a, err := s.SockName()
		require.NoError(t, err)
		b, err := peer.SockName()
		require.NoError(t, err)
		require.NoError(t, s.Connect(b, esock.Forever))
		require.NoError(t, peer.Connect(a, esock.Forever))
	}
	t.Cleanup(func() { s.Close(); peer.Close() })
	return s, peer
}

// Each message is one call of Received. An empty one is not the end, and one that is larger than a buffer is cut.
func TestMessagesOfEveryFamily(t *testing.T) {
	for _, c := range []struct {
		domain esock.Domain
		ty     esock.Type
	}{{esock.Inet, esock.Dgram}, {esock.Local, esock.Dgram}, {esock.Local, esock.SeqPacket}} {
		t.Run(fmt.Sprint(c.domain, " ", c.ty), func(t *testing.T) {
			l := run(t, engine.Buffers(8, 256))
			s, peer := messages(t, c.domain, c.ty)
			received, closed := make(chan string, 10), make(chan error, 1)
			conn, err := l.Adopt(s, handler{
				received: func(c *engine.Conn, b []byte) {
					received <- string(b)
					if len(b) > 0 {
						_, err := c.Write(b)
						assert.NoError(t, err)
					}
				},
				closed: func(_ *engine.Conn, err error) { closed <- err },
			})
			require.NoError(t, err)
			long := string(bytes.Repeat([]byte("long"), 100))
			for _, m := range []string{"one", "", "", long, "", "two"} {
				_, err := peer.Send([]byte(m), 0, esock.Forever)
				require.NoError(t, err)
			}
			got := make([]byte, 1000)
			for _, want := range []string{"one", "", "", long[:256], "", "two"} {
				select {
				case m := <-received:
					require.Equal(t, want, m)
				case err := <-closed:
					require.NoError(t, err)
				}
				if want != "" {
					n, err := peer.Recv(got, 0, esock.Forever)
					require.NoError(t, err)
					require.Equal(t, want, string(got[:n]))
				}
			}
			if c.ty == esock.SeqPacket {
				require.NoError(t, peer.Close())
				require.Equal(t, io.EOF, <-closed)
				return
			}
			conn.Post(conn.Close)
			require.ErrorIs(t, <-closed, net.ErrClosed)
		})
	}
}

// A loop serves listeners of other families as those of TCP.
func TestListenersOfEveryFamily(t *testing.T) {
	for _, c := range []struct {
		name    string
		domain  esock.Domain
		ty      esock.Type
		proto   esock.Protocol
		address esock.Addr
	}{
		{"unix", esock.Local, esock.Stream, esock.Default, esock.UnixAddr(t.TempDir() + "/listener")},
		{"unix, messages", esock.Local, esock.SeqPacket, esock.Default, esock.UnixAddr(t.TempDir() + "/listener")},
		{"mptcp", esock.Inet, esock.Stream, esock.MPTCP, esock.Loopback},
		{"ip 6", esock.Inet6, esock.Stream, esock.TCP, esock.Loopback},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := esock.Open(c.domain, c.ty, c.proto)
			if err == nil {
				t.Cleanup(func() { s.Close() })
				err = s.Bind(c.address)
			}
			lacks := []error{syscall.EPROTONOSUPPORT, syscall.ENOPROTOOPT, syscall.EAFNOSUPPORT, syscall.EADDRNOTAVAIL}
			for _, lacking := range lacks {
				if errors.Is(err, lacking) {
					t.Skip(err)
				}
			}
			require.NoError(t, err)
			require.NoError(t, s.Listen(10))
			address, err := s.SockName()
			require.NoError(t, err)
			l := run(t)
			closed := make(chan error, 1)
			h := echo
			h.closed = func(_ *engine.Conn, err error) { closed <- err }
			require.NoError(t, l.Serve(s, h))
			client, err := esock.Open(c.domain, c.ty, c.proto)
			require.NoError(t, err)
			defer client.Close()
			require.NoError(t, client.Connect(address, esock.Forever))
			// Several buffers of a stream, and a message that fits.
			sent := make([]byte, 100<<10)
			if c.ty == esock.SeqPacket {
				sent = sent[:10<<10]
			}
			for i := range sent {
				sent[i] = byte(i >> 3)
			}
			for range 3 {
				wrote := make(chan error, 1)
				go func() { _, err := client.Send(sent, 0, esock.Forever); wrote <- err }()
				got := make([]byte, len(sent))
				_, err = client.RecvFull(got, 0, esock.Forever)
				require.NoError(t, err)
				require.True(t, bytes.Equal(sent, got))
				require.NoError(t, <-wrote)
			}
			require.NoError(t, client.Close())
			require.Equal(t, io.EOF, <-closed)
		})
	}
}

// A datagram that nobody takes ends a connected socket by name.
func TestADatagramThatIsRefused(t *testing.T) {
	l := run(t)
	s, peer := messages(t, esock.Inet, esock.Dgram)
	require.NoError(t, peer.Close())
	closed := make(chan error, 1)
	_, err := l.Adopt(s, handler{
		opened: func(c *engine.Conn) { c.Write([]byte("x")) },
		closed: func(_ *engine.Conn, err error) { closed <- err },
	})
	require.NoError(t, err)
	require.ErrorIs(t, <-closed, syscall.ECONNREFUSED)
}
