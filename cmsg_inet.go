package esock

import (
	"math"
	"net/netip"
	"syscall"
	"unsafe"

	"github.com/esock-go/esock/internal/plain"
)

// Types of the levels ip, ipv6, udp, tcp and packet.
const (
	ipTOS          = syscall.IP_TOS
	ipTTL          = syscall.IP_TTL
	ipRecvOpts     = syscall.IP_RECVOPTS
	ipRetOpts      = syscall.IP_RETOPTS
	ipPktInfo      = syscall.IP_PKTINFO
	ipRecvErr      = syscall.IP_RECVERR
	ipRecvTTL      = syscall.IP_RECVTTL
	ipRecvTOS      = syscall.IP_RECVTOS
	ipOrigDstAddr  = 20
	ipChecksum     = 23
	ipRecvFragSize = 25

	ipv6FlowInfo     = 11
	ipv6RecvErr      = syscall.IPV6_RECVERR
	ipv6PktInfo      = syscall.IPV6_PKTINFO
	ipv6HopLimit     = syscall.IPV6_HOPLIMIT
	ipv6HopOpts      = syscall.IPV6_HOPOPTS
	ipv6RTHdrDstOpts = syscall.IPV6_RTHDRDSTOPTS
	ipv6RTHdr        = syscall.IPV6_RTHDR
	ipv6DstOpts      = syscall.IPV6_DSTOPTS
	ipv6RecvTClass   = syscall.IPV6_RECVTCLASS
	ipv6TClass       = syscall.IPV6_TCLASS
	ipv6OrigDstAddr  = 74
	ipv6RecvFragSize = 77

	tcpInq     = 36
	udpSegment = 103
	udpGRO     = 104

	packetAuxData = 8
	packetTxTime  = 16 // PACKET_TX_TIMESTAMP

	vsockRecvErr = 1

	solUDP    = syscall.IPPROTO_UDP
	solSCTP   = 132
	solPacket = 263
	solVSock  = 287
)

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

// AuxData is what a packet socket tells beside a packet: struct tpacket_auxdata, packet(7).
type AuxData struct {
	Status   uint32 // TP_STATUS_ bits of <linux/if_packet.h>
	Len      uint32 // of the packet
	SnapLen  uint32 // of what was captured
	Mac      uint16 // where the link's header begins
	Net      uint16 // where the network's header begins
	VLANTCI  uint16 // the VLAN tag, if Status says that it is valid
	VLANTPID uint16 // and its protocol, if Status says so of it
}

// The core's structure of a record has these fields, in their order and sizes.
func cmsgAuxDataOf(r *cCmsg) *AuxData { return (*AuxData)(unsafe.Pointer(&r.v)) }

