package gentcp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/packet"
)

func TestActiveSettings(t *testing.T) {
	type outcome struct {
		value   any
		passive bool   // PassiveMsg comes
		err     string // or "ok"
	}
	asSet := func(v any) outcome { return outcome{v, false, "ok"} }
	spent := outcome{false, true, "ok"}
	// From any mode but a count, a count is what it is set to.
	plain := map[any]outcome{
		true: asSet(true), gentcp.Once: asSet(gentcp.Once), false: asSet(false),
		3: asSet(3), 1: asSet(1), 32767: asSet(32767), 0: spent, -1: spent, -32768: spent,
	}
	for _, c := range []struct {
		from     any
		settings map[any]outcome
	}{
		{false, plain},
		{true, plain},
		{gentcp.Once, plain},
		{5, map[any]outcome{
			true: asSet(true), gentcp.Once: asSet(gentcp.Once), false: spent,
			3: asSet(8), -3: asSet(2), 0: asSet(5), -4: asSet(1), -5: spent, -6: spent, -32768: spent,
			32762: asSet(32767), 32763: {5, false, "einval"}, 32767: {5, false, "einval"},
		}},
		{32767, map[any]outcome{0: asSet(32767), 1: {32767, false, "einval"}, -32767: spent, -32766: asSet(1)}},
	} {
		for to, want := range c.settings {
			mb := owner(t)
			s, _ := wired(t, mb, option(t, "active", c.from))
			require.Equal(t, c.from, valueOf(t, s, "active"))
			reasons(t, want.err, s.SetOpts(option(t, "active", to)), "%v -> %v", c.from, to)
			assert.Equal(t, want.value, valueOf(t, s, "active"), "%v -> %v", c.from, to)
			if want.passive {
				holds(t, mb, "passive")
			} else {
				holds(t, mb)
			}
		}
	}
}

func option(t testing.TB, name string, value any) gentcp.Option {
	t.Helper()
	o, err := gentcp.Opt(name, value)
	require.NoError(t, err)
	return o
}

func TestActiveRefusesOtherValues(t *testing.T) {
	s, _ := wired(t, owner(t), gentcp.Active(false))
	for _, n := range append(testint.Wide(), 32768, -32769) {
		reasons(t, "einval", s.SetOpts(gentcp.ActiveN(n)), "%d", n)
		assert.Equal(t, false, valueOf(t, s, "active"))
	}
}

// The example of the manual's text: 5, then -2, then 32764, then 1.
func TestActiveCounts(t *testing.T) {
	mb := owner(t)
	s, _ := wired(t, mb, gentcp.Active(false))
	for _, c := range []struct {
		n    int
		want int
		err  string
	}{{5, 5, "ok"}, {-2, 3, "ok"}, {32764, 32767, "ok"}, {1, 32767, "einval"}} {
		reasons(t, c.err, s.SetOpts(gentcp.ActiveN(c.n)))
		assert.Equal(t, c.want, valueOf(t, s, "active"))
	}
	holds(t, mb)
}

