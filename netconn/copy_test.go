package netconn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"math/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
)

// someBytes are bytes without a pattern.
func someBytes(n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(b)
	return b
}

// collected reads all of c in the background.
func collected(c io.Reader) <-chan [32]byte {
	ch := make(chan [32]byte, 1)
	go func() {
		h := sha256.New()
		io.Copy(h, readerOnly{c})
		ch <- [32]byte(h.Sum(nil))
	}()
	return ch
}

func fileOf(t *testing.T, content []byte) *os.File {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// What io.Copy and io.CopyN give to ReadFrom goes by sendfile(2), from the position of the file, which moves.
func TestFilesGoBySendFile(t *testing.T) {
	content := someBytes(3 << 20)
	for _, network := range []string{"tcp4", "unix"} {
		for what, copies := range map[string]func(c Conn, f *os.File) (int64, error){
			"Copy":     func(c Conn, f *os.File) (int64, error) { return io.Copy(c, f) },
			"ReadFrom": func(c Conn, f *os.File) (int64, error) { return c.(io.ReaderFrom).ReadFrom(f) },
			"CopyN":    func(c Conn, f *os.File) (int64, error) { return io.CopyN(c, f, int64(len(content)-10)) },
		} {
			t.Run(network+"/"+what, func(t *testing.T) {
				a, b := pair(t, network)
				f := fileOf(t, content)
				_, err := f.Seek(10, io.SeekStart)
				require.NoError(t, err)
				sum := collected(b)
				n, err := copies(a, f)
				require.NoError(t, err)
				require.EqualValues(t, len(content)-10, n)
				at, err := f.Seek(0, io.SeekCurrent)
				require.NoError(t, err)
				assert.EqualValues(t, len(content), at, "the position of the file")
				sent := a.Socket().Counters().SendFile
				if assert.NotNil(t, sent) {
					assert.EqualValues(t, n, sent.Byte)
				}
				require.NoError(t, a.Close())
				assert.Equal(t, sha256.Sum256(content[10:]), testwait.Result(t, "the content", sum))
			})
		}
	}
}

// A file may grow and may be closed while it is sent: what it has in the end is sent, and it stays open until then.
func TestFilesChangeWhileTheyAreSent(t *testing.T) {
	content := someBytes(3 << 20)
	for what, test := range map[string]struct {
		change func(f *os.File) error
		want   []byte
		err    error
	}{
		"it grows": {func(f *os.File) error {
			w, err := os.OpenFile(f.Name(), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = w.WriteString("more")
			return errors.Join(err, w.Close())
		}, append(bytes.Clone(content), "more"...), nil},
		"it is closed": {(*os.File).Close, content, os.ErrClosed}, // by the file, whose position cannot be set
	} {
		t.Run(what, func(t *testing.T) {
			a, b := pair(t, "unix")
			require.NoError(t, a.(*UnixConn).SetWriteBuffer(1<<16))
			f := fileOf(t, content)
			type result struct {
				n   int64
				err error
			}
			copied := make(chan result, 1)
			go func() {
				n, err := io.Copy(a, f)
				a.Close()
				copied <- result{n, err}
			}()
			testwait.Until(t, "the first part", func() bool {
				sent := a.Socket().Counters().SendFile
				return sent != nil && sent.Byte > 0
			})
			require.NoError(t, test.change(f))
			sum := collected(b)
			r := testwait.Result(t, "the end of the copy", copied)
			assert.ErrorIs(t, r.err, test.err)
			assert.EqualValues(t, len(test.want), r.n)
			assert.Equal(t, sha256.Sum256(test.want), testwait.Result(t, "the content", sum))
		})
	}
}

// The rest of an io.LimitedReader is exact, also where the file ends first.
func TestLimitedFiles(t *testing.T) {
	a, b := pair(t, "tcp4")
	f := fileOf(t, []byte("0123456789"))
	for _, test := range []struct{ limit, sent, left int64 }{{4, 4, 0}, {0, 0, 0}, {-1, 0, -1}, {100, 6, 94}} {
		l := &io.LimitedReader{R: f, N: test.limit}
		n, err := a.(io.ReaderFrom).ReadFrom(l)
		require.NoError(t, err)
		assert.Equal(t, test.sent, n)
		assert.Equal(t, test.left, l.N)
	}
	buf := make([]byte, 10)
	_, err := io.ReadFull(b, buf)
	require.NoError(t, err)
	assert.Equal(t, "0123456789", string(buf))
}

// hidden hides the WriteTo of what stands beside it, which io.Copy would use.
type hidden struct{}

func (hidden) WriteTo() {}

// loud overrides what it embeds, so its descriptor is not read behind its back.
type loud struct {
	*os.File
	hidden
}

func (l loud) Read(b []byte) (int, error) {
	n, err := l.File.Read(b)
	copy(b, bytes.ToUpper(b[:n]))
	return n, err
}

type loudConn struct {
	*net.TCPConn
	hidden
}

func (l loudConn) Read(b []byte) (int, error) {
	n, err := l.TCPConn.Read(b)
	copy(b, bytes.ToUpper(b[:n]))
	return n, err
}

// wrapped overrides what it embeds, as loudConn does for this package.
type wrapped struct {
	*TCPConn
	hidden
	hiddenToo
}

// hiddenToo hides ReadFrom.
type hiddenToo struct{}

func (hiddenToo) ReadFrom() {}

func (w wrapped) Read(b []byte) (int, error) {
	n, err := w.TCPConn.Read(b)
	copy(b, bytes.ToUpper(b[:n]))
	return n, err
}

func (w wrapped) Write(b []byte) (int, error) { return w.TCPConn.Write(bytes.ToUpper(b)) }

// The methods that a program's type overrides are called, not those of the connection within it.
func TestWrappedConnectionsAreNotSpliced(t *testing.T) {
	for what, copies := range map[string]func(to, from *TCPConn) (int64, error){
		"ReadFrom": func(to, from *TCPConn) (int64, error) { return to.ReadFrom(wrapped{TCPConn: from}) },
		"CopyN":    func(to, from *TCPConn) (int64, error) { return io.CopyN(to, wrapped{TCPConn: from}, 5) },
		"WriteTo":  func(to, from *TCPConn) (int64, error) { return from.WriteTo(wrapped{TCPConn: to}) },
	} {
		t.Run(what, func(t *testing.T) {
			source, from := pair(t, "tcp4")
			to, sink := pair(t, "tcp4")
			_, err := source.Write([]byte("hello"))
			require.NoError(t, err)
			require.NoError(t, source.Close())
			n, err := copies(to.(*TCPConn), from.(*TCPConn))
			require.NoError(t, err)
			assert.EqualValues(t, 5, n)
			require.NoError(t, to.Close())
			got, err := io.ReadAll(sink)
			require.NoError(t, err)
			assert.Equal(t, "HELLO", string(got))
		})
	}
}

// endEarly reads some of what comes, and closes.
func endEarly(c net.Conn) {
	io.ReadFull(c, make([]byte, 1<<20))
	c.Close()
}

// A file's position is behind what was sent also after an error.
func TestThePositionOfAFileAfterAnError(t *testing.T) {
	a, b := pair(t, "unix")
	f := fileOf(t, someBytes(3<<20))
	go endEarly(b)
	n, err := io.Copy(a, f)
	require.Error(t, err)
	require.Positive(t, n)
	at, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	require.Equal(t, n, at)
}

func TestOtherReadersAreCopied(t *testing.T) {
	a, b := pair(t, "tcp4")
	n, err := a.(io.ReaderFrom).ReadFrom(strings.NewReader("hello "))
	require.NoError(t, err)
	assert.EqualValues(t, 6, n)
	n, err = a.(io.ReaderFrom).ReadFrom(loud{File: fileOf(t, []byte("file "))})
	require.NoError(t, err)
	assert.EqualValues(t, 5, n)

	from, to := netPair(t)
	_, err = to.Write([]byte("conn"))
	require.NoError(t, err)
	require.NoError(t, to.Close())
	n, err = a.(io.ReaderFrom).ReadFrom(loudConn{TCPConn: from})
	require.NoError(t, err)
	assert.EqualValues(t, 4, n)
	buf := make([]byte, 15)
	_, err = io.ReadFull(b, buf)
	require.NoError(t, err)
	assert.Equal(t, "hello FILE CONN", string(buf))

	// A file of /proc has no size, and sendfile(2) may find it empty.
	want, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	f, err := os.Open("/proc/self/limits")
	require.NoError(t, err)
	defer f.Close()
	_, err = io.Copy(a, f)
	require.NoError(t, err)
	got := make([]byte, len(want))
	_, err = io.ReadFull(b, got)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}

// netPair is a connected pair of package net.
func netPair(t *testing.T) (dialled, accepted *net.TCPConn) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	d, err := net.Dial("tcp4", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	a, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	return d.(*net.TCPConn), a.(*net.TCPConn)
}

// operations collects what the sockets that are traced do.
type operations struct {
	slog.Handler
	mu   sync.Mutex
	seen map[string]bool
}

func (o *operations) Enabled(context.Context, slog.Level) bool { return true }

func (o *operations) Handle(_ context.Context, r slog.Record) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "op" {
			o.seen[a.Value.String()] = true
		}
		return true
	})
	return nil
}

