package esock

import (
	"runtime"
	"sync"
	"syscall"
)

// The calls on many messages. The messages go through a batch of the core's, in memory of C's: it costs less to copy them there
// than to pin the memory of each.

// RecvMMsg receives up to len(ms) messages with one system call, waits for the first, and returns how many came. ms[i] is what
// RecvMsg would have made of message i; that data or control messages were cut is in its Flags alone, and CtrlSize is the
// least room. An error that follows messages is that of the next call. Errors: as RecvMsg; *InvalidError "msgs" for none, "msg"
// for one that cannot receive, "msg_flag" for MsgPeek and MsgErrQueue; EOPNOTSUPP on sockets other than datagram and raw
// ones. OTP: socket:recvmmsg; recvmmsg(2).
func (s *Socket) RecvMMsg(ms []Msg, flags MsgFlags, w Wait) (int, error) {
	s = s.orClosed()
	b, err := s.roomFor(ms, flags)
	if err != nil {
		return 0, s.answer(OpRecvMMsg, &w, err)
	}
	c := call{op: OpRecvMMsg, flags: int(flags &^ MsgCTrunc), batch: b, left: len(ms)}
	n, err := s.do(&c, &w)
	if !isCompletion(err) {
		b.received(n)
		b.free()
	}
	return n, err
}

// roomFor makes a batch that can receive into messages.
func (s *Socket) roomFor(ms []Msg, flags MsgFlags) (*batch, error) {
	switch {
	case len(ms) == 0:
		return nil, &InvalidError{What: "msgs", Cause: "there are none"}
	case flags&(MsgPeek|MsgErrQueue) != 0:
		return nil, &InvalidError{What: "msg_flag", Value: flags & (MsgPeek | MsgErrQueue), Cause: "recvmmsg does not take it"}
	}
	o := s.options()
	size, ctrlSize := 1, 0
	for i := range ms {
		m := &ms[i]
		if err := m.cannotReceive(); err != nil {
			return nil, err
		}
		buf, ctrl, _, _ := m.recvBuffers(o.rcvbuf, o.rcvctrlbuf)
		if len(buf) == 0 {
			return nil, &InvalidError{What: "msg", Value: i, Cause: "a message needs a buffer"}
		}
		size, ctrlSize = max(size, len(buf)), max(ctrlSize, len(ctrl))
	}
	b, err := newBatch(len(ms), size, ctrlSize)
	if err != nil {
		return nil, err
	}
	b.msgs = ms
	for i := range ms {
		d := &b.dgrams[i]
		d.offset, d.room = cU64(i*size), cU32(len(ms[i].data))
	}
	return b, nil
}

// received copies what has come into the messages.
func (b *batch) received(n int) {
	for i := range n {
		b.fill(i)
	}
}

func (b *batch) fill(i int) {
	m, d := &b.msgs[i], &b.dgrams[i]
	copy(m.data, b.data[d.offset:][:d.len])
	m.ctrl = append(m.ctrl[:0], cBatchControl(b.c, i)[:d.control_len]...)
	m.recs = m.recs[:msgRecords]
	copy(m.recs, cBatchRecords(b.c, i)[:min(int(d.cmsgs), msgRecords)])
	m.out.addr, m.out.flags, m.out.full_len = d.addr, d.flags, cU64(d.full_len)
	m.out.control_len, m.out.cmsgs, m.out.bad = d.control_len, d.cmsgs, cU32(d.bad)
	m.received(int(d.len))
}

// SendMMsg sends messages in order, as few system calls as the kernel allows, and waits for room. It returns how many were
// sent: fewer than len(ms) with the error of the next one, and the caller goes on from there, or behind it. So does an
// asynchronous call, with a *Select: continue with ms[n:] and w.Continue, or Cancel. Errors: as SendMsg; *InvalidError "msgs" for
// none, "msg_flag" for MsgZeroCopy; EOPNOTSUPP on sockets other than datagram and raw ones. OTP: socket:sendmmsg;
// sendmmsg(2).
func (s *Socket) SendMMsg(ms []Msg, flags MsgFlags, w Wait) (int, error) {
	s = s.orClosed()
	switch {
	case len(ms) == 0:
		return 0, s.answer(OpSendMMsg, &w, &InvalidError{What: "msgs", Cause: "there are none"})
	case flags&MsgZeroCopy != 0:
		return 0, s.answer(OpSendMMsg, &w, &InvalidError{What: "msg_flag", Value: MsgZeroCopy, Cause: "sendmmsg does not take it"})
	}
	b, packed, err := s.pack(ms)
	if err != nil {
		return 0, s.answer(OpSendMMsg, &w, err)
	}
	c := call{op: OpSendMMsg, flags: int(flags), batch: b, left: packed}
	n, err := s.do(&c, &w)
	if !isCompletion(err) {
		err = s.sentMany(b, n, err)
		b.free()
	}
	return n, err
}

