package esock

import (
	"context"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func nothing(Message) bool { return false }

// makers are handles of mb whose functions give one message, numbered, or more.
func makers(mb *Mailbox, from, to note) map[string]*Handle {
	free, locked := counting{next: from, last: to}, counting{next: from, last: to}
	return map[string]*Handle{
		"free":   mb.newHandleFunc(nil, free.receive),
		"locked": mb.newHandleFunc(new(sync.Mutex), locked.receive),
	}
}

// A message that a function made, and a match looks at, is in the mailbox: whatever happens to the messages there happens to
// it, in its place, and the receiver gets it only if it is still there.
func TestWhatAMatchLooksAtIsInTheMailbox(t *testing.T) {
	for name, c := range map[string]struct {
		act                         func(t *testing.T, mb, to, third *Mailbox)
		here, there, further, taken []Message
	}{
		"nothing": {func(*testing.T, *Mailbox, *Mailbox, *Mailbox) {},
			[]Message{note(1), note(2), note(3)}, nil, nil, nil},
		"it moves with those around it": {func(t *testing.T, mb, to, _ *Mailbox) {
			n, err := mb.move(to, anything)
			require.NoError(t, err)
			require.Equal(t, 3, n)
		}, nil, []Message{note(1), note(2), note(3)}, nil, nil},
		"it alone moves": {func(t *testing.T, mb, to, _ *Mailbox) {
			n, err := mb.move(to, is(2))
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}, []Message{note(1), note(3)}, []Message{note(2)}, nil, nil},
		"the others move": {func(t *testing.T, mb, to, _ *Mailbox) {
			n, err := mb.move(to, func(m Message) bool { return m != note(2) })
			require.NoError(t, err)
			require.Equal(t, 2, n)
		}, []Message{note(2)}, []Message{note(1), note(3)}, nil, nil},
		"it moves twice": {func(t *testing.T, mb, to, third *Mailbox) {
			mb.move(to, anything)
			n, err := to.move(third, anything)
			require.NoError(t, err)
			require.Equal(t, 3, n)
		}, nil, nil, []Message{note(1), note(2), note(3)}, nil},
		"it moves and comes back": {func(t *testing.T, mb, to, _ *Mailbox) {
			mb.move(to, is(2))
			n, err := to.move(mb, anything)
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}, []Message{note(1), note(3), note(2)}, nil, nil, nil},
		"another receives it": {func(t *testing.T, mb, _, _ *Mailbox) {
			msg, ok := mb.PollMatch(is(2))
			require.True(t, ok)
			require.Equal(t, note(2), msg)
		}, []Message{note(1), note(3)}, nil, nil, nil},
		"the mailbox closes": {func(t *testing.T, mb, _, _ *Mailbox) { require.NoError(t, mb.Close()) },
			nil, nil, nil, nil},
		"it moves, and the mailbox closes": {func(t *testing.T, mb, to, _ *Mailbox) {
			mb.move(to, anything)
			require.NoError(t, mb.Close())
		}, nil, []Message{note(1), note(2), note(3)}, nil, nil},
		"it cannot move to a closed one": {func(t *testing.T, mb, to, _ *Mailbox) {
			require.NoError(t, to.Close())
			_, err := mb.move(to, anything)
			require.ErrorIs(t, err, net.ErrClosed)
		}, []Message{note(1), note(2), note(3)}, nil, nil, nil},
	} {
		for end, match := range map[string]func() bool{
			"refused":  func() bool { return false },
			"accepted": func() bool { return true },
			"panics":   func() bool { panic("no") },
			"goexit":   func() bool { runtime.Goexit(); return true },
		} {
			for _, kind := range []string{"free", "locked"} {
				t.Run(name+", "+end+", "+kind, func(t *testing.T) {
					mb, to, third := NewMailbox(), NewMailbox(), NewMailbox()
					require.NoError(t, mb.Post(note(1)))
					require.NoError(t, makers(mb, 2, 2)[kind].notify())
					require.NoError(t, mb.Post(note(3)))
					var msg Message
					var ok bool
					done := make(chan struct{})
					go func() {
						defer close(done)
						defer func() { recover() }()
						acted := false
						msg, ok = mb.PollMatch(func(m Message) bool {
							if acted || m != note(2) {
								return false
							}
							acted = true
							c.act(t, mb, to, third)
							return match()
						})
					}()
					<-done
					want := c.here
					stays := name == "nothing" || name == "it cannot move to a closed one" || name == "the others move"
					if end == "accepted" && stays {
						assert.True(t, ok)
						assert.Equal(t, note(2), msg)
						want = nil
						for _, m := range c.here {
							if m != note(2) {
								want = append(want, m)
							}
						}
					} else {
						assert.False(t, ok, "it was not there any more")
					}
					assert.Equal(t, want, all(mb))
					assert.Equal(t, c.there, all(to))
					assert.Equal(t, c.further, all(third))
					assert.Zero(t, mb.Len())
				})
			}
		}
	}
}

// A receiver of the mailbox that a message moves to is woken, also when a match of the old one looks at it, and so is
// one that waits there for what the match did not want.
func TestReceiversHearOfWhatAMatchLooksAt(t *testing.T) {
	for _, kind := range []string{"free", "locked"} {
		mb, to := NewMailbox(), NewMailbox()
		g1, got1 := receiveBehind(t, to.Receive)
		g2, got2 := receiveBehind(t, func(ctx context.Context) (Message, error) { return to.ReceiveMatch(ctx, is(2)) })
		g3, got3 := receiveBehind(t, mb.Receive)
		g4, got4 := receiveBehind(t, func(ctx context.Context) (Message, error) { return mb.ReceiveMatch(ctx, is(4)) })
		require.NoError(t, makers(mb, 1, 4)[kind].notify())
		made := 0
		for range 4 {
			mb.PollMatch(func(m Message) bool {
				if m == note(made+1) {
					made++
				}
				if m.(note) <= 2 {
					mb.move(to, is(m.(note)))
				}
				return false
			})
		}
		require.Equal(t, 4, made)
		close(g2.open)
		assert.Equal(t, received{note(2), nil}, <-got2, kind)
		close(g1.open)
		assert.Equal(t, received{note(1), nil}, <-got1, kind)
		close(g4.open)
		assert.Equal(t, received{note(4), nil}, <-got4, kind)
		close(g3.open)
		assert.Equal(t, received{note(3), nil}, <-got3, kind)
	}
}

// The handle is in use again as soon as its function has returned: it may be retracted, and others meet it, while a match
// looks at what it made.
func TestHandleIsBackWhileAMatchLooks(t *testing.T) {
	for _, kind := range []string{"free", "locked"} {
		mb := NewMailbox()
		h := makers(mb, 1, 3)[kind]
		h.notify()
		looks := 0
		_, ok := mb.PollMatch(func(m Message) bool {
			looks++
			assert.Equal(t, note(1), m)
			assert.True(t, h.unseen())
			msg, ok := mb.PollMatch(is(2))
			assert.True(t, ok)
			assert.Equal(t, note(2), msg)
			assert.True(t, h.retract())
			assert.False(t, h.retract())
			require.NoError(t, h.post(note(20)), "where the handle was last")
			return false
		})
		assert.False(t, ok, kind)
		assert.Equal(t, 1, looks, kind)
		assert.Equal(t, []Message{note(1), note(20)}, all(mb), kind)
	}
}

// A call may be cancelled while a match looks at what its function made: no message about it follows.
func TestCancelWhileAMatchLooks(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	buf := make([]byte, 1)
	var h *Handle
	h = mb.newHandleFunc(new(sync.Mutex), func(Message) (Message, bool) {
		_, err := a.Recv(buf, 0, With(h))
		assert.NoError(t, err)
		_, err = a.Recv(buf, 0, With(h))
		assert.IsType(t, (*Select)(nil), err)
		return note(buf[0]), true // the call's own message comes instead
	})
	waitsFor(t, a, With(h))
	_, err := b.Send([]byte{1}, 0, Forever)
	require.NoError(t, err)
	eventually(t, func() bool { return mb.Len() == 1 }, "the message")
	_, ok := mb.PollMatch(func(m Message) bool {
		assert.Equal(t, note(1), m)
		_, err := b.Send([]byte{2}, 0, Forever)
		require.NoError(t, err)
		eventually(t, h.unseen, "the next one")
		require.NoError(t, a.Cancel((*Select)(h)))
		return false
	})
	assert.False(t, ok)
	assert.Equal(t, []Message{note(1)}, all(mb))
	assert.False(t, h.Busy())
}

// atLock is how many goroutines have met a handle and wait for its lock.
func atLock() (n int) {
	buf := make([]byte, 1<<20)
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, ").receiveThrough(") && strings.Contains(g, "sync.(*Mutex).Lock") {
			n++
		}
	}
	return n
}

