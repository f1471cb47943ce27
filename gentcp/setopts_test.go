package gentcp_test

import (
	"net"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/packet"
)

func TestSetOpts_Empty(t *testing.T) {
	assert.NoError(t, listenWith(t, nil).SetOpts())
}

// The first failure ends it; what was before stays set.
func TestSetOpts_AppliesUpToTheFailure(t *testing.T) {
	for name, fails := range map[string]Option{
		"not for a living socket": Port(1),
		"a wrong value":           Header(-1),
		"refused by the kernel":   TTL(300),
		"of another family":       TClass(1),
		"unknown":                 {},
	} {
		t.Run(name, func(t *testing.T) {
			l := listenWith(t, nil)
			err := l.SetOpts(KeepIdle(5), PacketType(packet.Line), fails, KeepIdle(9), Mode(ModeBinary))
			assert.Equal(t, "einval", Reason(err))
			assert.Equal(t, 5, valueOf(t, l, "keepidle"))
			assert.Equal(t, packet.Line, valueOf(t, l, "packet"))
			assert.Equal(t, ModeList, valueOf(t, l, "mode"))
		})
	}
}

func TestSetOpts_IgnoredNames(t *testing.T) {
	l := listenWith(t, nil)
	before := nameOf(t, l)
	for _, o := range []Option{Inet(), Inet6(), Local(), IP(ip6), IPAny(), Backlog(1), TCPModule(LocalTCP)} {
		require.NoError(t, l.SetOpts(o, KeepIdle(5)), o)
		assert.Equal(t, 5, valueOf(t, l, "keepidle"), "it goes on after %v", o)
		require.NoError(t, l.SetOpts(KeepIdle(6)))
	}
	assert.Equal(t, before, nameOf(t, l))
}

func TestSetOpts_NamesOfCreationAreEINVAL(t *testing.T) {
	l := listenWith(t, nil)
	for _, o := range []Option{Port(0), IfAddr(esock.Any), FD(0), NetNS("/proc/self/ns/net"), Protocol(ProtocolTCP)} {
		err := l.SetOpts(o)
		assert.Equal(t, "einval", Reason(err), o)
		assert.NotErrorIs(t, err, ErrBadArg)
		assert.ErrorContains(t, err, o.Name())
	}
	opts, err := l.GetOpts("pktoptions")
	require.NoError(t, err)
	require.Len(t, opts, 1)
	err = l.SetOpts(opts...)
	assert.Equal(t, "einval", Reason(err))
	assert.ErrorContains(t, err, "can only be read")
}

// The kernel's ways to say that an option or its value is not for this socket become EINVAL; its other reasons pass.
func TestSetOpts_Reasons(t *testing.T) {
	l := listenWith(t, nil)
	path := opened(t)(Listen(nil, 0, Local()))
	assert.Equal(t, "einval", Reason(l.SetOpts(Raw(tcpLevel, 9999, cInt(1)))))
	assert.ErrorIs(t, l.SetOpts(Raw(tcpLevel, 9999, cInt(1))), syscall.ENOPROTOOPT, "it can still be told")
	assert.Equal(t, "einval", Reason(l.SetOpts(KeepCnt(-1))))
	for _, n := range testint.Wide() {
		assert.Equal(t, "einval", Reason(l.SetOpts(Raw(n, 1, nil))))
	}
	assert.Equal(t, "enodev", Reason(l.SetOpts(BindToDevice("no-such-device"))))
	for _, on := range []bool{true, false} {
		assert.Equal(t, "enotsup", Reason(path.SetOpts(NoDelay(on))))
	}
	assert.Equal(t, "enotsup", Reason(path.SetOpts(KeepIdle(5))))
	assert.NoError(t, path.SetOpts(Keepalive(true), SndBuf(5000), Linger(true, 1)))
}

func TestOptions_ClosedSocket(t *testing.T) {
	for name, end := range map[string]func(*Socket, *esock.Mailbox){
		"closed":                     func(s *Socket, _ *esock.Mailbox) { s.Close() },
		"the owner is gone":          func(_ *Socket, mb *esock.Mailbox) { mb.Close() },
		"closed by the socket below": func(s *Socket, _ *esock.Mailbox) { s.Socket().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			mb := owner(t)
			s := listenWith(t, mb, Active(false))
			end(s, mb)
			for _, opts := range [][]Option{{}, {KeepIdle(5)}, {Mode(ModeBinary)}, {Active(false)}, {Active(true)},
				{IPAny()}, {Raw(6, 4, cInt(1))}} {
				assert.Equal(t, "einval", Reason(s.SetOpts(opts...)), opts)
			}
			for _, names := range [][]Name{{}, {"mode"}, {"active"}, {"keepidle"}, {RawName(6, 4, 4)}} {
				opts, err := s.GetOpts(names...)
				assert.Equal(t, "einval", Reason(err), names)
				assert.Nil(t, opts)
			}
			_, err := s.Opt("mode")
			assert.Equal(t, "einval", Reason(err))
			_, err = s.GetStat()
			assert.Equal(t, "einval", Reason(err))
			_, err = s.SockName()
			assert.ErrorIs(t, err, ErrClosed)
			assert.ErrorIs(t, err, net.ErrClosed)
			_, err = s.PeerName()
			assert.ErrorIs(t, err, ErrClosed)
			_, err = s.Port()
			assert.ErrorIs(t, err, ErrClosed)
			assert.False(t, s.Open())
		})
	}
}

