package hackney

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// Data that came is seen, and taken out, also when a selective receive looks at it at that moment.
func TestLeftoverWhileAMatchLooks(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, p := connect(t, mb, tr)
		require.NoError(t, s.SetOpts(gentcp.ActiveOnce()))
		armed(t, mb)
		write(t, p, "unasked")
		eventually(t, func() bool { return mb.Len() == 1 }, "the announcement")
		looks := 0
		_, ok := mb.PollMatch(func(esock.Message) bool {
			looks++
			left, err := s.Leftover(mb)
			require.NoError(t, err)
			require.True(t, left)
			return true
		})
		require.Equal(t, 1, looks)
		require.False(t, ok, "Leftover took it")
		require.Zero(t, mb.Len())
	})
}

// What a selective receive looks at while the socket changes owner is the new owner's.
func TestControllingProcessWhileAMatchLooks(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb, other := mailbox(t), mailbox(t)
		s, p := connect(t, mb, tr)
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Line), gentcp.Active(true)))
		armed(t, mb)
		write(t, p, "a\nb\n")
		eventually(t, func() bool { return mb.Len() == 1 }, "the announcement")
		looks := 0
		_, ok := mb.PollMatch(func(esock.Message) bool {
			looks++
			require.NoError(t, s.ControllingProcess(mb, other))
			return true
		})
		require.Equal(t, 1, looks)
		require.False(t, ok)
		require.Equal(t, "a\n", nextData(t, other, s))
		require.Equal(t, "b\n", nextData(t, other, s))
		_, ok = mb.Poll()
		require.False(t, ok)
		require.Zero(t, mb.Len())
	})
}
