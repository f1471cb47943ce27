package esocktest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/esocktest"
	"github.com/esock-go/esock/netconn"
)

// inPair runs f in a bubble with a network, and a pair of sockets in it.
func inPair(t *testing.T, f func(t *testing.T, n *esocktest.Net, a, b *esock.Socket)) {
	synctest.Test(t, func(t *testing.T) {
		n := esocktest.New(t, 1)
		a, b := n.Host("10.0.0.1").Pair()
		f(t, n, a, b)
		a.Close()
		b.Close()
	})
}

func TestTimePassesWhileACallWaits(t *testing.T) {
	inPair(t, func(t *testing.T, _ *esocktest.Net, a, b *esock.Socket) {
		go func() {
			time.Sleep(time.Hour)
			b.Send([]byte("hello"), 0, esock.Forever)
		}()
		start := time.Now()
		buf := make([]byte, 16)
		_, err := a.Recv(buf, 0, esock.Within(10*time.Minute))
		require.ErrorIs(t, err, esock.ErrTimeout)
		require.Equal(t, 10*time.Minute, time.Since(start))
		k, err := a.Recv(buf, 0, esock.Forever)
		require.NoError(t, err)
		require.Equal(t, "hello", string(buf[:k]))
		require.Equal(t, time.Hour, time.Since(start))
		require.EqualValues(t, 2, a.Counters().ReadWaits)
	})
}

func TestEachWaitEndsByTheClockOfTheBubble(t *testing.T) {
	inPair(t, func(t *testing.T, _ *esocktest.Net, a, b *esock.Socket) {
		const d = 7 * time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		buf := make([]byte, 1)
		for name, w := range map[string]func() esock.Wait{
			"within":  func() esock.Wait { return esock.Within(d) },
			"spin":    func() esock.Wait { return esock.Within(d).Spin(time.Second) },
			"until":   func() esock.Wait { return esock.Until(time.Now().Add(d)) },
			"begin":   func() esock.Wait { return esock.Within(d).Begin() },
			"context": func() esock.Wait { return esock.Context(ctx) },
			"deadline": func() esock.Wait {
				a.SetReadDeadline(time.Now().Add(d))
				return esock.Forever
			},
			"moved": func() esock.Wait {
				a.SetReadDeadline(time.Now().Add(2 * d))
				end := time.Now().Add(d)
				go func() {
					time.Sleep(time.Hour)
					a.SetReadDeadline(end)
				}()
				return esock.Forever
			},
		} {
			if name == "context" && ctx.Err() != nil {
				ctx, cancel = context.WithTimeout(t.Context(), d)
				defer cancel()
			}
			start, wait := time.Now(), w()
			_, err := a.Recv(buf, 0, wait)
			var e interface{ Timeout() bool }
			require.ErrorAs(t, err, &e, name)
			require.True(t, e.Timeout(), name)
			if name != "context" {
				require.Equal(t, d, time.Since(start), name)
			}
			a.SetReadDeadline(time.Time{})
		}
		w := esock.Within(d).Begin()
		require.NoError(t, w.Ended())
		time.Sleep(d)
		require.ErrorIs(t, w.Ended(), esock.ErrTimeout)
	})
}

func TestAQueuedCallWaitsByTheClockOfTheBubble(t *testing.T) {
	inPair(t, func(t *testing.T, _ *esocktest.Net, a, b *esock.Socket) {
		go a.Recv(make([]byte, 1), 0, esock.Forever)
		synctest.Wait()
		start := time.Now()
		_, err := a.Recv(make([]byte, 1), 0, esock.Within(time.Hour))
		require.ErrorIs(t, err, esock.ErrTimeout)
		require.Equal(t, time.Hour, time.Since(start))
	})
}

