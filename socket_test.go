package esock

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

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

// holders is how many descriptors the process has of a file or socket.
func holders(name string) int {
	return strings.Count(strings.Join(descriptors(), "\n")+"\n", ":"+name+"\n")
}

// canary waits until a cleanup and a finalizer have run that were left to the garbage collector just now.
func canary(t *testing.T) {
	t.Helper()
	ran := make(chan string, 2)
	func() {
		x, y := new([64]int), new([64]int)
		runtime.AddCleanup(x, func(what string) { ran <- what }, "cleanup")
		runtime.SetFinalizer(y, func(*[64]int) { ran <- "finalizer" })
	}()
	collected(t, func() bool { return len(ran) == 2 }, "what others left to the garbage collector")
}

// listening is a TCP listener, and its address.
func listening(t testing.TB) (*Socket, Addr) {
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

// tcpLink is the two ends of a TCP connection.
func tcpLink(t testing.TB) (a, b *Socket) {
	t.Helper()
	l, addr := listening(t)
	a, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	require.NoError(t, a.Connect(addr, Forever))
	b, err = l.Accept(Forever)
	require.NoError(t, err)
	t.Cleanup(func() { closeSoon(t, a); closeSoon(t, b) })
	require.NoError(t, l.Close())
	return a, b
}

// boundUDP is a datagram socket, and its address.
func boundUDP(t testing.TB) (*Socket, Addr) {
	t.Helper()
	s, err := Open(Inet, Dgram, UDP)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	require.NoError(t, s.Bind(Loopback))
	at, err := s.SockName()
	require.NoError(t, err)
	return s, at
}

// selfUDP is a datagram socket that is connected to itself.
func selfUDP(t testing.TB) *Socket {
	t.Helper()
	s, at := boundUDP(t)
	require.NoError(t, s.Connect(at, Forever))
	return s
}

// The garbage collector closes what was forgotten where all finalizers of the program run: it does not wait for data that the
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
				require.NoError(t, s.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_LINGER, append(cIntOf(1), cIntOf(3600)...)))
				if park {
					parkOnce(t, peer, s, Forever)
				}
				fill(t, s)
				fd = fdOf(s)
				name = sameFile(fd)
			}()
			collected(t, func() bool { return sameFile(fd) != name }, "the socket is closed")
			canary(t)
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

// parkBorrowed has s wait once, for what the descriptor of its peer sends.
func parkBorrowed(t *testing.T, peer int, s *Socket) {
	t.Helper()
	from, err := Adopt(peer, NoDup())
	require.NoError(t, err)
	parkOnce(t, from, s, Forever)
	require.NoError(t, from.Close())
}

// fdState is what a descriptor's status flags and SO_LINGER are.
func fdState(t *testing.T, fd int) string {
	t.Helper()
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
	require.Zero(t, errno)
	onoff, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_LINGER) // the first of two
	require.NoError(t, err)
	return fmt.Sprintf("flags %#o, linger %d", flags, onoff)
}

// The lender of a descriptor may have closed it long since, and the number be another's.
func TestForgottenBorrowedSocketLeavesTheDescriptorAlone(t *testing.T) {
	for _, park := range []bool{false, true} {
		t.Run(fmt.Sprintf("parked=%v", park), func(t *testing.T) {
			before := gauges.read()
			fd, peer := plainPair(t)
			other, otherPeer := plainPair(t) // what the number is given to
			require.NoError(t, syscall.SetNonblock(other, true))
			mine := sameFile(fd)
			func() {
				s, err := Adopt(fd, NoDup(), Registered(false))
				require.NoError(t, err)
				if park {
					parkBorrowed(t, peer, s)
				}
			}()
			require.NoError(t, syscall.Dup3(other, fd, syscall.O_CLOEXEC))
			was := fdState(t, fd)
			name := sameFile(fd)
			collected(t, func() bool { return gauges.read() == before && holders(mine) == 0 },
				"the socket is forgotten, and its duplicate for waiting closed")
			canary(t)
			assert.Equal(t, name, sameFile(fd))
			assert.Equal(t, was, fdState(t, fd))
			assert.Equal(t, 1, must(syscall.Write(otherPeer, []byte("x"))))
			assert.Equal(t, 1, must(syscall.Read(fd, make([]byte, 1))), "it works")
		})
	}
}

func TestBorrowedDescriptorKeepsItsLingerAndFlags(t *testing.T) {
	for name, end := range map[string]func(s *Socket, mb *Mailbox) error{
		"close":           func(s *Socket, _ *Mailbox) error { return s.Close() },
		"the owner dies":  func(_ *Socket, mb *Mailbox) error { return mb.Close() },
		"to a dead owner": func(s *Socket, mb *Mailbox) error { return s.ControllingProcess(mb, deadMailbox()) },
	} {
		for _, park := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, parked=%v", name, park), func(t *testing.T) {
				fd, peer := plainPair(t)
				was := fdState(t, fd)
				mb := NewMailbox()
				s, err := Adopt(fd, NoDup(), Owner(mb))
				require.NoError(t, err)
				if park {
					parkBorrowed(t, peer, s)
				}
				require.NoError(t, end(s, mb))
				assert.True(t, s.closing())
				assert.Equal(t, was, fdState(t, fd))
			})
		}
	}
}