func waitsForLock() bool { return atLock() > 0 }

// A receiver that waits for a handle's lock has taken nothing: the lock's holder still finds the message, and may take it
// back, and post what it would have made.
func TestWhoeverHoldsTheLockFindsTheHandle(t *testing.T) {
	for name, receive := range map[string]func(*Mailbox) (Message, bool){
		"Poll":      (*Mailbox).Poll,
		"PollMatch": func(mb *Mailbox) (Message, bool) { return mb.PollMatch(anything) },
	} {
		for what, c := range map[string]struct {
			act  func(t *testing.T, mb *Mailbox, h *Handle)
			want Message
		}{
			"nothing": {func(t *testing.T, mb *Mailbox, h *Handle) { assert.True(t, h.unseen()) }, note(1)},
			"retracts": {func(t *testing.T, mb *Mailbox, h *Handle) {
				assert.True(t, h.retract())
			}, note(5)},
			"retracts and posts": {func(t *testing.T, mb *Mailbox, h *Handle) {
				assert.True(t, h.retract())
				require.NoError(t, h.post(note(4)))
			}, note(4)},
			"retracts and notifies": {func(t *testing.T, mb *Mailbox, h *Handle) {
				assert.True(t, h.retract())
				require.NoError(t, h.notify())
			}, note(5)},
			"aborts": {func(t *testing.T, mb *Mailbox, h *Handle) { mb.aborted(h, net.ErrClosed) }, note(1)},
			"closes": {func(t *testing.T, mb *Mailbox, h *Handle) { mb.Close() }, nil},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				mb := NewMailbox()
				var mu sync.Mutex
				c1 := counting{next: 1, last: 1}
				h := mb.newHandleFunc(&mu, func(m Message) (Message, bool) {
					assert.False(t, mu.TryLock(), "it is locked")
					return c1.receive(m)
				})
				h.notify()
				require.NoError(t, mb.Post(note(5)))
				mu.Lock()
				got := make(chan Message, 1)
				go func() {
					msg, _ := receive(mb)
					got <- msg
				}()
				eventually(t, waitsForLock, "the receiver at the lock")
				c.act(t, mb, h)
				mu.Unlock()
				assert.Equal(t, c.want, within(t, got, "the message"))
				assert.True(t, mu.TryLock(), "nothing stays locked")
			})
		}
	}
}

