package gentcp_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// badContext is a context whose Err panics once it is told to.
type badContext struct {
	context.Context
	bad atomic.Bool
}

func (c *badContext) Done() <-chan struct{} { return nil }

func (c *badContext) Err() error {
	if c.bad.Load() {
		panic("a context's")
	}
	return nil
}

// A method of a context that panics in a receive does not keep the turn: the next receive gets what comes.
func TestContextThatPanicsInAReceive(t *testing.T) {
	for name, c := range map[string]struct {
		typ    packet.Type
		length int
		first  string
		rest   string
	}{
		"in place":          {packet.Raw, 6, "abc", "defghi"},
		"through the input": {packet.Len4, 0, "\x00\x00\x00\x01", "x\x00\x00\x00\x01y"},
	} {
		t.Run(name, func(t *testing.T) {
			s, peer := wired(t, nil, gentcp.PacketType(c.typ))
			ctx := &badContext{Context: context.Background()}
			panicked := make(chan any, 1)
			go func() {
				defer func() { panicked <- recover() }()
				s.RecvInto(make([]byte, 64), c.length, esock.Context(ctx))
			}()
			turns(t, s, 0)
			testwait.Until(t, "a wait, before which it has asked the context", func() bool { return s.Socket().Counters().ReadWaits > 0 })
			ctx.bad.Store(true)
			write(t, peer, c.first)
			assert.Equal(t, "a context's", <-panicked)
			write(t, peer, c.rest)
			_, err := s.Recv(c.length, soon)
			assert.NoError(t, err)
		})
	}
}
