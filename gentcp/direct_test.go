package gentcp_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// framed makes a packet of each type as it is on the wire, of a body that may be cut to what the type takes.
var framed = map[packet.Type]func(body string) string{
	packet.Raw:  func(body string) string { return body },
	packet.Len1: func(body string) string { return prefixed(packet.Len1, body[:min(len(body), 255)]) },
	packet.Len2: func(body string) string { return prefixed(packet.Len2, body[:min(len(body), 1<<16-1)]) },
	packet.Len4: func(body string) string { return prefixed(packet.Len4, body) },
	packet.Line: func(body string) string { return body + "\n" },
	packet.ASN1: func(body string) string {
		return "\x30\x84" + prefixed(packet.Len4, body)
	},
	packet.SunRM: func(body string) string { return prefixed(packet.Len4, body) },
	packet.CDR: func(body string) string {
		return "GIOP\x01\x02\x00\x01" + prefixed(packet.Len4, body)
	},
	packet.FCGI: func(body string) string {
		body = body[:min(len(body), 1<<16-1)]
		head := binary.BigEndian.AppendUint16([]byte("\x01\x05\x00\x01"), uint16(len(body)))
		return string(head) + "\x03\x00" + body + "pad"
	},
	packet.TPKT: func(body string) string {
		body = body[:min(len(body), 1<<16-5)]
		return string(binary.BigEndian.AppendUint16([]byte("\x03\x00"), uint16(4+len(body)))) + body
	},
	packet.HTTP:     func(body string) string { return "GET /" + body + " HTTP/1.1\r\na: " + body + "\r\n\r\n" },
	packet.HTTPBin:  func(body string) string { return "HTTP/1.1 200 " + body + "\r\n\r\n" },
	packet.HTTPH:    func(body string) string { return "a: " + body + "\r\n\r\n" },
	packet.HTTPHBin: func(body string) string { return "a: " + body + "\r\n b\r\n\r\n" },
}

