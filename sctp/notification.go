package sctp

import "github.com/esock-go/esock"

// Notification is what happened to an association: AssocChange, PeerAddrChange, SendFailed, SendFailedEvent,
// RemoteError, Shutdown, PartialDelivery, Adaptation, Authentication, SenderDry, StreamReset, AssocReset or
// StreamChange. RFC 6458, section 6.1; RFC 6525, section 6.1.
type Notification interface {
	Event() Event
	Assoc() int32 // the association's number
	// Map returns plain data, for JSON and tools. event and state are names, other keys those of the kernel's structure
	// without its prefix.
	Map() map[string]any
}

// AssocState is the news of an AssocChange: enum sctp_sac_state.
type AssocState uint16

// The news of an AssocChange.
const (
	CommUp       AssocState = iota // the association is established
	CommLost                       // it has failed, or was aborted
	Restart                        // the peer has restarted
	ShutdownComp                   // it has ended gracefully
	CantStrAssoc                   // it could not be established
)

func (a AssocState) String() string {
	return nameOf([]string{"comm_up", "comm_lost", "restart", "shutdown_comp", "cant_assoc"}, int(a), int(a))
}

// AssocChange tells that an association began or ended: struct sctp_assoc_change.
type AssocChange struct {
	State           AssocState
	Error           uint16 // the cause, a number of RFC 9260, section 3.3.10: 12 the peer's user aborted; 0 for none
	OutboundStreams uint16
	InboundStreams  uint16
	AssocID         int32
	Info            []byte // with CommLost, the ABORT chunk that came, if one did
}

// AddrState is the news of a PeerAddrChange: enum sctp_spc_state.
type AddrState int32

// The news of a PeerAddrChange.
const (
	AddrAvailable         AddrState = iota // it answers again
	AddrUnreachable                        // it has failed; another is used
	AddrRemoved                            // it is no longer the association's
	AddrAdded                              // it is the association's
	AddrMadePrim                           // it is the primary address
	AddrConfirmed                          // it has answered for the first time; not said of those that ConnectX was given
	AddrPotentiallyFailed                  // it did not answer; only with the option SCTPExposePFState
)

func (a AddrState) String() string {
	return nameOf([]string{"addr_available", "addr_unreachable", "addr_removed", "addr_added", "addr_made_prim", "addr_confirmed",
		"addr_potentially_failed"}, int(a), int(a))
}

// PeerAddrChange tells what became of an address of the peer: struct sctp_paddr_change.
type PeerAddrChange struct {
	Addr    esock.Addr
	State   AddrState
	Error   int32 // why: enum sctp_sn_error of linux/sctp.h
	AssocID int32
}

// SendFailed returns a message that was not delivered: struct sctp_send_failed.
type SendFailed struct {
	Sent    bool   // it was sent, and not acknowledged
	Error   uint16 // the cause, as AssocChange.Error
	Info    esock.SCTPSndRcv
	AssocID int32
	Data    []byte // the message, or the part of it that failed
}

// SendFailedEvent returns a message that was not delivered: struct sctp_send_failed_event.
type SendFailedEvent struct {
	Sent    bool   // it was sent, and not acknowledged
	Error   uint16 // the cause, as AssocChange.Error
	Info    esock.SCTPSndInfo
	AssocID int32
	Data    []byte // the message, or the part of it that failed
}

// RemoteError is an error that the peer reports in an ERROR chunk: struct sctp_remote_error.
type RemoteError struct {
	Error   uint16 // the cause, a number of RFC 9260, section 3.3.10
	AssocID int32
	Data    []byte // the cause's parameters, as they came
}

// Shutdown tells that the peer sends no more: struct sctp_shutdown_event.
type Shutdown struct{ AssocID int32 }

// PartialDelivery tells that the rest of a message that came in parts does not come: struct sctp_pdapi_event.
type PartialDelivery struct {
	Indication uint32 // 0: the delivery was aborted
	AssocID    int32
	Stream     uint32 // Linux leaves it 0
	Seq        uint32 // the number of the message in the stream; Linux leaves it 0
}

// Adaptation is the peer's adaptation layer, which it says when an association begins (SCTPAdaptionLayer): struct
// sctp_adaptation_event.
type Adaptation struct {
	Indication uint32
	AssocID    int32
}

// AuthIndication is the news of an Authentication.
type AuthIndication uint32

