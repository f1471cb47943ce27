package esock

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
)

// Message is an element of a Mailbox: SelectMsg, CompletionMsg, AbortMsg, DownMsg, CounterWrapMsg, or a value given to Post.
type Message interface {
	// Socket returns the socket that the message is about.
	Socket() *Socket
}

// SelectMsg says that the handle's call is worth repeating. The call may still find that it would block. OTP:
// {'$socket', Socket, select, Handle}.
type SelectMsg struct{ Handle *Handle }

// Socket returns the socket to repeat the call on.
func (m SelectMsg) Socket() *Socket { return m.Handle.Socket() }

func (m SelectMsg) String() string { return "select: " + m.Handle.String() }

// AbortMsg says that the handle's call ended without a SelectMsg or a CompletionMsg. Reasons: the socket was closed
// (net.ErrClosed); another call of the same mailbox replaced it (ErrCancelled), since a mailbox has one waiting call
// per direction of a socket; or the call ahead in the queue met an error that affects all (a syscall.Errno, io.EOF).
// OTP: {'$socket', Socket, abort, {Handle, Reason}}.
type AbortMsg struct {
	Handle *Handle
	Reason error
}

// Socket returns the socket that the call was made on.
func (m AbortMsg) Socket() *Socket { return m.Handle.Socket() }

func (m AbortMsg) String() string { return fmt.Sprintf("abort: %v: %v", m.Handle, m.Reason) }

// CounterWrapMsg tells the owner that a counter wrapped, if {otp, iow} is on.
type CounterWrapMsg struct {
	Sock    *Socket
	Counter string // its name, as in Counters.Map
}

// Socket returns the socket that the counter belongs to.
func (m CounterWrapMsg) Socket() *Socket { return m.Sock }

func (m CounterWrapMsg) String() string {
	return fmt.Sprintf("counter_wrap: %s of %v", m.Counter, m.Sock)
}

// Mailbox plays the part of an Erlang process: it makes asynchronous calls, receives messages about them, and can own
// sockets. Closing it is the owner's death. NewMailbox makes one; the zero Mailbox and a nil *Mailbox are closed.
//
// Any number of goroutines may use a mailbox. Messages arrive in the order they were sent, and each is received once.
type Mailbox struct {
	mu       sync.Mutex
	messages handleList              // not received yet
	n        int                     // how many
	pending  list[Handle, callLinks] // handles in progress
	owned    list[Socket, ownedLinks]
	open     atomic.Bool // changed with mu held
	seq      uint64      // places ever given to messages
	posts    uint64      // messages ever put into a place that was given before
	watchers list[watcher, watcherLinks]
	wake     chan struct{} // buffer of 1: there may be messages
	turn     chan struct{} // buffer of 1: the same, for receivers whose wait cannot end by itself
	waiting  int           // how many of these there are
	gone     chan struct{} // closed by Close, which every other receiver sees
	id       uint64
	bubbled  bool // the channels belong to a bubble: simulated.go
}

// watcher is a ReceiveMatch that waits, in its mailbox's list. Guarded by the mailbox's mu.
type watcher struct {
	links[watcher]
	wake chan struct{} // buffer of 1
}

var watcherPool = sync.Pool{New: func() any { return &watcher{wake: newChannel(1)} }}

type watcherLinks struct{}

func (watcherLinks) of(w *watcher) *links[watcher] { return &w.links }

var lastMailboxID atomic.Uint64

// NewMailbox makes an empty mailbox.
func NewMailbox() *Mailbox {
	m := &Mailbox{id: lastMailboxID.Add(1), bubbled: inSimulation()}
	if m.bubbled {
		m.wake, m.turn, m.gone = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})
	} else {
		m.wake, m.turn, m.gone = newChannel(1), newChannel(1), newChannel(0)
	}
	m.open.Store(true)
	return m
}

// String returns "#Mailbox<n>", where n numbers the mailboxes of the process.
func (m *Mailbox) String() string { return "#Mailbox<" + strconv.FormatUint(m.orClosed().id, 10) + ">" }

// Receive waits for a message until ctx ends. Errors: ctx.Err(); net.ErrClosed; *InvalidError "timeout" for a nil
// context.
func (m *Mailbox) Receive(ctx context.Context) (Message, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	m = m.orClosed()
	msg, err := m.look(nil)
	if msg == nil && err == nil {
		if done := ctx.Done(); done == nil {
			msg, err = m.receiveAnyway()
		} else {
			msg, err = m.receive(ctx, done, nil, m.wake)
		}
	}
	return msg, err
}

