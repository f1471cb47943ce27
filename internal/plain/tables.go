package plain

import (
	"syscall"

	_ "github.com/esock-go/esock/internal/needlinux"
)

// The names that OTP has for the numbers of sockets, by more than one package.

// Domains are the address families.
var Domains = Names{
	{syscall.AF_UNSPEC, "unspec"}, {syscall.AF_UNIX, "local"}, {syscall.AF_INET, "inet"}, {syscall.AF_INET6, "inet6"},
	{syscall.AF_NETLINK, "netlink"}, {syscall.AF_PACKET, "packet"}, {40, "vsock"},
}

// Types are the types of sockets.
var Types = Names{
	{syscall.SOCK_STREAM, "stream"}, {syscall.SOCK_DGRAM, "dgram"}, {syscall.SOCK_RAW, "raw"}, {syscall.SOCK_RDM, "rdm"},
	{syscall.SOCK_SEQPACKET, "seqpacket"},
}

// DomainsElsewhere are the families that OTP names and Linux does not have, and the systems that do.
var DomainsElsewhere = map[string]string{"link": "the BSDs"}

// Levels are those of options and control messages: SOL_SOCKET, and the protocols' SOL_ numbers (of which those of dccp and
// mptcp differ from the protocol numbers).
var Levels = Names{
	{syscall.SOL_SOCKET, "socket"}, {syscall.SOL_IP, "ip"}, {syscall.SOL_IPV6, "ipv6"}, {syscall.IPPROTO_ICMPV6, "icmpv6"},
	{syscall.SOL_TCP, "tcp"}, {syscall.IPPROTO_UDP, "udp"}, {syscall.IPPROTO_UDPLITE, "udplite"}, {syscall.IPPROTO_RAW, "raw"},
	{132, "sctp"}, {263, "packet"}, {270, "netlink"}, {284, "mptcp"}, {40, "vsock"}, {287, "sol_vsock"},
	{262, "x25"}, {264, "atm"}, {265, "aal"}, {268, "llc"}, {269, "dccp"}, {271, "tipc"}, {272, "rxrpc"}, {273, "pppol2tp"},
	{274, "bluetooth"}, {276, "rds"}, {277, "iucv"}, {278, "caif"}, {279, "alg"}, {280, "nfc"}, {281, "kcm"}, {282, "tls"},
	{283, "xdp"}, {101, "can_raw"}, {285, "mctp"}, {286, "smc"},
}

// Level returns the number of a level: a name of Levels, else that of a protocol, whose number is its level's. OTP:
// socket:level().
func Level(text string) (int, bool) {
	if n, ok := Levels.Number(text); ok {
		return n, true
	}
	n, ok := Protocols.Parse(text)
	return n, ok && text != "default"
}

// MsgFlags are the flags of sends and receives, in the order in which OTP lists them.
var MsgFlags = Names{
	{syscall.MSG_CMSG_CLOEXEC, "cmsg_cloexec"}, {syscall.MSG_CONFIRM, "confirm"}, {syscall.MSG_CTRUNC, "ctrunc"},
	{syscall.MSG_DONTROUTE, "dontroute"}, {syscall.MSG_EOR, "eor"}, {syscall.MSG_ERRQUEUE, "errqueue"}, {syscall.MSG_MORE, "more"},
	{syscall.MSG_NOSIGNAL, "nosignal"}, {syscall.MSG_OOB, "oob"}, {syscall.MSG_PEEK, "peek"}, {syscall.MSG_TRUNC, "trunc"},
}

// TOS are the names that RFC 1349 gave to four values of the type-of-service byte.
var TOS = Names{{0x10, "lowdelay"}, {0x08, "throughput"}, {0x04, "reliability"}, {0x02, "mincost"}}

// IfFlags are all flags of interfaces that OTP names, in its order, with their numbers on Linux: 0 for those of other systems.
// Numbers over 16 bits exist, and SIOCGIFFLAGS has no room for them.
var IfFlags = Names{
	{0x1, "up"}, {0x2, "broadcast"}, {0x4, "debug"}, {0x8, "loopback"}, {0x10, "pointopoint"}, {0x20, "notrailers"},
	{0, "knowsepoch"}, {0x40, "running"}, {0x80, "noarp"}, {0x100, "promisc"}, {0x200, "allmulti"}, {0x400, "master"},
	{0, "oactive"}, {0x800, "slave"}, {0, "simplex"}, {0x1000, "multicast"}, {0, "link0"}, {0, "link1"}, {0, "link2"},
	{0x2000, "portsel"}, {0x4000, "automedia"}, {0x8000, "dynamic"}, {0, "cantconfig"}, {0x10000, "lower_up"},
	{0, "ppromisc"}, {0x20000, "dormant"}, {0, "monitor"}, {0x40000, "echo"}, {0, "staticarp"}, {0, "dying"},
	{0, "renaming"}, {0, "nogroup"},
}

// IfFlagsElsewhere are the systems that have the flags of interfaces that Linux does not have.
var IfFlagsElsewhere = map[string]string{
	"knowsepoch": "FreeBSD", "oactive": "the BSDs", "simplex": "the BSDs", "link0": "the BSDs", "link1": "the BSDs",
	"link2": "the BSDs", "cantconfig": "FreeBSD", "ppromisc": "FreeBSD", "monitor": "FreeBSD", "staticarp": "FreeBSD",
	"dying": "FreeBSD", "renaming": "FreeBSD", "nogroup": "FreeBSD",
}

// HardwareTypes are the ARPHRD_ numbers of <net/if_arp.h>, as OTP names them in the addresses of packet sockets.
var HardwareTypes = Names{
	{0, "netrom"}, {1, "ether"}, {2, "eether"}, {3, "ax25"}, {4, "pronet"}, {5, "chaos"}, {6, "ieee802"},
	{7, "arcnet"}, {8, "appletlk"}, {15, "dlci"}, {19, "atm"}, {23, "metricom"}, {24, "ieee1394"}, {27, "eui64"},
	{32, "infiniband"}, {768, "tunnel"}, {769, "tunnel6"}, {772, "loopback"}, {773, "localtlk"}, {0xFFFE, "none"},
	{0xFFFF, "void"},
}
