package datagram

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"strconv"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/layered"
	"github.com/esock-go/esock/sockopt"
)

// calls are what package esock does for this package and does not export. The contracts are in its batchcalls.go.
var calls = layered.Engine.(interface {
	NewBatch(count, size, control, trains int, moved *int) (any, error)
	FreeBatch(b any)
	BatchData(b any) []byte
	RecvBatch(s *esock.Socket, b any, flags esock.MsgFlags, w esock.Wait) (int, error)
	SendBatch(s *esock.Socket, b any, from, n int, flags esock.MsgFlags, w esock.Wait) (int, error)
	Received(b any, i int) (data []byte, full int, flags esock.MsgFlags, segment int)
	Sender(b any, i int) (netip.AddrPort, uint32)
	SenderAddr(b any, i int) esock.Addr
	EachControl(b any, i int, yield func(esock.ControlMessage) bool)
	Put(s *esock.Socket, b any, i, offset, size int, to *esock.Addr, ctrl []byte, same bool) error
	Encode(dst []byte, cs []esock.ControlMessage) ([]byte, error)
	BatchCounters(b any, sending bool) (calls, dgrams, trains, refused uint64)
})

// ErrFull is the error of Append when the batch has no room for the datagram.
var ErrFull = errors.New("datagram: the batch is full")

// TruncatedError says that a datagram, or a train, was longer than the batch has room for. The others of the batch are whole.
type TruncatedError struct {
	Index int        // of All, from 0
	Len   int        // how many bytes it had, 0 if the socket does not tell
	Room  int        // how many there was room for
	From  esock.Addr // its sender
}

func (e *TruncatedError) Error() string {
	if e == nil {
		return "<nil>"
	}
	return fmt.Sprintf("datagram: number %d, from %v, has %d bytes, and there is room for %d", e.Index, e.From, e.Len, e.Room)
}

// most is the longest that a train can be: what UDP's length field can hold.
const most = 65535

// Batch has the memory of many datagrams of one socket, either received or to be sent. One goroutine at a time uses it. The
// zero Batch is closed.
type Batch struct {
	s     *esock.Socket
	b     any
	data  []byte
	size  int
	room  int // of control messages
	moved int // by the last call

	// Received.
	came      int
	truncated *TruncatedError

	// To be sent.
	count, sent int
	end         int // of the bytes in data
	to          esock.Addr
	lastTo      netip.AddrPort
	control     []byte // of the datagrams that follow
	changed     bool   // the next datagram differs from the one before in more than its bytes
}

// Option is an option of NewBatch.
type Option func(*options) error

type options struct {
	control int
	trains  int
}

// Control sets how many bytes of control messages each datagram has room for, 128 if it is not given.
func Control(bytes int) Option {
	return func(o *options) error {
		if bytes < 0 || bytes > 1<<20 {
			return &esock.InvalidError{What: "control", Value: bytes}
		}
		o.control = bytes
		return nil
	}
}

// Trains sets how many datagrams the kernel is given as one at most, 64 if it is not given; 1 gives it each by itself.
func Trains(most int) Option {
	return func(o *options) error {
		if most < 1 {
			return &esock.InvalidError{What: "trains", Value: most}
		}
		o.trains = min(most, 64)
		return nil
	}
}

// NewBatch makes a batch for count datagrams of up to size bytes each on a datagram or raw socket. Where the socket receives
// trains (UDP_GRO), size must be 65,535, because a shorter buffer would cut them. Memory is used for what is filled. Errors:
// *esock.InvalidError; net.ErrClosed.
func NewBatch(s *esock.Socket, count, size int, opts ...Option) (*Batch, error) {
	o := options{control: 128, trains: 64}
	for _, opt := range opts {
		if opt == nil {
			return nil, &esock.InvalidError{What: "option", Cause: "it is nil"}
		}
		if err := opt(&o); err != nil {
			return nil, err
		}
	}
	if s == nil {
		return nil, &esock.InvalidError{What: "socket", Cause: "it is nil"}
	}
	switch t := s.Type(); {
	case s.Closed():
		return nil, net.ErrClosed
	case count < 1 || count > 1<<20:
		return nil, &esock.InvalidError{What: "count", Value: count}
	case size < 1 || size > 1<<30:
		return nil, &esock.InvalidError{What: "size", Value: size}
	case t != esock.Dgram && t != esock.Raw:
		return nil, &esock.InvalidError{What: "socket", Value: t, Cause: "only datagram and raw sockets have batches"}
	}
	b := &Batch{s: s, size: size, room: o.control}
	if err := b.fits(); err != nil {
		return nil, err
	}
	made, err := calls.NewBatch(count, size, o.control, o.trains, &b.moved)
	if err != nil {
		return nil, err
	}
	b.b, b.data, b.changed = made, calls.BatchData(made), true
	return b, nil
}