func prefixed(typ packet.Type, body string) string {
	b, err := packet.Append(nil, typ, []byte(body))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// parsed is what the parser makes of the whole stream, and how much of it that takes.
func parsed(t soft, typ packet.Type, stream string) (want []packet.Packet, used int) {
	parser, err := packet.NewParser(typ, packet.Options{})
	require.NoError(t, err)
	for {
		p, n, err := parser.Next([]byte(stream[used:]))
		if err != nil {
			require.Equal(t, packet.ErrMore, err)
			return want, used
		}
		want = append(want, p)
		used += n
	}
}

// Whatever the type, the sizes of the packets, where the stream is cut, and the memory of the caller and of the socket:
// receives get the packets that the parser finds in the whole stream, and each as soon as it is there.
func TestReceivesGetThePacketsOfTheParser(t *testing.T) {
	var types []packet.Type
	for typ := packet.Raw; typ <= packet.HTTPHBin; typ++ {
		if framed[typ] != nil {
			types = append(types, typ)
		}
	}
	sizes := rapid.OneOf(rapid.IntRange(0, 12), rapid.IntRange(0, 300), rapid.IntRange(8100, 8300), rapid.IntRange(0, 20_000))
	rapid.Check(t, func(rt *rapid.T) {
		typ := rapid.SampledFrom(types).Draw(rt, "type")
		s, peer := wired(t, nil, gentcp.PacketType(typ), gentcp.ReadAhead(rapid.SampledFrom([]bool{true, true, false}).Draw(rt, "ahead")),
			gentcp.Buffer(rapid.SampledFrom([]int{0, 0, 0, 1, 7, 64, 10_000, 200_000}).Draw(rt, "buffer")))
		defer peer.Close()
		defer s.Close()
		var stream string
		for range rapid.IntRange(1, 6).Draw(rt, "packets") {
			stream += framed[typ](strings.Repeat("abcdefgh", 2500)[:sizes.Draw(rt, "size")])
			if len(stream) > 40_000 { // the kernel has room for it
				break
			}
		}
		memory := rapid.SampledFrom([]int{0, 1, 2, 3, 5, 8, 20, 64, 300, 4096, 8192, 30_000})
		fixed := memory.Draw(rt, "buf")
		changes := rapid.Bool().Draw(rt, "another buf each time")
		lengths := rapid.SampledFrom([]int{0, 0, 1, 3, 100, 9000})

		var got []byte // what receives of raw have
		sent := 0
		want, used := parsed(rt, typ, stream)
		all := len(want)
		require.Equal(rt, len(stream), used)
		check := func(buf []byte, length int, p gentcp.Packet) {
			data := p.Data()
			if typ == packet.Raw {
				require.True(rt, length == 0 && len(data) > 0 || len(data) == length)
				got = append(got, data...)
				require.True(rt, bytes.HasPrefix([]byte(stream), got))
			} else {
				require.NotEmpty(rt, want)
				require.Equal(rt, textOf(gentcp.Packet{Packet: want[0]}), textOf(p))
				require.Equal(rt, want[0].Kind(), p.Kind())
				want = want[1:]
			}
			if len(data) > 0 && p.Kind() == packet.KindData {
				require.Equal(rt, len(data) <= len(buf), len(buf) > 0 && &data[0] == &buf[0], "it is in the caller's memory if it fits")
			}
		}
		receive := func() bool {
			size, length := fixed, 0
			if changes {
				size = memory.Draw(rt, "buf")
			}
			if length = lengths.Draw(rt, "length"); typ == packet.Raw {
				length = min(length, len(stream)-len(got))
			} else if length > 0 {
				length = size // it does not matter
			}
			around := make([]byte, size+8)
			copy(around[size:], "guardian")
			buf := around[:size]
			p, err := s.RecvInto(buf, length, now)
			require.Equal(rt, "guardian", string(around[size:]))
			if err == nil {
				check(buf, length, p)
				return true
			}
			require.Equal(rt, esock.ErrTimeout, err)
			if typ == packet.Raw {
				require.Less(rt, sent-len(got), max(length, 1), "they are there")
			} else {
				came, _ := parsed(rt, typ, stream[:sent])
				require.Len(rt, came, all-len(want), "it is there")
			}
			return false
		}
		done := func() bool {
			return typ == packet.Raw && len(got) == len(stream) || typ != packet.Raw && len(want) == 0
		}
		for sent < len(stream) {
			left := len(stream) - sent
			n := rapid.OneOf(rapid.Just(left), rapid.IntRange(1, min(20, left)), rapid.IntRange(1, left)).Draw(rt, "piece")
			put(t, s, peer, stream[sent:sent+n])
			sent += n
			for !done() && receive() {
			}
			require.Zero(rt, unread(t, s))
		}
		for !done() { // a receive of raw may have asked for more than there was
			require.True(rt, receive())
		}
		n, _ := gentcp.Buffered(s)
		require.Zero(rt, n)
	})
}

// With one packet in each read, the packet is read straight into the caller's memory. Here the header shows it: the body
// was moved to the front, and its last bytes are twice in the memory.
func TestASinglePacketIsReadInPlace(t *testing.T) {
	s, peer := wired(t, nil, gentcp.PacketType(packet.Len2))
	inPlace := func(buf []byte, want string) bool {
		t.Helper()
		clear(buf)
		p, err := s.RecvInto(buf, 0, now)
		require.NoError(t, err)
		require.Equal(t, want, string(p.Data()))
		return len(buf) >= len(want)+2 && string(buf[:len(want)+2]) == want+want[len(want)-2:]
	}
	buf := make([]byte, 16)
	for range 3 {
		put(t, s, peer, "\x00\x03abc")
		assert.True(t, inPlace(buf, "abc"))
	}
	// Two at once: the second was read ahead. Then packets come singly again.
	put(t, s, peer, "\x00\x03abc\x00\x03def")
	assert.True(t, inPlace(buf, "abc"))
	assert.False(t, inPlace(buf, "def"))
	put(t, s, peer, "\x00\x03ghi")
	assert.False(t, inPlace(buf, "ghi"), "the last read brought two")
	put(t, s, peer, "\x00\x03jkl")
	assert.True(t, inPlace(buf, "jkl"))
	// One that does not fit, with its header.
	put(t, s, peer, "\x00\x0fabcdefghijklmno")
	assert.False(t, inPlace(buf, "abcdefghijklmno"))
	_, room := gentcp.Buffered(s)
	assert.Zero(t, room)
}

// Without read_ahead the rest of the stream is left to the kernel, also with memory of the caller's.
func TestNothingIsReadAheadInPlace(t *testing.T) {
	s, peer := wired(t, nil, gentcp.PacketType(packet.Len2), gentcp.ReadAhead(false))
	put(t, s, peer, "\x00\x03abc\x00\x03def")
	p, err := s.RecvInto(make([]byte, 100), 0, soon)
	require.NoError(t, err)
	assert.Equal(t, "abc", string(p.Data()))
	assert.Equal(t, 5, unread(t, s))
}

// A small buf does not make reads small: many packets that came at once are read at once.
func TestReadsAreFewWhateverTheMemory(t *testing.T) {
	s, peer := wired(t, nil, gentcp.PacketType(packet.Len1))
	const packets = 1000
	put(t, s, peer, strings.Repeat("\x03abc", packets))
	before := s.Socket().Counters().ReadTries
	buf := make([]byte, 8)
	for range packets {
		p, err := s.RecvInto(buf, 0, now)
		require.NoError(t, err)
		require.Equal(t, "abc", string(p.Data()))
	}
	assert.LessOrEqual(t, s.Socket().Counters().ReadTries-before, uint64(2))
}

// What happens while a receive reads into the caller's memory: the bytes that come then are cut by the type that is set,
// after what was put back, and stay when the receive ends without a packet.
func TestChangesWhileAPacketIsReadInPlace(t *testing.T) {
	buf := make([]byte, 100)
	start := func(t *testing.T, w esock.Wait, opts ...gentcp.Option) (s *gentcp.Socket, send func(string), result func() string) {
		mb := owner(t)
		s, peer := wired(t, mb, append([]gentcp.Option{gentcp.Active(false), gentcp.PacketType(packet.Len1)}, opts...)...)
		var text string
		wait := background(t, func() {
			p, err := s.RecvInto(buf, 0, w)
			if text = textOf(p); err != nil {
				text = "error: " + gentcp.Reason(err)
			}
		})
		turns(t, s, 0)
		return s, func(data string) { write(t, peer, data) }, func() string { wait(); return text }
	}
	t.Run("the type", func(t *testing.T) {
		s, send, result := start(t, soon)
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Line)))
		send("\x01a\nrest\n")
		assert.Equal(t, "\x01a\n", result())
		recvs(t, s, "rest\n")
	})
	t.Run("to raw", func(t *testing.T) {
		s, send, result := start(t, soon)
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw)))
		send("\x01ab")
		assert.Equal(t, "\x01ab", result())
	})
	t.Run("the largest packet", func(t *testing.T) {
		s, send, result := start(t, soon)
		require.NoError(t, s.SetOpts(gentcp.PacketSize(2)))
		send("\x03abc")
		assert.Equal(t, "error: emsgsize", result())
		require.NoError(t, s.SetOpts(gentcp.PacketSize(3)))
		recvs(t, s, "abc")
	})
	t.Run("header", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Len1))
		var head string
		wait := background(t, func() {
			p, err := s.RecvInto(buf, 0, soon)
			assert.NoError(t, err)
			head = string(p.Head())
		})
		turns(t, s, 0)
		require.NoError(t, s.SetOpts(gentcp.Binary(), gentcp.Header(2)))
		write(t, peer, "\x03abc")
		wait()
		assert.Equal(t, "ab", head)
	})
	t.Run("unrecv", func(t *testing.T) {
		s, send, result := start(t, soon)
		require.NoError(t, s.Unrecv([]byte("\x01a\x01b")))
		send("\x01c")
		require.Equal(t, "a", result())
		require.Equal(t, "b", recvText(s, 0, now))
		require.Equal(t, "c", recvText(s, 0, now))
	})
	t.Run("an active mode", func(t *testing.T) {
		s, send, result := start(t, soon)
		require.NoError(t, s.SetOpts(gentcp.ActiveN(2)))
		send("\x01a\x01b\x01c\x01d")
		assert.Equal(t, "a", result())
		gets(t, s.Owner(), "tcp b", "tcp c", "passive")
		recvs(t, s, "d")
	})
	t.Run("another receive", func(t *testing.T) {
		s, send, result := start(t, soon)
		second := recvLater(t, s, 0, soon)
		turns(t, s, 1)
		send("\x01a\x01b")
		assert.Equal(t, "a", result())
		assert.Equal(t, "b", second())
	})
	t.Run("close", func(t *testing.T) {
		s, _, result := start(t, soon)
		s.Close()
		assert.Equal(t, "error: closed", result())
		recvs(t, s, "error: closed")
	})
	t.Run("the owner's death", func(t *testing.T) {
		s, _, result := start(t, soon)
		s.Owner().Close()
		assert.Equal(t, "error: closed", result())
		recvs(t, s, "error: closed")
	})
	for _, exits := range []bool{true, false} {
		t.Run("the end, in a packet", func(t *testing.T) {
			s, peer := wired(t, nil, gentcp.PacketType(packet.Len1), gentcp.ExitOnClose(exits))
			var err error
			wait := background(t, func() { _, err = s.RecvInto(buf, 0, soon) })
			turns(t, s, 0)
			write(t, peer, "\x03a")
			require.NoError(t, peer.CloseWrite())
			wait()
			reasons(t, "closed", err)
			assert.Equal(t, !exits, s.Open())
		})
	}
	t.Run("the time", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Len1))
		put(t, s, peer, "\x03a")
		_, err := s.RecvInto(buf, 0, esock.Within(1))
		assert.Equal(t, esock.ErrTimeout, err)
		put(t, s, peer, "bc\x01d")
		recvs(t, s, "abc", "d")
	})
}
