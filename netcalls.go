package esock

import (
	"net/netip"
	"sync"
)

// The calls that package netconn makes on data: they wait without an end of their own, take no flags, and have the addresses of
// inet and inet6 as netip does and control messages as the kernel does. So nothing is converted twice, or decoded for nobody.

// Open is Open with the option Registered, whose configuration is made once for all.
func (*engine) Open(d Domain, t Type, p Protocol, registered bool) (*Socket, error) {
	if registered {
		return openWith(d, t, p, &registeredOnly)
	}
	return openWith(d, t, p, &unregisteredOnly)
}

// SendOpenFile is SendFile from a descriptor that the caller keeps open until it returns.
func (*engine) SendOpenFile(s *Socket, fd int, offset, count int64) (int64, error) {
	s = s.orClosed()
	if err := s.ref(OpSendFile.String()); err != nil {
		return 0, err
	}
	s.facts.Or(factFiles)
	s.unref()
	f := lentFiles.Get().(*heldFile)
	*f = heldFile{fd: fd, offset: offset, left: count, lent: true}
	c := call{op: OpSendFile, file: f}
	n, err := s.do(&c, &Wait{})
	lentFiles.Put(f) // no handle keeps it, because the call waits
	return int64(n), err
}

var lentFiles = sync.Pool{New: func() any { return new(heldFile) }}

// RecvInet is RecvFrom with the sender as an address and port. scope is its scope id: the address has no zone. On a socket of
// another family the sender is not valid.
func (*engine) RecvInet(s *Socket, buf []byte) (n int, from netip.AddrPort, scope uint32, err error) {
	s = s.orClosed()
	var w Wait
	var a cAddr
	how, r := s.quickly(stOwned(reading), 0, &w), untried
	if how == quickTry || how == quickShare {
		if r = cRecvFrom(s.h, buf, 0, howPoll, &a); r > 0 || r == 0 && how == quickShare {
			s.quickEnd(stOwned(reading), how)
			from, scope = inetFromC(&a)
			return r, from, scope, nil
		}
	}
	x := scratches.Get().(*scratch)
	x.addr = a
	n, err = s.carryOn(&call{op: OpRecvFrom, buf: buf, addr: &x.addr}, &w, how, r)
	if err == nil {
		from, scope = inetFromC(&x.addr)
	}
	x.free()
	return n, from, scope, err
}

// SendInet is SendTo to an address without a zone.
func (*engine) SendInet(s *Socket, buf []byte, to netip.AddrPort) (int, error) {
	s = s.orClosed()
	var dest cAddr
	inetToC(to, &dest)
	var w Wait
	how, r := quickNot, untried
	if len(buf) > 0 {
		how = s.quickly(stOwned(writing), 0, &w)
	}
	if how == quickTry || how == quickShare {
		if r = cSendTo(s.h, buf, 0, howPoll, &dest); r == len(buf) {
			s.quickEnd(stOwned(writing), how)
			return r, nil
		}
	}
	x := scratches.Get().(*scratch)
	x.addr = dest
	n, err := s.carryOn(&call{op: OpSendTo, buf: buf, addr: &x.addr, whole: s.typ == Stream}, &w, how, r)
	x.free()
	return n, err
}

// RecvRaw receives one message, and its control messages as the kernel wrote them, cut to ctrl. The descriptors in them are the
// caller's; of control data that was cut the core has closed them. flags are those of the message.
func (*engine) RecvRaw(s *Socket, buf, ctrl []byte) (n, ctrlLen int, flags MsgFlags, from Addr, err error) {
	var out cMsg
	if n, err = s.orClosed().recvRaw(buf, ctrl, &out); err == nil {
		from = addrFromC(&out.addr, Addr{})
	}
	return n, int(out.control_len), MsgFlags(out.flags), from, err
}

// RecvRawInet is RecvRaw with the sender as RecvInet returns it.
func (*engine) RecvRawInet(s *Socket, buf, ctrl []byte) (n, ctrlLen int, flags MsgFlags, from netip.AddrPort, scope uint32,
	err error) {
	var out cMsg
	if n, err = s.orClosed().recvRaw(buf, ctrl, &out); err == nil {
		from, scope = inetFromC(&out.addr)
	}
	return n, int(out.control_len), MsgFlags(out.flags), from, scope, err
}

