package hackney

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/callback"
	"github.com/esock-go/esock/internal/testwait"
)

// The handler of the trace may use the connection that a record is about, whatever that is doing: TLS included.
func TestTraceHandlerUsesTheConnection(t *testing.T) {
	for _, c := range []struct {
		name, op string
		do       func(s Socket, mb *esock.Mailbox)
	}{
		{"Send", "send", func(s Socket, _ *esock.Mailbox) { s.Send([]byte("x")) }},
		{"Recv", "recv", func(s Socket, _ *esock.Mailbox) { s.Recv(3) }},
		{"active", "recv", func(s Socket, mb *esock.Mailbox) {
			s.SetOpts(gentcp.Active(true))
			mb.Poll()
		}},
		{"Shutdown", "shutdown", func(s Socket, _ *esock.Mailbox) { s.Shutdown(esock.ShutWrite) }},
		{"Close", "close", func(s Socket, _ *esock.Mailbox) { s.Close() }},
		{"exit_on_close", "close", func(s Socket, _ *esock.Mailbox) {
			s.Recv(3)
			s.Shutdown(esock.ShutRead)
			s.Recv(1)
			s.Recv(1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, tr Transport) {
				mb := mailbox(t)
				s, peer := connect(t, mb, tr, gentcp.Active(false))
				_, err := peer.Write([]byte("abc"))
				require.NoError(t, err)
				ended := make(chan struct{})
				var called atomic.Bool
				esock.SetLogger(callback.Logger(func(op string) {
					if op != c.op || !called.CompareAndSwap(false, true) {
						return
					}
					s.SetOpts(gentcp.Active(false))
					s.PeerName()
					s.Send([]byte("y"))
					s.Shutdown(esock.ShutReadWrite)
					s.Recv(0) // there is an end at least
					s.ControllingProcess(mb, nil)
					s.Close()
					close(ended)
				}))
				defer esock.SetLogger(nil)
				require.NoError(t, s.SetOpts(gentcp.Debug(true)))
				var wg sync.WaitGroup
				wg.Go(func() { c.do(s, mb) })
				testwait.Result(t, "the end of the handler", ended)
				wg.Wait()
				assert.Error(t, s.Send([]byte("z")))
			})
		})
	}
}
