package gentcp_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

func TestControllingProcessAnswers(t *testing.T) {
	for _, c := range []struct {
		name string
		give func(s *gentcp.Socket, mine, other *esock.Mailbox) error
		want string
		now  string // who owns it then
	}{
		{"to another", func(s *gentcp.Socket, mine, other *esock.Mailbox) error { return s.ControllingProcess(mine, other) }, "ok", "other"},
		{"to oneself", func(s *gentcp.Socket, mine, other *esock.Mailbox) error { return s.ControllingProcess(mine, mine) }, "ok", "mine"},
		{"to the owner, by anybody", func(s *gentcp.Socket, mine, other *esock.Mailbox) error { return s.ControllingProcess(other, mine) },
			"ok", "mine"},
		{"not the owner", func(s *gentcp.Socket, mine, other *esock.Mailbox) error { return s.ControllingProcess(other, other) },
			"not_owner", "mine"},
		{"nobody is not the owner", func(s *gentcp.Socket, mine, other *esock.Mailbox) error { return s.ControllingProcess(nil, other) },
			"not_owner", "mine"},
		{"to a dead one", func(s *gentcp.Socket, mine, other *esock.Mailbox) error {
			other.Close()
			return s.ControllingProcess(mine, other)
		}, "badarg", "mine"},
		{"to a dead one, not the owner", func(s *gentcp.Socket, mine, other *esock.Mailbox) error {
			dead := esock.NewMailbox()
			dead.Close()
			return s.ControllingProcess(other, dead)
		}, "not_owner", "mine"},
		{"closed", func(s *gentcp.Socket, mine, other *esock.Mailbox) error {
			s.Close()
			return s.ControllingProcess(mine, other)
		}, "closed", "mine"},
		{"to nobody", func(s *gentcp.Socket, mine, other *esock.Mailbox) error { return s.ControllingProcess(mine, nil) }, "ok", "nobody"},
	} {
		for _, kind := range []string{"connection", "listener"} {
			t.Run(c.name+" "+kind, func(t *testing.T) {
				mine, other := owner(t), owner(t)
				var s *gentcp.Socket
				if kind == "listener" {
					s = listenWith(t, mine)
				} else {
					s, _ = wired(t, mine)
				}
				reasons(t, c.want, c.give(s, mine, other))
				owners := map[string]*esock.Mailbox{"mine": mine, "other": other}
				assert.Same(t, owners[c.now], s.Owner())
				if s.Open() {
					assert.Same(t, owners[c.now], s.Socket().Owner(), "the socket beneath agrees")
				}
				holds(t, mine)
				holds(t, other)
			})
		}
	}
}

// A listener goes on with its new owner.
func TestControllingProcessOfAListener(t *testing.T) {
	mine, other := owner(t), owner(t)
	l := listenWith(t, mine, gentcp.Active(true))
	require.NoError(t, l.ControllingProcess(mine, other))
	holds(t, other)
	require.NoError(t, l.SetOpts(gentcp.ActiveOnce(), gentcp.PacketType(packet.Line)))
	holds(t, other)
	connectTo(t, nil, l)
	a := acceptFrom(t, l, mine)
	assert.Equal(t, gentcp.Once, valueOf(t, a, "active"))
	assert.True(t, l.Open())
	other.Close()
	assert.False(t, l.Open())
	assert.True(t, a.Open())
}

