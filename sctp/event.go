package sctp

import (
	"strconv"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// Event is a kind of notification: enum sctp_sn_type. RFC 6458, section 6.1.
type Event uint16

// The kinds of notifications.
const (
	EventDataIO          Event = 0x8000 + iota // no notification: an SCTPSndRcv with each message; before Connect
	EventAssocChange                           // AssocChange
	EventPeerAddrChange                        // PeerAddrChange
	EventSendFailed                            // SendFailed, superseded by EventSendFailedEvent
	EventRemoteError                           // RemoteError
	EventShutdown                              // Shutdown
	EventPartialDelivery                       // PartialDelivery
	EventAdaptation                            // Adaptation
	EventAuthentication                        // Authentication
	EventSenderDry                             // SenderDry
	EventStreamReset                           // StreamReset
	EventAssocReset                            // AssocReset
	EventStreamChange                          // StreamChange
	EventSendFailedEvent                       // SendFailedEvent
)

var eventNames = [...]string{"data_io", "assoc_change", "peer_addr_change", "send_failed", "remote_error", "shutdown",
	"partial_delivery", "adaptation", "authentication", "sender_dry", "stream_reset", "assoc_reset", "stream_change",
	"send_failed_event"}

func (e Event) String() string { return nameOf(eventNames[:], int(e)-int(EventDataIO), int(e)) }

// nameOf is the name at the index, or the number where there is none.
func nameOf(names []string, i, number int) string {
	if i >= 0 && i < len(names) {
		return names[i]
	}
	return strconv.Itoa(number)
}

// Subscribe has notifications of these kinds delivered between the messages: of one association, or of FutureAssoc,
// CurrentAssoc or AllAssoc. EventSenderDry comes at once where nothing is left to send. SCTP_EVENT; Linux 5.0.
func Subscribe(s *esock.Socket, assoc int32, events ...Event) error {
	return subscribe(s, assoc, true, events)
}

// Unsubscribe ends what Subscribe began.
func Unsubscribe(s *esock.Socket, assoc int32, events ...Event) error {
	return subscribe(s, assoc, false, events)
}

func subscribe(s *esock.Socket, assoc int32, on bool, events []Event) error {
	for _, e := range events {
		if err := sockopt.SCTPEvent.Set(s, sockopt.SCTPEventValue{AssocID: assoc, Type: uint16(e), On: on}); err != nil {
			return err
		}
	}
	return nil
}
