package esock

import (
	"math"
	"syscall"
	"time"

	"github.com/esock-go/esock/internal/plain"
)

// ExtendedError is an error or notice about a sent packet, from the socket's error queue: struct sock_extended_err,
// ip(7), ipv6(7). IP_RECVERR or IPV6_RECVERR enables it, and RecvErr or a receive with MsgErrQueue returns it. The
// message has the packet or its start, and its destination.
type ExtendedError struct {
	Errno    syscall.Errno // what it means; 0 in a notice of zero-copy sending
	Origin   ErrorOrigin   // what reported it
	Type     ErrorType     // ICMP type
	Code     ErrorCode     // ICMP code
	Info     uint32        // the MTU of an EMSGSIZE; the first of the sends that a zero-copy notice is about
	Data     uint32        // the last of them; the number that a timestamp is for
	Offender Addr          // the router or destination that reported it; the zero Addr for a local error
}

// ErrorOrigin says where an ExtendedError comes from.
type ErrorOrigin uint8

// The origins: SO_EE_ORIGIN_ of <linux/errqueue.h>.
const (
	OriginNone     ErrorOrigin = iota
	OriginLocal                // this machine refused the packet
	OriginICMP                 // an ICMP message
	OriginICMP6                // an ICMPv6 message
	OriginTxStatus             // a transmit timestamp (SO_TIMESTAMPING)
	OriginZeroCopy             // the kernel has released buffers (MSG_ZEROCOPY)
	OriginTxTime               // a packet missed its time (SO_TXTIME)
)

var originNames = plain.Names{
	{int(OriginNone), "none"}, {int(OriginLocal), "local"}, {int(OriginICMP), "icmp"}, {int(OriginICMP6), "icmp6"},
	{int(OriginTxStatus), "txstatus"}, {int(OriginZeroCopy), "zerocopy"}, {int(OriginTxTime), "txtime"},
}

func (o ErrorOrigin) String() string { return originNames.Spell(int(o)) }

// ParseErrorOrigin parses "icmp" or the like. Errors: *InvalidError "origin".
func ParseErrorOrigin(text string) (ErrorOrigin, error) {
	n, err := parseCount("origin", originNames, text, math.MaxUint8)
	return ErrorOrigin(n), err
}

// ErrorType is the type of an ExtendedError, combined with its origin. Its text is OTP's name or the number.
type ErrorType uint16

// Number returns the kernel's number.
func (t ErrorType) Number() uint8 { return uint8(t) }

// The ICMP types that have a name; RFC 792, RFC 4443.
const (
	ICMPDestUnreach   = ErrorType(OriginICMP)<<8 | 3
	ICMPTimeExceeded  = ErrorType(OriginICMP)<<8 | 11
	ICMP6DestUnreach  = ErrorType(OriginICMP6)<<8 | 1
	ICMP6PktTooBig    = ErrorType(OriginICMP6)<<8 | 2
	ICMP6TimeExceeded = ErrorType(OriginICMP6)<<8 | 3
)

var errorTypeNames = plain.Names{
	{int(ICMPDestUnreach), "dest_unreach"}, {int(ICMPTimeExceeded), "time_exceeded"},
	{int(ICMP6DestUnreach), "dest_unreach"}, {int(ICMP6PktTooBig), "pkt_toobig"}, {int(ICMP6TimeExceeded), "time_exceeded"},
}

func (t ErrorType) String() string {
	if s, ok := errorTypeNames.Text(int(t)); ok {
		return s
	}
	return utoa(uint32(t.Number()))
}

// ErrorCode is the code of an ExtendedError, with its type and origin. Its text is OTP's name or the number.
type ErrorCode uint32

// Number returns the kernel's number.
func (c ErrorCode) Number() uint8 { return uint8(c) }

