package hackney

import (
	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// Socket is a connection together with its transport. It is a value: copies are the same socket. The zero value is no
// socket; its methods answer gentcp.ErrBadArg. OTP: hackney_socket().
type Socket struct {
	Transport Transport
	Sock      Conn
}

// Connect connects through a transport, and waits for as long as that takes. mb, the caller, owns the socket; nil:
// nobody. Errors: those of the transport, unchanged. OTP: hackney_socket:connect/4.
func Connect(mb *esock.Mailbox, t Transport, host string, port int, opts ...gentcp.Option) (Socket, error) {
	return ConnectWait(mb, t, host, port, esock.Forever, opts...)
}

// ConnectWait is Connect that waits for as long as w says; with TLS the handshake is part of it.
// OTP: hackney_socket:connect/5.
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

// Messages are the tags of the messages in active modes, as Event gives them; empty for the zero Socket. Count mode
// has one more message, with the tag "tcp_passive" or "ssl_passive". OTP: hackney_socket:messages/1.
func (s Socket) Messages() Messages {
	if s.Transport == nil {
		return Messages{}
	}
	return s.Transport.Messages(s.Sock)
}

// Recv is RecvWait without an end. OTP: hackney_socket:recv/2.
func (s Socket) Recv(length int) (gentcp.Packet, error) { return s.RecvWait(length, esock.Forever) }

// RecvWait receives from a passive socket: so many bytes; 0: what is there, or one packet if a packet type is set.
// Errors: gentcp.ErrClosed, esock.ErrTimeout, EINVAL in an active mode, and others of the transport.
// OTP: hackney_socket:recv/3.
func (s Socket) RecvWait(length int, w esock.Wait) (gentcp.Packet, error) {
	if err := s.check("recv"); err != nil {
		return gentcp.Packet{}, err
	}
	return s.Transport.Recv(s.Sock, length, w)
}

// Send sends the parts, one after the other, as one packet. Errors: those of the transport; over TCP a
// *gentcp.SendTimeoutError has what did not go. OTP: hackney_socket:send/2.
func (s Socket) Send(data ...[]byte) error {
	if err := s.check("send"); err != nil {
		return err
	}
	return s.Transport.Send(s.Sock, data...)
}

// SetOpts sets options, from the first to the last. OTP: hackney_socket:setopts/2.
func (s Socket) SetOpts(opts ...gentcp.Option) error {
	if err := s.check("setopts"); err != nil {
		return err
	}
	return s.Transport.SetOpts(s.Sock, opts...)
}

// ControllingProcess gives the socket another owner; messages about it that wait with the present one move along.
// Errors: gentcp.ErrNotOwner, gentcp.ErrClosed, gentcp.ErrBadArg. OTP: hackney_socket:controlling_process/2.
func (s Socket) ControllingProcess(from, to *esock.Mailbox) error {
	if err := s.check("controlling_process"); err != nil {
		return err
	}
	return s.Transport.ControllingProcess(s.Sock, from, to)
}

// PeerName is the address of the other end. OTP: hackney_socket:peername/1.
func (s Socket) PeerName() (esock.Addr, error) {
	if err := s.check("peername"); err != nil {
		return esock.Addr{}, err
	}
	return s.Transport.PeerName(s.Sock)
}

// SockName is the address of this end. OTP: hackney_socket:sockname/1.
func (s Socket) SockName() (esock.Addr, error) {
	if err := s.check("sockname"); err != nil {
		return esock.Addr{}, err
	}
	return s.Transport.SockName(s.Sock)
}

// Shutdown ends one direction at once, or both. OTP: hackney_socket:shutdown/2.
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

// check refuses the zero Socket, and one with a connection that no transport made.
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