// Two receivers meet one handle: its lock lets one after the other in, and the second gets what comes next.
func TestTwoReceiversAtOneLock(t *testing.T) {
	mb := NewMailbox()
	var mu sync.Mutex
	c := counting{next: 1, last: 2}
	h := mb.newHandleFunc(&mu, c.receive)
	h.notify()
	mu.Lock()
	got := make(chan Message, 2)
	for range 2 {
		go func() {
			msg, _ := mb.Receive(context.Background())
			got <- msg
		}()
	}
	eventually(t, waitsForLock, "a receiver at the lock")
	mu.Unlock()
	assert.ElementsMatch(t, []Message{note(1), note(2)}, []Message{within(t, got, "one"), within(t, got, "the other")})
	assert.Zero(t, mb.Len())
}

// A function that unlocks for a while is away meanwhile: other receivers pass it by, and hear when it is back.
func TestFunctionThatUnlocksForAWhile(t *testing.T) {
	mb := NewMailbox()
	var mu sync.Mutex
	inside, goOn := make(chan bool), make(chan bool)
	n := note(0)
	h := mb.newHandleFunc(&mu, func(Message) (Message, bool) {
		if n++; n > 1 {
			return n, false
		}
		mu.Unlock()
		inside <- true
		<-goOn
		mu.Lock()
		return n, true
	})
	h.notify()
	first := make(chan Message, 1)
	go func() { msg, _ := mb.Poll(); first <- msg }()
	<-inside
	assert.False(t, h.unseen())
	assert.False(t, h.retract())
	h.notify() // something is said about it
	_, ok := mb.Poll()
	assert.False(t, ok)
	require.NoError(t, mb.Post(note(9)))
	msg, ok := mb.Poll()
	assert.True(t, ok)
	assert.Equal(t, note(9), msg)
	<-mb.Wake()
	g, second := receiveBehind(t, mb.Receive)
	goOn <- true
	assert.Equal(t, note(1), within(t, first, "the first"))
	close(g.open)
	assert.Equal(t, received{note(2), nil}, within(t, second, "the second"))
}