// ReceiveMatch waits for a message that match accepts and leaves the others in place; nil accepts all. match may see a
// message more than once, and must not receive. Errors: as Receive. OTP: receive with a pattern.
func (m *Mailbox) ReceiveMatch(ctx context.Context, match func(Message) bool) (Message, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	m = m.orClosed()
	msg, err := m.look(match)
	if msg != nil || err != nil {
		return msg, err
	}
	// Each match must see every message: a shared wake-up could go to a receiver whose match refuses it.
	var w *watcher
	if m.bubbled {
		w = &watcher{wake: make(chan struct{}, 1)}
	} else {
		w = watcherPool.Get().(*watcher)
	}
	m.watch(w)
	defer m.unwatch(w)
	if msg, err = m.look(match); msg == nil && err == nil {
		msg, err = m.receive(ctx, ctx.Done(), match, w.wake)
	}
	return msg, err
}

// errMailboxGone is the net.ErrClosed of a mailbox.
var errMailboxGone = mailboxGone{}

type mailboxGone struct{}

func (mailboxGone) Error() string { return "esock: use of closed mailbox" }
func (mailboxGone) Unwrap() error { return net.ErrClosed }

var errNilContext = &InvalidError{What: "timeout", Cause: "the context is nil"}

func (m *Mailbox) watch(w *watcher) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watchers.push(w)
}

func (m *Mailbox) unwatch(w *watcher) {
	m.mu.Lock()
	m.watchers.remove(w)
	m.mu.Unlock()
	select { // nothing wakes it any more
	case <-w.wake:
	default:
	}
	if !m.bubbled {
		watcherPool.Put(w)
	}
}

// look takes the next message that match accepts, nil if there is none. Errors: net.ErrClosed.
func (m *Mailbox) look(match func(Message) bool) (Message, error) {
	m.mu.Lock()
	msg, ok := m.take(match)
	open := m.open.Load()
	m.mu.Unlock()
	if !ok && !open {
		return nil, errMailboxGone
	}
	return msg, nil
}

// receive waits for wake, the mailbox's end or done, the end of ctx. The receiver has looked.
func (m *Mailbox) receive(ctx context.Context, done <-chan struct{}, match func(Message) bool,
	wake <-chan struct{}) (Message, error) {
	for {
		select {
		case <-wake:
		case <-m.gone:
		case <-done:
			return nil, endOf(ctx)
		}
		if msg, err := m.look(match); msg != nil || err != nil {
			return msg, err
		}
	}
}

// receiveAnyway waits for a message or the mailbox's end. A plain receive from a channel costs half of a select.
func (m *Mailbox) receiveAnyway() (Message, error) {
	m.mu.Lock()
	for {
		msg, ok := m.take(nil)
		switch {
		case ok:
			m.mu.Unlock()
			return msg, nil
		case !m.open.Load():
			m.signalTurn() // each passes it on to the next
			m.mu.Unlock()
			return nil, errMailboxGone
		case m.messages.head != nil:
			continue // it came while the function of a handle ran, and waiting did not count this receiver
		}
		m.waiting++
		m.mu.Unlock()
		<-m.turn
		m.mu.Lock()
		m.waiting--
	}
}

// Poll takes the next message, if there is one.
func (m *Mailbox) Poll() (Message, bool) { return m.PollMatch(nil) }

// PollMatch takes the next message that match accepts, if there is one. OTP: receive with a pattern, after 0.
func (m *Mailbox) PollMatch(match func(Message) bool) (Message, bool) {
	m = m.orClosed()
	m.mu.Lock()
	msg, ok := m.take(match)
	m.mu.Unlock()
	return msg, ok
}

// take is PollMatch. m.mu is held, but not while match or the function of a handle runs, nor after their panic.
func (m *Mailbox) take(match func(Message) bool) (Message, bool) {
	last := m.seq // later messages are for the next call
	for h := m.messages.head; h != nil && h.seq <= last; {
		at, kind := h.place(), h.posted
		var msg Message
		var ok bool
		if h.receives() {
			msg, ok = m.receiveThrough(h, match == nil)
		} else {
			msg, ok = m.takeIf(h, match)
		}
		if ok {
			return msg, true
		}
		// The mailbox was unlocked, so the messages after this place may have changed.
		if h.at(at) {
			if h.posted == kind { // else the message was replaced, and match has not seen the new one
				h = h.entry.next
			}
			continue
		}
		for h = m.messages.head; h != nil && !at.before(h.place()); h = h.entry.next {
		}
	}
	return nil, false
}

