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

	tlsSetRecordType = 1
	tlsGetRecordType = 2

	algSetIV       = 2
	algSetOp       = 3
	algSetAssocLen = 4

	solUDP    = syscall.IPPROTO_UDP
	solSCTP   = 132
	solPacket = 263
	solVSock  = 287
	solTLS    = 282
	solALG    = 279
)

// PktInfo4 holds an IPv4 datagram's interface and address: struct in_pktinfo.
type PktInfo4 struct {
	IfIndex int        // interface; on sending 0: as routed
	SpecDst netip.Addr // local address; on sending the source, if valid
	Addr    netip.Addr // destination in the header; received only
}

// PktInfo6 is PktInfo4 for IPv6: struct in6_pktinfo, RFC 3542.
type PktInfo6 struct {
	IfIndex int        // interface; on sending 0: as routed
	Addr    netip.Addr // destination; on sending the source, if valid
}

// AuxData is metadata of a packet: struct tpacket_auxdata, packet(7).
type AuxData struct {
	Status   uint32 // TP_STATUS_ bits of <linux/if_packet.h>
	Len      uint32 // length of the packet
	SnapLen  uint32 // length captured
	Mac      uint16 // offset of the link-layer header
	Net      uint16 // offset of the network header
	VLANTCI  uint16 // the VLAN tag, if Status marks it valid
	VLANTPID uint16 // the tag's protocol, if Status marks it valid
}

// The core's structure of a record has these fields, in their order and sizes.
func cmsgAuxDataOf(r *cCmsg) *AuxData { return (*AuxData)(unsafe.Pointer(&r.v)) }

func (v *AuxData) fields() plain.Fields {
	return plain.Fields{{"status", &v.Status}, {"len", &v.Len}, {"snaplen", &v.SnapLen}, {"mac", &v.Mac}, {"net", &v.Net},
		{"vlan_tci", &v.VLANTCI}, {"vlan_tpid", &v.VLANTPID}}
}

// TTL sets the time to live of a datagram, 1 to 255 (IP_TTL).
func TTL(n int) ControlMessage { return intControl(solIP, ipTTL, int64(n)) }

// TOS sets the type of service of a datagram, 0 to 255: DSCP and ECN (IP_TOS).
func TOS(n int) ControlMessage { return intControl(solIP, ipTOS, int64(n)) }

// HopLimit sets the hop limit, 0 to 255; -1 is the default (IPV6_HOPLIMIT).
func HopLimit(n int) ControlMessage { return intControl(solIPv6, ipv6HopLimit, int64(n)) }

// TClass sets the traffic class, 0 to 255; -1 is the default (IPV6_TCLASS).
func TClass(n int) ControlMessage { return intControl(solIPv6, ipv6TClass, int64(n)) }

// RetOpts sets the IPv4 options of a datagram (IP_RETOPTS; ip(7), RFC 791).
func RetOpts(options []byte) ControlMessage { return bytesControl(solIP, ipRetOpts, options) }

// FlowInfo sets the flow label (20 bits) and, in the 8 bits above it, the traffic class of a datagram (IPV6_FLOWINFO).
func FlowInfo(info uint32) ControlMessage { return intControl(solIPv6, ipv6FlowInfo, int64(info)) }

// HopOpts sets the hop-by-hop header of a datagram, whole and padded (IPV6_HOPOPTS; RFC 3542). It needs CAP_NET_RAW.
func HopOpts(header []byte) ControlMessage { return bytesControl(solIPv6, ipv6HopOpts, header) }

// DstOpts sets the destination options header of a datagram, whole and padded (IPV6_DSTOPTS; RFC 3542). It needs
// CAP_NET_RAW.
func DstOpts(header []byte) ControlMessage { return bytesControl(solIPv6, ipv6DstOpts, header) }

// RTHdr sets the routing header of a datagram (IPV6_RTHDR; RFC 3542). Linux takes only type 2 here; use the option for
// others.
func RTHdr(header []byte) ControlMessage { return bytesControl(solIPv6, ipv6RTHdr, header) }

// UDPSegment splits the data into datagrams of n bytes, the last one possibly shorter (UDP_SEGMENT, Linux 4.18).
func UDPSegment(n int) ControlMessage { return intControl(solUDP, udpSegment, int64(n)) }

// Control sets the interface or source address of a datagram (IP_PKTINFO). SetControl refuses an address that is not
// IPv4.
func (v PktInfo4) Control() ControlMessage {
	c := ControlMessage{Level: solIP, Type: ipPktInfo}
	c.bad = v.IfIndex != int(uint32(v.IfIndex)&math.MaxInt32) || notIPv4(v.SpecDst) || notIPv4(v.Addr)
	c.rec = &cCmsg{kind: cmsgPktInfo4}
	*cmsgPktInfo4Of(c.at()) = cmsgPktInfo4Value{ifindex: uint32(v.IfIndex), specDst: as4(v.SpecDst), addr: as4(v.Addr)}
	return c
}

// Control sets the interface or source address of a datagram (IPV6_PKTINFO). SetControl refuses an address with a
// zone; an IPv4 address becomes ::ffff:a.b.c.d.
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

// notIPv4 reports whether the address is of another family.
func notIPv4(ip netip.Addr) bool { return ip.IsValid() && !ip.Is4() && !ip.Is4In6() }

