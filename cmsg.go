package esock

import (
	"encoding/binary"
	"math"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// Types of control messages that this file takes apart; the rest stay bytes.
const (
	scmRights      = syscall.SCM_RIGHTS
	scmCredentials = syscall.SCM_CREDENTIALS
	scmTimestamp   = syscall.SCM_TIMESTAMP
	ipTOS          = syscall.IP_TOS
	ipTTL          = syscall.IP_TTL
	ipPktInfo      = syscall.IP_PKTINFO
	ipv6PktInfo    = syscall.IPV6_PKTINFO
	ipv6HopLimit   = syscall.IPV6_HOPLIMIT
	ipv6TClass     = syscall.IPV6_TCLASS
	scmPidFD       = 4 // Linux 6.5
	ipRecvErr      = syscall.IP_RECVERR
	ipv6RecvErr    = syscall.IPV6_RECVERR
)

// ControlMessage is one control message (ancillary data; cmsg(3)): received, from Msg.Control, or to be sent,
// for Msg.SetControl.
//
// The methods named after kinds give the decoded value and true, if the message is of that kind. Every message has
// its bytes as well: one that was received in Data; any other kind is sent as
//
//	esock.ControlMessage{Level: level, Type: typ, Data: bytes}
//
// Data of a received message belongs to the Msg and is overwritten by the next receive.
type ControlMessage struct {
	Level int    // syscall.SOL_SOCKET, syscall.SOL_IP, …
	Type  int    // syscall.SCM_RIGHTS, syscall.IP_TTL, …
	Data  []byte // as the kernel has it; nil in those that the constructors make of a value

	rec cCmsg // kind and value
}

// Credentials are a process's identity as the kernel vouches for it: struct ucred, unix(7).
type Credentials struct {
	PID int
	UID uint32
	GID uint32
}

// PktInfo4 says where an IPv4 datagram came in or shall go out: struct in_pktinfo, ip(7).
type PktInfo4 struct {
	IfIndex int        // interface; on sending 0: as routed
	SpecDst netip.Addr // local address; on sending the source, if valid
	Addr    netip.Addr // destination in the header; received only
}

// PktInfo6 is the same for IPv6: struct in6_pktinfo, RFC 3542.
type PktInfo6 struct {
	IfIndex int        // interface; on sending 0: as routed
	Addr    netip.Addr // destination; on sending the source, if valid
}

func intControl(level, typ, n int) ControlMessage {
	c := ControlMessage{Level: level, Type: typ}
	c.rec.kind = cmsgInt
	*cmsgIntValue(&c.rec) = int64(n)
	return c
}

// TTL sends a datagram with this time to live, 1 to 255 (IP_TTL).
func TTL(n int) ControlMessage { return intControl(solIP, ipTTL, n) }

// TOS sends a datagram with this type-of-service byte: DSCP and ECN (IP_TOS). TOSLowDelay and its like are the
// old names of some values.
func TOS(n int) ControlMessage { return intControl(solIP, ipTOS, n) }

// HopLimit sends a datagram with this hop limit, 0 to 255, -1 for the default (IPV6_HOPLIMIT).
func HopLimit(n int) ControlMessage { return intControl(solIPv6, ipv6HopLimit, n) }

// TClass sends a datagram with this traffic class, 0 to 255, -1 for the default (IPV6_TCLASS).
func TClass(n int) ControlMessage { return intControl(solIPv6, ipv6TClass, n) }

// Timestamp is a timestamp with the precision of microseconds (SCM_TIMESTAMP). Linux refuses to send it; other
// systems, and those who build control data for tests, can.
func Timestamp(t time.Time) ControlMessage {
	c := ControlMessage{Level: solSocket, Type: scmTimestamp}
	c.rec.kind = cmsgTime
	v := cmsgTimeOf(&c.rec)
	v.sec, v.nsec = t.Unix(), int64(t.Nanosecond())
	return c
}

// Rights passes descriptors over a unix socket (SCM_RIGHTS). The receiver gets duplicates. They must stay
// open here until the message was sent. A stream needs at least one byte of data to go with them.
func Rights(fds ...int) ControlMessage {
	c := ControlMessage{Level: solSocket, Type: scmRights, Data: make([]byte, 0, 4*len(fds))}
	for _, fd := range fds {
		if !fitsCInt(int64(fd)) {
			fd = -1 // which the kernel refuses
		}
		c.Data = binary.NativeEndian.AppendUint32(c.Data, uint32(int32(fd)))
	}
	return c
}

// RightsOf is Rights for open files. The caller keeps them open until the message was sent. A closed file gives an
// os.ErrClosed.
func RightsOf(files ...*os.File) (ControlMessage, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		rc, err := f.SyscallConn()
		if err != nil {
			return ControlMessage{}, err
		}
		if rc.Control(func(fd uintptr) { fds[i] = int(fd) }) != nil {
			return ControlMessage{}, &os.PathError{Op: "pass", Path: f.Name(), Err: os.ErrClosed}
		}
	}
	return Rights(fds...), nil
}

