package esock

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever waits next on a socket whose registration is kept gets all that comes, however the one before ended: data that
// comes beside the change is an event for nobody, or for the wrong one.
func TestKeptRegistrationChangesHands(t *testing.T) {
	changes := map[string]func(t *testing.T, s *Socket, sel *Select, from, to *Mailbox){
		"cancelled": func(t *testing.T, s *Socket, sel *Select, from, to *Mailbox) {
			require.NoError(t, s.Cancel(sel))
		},
		"the mailbox closes": func(t *testing.T, s *Socket, sel *Select, from, to *Mailbox) { from.Close() },
		"the owner changes and its former closes": func(t *testing.T, s *Socket, sel *Select, from, to *Mailbox) {
			require.NoError(t, s.ControllingProcess(nil, from))
			require.NoError(t, s.ControllingProcess(from, to))
			from.Close()
			require.NoError(t, s.ControllingProcess(to, nil))
		},
		"garbage collections": func(t *testing.T, s *Socket, sel *Select, from, to *Mailbox) {
			runtime.GC()
			require.NoError(t, s.Cancel(sel))
			runtime.GC()
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			peer, s := pair(t, Stream)
			for range 20 {
				from, to := NewMailbox(), NewMailbox()
				drainer(t, peer, s, from)
				_, err := s.Recv(make([]byte, 1), 0, NoWait(from))
				var sel *Select
				require.ErrorAs(t, err, &sel)
				const sent = 50
				var all sync.WaitGroup
				all.Go(func() {
					for range sent {
						if _, err := peer.Send([]byte("x"), 0, Forever); !assert.NoError(t, err) {
							return
						}
						runtime.Gosched()
					}
				})
				change(t, s, sel, from, to)
				for got := 0; got < sent; {
					n, err := s.Recv(make([]byte, 7), 0, NoWait(to))
					if _, waits := err.(*Select); waits {
						require.IsType(t, SelectMsg{}, receive(t, to))
						continue
					}
					require.NoError(t, err)
					got += n
				}
				all.Wait()
				assert.True(t, laneIsFree(s, reading))
				from.Close()
				to.Close()
			}
		})
	}
}

// An event that is under way when its socket is closed, or forgotten, is for no other socket, although the next one may have
// the same descriptor and the same name with the poller.
func TestKeptRegistrationOfAGoneSocket(t *testing.T) {
	for i := range 60 {
		peer, s := pair(t, Stream)
		mb := NewMailbox()
		require.NoError(t, s.ControllingProcess(nil, mb))
		drainer(t, peer, s, mb)
		_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
		require.IsType(t, (*Select)(nil), err)
		var beside sync.WaitGroup
		beside.Go(func() { peer.Send([]byte("x"), 0, Forever) })
		if i%2 == 0 {
			mb.Close()
		} else {
			s.Close()
		}
		beside.Wait()
		assert.True(t, s.Closed())
		peer.Close()
		mb.Close()
	}
}
