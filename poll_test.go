package esock

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fill sends until the kernel's buffer is full, and says how much went.
func fill(t testing.TB, s *Socket) int {
	t.Helper()
	n, chunk := 0, make([]byte, 4096)
	for {
		k, err := s.Send(chunk, 0, Within(0))
		n += k
		if err != nil {
			require.Equal(t, ErrTimeout, err)
			return n
		}
	}
}

// fillForFiles is fill for a test of SendFile: before Linux 6.5 it adds to what waits in a full unix socket, a few times.
func fillForFiles(t testing.TB, s *Socket, f *os.File) int {
	t.Helper()
	n := fill(t, s)
	for {
		k, err := s.SendFile(f, 0, 1, Within(0))
		n += int(k)
		if err != nil {
			require.Equal(t, ErrTimeout, err)
			return n
		}
	}
}

// drain receives n bytes.
func drain(t testing.TB, s *Socket, n int) {
	t.Helper()
	k, err := s.RecvFull(make([]byte, n), 0, Within(patience))
	require.NoError(t, err)
	require.Equal(t, n, k)
}

func TestReadAndWriteArmedTogether(t *testing.T) {
	for _, readFirst := range []bool{true, false} {
		a, b := pair(t, Stream)
		mb := NewMailbox()
		full := fill(t, b)
		buf := make([]byte, 1)
		var r, w *Select
		armRead := func() { _, err := b.Recv(buf, 0, NoWait(mb)); require.ErrorAs(t, err, &r) }
		armWrite := func() { _, err := b.Send([]byte("z"), 0, NoWait(mb)); require.ErrorAs(t, err, &w) }
		if readFirst {
			armRead()
			armWrite()
		} else {
			armWrite()
			armRead()
		}
		a.Send([]byte("x"), 0, Forever)
		sameMessage(t, SelectMsg{r.Handle()}, receive(t, mb))
		// One event for one direction takes both out of the kernel; the other is armed again.
		drain(t, a, full)
		sameMessage(t, SelectMsg{w.Handle()}, receive(t, mb))
		n, err := b.Recv(buf, 0, NoWait(mb))
		assert.NoError(t, err)
		assert.Equal(t, 1, n)
		n, err = b.Send([]byte("z"), 0, NoWait(mb).Continue(w))
		assert.NoError(t, err)
		assert.Equal(t, 1, n)
		assert.Zero(t, mb.Len())
	}
}

func TestOneMessagePerArming(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	h := mb.NewHandle()
	buf := make([]byte, 64)
	for range 200 {
		_, err := b.Recv(buf, 0, With(h))
		require.ErrorAs(t, err, new(*Select))
		for range 5 {
			a.Send([]byte("x"), 0, Forever)
		}
		sameMessage(t, SelectMsg{h}, receive(t, mb))
		// Events that were under way have been handed out when another socket's, armed later, has.
		c, d := pair(t, Stream)
		_, err = d.Recv(buf, 0, NoWait(mb))
		require.ErrorAs(t, err, new(*Select))
		c.Send([]byte("y"), 0, Forever)
		require.False(t, receive(t, mb) == Message(SelectMsg{h}), "a second message")
		c.Close()
		d.Close()
		for got := 0; got < 5; {
			n, err := b.Recv(buf, 0, Within(0))
			if err == ErrTimeout { // the requester holds the lane: it must be the one to read
				n, err = b.Recv(buf, 0, With(h))
			}
			require.NoError(t, err)
			got += n
		}
		require.Zero(t, mb.Len())
	}
}

// {otp, select_read}: what is left in the kernel after a receive is announced, every time.
func TestSelectReadAnnouncesWhatIsLeft(t *testing.T) {
	a, b := pair(t, Stream)
	require.NoError(t, b.SetSelectRead(true))
	mb := NewMailbox()
	buf := make([]byte, 1)
	_, err := b.Recv(buf, 0, NoWait(mb))
	require.ErrorAs(t, err, new(*Select))
	a.Send([]byte("abcdefgh"), 0, Forever)
	for _, want := range []byte("abcdefgh") {
		require.IsType(t, SelectMsg{}, receive(t, mb))
		n, err := b.Recv(buf, 0, NoWait(mb))
		require.Equal(t, 1, n)
		require.Equal(t, want, buf[0])
		var sel *Select
		require.ErrorAs(t, err, &sel)
		require.True(t, sel.Complete())
	}
	assert.Zero(t, mb.Len())
}