// The codes of destination unreachable that have a name; RFC 792, RFC 4443.
const (
	ICMPNetUnreach     = ErrorCode(ICMPDestUnreach) << 8
	ICMPHostUnreach    = ErrorCode(ICMPDestUnreach)<<8 | 1
	ICMPPortUnreach    = ErrorCode(ICMPDestUnreach)<<8 | 3
	ICMPFragNeeded     = ErrorCode(ICMPDestUnreach)<<8 | 4
	ICMPNetUnknown     = ErrorCode(ICMPDestUnreach)<<8 | 6
	ICMPHostUnknown    = ErrorCode(ICMPDestUnreach)<<8 | 7
	ICMP6NoRoute       = ErrorCode(ICMP6DestUnreach) << 8
	ICMP6AdmProhibited = ErrorCode(ICMP6DestUnreach)<<8 | 1
	ICMP6NotNeighbour  = ErrorCode(ICMP6DestUnreach)<<8 | 2
	ICMP6AddrUnreach   = ErrorCode(ICMP6DestUnreach)<<8 | 3
	ICMP6PortUnreach   = ErrorCode(ICMP6DestUnreach)<<8 | 4
	ICMP6PolicyFail    = ErrorCode(ICMP6DestUnreach)<<8 | 5
	ICMP6RejectRoute   = ErrorCode(ICMP6DestUnreach)<<8 | 6
)

var errorCodeNames = plain.Names{
	{int(ICMPNetUnreach), "net_unreach"}, {int(ICMPHostUnreach), "host_unreach"}, {int(ICMPPortUnreach), "port_unreach"},
	{int(ICMPFragNeeded), "frag_needed"}, {int(ICMPNetUnknown), "net_unknown"}, {int(ICMPHostUnknown), "host_unknown"},
	{int(ICMP6NoRoute), "noroute"}, {int(ICMP6AdmProhibited), "adm_prohibited"},
	{int(ICMP6NotNeighbour), "not_neighbour"}, {int(ICMP6AddrUnreach), "addr_unreach"},
	{int(ICMP6PortUnreach), "port_unreach"}, {int(ICMP6PolicyFail), "policy_fail"},
	{int(ICMP6RejectRoute), "reject_route"},
}

func (c ErrorCode) String() string {
	if s, ok := errorCodeNames.Text(int(c)); ok {
		return s
	}
	return utoa(uint32(c.Number()))
}

// ExtendedError returns an error queue's record (IP_RECVERR, IPV6_RECVERR).
func (c ControlMessage) ExtendedError() (ExtendedError, bool) {
	if c.at().kind != cmsgRecvErr {
		return ExtendedError{}, false
	}
	v := cmsgRecvErrOf(c.at())
	typ := ErrorType(v.origin)<<8 | ErrorType(v.typ)
	e := ExtendedError{
		Errno:  syscall.Errno(v.error),
		Origin: ErrorOrigin(v.origin),
		Type:   typ,
		Code:   ErrorCode(typ)<<8 | ErrorCode(v.code),
		Info:   v.info,
		Data:   v.data,
	}
	rec := *c.at()
	rec.offset = 0 // its bytes are Data
	var a cAddr
	cCmsgOffender(c.Data, &rec, &a)
	e.Offender = addrFromC(&a, Addr{})
	return e, true
}

// Names of the errors that Linux puts into error queues.
var queuedErrnoNames = plain.Names{
	{int(syscall.ECONNREFUSED), "econnrefused"}, {int(syscall.EHOSTUNREACH), "ehostunreach"},
	{int(syscall.ENETUNREACH), "enetunreach"}, {int(syscall.EMSGSIZE), "emsgsize"},
	{int(syscall.EHOSTDOWN), "ehostdown"}, {int(syscall.ENONET), "enonet"}, {int(syscall.EACCES), "eacces"},
	{int(syscall.EPROTO), "eproto"}, {int(syscall.ENOPROTOOPT), "enoprotoopt"},
	{int(syscall.EOPNOTSUPP), "eopnotsupp"}, {int(syscall.ENOMSG), "enomsg"}, {int(syscall.EINVAL), "einval"},
	{int(syscall.ECANCELED), "ecanceled"},
}

// Map returns the error with OTP's keys: error, origin, type and code (names, or numbers without one), info, data and, if
// any, offender (as Addr.Map).
func (e ExtendedError) Map() map[string]any {
	nameOr := func(table plain.Names, n int, number uint8) any {
		if s, ok := table.Text(n); ok {
			return s
		}
		return int(number)
	}
	m := map[string]any{
		"error":  queuedErrnoNames.Value(int(e.Errno)),
		"origin": originNames.Value(int(e.Origin)),
		"type":   nameOr(errorTypeNames, int(e.Type), e.Type.Number()),
		"code":   nameOr(errorCodeNames, int(e.Code), e.Code.Number()),
		"info":   plain.Int(int64(e.Info)),
		"data":   plain.Int(int64(e.Data)),
	}
	if !e.Offender.IsZero() {
		m["offender"] = e.Offender.Map()
	}
	return m
}