// A receiver that waited for the lock, and gets it while the function has unlocked, does not meet the handle, whatever is
// said about it by then.
func TestReceiverAtTheLockWhileTheFunctionUnlocks(t *testing.T) {
	mb := NewMailbox()
	var mu sync.Mutex
	passed := make(chan bool)
	n := note(0)
	var h *Handle
	h = mb.newHandleFunc(&mu, func(Message) (Message, bool) {
		if n++; n == 1 {
			h.notify()
			mu.Unlock()
			assert.False(t, within(t, passed, "the other"))
			mu.Lock()
		}
		return n, false
	})
	h.notify()
	mu.Lock()
	got := make(chan Message, 1)
	for range 2 {
		go func() {
			if msg, ok := mb.Poll(); ok {
				got <- msg
			} else {
				passed <- false
			}
		}()
	}
	eventually(t, func() bool { return atLock() == 2 }, "two receivers at the lock")
	mu.Unlock()
	assert.Equal(t, note(1), within(t, got, "the first"))
	assert.Equal(t, []Message{note(2)}, all(mb))
}

// A function that panics, or ends its goroutine, loses nothing and leaves nothing locked: the message that it was called with
// goes behind the others, and the next to meet it calls the function again.
func TestFunctionThatPanicsIsCalledAgain(t *testing.T) {
	for name, abrupt := range map[string]func(){"panic": func() { panic("no") }, "Goexit": runtime.Goexit} {
		for _, locked := range []bool{false, true} {
			for _, aborts := range []bool{false, true} {
				for _, match := range []func(Message) bool{nil, anything, nothing} {
					mb := NewMailbox()
					var mu *sync.Mutex
					if locked {
						mu = new(sync.Mutex)
					}
					var got []Message
					h := mb.newHandleFunc(mu, func(m Message) (Message, bool) {
						if got = append(got, m); len(got) == 1 {
							abrupt()
						}
						return note(len(got)), false
					})
					want := Message(SelectMsg{h})
					if aborts {
						want = AbortMsg{h, net.ErrClosed}
						mb.aborted(h, net.ErrClosed)
					} else {
						h.notify()
					}
					require.NoError(t, mb.Post(note(9)))
					done, panicked := make(chan bool), true
					go func() {
						defer close(done)
						defer func() { recover() }()
						mb.PollMatch(match)
						panicked = false
					}()
					<-done
					require.True(t, panicked, "it reaches the caller")
					assert.Equal(t, 2, mb.Len())
					assert.True(t, h.unseen())
					assert.Equal(t, []Message{note(9), note(2)}, all(mb), name)
					require.Len(t, got, 2)
					sameMessage(t, want, got[0])
					sameMessage(t, want, got[1])
					if locked {
						assert.True(t, mu.TryLock())
					}
				}
			}
		}
	}
}