// Between stream sockets io.Copy moves the bytes with splice(2), in all mixtures: the sockets receive and send none, but count
// them.
func TestStreamsGoBySplice(t *testing.T) {
	content := someBytes(3 << 20)
	type end interface {
		net.Conn
		CloseWrite() error
	}
	kinds := map[string]func() (out, in end){
		"tcp":  func() (end, end) { a, b := pair(t, "tcp4"); return a.(*TCPConn), b.(*TCPConn) },
		"unix": func() (end, end) { a, b := pair(t, "unix"); return a.(*UnixConn), b.(*UnixConn) },
		"net":  func() (end, end) { a, b := netPair(t); return a, b },
	}
	for from, source := range kinds {
		for to, sink := range kinds {
			if from == "net" && to == "net" {
				continue
			}
			t.Run(from+"-"+to, func(t *testing.T) {
				in, src := source()
				dst, out := sink()
				sum := collected(out)
				go func() {
					in.Write(content)
					in.CloseWrite()
				}()
				did := &operations{seen: map[string]bool{}}
				esock.SetLogger(slog.New(did))
				defer esock.SetLogger(nil)
				for _, c := range []any{src, dst} {
					if s, ok := SocketOf(c); ok {
						require.NoError(t, s.SetDebug(true))
						defer s.SetDebug(false)
					}
				}
				n, err := io.Copy(dst, src)
				require.NoError(t, err)
				assert.EqualValues(t, len(content), n)
				if s, ok := SocketOf(src); ok {
					counters := s.Counters()
					assert.EqualValues(t, len(content), counters.ReadByte)
					assert.Positive(t, counters.ReadPkg)
					assert.EqualValues(t, 1, counters.ReadFails, "the end")
					assert.True(t, did.seen["rawread"])
				}
				if s, ok := SocketOf(dst); ok {
					counters := s.Counters()
					assert.EqualValues(t, len(content), counters.WriteByte)
					assert.Positive(t, counters.WritePkg)
					assert.True(t, did.seen["rawwrite"])
				}
				for _, op := range []string{"recv", "send"} {
					assert.False(t, did.seen[op], "bytes went through the program")
				}
				require.NoError(t, dst.Close())
				assert.Equal(t, sha256.Sum256(content), testwait.Result(t, "the content", sum))
			})
		}
	}
}

