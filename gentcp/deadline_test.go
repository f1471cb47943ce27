package gentcp_test

import (
	"context"
	"net/netip"
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
