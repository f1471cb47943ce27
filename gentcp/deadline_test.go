package gentcp_test

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// A deadline of the socket beneath ends the call, not the connection.
func TestDeadlineOfTheSocketBeneath(t *testing.T) {
	l, err := gentcp.Listen(nil, 0, gentcp.IP(netip.MustParseAddr("127.0.0.1")), gentcp.Active(false))
	require.NoError(t, err)
	defer l.Close()
	at, err := l.SockName()
	require.NoError(t, err)
	for _, w := range []esock.Wait{esock.Forever, esock.Within(time.Hour), esock.Context(context.Background())} {
		c, err := gentcp.ConnectAddr(nil, at, esock.Forever, gentcp.Active(false))
		require.NoError(t, err)
		defer c.Close()
		s, err := l.Accept(nil, esock.Forever)
		require.NoError(t, err)
		defer s.Close()
		require.NoError(t, s.Socket().SetReadDeadline(time.Now().Add(time.Millisecond)))
		_, err = s.Recv(0, w)
		require.ErrorIs(t, err, esock.ErrTimeout)
		require.NoError(t, s.Socket().SetReadDeadline(time.Time{}))
		require.NoError(t, c.Send([]byte("abc")))
		p, err := s.Recv(3, esock.Forever)
		require.NoError(t, err)
		assert.Equal(t, "abc", string(p.Data()))
	}
}

// What is put back needs no read, so a deadline that has passed does not keep it from a receive. One that passes meanwhile
// leaves it where it is.
func TestDeadlineAndUnrecv(t *testing.T) {
	into := func(s *gentcp.Socket, n int) (string, error) {
		p, err := s.RecvInto(make([]byte, 16), n, soon)
		return string(p.Data()), err
	}
	s, peer := wired(t, nil)
	require.NoError(t, s.Socket().SetReadDeadline(time.Unix(1, 0)))
	_, err := into(s, 0)
	require.ErrorIs(t, err, esock.ErrTimeout)
	require.NoError(t, s.Unrecv([]byte("abc")))
	got, err := into(s, 2)
	require.NoError(t, err)
	assert.Equal(t, "ab", got)
	for range 2 { // too little, again and again
		_, err = into(s, 3)
		require.ErrorIs(t, err, esock.ErrTimeout)
	}
	require.NoError(t, s.Socket().SetReadDeadline(time.Time{}))
	put(t, s, peer, "de")
	got, err = into(s, 3)
	require.NoError(t, err)
	assert.Equal(t, "cde", got)

	// While a receive waits.
	wait := background(t, func() {
		_, err := into(s, 4)
		assert.ErrorIs(t, err, esock.ErrTimeout)
	})
	comes(t, "a receiver", func() bool { return s.Socket().Info().NumReaders == 1 })
	require.NoError(t, s.Unrecv([]byte("12")))
	require.NoError(t, s.Socket().SetReadDeadline(time.Unix(1, 0)))
	wait()
	got, err = into(s, 2)
	require.NoError(t, err)
	assert.Equal(t, "12", got)
}

// Deadlines that come and go while bytes are put back and received lose none and change no order.
func TestDeadlinesWhileBytesArePutBack(t *testing.T) {
	s, peer := wired(t, nil)
	const total = 20000
	var over atomic.Bool
	sending := background(t, func() {
		for i := range total {
			if _, err := peer.Write([]byte{byte(i)}); !assert.NoError(t, err) {
				return
			}
		}
	})
	moving := background(t, func() {
		for !over.Load() {
			s.Socket().SetReadDeadline(time.Unix(1, 0))
			runtime.Gosched()
			s.Socket().SetReadDeadline(time.Time{})
			runtime.Gosched()
		}
	})
	buf := make([]byte, 64)
	for n, turn := 0, 0; n < total; turn++ {
		p, err := s.RecvInto(buf, turn%3, soon)
		if errors.Is(err, esock.ErrTimeout) {
			runtime.Gosched()
			continue
		}
		require.NoError(t, err)
		data := p.Data()
		for i, b := range data {
			require.Equal(t, byte(n+i), b, n)
		}
		if turn%2 == 0 && len(data) > 1 { // half of it again
			half := len(data) / 2
			require.NoError(t, s.Unrecv(data[half:]))
			data = data[:half]
		}
		n += len(data)
	}
	over.Store(true)
	moving()
	sending()
}
