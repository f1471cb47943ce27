package sockopt

import (
	"math/bits"
	"strings"

	"github.com/esock-go/esock"
)

// Kinds is a set of kinds of sockets, such as those that an option applies to. KindTCP4 and the others are sets of one.
type Kinds uint32

// Has reports whether the set contains all of k.
func (s Kinds) Has(k Kinds) bool { return s&k == k }

// Names returns the names of the kinds in the set: "tcp4", "udp6".
func (s Kinds) Names() []string {
	var names []string
	for b := s; b != 0; b &= b - 1 {
		if i := bits.TrailingZeros32(uint32(b)); i < len(kindNames) {
			names = append(names, kindNames[i])
		}
	}
	return names
}

// String returns the names separated by blanks, or "all".
func (s Kinds) String() string {
	if s == 1<<len(kindNames)-1 {
		return "all"
	}
	return strings.Join(s.Names(), " ")
}

// AllKinds returns the kinds of sockets, in order, each as a set of one.
func AllKinds() []Kinds {
	kinds := make([]Kinds, len(kindNames))
	for i := range kinds {
		kinds[i] = 1 << i
	}
	return kinds
}

// kindArguments are the arguments of Open for each kind.
var kindArguments = [len(kindNames)]struct {
	domain   esock.Domain
	typ      esock.Type
	protocol esock.Protocol
}{
	{esock.Inet, esock.Stream, esock.TCP}, {esock.Inet6, esock.Stream, esock.TCP}, {esock.Inet, esock.Dgram, esock.UDP}, {esock.Inet6, esock.Dgram, esock.UDP}, {esock.Inet, esock.Raw, esock.ICMP}, {esock.Inet6, esock.Raw, esock.ICMPv6},
	{esock.Local, esock.Stream, esock.Default}, {esock.Local, esock.Dgram, esock.Default}, {esock.Packet, esock.Raw, esock.Default}, {esock.Netlink, esock.Raw, esock.Default}, {esock.VSock, esock.Stream, esock.Default},
	{esock.Inet, esock.Stream, esock.MPTCP}, {esock.Inet, esock.Stream, esock.SCTP}, {esock.Inet, esock.Dgram, esock.UDPLite},
	{familyCAN, esock.Raw, protocolCANRaw}, {familyTIPC, esock.RDM, esock.Default}, {familyALG, esock.SeqPacket, esock.Default},
	{familyXDP, esock.Raw, esock.Default},
}

// Families that package esock has no name for, and the protocol of raw CAN sockets.
const (
	familyCAN      esock.Domain   = 29
	familyTIPC     esock.Domain   = 30
	familyALG      esock.Domain   = 38
	familyXDP      esock.Domain   = 44
	protocolCANRaw esock.Protocol = 1
)

// kindUntil is the first Linux without sockets of a kind: UDP-Lite went, with its options.
var kindUntil = map[Kinds]string{KindUDPLite: "7.1"}

// Open opens a socket of the first kind in the set. Options and errors: as esock.Open; *InvalidError "kind" for the empty set.
func (s Kinds) Open(opts ...esock.OpenOption) (*esock.Socket, error) {
	i := bits.TrailingZeros32(uint32(s))
	if i >= len(kindArguments) {
		return nil, &esock.InvalidError{What: "kind", Cause: "no kind of socket"}
	}
	a := kindArguments[i]
	return esock.Open(a.domain, a.typ, a.protocol, opts...)
}

// kindOf returns the socket's kind, 0 if it has no name.
func kindOf(s *esock.Socket) Kinds {
	d, t, p := s.Domain(), s.Type(), s.Protocol()
	switch {
	case d == esock.Packet:
		return KindPacket
	case d == esock.Netlink:
		return KindNetlink
	case d == esock.VSock:
		return KindVSock
	case d == familyCAN && p == protocolCANRaw:
		return KindCAN
	case d == familyTIPC:
		return KindTIPC
	case d == familyALG:
		return KindALG
	case d == familyXDP:
		return KindXDP
	case d == esock.Local && t == esock.Dgram:
		return KindUnixDgram
	case d == esock.Local:
		return KindUnix
	case p == esock.MPTCP:
		return KindMPTCP
	case p == esock.SCTP:
		return KindSCTP
	case p == esock.UDPLite:
		return KindUDPLite
	case d != esock.Inet && d != esock.Inet6:
		return 0
	}
	six := d == esock.Inet6
	switch {
	case t == esock.Stream && six:
		return KindTCP6
	case t == esock.Stream:
		return KindTCP4
	case t == esock.Dgram && six:
		return KindUDP6
	case t == esock.Dgram:
		return KindUDP4
	case t == esock.Raw && six:
		return KindRaw6
	case t == esock.Raw:
		return KindRaw4
	}
	return 0
}

// Other is an option that OTP has a name for and Linux does not have.
type Other struct {
	Level, Name string
	Where       string // "the BSDs"
}

// Others returns the options that Linux does not have.
func Others() []Other { return append([]Other(nil), otherOptions...) }