// A connection may be copied to itself.
func TestEcho(t *testing.T) {
	a, b := pair(t, "tcp4")
	done := make(chan error, 1)
	go func() { _, err := io.Copy(b, b); done <- err }()
	content := someBytes(1 << 20)
	go a.Write(content)
	got := make([]byte, len(content))
	_, err := io.ReadFull(a, got)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(content, got))
	require.NoError(t, a.(*TCPConn).CloseWrite())
	assert.NoError(t, testwait.Result(t, "the end of the echo", done))
}

func TestSpliceKeepsToTheLimit(t *testing.T) {
	in, src := pair(t, "tcp4")
	dst, out := pair(t, "tcp4")
	_, err := in.Write([]byte("0123456789"))
	require.NoError(t, err)
	l := &io.LimitedReader{R: src, N: 4}
	n, err := dst.(io.ReaderFrom).ReadFrom(l)
	require.NoError(t, err)
	assert.EqualValues(t, 4, n)
	assert.Zero(t, l.N)
	buf := make([]byte, 4)
	_, err = io.ReadFull(out, buf)
	require.NoError(t, err)
	assert.Equal(t, "0123", string(buf))
	rest := make([]byte, 6)
	_, err = io.ReadFull(src, rest)
	require.NoError(t, err)
	assert.Equal(t, "456789", string(rest))
}

