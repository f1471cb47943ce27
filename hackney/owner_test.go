package hackney

import (
	"testing"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
	"github.com/stretchr/testify/require"
)

func TestLeftover(t *testing.T) {
	passive := func(t *testing.T, s Socket, mb *esock.Mailbox) {
		t.Helper()
		require.Zero(t, mb.Len())
		left, err := s.Leftover(mb)
		require.NoError(t, err)
		require.False(t, left)
	}
	both(t, func(t *testing.T, tr Transport) {
		t.Run("nothing came", func(t *testing.T) {
			mb := mailbox(t)
			s, p := connect(t, mb, tr)
			require.NoError(t, s.SetOpts(gentcp.ActiveOnce()))
			left, err := s.Leftover(mb)
			require.NoError(t, err)
			require.False(t, left)
			write(t, p, "later")
			require.Equal(t, "later", recv(t, s, 5)) // it is passive now
			passive(t, s, mb)
		})
		t.Run("data", func(t *testing.T) {
			mb := mailbox(t)
			s, p := connect(t, mb, tr)
			require.NoError(t, s.SetOpts(gentcp.ActiveOnce()))
			armed(t, mb)
			require.NoError(t, mb.Post(fakeMsg{}))
			write(t, p, "unasked")
			eventually(t, func() bool { return mb.Len() == 2 }, "the announcement")
			left, err := s.Leftover(mb)
			require.NoError(t, err)
			require.True(t, left)
			msg, ok := mb.Poll()
			require.True(t, ok)
			require.Equal(t, fakeMsg{}, msg) // of somebody else
			passive(t, s, mb)
		})
		t.Run("the end", func(t *testing.T) {
			mb := mailbox(t)
			s, p := connect(t, mb, tr)
			require.NoError(t, s.SetOpts(gentcp.Active(true)))
			armed(t, mb)
			p.Close()
			eventually(t, func() bool { return mb.Len() == 1 }, "the announcement")
			left, err := s.Leftover(mb)
			require.NoError(t, err)
			require.True(t, left)
			require.Zero(t, mb.Len())
		})
		t.Run("an error", func(t *testing.T) {
			mb := mailbox(t)
			s, p := connect(t, mb, tr)
			require.NoError(t, s.SetOpts(gentcp.ShowEconnreset(true), gentcp.Active(true)))
			armed(t, mb)
			require.NoError(t, p.tcp.SetLinger(0))
			p.tcp.Close()
			eventually(t, func() bool { return mb.Len() == 1 }, "the announcement")
			left, err := s.Leftover(mb)
			require.NoError(t, err)
			require.True(t, left)
			require.Zero(t, mb.Len())
		})
		t.Run("a count that has run out does not count", func(t *testing.T) {
			mb := mailbox(t)
			s, _ := connect(t, mb, tr)
			require.NoError(t, s.SetOpts(gentcp.ActiveN(2)))
			left, err := s.Leftover(mb)
			require.NoError(t, err)
			require.False(t, left)
			require.Zero(t, mb.Len())
		})
		t.Run("closed", func(t *testing.T) {
			mb := mailbox(t)
			s, _ := connect(t, mb, tr)
			require.NoError(t, s.Close())
			_, err := s.Leftover(mb)
			require.Equal(t, "einval", reason(err))
		})
	})
}

func TestQueuedMessagesMoveWithTheOwner(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		first, second := mailbox(t), mailbox(t)
		s, p := connect(t, first, tr)
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Line), gentcp.ActiveN(2)))
		armed(t, first)
		write(t, p, "a\nb\nc\n")
		eventually(t, func() bool { return first.Len() > 0 }, "the announcement")
		require.Equal(t, "not_owner", reason(s.ControllingProcess(second, second)))
		require.NoError(t, s.ControllingProcess(first, second))
		require.Zero(t, first.Len())
		require.Equal(t, "not_owner", reason(s.ControllingProcess(first, first)))
		require.Equal(t, "a\n", nextData(t, second, s))
		require.Equal(t, "b\n", nextData(t, second, s))
		require.Equal(t, s.Messages().Data+"_passive", next(t, second, s).Tag)
		dead := mailbox(t)
		dead.Close()
		require.Equal(t, "badarg", reason(s.ControllingProcess(second, dead)))
		require.NoError(t, s.ControllingProcess(second, second))
		require.NoError(t, s.ControllingProcess(second, nil))
		require.Equal(t, "einval", reason(s.SetOpts(gentcp.Active(true))))
		require.NoError(t, s.SetOpts(gentcp.Active(false)))
		require.Equal(t, "c\n", recv(t, s, 0))
		require.NoError(t, s.ControllingProcess(nil, first))
		require.NoError(t, s.SetOpts(gentcp.Active(true)))
		write(t, p, "d\n")
		require.Equal(t, "d\n", nextData(t, first, s))
		first.Close() // the owner's death
		_, err := s.Recv(0)
		require.Equal(t, "closed", reason(err))
		require.Equal(t, "closed", reason(s.Send([]byte("x"))))
		_, err = p.Read(make([]byte, 1))
		require.Error(t, err)
	})
}
