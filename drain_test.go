package esock

import (
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/testwait"
)

// blockingListener is a listener whose description another holder has made blocking.
func blockingListener(t *testing.T) (s *Socket, fd int) {
	t.Helper()
	s, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	require.NoError(t, s.Bind(Loopback))
	require.NoError(t, s.Listen(5))
	fd = fdOf(s)
	require.NoError(t, syscall.SetNonblock(fd, false))
	return s, fd
}

// A call that sleeps in the kernel, because O_NONBLOCK was cleared at the wrong moment, does not keep Close. The hook is that
// call: it accepts without looking at the flag.
func TestCloseCallsOutWhoSleepsInTheKernel(t *testing.T) {
	s, fd := blockingListener(t)
	asleep := make(chan struct{})
	hooked(t, func(bool) int {
		close(asleep)
		_, _, err := syscall.Accept4(fd, 0)
		if err == nil {
			return 0
		}
		return -int(err.(syscall.Errno))
	})
	done := make(chan error, 1)
	go func() { done <- turn(s, Forever) }()
	<-asleep
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	rescue := time.AfterFunc(patience, func() { _ = syscall.Shutdown(fd, syscall.SHUT_RD) }) // it would keep the whole run
	defer func() { assert.True(t, rescue.Stop(), "it slept on") }()
	assert.NoError(t, <-closed)
	assert.ErrorIs(t, <-done, net.ErrClosed)
}

// Other holders of a listener clear the flag all the time: accept may sleep for a moment, never for good.
func TestAcceptBesideWhoMakesTheDescriptionBlocking(t *testing.T) {
	s, fd := blockingListener(t)
	stop := testwait.Repeat(func() { _ = syscall.SetNonblock(fd, false) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3000 {
			if _, err := s.Accept(Within(0)); !assert.Equal(t, ErrTimeout, err) {
				return
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("accept sleeps")
	}
	stop()
	assert.NoError(t, s.Close())
	<-done
}

func TestSendFileBesideWhoMakesTheDescriptionBlocking(t *testing.T) {
	a, _ := pair(t, Stream)
	fd := fdOf(a)
	f, err := os.CreateTemp(t.TempDir(), "sparse")
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(64<<20))
	require.NoError(t, syscall.SetNonblock(fd, false))
	stop := testwait.Repeat(func() { _ = syscall.SetNonblock(fd, false) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 { // the first fills the buffer, which is not emptied
			if _, err := a.SendFile(f, 0, ToEnd, Within(0)); !assert.Equal(t, ErrTimeout, err) {
				return
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("sendfile sleeps")
	}
	stop()
	assert.NoError(t, a.Close())
	<-done
}