// Control sends the credentials over a unix socket (SCM_CREDENTIALS). The kernel checks that they are the
// sender's own, unless it has the capabilities.
func (v Credentials) Control() ControlMessage {
	c := ControlMessage{Level: solSocket, Type: scmCredentials}
	c.rec.kind = cmsgCredentials
	*cmsgCred(&c.rec) = cmsgCredValue{pid: int32(v.PID), uid: v.UID, gid: v.GID}
	return c
}

// Control sends a datagram by the interface, or from the address (IP_PKTINFO).
func (v PktInfo4) Control() ControlMessage {
	c := ControlMessage{Level: solIP, Type: ipPktInfo}
	c.rec.kind = cmsgPktInfo4
	*cmsgPktInfo4Of(&c.rec) = cmsgPktInfo4Value{ifindex: uint32(v.IfIndex), specDst: as4(v.SpecDst), addr: as4(v.Addr)}
	return c
}

// Control sends a datagram by the interface, or from the address (IPV6_PKTINFO).
func (v PktInfo6) Control() ControlMessage {
	c := ControlMessage{Level: solIPv6, Type: ipv6PktInfo}
	c.rec.kind = cmsgPktInfo6
	p := cmsgPktInfo6Of(&c.rec)
	p.ifindex = uint32(v.IfIndex)
	if v.Addr.IsValid() {
		p.addr = v.Addr.As16()
	}
	return c
}

// as4 is 0.0.0.0 for what is no IPv4 address.
func as4(ip netip.Addr) (b [4]byte) {
	if ip = ip.Unmap(); ip.Is4() {
		b = ip.As4()
	}
	return b
}

func (c *ControlMessage) is(kind cU32, level int) bool {
	return c.rec.kind == kind && c.Level == level
}

func (c *ControlMessage) int(level, typ int) (int, bool) {
	if !c.is(cmsgInt, level) || c.Type != typ {
		return 0, false
	}
	return int(*cmsgIntValue(&c.rec)), true
}

// TTL is the time to live of a received IPv4 datagram; asked for with IPRecvTTL.
func (c ControlMessage) TTL() (int, bool) { return c.int(solIP, ipTTL) }

// TOS is the type-of-service byte of a received IPv4 datagram, all of its 8 bits; asked for with IPRecvTOS.
func (c ControlMessage) TOS() (int, bool) { return c.int(solIP, ipTOS) }

// HopLimit is the hop limit of a received IPv6 datagram (IPV6_RECVHOPLIMIT).
func (c ControlMessage) HopLimit() (int, bool) { return c.int(solIPv6, ipv6HopLimit) }

// TClass is the traffic class of a received IPv6 datagram (IPV6_RECVTCLASS).
func (c ControlMessage) TClass() (int, bool) { return c.int(solIPv6, ipv6TClass) }

// Time is when the kernel received the message, with the precision of microseconds; asked for with
// SocketTimestamp.
func (c ControlMessage) Time() (time.Time, bool) {
	if c.rec.kind != cmsgTime {
		return time.Time{}, false
	}
	v := cmsgTimeOf(&c.rec)
	return time.Unix(v.sec, v.nsec), true
}

