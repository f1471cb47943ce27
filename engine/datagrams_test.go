package engine_test

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

// datagrams returns a bound socket of datagrams, and its name.
func datagrams(t *testing.T, d esock.Domain, a esock.Addr) (*esock.Socket, esock.Addr) {
	t.Helper()
	p := esock.UDP
	if d == esock.Local {
		p = esock.Default
	}
	s, err := esock.Open(d, esock.Dgram, p)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	err = s.Bind(a)
	if err == syscall.EADDRNOTAVAIL {
		t.Skip("no address of the family: ", err)
	}
	require.NoError(t, err)
	name, err := s.SockName()
	require.NoError(t, err)
	return s, name
}

// echoFrom answers each datagram to its sender.
var echoFrom = handler{received: func(c *engine.Conn, b []byte) { c.WriteTo(b, c.From()) }}

// Each of several peers gets its answers, whatever the size, also an empty datagram.
func TestADatagramIsAnsweredToItsSender(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []struct {
		name   string
		domain esock.Domain
		addr   func(i int) esock.Addr
	}{
		{"IPv4", esock.Inet, func(int) esock.Addr { return esock.Loopback }},
		{"IPv6", esock.Inet6, func(int) esock.Addr { return esock.Loopback }},
		{"unix", esock.Local, func(i int) esock.Addr { return esock.UnixAddr(fmt.Sprint(dir, "/", i)) }},
		{"unix, abstract", esock.Local, func(int) esock.Addr { return esock.UnixAddr("") }},
	} {
		t.Run(f.name, func(t *testing.T) {
			s, server := datagrams(t, f.domain, f.addr(0))
			l := run(t, engine.Buffers(16, 1024))
			_, err := l.Adopt(s, echoFrom)
			require.NoError(t, err)
			var peers []*esock.Socket
			for i := range 5 {
				p, _ := datagrams(t, f.domain, f.addr(i+1))
				peers = append(peers, p)
			}
			for round, size := range []int{0, 1, 100, 600, 900, 1024, 5} {
				for i, p := range peers {
					b := make([]byte, size)
					for j := range b {
						b[j] = byte(i + round)
					}
					_, err := p.SendTo(b, server, 0, esock.Forever)
					require.NoError(t, err)
				}
				for i, p := range peers {
					got := make([]byte, 2000)
					n, from, err := p.RecvFrom(got, 0, esock.Forever)
					require.NoError(t, err)
					require.Equal(t, server, from)
					require.Equal(t, size, n)
					for _, b := range got[:n] {
						require.Equal(t, byte(i+round), b)
					}
				}
			}
		})
	}
}

// A datagram that the kernel refuses, or that nobody takes, does not end a socket of several peers.
func TestADatagramThatIsLostEndsNothing(t *testing.T) {
	s, server := datagrams(t, esock.Inet, esock.Loopback)
	require.NoError(t, sockopt.IPRecvErr.Set(s, true)) // so that refusals are reported
	p, peer := datagrams(t, esock.Inet, esock.Loopback)
	gone, nobody := datagrams(t, esock.Inet, esock.Loopback)
	l := run(t)
	closed := make(chan error, 1)
	h := echoFrom
	h.closed = func(_ *engine.Conn, err error) { closed <- err }
	c, err := l.Adopt(s, h)
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	in(t, l, func() {
		n, err := c.WriteTo(make([]byte, 70000), peer) // EMSGSIZE
		assert.NoError(t, err)
		assert.Equal(t, 70000, n)
		_, err = c.WriteTo([]byte("last"), peer)
		assert.NoError(t, err)
		_, err = c.WriteTo([]byte("x"), nobody) // ECONNREFUSED, for the next call on the socket
		assert.NoError(t, err)
	})
	got := make([]byte, 10)
	n, err := p.Recv(got, 0, esock.Forever)
	require.NoError(t, err)
	require.Equal(t, "last", string(got[:n]))
	testwait.Until(t, "the refusal", func() bool { return s.Info().Counters.ReadFails > 0 })
	in(t, l, func() { assert.Zero(t, c.Unsent()) })
	for range 3 {
		_, err = p.SendTo([]byte("x"), server, 0, esock.Forever)
		require.NoError(t, err)
		_, err = p.Recv(got, 0, esock.Forever)
		require.NoError(t, err)
	}
	require.Positive(t, s.Info().Counters.WriteFails)
	require.Empty(t, closed)
}

