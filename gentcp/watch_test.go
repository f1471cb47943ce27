package gentcp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
)

// A message that takes the last of what has come leaves nothing in the mailbox: the poller watches the socket. Packets that
// were read with it come first, and the poller watches after the last.
func TestTheLastMessageLeavesTheSocketToThePoller(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(true))
	for range 3 {
		put(t, s, peer, "a\nb\n")
		gets(t, mb, "tcp a\n")
		assert.Equal(t, 1, mb.Len(), "there is more")
		tries := s.Socket().Counters().ReadTries
		gets(t, mb, "tcp b\n")
		assert.Zero(t, mb.Len(), "the poller tells")
		assert.Equal(t, tries+1, s.Socket().Counters().ReadTries)
		waiting := s.Socket().Info().NumReaders
		assert.Equal(t, 1, waiting)
		holds(t, mb)
		assert.Equal(t, tries+1, s.Socket().Counters().ReadTries, "no receive reads meanwhile")
	}
	write(t, peer, "c\n")
	gets(t, mb, "tcp c\n")
}

// With a part of a packet, or when a read was full, the next receive reads.
func TestAFullReadIsFollowedByAnother(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.PacketType(packet.Raw), gentcp.Active(false), gentcp.Buffer(4))
	put(t, s, peer, "abcdefgh")
	before := s.Socket().Counters().ReadTries
	require.NoError(t, s.SetOpts(gentcp.Active(true)))
	gets(t, mb, "tcp abcd", "tcp efgh")
	assert.Equal(t, before+2, s.Socket().Counters().ReadTries, "nothing looked in between")
	holds(t, mb)
}

// Looking for more takes nothing: data is still in the kernel, the end has closed nothing, and what the kernel tells only
// once is told. The counters have each failure once.
func TestLookingForMoreTakesNothing(t *testing.T) {
	for _, selectRead := range []bool{false, true} {
		t.Run("data", func(t *testing.T) {
			mb := owner(t)
			s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(true))
			require.NoError(t, sockopt.Set(s.Socket(), "otp", "select_read", selectRead))
			put(t, s, peer, "a\nb\n")
			gets(t, mb, "tcp a\n")
			put(t, s, peer, "c\n")
			gets(t, mb, "tcp b\n") // and there is more by now
			assert.Equal(t, 2, unread(t, s))
			gets(t, mb, "tcp c\n")
			put(t, s, peer, "d\n")
			gets(t, mb, "tcp d\n")
			holds(t, mb)
		})
	}
	t.Run("the end", func(t *testing.T) {
		for _, exits := range []bool{true, false} {
			mb := owner(t)
			s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(true), gentcp.ExitOnClose(exits))
			put(t, s, peer, "a\n")
			hangUp(t, s, peer)
			gets(t, mb, "tcp a\n")
			require.True(t, s.Open())
			require.NoError(t, s.Send([]byte("answer")), "the end is not acted on")
			reads(t, peer, "answer")
			gets(t, mb, "closed")
			assert.Equal(t, !exits, s.Open())
			assert.Equal(t, uint64(1), s.Socket().Counters().ReadFails)
			holds(t, mb)
		}
	})
	t.Run("the end, and a passive mode", func(t *testing.T) {
		mb := owner(t)
		s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(true), gentcp.ExitOnClose(false))
		put(t, s, peer, "a\n")
		hangUp(t, s, peer)
		gets(t, mb, "tcp a\n")
		require.NoError(t, s.SetOpts(gentcp.Active(false)))
		gets(t, mb, "closed") // it was announced
		holds(t, mb)
		recvs(t, s, "error: closed")
	})
	t.Run("a reset", func(t *testing.T) {
		mb := owner(t)
		s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(true), gentcp.ShowEconnreset(true))
		put(t, s, peer, "a\n")
		reset(t, s, peer)
		gets(t, mb, "tcp a\n", "error econnreset", "closed")
		assert.Equal(t, uint64(1), s.Socket().Counters().ReadFails)
		holds(t, mb)
	})
	t.Run("a reset, and another owner", func(t *testing.T) {
		mb, other := owner(t), owner(t)
		s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(true), gentcp.ShowEconnreset(true))
		put(t, s, peer, "a\n")
		reset(t, s, peer)
		gets(t, mb, "tcp a\n")
		s.ControllingProcess(mb, other)
		gets(t, other, "error econnreset", "closed")
		holds(t, mb)
	})
}

// The socket that the poller watches takes every change, as one that is announced does.
func TestChangesWhileThePollerWatches(t *testing.T) {
	start := func(t *testing.T, mode gentcp.Option) (mb *esock.Mailbox, s *gentcp.Socket, send func(string)) {
		mb = owner(t)
		s, peer := wired(t, mb, gentcp.PacketType(packet.Line), mode)
		put(t, s, peer, "a\n")
		gets(t, mb, "tcp a\n")
		return mb, s, func(data string) { write(t, peer, data) }
	}
	t.Run("unrecv", func(t *testing.T) {
		mb, s, send := start(t, gentcp.Active(true))
		require.NoError(t, s.Unrecv([]byte("b\n")))
		gets(t, mb, "tcp b\n")
		send("c\n")
		gets(t, mb, "tcp c\n")
	})
	t.Run("passive", func(t *testing.T) {
		mb, s, send := start(t, gentcp.Active(true))
		require.NoError(t, s.SetOpts(gentcp.Active(false)))
		send("b\n")
		recvs(t, s, "b\n")
		holds(t, mb)
	})
	t.Run("a count", func(t *testing.T) {
		mb, s, send := start(t, gentcp.ActiveN(3))
		require.NoError(t, s.SetOpts(gentcp.ActiveN(-1)))
		send("b\nc\n")
		gets(t, mb, "tcp b\n", "passive")
		recvs(t, s, "c\n")
	})
	t.Run("another owner", func(t *testing.T) {
		mb, s, send := start(t, gentcp.Active(true))
		other := owner(t)
		require.NoError(t, s.ControllingProcess(mb, other))
		send("b\n")
		gets(t, other, "tcp b\n")
		holds(t, mb)
	})
	t.Run("close", func(t *testing.T) {
		mb, s, _ := start(t, gentcp.Active(true))
		require.NoError(t, s.CloseFrom(nil))
		gets(t, mb, "closed")
		holds(t, mb)
	})
	t.Run("the owner's death", func(t *testing.T) {
		mb, s, _ := start(t, gentcp.Active(true))
		mb.Close()
		assert.False(t, s.Open())
	})
}
