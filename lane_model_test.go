package esock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

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
	as     *actor // whose call a blocking one is; nil: its own
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

// released hands the lane on, as often as there is data for the next.
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
		told := h != nil && h.state == handleSelected // an event that no call had looked at
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
		return "the lane is taken"
	case m.cur != nil && m.cur.blocks && (m.b.state.Load()&stParked(reading) == 0 || !owned || l.cur != nil):
		return "no call is parked"
	case m.cur != nil && !m.cur.blocks && (l.cur != m.cur.h || owned || (l.cur.state == handleSelected) != m.sel):
		return "another holds it"
	}
	h := l.head
	for _, x := range m.queue {
		if h == nil || x.blocks != (h.mb == nil) || !x.blocks && h != x.h {
			return "the queue"
		}
		h = h.entry.next
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
		m.replaced(x, same)
		if m.available() == 0 {
			m.armed(t, x, err)
			return
		}
		if n != 1 || err != nil {
			t.Fatalf("the holder receives: %d, %v", n, err)
		}
		m.expectByte(buf[0])
		m.released()
	case m.queues(x):
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

// replaced ends the call of the holder's handle, whose next call comes: unseen or armed, it is aborted; named again, it is
// silent.
func (m *laneModel) replaced(x *actor, same bool) {
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
}

// queues reports whether a call of the mailbox is in the queue.
func (m *laneModel) queues(x *actor) bool {
	return slices.ContainsFunc(m.queue, func(y *actor) bool { return y == x || y.as == x })
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

func (m *laneModel) Block(t *rapid.T) { m.block(t, nil) }

// BlockAs is a blocking call of a mailbox.
func (m *laneModel) BlockAs(t *rapid.T) { m.block(t, m.mailboxes(t)) }

func (m *laneModel) block(t *rapid.T, as *actor) {
	if len(m.queue) > 6 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &actor{blocks: true, as: as, cancel: cancel, result: make(chan error, 1)}
	w := Context(ctx)
	if as != nil {
		w = w.As(as.mb)
	}
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
	case as != nil && m.cur == as:
		m.replaced(as, false)
		m.cur = x
	case as != nil && m.cur != nil && m.queues(as):
		m.finish(x, ErrState)
	case m.cur == nil && m.available() > 0:
		m.finish(x, nil)
	case m.cur == nil:
		m.cur = x
	default:
		m.queue = append(m.queue, x)
	}
	m.settle()
}

// PollAs is a poll of a mailbox, which gives up the lane if it holds it.
func (m *laneModel) PollAs(t *rapid.T) {
	x := m.mailboxes(t)
	if m.cur != x {
		m.poll(t, Within(0).As(x.mb))
		return
	}
	var buf [1]byte
	n, err := m.b.Recv(buf[:], 0, Within(0).As(x.mb))
	m.replaced(x, false)
	if m.available() == 0 {
		if err != ErrTimeout {
			t.Fatalf("the holder polls: %d, %v", n, err)
		}
	} else {
		if n != 1 || err != nil {
			t.Fatalf("the holder polls, and data is there: %d, %v", n, err)
		}
		m.expectByte(buf[0])
	}
	m.released()
}

func (m *laneModel) Poll(t *rapid.T) { m.poll(t, Within(0)) }

func (m *laneModel) poll(t *rapid.T, w Wait) {
	var buf [1]byte
	n, err := m.b.Recv(buf[:], 0, w)
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

// Converse makes one mailbox receive everything, again and again, so that the poller keeps the registration edge-triggered.
func (m *laneModel) Converse(t *rapid.T) {
	if m.cur != nil || len(m.queue) > 0 {
		return
	}
	for range rapid.IntRange(4, 6).Draw(t, "times") {
		for m.available() > 0 {
			m.poll(t, Within(0))
		}
		mb := NewMailbox()
		m.cur = &actor{mb: mb}
		_, err := m.b.Recv(make([]byte, 1), 0, NoWait(mb))
		m.all = append(m.all, m.cur)
		m.armed(t, m.cur, err)
		m.Send(t)
		m.See1(m.cur)
		var buf [1]byte
		if n, err := m.b.Recv(buf[:], 0, NoWait(mb)); n != 1 || err != nil {
			t.Fatalf("the holder receives: %d, %v", n, err)
		}
		m.expectByte(buf[0])
		m.all = m.all[:len(m.all)-1]
		m.released()
	}
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

// end closes the socket: every actor is told, once.
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
			"block as": m.BlockAs, "poll as": m.PollAs,
			"cancel": m.Cancel, "see": m.See, "see more": m.See, "die": m.Die,
			"converse": m.Converse,
		})
		m.end()
	})
}
