package gentcp_test

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// noDefaults removes the defaults at the end of the test. They are the process's, so such a test does not run in parallel.
func noDefaults(t *testing.T) {
	t.Cleanup(func() {
		SetDefaultConnectOptions()
		SetDefaultListenOptions()
	})
}

func TestDefaults(t *testing.T) {
	noDefaults(t)
	assert.Empty(t, DefaultConnectOptions())
	require.NoError(t, SetDefaultListenOptions(PacketType(packet.Line), Active(false), KeepIdle(77), Backlog(3)))
	require.NoError(t, SetDefaultConnectOptions(PacketType(packet.Len2), ActiveOnce(), Raw(solSocket, syscall.SO_PRIORITY, []byte{3, 0, 0, 0}), NoDelay(true)))
	assert.Equal(t, []Option{PacketType(packet.Line), KeepIdle(77), Backlog(3)}, DefaultListenOptions())

	mb := owner(t)
	l := listenWith(t, mb)
	assert.Equal(t, packet.Line, valueOf(t, l, "packet"))
	assert.Equal(t, 77, valueOf(t, l, "keepidle"))
	assert.Equal(t, true, valueOf(t, l, "active"), "as in OTP")
	s := connectTo(t, mb, l)
	assert.Equal(t, packet.Len2, valueOf(t, s, "packet"))
	assert.Equal(t, true, valueOf(t, s, "active"))
	assert.Equal(t, true, valueOf(t, s, "nodelay"))
	assert.Equal(t, 3, valueOf(t, s, "priority"))
	a := acceptFrom(t, l, nil)
	assert.Equal(t, packet.Line, valueOf(t, a, "packet"))

	// The caller's options win; a descriptor that is made a socket has no defaults.
	s = connectTo(t, nil, l, PacketType(packet.Raw), NoDelay(false))
	assert.Equal(t, packet.Raw, valueOf(t, s, "packet"))
	assert.Equal(t, false, valueOf(t, s, "nodelay"))
	s = opened(t)(ConnectAddr(nil, nameOf(t, l), soon, InetBackend(BackendSocket), KeepCnt(3)))
	assert.Equal(t, packet.Len2, valueOf(t, s, "packet"))

	// What was given and what is returned are copies.
	given := []Option{Header(4)}
	require.NoError(t, SetDefaultConnectOptions(given...))
	given[0] = Header(5)
	DefaultConnectOptions()[0] = Header(6)
	assert.Equal(t, []Option{Header(4)}, DefaultConnectOptions())

	for _, o := range []Option{{}, Header(-1), ActiveN(1 << 20), FD(0), Port(1), IP(ip4), IfAddr(at(ip4, 1)), Inet(), Inet6(),
		Local(), TCPModule(InetTCP), InetBackend(BackendInet), Backlog(1)} {
		err := SetDefaultConnectOptions(NoDelay(true), o)
		assert.ErrorIs(t, err, ErrBadArg, o)
		assert.Equal(t, []Option{Header(4)}, DefaultConnectOptions(), "the earlier ones stay")
	}
	require.NoError(t, SetDefaultConnectOptions())
	require.NoError(t, SetDefaultListenOptions())
	assert.Equal(t, packet.Raw, valueOf(t, connectTo(t, nil, listenWith(t, nil)), "packet"))
}

// Each call uses the defaults of one moment.
func TestDefaults_AreSafe(t *testing.T) {
	noDefaults(t)
	l := listenWith(t, nil, Backlog(100))
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		for i := 1; ; i++ {
			select {
			case <-done:
				return
			default:
				SetDefaultConnectOptions(Header(i), Buffer(i), SendTimeout(time.Duration(i)))
			}
		}
	})
	for range 50 {
		s := connectTo(t, nil, l)
		header := valueOf(t, s, "header").(int)
		if header > 0 {
			assert.Equal(t, header, valueOf(t, s, "buffer"))
			assert.Equal(t, time.Duration(header), valueOf(t, s, "send_timeout"))
		}
		DefaultConnectOptions()
		s.Close()
	}
	close(done)
	wg.Wait()
}

// inet_backend is accepted where OTP accepts it: as the first option.
func TestInetBackend(t *testing.T) {
	l := opened(t)(Listen(nil, 0, InetBackend(BackendSocket), IPLoopback()))
	for _, b := range []any{"socket", "inet", BackendInet} {
		s, err := ConnectAddr(nil, nameOf(t, l), soon, must(Opt("inet_backend", b)), NoDelay(true))
		made(t, s, err)
		s, err = ConnectAddr(nil, nameOf(t, l), soon, NoDelay(true), must(Opt("inet_backend", b)))
		assertReason(t, "badarg", s, err)
		assert.ErrorContains(t, err, "not the first")
	}
	opts, err := OptionsFromMap(map[string]any{"inet": true, "active": false, "inet_backend": "inet", "backlog": 3})
	require.NoError(t, err)
	assert.Equal(t, InetBackend(BackendInet), opts[0])
	_, err = Opt("inet_backend", "quic")
	assert.EqualError(t, err, "invalid inet_backend quic: it takes inet or socket")
	assert.Equal(t, "{inet_backend, socket}", InetBackend(BackendSocket).String())
	assert.Equal(t, "einval", Reason(l.SetOpts(InetBackend(BackendSocket))))
	_, err = l.GetOpts("inet_backend")
	assert.Equal(t, "einval", Reason(err))
	s, err := Listen(nil, 0, InetBackend(2))
	assertReason(t, "badarg", s, err)
}