// Messages of all kinds move, in their order, and what comes later comes after them.
func TestControllingProcessMovesMessages(t *testing.T) {
	t.Run("data", func(t *testing.T) {
		mine, other := owner(t), owner(t)
		s, peer := wired(t, mine, gentcp.Active(true))
		put(t, s, peer, "1")
		comes(t, "the announcement", func() bool { return mine.Len() == 1 })
		require.NoError(t, s.ControllingProcess(mine, other))
		put(t, s, peer, "2")
		gets(t, other, "tcp 1", "tcp 2")
		holds(t, other)
		holds(t, mine)
		assert.Equal(t, true, valueOf(t, s, "active"))
	})
	t.Run("the end", func(t *testing.T) {
		for _, data := range []string{"", "1"} {
			mine, other := owner(t), owner(t)
			s, peer := wired(t, mine, gentcp.Active(true))
			if data != "" {
				put(t, s, peer, data)
			}
			hangUp(t, s, peer)
			comes(t, "the announcement", func() bool { return mine.Len() == 1 })
			require.NoError(t, s.ControllingProcess(mine, other), "it closes the socket, and is told to the new owner")
			if data != "" {
				gets(t, other, "tcp "+data)
			}
			gets(t, other, "closed")
			holds(t, mine)
			assert.Equal(t, other, s.Owner())
			reasons(t, "closed", s.ControllingProcess(other, mine))
		}
	})
	t.Run("all kinds, and only those of the socket", func(t *testing.T) {
		mine, other := owner(t), owner(t)
		s, peer := wired(t, mine, gentcp.PacketType(packet.Line), gentcp.Active(false), gentcp.ShowEconnreset(true),
			gentcp.ExitOnClose(false))
		x, peerX := wired(t, mine, gentcp.PacketType(packet.Line))
		put(t, x, peerX, "x1\n")
		put(t, s, peer, "a\nb\nc: d\r\nrest")
		require.NoError(t, other.Post(gentcp.PassiveMsg{Sock: x}), "what is there already stays in front")
		// Each setting makes messages of what was announced before it.
		for _, o := range [][]gentcp.Option{
			{gentcp.ActiveN(1)},
			{gentcp.Deliver(gentcp.DeliverPort), gentcp.ActiveN(1)},
			{gentcp.Deliver(gentcp.DeliverTerm), gentcp.PacketType(packet.HTTPH), gentcp.ActiveOnce()},
			{gentcp.PacketType(packet.TPKT), gentcp.ActiveOnce()},
			{gentcp.PacketType(packet.Raw), gentcp.Active(true)},
		} {
			require.NoError(t, s.SetOpts(o...))
		}
		reset(t, s, peer)
		require.NoError(t, s.ControllingProcess(mine, other))
		holds(t, other, "passive", "tcp a\n", "passive", "port b\n", "passive", "http C: d", "error emsgsize", "tcp rest",
			"error econnreset", "closed")
		gets(t, mine, "tcp x1\n")
		holds(t, mine)
	})
}

// The mode and the count are what they were, less the messages that moved.
func TestControllingProcessKeepsTheMode(t *testing.T) {
	for _, c := range []struct {
		mode gentcp.Option
		want any
	}{
		{gentcp.Active(true), true}, {gentcp.Active(false), false}, {gentcp.ActiveOnce(), gentcp.Once}, {gentcp.ActiveN(7), 7},
	} {
		mine, other := owner(t), owner(t)
		s, peer := wired(t, mine, c.mode, gentcp.PacketType(packet.Line))
		require.NoError(t, s.ControllingProcess(mine, other))
		assert.Equal(t, c.want, valueOf(t, s, "active"))
		write(t, peer, "a\n")
		if c.want == false {
			recvs(t, s, "a\n")
		} else {
			gets(t, other, "tcp a\n")
		}
		holds(t, mine)
		if c.want == 7 {
			assert.Equal(t, 6, valueOf(t, s, "active"))
		}
	}
	t.Run("given to nobody", func(t *testing.T) {
		mine := owner(t)
		s, peer := wired(t, mine)
		require.NoError(t, s.ControllingProcess(mine, nil))
		assert.Equal(t, false, valueOf(t, s, "active"))
		put(t, s, peer, "x")
		holds(t, mine)
		recvs(t, s, "x")
		mine.Close()
		assert.True(t, s.Open())
		require.NoError(t, s.ControllingProcess(nil, owner(t)), "nobody gives it to somebody")
		reasons(t, "ok", s.SetOpts(gentcp.Active(true)))
	})
}

