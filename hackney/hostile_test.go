package hackney

import (
	"bytes"
	"crypto/tls"
	"io"
	"math"
	"os"
	"testing"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/stretchr/testify/require"
)

func TestAConnectionThatNoTransportMadeIsABadArgument(t *testing.T) {
	mb := mailbox(t)
	for _, c := range []Conn{&TLSConn{}, (*TLSConn)(nil), &gentcp.Socket{}, (*gentcp.Socket)(nil)} {
		for _, tr := range []Transport{TCP, overTLS} {
			s := Socket{tr, c}
			_, err := s.SendFileName(mb, os.DevNull)
			require.Equal(t, "badarg", reason(err))
			_, err = s.Leftover(mb)
			require.Equal(t, "badarg", reason(err))
			require.NotEmpty(t, s.Messages())
			// Through the Socket, and past it.
			for name, f := range map[string]func(s Socket) error{
				"recv":     func(s Socket) error { _, err := s.Recv(0); return err },
				"peername": func(s Socket) error { _, err := s.PeerName(); return err },
				"sockname": func(s Socket) error { _, err := s.SockName(); return err },
				"setopts":  func(s Socket) error { return s.SetOpts(gentcp.Active(true)) },
				"send":     func(s Socket) error { return s.Send([]byte("x")) },
				"owner":    func(s Socket) error { return s.ControllingProcess(mb, nil) },
				"shutdown": func(s Socket) error { return s.Shutdown(esock.ShutWrite) },
				"close":    func(s Socket) error { return s.Close() },
				"transport": func(Socket) error {
					_, err := tr.Recv(c, 0, soon)
					for _, other := range []error{tr.Send(c), tr.SetOpts(c), tr.ControllingProcess(c, mb, mb),
						tr.Shutdown(c, esock.ShutRead), tr.Close(c)} {
						require.Equal(t, reason(err), reason(other))
					}
					return err
				},
			} {
				require.Equal(t, "badarg", reason(f(s)), name)
			}
		}
	}
	var none *TLSConn
	for _, c := range []*TLSConn{none, {}} {
		require.Nil(t, c.Socket())
		require.Nil(t, c.Owner())
		require.Equal(t, "no socket", c.String())
		require.Equal(t, tls.ConnectionState{}, c.ConnectionState())
		for _, msg := range []EventMsg{SSLMsg{Sock: c}, SSLPassiveMsg{c}, SSLClosedMsg{c}, SSLErrorMsg{Sock: c}} {
			require.Nil(t, msg.Socket())
			require.False(t, none.About(msg))
			require.False(t, Socket{overTLS, none}.About(msg))
		}
	}
}

// readerFunc is a file that reads as it likes.
type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error)         { return f(b) }
func (f readerFunc) Seek(n int64, _ int) (int64, error) { return n, nil }

func TestAFileThatReadsWronglyIsAnError(t *testing.T) {
	var noted []byte
	s := Socket{mute{sent: &noted}, &fakeConn{}}
	for _, extra := range []int{-math.MaxInt32, -1 << 20, 1, math.MaxInt32} {
		_, err := s.SendFile(nil, readerFunc(func(b []byte) (int, error) {
			if extra < 0 {
				return extra, nil
			}
			return len(b) + extra, io.EOF
		}), 0, 0)
		require.Equal(t, errCount, err)
	}
	calls := 0
	_, err := s.SendFile(nil, readerFunc(func([]byte) (int, error) { calls++; return 0, nil }), 0, 5)
	require.Equal(t, io.ErrNoProgress, err)
	require.Equal(t, 100, calls)
	require.Empty(t, noted)
	// Now and then it may.
	left := 300
	n, err := s.SendFile(nil, readerFunc(func(b []byte) (int, error) {
		if left--; left == 0 {
			return copy(b, "end"), io.EOF
		}
		if left%100 == 0 {
			return copy(b, "x"), nil
		}
		return 0, nil
	}), 0, 0)
	require.NoError(t, err)
	require.EqualValues(t, 5, n)
	require.Equal(t, "xxend", string(noted))
}

func TestNoFileIsABadArgument(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		s, _ := connect(t, nil, tr)
		for _, f := range []io.ReadSeeker{nil, (*os.File)(nil), &os.File{}, (*bytes.Reader)(nil), (*io.SectionReader)(nil)} {
			for _, opts := range [][]SendFileOption{nil, {SendFun(func(Socket, []byte) error { return nil })}} {
				_, err := s.SendFile(nil, f, 0, 0, opts...)
				require.Equal(t, "badarg", reason(err), "%T", f)
			}
		}
	})
}

// File systems differ in where they refuse to seek and to read: a file in memory is one of tmpfs.
func TestAnOffsetFarBeyondTheEndSendsNothing(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		s, p := connect(t, nil, tr)
		fun := SendFun(func(Socket, []byte) error { t.Error("there is no data"); return nil })
		for _, f := range []*os.File{tempFile(t, nil), tempFile(t, pattern(10)), memoryFile(t, pattern(10))} {
			for _, offset := range []int64{11, 1 << 40, 1 << 62, 1<<62 + 1, math.MaxInt64} {
				for _, count := range []int64{0, esock.ToEnd, 1, math.MaxInt64} {
					for _, opts := range [][]SendFileOption{nil, {fun}} {
						n, err := s.SendFile(nil, f, offset, count, opts...)
						require.NoError(t, err, "from %d, %d bytes", offset, count)
						require.Zero(t, n)
						require.EqualValues(t, 3, position(t, f))
					}
				}
				_, err := s.SendFile(nil, f, offset, -2)
				require.Equal(t, map[bool]string{true: "badarg", false: "einval"}[tr == TCP], reason(err))
			}
		}
		// The size of this one says nothing.
		f, err := os.Open("/proc/self/status")
		require.NoError(t, err)
		defer f.Close()
		n, err := s.SendFile(nil, f, 1, 4)
		require.NoError(t, err)
		require.EqualValues(t, 4, n)
		require.Equal(t, "ame:", read(t, p, 4))
		require.NoError(t, s.Close())
		if tr == TCP {
			_, err = s.SendFile(nil, tempFile(t, pattern(5)), 1<<62, 0)
			require.Equal(t, "closed", reason(err))
		}
	})
}
