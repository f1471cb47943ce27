package esock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// atBirth calls f with each socket that is traced as made, which is the moment before anybody can find it.
type atBirth struct {
	slog.Handler
	f func(s *Socket)
}

func (h atBirth) Enabled(context.Context, slog.Level) bool { return true }

func (h atBirth) Handle(_ context.Context, r slog.Record) error {
	var s *Socket
	born := false
	r.Attrs(func(a slog.Attr) bool {
		switch {
		case a.Key == "socket":
			s, _ = a.Value.Any().(*Socket)
		case a.Key == "op" && (a.Value.String() == "open" || a.Value.String() == "adopt" || a.Value.String() == "accept"):
			born = true
		}
		return true
	})
	if born && s != nil {
		h.f(s)
	}
	return nil
}

// onBirth is in force until the test ends.
func onBirth(t *testing.T, f func(s *Socket)) {
	SetLogger(slog.New(atBirth{slog.DiscardHandler, f}))
	SocketDebug(true)
	t.Cleanup(func() { SocketDebug(false); SetLogger(nil) })
}

// fdFlags are a descriptor's own flags, -1: it is closed.
func fdFlags(fd int) int {
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
	if errno != 0 {
		return -1
	}
	return int(flags)
}

// An owner that dies while its socket is made meets a complete one, or none.
func TestOwnerDiesWhileItsSocketIsMade(t *testing.T) {
	var mb *Mailbox
	var born *Socket
	onBirth(t, func(s *Socket) {
		born = s
		assert.Nil(t, s.Owner(), "nobody has found it")
		assert.NotContains(t, registry.all(), s)
		assert.Equal(t, s.rarely().forgotten == nil, registeredNext, "the garbage collector has")
		if mb != nil {
			mb.Close()
		}
	})
	for _, registered := range []bool{true, false} {
		registeredNext = registered
		before := gauges.read()
		mb = NewMailbox()
		s, err := Open(Inet, Dgram, UDP, Owner(mb), Registered(registered))
		assert.Nil(t, s)
		assert.ErrorIs(t, err, &InvalidError{What: "owner"})
		assert.True(t, born.Closed())

		for name, way := range map[string]OpenOption{"dup": func(*openConfig) {}, "NoDup": NoDup(), "TakeFD": TakeFD()} {
			fd, peer := plainPair(t)
			_, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFD, 0)
			require.Zero(t, errno)
			was, flags, file := fdState(t, fd), fdFlags(fd), sameFile(fd)
			mb = NewMailbox()
			s, err := Adopt(fd, way, Owner(mb), Registered(registered))
			assert.Nil(t, s, name)
			assert.ErrorIs(t, err, &InvalidError{What: "owner"}, name)
			assert.True(t, born.Closed(), name)
			assert.Nil(t, born.Owner(), name)
			assert.Equal(t, was, fdState(t, fd), name)
			assert.Equal(t, flags, fdFlags(fd), name)
			assert.Equal(t, file, sameFile(fd), name)
			assert.Equal(t, 1, holders(file), name)
			assert.Equal(t, 1, must(syscall.Write(fd, []byte("x"))), name)
			assert.Equal(t, 1, must(syscall.Read(peer, make([]byte, 1))), name)
		}

		mb = nil
		l, err := Open(Inet, Stream, TCP, Registered(registered))
		require.NoError(t, err)
		require.NoError(t, l.Bind(Loopback))
		require.NoError(t, l.Listen(8))
		addr, err := l.SockName()
		require.NoError(t, err)
		c, err := Open(Inet, Stream, TCP, Registered(registered))
		require.NoError(t, err)
		require.NoError(t, c.Connect(addr, Forever))
		mb = NewMailbox()
		s, err = l.Accept(NoWait(mb))
		assert.Nil(t, s)
		assert.ErrorIs(t, err, &InvalidError{What: "owner"})
		n, err := c.Recv(make([]byte, 1), 0, Within(patience))
		assert.Zero(t, n)
		assert.Error(t, err, "the connection is closed")
		assert.NotEqual(t, ErrTimeout, err)
		mb = nil
		require.NoError(t, c.Close())
		require.NoError(t, l.Close())
		now := gauges.read()
		assert.LessOrEqual(t, now.Sockets, before.Sockets)
	}
}

