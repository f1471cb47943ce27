package sctp

import (
	"encoding/binary"
	"fmt"

	"github.com/esock-go/esock"
)

// headerSize is the length of what every notification begins with: kind, flags and length.
const headerSize = 8

// Flags of StreamReset, AssocReset, StreamChange and the two send failures.
const (
	flagIncoming = 1
	flagOutgoing = 2
	flagDenied   = 4
	flagFailed   = 8
	flagSent     = 1
)

// kinds has, for each kind from EventDataIO on, its structure: the bytes without a variable part, and the decoder.
var kinds = [...]struct {
	size   int
	decode func(b body) Notification
}{
	EventAssocChange - EventDataIO: {20, func(b body) Notification {
		return AssocChange{State: AssocState(b.u16(8)), Error: b.be16(10), OutboundStreams: b.u16(12), InboundStreams: b.u16(14),
			AssocID: b.i32(16), Info: b.rest(20)}
	}},
	EventPeerAddrChange - EventDataIO: {148, func(b body) Notification {
		addr, _ := sockaddr(b[8:136])
		return PeerAddrChange{Addr: addr, State: AddrState(b.i32(136)), Error: b.i32(140), AssocID: b.i32(144)}
	}},
	EventSendFailed - EventDataIO: {48, func(b body) Notification {
		return SendFailed{Sent: b.has(flagSent), Error: b.cause(8), AssocID: b.i32(44), Data: b.rest(48),
			Info: esock.SCTPSndRcv{Stream: b.u16(12), SSN: b.u16(14), Flags: b.u16(16), PPID: b.u32(20), Context: b.u32(24),
				TimeToLive: b.u32(28), TSN: b.u32(32), CumTSN: b.u32(36), AssocID: b.i32(40)}}
	}},
	EventRemoteError - EventDataIO: {16, func(b body) Notification {
		return RemoteError{Error: b.be16(8), AssocID: b.i32(12), Data: b.rest(16)}
	}},
	EventShutdown - EventDataIO: {12, func(b body) Notification { return Shutdown{b.i32(8)} }},
	EventPartialDelivery - EventDataIO: {24, func(b body) Notification {
		return PartialDelivery{Indication: b.u32(8), AssocID: b.i32(12), Stream: b.u32(16), Seq: b.u32(20)}
	}},
	EventAdaptation - EventDataIO: {16, func(b body) Notification { return Adaptation{b.u32(8), b.i32(12)} }},
	EventAuthentication - EventDataIO: {20, func(b body) Notification {
		return Authentication{b.u16(8), b.u16(10), AuthIndication(b.u32(12)), b.i32(16)}
	}},
	EventSenderDry - EventDataIO: {12, func(b body) Notification { return SenderDry{b.i32(8)} }},
	EventStreamReset - EventDataIO: {12, func(b body) Notification {
		n := StreamReset{Incoming: b.has(flagIncoming), Outgoing: b.has(flagOutgoing), Denied: b.has(flagDenied),
			Failed: b.has(flagFailed), AssocID: b.i32(8)}
		for at := 12; at+2 <= len(b); at += 2 {
			n.Streams = append(n.Streams, b.u16(at))
		}
		return n
	}},
	EventAssocReset - EventDataIO: {20, func(b body) Notification {
		return AssocReset{b.has(flagDenied), b.has(flagFailed), b.i32(8), b.u32(12), b.u32(16)}
	}},
	EventStreamChange - EventDataIO: {16, func(b body) Notification {
		return StreamChange{b.has(flagDenied), b.has(flagFailed), b.i32(8), b.u16(12), b.u16(14)}
	}},
	EventSendFailedEvent - EventDataIO: {32, func(b body) Notification {
		return SendFailedEvent{Sent: b.has(flagSent), Error: b.cause(8), AssocID: b.i32(28), Data: b.rest(32),
			Info: esock.SCTPSndInfo{SID: b.u16(12), Flags: b.u16(14), PPID: b.u32(16), Context: b.u32(20), AssocID: b.i32(24)}}
	}},
}

// Decode decodes a notification: the data of a message with MsgNotification, as the kernel wrote it. The result does
// not share memory with b. Errors: *esock.InvalidError "notification" for one that is cut short, or of a kind that is
// not known; its Value is the Event, or the length of less than a header.
func Decode(b []byte) (Notification, error) {
	if len(b) < headerSize {
		return nil, invalid("notification", len(b), "fewer bytes than a header has")
	}
	kind, length := Event(body(b).u16(0)), body(b).u32(4)
	if uint64(length) > uint64(len(b)) {
		return nil, invalid("notification", kind, fmt.Sprintf("%d of its %d bytes are there", len(b), length))
	}
	i := int(kind) - int(EventDataIO)
	if i < 0 || i >= len(kinds) || kinds[i].decode == nil {
		return nil, invalid("notification", kind, "the kind is not known")
	}
	if int(length) < kinds[i].size {
		return nil, invalid("notification", kind, fmt.Sprintf("it has %d bytes, and its structure %d", length, kinds[i].size))
	}
	return kinds[i].decode(b[:length:length]), nil
}

// body is the bytes of a notification, with the header. Numbers are in the order of the machine.
type body []byte

func (b body) u16(at int) uint16    { return binary.NativeEndian.Uint16(b[at:]) }
func (b body) u32(at int) uint32    { return binary.NativeEndian.Uint32(b[at:]) }
func (b body) i32(at int) int32     { return int32(b.u32(at)) }
func (b body) be16(at int) uint16   { return binary.BigEndian.Uint16(b[at:]) } // of a chunk, as it came over the network
func (b body) has(flag uint16) bool { return b.u16(2)&flag != 0 }

// cause is an error's cause in 32 bits: Linux leaves the 16 of the chunk in the order of the network.
func (b body) cause(at int) uint16 {
	return body(binary.NativeEndian.AppendUint16(nil, uint16(b.u32(at)))).be16(0)
}

// rest is a copy of what follows the structure.
func (b body) rest(at int) []byte {
	if len(b) == at {
		return nil
	}
	return append([]byte(nil), b[at:]...)
}
