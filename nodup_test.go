package esock

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// unixPair is a pair of connected descriptors, the second closed with the test.
func unixPair(t *testing.T) (fd, peer int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fds[1]) })
	return fds[0], fds[1]
}

// Several sockets may be made of one descriptor: each waits by itself, in every way, and goes on when another is closed.
func TestSeveralSocketsOfOneDescriptor(t *testing.T) {
	fd, peer := unixPair(t)
	defer syscall.Close(fd)
	mb := NewMailbox()
	defer mb.Close()
	var socks [3]*Socket
	for i := range socks {
		s, err := Adopt(fd, NoDup(), Registered(i != 1))
		require.NoError(t, err)
		defer s.Close()
		waitsFor(t, s, NoWait(mb))
		socks[i] = s
	}
	require.Equal(t, 1, must(syscall.Write(peer, []byte("x"))))
	told := map[*Socket]bool{}
	for range socks {
		told[receive(t, mb).Socket()] = true
	}
	assert.Len(t, told, len(socks), "each is told")
	assert.Equal(t, 1, must(socks[0].Recv(make([]byte, 1), 0, NoWait(mb))))
	require.NoError(t, socks[0].Close())
	waitsFor(t, socks[1], NoWait(mb))
	done := make(chan error, 1)
	require.NoError(t, socks[2].Cancel((*Select)(socks[2].lane(reading).cur)))
	go func() { _, err := socks[2].Recv(make([]byte, 1), 0, Forever); done <- err }()
	parked(t, socks[2], reading)
	require.Equal(t, 2, must(syscall.Write(peer, []byte("yz"))))
	assert.Equal(t, socks[1], receive(t, mb).Socket())
	assert.NoError(t, within(t, done, "the blocking receive"))
	assert.Equal(t, 1, must(socks[1].Recv(make([]byte, 1), 0, NoWait(mb))))
}

// The number of a borrowed descriptor may be another's when the socket is closed, for example by its owner's death: that one's
// registration, its flags and its timeouts stay.
func TestCloseAfterTheBorrowedNumberWasReused(t *testing.T) {
	for name, end := range map[string]func(*Socket, *Mailbox){
		"closed":      func(s *Socket, _ *Mailbox) { s.Close() },
		"owner's end": func(_ *Socket, owner *Mailbox) { owner.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			fd, _ := unixPair(t)
			mb, owner := NewMailbox(), NewMailbox()
			defer mb.Close()
			s, err := Adopt(fd, NoDup(), Owner(owner))
			require.NoError(t, err)
			waitsFor(t, s, NoWait(mb))

			other, peer := unixPair(t)
			require.NoError(t, syscall.Dup3(other, fd, syscall.O_CLOEXEC)) // the number is theirs
			syscall.Close(other)
			o, err := Adopt(fd, TakeFD())
			require.NoError(t, err)
			defer o.Close()
			waitsFor(t, o, NoWait(mb))
			end(s, owner)
			assert.True(t, s.Closed())
			assert.IsType(t, AbortMsg{}, receive(t, mb))
			require.True(t, watchedFDs(t)[fmt.Sprint(fd)], "it is still registered")
			fl, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
			require.Zero(t, errno)
			assert.NotZero(t, fl&syscall.O_NONBLOCK)
			require.Equal(t, 1, must(syscall.Write(peer, []byte("x"))))
			assert.Equal(t, o, receive(t, mb).Socket())
		})
	}
}

// A listener has waited, so it had a duplicate to wait with and bounded the sleeps of the lent socket: the timeouts of the socket
// that has the number by now stay.
func TestCloseAfterTheNumberOfABorrowedListenerWasReused(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, syscall.Listen(fd, 1))
	s, err := Adopt(fd, NoDup())
	require.NoError(t, err)
	_, err = s.Accept(Within(time.Millisecond))
	require.ErrorIs(t, err, ErrTimeout)
	other, _ := unixPair(t)
	require.NoError(t, syscall.SetsockoptTimeval(other, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Usec: 20000}))
	require.NoError(t, syscall.Dup3(other, fd, syscall.O_CLOEXEC))
	defer syscall.Close(fd)
	syscall.Close(other)
	timeout := func() [16]byte {
		var v [16]byte
		size := uint32(len(v))
		_, _, errno := syscall.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, syscall.SO_RCVTIMEO,
			uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&size)), 0)
		require.Zero(t, errno)
		return v
	}
	was := timeout()
	require.NotZero(t, was)
	require.NoError(t, s.Close())
	assert.Equal(t, was, timeout())
}

// Nor does a Close that waits for a call touch the socket that has the number by now. That call sleeps in the kernel, since
// another holder of the description has cleared O_NONBLOCK, and would restart with the number if a signal interrupted it.
func TestCloseCallsNobodyOutOfAReusedNumber(t *testing.T) {
	if runtime.GOARCH == "386" {
		t.Skip("libc accepts by way of socketcall(2), which hides the descriptor from /proc")
	}
	listens := func() (fd int, at *syscall.SockaddrInet4) {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		t.Cleanup(func() { syscall.Close(fd) })
		require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		require.NoError(t, syscall.Listen(fd, 1))
		name, err := syscall.Getsockname(fd)
		require.NoError(t, err)
		return fd, name.(*syscall.SockaddrInet4)
	}
	connects := func(to *syscall.SockaddrInet4) {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		t.Cleanup(func() { syscall.Close(fd) })
		require.NoError(t, syscall.Connect(fd, to))
	}
	fd, old := listens()
	other, new := listens()
	connects(new)
	s, err := Adopt(fd, NoDup())
	require.NoError(t, err)
	assert.False(t, s.lost())
	require.NoError(t, syscall.SetNonblock(fd, false))
	thread, accepted := make(chan int, 1), make(chan int, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		thread <- syscall.Gettid()
		conn, _, err := syscall.Accept4(fd, syscall.SOCK_CLOEXEC)
		assert.NoError(t, err)
		accepted <- conn
	}()
	call := fmt.Sprintf("/proc/self/task/%d/syscall", <-thread)
	if _, err := os.ReadFile(call); err != nil {
		connects(old)
		syscall.Close(<-accepted)
		t.Skip("it cannot be seen where a thread sleeps: ", err)
	}
	sleeps := func() bool {
		text, err := os.ReadFile(call)
		return err == nil && strings.HasPrefix(string(text), fmt.Sprintf("%d %#x ", unix.SYS_ACCEPT4, fd))
	}
	eventually(t, sleeps, "the accept that sleeps")

	require.NoError(t, syscall.Dup3(other, fd, syscall.O_CLOEXEC)) // the number is theirs
	assert.True(t, s.lost())
	assert.False(t, s.asleep())
	fl, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
	require.Zero(t, errno)
	assert.Zero(t, fl&syscall.O_NONBLOCK, "the other's flags")
	s.interrupt() // it would wake the accept before it returns
	eventually(t, func() bool { return sleeps() || len(accepted) > 0 }, "the accept that sleeps on, or its end")
	connects(old)
	conn := within(t, accepted, "the accept's end")
	defer syscall.Close(conn)
	from, err := syscall.Getsockname(conn)
	require.NoError(t, err)
	assert.Equal(t, old.Port, from.(*syscall.SockaddrInet4).Port, "not the other's connection")
	require.NoError(t, s.Close())
}