// How many messages come, of four packets, and what is left for receives.
func TestActiveDelivers(t *testing.T) {
	for _, c := range []struct {
		name string
		mode gentcp.Option
		want []string
		now  any
		left []string
	}{
		{"true", gentcp.Active(true), []string{"a", "b", "c", "d"}, true, nil},
		{"once", gentcp.ActiveOnce(), []string{"a"}, false, []string{"b", "c", "d"}},
		{"1", gentcp.ActiveN(1), []string{"a", "passive"}, false, []string{"b", "c", "d"}},
		{"3", gentcp.ActiveN(3), []string{"a", "b", "c", "passive"}, false, []string{"d"}},
		{"4", gentcp.ActiveN(4), []string{"a", "b", "c", "d", "passive"}, false, nil},
		{"9", gentcp.ActiveN(9), []string{"a", "b", "c", "d"}, 5, nil},
		{"false", gentcp.Active(false), nil, false, []string{"a", "b", "c", "d"}},
	} {
		for _, form := range []gentcp.DeliverAs{gentcp.DeliverTerm, gentcp.DeliverPort} {
			// When the mode was set: before the data came, when it is with the kernel, when it has been read ahead.
			for _, when := range []string{"before", "with the kernel", "read ahead"} {
				t.Run(c.name+" "+when, func(t *testing.T) {
					mb := owner(t)
					s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Deliver(form), gentcp.Active(false))
					switch when {
					case "before":
						require.NoError(t, s.SetOpts(c.mode))
						holds(t, mb)
						write(t, peer, "a\nb\nc\nd\n")
					case "with the kernel":
						put(t, s, peer, "a\nb\nc\nd\n")
						require.NoError(t, s.SetOpts(c.mode))
					case "read ahead":
						put(t, s, peer, "0\na\nb\nc\nd\n")
						recvs(t, s, "0\n")
						require.NoError(t, s.SetOpts(c.mode))
					}
					for _, w := range c.want {
						switch {
						case w == "passive":
						case form == gentcp.DeliverPort:
							w = "port " + w + "\n"
						default:
							w = "tcp " + w + "\n"
						}
						gets(t, mb, w)
					}
					holds(t, mb)
					assert.Equal(t, c.now, valueOf(t, s, "active"))
					for _, l := range c.left {
						recvs(t, s, l+"\n")
					}
				})
			}
		}
	}
}

// active 2, packet line, the peer sends a, b, c, d: two messages and the notice; once: the third; a receive: the last.
func TestActiveThenOnceThenRecv(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.ActiveN(2))
	write(t, peer, "a\nb\nc\nd\n")
	gets(t, mb, "tcp a\n", "tcp b\n", "passive")
	require.NoError(t, s.SetOpts(gentcp.ActiveOnce()))
	gets(t, mb, "tcp c\n")
	recvs(t, s, "d\n")
	holds(t, mb)
}

// Options of one call count together: the mode may stand before what the packets are.
func TestActiveBeforePacketInOneCall(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.Active(false))
	put(t, s, peer, "a\nb\n")
	require.NoError(t, s.SetOpts(gentcp.ActiveOnce(), gentcp.PacketType(packet.Line), gentcp.Deliver(gentcp.DeliverPort)))
	holds(t, mb, "port a\n")
	reasons(t, "einval", s.SetOpts(gentcp.ActiveOnce(), gentcp.PacketType(packet.Raw), gentcp.PacketType(packet.TLS)))
	holds(t, mb, "port b\n")
}

// Counts show what is left behind the messages in the mailbox.
func TestActiveCountShowsWhatIsLeft(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.ActiveN(5))
	put(t, s, peer, "a\nb\n")
	comes(t, "the data", func() bool { return valueOf(t, s, "active") == 3 })
	require.NoError(t, s.SetOpts(gentcp.ActiveN(-2)))
	put(t, s, peer, "c\nd\n")
	comes(t, "the data", func() bool { return valueOf(t, s, "active") == false })
	holds(t, mb, "tcp a\n", "tcp b\n", "tcp c\n", "passive")
	recvs(t, s, "d\n")
}

