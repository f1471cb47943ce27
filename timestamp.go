package esock

import (
	"encoding/binary"
	"errors"
	"sort"
	"sync"
	"syscall"

	"github.com/esock-go/esock/internal/kernel"
)

// TxTimestamps pairs a socket's transmit timestamps with the sends that they belong to. A socket has at most one. Any
// goroutine may call its methods.
//
//	tx, err := s.TxTimestamps(esock.TimestampTxSoftware)
//	send, n, err := tx.Send(func() (int, error) { return s.SendTo(data, to, 0, esock.Forever) })
//	for e, err := range s.Errors(&m) {
//		if t, ok := tx.Pair(e); ok { … t.Send == send, t.Stamps.Software … }
//	}
//
// A timestamp's key on a stream is the position of a byte, so a failed send changes nothing. A datagram's key is a
// number that Linux gives out while it builds the packet. A refused datagram may or may not have used one up: refused
// early (too long, no route), it has not; by a firewall or a full queueing discipline, it has; during the building (a
// pending error, no room), it has before Linux 6.9 (unless the fix was backported). No errno tells these cases apart. So Pair finds nothing after a
// refused datagram nor, before Linux 6.9, after one that had to wait for room. There are two ways on:
//   - Call Socket.TxTimestamps again: the count restarts at 0. Take the outstanding timestamps first, because a late one has a
//     number of the old count, or 0.
//   - Give datagrams keys with TimestampID (Linux 6.13), which do not depend on other sends. Send them without Send, and compare
//     the key that ExtendedError.Timestamp returns.
type TxTimestamps struct {
	mu     sync.Mutex
	s      *Socket
	stream bool
	lost   bool   // keys can no longer be assigned to sends
	total  uint64 // datagrams, or bytes, sent so far
	sends  uint64
	first  uint64   // the oldest send in ends
	ends   []uint64 // stream: where sends end, by their number modulo the length
}

// txRemember is how many sends on a stream can wait for their timestamps.
const txRemember = 1024

// TxTimestamp is a transmit timestamp, paired with its send.
type TxTimestamp struct {
	Send   uint64 // the number that Send gave, from 0
	Stage  TxStage
	Whole  bool // false: of a part of the send, which the kernel took in several pieces
	Stamps Timestamps
}

// TxTimestamps enables SO_TIMESTAMPING with flags, at least one of which begins with TimestampTx, and with what
// pairing needs: TimestampOptID, TimestampOptTSOnly and TimestampSoftware. A stream must be connected, and before
// Linux 6.2 have nothing in flight. Errors: *InvalidError "flags"; EINVAL for an unconnected stream; those of
// setsockopt(2).
func (s *Socket) TxTimestamps(flags TimestampFlags) (*TxTimestamps, error) {
	s = s.orClosed()
	const op = "tx_timestamps"
	const tx = TimestampTxHardware | TimestampTxSoftware | TimestampTxSched | TimestampTxAck | TimestampTxDone
	if flags&tx == 0 {
		return nil, s.fail(op, &InvalidError{What: "flags", Value: uint32(flags), Cause: "nothing that is sent gets a timestamp"})
	}
	flags |= TimestampOptID | TimestampOptTSOnly | TimestampSoftware
	if flags&TimestampTxHardware != 0 {
		flags |= TimestampRawHardware
	}
	stream := s.typ == Stream
	if stream {
		flags |= TimestampOptIDTCP
	}
	was, err := s.GetOptionNativeInt(solSocket, scmTimestamping)
	if err != nil {
		return nil, s.failAs(op, err)
	}
	// The kernel starts to count where the flag was off before.
	if err = s.setTimestamping(flags &^ (TimestampOptID | TimestampOptIDTCP)); err != nil {
		return nil, s.failAs(op, err)
	}
	err = s.setTimestamping(flags)
	if stream && errors.Is(err, syscall.EINVAL) {
		err = s.setTimestamping(flags &^ TimestampOptIDTCP)
	}
	if err != nil {
		s.setTimestamping(TimestampFlags(was))
		if _, unconnected := s.PeerName(); stream && errors.Is(err, syscall.EINVAL) && errors.Is(unconnected, syscall.ENOTCONN) {
			err = &explainedErrno{syscall.EINVAL, "a stream must be connected"}
		}
		return nil, s.failAs(op, err)
	}
	t := &TxTimestamps{s: s, stream: stream}
	if stream {
		t.ends = make([]uint64, txRemember)
	}
	return t, nil
}

func (s *Socket) setTimestamping(flags TimestampFlags) error {
	return s.SetOptionNative(solSocket, scmTimestamping, binary.NativeEndian.AppendUint32(nil, uint32(flags)))
}

// Send calls send, which must send exactly once on the socket (Send, SendTo, SendMsg, SendV), and returns the number
// by which Pair names that send. All sends must go through here, and no datagram may use MsgMore. Other calls of Send
// and Pair wait meanwhile, because a timestamp may come before send returns; send must call neither. Errors: those of
// send; *InvalidError "send" if it is nil.
func (t *TxTimestamps) Send(send func() (int, error)) (number uint64, n int, err error) {
	if t == nil || send == nil {
		return 0, 0, &InvalidError{What: "send", Cause: "there is nothing to call, or no TxTimestamps"}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	number = t.sends
	tries := t.s.Counters().WriteTries
	n, err = send()
	tries = t.s.Counters().WriteTries - tries
	// A try that found no room may have used a number, whatever the result of the call.
	t.lost = t.lost || !t.stream && !givesNumbersBack(t.s.Domain()) && (tries > 1 || tries == 1 && err != nil)
	switch {
	case t.stream && n > 0:
		t.total += uint64(n)
	case !t.stream && err == nil:
		t.total++
	default:
		// A refused datagram may have used a number, so later pairs would be uncertain.
		t.lost = t.lost || !t.stream && errnoIn(err) != 0
		return number, n, err
	}
	if t.sends++; !t.stream {
		return number, n, nil
	}
	t.ends[number%txRemember] = t.total
	if t.sends-t.first > txRemember {
		t.first++
	}
	return number, n, err
}

// givesNumbersBack reports whether a datagram that had to wait for room uses up no number: Linux 6.9,
// "net-timestamp: make sk_tskey more predictable in error path". Packet sockets number a packet only
// once there is room.
var givesNumbersBack = func(d Domain) bool { return d == Packet || kernel.From(6, 9) }

// Pair finds the send that a record of the error queue is a timestamp of. It returns false for other records, for
// sends that bypassed Send, for old ones (1,024 sends on a stream), and after a refused datagram: see TxTimestamps.
func (t *TxTimestamps) Pair(e QueuedError) (TxTimestamp, bool) {
	stage, key, ok := e.Timestamp()
	if !ok || t == nil {
		return TxTimestamp{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost {
		return TxTimestamp{}, false
	}
	// The key is the low half of the number of the last datagram, or byte, of the send.
	back := uint64(uint32(t.total) - 1 - key)
	if back >= t.total {
		return TxTimestamp{}, false
	}
	at := t.total - 1 - back
	p := TxTimestamp{Send: at, Stage: stage, Whole: true, Stamps: e.Stamps}
	if t.stream {
		n := sort.Search(int(t.sends-t.first), func(i int) bool { return t.ends[(t.first+uint64(i))%txRemember] > at })
		p.Send = t.first + uint64(n)
		if p.Send == t.sends || n == 0 && t.first > 0 {
			return TxTimestamp{}, false
		}
		p.Whole = t.ends[p.Send%txRemember] == at+1
	}
	return p, true
}
