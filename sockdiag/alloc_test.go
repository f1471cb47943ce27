//go:build !race && !asan && !msan

package sockdiag

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

func TestDecodingAllocatesNothing(t *testing.T) {
	var info sockopt.TCPInfoValue
	var mptcp sockopt.MPTCPInfoValue
	for _, n := range []int{0, 104, 232, 400} {
		data := make([]byte, n)
		assert.Zero(t, testing.AllocsPerRun(100, func() { info.Decode(data) }), n)
		assert.Zero(t, testing.AllocsPerRun(100, func() { mptcp.Decode(data) }), n)
	}
	b := attr(attr(inetBytes(), inetInfo, make([]byte, 232)), inetCongestion, []byte("cubic\x00"))
	var s InetSocket
	texts := names{}
	assert.Zero(t, testing.AllocsPerRun(100, func() { s.decode(b, esock.TCP, texts) }))
}

// The allocations of a list do not grow with it.
func TestAListAllocatesNothingForASocket(t *testing.T) {
	c := client(t)
	count := func() (sockets int, allocs float64) {
		allocs = testing.AllocsPerRun(10, func() {
			sockets = 0
			for _, err := range c.Inet(InetRequest{Domain: esock.Inet, Protocol: esock.TCP, Want: HasTCPInfo | HasMemory | HasCongestion}) {
				supported(t, err)
				sockets++
			}
		})
		return sockets, allocs
	}
	few, before := count()
	for range 20 {
		pair(t)
	}
	many, after := count()
	assert.Greater(t, many, few+30)
	assert.Less(t, after, before+10, "%d and %d sockets", few, many)
}
