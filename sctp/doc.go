// Package sctp completes SCTP sockets: associations with several addresses, notifications as Go types, messages with
// stream and reliability, branched-off associations, and streams that are reset and added. It follows RFC 6458, and
// works on sockets of package esock:
//
//	esock.Open(esock.Inet, esock.Stream, esock.SCTP)     // one-to-one: Listen, Accept, Connect as with TCP
//	esock.Open(esock.Inet, esock.SeqPacket, esock.SCTP)  // one-to-many: Listen, and send to any peer
//
// Options are in package sockopt (SCTPInitMsg, SCTPRTOInfo, SCTPPeerAddrParams and the others of level sctp).
//
// An association is named by a number that is valid on its socket until the association ends. On a one-to-one socket
// the number is ignored, and 0 will do.
//
// The functions carry the names of RFC 6458 and of OTP's gen_sctp, inet and socket: peeloff, abort, eof, peernames,
// socknames. Their errors are *esock.Error, with the kernel's errno or an *esock.InvalidError that names the argument.
// Without SCTP in the kernel, esock.Open fails with EPROTONOSUPPORT or ESOCKTNOSUPPORT.
package sctp

import "github.com/esock-go/esock"

// Numbers that stand for several associations of a one-to-many socket, in options and in Subscribe.
const (
	FutureAssoc  int32 = 0 // those to come
	CurrentAssoc int32 = 1 // those there are
	AllAssoc     int32 = 2 // both
)

// MsgNotification marks, in the Flags of a received esock.Msg, a notification.
const MsgNotification esock.MsgFlags = 0x8000

const level = 132 // IPPROTO_SCTP

// Options that are calls of their own, from linux/sctp.h.
const (
	optBindXAdd     = 100
	optBindXRemove  = 101
	optPeerAddrs    = 108
	optLocalAddrs   = 109
	optPeelOffFlags = 122
)

// invalid is an argument that cannot be.
func invalid(what string, value any, cause string) error {
	return &esock.InvalidError{What: what, Value: value, Cause: cause}
}

// failed is the error of an operation of this package.
func failed(op string, s *esock.Socket, err error) error {
	return &esock.Error{Op: op, Socket: s, Reason: err}
}
