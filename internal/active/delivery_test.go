package active

import (
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testmain"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// TestMain checks, after all tests of the package, that no goroutine and no descriptor is left behind.
func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// patience limits the waits for what must come.
const patience = testwait.Patience

// stream is a Source of lines over a TCP connection. Its Read unlocks, and can be held up while it does.
type stream struct {
	sync.Mutex
	d      Delivery
	sock   *esock.Socket
	parser packet.Parser
	data   []byte
	peer   *net.TCPConn

	entered, proceed chan struct{} // nil: reads are not held up
}

// text is a message about a stream.
type text struct {
	s    *stream
	text string
}

func (m text) Socket() *esock.Socket { return m.s.sock }

func (s *stream) Next() (esock.Message, error) {
	p, err := s.next()
	if err != nil {
		return nil, err
	}
	return text{s, p}, nil
}

func (s *stream) next() (string, error) {
	p, n, err := s.d.Cut(&s.parser, s.data, 0)
	if err != nil {
		return "", err
	}
	line := string(p.Data())
	s.data = s.data[n:]
	return line, nil
}

func (s *stream) Read(w esock.Wait) error {
	s.Unlock()
	if s.entered != nil {
		s.entered <- struct{}{}
		<-s.proceed
	}
	buf := make([]byte, 100)
	n, err := s.d.Recv(buf, w)
	reason, lasts := Lasts(err, w)
	s.Lock()
	s.data = append(s.data, buf[:n]...)
	if !lasts {
		s.d.End(ClosedBy{reason})
		return nil
	}
	return reason
}

func (s *stream) Buffered() int                    { return len(s.data) }
func (s *stream) Drained() bool                    { return len(s.data) == 0 }
func (s *stream) Drop()                            { s.data = nil }
func (s *stream) Passive() esock.Message           { return text{s, "passive"} }
func (s *stream) Error(reason error) esock.Message { return text{s, "error: " + reason.Error()} }
func (s *stream) Closed() esock.Message            { return text{s, "closed"} }
func (s *stream) About(msg esock.Message) bool     { m, ok := msg.(text); return ok && m.s == s }

func newStream(t *testing.T, mb *esock.Mailbox) *stream {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer l.Close()
	s := new(stream)
	s.sock, err = esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	require.NoError(t, s.sock.Connect(esock.AddrFrom(l.Addr().(*net.TCPAddr).AddrPort()), esock.Forever))
	if mb != nil {
		require.NoError(t, s.sock.ControllingProcess(nil, mb))
	}
	s.peer, err = l.AcceptTCP()
	require.NoError(t, err)
	t.Cleanup(func() { s.sock.Close(); s.peer.Close() })
	s.parser, err = packet.NewParser(packet.Line, packet.Options{})
	require.NoError(t, err)
	s.d.Init(&s.Mutex, s.sock, s, mb, false)
	return s
}

func newMailbox(t *testing.T) *esock.Mailbox {
	mb := esock.NewMailbox()
	t.Cleanup(func() { mb.Close() })
	return mb
}

// arrives makes the peer send, and waits until the kernel has it.
func (s *stream) arrives(t *testing.T, data string) {
	t.Helper()
	before, err := s.sock.NRead()
	require.NoError(t, err)
	_, err = io.WriteString(s.peer, data)
	require.NoError(t, err)
	eventually(t, func() bool { n, err := s.sock.NRead(); return err == nil && n == before+len(data) })
}

// set sets the option.
func (s *stream) set(t *testing.T, v any) {
	t.Helper()
	s.Lock()
	defer s.Unlock()
	require.NoError(t, s.d.SetActive(v))
	s.d.Deliver()
}

// receive is a passive receive.
func (s *stream) receive(w esock.Wait) (line string, err error) {
	s.Lock()
	defer s.Unlock()
	err = s.d.Receive(w, func() (err error) { line, err = s.next(); return err }, s.Read)
	return line, err
}

func (s *stream) give(from, to *esock.Mailbox) error {
	s.Lock()
	defer s.Unlock()
	return s.d.Give(from, to, func() error { return s.sock.ControllingProcess(from, to) })
}

func (s *stream) close(tell bool) {
	s.Lock()
	defer s.Unlock()
	s.d.Close(tell, func() { s.sock.Close() })
}

// holdUp makes reads wait until the function is called.
func (s *stream) holdUp() (proceed func()) {
	s.entered, s.proceed = make(chan struct{}, 9), make(chan struct{})
	return func() { close(s.proceed) }
}

// gets checks the next messages of a mailbox.
func gets(t *testing.T, mb *esock.Mailbox, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, w := range want {
		msg, err := mb.Receive(ctx)
		require.NoError(t, err, "%q", w)
		require.Equal(t, w, msg.(text).text)
	}
}

// holds checks all that a mailbox has.
func holds(t *testing.T, mb *esock.Mailbox, want ...string) {
	t.Helper()
	var got []string
	for msg, ok := mb.Poll(); ok; msg, ok = mb.Poll() {
		got = append(got, msg.(text).text)
	}
	require.Equal(t, want, got)
	require.Zero(t, mb.Len())
}

func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	testwait.Until(t, "a delivery", cond)
}

