package sockdiag

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// NetlinkRequest says what Client.Netlink asks for: struct netlink_diag_req, for all protocols.
type NetlinkRequest struct {
	Want Has // HasMemory, HasGroups, HasFlags
}

// NetlinkSocket is a netlink socket: struct netlink_diag_msg of <linux/netlink_diag.h> with its attributes.
type NetlinkSocket struct {
	Type     esock.Type
	Protocol uint8 // NETLINK_ROUTE and so on: see NetlinkProtocol
	State    State // Closed, or Established: connected
	Port     uint32
	PeerPort uint32 // where it sends by default; 0 for the kernel
	PeerBits uint32 // the groups where it sends by default
	Inode    uint32 // of the descriptor, as in /proc/PID/fd; 0 for the kernel's own
	Cookie   uint64 // SO_COOKIE

	Has    Has
	Memory sockopt.MemInfo // bytes, as SO_MEMINFO
	Flags  NetlinkFlags    // since Linux 4.19

	// Groups are the multicast groups that it is in: group n is bit (n-1)%8 of byte (n-1)/8 on a machine whose low byte comes
	// first; see InGroup. It is valid as long as the socket is.
	Groups []byte
}

// NetlinkFlags are the flags of a netlink socket: NDIAG_FLAG_….
type NetlinkFlags uint32

// The flags.
const (
	NetlinkDumping        NetlinkFlags = 1 << iota // a dump is going on
	NetlinkPktInfo                                 // NETLINK_PKTINFO
	NetlinkBroadcastError                          // NETLINK_BROADCAST_ERROR
	NetlinkNoEnobufs                               // NETLINK_NO_ENOBUFS
	NetlinkListenAllNSID                           // NETLINK_LISTEN_ALL_NSID
	NetlinkCapAck                                  // NETLINK_CAP_ACK
)

// Numbers of <linux/netlink_diag.h>.
const (
	netlinkRequestSize = 20
	netlinkSize        = 28

	netlinkMemory = 0
	netlinkGroups = 1
	netlinkFlags  = 4

	allNetlink = 0xff // NDIAG_PROTO_ALL
)

var netlinkNames = []string{"route", "unused", "usersock", "firewall", "sock_diag", "nflog", "xfrm", "selinux", "iscsi", "audit",
	"fib_lookup", "connector", "netfilter", "ip6_fw", "dnrtmsg", "kobject_uevent", "generic", "dm", "scsitransport", "ecryptfs",
	"rdma", "crypto", "smc"}

// NetlinkProtocol is the name of a netlink protocol, as <linux/netlink.h> has it in small letters; of another number, the
// number.
func NetlinkProtocol(p uint8) string {
	if int(p) < len(netlinkNames) {
		return netlinkNames[p]
	}
	return fmt.Sprint(p)
}

// Netlink lists the netlink sockets. The socket is valid until the next. Errors are as of Inet.
func (c *Client) Netlink(r NetlinkRequest) iter.Seq2[*NetlinkSocket, error] {
	return func(yield func(*NetlinkSocket, error) bool) {
		show := uint32(0)
		for part, bit := range map[Has]uint32{HasMemory: 1, HasGroups: 2, HasFlags: 8} {
			if r.Want&part != 0 {
				show |= bit
			}
		}
		m := request(netlinkRequestSize)
		m = append(m, byte(esock.Netlink), allNetlink, 0, 0, 0, 0, 0, 0)
		m = binary.NativeEndian.AppendUint32(m, show)
		m = m[:headerSize+netlinkRequestSize]
		list(c, m, "netlink sockets", "netlink_diag", yield, func(body []byte) (*NetlinkSocket, bool, error) {
			return &c.netlink, true, c.netlink.Decode(body)
		})
	}
}

// Decode reads a message of SOCK_DIAG_BY_FAMILY without its struct nlmsghdr, as InetSocket.Decode does. The socket keeps
// Groups, which is part of body.
func (s *NetlinkSocket) Decode(b []byte) error {
	if s == nil {
		return errNil
	}
	*s = NetlinkSocket{}
	if len(b) < netlinkSize || b[0] != byte(esock.Netlink) {
		return &MalformedError{fmt.Sprintf("%d bytes are no struct netlink_diag_msg", len(b))}
	}
	s.Type, s.Protocol, s.State = esock.Type(b[1]), b[2], State(b[3])
	if s.State == 0 { // the kernel numbers them as struct socket does: 0 to 4
		s.State = Closed
	}
	s.Port, s.PeerPort, s.PeerBits = number32(b[4:]), number32(b[8:]), number32(b[12:])
	s.Inode, s.Cookie = number32(b[16:]), cookie(b[20:])
	for rest := b[netlinkSize:]; ; {
		kind, v, next, ok := attribute(rest)
		if !ok {
			return nil
		}
		rest = next
		switch kind {
		case netlinkMemory:
			s.Memory, s.Has = memory(v), s.Has|HasMemory
		case netlinkGroups:
			s.Groups, s.Has = v, s.Has|HasGroups
		case netlinkFlags:
			s.Flags, s.Has = NetlinkFlags(number32(v)), s.Has|HasFlags
		}
	}
}

// InGroup reports whether the socket is in a multicast group: 1 and so on.
func (s *NetlinkSocket) InGroup(group int) bool {
	if s == nil || group < 1 || (group-1)/8 >= len(s.Groups) {
		return false
	}
	n := group - 1
	const word = wordSize
	start := n / (8 * word) * word
	if start+word > len(s.Groups) {
		return false
	}
	b := s.Groups[start : start+word]
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 { // the high byte comes first
		b = slices.Clone(b)
		slices.Reverse(b)
	}
	return b[n%(8*word)/8]>>(n%8)&1 != 0
}

// wordSize is the size of the words of the kernel's bitmaps, in bytes.
const wordSize = 4 << (^uintptr(0) >> 63)
