package active

import (
	"errors"

	"github.com/esock-go/esock"
)

// Settle makes messages of what has been announced to the owner and stands in its mailbox as the handle: what it would
// receive now. A change of the mode, the owner, the packets or the state comes after it, and then Deliver. It reads once at
// most.
func (d *Delivery) Settle() {
	h, owner := d.handle, d.owner
	// In one step: a receiver that has met the handle waits for the lock, and is the one to go on.
	announced := engine.Retract(h)
	if !announced && (h != nil || len(d.notices) == 0) {
		return
	}
	post := func(msg esock.Message) {
		if announced {
			engine.Post(h, msg) // in its place
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

// spend is Settle for a question whether the mode is over: a count may be spent, or the end be there. In mode true it leaves
// data where it is, or each question would make more messages.
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

// Active is the option's value: a count is what is left after the messages in the mailbox. Deliver is to follow.
func (d *Delivery) Active() any {
	d.spend()
	return d.mode.Value()
}

// SetActive sets the option to a value as Mode.Set has it. It does nothing once the end of the stream has been told. Deliver
// is to follow. The error is EINVAL: the sum of counts is too large, or there is no owner and the mode not false.
func (d *Delivery) SetActive(v any) error {
	if d.owner == nil && !d.listener {
		if v == false {
			return nil
		}
		return &esock.InvalidError{What: "active", Value: v, Cause: "there is no owner to send messages to"}
	}
	if v == true && d.mode.Value() == true {
		return nil
	}
	d.Settle()
	if d.told {
		return nil // also if that is what was announced
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

// Changed says that the bytes that have been read may be other packets now. Deliver is to follow.
func (d *Delivery) Changed() {
	if d.src.Buffered() > 0 {
		d.recall()
	}
}

// recall takes the handle back from the poller. During a turn that is done at its end, because Deliver follows.
func (d *Delivery) recall() {
	if !d.turn.taken {
		d.release()
	}
}

// retract takes the announcement back, from the mailbox and from the poller. Deliver is to follow.
func (d *Delivery) retract() {
	d.recall()
	engine.Retract(d.handle)
}

// Errors of Give.
var (
	ErrNotOwner    = errors.New("not the owner")
	ErrOwnerClosed = errors.New("the mailbox of the new owner is closed")
)

// Give makes to the owner instead of from, when the socket beneath has followed: that is what beneath does. Messages about
// the connection move to the new owner, in their order, before those that come later. The mode stays as it is, unless the new
// owner is nobody. Errors: ClosedHere, ErrNotOwner, ErrOwnerClosed, those of beneath; then nothing has changed. OTP:
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
	// What was announced may have been the end, and the socket be closed by now: its messages move all the same.
	if err := beneath(); err != nil && (d.ended == nil || d.ended == ClosedHere || d.owner != from) {
		return err
	}
	d.retire()
	d.owner = to
	switch {
	case to == nil:
		d.mode = Mode{}
	case from != nil:
		engine.Move(from, to, d.src.About) // it fails when one of them is gone
	}
	return nil
}

// retire takes the handle out of use.
func (d *Delivery) retire() {
	d.retract()
	d.handle = nil
}

// Close makes messages of what was announced, ends receives and the delivery, and closes the connection beneath, unlocked.
// With tell the owner of a connection in an active mode is then told that it is closed. Closing again does nothing.
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
	if !d.turn.taken { // or else whoever has the turn reads into it
		d.src.Drop()
	}
	owner, notices := d.owner, d.notices
	d.notices = nil
	d.mu.Unlock()
	for _, msg := range notices { // that a receiver of the mailbox was about to make
		owner.Post(msg)
	}
	beneath() // it may wait
	if tell {
		owner.Post(d.src.Closed())
	}
	d.mu.Lock()
}
