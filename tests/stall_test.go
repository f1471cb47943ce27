package tests

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// slowFile is a file whose reads wait until release is called, as on a slow disk. It asks fanotify(7), which needs a
// capability. Make the sockets first: their cleanups close them, and must come after the file's.
func slowFile(t *testing.T) (f *os.File, release func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "slow")
	require.NoError(t, os.WriteFile(path, make([]byte, 100000), 0o600))
	fan, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY)
	if err != nil {
		t.Skip("fanotify_init: ", err)
	}
	release = sync.OnceFunc(func() { unix.Close(fan) }) // lets through what waits, and what comes
	t.Cleanup(release)
	if err := unix.FanotifyMark(fan, unix.FAN_MARK_ADD, unix.FAN_ACCESS_PERM, unix.AT_FDCWD, path); err != nil {
		t.Skip("fanotify_mark: ", err)
	}
	f, err = os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f, release
}

// A sendfile that waits for its disk is the lane's current request: a call that comes meanwhile is answered as beside any call
// that waits.
func TestSendFile_ThatWaitsForTheDiskIsTheCurrentRequest(t *testing.T) {
	a, b := pair(t, esock.Stream)
	f, release := slowFile(t)
	mb := esock.NewMailbox()
	file := start(func() (int, error) {
		n, err := a.SendFile(f, 0, esock.ToEnd, esock.Within(patience))
		return int(n), err
	})
	writers(t, a, 1)
	poll := start(func() (int, error) { return a.Send([]byte("x"), 0, esock.Within(0)) })
	assert.Equal(t, outcome{0, esock.ErrTimeout}, result(t, poll))
	queued := start(func() (int, error) { return a.Send([]byte("x"), 0, esock.NoWait(mb)) })
	sel := selected(t, result(t, queued).err)
	connect := start(func() (int, error) { return 0, a.Connect(esock.UnixAddr("/nowhere"), esock.Forever) })
	assert.ErrorIs(t, result(t, connect).err, esock.ErrState)
	assert.Equal(t, 2, a.Info().NumWriters)
	release()
	for n := 0; n < 100000; {
		k, err := b.Recv(make([]byte, 1<<16), 0, esock.Within(patience))
		require.NoError(t, err)
		n += k
	}
	assert.Equal(t, outcome{100000, nil}, result(t, file))
	assert.Equal(t, selectOf(sel), message(t, mb))
}

// Close waits for the one system call that waits for the disk, and the call then sees it.
func TestClose_BesideASendFileThatWaitsForTheDisk(t *testing.T) {
	a, b := pair(t, esock.Stream)
	f, release := slowFile(t)
	require.NoError(t, sockopt.SocketSndBuf.Set(a, 4096)) // so that the file does not go at once
	file := start(func() (int, error) { n, err := a.SendFile(f, 0, esock.ToEnd, esock.Forever); return int(n), err })
	writers(t, a, 1)
	closed := start(func() (int, error) { return 0, a.Close() })
	eventually(t, "closing", a.Closed)
	release()
	o := result(t, file)
	assert.ErrorIs(t, o.err, errClosed)
	assert.Less(t, o.n, 100000)
	assert.NoError(t, result(t, closed).err)
	b.Close()
}