// A wake-up that proved empty goes to edge-triggered and back: nothing is lost on the way.
func TestEmptyWakeUpLosesNothing(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	buf := make([]byte, 1)
	thief := func() { // takes the byte behind the back of the library
		require.Equal(t, 1, must(syscall.Read(fdOf(b), buf)))
	}
	for range 50 {
		_, err := b.Recv(buf, 0, NoWait(mb))
		require.ErrorAs(t, err, new(*Select))
		for range 3 {
			a.Send([]byte("x"), 0, Forever)
			require.IsType(t, SelectMsg{}, receive(t, mb))
			thief()
			_, err = b.Recv(buf, 0, NoWait(mb))
			require.ErrorAs(t, err, new(*Select))
		}
		a.Send([]byte("yz"), 0, Forever)
		require.IsType(t, SelectMsg{}, receive(t, mb))
		n, err := b.Recv(buf, 0, NoWait(mb))
		require.NoError(t, err)
		require.Equal(t, 1, n)
		n, err = b.Recv(buf, 0, NoWait(mb))
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
}

func must(n int, err error) int {
	if err != nil {
		panic(err)
	}
	return n
}

// fdOf is a socket's descriptor, as long as it is open.
func fdOf(s *Socket) int {
	fd := s.FD()
	if fd < 0 {
		panic("the socket is closed")
	}
	return fd
}

// A number that is closed while its description lives on elsewhere reports nothing any more.
func TestClosedNumberWhoseDescriptionLivesOn(t *testing.T) {
	for range 50 {
		a, b := pair(t, Stream)
		mb := NewMailbox()
		_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
		require.ErrorAs(t, err, new(*Select))
		dup, err := syscall.Dup(fdOf(b))
		require.NoError(t, err)
		require.NoError(t, b.Close())
		assert.IsType(t, AbortMsg{}, receive(t, mb))
		a.Send([]byte("x"), 0, Forever)
		c, d := pair(t, Stream) // takes the number, and perhaps the name
		_, err = d.Recv(make([]byte, 1), 0, NoWait(mb))
		require.ErrorAs(t, err, new(*Select))
		e, f := pair(t, Stream)
		_, err = f.Recv(make([]byte, 1), 0, NoWait(mb))
		sel := err.(*Select)
		e.Send([]byte("y"), 0, Forever)
		sameMessage(t, SelectMsg{sel.Handle()}, receive(t, mb))
		syscall.Close(dup)
		for _, s := range []*Socket{a, c, d, e, f} {
			s.Close()
		}
	}
}

func TestPartialSendAcrossSelectsIsOneRequest(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	data := bytes.Repeat([]byte("x"), 1<<20)
	off, err := a.Send(data, 0, NoWait(mb))
	sel := err.(*Select)
	require.Positive(t, off)
	assert.Equal(t, uint64(off), a.Counters().WriteByte)
	require.NoError(t, a.Cancel(sel))
	c := a.Counters()
	assert.Equal(t, uint64(1), c.WritePkg, "ended by Cancel")
	assert.Equal(t, uint64(off), c.WritePkgMax)
	drain(t, b, off)

	n, err := a.Send(data, 0, NoWait(mb))
	require.ErrorAs(t, err, &sel)
	require.NoError(t, a.Close())
	c = a.Counters()
	assert.Equal(t, uint64(off+n), c.WriteByte)
	assert.Equal(t, uint64(2), c.WritePkg, "ended by Close")
}

func TestPartialReceiveEndedByClose(t *testing.T) {
	a, b := pair(t, Stream)
	a.Send([]byte("abc"), 0, Forever)
	n, err := b.RecvFull(make([]byte, 10), 0, NoWait(NewMailbox()))
	require.ErrorAs(t, err, new(*Select))
	require.Equal(t, 3, n)
	require.NoError(t, b.Close())
	c := b.Counters()
	assert.Equal(t, uint64(1), c.ReadPkg)
	assert.Equal(t, uint64(3), c.ReadPkgMax)
}

func TestPartialSendEndedByClose(t *testing.T) {
	a, _ := pair(t, Stream)
	n, err := a.Send(make([]byte, 16<<20), 0, NoWait(NewMailbox()))
	require.ErrorAs(t, err, new(*Select))
	require.Positive(t, n)
	require.NoError(t, a.Close())
	c := a.Counters()
	assert.Equal(t, uint64(1), c.WritePkg)
	assert.EqualValues(t, n, c.WritePkgMax)
}

// Where the first attempt to start the poller fails, the next call that needs it makes another. A process of its own does
// it: here the poller runs already.
func TestPollerStartsAfterAnAttemptThatFailed(t *testing.T) {
	const child = "ESOCK_TEST_POLLER"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
		cmd.Env = append(os.Environ(), child+"=1", "GORACE=atexit_sleep_ms=0")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	a, b := pair(t, Stream)
	mb := NewMailbox()
	var old syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: old.Max}))
	for range 2 {
		_, err := a.Recv(make([]byte, 1), 0, NoWait(mb))
		assert.Equal(t, &Error{Op: "recv", Socket: a, Reason: SelectFailedError{syscall.EMFILE}}, err)
		assert.True(t, laneIsFree(a, reading))
	}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old))
	assert.Nil(t, mb.pending.head)
	assert.Zero(t, mb.Len())
	for _, s := range []*Socket{a, b} { // the one that was refused, and one that comes later
		_, err := s.Recv(make([]byte, 1), 0, NoWait(mb))
		var sel *Select
		require.ErrorAs(t, err, &sel)
		from := map[*Socket]*Socket{a: b, b: a}[s]
		_, err = from.Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		sameMessage(t, SelectMsg{sel.Handle()}, receive(t, mb))
	}
}

