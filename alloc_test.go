package esock

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// In the steady state no operation allocates, whether it finds everything there, parks, or is asynchronous.

// allocRuns is how often each operation is done.
const allocRuns = 200

// noAllocations does op again and again, which must not allocate: in this goroutine, or in those that serve it.
func noAllocations(t *testing.T, op func() error) {
	t.Helper()
	allocations(t, 0, op)
}

func allocations(t *testing.T, most float64, op func() error) {
	t.Helper()
	if instrumented {
		t.Skip("detectors and sanitizers allocate")
	}
	for range 20 { // buffers, pools, the blocking side, the poller
		require.NoError(t, op())
	}
	goroutines := runtime.NumGoroutine()
	var failed error
	n := testing.AllocsPerRun(allocRuns, func() {
		if err := op(); err != nil {
			failed = err
		}
	})
	require.NoError(t, failed)
	assert.LessOrEqual(t, n, most, "allocations")
	// The collector's goroutine counts while it closes what an earlier test has forgotten.
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines }, "no more goroutines than before")
}

// A socket is one allocation, and the counters that are left of it when it is closed another.
func TestAllocOpenAndClose(t *testing.T) {
	for name, open := range map[string]func() (*Socket, error){
		"tcp":   func() (*Socket, error) { return Open(Inet, Stream, TCP) },
		"udp":   func() (*Socket, error) { return Open(Inet, Dgram, Default) },
		"local": func() (*Socket, error) { return Open(Local, SeqPacket, Default) },
	} {
		t.Run(name, func(t *testing.T) {
			allocations(t, 2, func() error {
				s, err := open()
				if err != nil {
					return err
				}
				return s.Close()
			})
		})
	}
}

func TestAllocReady(t *testing.T) {
	buf := make([]byte, 64)
	for _, typ := range []Type{Stream, SeqPacket, Dgram} {
		t.Run("send and recv, "+typ.String(), func(t *testing.T) {
			a, b := pair(t, typ)
			noAllocations(t, func() error {
				_, err := a.Send(buf, 0, Forever)
				_, err2 := b.Recv(buf, 0, Forever)
				return errors.Join(err, err2)
			})
		})
	}
	t.Run("sendto and recvfrom", func(t *testing.T) {
		a, _ := boundUDP(t)
		b, at := boundUDP(t)
		noAllocations(t, func() error {
			_, err := a.SendTo(buf, at, 0, Forever)
			_, _, err2 := b.RecvFrom(buf, 0, Forever)
			return errors.Join(err, err2)
		})
	})
	t.Run("sendmsg and recvmsg", func(t *testing.T) {
		a, _ := boundUDP(t)
		b, at := boundUDP(t)
		require.NoError(t, b.SetOptionNative(syscall.IPPROTO_IP, syscall.IP_RECVTTL, true))
		require.NoError(t, b.SetOptionNative(syscall.IPPROTO_IP, syscall.IP_PKTINFO, true))
		out, in := &Msg{Addr: at, Iov: [][]byte{buf, buf}}, new(Msg)
		require.NoError(t, out.SetControl(TTL(33)))
		noAllocations(t, func() error {
			_, err := a.SendMsg(out, 0, Forever)
			err2 := b.RecvMsg(in, 0, Forever)
			ttl := 0
			var to netip.Addr
			for c := range in.Control() {
				if v, ok := c.TTL(); ok {
					ttl = v
				} else if v, ok := c.PktInfo4(); ok {
					to = v.Addr
				}
			}
			if ttl != 33 || to != at.IP() {
				return errors.New("the control messages are not there")
			}
			return errors.Join(err, err2)
		})
	})
	t.Run("sendv", func(t *testing.T) {
		a, b := pair(t, Stream)
		small := [][]byte{buf, buf, buf}
		in := make([]byte, 3*len(buf))
		noAllocations(t, func() error {
			_, err := a.SendV(small, Forever)
			_, err2 := b.RecvFull(in, 0, Forever)
			return errors.Join(err, err2)
		})
	})
	t.Run("a poll that finds nothing", func(t *testing.T) {
		a, _ := pair(t, Stream)
		noAllocations(t, func() error {
			if _, err := a.Recv(buf, 0, Within(0)); err != ErrTimeout {
				return err
			}
			return nil
		})
	})
}