// fits refuses buffers that are too short for trains.
func (b *Batch) fits() error {
	if b.size >= most || b.s.Type() != esock.Dgram {
		return nil
	}
	if on, err := sockopt.UDPGRO.Get(b.s); err == nil && on {
		return &esock.InvalidError{What: "size", Value: b.size, Cause: "the socket has UDP_GRO, which makes trains of up to 65,535 bytes"}
	}
	return nil
}

// Close frees the memory. Data that the batch has returned must not be used any more.
func (b *Batch) Close() {
	if b.made() {
		calls.FreeBatch(b.b)
		*b = Batch{}
	}
}

func (b *Batch) made() bool { return b != nil && b.b != nil }

var errClosed = &esock.InvalidError{What: "batch", Cause: "it is zero or closed"}

// Recv receives datagrams with one system call, as many as there is room for, and waits for the first. It returns how many
// All has. Those of the last Recv are gone. Errors: *TruncatedError, beside what has come; as esock.Socket.RecvMMsg; ErrState
// while appended datagrams wait for Send.
func (b *Batch) Recv(flags esock.MsgFlags, w esock.Wait) (int, error) {
	if !b.made() {
		return 0, errClosed
	}
	if b.count > b.sent {
		return 0, fmt.Errorf("datagram: %d datagrams are to be sent: %w", b.count-b.sent, esock.ErrState)
	}
	b.Reset()
	n, err := calls.RecvBatch(b.s, b.b, flags, w)
	return b.arrived(n, err)
}

// arrived counts what has come.
func (b *Batch) arrived(n int, err error) (int, error) {
	b.came = n
	total := 0
	for i := range n {
		data, full, flags, segment := calls.Received(b.b, i)
		if flags&esock.MsgTrunc != 0 && b.truncated == nil {
			whole := total
			if segment > 0 {
				whole += len(data) / segment
			}
			b.truncated = &TruncatedError{Index: whole, Len: full, Room: len(data), From: calls.SenderAddr(b.b, i)}
		}
		total += parts(len(data), segment)
	}
	if err == nil && b.truncated != nil {
		err = b.truncated
	}
	return total, err
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

// All yields the datagrams that the last Recv received, those of trains one by one.
func (b *Batch) All() iter.Seq[Datagram] {
	return func(yield func(Datagram) bool) {
		if !b.made() {
			return
		}
		for i := range b.came {
			data, full, flags, segment := calls.Received(b.b, i)
			cut := flags&esock.MsgTrunc != 0 || full > len(data)
			if segment == 0 {
				segment = max(len(data), 1)
			}
			for first := true; first || len(data) > 0; first = false {
				n := min(segment, len(data))
				if !yield(Datagram{b, i, data[:n:n], cut && n == len(data)}) {
					return
				}
				data = data[n:]
			}
		}
	}
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
			if !yield(Datagram{b, i, data, flags&esock.MsgTrunc != 0 || full > len(data)}, segment) {
				return
			}
		}
	}
}

// Data returns the bytes.
func (d Datagram) Data() []byte { return d.data }

// Truncated reports whether bytes are missing at the end.
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

// Control yields the control messages, which a train has once for all its datagrams: TOS, TTL, PktInfo4, RxqOvfl and the like,
// if the socket has the option for it (sockopt.IPRecvTOS, ...).
func (d Datagram) Control() iter.Seq[esock.ControlMessage] {
	return func(yield func(esock.ControlMessage) bool) {
		if d.b != nil {
			calls.EachControl(d.b.b, d.i, yield)
		}
	}
}