// Both directions are armed, one fires, and the other cannot be armed again: its descriptor was closed behind our back. Both
// hear of it.
func TestArmThatCannotBeRenewedReachesTheOtherLane(t *testing.T) {
	p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(p[1])
	keep, err := syscall.Dup(p[0]) // the description lives on, and so does its registration
	require.NoError(t, err)
	defer syscall.Close(keep)
	s, err := Adopt(p[0], TakeFD())
	require.NoError(t, err)
	reader, writer := NewMailbox(), NewMailbox()
	for err == nil {
		_, err = s.Send(make([]byte, 1<<16), 0, Within(0))
	}
	require.Equal(t, ErrTimeout, err)
	_, err = s.Send([]byte("x"), 0, NoWait(writer))
	require.IsType(t, (*Select)(nil), err)
	_, err = s.Recv(make([]byte, 1), 0, NoWait(reader))
	require.IsType(t, (*Select)(nil), err)
	require.NoError(t, syscall.Close(p[0]))
	_, err = syscall.Write(p[1], []byte("x"))
	require.NoError(t, err)
	assert.IsType(t, SelectMsg{}, receive(t, reader))
	assert.IsType(t, SelectMsg{}, receive(t, writer))
	_, err = s.Send([]byte("x"), 0, NoWait(writer))
	assert.ErrorIs(t, err, syscall.EBADF, "and the next try meets the reason")
	require.NoError(t, syscall.Dup3(keep, p[0], syscall.O_CLOEXEC)) // so that closing closes no other's
	s.Close()
}

// A receiver that the runtime's poller refuses waits on the C poller. That is a wait like any other, and ends with the socket.
func TestWaitThatTheRuntimeRefuses(t *testing.T) {
	p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(p[0])
	defer syscall.Close(p[1])
	s, err := Adopt(p[0], NoDup())
	require.NoError(t, err)
	require.NoError(t, startPoller())
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	s.mu.Lock()
	s.blockingSide().file = null // with no RawConn: as if the runtime had been asked, and had refused
	s.mu.Unlock()
	_, err = s.Recv(make([]byte, 1), 0, Within(time.Millisecond))
	require.Equal(t, ErrTimeout, err)
	assert.EqualValues(t, 1, s.Counters().ReadWaits)
	done := make(chan error, 1)
	go func() { _, err := s.Recv(make([]byte, 1), 0, Forever); done <- err }()
	parked(t, s, reading)
	eventually(t, func() bool { return s.Info().NumReaders == 1 }, "a reader")
	s.Close()
	assert.ErrorIs(t, <-done, net.ErrClosed)
	assert.Zero(t, s.Info().NumReaders)
	assert.EqualValues(t, 2, s.Counters().ReadWaits)
}

// keptFor reports whether the socket's registration is edge-triggered.
func keptFor(t *testing.T, s *Socket) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", cPollerFD(poller.p)))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 3 && f[0] == "tfd:" && f[1] == fmt.Sprint(fdOf(s)) {
			events, err := strconv.ParseUint(f[3], 16, 32)
			require.NoError(t, err)
			return events>>31 == 1
		}
	}
	t.Fatal("it is not registered")
	return false
}

