package gentcp

import (
	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// Packet is one packet that was received: what package packet made of it, and where option header divides it.
type Packet struct {
	packet.Packet
	head int
}

// Head is the first bytes of the data, as many as option header says, or fewer if there are not so many.
func (p Packet) Head() []byte { return p.Data()[:p.split()] }

// Body is the data behind Head, all of it when option header is 0.
func (p Packet) Body() []byte { return p.Data()[p.split():] }

func (p Packet) split() int { return min(p.head, len(p.Data())) }

// The messages of active modes, in the order in which things happened on the connection.
type (
	// TCPMsg is a packet. OTP: {tcp, Socket, Data}.
	TCPMsg struct {
		Sock *Socket
		Packet
	}
	// HTTPMsg is a packet of the types http, httph, http_bin and httph_bin. OTP: {http, Socket, HttpPacket}.
	HTTPMsg struct {
		Sock *Socket
		Packet
	}
	// PortMsg is a packet of any type under Deliver(DeliverPort). OTP: {Socket, {data, Data}}.
	PortMsg struct {
		Sock *Socket
		Packet
	}
	// PassiveMsg says that the count of the active mode has run out: the socket is passive. OTP: {tcp_passive, Socket}.
	PassiveMsg struct{ Sock *Socket }
	// ClosedMsg is the last message: the connection is over. OTP: {tcp_closed, Socket}.
	ClosedMsg struct{ Sock *Socket }
	// ErrorMsg says what went wrong. After EMSGSIZE, a packet that is none or is too large, the socket is passive and
	// connected; every other reason is followed by ClosedMsg. OTP: {tcp_error, Socket, Reason}.
	ErrorMsg struct {
		Sock   *Socket
		Reason error
	}
)

// Socket is the esock socket beneath the one that the message is about.
func (m TCPMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket is the esock socket beneath the one that the message is about.
func (m HTTPMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket is the esock socket beneath the one that the message is about.
func (m PortMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket is the esock socket beneath the one that the message is about.
func (m PassiveMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket is the esock socket beneath the one that the message is about.
func (m ClosedMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket is the esock socket beneath the one that the message is about.
func (m ErrorMsg) Socket() *esock.Socket { return m.Sock.Socket() }

var _ = []esock.Message{TCPMsg{}, HTTPMsg{}, PortMsg{}, PassiveMsg{}, ClosedMsg{}, ErrorMsg{}}
