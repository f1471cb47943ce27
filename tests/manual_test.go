package tests

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// The example of OTP's manual: a client says hello, ends its direction, and hears it back.
func TestTheManualsExample(t *testing.T) {
	server, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	require.NoError(t, server.Bind(esock.Loopback))
	require.NoError(t, server.Listen(5))
	done := start(func() (int, error) {
		c, err := server.Accept(esock.Forever)
		if err != nil {
			return 0, err
		}
		hello, err := c.RecvBytes(0, 0, esock.Forever)
		if err != nil {
			return 0, err
		}
		assert.Equal(t, "hello", string(hello))
		n, err := c.Send(hello, 0, esock.Forever)
		assert.NoError(t, c.Close())
		return n, err
	})
	client, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	require.NoError(t, client.Connect(sockName(t, server), esock.Forever))
	n, err := client.Send([]byte("hello"), 0, esock.Forever)
	require.Equal(t, outcome{5, nil}, outcome{n, err})
	require.NoError(t, client.Shutdown(esock.ShutWrite))
	reply, err := client.RecvBytes(0, 0, esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(reply))
	assert.NoError(t, client.Close())
	assert.Equal(t, outcome{5, nil}, result(t, done))
	assert.NoError(t, server.Close())
}
