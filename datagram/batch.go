package datagram

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

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
	FindControl(b any, i int, is func(esock.ControlMessage) bool) (esock.ControlMessage, bool)
	ControlBytes(b any, i int) []byte
	EachControl(b any, i int, yield func(esock.ControlMessage) bool)
	Put(s *esock.Socket, b any, i, offset, size int, to *esock.Addr, ctrl []byte, same bool) error
	Encode(dst []byte, cs []esock.ControlMessage) ([]byte, error)
	BatchTrains(b any) int
	EachRefusal(b any, yield func(to esock.Addr, size int, err error))
	ForgetRefusals(b any)
	BatchCounters(b any, sending bool) (calls, dgrams, trains, refused uint64)
})

// ErrFull is the error of Append when the batch has no room for the datagram.
var ErrFull = errors.New("datagram: the batch is full")

// TruncatedError says that a datagram, or a train, was longer than the batch has room for, or that a train came without its
// control message. The others of the batch are whole.
type TruncatedError struct {
	Index   int        // of the first datagram that is not whole, from 0, as All counts
	Len     int        // how many bytes the datagram or the train had, 0 if the socket does not tell
	Room    int        // how many there was room for
	Segment int        // the length of the datagrams of a train, 0 for one datagram
	Control bool       // no bytes were cut, but control messages, without which nobody knows whether it is a train
	More    int        // how many further datagrams or trains of the batch were truncated
	From    esock.Addr // its sender
}

func (e *TruncatedError) Error() string {
	if e == nil {
		return "<nil>"
	}
	what := "has"
	switch {
	case e.Control:
		return fmt.Sprintf("datagram: number %d, from %v, has %d bytes, and its control messages were cut, "+
			"so that it may be a train: give them more room", e.Index, e.From, e.Len)
	case e.Segment > 0:
		what = fmt.Sprintf("is of a train of datagrams of %d bytes, which has", e.Segment)
	}
	return fmt.Sprintf("datagram: number %d, from %v, %s %d bytes, and there is room for %d", e.Index, e.From, what, e.Len, e.Room)
}

// most is the longest that a train can be: what UDP's length field can hold.
const most = 65535

// groSpace is the room of UDP_GRO's control message, where the words of the machine have 8 bytes.
const groSpace = 24

// Batch has the memory of many datagrams of one socket, either received or to be sent. One goroutine at a time uses it. The
// zero Batch is closed.
type Batch struct {
	s     *esock.Socket
	b     any
	data  []byte
	size  int
	room  int // of control messages
	moved int // by the last call

	trainsErr, groErr error // why Info says that there are none

	// Received.
	gro       bool // the socket has UDP_GRO, or has sent a train
	came      int
	next      int // that Next looks at,
	nextOff   int // from this offset on
	truncated *TruncatedError

	// To be sent.
	count, sent int
	end         int // of the bytes in data
	to          esock.Addr
	lastTo      netip.AddrPort
	control     []byte // of the datagrams that follow
	plain       int    // how much of it is not of SetTime
	timed       []byte // the control message of SetTime, where the batch is paced
	changed     bool   // the next datagram differs from the one before in more than its bytes
}

// Option is an option of NewBatch.
type Option func(*options) error

type options struct {
	control int // -1: not given
	trains  int
	gro     bool
	details Detail
	paced   bool
}

// Control sets how many bytes of control messages each datagram has room for, 128 if it is not given, and 256 with Details.
func Control(bytes int) Option {
	return func(o *options) error {
		if bytes < 0 || bytes > 1<<20 {
			return &esock.InvalidError{What: "control", Value: bytes}
		}
		o.control = bytes
		return nil
	}
}

// Trains sets how many datagrams the kernel is given as one at most, 64 if it is not given, and up to 128; 1 gives it each by
// itself. Linux takes 128 since 6.9: where it takes fewer, the batch notices and goes on with 64.
func Trains(most int) Option {
	return func(o *options) error {
		if most < 1 {
			return &esock.InvalidError{What: "trains", Value: most}
		}
		o.trains = min(most, 128)
		return nil
	}
}

// GRO makes the socket receive trains (UDP_GRO), for this batch and whatever else reads from the socket. size must be 65,535
// then. Where the kernel has no such thing, Info says so, and datagrams come one by one.
func GRO() Option {
	return func(o *options) error {
		o.gro = true
		return nil
	}
}

// NewBatch makes a batch for count datagrams of up to size bytes each on a datagram or raw socket. Where the socket receives
// trains (GRO, or sockopt.UDPGRO), size must be 65,535, because a shorter buffer would cut them. Memory is used for what is
// filled. Errors: *esock.InvalidError, also for a socket with sockopt.UDPSegment, which cuts datagrams that a batch has counted
// as one; net.ErrClosed; as setsockopt(2).
func NewBatch(s *esock.Socket, count, size int, opts ...Option) (*Batch, error) {
	o := options{control: -1, trains: 64}
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
	case o.gro && size < most:
		return nil, &esock.InvalidError{What: "size", Value: size, Cause: tooShort}
	}
	if o.control < 0 {
		o.control = 128
		if o.details != 0 {
			o.control = 256
		}
	}
	b := &Batch{s: s, size: size, room: o.control}
	if err := b.prepare(&o); err != nil {
		return nil, err
	}
	made, err := calls.NewBatch(count, size, o.control, o.trains, &b.moved)
	if err != nil {
		return nil, err
	}
	b.b, b.data, b.changed = made, calls.BatchData(made), true
	return b, nil
}

const tooShort = "the socket has UDP_GRO, which makes trains of up to 65,535 bytes"

// prepare sets options of the socket, and finds out what it can do.
func (b *Batch) prepare(o *options) error {
	if err := b.describe(o); err != nil {
		return err
	}
	if err := b.pace(o); err != nil {
		return err
	}
	if d := b.s.Domain(); b.s.Type() != esock.Dgram || d != esock.Inet && d != esock.Inet6 || b.s.Protocol() != esock.UDP {
		b.trainsErr, b.groErr = errNotUDP, errNotUDP
		o.trains = 1
		return nil
	}
	switch size, err := sockopt.UDPSegment.Get(b.s); {
	case err != nil:
		b.trainsErr, o.trains = err, 1
	case size > 0:
		return &esock.InvalidError{What: "socket", Value: size,
			Cause: "it has UDP_SEGMENT, which cuts datagrams; a batch makes trains by itself"}
	}
	if o.gro {
		b.groErr = sockopt.UDPGRO.Set(b.s, true)
		b.gro = b.groErr == nil
	} else if b.gro = b.coalesces(); !b.gro {
		b.groErr = errNotAsked
	}
	switch {
	case b.gro && b.size < most:
		return &esock.InvalidError{What: "size", Value: b.size, Cause: tooShort}
	case b.gro && o.control < groSpace:
		return &esock.InvalidError{What: "control", Value: o.control,
			Cause: "the socket has UDP_GRO, whose trains have a control message"}
	}
	return nil
}

var (
	errNotUDP    = fmt.Errorf("datagram: only UDP has trains: %w", errors.ErrUnsupported)
	errNotWanted = errors.New("datagram: the option Trains asks for none")
	errNotAsked  = errors.New("datagram: the socket has no UDP_GRO, which the option GRO asks for")
)

// coalesces reports whether the socket has UDP_GRO, as far as the kernel tells: it does since 5.12.
func (b *Batch) coalesces() bool {
	on, err := sockopt.UDPGRO.Get(b.s)
	return err == nil && on
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