func deadMailbox() *Mailbox {
	mb := NewMailbox()
	mb.Close()
	return mb
}

// A number is taken for what it is, not for what is left of it in a C int.
func TestAdoptRefusesNumbersThatAreNoDescriptors(t *testing.T) {
	fd, _ := plainPair(t)
	before := gauges.read()
	if strconv.IntSize == 32 {
		t.Skip("every int fits a C int")
	}
	const beyond = 1 << (strconv.IntSize / 2)
	for _, n := range []int{fd + beyond, fd - beyond, fd + beyond<<8} {
		for _, opts := range [][]OpenOption{nil, {NoDup()}} {
			_, err := Adopt(n, opts...)
			assert.ErrorIs(t, err, syscall.EBADF, "%d", n)
		}
	}
	assert.Equal(t, before, gauges.read())
}

// A closed mailbox gets no connection, and none is taken out of the backlog for it.
func TestAcceptForAClosedMailboxTakesNothing(t *testing.T) {
	l, addr := listening(t)
	a, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	defer a.Close()
	require.NoError(t, a.Connect(addr, Forever))
	mb := NewMailbox()
	h := mb.NewHandle()
	require.NoError(t, mb.Close())
	for _, w := range []Wait{NoWait(mb), With(h)} {
		_, err = l.Accept(w)
		assert.ErrorIs(t, err, &InvalidError{What: "mailbox"})
	}
	b, err := l.Accept(Within(patience))
	require.NoError(t, err, "it is still there")
	defer b.Close()
	assert.Equal(t, addrOf(a.SockName()), addrOf(b.PeerName()))
}

func addrOf(a Addr, err error) Addr {
	if err != nil {
		panic(err)
	}
	return a
}

func TestOpenForAClosedOwnerLeavesNothing(t *testing.T) {
	fd, _ := plainPair(t)
	was, number := gauges.read(), NumberOf()
	name := sameFile(fd)
	mb := deadMailbox()
	for _, registered := range []bool{false, true} {
		for _, open := range []func() (*Socket, error){
			func() (*Socket, error) { return Open(Local, Stream, Default, Owner(mb), Registered(registered)) },
			func() (*Socket, error) { return Adopt(fd, Owner(mb), Registered(registered)) },
			func() (*Socket, error) { return Adopt(fd, NoDup(), Owner(mb), Registered(registered)) },
		} {
			s, err := open()
			assert.Nil(t, s)
			assert.ErrorIs(t, err, &InvalidError{What: "owner"})
		}
	}
	assert.Equal(t, was, gauges.read())
	assert.Equal(t, number, NumberOf())
	assert.Nil(t, mb.owned.head)
	assert.Equal(t, 1, holders(name))
}

// The owner may die while the socket is made: either there is none, or it is closed.
func TestOpenMeetsTheDeathOfItsOwner(t *testing.T) {
	was, number := gauges.read(), NumberOf()
	for range 300 {
		mb := NewMailbox()
		closed := make(chan struct{})
		go func() { mb.Close(); close(closed) }()
		s, err := Open(Local, Dgram, Default, Owner(mb), Registered(true))
		<-closed
		if err == nil {
			_, err = s.SockName()
			assert.ErrorIs(t, err, net.ErrClosed)
		} else {
			assert.ErrorIs(t, err, &InvalidError{What: "owner"})
		}
		require.Nil(t, mb.owned.head)
	}
	assert.Equal(t, was, gauges.read())
	assert.Equal(t, number, NumberOf())
}

func TestTakenDescriptorIsClosedWithTheSocket(t *testing.T) {
	for _, park := range []bool{false, true} {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		fd, peer := fds[0], fds[1]
		s, err := Adopt(fd, TakeFD())
		require.NoError(t, err)
		assert.Equal(t, fd, s.FD(), "the descriptor itself")
		assert.Equal(t, -1, s.Info().DupOf)
		if park {
			from, err := Adopt(peer, NoDup())
			require.NoError(t, err)
			parkOnce(t, from, s, Forever)
			require.NoError(t, from.Close())
		}
		assert.False(t, s.Closed())
		require.NoError(t, s.Close())
		assert.True(t, s.Closed())
		require.NoError(t, syscall.SetNonblock(peer, true))
		_, err = syscall.Read(peer, make([]byte, 1))
		assert.NoError(t, err, "the end, not EAGAIN: there is no other holder")
		require.NoError(t, syscall.Close(peer))
	}
}
