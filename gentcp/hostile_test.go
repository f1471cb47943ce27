package gentcp_test

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// A length that is only announced costs no memory.
func TestHostileLengths(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []gentcp.Option
		sent string
		err  string
	}{
		{"4, above the default limit", []gentcp.Option{gentcp.PacketType(packet.Len4)}, "\xff\xff\xff\xff", "emsgsize"},
		{"4, as much as the default limit", []gentcp.Option{gentcp.PacketType(packet.Len4)}, "\x04\x00\x00\x00", "timeout"},
		{"4, no limit", []gentcp.Option{gentcp.PacketType(packet.Len4), gentcp.PacketSize(0)}, "\xff\xff\xff\xff", "emsgsize"},
		{"4, no limit, 2 GiB", []gentcp.Option{gentcp.PacketType(packet.Len4), gentcp.PacketSize(0)}, "\x7f\xff\xff\xfb", "timeout"},
		{"4, no limit, nothing read ahead", []gentcp.Option{gentcp.PacketType(packet.Len4), gentcp.PacketSize(0),
			gentcp.ReadAhead(false)},
			"\x7f\xff\xff\xfb", "timeout"},
		{"sunrm", []gentcp.Option{gentcp.PacketType(packet.SunRM), gentcp.PacketSize(0)}, "\x7f\xff\xff\xfb", "timeout"},
		{"asn1", []gentcp.Option{gentcp.PacketType(packet.ASN1), gentcp.PacketSize(0)},
			"\x30\x84\x7f\x00\x00\x00", "timeout"},
		{"cdr", []gentcp.Option{gentcp.PacketType(packet.CDR), gentcp.PacketSize(0)},
			"GIOP\x01\x02\x00\x01\x7f\x00\x00\x00", "timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, peer := wired(t, nil, c.opts...)
			put(t, s, peer, c.sent+"some")
			assert.Equal(t, "error: "+c.err, recvText(s, 0, now))
			_, room := gentcp.Buffered(s)
			assert.LessOrEqual(t, room, 8192)

			mb := owner(t)
			s, peer = wired(t, mb, c.opts...)
			put(t, s, peer, c.sent+"some")
			if c.err == "emsgsize" {
				gets(t, mb, "error emsgsize")
			}
			holds(t, mb)
			_, room = gentcp.Buffered(s)
			assert.LessOrEqual(t, room, 8192)
		})
	}
	t.Run("raw, a length of the caller's", func(t *testing.T) {
		s, peer := wired(t, nil)
		put(t, s, peer, "some")
		assert.Equal(t, "error: timeout", recvText(s, 1<<30, now))
		_, room := gentcp.Buffered(s)
		assert.LessOrEqual(t, room, 8192)
	})
}

// Memory is at most twice what the peer has sent, or what one read takes; and it costs no more than that to fill it.
func TestHostileGrowth(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []gentcp.Option
		head string
	}{
		{"4", []gentcp.Option{gentcp.PacketType(packet.Len4)}, "\x04\x00\x00\x00"},
		{"a line without end", []gentcp.Option{gentcp.PacketType(packet.Line)}, ""},
		{"a line without end or limit", []gentcp.Option{gentcp.PacketType(packet.Line), gentcp.PacketSize(0)}, ""},
		{"a header without end", []gentcp.Option{gentcp.PacketType(packet.HTTP)}, "GET / HTTP/1.1\r\na:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, peer := wired(t, nil, c.opts...)
			const total = 8 << 20
			sending := background(t, func() {
				write(t, peer, c.head)
				for range total / (1 << 16) {
					if _, err := peer.Write(make([]byte, 1<<16)); err != nil {
						return
					}
				}
			})
			if c.name == "a header without end" {
				recvs(t, s, "GET /")
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for {
				n, room := gentcp.Buffered(s)
				require.LessOrEqual(t, room, 2*max(n, 8192))
				if n >= total {
					break
				}
				assert.Equal(t, "error: timeout", recvText(s, 0, now))
			}
			sending()
			runtime.ReadMemStats(&after)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20*total), "what growing allocated")
		})
	}
}

