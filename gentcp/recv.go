package gentcp

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// Recv waits for one packet of a passive socket, in memory of its own. length counts for raw packets only: 0 is what is
// there, at least one byte and at most what one read takes (option buffer); more is exactly so many bytes, except that
// the last before the end may be shorter.
//
// When time runs out, what has come stays for the next call. At the end of the stream whole packets come first, then
// ErrClosed; the beginning of a packet is dropped. Calls made while another waits get their turn after it, and the time
// of esock.Within runs from then. Errors: ErrClosed; esock.ErrTimeout; a context's; EINVAL on a socket in an active
// mode; ENOTCONN on a listener; EMSGSIZE for a packet that is none or too large, which stays and can be read as raw;
// ErrBadArg; those of recv(2). OTP: gen_tcp:recv/2,3.
func (s *Socket) Recv(length int, w esock.Wait) (Packet, error) { return s.RecvInto(nil, length, w) }

// RecvInto is Recv into memory of the caller's: the packet's bytes are at the front of buf, if they fit. Then nothing
// is allocated.
func (s *Socket) RecvInto(buf []byte, length int, w esock.Wait) (Packet, error) {
	const op = "recv"
	switch {
	case !s.made():
		return Packet{}, notMade(op)
	case w.Err() != nil || w.Asynchronous():
		return Packet{}, s.fail(op, checkWait(w))
	case length < 0:
		return Packet{}, s.fail(op, &badArgument{"length", length, "it is negative"})
	case s.listening && !s.sock.Closed():
		return Packet{}, s.fail(op, syscall.ENOTCONN)
	}
	buf = buf[:len(buf):len(buf)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active.On() {
		s.spend()
		if s.active.On() && !s.sock.Closed() {
			s.deliver()
			return Packet{}, s.fail(op, syscall.EINVAL)
		}
	}
	if err := s.take(w); err != nil {
		return Packet{}, s.fail(op, err)
	}
	p, err := s.receive(buf, length, w)
	s.pass()
	if err != nil {
		return Packet{}, s.fail(op, err)
	}
	return p, nil
}

// receive is Recv for the call that has the turn. s.mu is held, but not while waiting.
func (s *Socket) receive(buf []byte, length int, w esock.Wait) (Packet, error) {
	first := true
	for {
		if s.ended == nil && s.sock.Closed() {
			s.ended = closedHere // the owner has died
		}
		if s.ended == closedHere {
			return Packet{}, s.tellEnd()
		}
		o := s.opts.Load()
		p, total, err := s.cut(o, length)
		if err == nil {
			return s.handOver(p, total, buf, o), nil
		}
		if err != packet.ErrMore {
			return Packet{}, err
		}
		if s.ended != nil {
			return Packet{}, s.tellEnd()
		}
		if first {
			first = false
			w = w.Begin()
		} else if err := w.Over(); err != nil { // a read that finds data does not look
			return Packet{}, err
		}
		if s.input.len() == 0 && raw(o.typ) && length <= cap(buf) && cap(buf) > 0 {
			if p, ok, err := s.receiveRaw(buf, length, o, w); ok || err != nil {
				return p, err
			}
			continue
		}
		room := s.input.space(total, o)
		s.mu.Unlock()
		n, err := s.sock.Recv(room, 0, w)
		s.mu.Lock()
		s.input.end += n
		if err != nil {
			if s.input.len() == 0 {
				s.input.drop()
			}
			if passing(err) {
				return Packet{}, err
			}
			s.end(err)
		}
	}
}

// receiveRaw reads raw bytes straight to where the caller wants them; false: it was not that easy, and what came is in
// the input.
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
	s.mu.Lock()
	// The packet type may have been changed meanwhile: then these bytes are for another parser.
	if err == nil && raw(s.opts.Load().typ) {
		return Packet{Packet: packet.DataPacket(buf[:n:n]), head: o.split()}, true, nil
	}
	if n > 0 {
		s.input.grow(n)
		s.input.end = copy(s.input.buf, buf[:n])
	}
	switch {
	case err == nil:
	case passing(err):
		return Packet{}, false, err
	default:
		s.end(err)
	}
	return Packet{}, false, nil
}

func raw(t packet.Type) bool { return t == packet.Raw || t == packet.Len0 }

// cut finds the next packet in the input: the packet and its bytes in all; packet.ErrMore, and how many it has in all
// if that is known; packet.ErrInvalid as EMSGSIZE.
func (s *Socket) cut(o *settings, length int) (packet.Packet, int, error) {
	in := &s.input
	if raw(o.typ) && length > 0 {
		switch {
		case in.len() >= length:
			return packet.DataPacket(in.data()[:length]), length, nil
		case s.ended != nil && in.len() > 0:
			return packet.DataPacket(in.data()), in.len(), nil // the last one may be short
		}
		return packet.Packet{}, length, packet.ErrMore
	}
	p, n, err := in.parser.Next(in.data())
	if err == packet.ErrInvalid {
		err = syscall.EMSGSIZE
	}
	return p, n, err
}

// handOver copies a packet out of the input, and takes its n bytes off.
func (s *Socket) handOver(p packet.Packet, n int, buf []byte, o *settings) Packet {
	out := Packet{Packet: p.CopyTo(buf), head: o.split()}
	s.input.used(n)
	return out
}

// passing reports an error that ends a call, and not the stream.
func passing(err error) bool {
	return err == esock.ErrTimeout || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, esock.ErrState)
}

// end notes that nothing more can be received, and why. s.mu is held.
func (s *Socket) end(err error) {
	o := s.opts.Load()
	if s.ended == nil {
		s.ended = o.shown(reasonOf(err))
	}
	if o.exitOnClose && !s.sock.Closed() {
		s.closeQuietly()
	}
}

// tellEnd is what a receive answers after the end: the reason once, from then on that it is closed. The beginning of a
// packet, if there is one, is dropped. s.mu is held.
func (s *Socket) tellEnd() error {
	err := s.ended
	if s.active.On() { // it was set while this call waited
		s.tellOwner()
	}
	s.told = true
	s.input.drop()
	if !errors.Is(err, ErrClosed) {
		s.ended = closedBy{err}
	}
	return err
}

// reasonOf is the reason in an error of package esock.
func reasonOf(err error) error {
	var e *esock.Error
	switch {
	case err == io.EOF:
		return err
	case errors.As(err, &e):
		return e.Reason
	}
	return err
}
