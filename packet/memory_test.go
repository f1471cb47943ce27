package packet

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHeaderSlotsHaveNoCollisions(t *testing.T) {
	for i, name := range headerNames[1:] {
		assert.Equal(t, i+1, int(headerSlots[headerHash([]byte(name))]), name)
	}
}

func TestHeadersAreTakenForNoOthers(t *testing.T) {
	for i, name := range headerNames {
		for j := range len(name) {
			for c := byte(33); c < 128; c++ {
				if classes[c]&tokenChar == 0 {
					continue
				}
				changed := []byte(name)
				changed[j] = c
				want := 0
				if strings.EqualFold(name, string(changed)) {
					want = i
				}
				if got := headerIndex(changed); got != want {
					t.Errorf("%s: %d, want %d", changed, got, want)
				}
			}
		}
	}
}

// watcher is a reader that records the size of the Decoder's buffer at each call.
type watcher struct {
	d      *Decoder
	r      io.Reader
	first  *byte
	end    int
	read   int // bytes
	moved  int // bytes that were copied within the buffer or to another
	calls  int
	buffer int // the largest
}

func watch(t *testing.T, r io.Reader, typ Type, o Options) *watcher {
	t.Helper()
	w := &watcher{r: r}
	d, err := NewDecoder(w, typ, o)
	require.NoError(t, err)
	w.d = d
	return w
}

func (w *watcher) Read(b []byte) (int, error) {
	if w.first != &w.d.buf[0] || w.end != w.d.end {
		w.moved += w.d.end
	}
	w.calls++
	w.buffer = max(w.buffer, len(w.d.buf))
	n, err := w.r.Read(b)
	w.first, w.end = &w.d.buf[0], w.d.end+n
	w.read += n
	return n, err
}

// endless is a reader of the head, and then the tail for ever.
type endless struct{ head, tail string }

