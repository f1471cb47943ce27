package active

import (
	"errors"

	"github.com/esock-go/esock"
)

// Settle replaces the handle in the owner's mailbox with the messages that the owner would receive now. Call it before a
// change of the mode, the owner, the packets or the state, and Deliver afterwards. It reads at most once.
func (d *Delivery) Settle() {
	h, owner := d.handle, d.owner
	// Retract is one step: if a receiver has the handle already, it waits for the lock and continues the delivery.
	announced := engine.Retract(h)
	if !announced && (h != nil || len(d.notices) == 0) {
		return
	}
	post := func(msg esock.Message) {
		if announced {
			engine.Post(h, msg) // in the handle's place
		} else {
			owner.Post(msg)
		}
	}
	if !d.turn.try() {
		for msg := d.notice(); msg != nil; msg = d.notice() {
			post(msg)
		}
		return
	}
	d.release()
	reads := 1
	for more := true; more; {
		var msg esock.Message
		if msg, more = d.produce(esock.Within(0), &reads); msg == nil {
			break
		}
		post(msg)
	}
	d.pass()
}

// spend is Settle before a question about the mode, which a spent count or the end may have changed. In mode true it does
// not make messages of data, or each question would add some.
func (d *Delivery) spend() {
	if d.listener {
		return
	}
	if d.mode.Value() == true {
		if n, err := d.sock.NRead(); d.src.Buffered() > 0 || err == nil && n > 0 {
			return
		}
	}
	d.Settle()
}

// Active returns the option's value. A count does not include the messages in the mailbox. Call Deliver afterwards.
func (d *Delivery) Active() any {
	d.spend()
	return d.mode.Value()
}

// SetActive sets the option to a value that Mode.Set takes. It does nothing after the end of the stream was told. Call
// Deliver afterwards. The error is EINVAL: the sum of counts is too large, or the mode is not false and no owner exists.
func (d *Delivery) SetActive(v any) error {
	if d.owner == nil && !d.listener {
		if v == false {
			return nil
		}
		return &esock.InvalidError{What: "active", Value: v, Cause: "the socket has no owner"}
	}
	if v == true && d.mode.Value() == true {
		return nil
	}
	d.Settle()
	if d.told {
		return nil // Settle may have told it
	}
	to, spent, err := d.mode.Set(v)
	if err != nil {
		return err
	}
	d.become(to, spent)
	if !to.On() {
		d.retract()
	}
	return nil
}

// Changed reports that the bytes that were read may be other packets now. Call Deliver afterwards.
func (d *Delivery) Changed() {
	if d.src.Buffered() > 0 {
		d.recall()
	}
}

// recall takes the handle back from the poller. During a turn, its end does that, because Deliver follows.
func (d *Delivery) recall() {
	if !d.turn.taken {
		d.release()
	}
}

// retract takes the announcement back, from the mailbox and the poller. Call Deliver afterwards.
func (d *Delivery) retract() {
	d.recall()
	engine.Retract(d.handle)
}

// Errors of Give.
var (
	ErrNotOwner    = errors.New("not the owner")
	ErrOwnerClosed = errors.New("the mailbox of the new owner is closed")
)

// Give makes to the owner instead of from, after beneath has done so for the socket beneath. Messages about the connection
// move to the new owner, in their order, before later ones. The mode stays, unless to is nil, which makes the connection
// passive. After an error nothing has changed. Errors: ClosedHere, ErrNotOwner, ErrOwnerClosed, those of beneath. OTP:
// gen_tcp:controlling_process/2.
func (d *Delivery) Give(from, to *esock.Mailbox, beneath func() error) error {
	switch {
	case d.sock.Closed():
		return ClosedHere
	case d.owner == to:
		return nil
	case d.owner != from:
		return ErrNotOwner
	case to != nil && to.Closed():
		return ErrOwnerClosed
	}
	defer d.Deliver()
	d.Settle()
	// If Settle found the end, the socket may be closed now; the messages move all the same.
	if err := beneath(); err != nil && (d.ended == nil || d.ended == ClosedHere || d.owner != from) {
		return err
	}
	d.retire()
	d.owner = to
	switch {
	case to == nil:
		d.mode = Mode{}
	case from != nil:
		engine.Move(from, to, d.src.About) // it fails if one of them is closed
	}
	return nil
}

// retire ends the use of the handle.
func (d *Delivery) retire() {
	d.retract()
	d.handle = nil
}

// Close settles, ends the receives and the delivery, and calls beneath, unlocked, to close the connection. With tell, the
// owner of a connection in an active mode then gets the closed message. Closing again does nothing.
func (d *Delivery) Close(tell bool, beneath func()) {
	d.Settle()
	if d.closed {
		return
	}
	d.closed = true
	tell = tell && d.on() && d.ended == nil && d.owner != nil
	d.mode = Mode{}
	d.retire()
	d.End(ClosedHere)
	d.told = true
	if !d.turn.taken { // otherwise the goroutine that has the turn reads into it
		d.src.Drop()
	}
	owner, notices := d.owner, d.notices
	d.notices = nil
	d.mu.Unlock()
	for _, msg := range notices { // a receiver of the mailbox would have taken them
		owner.Post(msg)
	}
	beneath() // it may wait
	if tell {
		owner.Post(d.src.Closed())
	}
	d.mu.Lock()
}
