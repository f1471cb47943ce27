package esock

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"strconv"
	"sync"
)

// Every operation here has the same shape: describe the call, take it through its lane (do), hand back what it
// moved. Counts are exact also beside an error: what was received is in the buffer, what was sent is gone.

// Recv receives up to len(buf) bytes, waiting for the first. On a message socket it receives one message, cut to the
// buffer. io.EOF means that the peer has sent everything.
//
// With MsgTrunc, the count on a message socket is the full length of the message, which may exceed len(buf). TCP
// discards up to len(buf) bytes and returns how many.
//
// An empty buffer returns 0 at once on a stream (past the deadline ErrTimeout, as a Send), and *InvalidError
// "data_size" on a message socket, where the kernel would discard a message. With MsgPeek|MsgTrunc it is allowed, and
// the count is the length of the next message. OTP: socket:recv/2,3,4 with length 0; recv(2).
func (s *Socket) Recv(buf []byte, flags MsgFlags, w Wait) (int, error) {
	s = s.orClosed()
	if len(buf) == 0 && !s.asksLength(flags) {
		return 0, s.emptyRecv(OpRecv, &w)
	}
	how, r := s.quickly(stOwned(reading), flags, &w), untried
	if how == quickTry || how == quickShare {
		if r = cRecv(s.h, buf, int(flags), howPoll); r > 0 || r == 0 && how == quickShare {
			s.quickEnd(stOwned(reading), how)
			return cut(r, buf, flags), nil
		}
	}
	n, err := s.carryOn(&call{op: OpRecv, buf: buf, flags: int(flags)}, &w, how, r)
	return cut(n, buf, flags), err
}

// asksLength reports whether a receive into no bytes only asks for the length of the next message.
func (s *Socket) asksLength(flags MsgFlags) bool {
	return flags&(MsgPeek|MsgTrunc) == MsgPeek|MsgTrunc && s.typ != Stream
}

// emptyRecv answers a receive into no bytes. It must not reach the kernel, whose answer would look like the end of a stream,
// or which would discard a message.
func (s *Socket) emptyRecv(op Op, w *Wait) error {
	if err := s.ref(op.String()); err != nil {
		return err
	}
	s.unref()
	if s.typ == Stream {
		return s.answer(op, w, s.unfit(op, w))
	}
	return s.answer(op, w, &InvalidError{What: "data_size", Value: 0, Cause: "a message needs a buffer"})
}

