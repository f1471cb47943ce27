package esock

import (
	"sync"
)

// Handle identifies the asynchronous calls of one requester, one call at a time. Mailbox.NewHandle makes it. A second
// call that would wait while the first is in progress returns an *InvalidError "handle". A call that completes at once
// does not use its handle.
type Handle struct {
	// A handle is its own entry in a lane's queue and in a mailbox's list of messages, so that neither allocates.

	entry     links[Handle] // in a lane's queue, guarded by the socket's mu, or a mailbox's messages, by mb.mu
	mb        *Mailbox      // the requester; nil for a blocking call waiting its turn
	sock      *Socket       // where it was last used; guarded by mb.mu
	call      links[Handle] // in the mailbox's list of handles in progress, guarded by mb.mu
	ext       *handleExt    // nil in most handles
	seq       uint64        // see place; guarded by mb.mu
	op        Op
	state     handleState // guarded by the socket's mu
	posted    messageKind // guarded by mb.mu
	away      bool        // the function of newHandleFunc is running; guarded by mb.mu
	busy      bool        // a call is in progress; guarded by mb.mu
	waiting   bool        // the message of that call is still to come; guarded by mb.mu
	complete  bool        // see Select.Complete
	moved     bool        // part of the data has moved; guarded by the socket's mu
	completes bool        // the library carries the call out; guarded by the socket's mu
	due       bool        // an event has come that nobody has acted on; guarded by the socket's mu
}

// handleExt has the fields that few handles need.
type handleExt struct {
	wake      chan struct{} // a blocking call waits here for its turn; buffer of 1
	reason    error         // of the AbortMsg
	msg       Message       // messageOther
	file      *heldFile     // the sendfile in progress
	to        *Addr         // where the connect in progress leads
	waiter    *waiter       // of a blocking call
	operation *operation    // that the library carries out or has carried out, used again for the next

	maker *maker // newHandleFunc
	post  uint64 // see place; guarded by mb.mu
}

type handleState uint8

const (
	handleIdle     handleState = iota // in no lane
	handleQueued                      // in a lane's queue
	handleArmed                       // holds the lane; a message will come
	handleSelected                    // holds the lane; the message was sent
	handleCarried                     // holds and owns the lane: the library makes its tries now
)

// messageKind says which message about a handle is in its mailbox.
type messageKind uint8

const (
	messageNone messageKind = iota
	messageSelect
	messageAbort
	messageCompletion
	messageOther // ext.msg
)

// NewHandle makes a handle for calls that use With. OTP: make_ref().
func (m *Mailbox) NewHandle() *Handle { return &Handle{mb: m.orClosed()} }

// newHandleFunc makes a handle whose messages pass through f. The receiver that meets one calls f with it, in its own
// goroutine and with no lock held but mu, and gets what f returns; nil stands for no message. If more is true, a
// SelectMsg about the handle goes to the end of the mailbox. A layer above sockets can thus read only when its user
// receives. For ReceiveMatch and PollMatch, what f returns takes the place of the handle's message and is an ordinary
// message from then on: it can be taken or moved while match examines it, and stays if match refuses it.
//
// mu is the lock under which a layer makes its messages; nil: none. The receiver locks mu before it takes the handle's
// message, and unlocks it when the result of f is received or in the mailbox. f may unlock mu for a while; match runs
// with mu unlocked. A goroutine that holds mu while f is not running therefore sees everything: finished messages are
// received or in the mailbox (move, PollMatch), and the handle's message announces the rest (retract).
//
// If f panics, the panic reaches the receiver's caller and nothing stays locked. The handle's message goes to the end
// of the mailbox, because it may say that a direction of a socket is held; its next receiver calls f again.
func (m *Mailbox) newHandleFunc(mu *sync.Mutex, f func(Message) (msg Message, more bool)) *Handle {
	return &Handle{mb: m.orClosed(), ext: &handleExt{maker: &maker{f, mu}}}
}

