package hackney

import (
	"fmt"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// Conn is a connection of a transport: a *gentcp.Socket of TCP, a *TLSConn of TLS. Values must be comparable. If connections
// have owners, give the type a method Owner() *esock.Mailbox: SendFile uses it to check the caller.
type Conn interface {
	// About reports whether a message is about this connection.
	About(msg esock.Message) bool
}

// Messages are the tags of the messages in active modes. OTP: the type sock_messages().
type Messages struct{ Data, Closed, Error string }

// Transport makes connections, and implements the operations on them. Its values must be comparable. A call with a
// connection of another transport should return gentcp.ErrBadArg.
type Transport interface {
	// Name is a short name for logs: "tcp".
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
	// PeerName returns the peer's address.
	PeerName(c Conn) (esock.Addr, error)
	// SockName returns the local address.
	SockName(c Conn) (esock.Addr, error)
	// Shutdown ends one direction or both.
	Shutdown(c Conn, how esock.How) error
	// Close closes the connection for its owner, which gets no message.
	Close(c Conn) error
}

// badArg is a gentcp.ErrBadArg with the operation and the cause.
func badArg(op, cause string) error {
	return fmt.Errorf("hackney: %s: %w: %s", op, gentcp.ErrBadArg, cause)
}

// baseOptions are the options of every new connection.
var baseOptions = []gentcp.Option{gentcp.Binary(), gentcp.Active(false), gentcp.PacketType(0)}

// withBase puts the base options in place of the caller's, and keeps the caller's other options in their order. An
// inet_backend stays the first.
func withBase(opts []gentcp.Option) []gentcp.Option {
	merged := make([]gentcp.Option, 0, len(baseOptions)+len(opts))
	if len(opts) > 0 && opts[0].Name() == "inet_backend" {
		merged, opts = append(merged, opts[0]), opts[1:]
	}
	merged = append(merged, baseOptions...)
	for _, o := range opts {
		switch o.Name() {
		case "active", "packet", "binary", "list", "mode":
		default:
			merged = append(merged, o)
		}
	}
	return merged
}
