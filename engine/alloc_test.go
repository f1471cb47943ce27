//go:build !race && !asan && !msan

package engine_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/packet"
)

// An exchange with a loop allocates nothing, also with limits for the connection, nor does a timer that is set again.
func TestAnExchangeAllocatesNothing(t *testing.T) {
	t.Run("below the mark", func(t *testing.T) { exchangeAllocatesNothing(t) })
	t.Run("at the mark", func(t *testing.T) { exchangeAllocatesNothing(t, engine.Mark(1)) })
}

func exchangeAllocatesNothing(t *testing.T, options ...engine.Option) {
	l := run(t, options...)
	s, _ := listen(t)
	h := echo
	h.opened = func(c *engine.Conn) {
		c.SetIdleTimeout(time.Minute)
		c.SetWriteTimeout(time.Second)
	}
	require.NoError(t, l.Serve(s, h))
	c, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	defer c.Close()
	a, err := s.SockName()
	require.NoError(t, err)
	require.NoError(t, c.Connect(a, esock.Forever))
	b := make([]byte, 64)
	exchange := func() {
		_, err := c.Send(b, 0, esock.Forever)
		require.NoError(t, err)
		_, err = c.RecvFull(b, 0, esock.Forever)
		require.NoError(t, err)
	}
	for range 100 {
		exchange()
	}
	require.Zero(t, testing.AllocsPerRun(1000, exchange))
	fired := make(chan struct{}, 1)
	timer, err := l.After(0, func() { fired <- struct{}{} })
	require.NoError(t, err)
	<-fired
	require.Zero(t, testing.AllocsPerRun(100, func() {
		timer.Reset(0)
		<-fired
	}))
}

// Nor does an exchange of packets, also when they come in pieces.
func TestAnExchangeOfPacketsAllocatesNothing(t *testing.T) {
	l := run(t)
	s, address := listen(t)
	h, err := engine.Packets(packet.Len4, packet.Options{}, echoPackets)
	require.NoError(t, err)
	require.NoError(t, l.Serve(s, h))
	c := dial(t, address)
	b := []byte{0, 0, 0, 2, 'o', 'k', 0, 0, 0, 2}
	got := make([]byte, 6)
	exchange := func() {
		_, err := c.Write(b)
		if err == nil {
			_, err = io.ReadFull(c, got)
		}
		if err == nil {
			_, err = c.Write(got[4:])
		}
		if err == nil {
			_, err = io.ReadFull(c, got)
		}
		require.NoError(t, err)
	}
	exchange()
	require.Zero(t, testing.AllocsPerRun(1000, exchange))
}

// Nor does an exchange of datagrams with several peers.
func TestAnExchangeOfDatagramsAllocatesNothing(t *testing.T) {
	l := run(t)
	s, server := datagrams(t, esock.Inet, esock.Loopback)
	_, err := l.Adopt(s, echoFrom)
	require.NoError(t, err)
	var peers [3]*esock.Socket
	for i := range peers {
		peers[i], _ = datagrams(t, esock.Inet, esock.Loopback)
		require.NoError(t, peers[i].Connect(server, esock.Forever))
	}
	b := make([]byte, 64)
	exchange := func() {
		for _, p := range peers {
			_, err := p.Send(b, 0, esock.Forever)
			require.NoError(t, err)
		}
		for _, p := range peers {
			_, err := p.Recv(b, 0, esock.Forever)
			require.NoError(t, err)
		}
	}
	exchange()
	require.Zero(t, testing.AllocsPerRun(1000, exchange))
}
