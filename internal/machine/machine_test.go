package machine

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	assert.Equal(t, IPv6, err == nil, "%v", err)
	if err == nil {
		l.Close()
	}
	ran := t.Run("need", func(t *testing.T) {
		NeedIPv6(t)
		assert.True(t, IPv6)
	})
	assert.True(t, ran, "a skip at most")
}

func TestDescriptors(t *testing.T) {
	before := Descriptors()
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	assert.Contains(t, Descriptors(), fmt.Sprintf("%d:%s", null.Fd(), os.DevNull))
	null.Close()
	assert.Equal(t, before, Descriptors())
}

func TestSysctl(t *testing.T) {
	assert.NotEmpty(t, Sysctl("kernel/ostype"))
	assert.Empty(t, Sysctl("kernel/nonesuch"))
}
