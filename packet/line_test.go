package packet_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/esock-go/esock/packet"
)

func TestLines(t *testing.T) {
	both := func(s, l int) packet.Options { return packet.Options{PacketSize: s, LineLength: l} }
	length := func(l int) packet.Options { return packet.Options{LineLength: l} }
	semicolon := packet.Options{LineDelimiter: packet.DelimiterOf(';')}
	zero := packet.Options{LineDelimiter: packet.DelimiterOf(0)}
	checkRows(t, []row{
		{packet.Line, none, "", "more"},
		{packet.Line, none, "abc", "more"},
		{packet.Line, none, "\n", `"\n"`},
		{packet.Line, none, "abc\r\nd", `"abc\r\n" rest "d"`},
		{packet.Line, length(3), "abcdef\n", `"abc" rest "def\n"`},
		{packet.Line, length(3), "abc\n", `"abc" rest "\n"`},
		{packet.Line, length(3), "ab\nc", `"ab\n" rest "c"`},
		{packet.Line, length(3), "ab", "more"},
		{packet.Line, length(3), "abc", `"abc"`},
		{packet.Line, length(3), "abcd", `"abc" rest "d"`},
		{packet.Line, size(4), "abc\n", `"abc\n"`},
		{packet.Line, size(4), "abcd\n", "invalid"},
		{packet.Line, size(4), "abcd", "more"},
		{packet.Line, size(4), "abcde", "invalid"},
		{packet.Line, both(4, 4), "abcd\n", "invalid"},
		{packet.Line, both(4, 4), "abcd", `"abcd"`},
		{packet.Line, both(4, 4), "abc\n", `"abc\n"`},
		{packet.Line, both(8, 3), "abcdef\n", `"abc" rest "def\n"`},
		{packet.Line, both(8, 3), "abcdefgh\n", "invalid"},
		{packet.Line, both(8, 3), "abcdefghi", "invalid"},
		{packet.Line, both(8, 3), "abcdefgh", `"abc" rest "defgh"`},
		{packet.Line, both(3, 8), "abc\n", "invalid"},
		{packet.Line, both(mostSize, mostSize), "abc\n", `"abc\n"`},
		{packet.Line, semicolon, "a;b\nc;", `"a;" rest "b\nc;"`},
		{packet.Line, semicolon, "a\n", "more"},
		{packet.Line, zero, "a\x00\n", `"a\x00" rest "\n"`},
	})
}

func TestDelimiter(t *testing.T) {
	assert.Equal(t, byte('\n'), packet.Delimiter(0).Byte())
	for b := range 256 {
		assert.Equal(t, byte(b), packet.DelimiterOf(byte(b)).Byte())
	}
}

// Pieces and limits give the same lines however they arrive, unless both limits are there.
func TestLinesComeInPieces(t *testing.T) {
	in := []byte("abcdefgh\nij\nklm\n\nno")
	want := []string{`{"kind": "data", "hex": "616263"}`, `{"kind": "data", "hex": "646566"}`,
		`{"kind": "data", "hex": "67680a"}`,
		`{"kind": "data", "hex": "696a0a"}`, `{"kind": "data", "hex": "6b6c6d"}`, `{"kind": "data", "hex": "0a"}`,
		`{"kind": "data", "hex": "0a"}`, `more after "no"`}
	o := packet.Options{LineLength: 3}
	assert.Equal(t, want, parsed(t, packet.Line, o, [][]byte{in}))
	for n := 1; n < len(in); n++ {
		assert.Equal(t, want, parsed(t, packet.Line, o, [][]byte{in[:n], in[n:]}))
	}
}