// Append adds a datagram to an address, or to the peer of a connected socket if that is the zero AddrPort. It copies the data. On
// an inet6 socket an IPv4 address is mapped. Errors: ErrFull; *esock.InvalidError, also for more than size bytes.
func (b *Batch) Append(data []byte, to netip.AddrPort) error {
	if !b.made() {
		return errClosed
	}
	if to != b.lastTo {
		b.changed = true
	}
	if !b.changed {
		return b.put(data, true)
	}
	b.to = esock.Addr{}
	if to.IsValid() {
		switch a := to.Addr(); {
		case b.s.Domain() == esock.Inet6 && a.Is4():
			b.to = esock.AddrFrom(netip.AddrPortFrom(netip.AddrFrom16(a.As16()), to.Port()))
		case b.s.Domain() == esock.Inet:
			b.to = esock.AddrFrom(netip.AddrPortFrom(a.Unmap(), to.Port()))
		default:
			b.to = esock.AddrFrom(to)
		}
	}
	if err := b.put(data, false); err != nil {
		return err
	}
	b.lastTo = to
	return nil
}

// AppendAddr is Append to an address of any family.
func (b *Batch) AppendAddr(data []byte, to esock.Addr) error {
	if !b.made() {
		return errClosed
	}
	b.to, b.lastTo = to, netip.AddrPort{}
	err := b.put(data, false)
	b.changed = true
	return err
}

// put adds a datagram to b.to, or with same to where the one before goes.
func (b *Batch) put(data []byte, same bool) error {
	if b.sent == b.count { // all are sent: the memory is free again
		b.came, b.truncated = 0, nil
		b.sent, b.count, b.end = 0, 0, 0
	}
	switch {
	case len(data) > b.size:
		return &esock.InvalidError{What: "data_size", Value: len(data), Cause: "the batch's datagrams have up to " + strconv.Itoa(b.size) + " bytes"}
	case b.count == len(b.data)/b.size || len(data) > len(b.data)-b.end:
		return ErrFull
	}
	if err := calls.Put(b.s, b.b, b.count, b.end, len(data), &b.to, b.control, same); err != nil {
		return err
	}
	b.end += copy(b.data[b.end:], data)
	b.count++
	b.changed = false
	return nil
}

// SetControl sets the control messages of the datagrams that are appended from now on; none ends that. Errors:
// *esock.InvalidError, also for more bytes than Control gives room for, and then there are none.
func (b *Batch) SetControl(cs ...esock.ControlMessage) (err error) {
	if !b.made() {
		return errClosed
	}
	b.changed = true
	if b.control, err = calls.Encode(b.control[:0], cs); err != nil {
		return err
	}
	if n := len(b.control); n > b.room {
		b.control = b.control[:0]
		return &esock.InvalidError{What: "control", Value: n, Cause: "the batch has room for " + strconv.Itoa(b.room) + " bytes"}
	}
	return nil
}

// Len returns how many datagrams are to be sent.
func (b *Batch) Len() int {
	if !b.made() {
		return 0
	}
	return b.count - b.sent
}

// Send sends the datagrams that were appended, in order, and waits for room. It returns how many have gone, which stay gone:
// with an error the next one has failed, and Send tries it again, or Skip drops it. A train that the kernel refuses on the way to
// a destination goes as single datagrams, and so do later ones. Errors: as esock.Socket.SendMMsg.
func (b *Batch) Send(flags esock.MsgFlags, w esock.Wait) (int, error) {
	if !b.made() {
		return 0, errClosed
	}
	if b.count == b.sent {
		return 0, nil
	}
	n, err := calls.SendBatch(b.s, b.b, b.sent, b.count-b.sent, flags, w)
	return b.gone(n, err)
}

func (b *Batch) gone(n int, err error) (int, error) {
	b.sent += n
	if b.sent == b.count {
		b.changed = true
	}
	return n, err
}

// Skip drops the datagram that would be sent next.
func (b *Batch) Skip() {
	if b.Len() > 0 {
		b.gone(1, nil)
	}
}

// Reset drops what was received and what is to be sent.
func (b *Batch) Reset() {
	if b.made() {
		b.came, b.truncated = 0, nil
		b.count, b.sent, b.end, b.changed = 0, 0, 0, true
	}
}

// Counters are what a batch has done.
type Counters struct {
	Calls   uint64 // system calls
	Count   uint64 // datagrams
	Trains  uint64 // trains, which have several of them
	Refused uint64 // trains that the kernel refused, and that went as single datagrams
}

// Counters returns what was received and what was sent.
func (b *Batch) Counters() (received, sent Counters) {
	if b.made() {
		r, s := &received, &sent
		r.Calls, r.Count, r.Trains, r.Refused = calls.BatchCounters(b.b, false)
		s.Calls, s.Count, s.Trains, s.Refused = calls.BatchCounters(b.b, true)
	}
	return received, sent
}
