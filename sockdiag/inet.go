package sockdiag

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// InetRequest says which sockets of the internet families Client.Inet asks for: struct inet_diag_req_v2.
type InetRequest struct {
	Domain   esock.Domain   // esock.Inet or esock.Inet6
	Protocol esock.Protocol // esock.TCP, UDP, UDPLite, SCTP or MPTCP; RawProto for raw sockets of all protocols
	States   States         // which states; zero for all
	Want     Has            // what to say of each besides InetSocket's first fields; the kernel adds some unasked
}

// Timer is the timer that runs for a TCP socket.
type Timer uint8

// The timers.
const (
	NoTimer         Timer = iota
	RetransmitTimer       // a retransmission, or an early one
	KeepaliveTimer        // keepalive, also of a connection that is made
	TimeWaitTimer         // the end of time-wait
	PersistTimer          // a probe of a window of zero
)

var timerNames = [...]string{"off", "on", "keepalive", "timewait", "persist"}

// String is the name that ss(8) has for it: "on" is the retransmission.
func (t Timer) String() string {
	if int(t) < len(timerNames) {
		return timerNames[t]
	}
	return "unknown"
}

// InetSocket is a socket of TCP, UDP, raw IP, MPTCP, SCTP or UDP-Lite: struct inet_diag_msg of <linux/inet_diag.h> with its
// attributes.
type InetSocket struct {
	Domain      esock.Domain
	Protocol    esock.Protocol // what the request asked for; of a raw socket, its own
	State       State
	Timer       Timer
	Retransmits uint8         // retransmissions, or probes, that the timer has made
	Expires     time.Duration // of the timer, from now; milliseconds
	RecvQ       uint32        // bytes that wait to be read; of a listener, connections that wait for accept
	SendQ       uint32        // bytes that are not acknowledged; of a listener, its backlog
	UID         uint32        // the user
	Inode       uint32        // of the descriptor, as in /proc/PID/fd; 0 for none: the socket is orphaned
	Local, Peer esock.Addr    // the peer of a socket without one is the wildcard, with port 0
	Interface   uint32        // index of the interface that it is bound to; 0 for none
	Cookie      uint64        // SO_COOKIE, which no two sockets have at the same time

	Has        Has
	TCP        sockopt.TCPInfoValue   // with HasTCPInfo
	MPTCP      sockopt.MPTCPInfoValue // with HasMPTCPInfo
	Memory     sockopt.MemInfo        // bytes, as SO_MEMINFO
	Congestion string                 // the congestion control
	TOS        uint8                  // IP_TOS
	TClass     uint8                  // IPV6_TCLASS
	Shutdown   Shutdown
	V6Only     bool        // IPV6_V6ONLY, of listeners and datagram sockets
	Mark       uint32      // SO_MARK
	ClassID    uint32      // of net_cls, or SO_PRIORITY
	ULP        string      // the upper layer: "tls", "mptcp", "espintcp"
	TLS        TLSInfo     // with the ULP "tls"
	CgroupID   uint64      // inode of its directory in cgroup v2
	Options    InetOptions // flags that are set

	// Info is the answer to INET_DIAG_INFO as the kernel gave it: struct tcp_info, mptcp_info or sctp_info. It is valid as long
	// as the socket is.
	Info []byte
}

// TLSInfo is what the kernel's TLS says: the attributes of INET_ULP_INFO_TLS.
type TLSInfo struct {
	Version  uint16 // 0x0303 for TLS 1.2, 0x0304 for 1.3
	Cipher   uint16 // TLS_CIPHER_… of <linux/tls.h>
	Transmit uint16 // how it sends: 1 base, 2 software, 3 in the device, 4 with the device's record
	Receive  uint16 // how it receives
}

// InetOptions are the flags of struct inet_diag_sockopt, in the order of its bits.
type InetOptions uint16

var optionNames = [...]string{"recverr", "is_icsk", "freebind", "hdrincl", "mc_loop", "transparent", "mc_all", "nodefrag",
	"bind_address_no_port", "recverr_rfc4884", "defer_connect"}