// ExtendedErrorFromMap reads what Map returns. Errors: *InvalidError.
func ExtendedErrorFromMap(m map[string]any) (ExtendedError, error) {
	r := plain.Read(m)
	e := ExtendedError{
		Errno:  syscall.Errno(r.Named("error", queuedErrnoNames, math.MaxUint32, 0)),
		Origin: ErrorOrigin(r.Named("origin", originNames, math.MaxUint8, 0)),
		Info:   uint32(r.Number("info", 0, math.MaxUint32, 0)),
		Data:   uint32(r.Number("data", 0, math.MaxUint32, 0)),
	}
	e.Type = ErrorType(e.Origin)<<8 | ErrorType(r.Named("type", under(errorTypeNames, int(e.Origin)), math.MaxUint8, 0))
	e.Code = ErrorCode(e.Type)<<8 | ErrorCode(r.Named("code", under(errorCodeNames, int(e.Type)), math.MaxUint8, 0))
	hasOffender := r.Has("offender")
	offender := r.Inner("offender").All()
	if cause := r.Finish(); cause != "" {
		return ExtendedError{}, &InvalidError{What: "extended_err", Value: m, Cause: cause}
	}
	var err error
	if hasOffender {
		if e.Offender, err = AddrFromMap(offender); err != nil {
			return ExtendedError{}, err
		}
	}
	return e, nil
}

// under returns the names of the numbers that belong to another, without it: the types of an origin, the codes of a type.
func under(table plain.Names, above int) (names plain.Names) {
	for _, n := range table {
		if n.Number>>8 == above {
			n.Number &= 0xff
			names = append(names, n)
		}
	}
	return names
}

// TxStage is the point at which a transmit timestamp was taken.
type TxStage uint32

// The stages: SCM_TSTAMP_ of <linux/errqueue.h>.
const (
	TxSent      TxStage = iota // given to the driver, or sent by the hardware
	TxScheduled                // about to enter the queueing discipline
	TxAcked                    // TCP: acknowledged by the peer
	TxDone                     // the hardware says that it was sent (Linux 6.15)
)

var txStageNames = plain.Names{{int(TxSent), "sent"}, {int(TxScheduled), "scheduled"}, {int(TxAcked), "acked"},
	{int(TxDone), "done"}}

func (s TxStage) String() string { return txStageNames.Spell(int(s)) }

// ParseTxStage parses "acked" or the like. Errors: *InvalidError "stage".
func ParseTxStage(text string) (TxStage, error) {
	n, err := parseCount("stage", txStageNames, text, math.MaxInt32)
	return TxStage(n), err
}

// Timestamp returns the stage and key of a transmit timestamp. With TimestampOptID the key counts datagrams, or bytes
// of a stream up to the last one of the send; TxTimestamps pairs it with the send.
func (e ExtendedError) Timestamp() (stage TxStage, key uint32, ok bool) {
	if e.Origin != OriginTxStatus || e.Errno != syscall.ENOMSG {
		return 0, 0, false
	}
	return TxStage(e.Info), e.Data, true
}

// ZeroCopyRange says that the kernel has released the memory of sends First to Last with MsgZeroCopy, counted from 0.
// Both wrap.
type ZeroCopyRange struct {
	First, Last uint32
	Copied      bool // the kernel copied after all, so MSG_ZEROCOPY has no benefit here
}

// ZeroCopy returns the sends that a notice of zero-copy sending is about.
func (e ExtendedError) ZeroCopy() (ZeroCopyRange, bool) {
	if e.Origin != OriginZeroCopy || e.Errno != 0 {
		return ZeroCopyRange{}, false
	}
	return ZeroCopyRange{First: e.Info, Last: e.Data, Copied: e.Code.Number()&1 != 0}, true
}

// TxTimeMiss is a packet that was not sent at its TxTime.
type TxTimeMiss struct {
	At      time.Duration // the time requested
	Invalid bool          // the time was past or too near
}

// TxTime returns the packet that missed its time (SO_TXTIME).
func (e ExtendedError) TxTime() (TxTimeMiss, bool) {
	if e.Origin != OriginTxTime {
		return TxTimeMiss{}, false
	}
	at := time.Duration(uint64(e.Data)<<32 | uint64(e.Info))
	return TxTimeMiss{At: at, Invalid: e.Code.Number() == 1}, true
}