// Credentials are the sender's; asked for with SocketPassCred.
func (c ControlMessage) Credentials() (Credentials, bool) {
	if c.rec.kind != cmsgCredentials {
		return Credentials{}, false
	}
	v := cmsgCred(&c.rec)
	return Credentials{PID: int(v.pid), UID: v.uid, GID: v.gid}, true
}

// PktInfo4 says where an IPv4 datagram came in; asked for with IPPktInfo.
func (c ControlMessage) PktInfo4() (PktInfo4, bool) {
	if c.rec.kind != cmsgPktInfo4 {
		return PktInfo4{}, false
	}
	v := cmsgPktInfo4Of(&c.rec)
	return PktInfo4{IfIndex: int(v.ifindex), SpecDst: netip.AddrFrom4(v.specDst), Addr: netip.AddrFrom4(v.addr)}, true
}

// PktInfo6 says where an IPv6 datagram came in; asked for with IPv6RecvPktInfo.
func (c ControlMessage) PktInfo6() (PktInfo6, bool) {
	if c.rec.kind != cmsgPktInfo6 {
		return PktInfo6{}, false
	}
	v := cmsgPktInfo6Of(&c.rec)
	return PktInfo6{IfIndex: int(v.ifindex), Addr: netip.AddrFrom16(v.addr)}, true
}

// PidFD is a descriptor of the sender's process (SCM_PIDFD, Linux 6.5; asked for with SO_PASSPIDFD), false also if
// the kernel could make none or had to cut the control data. Looking does not make it the caller's: that is
// Msg.TakeFDs.
func (c ControlMessage) PidFD() (int, bool) {
	if c.rec.kind != cmsgPidFD || *cmsgFD(&c.rec) < 0 {
		return 0, false
	}
	return int(*cmsgFD(&c.rec)), true
}

// AppendFDs adds the numbers of the descriptors that the message carries to dst; none if it is neither SCM_RIGHTS nor
// SCM_PIDFD, or if the kernel had to cut the control data (they are closed then). Looking does not make them the
// caller's: that is Msg.TakeFDs.
func (c ControlMessage) AppendFDs(dst []int) []int {
	if fd, ok := c.PidFD(); ok {
		return append(dst, fd)
	}
	if c.Level != solSocket || c.Type != scmRights {
		return dst
	}
	for b := c.Data; len(b) >= 4; b = b[4:] {
		dst = append(dst, int(int32(binary.NativeEndian.Uint32(b))))
	}
	return dst
}

// sent gives the record that cCmsgEncode wants, without a place for Data.
func (c *ControlMessage) sent() (cCmsg, string) {
	switch {
	case !fitsCInt(int64(c.Level)) || !fitsCInt(int64(c.Type)):
		return cCmsg{}, "level and type are C ints"
	case c.rec.kind == cmsgInt && !fitsCInt(*cmsgIntValue(&c.rec)):
		return cCmsg{}, "the value does not fit a C int"
	case len(c.Data) > math.MaxInt32:
		return cCmsg{}, "too much data"
	}
	r := c.rec
	r.level, r._type = cI32(c.Level), cI32(c.Type)
	r.offset, r.length = 0, 0
	switch r.kind {
	case cmsgRights, cmsgRecvErr, cmsgPidFD:
		r.kind = cmsgRaw // the bytes are all there is to send
	}
	return r, ""
}

// The names that RFC 1349 gave to four values of the type-of-service byte. Today the byte is DSCP and ECN
// (RFC 2474, RFC 3168), and 0x10, 0x08 are still common.
const (
	TOSMinCost     = 0x02
	TOSReliability = 0x04
	TOSThroughput  = 0x08
	TOSLowDelay    = 0x10
)

var tosNames = []namedNumber{
	{TOSLowDelay, "lowdelay"}, {TOSThroughput, "throughput"}, {TOSReliability, "reliability"}, {TOSMinCost, "mincost"},
}

// TOSName is the old name of exactly this type-of-service byte ("lowdelay"), or its number: no bits are masked,
// so a DSCP is never taken for one of them.
func TOSName(tos int) string { return nameOrNumber(tosNames, tos) }