// Names are the names of the flags that are set, as the kernel's structure has them.
func (o InetOptions) Names() (names []string) {
	for i, name := range optionNames {
		if o>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Numbers of <linux/inet_diag.h>.
const (
	inetRequestSize = 56
	inetSize        = 72

	inetReqProtocol = 3

	inetInfo       = 2
	inetCongestion = 4
	inetTOS        = 5
	inetTClass     = 6
	inetMemory     = 7
	inetShutdown   = 8
	inetProtocol   = 10
	inetV6Only     = 11
	inetMark       = 15
	inetClassID    = 17
	inetULP        = 19
	inetCgroup     = 21
	inetSockopt    = 22

	ulpName = 1
	ulpTLS  = 2
)

// extensions are the bits of idiag_ext.
func (w Has) extensions() (bits uint8) {
	for _, e := range []struct {
		part Has
		attr int
	}{{HasTCPInfo | HasMPTCPInfo | HasULP, inetInfo}, {HasCongestion, inetCongestion}, {HasTOS, inetTOS}, {HasTClass, inetTClass},
		{HasMemory, inetMemory}, {HasShutdown, inetShutdown}} {
		if w&e.part != 0 {
			bits |= 1 << (e.attr - 1)
		}
	}
	return bits
}

// Inet lists the sockets of TCP, UDP, raw IP, MPTCP, SCTP and UDP-Lite. The socket is valid until the next. After an error the
// iteration ends; see ErrInterrupted. errors.Is finds errors.ErrUnsupported where the kernel has no module for the protocol.
func (c *Client) Inet(r InetRequest) iter.Seq2[*InetSocket, error] {
	return func(yield func(*InetSocket, error) bool) {
		if r.Domain != esock.Inet && r.Domain != esock.Inet6 {
			yield(nil, &esock.InvalidError{What: "domain", Value: r.Domain, Cause: "it is inet or inet6"})
			return
		}
		if r.Protocol <= 0 || r.Protocol > 0xffff {
			yield(nil, &esock.InvalidError{What: "protocol", Value: r.Protocol, Cause: "a request names one"})
			return
		}
		m := request(inetRequestSize)
		// A kernel that does not know the attribute reads the byte: it must not be another protocol's. 262 cut to a byte is TCP.
		m = append(m, byte(r.Domain), byte(min(r.Protocol, 0xff)), r.Want.extensions(), 0)
		m = binary.NativeEndian.AppendUint32(m, r.States.asked())
		m = m[:headerSize+inetRequestSize]
		if r.Protocol > 0xff { // the field has a byte
			m = binary.NativeEndian.AppendUint16(m, attrSize+4)
			m = binary.NativeEndian.AppendUint16(m, inetReqProtocol)
			m = binary.NativeEndian.AppendUint32(m, uint32(r.Protocol))
		}
		module := map[esock.Protocol]string{esock.TCP: "tcp_diag", esock.UDP: "udp_diag", esock.UDPLite: "udp_diag",
			esock.SCTP: "sctp_diag", esock.MPTCP: "mptcp_diag", esock.RawProto: "raw_diag"}[r.Protocol]
		list(c, m, fmt.Sprintf("%v sockets of %v", r.Protocol, r.Domain), module, yield, func(body []byte) (*InetSocket, bool, error) {
			// Kernels before 3.3, and those without the module, answer for TCP whatever was asked.
			err := c.inet.decode(body, r.Protocol, c.names)
			return &c.inet, err != nil || c.inet.Domain == r.Domain && r.States.Has(c.inet.State), err
		})
	}
}

// list is the iteration of a dump. decode returns the socket, and whether it is one that was asked for.
func list[S any](c *Client, m []byte, what, module string, yield func(*S, error) bool, decode func(body []byte) (*S, bool, error)) {
	over := false // the caller has left the iteration, and hears of no later error
	err := c.dump(m, what, module, func(body []byte) (bool, error) {
		s, asked, err := decode(body)
		if err != nil || !asked {
			return err == nil, err
		}
		over = !yield(s, nil)
		return !over, nil
	})
	if err != nil && !over {
		yield(nil, err)
	}
}

// Decode reads a message of SOCK_DIAG_BY_FAMILY without its struct nlmsghdr, of a socket of the protocol. Unknown attributes
// are passed over, and values that an older kernel gives fewer bytes of have zeros for the rest. Errors: *MalformedError, if
// body is shorter than struct inet_diag_msg. The socket keeps Info, which is part of body.
func (s *InetSocket) Decode(body []byte, p esock.Protocol) error {
	if s == nil {
		return errNil
	}
	return s.decode(body, p, nil)
}

func (s *InetSocket) decode(b []byte, p esock.Protocol, texts names) error {
	*s = InetSocket{Protocol: p}
	if len(b) < inetSize {
		return &MalformedError{fmt.Sprintf("%d bytes are no struct inet_diag_msg", len(b))}
	}
	s.Domain, s.State, s.Timer, s.Retransmits = esock.Domain(b[0]), State(b[1]), Timer(b[2]), b[3]
	s.Interface = number32(b[40:])
	s.Local = inetAddr(s.Domain, b[8:24], binary.BigEndian.Uint16(b[4:]), s.Interface)
	s.Peer = inetAddr(s.Domain, b[24:40], binary.BigEndian.Uint16(b[6:]), s.Interface)
	s.Cookie = cookie(b[44:])
	s.Expires = time.Duration(number32(b[52:])) * time.Millisecond
	s.RecvQ, s.SendQ, s.UID, s.Inode = number32(b[56:]), number32(b[60:]), number32(b[64:]), number32(b[68:])
	for rest := b[inetSize:]; ; {
		kind, v, next, ok := attribute(rest)
		if !ok {
			return nil
		}
		rest = next
		s.attribute(kind, v, texts)
	}
}

func (s *InetSocket) attribute(kind uint16, v []byte, texts names) {
	switch kind {
	case inetInfo:
		s.Info = v
		switch s.Protocol {
		case esock.TCP:
			s.TCP.Decode(v)
			s.Has |= HasTCPInfo
		case esock.MPTCP:
			s.MPTCP.Decode(v)
			s.Has |= HasMPTCPInfo
		}
	case inetCongestion:
		s.Congestion, s.Has = texts.of(text(v)), s.Has|HasCongestion
	case inetTOS:
		s.TOS, s.Has = number8(v), s.Has|HasTOS
	case inetTClass:
		s.TClass, s.Has = number8(v), s.Has|HasTClass
	case inetMemory:
		s.Memory, s.Has = memory(v), s.Has|HasMemory
	case inetShutdown:
		s.Shutdown, s.Has = Shutdown(number8(v)), s.Has|HasShutdown
	case inetProtocol:
		s.rawProtocol(number8(v))
	case inetV6Only:
		s.V6Only, s.Has = number8(v) != 0, s.Has|HasV6Only
	case inetMark:
		s.Mark, s.Has = number32(v), s.Has|HasMark
	case inetClassID:
		s.ClassID, s.Has = number32(v), s.Has|HasClassID
	case inetULP:
		s.upperLayer(v, texts)
	case inetCgroup:
		s.CgroupID, s.Has = number64(v), s.Has|HasCgroup
	case inetSockopt:
		s.Options, s.Has = InetOptions(number16Of(v)), s.Has|HasOptions
	}
}

// rawProtocol is that of a raw socket. Others say what was asked for.
func (s *InetSocket) rawProtocol(p uint8) {
	if s.Protocol == esock.RawProto {
		s.Protocol = esock.Protocol(p)
	}
}

func (s *InetSocket) upperLayer(b []byte, texts names) {
	for {
		kind, v, rest, ok := attribute(b)
		if !ok {
			return
		}
		b = rest
		switch kind {
		case ulpName:
			s.ULP, s.Has = texts.of(text(v)), s.Has|HasULP
		case ulpTLS:
			s.TLS.decode(v)
		}
	}
}

func (t *TLSInfo) decode(b []byte) {
	for {
		kind, v, rest, ok := attribute(b)
		if !ok {
			return
		}
		b = rest
		switch kind { // TLS_INFO_… of <linux/tls.h>
		case 1:
			t.Version = number16(v)
		case 2:
			t.Cipher = number16(v)
		case 3:
			t.Transmit = number16(v)
		case 4:
			t.Receive = number16(v)
		}
	}
}

// number16Of is a number of two bytes, the low one first on every machine.
func number16Of(b []byte) uint16 {
	return uint16(number8(b)) | uint16(number8(tail(b, 1)))<<8
}

// inetAddr is an address of a struct inet_diag_sockid. The interface is the scope of a link-local one.
func inetAddr(d esock.Domain, b []byte, port uint16, index uint32) esock.Addr {
	switch d {
	case esock.Inet:
		return esock.Inet4Addr(netip.AddrFrom4([4]byte(b)), port)
	case esock.Inet6:
		ip := netip.AddrFrom16([16]byte(b))
		if !ip.IsLinkLocalUnicast() && !ip.IsLinkLocalMulticast() {
			index = 0
		}
		return esock.Inet6Addr(ip, port, index)
	}
	return esock.Addr{}
}
