package active

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// Source is the stream of a Delivery, and makes its messages. Its methods are called with the lock held.
type Source interface {
	// Next removes the next packet from the bytes that were read, and makes its message. Errors: packet.ErrMore; any other
	// means that the bytes are not a packet, and they stay.
	Next() (esock.Message, error)
	// Read reads more bytes through Delivery.Recv, with the wait w. At the end of the stream it calls Delivery.End. It may
	// unlock while it reads. After its error the stream goes on.
	Read(w esock.Wait) error
	// Buffered returns how many bytes were read and not removed. If there are none, Next is not called.
	Buffered() int
	// Drained reports that no bytes are buffered, and that the last read most likely took all that had come.
	Drained() bool
	// Drop discards those bytes, an incomplete packet.
	Drop()

	// Passive reports that a count is spent; Error, why nothing more comes, or that bytes are not a packet; Closed, that
	// the connection is over.
	Passive() esock.Message
	Error(reason error) esock.Message
	Closed() esock.Message
	// About reports whether a message is about this connection.
	About(esock.Message) bool
}

// Delivery delivers the packets of one connection: in an active mode to the owner's mailbox, as messages, otherwise to
// receives.
//
// In an active mode it does not read ahead of its owner. It announces that there may be a message: the poller, when the
// kernel has data, or Deliver puts a handle into the mailbox. A goroutine that receives from the mailbox meets the handle,
// reads from the socket, and receives the message. So a slow owner slows its peer down, and memory is bounded in every
// mode. A method that changes something calls Settle before, so that the change does not affect what was announced, and
// Deliver afterwards.
//
// The lock of Init guards a Delivery. The caller of a method holds it, unless the method's comment says otherwise.
type Delivery struct {
	mu       *sync.Mutex
	sock     *esock.Socket
	src      Source
	owner    *esock.Mailbox
	mode     Mode
	listener bool // the mode is for accepted sockets: no packets come
	closed   bool // by Close
	told     bool // the end of the stream was reported, by a receive or a message
	again    bool // Deliver was called during a turn, and is repeated after it
	ended    error
	turn     turn
	notices  []esock.Message // they come before the next packet
	handle   *esock.Handle   // in the owner's mailbox; nil: none yet, or retired

	// Not nil: the handle is with the poller, or has come back, and holds the socket's reading direction. Only the
	// goroutine that has the turn uses it.
	sel *esock.Select

	failed error   // what watch found in place of data: the next Recv returns it
	peeked [1]byte // watch's
}

// Init makes a passive Delivery for a connection or a listener on sock. mu guards the Delivery, and may guard more.
func (d *Delivery) Init(mu *sync.Mutex, sock *esock.Socket, src Source, owner *esock.Mailbox, listener bool) {
	*d = Delivery{mu: mu, sock: sock, src: src, owner: owner, listener: listener}
}

// Owner returns the mailbox that gets the messages, nil if the connection has no owner.
func (d *Delivery) Owner() *esock.Mailbox { return d.owner }

// Listener reports whether the socket is a listener. The lock need not be held.
func (d *Delivery) Listener() bool { return d.listener }

// on reports whether the next packet becomes a message.
func (d *Delivery) on() bool { return d.mode.On() && !d.listener }

// readsPerMessage limits the reads for one message, so that the other messages of a mailbox are not delayed.
const readsPerMessage = 16

// Deliver announces to the owner that there may be a message, unless the poller will. It follows every change.
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

// received is called by the goroutine that meets the handle in the mailbox. It returns the message to receive instead, and
// whether there may be more. mu is held until that message is received or in the mailbox.
func (d *Delivery) received(h *esock.Handle) (msg esock.Message, more bool) {
	if d.handle != h {
		return nil, false // the handle is a former owner's
	}
	if !d.turn.try() { // a receive has the turn, and calls Deliver afterwards
		msg = d.notice()
		return msg, len(d.notices) > 0
	}
	reads := readsPerMessage
	msg, more = d.produce(esock.With(h), &reads)
	if more && d.handle == h && d.on() && d.ended == nil && len(d.notices) == 0 && d.src.Drained() {
		more = !d.watch(h)
	}
	if d.pass() {
		d.Deliver()
	}
	return msg, more
}

