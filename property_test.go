package esock

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// ---- A model of one lane, compared step by step.

// laneModel is what the reading lane of a socket should look like when everything has settled.
type laneModel struct {
	t    *rapid.T
	a, b *Socket
	next byte // the next byte that a receive gets
	sent byte // the next byte to send

	cur   *actor   // holds the lane
	sel   bool     // and its message was sent
	queue []*actor // behind
	all   []*actor

	bell, door *Socket // see barrier
	visitor    *Mailbox
}

func (m *laneModel) available() int { return int(m.sent - m.next) }

// actor is a requester: a mailbox, or a goroutine that blocks.
type actor struct {
	mb     *Mailbox
	own    *Handle   // for With
	h      *Handle   // of the call in progress
	inbox  []Message // what must be in the mailbox
	blocks bool
	cancel context.CancelFunc
	result chan error
	got    byte
}

func (x *actor) String() string {
	if x.blocks {
		return fmt.Sprintf("goroutine %p", x)
	}
	return fmt.Sprintf("mailbox %p", x)
}

// expectByte checks a receive that succeeded.
func (m *laneModel) expectByte(got byte) {
	if got != m.next {
		m.t.Fatalf("received %d, but %d is next: not FIFO", got, m.next)
	}
	m.next++
}

// finish takes the result of a blocking call that must be over.
func (m *laneModel) finish(x *actor, want error) {
	err := <-x.result
	x.cancel()
	if want == nil {
		if err != nil {
			m.t.Fatalf("%v: %v", x, err)
		}
		m.expectByte(x.got)
		return
	}
	if !errors.Is(err, want) {
		m.t.Fatalf("%v: %v, not %v", x, err, want)
	}
}

// released hands the lane on, as often as there is data for who gets it.
func (m *laneModel) released() {
	m.cur, m.sel = nil, false
	for m.cur == nil && len(m.queue) > 0 {
		x := m.queue[0]
		m.queue = m.queue[1:]
		if !x.blocks || m.available() == 0 {
			m.cur = x
			break
		}
		m.finish(x, nil)
	}
	m.settle()
}

// barrier waits until the poller has handed out every event there was: it does so in their order.
func (m *laneModel) barrier() {
	var buf [1]byte
	if _, err := m.door.Recv(buf[:], 0, NoWait(m.visitor)); !isSelect(err) {
		m.t.Fatal(err)
	}
	m.bell.Send(buf[:], 0, Forever)
	if _, err := m.visitor.Receive(context.Background()); err != nil {
		m.t.Fatal(err)
	}
	if _, err := m.door.Recv(buf[:], 0, NoWait(m.visitor)); err != nil {
		m.t.Fatal(err)
	}
}

func isSelect(err error) bool { _, ok := err.(*Select); return ok }

// settle waits until the lane is what the model says.
func (m *laneModel) settle() {
	m.barrier()
	if m.cur != nil && m.cur.blocks && m.available() > 0 {
		m.finish(m.cur, nil)
		m.released()
		return
	}
	if m.cur != nil && !m.cur.blocks && !m.sel {
		m.b.mu.Lock()
		h := m.b.lanes[reading].cur
		told := h != nil && h.state == handleSelected // an event that nobody had looked at
		m.b.mu.Unlock()
		if told || m.available() > 0 {
			m.sel = true
			m.cur.inbox = append(m.cur.inbox, SelectMsg{m.cur.h})
		}
	}
	var why string
	eventually(rapidTB{m.t}, func() bool { why = m.differs(); return why == "" }, "the lane of the model")
	for _, x := range m.all {
		if n := x.mb.Len(); n != len(x.inbox) {
			m.t.Fatalf("%v has %d messages, not %v", x, n, x.inbox)
		}
	}
}

// differs says how the lane differs from the model.
func (m *laneModel) differs() string {
	m.b.mu.Lock()
	defer m.b.mu.Unlock()
	l := &m.b.lanes[reading]
	owned := m.b.state.Load()&stOwned(reading) != 0
	switch {
	case m.cur == nil && (l.cur != nil || owned):
		return "somebody has the lane"
	case m.cur != nil && m.cur.blocks && (!l.parked || !owned || l.cur != nil):
		return "nobody is parked"
	case m.cur != nil && !m.cur.blocks && (l.cur != m.cur.h || owned || (l.cur.state == handleSelected) != m.sel):
		return "another holds it"
	}
	h := l.head
	for _, x := range m.queue {
		if h == nil || x.blocks != (h.mb == nil) || !x.blocks && h != x.h {
			return "the queue"
		}
		h = h.next
	}
	if h != nil {
		return "the queue is longer"
	}
	slow := m.b.state.Load()&stSlow(reading) != 0
	if want := l.cur != nil || l.head != nil; slow != want {
		return "the slow bit"
	}
	return ""
}

// rapidTB lets helpers for testing.TB run in a property.
type rapidTB struct{ t *rapid.T }

func (r rapidTB) Helper()                   {}
func (r rapidTB) Fatalf(f string, a ...any) { r.t.Fatalf(f, a...) }