// TestAllocParked has every receive wait: what it waits for is sent by a goroutine that has to be woken first.
func TestAllocParked(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	buf, echoed := make([]byte, 64), make([]byte, 64)
	in := &Msg{Buf: make([]byte, 64)}
	waits := []struct {
		name string
		w    Wait
	}{
		{"forever", Forever}, {"time", Within(time.Hour)}, {"deadline", Until(time.Now().Add(time.Hour))},
		{"context", Context(ctx)},
	}
	for _, wait := range waits {
		w := wait.w
		receives := map[string]func(*Socket) error{
			"recv":     func(s *Socket) error { _, err := s.Recv(buf, 0, w); return err },
			"recvfrom": func(s *Socket) error { _, _, err := s.RecvFrom(buf, 0, w); return err },
			"recvmsg":  func(s *Socket) error { return s.RecvMsg(in, 0, w) },
		}
		for name, receive := range receives {
			t.Run(name+", "+wait.name, func(t *testing.T) {
				a, b := pair(t, SeqPacket)
				go func() {
					for {
						if _, err := b.Recv(echoed, 0, Forever); err != nil {
							return
						}
						b.Send(echoed, 0, Forever)
					}
				}()
				noAllocations(t, func() error {
					_, err := a.Send(buf, 0, w)
					return errors.Join(err, receive(a))
				})
				require.NotNil(t, a.blk.Load(), "it parked")
			})
		}
	}

	// A send that is larger than what the kernel holds waits for the receiver.
	large := make([]byte, 1<<19)
	out := &Msg{Iov: [][]byte{large[:len(large)/2], large[len(large)/2:]}}
	sends := map[string]func(s *Socket, w Wait) error{
		"send":    func(s *Socket, w Wait) error { _, err := s.Send(large, 0, w); return err },
		"sendmsg": func(s *Socket, w Wait) error { _, err := s.SendMsg(out, 0, w); return err },
		"sendv":   func(s *Socket, w Wait) error { _, err := s.SendV(out.Iov, w); return err },
	}
	for _, wait := range waits {
		for name, send := range sends {
			t.Run(name+", "+wait.name, func(t *testing.T) {
				a, b := pair(t, Stream)
				require.NoError(t, a.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_SNDBUF, 1<<15))
				go drainFor(b)
				noAllocations(t, func() error { return send(a, wait.w) })
				require.NotNil(t, a.blk.Load(), "it parked")
			})
		}
	}
}

// drainFor receives until the end.
func drainFor(s *Socket) {
	buf := make([]byte, 1<<15)
	for {
		if _, err := s.Recv(buf, 0, Forever); err != nil {
			return
		}
	}
}

// TestAllocAsync arms, waits for the message, and repeats a call that is not carried out. A handle of the caller's costs
// nothing; without one there is a *Select or a *Completion each time.
func TestAllocAsync(t *testing.T) {
	buf, data := make([]byte, 64), make([]byte, 64)
	in := &Msg{Buf: buf}
	receives := map[string]func(*Socket, Wait) error{
		"recv":     func(s *Socket, w Wait) error { _, err := s.Recv(buf, 0, w); return err },
		"recvfrom": func(s *Socket, w Wait) error { _, _, err := s.RecvFrom(buf, 0, w); return err },
		"recvmsg":  func(s *Socket, w Wait) error { return s.RecvMsg(in, 0, w) },
	}
	mb := NewMailbox()
	defer mb.Close()
	for name, receive := range receives {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				w    Wait
				most float64
			}{{With(mb.NewHandle()), 0}, {NoWait(mb), 1}, {CompleteWith(mb.NewHandle()), 0}, {Complete(mb), 1}} {
				w, most := c.w, c.most
				a, b := pair(t, SeqPacket)
				allocations(t, most, func() error {
					if err := wantPending(receive(a, w)); err != nil {
						return err
					}
					if _, err := b.Send(data, 0, Forever); err != nil {
						return err
					}
					if err := wantMessage(mb, w); err != nil || w.kind == waitComplete {
						return err
					}
					return receive(a, w)
				})
			}
		})
	}

	out := &Msg{Iov: [][]byte{data, data}}
	sends := map[string]func(*Socket, Wait) (int, error){
		"send":    func(s *Socket, w Wait) (int, error) { return s.Send(data, 0, w) },
		"sendmsg": func(s *Socket, w Wait) (int, error) { return s.SendMsg(out, 0, w) },
	}
	for name, send := range sends {
		t.Run(name, func(t *testing.T) {
			for _, w := range []Wait{With(mb.NewHandle()), CompleteWith(mb.NewHandle())} {
				a, b := pair(t, SeqPacket)
				noAllocations(t, func() error {
					sent, err := 0, error(nil)
					for ; err == nil; sent++ {
						_, err = send(a, w)
					}
					if err := wantPending(err); err != nil {
						return err
					}
					for range sent - 1 {
						if _, err := b.Recv(buf, 0, Forever); err != nil {
							return err
						}
					}
					if err := wantMessage(mb, w); err != nil || w.kind != waitComplete {
						return err
					}
					_, err = b.Recv(buf, 0, Forever) // what the message is about
					return err
				})
			}
		})
	}

	t.Run("arm and cancel", func(t *testing.T) {
		for _, w := range []Wait{With(mb.NewHandle()), CompleteWith(mb.NewHandle())} {
			a, _ := pair(t, SeqPacket)
			noAllocations(t, func() error {
				_, err := a.Recv(buf, 0, w)
				call, ok := err.(Pending)
				if !ok {
					return err
				}
				return a.Cancel(call)
			})
		}
	})
}

