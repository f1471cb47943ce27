package sockopt

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// A value that has names, and is given by a wrong one, is refused with the names.
func TestAWrongNameIsRefusedWithTheNames(t *testing.T) {
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	require.NoError(t, err)
	defer s.Close()
	assert.ErrorContains(t, Set(s, "ip", "mtu_discover", "probee"), "neither an integer nor one of dont, want, do, probe")
	assert.ErrorContains(t, Set(s, "ip", "ttl", "x"), "not an integer")
}