// A function may panic after it made a call, or closed the mailbox: the handle is in one list at a time, or in none.
func TestFunctionThatPanicsAfterMore(t *testing.T) {
	a, b := pair(t, Stream)
	mb := NewMailbox()
	calls := 0
	var h *Handle
	h = mb.newHandleFunc(nil, func(m Message) (Message, bool) {
		switch calls++; calls {
		case 1:
			waitsFor(t, a, With(h))
			panic("no")
		case 3:
			mb.Close()
			panic("no")
		}
		return note(calls), true
	})
	h.notify()
	assert.Panics(t, func() { mb.Poll() })
	assert.True(t, h.Busy())
	assert.Zero(t, mb.Len(), "the call's message comes")
	_, err := b.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, note(2), receive(t, mb))
	assert.Panics(t, func() { mb.Poll() })
	assert.Zero(t, mb.Len())
	assert.False(t, h.unseen())
	assert.Error(t, h.notify())
}

// However many messages are put into one place, each has its own: a receiver that loses the one it looks at goes on with the
// next.
func TestPlacesHaveNoEnd(t *testing.T) {
	const many, gone, wanted = 66000, 65600, 65900
	for name, lose := range map[string]func(mb *Mailbox){
		"moved": func(mb *Mailbox) { mb.move(NewMailbox(), is(gone)) },
		"taken": func(mb *Mailbox) { mb.PollMatch(is(gone)) },
	} {
		mb := NewMailbox()
		h := mb.NewHandle()
		require.NoError(t, h.notify())
		mb.Poll()
		require.NoError(t, mb.Post(note(many)))
		for i := range note(many) {
			require.NoError(t, h.post(i))
		}
		lost := false
		msg, ok := mb.PollMatch(func(m Message) bool {
			if m == note(gone) && !lost {
				lost = true
				lose(mb)
				return false
			}
			return m == note(wanted)
		})
		assert.True(t, lost)
		assert.True(t, ok, name)
		assert.Equal(t, note(wanted), msg, name)
		last := note(-1)
		for msg, ok := mb.Poll(); ok; msg, ok = mb.Poll() {
			require.Greater(t, msg.(note), last)
			last = msg.(note)
		}
		assert.Equal(t, note(many), last)
	}
}

// Messages move to and fro while functions make more, and receivers that choose refuse them: each is received once, and
// those of one handle in their order, wherever it is.
func TestMovingUnderReceiversKeepsTheOrder(t *testing.T) {
	const per = 300
	a, b := NewMailbox(), NewMailbox()
	var mu sync.Mutex // of the layer: its messages are made and moved under it
	owner, n := a, note(0)
	var h *Handle
	var f func(Message) (Message, bool)
	f = func(Message) (Message, bool) {
		if h.Mailbox() != owner || n == per {
			return nil, false
		}
		n++
		return n, n < per
	}
	h = a.newHandleFunc(&mu, f)
	h.notify()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, mb := range []*Mailbox{a, b} {
		for range 2 {
			wg.Go(func() { mb.ReceiveMatch(ctx, nothing) })
		}
	}
	var got []Message
	for last := note(0); last < per; {
		mu.Lock()
		now := owner
		mu.Unlock()
		if msg, ok := now.Poll(); ok { // there is no other receiver
			require.Equal(t, last+1, msg)
			last++
			got = append(got, msg)
			continue
		}
		to := a
		if now == a {
			to = b
		}
		mu.Lock()
		h.retract()
		now.move(to, anything)
		owner = to
		h = to.newHandleFunc(&mu, f)
		h.notify()
		mu.Unlock()
	}
	cancel()
	wg.Wait()
	assert.Len(t, got, per)
	assert.Empty(t, all(a))
	assert.Empty(t, all(b))
}
