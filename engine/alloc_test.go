//go:build !race && !asan && !msan

package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// An exchange with a loop allocates nothing.
func TestAnExchangeAllocatesNothing(t *testing.T) {
	l := run(t)
	s, _ := listen(t)
	require.NoError(t, l.Serve(s, echo))
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
}
