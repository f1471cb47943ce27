package gentcp

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/active"
	"github.com/esock-go/esock/packet"
)

// outgoings has memory in which Send puts a short packet together, or the header of a long one.
var outgoings = sync.Pool{New: func() any { return new([]byte) }}

// copyLimit is the size up to which one copy is cheaper than a vector of parts.
const copyLimit = 16 << 10

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
	x := outgoings.Get().(*[]byte)
	b, err := packet.AppendHeader((*x)[:0], o.typ, total)
	switch {
	case err != nil:
		err = &Error{Op: "send", Socket: s, Reason: syscall.EMSGSIZE,
			cause: fmt.Sprintf("a packet of type %v has at most %d bytes", o.typ, uint64(1)<<(8*o.typ.HeaderLen())-1)}
	case total+len(b) == 0:
		if s.sock.Closed() {
			err = s.fail("send", closedHere)
		}
	case total > copyLimit:
		err = s.sendParts(o, b, data)
	default:
		for _, part := range data {
			b = append(b, part...)
		}
		var n int
		if n, err = s.sock.Send(b, 0, o.sendWait()); err != nil {
			err = s.sendFailed(o, err, n, [][]byte{b})
		}
	}
	*x = b
	outgoings.Put(x)
	return err
}

// partses has vectors for sendParts.
var partses = sync.Pool{New: func() any { return new([][]byte) }}

// sendParts sends a header, which may be empty, and the parts without copying them.
func (s *Socket) sendParts(o *settings, header []byte, data [][]byte) error {
	x := partses.Get().(*[][]byte)
	parts := (*x)[:0]
	if len(header) > 0 {
		parts = append(parts, header)
	}
	parts = append(parts, data...)
	n, err := s.sock.SendV(parts, o.sendWait())
	if err != nil {
		err = s.sendFailed(o, err, n, parts)
	}
	clear(parts)
	*x = parts
	partses.Put(x)
	return err
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
