package esock

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// atBirth calls f with each socket that is traced as made, the moment before another goroutine can find it.
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

// An owner that dies while its socket is made meets a complete one, or none.
func TestOwnerDiesWhileItsSocketIsMade(t *testing.T) {
	var mb *Mailbox
	var born *Socket
	onBirth(t, func(s *Socket) {
		born = s
		assert.Nil(t, s.Owner(), "not found yet")
		assert.NotContains(t, registry.all(), s)
		assert.Equal(t, s.forgotten == nil, registeredNext, "the garbage collector has")
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
		// TCP's last segment may be on its way.
		eventually(t, func() bool { return cReady(l.h, eventIn)&eventIn != 0 }, "the connection")
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

// Giving a socket to a closed mailbox closes the socket, and no other mailbox gets it meanwhile.
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