func (m *laneModel) mailboxes(t *rapid.T) *actor { return rapid.SampledFrom(m.all).Draw(t, "mailbox") }

func (m *laneModel) Send(t *rapid.T) {
	n := rapid.IntRange(1, 3).Draw(t, "n")
	for range n {
		k, err := m.a.Send([]byte{m.sent}, 0, Forever)
		if k != 1 || err != nil {
			t.Fatal(k, err)
		}
		m.sent++
	}
	m.settle()
}

// Receive is an asynchronous receive of one byte.
func (m *laneModel) Receive(t *rapid.T) {
	x := m.mailboxes(t)
	w, own := NoWait(x.mb), rapid.Bool().Draw(t, "own handle")
	ownBusy := own && slices.ContainsFunc(x.inbox, func(msg Message) bool { return handleOf(msg) == x.own })
	if own {
		w = With(x.own)
	}
	var buf [1]byte
	n, err := m.b.Recv(buf[:], 0, w)
	switch {
	case m.cur == x:
		same := own && x.h == x.own
		if same && !m.sel || own && !same && ownBusy {
			if !errors.Is(err, &InvalidError{What: "handle"}) {
				t.Fatalf("a handle in use: %v", err)
			}
			return
		}
		// The handle before is over: unseen or armed, it is aborted; named again, it is silent.
		i := slices.IndexFunc(x.inbox, func(msg Message) bool { return handleOf(msg) == x.h })
		switch {
		case same && i >= 0:
			x.inbox = slices.Delete(x.inbox, i, i+1)
		case same:
		case i >= 0:
			x.inbox[i] = AbortMsg{x.h, ErrCancelled}
		case !m.sel:
			x.inbox = append(x.inbox, AbortMsg{x.h, ErrCancelled})
		}
		m.sel = false
		if m.available() == 0 {
			m.armed(t, x, err)
			return
		}
		if n != 1 || err != nil {
			t.Fatalf("the holder receives: %d, %v", n, err)
		}
		m.expectByte(buf[0])
		m.released()
	case slices.Contains(m.queue, x):
		if !errors.Is(err, ErrState) {
			t.Fatalf("queued twice: %v", err)
		}
	case m.cur == nil && m.available() > 0:
		if n != 1 || err != nil {
			t.Fatalf("free, and data is there: %d, %v", n, err)
		}
		m.expectByte(buf[0])
		m.settle()
	case ownBusy:
		if !errors.Is(err, &InvalidError{What: "handle"}) {
			t.Fatalf("an unseen message: %v", err)
		}
	case m.cur == nil:
		m.cur = x
		m.armed(t, x, err)
	default:
		m.queue = append(m.queue, x)
		m.armed(t, x, err)
	}
}

// armed notes the handle of a call that would block.
func (m *laneModel) armed(t *rapid.T, x *actor, err error) {
	sel, ok := err.(*Select)
	if !ok {
		t.Fatalf("not selected: %v", err)
	}
	x.h = sel.Handle()
	m.settle()
}

func handleOf(msg Message) *Handle {
	switch m := msg.(type) {
	case SelectMsg:
		return m.Handle
	case AbortMsg:
		return m.Handle
	}
	return nil
}

func (m *laneModel) Block(t *rapid.T) {
	if len(m.queue) > 6 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &actor{blocks: true, cancel: cancel, result: make(chan error, 1)}
	w := Context(ctx)
	if rapid.Bool().Draw(t, "spin") {
		w = w.Spin(20 * time.Microsecond)
	}
	full := rapid.Bool().Draw(t, "full")
	go func() {
		var buf [1]byte
		var err error
		if full {
			_, err = m.b.RecvFull(buf[:], 0, w)
		} else {
			_, _, err = m.b.RecvFrom(buf[:], 0, w)
		}
		x.got = buf[0]
		x.result <- err
	}()
	switch {
	case m.cur == nil && m.available() > 0:
		m.finish(x, nil)
	case m.cur == nil:
		m.cur = x
	default:
		m.queue = append(m.queue, x)
	}
	m.settle()
}

func (m *laneModel) Poll(t *rapid.T) {
	var buf [1]byte
	n, err := m.b.Recv(buf[:], 0, Within(0))
	if m.cur != nil || m.available() == 0 {
		if err != ErrTimeout {
			t.Fatalf("a poll: %d, %v", n, err)
		}
		return
	}
	if n != 1 || err != nil {
		t.Fatalf("a poll of a free lane with data: %d, %v", n, err)
	}
	m.expectByte(buf[0])
	m.settle()
}

// Cancel takes a call back, of a mailbox or of a goroutine.
func (m *laneModel) Cancel(t *rapid.T) {
	candidates := append([]*actor{}, m.all...)
	if m.cur != nil && m.cur.blocks {
		candidates = append(candidates, m.cur)
	}
	for _, x := range m.queue {
		if x.blocks {
			candidates = append(candidates, x)
		}
	}
	x := rapid.SampledFrom(candidates).Draw(t, "who")
	if x.blocks {
		x.cancel()
		m.finish(x, context.Canceled)
		m.gone(x)
		return
	}
	if x.h == nil {
		return
	}
	err := m.b.Cancel((*Select)(x.h))
	m.withdrawn(x, x.h)
	if m.cur == x || slices.Contains(m.queue, x) {
		if err != nil {
			t.Fatalf("cancel: %v", err)
		}
		m.gone(x)
		return
	}
	if !errors.Is(err, &InvalidError{What: "select"}) {
		t.Fatalf("cancel of what is not in progress: %v", err)
	}
	m.settle()
}

