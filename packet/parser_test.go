package packet_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/packet"
)

// Linear time: no byte is searched twice. These tests replace searched bytes with bytes that would end the packet, and the
// packet must not end there.
func TestNothingIsSearchedTwice(t *testing.T) {
	const length = 1000
	for _, c := range []struct {
		name   string
		t      packet.Type
		first  string // what has a meaning at the front is left
		filler byte
		bait   byte // ends the packet, if the parser reads it
		end    string
	}{
		{"line", packet.Line, "", 'x', '\n', "\n"},
		{"start line", packet.HTTP, "G", 'x', '\n', "\n"},
		{"header", packet.HTTPH, "a:", 'x', '\n', "\nb"},
		{"folded header", packet.HTTPH, "a:\n ", ' ', '\n', "\nb"},
		{"tag", packet.ASN1, "\x1f", 0x81, 0x01, "\x01\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := packet.NewParser(c.t, none)
			require.NoError(t, err)
			buf := []byte(c.first)
			for len(buf) < length {
				_, _, err := p.Next(buf)
				require.ErrorIs(t, err, packet.ErrMore, "%d", len(buf))
				for i := len(c.first); i < len(buf); i++ {
					buf[i] = c.bait
				}
				buf = append(buf, c.filler)
			}
			buf = append(buf, c.end...)
			_, n, err := p.Next(buf)
			require.NoError(t, err)
			assert.Equal(t, length+len(strings.TrimSuffix(c.end, "b")), n)
		})
	}
}

// A header that goes on line by line: the newline before which the search stopped is looked at again, and no more.
func TestFoldedLinesAreNotSearchedTwice(t *testing.T) {
	p, err := packet.NewParser(packet.HTTPH, none)
	require.NoError(t, err)
	buf := []byte("a: b\n")
	for range 1000 {
		_, _, err := p.Next(buf)
		require.ErrorIs(t, err, packet.ErrMore)
		for i := 2; i < len(buf)-1; i++ {
			buf[i] = '\n'
		}
		buf = append(buf, " x\n"...)
	}
	_, n, err := p.Next(append(buf, 'c'))
	require.NoError(t, err)
	assert.Equal(t, len(buf), n)
}

func TestPiecesOfALineAreNotSearchedTwice(t *testing.T) {
	p, err := packet.NewParser(packet.Line, packet.Options{PacketSize: 1000, LineLength: 10})
	require.NoError(t, err)
	for _, tail := range []string{"x\n", "xy"} { // whole, or still to end
		p.Rewind()
		buf := []byte(strings.Repeat("x", 990) + tail)
		for left := buf; len(left) > 10; {
			_, n, err := p.Next(left)
			require.NoError(t, err)
			require.Equal(t, 10, n)
			for i := range buf[:990] {
				buf[i] = '\n'
			}
			left = left[n:]
		}
	}
}

func TestAnotherBufferIsSearchedFromItsFront(t *testing.T) {
	for _, other := range []func(*packet.Parser) error{
		func(p *packet.Parser) error { p.Rewind(); return nil },
		func(p *packet.Parser) error { return p.SetType(packet.Line) },
		func(p *packet.Parser) error { return p.SetOptions(packet.Options{}) },
	} {
		p, err := packet.NewParser(packet.Line, packet.Options{PacketSize: 100})
		require.NoError(t, err)
		_, _, err = p.Next([]byte("abcd"))
		require.ErrorIs(t, err, packet.ErrMore)
		require.NoError(t, other(&p))
		pkt, n, err := p.Next([]byte("x\ny\nzzz"))
		assert.Equal(t, `"x\n" rest "y\nzzz"`, outcome([]byte("x\ny\nzzz"), pkt, n, err))
	}
	// A shorter buffer counts as a new one.
	p, err := packet.NewParser(packet.Line, none)
	require.NoError(t, err)
	_, _, err = p.Next([]byte("abcd"))
	require.ErrorIs(t, err, packet.ErrMore)
	_, n, err := p.Next([]byte("x\n"))
	require.NoError(t, err)
	assert.Equal(t, 2, n)
}

