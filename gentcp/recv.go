package gentcp

import (
	"errors"
	"io"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/active"
	"github.com/esock-go/esock/packet"
)

// Recv receives one packet of a passive socket, in memory of its own. length is for raw packets only: with 0, Recv returns
// available bytes, at least one and at most what one read takes (option buffer); otherwise exactly length bytes, and fewer
// only at the end of the stream.
//
// When time runs out, received data stays for the next call. At the end of the stream whole packets come first, then
// ErrClosed; an incomplete packet is dropped. Calls queue behind one that waits; the time of esock.Within starts when the
// call has its turn. Errors: ErrClosed; esock.ErrTimeout; a context's; EINVAL on a socket in an active mode; ENOTCONN on a
// listener; EMSGSIZE for an invalid or too large packet, which stays and can be read as raw; ErrBadArg; those of recv(2).
// OTP: gen_tcp:recv/2,3.
func (s *Socket) Recv(length int, w esock.Wait) (Packet, error) { return s.RecvInto(nil, length, w) }

// RecvInto is Recv into the caller's memory: a packet that fits is at the front of buf, and nothing is allocated.
func (s *Socket) RecvInto(buf []byte, length int, w esock.Wait) (Packet, error) {
	const op = "recv"
	switch {
	case !s.made():
		return Packet{}, notMade(op)
	case w.Err() != nil || w.Asynchronous():
		return Packet{}, s.fail(op, checkWait(w))
	case length < 0:
		return Packet{}, s.fail(op, &badArgument{"length", length, "it is negative"})
	case s.delivery.Listener() && !s.sock.Closed():
		return Packet{}, s.fail(op, syscall.ENOTCONN)
	}
	p, err := s.receive(buf[:len(buf):len(buf)], length, w)
	if err != nil { // the lock is free: a context's error may have methods
		return Packet{}, s.fail(op, err)
	}
	return p, nil
}

// receive is RecvInto with valid arguments. The error has not been through fail.
func (s *Socket) receive(buf []byte, length int, w esock.Wait) (p Packet, err error) {
	direct := false // p has been read straight into buf
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.delivery.Receive(w,
		func() (err error) {
			if !direct {
				err = s.next(&p, buf, length, s.opts.Load())
			}
			return err
		},
		func(w esock.Wait) (err error) {
			if o := s.opts.Load(); s.input.len() == 0 && active.Raw(o.typ) && length <= cap(buf) && cap(buf) > 0 {
				p, direct, err = s.receiveRaw(buf, length, o, w)
				return err
			}
			room := s.room()
			s.input.reading = true
			s.mu.Unlock()
			n, err := s.delivery.Recv(room, w)
			reason, lasts := active.Lasts(err, w) // unlocked: it may ask the caller's context
			s.mu.Lock()
			return s.arrived(n, reason, lasts)
		})
	return p, err
}

// next removes the next packet from the input into out. Its bytes are in buf if they fit. Errors: packet.ErrMore, EMSGSIZE.
// s.mu is held.
func (s *Socket) next(out *Packet, buf []byte, length int, o *settings) error {
	in := &s.input
	p, n, err := s.delivery.Cut(&in.parser, in.data(), length)
	if err != nil {
		in.total = n
		return err
	}
	*out = Packet{Packet: p.CopyTo(buf), head: o.split()}
	in.used(n)
	return nil
}

// room returns the memory that the next read fills.
func (s *Socket) room() []byte { return s.input.space(s.opts.Load()) }

// arrived adds n bytes that were read to the input. reason and lasts are those of active.Lasts. The error is that of a read
// after which the stream goes on. s.mu is held.
func (s *Socket) arrived(n int, reason error, lasts bool) error {
	s.input.came(n)
	if reason != nil && s.input.len() == 0 {
		s.input.drop()
	}
	return s.goesOn(n, reason, lasts)
}

// goesOn is the reason of a read that got n bytes, if the stream goes on after it; nil otherwise, and then the end is noted.
// s.mu is held.
func (s *Socket) goesOn(n int, reason error, lasts bool) error {
	if reason == nil {
		return nil
	}
	if !lasts {
		s.end(reason)
		return nil
	}
	if _, selected := reason.(*esock.Select); selected && n > 0 { // with {otp, select_read} on
		return nil
	}
	return reason
}

// receiveRaw reads raw bytes straight into the caller's memory. If it returns false, the bytes are in the input instead,
// behind what was put back meanwhile.
// s.mu is held, but not while reading.
func (s *Socket) receiveRaw(buf []byte, length int, o *settings, w esock.Wait) (Packet, bool, error) {
	var n int
	var err error
	s.mu.Unlock()
	if length == 0 {
		buf = buf[:min(cap(buf), o.buffer)]
		n, err = s.sock.Recv(buf, 0, w)
	} else {
		buf = buf[:length]
		n, err = s.sock.RecvFull(buf, 0, w)
	}
	reason, lasts := active.Lasts(err, w)
	s.mu.Lock()
	// If the packet type changed meanwhile, these bytes are for another parser; and bytes that were put back come first.
	if err == nil && active.Raw(s.opts.Load().typ) && s.input.len() == 0 {
		return Packet{Packet: packet.DataPacket(buf[:n:n]), head: o.split()}, true, nil
	}
	s.input.add(buf[:n])
	return Packet{}, false, s.goesOn(0, reason, lasts)
}

// end records why nothing more can be received. With exit_on_close it closes the socket. s.mu is held.
func (s *Socket) end(reason error) {
	o := s.opts.Load()
	s.delivery.End(o.shown(reason))
	if o.exitOnClose && !s.sock.Closed() {
		s.closeQuietly()
	}
}

// reasonOf returns the reason in an error of package esock.
func reasonOf(err error) error {
	var e *esock.Error
	switch {
	case err == io.EOF:
		return err
	case errors.As(err, &e) && e != nil:
		return e.Reason
	}
	return err
}