// as4 returns the IPv4 address, 0.0.0.0 for any other.
func as4(ip netip.Addr) (b [4]byte) {
	if ip = ip.Unmap(); ip.Is4() {
		b = ip.As4()
	}
	return b
}

// TTL returns the time to live of an IPv4 datagram (IP_RECVTTL).
func (c ControlMessage) TTL() (int, bool) { return c.int(solIP, ipTTL) }

// TOS returns the whole type-of-service byte of an IPv4 datagram (IP_RECVTOS).
func (c ControlMessage) TOS() (int, bool) { return c.int(solIP, ipTOS) }

// HopLimit returns the hop limit of an IPv6 datagram (IPV6_RECVHOPLIMIT).
func (c ControlMessage) HopLimit() (int, bool) { return c.int(solIPv6, ipv6HopLimit) }

// TClass returns the traffic class of an IPv6 datagram (IPV6_RECVTCLASS).
func (c ControlMessage) TClass() (int, bool) { return c.int(solIPv6, ipv6TClass) }

// FlowInfo returns the flow label (low 20 bits) and traffic class (next 8) of an IPv6 datagram, if not 0
// (IPV6_FLOWINFO).
func (c ControlMessage) FlowInfo() (uint32, bool) { return c.uint32(solIPv6, ipv6FlowInfo) }

// PktInfo4 returns where an IPv4 datagram arrived (IP_PKTINFO).
func (c ControlMessage) PktInfo4() (PktInfo4, bool) {
	if c.at().kind != cmsgPktInfo4 {
		return PktInfo4{}, false
	}
	v := cmsgPktInfo4Of(c.at())
	return PktInfo4{IfIndex: int(v.ifindex), SpecDst: netip.AddrFrom4(v.specDst), Addr: netip.AddrFrom4(v.addr)}, true
}

// PktInfo6 returns where an IPv6 datagram arrived (IPV6_RECVPKTINFO).
func (c ControlMessage) PktInfo6() (PktInfo6, bool) {
	if c.at().kind != cmsgPktInfo6 {
		return PktInfo6{}, false
	}
	v := cmsgPktInfo6Of(c.at())
	return PktInfo6{IfIndex: int(v.ifindex), Addr: netip.AddrFrom16(v.addr)}, true
}

// OrigDstAddr returns the destination of a datagram before a filter redirected it (IP_RECVORIGDSTADDR,
// IPV6_RECVORIGDSTADDR).
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

// RecvOpts returns the received IPv4 options, unchanged (IP_RECVOPTS).
func (c ControlMessage) RecvOpts() ([]byte, bool) { return c.bytes(solIP, ipRecvOpts) }

// RetOpts returns the IPv4 options that a reply would have (IP_RETOPTS).
func (c ControlMessage) RetOpts() ([]byte, bool) { return c.bytes(solIP, ipRetOpts) }

// RecvFragSize returns the size of a datagram's largest fragment, 0 if it was not fragmented (IP_RECVFRAGSIZE,
// IPV6_RECVFRAGSIZE).
func (c ControlMessage) RecvFragSize() (int, bool) {
	if n, ok := c.int(solIP, ipRecvFragSize); ok {
		return n, true
	}
	return c.int(solIPv6, ipv6RecvFragSize)
}

// Checksum returns the network adapter's sum over the data (IP_CHECKSUM).
func (c ControlMessage) Checksum() (uint32, bool) { return c.uint32(solIP, ipChecksum) }

// HopOpts returns an IPv6 hop-by-hop header (IPV6_RECVHOPOPTS).
func (c ControlMessage) HopOpts() ([]byte, bool) { return c.bytes(solIPv6, ipv6HopOpts) }

// DstOpts returns an IPv6 destination options header (IPV6_RECVDSTOPTS).
func (c ControlMessage) DstOpts() ([]byte, bool) { return c.bytes(solIPv6, ipv6DstOpts) }

// RTHdrDstOpts returns the options before a routing header (IPV6_RECVDSTOPTS).
func (c ControlMessage) RTHdrDstOpts() ([]byte, bool) { return c.bytes(solIPv6, ipv6RTHdrDstOpts) }

// RTHdr returns the routing header of an IPv6 datagram (IPV6_RECVRTHDR).
func (c ControlMessage) RTHdr() ([]byte, bool) { return c.bytes(solIPv6, ipv6RTHdr) }

// UDPGRO returns the length of the datagrams that the kernel coalesced, if more than one; the last may be shorter
// (UDP_GRO, Linux 5.0).
func (c ControlMessage) UDPGRO() (int, bool) { return c.int(solUDP, udpGRO) }

// TCPInq returns how many bytes remain to be received (TCP_INQ, Linux 4.18).
func (c ControlMessage) TCPInq() (int, bool) { return c.int(solTCP, tcpInq) }

// AuxData returns the metadata of a packet socket's packet (PACKET_AUXDATA).
func (c ControlMessage) AuxData() (AuxData, bool) {
	if c.at().kind != cmsgAuxData {
		return AuxData{}, false
	}
	return *cmsgAuxDataOf(c.at()), true
}

// RFC 1349's names for type-of-service bytes. Today the byte is DSCP and ECN (RFC 2474, RFC 3168); 0x08 and 0x10 remain
// common.
const (
	TOSMinCost     = 0x02
	TOSReliability = 0x04
	TOSThroughput  = 0x08
	TOSLowDelay    = 0x10
)