// takeIf removes and returns the message about h, if match accepts it. m.mu is held, but not while match runs.
func (m *Mailbox) takeIf(h *Handle, match func(Message) bool) (Message, bool) {
	msg, kind, at := h.message(), h.posted, h.place()
	if match != nil {
		m.mu.Unlock()
		ok := match(msg)
		m.mu.Lock()
		if !ok || h.posted != kind || !h.at(at) {
			return nil, false // it was refused, received, moved or replaced
		}
	}
	m.unlink(h)
	if m.messages.head != nil {
		m.signal() // another receiver may be waiting
	}
	return msg, true
}

// receiveThrough removes the message about h and calls h's function for the message to receive instead. With take, that
// message is received at once. Otherwise it takes the place of h's message as an ordinary message, so that move and other
// receivers find it while match examines it. m.mu is held, but not while the function runs. Meanwhile the handle is away:
// further messages about it wait, so that none overtakes the function's message.
func (m *Mailbox) receiveThrough(h *Handle, take bool) (msg Message, ok bool) {
	if mu := h.ext.maker.mu; mu != nil {
		kind, at := h.posted, h.place()
		m.mu.Unlock()
		mu.Lock()
		defer mu.Unlock()
		m.mu.Lock()
		if h.posted != kind || !h.at(at) {
			return nil, false // the receiver that had mu took the message
		}
	}
	raw, kind, seq := h.message(), h.posted, h.seq
	m.unlink(h)
	h.away = true
	m.mu.Unlock()
	more, done := false, false
	defer func() {
		m.mu.Lock()
		if m.open.Load() && msg != nil && !take {
			m.linkAt(seq, msg)
		}
		again := h.posted
		h.away, h.posted = false, messageNone
		switch {
		case h.waiting: // a new call has the handle, and its message will come
		case !done && again != messageAbort:
			again = kind
		case more && again == messageNone:
			again = messageSelect
		}
		switch {
		case !m.open.Load():
		case again != messageNone:
			m.link(h, again)
		case m.messages.head != nil:
			m.signal()
		}
		if !done {
			m.mu.Unlock() // f panicked
		}
	}()
	msg, more = h.ext.maker.f(raw)
	done = true
	return msg, take && msg != nil
}

// move moves the messages that match accepts to the end of another mailbox, in order, and returns their number. A
// message that a receiver's match is examining moves too, and that receiver does not get it. Messages about handles
// stay, because they belong to the caller of the operation. So does what a handle's function is making at that time;
// a newHandleFunc with a lock prevents that. Errors: net.ErrClosed when to is closed; what has not moved by then stays.
func (m *Mailbox) move(to *Mailbox, match func(Message) bool) (int, error) {
	m = m.orClosed()
	if to == nil || match == nil {
		return 0, &InvalidError{What: "mailbox", Cause: "to where, or which messages, is nil"}
	}
	if to.Closed() {
		return 0, errMailboxGone
	}
	if to == m {
		return 0, nil
	}
	type candidate struct {
		h  *Handle
		at place
	}
	var found []candidate
	m.mu.Lock()
	for h := m.messages.head; h != nil; h = h.entry.next {
		if h.posted == messageOther {
			found = append(found, candidate{h, h.place()})
		}
	}
	m.mu.Unlock()
	n := 0
	for _, w := range found {
		if !match(w.h.ext.msg) {
			continue
		}
		moved, err := m.moveOne(to, w.h, w.at)
		if err != nil {
			return n, err
		}
		if moved {
			n++
		}
	}
	return n, nil
}

// moveOne moves a message that is still at its place. The message is in one of the two mailboxes at all times.
func (m *Mailbox) moveOne(to *Mailbox, h *Handle, at place) (bool, error) {
	first, second := m, to
	if second.id < first.id {
		first, second = second, first
	}
	first.mu.Lock()
	defer first.mu.Unlock()
	second.mu.Lock()
	defer second.mu.Unlock()
	switch {
	case !to.open.Load():
		return false, errMailboxGone
	case !h.at(at):
		return false, nil // another receiver took it
	}
	m.unlink(h)
	to.link(&Handle{mb: to, ext: &handleExt{msg: h.ext.msg}}, messageOther)
	return true, nil
}