// withdrawn forgets the message about h.
func (m *laneModel) withdrawn(x *actor, h *Handle) {
	x.inbox = slices.DeleteFunc(x.inbox, func(msg Message) bool { return handleOf(msg) == h })
}

// gone takes a requester out.
func (m *laneModel) gone(x *actor) {
	if m.cur == x {
		m.released()
		return
	}
	m.queue = slices.DeleteFunc(m.queue, func(y *actor) bool { return y == x })
	m.settle()
}

// See takes a message out of a mailbox.
func (m *laneModel) See(t *rapid.T) {
	x := m.mailboxes(t)
	msg, ok := x.mb.Poll()
	if !ok {
		if len(x.inbox) > 0 {
			t.Fatalf("a message is missing: %v", x.inbox)
		}
		return
	}
	if len(x.inbox) == 0 || msg != x.inbox[0] {
		t.Fatalf("message %v, expected %v", msg, x.inbox)
	}
	x.inbox = x.inbox[1:]
}

// Die closes a mailbox; another takes its place.
func (m *laneModel) Die(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
		return
	}
	i := rapid.IntRange(0, len(m.all)-1).Draw(t, "mailbox")
	x := m.all[i]
	x.mb.Close()
	x.inbox = nil
	if x.mb.pending.head != nil {
		t.Fatal("the dead mailbox still holds handles")
	}
	m.all[i] = newActor()
	m.gone(x)
}

func newActor() *actor {
	mb := NewMailbox()
	return &actor{mb: mb, own: mb.NewHandle()}
}

// end closes the socket: everybody is told, once.
func (m *laneModel) end() {
	if err := m.b.Close(); err != nil {
		m.t.Fatal(err)
	}
	waiting := m.queue
	if m.cur != nil {
		waiting = append([]*actor{m.cur}, m.queue...)
	}
	for _, x := range waiting {
		switch {
		case x.blocks:
			m.finish(x, net.ErrClosed)
		case x == m.cur && m.sel: // its message was sent
		default:
			x.inbox = append(x.inbox, AbortMsg{x.h, net.ErrClosed})
		}
	}
	for _, x := range m.all {
		for len(x.inbox) > 0 {
			m.See1(x)
		}
		if n := x.mb.Len(); n != 0 || x.mb.pending.head != nil && m.cur != x {
			m.t.Fatalf("%d messages too many", n)
		}
	}
	c := m.b.Counters()
	if c.ReadByte != uint64(m.total()) || c.ReadPkg != c.ReadByte || c.ReadFails != 0 {
		m.t.Fatalf("counters %+v, but %d bytes were received", c, m.total())
	}
	m.a.Close()
}

// See1 is See of one mailbox.
func (m *laneModel) See1(x *actor) {
	msg, ok := x.mb.Poll()
	if !ok || msg != x.inbox[0] {
		m.t.Fatalf("message %v, expected %v", msg, x.inbox)
	}
	x.inbox = x.inbox[1:]
}

func (m *laneModel) total() int { return int(m.a.Counters().WriteByte) - m.available() }

// Any program of receives, cancels, polls, deaths and sends leaves the lane as the model says, after every step.
func TestPropertyLaneFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		typ := rapid.SampledFrom([]Type{Stream, Dgram, SeqPacket}).Draw(rt, "type")
		a, b := pair(t, typ)
		c, d := pair(t, Stream)
		m := &laneModel{t: rt, a: a, b: b, all: []*actor{newActor(), newActor(), newActor()},
			bell: c, door: d, visitor: NewMailbox()}
		defer func() {
			for _, s := range []*Socket{b, a, c, d} {
				s.Close()
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"send": m.Send, "receive": m.Receive, "receive again": m.Receive, "block": m.Block, "poll": m.Poll,
			"cancel": m.Cancel, "see": m.See, "see more": m.See, "die": m.Die,
		})
		m.end()
	})
}

// ---- Random programs of many goroutines.

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

func tcpLink(t testing.TB) (a, b *Socket) {
	t.Helper()
	l, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, l.Bind(Inet4Addr(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)))
	require.NoError(t, l.Listen(8))
	addr, err := l.SockName()
	require.NoError(t, err)
	a, err = Open(Inet, Stream, TCP)
	require.NoError(t, err)
	require.NoError(t, a.Connect(addr, Forever))
	b, err = l.Accept(Forever)
	require.NoError(t, err)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
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
		q.t.Errorf("%d messages nobody waits for", n)
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
		t.Error("somebody is left in the sender's lane")
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
	eventually(t, func() bool { return len(descriptors()) <= before+4 }, "every descriptor closed")
}
