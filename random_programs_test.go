package esock

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// linkKind is a way two sockets are connected.
type linkKind struct {
	name  string
	make  func(t testing.TB) (a, b *Socket)
	whole bool // messages keep their borders
}

var linkKinds = []linkKind{
	{"unix stream", func(t testing.TB) (a, b *Socket) { return pair(t, Stream) }, false},
	{"seqpacket", func(t testing.TB) (a, b *Socket) { return pair(t, SeqPacket) }, true},
	{"dgram", func(t testing.TB) (a, b *Socket) { return pair(t, Dgram) }, true},
	{"tcp", tcpLink, false},
}

// requester makes calls in random waiting forms, and keeps account of what its mailbox is told.
type requester struct {
	t                               testing.TB
	s                               *Socket
	r                               *rand.Rand
	mb                              *Mailbox
	h                               *Handle
	armed                           *Select          // outstanding
	ended                           map[*Handle]bool // cancelled: nothing may come
	replace                         map[*Handle]bool // replaced: an abort must come
	arms, told, cancelled, replaced int
	stuck                           context.Context // ends when the test gives up
}

func newRequester(t testing.TB, s *Socket, seed uint64, stuck context.Context) *requester {
	mb := NewMailbox()
	return &requester{t: t, s: s, r: rand.New(rand.NewPCG(seed, 7)), mb: mb, h: mb.NewHandle(),
		ended: map[*Handle]bool{}, replace: map[*Handle]bool{}, stuck: stuck}
}

// attempt makes a call until it is done, in forms that may give up, if they may, on the way. It reports io errors.
func (q *requester) attempt(mayGiveUp bool, op func(w Wait) (int, error)) (int, error) {
	total := 0
	for {
		var w Wait
		cancel := func() {}
		switch k := q.r.IntN(8); {
		case k == 0:
			w = Forever
		case k == 1 && mayGiveUp:
			w = Within(time.Duration(q.r.IntN(200)) * time.Microsecond)
		case k == 2 && mayGiveUp:
			ctx, stop := context.WithTimeout(q.stuck, time.Duration(1+q.r.IntN(200))*time.Microsecond)
			w, cancel = Context(ctx), stop
		case k == 3 && mayGiveUp:
			w = Within(0)
		case k == 4:
			w = Context(q.stuck).Spin(time.Duration(q.r.IntN(30)) * time.Microsecond)
		case k == 5:
			w = Until(time.Now().Add(time.Hour))
		case k == 6:
			w = With(q.h)
		default:
			w = NoWait(q.mb)
		}
		n, err := q.call(w, op)
		cancel()
		total += n
		switch {
		case err == nil:
			return total, nil
		case err == ErrTimeout, errors.Is(err, context.DeadlineExceeded):
			runtime.Gosched()
			continue
		}
		sel, ok := err.(*Select)
		if !ok {
			return total, err
		}
		for ok { // its message, a cancel, or the call again
			q.arms++
			q.armed = sel
			switch k := q.r.IntN(4); {
			case k == 0 && mayGiveUp && n == 0:
				err := q.s.Cancel(sel)
				q.armed = nil
				if err != nil {
					q.told++ // then it was aborted, and the abort taken back
					if !errors.Is(err, net.ErrClosed) && !errors.Is(err, &InvalidError{What: "select"}) {
						q.t.Errorf("cancel: %v", err)
					}
				} else {
					q.cancelled++
				}
				q.ended[sel.Handle()] = true
				q.none(sel.Handle())
				ok = false
			default:
				if err := q.await(sel); err != nil {
					return total, err
				}
				q.armed = nil
				n, err := q.call(NoWait(q.mb), op)
				total += n
				if err == nil {
					return total, nil
				}
				if sel, ok = err.(*Select); !ok {
					return total, err
				}
			}
		}
	}
}

func (q *requester) call(w Wait, op func(w Wait) (int, error)) (int, error) {
	if w.kind == waitAsync && w.handle() != nil {
		delete(q.ended, w.handle())
	}
	return op(w)
}

