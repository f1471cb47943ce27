package hackney

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testint"
)

// tempFile is an open file with these contents, whose position is 3.
func tempFile(t testing.TB, contents []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, contents, 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	_, err = f.Seek(3, io.SeekStart)
	require.NoError(t, err)
	return f
}

// memoryFile is as tempFile, in memory.
func memoryFile(t testing.TB, contents []byte) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("file", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "file")
	t.Cleanup(func() { f.Close() })
	_, err = f.Write(contents)
	require.NoError(t, err)
	_, err = f.Seek(3, io.SeekStart)
	require.NoError(t, err)
	return f
}

func position(t testing.TB, f io.Seeker) int64 {
	t.Helper()
	n, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	return n
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

// mute is a transport of which only Send works: it notes what is sent, and is of no type that sendfile(2) knows.
type mute struct {
	Transport
	sent *[]byte
}

func (m mute) Send(_ Conn, data ...[]byte) error {
	*m.sent = append(*m.sent, bytes.Join(data, nil)...)
	return nil
}

func TestSendFileSendsTheSameBytesInEveryWay(t *testing.T) {
	const size = 100
	contents := pattern(size)
	f := tempFile(t, contents)
	plain, plainPeer := connect(t, nil, TCP)
	secure, securePeer := connect(t, nil, overTLS)
	viaSend := SendFun(func(s Socket, data []byte) error { return s.Send(data) })
	threads, small := UseThreads(true), ChunkSize(7)
	for _, offset := range []int64{0, 41, size, size + 10} {
		for _, count := range []int64{0, esock.ToEnd, 1, max(0, size-offset), size + 50} {
			want := contents[min(offset, size):]
			if count > 0 {
				want = want[:min(count, int64(len(want)))]
			}
			var noted []byte
			for name, send := range map[string]func() (int64, error){
				"sendfile(2)":   func() (int64, error) { return plain.SendFile(nil, f, offset, count) },
				"use_threads":   func() (int64, error) { return plain.SendFile(nil, f, offset, count, threads) },
				"send_fun":      func() (int64, error) { return plain.SendFile(nil, f, offset, count, viaSend) },
				"ssl":           func() (int64, error) { return secure.SendFile(nil, f, offset, count, threads) },
				"ssl, send_fun": func() (int64, error) { return secure.SendFile(nil, f, offset, count, viaSend, small) },
				"other": func() (int64, error) {
					return Socket{mute{sent: &noted}, &fakeConn{}}.SendFile(nil, f, offset, count, ChunkSize(1))
				},
			} {
				n, err := send()
				require.NoError(t, err, name)
				require.EqualValues(t, len(want), n, "%s from %d, %d bytes", name, offset, count)
				got := noted
				switch {
				case strings.HasPrefix(name, "ssl"):
					got = []byte(read(t, securePeer, len(want)))
				case name != "other":
					got = []byte(read(t, plainPeer, len(want)))
				}
				require.Equal(t, string(want), string(got), "%s from %d, %d bytes", name, offset, count)
				require.EqualValues(t, 3, position(t, f), name)
			}
		}
	}
}

func TestOnlyPlainTCPUsesTheSystemsSendfile(t *testing.T) {
	f := tempFile(t, pattern(50))
	s, p := connect(t, nil, TCP)
	_, err := s.SendFile(nil, f, 0, 0)
	require.NoError(t, err)
	require.EqualValues(t, 1, beneath(s).Counters().SendFile.Tries)
	_, err = s.SendFile(nil, f, 0, 0, SendFun(func(s Socket, data []byte) error { return s.Send(data) }))
	require.NoError(t, err)
	// The same connection through another transport.
	var noted []byte
	_, err = Socket{mute{TCP, &noted}, s.Sock}.SendFile(nil, f, 0, 0)
	require.NoError(t, err)
	require.Len(t, noted, 50)
	require.EqualValues(t, 1, beneath(s).Counters().SendFile.Tries)
	read(t, p, 100)

	s, p = connect(t, nil, overTLS)
	_, err = s.SendFile(nil, f, 0, 0)
	require.NoError(t, err)
	read(t, p, 50)
	require.Nil(t, beneath(s).Counters().SendFile)
}

func TestSendFileName(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, p := connect(t, mb, tr)
		contents := pattern(10_000) // fits into any buffer: the peer does not read meanwhile
		path := tempFile(t, contents).Name()
		empty := tempFile(t, nil).Name()
		before := len(machine.Descriptors())
		for range 5 {
			n, err := s.SendFileName(mb, path)
			require.NoError(t, err)
			require.EqualValues(t, len(contents), n)
			require.Equal(t, contents, []byte(read(t, p, len(contents))))
			n, err = s.SendFileName(mb, empty)
			require.NoError(t, err)
			require.Zero(t, n)
			_, err = s.SendFileName(mb, path+".missing")
			require.Equal(t, "enoent", reason(err))
			_, err = s.SendFileName(mb, filepath.Dir(path))
			require.Equal(t, "eisdir", reason(err))
			_, err = s.SendFileName(mailbox(t), path)
			require.Equal(t, "not_owner", reason(err))
		}
		require.Equal(t, before, len(machine.Descriptors()))
		require.NoError(t, s.Close())
		_, err := s.SendFileName(mb, path)
		require.Equal(t, "closed", reason(err))
		require.LessOrEqual(t, len(machine.Descriptors()), before-1)
	})
}