// registeredNext is whether the sockets of the test above are.
var registeredNext = true

// The same in a race, beside the garbage collector: nothing is freed twice.
func TestOwnersDieBesideTheirSockets(t *testing.T) {
	l, err := Open(Local, Stream, 0, Registered(false))
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, l.Bind(UnixAddr("")))
	require.NoError(t, l.Listen(8))
	addr, err := l.SockName()
	require.NoError(t, err)
	for i := range 600 {
		mb := NewMailbox()
		var wg sync.WaitGroup
		wg.Go(func() {
			for range i % 40 {
				runtime.Gosched()
			}
			mb.Close()
		})
		if s, err := Open(Inet, Dgram, UDP, Owner(mb), Registered(i%2 == 0)); err != nil {
			require.ErrorIs(t, err, &InvalidError{What: "owner"})
		} else {
			wg.Wait()
			require.True(t, s.Closed())
			require.NotContains(t, registry.all(), s)
		}
		wg.Wait()

		mb = NewMailbox()
		c, err := Open(Local, Stream, 0)
		require.NoError(t, err)
		require.NoError(t, c.Connect(addr, Forever))
		wg.Go(func() { mb.Close() })
		s, err := l.Accept(NoWait(mb))
		wg.Wait()
		if err == nil {
			require.True(t, s.Closed())
		} else if s, err := l.Accept(Within(0)); err == nil { // the mailbox was dead before
			s.Close()
		}
		c.Close()
		if i%100 == 0 {
			runtime.GC()
		}
	}
	runtime.GC()
	canary(t)
}

// Giving a socket to a mailbox that is closed closes it, and nobody else gets it meanwhile.
func TestControllingProcessToTheDead(t *testing.T) {
	dead, alive := NewMailbox(), NewMailbox()
	dead.Close()
	for _, from := range []*Mailbox{nil, alive} {
		s, err := Open(Inet, Dgram, UDP, Owner(from))
		require.NoError(t, err)
		require.NoError(t, s.ControllingProcess(from, dead))
		assert.True(t, s.Closed())
		assert.Nil(t, s.Owner())
		assert.ErrorIs(t, s.ControllingProcess(nil, alive), net.ErrClosed)
	}
	require.NoError(t, alive.Close())
}

// After an error the descriptor is the caller's, and as it was.
func TestAdoptThatFailsLeavesTheDescriptor(t *testing.T) {
	dead := NewMailbox()
	dead.Close()
	for name, way := range map[string][]OpenOption{"dup": nil, "NoDup": {NoDup()}, "TakeFD": {TakeFD()}} {
		t.Run(name, func(t *testing.T) {
			fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			require.NoError(t, err)
			defer syscall.Close(fds[0])
			defer syscall.Close(fds[1])
			was, file, before := fdState(t, fds[0]), sameFile(fds[0]), gauges.read()
			_, err = Adopt(fds[0], append(way[:len(way):len(way)], Owner(dead))...)
			assert.ErrorIs(t, err, &InvalidError{What: "owner"})
			assert.Equal(t, file, sameFile(fds[0]))
			assert.Equal(t, was, fdState(t, fds[0]))
			assert.Equal(t, 0, fdFlags(fds[0]))
			assert.Equal(t, before, gauges.read())
			_, err = Open(Inet, Stream, TCP, Owner(dead))
			assert.ErrorIs(t, err, &InvalidError{What: "owner"})
			assert.Equal(t, before, gauges.read())
		})
	}
}

