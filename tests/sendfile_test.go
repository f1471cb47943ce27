package tests

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

var ioEOF = io.EOF

// content is what fileOf writes.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 / 3)
	}
	return b
}

// fileOf is an open file of n bytes.
func fileOf(t testing.TB, n int) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, content(n), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSendFile_OffsetAndCount(t *testing.T) {
	const size = 10_000
	f := fileOf(t, size)
	_, err := f.Seek(77, io.SeekStart)
	require.NoError(t, err)
	for name, c := range map[string]struct{ offset, count, from, to int64 }{
		"all":                        {0, esock.ToEnd, 0, size},
		"nothing":                    {3000, 0, 3000, 3000},
		"from an offset":             {3000, esock.ToEnd, 3000, size},
		"some":                       {3000, 2000, 3000, 5000},
		"the file ends before count": {9000, 5000, 9000, size},
		"offset at the end":          {size, esock.ToEnd, size, size},
		"offset past the end":        {size + 5, 100, size, size},
		"count larger than one call": {0, 1 << 40, 0, size},
	} {
		t.Run(name, func(t *testing.T) {
			sameDescriptors(t)
			a, b := tcpPair(t)
			n, err := a.SendFile(f, c.offset, c.count, esock.Forever)
			require.NoError(t, err)
			assert.Equal(t, c.to-c.from, n)
			got := make([]byte, n)
			if n > 0 {
				_, err = b.RecvFull(got, 0, esock.Within(patience))
				require.NoError(t, err)
			}
			assert.True(t, bytes.Equal(content(size)[c.from:c.to], got))
		})
	}
	at, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	assert.EqualValues(t, 77, at, "the file's own position stays")
}

func TestSendFile_Errors(t *testing.T) {
	f := fileOf(t, 100)
	gone := fileOf(t, 1)
	gone.Close()
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	for name, c := range map[string]struct {
		f             *os.File
		offset, count int64
		errs          []error
	}{
		"negative count":  {f, 0, -2, []error{&esock.InvalidError{What: "count"}}},
		"negative offset": {f, -1, esock.ToEnd, []error{syscall.EINVAL}},
		"nil file":        {nil, 0, esock.ToEnd, []error{&esock.InvalidError{What: "file"}}},
		"closed file":     {gone, 0, esock.ToEnd, []error{os.ErrClosed}},
		"directory":       {dir, 0, esock.ToEnd, []error{syscall.EINVAL, syscall.EISDIR}},
		"pipe":            {r, 0, esock.ToEnd, []error{syscall.EINVAL, syscall.ESPIPE}},
	} {
		t.Run(name, func(t *testing.T) {
			sameDescriptors(t)
			a, b := tcpPair(t)
			mb := esock.NewMailbox()
			for _, w := range kinds(mb) {
				n, err := a.SendFile(c.f, c.offset, c.count, w)
				assert.Zero(t, n)
				found := false
				for _, want := range c.errs {
					found = found || assert.ObjectsAreEqual(want, err) || isError(err, want)
				}
				assert.True(t, found, "%v", err)
			}
			assert.Zero(t, a.Info().NumWriters)
			echoes(t, a, b)
		})
	}
}

// sendFileSelect starts a sendfile that must select.
func sendFileSelect(t *testing.T, s *esock.Socket, f *os.File, mb *esock.Mailbox) (int64, *esock.Select) {
	t.Helper()
	n, err := s.SendFile(f, 0, esock.ToEnd, esock.NoWait(mb))
	return n, selected(t, err)
}

func TestSendFile_SelectsAndContinues(t *testing.T) {
	const size = 1 << 20
	sameDescriptors(t)
	a, b := tcpPair(t)
	f, mb := fileOf(t, size), esock.NewMailbox()
	total, sel := sendFileSelect(t, a, f, mb)
	require.Positive(t, total)
	require.Less(t, total, int64(size))
	f.Close() // it works on a duplicate
	received := start(func() (int, error) {
		got := make([]byte, size)
		n, err := b.RecvFull(got, 0, esock.Within(patience))
		assert.True(t, bytes.Equal(content(size), got))
		return n, err
	})
	for total < size {
		require.Equal(t, selectOf(sel), message(t, mb))
		n, err := a.SendFile(nil, -5, -5, esock.NoWait(mb).Continue(sel)) // none of them is looked at
		total += n
		if err != nil {
			sel = selected(t, err)
		}
	}
	assert.EqualValues(t, size, total)
	assert.Equal(t, outcome{size, nil}, result(t, received))
	c := a.Counters().SendFile
	require.NotNil(t, c)
	assert.EqualValues(t, size, c.Byte)
	assert.EqualValues(t, 1, c.Tries)
	assert.EqualValues(t, size, c.Max)
	assert.Zero(t, a.Counters().WriteByte, "bytes of files are counted apart")
}