// What is too long is refused when the limit is passed, not when it ends.
func TestHostileLinesMeetTheLimit(t *testing.T) {
	const limit = 10_000
	for _, c := range []struct {
		name string
		typ  packet.Type
		head string
		want []string
	}{
		{"http", packet.HTTP, "", []string{"error: emsgsize", "error: emsgsize"}},
		{"header", packet.HTTP, "GET /a HTTP/1.1\r\nname: ", []string{"GET /a", "error: emsgsize"}},
		{"httph", packet.HTTPH, "name: ", []string{"error: emsgsize"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, peer := wired(t, nil, gentcp.PacketType(c.typ), gentcp.PacketSize(limit))
			background(t, func() { io.WriteString(peer, c.head+strings.Repeat("x", 5*limit)) })
			recvs(t, s, c.want...)
			_, room := gentcp.Buffered(s)
			assert.LessOrEqual(t, room, 4*limit)
		})
	}
	t.Run("line", func(t *testing.T) { // in fragments, or too long, as it arrives
		s, peer := wired(t, nil, gentcp.PacketType(packet.Line), gentcp.PacketSize(limit))
		put(t, s, peer, strings.Repeat("x", limit))
		recvs(t, s, strings.Repeat("x", limit))
		put(t, s, peer, strings.Repeat("x", limit+5000))
		recvs(t, s, "error: emsgsize")
		_, room := gentcp.Buffered(s)
		assert.LessOrEqual(t, room, 4*limit)
	})
}

// A peer that sends byte by byte costs one small buffer, and linear time.
func TestHostileDribble(t *testing.T) {
	const n = 20_000
	for _, active := range []bool{false, true} {
		mb := owner(t)
		s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(active), gentcp.NoDelay(true))
		require.NoError(t, peer.SetNoDelay(true))
		background(t, func() {
			for range n {
				if _, err := peer.Write([]byte("x")); err != nil {
					return
				}
			}
			io.WriteString(peer, "\n")
		})
		if active {
			assert.Len(t, nextMessage(t, mb).(gentcp.TCPMsg).Data(), n+1)
		} else {
			assert.Len(t, recvText(s, 0, soon), n+1)
		}
		_, room := gentcp.Buffered(s)
		assert.Zero(t, room)
	}
}

// An owner that does not receive in mode true holds only the announcement, and the kernel stops the peer.
func TestHostileFlood(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.Active(true))
	sent := make(chan int64, 1)
	background(t, func() {
		n, _ := io.Copy(peer, io.LimitReader(zeros{}, 64<<20))
		sent <- n
	})
	comes(t, "the announcement", func() bool { return mb.Len() == 1 })
	comes(t, "much", func() bool { return unread(t, s) > 30_000 })
	assert.Equal(t, 1, mb.Len())
	n, room := gentcp.Buffered(s)
	assert.Zero(t, n+room)
	for range 10 {
		assert.LessOrEqual(t, len(nextMessage(t, mb).(gentcp.TCPMsg).Data()), 8192)
		assert.LessOrEqual(t, mb.Len(), 1)
	}
	s.Close()
	assert.Less(t, <-sent, int64(64<<20))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A peer that vanishes in the middle of a packet leaves nothing behind.
func TestHostileVanishing(t *testing.T) {
	for _, how := range []string{"end", "reset"} {
		for _, active := range []bool{false, true} {
			mb := owner(t)
			s, peer := wired(t, mb, gentcp.PacketType(packet.Len4), gentcp.Active(active))
			put(t, s, peer, "\x00\x10\x00\x00some")
			if active {
				holds(t, mb)
			} else {
				assert.Equal(t, "error: timeout", recvText(s, 0, now))
			}
			if how == "end" {
				hangUp(t, s, peer)
			} else {
				reset(t, s, peer)
			}
			if active {
				gets(t, mb, "closed")
			} else {
				recvs(t, s, "error: closed")
			}
			n, room := gentcp.Buffered(s)
			assert.Zero(t, n+room)
			assert.False(t, s.Open())
		}
	}
	t.Run("before it is accepted", func(t *testing.T) {
		l := listenWith(t, nil)
		for range 20 {
			c := connectTo(t, nil, l, gentcp.Linger(true, 0))
			c.Close()
			a, err := l.Accept(nil, esock.Within(0))
			if err == nil {
				recvs(t, made(t, a, err), "error: closed")
			}
		}
		c := connectTo(t, nil, l)
		for {
			a := acceptFrom(t, l, nil)
			if name, err := a.PeerName(); err == nil && name == nameOf(t, c) {
				sent(t, c, a, "served")
				break
			}
		}
	})
}