// Every descriptor of esock's is close-on-exec; one that is lent keeps what it has.
func TestAdoptAndCloseOnExec(t *testing.T) {
	for _, c := range []struct {
		way  OpenOption
		want int
	}{{NoDup(), 0}, {TakeFD(), syscall.FD_CLOEXEC}} {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		s, err := Adopt(fds[0], c.way)
		require.NoError(t, err)
		assert.Equal(t, c.want, fdFlags(fds[0]))
		require.NoError(t, s.Close())
		assert.Equal(t, c.want == 0, fdFlags(fds[0]) == 0)
		if c.want == 0 {
			syscall.Close(fds[0])
		}
		syscall.Close(fds[1])
	}
}

// An accepted socket has what its listener has: whether it is registered, and its options of level otp but for meta.
func TestAcceptedInherits(t *testing.T) {
	defer UseRegistry(useRegistry.Load())
	for _, global := range []bool{true, false} {
		for name, opts := range map[string][]OpenOption{
			"untold": nil, "registered": {Registered(true)}, "unregistered": {Registered(false)},
		} {
			t.Run(fmt.Sprintf("%s, UseRegistry %v", name, global), func(t *testing.T) {
				UseRegistry(global)
				l, err := Open(Local, Stream, 0, opts...)
				require.NoError(t, err)
				defer l.Close()
				require.NoError(t, l.Bind(UnixAddr("")))
				require.NoError(t, l.Listen(8))
				addr, err := l.SockName()
				require.NoError(t, err)
				for _, err := range []error{l.SetIOW(true), l.SetRcvBuf(RcvBuf{3, 77}), l.SetRcvCtrlBuf(333), l.SetSndCtrlBuf(444),
					l.SetSelectRead(true), l.SetSpin(time.Microsecond), l.SetMeta("mine")} {
					require.NoError(t, err)
				}
				want := name == "registered" || name == "untold" && global
				UseRegistry(!global) // what is said now is for sockets that are opened
				for _, mb := range []*Mailbox{nil, NewMailbox()} {
					c, err := Open(Local, Stream, 0)
					require.NoError(t, err)
					require.NoError(t, c.Connect(addr, Forever))
					w := Forever
					if mb != nil {
						w = NoWait(mb)
					}
					s, err := l.Accept(w)
					require.NoError(t, err)
					assert.Equal(t, want, s.registered())
					if want {
						assert.Contains(t, registry.all(), s)
					} else {
						assert.NotContains(t, registry.all(), s)
					}
					assert.Equal(t, mb, s.Owner())
					theirs := *l.options()
					theirs.meta = nil
					assert.Equal(t, theirs, *s.options())
					s.Close()
					c.Close()
				}
			})
		}
	}
	// Switched on later, it is on.
	l, addr := listening(t)
	l.Close()
	UseRegistry(false)
	l, addr = listening(t)
	mb := NewMailbox()
	defer mb.Close()
	_, err := l.Monitor(mb)
	require.NoError(t, err)
	c, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Connect(addr, Forever))
	s, err := l.Accept(Forever)
	require.NoError(t, err)
	defer s.Close()
	assert.True(t, s.registered())
}

// watchedFDs are the descriptors that the poller's epoll watches.
func watchedFDs(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", cPollerFD(poller.p)))
	require.NoError(t, err)
	fds := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "tfd:" {
			fds[f[1]] = true
		}
	}
	return fds
}

// watchedSocket reports whether the poller watches the socket that /proc has under that name, whatever its number is by now.
func watchedSocket(t *testing.T, name string) bool {
	t.Helper()
	var inode uint64
	_, err := fmt.Sscanf(name, "socket:[%d]", &inode)
	require.NoError(t, err)
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", cPollerFD(poller.p)))
	require.NoError(t, err)
	return strings.Contains(string(text), fmt.Sprintf(" ino:%x ", inode))
}

// fullListener is one whose backlog is full, so that connects to it wait, and its address.
func fullListener(t *testing.T) Addr {
	t.Helper()
	l, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	require.NoError(t, l.Bind(Loopback))
	require.NoError(t, l.Listen(0))
	addr, err := l.SockName()
	require.NoError(t, err)
	for {
		c, err := Open(Inet, Stream, TCP)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		if c.Connect(addr, Within(20*time.Millisecond)) != nil {
			return addr
		}
	}
}