// Messages that were announced are in the mailbox; what comes later is for receives.
func TestActiveFalseWithDataInFlight(t *testing.T) {
	for _, c := range []struct {
		name string
		mode gentcp.Option
		want []string
		left []string
	}{
		{"true", gentcp.Active(true), []string{"tcp a\n", "tcp b\n"}, []string{"c\n"}},
		{"5", gentcp.ActiveN(5), []string{"tcp a\n", "tcp b\n", "passive"}, []string{"c\n"}},
		{"2", gentcp.ActiveN(2), []string{"tcp a\n", "tcp b\n", "passive"}, []string{"c\n"}},
		{"once", gentcp.ActiveOnce(), []string{"tcp a\n"}, []string{"b\n", "c\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			mb := owner(t)
			s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(false))
			put(t, s, peer, "a\nb\n")
			require.NoError(t, s.SetOpts(c.mode)) // it is announced at once
			require.NoError(t, s.SetOpts(gentcp.Active(false)))
			put(t, s, peer, "c\n")
			holds(t, mb, c.want...)
			recvs(t, s, c.left...)
			assert.Zero(t, mb.Len(), "nothing of it is left")
		})
	}
	t.Run("announced by the poller", func(t *testing.T) {
		mb := owner(t)
		s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(true))
		holds(t, mb)
		write(t, peer, "a\nb")
		comes(t, "the announcement", func() bool { return mb.Len() == 1 })
		require.NoError(t, s.SetOpts(gentcp.Active(false)))
		put(t, s, peer, "c\n")
		holds(t, mb, "tcp a\n")
		recvs(t, s, "bc\n")
	})
}

// However often the mode is changed before the owner looks, messages are in order.
func TestActiveChangesKeepTheOrder(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(false))
	put(t, s, peer, "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n")
	for _, o := range []gentcp.Option{
		gentcp.ActiveOnce(), gentcp.ActiveOnce(), gentcp.ActiveN(2), gentcp.Active(false), gentcp.ActiveN(1), gentcp.ActiveOnce(),
		gentcp.Active(false), gentcp.ActiveN(-1), gentcp.ActiveOnce(), gentcp.ActiveOnce(),
	} {
		require.NoError(t, s.SetOpts(o))
	}
	holds(t, mb, "tcp 0\n", "tcp 1\n", "tcp 2\n", "tcp 3\n", "passive", "tcp 4\n", "passive", "tcp 5\n", "passive", "tcp 6\n",
		"tcp 7\n")
	recvs(t, s, "8\n", "9\n")
}

func TestActiveHTTP(t *testing.T) {
	head := "GET /a HTTP/1.1\r\nhost: x\r\nbad line\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
	for _, typ := range []packet.Type{packet.HTTP, packet.HTTPBin} {
		mb := owner(t)
		_, peer := wired(t, mb, gentcp.PacketType(typ))
		write(t, peer, head)
		gets(t, mb, "http GET /a", "http Host: x", "http http_errorbad line\r\n", "http http_eoh", "http status OK", "http http_eoh")
	}
	for _, typ := range []packet.Type{packet.HTTPH, packet.HTTPHBin} {
		mb := owner(t)
		_, peer := wired(t, mb, gentcp.PacketType(typ), gentcp.Active(true))
		write(t, peer, "a: b\r\nc: d\r\n\r\ne: f\r\n\r\n")
		gets(t, mb, "http A: b", "http C: d", "http http_eoh", "http E: f", "http http_eoh")
	}
	t.Run("port", func(t *testing.T) {
		mb := owner(t)
		_, peer := wired(t, mb, gentcp.PacketType(packet.HTTP), gentcp.Deliver(gentcp.DeliverPort))
		write(t, peer, head)
		gets(t, mb, "port GET /a", "port Host: x")
	})
}

func TestActiveMessagesSayWhoseTheyAre(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.ActiveN(1))
	other, otherPeer := wired(t, mb, gentcp.PacketType(packet.Line))
	write(t, otherPeer, "x\n")
	write(t, peer, "a\n")
	for range 3 {
		msg := nextMessage(t, mb)
		of := gentcp.SocketOf(msg)
		require.Contains(t, []*gentcp.Socket{s, other}, of)
		assert.Same(t, of.Socket(), msg.Socket())
		assert.Equal(t, of == s, s.About(msg))
		assert.Equal(t, of == other, other.About(msg))
	}
}

