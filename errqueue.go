package esock

import (
	"errors"
	"iter"
	"syscall"
)

// QueuedError is a record of an error queue: an error, notice or timestamp.
type QueuedError struct {
	ExtendedError
	Stamps Timestamps // of a transmit timestamp: see ExtendedError.Timestamp
}

// RecvErr takes one record from the socket's error queue, waiting until there is one. m.Data is the packet concerned
// or its start (none with TimestampOptTSOnly), m.Addr its destination. Reusing m avoids allocation.
//
// Waiting for errors is independent of receiving and has its own queue. Records come only if enabled: IPRecvErr,
// IPv6RecvErr, Socket.TxTimestamps, Socket.ZeroCopy, SO_TXTIME. With IPRecvErr the next send or receive also fails
// once with the error, even if that concerns another peer; a server should carry on and look here for the cause.
//
// Errors: EOPNOTSUPP except on TCP, UDP, UDP-Lite, ICMP, raw and packet sockets; ErrControlTruncated if m.CtrlSize
// was too small. OTP: socket:recvmsg with the flag errqueue; recvmsg(2), ip(7).
func (s *Socket) RecvErr(m *Msg, w Wait) (QueuedError, error) {
	s = s.orClosed()
	if err := m.cannotReceive(); err != nil {
		return QueuedError{}, s.answer(OpRecvErr, &w, err)
	}
	if w.kind == waitComplete {
		return QueuedError{}, s.answer(OpRecvErr, &w, &InvalidError{What: "timeout", Value: w, Cause: "use NoWait"})
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
	e := m.queuedError()
	if m.Flags&MsgCTrunc != 0 {
		return e, s.fail("recverr", ErrControlTruncated)
	}
	return e, nil
}

// Errors iterates over the records in the error queue without waiting. Each uses m. An error other than
// ErrControlTruncated ends the iteration.
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

// needErrorQueue returns EOPNOTSUPP if not every kernel has an error queue there: one without would ignore the flag and
// return data.
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

// queuedError makes the record of the control messages.
func (m *Msg) queuedError() (e QueuedError) {
	m.eachControl(func(c ControlMessage) bool { // all of them, because the kernel puts the error last
		if x, ok := c.ExtendedError(); ok {
			e.ExtendedError = x
		} else if t, ok := c.Timestamping(); ok {
			e.Stamps = t
		}
		return true
	})
	return e
}
