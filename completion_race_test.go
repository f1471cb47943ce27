package esock

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A cancel at any moment either takes the receive back, and then its bytes are still in the socket and the buffer is the
// caller's, or comes too late, and then the message has them.
func TestRaceCancelAgainstCompletion(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	h := mb.NewHandle()
	buf := make([]byte, 8)
	var cancelled, late int
	for i := 0; i < 3000; i++ {
		_, err := b.Recv(buf, 0, CompleteWith(h))
		require.Equal(t, (*Completion)(h), err)
		var wg sync.WaitGroup
		wg.Go(func() { a.Send([]byte{byte(i)}, 0, Forever) })
		for range i % 7 {
			runtime.Gosched()
		}
		err = b.Cancel(err.(*Completion))
		if err == nil {
			cancelled++
			clear(buf) // it is the caller's
			n, err := b.Recv(buf, 0, Within(patience))
			require.NoError(t, err)
			require.Equal(t, []byte{byte(i)}, buf[:n])
		} else {
			late++
			require.ErrorIs(t, err, &InvalidError{What: "completion"})
			msg, err := mb.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, []byte{byte(i)}, msg.(CompletionMsg).Data())
		}
		wg.Wait()
		require.Zero(t, mb.Len())
	}
	t.Logf("%d cancelled, %d late", cancelled, late)
}

// A close at any moment ends the call with one message: the result, or the abort.
func TestRaceCloseAgainstCompletion(t *testing.T) {
	for i := range 300 {
		a, b := pairNow(t)
		mb := NewMailbox()
		h := mb.NewHandle()
		buf := make([]byte, 8)
		_, err := b.Recv(buf, 0, CompleteWith(h))
		require.Equal(t, (*Completion)(h), err)
		var wg sync.WaitGroup
		wg.Go(func() { a.Send([]byte{byte(i)}, 0, Forever) })
		wg.Go(func() { assert.NoError(t, b.Close()) })
		msg, err := mb.Receive(t.Context())
		require.NoError(t, err)
		switch m := msg.(type) {
		case CompletionMsg:
			require.Equal(t, []byte{byte(i)}, m.Data())
		default:
			require.Equal(t, AbortMsg{h, net.ErrClosed}, msg)
		}
		clear(buf)
		wg.Wait()
		require.Zero(t, mb.Len())
		require.False(t, h.Busy())
		a.Close()
	}
}

// When a mailbox has closed, its calls are over and their buffers free, and nobody is locked out.
func TestRaceMailboxEndsAgainstCompletion(t *testing.T) {
	a, b := pair(t, Stream)
	for i := range 1000 {
		mb := NewMailbox()
		buf, out := make([]byte, 8), make([]byte, 1)
		_, err := b.Recv(buf, 0, Complete(mb))
		require.True(t, isCompletion(err))
		var wg sync.WaitGroup
		wg.Go(func() { a.Send([]byte{byte(i)}, 0, Forever) })
		wg.Go(func() {
			mb.Close()
			clear(buf)
		})
		wg.Wait()
		n, err := b.Recv(out, 0, Within(0))
		if !errors.Is(err, ErrTimeout) { // else the byte died with the mailbox
			require.NoError(t, err)
			require.Equal(t, []byte{byte(i)}, out[:n])
		}
		require.Zero(t, b.Info().NumReaders)
	}
}

// Calls of all forms take turns in the order of their arrival, and no byte is lost.
func TestRaceCompletionsAmongOtherCalls(t *testing.T) {
	a, b := pair(t, Stream)
	const workers, rounds = 6, 300
	var mu sync.Mutex
	seen := map[byte]int{}
	got := func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		seen[p[0]]++
	}
	var wg sync.WaitGroup
	for g := range workers {
		wg.Go(func() {
			mb := NewMailbox()
			defer mb.Close()
			h := mb.NewHandle()
			buf := make([]byte, 1)
			for i := range rounds {
				switch (i + g) % 3 {
				case 0:
					_, err := b.Recv(buf, 0, Within(patience))
					require.NoError(t, err)
				case 1:
					_, err := b.Recv(buf, 0, CompleteWith(h))
					if isCompletion(err) {
						msg, err := mb.Receive(t.Context())
						require.NoError(t, err)
						require.Equal(t, CompletionMsg{h}, msg)
						_, err = msg.(CompletionMsg).Result()
						require.NoError(t, err)
						break
					}
					require.NoError(t, err)
				case 2:
					_, err := b.Recv(buf, 0, With(h))
					for isPending(err) {
						msg, err2 := mb.Receive(t.Context())
						require.NoError(t, err2)
						require.Equal(t, SelectMsg{h}, msg)
						_, err = b.Recv(buf, 0, With(h))
					}
					require.NoError(t, err)
				}
				got(buf)
			}
		})
	}
	for i := range workers * rounds {
		_, err := a.Send([]byte{byte(i)}, 0, Within(patience))
		require.NoError(t, err)
	}
	wg.Wait()
	total := 0
	for _, n := range seen {
		total += n
	}
	assert.Equal(t, workers*rounds, total)
	assert.Len(t, seen, 256)
	assert.Zero(t, b.Info().NumReaders)
}

// Everything is sent, in order, whatever the peer's pace, from a buffer that is the caller's again with the message.
func TestRaceCompletionOfLongSends(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	const rounds, size = 30, 1 << 19
	done := make(chan error, 1)
	go func() {
		buf, want := make([]byte, 10000), 0
		for want < rounds*size {
			n, err := b.Recv(buf, 0, Within(patience))
			if err != nil {
				done <- err
				return
			}
			for _, x := range buf[:n] {
				if x != byte(want/size+want%251) {
					done <- errors.New("another byte")
					return
				}
				want++
			}
		}
		done <- nil
	}()
	h := mb.NewHandle()
	buf := make([]byte, size)
	for r := range rounds {
		for i := range buf {
			buf[i] = byte(r + (r*size+i)%251)
		}
		n, err := 0, error(nil)
		if r%2 == 0 {
			n, err = a.Send(buf, 0, CompleteWith(h))
		} else {
			n, err = a.SendV([][]byte{buf[:10], buf[10:7000], nil, buf[7000:]}, CompleteWith(h))
		}
		if isCompletion(err) {
			require.Zero(t, n)
			msg, err2 := mb.Receive(t.Context())
			require.NoError(t, err2)
			n, err = msg.(CompletionMsg).Result()
		}
		require.NoError(t, err)
		require.Equal(t, size, n)
	}
	require.NoError(t, <-done)
}
