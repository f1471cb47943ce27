package gentcp_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

func fileOf(t testing.TB, data string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(data), 0o600))
	f, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSendFile(t *testing.T) {
	large := string(pattern(3 << 20))
	for _, c := range []struct {
		name          string
		data          string
		offset, bytes int64
		want          string
	}{
		{"all", "0123456789", 0, 0, "0123456789"},
		{"from an offset", "0123456789", 4, 0, "456789"},
		{"so many", "0123456789", 2, 3, "234"},
		{"more than there are", "0123456789", 7, 100, "789"},
		{"from its end", "0123456789", 10, 0, ""},
		{"from behind its end", "0123456789", 50, 5, ""},
		{"nothing", "", 0, 0, ""},
		{"much", large, 1, 0, large[1:]},
		{"to the end, as esock says it", "0123456789", 4, esock.ToEnd, "456789"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, peer := wired(t, owner(t), gentcp.PacketType(packet.Len2)) // does not matter
			f := fileOf(t, c.data)
			_, err := f.Seek(min(3, int64(len(c.data))), io.SeekStart)
			require.NoError(t, err)
			background(t, func() {
				n, err := s.SendFile(f, c.offset, c.bytes)
				assert.NoError(t, err)
				assert.Equal(t, int64(len(c.want)), n)
				at, err := f.Seek(0, io.SeekCurrent)
				assert.NoError(t, err)
				assert.Equal(t, min(3, int64(len(c.data))), at, "the position is where it was")
				s.Shutdown(esock.ShutWrite)
			})
			got, err := io.ReadAll(peer)
			require.NoError(t, err)
			assert.True(t, c.want == string(got))
		})
	}
}

func TestSendFileByName(t *testing.T) {
	s, peer := wired(t, nil)
	n, err := gentcp.SendFile(fileOf(t, "whole file").Name(), s)
	require.NoError(t, err)
	assert.Equal(t, int64(10), n)
	reads(t, peer, "whole file")
	_, err = gentcp.SendFile(filepath.Join(t.TempDir(), "none"), s)
	reasons(t, "enoent", err)
}

// What sendfile(2) cannot read is read and sent.
func TestSendFileOfWhatIsNoFile(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	w.Close()
	s, _ := wired(t, nil)
	_, err = s.SendFile(r, 0, 0)
	assert.Error(t, err, "a pipe has no offsets")

	proc, err := os.Open("/proc/self/status")
	require.NoError(t, err)
	defer proc.Close()
	s, peer := wired(t, nil)
	n, err := s.SendFile(proc, 0, 5)
	require.NoError(t, err)
	assert.Equal(t, int64(5), n)
	reads(t, peer, "Name:")
}

func TestSendFileErrors(t *testing.T) {
	f := fileOf(t, "data")
	s, peer := wired(t, nil)
	for _, c := range []struct {
		f             *os.File
		offset, bytes int64
		want          string
	}{
		{nil, 0, 0, "badarg"}, {f, 0, -2, "badarg"}, {f, -1, 0, "einval"},
	} {
		_, err := s.SendFile(c.f, c.offset, c.bytes)
		reasons(t, c.want, err)
	}
	_, err := s.SendFile(func() *os.File { d, _ := os.Open(t.TempDir()); t.Cleanup(func() { d.Close() }); return d }(), 0, 0)
	reasons(t, "eisdir", err)
	gone := fileOf(t, "data")
	require.NoError(t, gone.Close())
	_, err = s.SendFile(gone, 0, 0)
	reasons(t, "badarg", err)
	require.NoError(t, s.Shutdown(esock.ShutWrite))
	_, err = s.SendFile(f, 0, 0)
	reasons(t, "closed", err)
	readsEnd(t, peer)
	s.Close()
	_, err = s.SendFile(f, 0, 0)
	reasons(t, "closed", err)

	s, peer = wired(t, nil, gentcp.ShowEconnreset(true))
	reset(t, s, peer)
	_, err = s.SendFile(f, 0, 0)
	reasons(t, "econnreset", err)
}
