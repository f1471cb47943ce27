package gentcp

import (
	"fmt"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// Packet is a received packet. Option header divides its data into Head and Body.
type Packet struct {
	packet.Packet
	head int
}

// Head returns the first bytes of the data, as many as option header says, fewer if the data is shorter.
func (p Packet) Head() []byte { return p.Data()[:p.split()] }

// Body returns the data after Head, which is all of it if option header is 0.
func (p Packet) Body() []byte { return p.Data()[p.split():] }

func (p Packet) split() int { return min(p.head, len(p.Data())) }

// The messages of active modes. They come in the order of the events on the connection.
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
	// PassiveMsg reports that the count of the active mode has run out: the socket is passive. OTP: {tcp_passive, Socket}.
	PassiveMsg struct{ Sock *Socket }
	// ClosedMsg reports that the connection is over. It is the last message. OTP: {tcp_closed, Socket}.
	ClosedMsg struct{ Sock *Socket }
	// ErrorMsg reports an error. After EMSGSIZE, an invalid or too large packet, the socket is passive and still connected.
	// After any other reason ClosedMsg follows. OTP: {tcp_error, Socket, Reason}.
	ErrorMsg struct {
		Sock   *Socket
		Reason error
	}
)

// Socket returns the esock socket of the message's connection.
func (m TCPMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket returns the esock socket of the message's connection.
func (m HTTPMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket returns the esock socket of the message's connection.
func (m PortMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket returns the esock socket of the message's connection.
func (m PassiveMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket returns the esock socket of the message's connection.
func (m ClosedMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket returns the esock socket of the message's connection.
func (m ErrorMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// The messages as text, in the form of OTP's terms.

func (m TCPMsg) String() string     { return fmt.Sprintf("{tcp, %v, %v}", m.Sock, m.Packet) }
func (m HTTPMsg) String() string    { return fmt.Sprintf("{http, %v, %v}", m.Sock, m.Packet) }
func (m PortMsg) String() string    { return fmt.Sprintf("{%v, {data, %v}}", m.Sock, m.Packet) }
func (m PassiveMsg) String() string { return fmt.Sprintf("{tcp_passive, %v}", m.Sock) }
func (m ClosedMsg) String() string  { return fmt.Sprintf("{tcp_closed, %v}", m.Sock) }
func (m ErrorMsg) String() string {
	return fmt.Sprintf("{tcp_error, %v, %s}", m.Sock, Reason(m.Reason))
}

var _ = []esock.Message{TCPMsg{}, HTTPMsg{}, PortMsg{}, PassiveMsg{}, ClosedMsg{}, ErrorMsg{}}
