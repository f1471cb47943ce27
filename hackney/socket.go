package hackney

import (
	"fmt"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// Socket is a connection together with its transport. Copies are the same socket. The zero value is no socket; its methods
// return gentcp.ErrBadArg. OTP: hackney_socket().
type Socket struct {
	Transport Transport
	Sock      Conn
}

// String names the transport and the connection: "{tcp, #Socket<1>}".
func (s Socket) String() string {
	if s.Transport == nil {
		return "{no socket}"
	}
	if s.Sock == nil {
		return fmt.Sprintf("{%v, no connection}", named{s.Transport})
	}
	return fmt.Sprintf("{%v, %v}", named{s.Transport}, s.Sock)
}

// named prints a transport's name. fmt shows a panic of a caller's type, a nil pointer for example, as text.
type named struct{ Transport }

func (n named) String() string { return n.Name() }

// Connect connects through a transport, and waits without limit. mb owns the socket; nil: no owner. Errors: those of the
// transport, unchanged. OTP: hackney_socket:connect/4.
func Connect(mb *esock.Mailbox, t Transport, host string, port int, opts ...gentcp.Option) (Socket, error) {
	return ConnectWait(mb, t, host, port, esock.Forever, opts...)
}

// ConnectWait is Connect with a limited wait. With TLS it includes the handshake. OTP: hackney_socket:connect/5.
func ConnectWait(
	mb *esock.Mailbox, t Transport, host string, port int, w esock.Wait, opts ...gentcp.Option) (Socket, error) {
	if t == nil {
		return Socket{}, badArg("connect", "there is no transport")
	}
	c, err := t.Connect(mb, host, port, opts, w)
	if err != nil {
		return Socket{}, err
	}
	return Socket{t, c}, nil
}

// Messages returns the tags that Event gives the messages of active modes; they are empty for the zero Socket. Count mode
// has one more message, with the tag "tcp_passive" or "ssl_passive". OTP: hackney_socket:messages/1.
func (s Socket) Messages() Messages {
	if s.Transport == nil {
		return Messages{}
	}
	return s.Transport.Messages(s.Sock)
}

// Recv is RecvWait without a limit. OTP: hackney_socket:recv/2.
func (s Socket) Recv(length int) (gentcp.Packet, error) { return s.RecvWait(length, esock.Forever) }

// RecvWait receives length bytes from a passive socket. With length 0 it receives available bytes, or one packet if a packet
// type is set. Errors: gentcp.ErrClosed, esock.ErrTimeout, EINVAL in an active mode, those of the transport. OTP:
// hackney_socket:recv/3.
func (s Socket) RecvWait(length int, w esock.Wait) (gentcp.Packet, error) {
	if err := s.check("recv"); err != nil {
		return gentcp.Packet{}, err
	}
	return s.Transport.Recv(s.Sock, length, w)
}

// Send sends the parts as one packet. Errors: those of the transport; over TCP *gentcp.SendTimeoutError has the data that
// was not sent. OTP: hackney_socket:send/2.
func (s Socket) Send(data ...[]byte) error {
	if err := s.check("send"); err != nil {
		return err
	}
	return s.Transport.Send(s.Sock, data...)
}

// SetOpts sets options in their order, and stops at the first that fails. OTP: hackney_socket:setopts/2.
func (s Socket) SetOpts(opts ...gentcp.Option) error {
	if err := s.check("setopts"); err != nil {
		return err
	}
	return s.Transport.SetOpts(s.Sock, opts...)
}

// ControllingProcess gives the socket another owner. Messages about it in the present owner's mailbox move to the new one.
// Errors: gentcp.ErrNotOwner, gentcp.ErrClosed, gentcp.ErrBadArg. OTP: hackney_socket:controlling_process/2.
func (s Socket) ControllingProcess(from, to *esock.Mailbox) error {
	if err := s.check("controlling_process"); err != nil {
		return err
	}
	return s.Transport.ControllingProcess(s.Sock, from, to)
}

// PeerName returns the peer's address. OTP: hackney_socket:peername/1.
func (s Socket) PeerName() (esock.Addr, error) {
	if err := s.check("peername"); err != nil {
		return esock.Addr{}, err
	}
	return s.Transport.PeerName(s.Sock)
}

// SockName returns the local address. OTP: hackney_socket:sockname/1.
func (s Socket) SockName() (esock.Addr, error) {
	if err := s.check("sockname"); err != nil {
		return esock.Addr{}, err
	}
	return s.Transport.SockName(s.Sock)
}

// Shutdown ends one direction or both. OTP: hackney_socket:shutdown/2.
func (s Socket) Shutdown(how esock.How) error {
	if err := s.check("shutdown"); err != nil {
		return err
	}
	return s.Transport.Shutdown(s.Sock, how)
}

// Close closes the socket; closing again does nothing. OTP: hackney_socket:close/1.
func (s Socket) Close() error {
	if err := s.check("close"); err != nil {
		return err
	}
	return s.Transport.Close(s.Sock)
}

// check refuses the zero Socket, and a connection that no transport made.
func (s Socket) check(op string) error {
	missing := s.Transport == nil || s.Sock == nil
	switch c := s.Sock.(type) {
	case *gentcp.Socket:
		missing = missing || c == nil || c.Socket() == nil
	case *TLSConn:
		missing = missing || !c.made()
	}
	if missing {
		return badArg(op, "there is no connection")
	}
	return nil
}
