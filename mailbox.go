package esock

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
)

// Message is what a Mailbox receives: SelectMsg, AbortMsg, DownMsg, CounterWrapMsg, or what Post put in.
type Message interface {
	// Socket is the socket that the message is about.
	Socket() *Socket
}

// SelectMsg says that the handle's call is worth repeating. It is a hint: the call may still select again. OTP: {'$socket', Socket, select, Handle}.
type SelectMsg struct{ Handle *Handle }

// Socket is the socket to repeat the call on.
func (m SelectMsg) Socket() *Socket { return m.Handle.Socket() }

// AbortMsg says that the handle's call is over without a SelectMsg: the socket was closed (net.ErrClosed), the
// requester replaced the handle (ErrCancelled), or the call before it in the queue met an error that concerns
// all (a syscall.Errno, io.EOF). OTP: {'$socket', Socket, abort, {Handle, Reason}}.
type AbortMsg struct {
	Handle *Handle
	Reason error
}

// Socket is the socket the call was made on.
func (m AbortMsg) Socket() *Socket { return m.Handle.Socket() }

// CounterWrapMsg says that a counter of the socket passed its width; it goes to the owner, if {otp, iow} is on.
type CounterWrapMsg struct {
	Sock    *Socket
	Counter string // its name, as in Counters.Map
}

// Socket is the socket whose counter it is.
func (m CounterWrapMsg) Socket() *Socket { return m.Sock }

// Mailbox stands where Erlang has a process: it makes asynchronous calls, receives the messages about them, and can own
// sockets. Closing it is the owner's death. NewMailbox makes one: the zero Mailbox, and nil, are closed.
//
// Any number of goroutines may use one; each message is received once. Messages come in the order they
// were sent, and one that Cancel takes back is never seen.
type Mailbox struct {
	mu       sync.Mutex
	messages handleList // nobody has seen them
	n        int        // how many
	pending  *Handle    // handles in progress
	owned    *Socket    // sockets it owns, linked through ownPrev and ownNext
	open     bool
	seq      uint64        // how many messages ever came
	watchers *watcher      // one for each ReceiveMatch
	wake     chan struct{} // buffer of 1: there may be messages
	gone     chan struct{} // closed by Close, which every receiver sees
	id       uint64
}

// watcher is a ReceiveMatch in a mailbox's list. Guarded by the mailbox's mu.
type watcher struct {
	wake       chan struct{} // buffer of 1
	prev, next *watcher
}

var lastMailboxID atomic.Uint64

// NewMailbox makes an empty mailbox.
func NewMailbox() *Mailbox {
	return &Mailbox{open: true, wake: newChannel(1), gone: newChannel(0), id: lastMailboxID.Add(1)}
}

// String is "#Mailbox<n>", n counting the mailboxes of the process.
func (m *Mailbox) String() string { return "#Mailbox<" + strconv.FormatUint(m.orClosed().id, 10) + ">" }

// NewHandle makes a handle for calls With it. OTP: make_ref().
func (m *Mailbox) NewHandle() *Handle { return &Handle{mb: m.orClosed()} }

// NewHandleFunc makes a handle whose messages are not seen as they are. Who would receive one calls f with it instead, in
// his own goroutine and with nothing locked, and receives what f returns; nil: nothing. more: a SelectMsg about the handle
// goes back into the mailbox, behind the others. So a layer above sockets reads when its user receives, and not before.
// With a nil f it is NewHandle.
func (m *Mailbox) NewHandleFunc(f func(Message) (msg Message, more bool)) *Handle {
	m = m.orClosed()
	return &Handle{mb: m, ext: &handleExt{receive: f}}
}

// Notify puts a SelectMsg about the handle into its mailbox, unless a message about it waits there already. It is for
// handles that are in no call. Errors: *InvalidError "handle": a call with it waits, queued or for readiness, and its own
// message comes; net.ErrClosed.
func (h *Handle) Notify() error {
	if h == nil || h.mb == nil {
		return net.ErrClosed
	}
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	switch {
	case !h.mb.open:
		return net.ErrClosed
	case h.waiting:
		return errHandleBusy
	case h.posted == messageNone:
		h.mb.link(h, messageSelect)
	}
	return nil
}