func TestInvalidStaysInvalid(t *testing.T) {
	for _, c := range []row{
		{packet.Len4, size(3), "\x00\x00\x00\x04abcd", ""},
		{packet.Line, size(3), "abcdef\n", ""},
		{packet.HTTP, size(3), "GET / HTTP/1.1\n", ""},
		{packet.HTTPH, size(3), "a: bbbbbb", ""},
		{packet.ASN1, size(3), "\x1f" + strings.Repeat("\x81", 100), ""},
		{packet.ASN1, none, "\x1f\x81\x81\x01\x85zzzzz", ""},
	} {
		p, err := packet.NewParser(c.t, c.options)
		require.NoError(t, err)
		for n := range len(c.in) { // also where some of it was searched before
			_, _, _ = p.Next([]byte(c.in[:n]))
		}
		for range 3 {
			_, n, err := p.Next([]byte(c.in))
			assert.ErrorIs(t, err, packet.ErrInvalid, c.t)
			assert.Zero(t, n)
		}
	}
}

// Nothing of one packet is remembered with the next.
func TestEveryPacketIsSearchedFromItsFront(t *testing.T) {
	for _, c := range []struct {
		t         packet.Type
		beginning string
		whole     string
	}{
		{packet.Line, "abcdef", "abcdefg\n|x\n|y\n|zzzzz\n"},
		{packet.HTTP, "GET /abcdef", "GET /abcdefg\n|A:b\n|C:d\n|eeeeeeeeeeeeeeeeee:f\n"},
		{packet.HTTPH, "abcdefg:\n ", "abcdefg:\n x\n|A:b\n|C:d\n|eeeeeeeeeeeeeeeeee:f\n"},
		{packet.ASN1, "\x1f\x81\x81\x81", "\x1f\x81\x81\x81\x01\x00|\x1f\x01\x00|\x1f\x02\x00|\x1f\x03\x01a"},
	} {
		p, err := packet.NewParser(c.t, none)
		require.NoError(t, err)
		_, _, err = p.Next([]byte(c.beginning))
		require.ErrorIs(t, err, packet.ErrMore, c.t)
		rest := []byte(strings.ReplaceAll(c.whole, "|", "") + "\n")
		for want := range strings.SplitSeq(c.whole, "|") {
			_, n, err := p.Next(rest)
			require.NoError(t, err, c.t)
			require.Equal(t, want, string(rest[:n]), c.t)
			rest = rest[n:]
		}
	}
}

func TestNothingIsRememberedOfWhatIsInvalid(t *testing.T) {
	for _, c := range []struct {
		t       packet.Type
		invalid string
		next    string
		want    int
	}{
		{packet.Line, strings.Repeat("x", 101), "a\n" + strings.Repeat("x\n", 100), 2},
		{packet.HTTP, strings.Repeat("x", 100), "a\n" + strings.Repeat("x\n", 100), 2},
		{packet.ASN1, "\x1f" + strings.Repeat("\x81", 100), "\x1f\x01\x00" + strings.Repeat("\x81", 100) + "\x01\x00",
			3},
		{packet.ASN1, "\x1f\x81\x81\x81\x01\x85zzzzz", "\x1f\x01\x00\x81\x81\x81\x81\x81\x81\x81\x01\x00", 3},
		{packet.ASN1, "\x1f\x81\x81\x81\x01\x84\xff\xff\xff\xff", "\x1f\x01\x00\x81\x81\x81\x81\x81\x81\x81\x01\x00",
			3},
	} {
		p, err := packet.NewParser(c.t, size(100))
		require.NoError(t, err)
		for n := range len(c.invalid) {
			_, _, err = p.Next([]byte(c.invalid[:n]))
			require.ErrorIs(t, err, packet.ErrMore)
		}
		_, _, err = p.Next([]byte(c.invalid))
		require.ErrorIs(t, err, packet.ErrInvalid)
		_, n, err := p.Next([]byte(c.next))
		require.NoError(t, err, "%s %q", c.t, c.invalid)
		assert.Equal(t, c.want, n, "%s %q", c.t, c.invalid)
	}
}

func TestParserIsAValue(t *testing.T) {
	var p packet.Parser
	assert.Equal(t, packet.Raw, p.Type())
	pkt, n, err := p.Next([]byte("ab"))
	assert.Equal(t, `"ab"`, outcome([]byte("ab"), pkt, n, err))

	p, err = packet.NewParser(packet.Line, packet.Options{PacketSize: 7})
	require.NoError(t, err)
	assert.Equal(t, packet.Line, p.Type())
	assert.Equal(t, packet.Options{PacketSize: 7}, p.Options())
	_, _, err = p.Next([]byte("abc"))
	require.ErrorIs(t, err, packet.ErrMore)
	q := p
	require.NoError(t, q.SetType(packet.Len1))
	_, n, err = p.Next([]byte("abcd\n"))
	require.NoError(t, err)
	assert.Equal(t, 5, n)
}

