package sctp

import (
	"encoding/binary"

	"github.com/esock-go/esock"
)

// Types of control messages, which package esock does not decode.
const (
	typePrInfo    = 5
	typeAuthInfo  = 6
	typeDstAddrV4 = 7
	typeDstAddrV6 = 8
)

// Info says how a message is sent: PrInfo, AuthInfo and DstAddr, and esock.SCTPSndInfo, esock.SCTPSndRcv and
// esock.SCTPInit.
type Info interface{ Control() esock.ControlMessage }

// Flags of esock.SCTPSndInfo and esock.SCTPSndRcv: enum sctp_sinfo_flags.
const (
	FlagUnordered       uint16 = 0x001 // deliver it before messages that were sent earlier; also received
	FlagAddrOver        uint16 = 0x002 // send to the address of the message, not to the primary one
	FlagAbort           uint16 = 0x004 // abort the association: Abort
	FlagSACKImmediately uint16 = 0x008 // have the peer acknowledge at once
	FlagSendAll         uint16 = 0x040 // send to all associations of a one-to-many socket
	FlagPrAll           uint16 = 0x080 // ask for the counts of all policies
	FlagEOF             uint16 = 0x200 // end the association gracefully: EOF
)

// PrPolicy says when a message that was not delivered is given up. RFC 3758, RFC 7496.
type PrPolicy uint16

// The policies of partial reliability.
const (
	PrNone PrPolicy = 0x00 // never
	PrTTL  PrPolicy = 0x10 // after Value milliseconds
	PrRtx  PrPolicy = 0x20 // after Value retransmissions
	PrPrio PrPolicy = 0x30 // when the buffer is full, and a message with a lower Value is sent
)

func (p PrPolicy) String() string {
	if p&^PrPrio != 0 {
		return nameOf(nil, 0, int(p))
	}
	return [...]string{"none", "ttl", "rtx", "prio"}[p>>4]
}

// PrInfo limits the effort for a message: struct sctp_prinfo. RFC 6458, section 5.3.7. The default is the option
// SCTPDefaultPrInfo.
type PrInfo struct {
	Policy PrPolicy
	Value  uint32
}

// AuthInfo has a message authenticated with a key: struct sctp_authinfo. RFC 6458, section 5.3.8. The peer must ask for
// authentication of DATA chunks (SCTPAuthChunk).
type AuthInfo struct{ KeyNumber uint16 }

// DstAddr is a further address of the peer, for a message that begins an association: SCTP_DSTADDRV4 and
// SCTP_DSTADDRV6. RFC 6458, sections 5.3.9 and 5.3.10. The port is that of the message's address.
type DstAddr struct{ Addr esock.Addr }

// Control is the control message SCTP_PRINFO.
func (v PrInfo) Control() esock.ControlMessage {
	b := binary.NativeEndian.AppendUint16(nil, uint16(v.Policy))
	b = binary.NativeEndian.AppendUint32(append(b, 0, 0), v.Value)
	return esock.ControlMessage{Level: level, Type: typePrInfo, Data: b}
}

// Control is the control message SCTP_AUTHINFO.
func (v AuthInfo) Control() esock.ControlMessage {
	return esock.ControlMessage{Level: level, Type: typeAuthInfo, Data: binary.NativeEndian.AppendUint16(nil, v.KeyNumber)}
}

// Control is the control message SCTP_DSTADDRV4 or SCTP_DSTADDRV6. Of an address that is neither, the kernel refuses
// it.
func (v DstAddr) Control() esock.ControlMessage {
	c := esock.ControlMessage{Level: level, Type: typeDstAddrV4, Data: v.Addr.IP().AsSlice()}
	if v.Addr.IP().Is6() {
		c.Type = typeDstAddrV6
	}
	return c
}