// Nothing that a socket once did keeps it: not the poller, not a context, not the mailbox.
func TestForgottenSocketsAreCollected(t *testing.T) {
	full := fullListener(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	mb := NewMailbox()
	defer mb.Close()
	buf := make([]byte, 10)
	for name, f := range map[string]func(s, peer *Socket){
		"nothing": func(s, _ *Socket) {},
		"parked":  func(s, _ *Socket) { s.Recv(buf, 0, Within(time.Nanosecond)) },
		"armed and cancelled": func(s, _ *Socket) {
			_, err := s.Recv(buf, 0, NoWait(mb))
			require.NoError(t, s.Cancel(err.(*Select)))
		},
		"armed and answered": func(s, peer *Socket) {
			_, err := s.Recv(buf, 0, NoWait(mb))
			require.ErrorAs(t, err, new(*Select))
			peer.Send([]byte("x"), 0, Forever)
			receive(t, mb)
			_, err = s.Recv(buf, 0, NoWait(mb))
			require.NoError(t, err)
		},
		"armed in both directions": func(s, peer *Socket) {
			fill(t, s)
			_, err := s.Recv(buf, 0, NoWait(mb))
			_, err2 := s.Send(buf, 0, NoWait(mb))
			require.NoError(t, s.Cancel(err.(*Select)))
			require.NoError(t, s.Cancel(err2.(*Select)))
		},
		"two parks under one context": func(s, peer *Socket) {
			for range 3 {
				parkOnce(t, peer, s, Context(ctx))
			}
		},
		"a context that has the socket as a value": func(s, peer *Socket) {
			type key struct{}
			ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, s))
			_ = cancel // the context is forgotten, too
			for range 3 {
				parkOnce(t, peer, s, Context(ctx))
			}
		},
		"a queued error": func(s, _ *Socket) {
			var m Msg
			s.RecvErr(&m, Within(time.Nanosecond))
		},
		"replaced": func(s, _ *Socket) {
			_, err := s.Recv(buf, 0, NoWait(mb))
			require.ErrorAs(t, err, new(*Select))
			_, err = s.Recv(buf, 0, NoWait(mb))
			require.NoError(t, s.Cancel(err.(*Select)))
			receive(t, mb)
		},
		"the mailbox, selected": func(s, peer *Socket) {
			mb := NewMailbox()
			_, err := s.Recv(buf, 0, NoWait(mb))
			require.ErrorAs(t, err, new(*Select))
			peer.Send([]byte("x"), 0, Forever)
			eventually(t, func() bool { return mb.Len() == 1 }, "a message")
		},
		"an owner that is forgotten": func(s, _ *Socket) { require.NoError(t, s.ControllingProcess(nil, NewMailbox())) },
	} {
		t.Run(name, func(t *testing.T) {
			for lent, way := range map[bool]OpenOption{false: TakeFD(), true: NoDup()} {
				var fd, dup, before int
				var mine string
				func() {
					fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
					require.NoError(t, err)
					peer, err := Adopt(fds[1], TakeFD())
					require.NoError(t, err)
					s, err := Adopt(fds[0], way, Registered(false))
					require.NoError(t, err)
					fd, mine = fds[0], sameFile(fds[0])
					f(s, peer)
					require.NoError(t, peer.Close())
					dup, err = syscall.Dup(fd) // a description that lives on goes on reporting, unless it is taken out
					require.NoError(t, err)
					before = int(gauges.read().Sockets)
					runtime.KeepAlive(s)
				}()
				collected(t, func() bool { return int(gauges.read().Sockets) == before-1 }, "the socket is forgotten")
				eventually(t, func() bool { return !watchedSocket(t, mine) }, "the poller knows nothing of it")
				if lent {
					syscall.Close(fd)
				} else { // it is counted before it is closed
					eventually(t, func() bool { return sameFile(fd) != mine }, "its descriptor is closed")
				}
				syscall.Close(dup)
			}
			watched.mu.Lock()
			defer watched.mu.Unlock()
			assert.Nil(t, watched.head)
		})
	}
	t.Run("a connect that waited", func(t *testing.T) {
		before := gauges.read().Sockets
		func() {
			s, err := Open(Inet, Stream, TCP, Registered(false))
			require.NoError(t, err)
			require.ErrorIs(t, s.Connect(full, Within(time.Millisecond)), ErrTimeout)
		}()
		collected(t, func() bool { return gauges.read().Sockets == before }, "the socket is forgotten")
	})
}

