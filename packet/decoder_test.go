package packet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/packet"
)

func newDecoder(t *testing.T, r io.Reader, typ packet.Type, o packet.Options) *packet.Decoder {
	t.Helper()
	d, err := packet.NewDecoder(r, typ, o)
	require.NoError(t, err)
	return d
}

func TestDecoderEnds(t *testing.T) {
	d := newDecoder(t, strings.NewReader("\x01a\x02b"), packet.Len1, none)
	p, err := d.Next()
	require.NoError(t, err)
	assert.Equal(t, "a", string(p.Data()))
	for range 2 {
		_, err = d.Next()
		assert.Equal(t, io.ErrUnexpectedEOF, err)
		assert.Equal(t, "\x02b", string(d.Buffered()))
	}
	d = newDecoder(t, strings.NewReader(""), packet.Len1, none)
	for range 2 {
		_, err = d.Next()
		assert.Equal(t, io.EOF, err)
	}
	_, err = new(packet.Decoder).Next()
	assert.Equal(t, io.EOF, err)
	_, err = new(packet.Decoder).Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err)
}

// Packets that came with an error, or before it, are delivered first. A transient error does no harm.
func TestDecoderTellsTheReadersErrors(t *testing.T) {
	boom := errors.New("boom")
	d := newDecoder(t, iotest.DataErrReader(io.MultiReader(strings.NewReader("a\nb\nc"), iotest.ErrReader(boom),
		strings.NewReader("d\n"))),
		packet.Line, none)
	var got []string
	for range 4 {
		p, err := d.Next()
		got = append(got, fmt.Sprintf("%q %v", p.Data(), err))
	}
	assert.Equal(t, []string{`"a\n" <nil>`, `"b\n" <nil>`, `"" boom`, `"" boom`}, got)

	d = newDecoder(t, iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("ab\n"))), packet.Line, none)
	_, err := d.Next()
	assert.ErrorIs(t, err, iotest.ErrTimeout)
	p, err := d.Next()
	require.NoError(t, err)
	assert.Equal(t, "ab\n", string(p.Data()))
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

func TestDecoderSeesThroughBadReaders(t *testing.T) {
	calls := 0
	d := newDecoder(t, readFunc(func([]byte) (int, error) { calls++; return 0, nil }), packet.Line, none)
	_, err := d.Next()
	assert.Equal(t, io.ErrNoProgress, err)
	assert.Equal(t, 100, calls)
	for _, n := range []int{-1, 1 << 20} {
		d = newDecoder(t, readFunc(func([]byte) (int, error) { return n, nil }), packet.Line, none)
		_, err = d.Next()
		assert.ErrorContains(t, err, "invalid count")
		assert.Empty(t, d.Buffered())
	}
}

func TestDecoderStaysAtWhatIsInvalid(t *testing.T) {
	d := newDecoder(t, strings.NewReader("\x01a\x0bhello, world"), packet.Len1, size(10))
	_, err := d.Next()
	require.NoError(t, err)
	for range 2 {
		_, err = d.Next()
		assert.Equal(t, packet.ErrInvalid, err)
	}
	assert.Equal(t, "\x0bhello, world", string(d.Buffered()))
	require.NoError(t, d.SetType(packet.Raw))
	assert.Equal(t, packet.Raw, d.Type())
	p, err := d.Next()
	require.NoError(t, err)
	assert.Equal(t, "\x0bhello, world", string(p.Data()))
}