// What is buffered is delivered at once when a mode is set, also what another packet type makes of it.
func TestActivationWithBufferedData(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []gentcp.Option
		want []string
	}{
		{"raw", []gentcp.Option{gentcp.Active(true)}, []string{"tcp b\n\x02xyc"}},
		{"once", []gentcp.Option{gentcp.ActiveOnce()}, []string{"tcp b\n\x02xyc"}},
		{"line", []gentcp.Option{gentcp.PacketType(packet.Line), gentcp.ActiveN(2)}, []string{"tcp b\n"}},
		{"1", []gentcp.Option{gentcp.PacketType(packet.Len1), gentcp.Active(true)}, nil}, // 98 bytes are not there
	} {
		t.Run(c.name, func(t *testing.T) {
			mb := owner(t)
			s, peer := wired(t, mb, gentcp.Active(false))
			put(t, s, peer, "a\nb\n\x02xyc")
			require.Equal(t, "a\n", recvText(s, 2, soon))
			require.NoError(t, s.SetOpts(c.opts...))
			holds(t, mb, c.want...)
		})
	}
	t.Run("the packet type is changed while a mode is on", func(t *testing.T) {
		mb := owner(t)
		s, peer := wired(t, mb, gentcp.PacketType(packet.Len4), gentcp.Active(true))
		put(t, s, peer, "\x00\x00\x10\x00") // the poller has the socket when it has been looked at
		holds(t, mb)
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw)))
		gets(t, mb, "tcp \x00\x00\x10\x00")
		write(t, peer, "more")
		gets(t, mb, "tcp more")
	})
}

func TestActivationWithAnEndedStream(t *testing.T) {
	for _, mode := range []gentcp.Option{gentcp.Active(true), gentcp.ActiveOnce(), gentcp.ActiveN(3)} {
		t.Run(mode.String(), func(t *testing.T) {
			mb := owner(t)
			s, peer := wired(t, mb, gentcp.Active(false))
			hangUp(t, s, peer)
			require.NoError(t, s.SetOpts(mode))
			holds(t, mb, "closed")
			assert.False(t, s.Open())

			s, peer = wired(t, mb, gentcp.Active(false), gentcp.ExitOnClose(false), gentcp.PacketType(packet.Line))
			put(t, s, peer, "a\nincomplete")
			hangUp(t, s, peer)
			require.NoError(t, s.SetOpts(mode))
			if mode.Value() == gentcp.Once {
				holds(t, mb, "tcp a\n") // the end waits for the next time
				require.NoError(t, s.SetOpts(mode))
				holds(t, mb, "closed")
			} else {
				holds(t, mb, "tcp a\n", "closed")
			}
			assert.Equal(t, false, valueOf(t, s, "active"))
			require.NoError(t, s.SetOpts(mode), "accepted and ignored")
			holds(t, mb)
			assert.Equal(t, false, valueOf(t, s, "active"))
			recvs(t, s, "error: closed")
		})
	}
}

// A spent mode does not notice the end, a receive or the next activation does.
func TestASpentModeDoesNotNoticeTheEnd(t *testing.T) {
	for _, mode := range []gentcp.Option{gentcp.ActiveOnce(), gentcp.ActiveN(1)} {
		mb := owner(t)
		s, peer := wired(t, mb, mode, gentcp.PacketType(packet.Line))
		write(t, peer, "a\n")
		gets(t, mb, "tcp a\n")
		if mode.Value() == 1 {
			gets(t, mb, "passive")
		}
		hangUp(t, s, peer)
		holds(t, mb)
		assert.True(t, s.Open())
		require.NoError(t, s.SetOpts(mode))
		holds(t, mb, "closed")
	}
}

// In the modes once and count the end comes without a notice that the socket is passive.
func TestTheEndComesOnce(t *testing.T) {
	for _, mode := range []gentcp.Option{gentcp.Active(true), gentcp.ActiveOnce(), gentcp.ActiveN(3)} {
		mb := owner(t)
		s, peer := wired(t, mb, mode)
		require.NoError(t, peer.Close())
		gets(t, mb, "closed")
		s.SetOpts(gentcp.Active(true))
		s.CloseFrom(nil)
		s.Close()
		holds(t, mb)
	}
}

