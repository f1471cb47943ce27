package hackney

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// handlerOf is a slog.Handler that calls a function with the operation of each record.
type handlerOf struct {
	slog.Handler
	f func(op string)
}

func (h handlerOf) Enabled(context.Context, slog.Level) bool { return true }

func (h handlerOf) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "op" {
			h.f(a.Value.String())
		}
		return true
	})
	return nil
}

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
				esock.SetLogger(slog.New(handlerOf{slog.DiscardHandler, func(op string) {
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
				}}))
				defer esock.SetLogger(nil)
				require.NoError(t, s.SetOpts(gentcp.Debug(true)))
				var wg sync.WaitGroup
				wg.Go(func() { c.do(s, mb) })
				eventually(t, func() bool {
					select {
					case <-ended:
						return true
					default:
						return false
					}
				}, "the end of the handler")
				wg.Wait()
				assert.Error(t, s.Send([]byte("z")))
			})
		})
	}
}