// Deadlines and the end of the destination reach a splice.
func TestSpliceEndsWithTheWordsOfNet(t *testing.T) {
	_, src := pair(t, "tcp4")
	dst, _ := pair(t, "tcp4")
	require.NoError(t, src.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err := io.Copy(dst, src)
	op := opError(t, err)
	assert.Equal(t, "writeto", op.Op)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, dst.Close())
	in, src := pair(t, "tcp4")
	_, err = in.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.Copy(dst, src)
	assert.ErrorIs(t, err, net.ErrClosed)

	in, src = pair(t, "tcp4")
	dst, _ = pair(t, "tcp4")
	require.NoError(t, dst.(*TCPConn).CloseWrite())
	_, err = in.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.Copy(dst, src)
	assert.ErrorIs(t, err, syscall.EPIPE)
}

// Sequenced packets keep their boundaries: they are not spliced.
func TestPacketsAreCopiedOneByOne(t *testing.T) {
	in, src := pair(t, "unixpacket")
	dst, out := pair(t, "unixpacket")
	for _, m := range []string{"one", "", "two"} {
		_, err := in.Write([]byte(m))
		require.NoError(t, err)
	}
	require.NoError(t, in.Close())
	n, err := io.Copy(dst, src)
	require.NoError(t, err)
	assert.EqualValues(t, 6, n)
	buf := make([]byte, 10)
	for _, m := range []string{"one", "two"} {
		n, err := out.Read(buf)
		require.NoError(t, err)
		require.Equal(t, m, string(buf[:n])) // or the next one may not come
	}
}

// What a failed copy has left in its pipe comes out of no later copy.
func TestAFailedSpliceLeavesNothingForTheNext(t *testing.T) {
	stale := bytes.Repeat([]byte("s"), 4<<20)
	for range 5 {
		source, from := pair(t, "unix")
		to, peer := pair(t, "unix")
		go source.Write(stale)
		go endEarly(peer)
		_, err := io.Copy(to, from)
		require.Error(t, err)
		require.NoError(t, source.Close())

		next, from := pair(t, "tcp4")
		to, sink := pair(t, "tcp4")
		_, err = next.Write([]byte("fresh"))
		require.NoError(t, err)
		require.NoError(t, next.Close())
		_, err = io.Copy(to, from)
		require.NoError(t, err)
		require.NoError(t, to.Close())
		got, err := io.ReadAll(sink)
		require.NoError(t, err)
		require.Equal(t, "fresh", string(got[:min(len(got), 20)]))
	}
}
