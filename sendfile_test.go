package esock

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// largeFile is a file that is more than a socket takes.
func largeFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	require.NoError(t, f.Truncate(8<<20))
	return f
}

// However a sendfile ends, the counters know how much it sent, and its file is closed.
func TestSendFileIsCountedHoweverItEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(a, b *Socket, mb *Mailbox, sel *Select) error
		fails uint64
	}{
		"cancel":       {end: func(a, _ *Socket, _ *Mailbox, sel *Select) error { return a.Cancel(sel) }},
		"close":        {end: func(a, _ *Socket, _ *Mailbox, _ *Select) error { return a.Close() }},
		"mailbox dies": {end: func(_, _ *Socket, mb *Mailbox, _ *Select) error { return mb.Close() }},
		"another begins": {end: func(a, _ *Socket, mb *Mailbox, _ *Select) error {
			_, err := a.Send([]byte("x"), 0, NoWait(mb))
			if sel, ok := err.(*Select); ok {
				return a.Cancel(sel)
			}
			return err
		}},
		"peer closes": {end: func(a, b *Socket, mb *Mailbox, sel *Select) error {
			if err := b.Close(); err != nil {
				return err
			}
			receive(t, mb)
			n, err := a.SendFile(nil, 0, ToEnd, NoWait(mb).Continue(sel))
			assert.Zero(t, n)
			assert.ErrorIs(t, err, syscall.EPIPE)
			return nil
		}, fails: 1},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, Stream)
			mb := NewMailbox()
			f := largeFile(t)
			n, err := a.SendFile(f, 0, ToEnd, NoWait(mb))
			var sel *Select
			require.ErrorAs(t, err, &sel)
			drain(t, b, int(n))
			receive(t, mb)
			more, err := a.SendFile(nil, 0, ToEnd, NoWait(mb).Continue(sel))
			require.ErrorAs(t, err, &sel)
			require.Positive(t, more)
			assert.Equal(t, 2, holders(f.Name()), "it has one of its own")
			require.NoError(t, c.end(a, b, mb, sel))
			count := a.Counters().SendFile
			assert.Equal(t, uint64(n+more), count.Max)
			assert.Equal(t, uint64(n+more), count.Byte)
			assert.Equal(t, uint64(1), count.Tries)
			assert.Equal(t, c.fails, count.Fails)
			assert.Equal(t, 1, holders(f.Name()))
		})
	}
}

func TestBlockingSendFileIsCountedHoweverItEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(a, b *Socket) error
		err   error
		fails uint64
	}{
		"close":       {func(a, _ *Socket) error { return a.Close() }, net.ErrClosed, 0},
		"peer closes": {func(_, b *Socket) error { return b.Close() }, syscall.EPIPE, 1},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, Stream)
			f := largeFile(t)
			type result struct {
				n   int64
				err error
			}
			ended := make(chan result)
			go func() { n, err := a.SendFile(f, 0, ToEnd, Forever); ended <- result{n, err} }()
			parked(t, a, writing)
			require.NoError(t, c.end(a, b))
			got := <-ended
			assert.ErrorIs(t, got.err, c.err)
			count := a.Counters().SendFile
			assert.Equal(t, uint64(got.n), count.Max)
			assert.Equal(t, uint64(got.n), count.Byte)
			assert.Equal(t, c.fails, count.Fails)
			assert.Equal(t, 1, holders(f.Name()))
		})
	}
}

// One that never came to its turn has sent nothing, and did not fail.
func TestQueuedSendFileIsNotCounted(t *testing.T) {
	a, _ := pair(t, Stream)
	m1, m2 := NewMailbox(), NewMailbox()
	fill(t, a)
	_, err := a.Send([]byte("x"), 0, NoWait(m1))
	require.ErrorAs(t, err, new(*Select))
	f := largeFile(t)
	_, err = a.SendFile(f, 0, ToEnd, NoWait(m2))
	require.ErrorAs(t, err, new(*Select))
	assert.Equal(t, 2, holders(f.Name()))
	require.NoError(t, m2.Close())
	assert.Equal(t, 1, holders(f.Name()))
	if count := a.Counters().SendFile; count != nil {
		assert.Equal(t, SendFileCounters{}, *count)
	}
}

// closing is a file whose methods close the socket.
type closing struct {
	*os.File
	s *Socket
}

func (c closing) SyscallConn() (syscall.RawConn, error) {
	c.s.Close()
	return c.File.SyscallConn()
}

// A file's methods are the user's: SendFile is not inside the socket while they run, where Close would wait for it.
func TestSendFileOfAFileThatClosesTheSocket(t *testing.T) {
	a, _ := pair(t, Stream)
	f := largeFile(t)
	ended := make(chan error, 1)
	go func() {
		_, err := a.SendFile(closing{f, a}, 0, ToEnd, Forever)
		ended <- err
	}()
	assert.ErrorIs(t, within(t, ended, "the end of SendFile"), net.ErrClosed)
	assert.Equal(t, 1, holders(f.Name()))
}