func TestSendFile_ContinuedByABlockingCall(t *testing.T) {
	const size = 1 << 20
	sameDescriptors(t)
	a, b := tcpPair(t)
	f, mb := fileOf(t, size), esock.NewMailbox()
	first, sel := sendFileSelect(t, a, f, mb)
	rest := start(func() (int, error) {
		n, err := a.SendFile(nil, 0, esock.ToEnd, esock.Within(patience).Continue(sel))
		return int(n), err
	})
	drain(t, b, size)
	assert.Equal(t, outcome{size - int(first), nil}, result(t, rest))
	assert.Zero(t, mb.Len())
}

func TestSendFile_QueuedBehindAWriter(t *testing.T) {
	const size = 5000
	sameDescriptors(t)
	a, b := pair(t, esock.Stream)
	f, m1, m2 := fileOf(t, size), esock.NewMailbox(), esock.NewMailbox()
	before := fill(t, a)
	s1 := sendSelect(t, a, m1)
	n, s2 := sendFileSelect(t, a, f, m2)
	assert.Zero(t, n, "never started")
	assert.Equal(t, 2, a.Info().NumWriters)
	drain(t, b, before)
	assert.Equal(t, selectOf(s1), message(t, m1))
	assert.Zero(t, m2.Len())
	_, err := a.Send([]byte("x"), 0, esock.NoWait(m1))
	require.NoError(t, err)
	assert.Equal(t, selectOf(s2), message(t, m2))
	n, err = a.SendFile(f, 0, esock.ToEnd, esock.NoWait(m2).Continue(s2))
	require.NoError(t, err)
	assert.EqualValues(t, size, n)
	drain(t, b, 1)
	got := make([]byte, size)
	_, err = b.RecvFull(got, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(content(size), got))
}

func TestSendFile_OnlyItsRequesterContinues(t *testing.T) {
	a, _ := tcpPair(t)
	f, mb, other := fileOf(t, 1<<20), esock.NewMailbox(), esock.NewMailbox()
	_, sel := sendFileSelect(t, a, f, mb)
	_, err := a.SendFile(f, 0, esock.ToEnd, esock.NoWait(mb))
	assert.ErrorIs(t, err, esock.ErrState, "one at a time")
	_, err = a.SendFile(f, 0, esock.ToEnd, esock.NoWait(other))
	assert.ErrorIs(t, err, esock.ErrState)
	_, err = a.SendFile(nil, 0, esock.ToEnd, esock.NoWait(other).Continue(sel))
	assert.ErrorIs(t, err, &esock.InvalidError{What: "select"})
	// A continuation of another operation.
	x, _ := pair(t, esock.Stream)
	fill(t, x)
	send := sendSelect(t, x, mb)
	_, err = x.SendFile(nil, 0, esock.ToEnd, esock.NoWait(mb).Continue(send))
	assert.ErrorIs(t, err, &esock.InvalidError{What: "select"})
	_, err = x.Send([]byte("x"), 0, esock.NoWait(mb).Continue(sel))
	assert.ErrorIs(t, err, &esock.InvalidError{What: "select"})
}