func TestWhoHasASender(t *testing.T) {
	var none *engine.Conn
	require.Zero(t, none.From())
	require.Zero(t, (&engine.Conn{}).From())
	_, err := none.WriteTo(nil, esock.Addr{})
	require.ErrorIs(t, err, net.ErrClosed)
	s, server := datagrams(t, esock.Inet, esock.Loopback)
	p, peer := datagrams(t, esock.Inet, esock.Loopback)
	a, _ := pair(t)
	l := run(t)
	stream, err := l.Adopt(a, echo)
	require.NoError(t, err)
	done := make(chan struct{})
	var invalid *esock.InvalidError
	c, err := l.Adopt(s, handler{received: func(c *engine.Conn, b []byte) {
		assert.Equal(t, peer, c.From())
		assert.Zero(t, stream.From())
		_, err := stream.WriteTo([]byte("x"), peer)
		assert.ErrorAs(t, err, &invalid)
		for _, bad := range []esock.Addr{{}, esock.Loopback, esock.Inet4Addr(netip.IPv6Unspecified(), 1)} {
			_, err := c.WriteTo([]byte("x"), bad)
			assert.ErrorAs(t, err, &invalid)
			assert.Zero(t, c.Unsent())
		}
		_, err = c.WriteTo([]byte("x"), esock.UnixAddr("/another family"))
		assert.NoError(t, err) // the kernel refuses it
		c.Close()
		_, err = c.WriteTo([]byte("x"), peer)
		assert.ErrorIs(t, err, net.ErrClosed)
		assert.Equal(t, peer, c.From())
		close(done)
	}})
	require.NoError(t, err)
	in(t, l, func() { assert.Zero(t, c.From()) })
	_, err = p.SendTo([]byte("x"), server, 0, esock.Forever)
	require.NoError(t, err)
	testwait.Result(t, "the datagram", done)
	in(t, l, func() { assert.Zero(t, c.From()) })
}

// Small and empty datagrams that wait are limited by the mark as well.
func TestTheMarkLimitsSmallMessages(t *testing.T) {
	s, _ := datagrams(t, esock.Local, esock.UnixAddr(""))
	_, peer := datagrams(t, esock.Local, esock.UnixAddr("")) // its queue fills
	l := run(t, engine.Mark(64<<10), engine.Buffers(16, 1024))
	c, err := l.Adopt(s, echoFrom)
	require.NoError(t, err)
	for _, b := range []string{"", "x"} {
		sent := 0
		in(t, l, func() {
			for ; err == nil; sent++ {
				_, err = c.WriteTo([]byte(b), peer)
			}
		})
		require.ErrorIs(t, err, engine.ErrFull)
		require.LessOrEqual(t, sent, 64<<10/128+1)
		err = nil
	}
}

// A stream whose small writes wait each in a turn of its own is limited by the mark as well.
func TestTheMarkLimitsSmallWrites(t *testing.T) {
	l := run(t, engine.Mark(1<<20), engine.Buffers(16, 1024))
	a, _ := pair(t) // whose peer does not read
	c, err := l.Adopt(a, echo)
	require.NoError(t, err)
	in(t, l, func() { _, err = c.Write(make([]byte, 1<<19)) })
	require.NoError(t, err)
	n := 0
	for ; err == nil; n++ {
		in(t, l, func() { _, err = c.Write([]byte("x")) })
	}
	require.ErrorIs(t, err, engine.ErrFull)
	require.LessOrEqual(t, n, 1<<19/128)
}
