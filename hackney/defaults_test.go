package hackney

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// The default options of the process are hackney's, too, except those that it sets itself.
func TestDefaultOptions(t *testing.T) {
	t.Cleanup(func() { gentcp.SetDefaultConnectOptions() })
	require.NoError(t, gentcp.SetDefaultConnectOptions(gentcp.PacketType(packet.Len4), gentcp.List(), gentcp.ShowEconnreset(true),
		gentcp.PacketSize(3), gentcp.Header(2), gentcp.Deliver(gentcp.DeliverPort), gentcp.KeepIdle(77)))
	both(t, func(t *testing.T, tr Transport) {
		s, p := connect(t, nil, tr)
		write(t, p, "data")
		require.Equal(t, "data", recv(t, s, 0), "raw")
		idle, err := beneathGen(s).Opt("keepidle")
		require.NoError(t, err)
		require.Equal(t, 77, idle)
		if c, ok := s.Sock.(*TLSConn); ok {
			require.True(t, c.settings.showReset)
			require.Equal(t, 3, c.settings.size)
		} else {
			size, err := beneathGen(s).Opt("packet_size")
			require.NoError(t, err)
			require.Equal(t, 3, size)
		}
	})
}

// beneathGen is the gentcp socket of a connection.
func beneathGen(s Socket) *gentcp.Socket {
	if c, ok := s.Sock.(*TLSConn); ok {
		return c.raw
	}
	return s.Sock.(*gentcp.Socket)
}

// inet_backend stays the first option, and is refused elsewhere.
func TestInetBackend(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		s, p := connect(t, nil, tr, gentcp.InetBackend(gentcp.BackendSocket), gentcp.NoDelay(true))
		write(t, p, "data")
		require.Equal(t, "data", recv(t, s, 4))
		_, err := Connect(nil, tr, "localhost", 1, gentcp.NoDelay(true), gentcp.InetBackend(gentcp.BackendSocket))
		require.ErrorIs(t, err, gentcp.ErrBadArg)
		require.ErrorContains(t, err, "not the first")
	})
}