// await takes messages until the one about sel is there: an abort is its error.
func (q *requester) await(sel *Select) error {
	for {
		msg, err := q.mb.Receive(q.stuck)
		if err != nil {
			q.t.Errorf("a wake-up was lost: %v", err)
			return err
		}
		h := handleOf(msg)
		if h != sel.Handle() {
			q.t.Errorf("%T about another handle (cancelled: %v)", msg, q.ended[h])
			continue
		}
		q.told++
		if a, ok := msg.(AbortMsg); ok {
			return a.Reason
		}
		return nil
	}
}

// none checks that the mailbox says nothing about h.
func (q *requester) none(h *Handle) {
	q.mb.mu.Lock()
	defer q.mb.mu.Unlock()
	if h.posted != messageNone {
		q.t.Error("a message after the cancel")
	}
}

// done checks the account.
func (q *requester) done() {
	if q.arms != q.told+q.cancelled {
		q.t.Errorf("armed %d times, told %d, cancelled %d", q.arms, q.told, q.cancelled)
	}
	if n := q.mb.Len(); n != 0 {
		q.t.Errorf("%d messages that no call waits for", n)
	}
}

const frameSize = 24

// frame is a message: who, which, and the same bytes all over.
func frame(b []byte, who, seq uint32) []byte {
	binary.BigEndian.PutUint32(b, who)
	binary.BigEndian.PutUint32(b[4:], seq)
	for i := 8; i < len(b); i++ {
		b[i] = byte(who*31 + seq)
	}
	return b
}

func checkFrame(t testing.TB, b []byte) (who, seq uint32) {
	who, seq = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if want := byte(who*31 + seq); bytes.Count(b[8:], []byte{want}) != len(b)-8 {
		t.Errorf("a frame of several senders")
	}
	return who, seq
}

// program is one random program over a link.
type program struct {
	Kind, Senders, Receivers, Frames, Size int
	Seed                                   uint64
	End                                    int // 0: close, 1: shutdown by the sender, 2: the sender closes
}

func drawProgram(rt *rapid.T) program {
	return program{
		Kind:      rapid.IntRange(0, len(linkKinds)-1).Draw(rt, "kind"),
		Senders:   rapid.IntRange(1, 4).Draw(rt, "senders"),
		Receivers: rapid.IntRange(1, 4).Draw(rt, "receivers"),
		Frames:    rapid.IntRange(1, 60).Draw(rt, "frames"),
		Size:      rapid.SampledFrom([]int{frameSize, frameSize, 2000, 60_000, 400_000}).Draw(rt, "size"),
		Seed:      rapid.Uint64().Draw(rt, "seed"),
		End:       rapid.IntRange(0, 2).Draw(rt, "end"),
	}
}

