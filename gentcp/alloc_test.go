//go:build !race && !asan && !msan

package gentcp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// What an operation allocates in the steady state.
func allocates(t *testing.T, want float64, op func()) {
	t.Helper()
	for range 20 { // buffers, pools, the poller
		op()
	}
	assert.Equal(t, want, testing.AllocsPerRun(200, op), "allocations")
}

// exchange sends a packet through a connection and receives it: passive, into the caller's memory.
func TestAllocPassive(t *testing.T) {
	line := []byte("a line of text\n")
	for _, c := range []struct {
		name string
		opts []gentcp.Option
		wait esock.Wait
		more int
	}{
		{"raw", []gentcp.Option{gentcp.PacketType(packet.Raw)}, soon, 0},
		{"raw with a length", []gentcp.Option{gentcp.PacketType(packet.Raw)}, esock.Forever, len(line)},
		{"line", []gentcp.Option{gentcp.PacketType(packet.Line)}, soon, 0},
		{"2", []gentcp.Option{gentcp.PacketType(packet.Len2)}, esock.Forever, 0},
		{"4, nothing read ahead", []gentcp.Option{gentcp.PacketType(packet.Len4), gentcp.ReadAhead(false)}, soon, 0},
		{"1, large buffer", []gentcp.Option{gentcp.PacketType(packet.Len1), gentcp.Buffer(100_000)}, soon, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, server := bothEnds(t, nil, c.opts...)
			require.NoError(t, server.SetOpts(c.opts...))
			buf := make([]byte, 64)
			allocates(t, 0, func() {
				if client.Send(line) != nil {
					t.Error("send")
				}
				if p, err := server.RecvInto(buf, c.more, c.wait); err != nil || len(p.Data()) != len(line) {
					t.Error("receive")
				}
			})
			t.Run("parts", func(t *testing.T) {
				allocates(t, 0, func() {
					if client.Send(line[:5], line[5:]) != nil {
						t.Error("send")
					}
					if _, err := server.RecvInto(buf, c.more, c.wait); err != nil {
						t.Error("receive")
					}
				})
			})
			t.Run("memory of its own", func(t *testing.T) { // is what it allocates
				allocates(t, 1, func() {
					if client.Send(line) != nil {
						t.Error("send")
					}
					if _, err := server.Recv(c.more, c.wait); err != nil {
						t.Error("receive")
					}
				})
			})
		})
	}
}

func TestAllocHTTPHead(t *testing.T) {
	client, server := bothEnds(t, nil)
	require.NoError(t, server.SetOpts(gentcp.PacketType(packet.HTTP)))
	head := []byte("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
	buf := make([]byte, 64)
	allocates(t, 0, func() {
		if client.Send(head) != nil {
			t.Error("send")
		}
		for range 4 {
			if _, err := server.RecvInto(buf, 0, soon); err != nil {
				t.Error("receive")
			}
		}
	})
}

// A receive that looks, and one that waits, find nothing for nothing.
func TestAllocTimeout(t *testing.T) {
	s, _ := bothEnds(t, nil, gentcp.PacketType(packet.Line))
	buf := make([]byte, 64)
	for _, w := range []esock.Wait{now, esock.Within(1)} {
		allocates(t, 0, func() {
			if _, err := s.RecvInto(buf, 0, w); err != esock.ErrTimeout {
				t.Error("receive")
			}
		})
	}
}

// A message is two allocations: the packet's memory, and the message as a value of its interface.
func TestAllocActive(t *testing.T) {
	line := []byte("a line of text\n")
	for _, c := range []struct {
		name string
		mode gentcp.Option
		set  bool // for each message
		want float64
	}{
		{"true", gentcp.Active(true), false, 2},
		{"once", gentcp.ActiveOnce(), true, 2},
		{"count", gentcp.ActiveN(32767), false, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			mb := owner(t)
			s, peer := bothEnds(t, mb, c.mode, gentcp.PacketType(packet.Line))
			ctx := t.Context()
			once := []gentcp.Option{c.mode}
			allocates(t, c.want, func() {
				if peer.Send(line) != nil {
					t.Error("send")
				}
				if msg, err := mb.Receive(ctx); err != nil || len(msg.(gentcp.TCPMsg).Data()) != len(line) {
					t.Error("receive")
				}
				if c.set {
					s.SetOpts(once...)
				}
			})
		})
	}
}