func wantPending(err error) error {
	if isPending(err) {
		return nil
	}
	return errors.Join(errors.New("it does not go on"), err)
}

func wantMessage(mb *Mailbox, w Wait) error {
	msg, err := mb.Receive(context.Background())
	if err != nil {
		return err
	}
	switch m := msg.(type) {
	case SelectMsg:
		if w.kind == waitAsync {
			return nil
		}
	case CompletionMsg:
		if w.kind == waitComplete {
			_, err = m.Result()
			return err
		}
	}
	return errors.New("another message")
}

func TestAllocReceiveMatchThatWaits(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	h := mb.NewHandle()
	begin := make(chan struct{})
	defer close(begin)
	go func() {
		for range begin {
			for waits := false; !waits; runtime.Gosched() {
				mb.mu.Lock()
				waits = mb.watchers.head != nil
				mb.mu.Unlock()
			}
			h.notify()
		}
	}()
	isSelect := func(msg Message) bool { _, is := msg.(SelectMsg); return is }
	noAllocations(t, func() error {
		begin <- struct{}{}
		_, err := mb.ReceiveMatch(context.Background(), isSelect)
		return err
	})
}

func TestAllocDeadlines(t *testing.T) {
	buf := make([]byte, 64)
	t.Run("set, and receive what is there", func(t *testing.T) {
		a, b := pair(t, Stream)
		noAllocations(t, func() error {
			_, err := a.Send(buf, 0, Forever)
			err2 := b.SetReadDeadline(inHours())
			_, err3 := b.Recv(buf, 0, Forever)
			return errors.Join(err, err2, err3)
		})
		assert.Nil(t, b.blk.Load().file, "it never parked")
	})
	t.Run("set, and park", func(t *testing.T) {
		a, b := pair(t, SeqPacket)
		echoed := make([]byte, 64)
		go func() {
			for {
				if _, err := b.Recv(echoed, 0, Forever); err != nil {
					return
				}
				b.Send(echoed, 0, Forever)
			}
		}()
		noAllocations(t, func() error {
			_, err := a.Send(buf, 0, Forever)
			err2 := a.SetReadDeadline(inHours())
			_, err3 := a.Recv(buf, 0, Forever)
			return errors.Join(err, err2, err3)
		})
		assert.NotNil(t, a.blk.Load().file, "it parked")
	})
	t.Run("set and expire, on both pollers", func(t *testing.T) {
		_, b := pair(t, Stream)
		u, _ := boundUDP(t)
		var m Msg
		noAllocations(t, func() error {
			soon := time.Now().Add(time.Microsecond)
			err := errors.Join(b.SetReadDeadline(soon), u.SetReadDeadline(soon))
			if _, err := b.Recv(buf, 0, Forever); err != ErrTimeout {
				return err
			}
			if _, err := u.RecvErr(&m, Forever); err != ErrTimeout {
				return err
			}
			return err
		})
	})
	for name, make := range deadlineWaits() {
		t.Run("moved under a waiting call: "+name, func(t *testing.T) {
			w := make(t)
			got := goes(func() error { return w.call(Forever) })
			w.waits(t, time.Time{})
			i := 0
			noAllocations(t, func() error {
				i++
				return w.set(time.Now().Add(time.Duration(i) * time.Hour))
			})
			require.NoError(t, w.set(longAgo))
			assert.Error(t, within(t, got, "the call's end"))
		})
	}
}

// Batches are reused, and so are the messages.
func TestAllocManyMessages(t *testing.T) {
	a, b := udpPair(t)
	out, in := make([]Msg, 4), make([]Msg, 4)
	for i := range out {
		out[i].Iov = [][]byte{make([]byte, 100)}
	}
	noAllocations(t, func() error {
		if _, err := a.SendMMsg(out, 0, Forever); err != nil {
			return err
		}
		_, err := b.RecvMMsg(in, 0, Forever)
		return err
	})
}