// While the peer sends, the socket goes from owner to owner: nothing is lost, doubled or out of order.
func TestControllingProcessWhileDataStreamsIn(t *testing.T) {
	for _, mode := range []gentcp.Option{gentcp.Active(true), gentcp.ActiveOnce(), gentcp.ActiveN(3)} {
		t.Run(mode.String(), func(t *testing.T) {
			owners := []*esock.Mailbox{owner(t), owner(t), owner(t)}
			s, peer := wired(t, owners[0], gentcp.PacketType(packet.Len2), mode)
			const packets = 3000
			background(t, func() {
				for i := range packets {
					peer.Write([]byte{0, 2, byte(i >> 8), byte(i)})
				}
				peer.Close()
			})
			i, now := 0, 0
			for {
				for range 1 + i%5 {
					msg := nextMessage(t, owners[now])
					switch m := msg.(type) {
					case gentcp.TCPMsg:
						require.Equal(t, []byte{byte(i >> 8), byte(i)}, m.Data())
						i++
						if mode.Value() == gentcp.Once {
							require.NoError(t, s.SetOpts(mode))
						}
					case gentcp.PassiveMsg:
						require.NoError(t, s.SetOpts(mode))
					case gentcp.ClosedMsg:
						assert.Equal(t, packets, i)
						for _, mb := range owners {
							holds(t, mb)
						}
						return
					default:
						t.Fatal(describe(msg))
					}
				}
				next := (now + 1) % len(owners)
				if gentcp.Reason(s.ControllingProcess(owners[now], owners[next])) == "ok" {
					holds(t, owners[now])
					now = next
				}
			}
		})
	}
}

// When the owner ends the socket is closed, and the peer reads the end.
func TestOwnerDeath(t *testing.T) {
	t.Run("connections", func(t *testing.T) {
		mb := owner(t)
		l := listenWith(t, nil, gentcp.PacketType(packet.Line))
		client := connectTo(t, mb, l)
		accepted := acceptFrom(t, l, nil)
		pending := recvLater(t, accepted, 0, esock.Forever)
		turns(t, accepted, 0)
		mb.Close()
		assert.False(t, client.Open())
		recvs(t, client, "error: closed")
		reasons(t, "closed", client.Send([]byte("x")))
		reasons(t, "einval", client.SetOpts(gentcp.Active(true)))
		assert.Equal(t, "error: closed", pending())
	})
	t.Run("accepted", func(t *testing.T) {
		mb := owner(t)
		l := listenWith(t, owner(t))
		client := connectTo(t, nil, l)
		accepted := acceptFrom(t, l, mb)
		mb.Close()
		assert.False(t, accepted.Open())
		recvs(t, client, "error: closed")
		assert.True(t, l.Open())
	})
	t.Run("listener", func(t *testing.T) {
		mb := owner(t)
		l := listenWith(t, mb)
		at := nameOf(t, l)
		client := connectTo(t, nil, l)
		accepted := acceptFrom(t, l, nil)
		pending := inBackground(func() (*gentcp.Socket, error) { return l.Accept(nil, esock.Forever) })
		comes(t, "a waiting accept", func() bool { return len(l.Socket().Info().RStates) > 0 })
		mb.Close()
		r := outcomeOf(t, pending)
		assertReason(t, "closed", r.s, r.err)
		s, err := gentcp.ConnectAddr(nil, at, soon)
		assertReason(t, "econnrefused", s, err)
		sent(t, client, accepted, "accepted ones live on")
	})
	t.Run("with data read ahead", func(t *testing.T) {
		mb := owner(t)
		s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(false))
		put(t, s, peer, "a\nb\n")
		recvs(t, s, "a\n")
		mb.Close()
		recvs(t, s, "error: closed")
	})
	t.Run("of a former owner", func(t *testing.T) {
		mine, other := owner(t), owner(t)
		s, peer := wired(t, mine)
		require.NoError(t, s.ControllingProcess(mine, other))
		mine.Close()
		write(t, peer, "x")
		gets(t, other, "tcp x")
	})
	t.Run("under a receiver", func(t *testing.T) {
		for range 200 {
			mb := esock.NewMailbox()
			s, peer := wired(t, mb, gentcp.PacketType(packet.Line))
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					if _, err := mb.Receive(t.Context()); err != nil {
						return
					}
				}
			})
			write(t, peer, "a\nb\n")
			mb.Close()
			wg.Wait()
			require.False(t, s.Open())
			peer.Close()
		}
	})
}