// After the end of the stream, with exit_on_close false, active is accepted and ignored, and the other options work.
func TestSetOpts_AfterTheEndOfTheStream(t *testing.T) {
	mb := owner(t)
	client, server := bothEnds(t, mb, Active(false), ExitOnClose(false))
	require.NoError(t, server.Close())
	_, err := client.Recv(0, soon)
	require.ErrorIs(t, err, ErrClosed)
	require.True(t, client.Open())
	for _, o := range []Option{Active(true), Active(false), ActiveOnce(), ActiveN(5), ActiveN(0), ActiveN(-5),
		ActiveN(32767)} {
		assert.NoError(t, client.SetOpts(o), o)
		assert.Equal(t, false, valueOf(t, client, "active"))
		_, got := mb.Poll()
		assert.False(t, got, "%v: no message", o)
	}
	assert.Equal(t, "einval", Reason(client.SetOpts(ActiveN(32768))), "a value that is none is none")
	require.NoError(t, client.SetOpts(KeepIdle(5), PacketType(packet.Line), Binary(), SendTimeout(5), ShowEconnreset(true),
		Buffer(5), ReadAhead(false), NoDelay(true), Raw(tcpLevel, syscall.TCP_KEEPCNT, cInt(3))))
	assert.Equal(t, 5, valueOf(t, client, "keepidle"))
	assert.Equal(t, packet.Line, valueOf(t, client, "packet"))
	assert.Equal(t, 3, valueOf(t, client, "keepcnt"))
	_, err = client.Recv(0, soon)
	assert.ErrorIs(t, err, ErrClosed)
}

// A socket without an owner is passive, and stays so.
func TestSetOpts_ActiveWithoutOwner(t *testing.T) {
	client, _ := bothEnds(t, nil)
	assert.Equal(t, false, valueOf(t, client, "active"))
	for _, o := range []Option{Active(true), ActiveOnce(), ActiveN(1), ActiveN(0), ActiveN(-1)} {
		assert.Equal(t, "einval", Reason(client.SetOpts(o)), o)
		l := listenWith(t, owner(t))
		s, err := Connect(nil, "127.0.0.1", portOf(t, l), soon, IPLoopback(), o)
		assertReason(t, "badarg", s, err, o)
		assert.ErrorContains(t, err, "owner")
	}
	assert.NoError(t, client.SetOpts(Active(false)))
}

func TestSetOpts_ActiveCounts(t *testing.T) {
	l := listenWith(t, owner(t), ActiveN(5))
	for _, c := range []struct {
		add, want int
		reason    string
	}{{-2, 3, "ok"}, {32764, 32767, "ok"}, {1, 32767, "einval"}, {-32766, 1, "ok"}} {
		assert.Equal(t, c.reason, Reason(l.SetOpts(ActiveN(c.add))))
		assert.Equal(t, c.want, valueOf(t, l, "active"))
	}
}

// What GetOpts answers can be set again, and is the same then.
func TestSetOpts_TakesWhatGetOptsGave(t *testing.T) {
	machine.NeedIPv6(t)
	l4, l6 := listenWith(t, nil), listenWith(t, nil, Inet6())
	for _, l := range []*Socket{l4, l6} {
		s := connectTo(t, owner(t), l, PacketType(packet.Len0), Linger(true, 2), SendTimeout(1500), ActiveOnce(),
			Deliver(DeliverPort))
		opts, err := s.GetOpts(ReadableNames()...)
		require.NoError(t, err)
		require.Greater(t, len(opts), 30)
		names := []Name{}
		settable := slices.DeleteFunc(slices.Clone(opts), func(o Option) bool {
			doubled := o.Name() == "recbuf" || o.Name() == "sndbuf"
			return doubled || o.Name() == "pktoptions" || o.Name() == "ipv6_v6only"
		})
		for _, o := range settable {
			names = append(names, Name(o.Name()))
			require.NoError(t, s.SetOpts(o), o)
			byName, err := Opt(o.Name(), o.Value())
			require.NoError(t, err)
			assert.Equal(t, o, byName)
		}
		again, err := s.GetOpts(names...)
		require.NoError(t, err)
		assert.Equal(t, settable, again)
	}
}