func TestDecoderOfTypesInTurn(t *testing.T) {
	in := "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloline;\x02ab"
	d := newDecoder(t, iotest.OneByteReader(strings.NewReader(in)), packet.HTTP, none)
	var got []string
	for p, err := range d.All() {
		require.NoError(t, err)
		got = append(got, shown(p))
		if p.Kind() == packet.KindHTTPEOH {
			break
		}
	}
	assert.Equal(t, []string{`GET path "/" 1.1`, `38 Content-Length "Content-Length" "5"`, "http_eoh"}, got)
	body, err := io.ReadAll(io.LimitReader(d, 5))
	require.NoError(t, err)
	assert.Equal(t, "hello", string(body))

	require.NoError(t, d.SetType(packet.Line))
	o := packet.Options{LineDelimiter: packet.DelimiterOf(';')}
	require.NoError(t, d.SetOptions(o))
	assert.Equal(t, o, d.Options())
	p, err := d.Next()
	require.NoError(t, err)
	assert.Equal(t, "line;", string(p.Data()))
	assert.Error(t, d.SetType(packet.Len1)) // the delimiter is in the way
	require.NoError(t, d.SetOptions(none))
	require.NoError(t, d.SetType(packet.Len1))
	p, err = d.Next()
	require.NoError(t, err)
	assert.Equal(t, "ab", string(p.Data()))
	_, err = d.Next()
	assert.Equal(t, io.EOF, err)
}

func TestDecoderReadsTheRest(t *testing.T) {
	boom := errors.New("boom")
	r := iotest.DataErrReader(io.MultiReader(strings.NewReader("\x01abcd"), iotest.ErrReader(boom)))
	d := newDecoder(t, r, packet.Len1, none)
	_, err := d.Next()
	require.NoError(t, err)
	n, err := d.Read(nil)
	assert.Equal(t, 0, n)
	require.NoError(t, err)
	b := make([]byte, 2)
	n, err = d.Read(b)
	require.NoError(t, err)
	assert.Equal(t, "bc", string(b[:n]))
	n, err = d.Read(b)
	require.NoError(t, err)
	assert.Equal(t, "d", string(b[:n]))
	_, err = d.Read(b)
	assert.Equal(t, boom, err)
	// The error came with the last bytes, and is returned once.
	calls := 0
	d = newDecoder(t, readFunc(func(b []byte) (int, error) {
		calls++
		if calls == 1 {
			return copy(b, "\x01ab"), boom
		}
		return copy(b, "c"), nil
	}), packet.Len1, none)
	_, err = d.Next()
	require.NoError(t, err)
	var got []string
	for range 3 {
		n, err = d.Read(b)
		got = append(got, fmt.Sprintf("%q %v", b[:n], err))
	}
	assert.Equal(t, []string{`"b" <nil>`, `"" boom`, `"c" <nil>`}, got)
}

func TestWhatFollowsARawReadIsSearchedAnew(t *testing.T) {
	d := newDecoder(t, iotest.TimeoutReader(&pieceReader{pieces: [][]byte{[]byte("xa: b\n"), []byte("c")}}),
		packet.HTTPH, none)
	_, err := d.Next()
	require.ErrorIs(t, err, iotest.ErrTimeout)
	_, err = io.ReadFull(d, make([]byte, 1))
	require.NoError(t, err)
	p, err := d.Next()
	require.NoError(t, err)
	assert.Equal(t, `0 A "a" "b"`, shown(p))
}

func TestAllEndsAfterAnError(t *testing.T) {
	d := newDecoder(t, strings.NewReader("ab\nabcdef\n"), packet.Line, size(3))
	var got []string
	for p, err := range d.All() {
		got = append(got, fmt.Sprintf("%q %v", p.Data(), err))
	}
	assert.Equal(t, []string{`"ab\n" <nil>`, `"" ` + packet.ErrInvalid.Error()}, got)
	for range newDecoder(t, strings.NewReader(""), packet.Line, none).All() {
		t.Fatal("there is nothing")
	}
}

// Many packets of all lengths, in pieces of all lengths.
func TestDecoderOfRandomPackets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		var stream []byte
		var want [][]byte
		for range 200 {
			n := r.IntN(1 << r.IntN(16))
			b := bytes.Repeat([]byte{byte(n)}, n)
			want = append(want, b)
			var err error
			stream, err = packet.Append(stream, packet.Len4, b)
			require.NoError(t, err)
		}
		d := newDecoder(t, &pieceReader{pieces: pieces(r, stream, 1<<(1+r.IntN(18)))}, packet.Len4, none)
		for i := 0; ; i++ {
			p, err := d.Next()
			if err == io.EOF {
				assert.Equal(t, len(want), i)
				break
			}
			require.NoError(t, err)
			require.True(t, bytes.Equal(want[i], p.Data()))
		}
	}
}