func TestParserThatRefusesIsNotChanged(t *testing.T) {
	o := packet.Options{LineDelimiter: packet.DelimiterOf(';')}
	p, err := packet.NewParser(packet.Line, o)
	require.NoError(t, err)
	var bad *packet.ArgumentError
	require.ErrorAs(t, p.SetType(packet.Len4), &bad)
	require.ErrorAs(t, p.SetType(99), &bad)
	require.ErrorAs(t, p.SetOptions(packet.Options{LineDelimiter: 1000}), &bad)
	assert.Equal(t, packet.Line, p.Type())
	assert.Equal(t, o, p.Options())
	require.NoError(t, p.SetOptions(none))
	require.NoError(t, p.SetType(packet.Len4))
}

// What a caller appends to a packet must not overwrite the rest.
func TestPartsHaveNoRoomBehindThem(t *testing.T) {
	for _, c := range []struct {
		t  packet.Type
		in string
	}{{packet.Raw, "ab"}, {packet.Len1, "\x02abrest"}, {packet.Line, "ab\nrest"},
		{packet.CDR, "GIOP00000000\x00\x00\x00\x00rest"},
		{packet.FCGI, "\x01\x05\x00\x01\x00\x03\x02\x00abc\x00\x00rest"}, {packet.TLS, "\x16\x03\x03\x00\x02abrest"},
		{packet.HTTP, "HTTP/1.1 200 OK\r\nrest"}, {packet.HTTP, "GET http://h:8/p HTTP/1.1\r\nrest"},
		{packet.HTTP, "G a:b\r\nrest"},
		{packet.HTTPH, "Host: x\r\nrest"}, {packet.HTTP, "x\nrest"}} {
		b := append([]byte(c.in), "behind"...)
		b = b[:len(c.in)]
		p, _, err := packet.Decode(c.t, b, none)
		if err != nil {
			continue
		}
		parts := [][]byte{p.Data()}
		if r, ok := p.HTTPRequest(); ok {
			parts = append(parts, r.Method.Name, r.URI.Text, r.URI.Host, r.URI.Path, r.URI.Scheme)
		}
		if r, ok := p.HTTPResponse(); ok {
			parts = append(parts, r.Phrase)
		}
		if h, ok := p.HTTPHeader(); ok {
			parts = append(parts, h.Name, h.Value)
		}
		if r, ok := p.TLS(); ok {
			parts = append(parts, r.Data)
		}
		all := bytes.Clone(b[:cap(b)])
		for _, part := range parts {
			_ = append(part, "XXXXXX"...)
		}
		assert.Equal(t, string(all), string(b[:cap(b)]), "%s %q", c.t, c.in)
	}
}

// Sizes are unsigned numbers of 32 bits, as in OTP, though their type is int.
func TestSizesOutOfRangeAreBadArguments(t *testing.T) {
	one := int64(1) // a variable, for systems whose int has 32 bits
	for _, n := range []int{-1, math.MinInt, int(one << 32), math.MaxInt} {
		if n == 0 || n == math.MaxInt32 {
			continue
		}
		for what, o := range map[string]packet.Options{"packet_size": {PacketSize: n}, "line_length": {LineLength: n}} {
			_, _, err := packet.Decode(packet.Line, []byte("a\n"), o)
			var bad *packet.ArgumentError
			require.ErrorAs(t, err, &bad, "%v", o)
			assert.Equal(t, what, bad.What)
			assert.Equal(t, n, bad.Value)
			_, err = packet.NewDecoder(nil, packet.Line, o)
			require.ErrorAs(t, err, &bad)
			var p packet.Parser
			require.ErrorAs(t, p.SetOptions(o), &bad)
			assert.Equal(t, what, bad.What)
		}
	}
	most := int(min(int64(math.MaxUint32), math.MaxInt))
	_, _, err := packet.Decode(packet.Line, []byte("a\n"), packet.Options{PacketSize: most, LineLength: most})
	assert.NoError(t, err)
}
