package esock

import (
	"unsafe"

	"github.com/esock-go/esock/internal/plain"
)

// Control messages of SCTP: RFC 6458, section 5.3. The payload protocol (PPID) goes as it is: the peers agree on the order
// of its bytes. An association's number is 0 on a one-to-one socket.

// Types of level sctp.
const (
	sctpInit = iota
	sctpSndRcv
	sctpSndInfo
	sctpRcvInfo
	sctpNxtInfo
)

// SCTPInit sets up an association that a send creates: struct sctp_initmsg. 0 stands for the socket's default. It is
// the value of SCTPInitMsg.
type SCTPInit struct {
	NumOStreams    uint16 // streams to send on
	MaxInStreams   uint16 // streams to receive on, at most
	MaxAttempts    uint16
	MaxInitTimeout uint16 // longest time between attempts, in milliseconds
}

// SCTPSndRcv holds how to send a message, or how one came: struct sctp_sndrcvinfo, superseded by SCTPSndInfo and
// SCTPRcvInfo. It is the value of SCTPDefaultSendParams.
type SCTPSndRcv struct {
	Stream     uint16
	SSN        uint16 // number in the stream; received only
	Flags      uint16
	_          uint16
	PPID       uint32
	Context    uint32
	TimeToLive uint32 // in milliseconds; sent only
	TSN        uint32 // received only, as CumTSN
	CumTSN     uint32
	AssocID    int32
}

// SCTPSndInfo holds how to send: struct sctp_sndinfo, SCTPDefaultSndInfo.
type SCTPSndInfo struct {
	SID     uint16 // stream
	Flags   uint16
	PPID    uint32
	Context uint32
	AssocID int32
}

// SCTPRcvInfo holds how a message came: struct sctp_rcvinfo.
type SCTPRcvInfo struct {
	SID     uint16 // stream
	SSN     uint16 // number in the stream
	Flags   uint16
	_       uint16
	PPID    uint32
	TSN     uint32
	CumTSN  uint32
	Context uint32
	AssocID int32
}

// SCTPNxtInfo describes the next message: struct sctp_nxtinfo.
type SCTPNxtInfo struct {
	SID     uint16 // stream
	Flags   uint16
	PPID    uint32
	Length  uint32
	AssocID int32
}

// The core's structures of a record have these fields, in their order and sizes.
func cmsgSCTPInitOf(r *cCmsg) *SCTPInit       { return (*SCTPInit)(unsafe.Pointer(&r.v)) }
func cmsgSCTPSndRcvOf(r *cCmsg) *SCTPSndRcv   { return (*SCTPSndRcv)(unsafe.Pointer(&r.v)) }
func cmsgSCTPSndInfoOf(r *cCmsg) *SCTPSndInfo { return (*SCTPSndInfo)(unsafe.Pointer(&r.v)) }
func cmsgSCTPRcvInfoOf(r *cCmsg) *SCTPRcvInfo { return (*SCTPRcvInfo)(unsafe.Pointer(&r.v)) }
func cmsgSCTPNxtInfoOf(r *cCmsg) *SCTPNxtInfo { return (*SCTPNxtInfo)(unsafe.Pointer(&r.v)) }

func (v *SCTPInit) fields() plain.Fields {
	return plain.Fields{{"num_ostreams", &v.NumOStreams}, {"max_instreams", &v.MaxInStreams},
		{"max_attempts", &v.MaxAttempts}, {"max_init_timeo", &v.MaxInitTimeout}}
}

func (v *SCTPSndRcv) fields() plain.Fields {
	return plain.Fields{{"stream", &v.Stream}, {"ssn", &v.SSN}, {"flags", &v.Flags}, {"ppid", &v.PPID}, {"context", &v.Context},
		{"timetolive", &v.TimeToLive}, {"tsn", &v.TSN}, {"cumtsn", &v.CumTSN}, {"assoc_id", &v.AssocID}}
}

func (v *SCTPSndInfo) fields() plain.Fields {
	return plain.Fields{{"sid", &v.SID}, {"flags", &v.Flags}, {"ppid", &v.PPID}, {"context", &v.Context},
		{"assoc_id", &v.AssocID}}
}

func (v *SCTPRcvInfo) fields() plain.Fields {
	return plain.Fields{{"sid", &v.SID}, {"ssn", &v.SSN}, {"flags", &v.Flags}, {"ppid", &v.PPID}, {"tsn", &v.TSN},
		{"cumtsn", &v.CumTSN}, {"context", &v.Context}, {"assoc_id", &v.AssocID}}
}

func (v *SCTPNxtInfo) fields() plain.Fields {
	return plain.Fields{{"sid", &v.SID}, {"flags", &v.Flags}, {"ppid", &v.PPID}, {"length", &v.Length},
		{"assoc_id", &v.AssocID}}
}

// Control sets up an association with the first message (SCTP_INIT).
func (v SCTPInit) Control() ControlMessage {
	c := ControlMessage{Level: solSCTP, Type: sctpInit}
	c.rec = &cCmsg{kind: cmsgSCTPInit}
	*cmsgSCTPInitOf(c.at()) = v
	return c
}

// Control sends a message with these parameters (SCTP_SNDRCV).
func (v SCTPSndRcv) Control() ControlMessage {
	c := ControlMessage{Level: solSCTP, Type: sctpSndRcv}
	c.rec = &cCmsg{kind: cmsgSCTPSndRcv}
	*cmsgSCTPSndRcvOf(c.at()) = v
	return c
}

// Control sends a message with these parameters (SCTP_SNDINFO).
func (v SCTPSndInfo) Control() ControlMessage {
	c := ControlMessage{Level: solSCTP, Type: sctpSndInfo}
	c.rec = &cCmsg{kind: cmsgSCTPSndInfo}
	*cmsgSCTPSndInfoOf(c.at()) = v
	return c
}

// SCTPInit returns the parameters of a new association.
func (c ControlMessage) SCTPInit() (SCTPInit, bool) {
	if c.at().kind != cmsgSCTPInit {
		return SCTPInit{}, false
	}
	return *cmsgSCTPInitOf(c.at()), true
}

// SCTPSndRcv returns how the message came.
func (c ControlMessage) SCTPSndRcv() (SCTPSndRcv, bool) {
	if c.at().kind != cmsgSCTPSndRcv {
		return SCTPSndRcv{}, false
	}
	return *cmsgSCTPSndRcvOf(c.at()), true
}

// SCTPSndInfo returns the parameters of a message that could not be sent.
func (c ControlMessage) SCTPSndInfo() (SCTPSndInfo, bool) {
	if c.at().kind != cmsgSCTPSndInfo {
		return SCTPSndInfo{}, false
	}
	return *cmsgSCTPSndInfoOf(c.at()), true
}

// SCTPRcvInfo returns how the message came (SCTP_RECVRCVINFO).
func (c ControlMessage) SCTPRcvInfo() (SCTPRcvInfo, bool) {
	if c.at().kind != cmsgSCTPRcvInfo {
		return SCTPRcvInfo{}, false
	}
	return *cmsgSCTPRcvInfoOf(c.at()), true
}

// SCTPNxtInfo describes the next message (SCTP_RECVNXTINFO).
func (c ControlMessage) SCTPNxtInfo() (SCTPNxtInfo, bool) {
	if c.at().kind != cmsgSCTPNxtInfo {
		return SCTPNxtInfo{}, false
	}
	return *cmsgSCTPNxtInfoOf(c.at()), true
}