// maker makes the messages that are received in place of the handle's own.
type maker struct {
	f  func(Message) (msg Message, more bool)
	mu *sync.Mutex // held while f runs; nil: none
}

// Socket returns the socket of the handle's last use, nil before the first.
func (h *Handle) Socket() *Socket {
	h = orZero(h)
	if h.mb == nil {
		return h.sock
	}
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	return h.sock
}

// String describes the handle's last call: "recv on #Socket<7>".
func (h *Handle) String() string {
	s := h.Socket()
	if s == nil {
		return "unused handle"
	}
	s.mu.Lock()
	op := h.op
	s.mu.Unlock()
	return op.String() + " on " + s.String()
}

// Mailbox returns the mailbox that the handle belongs to.
func (h *Handle) Mailbox() *Mailbox { return orZero(h).mb }

// notify puts a SelectMsg about the handle into its mailbox, unless a message about it is there. It is for handles
// with no call in progress. Errors: *InvalidError "handle" while a call with it waits; net.ErrClosed.
func (h *Handle) notify() error {
	if h == nil || h.mb == nil {
		return errMailboxGone
	}
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	switch {
	case !h.mb.open.Load():
		return errMailboxGone
	case h.waiting:
		return errHandleBusy
	case h.posted == messageNone:
		h.mb.link(h, messageSelect)
	}
	return nil
}

// post puts a message into the mailbox at the place of the handle's last message, before later ones. A layer uses it
// when it must make messages before they are received. It does not affect a call with the handle. Errors:
// net.ErrClosed.
func (h *Handle) post(msg Message) error {
	if h == nil || h.mb == nil {
		return errMailboxGone
	}
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	if !h.mb.open.Load() {
		return errMailboxGone
	}
	if msg == nil {
		return &InvalidError{What: "msg", Cause: "the message is nil"}
	}
	h.mb.linkAt(h.seq, msg)
	return nil
}