// What happens while a receiver of the mailbox reads, with the lock released, and so has the turn.
func TestChangesUnderAReceiverOfTheMailbox(t *testing.T) {
	// start makes a stream with a receiver that is held up in its read. finish lets it go on, and returns what it received.
	start := func(t *testing.T, mode any, data string) (mb *esock.Mailbox, s *stream, finish func() []string) {
		mb = newMailbox(t)
		s = newStream(t, mb)
		s.set(t, mode)
		if data != "" {
			s.arrives(t, data)
		}
		proceed := s.holdUp()
		var got []string
		var wg sync.WaitGroup
		wg.Go(func() {
			if msg, ok := mb.Poll(); ok {
				got = append(got, msg.(text).text)
			}
		})
		<-s.entered
		return mb, s, func() []string { proceed(); wg.Wait(); return got }
	}
	t.Run("nothing", func(t *testing.T) {
		mb, _, finish := start(t, 2, "a\nb\n")
		require.Equal(t, []string{"a\n"}, finish())
		holds(t, mb, "b\n", "passive")
	})
	t.Run("passive mode", func(t *testing.T) {
		mb, s, finish := start(t, 2, "a\n")
		s.set(t, false)
		require.Equal(t, []string{"passive"}, finish())
		holds(t, mb)
		line, err := s.receive(esock.Within(0))
		require.NoError(t, err)
		require.Equal(t, "a\n", line)
	})
	t.Run("passive mode, and a receive", func(t *testing.T) {
		mb, s, finish := start(t, true, "")
		s.set(t, false)
		var line string
		var wg sync.WaitGroup
		wg.Go(func() { line, _ = s.receive(esock.Within(patience)) })
		eventually(t, func() bool { s.Lock(); defer s.Unlock(); return s.d.Receivers() == 2 })
		require.Empty(t, finish())
		_, err := io.WriteString(s.peer, "a\n")
		require.NoError(t, err)
		wg.Wait() // the poller does not hold the socket
		require.Equal(t, "a\n", line)
		holds(t, mb)
	})
	t.Run("another mode", func(t *testing.T) {
		mb, s, finish := start(t, Once, "a\nb\nc\n")
		s.set(t, 2)
		require.Equal(t, []string{"a\n"}, finish())
		gets(t, mb, "b\n", "passive")
		holds(t, mb)
	})
	t.Run("other packets", func(t *testing.T) {
		mb, s, finish := start(t, true, "a;b")
		s.Lock()
		s.d.Settle()
		require.NoError(t, s.parser.SetOptions(packet.Options{LineDelimiter: packet.DelimiterOf(';')}))
		s.d.Changed()
		s.d.Deliver()
		s.Unlock()
		require.Equal(t, []string{"a;"}, finish())
		s.arrives(t, ";")
		gets(t, mb, "b;")
	})
	t.Run("other packets, when nothing came", func(t *testing.T) {
		mb, s, finish := start(t, true, "")
		s.Lock()
		s.data = []byte("a;")
		require.NoError(t, s.parser.SetOptions(packet.Options{LineDelimiter: packet.DelimiterOf(';')}))
		s.d.Changed()
		s.d.Deliver()
		s.Unlock()
		require.Empty(t, finish())
		gets(t, mb, "a;")
	})
	t.Run("another owner", func(t *testing.T) {
		mb, s, finish := start(t, true, "a\n")
		other := newMailbox(t)
		require.NoError(t, s.give(mb, other))
		require.Equal(t, ErrNotOwner, s.give(mb, newMailbox(t)))
		require.Empty(t, finish())
		holds(t, mb)
		gets(t, other, "a\n")
		holds(t, other)
	})
	t.Run("close", func(t *testing.T) {
		for tell, want := range map[bool][]string{false: nil, true: {"closed"}} {
			mb, s, finish := start(t, true, "a\n")
			s.close(tell)
			require.Empty(t, finish())
			holds(t, mb, want...)
		}
	})
	t.Run("the owner's death", func(t *testing.T) {
		mb, s, finish := start(t, true, "a\n")
		mb.Close()
		finish()
		_, err := s.receive(esock.Forever)
		require.Equal(t, ClosedHere, err, "and not that the mailbox cannot be used")
	})
}

