package hackney

import (
	"fmt"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// Conn is a connection of a transport: of TCP a *gentcp.Socket, of TLS a *TLSConn. Values must be comparable. A
// transport that has owners should give it the method Owner() *esock.Mailbox as well: SendFile asks it who may send.
type Conn interface {
	// About reports whether a message is about this connection.
	About(msg esock.Message) bool
}

// Messages are the tags of the messages in active modes. OTP: the type sock_messages().
type Messages struct{ Data, Closed, Error string }

// Transport is a way to connect, and what can be done with its connections. Its values must be comparable. A call
// with a connection of another transport should fail with gentcp.ErrBadArg.
type Transport interface {
	// Name is a short name, for humans: "tcp".
	Name() string
	// Messages are the tags of the messages about connections of this transport.
	Messages(c Conn) Messages
	// Connect makes a connection that mb owns, and that is passive, binary and raw whatever the options say.
	Connect(mb *esock.Mailbox, host string, port int, opts []gentcp.Option, w esock.Wait) (Conn, error)
	// Recv is gentcp's Socket.Recv.
	Recv(c Conn, length int, w esock.Wait) (gentcp.Packet, error)
	// Send is gentcp's Socket.Send.
	Send(c Conn, data ...[]byte) error
	// SetOpts is gentcp's Socket.SetOpts.
	SetOpts(c Conn, opts ...gentcp.Option) error
	// ControllingProcess is gentcp's Socket.ControllingProcess.
	ControllingProcess(c Conn, from, to *esock.Mailbox) error
	// PeerName is the address of the other end.
	PeerName(c Conn) (esock.Addr, error)
	// SockName is the address of this end.
	SockName(c Conn) (esock.Addr, error)
	// Shutdown ends a direction at once, or both.
	Shutdown(c Conn, how esock.How) error
	// Close closes the connection for its owner, who gets no message.
	Close(c Conn) error
}

// badArg is a gentcp.ErrBadArg that says what is wrong.
func badArg(op, cause string) error {
	return fmt.Errorf("hackney: %s: %w: %s", op, gentcp.ErrBadArg, cause)
}

// baseOptions are those of every fresh connection.
var baseOptions = []gentcp.Option{gentcp.Binary(), gentcp.Active(false), gentcp.PacketType(0)}

// withBase merges options: those of the base win, and all others stay as they are, in their order.
func withBase(opts []gentcp.Option) []gentcp.Option {
	merged := append(make([]gentcp.Option, 0, len(baseOptions)+len(opts)), baseOptions...)
	for _, o := range opts {
		switch o.Name() {
		case "active", "packet", "binary", "list", "mode":
		default:
			merged = append(merged, o)
		}
	}
	return merged
}
