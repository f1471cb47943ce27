package hackney

import (
	"fmt"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// The messages of active modes over TLS. They come in the order of the events on the connection.
type (
	// SSLMsg is a packet of any type. OTP: {ssl, Socket, Data}.
	SSLMsg struct {
		Sock *TLSConn
		gentcp.Packet
	}
	// SSLPassiveMsg reports that the count of the active mode has run out. OTP: {ssl_passive, Socket}.
	SSLPassiveMsg struct{ Sock *TLSConn }
	// SSLClosedMsg reports that the connection is over. It is the last message. OTP: {ssl_closed, Socket}.
	SSLClosedMsg struct{ Sock *TLSConn }
	// SSLErrorMsg reports an error. After EMSGSIZE, an invalid or too large packet, the socket is passive and still
	// connected. After any other reason SSLClosedMsg follows. OTP: {ssl_error, Socket, Reason}.
	SSLErrorMsg struct {
		Sock   *TLSConn
		Reason error
	}
)

var _ = []EventMsg{SSLMsg{}, SSLPassiveMsg{}, SSLClosedMsg{}, SSLErrorMsg{}}

// Socket returns the esock socket of the message's connection.
func (m SSLMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket returns the esock socket of the message's connection.
func (m SSLPassiveMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket returns the esock socket of the message's connection.
func (m SSLClosedMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket returns the esock socket of the message's connection.
func (m SSLErrorMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// The messages as text, in the form of OTP's terms.

func (m SSLMsg) String() string        { return fmt.Sprintf("{ssl, %v, %v}", m.Sock, m.Packet) }
func (m SSLPassiveMsg) String() string { return fmt.Sprintf("{ssl_passive, %v}", m.Sock) }
func (m SSLClosedMsg) String() string  { return fmt.Sprintf("{ssl_closed, %v}", m.Sock) }
func (m SSLErrorMsg) String() string {
	return fmt.Sprintf("{ssl_error, %v, %s}", m.Sock, gentcp.Reason(m.Reason))
}

// Event returns the parts of the message.
func (m SSLMsg) Event() Event { return Event{Tag: tagSSL, Packet: m.Packet} }

// Event returns the parts of the message.
func (m SSLPassiveMsg) Event() Event { return Event{Tag: tagSSL + suffixPassive} }

// Event returns the parts of the message.
func (m SSLClosedMsg) Event() Event { return Event{Tag: tagSSL + suffixClosed} }

// Event returns the parts of the message.
func (m SSLErrorMsg) Event() Event { return Event{Tag: tagSSL + suffixError, Reason: m.Reason} }

// About reports whether a message is about this connection.
func (c *TLSConn) About(msg esock.Message) bool {
	if c == nil {
		return false
	}
	switch m := msg.(type) {
	case SSLMsg:
		return m.Sock == c
	case SSLPassiveMsg:
		return m.Sock == c
	case SSLClosedMsg:
		return m.Sock == c
	case SSLErrorMsg:
		return m.Sock == c
	}
	return false
}
