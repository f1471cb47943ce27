//go:build !asan && !msan

package tests

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// Memory that runs out in the core is an error of the call, which names ENOMEM, and the next call works. The test runs in a
// process of its own, whose malloc fails when it is told to (testdata/nomem.c).
func TestMemoryRunsOut(t *testing.T) {
	const file = "ESOCK_NOMEM"
	if name := os.Getenv(file); name != "" {
		memoryRunsOut(t, name)
		return
	}
	library, control := compiledNoMem(t), filepath.Join(t.TempDir(), "control")
	require.NoError(t, os.WriteFile(control, make([]byte, 8), 0o600))
	cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryRunsOut$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), file+"="+control, "LD_PRELOAD="+library)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	if bytes.Contains(out, []byte("--- SKIP")) {
		t.Skipf("%s", out)
	}
}

// compiledNoMem compiles testdata/nomem.c and returns the library.
func compiledNoMem(t *testing.T) string {
	t.Helper()
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	if _, err := exec.LookPath(cc); err != nil {
		t.Skip("a C compiler makes the library: ", err)
	}
	library := filepath.Join(t.TempDir(), "nomem.so")
	out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", library, "testdata/nomem.c").CombinedOutput()
	if err != nil {
		t.Skipf("the C library has no __libc_malloc, or cannot be linked dynamically: %v: %s", err, out)
	}
	return library
}

func memoryRunsOut(t *testing.T, name string) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	control, err := syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	require.NoError(t, err)
	defer syscall.Munmap(control)
	left := func() uint32 { return binary.NativeEndian.Uint32(control[4:]) }

	arm := func(n uint32) { // the thread last: it makes the count valid
		binary.NativeEndian.PutUint32(control[4:], n)
		binary.NativeEndian.PutUint32(control, uint32(syscall.Gettid()))
	}

	// fails calls f while the next malloc of this thread fails, and expects ENOMEM.
	fails := func(what string, f func() error) {
		t.Helper()
		arm(1)
		err := f()
		unused := left()
		arm(0)
		require.Zero(t, unused, "%s: nothing was allocated: %v", what, err)
		var e *esock.Error
		require.ErrorAs(t, err, &e, what)
		assert.ErrorIs(t, err, syscall.ENOMEM, what)
		assert.Contains(t, err.Error(), syscall.ENOMEM.Error(), what)
	}
	arm(2)
	require.NoError(t, open(t, esock.Inet, esock.Stream, esock.TCP).Close())
	if left() == 2 {
		t.Skip("this process does not have the library's malloc: it is linked statically")
	}
	arm(0)

	fds := openDescriptors(t)
	for range 3 {
		fails("open", func() error {
			s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
			assert.Nil(t, s)
			return err
		})
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	for _, how := range [][]esock.OpenOption{nil, {esock.TakeFD()}} {
		fails("adopt", func() error {
			s, err := esock.Adopt(fd, how...)
			assert.Nil(t, s)
			return err
		})
	}
	require.NoError(t, syscall.Close(fd), "the descriptor still is the caller's")
	assert.Equal(t, fds, openDescriptors(t), "open descriptors")

	l, addr := listener(t, 1)
	c := open(t, esock.Inet, esock.Stream, esock.TCP)
	// The poller starts when a call first waits.
	mb := esock.NewMailbox()
	fails("the start of the poller", func() error {
		_, err := l.Accept(esock.NoWait(mb))
		return err
	})
	_, err = l.Accept(esock.NoWait(mb))
	require.NoError(t, l.Cancel(selected(t, err)), "the poller runs now")
	require.NoError(t, c.Connect(addr, esock.Forever))
	fails("accept", func() error {
		s, err := l.Accept(esock.Forever)
		assert.Nil(t, s)
		return err
	})
	_, err = c.Recv(make([]byte, 1), 0, esock.Forever)
	assert.Error(t, err, "the connection that could not be accepted is closed")

	again := open(t, esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, again.Connect(addr, esock.Forever))
	s, err := l.Accept(esock.Forever)
	require.NoError(t, err)
	closeAtEnd(t, s)
	hello := filepath.Join(t.TempDir(), "hello")
	require.NoError(t, os.WriteFile(hello, []byte("hello"), 0o600))
	file, err := os.Open(hello)
	require.NoError(t, err)
	defer file.Close()
	fails("sendfile", func() error {
		n, err := s.SendFile(file, 0, 5, esock.Forever)
		assert.Zero(t, n)
		return err
	})
	n, err := s.SendFile(file, 0, 5, esock.Forever)
	require.NoError(t, err)
	assert.EqualValues(t, 5, n)
	buf := make([]byte, 5)
	_, err = again.RecvFull(buf, 0, esock.Forever)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(buf), "sent once")
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(names)
}
