package gentcp_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testwait"
)

// A receive outside of a bubble has the turn while one inside waits for it: that wait counts as one for the kernel, and does
// not end the bubble as a deadlock.
func TestTurnOfAReceiveOutsideTheBubble(t *testing.T) {
	for name, w := range map[string]esock.Wait{"for ever": esock.Forever, "a time": esock.Within(longEnough)} {
		t.Run(name, func(t *testing.T) {
			s, peer := wired(t, nil)
			outside := make(chan error, 1)
			go func() {
				_, err := s.Recv(1, esock.Forever)
				outside <- err
			}()
			comes(t, "a receive that waits", func() bool { return s.Socket().Info().NumReaders == 1 })
			sent := make(chan error, 1)
			go func() {
				testwait.Comes(func() bool { return gentcp.Receivers(s) == 2 })
				_, err := peer.Write([]byte("ab"))
				sent <- err
			}()
			synctest.Test(t, func(t *testing.T) {
				p, err := s.Recv(1, w)
				require.NoError(t, err)
				assert.Len(t, p.Data(), 1)
			})
			require.NoError(t, <-outside)
			require.NoError(t, <-sent)
		})
	}
}