func TestCloseEndsAWait(t *testing.T) {
	inPair(t, func(t *testing.T, _ *esocktest.Net, a, b *esock.Socket) {
		ended := make(chan error)
		go func() {
			_, err := a.Recv(make([]byte, 1), 0, esock.Forever)
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, a.Close())
		require.ErrorIs(t, <-ended, net.ErrClosed)
		_, err := b.Recv(make([]byte, 1), 0, esock.Forever)
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestSelectAndCompletion(t *testing.T) {
	inPair(t, func(t *testing.T, _ *esocktest.Net, a, b *esock.Socket) {
		mb := esock.NewMailbox()
		defer mb.Close()
		buf := make([]byte, 8)
		start := time.Now()
		for _, w := range []esock.Wait{esock.NoWait(mb), esock.Complete(mb)} {
			go func() {
				time.Sleep(time.Hour)
				b.Send([]byte("x"), 0, esock.Forever)
			}()
			_, err := a.Recv(buf, 0, w)
			require.ErrorAs(t, err, new(esock.Pending))
			msg, err := mb.Receive(background)
			require.NoError(t, err)
			switch m := msg.(type) {
			case esock.CompletionMsg:
				n, err := m.Result()
				require.NoError(t, err)
				require.Equal(t, 1, n)
			case esock.SelectMsg:
				n, err := a.Recv(buf, 0, w)
				require.NoError(t, err)
				require.Equal(t, 1, n)
			default:
				require.Fail(t, "another message", "%v", msg)
			}
		}
		require.Equal(t, 2*time.Hour, time.Since(start))

		_, err := a.Recv(buf, 0, esock.NoWait(mb))
		var sel *esock.Select
		require.ErrorAs(t, err, &sel)
		require.NoError(t, a.Cancel(sel))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		b.Send([]byte("x"), 0, esock.Forever)
		_, err = mb.ReceiveMatch(ctx, func(esock.Message) bool { return true })
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// An arm that finds the socket ready makes an event with no call of another goroutine to follow. Whoever arms hands it out.
func TestAnArmThatFindsTheSocketReadyWakes(t *testing.T) {
	inPair(t, func(t *testing.T, n *esocktest.Net, a, b *esock.Socket) {
		b.Send([]byte("xyz"), 0, esock.Forever)
		buf := make([]byte, 1)
		for range 2 { // the try, and the one of the wait
			n.Fail(esocktest.Recv, a, 0, syscall.EAGAIN)
		}
		start := time.Now()
		_, err := a.Recv(buf, 0, esock.Within(time.Hour))
		require.NoError(t, err)
		require.Zero(t, time.Since(start), "and not by the last try, when the time is over")

		mb := esock.NewMailbox()
		defer mb.Close()
		require.NoError(t, a.SetSelectRead(true))
		_, err = a.Recv(buf, 0, esock.NoWait(mb))
		require.ErrorAs(t, err, new(*esock.Select))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err = mb.Receive(ctx)
		require.NoError(t, err)

		// The next in the queue is armed by who cancels the call before it.
		other := esock.NewMailbox()
		defer other.Close()
		_, err = a.Recv(buf, 0, esock.NoWait(other))
		require.ErrorAs(t, err, new(*esock.Select))
		require.NoError(t, mb.Close())
		_, err = other.Receive(ctx)
		require.NoError(t, err)
	})
}

func TestHostsTalkOverALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := esocktest.New(t, 5)
		server, client := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		n.Link(server, client, esocktest.Path{Delay: 20 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.1})
		for _, f := range []esocktest.Fault{esocktest.ShortRead, esocktest.ShortWrite, esocktest.Interrupted, esocktest.NotReady, esocktest.Spurious} {
			n.Chance(f, 0.1)
		}
		serve(t, server, echo)
		start := time.Now()
		question := strings.Repeat("0123456789", 1000)
		answer, err := ask(client, server, question, esock.Within(time.Hour))
		require.NoError(t, err)
		require.True(t, question == answer)
		require.GreaterOrEqual(t, time.Since(start), 80*time.Millisecond)

		time.Sleep(time.Hour) // of the bubble: the end of the connection arrives, however often it is lost
		n.Link(server, client, esocktest.Path{Cut: true})
		start = time.Now()
		_, err = ask(client, server, "x", esock.Forever)
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		require.Greater(t, time.Since(start), 2*time.Minute)
	})
}

// The same seed gives the same history, however the goroutines are scheduled.
func TestASeedHasOneHistory(t *testing.T) {
	for _, procs := range []int{1, 2} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		histories := map[string]bool{}
		for range 100 {
			histories[history(t, 3)] = true
		}
		assert.Len(t, histories, 1, "%d processors", procs)
	}
	assert.NotEqual(t, history(t, 3), history(t, 4), "the seed decides")
}

// history is what happens to four clients, and when.
func history(t *testing.T, seed uint64) string {
	var all []string
	synctest.Test(t, func(t *testing.T) {
		n := esocktest.New(t, seed)
		server := n.Host("10.0.0.1")
		n.Link(nil, nil, esocktest.Path{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.3})
		serve(t, server, echo)
		start := time.Now()
		var mu sync.Mutex
		var clients sync.WaitGroup
		var hosts []*esocktest.Host // in order, because a host is known by how many there were before
		for i := range 4 {
			hosts = append(hosts, n.Host(fmt.Sprintf("10.0.1.%d", i+1)))
		}
		for i := range hosts {
			clients.Go(func() {
				for j := range 3 {
					answer, err := ask(hosts[i], server, "question", esock.Within(time.Minute))
					mu.Lock()
					all = append(all, fmt.Sprintf("%d.%d after %v: %q %v", i, j, time.Since(start), answer, err != nil))
					mu.Unlock()
				}
			})
		}
		clients.Wait()
	})
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// What is in a pool of the package goes in and out of bubbles; what a bubble owns does not.
func TestSocketsOfTheMachineWorkAfterwards(t *testing.T) {
	wait := func(a, b *esock.Socket) {
		first := make(chan error)
		go func() {
			_, err := a.Recv(make([]byte, 1), 0, esock.Within(time.Minute))
			first <- err
		}()
		_, err := a.Recv(make([]byte, 1), 0, esock.Within(time.Millisecond)) // both in turn, or one after its time
		if err != nil {
			require.ErrorIs(t, err, esock.ErrTimeout)
			b.Send([]byte("x"), 0, esock.Forever)
		} else {
			require.Fail(t, "nothing was sent")
		}
		require.NoError(t, <-first)
	}
	for range 5 {
		inPair(t, func(t *testing.T, _ *esocktest.Net, a, b *esock.Socket) { wait(a, b) })
		fd, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		a, err := esock.Adopt(fd[0], esock.TakeFD())
		require.NoError(t, err)
		b, err := esock.Adopt(fd[1], esock.TakeFD())
		require.NoError(t, err)
		wait(a, b)
		a.Close()
		b.Close()
	}
}

func TestAMailboxOfASimulationIsNotForTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		esocktest.New(t, 1)
		mb := esock.NewMailbox()
		defer mb.Close()
		s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
		require.NoError(t, err)
		defer s.Close()
		_, err = s.Recv(make([]byte, 1), 0, esock.NoWait(mb))
		require.ErrorIs(t, err, &esock.InvalidError{What: "mailbox"})
	})
}

