package hackney

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// TLS makes a transport over crypto/tls. Every connection uses a copy of config, whose ServerName is the host, without an
// address's zone, unless config has one; nil is the zero Config. Keep the transport: two with the same config are not equal,
// and neither are their sockets.
//
// Active modes, packet types, packet_size and line_delimiter work as for TCP; the messages are SSLMsg, SSLPassiveMsg,
// SSLErrorMsg and SSLClosedMsg. Other options apply to the TCP connection beneath, with these limits: header and deliver
// port are refused; buffer and read_ahead have no effect, because a read takes one TLS record, of at most 16 KiB.
// send_timeout limits a whole Send, however many records it has. A Send that times out closes the connection, because a part
// of a record cannot be taken back.
//
// TLS may have to answer what it receives, for example with a new key. If the peer does not read, this delays a receive by
// up to 5 seconds beyond its time, and then ends the connection.
//
// An end without close_notify, or within a record, may come from an attacker. errors.Is then finds gentcp.ErrClosed, io.EOF
// and io.ErrUnexpectedEOF, the last of which an announced end does not have. In an active mode SSLClosedMsg comes, and the
// next Recv returns the error. OTP: hackney_ssl, ssl.
func TLS(config *tls.Config) Transport {
	if config == nil {
		config = &tls.Config{}
	}
	return &tlsTransport{config.Clone()}
}

type tlsTransport struct{ config *tls.Config }

// withoutZone returns a server's name as certificates have it. The zone of an IPv6 address is valid on this host only (RFC
// 6874, section 1), so certificates do not have it.
func withoutZone(name string) string {
	bare := strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if ip, err := netip.ParseAddr(bare); err == nil && ip.Zone() != "" {
		return ip.WithZone("").String()
	}
	return name
}

// tlsConn returns the connection as the transport's type, or ErrBadArg.
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
	own, beneath, err := divide(opts)
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
	peer, _ := raw.PeerName()
	c.wire.Close()
	if ctx.Err() != nil {
		err = w.Ended()
	} else {
		err = c.shown(err)
	}
	return nil, &gentcp.Error{Op: "connect", Host: net.JoinHostPort(host, strconv.Itoa(port)), Addr: peer, Reason: err}
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