// A packet that is none makes the socket passive; the connection lives, and the bytes are there for raw.
func TestActiveWithAPacketThatIsNone(t *testing.T) {
	for _, mode := range []gentcp.Option{gentcp.Active(true), gentcp.ActiveOnce(), gentcp.ActiveN(3)} {
		mb := owner(t)
		s, peer := wired(t, mb, mode, gentcp.PacketType(packet.Len4), gentcp.PacketSize(10), gentcp.Deliver(gentcp.DeliverPort))
		write(t, peer, "\x00\x00\x00\x0bhello world")
		gets(t, mb, "error emsgsize")
		holds(t, mb)
		assert.Equal(t, false, valueOf(t, s, "active"))
		require.NoError(t, s.SetOpts(mode))
		holds(t, mb, "error emsgsize")
		recvs(t, s, "error: emsgsize", "error: emsgsize")
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw)))
		assert.Equal(t, "\x00\x00\x00\x0bhello world", recvText(s, 15, soon))
		require.NoError(t, s.Send([]byte("alive")))
		reads(t, peer, "alive")
	}
	t.Run("packets before it come first", func(t *testing.T) {
		mb := owner(t)
		_, peer := wired(t, mb, gentcp.PacketType(packet.TPKT))
		write(t, peer, "\x03\x00\x00\x05a\x03\x00\x00\x05bxxxx")
		gets(t, mb, "tcp \x03\x00\x00\x05a", "tcp \x03\x00\x00\x05b", "error emsgsize")
		holds(t, mb)
	})
}

// One raw message has at most what a read takes.
func TestActiveRawMessagesAreABufferAtMost(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.Buffer(1000), gentcp.Active(false))
	put(t, s, peer, strings.Repeat("x", 2500))
	require.NoError(t, s.SetOpts(gentcp.Active(true)))
	for _, n := range []int{1000, 1000, 500} {
		assert.Len(t, nextMessage(t, mb).(gentcp.TCPMsg).Data(), n)
	}
	holds(t, mb)
}

// An owner that does not receive leaves the data in the kernel.
func TestActiveReadsWhenTheOwnerReceives(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.Active(true))
	put(t, s, peer, strings.Repeat("x", 5000))
	comes(t, "the announcement", func() bool { return mb.Len() == 1 })
	assert.Equal(t, 5000, unread(t, s))
	assert.Len(t, nextMessage(t, mb).(gentcp.TCPMsg).Data(), 5000)
}

func TestASocketOfNobodyIsPassive(t *testing.T) {
	s, peer := wired(t, nil)
	assert.Equal(t, false, valueOf(t, s, "active"))
	for _, o := range []gentcp.Option{gentcp.Active(true), gentcp.ActiveOnce(), gentcp.ActiveN(1), gentcp.ActiveN(-1)} {
		reasons(t, "einval", s.SetOpts(o))
	}
	require.NoError(t, s.SetOpts(gentcp.Active(false)))
	put(t, s, peer, "x")
	recvs(t, s, "x")
}

// A selective receive leaves the messages of others, in their order.
func TestActiveWithSelectiveReceive(t *testing.T) {
	mb := owner(t)
	a, peerA := wired(t, mb, gentcp.PacketType(packet.Line))
	b, peerB := wired(t, mb, gentcp.PacketType(packet.Line))
	put(t, a, peerA, "a1\na2\na3\n")
	put(t, b, peerB, "b1\nb2\n")
	for _, want := range []string{"tcp b1\n", "tcp b2\n"} {
		comes(t, "a message about b", func() bool {
			msg, ok := mb.PollMatch(b.About)
			if ok {
				assert.Equal(t, want, describe(msg))
			}
			return ok
		})
	}
	gets(t, mb, "tcp a1\n", "tcp a2\n", "tcp a3\n")
	holds(t, mb)
}