func (v *AuxData) fields() plain.Fields {
	return plain.Fields{{"status", &v.Status}, {"len", &v.Len}, {"snaplen", &v.SnapLen}, {"mac", &v.Mac}, {"net", &v.Net},
		{"vlan_tci", &v.VLANTCI}, {"vlan_tpid", &v.VLANTPID}}
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

// RetOpts sends an IPv4 datagram with these options (IP_RETOPTS; ip(7), RFC 791).
func RetOpts(options []byte) ControlMessage { return bytesControl(solIP, ipRetOpts, options) }

// FlowInfo sends a datagram with this flow label (20 bits) and traffic class (the 8 above them) (IPV6_FLOWINFO).
func FlowInfo(info uint32) ControlMessage { return intControl(solIPv6, ipv6FlowInfo, int(info)) }

// HopOpts sends a datagram with this hop-by-hop header, whole and padded (IPV6_HOPOPTS; RFC 3542). It needs CAP_NET_RAW.
func HopOpts(header []byte) ControlMessage { return bytesControl(solIPv6, ipv6HopOpts, header) }

// DstOpts sends a datagram with this destination options header, whole and padded (IPV6_DSTOPTS; RFC 3542). It needs
// CAP_NET_RAW.
func DstOpts(header []byte) ControlMessage { return bytesControl(solIPv6, ipv6DstOpts, header) }

// RTHdr sends a datagram with this routing header (IPV6_RTHDR; RFC 3542). Linux takes it so only of type 2, others as the option.
func RTHdr(header []byte) ControlMessage { return bytesControl(solIPv6, ipv6RTHdr, header) }

// UDPSegment sends the data as several datagrams of n bytes, the last one as long as it gets (UDP_SEGMENT, Linux 4.18).
func UDPSegment(n int) ControlMessage { return intControl(solUDP, udpSegment, n) }

// Control sends a datagram by the interface, or from the address (IP_PKTINFO). SetControl refuses what is not an IPv4 address.
func (v PktInfo4) Control() ControlMessage {
	c := ControlMessage{Level: solIP, Type: ipPktInfo}
	c.bad = v.IfIndex != int(uint32(v.IfIndex)&math.MaxInt32) || notIPv4(v.SpecDst) || notIPv4(v.Addr)
	c.rec = &cCmsg{kind: cmsgPktInfo4}
	*cmsgPktInfo4Of(c.at()) = cmsgPktInfo4Value{ifindex: uint32(v.IfIndex), specDst: as4(v.SpecDst), addr: as4(v.Addr)}
	return c
}

// Control sends a datagram by the interface, or from the address (IPV6_PKTINFO). SetControl refuses an address with a zone;
// an IPv4 address becomes ::ffff:a.b.c.d.
func (v PktInfo6) Control() ControlMessage {
	c := ControlMessage{Level: solIPv6, Type: ipv6PktInfo}
	c.bad = v.IfIndex != int(uint32(v.IfIndex)&math.MaxInt32) || v.Addr.Zone() != ""
	c.rec = &cCmsg{kind: cmsgPktInfo6}
	p := cmsgPktInfo6Of(c.at())
	p.ifindex = uint32(v.IfIndex)
	if v.Addr.IsValid() {
		p.addr = v.Addr.As16()
	}
	return c
}

// notIPv4 reports an address of another family.
func notIPv4(ip netip.Addr) bool { return ip.IsValid() && !ip.Is4() && !ip.Is4In6() }

// as4 is 0.0.0.0 for what is no IPv4 address.
func as4(ip netip.Addr) (b [4]byte) {
	if ip = ip.Unmap(); ip.Is4() {
		b = ip.As4()
	}
	return b
}

// TTL is the time to live of a received IPv4 datagram; asked for with IPRecvTTL.
func (c ControlMessage) TTL() (int, bool) { return c.int(solIP, ipTTL) }

// TOS is the type-of-service byte of a received IPv4 datagram, all of its 8 bits; asked for with IPRecvTOS.
func (c ControlMessage) TOS() (int, bool) { return c.int(solIP, ipTOS) }

// HopLimit is the hop limit of a received IPv6 datagram (IPV6_RECVHOPLIMIT).
func (c ControlMessage) HopLimit() (int, bool) { return c.int(solIPv6, ipv6HopLimit) }

// TClass is the traffic class of a received IPv6 datagram (IPV6_RECVTCLASS).
func (c ControlMessage) TClass() (int, bool) { return c.int(solIPv6, ipv6TClass) }

// FlowInfo is the flow label (the low 20 bits) and the traffic class (the 8 above them) of a received IPv6 datagram
// (IPV6_FLOWINFO). It comes when it is not 0.
func (c ControlMessage) FlowInfo() (uint32, bool) { return c.uint32(solIPv6, ipv6FlowInfo) }

// PktInfo4 says where an IPv4 datagram came in; asked for with IPPktInfo.
func (c ControlMessage) PktInfo4() (PktInfo4, bool) {
	if c.at().kind != cmsgPktInfo4 {
		return PktInfo4{}, false
	}
	v := cmsgPktInfo4Of(c.at())
	return PktInfo4{IfIndex: int(v.ifindex), SpecDst: netip.AddrFrom4(v.specDst), Addr: netip.AddrFrom4(v.addr)}, true
}

// PktInfo6 says where an IPv6 datagram came in; asked for with IPv6RecvPktInfo.
func (c ControlMessage) PktInfo6() (PktInfo6, bool) {
	if c.at().kind != cmsgPktInfo6 {
		return PktInfo6{}, false
	}
	v := cmsgPktInfo6Of(c.at())
	return PktInfo6{IfIndex: int(v.ifindex), Addr: netip.AddrFrom16(v.addr)}, true
}

// OrigDstAddr is where a datagram was sent to, before a filter sent it here (IP_RECVORIGDSTADDR, IPV6_RECVORIGDSTADDR).
func (c ControlMessage) OrigDstAddr() (Addr, bool) {
	if c.at().kind != cmsgAddr {
		return Addr{}, false
	}
	v := cmsgAddrOf(c.at())
	if Domain(v.family) == Inet {
		return Inet4Addr(netip.AddrFrom4([4]byte(v.ip[:4])), v.port), true
	}
	return Inet6Addr(netip.AddrFrom16(v.ip), v.port, v.scopeID).WithFlowInfo(v.flowinfo), true
}

// RecvOpts are the IPv4 options of a received datagram, as they came (IP_RECVOPTS). They belong to the Msg.
func (c ControlMessage) RecvOpts() ([]byte, bool) { return c.bytes(solIP, ipRecvOpts) }

// RetOpts are the IPv4 options of a received datagram, as an answer would have them (IP_RETOPTS). They belong to the Msg.
func (c ControlMessage) RetOpts() ([]byte, bool) { return c.bytes(solIP, ipRetOpts) }

// RecvFragSize is the length of the largest fragment that a received datagram came in, 0 if it came whole
// (IP_RECVFRAGSIZE, IPV6_RECVFRAGSIZE).
func (c ControlMessage) RecvFragSize() (int, bool) {
	if n, ok := c.int(solIP, ipRecvFragSize); ok {
		return n, true
	}
	return c.int(solIPv6, ipv6RecvFragSize)
}

// Checksum is the sum over the data of a received datagram, where the network adapter has made one (IP_CHECKSUM).
func (c ControlMessage) Checksum() (uint32, bool) { return c.uint32(solIP, ipChecksum) }

// HopOpts is the hop-by-hop header of a received IPv6 datagram (IPV6_RECVHOPOPTS). It belongs to the Msg.
func (c ControlMessage) HopOpts() ([]byte, bool) { return c.bytes(solIPv6, ipv6HopOpts) }

// DstOpts is the destination options header of a received IPv6 datagram (IPV6_RECVDSTOPTS). It belongs to the Msg.
func (c ControlMessage) DstOpts() ([]byte, bool) { return c.bytes(solIPv6, ipv6DstOpts) }

// RTHdrDstOpts is the destination options header before a routing header (IPV6_RECVDSTOPTS). It belongs to the Msg.
func (c ControlMessage) RTHdrDstOpts() ([]byte, bool) { return c.bytes(solIPv6, ipv6RTHdrDstOpts) }

// RTHdr is the routing header of a received IPv6 datagram (IPV6_RECVRTHDR). It belongs to the Msg.
func (c ControlMessage) RTHdr() ([]byte, bool) { return c.bytes(solIPv6, ipv6RTHdr) }

// UDPGRO is the length of the datagrams that the kernel put together to what was received, the last of which may be
// shorter (UDP_GRO, Linux 5.0). It comes when there is more than one.
func (c ControlMessage) UDPGRO() (int, bool) { return c.int(solUDP, udpGRO) }

// TCPInq is how many bytes the kernel still has, after what was received (TCP_INQ, Linux 4.18).
func (c ControlMessage) TCPInq() (int, bool) { return c.int(solTCP, tcpInq) }

// AuxData is what a packet socket tells beside a packet (PACKET_AUXDATA).
func (c ControlMessage) AuxData() (AuxData, bool) {
	if c.at().kind != cmsgAuxData {
		return AuxData{}, false
	}
	return *cmsgAuxDataOf(c.at()), true
}

// The names that RFC 1349 gave to four values of the type-of-service byte. Today the byte is DSCP and ECN
// (RFC 2474, RFC 3168), and 0x10, 0x08 are still common.
const (
	TOSMinCost     = 0x02
	TOSReliability = 0x04
	TOSThroughput  = 0x08
	TOSLowDelay    = 0x10
)

// TOSName is the old name of exactly this type-of-service byte ("lowdelay"), or its number: no bits are masked,
// so a DSCP is never taken for one of them.
func TOSName(tos int) string { return plain.TOS.Spell(tos) }