// The news of an Authentication.
const (
	AuthNewKey  AuthIndication = iota // the peer signs with another key than the active one
	AuthFreeKey                       // a deactivated key is no longer used, and can be deleted
	AuthNoAuth                        // the peer does not authenticate
)

func (a AuthIndication) String() string {
	return nameOf([]string{"auth_new_key", "auth_free_key", "auth_no_auth"}, int(a), int(a))
}

// Authentication tells of a change of keys: struct sctp_authkey_event.
type Authentication struct {
	KeyNumber    uint16
	AltKeyNumber uint16
	Indication   AuthIndication
	AssocID      int32
}

// SenderDry tells that everything sent was acknowledged: struct sctp_sender_dry_event.
type SenderDry struct{ AssocID int32 }

// StreamReset tells that streams count their messages from 0 again, or why not: struct sctp_stream_reset_event.
type StreamReset struct {
	Incoming bool // the peer's streams to here
	Outgoing bool // the streams to the peer
	Denied   bool // the peer refused
	Failed   bool // it could not be done
	AssocID  int32
	Streams  []uint16 // none for all
}

// AssocReset tells that all streams and the numbers of the chunks begin anew, or why not: struct
// sctp_assoc_reset_event.
type AssocReset struct {
	Denied    bool
	Failed    bool
	AssocID   int32
	LocalTSN  uint32
	RemoteTSN uint32
}

// StreamChange tells that the association has more streams, or why not: struct sctp_stream_change_event.
type StreamChange struct {
	Denied          bool
	Failed          bool
	AssocID         int32
	InboundStreams  uint16 // added, if not 0
	OutboundStreams uint16 // added, if not 0
}

// Event returns EventAssocChange.
func (AssocChange) Event() Event { return EventAssocChange }

// Assoc returns AssocID.
func (n AssocChange) Assoc() int32 { return n.AssocID }

// Event returns EventPeerAddrChange.
func (PeerAddrChange) Event() Event { return EventPeerAddrChange }

// Assoc returns AssocID.
func (n PeerAddrChange) Assoc() int32 { return n.AssocID }

// Event returns EventSendFailed.
func (SendFailed) Event() Event { return EventSendFailed }

// Assoc returns AssocID.
func (n SendFailed) Assoc() int32 { return n.AssocID }

// Event returns EventSendFailedEvent.
func (SendFailedEvent) Event() Event { return EventSendFailedEvent }

// Assoc returns AssocID.
func (n SendFailedEvent) Assoc() int32 { return n.AssocID }

// Event returns EventRemoteError.
func (RemoteError) Event() Event { return EventRemoteError }

// Assoc returns AssocID.
func (n RemoteError) Assoc() int32 { return n.AssocID }

// Event returns EventShutdown.
func (Shutdown) Event() Event { return EventShutdown }

// Assoc returns AssocID.
func (n Shutdown) Assoc() int32 { return n.AssocID }

// Event returns EventPartialDelivery.
func (PartialDelivery) Event() Event { return EventPartialDelivery }

// Assoc returns AssocID.
func (n PartialDelivery) Assoc() int32 { return n.AssocID }

// Event returns EventAdaptation.
func (Adaptation) Event() Event { return EventAdaptation }

// Assoc returns AssocID.
func (n Adaptation) Assoc() int32 { return n.AssocID }

// Event returns EventAuthentication.
func (Authentication) Event() Event { return EventAuthentication }

// Assoc returns AssocID.
func (n Authentication) Assoc() int32 { return n.AssocID }

// Event returns EventSenderDry.
func (SenderDry) Event() Event { return EventSenderDry }

// Assoc returns AssocID.
func (n SenderDry) Assoc() int32 { return n.AssocID }

// Event returns EventStreamReset.
func (StreamReset) Event() Event { return EventStreamReset }

// Assoc returns AssocID.
func (n StreamReset) Assoc() int32 { return n.AssocID }

// Event returns EventAssocReset.
func (AssocReset) Event() Event { return EventAssocReset }

// Assoc returns AssocID.
func (n AssocReset) Assoc() int32 { return n.AssocID }

// Event returns EventStreamChange.
func (StreamChange) Event() Event { return EventStreamChange }

// Assoc returns AssocID.
func (n StreamChange) Assoc() int32 { return n.AssocID }