// Wake returns a channel that becomes readable when messages may have come. Use it in a select statement, then call
// Poll until it returns false: one wake-up serves one receiver, which must not leave messages for others.
func (m *Mailbox) Wake() <-chan struct{} {
	if m == nil || m.wake == nil {
		return awake
	}
	return m.wake
}

// Len returns the number of waiting messages.
func (m *Mailbox) Len() int {
	m = m.orClosed()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

// Post adds a message of the caller's own. Errors: net.ErrClosed.
func (m *Mailbox) Post(msg Message) error {
	m = m.orClosed()
	if msg == nil {
		return &InvalidError{What: "msg", Cause: "the message is nil"}
	}
	h := &Handle{mb: m, ext: &handleExt{msg: msg}}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open.Load() {
		return errMailboxGone
	}
	m.link(h, messageOther)
	return nil
}

// Close has the effect of a process's death: it closes the sockets that the mailbox owns, without lingering, cancels
// its calls in progress, and drops its messages. Later calls with the mailbox fail. Closing again does nothing.
func (m *Mailbox) Close() error {
	m = m.orClosed()
	m.mu.Lock()
	if !m.open.Load() {
		m.mu.Unlock()
		return nil
	}
	m.open.Store(false)
	m.signalTurn()
	for m.messages.head != nil {
		m.unlink(m.messages.head)
	}
	var owned []*Socket
	for s := m.owned.head; s != nil; s = s.owned.next {
		owned = append(owned, s)
	}
	type held struct {
		h *Handle
		s *Socket
	}
	var pending []held
	for h := m.pending.head; h != nil; h = h.call.next {
		pending = append(pending, held{h, h.sock})
	}
	m.mu.Unlock()
	close(m.gone)
	poke(m.wake) // for users of Wake

	for _, s := range owned {
		s.closeFor(m)
	}
	for _, p := range pending {
		p.s.cancel(p.h) // an error says that the call has ended already
	}
	monitors.forget(m)
	return nil
}

// Closed reports whether Close was called.
func (m *Mailbox) Closed() bool {
	return !m.orClosed().open.Load()
}

// signal wakes one receiver and every ReceiveMatch. Whoever takes a message while there are more signals again, so that a
// receiver which has been woken, and has not run yet, stands for all of its kind. m.mu is held.
func (m *Mailbox) signal() {
	if m.waiting > 0 {
		m.signalTurn()
	} else {
		poke(m.wake)
	}
	for w := m.watchers.head; w != nil; w = w.next {
		poke(w.wake)
	}
}

// signalTurn wakes a receiver whose wait cannot end by itself, if there is one. m.mu is held.
func (m *Mailbox) signalTurn() {
	if m.waiting > 0 {
		poke(m.turn)
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
		return // receiveThrough links it
	}
	m.seq++
	h.seq = m.seq
	m.messages.push(h)
	m.n++
	m.signal()
}

// place orders the messages of a mailbox. No two messages that were ever in it have the same place.
type place struct {
	seq  uint64 // numbers the messages that were put at the end
	post uint64 // 0, or numbers the messages that were put behind the one with that seq (Handle.Post)
}

func (p place) before(q place) bool { return p.seq < q.seq || p.seq == q.seq && p.post < q.post }

// place returns the place of the message about h, or of the last one. m.mu is held.
func (h *Handle) place() place {
	if h.ext == nil {
		return place{seq: h.seq}
	}
	return place{h.seq, h.ext.post}
}

// at reports whether a message about h is at that place. m.mu is held.
func (h *Handle) at(p place) bool { return h.posted != messageNone && !h.away && h.place() == p }

// linkAt adds a message at the place of the one with that seq, behind earlier ones there. m.mu is held.
func (m *Mailbox) linkAt(seq uint64, msg Message) {
	after := m.messages.tail
	for after != nil && after.seq > seq {
		after = after.entry.prev
	}
	m.posts++
	h := &Handle{mb: m, ext: &handleExt{msg: msg, post: m.posts}, posted: messageOther, seq: seq}
	m.messages.insert(h, after)
	m.n++
	m.signal()
}

// unlink removes the message about h. m.mu is held.
func (m *Mailbox) unlink(h *Handle) {
	h.posted = messageNone
	if h.away {
		return // it is not in the list
	}
	m.messages.remove(h)
	m.n--
}
