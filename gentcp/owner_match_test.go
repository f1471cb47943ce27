package gentcp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// A selective receive looks at a packet while the socket changes owner: the packet is the new owner's, in its place, and the
// receive does not get it, whatever it thinks of it.
func TestControllingProcessWhileAMatchLooks(t *testing.T) {
	for name, accepts := range map[string]bool{"refused": false, "accepted": true} {
		for _, mode := range []gentcp.Option{gentcp.Active(true), gentcp.ActiveOnce(), gentcp.ActiveN(1), gentcp.ActiveN(3)} {
			t.Run(name+", "+mode.String(), func(t *testing.T) {
				mine, other := owner(t), owner(t)
				s, peer := wired(t, mine, gentcp.PacketType(packet.Line), mode)
				put(t, s, peer, "a\nb\n")
				comes(t, "the announcement", func() bool { return mine.Len() == 1 })
				looks := 0
				_, ok := mine.PollMatch(func(msg esock.Message) bool {
					looks++
					require.Equal(t, "tcp a\n", describe(msg))
					require.NoError(t, s.ControllingProcess(mine, other))
					return accepts
				})
				assert.False(t, ok)
				assert.Equal(t, 1, looks)
				holds(t, mine)
				switch mode.Value() {
				case 1:
					holds(t, other, "tcp a\n", "passive")
					recvs(t, s, "b\n")
				case gentcp.Once:
					holds(t, other, "tcp a\n")
					recvs(t, s, "b\n")
				default:
					holds(t, other, "tcp a\n", "tcp b\n")
				}
			})
		}
	}
}

// The same when the socket comes back, goes to a third, or is closed by the old owner's death.
func TestControllingProcessAndMoreWhileAMatchLooks(t *testing.T) {
	for name, c := range map[string]struct {
		act   func(t *testing.T, s *gentcp.Socket, mine, other, third *esock.Mailbox)
		whose string
	}{
		"comes back": {func(t *testing.T, s *gentcp.Socket, mine, other, _ *esock.Mailbox) {
			require.NoError(t, s.ControllingProcess(mine, other))
			require.NoError(t, s.ControllingProcess(other, mine))
		}, "mine"},
		"a third": {func(t *testing.T, s *gentcp.Socket, mine, other, third *esock.Mailbox) {
			require.NoError(t, s.ControllingProcess(mine, other))
			require.NoError(t, s.ControllingProcess(other, third))
		}, "third"},
		"the old owner dies": {func(t *testing.T, s *gentcp.Socket, mine, other, _ *esock.Mailbox) {
			require.NoError(t, s.ControllingProcess(mine, other))
			require.NoError(t, mine.Close())
		}, "other"},
	} {
		t.Run(name, func(t *testing.T) {
			boxes := map[string]*esock.Mailbox{"mine": owner(t), "other": owner(t), "third": owner(t)}
			s, peer := wired(t, boxes["mine"], gentcp.PacketType(packet.Line), gentcp.Active(true))
			put(t, s, peer, "a\nb\n")
			comes(t, "the announcement", func() bool { return boxes["mine"].Len() == 1 })
			acted := false
			boxes["mine"].PollMatch(func(msg esock.Message) bool {
				if !acted {
					acted = true
					c.act(t, s, boxes["mine"], boxes["other"], boxes["third"])
				}
				return false
			})
			holds(t, boxes[c.whose], "tcp a\n", "tcp b\n")
			for _, mb := range boxes {
				holds(t, mb)
			}
		})
	}
}