func TestSendFileIsForTheOwner(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		f := tempFile(t, pattern(5))
		mb, stranger := mailbox(t), mailbox(t)
		s, p := connect(t, mb, tr)
		_, err := s.SendFile(stranger, f, 0, 0)
		require.ErrorIs(t, err, gentcp.ErrNotOwner)
		for _, caller := range []*esock.Mailbox{mb, nil} {
			_, err = s.SendFile(caller, f, 0, 0)
			require.NoError(t, err)
		}
		require.NoError(t, s.ControllingProcess(mb, stranger))
		_, err = s.SendFile(mb, f, 0, 0)
		require.ErrorIs(t, err, gentcp.ErrNotOwner)
		require.NoError(t, s.ControllingProcess(stranger, nil))
		_, err = s.SendFile(mb, f, 0, 0) // it has no owner
		require.NoError(t, err)
		read(t, p, 15)
	})
}

func TestChunks(t *testing.T) {
	const size = 23
	contents := pattern(size)
	both(t, func(t *testing.T, tr Transport) {
		s, _ := connect(t, nil, tr)
		f := tempFile(t, contents)
		for _, file := range []io.ReadSeeker{f, bytes.NewReader(contents)} {
			for _, chunk := range append(testint.Wide(), 1, 7, 23, 24) {
				var sizes []int
				var sent []byte
				note := func(to Socket, data []byte) error {
					require.Equal(t, s, to)
					sizes = append(sizes, len(data))
					sent = append(sent, data...)
					return nil
				}
				n, err := s.SendFile(nil, file, 0, 0, ChunkSize(99), ChunkSize(chunk), SendFun(note))
				require.NoError(t, err)
				require.EqualValues(t, size, n)
				require.Equal(t, contents, sent)
				require.Len(t, sizes, 1+(size-1)/chunk)
				for i, n := range sizes {
					require.Equal(t, min(chunk, size-i*chunk), n)
				}
			}
		}
	})
}

func TestTheDefaultChunkIsSixtyFourMegabytes(t *testing.T) {
	f := tempFile(t, nil)
	huge, err := os.OpenFile(f.Name(), os.O_WRONLY, 0)
	require.NoError(t, err)
	require.NoError(t, huge.Truncate(65536000+1))
	require.NoError(t, huge.Close())
	var sizes []int
	_, err = Socket{mute{}, &fakeConn{}}.SendFile(nil, f, 0, 0, SendFun(func(_ Socket, data []byte) error {
		sizes = append(sizes, len(data))
		return nil
	}))
	require.NoError(t, err)
	require.Equal(t, []int{65536000, 1}, sizes)
}

func TestAFailingSendFunEndsIt(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		s, _ := connect(t, nil, tr)
		f := tempFile(t, pattern(50))
		failure := errors.New("of the function")
		for k := 1; k <= 5; k++ {
			calls := 0
			n, err := s.SendFile(nil, f, 0, 0, ChunkSize(10), SendFun(func(Socket, []byte) error {
				if calls++; calls == k {
					return failure
				}
				return nil
			}))
			require.Equal(t, failure, err)
			require.Zero(t, n)
			require.Equal(t, k, calls)
			require.EqualValues(t, 3, position(t, f))
		}
		require.Panics(t, func() {
			s.SendFile(nil, f, 0, 0, SendFun(func(Socket, []byte) error { panic("of the function") }))
		})
		require.EqualValues(t, 3, position(t, f))
	})
}

// seeker fails where it is told to.
type seeker struct {
	io.Reader
	at    int64
	fails map[int]error // by whence
	log   []string
}

func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	s.log = append(s.log, fmt.Sprint(offset, " from ", whence))
	return s.at, s.fails[whence]
}

func TestErrorsOfTheFileAreReturned(t *testing.T) {
	var noted []byte
	s := Socket{mute{sent: &noted}, &fakeConn{}}
	lost := errors.New("lost")
	f := &seeker{fails: map[int]error{io.SeekCurrent: lost}}
	_, err := s.SendFile(nil, f, 5, 0)
	require.Equal(t, lost, err)
	require.Equal(t, []string{"0 from 1"}, f.log)
	f = &seeker{fails: map[int]error{io.SeekStart: lost}, at: 8}
	_, err = s.SendFile(nil, f, 5, 0)
	require.Equal(t, lost, err)
	require.Equal(t, []string{"0 from 1", "5 from 0"}, f.log)
	f = &seeker{Reader: io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(lost)), at: 8}
	n, err := s.SendFile(nil, f, 5, 0)
	require.Equal(t, lost, err)
	require.Zero(t, n)
	require.Equal(t, "abc", string(noted)) // what was read before went
	require.Equal(t, []string{"0 from 1", "5 from 0", "8 from 0"}, f.log)
	// Short reads are no errors.
	f = &seeker{Reader: iotest.OneByteReader(strings.NewReader("defghi"))}
	n, err = s.SendFile(nil, f, 0, 5)
	require.NoError(t, err)
	require.EqualValues(t, 5, n)
	require.Equal(t, "abcdefgh", string(noted))
}

