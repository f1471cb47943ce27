//go:build !race && !asan && !msan

package datagram_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/datagram"
)

func TestBatchesAllocateNothing(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	all := datagram.DetailAddr | datagram.DetailTOS | datagram.DetailTTL | datagram.DetailTime | datagram.DetailDrops
	out, in := batch(t, a, 8, 100), batch(t, s, 8, 100, datagram.Details(all))
	data := make([]byte, 100)
	var failed error
	n := testing.AllocsPerRun(200, func() {
		for range 8 {
			if err := out.Append(data, to); err != nil {
				failed = err
			}
		}
		if _, err := out.Send(0, esock.Forever); err != nil {
			failed = err
		}
		for left := 8; left > 0; {
			n, err := in.Recv(0, esock.Forever)
			if err != nil {
				failed = err
				return
			}
			left -= n
			for d := range in.All() {
				_, tos := d.TOS()
				_, ttl := d.TTL()
				_, at := d.Time()
				d.Drops()
				if !d.From().IsValid() || len(d.Data()) != 100 || !tos || !ttl || !at || !d.Local().IsValid() || d.Interface() == 0 {
					failed = esock.ErrState
				}
			}
		}
	})
	assert.NoError(t, failed)
	assert.Zero(t, n)
}