// Post puts messages into the handle's mailbox where its last message was, before those that have come since. It is for a
// layer that has to make its messages before they are received. A call with the handle is not affected: the messages are
// not about it. Errors: net.ErrClosed.
func (h *Handle) Post(msgs ...Message) error {
	if h == nil || h.mb == nil {
		return net.ErrClosed
	}
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	if !h.mb.open {
		return net.ErrClosed
	}
	for _, msg := range msgs {
		if msg == nil {
			return &InvalidError{What: "msg", Cause: "the message is nil"}
		}
		h.mb.linkAt(h.seq, msg)
	}
	return nil
}

// Retract takes back the message about the handle, if it waits in the mailbox, and says whether it did. A call that the
// message was about goes on holding the socket's direction: make it again, or cancel it. A call that still waits has no
// message yet, and is not affected.
func (h *Handle) Retract() bool {
	if h == nil || h.mb == nil {
		return false
	}
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	if h.posted == messageNone || h.away {
		return false
	}
	h.mb.unlink(h)
	return true
}

// Busy reports whether a call with the handle is in progress.
func (h *Handle) Busy() bool {
	if h == nil || h.mb == nil {
		return false
	}
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	return h.busy
}

// Receive waits for a message until ctx ends. Errors: ctx.Err(); net.ErrClosed; *InvalidError "timeout" for a nil context.
func (m *Mailbox) Receive(ctx context.Context) (Message, error) {
	m = m.orClosed()
	return m.receive(ctx, nil, m.wake)
}

// ReceiveMatch waits for a message that match accepts, and leaves the others where they are, in their order; nil accepts
// all. match may be asked about a message more than once, and must not receive itself. Errors: ctx.Err(); net.ErrClosed. OTP: receive with a pattern.
func (m *Mailbox) ReceiveMatch(ctx context.Context, match func(Message) bool) (Message, error) {
	m = m.orClosed()
	// Who chooses must hear of every message: one wake-up for all might go to somebody who does not want this one.
	w := &watcher{wake: newChannel(1)}
	m.watch(w)
	defer m.unwatch(w)
	return m.receive(ctx, match, w.wake)
}

func (m *Mailbox) watch(w *watcher) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w.next = m.watchers; w.next != nil {
		w.next.prev = w
	}
	m.watchers = w
}

func (m *Mailbox) unwatch(w *watcher) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w.prev == nil {
		m.watchers = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
}

