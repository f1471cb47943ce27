package datagram

import (
	"fmt"
	"iter"
	"net/netip"
	"strconv"

	"github.com/esock-go/esock"
)

// Recv receives datagrams with one system call, as many as there is room for, and waits for the first. It returns how many All
// has. Those of the last Recv are gone. Errors: *TruncatedError, beside what has come; as esock.Socket.RecvMMsg; ErrState while
// appended datagrams wait for Send; *esock.InvalidError "size" if trains come though the batch has no room for them, because
// UDP_GRO was switched on after NewBatch.
func (b *Batch) Recv(flags esock.MsgFlags, w esock.Wait) (int, error) {
	if !b.made() {
		return 0, errClosed
	}
	if b.count > b.sent {
		return 0, fmt.Errorf("datagram: %d datagrams are to be sent: %w", b.count-b.sent, esock.ErrState)
	}
	if b.gro && b.size < most { // it has received a train since NewBatch
		if b.gro = b.coalesces(); b.gro {
			return 0, &esock.InvalidError{What: "size", Value: b.size, Cause: tooShort}
		}
	}
	b.Reset()
	n, err := calls.RecvBatch(b.s, b.b, flags, w)
	return b.arrived(n, err)
}

// forget drops what was received.
func (b *Batch) forget() { b.came, b.next, b.nextOff, b.truncated = 0, 0, 0, nil }

// arrived counts what has come.
func (b *Batch) arrived(n int, err error) (int, error) {
	b.came = n
	total := 0
	for i := range n {
		data, full, flags, segment := calls.Received(b.b, i)
		b.gro = b.gro || segment > 0
		if flags&(esock.MsgTrunc|esock.MsgCTrunc) != 0 {
			b.cut(i, total, len(data), full, flags, segment)
		}
		total += parts(len(data), segment)
	}
	if err == nil && b.truncated != nil {
		err = b.truncated
	}
	return total, err
}

// cut notes that something is missing in place i.
func (b *Batch) cut(i, before, n, full int, flags esock.MsgFlags, segment int) {
	control := flags&esock.MsgTrunc == 0
	if control && !b.glued(flags, segment) {
		return
	}
	if b.truncated != nil {
		b.truncated.More++
		return
	}
	if segment > 0 {
		before += n / segment
	}
	b.truncated = &TruncatedError{Index: before, Len: full, Room: n, Segment: segment, Control: control,
		From: calls.SenderAddr(b.b, i)}
}

// glued reports whether what came may be a train whose control message was cut.
func (b *Batch) glued(flags esock.MsgFlags, segment int) bool {
	if flags&esock.MsgCTrunc == 0 || segment > 0 || b.trainsErr == errNotUDP {
		return false
	}
	b.gro = b.gro || b.coalesces()
	return b.gro
}

// parts is how many datagrams there are in so many bytes of a train.
func parts(n, segment int) int {
	if segment == 0 || n == 0 {
		return 1
	}
	return (n + segment - 1) / segment
}

// Finish returns the result of a call with esock.Complete, whose message has come, as the call itself would have.
func (b *Batch) Finish(m esock.CompletionMsg) (int, error) {
	if !b.made() {
		return 0, errClosed
	}
	_, err := m.Result()
	if m.Op() == esock.OpRecvMMsg {
		return b.arrived(b.moved, err)
	}
	return b.gone(b.moved, err)
}

// Datagram is one that was received. It is valid until the next Recv.
type Datagram struct {
	b    *Batch
	i    int
	data []byte
	cut  bool
}

// All yields the datagrams that the last Recv received, those of trains one by one. Of a train that was truncated, those before
// the cut are whole, and those behind it are missing.
func (b *Batch) All() iter.Seq[Datagram] {
	return func(yield func(Datagram) bool) {
		if !b.made() {
			return
		}
		for i := range b.came {
			for off, last := 0, false; !last; {
				var d Datagram
				if d, off, last = b.at(i, off); !yield(d) {
					return
				}
			}
		}
	}
}

// Next returns the next datagram of the last Recv, as All would yield it, and false when all were returned. It is for callers
// that take a few at a time. What it has returned does not change what All yields.
func (b *Batch) Next() (Datagram, bool) {
	if !b.made() || b.next == b.came {
		return Datagram{}, false
	}
	d, off, last := b.at(b.next, b.nextOff)
	b.nextOff = off
	if last {
		b.next, b.nextOff = b.next+1, 0
	}
	return d, true
}

// at returns the datagram that begins at an offset of what came into place i, where it ends, and whether it is the last there.
func (b *Batch) at(i, off int) (d Datagram, end int, last bool) {
	data, full, flags, segment := calls.Received(b.b, i)
	want := full
	if segment > 0 {
		want = min(off+segment, full)
	}
	end = min(max(want, off), len(data))
	last = end == len(data)
	cut := end < want || last && (flags&esock.MsgTrunc != 0 && full <= end || b.glued(flags, segment))
	return Datagram{b, i, data[off:end:end], cut}, end, last
}

// Trains yields what the kernel has received as one: the bytes of a train, and the length of its datagrams, the last of which
// may be shorter; 0 for a datagram by itself.
func (b *Batch) Trains() iter.Seq2[Datagram, int] {
	return func(yield func(Datagram, int) bool) {
		if !b.made() {
			return
		}
		for i := range b.came {
			data, full, flags, segment := calls.Received(b.b, i)
			cut := flags&esock.MsgTrunc != 0 || full > len(data) || b.glued(flags, segment)
			if !yield(Datagram{b, i, data, cut}, segment) {
				return
			}
		}
	}
}

// Data returns the bytes.
func (d Datagram) Data() []byte { return d.data }

// Truncated reports whether bytes are missing at the end, or whether it may be a train that cannot be split: TruncatedError.
func (d Datagram) Truncated() bool { return d.cut }

// From returns the sender, not valid if it has no address of IP. A link-local address has its zone as a number.
func (d Datagram) From() netip.AddrPort {
	if d.b == nil {
		return netip.AddrPort{}
	}
	from, scope := calls.Sender(d.b.b, d.i)
	if scope != 0 {
		from = netip.AddrPortFrom(from.Addr().WithZone(strconv.FormatUint(uint64(scope), 10)), from.Port())
	}
	return from
}

// FromAddr returns the sender, of any family.
func (d Datagram) FromAddr() esock.Addr {
	if d.b == nil {
		return esock.Addr{}
	}
	return calls.SenderAddr(d.b.b, d.i)
}

// Control yields the control messages, which a train has once for all its datagrams: those that the socket has an option for
// (Details, sockopt.IPRecvFragSize, ...).
func (d Datagram) Control() iter.Seq[esock.ControlMessage] {
	return func(yield func(esock.ControlMessage) bool) {
		if d.b != nil {
			calls.EachControl(d.b.b, d.i, yield)
		}
	}
}

// ControlBytes returns the control messages as the kernel has them: cmsg(3). They are valid until the next Recv.
func (d Datagram) ControlBytes() []byte {
	if d.b == nil {
		return nil
	}
	return calls.ControlBytes(d.b.b, d.i)
}

// ControlTruncated reports whether there was no room for all control messages: what they say is then missing.
func (d Datagram) ControlTruncated() bool {
	if d.b == nil {
		return false
	}
	_, _, flags, _ := calls.Received(d.b.b, d.i)
	return flags&esock.MsgCTrunc != 0
}
