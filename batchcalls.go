package esock

import (
	"net/netip"
	"runtime"
	"syscall"
)

// The batches of package datagram, as methods of engine: layered.go. A b is a *batch that the package keeps.

// NewBatch makes a batch of count datagrams with size bytes and control bytes of control messages each. Calls on it write to
// *moved how many datagrams they moved. Errors: *InvalidError; ENOMEM.
func (*engine) NewBatch(count, size, control, trains int, moved *int) (any, error) {
	b, err := makeBatch(count, size, control)
	if err != nil {
		return nil, err
	}
	b.lent = moved
	b.c.trains = cU32(trains)
	return b, nil
}

// FreeBatch frees the batch's memory now.
func (*engine) FreeBatch(b any) { b.(*batch).release() }

// BatchData is the memory of the datagrams: each has its share of it to receive into.
func (*engine) BatchData(b any) []byte { return b.(*batch).data }

// RecvBatch receives into the first places of a batch.
func (*engine) RecvBatch(s *Socket, b any, flags MsgFlags, w Wait) (int, error) {
	s = s.orClosed()
	if flags&(MsgPeek|MsgErrQueue) != 0 {
		return 0, s.answer(OpRecvMMsg, &w, batchFlags(flags))
	}
	x := b.(*batch)
	for i, size := 0, len(x.data)/len(x.dgrams); i < len(x.dgrams); i++ {
		x.dgrams[i].offset = cU64(i * size) // Put has moved them
	}
	c := call{op: OpRecvMMsg, flags: int(flags), batch: x, left: len(x.dgrams)}
	n, err := s.do(&c, &w)
	if !isCompletion(err) {
		x.received(n)
	}
	runtime.KeepAlive(x)
	return n, err
}

// SendBatch sends the datagrams [from, from + n).
func (*engine) SendBatch(s *Socket, b any, from, n int, flags MsgFlags, w Wait) (int, error) {
	s = s.orClosed()
	x := b.(*batch)
	c := call{op: OpSendMMsg, flags: int(flags), batch: x, from: from, left: n}
	sent, err := s.do(&c, &w)
	if !isCompletion(err) {
		x.received(sent)
	}
	runtime.KeepAlive(x)
	return sent, err
}

// Received describes what has come into place i: data, its length before it was cut, flags, and the length of the datagrams of a
// train, 0 for one datagram.
func (*engine) Received(b any, i int) (data []byte, full int, flags MsgFlags, segment int) {
	x := b.(*batch)
	d := &x.dgrams[i]
	end := int(d.offset) + int(d.len)
	return x.data[int(d.offset):end:end], int(d.full_len), MsgFlags(d.flags), int(d.segment)
}

// Sender is the address of the sender in place i, with its scope id, not valid if that is neither inet nor inet6.
func (*engine) Sender(b any, i int) (netip.AddrPort, uint32) {
	return inetFromC(&b.(*batch).dgrams[i].addr)
}

// SenderAddr is the same of any family.
func (*engine) SenderAddr(b any, i int) Addr { return addrFromC(&b.(*batch).dgrams[i].addr, Addr{}) }

// ControlBytes are the control messages in place i as the kernel has them.
func (*engine) ControlBytes(b any, i int) []byte {
	x := b.(*batch)
	n := x.dgrams[i].control_len
	return cBatchControl(x.c, i)[:n:n]
}

// EachControl yields the control messages in place i. They are valid until the next receive.
func (*engine) EachControl(b any, i int, yield func(ControlMessage) bool) {
	x := b.(*batch)
	d := &x.dgrams[i]
	ctrl := cBatchControl(x.c, i)[:d.control_len]
	recs := cBatchRecords(x.c, i)
	for j := range recs[:min(int(d.cmsgs), len(recs))] {
		if !yield(controlOf(&recs[j], ctrl)) {
			return
		}
	}
	if int(d.cmsgs) > len(recs) {
		(&Msg{}).walk(ctrl, len(recs), yield)
	}
}

// FindControl returns the first control message in place i that is one of those, if it is among the decoded ones.
func (*engine) FindControl(b any, i int, is func(ControlMessage) bool) (ControlMessage, bool) {
	x := b.(*batch)
	d := &x.dgrams[i]
	ctrl := cBatchControl(x.c, i)[:d.control_len]
	recs := cBatchRecords(x.c, i)
	for j := range recs[:min(int(d.cmsgs), len(recs))] {
		if c := controlOf(&recs[j], ctrl); is(c) {
			return c, true
		}
	}
	return ControlMessage{}, false
}

// Put describes the datagram in place i, whose bytes are data[offset : offset+size]: to an address, or with none to the peer.
// With same it has the address and control messages of the one before. Errors: *InvalidError.
func (*engine) Put(s *Socket, b any, i, offset, size int, to *Addr, ctrl []byte, same bool) error {
	x := b.(*batch)
	d := &x.dgrams[i]
	d.offset, d.len, d.same, d.control_len = cU64(offset), cU32(size), 0, 0
	if same {
		d.same = 1
		return nil
	}
	d.addr.form = addrNone
	if !to.IsZero() {
		if err := s.orClosed().addrToC(to, &d.addr); err != nil {
			return err
		}
	}
	d.control_len = cU32(copy(cBatchControl(x.c, i), ctrl))
	return nil
}

// Encode appends control messages in the kernel's form. Errors: *InvalidError.
func (*engine) Encode(dst []byte, cs []ControlMessage) ([]byte, error) {
	var m Msg
	if err := m.SetControl(cs...); err != nil {
		return nil, err
	}
	return append(dst, m.send...), nil
}

// BatchTrains is how many datagrams a train may have, which the core lowers where the kernel takes fewer.
func (*engine) BatchTrains(b any) int { return int(b.(*batch).c.trains) }

// EachRefusal yields the destinations that have refused trains: with that length of their datagrams, and longer ones.
func (*engine) EachRefusal(b any, yield func(to Addr, size int, err error)) {
	var all [32]cRefusal
	x := b.(*batch)
	for _, r := range all[:min(cBatchRefusals(x.c, all[:]), len(all))] {
		yield(addrFromC(&r.to, Addr{}), int(r.segment), syscall.Errno(-r.error))
	}
	runtime.KeepAlive(x)
}

// ForgetRefusals makes trains be tried again.
func (*engine) ForgetRefusals(b any) { cBatchForget(b.(*batch).c) }

// BatchCounters are struct esock_batch_counters, of the datagrams that were sent or received.
func (*engine) BatchCounters(b any, sending bool) (calls, dgrams, trains, refused uint64) {
	c := &b.(*batch).c.received
	if sending {
		c = &b.(*batch).c.sent
	}
	return uint64(c.calls), uint64(c.dgrams), uint64(c.trains), uint64(c.refused)
}