func (m *Mailbox) receive(ctx context.Context, match func(Message) bool, wake <-chan struct{}) (Message, error) {
	if ctx == nil {
		return nil, &InvalidError{What: "timeout", Cause: "the context is nil"}
	}
	for {
		if msg, ok := m.PollMatch(match); ok {
			return msg, nil
		}
		if m.Closed() {
			return nil, net.ErrClosed
		}
		select {
		case <-wake:
		case <-m.gone:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Poll takes the next message, if there is one.
func (m *Mailbox) Poll() (Message, bool) { return m.PollMatch(nil) }

// PollMatch takes the next message that match accepts, if there is one. OTP: receive with a pattern, after 0.
func (m *Mailbox) PollMatch(match func(Message) bool) (Message, bool) {
	m = m.orClosed()
	m.mu.Lock()
	last := m.seq + places - 1 // what comes from here on is for the next call
	for h := m.messages.head; h != nil && h.seq <= last; {
		seq, kind := h.seq, h.posted
		var msg Message
		var ok bool
		if h.receives() {
			msg, ok = m.receiveThrough(h, match)
		} else {
			msg, ok = m.takeIf(h, match)
		}
		if ok {
			m.mu.Unlock()
			return msg, true
		}
		// The mailbox was unlocked: what comes after this place may be anything by now.
		if h.posted != messageNone && h.seq == seq {
			if h.posted == kind { // else it says something else by now, which nobody has looked at
				h = h.next
			}
			continue
		}
		for h = m.messages.head; h != nil && h.seq <= seq; h = h.next {
		}
	}
	m.mu.Unlock()
	return nil, false
}

// takeIf takes the message about h out, if match accepts it. m.mu is held, but not while match runs.
func (m *Mailbox) takeIf(h *Handle, match func(Message) bool) (Message, bool) {
	msg, kind, seq := h.message(), h.posted, h.seq
	if match != nil {
		m.mu.Unlock()
		ok := match(msg)
		m.mu.Lock()
		if !ok || h.mb != m || h.posted != kind || h.seq != seq {
			return nil, false // or it is gone, or another by now
		}
	}
	m.unlink(h)
	if m.messages.head != nil {
		m.signal() // another receiver may be waiting
	}
	return msg, true
}

// receiveThrough takes the message about h out and asks h's function what to receive instead. What match refuses is kept.
// m.mu is held, but not while the functions run. Meanwhile the handle is away: what is said about it waits until what was
// received is delivered or back in its place, so that nobody overtakes it.
func (m *Mailbox) receiveThrough(h *Handle, match func(Message) bool) (msg Message, wanted bool) {
	raw, seq := h.message(), h.seq
	m.unlink(h)
	h.away = true
	m.mu.Unlock()
	more, done := true, false // should a function panic, the next receiver asks again
	defer func() {
		m.mu.Lock()
		if msg != nil && !wanted && m.open {
			m.linkAt(seq, msg)
		}
		again := h.posted
		h.away, h.posted = false, messageNone
		if more && again == messageNone && !h.waiting { // else its place is in a lane, and its message comes
			again = messageSelect
		}
		switch {
		case !m.open:
		case again != messageNone:
			m.link(h, again)
		case m.messages.head != nil:
			m.signal()
		}
		if !done {
			m.mu.Unlock()
		}
	}()
	msg, more = h.ext.receive(raw)
	wanted = msg != nil && (match == nil || match(msg))
	done = true
	return msg, wanted
}

// receives reports that h was made by NewHandleFunc.
func (h *Handle) receives() bool { return h.ext != nil && h.ext.receive != nil }

// message is the message that waits about h. mb.mu is held.
func (h *Handle) message() Message {
	switch h.posted {
	case messageSelect:
		return SelectMsg{h}
	case messageAbort:
		return AbortMsg{h, h.ext.reason}
	}
	return h.ext.msg
}

// Move takes the messages that match accepts to the end of another mailbox, in their order, and says how many there were.
// Those about handles stay: they belong to who made the call. Errors: net.ErrClosed when to is closed. What had not moved
// by then is still here.
func (m *Mailbox) Move(to *Mailbox, match func(Message) bool) (int, error) {
	m = m.orClosed()
	if to == nil || match == nil {
		return 0, &InvalidError{What: "mailbox", Cause: "to where, or which messages, is nil"}
	}
	if to.Closed() {
		return 0, net.ErrClosed
	}
	if to == m {
		return 0, nil
	}
	type candidate struct {
		h   *Handle
		seq uint64
	}
	var found []candidate
	m.mu.Lock()
	for h := m.messages.head; h != nil; h = h.next {
		if h.posted == messageOther {
			found = append(found, candidate{h, h.seq})
		}
	}
	m.mu.Unlock()
	n := 0
	for _, w := range found {
		if !match(w.h.ext.msg) {
			continue
		}
		moved, err := m.moveOne(to, w.h, w.seq)
		if err != nil {
			return n, err
		}
		if moved {
			n++
		}
	}
	return n, nil
}

// moveOne moves a message that is still where it was seen. It is in one of the two mailboxes all the time.
func (m *Mailbox) moveOne(to *Mailbox, h *Handle, seq uint64) (bool, error) {
	first, second := m, to
	if second.id < first.id {
		first, second = second, first
	}
	first.mu.Lock()
	defer first.mu.Unlock()
	second.mu.Lock()
	defer second.mu.Unlock()
	switch {
	case !to.open:
		return false, net.ErrClosed
	case h.posted != messageOther || h.seq != seq:
		return false, nil // somebody was quicker
	}
	m.unlink(h)
	to.link(&Handle{mb: to, ext: &handleExt{msg: h.ext.msg}}, messageOther)
	return true, nil
}

// Wake is a channel that becomes readable when messages may have come, for use in a select statement together with
// Poll until it answers false. A wake-up is for one of those who use Wake and Receive: whoever takes it must not leave
// messages for others.
func (m *Mailbox) Wake() <-chan struct{} {
	if m == nil || m.wake == nil {
		return awake
	}
	return m.wake
}

// Len is the number of messages waiting.
func (m *Mailbox) Len() int {
	m = m.orClosed()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

// Post puts a message of the caller's into the mailbox. Errors: net.ErrClosed.
func (m *Mailbox) Post(msg Message) error {
	m = m.orClosed()
	if msg == nil {
		return &InvalidError{What: "msg", Cause: "the message is nil"}
	}
	h := &Handle{mb: m, ext: &handleExt{msg: msg}}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open {
		return net.ErrClosed
	}
	m.link(h, messageOther)
	return nil
}

// Close is the death of a process: the sockets that the mailbox owns are closed without lingering, its calls
// in progress are taken back and those behind them let through, and its messages are dropped. Later calls
// with it fail. Closing again does nothing.
func (m *Mailbox) Close() error {
	m = m.orClosed()
	m.mu.Lock()
	if !m.open {
		m.mu.Unlock()
		return nil
	}
	m.open = false
	for m.messages.head != nil {
		m.unlink(m.messages.head)
	}
	var owned []*Socket
	for s := m.owned; s != nil; s = s.ownNext {
		owned = append(owned, s)
	}
	type held struct {
		h *Handle
		s *Socket
	}
	var pending []held
	for h := m.pending; h != nil; h = h.pnext {
		pending = append(pending, held{h, h.sock})
	}
	m.mu.Unlock()
	close(m.gone)
	poke(m.wake) // for who looks at Wake

	for _, s := range owned {
		s.closeFor(m)
	}
	for _, p := range pending {
		p.s.cancel(p.h) // what it refuses has ended by itself
	}
	monitors.forget(m)
	return nil
}

// Closed reports whether Close was called.
func (m *Mailbox) Closed() bool {
	m = m.orClosed()
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.open
}

// signal wakes a receiver, and all who choose. m.mu is held.
func (m *Mailbox) signal() {
	poke(m.wake)
	for w := m.watchers; w != nil; w = w.next {
		poke(w.wake)
	}
}

func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// link appends a message about h and wakes a receiver. m.mu is held.
func (m *Mailbox) link(h *Handle, kind messageKind) {
	h.posted = kind
	if h.away {
		return // receiveThrough does it
	}
	m.seq += places
	h.seq = m.seq
	m.messages.push(h)
	m.n++
	m.signal()
}

// places is how many messages can have the place of one, each a number of its own.
const places = 1 << 16

// linkAt puts a message where the one with that number was. m.mu is held.
func (m *Mailbox) linkAt(seq uint64, msg Message) {
	place := seq &^ (places - 1)
	after := m.messages.tail
	for after != nil && after.seq >= place+places {
		after = after.prev
	}
	if after != nil && after.seq >= place {
		seq = min(after.seq+1, place+places-1)
	}
	m.messages.insert(&Handle{mb: m, ext: &handleExt{msg: msg}, posted: messageOther, seq: seq}, after)
	m.n++
	m.signal()
}

// unlink takes the message about h out. m.mu is held.
func (m *Mailbox) unlink(h *Handle) {
	h.posted = messageNone
	if h.away {
		return // it is not in
	}
	m.messages.remove(h)
	m.n--
}

// errHandleBusy is the answer to a use of a handle that is used already.
var errHandleBusy = &InvalidError{What: "handle", Cause: "a call with it is in progress"}

// errMailboxClosed is the answer to calls of a requester that is dead.
var errMailboxClosed = &InvalidError{What: "mailbox", Cause: "it is closed"}

// claim takes h for a call on s: it must be in no other. Errors: *InvalidError.
func (m *Mailbox) claim(h *Handle, s *Socket) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open {
		return errMailboxClosed
	}
	if h.busy || h.posted != messageNone {
		return errHandleBusy
	}
	h.busy, h.waiting, h.sock = true, true, s
	h.pprev, h.pnext = nil, m.pending
	if m.pending != nil {
		m.pending.pprev = h
	}
	m.pending = h
	return nil
}

// release is the end of the call that h was claimed for.
func (m *Mailbox) release(h *Handle) {
	m.mu.Lock()
	m.unclaim(h)
	m.mu.Unlock()
}

// unclaim is release with m.mu held.
func (m *Mailbox) unclaim(h *Handle) {
	if !h.busy {
		return
	}
	h.busy, h.waiting = false, false
	if h.pprev == nil {
		m.pending = h.pnext
	} else {
		h.pprev.pnext = h.pnext
	}
	if h.pnext != nil {
		h.pnext.pprev = h.pprev
	}
	h.pprev, h.pnext = nil, nil
}

// selected tells the mailbox that h is ready.
func (m *Mailbox) selected(h *Handle) {
	m.mu.Lock()
	h.waiting = false
	if m.open && h.posted == messageNone {
		m.link(h, messageSelect)
	}
	m.mu.Unlock()
}

// aborted ends h's call and tells the mailbox why. A select message that nobody has seen gives way to it.
func (m *Mailbox) aborted(h *Handle, reason error) {
	m.mu.Lock()
	m.unclaim(h)
	if m.open {
		h.extend().reason = reason
		if h.posted == messageNone {
			m.link(h, messageAbort)
		} else {
			h.posted = messageAbort // in its place
			m.signal()              // who has looked at it did not see this
		}
	}
	m.mu.Unlock()
}

// unseen reports whether a message about h waits in the mailbox.
func (m *Mailbox) unseen(h *Handle) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return h.posted != messageNone && !h.away
}

// inUse reports whether h is in a lane, or a message about it waits.
func (h *Handle) inUse() bool {
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	return h.busy || h.posted != messageNone
}

// withdraw takes back the message about h, if nobody has seen it.
func (m *Mailbox) withdraw(h *Handle) {
	m.mu.Lock()
	if h.posted != messageNone {
		m.unlink(h)
	}
	m.mu.Unlock()
}

// calls says whether a call with h is in progress, and on which socket. As long as it is on s, s.mu guards h's state.
func (h *Handle) calls() (s *Socket, busy bool) {
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	return h.sock, h.busy
}

// queuedIn reports whether the mailbox has a call queued in a lane of s. It goes through the lane's queue and the calls of
// the mailbox in step, because only one of the two is ever long for what is usual. s.mu is held.
func (m *Mailbox) queuedIn(s *Socket, l *lane, d direction) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for h, p := l.head, m.pending; h != nil && p != nil; h, p = h.next, p.pnext {
		if h.mb == m || p.sock == s && p.state == handleQueued && p.op.direction() == d {
			return true
		}
	}
	return false
}

// own makes the mailbox the owner of s; false: it is closed. s.mu is held.
func (m *Mailbox) own(s *Socket) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open {
		return false
	}
	s.ownPrev, s.ownNext = nil, m.owned
	if m.owned != nil {
		m.owned.ownPrev = s
	}
	m.owned = s
	return true
}

// disown is the end of owning s. s.mu is held.
func (m *Mailbox) disown(s *Socket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.ownPrev == nil {
		m.owned = s.ownNext
	} else {
		s.ownPrev.ownNext = s.ownNext
	}
	if s.ownNext != nil {
		s.ownNext.ownPrev = s.ownPrev
	}
	s.ownPrev, s.ownNext = nil, nil
}