// recvRaw receives a message. out is on the caller's stack: a call that waits has another one.
func (s *Socket) recvRaw(buf, ctrl []byte, out *cMsg) (int, error) {
	var w Wait
	how, r := s.quickly(stOwned(reading), 0, &w), untried
	if how == quickTry || how == quickShare {
		if r = cRecvMsg(s.h, buf, 0, howPoll, ctrl, nil, out); r > 0 || r == 0 && how == quickShare {
			s.quickEnd(stOwned(reading), how)
			return r, nil
		}
	}
	x := scratches.Get().(*scratch)
	x.msg = *out
	n, err := s.carryOn(&call{op: OpRecvMsg, buf: buf, ctrl: ctrl, out: &x.msg}, &w, how, r)
	*out = x.msg
	x.free()
	return n, err
}

// SendRaw sends one message, or piece of a stream, with control messages as sendmsg(2) takes them, to an address, or to the
// peer if that is the zero Addr. Errors: as SendTo; EINVAL for malformed control messages, and for those without data on a
// stream.
func (*engine) SendRaw(s *Socket, buf, ctrl []byte, to Addr) (int, error) {
	s = s.orClosed()
	if to.IsZero() {
		return s.sendRaw(buf, ctrl, nil)
	}
	var dest cAddr
	if err := s.addrToC(&to, &dest); err != nil {
		return 0, s.fail(OpSendMsg.String(), err)
	}
	return s.sendRaw(buf, ctrl, &dest)
}

// SendRawInet is SendRaw to an address without a zone.
func (*engine) SendRawInet(s *Socket, buf, ctrl []byte, to netip.AddrPort) (int, error) {
	var dest cAddr
	inetToC(to, &dest)
	return s.orClosed().sendRaw(buf, ctrl, &dest)
}

// sendRaw sends a message. dest is on the caller's stack: a call that waits has another one.
func (s *Socket) sendRaw(buf, ctrl []byte, dest *cAddr) (int, error) {
	var w Wait
	how, r := quickNot, untried
	if len(buf) > 0 {
		how = s.quickly(stOwned(writing), 0, &w)
	}
	if how == quickTry || how == quickShare {
		if r = cSendMsg(s.h, buf, 0, howPoll, dest, ctrl); r == len(buf) {
			s.quickEnd(stOwned(writing), how)
			return r, nil
		}
	}
	x := scratches.Get().(*scratch)
	var to *cAddr
	if dest != nil {
		x.addr = *dest
		to = &x.addr
	}
	n, err := s.carryOn(&call{op: OpSendMsg, buf: buf, addr: to, ctrl: ctrl, whole: s.typ == Stream}, &w, how, r)
	x.free()
	return n, err
}

// Count adds to the counters what a system call on the socket's descriptor moved: messages of so many bytes, the longest of which
// has most; none is a failure. Only a function that SyscallConn's Read (writing: Write) runs may call it.
func (*engine) Count(s *Socket, writing bool, messages, bytes, most int) {
	cCount(s.h, writing, uint64(messages), uint64(bytes), uint64(most))
}

// Simulated reports whether the socket is in a simulated kernel, so that system calls on its descriptor fail.
func (*engine) Simulated(s *Socket) bool { return s.orClosed().simulated() != nil }

// inetToC writes a valid address without a zone for the core. IPv4 is an inet address.
func inetToC(a netip.AddrPort, c *cAddr) {
	ip := a.Addr()
	c.form, c.port = addrKnown, cU32(a.Port())
	if ip.Is4() {
		c.family = cU16(Inet)
		*(*[4]byte)(cAddrIP(c)[:]) = ip.As4()
		return
	}
	c.family = cU16(Inet6)
	*cAddrIP(c) = ip.As16()
}

// inetFromC reads an address that the core wrote, not a valid one if it is neither inet nor inet6.
func inetFromC(c *cAddr) (a netip.AddrPort, scope uint32) {
	switch {
	case c.form != addrKnown:
	case c.family == cU16(Inet):
		a = netip.AddrPortFrom(netip.AddrFrom4(*(*[4]byte)(cAddrIP(c)[:])), uint16(c.port))
	case c.family == cU16(Inet6):
		a, scope = netip.AddrPortFrom(netip.AddrFrom16(*cAddrIP(c)), uint16(c.port)), uint32(c.scope_id)
	}
	return a, scope
}
