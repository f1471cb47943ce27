package esock

import (
	"math/bits"
	"strings"
)

// SocketKinds is a set of kinds of sockets: those that an option applies to. KindTCP4 and the others are sets of one.
type SocketKinds uint16

// Has reports whether all of k are in the set.
func (s SocketKinds) Has(k SocketKinds) bool { return s&k == k }

// Names are the kinds in the set: "tcp4", "udp6".
func (s SocketKinds) Names() []string {
	var names []string
	for b := s; b != 0; b &= b - 1 {
		if i := bits.TrailingZeros16(uint16(b)); i < len(kindNames) {
			names = append(names, kindNames[i])
		}
	}
	return names
}

// String is the names with blanks between, or "all".
func (s SocketKinds) String() string {
	if s == 1<<len(kindNames)-1 {
		return "all"
	}
	return strings.Join(s.Names(), " ")
}

// AllSocketKinds are the kinds of sockets that options know, in order: sets of one each.
func AllSocketKinds() []SocketKinds {
	kinds := make([]SocketKinds, len(kindNames))
	for i := range kinds {
		kinds[i] = 1 << i
	}
	return kinds
}

// kindArguments are what a socket of each kind is opened with.
var kindArguments = [len(kindNames)]struct {
	domain   Domain
	typ      Type
	protocol Protocol
}{
	{Inet, Stream, TCP}, {Inet6, Stream, TCP}, {Inet, Dgram, UDP}, {Inet6, Dgram, UDP}, {Inet, Raw, ICMP}, {Inet6, Raw, ICMPv6},
	{Local, Stream, Default}, {Local, Dgram, Default}, {Packet, Raw, Default}, {Netlink, Raw, Default}, {VSock, Stream, Default},
	{Inet, Stream, MPTCP}, {Inet, Stream, SCTP}, {Inet, Dgram, UDPLite},
}

// kindUntil is the first Linux that no longer has sockets of a kind: of UDP-Lite, with its options.
var kindUntil = map[SocketKinds]string{KindUDPLite: "7.1"}

// Open opens a socket of the first kind in the set. Options and errors are Open's; *InvalidError "kind" for the empty set.
func (s SocketKinds) Open(opts ...OpenOption) (*Socket, error) {
	i := bits.TrailingZeros16(uint16(s))
	if i >= len(kindArguments) {
		return nil, &InvalidError{What: "kind", Cause: "no kind of socket"}
	}
	a := kindArguments[i]
	return Open(a.domain, a.typ, a.protocol, opts...)
}

// kindOf is the socket's kind, 0 if there is no name for it.
func kindOf(s *Socket) SocketKinds {
	d, t, p := s.Domain(), s.Type(), s.Protocol()
	switch {
	case d == Packet:
		return KindPacket
	case d == Netlink:
		return KindNetlink
	case d == VSock:
		return KindVSock
	case d == Local && t == Dgram:
		return KindUnixDgram
	case d == Local:
		return KindUnix
	case p == MPTCP:
		return KindMPTCP
	case p == SCTP:
		return KindSCTP
	case p == UDPLite:
		return KindUDPLite
	case d != Inet && d != Inet6:
		return 0
	}
	six := d == Inet6
	switch {
	case t == Stream && six:
		return KindTCP6
	case t == Stream:
		return KindTCP4
	case t == Dgram && six:
		return KindUDP6
	case t == Dgram:
		return KindUDP4
	case t == Raw && six:
		return KindRaw6
	case t == Raw:
		return KindRaw4
	}
	return 0
}

// OtherOption is an option that OTP has a name for, and Linux has not.
type OtherOption struct {
	Level, Name string
	Where       string // "the BSDs"
}

// OtherOptions lists them.
func OtherOptions() []OtherOption { return append([]OtherOption(nil), otherOptions...) }
