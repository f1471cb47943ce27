package gentcp_test

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/callback"
	"github.com/esock-go/esock/internal/testwait"
)

// The handler of the trace may use the socket that a record is about, whatever that is doing: both come to their end.
func TestTraceHandlerUsesTheSocket(t *testing.T) {
	for _, c := range []struct {
		name, op string
		do       func(s *gentcp.Socket, mb *esock.Mailbox)
	}{
		{"Shutdown", "shutdown", func(s *gentcp.Socket, _ *esock.Mailbox) { s.Shutdown(esock.ShutWrite) }},
		{"Send", "send", func(s *gentcp.Socket, _ *esock.Mailbox) { s.Send([]byte("x")) }},
		{"Recv", "recv", func(s *gentcp.Socket, _ *esock.Mailbox) { s.Recv(3, soon) }},
		{"active", "recv", func(s *gentcp.Socket, mb *esock.Mailbox) {
			s.SetOpts(gentcp.Active(true))
			mb.Poll()
		}},
		{"an option that makes messages of what has come", "recv", func(s *gentcp.Socket, _ *esock.Mailbox) {
			s.SetOpts(gentcp.ActiveN(1))
			s.Opt("active")
		}},
		{"a new owner", "recv", func(s *gentcp.Socket, mb *esock.Mailbox) {
			s.SetOpts(gentcp.Active(true))
			s.ControllingProcess(mb, nil)
		}},
		{"Recv in mode true", "ioctl", func(s *gentcp.Socket, _ *esock.Mailbox) {
			s.SetOpts(gentcp.Active(true))
			s.Recv(0, now)
		}},
		{"Close", "close", func(s *gentcp.Socket, _ *esock.Mailbox) { s.Close() }},
		{"the owner's death", "close", func(_ *gentcp.Socket, mb *esock.Mailbox) { mb.Close() }},
		{"exit_on_close", "close", func(s *gentcp.Socket, _ *esock.Mailbox) {
			s.Shutdown(esock.ShutRead)
			s.Recv(0, soon)
			s.Recv(0, soon)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			mb := esock.NewMailbox()
			defer mb.Close()
			s, peer := wired(t, mb, gentcp.Active(false))
			put(t, s, peer, "abc")
			ended := make(chan struct{})
			var called atomic.Bool
			esock.SetLogger(callback.Logger(func(op string) {
				if op != c.op || !called.CompareAndSwap(false, true) {
					return
				}
				s.Owner()
				s.Opt("active")
				s.GetOpts("packet", "recbuf")
				s.SetOpts(gentcp.Active(false))
				s.PeerName()
				s.Send([]byte("y"))
				s.Shutdown(esock.ShutReadWrite)
				s.Recv(0, soon) // there is an end at least
				s.ControllingProcess(mb, nil)
				s.Close()
				close(ended)
			}))
			defer esock.SetLogger(slog.New(slog.DiscardHandler))
			require.NoError(t, s.SetOpts(gentcp.Debug(true)))
			write(t, peer, "def")
			wait := background(t, func() { c.do(s, mb) })
			testwait.Result(t, "the end of the handler", ended)
			wait()
			assert.False(t, s.Open())
		})
	}
}

// A Shutdown that fails does not take back what another has done, or is about to.
func TestShutdownsAtOnce(t *testing.T) {
	s, _ := wired(t, nil, gentcp.ExitOnClose(false))
	require.NoError(t, s.Shutdown(esock.ShutWrite))
	reasons(t, "einval", s.Shutdown(99))
	reasons(t, "closed", s.Send([]byte("x")))
	for range 20 {
		s, _ := wired(t, nil, gentcp.ExitOnClose(false))
		stop := testwait.Repeat(func() { s.Shutdown(99) }) // fails
		assert.NoError(t, s.Shutdown(esock.ShutWrite))
		for range 50 {
			err := s.Send([]byte("x"))
			reasons(t, "closed", err)
			assert.NotErrorIs(t, err, syscall.EPIPE, fmt.Sprint("ended here, and not by the peer"))
		}
		stop()
		reasons(t, "closed", s.Send([]byte("x")))
	}
}
