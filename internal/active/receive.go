package active

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// Receive is a passive receive. It waits for its turn. next removes a packet from the bytes that were read, or returns
// packet.ErrMore. read reads more, as Source.Read does. Packets come before the end. After the end, the first call returns
// the reason, and later calls that the connection is closed. Errors: EINVAL in an active mode; esock.ErrTimeout, a
// context's; those of next and read.
func (d *Delivery) Receive(w esock.Wait, next func() error, read func(esock.Wait) error) error {
	if d.on() {
		d.spend()
		if d.on() && !d.sock.Closed() {
			d.Deliver()
			return fmt.Errorf("%w: a receive needs a passive socket, and active is %v", syscall.EINVAL, d.mode.Value())
		}
	}
	if err := d.turn.take(d.mu, w); err != nil {
		d.Deliver()
		return err
	}
	return d.Resume(w, false, next, read)
}

// Take takes the turn for a passive receive, if that is free and Receive would begin with next. Then call Done or Resume.
func (d *Delivery) Take() bool {
	if d.turn.taken || d.mode.On() || d.ended != nil {
		return false
	}
	d.turn.taken = true
	return true
}

// Done ends a turn of Take.
func (d *Delivery) Done() {
	if d.again || d.turn.first != nil {
		d.pass()
		d.Deliver()
		return
	}
	d.turn.taken = false
}

// Resume is the part of Receive that has the turn, and ends the turn. begun: the receive has read once, and the time of w
// runs.
func (d *Delivery) Resume(w esock.Wait, begun bool, next func() error, read func(esock.Wait) error) error {
	defer func() { // also if a method of the wait's context panics
		d.pass()
		d.Deliver()
	}()
	return d.receive(w, begun, next, read)
}

// receive is Receive in its turn.
func (d *Delivery) receive(w esock.Wait, begun bool, next func() error, read func(esock.Wait) error) error {
	for first := !begun; ; first = false {
		if d.sock.Closed() {
			d.End(ClosedHere) // the owner was closed
		}
		if d.ended == ClosedHere {
			return d.tell()
		}
		if err := next(); err != packet.ErrMore {
			return err
		}
		if d.ended != nil {
			return d.tell()
		}
		if first {
			w = w.Begin()
		} else if err := d.over(w); err != nil {
			return err
		}
		if err := read(w); err != nil {
			return err
		}
	}
}

// over checks the time, because a read that finds data does not. It unlocks, because a method of the caller's context may
// run and use the connection.
func (d *Delivery) over(w esock.Wait) error {
	d.mu.Unlock()
	defer d.mu.Lock()
	return engine.Over(w)
}

// Receivers returns how many receives are in progress, including those that wait for their turn.
func (d *Delivery) Receivers() int {
	n := d.turn.waiting
	if d.turn.taken {
		n++
	}
	return n
}

// Cut returns the next packet of data, and how many bytes it takes. If the stream is raw and length is not 0, that is
// length bytes, fewer only at the end; otherwise the parser decides. Errors: EMSGSIZE; packet.ErrMore, with the size of the
// incomplete packet, 0 if it is unknown.
func (d *Delivery) Cut(parser *packet.Parser, data []byte, length int) (packet.Packet, int, error) {
	if length > 0 && Raw(parser.Type()) {
		switch {
		case len(data) >= length:
			return packet.DataPacket(data[:length]), length, nil
		case d.ended != nil && len(data) > 0:
			return packet.DataPacket(data), len(data), nil
		}
		return packet.Packet{}, length, packet.ErrMore
	}
	p, n, err := parser.Next(data)
	if err == packet.ErrInvalid {
		err = syscall.EMSGSIZE
	}
	return p, n, err
}

// Raw reports whether packets of the type have no bounds of their own.
func Raw(t packet.Type) bool { return t == packet.Raw || t == packet.Len0 }

// End records why nothing more comes: a ClosedBy, or an error that is not about an end. The first reason stays.
func (d *Delivery) End(reason error) {
	if d.ended == nil {
		d.ended = reason
	}
}

// Over returns why nothing more can be received or put back, nil before that: the connection was closed, or its end was
// reported.
func (d *Delivery) Over() error {
	switch {
	case d.closed, d.ended == nil && d.sock.Closed():
		return ClosedHere
	case d.told:
		if isClosed(d.ended) {
			return d.ended
		}
		return ClosedBy{d.ended}
	}
	return nil
}

// tell returns the error of a receive after the end: the reason once, then that the connection is closed. It drops an
// incomplete packet. If the mode became active while the receive waited, the owner gets messages, too.
func (d *Delivery) tell() error {
	reason := d.ended
	if d.on() {
		d.tellOwner()
		return reason
	}
	d.told = true
	d.src.Drop()
	if !isClosed(reason) {
		d.ended = ClosedBy{reason}
	}
	return reason
}

// tellOwner adds the notices of the end.
func (d *Delivery) tellOwner() {
	d.mode = Mode{}
	if reason := d.tell(); !isClosed(reason) {
		d.notices = append(d.notices, d.src.Error(reason))
	}
	d.notices = append(d.notices, d.src.Closed())
}

// ErrClosed matches, with errors.Is, every reason that the connection is over.
var ErrClosed = errors.New("closed")

// ClosedBy is the end of a connection, with its cause.
type ClosedBy struct{ Cause error }

func (e ClosedBy) Error() string {
	switch e.Cause {
	case io.EOF:
		return "closed by the peer"
	case nil, net.ErrClosed:
		return "closed"
	}
	return "closed: " + e.Cause.Error()
}

// isClosed reports whether a reason is a ClosedBy. It does not call methods of the reason, which may be the caller's.
func isClosed(reason error) bool {
	_, ok := reason.(ClosedBy)
	return ok
}

// Is reports whether target is ErrClosed.
func (e ClosedBy) Is(target error) bool { return target == ErrClosed }

// Unwrap returns the cause.
func (e ClosedBy) Unwrap() error { return e.Cause }

// The two ends that are not failures.
var (
	ClosedHere   error = ClosedBy{net.ErrClosed}
	ClosedByPeer error = ClosedBy{io.EOF}
)