// produce makes the next message to the owner, and may read for it. more: call it again. The turn is held.
func (d *Delivery) produce(w esock.Wait, reads *int) (msg esock.Message, more bool) {
	for h := d.handle; d.handle == h; *reads-- { // the owner may change during a read
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
			return nil, false // no data: the poller announces it
		}
	}
	d.release()
	return msg, more
}

// watch gives the handle to the poller, if the kernel has nothing to read, and reports whether it did. So the owner's next
// receive need not read in order to find that out. It does not take data from the kernel, nor act on the end.
func (d *Delivery) watch(h *esock.Handle) bool {
	_, err := d.sock.Recv(d.peeked[:], esock.MsgPeek, esock.With(h))
	switch e := err.(type) {
	case *esock.Select:
		d.sel = e
		return true
	case *esock.Error:
		// The kernel may tell an error only once. Some protocols do not know the flag.
		if errno, refused := e.Reason.(syscall.Errno); refused && errno != syscall.EOPNOTSUPP {
			d.failed = err
		}
	default:
		if err == io.EOF {
			d.failed = err // the counters have it
		}
	}
	return false
}

// next returns the next message that needs no read, nil if there is none.
func (d *Delivery) next() esock.Message {
	if len(d.notices) > 0 || !d.on() {
		return d.notice()
	}
	if d.src.Buffered() > 0 {
		msg, err := d.src.Next()
		switch err {
		case nil:
			d.become(d.mode.After())
			return msg
		case packet.ErrMore:
		default:
			d.mode = Mode{}
			return d.src.Error(err)
		}
	}
	if d.ended != nil {
		d.tellOwner()
	}
	return d.notice()
}

// become changes the mode. With spent the owner gets a notice.
func (d *Delivery) become(to Mode, spent bool) {
	d.mode = to
	if spent && d.owner != nil {
		d.notices = append(d.notices, d.src.Passive())
	}
}

// notice removes and returns the first notice, nil if there is none.
func (d *Delivery) notice() esock.Message {
	if len(d.notices) == 0 {
		return nil
	}
	msg := d.notices[0]
	d.notices = d.notices[1:]
	return msg
}

// Recv receives from the socket for Source.Read. Only the goroutine that has the turn calls it, locked or not. Lasts tells
// errors from the end.
func (d *Delivery) Recv(p []byte, w esock.Wait) (int, error) {
	if err := d.failed; err != nil {
		d.failed = nil
		return 0, err
	}
	n, err := d.sock.Recv(p, 0, w)
	switch sel, selected := err.(*esock.Select); {
	case selected:
		d.sel = sel
	case err != nil && errors.Is(err, errHandle):
		// The poller has the handle already, from a read that also returned data, or it was announced again meanwhile.
	default:
		d.sel = nil
	}
	return n, err
}

// Lasts reports whether the stream goes on after a receive's error, and returns its reason. It ends with the peer's end,
// the close of the socket, and an error of the kernel. Any other error is about that call only: the time of w or the
// socket's deadline has passed, the handle waits, its mailbox was closed a moment ago, or another call uses the socket
// beneath. A context may have errors of any type, and another one each time that it is asked, so they are known by what
// they are not; and where a context's error is one that also ends a stream, it is the context's once that has ended.
// Methods of the context of w may run then, so no lock may be held that they could need.
func Lasts(err error, w esock.Wait) (reason error, lasts bool) {
	switch e := err.(type) {
	case nil:
		return nil, true
	case *esock.Select:
		return err, true
	case *esock.Error:
		err = e.Reason
	}
	if _, refused := err.(syscall.Errno); refused || err == io.EOF || err == net.ErrClosed {
		return err, w.Ended() == err
	}
	return err, true
}

// errHandle is the error of a call with a handle that is in use or in its mailbox.
var errHandle = &esock.InvalidError{What: "handle"}

// release gives the socket's reading direction back, if the handle holds it. The caller has the turn, or the turn is free.
func (d *Delivery) release() {
	if d.sel != nil {
		d.sock.Cancel(d.sel) // it fails if the socket is closed
		d.sel = nil
	}
}

// pass gives the turn back. It reports whether to call Deliver again: a change came during the turn, so the bytes that were
// read may be other packets now, and the handle does not stay with the poller.
func (d *Delivery) pass() (again bool) {
	if again = d.again; again {
		d.again = false
		d.release()
	}
	d.turn.pass()
	return again
}
