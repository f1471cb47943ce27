package hackney

import (
	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// The messages of active modes over TLS, in the order in which things happened on the connection.
type (
	// SSLMsg is a packet of any type. OTP: {ssl, Socket, Data}.
	SSLMsg struct {
		Sock *TLSConn
		gentcp.Packet
	}
	// SSLPassiveMsg says that the count of the active mode has run out. OTP: {ssl_passive, Socket}.
	SSLPassiveMsg struct{ Sock *TLSConn }
	// SSLClosedMsg is the last message: the connection is over. OTP: {ssl_closed, Socket}.
	SSLClosedMsg struct{ Sock *TLSConn }
	// SSLErrorMsg says what went wrong. After EMSGSIZE, a packet that is none or is too large, the connection is
	// passive and stands; every other reason is followed by SSLClosedMsg. OTP: {ssl_error, Socket, Reason}.
	SSLErrorMsg struct {
		Sock   *TLSConn
		Reason error
	}
)

var _ = []EventMsg{SSLMsg{}, SSLPassiveMsg{}, SSLClosedMsg{}, SSLErrorMsg{}}

// Socket is the esock socket beneath the connection that the message is about.
func (m SSLMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket is the esock socket beneath the connection that the message is about.
func (m SSLPassiveMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket is the esock socket beneath the connection that the message is about.
func (m SSLClosedMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Socket is the esock socket beneath the connection that the message is about.
func (m SSLErrorMsg) Socket() *esock.Socket { return m.Sock.Socket() }

// Event is the message taken apart.
func (m SSLMsg) Event() Event { return Event{Tag: tagSSL, Packet: m.Packet} }

// Event is the message taken apart.
func (m SSLPassiveMsg) Event() Event { return Event{Tag: tagSSL + suffixPassive} }

// Event is the message taken apart.
func (m SSLClosedMsg) Event() Event { return Event{Tag: tagSSL + suffixClosed} }

// Event is the message taken apart.
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