func (e *endless) Read(b []byte) (int, error) {
	if e.head != "" {
		n := copy(b, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	for n := 0; n < len(b); {
		n += copy(b[n:], e.tail)
	}
	return len(b), nil
}

// A peer announces 4 GiB, or as much as there may be, and sends little.
func TestAnnouncedBytesCostNothing(t *testing.T) {
	for _, c := range []struct {
		t    Type
		head string
		want error
	}{
		{Len4, "\xff\xff\xff\xff", ErrInvalid},
		{Len4, "\x7f\xff\xff\xfb", io.ErrUnexpectedEOF},
		{SunRM, "\xff\xff\xff\xfb", io.ErrUnexpectedEOF},
		{CDR, "GIOP\x01\x02\x00\x01\x7f\xff\xff\xf3", io.ErrUnexpectedEOF},
		{ASN1, "0\x84\x7f\xff\xff\xf9", io.ErrUnexpectedEOF},
	} {
		w := watch(t, strings.NewReader(c.head+strings.Repeat("x", 1000)), c.t, Options{})
		_, err := w.d.Next()
		assert.Equal(t, c.want, err, c.t)
		assert.Equal(t, minBuffer, w.buffer, c.t)

		w = watch(t, strings.NewReader(c.head), c.t, Options{PacketSize: 1 << 20})
		_, err = w.d.Next()
		assert.Equal(t, ErrInvalid, err, c.t)
	}
}

// Without an end, lines, heads and tags are invalid at PacketSize, and have cost no more than that.
func TestEndlessInputIsInvalidAtPacketSize(t *testing.T) {
	const size = 100_000
	for _, c := range []struct {
		t Type
		e endless
	}{
		{Line, endless{"", "x"}},
		{HTTP, endless{"GET /", "x"}},
		{HTTP, endless{"GET / HTTP/1.1\r\n", "x"}},
		{HTTPH, endless{"A: b", " x"}},
		{HTTPH, endless{"A: b", "\r\n x"}},
		{ASN1, endless{"\x1f", "\x81"}},
	} {
		w := watch(t, &c.e, c.t, Options{PacketSize: size})
		var err error
		for err == nil {
			_, err = w.d.Next()
		}
		assert.Equal(t, ErrInvalid, err, c.t)
		assert.LessOrEqual(t, w.buffer, 2*size, c.t)
		assert.LessOrEqual(t, w.read, 2*size, c.t)
		_, err = w.d.Next()
		assert.Equal(t, ErrInvalid, err, c.t)
		assert.LessOrEqual(t, w.read, 2*size, c.t)
	}
}

// Headers without end are packets without end, and each is used.
func TestEndlessHeadersCostNoMemory(t *testing.T) {
	w := watch(t, &endless{"GET / HTTP/1.1\r\n", "A: b\r\n"}, HTTP, Options{PacketSize: 1000})
	for range 100_000 {
		_, err := w.d.Next()
		require.NoError(t, err)
	}
	assert.LessOrEqual(t, w.buffer, keepBuffer)
}

// oneAt gives at most n bytes at a call.
type oneAt struct {
	io.Reader
	n int
}

func (r oneAt) Read(b []byte) (int, error) { return r.Reader.Read(b[:min(len(b), r.n)]) }

// Linear time: however the bytes come, they are moved a few times at most. That they are searched once is tested with
// the Parser.
func TestBytesAreMovedFewTimes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var many, mixed []byte
	for len(many) < 1<<17 {
		many, _ = Append(many, Len4, make([]byte, 64))
		mixed, _ = Append(mixed, Len4, make([]byte, r.IntN(1<<r.IntN(16))))
	}
	big, _ := Append(nil, Len4, make([]byte, 1<<18))
	for _, c := range []struct {
		name   string
		t      Type
		stream []byte
	}{
		{"small packets", Len4, many},
		{"packets of all sizes", Len4, mixed},
		{"one packet", Len4, big},
		{"one line", Line, append(bytes.Repeat([]byte("x"), 1<<17), '\n')},
		{"long lines", Line, bytes.Repeat(append(bytes.Repeat([]byte("x"), 3000), '\n'), 50)},
		{"one header", HTTPH, append(bytes.Repeat([]byte("x\r\n "), 1<<15), "\n\n"...)},
	} {
		for _, n := range []int{1, 3, 67, 1000, 4096, 1 << 17} {
			w := watch(t, oneAt{bytes.NewReader(c.stream), n}, c.t, Options{})
			for _, err := range w.d.All() {
				if err != io.ErrUnexpectedEOF {
					require.NoError(t, err)
				}
			}
			assert.Equal(t, len(c.stream), w.read)
			assert.LessOrEqual(t, w.moved, 3*w.read, "%s by %d", c.name, n)
			assert.LessOrEqual(t, w.buffer, max(keepBuffer, 2*w.read), "%s by %d", c.name, n)
		}
	}
}

// The buffer of a big packet is given back; a buffer of usual size stays.
func TestBigBufferIsGivenBack(t *testing.T) {
	stream, _ := Append(nil, Len4, make([]byte, 1<<20))
	for range 3 {
		stream, _ = Append(stream, Len4, make([]byte, 10))
	}
	w := watch(t, bytes.NewReader(stream), Len4, Options{})
	p, err := w.d.Next()
	require.NoError(t, err)
	assert.Len(t, p.Data(), 1<<20)
	assert.GreaterOrEqual(t, w.buffer, 1<<20)
	for range 3 {
		_, err = w.d.Next()
		require.NoError(t, err)
	}
	_, err = w.d.Next()
	assert.Equal(t, io.EOF, err)
	assert.LessOrEqual(t, len(w.d.buf), keepBuffer)
}

// A Decoder asks a reader that has much for much.
func TestBufferGrowsWithAFastReader(t *testing.T) {
	w := watch(t, &endless{"", "x\n"}, Line, Options{})
	for range 1 << 20 {
		_, err := w.d.Next()
		require.NoError(t, err)
	}
	assert.Equal(t, keepBuffer, w.buffer)
	assert.Less(t, w.calls, 40)
}