func TestOutsideOfABubbleTheClockIsTheMachines(t *testing.T) {
	n := esocktest.New(t, 1)
	server, client := n.Host("10.0.0.1"), n.Host("10.0.0.2")
	n.Link(server, client, esocktest.Path{Delay: time.Millisecond})
	serve(t, server, echo)
	for range 10 {
		start := time.Now()
		answer, err := ask(client, server, "hello", esock.Within(time.Minute))
		require.NoError(t, err)
		require.Equal(t, "hello", answer)
		require.GreaterOrEqual(t, time.Since(start), 4*time.Millisecond)
	}
}

func TestLeftSocketsFailTheTest(t *testing.T) {
	r := &recorder{TB: t}
	n := esocktest.New(r, 1)
	h := n.Host("10.0.0.1")
	l := listen(t, h)
	kernel := h.Kernel()
	waits := make(chan error)
	go func() {
		_, err := l.Accept(esock.Forever)
		waits <- err
	}()
	r.cleanup()
	require.ErrorIs(t, <-waits, net.ErrClosed)
	require.Len(t, r.errors, 1)
	require.Contains(t, r.errors[0], "not closed 1 sockets")
	require.Contains(t, r.errors[0], l.String()+": inet stream at 10.0.0.1:7")
	_, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, kernel)
	require.ErrorIs(t, err, &esock.InvalidError{What: "options"})
}

func TestOpensThatCannotBe(t *testing.T) {
	h := esocktest.New(t, 1).Host("10.0.0.1")
	_, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, h.Kernel(), esock.NetNS("/proc/self/ns/net"))
	require.ErrorIs(t, err, &esock.InvalidError{What: "options"})
	_, err = esock.Adopt(0, h.Kernel())
	require.ErrorIs(t, err, syscall.EBADF)
	_, err = esock.Open(esock.Netlink, esock.Raw, 0, h.Kernel())
	require.ErrorIs(t, err, syscall.EAFNOSUPPORT)
}

func TestConnectionsOfPackageNet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := esocktest.New(t, 2)
		server, client := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		n.Link(server, client, esocktest.Path{Delay: time.Second})
		l, err := netconn.ListenConfig{OpenOptions: []esock.OpenOption{server.Kernel()}}.Listen(t.Context(), "tcp", "10.0.0.1:80")
		require.NoError(t, err)
		defer l.Close()
		var copying sync.WaitGroup
		copying.Go(func() {
			c, err := l.Accept()
			if err == nil {
				io.Copy(c, c)
				c.Close()
			}
		})
		defer copying.Wait()
		start := time.Now()
		c, err := netconn.Dialer{OpenOptions: []esock.OpenOption{client.Kernel()}}.Dial("tcp", "10.0.0.1:80")
		require.NoError(t, err)
		defer c.Close() // before the wait
		message := bytes.Repeat([]byte("x"), 1000)
		_, err = c.Write(message)
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, len(message)))
		require.NoError(t, err)
		require.Equal(t, 4*time.Second, time.Since(start))
		c.SetReadDeadline(time.Now().Add(time.Hour))
		_, err = c.Read(make([]byte, 1))
		var timeout net.Error
		require.True(t, errors.As(err, &timeout) && timeout.Timeout(), "%v", err)
		require.Equal(t, time.Hour+4*time.Second, time.Since(start))
	})
}
