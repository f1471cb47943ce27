package hackney

import (
	"testing"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
	"github.com/stretchr/testify/require"
)

func TestLeftover(t *testing.T) {
	passive := func(t *testing.T, s Socket, mb *esock.Mailbox) {
		t.Helper()
		left, err := s.Leftover(mb)
		require.NoError(t, err)
		require.False(t, left)
		require.Zero(t, mb.Len())
	}
	dirty := func(t *testing.T, s Socket, mb *esock.Mailbox) {
		t.Helper()
		left, err := s.Leftover(mb)
		require.NoError(t, err)
		require.True(t, left)
		require.Zero(t, mb.Len())
	}
	both(t, func(t *testing.T, tr Transport) {
		t.Run("nothing came", func(t *testing.T) {
			mb := mailbox(t)
			s, p := connect(t, mb, tr)
			require.NoError(t, s.SetOpts(gentcp.ActiveOnce()))
			passive(t, s, mb)
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
			require.Equal(t, fakeMsg{}, msg) // about another socket
			passive(t, s, mb)
		})
		for name, end := range map[string]func(p peer){
			"the end":  func(p peer) { p.Close() },
			"an error": func(p peer) { p.tcp.SetLinger(0); p.tcp.Close() },
		} {
			t.Run(name, func(t *testing.T) {
				mb := mailbox(t)
				s, p := connect(t, mb, tr)
				require.NoError(t, s.SetOpts(gentcp.ShowEconnreset(true), gentcp.Active(true)))
				armed(t, mb)
				end(p)
				eventually(t, func() bool { return mb.Len() == 1 }, "the announcement")
				dirty(t, s, mb)
			})
		}
		t.Run("a count that has run out does not count", func(t *testing.T) {
			mb := mailbox(t)
			s, _ := connect(t, mb, tr)
			require.NoError(t, s.SetOpts(gentcp.ActiveN(2)))
			passive(t, s, mb)
			require.Zero(t, mb.Len())
		})
		t.Run("data that is not announced", func(t *testing.T) {
			mb := mailbox(t)
			s, p := connect(t, mb, tr)
			write(t, p, "unasked")
			eventually(t, func() bool { n, err := beneath(s).NRead(); return err == nil && n > 0 }, "the data")
			dirty(t, s, mb)
		})
		t.Run("the beginning of a packet", func(t *testing.T) {
			mb := mailbox(t)
			s, p := connect(t, mb, tr)
			require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Line)))
			passive(t, s, mb)
			write(t, p, "a\nb\n")
			require.Equal(t, "a\n", recv(t, s, 0))
			require.Equal(t, "b\n", recv(t, s, 0), "the type is what it was")
			passive(t, s, mb)
			require.NoError(t, s.SetOpts(gentcp.Active(true)))
			armed(t, mb)
			write(t, p, "half a line")
			eventually(t, func() bool { return mb.Len() == 1 }, "the announcement")
			armed(t, mb)
			dirty(t, s, mb)
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

// What crypto/tls has read and not handed over is left over, too, and so is what another goroutine may be about to read.
func TestLeftoverOfTLS(t *testing.T) {
	for _, n := range []int{1, recordHeader, recordHeader + 1} {
		mb := mailbox(t)
		s, p := connect(t, mb, overTLS)
		require.NoError(t, s.SetOpts(gentcp.Active(true)))
		armed(t, mb)
		_, err := p.tcp.Write([]byte{23, 3, 3, 0, 20, 0}[:n])
		require.NoError(t, err)
		eventually(t, func() bool { return mb.Len() == 1 }, "the announcement")
		armed(t, mb)
		left, err := s.Leftover(mb)
		require.NoError(t, err)
		require.True(t, left, "%d bytes of a record", n)
	}
	mb := mailbox(t)
	s, p := connect(t, mb, overTLS)
	got := make(chan error, 1)
	go func() {
		_, err := s.RecvWait(0, soon)
		got <- err
	}()
	eventually(t, func() bool { return beneath(s).Info().NumReaders == 1 }, "a receive that waits")
	left, err := s.Leftover(mb)
	require.NoError(t, err)
	require.True(t, left)
	write(t, p, "x")
	require.NoError(t, testwait.Result(t, "the receive's end", got))
}

func TestTheBoundsOfRecords(t *testing.T) {
	stream := []byte{22, 3, 3, 0, 3, 1, 2, 3, 22, 3, 3, 0, 0, 23, 3, 3, 1, 0}
	stream = append(stream, make([]byte, 256)...)
	whole := map[int]bool{0: true, 8: true, 13: true, len(stream): true}
	for size := 1; size <= len(stream); size++ {
		var r record
		for at := 0; at < len(stream); {
			n := min(size, len(stream)-at)
			r.came(stream[at : at+n])
			at += n
			require.Equal(t, whole[at], !r.begun(), "byte %d, in pieces of %d", at, size)
		}
	}
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