func TestWrongArgumentsOfSendFile(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		s, _ := connect(t, nil, tr)
		f := tempFile(t, pattern(5))
		fun := SendFun(func(Socket, []byte) error { return nil })
		for _, bad := range []SendFileOption{ChunkSize(0), ChunkSize(-1), SendFun(nil), SendFileOpt("chunk_size", "7"),
			SendFileOpt("use_threads", 1), SendFileOpt("send_fun", 1)} {
			_, err := s.SendFile(nil, f, 0, 0, bad)
			require.Equal(t, "badarg", reason(err), bad)
		}
		unknown := SendFileOpt("headers", 1)
		n, err := s.SendFile(nil, f, 0, 0, unknown, SendFileOption{}, SendFileOpt("chunk_size", 2), UseThreads(false), fun)
		require.NoError(t, err)
		require.EqualValues(t, 5, n)
		for _, file := range []io.ReadSeeker{nil, (*os.File)(nil)} {
			_, err = s.SendFile(nil, file, 0, 0)
			require.Equal(t, "badarg", reason(err))
		}
		_, err = s.SendFile(nil, f, -1, 0, fun)
		require.Equal(t, "einval", reason(err))
		_, err = s.SendFile(nil, f, 0, -2, fun)
		require.Equal(t, "einval", reason(err))
		_, err = s.SendFile(nil, f, -1, 0)
		require.Equal(t, "einval", reason(err))
		_, err = s.SendFile(nil, f, 0, -2)
		require.Equal(t, map[bool]string{true: "badarg", false: "einval"}[tr == TCP], reason(err))
		n, err = s.SendFile(nil, strings.NewReader("no os.File"), 0, 0)
		if tr == TCP {
			require.Equal(t, "badarg", reason(err))
		} else {
			require.NoError(t, err)
			require.EqualValues(t, 10, n)
		}
		f.Close()
		_, err = s.SendFile(nil, f, 0, 0)
		require.Equal(t, "badarg", reason(err))
		_, err = s.SendFile(nil, f, 0, 0, fun)
		require.Equal(t, "badarg", reason(err))
	})
}

func TestALargeFileToASlowReader(t *testing.T) {
	contents := make([]byte, 8<<20)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(contents); i++ {
		contents[i] = byte(r.Uint32())
	}
	both(t, func(t *testing.T, tr Transport) {
		s, p := connect(t, nil, tr, gentcp.SndBuf(1<<16))
		f := tempFile(t, contents)
		sum := make(chan [sha256.Size]byte)
		go func() {
			h := sha256.New()
			buf := make([]byte, 1000)
			for left := len(contents); left > 0; {
				n, err := p.Read(buf[:min(len(buf), left)])
				h.Write(buf[:n])
				if left -= n; err != nil {
					break
				}
			}
			sum <- [sha256.Size]byte(h.Sum(nil))
		}()
		n, err := s.SendFile(nil, f, 0, 0, ChunkSize(1<<20))
		require.NoError(t, err)
		require.EqualValues(t, len(contents), n)
		require.Equal(t, sha256.Sum256(contents), <-sum)
	})
}

func TestSendFileEndsWhenTheSocketDoes(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		ends := map[string]func(s Socket, mb *esock.Mailbox, p peer){
			"close":          func(s Socket, _ *esock.Mailbox, _ peer) { s.Close() },
			"death":          func(_ Socket, mb *esock.Mailbox, _ peer) { mb.Close() },
			"shutdown":       func(s Socket, _ *esock.Mailbox, _ peer) { s.Shutdown(esock.ShutWrite) },
			"the peer's end": func(_ Socket, _ *esock.Mailbox, p peer) { p.tcp.SetLinger(0); p.tcp.Close() },
		}
		for name, end := range ends {
			t.Run(name, func(t *testing.T) {
				mb := mailbox(t)
				s, p := connect(t, mb, tr, gentcp.SndBuf(1<<14))
				f := tempFile(t, make([]byte, 16<<20))
				result := make(chan error)
				go func() {
					_, err := s.SendFile(mb, f, 0, 0, ChunkSize(1<<20))
					result <- err
				}()
				read(t, p, 1<<17) // it is under way, and then the peer reads no more
				end(s, mb, p)
				require.Equal(t, "closed", reason(<-result))
			})
		}
	})
}

func TestAReadErrorHasItsErrno(t *testing.T) {
	s, _ := connect(t, nil, overTLS)
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	_, err = s.SendFile(nil, dir, 0, 0)
	require.ErrorIs(t, err, syscall.EISDIR)
}
