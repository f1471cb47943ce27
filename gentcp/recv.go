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

// RecvInto is Recv into the caller's memory: a packet that fits is at the front of buf, and nothing is allocated. The rest
// of buf may be overwritten, also when there is an error.
func (s *Socket) RecvInto(buf []byte, length int, w esock.Wait) (Packet, error) {
	if !s.made() || w.Err() != nil || w.Asynchronous() || length < 0 || s.delivery.Listener() {
		if err := s.cannotReceive(length, w); err != nil {
			return Packet{}, err
		}
	}
	// In the usual case, a passive socket that no other goroutine reads, this does at once what receive does: it takes a
	// packet from the input, or reads one straight into buf.
	buf = buf[:len(buf):len(buf)]
	var p Packet
	err, taken, begun := packet.ErrMore, false, false
	ended := false
	defer func() {
		if !ended && taken { // a method of the context panicked
			s.delivery.Done()
			s.mu.Unlock()
		}
	}()
	s.mu.Lock()
	if s.delivery.Take() {
		taken = true
		if s.input.len() > 0 {
			if !s.sock.Closed() {
				p, err = s.next(buf, length)
			}
		} else if room := s.input.direct(buf, length, s.opts.Load()); room != nil {
			w, begun = w.Begin(), true
			p, err = s.receiveDirect(room, length, w)
		}
	}
	ended = true
	if err == packet.ErrMore {
		p, err = s.receive(buf, length, w, taken, begun)
	} else {
		s.delivery.Done()
		s.mu.Unlock()
	}
	if err != nil { // the lock is free: a context's error may have methods
		return Packet{}, s.fail("recv", err)
	}
	return p, nil
}

// cannotReceive is the error of a receive with invalid arguments, or on a listener.
func (s *Socket) cannotReceive(length int, w esock.Wait) error {
	const op = "recv"
	switch {
	case !s.made():
		return notMade(op)
	case w.Err() != nil || w.Asynchronous():
		return s.fail(op, checkWait(w))
	case length < 0:
		return s.fail(op, &badArgument{"length", length, "it is negative"})
	case s.delivery.Listener() && !s.sock.Closed():
		return s.fail(op, syscall.ENOTCONN)
	}
	return nil
}

// receive is RecvInto with every case. taken: this goroutine has the turn; begun: it has read already. The error has not
// been through fail. s.mu is held before, and not afterwards.
func (s *Socket) receive(buf []byte, length int, w esock.Wait, taken, begun bool) (p Packet, err error) {
	defer s.mu.Unlock()
	whole := false // p has been read straight into buf
	next := func() (err error) {
		if !whole {
			p, err = s.next(buf, length)
		}
		return err
	}
	read := func(w esock.Wait) (err error) {
		if s.input.len() == 0 {
			if room := s.input.direct(buf, length, s.opts.Load()); room != nil {
				if p, err = s.receiveDirect(room, length, w); err == packet.ErrMore {
					return nil
				}
				whole = err == nil
				return err
			}
		}
		room := s.room()
		n, reason, lasts := s.readInput(room, w)
		return s.arrived(n, reason, lasts)
	}
	if taken {
		err = s.delivery.Resume(w, begun, next, read)
	} else {
		err = s.delivery.Receive(w, next, read)
	}
	return p, err
}

// readInput reads into room, which is the input's. s.mu is held, but not while reading, nor while methods of the context run,
// which may panic.
func (s *Socket) readInput(room []byte, w esock.Wait) (n int, reason error, lasts bool) {
	s.input.reading = true
	s.mu.Unlock()
	ended := false
	defer func() {
		s.mu.Lock()
		if !ended {
			s.input.came(n)
		}
	}()
	n, err := s.delivery.Recv(room, w)
	reason, lasts = active.Lasts(err, w)
	ended = true
	return n, reason, lasts
}

// readDirect is readInput into the caller's memory.
func (s *Socket) readDirect(room []byte, whole bool, w esock.Wait) (n int, reason error, lasts bool) {
	s.mu.Unlock()
	defer s.mu.Lock()
	var err error
	if whole {
		n, err = s.sock.RecvFull(room, 0, w)
	} else {
		n, err = s.sock.Recv(room, 0, w)
	}
	if err != nil {
		reason, lasts = active.Lasts(err, w)
	}
	return n, reason, lasts
}

// next removes the next packet from the input. Its bytes are in buf if they fit. Errors: packet.ErrMore, EMSGSIZE. s.mu is
// held.
func (s *Socket) next(buf []byte, length int) (Packet, error) {
	in := &s.input
	p, n, err := s.delivery.Cut(&in.parser, in.data(), length)
	if err != nil {
		in.total = n
		return Packet{}, err
	}
	out := Packet{Packet: p.CopyTo(buf), head: s.opts.Load().split()}
	in.used(n)
	return out, nil
}

// receiveDirect reads into room, the front of the caller's memory, while the input is empty. If the bytes begin with a
// packet, it returns that, and what follows goes to the input. Otherwise all of them go there. Errors: packet.ErrMore, if
// next or the end of the stream has the answer; those of goesOn.
//
// Options that are set and bytes that are put back during the read come before what it reads. So the parser is asked after
// the read, and not at all if the input has bytes then.
//
// The turn and s.mu are held, but s.mu is not while reading.
func (s *Socket) receiveDirect(room []byte, length int, w esock.Wait) (Packet, error) {
	in := &s.input
	whole := length > 0 && active.Raw(in.parser.Type())
	n, reason, lasts := s.readDirect(room, whole, w)
	if reason != nil {
		in.add(room[:n])
		if err := s.goesOn(n, reason, lasts); err != nil {
			return Packet{}, err
		}
		return Packet{}, packet.ErrMore
	}
	in.alone = 0
	if in.len() == 0 {
		p, used, err := s.delivery.Cut(&in.parser, room[:n], length)
		if err == nil {
			if used == n {
				in.alone = n
			} else if s.delivery.Over() == nil {
				in.add(room[used:n])
			}
			return Packet{Packet: p.CopyTo(room), head: s.opts.Load().split()}, nil
		}
	}
	in.add(room[:n])
	return Packet{}, packet.ErrMore
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

// goesOn is the reason of a read that got n bytes, if the stream goes on after it; nil otherwise, and then the end is
// noted. s.mu is held.
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