// What is armed is kept even if nobody can receive its message: it may still come.
func TestArmedSocketOfAForgottenMailboxStays(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fds[1])
	mine := sameFile(fds[0])
	before := gauges.read().Sockets
	func() {
		s, err := Adopt(fds[0], TakeFD(), Registered(false))
		require.NoError(t, err)
		_, err = s.Recv(make([]byte, 1), 0, NoWait(NewMailbox()))
		require.ErrorAs(t, err, new(*Select))
	}()
	canary(t)
	canary(t)
	require.Equal(t, mine, sameFile(fds[0]))
	require.Equal(t, 1, must(syscall.Write(fds[1], []byte("x")))) // the message comes, to nobody
	collected(t, func() bool { return gauges.read().Sockets == before }, "the socket is forgotten")
}

// What waits keeps its socket.
func TestArmedSocketsAreNotForgotten(t *testing.T) {
	buf := make([]byte, 1)
	for name, f := range map[string]func(s *Socket, mb *Mailbox){
		"armed": func(s *Socket, mb *Mailbox) {
			_, err := s.Recv(buf, 0, NoWait(mb))
			require.ErrorAs(t, err, new(*Select))
		},
		"owned": func(s *Socket, mb *Mailbox) { require.NoError(t, s.ControllingProcess(nil, mb)) },
		"registered later": func(s *Socket, mb *Mailbox) {
			require.NoError(t, s.Register())
		},
		"watched": func(s *Socket, mb *Mailbox) {
			_, err := s.Monitor(mb)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			mb := NewMailbox()
			fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			require.NoError(t, err)
			defer syscall.Close(fds[1])
			mine := sameFile(fds[0])
			var id uint64
			func() {
				s, err := Adopt(fds[0], TakeFD(), Registered(false))
				require.NoError(t, err)
				id = s.id
				f(s, mb)
			}()
			canary(t)
			canary(t)
			require.Equal(t, mine, sameFile(fds[0]))
			if name == "armed" {
				require.Equal(t, 1, must(syscall.Write(fds[1], []byte("x"))))
				msg := receive(t, mb)
				assert.Equal(t, id, msg.Socket().id)
				msg.Socket().Close()
			}
			mb.Close()
			if name != "armed" && name != "owned" {
				for _, s := range registry.all() {
					if s.id == id {
						s.Close()
					}
				}
			}
			assert.NotEqual(t, mine, sameFile(fds[0]))
		})
	}
}

// The poller's names of unregistered sockets come and go in any order.
func TestWatchedSocketsInAnyOrder(t *testing.T) {
	list := func() (list []*forgotten) {
		watched.mu.Lock()
		defer watched.mu.Unlock()
		for f := watched.head; f != nil; f = f.next {
			list = append(list, f)
		}
		return list
	}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}} {
		before := list()
		var socks [3]*Socket
		var fs [3]*forgotten
		for i := range socks {
			socks[i], _ = pair(t, Stream, Registered(false))
			_, err := socks[i].Recv(make([]byte, 1), 0, NoWait(NewMailbox()))
			require.ErrorAs(t, err, new(*Select))
			fs[i] = socks[i].unregistered()
		}
		left := map[*forgotten]bool{fs[0]: true, fs[1]: true, fs[2]: true}
		for _, i := range order {
			require.NoError(t, socks[i].Close())
			delete(left, fs[i])
			now := list()
			assert.Len(t, now, len(before)+len(left))
			for f := range left {
				assert.Contains(t, now, f)
			}
		}
	}
	// One that was never armed has no name.
	s, _ := pair(t, Stream, Registered(false))
	_, err := s.Recv(make([]byte, 1), 0, NoWait(NewMailbox()))
	require.ErrorAs(t, err, new(*Select))
	before := gauges.read().Sockets
	func() {
		_, err := Open(Inet, Dgram, UDP, Registered(false))
		require.NoError(t, err)
	}()
	collected(t, func() bool { return gauges.read().Sockets == before }, "the other is forgotten")
	assert.Contains(t, list(), s.unregistered())
}

