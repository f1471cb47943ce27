package gentcp_test

import (
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

func TestGetOpts_InTheOrderAsked(t *testing.T) {
	l := listenWith(t, nil, PacketType(packet.Len2), KeepIdle(7))
	opts, err := l.GetOpts("packet", "keepidle", "mode", "packet")
	require.NoError(t, err)
	assert.Equal(t, []Option{PacketType(packet.Len2), KeepIdle(7), Mode(ModeList), PacketType(packet.Len2)}, opts)
	opts, err = l.GetOpts()
	require.NoError(t, err)
	assert.Equal(t, []Option{}, opts)
}

func TestGetOpts_UnknownNamesFailTheCall(t *testing.T) {
	l := listenWith(t, nil)
	for _, name := range []Name{"list", "binary", "inet", "inet6", "local", "port", "ip", "ifaddr", "fd", "backlog",
		"netns", "protocol", "tcp_module", "", "no_such", "Mode", "raw", "raw 6 4", "raw 6 4 x", "raw a 4 4", "raw 6 4 4 4",
		"raw 6 4 0xzz", RawName(6, 4, -1), RawName(6, 4, 1<<30)} {
		opts, err := l.GetOpts("mode", name, "packet")
		assert.Equal(t, "einval", Reason(err), "%s", name)
		assert.Nil(t, opts)
		assert.ErrorContains(t, err, string(name))
	}
}

// What has no effect here, and what the socket does not have, is left out.
func TestGetOpts_LeavesOut(t *testing.T) {
	without := []Name{"exclusiveaddruse", "high_watermark", "low_watermark", "high_msgq_watermark", "low_msgq_watermark"}
	of4, of6 := []Name{"tos", "ttl", "recvtos", "recvttl"}, []Name{"tclass", "recvtclass", "ipv6_v6only"}
	ofTCP := []Name{"nodelay", "nopush", "keepcnt", "keepidle", "keepintvl", "user_timeout", "pktoptions"}
	for _, c := range []struct {
		family Option
		lacks  [][]Name
	}{{Inet(), [][]Name{without, of6}}, {Inet6(), [][]Name{without, of4}}, {Local(), [][]Name{without, of4, of6, ofTCP}}} {
		l := opened(t)(Listen(owner(t), 0, c.family))
		var want, got []Name
		lacks := map[Name]bool{}
		for _, names := range c.lacks {
			for _, name := range names {
				lacks[name] = true
			}
		}
		for _, name := range ReadableNames() {
			if !lacks[name] {
				want = append(want, name)
			} else {
				_, err := l.Opt(name)
				assert.ErrorIs(t, err, syscall.ENOPROTOOPT, "%s", name)
			}
		}
		opts, err := l.GetOpts(ReadableNames()...)
		require.NoError(t, err)
		for _, o := range opts {
			got = append(got, Name(o.Name()))
		}
		assert.Equal(t, want, got, c.family)
	}
}

func TestGetOpts_Raw(t *testing.T) {
	l := listenWith(t, nil, KeepIdle(0x01020304&0x7fff))
	idle := cInt(0x0304)
	opts, err := l.GetOpts(RawName(tcpLevel, syscall.TCP_KEEPIDLE, 4), "mode", RawName(tcpLevel, 9999, 4),
		RawAsk(tcpLevel, syscall.TCP_KEEPIDLE, []byte{9, 9, 9, 9}), RawName(tcpLevel, syscall.TCP_KEEPIDLE, 100),
		RawName(tcpLevel, syscall.TCP_KEEPIDLE, 2))
	require.NoError(t, err)
	raw := Raw(tcpLevel, syscall.TCP_KEEPIDLE, idle)
	assert.Equal(t, []Option{raw, Mode(ModeList), raw, raw, Raw(tcpLevel, syscall.TCP_KEEPIDLE, idle[:2])}, opts)
	assert.NoError(t, l.SetOpts(opts[0]))
}

// An option reads back as it was set: 0 is not raw, though it acts as it.
func TestGetOpts_SpellingOfPacket(t *testing.T) {
	l := listenWith(t, nil)
	for _, typ := range []packet.Type{packet.Len0, packet.Raw, packet.Len0} {
		require.NoError(t, l.SetOpts(PacketType(typ)))
		assert.Equal(t, typ, valueOf(t, l, "packet"))
	}
	for name, want := range map[any]packet.Type{0: packet.Len0, "0": packet.Len0, "raw": packet.Raw} {
		require.NoError(t, l.SetOpts(must(Opt("packet", name))))
		assert.Equal(t, want, valueOf(t, l, "packet"))
	}
}

func TestGetOpts_RecbufLeavesBufferAlone(t *testing.T) {
	l := listenWith(t, nil, RecBuf(100000))
	assert.Equal(t, 8192, valueOf(t, l, "buffer"))
}

// What arrived with the segments shows in pktoptions, once it was asked for.
func TestGetOpts_PktOptions(t *testing.T) {
	t.Run("inet", func(t *testing.T) {
		client, server := bothEnds(t, nil, TOS(0x10), TTL(40))
		assert.Empty(t, valueOf(t, server, "pktoptions"))
		require.NoError(t, server.SetOpts(RecvTOS(true), RecvTTL(true)))
		sent(t, client, server, "x")
		got := valueOf(t, server, "pktoptions").([]PktOption)
		assert.Contains(t, got, PktOption{"tos", 0x10})
		var names []string
		for _, o := range got {
			names = append(names, o.Name)
		}
		assert.ElementsMatch(t, []string{"tos", "ttl"}, names)
		require.NoError(t, server.SetOpts(RecvTOS(false)))
		assert.Len(t, valueOf(t, server, "pktoptions"), 1)
	})
	t.Run("inet6", func(t *testing.T) {
		if strconv.IntSize == 32 {
			t.Skip("a 64-bit kernel answers IPV6_2292PKTOPTIONS with 64-bit headers to a 32-bit process, too")
		}
		l := listenWith(t, nil, Inet6(), RecvTClass(true))
		client := connectTo(t, nil, l, TClass(0x20))
		server := acceptFrom(t, l, nil)
		sent(t, client, server, "x")
		assert.Equal(t, []PktOption{{"tclass", 0x20}}, valueOf(t, server, "pktoptions"))
		require.NoError(t, server.SetOpts(RecvTClass(false)))
		assert.Equal(t, []PktOption{}, valueOf(t, server, "pktoptions"))
	})
	t.Run("local", func(t *testing.T) {
		opts, err := opened(t)(Listen(nil, 0, Local())).GetOpts("pktoptions")
		require.NoError(t, err)
		assert.Empty(t, opts)
	})
}