// unfit says why a call may not begin, even one that moves nothing and so takes no lane.
func (s *Socket) unfit(op Op, w *Wait) error {
	if err := w.Err(); err != nil {
		return err
	}
	if err := w.calledOff(); err != nil {
		return err
	}
	if w.async() {
		if w.requester().Closed() {
			return errMailboxClosed
		}
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expired(op.direction()) {
		return ErrTimeout
	}
	return nil
}

// RecvFull receives exactly len(buf) bytes on a stream. If it ends early, it returns the count received and the
// reason. With MsgPeek, and on message sockets, it is Recv. An asynchronous call that received only a part returns the count
// and a *Select: continue with buf[n:]. A TCP call that is woken often sets SO_RCVLOWAT until it returns. OTP:
// socket:recv/2,3,4.
func (s *Socket) RecvFull(buf []byte, flags MsgFlags, w Wait) (int, error) {
	s = s.orClosed()
	if s.typ != Stream || flags&(MsgPeek|MsgOOB) != 0 {
		return s.Recv(buf, flags, w)
	}
	if len(buf) == 0 {
		return 0, s.emptyRecv(OpRecv, &w)
	}
	how, r := s.quickly(stOwned(reading), flags, &w), untried
	if how == quickTry {
		if r = cRecv(s.h, buf, int(flags), howPoll|howFull); r == len(buf) {
			s.quickEnd(stOwned(reading), how)
			return r, nil
		}
	}
	n, err := s.carryOn(&call{op: OpRecv, buf: buf, flags: int(flags), whole: true, into: buf}, &w, how, r)
	return min(n, len(buf)), err
}

// maxRecv is the size of the largest buffer that the library makes: what the kernel moves in one call.
const maxRecv = 0x7ffff000

// maxFill is the most that {N, Size} in {otp, rcvbuf} makes of one buffer.
const maxFill = 1 << 20

// RecvBytes receives into a new buffer of exactly the data's length. With a length it is RecvFull. With 0 it returns
// what is there, up to the {otp, rcvbuf} size; on a stream with {N, Size}, up to N times Size but at most 1 MiB or
// Size. Errors: as Recv; *InvalidError for a negative length, and for MsgTrunc on TCP, which returns no data. For the
// full length of a cut message, use RecvMsg. OTP: socket:recv/1,2,3,4.
func (s *Socket) RecvBytes(length int, flags MsgFlags, w Wait) ([]byte, error) {
	s = s.orClosed()
	if err := s.cannotMake(length, flags); err != nil {
		return nil, s.answer(OpRecv, &w, err)
	}
	if length > 0 {
		b := make([]byte, length)
		n, err := s.RecvFull(b, flags, w)
		if n == 0 && err != nil && !isComplete(err) {
			return nil, err
		}
		return exact(b[:min(n, length)]), err
	}
	o := s.options()
	size := o.rcvbuf
	if s.typ == Stream && o.rcvbufN > 1 {
		size = max(size, min(size*o.rcvbufN, maxFill))
	}
	if w.kind == waitComplete { // the buffer stays with the call
		buf := make([]byte, size)
		n, err := s.Recv(buf, flags, w)
		return ownBytes(buf, n, err)
	}
	buf := buffers.get(size)
	n, err := s.Recv(*buf, flags, w)
	n = min(n, len(*buf)) // with MsgTrunc, n is the message's full length
	var out []byte
	if err == nil || n > 0 || isComplete(err) {
		out = append(make([]byte, 0, n), (*buf)[:n]...)
	}
	buffers.put(buf)
	return out, err
}

// RecvBytesFrom is RecvFrom into a new buffer of length bytes, 0: the {otp, rcvbuf} size, cut to the data. Errors: as
// RecvBytes. OTP: socket:recvfrom/1,2,3,4.
func (s *Socket) RecvBytesFrom(length int, flags MsgFlags, w Wait) ([]byte, Addr, error) {
	s = s.orClosed()
	if err := s.cannotMake(length, flags); err != nil {
		return nil, Addr{}, s.answer(OpRecvFrom, &w, err)
	}
	if length == 0 {
		length = s.options().rcvbuf
	}
	if w.kind == waitComplete {
		buf := make([]byte, length)
		n, from, err := s.RecvFrom(buf, flags, w)
		b, err := ownBytes(buf, n, err)
		return b, from, err
	}
	buf := buffers.get(length)
	n, from, err := s.RecvFrom(*buf, flags, w)
	n = min(n, len(*buf))
	var out []byte
	if err == nil || n > 0 || isComplete(err) {
		out = append(make([]byte, 0, n), (*buf)[:n]...)
	}
	buffers.put(buf)
	return out, from, err
}

// cannotMake says why no buffer of that length can be made, or filled.
func (s *Socket) cannotMake(length int, flags MsgFlags) error {
	switch {
	case length < 0 || length > maxRecv:
		return &InvalidError{What: "data_size", Value: length}
	case s.discards(flags):
		return &InvalidError{What: "msg_flag", Value: MsgTrunc, Cause: "TCP discards the data; see Recv"}
	}
	return nil
}

// discards reports whether a receive with the flags counts bytes and stores none: MsgTrunc on TCP and what is built on it.
// Other streams store what they count; SCTP's count what they had no room for as well.
func (s *Socket) discards(flags MsgFlags) bool {
	const domainSMC, protocolSMC = 43, 256
	return flags&MsgTrunc != 0 && s.typ == Stream &&
		(Protocol(s.proto) == TCP || Protocol(s.proto) == MPTCP || Protocol(s.proto) == protocolSMC || s.Domain() == domainSMC)
}

// ownBytes is what a receive of n bytes into a buffer of its own returns.
func ownBytes(buf []byte, n int, err error) ([]byte, error) {
	if err != nil && n == 0 {
		return nil, err
	}
	return exact(buf[:min(n, len(buf))]), err
}

// exact is b without the room behind it, when that is much.
func exact(b []byte) []byte {
	if cap(b)-len(b) < 512 {
		return b
	}
	return append([]byte(nil), b...)
}

// RecvFrom is Recv with the sender's address, which is the zero Addr if the kernel gives none. OTP:
// socket:recvfrom/2,3,4; recvfrom(2).
func (s *Socket) RecvFrom(buf []byte, flags MsgFlags, w Wait) (int, Addr, error) {
	s = s.orClosed()
	if len(buf) == 0 && !s.asksLength(flags) {
		return 0, Addr{}, s.emptyRecv(OpRecvFrom, &w)
	}
	var a cAddr
	how, r := s.quickly(stOwned(reading), flags, &w), untried
	if how == quickTry || how == quickShare {
		if r = cRecvFrom(s.h, buf, int(flags), howPoll, &a); r > 0 || r == 0 && how == quickShare {
			s.quickEnd(stOwned(reading), how)
			return cut(r, buf, flags), addrFromC(&a, Addr{}), nil
		}
	}
	x := scratches.Get().(*scratch)
	x.addr = a
	n, err := s.carryOn(&call{op: OpRecvFrom, buf: buf, flags: int(flags), addr: &x.addr, x: x}, &w, how, r)
	if isCompletion(err) {
		return 0, Addr{}, err
	}
	var from Addr
	if err == nil || n > 0 {
		from = addrFromC(&x.addr, Addr{})
	}
	x.free()
	return cut(n, buf, flags), from, err
}

// cut is the count of a receive that got n bytes, which may be more than the buffer has room for: with MsgTrunc the caller asks
// for that, and without it SCTP's streams report it.
func cut(n int, buf []byte, flags MsgFlags) int {
	if n > len(buf) && flags&MsgTrunc == 0 {
		return len(buf)
	}
	return n
}

// RecvMsg receives one message with its data, sender, flags and control messages. Reusing m avoids allocation; see Msg
// for its buffers. With MsgPeek|MsgTrunc and an empty non-nil Buf, FullLen is the length of the next message, which
// stays.
//
// Control messages that do not fit into m.CtrlSize give ErrControlTruncated, with the message in m. With
// MsgCTrunc in flags, only m.Flags reports it, as in OTP. The same holds when {otp,select_read} makes the error a
// *Select. OTP: socket:recvmsg/1,2,3,5; recvmsg(2).
func (s *Socket) RecvMsg(m *Msg, flags MsgFlags, w Wait) error {
	s = s.orClosed()
	if err := m.cannotReceive(); err != nil {
		return s.answer(OpRecvMsg, &w, err)
	}
	o := s.options()
	buf, ctrl, recs, out := m.recvBuffers(o.rcvbuf, o.rcvctrlbuf)
	if len(buf) == 0 && flags&MsgErrQueue == 0 && !s.asksLength(flags) {
		return s.emptyRecv(OpRecvMsg, &w)
	}
	flags, cut := flags&^MsgCTrunc, flags&MsgCTrunc != 0
	how, n := quickNot, untried
	if len(buf) > 0 {
		how = s.quickly(stOwned(reading), flags, &w)
	}
	if how == quickTry || how == quickShare {
		n = cRecvMsg(s.h, buf, int(flags), howPoll, ctrl, recs, out)
	}
	var err error
	if n > 0 || n == 0 && how == quickShare {
		s.quickEnd(stOwned(reading), how)
	} else {
		c := call{op: OpRecvMsg, buf: buf, flags: int(flags), ctrl: ctrl, recs: recs, out: out, msg: m, cut: cut}
		n, err = s.carryOn(&c, &w, how, n)
	}
	if err != nil && err != io.EOF && !isComplete(err) {
		return err
	}
	return s.receivedMsg(m, flags, cut, n, err)
}

// receivedMsg stores in m what a receive of n bytes, which ended in err, has put into its buffers.
func (s *Socket) receivedMsg(m *Msg, flags MsgFlags, cut bool, n int, err error) error {
	if s.discards(flags) {
		m.received(0)
		m.FullLen = n
		return err
	}
	m.received(n)
	if m.Flags&MsgCTrunc != 0 && !cut && err == nil {
		return s.fail("recvmsg", ErrControlTruncated)
	}
	return err
}

// isComplete reports whether the error is a Select about the next call ({otp, select_read}).
func isComplete(err error) bool {
	sel, ok := err.(*Select)
	return ok && sel.complete
}

// Send sends buf. On a stream it sends all of it, waiting whenever the kernel's buffer is full, and no other send's
// data comes between; an empty buf does nothing. On a message socket buf is one message.
//
// If it ends early, it returns the count sent. So does an asynchronous call, with a *Select: continue with buf[n:] and
// w.Continue, or Cancel.
//
// Linux does not report when three sends become possible. Datagrams to a unix socket that this one is not connected
// to, and netlink messages to another process, are retried (NoWait: get a SelectMsg) after 100 µs, then twice
// the time before, up to 50 ms. The peer's Shutdown(ShutRead) on a unix socket is noticed within a second. OTP:
// socket:send/2,3,4; send(2).
func (s *Socket) Send(buf []byte, flags MsgFlags, w Wait) (int, error) {
	s = s.orClosed()
	how, r := quickNot, untried
	if len(buf) > 0 {
		how = s.quickly(stOwned(writing), flags, &w)
	}
	if how == quickTry || how == quickShare {
		if r = cSend(s.h, buf, int(flags), howPoll); r == len(buf) {
			s.quickEnd(stOwned(writing), how)
			return r, nil
		}
	}
	return s.carryOn(&call{op: OpSend, buf: buf, flags: int(flags), whole: s.typ == Stream}, &w, how, r)
}

// SendTo is Send to an address. OTP: socket:sendto/3,4,5; sendto(2).
func (s *Socket) SendTo(buf []byte, to Addr, flags MsgFlags, w Wait) (int, error) {
	s = s.orClosed()
	var dest cAddr
	if err := s.addrToC(&to, &dest); err != nil {
		return 0, s.answer(OpSendTo, &w, err)
	}
	how, r := quickNot, untried
	if len(buf) > 0 {
		how = s.quickly(stOwned(writing), flags, &w)
	}
	if how == quickTry || how == quickShare {
		if r = cSendTo(s.h, buf, int(flags), howPoll, &dest); r == len(buf) {
			s.quickEnd(stOwned(writing), how)
			return r, nil
		}
	}
	x := scratches.Get().(*scratch)
	x.addr = dest
	n, err := s.carryOn(&call{op: OpSendTo, buf: buf, flags: int(flags), addr: &x.addr, x: x, whole: s.typ == Stream}, &w, how, r)
	if isCompletion(err) {
		return 0, err
	}
	x.free()
	if err != nil {
		err = s.blame(err, &to)
	}
	return n, err
}

// SendMsg sends m.Iov, to m.Addr if set, with the control messages of m.SetControl. On a stream it sends all of the
// data, and the control messages once, with the first byte: without data they are an *InvalidError "msg", because the
// kernel would silently drop them and their descriptors. m is not changed. To continue a partial send, put the rest
// into m.Iov and use w.Continue. OTP: socket:sendmsg/2,3,4; sendmsg(2), unix(7).
func (s *Socket) SendMsg(m *Msg, flags MsgFlags, w Wait) (int, error) {
	s = s.orClosed()
	if m == nil {
		return 0, s.answer(OpSendMsg, &w, &InvalidError{What: "msg", Cause: "it is nil"})
	}
	to, ctrl, err := m.sendParts(s.options().sndctrlbuf)
	if err == errZoneName {
		err = s.zoneToC(m.Addr, to)
	}
	if err != nil {
		return 0, s.answer(OpSendMsg, &w, err)
	}
	// SCTP's streams send messages, and some of those are control messages alone: its kernel judges.
	if len(ctrl) > 0 && !s.sendsMessages() && w.continues() == nil && total(m.Iov) == 0 {
		return 0, s.answer(OpSendMsg, &w, &InvalidError{What: "msg",
			Cause: "ctrl: on a stream control messages need at least one byte of data to go with"})
	}
	c := call{op: OpSendMsg, flags: int(flags), addr: to, ctrl: ctrl, msg: m}
	n, err := s.gather(&c, m.Iov, &w)
	if err != nil && to != nil {
		err = s.blame(err, &m.Addr)
	}
	return n, err
}

// SendV sends several buffers in order, as one message or piece of a stream. A message has at most LibraryInfo.IOVMax
// buffers, also on SCTP's one-to-one sockets; a stream takes any number. OTP: socket:sendv/2,3; sendmsg(2).
func (s *Socket) SendV(bufs [][]byte, w Wait) (int, error) {
	s = s.orClosed()
	c := call{op: OpSendV}
	return s.gather(&c, bufs, &w)
}

// total is the bytes of several buffers.
func total(bufs [][]byte) (n int) {
	for _, b := range bufs {
		n += len(b)
	}
	return n
}

// Slices of at least this size go to the kernel in place; smaller ones are copied together.
const pinFrom = 4096

// gather sends several buffers. Small ones are copied together. Large ones are pinned for the duration of the call, because C
// may not be given unpinned Go pointers in Go memory.
func (s *Socket) gather(c *call, bufs [][]byte, w *Wait) (int, error) {
	c.whole = !s.sendsMessages()
	if len(bufs) == 1 {
		c.buf = bufs[0]
		how, r := quickNot, untried
		if len(c.buf) > 0 {
			how = s.quickly(stOwned(writing), MsgFlags(c.flags), w)
		}
		if how == quickTry || how == quickShare {
			if r = c.try(s, howPoll); r == len(c.buf) {
				s.quickEnd(stOwned(writing), how)
				return r, nil
			}
		}
		return s.carryOn(c, w, how, r)
	}
	if err := s.checkIov(bufs); err != nil {
		return 0, s.answer(c.op, w, err)
	}
	total := total(bufs)
	if c.flags&int(MsgZeroCopy) != 0 {
		return s.gatherUncopied(c, bufs, total, w)
	}
	x := scratches.Get().(*scratch)
	if total < pinFrom*len(bufs) && total <= 1<<20 {
		x.arena = x.arena[:0]
		for _, b := range bufs {
			x.arena = append(x.arena, b...)
		}
		c.buf, c.x = x.arena, x
		n, err := s.do(c, w)
		if !isCompletion(err) {
			x.free()
		}
		return n, err
	}
	defer x.free()
	var pin runtime.Pinner
	defer pin.Unpin()
	x.pin(&pin, bufs)
	c.iov = x.iov
	return s.do(c, w)
}

// pin makes the scratch's vector of the buffers that have bytes.
func (x *scratch) pin(p *runtime.Pinner, bufs [][]byte) {
	x.iov = x.iov[:0]
	for _, b := range bufs {
		if len(b) > 0 {
			p.Pin(&b[0])
			x.iov = append(x.iov, iovecOf(b))
		}
	}
}

// gatherUncopied is gather with MsgZeroCopy. A buffer that the library makes for it is not reused. More buffers than one
// sendmsg(2) takes are copied together, so that each try is one send of the kernel.
func (s *Socket) gatherUncopied(c *call, bufs [][]byte, total int, w *Wait) (int, error) {
	if total < pinFrom*len(bufs) || len(bufs) > iovMax {
		c.buf = bytes.Join(bufs, nil)
		return s.sendUncopied(c, w, &zeroCopySend{buf: c.buf})
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	x := scratches.Get().(*scratch)
	defer x.free()
	x.pin(&pin, bufs)
	c.iov = x.iov
	return s.sendUncopied(c, w, &zeroCopySend{bufs: slices.Clone(bufs)})
}

// sendsMessages reports whether each send is a message. SCTP's one-to-one sockets are of type Stream, and send messages.
func (s *Socket) sendsMessages() bool { return s.typ != Stream || Protocol(s.proto) == SCTP }

// checkIov refuses more buffers than one message may have.
func (s *Socket) checkIov(bufs [][]byte) error {
	if !s.sendsMessages() || len(bufs) <= iovMax {
		return nil
	}
	n := len(bufs)
	for n > iovMax && len(bufs[n-1]) == 0 {
		n--
	}
	if n > iovMax {
		return &InvalidError{What: "iov", Value: len(bufs), Cause: "a message has at most " + strconv.Itoa(iovMax) + " buffers"}
	}
	return nil
}

var iovMax = cIovMax()

// buffers are reused receive buffers. A result is copied out at its exact length, so that a small message does not keep a
// large buffer alive.
var buffers bufferPool

type bufferPool struct{ small sync.Pool }

func (p *bufferPool) get(size int) *[]byte {
	if size > 1<<16 {
		b := make([]byte, size)
		return &b
	}
	if b, ok := p.small.Get().(*[]byte); ok && cap(*b) >= size {
		*b = (*b)[:size]
		return b
	}
	b := make([]byte, size, max(size, DefaultRcvBuf))
	return &b
}

func (p *bufferPool) put(b *[]byte) {
	if cap(*b) <= 1<<16 {
		p.small.Put(b)
	}
}
