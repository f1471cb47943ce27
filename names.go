package esock

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"syscall"

	"github.com/esock-go/esock/internal/plain"
)

// Domain is an address family, the first argument of socket(2). The text of domains, types and protocols, in JSON too, is
// OTP's name or a number.
type Domain int

// The domains that OTP names, and Netlink.
const (
	Unspec  Domain = syscall.AF_UNSPEC
	Local   Domain = syscall.AF_UNIX
	Inet    Domain = syscall.AF_INET
	Inet6   Domain = syscall.AF_INET6
	Netlink Domain = syscall.AF_NETLINK
	Packet  Domain = syscall.AF_PACKET
	VSock   Domain = 40
)

// Type is a socket's type, the second argument of socket(2).
type Type int

// The socket types. Of Linux's domains only AF_TIPC has RDM; OTP opens none.
const (
	Stream    Type = syscall.SOCK_STREAM
	Dgram     Type = syscall.SOCK_DGRAM
	Raw       Type = syscall.SOCK_RAW
	RDM       Type = syscall.SOCK_RDM
	SeqPacket Type = syscall.SOCK_SEQPACKET
)

// Protocol is the third argument of socket(2). For packets, see EtherType.
type Protocol int

// The usual protocols. With Default the kernel chooses.
const (
	Default  Protocol = 0
	ICMP     Protocol = syscall.IPPROTO_ICMP
	IGMP     Protocol = syscall.IPPROTO_IGMP
	TCP      Protocol = syscall.IPPROTO_TCP
	UDP      Protocol = syscall.IPPROTO_UDP
	ICMPv6   Protocol = syscall.IPPROTO_ICMPV6
	SCTP     Protocol = 132
	UDPLite  Protocol = syscall.IPPROTO_UDPLITE // Linux has it until 7.1
	RawProto Protocol = syscall.IPPROTO_RAW
	MPTCP    Protocol = 262
)

const (
	solSocket = syscall.SOL_SOCKET
	solIP     = syscall.SOL_IP
	solIPv6   = syscall.SOL_IPV6
	solTCP    = syscall.SOL_TCP
)

const unknownName = "neither a known name nor a number"

// parseName reads a name of the table, or a number that fits a C int.
func parseName(what string, table plain.Names, text string) (int, error) {
	n, ok := table.Parse(text)
	if !ok {
		return 0, &InvalidError{What: what, Value: text, Cause: unknownName}
	}
	return n, nil
}

// parseCount is parseName without negative numbers and those above high.
func parseCount(what string, table plain.Names, text string, high int) (int, error) {
	n, err := parseName(what, table, text)
	if err == nil && (n < 0 || n > high) {
		return 0, &InvalidError{What: what, Value: text, Cause: "out of range"}
	}
	return n, err
}

// numberFromAny reads a number that stands for a name in a map: an integer of any type that fits a C int.
func numberFromAny(v any) (int, bool) {
	switch v := v.(type) {
	case Domain:
		return int(v), true
	case Type:
		return int(v), true
	case Protocol:
		return int(v), true
	}
	n, ok := plain.Integer(v)
	return int(n), ok && plain.FitsCInt(n)
}

// nameFromAny reads a name of the table or a number in a map.
func nameFromAny(table plain.Names, v any) (int, bool) {
	if text, is := v.(string); is {
		return table.Parse(text)
	}
	return numberFromAny(v)
}

// domainFromAny reads a family in a map or a text. The cause says why v is none.
func domainFromAny(v any) (d Domain, cause string) {
	n, ok := nameFromAny(plain.Domains, v)
	text, _ := v.(string)
	switch where := plain.DomainsElsewhere[text]; {
	case ok:
		return Domain(n), ""
	case where != "":
		return 0, "not on Linux: it is for " + where
	}
	return 0, unknownName
}

// EtherType is the protocol of a packet socket that receives frames of a type: EtherType(0x0800) those of IPv4, EtherType(3),
// ETH_P_ALL of <linux/if_ether.h>, all. The kernel takes the number in network byte order, packet(7); LinkLayer.Protocol
// has it in the host's.
func EtherType(number uint16) Protocol {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], number)
	return Protocol(binary.NativeEndian.Uint16(b[:]))
}

// isEtherType reports whether a packet socket's protocol can be an Ethernet type in network byte order: 0 (receives nothing
// until bind), below 0x100 (Linux's own) or from 0x600 on.
func isEtherType(p Protocol) bool {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], uint16(p))
	number := binary.BigEndian.Uint16(b[:])
	return p >= 0 && p <= math.MaxUint16 && (number < 0x100 || number >= 0x600)
}

func (d Domain) String() string { return plain.Domains.Spell(int(d)) }

func (t Type) String() string { return plain.Types.Spell(int(t)) }

func (p Protocol) String() string { return plain.Protocols.Spell(int(p)) }

func (d Domain) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

func (d *Domain) UnmarshalText(b []byte) (err error) {
	if d == nil {
		return errNowhere("domain")
	}
	*d, err = ParseDomain(string(b))
	return err
}

func (t *Type) UnmarshalText(b []byte) (err error) {
	if t == nil {
		return errNowhere("type")
	}
	*t, err = ParseType(string(b))
	return err
}