// exchange is a wait of a receiver that drains its socket.
func exchange(t *testing.T, a, b *Socket, mb *Mailbox) {
	t.Helper()
	buf := make([]byte, 1)
	waitsFor(t, b, NoWait(mb))
	require.Equal(t, 1, must(a.Send([]byte("x"), 0, Forever)))
	require.IsType(t, SelectMsg{}, receive(t, mb))
	require.Equal(t, 1, must(b.Recv(buf, 0, NoWait(mb))))
}

// keepPair is a pair whose second is registered edge-triggered, after waits of a receiver that drains it.
func keepPair(t *testing.T, mb *Mailbox) (a, b *Socket) {
	t.Helper()
	a, b = pair(t, Stream)
	for range 3 {
		exchange(t, a, b, mb)
		require.False(t, keptFor(t, b))
	}
	exchange(t, a, b, mb)
	require.True(t, keptFor(t, b))
	return a, b
}

// A registration that no receiver uses any more costs the data path nothing for long.
func TestKeptRegistrationEndsWhenNobodyWaits(t *testing.T) {
	mb := NewMailbox()
	a, b := keepPair(t, mb)
	buf := make([]byte, 1)
	for i := range 2 {
		require.True(t, keptFor(t, b))
		require.Equal(t, 1, must(a.Send([]byte("x"), 0, Forever)))
		eventually(t, func() bool { return b.state.Load()&stNote(reading) != 0 }, "an event for nobody")
		if i == 0 {
			b.state.And(^stNote(reading))
		}
		require.Equal(t, 1, must(b.Recv(buf, 0, Forever)))
	}
	require.False(t, keptFor(t, b))
	for range 3 {
		exchange(t, a, b, mb)
	}
}

// Whatever a call that arms has left in the socket is announced.
func TestKeptRegistrationAnnouncesWhatIsLeft(t *testing.T) {
	buf := make([]byte, 1)
	t.Run("select_read", func(t *testing.T) {
		mb := NewMailbox()
		a, b := keepPair(t, mb)
		waitsFor(t, b, NoWait(mb))
		require.NoError(t, b.SetSelectRead(true))
		require.Equal(t, 2, must(a.Send([]byte("xy"), 0, Forever)))
		require.IsType(t, SelectMsg{}, receive(t, mb))
		n, err := b.Recv(buf, 0, NoWait(mb))
		require.Equal(t, 1, n)
		require.ErrorAs(t, err, new(*Select))
		require.IsType(t, SelectMsg{}, receive(t, mb))
	})
	t.Run("the next in the queue", func(t *testing.T) {
		mb, next := NewMailbox(), NewMailbox()
		a, b := keepPair(t, mb)
		h := waitsFor(t, b, NoWait(mb))
		waitsFor(t, b, NoWait(next))
		require.Equal(t, 2, must(a.Send([]byte("xy"), 0, Forever)))
		require.IsType(t, SelectMsg{}, receive(t, mb))
		require.NoError(t, b.Cancel((*Select)(h)))
		require.IsType(t, SelectMsg{}, receive(t, next))
	})
	t.Run("a wait that a call of another kind takes over", func(t *testing.T) {
		mb := NewMailbox()
		a, b := keepPair(t, mb)
		waitsFor(t, b, NoWait(mb))
		require.Equal(t, 1, must(a.Send([]byte("x"), 0, Forever)))
		require.IsType(t, SelectMsg{}, receive(t, mb))
		require.Equal(t, 1, must(b.Recv(buf, MsgPeek, NoWait(mb))))
		require.Equal(t, 1, must(b.Recv(buf, 0, Within(0))))
		exchange(t, a, b, mb)
	})
}

// Only a call whose last try would have blocked says so to the poller.
func TestWhatACallKnowsWhenItArms(t *testing.T) {
	for want, calls := range map[armAfter][]call{
		afterTry:   {{}, {sends: pollTries - 1}},
		afterPeek:  {{flags: int(MsgPeek)}},
		afterEmpty: {{woken: true}},
		afterNothing: {{complete: true}, {sends: pollTries}, {flags: int(MsgErrQueue)},
			{own: func() int { return -int(syscall.EAGAIN) }}},
	} {
		for i := range calls {
			assert.Equal(t, want, calls[i].armAfter(), "%+v", calls[i])
		}
	}
}
