package gentcp

import (
	"errors"
	"sync"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/active"
	"github.com/esock-go/esock/packet"
)

// outgoing is the memory in which Send builds a packet.
type outgoing struct {
	small []byte   // the whole packet, if it is short
	parts [][]byte // otherwise the header and the caller's parts
}

var outgoings = sync.Pool{New: func() any { return new(outgoing) }}

// copyLimit is the size up to which one copy is cheaper than a vector of parts.
const copyLimit = 16 << 10

func (x *outgoing) free() {
	clear(x.parts)
	x.parts = x.parts[:0]
	outgoings.Put(x)
}

// Send sends the parts as one packet. Types 1, 2 and 4 add a header with the length; other types send the bytes unchanged.
// Send waits until the kernel has taken all, at most for option send_timeout. Packets of several senders never mix, and go
// in the order of the calls. Without data Send sends nothing, or with a header a packet of length 0.
//
// Errors: *SendTimeoutError, or with send_timeout_close esock.ErrTimeout, and then the socket is closed; ErrClosed; EMSGSIZE
// when the length does not fit into the header, in which case nothing is sent; ECONNRESET with show_econnreset; those of
// send(2). Received data stays readable after an error. OTP: gen_tcp:send/2.
func (s *Socket) Send(data ...[]byte) error {
	if !s.made() {
		return notMade("send")
	}
	o := s.opts.Load()
	if len(data) == 1 && len(data[0]) > 0 && o.typ.HeaderLen() == 0 {
		n, err := s.sock.Send(data[0], 0, o.sendWait())
		if err != nil {
			return s.sendFailed(o, err, n, data)
		}
		return nil
	}
	total := 0
	for _, part := range data {
		total += len(part)
	}
	x := outgoings.Get().(*outgoing)
	defer x.free()
	var err error
	if x.small, err = packet.AppendHeader(x.small[:0], o.typ, total); err != nil {
		return s.fail("send", syscall.EMSGSIZE)
	}
	if total+len(x.small) == 0 {
		if s.sock.Closed() {
			return s.fail("send", closedHere)
		}
		return nil
	}
	var n int
	if total <= copyLimit {
		for _, part := range data {
			x.small = append(x.small, part...)
		}
		if n, err = s.sock.Send(x.small, 0, o.sendWait()); err == nil {
			return nil
		}
		x.parts = append(x.parts, x.small)
	} else {
		if len(x.small) > 0 {
			x.parts = append(x.parts, x.small)
		}
		x.parts = append(x.parts, data...)
		if n, err = s.sock.SendV(x.parts, o.sendWait()); err == nil {
			return nil
		}
	}
	return s.sendFailed(o, err, n, x.parts)
}

// sendFailed makes the error of a send that sent n bytes of the parts.
func (s *Socket) sendFailed(o *settings, err error, n int, parts [][]byte) error {
	const op = "send"
	if err == esock.ErrTimeout {
		if o.sendTimeoutClose {
			s.dontLinger()
			s.close(nil, true) // not for the owner, which is told if the socket is active
			return err
		}
		var rest []byte
		for _, part := range parts {
			skip := min(n, len(part))
			rest = append(rest, part[skip:]...)
			n -= skip
		}
		return &SendTimeoutError{Rest: rest}
	}
	return s.failAs(op, s.sendReason(o, err), err)
}

// sendReason converts the reason of a failed send to the one that the caller gets.
func (s *Socket) sendReason(o *settings, err error) error {
	if s.sendingEnded() && errors.Is(err, syscall.EPIPE) {
		return closedHere
	}
	if s.delivery.Listener() && errors.Is(err, syscall.EPIPE) {
		return active.ClosedBy{Cause: syscall.EPIPE}
	}
	return o.shown(reasonOf(err))
}
