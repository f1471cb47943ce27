package esock

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// collected runs the garbage collector until cond holds, with no word about forgotten sockets.
func collected(t *testing.T, cond func() bool, what string) {
	t.Helper()
	SetLogger(slog.New(slog.DiscardHandler))
	defer SetLogger(nil)
	eventually(t, func() bool { runtime.GC(); return cond() }, what)
}

// sameFile names what a descriptor stands for now.
func sameFile(fd int) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	return name
}

// listening is a TCP listener, and its address.
func listening(t *testing.T) (*Socket, Addr) {
	t.Helper()
	l, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	require.NoError(t, l.Bind(Loopback))
	require.NoError(t, l.Listen(8))
	addr, err := l.SockName()
	require.NoError(t, err)
	return l, addr
}

// The garbage collector closes what was forgotten where everybody's cleanups run: it does not wait for data that the
// peer does not take, whatever SO_LINGER says.
func TestForgottenSocketHoldsUpNoCleanup(t *testing.T) {
	for _, park := range []bool{false, true} {
		t.Run(fmt.Sprintf("parked=%v", park), func(t *testing.T) {
			UseRegistry(false)
			defer UseRegistry(true)
			l, addr := listening(t)
			peer, err := Open(Inet, Stream, TCP)
			require.NoError(t, err)
			defer peer.Close() // ends the wait, should there be one
			require.NoError(t, peer.Connect(addr, Forever))
			var fd int
			var name string
			func() {
				s, err := l.Accept(Forever)
				require.NoError(t, err)
				require.NoError(t, SocketLinger.Set(s, Linger{On: true, Time: time.Hour}))
				if park {
					parkOnce(t, peer, s, Forever)
				}
				fill(t, s)
				fd = fdOf(s)
				name = sameFile(fd)
			}()
			collected(t, func() bool { return sameFile(fd) != name }, "the socket is closed")
			cleaned, finalized := make(chan struct{}), make(chan struct{})
			func() {
				x, y := new([64]int), new([64]int)
				runtime.AddCleanup(x, func(c chan struct{}) { close(c) }, cleaned)
				runtime.SetFinalizer(y, func(*[64]int) { close(finalized) })
			}()
			for _, c := range []chan struct{}{cleaned, finalized} {
				collected(t, func() bool {
					select {
					case <-c:
						return true
					default:
						return false
					}
				}, "what others left to the garbage collector")
			}
		})
	}
}

// plainPair is two connected descriptors, blocking, of which the first lingers.
func plainPair(t *testing.T) (fd, peer int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fds[0]); syscall.Close(fds[1]) })
	require.NoError(t, syscall.SetsockoptLinger(fds[0], syscall.SOL_SOCKET, syscall.SO_LINGER,
		&syscall.Linger{Onoff: 1, Linger: 7}))
	return fds[0], fds[1]
}

// state is what a descriptor's status flags and SO_LINGER are.
func state(t *testing.T, fd int) string {
	t.Helper()
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
	require.Zero(t, errno)
	onoff, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_LINGER) // the first of two
	require.NoError(t, err)
	return fmt.Sprintf("flags %#o, linger %d", flags, onoff)
}

// Whoever lent the descriptor may have closed it long since, and the number be another's.
func TestForgottenBorrowedSocketLeavesTheDescriptorAlone(t *testing.T) {
	for _, park := range []bool{false, true} {
		t.Run(fmt.Sprintf("parked=%v", park), func(t *testing.T) {
			before := gauges.read()
			fd, peer := plainPair(t)
			other, otherPeer := plainPair(t) // what the number is given to
			require.NoError(t, syscall.SetNonblock(other, true))
			files := make(map[string]bool)
			for _, d := range descriptors() {
				files[d] = true
			}
			func() {
				s, err := Adopt(fd, NoDup(), Registered(false))
				require.NoError(t, err)
				if park {
					from, err := Adopt(peer, NoDup())
					require.NoError(t, err)
					parkOnce(t, from, s, Forever)
					require.NoError(t, from.Close())
				}
			}()
			require.NoError(t, syscall.Dup3(other, fd, syscall.O_CLOEXEC))
			was := state(t, fd)
			name := sameFile(fd)
			collected(t, func() bool { return gauges.read() == before }, "the socket is forgotten")
			// The duplicate for waiting goes.
			collected(t, func() bool {
				for _, d := range descriptors() {
					if !files[d] && strings.HasPrefix(d, strconv.Itoa(fd)+":") == false && strings.Contains(d, "socket:") {
						return false
					}
				}
				return true
			}, "no socket of its own is left")
			assert.Equal(t, name, sameFile(fd))
			assert.Equal(t, was, state(t, fd))
			assert.Equal(t, 1, must(syscall.Write(otherPeer, []byte("x"))))
			assert.Equal(t, 1, must(syscall.Read(fd, make([]byte, 1))), "it works")
		})
	}
}
