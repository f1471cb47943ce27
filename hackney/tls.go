package hackney

import (
	"crypto/tls"
	"net/netip"
	"strings"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// TLS makes a transport over crypto/tls. Every connection has a copy of config, with the host that it connects to as
// ServerName unless config has one; nil is the zero Config. The zone of an address, fe80::1%eth0, is no part of that name. Keep the transport: two made of the same config are not
// equal, and neither are their sockets.
//
// Active modes, packet types, packet_size and line_delimiter mean what they mean for TCP, and the messages are SSLMsg
// and its kin. All other options are those of the TCP connection beneath, with these limits: header and deliver port
// are refused; buffer and read_ahead have no effect, since a read takes one TLS record, of at most 16 KiB; a Send
// that runs into send_timeout closes the connection, because half a record cannot be taken back. A send_timeout is that
// of a whole Send, however many records it takes.
//
// What TLS makes a receiver answer, a new key for example, may hold a receive up for as much as 5 seconds beyond its
// time when the peer does not read, and then ends the connection.
//
// An end that the peer did not announce (no close_notify), and one within a record, may be an attacker's doing: who
// receives gets an error for which errors.Is finds gentcp.ErrClosed, io.EOF, and, unlike after an end that was
// announced, io.ErrUnexpectedEOF. In an active mode SSLClosedMsg comes, and a Recv then tells.
// OTP: hackney_ssl, ssl.
func TLS(config *tls.Config) Transport {
	if config == nil {
		config = &tls.Config{}
	}
	return &tlsTransport{config.Clone()}
}

type tlsTransport struct{ config *tls.Config }

// withoutZone is the name of a server as its certificate has it. The zone of an IPv6 address is for the socket alone: it
// means something on this host only (RFC 6874, section 1), and no certificate is made for it.
func withoutZone(name string) string {
	bare := strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if ip, err := netip.ParseAddr(bare); err == nil && ip.Zone() != "" {
		return ip.WithZone("").String()
	}
	return name
}

// tlsConn is the connection as the transport's own.
func tlsConn(op string, c Conn) (*TLSConn, error) {
	if s, ok := c.(*TLSConn); ok && s.made() {
		return s, nil
	}
	return nil, badArg(op, "the connection is not of transport ssl")
}

func (*tlsTransport) Name() string { return "ssl" }

func (*tlsTransport) Messages(Conn) Messages {
	return Messages{Data: tagSSL, Closed: tagSSL + suffixClosed, Error: tagSSL + suffixError}
}

func (t *tlsTransport) Connect(
	mb *esock.Mailbox, host string, port int, opts []gentcp.Option, w esock.Wait) (Conn, error) {
	own, beneath, err := divide(withBase(opts))
	if err != nil {
		return nil, err
	}
	w = w.Begin()
	raw, err := gentcp.Connect(mb, host, port, w, beneath...)
	if err != nil {
		return nil, err
	}
	config := t.config.Clone()
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.ServerName = withoutZone(config.ServerName)
	c := newTLSConn(raw, mb, own)
	c.tls = tls.Client(&c.wire, config)
	ctx, free := w.Ends()
	defer free()
	if err = c.tls.HandshakeContext(ctx); err == nil {
		c.wire.answer = answerTime
		return c, nil
	}
	c.wire.Close()
	if ctx.Err() != nil {
		return nil, w.Ended()
	}
	return nil, c.fail("connect", c.shown(err))
}

func (*tlsTransport) Recv(c Conn, length int, w esock.Wait) (gentcp.Packet, error) {
	s, err := tlsConn("recv", c)
	if err != nil {
		return gentcp.Packet{}, err
	}
	return s.recv(length, w)
}

func (*tlsTransport) Send(c Conn, data ...[]byte) error {
	s, err := tlsConn("send", c)
	if err != nil {
		return err
	}
	return s.send(data)
}

func (*tlsTransport) SetOpts(c Conn, opts ...gentcp.Option) error {
	s, err := tlsConn("setopts", c)
	if err != nil {
		return err
	}
	return s.setOpts(opts)
}

func (*tlsTransport) ControllingProcess(c Conn, from, to *esock.Mailbox) error {
	s, err := tlsConn("controlling_process", c)
	if err != nil {
		return err
	}
	return s.controllingProcess(from, to)
}

func (*tlsTransport) PeerName(c Conn) (esock.Addr, error) {
	s, err := tlsConn("peername", c)
	if err != nil {
		return esock.Addr{}, err
	}
	return s.raw.PeerName()
}

func (*tlsTransport) SockName(c Conn) (esock.Addr, error) {
	s, err := tlsConn("sockname", c)
	if err != nil {
		return esock.Addr{}, err
	}
	return s.raw.SockName()
}

func (*tlsTransport) Shutdown(c Conn, how esock.How) error {
	s, err := tlsConn("shutdown", c)
	if err != nil {
		return err
	}
	return s.shutdown(how)
}

func (*tlsTransport) Close(c Conn) error {
	s, err := tlsConn("close", c)
	if err != nil {
		return err
	}
	s.close(false)
	return nil
}
