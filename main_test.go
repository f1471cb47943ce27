package esock

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testmain"
	"github.com/esock-go/esock/internal/testwait"
)

// TestMain checks, after all tests of the package, that no goroutine and no descriptor is left behind.
func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// descriptors lists what the process has open.
var descriptors = machine.Descriptors

// usualSndBuf is the send buffer of a Linux with its default settings (it doubles it). With it tests know what is more than a
// unix socket takes.
const usualSndBuf = 106496

// pair is two connected unix sockets of a type.
func pair(t testing.TB, typ Type, opts ...OpenOption) (a, b *Socket) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, int(typ)|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	var socks [2]*Socket
	for i, fd := range fds {
		require.NoError(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, usualSndBuf))
		socks[i], err = Adopt(fd, opts...)
		require.NoError(t, err)
		syscall.Close(fd)
		t.Cleanup(func() { closeSoon(t, socks[i]) })
	}
	return socks[0], socks[1]
}

// closeSoon closes a socket. A Close that hangs fails the test, and not all that come after it.
func closeSoon(t testing.TB, s *Socket) {
	done := make(chan struct{})
	go func() { s.Close(); close(done) }()
	wait := patience
	if t.Failed() { // most likely because of what Close would wait for
		wait = time.Second
	}
	select {
	case <-done:
	case <-time.After(wait):
		t.Error("Close never returned")
	}
}

// patience is how long a test waits for what must come, longPatience how long for a whole workload.
const (
	patience     = testwait.Patience
	longPatience = testwait.Long
)

// eventually waits until cond holds.
func eventually(t testwait.Failer, cond func() bool, what string) {
	t.Helper()
	testwait.Until(t, what, cond)
}

// receive takes the next message of a mailbox, which must come.
func receive(t testing.TB, mb *Mailbox) Message {
	t.Helper()
	var msg Message
	eventually(t, func() bool {
		var ok bool
		msg, ok = mb.Poll()
		return ok
	}, "a message")
	return msg
}

// parked waits until a call waits in the direction.
func parked(t testing.TB, s *Socket, d direction) {
	t.Helper()
	eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.state.Load()&stParked(d) != 0
	}, "a parked call")
}

// queued waits until n calls are queued in the direction.
func queued(t testing.TB, s *Socket, d direction, n int) {
	t.Helper()
	eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		k := 0
		for h := s.lanes[d].head; h != nil; h = h.entry.next {
			k++
		}
		return k == n
	}, "queued calls")
}

// allocsPerRun is testing.AllocsPerRun, and 0 where a detector or sanitizer allocates as well: f is then only run.
func allocsPerRun(runs int, f func()) float64 {
	n := testing.AllocsPerRun(runs, f)
	if instrumented {
		return 0
	}
	return n
}

// cIntOf is an option's value that is a C int.
func cIntOf(n int) []byte {
	b, _ := nativeBytes(n)
	return b
}
