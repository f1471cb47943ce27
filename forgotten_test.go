package esock

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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

// What is armed is kept even if its message can no longer be received: the message may still come.
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
	require.Equal(t, 1, must(syscall.Write(fds[1], []byte("x")))) // the message comes, and is not received
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
	list := func() (list []*pollerName) {
		watched.mu.Lock()
		defer watched.mu.Unlock()
		for n := watched.head; n != nil; n = n.next {
			list = append(list, n)
		}
		return list
	}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}} {
		before := list()
		var socks [3]*Socket
		var names [3]*pollerName
		for i := range socks {
			socks[i], _ = pair(t, Stream, Registered(false))
			_, err := socks[i].Recv(make([]byte, 1), 0, NoWait(NewMailbox()))
			require.ErrorAs(t, err, new(*Select))
			names[i] = socks[i].forgotten.name
		}
		left := map[*pollerName]bool{names[0]: true, names[1]: true, names[2]: true}
		for _, i := range order {
			require.NoError(t, socks[i].Close())
			delete(left, names[i])
			now := list()
			assert.Len(t, now, len(before)+len(left))
			for n := range left {
				assert.Contains(t, now, n)
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
	assert.Contains(t, list(), s.forgotten.name)
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