// run plays the program: all senders and receivers at once, then the end.
func (p program) run(t testing.TB) {
	kind := linkKinds[p.Kind]
	if kind.whole && p.Size > 60_000 {
		p.Size = 60_000
	}
	if p.Size >= 60_000 {
		p.Frames = min(p.Frames, 12)
	}
	a, b := kind.make(t)
	defer a.Close()
	defer b.Close()
	stuck, over := context.WithTimeout(context.Background(), longPatience)
	defer over()

	var mu sync.Mutex
	seen := map[[2]uint32]int{}
	var frames atomic.Int64
	var senders, receivers sync.WaitGroup
	for g := range p.Senders {
		q := newRequester(t, a, p.Seed+uint64(g), stuck)
		senders.Go(func() {
			defer q.done()
			for i := range p.Frames {
				p.send(q, kind, frame(make([]byte, p.Size), uint32(g), uint32(i)))
			}
		})
	}
	for g := range p.Receivers {
		q := newRequester(t, b, p.Seed+100+uint64(g), stuck)
		receivers.Go(func() {
			defer q.done()
			last := map[uint32]int{}
			buf := make([]byte, p.Size)
			for {
				n, err := p.receive(q, kind, buf)
				if err != nil {
					if !errors.Is(err, net.ErrClosed) && err != io.EOF {
						t.Errorf("receive: %v", err)
					}
					if n != 0 {
						t.Errorf("the end came inside a frame, after %d bytes", n)
					}
					return
				}
				who, seq := checkFrame(t, buf)
				if before, ok := last[who]; ok && int(seq) <= before {
					t.Errorf("%d of sender %d after %d: not FIFO", seq, who, before)
				}
				last[who] = int(seq)
				mu.Lock()
				seen[[2]uint32{who, seq}]++
				mu.Unlock()
				frames.Add(1)
			}
		})
	}
	senders.Wait()
	want := p.Senders * p.Frames
	switch {
	case p.End == 1 && kind.name != "dgram":
		if err := a.Shutdown(ShutWrite); err != nil {
			t.Error(err)
		}
	case p.End == 2 && kind.name != "dgram":
		a.Close()
	default:
		for frames.Load() < int64(want) && stuck.Err() == nil {
			runtime.Gosched()
		}
		b.Close()
	}
	receivers.Wait()
	if len(seen) != want {
		t.Errorf("%d of %d frames arrived", len(seen), want)
	}
	for k, n := range seen {
		if n != 1 {
			t.Errorf("frame %v came %d times", k, n)
		}
	}
	if !laneIsFree(a, writing) && p.End != 2 {
		t.Error("a call is left in the sender's lane")
	}
	b.Close()
	a.Close()
	ca, cb := a.Counters(), b.Counters()
	if bytes := uint64(want * p.Size); ca.WriteByte != bytes || cb.ReadByte != bytes {
		t.Errorf("%d bytes moved, but written %d, read %d", bytes, ca.WriteByte, cb.ReadByte)
	}
	if ca.WritePkgMax > uint64(p.Size) || cb.ReadPkgMax > uint64(p.Size) {
		t.Errorf("a package of %d or %d bytes: larger than any request", ca.WritePkgMax, cb.ReadPkgMax)
	}
	if kind.whole && (ca.WritePkg != uint64(want) || cb.ReadPkg != uint64(want)) {
		t.Errorf("%d messages, but %d packages written, %d read", want, ca.WritePkg, cb.ReadPkg)
	}
}

// send sends one frame. On a stream a call that gave up in the middle would leave a piece of a frame, so that only
// those that took nothing may.
func (p program) send(q *requester, kind linkKind, data []byte) {
	off := 0
	var sel *Select
	form := q.r.IntN(4)
	_, err := q.attempt(kind.whole, func(w Wait) (int, error) {
		if sel != nil && w.kind == waitAsync && off > 0 {
			w = w.Continue(sel)
		}
		var n int
		var err error
		switch rest := data[off:]; form {
		case 0:
			cut := len(rest) / 3
			n, err = q.s.SendV([][]byte{rest[:cut], rest[cut:cut], rest[cut:]}, w)
		case 1:
			n, err = q.s.SendMsg(&Msg{Iov: [][]byte{rest}}, 0, w)
		case 2:
			n, err = q.s.Send(rest, MsgNoSignal, w)
		default:
			n, err = q.s.Send(rest, 0, w)
		}
		off += n
		sel, _ = err.(*Select)
		return n, err
	})
	if err != nil || off != len(data) {
		q.t.Errorf("sent %d of %d: %v", off, len(data), err)
	}
}

// receive receives one frame.
func (p program) receive(q *requester, kind linkKind, buf []byte) (int, error) {
	off := 0
	form := q.r.IntN(3)
	_, err := q.attempt(kind.whole, func(w Wait) (n int, err error) {
		switch {
		case !kind.whole:
			n, err = q.s.RecvFull(buf[off:], 0, w)
		case form == 0:
			n, _, err = q.s.RecvFrom(buf, 0, w)
		case form == 1:
			m := Msg{Buf: buf}
			err = q.s.RecvMsg(&m, 0, w)
			if err == nil {
				n = len(m.Data())
			}
		default:
			n, err = q.s.Recv(buf, 0, w)
		}
		off += n
		return n, err
	})
	if err == nil && off != len(buf) {
		q.t.Errorf("received %d of %d", off, len(buf))
	}
	return off, err
}

func TestPropertyRandomPrograms(t *testing.T) {
	before := len(descriptors())
	rapid.Check(t, func(rt *rapid.T) {
		p := drawProgram(rt)
		rt.Logf("%+v on %s", p, linkKinds[p.Kind].name)
		p.run(t)
		if t.Failed() {
			rt.Fatalf("%+v", p)
		}
	})
	eventually(t, func() bool { return len(descriptors()) <= before }, "every descriptor closed")
}
