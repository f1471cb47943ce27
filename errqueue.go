package esock

import (
	"errors"
	"iter"
	"syscall"
)

// QueuedError is one record of a socket's error queue: an error, a notice, or a timestamp.
type QueuedError struct {
	ExtendedError
	Stamps Timestamps // of a transmit timestamp: see ExtendedError.Timestamp
}

// RecvErr takes one record out of the socket's error queue, waiting until there is one. m has the rest: Data is the packet
// that it is about, or its start (none, with TimestampOptTSOnly), Addr where the packet went. m is used again and again
// without allocation.
//
// Waiting for errors is apart from receiving: both may go on at once, and those who wait for errors queue among
// themselves. What puts records there is asked for: IPRecvErr, IPv6RecvErr, Socket.TxTimestamps, Socket.ZeroCopy, SO_TXTIME.
//
// With IPRecvErr, an error also comes back once from the next send or receive, whomever that is about; a server that serves many
// goes on after it, and RecvErr says what it was. Errors: EOPNOTSUPP but on TCP, UDP, UDP-Lite, ICMP, raw and packet sockets, as
// others have no error queue on every Linux; ErrControlTruncated beside a record that {otp,rcvctrlbuf} was too small for.
// OTP: socket:recvmsg with the flag errqueue; recvmsg(2), ip(7).
func (s *Socket) RecvErr(m *Msg, w Wait) (QueuedError, error) {
	s = s.orClosed()
	if m == nil {
		return QueuedError{}, s.answer(OpRecvErr, &w, &InvalidError{What: "msg", Cause: "it is nil"})
	}
	if err := s.needErrorQueue("recverr"); err != nil {
		return QueuedError{}, s.answer(OpRecvErr, &w, err)
	}
	o := s.options()
	buf, ctrl, recs, out := m.recvBuffers(o.rcvbuf, o.rcvctrlbuf)
	c := call{op: OpRecvErr, buf: buf, flags: int(MsgErrQueue), ctrl: ctrl, recs: recs, out: out}
	n, err := s.do(&c, &w)
	if err != nil {
		return QueuedError{}, err
	}
	m.received(n)
	return m.queuedError(), s.controlCut("recverr", m)
}

// Errors takes what is in the error queue now, and does not wait. m is used for each. An error other than
// ErrControlTruncated ends it.
//
//	for e, err := range s.Errors(&m) { … }
func (s *Socket) Errors(m *Msg) iter.Seq2[QueuedError, error] {
	return func(yield func(QueuedError, error) bool) {
		for {
			e, err := s.RecvErr(m, Within(0))
			if errors.Is(err, ErrTimeout) || !yield(e, err) || err != nil && !errors.Is(err, ErrControlTruncated) {
				return
			}
		}
	}
}

// needErrorQueue answers EOPNOTSUPP where not every kernel has an error queue: it would ignore the flag and give data.
func (s *Socket) needErrorQueue(op string) error {
	s = s.orClosed()
	if err := s.ref(op); err != nil {
		return err
	}
	has := cErrorQueue(s.h) == errorQueueYes
	s.unref()
	if !has {
		return s.fail(op, syscall.EOPNOTSUPP)
	}
	return nil
}

// queuedError is what the control messages say.
func (m *Msg) queuedError() (e QueuedError) {
	m.eachControl(func(c ControlMessage) bool { // all: the kernel puts the error last
		if x, ok := c.ExtendedError(); ok {
			e.ExtendedError = x
		} else if t, ok := c.Timestamping(); ok {
			e.Stamps = t
		}
		return true
	})
	return e
}