func (p *Protocol) UnmarshalText(b []byte) (err error) {
	if p == nil {
		return errNowhere("protocol")
	}
	*p, err = ParseProtocol(string(b))
	return err
}

// ParseDomain parses "inet" or "2". Errors: *InvalidError "domain".
func ParseDomain(text string) (Domain, error) {
	d, cause := domainFromAny(text)
	if cause != "" {
		return 0, &InvalidError{What: "domain", Value: text, Cause: cause}
	}
	return d, nil
}

// ParseType parses "stream" or "1". Errors: *InvalidError "type".
func ParseType(text string) (Type, error) {
	n, err := parseName("type", plain.Types, text)
	return Type(n), err
}

// ParseProtocol parses a name or alias of protocols(5), case-sensitive, or a number. No file is read. Errors:
// *InvalidError "protocol".
func ParseProtocol(text string) (Protocol, error) {
	n, err := parseName("protocol", plain.Protocols, text)
	return Protocol(n), err
}

// The directions of Shutdown by OTP's names.
var howNames = plain.Names{{int(ShutRead), "read"}, {int(ShutWrite), "write"}, {int(ShutReadWrite), "read_write"}}

func (h How) String() string { return howNames.Spell(int(h)) }

// ParseHow parses "read", "write", "read_write". Errors: *InvalidError "how".
func ParseHow(text string) (How, error) {
	n, ok := howNames.Number(text)
	if !ok {
		return 0, &InvalidError{What: "how", Value: text, Cause: "none of read, write, read_write"}
	}
	return How(n), nil
}

// MsgFlags are the MSG_ flags of a call or received message; send(2), recv(2). Other bits reach the kernel as
// they are; MSG_DONTWAIT has no effect: see Wait.
type MsgFlags int

// The flags that OTP names.
const (
	MsgOOB         MsgFlags = syscall.MSG_OOB          // out-of-band data
	MsgPeek        MsgFlags = syscall.MSG_PEEK         // receive and leave it in the queue
	MsgDontRoute   MsgFlags = syscall.MSG_DONTROUTE    // send only to hosts on directly connected networks
	MsgCTrunc      MsgFlags = syscall.MSG_CTRUNC       // received: control messages were cut; call of RecvMsg: no error for that
	MsgTrunc       MsgFlags = syscall.MSG_TRUNC        // call: report the full length; received: data was cut
	MsgEOR         MsgFlags = syscall.MSG_EOR          // end of a record
	MsgConfirm     MsgFlags = syscall.MSG_CONFIRM      // the neighbour is known to be reachable
	MsgErrQueue    MsgFlags = syscall.MSG_ERRQUEUE     // receive from the error queue
	MsgNoSignal    MsgFlags = syscall.MSG_NOSIGNAL     // no SIGPIPE; esock always asks for it
	MsgMore        MsgFlags = syscall.MSG_MORE         // more data will follow
	MsgCmsgCloexec MsgFlags = syscall.MSG_CMSG_CLOEXEC // descriptors close on exec; esock always asks for it
)

// Names returns the flags' names in OTP's order, and the unnamed bits as rest.
func (f MsgFlags) Names() (names []string, rest MsgFlags) {
	names, bits := plain.MsgFlags.Bits(int(f))
	return names, MsgFlags(bits)
}

// String joins the names in OTP's order, then the rest: "peek|trunc|0x40".
func (f MsgFlags) String() string { return plain.MsgFlags.SpellBits(int(f)) }

// ParseMsgFlags parses what String prints: names and numbers (as in Go source) joined by bars. Errors: *InvalidError
// "msg_flag".
func ParseMsgFlags(text string) (MsgFlags, error) {
	var f MsgFlags
	if text == "" {
		return 0, nil
	}
	for part := range strings.SplitSeq(text, "|") {
		n, ok := plain.MsgFlags.Number(part)
		if !ok {
			u, err := strconv.ParseUint(part, 0, 32)
			if err != nil {
				return 0, &InvalidError{What: "msg_flag", Value: part, Cause: "neither a known name nor a number; | stands between several"}
			}
			n = int(int32(u))
		}
		f |= MsgFlags(n)
	}
	return f, nil
}

// list returns the flags for a map: the names, then the rest as one integer.
func (f MsgFlags) list() []any {
	names, rest := f.Names()
	return plain.FlagList(names, int64(rest))
}

// msgFlagsFromAny reads flags in a map: a list of names and integers, a text as String prints it, or a number.
func msgFlagsFromAny(v any) (MsgFlags, error) {
	switch v := v.(type) {
	case MsgFlags:
		return v, nil
	case string:
		return ParseMsgFlags(v)
	case []string:
		return ParseMsgFlags(strings.Join(v, "|"))
	case []any:
		var f MsgFlags
		for _, e := range v {
			g, err := msgFlagsFromAny(e)
			if err != nil {
				return 0, err
			}
			f |= g
		}
		return f, nil
	}
	if n, ok := plain.Integer(v); ok && plain.FitsCInt(n) {
		return MsgFlags(n), nil
	}
	return 0, &InvalidError{What: "msg_flag", Value: v, Cause: "neither a name nor a number"}
}
