package sockdiag

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// PacketRequest says what Client.Packet asks for: struct packet_diag_req.
type PacketRequest struct {
	Want Has // HasInterface (with the flags), HasFanout, HasMemory, HasUID
}

// PacketSocket is a packet socket: struct packet_diag_msg of <linux/packet_diag.h> with its attributes.
type PacketSocket struct {
	Type     esock.Type
	Protocol uint16 // the EtherType that it receives, 3 for all of them
	Inode    uint32 // of the descriptor, as in /proc/PID/fd
	Cookie   uint64 // SO_COOKIE

	Has       Has
	Interface uint32          // index of the interface that it is bound to; 0 for all
	Version   uint32          // of its rings: 0, 1 or 2 for TPACKET_V1 to 3
	Flags     PacketFlags     // with HasInterface
	UID       uint32          // the user, with HasInterface
	Fanout    uint32          // the group in the low half, the mode in the high one
	Memory    sockopt.MemInfo // bytes, as SO_MEMINFO
}

// PacketFlags are the flags of struct packet_diag_info.
type PacketFlags uint32

// The flags: PDI_RUNNING and so on.
const (
	PacketRunning     PacketFlags = 1 << iota // it is bound, and the interface is up
	PacketAuxData                             // PACKET_AUXDATA
	PacketOrigDev                             // PACKET_ORIGDEV
	PacketVNetHdr                             // PACKET_VNET_HDR
	PacketLossIgnored                         // PACKET_LOSS
)

// Numbers of <linux/packet_diag.h>.
const (
	packetRequestSize = 20
	packetSize        = 16

	packetInfo   = 0
	packetFanout = 4
	packetUID    = 5
	packetMemory = 6
)

// Packet lists the packet sockets. The socket is valid until the next. Errors are as of Inet.
func (c *Client) Packet(r PacketRequest) iter.Seq2[*PacketSocket, error] {
	return func(yield func(*PacketSocket, error) bool) {
		show := uint32(0)
		for part, bit := range map[Has]uint32{HasInterface | HasUID | HasFlags: 1, HasFanout: 8, HasMemory: 16} {
			if r.Want&part != 0 {
				show |= bit
			}
		}
		m := request(packetRequestSize)
		m = append(m, byte(esock.Packet), 0, 0, 0, 0, 0, 0, 0)
		m = binary.NativeEndian.AppendUint32(m, show)
		m = m[:headerSize+packetRequestSize]
		list(c, m, "packet sockets", "af_packet_diag", yield, func(body []byte) (*PacketSocket, bool, error) {
			return &c.packet, true, c.packet.Decode(body)
		})
	}
}

// Decode reads a message of SOCK_DIAG_BY_FAMILY without its struct nlmsghdr, as InetSocket.Decode does.
func (s *PacketSocket) Decode(b []byte) error {
	if s == nil {
		return errNil
	}
	*s = PacketSocket{}
	if len(b) < packetSize || b[0] != byte(esock.Packet) {
		return &MalformedError{fmt.Sprintf("%d bytes are no struct packet_diag_msg", len(b))}
	}
	s.Type, s.Protocol, s.Inode, s.Cookie = esock.Type(b[1]), number16(b[2:]), number32(b[4:]), cookie(b[8:])
	for rest := b[packetSize:]; ; {
		kind, v, next, ok := attribute(rest)
		if !ok {
			return nil
		}
		rest = next
		switch kind {
		case packetInfo:
			s.Interface, s.Version, s.Flags = number32(v), number32(tail(v, 4)), PacketFlags(number32(tail(v, 20)))
			s.Has |= HasInterface | HasFlags
		case packetFanout:
			s.Fanout, s.Has = number32(v), s.Has|HasFanout
		case packetUID:
			s.UID, s.Has = number32(v), s.Has|HasUID
		case packetMemory:
			s.Memory, s.Has = memory(v), s.Has|HasMemory
		}
	}
}
