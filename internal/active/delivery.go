package active

import (
	"context"
	"errors"
	"sync"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// Source is the stream that a Delivery delivers, and the words in which it does. Its methods are called with the lock held.
type Source interface {
	// Next takes the next packet off the bytes that have been read, and makes its message. Errors: packet.ErrMore; any other
	// means that the bytes are no packet, and then they stay.
	Next() (esock.Message, error)
	// Read reads more bytes, through Delivery.Recv, for as long as w says. It calls Delivery.End when there are no more. It
	// may unlock while it reads. The error is one after which the stream goes on.
	Read(w esock.Wait) error
	// Buffered is how many bytes have been read and not taken.
	Buffered() int
	// Drop forgets those bytes: the beginning of a packet that does not end.
	Drop()

	// Passive says that a count is spent, Error why nothing more comes, or that bytes are no packet, Closed that the
	// connection is over.
	Passive() esock.Message
	Error(reason error) esock.Message
	Closed() esock.Message
	// About reports whether a message is about this connection.
	About(esock.Message) bool
}

// Delivery brings the packets of one connection to those who are to have them: in an active mode to the owner's mailbox,
// as messages, otherwise to receives.
//
// In an active mode it does not read ahead of its owner. It only announces that there may be a message: a handle goes to
// the mailbox, put there by the poller when the kernel has data, or by Deliver. A goroutine that receives from the mailbox
// meets the handle, reads from the socket, and receives what came of it. So a slow owner slows down its peer, and memory is
// bounded in every mode. Whoever changes something calls Settle before, which makes messages of what was announced, so that
// the change does not reach them, and Deliver afterwards.
//
// The lock that Init is given guards a Delivery, and is held when a method is called, unless the method says otherwise.
type Delivery struct {
	mu       *sync.Mutex
	sock     *esock.Socket
	src      Source
	owner    *esock.Mailbox
	mode     Mode
	listener bool // the mode is for the sockets that are accepted: packets do not come
	closed   bool // by Close
	told     bool // that the stream has ended: a receive has answered it, or the owner has the message
	again    bool // Deliver was called during a turn, and is to be called after it
	ended    error
	turn     turn
	notices  []esock.Message // to be delivered before the next packet
	handle   *esock.Handle   // of the owner's mailbox; nil: none yet, or no more

	// The handle is with the poller, or has come back: it holds the socket's reading direction. It belongs to whoever has the
	// turn.
	sel *esock.Select
}

// Init makes a passive Delivery. The socket is the one beneath, a listener too; mu guards the Delivery, and may guard more.
func (d *Delivery) Init(mu *sync.Mutex, sock *esock.Socket, src Source, owner *esock.Mailbox, listener bool) {
	*d = Delivery{mu: mu, sock: sock, src: src, owner: owner, listener: listener}
}

// Owner is the mailbox that gets the messages, nil: nobody does.
func (d *Delivery) Owner() *esock.Mailbox { return d.owner }

// Listener reports whether the socket is a listener. The lock need not be held.
func (d *Delivery) Listener() bool { return d.listener }

// on reports whether the next packet becomes a message.
func (d *Delivery) on() bool { return d.mode.On() && !d.listener }

// readsPerMessage is how many reads one message may take, so that a mailbox with other messages gets to them.
const readsPerMessage = 16

// Deliver announces to the owner that there may be a message, unless the poller is going to. It follows every change.
func (d *Delivery) Deliver() {
	switch {
	case d.owner == nil:
		return
	case d.turn.taken:
		if d.again = true; len(d.notices) == 0 {
			return
		}
	case d.sel != nil, !d.on() && len(d.notices) == 0:
		return
	}
	if d.handle == nil {
		var h *esock.Handle
		h = engine.NewHandle(d.owner, d.mu, func(esock.Message) (esock.Message, bool) { return d.received(h) })
		d.handle = h
	}
	engine.Notify(d.handle)
}

// received is called by the goroutine that meets the handle in the mailbox: the message to receive instead, and whether there
// may be more. mu is held until that message is received, or in the mailbox.
func (d *Delivery) received(h *esock.Handle) (msg esock.Message, more bool) {
	if d.handle != h {
		return nil, false // of an owner that is it no more
	}
	if !d.turn.try() { // by a receive, which calls Deliver afterwards
		msg = d.notice()
		return msg, len(d.notices) > 0
	}
	reads := readsPerMessage
	msg, more = d.produce(esock.With(h), &reads)
	if d.pass() {
		d.Deliver()
	}
	return msg, more
}

// produce makes the next message to the owner, for which it may read. more: it is worth calling again. The turn is held.
func (d *Delivery) produce(w esock.Wait, reads *int) (msg esock.Message, more bool) {
	for h := d.handle; d.handle == h; *reads-- { // while reading, another owner may come
		msg = d.next()
		if msg != nil || !d.on() {
			more = len(d.notices) > 0 || d.on()
			break
		}
		if *reads == 0 {
			more = true
			break
		}
		if d.src.Read(w) != nil {
			return nil, false // nothing has come: the poller announces what does
		}
	}
	d.release()
	return msg, more
}

// next is the next message that can be made without reading, nil if there is none.
func (d *Delivery) next() esock.Message {
	if len(d.notices) > 0 || !d.on() {
		return d.notice()
	}
	msg, err := d.src.Next()
	switch {
	case err == nil:
		d.become(d.mode.After())
		return msg
	case err != packet.ErrMore:
		d.mode = Mode{}
		return d.src.Error(err)
	case d.ended != nil:
		d.tellOwner()
	}
	return d.notice()
}

// become changes the mode; spent: the owner is told that the count is.
func (d *Delivery) become(to Mode, spent bool) {
	d.mode = to
	if spent && d.owner != nil {
		d.notices = append(d.notices, d.src.Passive())
	}
}

// notice takes the first notice, nil if there is none.
func (d *Delivery) notice() esock.Message {
	if len(d.notices) == 0 {
		return nil
	}
	msg := d.notices[0]
	d.notices = d.notices[1:]
	return msg
}

// Recv receives from the socket for Source.Read, by the goroutine that has the turn, locked or not. The error is one of
// Lasts, or the end.
func (d *Delivery) Recv(p []byte, w esock.Wait) (int, error) {
	n, err := d.sock.Recv(p, 0, w)
	switch sel, selected := err.(*esock.Select); {
	case selected:
		d.sel = sel
	case err != nil && errors.Is(err, errHandle):
		// It is with the poller already, by a read that brought data as well, or it was announced once more meanwhile.
	default:
		d.sel = nil
	}
	return n, err
}

// Lasts reports whether a receive's error is about that call alone, so that the stream goes on, and gives its reason: the time
// of w has run out, the handle waits, its mailbox was closed a moment ago, or somebody uses the socket beneath. A receive
// without an error lasts. Methods of the context of w may run, so no lock may be held that they could need.
func Lasts(err error, w esock.Wait) (reason error, lasts bool) {
	switch e := err.(type) {
	case nil:
		return nil, true
	case *esock.Select:
		return err, true
	case *esock.Error:
		err = e.Reason
	}
	for _, passing := range [...]error{w.Ended(), context.Canceled, esock.ErrState, errHandle, errMailbox} {
		lasts = lasts || errors.Is(err, passing)
	}
	return err, lasts
}

// What a call answers with a handle that is in another, or in its mailbox, and with one whose mailbox is closed.
var (
	errHandle  = &esock.InvalidError{What: "handle"}
	errMailbox = &esock.InvalidError{What: "mailbox"}
)

// release gives the socket's reading direction back, if the handle has it. The turn is held, or nobody has it.
func (d *Delivery) release() {
	if d.sel != nil {
		d.sock.Cancel(d.sel) // it fails when the socket is closed
		d.sel = nil
	}
}

// pass gives the turn back. It reports whether Deliver is to be called again: then what has been read may be something else
// now, and the handle does not stay with the poller.
func (d *Delivery) pass() (again bool) {
	if again = d.again; again {
		d.again = false
		d.release()
	}
	d.turn.pass()
	return again
}
