package active

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// Receive is one passive receive, in its turn. next takes the packet off the bytes that have been read; packet.ErrMore is the
// answer when there is none yet. read reads more, as Source.Read does. Packets come before the end; after it, the reason is
// told once, and from then on that the connection is closed. Errors: EINVAL in an active mode; esock.ErrTimeout, a context's;
// those of next and read.
func (d *Delivery) Receive(w esock.Wait, next func() error, read func(esock.Wait) error) error {
	if d.on() {
		d.spend()
		if d.on() && !d.sock.Closed() {
			d.Deliver()
			return syscall.EINVAL
		}
	}
	err := d.turn.take(d.mu, w)
	if err == nil {
		err = d.receive(w, next, read)
		d.pass()
	}
	d.Deliver()
	return err
}

// receive is Receive with the turn.
func (d *Delivery) receive(w esock.Wait, next func() error, read func(esock.Wait) error) error {
	for first := true; ; first = false {
		if d.sock.Closed() {
			d.End(ClosedHere) // the owner has died
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

// over is whether the time is over, which a read that finds data does not look at. It unlocks, because a method of the
// caller's context may run, and may use the connection.
func (d *Delivery) over(w esock.Wait) error {
	d.mu.Unlock()
	defer d.mu.Lock()
	return engine.Over(w)
}

// Receivers is how many receives there are, with those that wait for their turn.
func (d *Delivery) Receivers() int {
	n := d.turn.waiting
	if d.turn.taken {
		n++
	}
	return n
}

// Cut finds the next packet in the bytes that have been read, and how many bytes it has in all. It is what the parser finds,
// or, when length is not 0 and the stream is raw, length bytes, fewer only at the end. Errors: EMSGSIZE; packet.ErrMore, and
// then the number is that of the packet that has begun, or 0 when that is not known.
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

// Raw reports a type whose packets are whatever bytes there are.
func Raw(t packet.Type) bool { return t == packet.Raw || t == packet.Len0 }

// End notes that nothing more comes, and why. The first reason counts.
func (d *Delivery) End(reason error) {
	if d.ended == nil {
		d.ended = reason
	}
}

// tell is what a receive answers after the end: the reason once, from then on that the connection is closed. The beginning
// of a packet is dropped. An owner in an active mode is told as well: the mode was set while the receive waited.
func (d *Delivery) tell() error {
	reason := d.ended
	if d.on() {
		d.tellOwner()
		return reason
	}
	d.told = true
	d.src.Drop()
	if !errors.Is(reason, ErrClosed) {
		d.ended = ClosedBy{reason}
	}
	return reason
}

// tellOwner makes the notices of the end.
func (d *Delivery) tellOwner() {
	d.mode = Mode{}
	if reason := d.tell(); !errors.Is(reason, ErrClosed) {
		d.notices = append(d.notices, d.src.Error(reason))
	}
	d.notices = append(d.notices, d.src.Closed())
}

// ErrClosed is what errors.Is finds in every reason that says that the connection is over.
var ErrClosed = errors.New("closed")

// ClosedBy is an end of the connection with its cause.
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

// Is reports whether target is ErrClosed.
func (e ClosedBy) Is(target error) bool { return target == ErrClosed }

// Unwrap is the cause.
func (e ClosedBy) Unwrap() error { return e.Cause }

// The two ends without an error.
var (
	ClosedHere   error = ClosedBy{net.ErrClosed}
	ClosedByPeer error = ClosedBy{io.EOF}
)