// retract removes the message about the handle from the mailbox, and reports whether there was one. The call that the
// message was about still holds the socket's direction: repeat it or cancel it. A call that still waits is not
// affected.
func (h *Handle) retract() bool {
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

// Select is the error of an asynchronous call that would block. It is not a failure: a message about the handle comes
// to the mailbox, and the caller then repeats the call; Socket.Cancel takes the call back. The count returned with it
// says how much is done already. OTP: {select, SelectInfo}.
type Select Handle

var _ error = (*Select)(nil)

func (s *Select) Error() string { return "esock: " + s.Op().String() + " would block: selected" }

// Handle returns the handle that messages about this call name.
func (s *Select) Handle() *Handle { return (*Handle)(s) }

// Op returns the operation to repeat.
func (s *Select) Op() Op { return orZero(s).op }

// Complete reports that the call is complete, and that the Select is about the next one ({otp, select_read}).
func (s *Select) Complete() bool { return orZero(s).complete }

func (h *Handle) extend() *handleExt {
	if h.ext == nil {
		h.ext = new(handleExt)
	}
	return h.ext
}

// receives reports whether h was made by newHandleFunc with a function.
func (h *Handle) receives() bool { return h.ext != nil && h.ext.maker != nil }

// message returns the waiting message about h. mb.mu is held.
func (h *Handle) message() Message {
	switch h.posted {
	case messageSelect:
		return SelectMsg{h}
	case messageAbort:
		return AbortMsg{h, h.ext.reason}
	case messageCompletion:
		return CompletionMsg{h}
	}
	return h.ext.msg
}

// handleList is a list of handles, each in one list at a time: the calls queued in a lane, a mailbox's messages.
type handleList = list[Handle, handleLinks]

type handleLinks struct{}

func (handleLinks) of(h *Handle) *links[Handle] { return &h.entry }

// callLinks link the handles of a mailbox that have a call in progress.
type callLinks struct{}

func (callLinks) of(h *Handle) *links[Handle] { return &h.call }

// errHandleBusy refuses a second call with a handle.
var errHandleBusy = &InvalidError{What: "handle", Cause: "a call with it is in progress"}

// errMailboxClosed refuses a call of a closed mailbox.
var errMailboxClosed = &InvalidError{What: "mailbox", Cause: "it is closed"}

// errMailboxBubbled refuses a call on a socket of the machine's kernel, whose events come from outside of the bubble.
var errMailboxBubbled = &InvalidError{What: "mailbox", Cause: "it was made in a bubble with a simulated kernel, and serves sockets of that kernel only"}

// claim takes h for a call on s. Errors: errMailboxBubbled; errMailboxClosed; errHandleBusy if a call or a message has h.
func (m *Mailbox) claim(h *Handle, s *Socket) error {
	m.mu.Lock()
	err := error(nil)
	switch {
	case !m.open.Load():
		err = errMailboxClosed
	case m.bubbled && s.simulated() == nil:
		err = errMailboxBubbled
	case h.busy || h.posted != messageNone:
		err = errHandleBusy
	default:
		h.busy, h.waiting, h.sock = true, true, s
		m.pending.insert(h, nil)
	}
	m.mu.Unlock()
	return err
}

// release ends the call that h was claimed for.
func (m *Mailbox) release(h *Handle) {
	m.mu.Lock()
	m.unclaim(h)
	m.mu.Unlock()
}

// finish removes the message about h, if there is one, and ends its call.
func (m *Mailbox) finish(h *Handle) {
	m.mu.Lock()
	if h.posted != messageNone {
		m.unlink(h)
	}
	m.unclaim(h)
	m.mu.Unlock()
}

// unclaim is release with m.mu held.
func (m *Mailbox) unclaim(h *Handle) {
	if !h.busy {
		return
	}
	h.busy, h.waiting = false, false
	m.pending.remove(h)
}

// selected sends the SelectMsg about h.
func (m *Mailbox) selected(h *Handle) {
	m.mu.Lock()
	h.waiting = false
	if m.open.Load() && h.posted == messageNone {
		m.link(h, messageSelect)
	}
	m.mu.Unlock()
}

// aborted ends h's call and sends an AbortMsg. It replaces a SelectMsg that was not received yet.
func (m *Mailbox) aborted(h *Handle, reason error) {
	m.mu.Lock()
	m.unclaim(h)
	if m.open.Load() {
		h.extend().reason = reason
		if h.posted == messageNone {
			m.link(h, messageAbort)
		} else {
			h.posted = messageAbort // in its place
			m.signal()              // a match may have examined the old message
		}
	}
	m.mu.Unlock()
}

// unseen reports whether a message about h waits in the mailbox.
func (m *Mailbox) unseen(h *Handle) bool {
	m.mu.Lock()
	unseen := h.posted != messageNone && !h.away
	m.mu.Unlock()
	return unseen
}

// inUse reports whether a call with h is in progress, or a message about it waits.
func (h *Handle) inUse() bool {
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	return h.busy || h.posted != messageNone
}

// withdraw removes the message about h, if there is one that is no result.
func (m *Mailbox) withdraw(h *Handle) {
	m.mu.Lock()
	if h.posted != messageNone && h.posted != messageCompletion {
		m.unlink(h)
	}
	m.mu.Unlock()
}

// calls returns the socket of h's last call, and whether it is in progress. While it is, s.mu guards h's state.
func (h *Handle) calls() (s *Socket, busy bool) {
	h.mb.mu.Lock()
	defer h.mb.mu.Unlock()
	return h.sock, h.busy
}

// queuedIn returns the call that the mailbox has queued in a lane of s, or nil. It walks the lane's queue and the mailbox's
// calls in step, because usually at most one of the two is long. s.mu is held.
func (m *Mailbox) queuedIn(s *Socket, l *lane, d direction) *Handle {
	if l.head == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for h, p := l.head, m.pending.head; h != nil && p != nil; h, p = h.entry.next, p.call.next {
		switch {
		case h.mb == m:
			return h
		case p.sock == s && p.state == handleQueued && p.op.direction() == d:
			return p
		}
	}
	return nil
}