// If the handle is announced again while a receiver that has met it waits for the lock, it is in the mailbox once.
func TestASecondAnnouncement(t *testing.T) {
	mb := newMailbox(t)
	s := newStream(t, mb)
	s.set(t, true)
	s.Lock()
	var wg sync.WaitGroup
	wg.Go(func() { mb.Poll() })
	eventually(t, func() bool {
		all := make([]byte, 1<<20)
		return strings.Contains(string(all[:runtime.Stack(all, true)]), ".receiveThrough(")
	})
	s.d.Deliver()
	s.Unlock()
	wg.Wait()
	s.arrives(t, "a\n")
	gets(t, mb, "a\n")
	holds(t, mb)
}

// Messages of announced data take the place of the announcement, before messages that came later.
func TestSettledMessagesKeepTheirPlace(t *testing.T) {
	mb := newMailbox(t)
	s := newStream(t, mb)
	s.arrives(t, "a\nb\nc\n")
	require.NoError(t, mb.Post(text{s, "before"}))
	s.set(t, 2)
	require.NoError(t, mb.Post(text{s, "after"}))
	s.set(t, true) // which makes messages of the count
	gets(t, mb, "before", "a\n", "b\n", "passive", "after", "c\n")
	holds(t, mb)
}

// A count of 0 makes a notice at once, also while a receive has the turn.
func TestNoticesDoNotWaitForAReceive(t *testing.T) {
	mb := newMailbox(t)
	s := newStream(t, mb)
	var line string
	var wg sync.WaitGroup
	wg.Go(func() { line, _ = s.receive(esock.Within(patience)) })
	eventually(t, func() bool { s.Lock(); defer s.Unlock(); return s.d.Receivers() == 1 })
	s.set(t, 0)
	gets(t, mb, "passive")
	s.set(t, 5)
	s.set(t, -5)
	s.set(t, -5)
	other := newMailbox(t)
	require.NoError(t, s.give(mb, other))
	gets(t, other, "passive", "passive")
	holds(t, mb)
	_, err := io.WriteString(s.peer, "a\n")
	require.NoError(t, err)
	wg.Wait()
	require.Equal(t, "a\n", line)
}

// A listener's mode is for the sockets that it accepts: it delivers only notices.
func TestAListener(t *testing.T) {
	mb := newMailbox(t)
	s := newStream(t, mb)
	s.d.Init(&s.Mutex, s.sock, s, mb, true)
	s.arrives(t, "a\n")
	for _, v := range []any{true, Once, 3, -3} {
		s.set(t, v)
	}
	holds(t, mb, "passive")
	s.set(t, true)
	s.close(true)
	holds(t, mb)
}

func TestTheEndIsToldOnce(t *testing.T) {
	for _, mode := range []any{true, Once, 3} {
		mb := newMailbox(t)
		s := newStream(t, mb)
		s.set(t, mode)
		require.NoError(t, s.peer.Close())
		gets(t, mb, "closed")
		s.set(t, true)
		s.close(true)
		holds(t, mb)
		_, err := s.receive(esock.Forever)
		require.Equal(t, ClosedByPeer, err)
	}
	// To a receive, and to a mode that was set while it waited.
	mb := newMailbox(t)
	s := newStream(t, mb)
	errs := make(chan error, 1)
	go func() { _, err := s.receive(esock.Within(patience)); errs <- err }()
	eventually(t, func() bool { s.Lock(); defer s.Unlock(); return s.d.Receivers() == 1 })
	s.set(t, true)
	require.NoError(t, s.peer.Close())
	require.Equal(t, ClosedByPeer, <-errs)
	gets(t, mb, "closed")
	holds(t, mb)
}