// The number of a borrowed descriptor may be another's when the socket is forgotten: that one's registration stays.
func TestForgottenBorrowedNumberIsNotTakenOutOfThePoller(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fds[1])
	mb := NewMailbox()
	defer mb.Close()
	func() {
		s, err := Adopt(fds[0], NoDup(), Registered(false))
		require.NoError(t, err)
		_, err = s.Recv(make([]byte, 1), 0, NoWait(mb))
		require.NoError(t, s.Cancel(err.(*Select)))
	}()
	others, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(others[1])
	before := gauges.read().Sockets
	require.NoError(t, syscall.Dup3(others[0], fds[0], syscall.O_CLOEXEC)) // the number is theirs
	syscall.Close(others[0])
	s, err := Adopt(fds[0], TakeFD())
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Recv(make([]byte, 1), 0, NoWait(mb))
	require.ErrorAs(t, err, new(*Select))
	collected(t, func() bool { return gauges.read().Sockets == before }, "the borrowed one is forgotten")
	canary(t)
	require.True(t, watchedFDs(t)[fmt.Sprint(fds[0])], "else its message never comes")
	require.Equal(t, 1, must(syscall.Write(others[1], []byte("x"))))
	assert.Equal(t, s, receive(t, mb).Socket())
}

// What is no namespace is refused at once, by name.
func TestNetNSOfOtherFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, syscall.Mkfifo(at("fifo"), 0o600))
	require.NoError(t, os.WriteFile(at("file"), nil, 0o600))
	l, err := net.Listen("unix", at("socket"))
	require.NoError(t, err)
	defer l.Close()
	for _, path := range []string{at("fifo"), at("socket"), dir, "/dev/null"} {
		_, err := Open(Inet, Stream, TCP, NetNS(path))
		assert.ErrorIs(t, err, &InvalidError{What: "netns"}, path)
		assert.ErrorIs(t, err, syscall.EINVAL, path)
		assert.ErrorContains(t, err, path)
	}
	_, err = Open(Inet, Stream, TCP, NetNS(at("file")))
	assert.Error(t, err) // EPERM without privilege
	_, err = Open(Inet, Stream, TCP, NetNS(at("nothing")))
	assert.ErrorIs(t, err, syscall.ENOENT)
}