// sentMany is the error of a SendMMsg of which n messages have gone: err, or that of the message that could not be packed.
func (s *Socket) sentMany(b *batch, n int, err error) error {
	if err == nil && b.bad != nil {
		err = s.fail(OpSendMMsg.String(), b.bad)
	}
	if err != nil && n < len(b.msgs) && !b.msgs[n].Addr.IsZero() {
		err = s.blame(err, &b.msgs[n].Addr)
	}
	return err
}

// pack makes a batch of n messages, up to the first that cannot be sent. It returns an error if that is the first of all.
func (s *Socket) pack(ms []Msg) (b *batch, n int, err error) {
	bytes, ctrlSize := 0, 0
	for i := range ms {
		bytes, ctrlSize = bytes+total(ms[i].Iov), max(ctrlSize, len(ms[i].send))
	}
	if b, err = newBatch(len(ms), (bytes+len(ms)-1)/len(ms), ctrlSize); err != nil {
		return nil, 0, err
	}
	b.msgs = ms
	limit, at := s.options().sndctrlbuf, 0
	for i := range ms {
		m, d := &ms[i], &b.dgrams[i]
		to, ctrl, err := m.sendParts(limit)
		if err == errZoneName {
			err = s.zoneToC(m.Addr, to)
		}
		switch {
		case err != nil && n == 0:
			b.free()
			return nil, 0, err
		case err != nil:
			b.bad = err
			return b, n, nil
		}
		d.addr.form = addrNone
		if to != nil {
			d.addr = *to
		}
		d.offset, d.len, d.same = cU64(at), cU32(total(m.Iov)), 0
		for _, part := range m.Iov {
			at += copy(b.data[at:], part)
		}
		d.control_len = cU32(copy(cBatchControl(b.c, i), ctrl))
		n++
	}
	return b, n, nil
}

// batch is a batch of the core's, and the messages that it is for.
type batch struct {
	c      *cBatch
	dgrams []cDgram
	data   []byte
	msgs   []Msg
	bad    error // why message n of pack cannot be sent
}

// batches are reused. One that the pool drops is freed by the garbage collector.
var batches sync.Pool

// batchKept is the most data of a batch that is kept for the next call.
const batchKept = 4 << 20

// newBatch returns a batch with room for messages of those sizes. What it has from an earlier use is overwritten.
func newBatch(count, size, ctrlSize int) (*batch, error) {
	if b, ok := batches.Get().(*batch); ok {
		if len(b.dgrams) >= count && len(b.data) >= count*size && int(b.c.control_size) >= ctrlSize {
			return b, nil
		}
		// A larger one serves both.
		count, ctrlSize = max(count, len(b.dgrams)), max(ctrlSize, int(b.c.control_size))
		b.release()
	}
	if uint64(count) > 1<<40/max(uint64(size), 1) {
		return nil, syscall.ENOMEM
	}
	c, r := cBatchNew(count, size, ctrlSize, msgRecords)
	if r < 0 {
		return nil, syscall.Errno(-r)
	}
	b := &batch{c: c, dgrams: cBatchDgrams(c), data: cBatchData(c)}
	runtime.SetFinalizer(b, (*batch).release)
	return b, nil
}

// free gives the batch back.
func (b *batch) free() {
	b.msgs, b.bad = nil, nil
	if len(b.data) > batchKept {
		b.release()
		return
	}
	batches.Put(b)
}

func (b *batch) release() {
	runtime.SetFinalizer(b, nil)
	cBatchFree(b.c)
}
