package hackney

import (
	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// TCP is the transport of plain TCP and local stream sockets, by package gentcp. gentcp.Connect gets the caller's options,
// except active, packet, mode, list and binary. OTP: hackney_tcp.
var TCP Transport = tcp{}

type tcp struct{}

var (
	_ Conn = (*gentcp.Socket)(nil)
	_ Conn = (*TLSConn)(nil)
)

// tcpConn returns the connection as the transport's type, or ErrBadArg.
func tcpConn(op string, c Conn) (*gentcp.Socket, error) {
	if s, ok := c.(*gentcp.Socket); ok && s != nil && s.Socket() != nil {
		return s, nil
	}
	return nil, badArg(op, "the connection is not of transport tcp")
}

func (tcp) Name() string { return "tcp" }

func (tcp) Messages(Conn) Messages {
	return Messages{Data: tagTCP, Closed: tagTCP + suffixClosed, Error: tagTCP + suffixError}
}

func (tcp) Connect(mb *esock.Mailbox, host string, port int, opts []gentcp.Option, w esock.Wait) (Conn, error) {
	s, err := gentcp.Connect(mb, host, port, w, withBase(opts)...)
	if err != nil {
		return nil, err // not a Conn that holds a nil pointer
	}
	return s, nil
}

func (tcp) Recv(c Conn, length int, w esock.Wait) (gentcp.Packet, error) {
	s, err := tcpConn("recv", c)
	if err != nil {
		return gentcp.Packet{}, err
	}
	return s.Recv(length, w)
}

func (tcp) Send(c Conn, data ...[]byte) error {
	s, err := tcpConn("send", c)
	if err != nil {
		return err
	}
	return s.Send(data...)
}

func (tcp) SetOpts(c Conn, opts ...gentcp.Option) error {
	s, err := tcpConn("setopts", c)
	if err != nil {
		return err
	}
	return s.SetOpts(opts...)
}

func (tcp) ControllingProcess(c Conn, from, to *esock.Mailbox) error {
	s, err := tcpConn("controlling_process", c)
	if err != nil {
		return err
	}
	return s.ControllingProcess(from, to)
}

func (tcp) PeerName(c Conn) (esock.Addr, error) {
	s, err := tcpConn("peername", c)
	if err != nil {
		return esock.Addr{}, err
	}
	return s.PeerName()
}

func (tcp) SockName(c Conn) (esock.Addr, error) {
	s, err := tcpConn("sockname", c)
	if err != nil {
		return esock.Addr{}, err
	}
	return s.SockName()
}

func (tcp) Shutdown(c Conn, how esock.How) error {
	s, err := tcpConn("shutdown", c)
	if err != nil {
		return err
	}
	return s.Shutdown(how)
}

func (tcp) Close(c Conn) error {
	s, err := tcpConn("close", c)
	if err != nil {
		return err
	}
	return s.Close()
}