// A poller that fails says so, and nobody who waits is left behind. In a process of its own: it is the only poller.
func TestPollerThatFailsIsStartedAgain(t *testing.T) {
	if !alone(t) {
		return
	}
	full := fullListener(t)
	var said sync.Map
	SetLogger(slog.New(atError{slog.DiscardHandler, func(msg string) { said.Store(msg, true) }}))
	defer SetLogger(nil)
	mb := NewMailbox()
	var socks, peers [4]*Socket
	for i := range socks {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		socks[i], err = Adopt(fds[0], TakeFD(), Registered(i%2 == 0))
		require.NoError(t, err)
		peers[i], err = Adopt(fds[1], TakeFD())
		require.NoError(t, err)
		defer socks[i].Close()
		defer peers[i].Close()
	}
	armRead := func(i int) {
		_, err := socks[i].Recv(make([]byte, 1), 0, NoWait(mb))
		require.ErrorAs(t, err, new(*Select))
	}
	c, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	connecting := make(chan error, 1)
	go func() { connecting <- c.Connect(full, Forever) }()
	parked(t, c, writing)
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EBADF} {
		for i := range socks[:3] {
			armRead(i)
		}
		var failed sync.Once
		fail := func() (n int) {
			n = 0 // the event is lost, too
			failed.Do(func() { n = -int(errno) })
			pollerFails.Store(nil)
			return n
		}
		old := cPollerFD(poller.p)
		pollerFails.Store(&fail)
		armRead(3)
		_, err := peers[3].Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		// Everybody is told to look for himself.
		woken := map[*Socket]bool{}
		for range socks {
			woken[receive(t, mb).Socket()] = true
		}
		assert.Len(t, woken, len(socks))
		if errno == syscall.EBADF {
			assert.NotEqual(t, old, cPollerFD(poller.p))
			assert.NotEqual(t, -1, fdFlags(old), "it may be another's")
		}
		n, err := socks[3].Recv(make([]byte, 1), 0, NoWait(mb))
		require.NoError(t, err)
		require.Equal(t, 1, n)
		for i := range socks { // and the new one answers
			armRead(i)
			_, err := peers[i].Send([]byte("x"), 0, Forever)
			require.NoError(t, err)
			require.Equal(t, socks[i], receive(t, mb).Socket())
			_, err = socks[i].Recv(make([]byte, 1), 0, NoWait(mb))
			require.NoError(t, err)
		}
		assert.Zero(t, mb.Len())
	}
	_, ok := said.Load("esock: the poller failed; it is started again")
	assert.True(t, ok, "it says so")
	require.NoError(t, c.Close())
	assert.ErrorIs(t, <-connecting, net.ErrClosed)
}

// atError calls f with what is logged as an error.
type atError struct {
	slog.Handler
	f func(string)
}

func (h atError) Enabled(context.Context, slog.Level) bool { return true }

func (h atError) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelError {
		h.f(r.Message)
	}
	return nil
}

// Shutdowns of one socket take turns: what one notes, another that fails does not take back.
// What one Shutdown has done, and what a receive has found out, is not taken back by another that fails.
func TestShutdownThatFailsTakesBackItsOwnNote(t *testing.T) {
	a, _ := pair(t, Stream)
	require.NoError(t, a.Shutdown(ShutWrite))
	a.facts.Or(factShutRead)
	a.notShut(factShutRead | factShutWrite) // as a ShutReadWrite that the kernel refuses
	assert.Equal(t, factShutWrite, a.facts.Load()&(factShutRead|factShutWrite))
	require.NoError(t, a.Shutdown(ShutRead))
	a.notShut(factShutRead | factShutWrite)
	assert.Equal(t, factShutRead|factShutWrite, a.facts.Load()&(factShutRead|factShutWrite))

	s, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	defer s.Close()
	assert.ErrorIs(t, s.Shutdown(ShutReadWrite), syscall.ENOTCONN)
	assert.Zero(t, s.facts.Load()&(factShutRead|factShutWrite))
}

// A poller that gets no descriptor says so, those who wait are told at once, and it goes on as soon as there is one.
func TestPollerThatGetsNoDescriptorGoesOn(t *testing.T) {
	if !alone(t) {
		return
	}
	a, b := pair(t, Stream)
	mb := NewMailbox()
	_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
	require.ErrorAs(t, err, new(*Select))
	var said sync.Map
	SetLogger(slog.New(atError{slog.DiscardHandler, func(msg string) { said.Store(msg, true) }}))
	defer SetLogger(nil)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	free := must(syscall.Dup(0)) // all below are taken
	require.NoError(t, syscall.Close(free))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(free), Max: limit.Max}))
	fail := func() int {
		pollerFails.Store(nil)
		return -int(syscall.EBADF) // the descriptor is not given back
	}
	pollerFails.Store(&fail)
	_, err = a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	eventually(t, func() bool {
		_, ok := said.Load("esock: the poller cannot be started again yet")
		return ok
	}, "that it cannot be started")
	assert.Equal(t, b, receive(t, mb).Socket())
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	_, err = b.Recv(make([]byte, 1), 0, NoWait(mb))
	require.NoError(t, err)
	eventually(t, func() bool {
		_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
		return err != nil && !errors.As(err, new(SelectFailedError))
	}, "an arm that succeeds")
	_, err = a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, b, receive(t, mb).Socket())
}