// However a sendfile ends, its file is closed and the next one works.
func TestHeldFileIsClosed(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, a, b *esock.Socket, mb *esock.Mailbox, sel *esock.Select){
		"cancelled": func(t *testing.T, a, _ *esock.Socket, _ *esock.Mailbox, sel *esock.Select) {
			require.NoError(t, a.Cancel(sel))
		},
		"the writer died":   func(_ *testing.T, _, _ *esock.Socket, mb *esock.Mailbox, _ *esock.Select) { mb.Close() },
		"the socket closed": func(_ *testing.T, a, _ *esock.Socket, _ *esock.Mailbox, _ *esock.Select) { a.Close() },
		"followed by another send": func(t *testing.T, a, _ *esock.Socket, mb *esock.Mailbox, _ *esock.Select) {
			sel := sendSelect(t, a, mb)
			require.NoError(t, a.Cancel(sel))
		},
		"continued and out of time": func(t *testing.T, a, _ *esock.Socket, _ *esock.Mailbox, sel *esock.Select) {
			_, err := a.SendFile(nil, 0, esock.ToEnd, esock.Within(time.Millisecond).Continue(sel))
			require.Equal(t, esock.ErrTimeout, err)
		},
		"the peer is gone": func(t *testing.T, a, b *esock.Socket, mb *esock.Mailbox, sel *esock.Select) {
			b.Close()
			require.Equal(t, selectOf(sel), message(t, mb))
			_, err := a.SendFile(nil, 0, esock.ToEnd, esock.NoWait(mb).Continue(sel))
			require.Error(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := tcpPair(t)
			f, mb := fileOf(t, 4<<20), esock.NewMailbox()
			sent := fill(t, a)
			ofFile := func() (n int) { // of the process's descriptors; others come and go
				for _, fd := range descriptors() {
					if strings.HasSuffix(fd, ":"+f.Name()) {
						n++
					}
				}
				return n
			}
			require.Equal(t, 1, ofFile())
			n, sel := sendFileSelect(t, a, f, mb)
			sent += int(n)
			require.Equal(t, 2, ofFile(), "the duplicate")
			end(t, a, b, mb, sel)
			assert.Equal(t, 1, ofFile())
			if name == "the socket closed" || name == "the peer is gone" {
				return
			}
			assert.Zero(t, a.Info().NumWriters)
			moved := start(func() (int, error) {
				n, err := a.SendFile(f, 0, 1000, esock.Within(patience))
				return int(n), err
			})
			_, err := io.CopyN(io.Discard, reader{b}, int64(1000))
			require.NoError(t, err)
			for o := (outcome{}); ; { // whatever was in the buffers before
				select {
				case o = <-moved:
					assert.Equal(t, outcome{1000, nil}, o)
					return
				default:
					b.Recv(make([]byte, 64<<10), 0, esock.Within(time.Millisecond))
				}
			}
		})
	}
}

// reader reads a socket.
type reader struct{ s *esock.Socket }

func (r reader) Read(b []byte) (int, error) { return r.s.Recv(b, 0, esock.Within(patience)) }

// What was moved is reported, however the call ends.
func TestSendFileReportsTheTotal(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(a, b *esock.Socket)
		want error
	}{
		"out of time":    {nil, esock.ErrTimeout},
		"closed here":    {func(a, _ *esock.Socket) { a.Close() }, errClosed},
		"peer is closed": {func(_, b *esock.Socket) { b.Close() }, syscall.EPIPE},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, esock.Stream)
			f := fileOf(t, 2<<20)
			w := esock.Within(patience)
			if c.end == nil {
				w = esock.Within(5 * time.Millisecond)
			}
			done := start(func() (int, error) { n, err := a.SendFile(f, 0, esock.ToEnd, w); return int(n), err })
			if c.end != nil {
				// It is a waiting writer before the kernel has been asked: the file may be slow.
				eventually(t, "a full buffer", func() bool { f := a.Counters().SendFile; return f != nil && f.Waits > 0 })
				c.end(a, b)
			}
			o := result(t, done)
			assert.ErrorIs(t, o.err, c.want)
			assert.Positive(t, o.n)
			files := a.Counters().SendFile
			require.NotNil(t, files)
			assert.EqualValues(t, o.n, files.Byte)
			if c.want == esock.ErrTimeout {
				drain(t, b, o.n)
			}
		})
	}
}

func TestSendFile_ErrorAbortsQueuedWriters(t *testing.T) {
	a, b := pair(t, esock.Stream)
	f, m1, m2 := fileOf(t, 1<<20), esock.NewMailbox(), esock.NewMailbox()
	_, s1 := sendFileSelect(t, a, f, m1)
	s2 := sendSelect(t, a, m2)
	b.Close()
	assert.Equal(t, selectOf(s1), message(t, m1))
	_, err := a.SendFile(nil, 0, esock.ToEnd, esock.NoWait(m1).Continue(s1))
	require.ErrorIs(t, err, syscall.EPIPE)
	assert.Equal(t, abortOf(s2, syscall.EPIPE), message(t, m2))
}
