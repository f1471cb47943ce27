package sctp

import (
	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// What the peer may change, for the option SCTPEnableStreamReset of both sides. RFC 6525.
const (
	EnableResetStreams uint32 = 1 // ResetStreams
	EnableResetAssoc   uint32 = 2 // ResetAssoc
	EnableChangeAssoc  uint32 = 4 // AddStreams
)

// Direction is which streams are reset.
type Direction uint16

// The directions of streams. Both can be reset at once.
const (
	Incoming Direction = 1 // from the peer
	Outgoing Direction = 2 // to the peer
)

func (d Direction) String() string {
	return nameOf([]string{"none", "incoming", "outgoing", "incoming|outgoing"}, int(d), int(d))
}

// ResetStreams has the streams count their messages from 0 again, all of them if none is given. It only asks the peer:
// a StreamReset says on both sides what became of it. Errors: ENOPROTOOPT unless SCTPReconfigSupported was on, on both
// sides, before the association began; EINVAL unless SCTPEnableStreamReset allows it; EINPROGRESS while another request
// is under way; EAGAIN while an outgoing stream has messages to send. SCTP_RESET_STREAMS; RFC 6525, section 6.3.2.
func ResetStreams(s *esock.Socket, assoc int32, d Direction, streams ...uint16) error {
	return sockopt.SCTPResetStreams.Set(s, sockopt.SCTPResetStreamsValue{AssocID: assoc, Flags: uint16(d), Streams: streams})
}

// AddStreams adds streams to an association. It only asks the peer: a StreamChange says on both sides what became of
// it. Errors: as ResetStreams. SCTP_ADD_STREAMS; RFC 6525, section 6.3.4.
func AddStreams(s *esock.Socket, assoc int32, incoming, outgoing uint16) error {
	return sockopt.SCTPAddStreams.Set(s, sockopt.SCTPAddStreamsValue{AssocID: assoc, InStrms: incoming, OutStrms: outgoing})
}

// ResetAssoc begins all streams and the numbers of the chunks anew. It only asks the peer: an AssocReset says on both
// sides what became of it. Errors: as ResetStreams. SCTP_RESET_ASSOC; RFC 6525, section 6.3.3.
func ResetAssoc(s *esock.Socket, assoc int32) error { return sockopt.SCTPResetAssoc.Set(s, int(assoc)) }
