package netconn

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// Conn is a connection on a socket of esock: a *TCPConn, *UnixConn, *UDPConn, *UnixgramConn, *IPConn, or one of another
// family, which has these methods, and those of io.ReaderFrom and io.WriterTo on a stream.
type Conn interface {
	net.Conn
	syscall.Conn

	// File returns a duplicate of the descriptor; see esock.Socket.File.
	File() (*os.File, error)

	// Socket returns the socket. Calls on it and on the connection take turns, and the connection's deadlines bind its calls,
	// too.
	Socket() *esock.Socket
}

// PacketConn is a socket of datagrams: a *UDPConn, *UnixgramConn, *IPConn, or one of another family, which has these
// methods. Read and Write are for connected ones.
type PacketConn interface {
	net.PacketConn
	Conn
}

// conn is what all connections have in common. The zero conn is closed.
type conn struct {
	s           *esock.Socket
	network     string // net's word
	local, peer net.Addr
}

// messages reports whether each read is one message.
func (c *conn) messages() bool { return c.s.Type() != esock.Stream }

// NewConn makes a connection of a connected socket, which it owns from now on. Its type follows from the socket's: see
// Conn. The socket's options stay as they are. Conn.Socket gives it back, for a loop of package engine for example, once no
// call waits. After an error the socket still is the caller's. Errors: ENOTCONN, but for raw sockets; those of getsockname(2);
// *esock.InvalidError "socket" for nil, and for one that listens.
func NewConn(s *esock.Socket) (Conn, error) {
	c, err := newConn(s, "")
	if err != nil {
		return nil, err
	}
	if c.base().peer == nil && s.Type() != esock.Raw { // the kernel knows no peer of a raw socket
		err := os.NewSyscallError("getpeername", syscall.ENOTCONN)
		switch {
		case listens(s):
			err = errListens
		case s.Type() == esock.Dgram:
			err = fmt.Errorf("%w: see NewPacketConn", err)
		}
		return nil, wrap("file", c.base().network, c.LocalAddr(), nil, err)
	}
	return c, nil
}

// listens reports whether the socket takes connections.
func listens(s *esock.Socket) bool {
	on, err := sockopt.SocketAcceptConn.Get(s)
	return err == nil && on
}

// NewPacketConn makes a datagram socket a PacketConn, which owns it from now on. It may be connected. After an error the
// socket still is the caller's. Errors: as NewConn;
// *esock.InvalidError "socket" for one that is no datagram socket.
func NewPacketConn(s *esock.Socket) (PacketConn, error) {
	c, err := newConn(s, "")
	if err != nil {
		return nil, err
	}
	p, ok := c.(PacketConn)
	if !ok {
		return nil, wrap("file", c.base().network, c.LocalAddr(), nil, errNotPackets)
	}
	return p, nil
}

var (
	errNoSocket   = &esock.InvalidError{What: "socket", Cause: "it is nil"}
	errNotPackets = &esock.InvalidError{What: "socket", Cause: "it has no datagrams: see NewConn"}
	errListens    = &esock.InvalidError{What: "socket", Cause: "it listens: see NewListener"}
	errNoListener = &esock.InvalidError{What: "socket", Cause: "it does not listen: see NewConn, NewPacketConn and esock.Socket.Listen"}
	errNilConn    = &esock.InvalidError{What: "connection", Cause: "it is nil"}
	errNilContext = &esock.InvalidError{What: "context", Cause: "it is nil"}
)

// based is a Conn of this package.
type based interface {
	Conn
	base() *conn
}

func (c *conn) base() *conn { return c }

// orClosed is the connection, or a closed one for nil.
func (c *conn) orClosed() *conn {
	if c == nil {
		return &closedConn
	}
	return c
}

var closedConn conn

// newConn makes a connection of a socket, connected or not. The network is net's word, or "" for the usual one.
func newConn(s *esock.Socket, network string) (based, error) {
	if s == nil {
		return nil, wrap("file", network, nil, nil, errNoSocket)
	}
	if network == "" {
		network = networkOf(s)
	}
	local, err := s.SockName()
	if err != nil {
		return nil, wrap("file", network, nil, nil, reason("getsockname", err))
	}
	var addr net.Addr
	if peer, err := s.PeerName(); err == nil {
		addr = netAddr(s, peer, network)
	} else if !errors.Is(err, syscall.ENOTCONN) {
		return nil, wrap("file", network, netAddr(s, local, network), nil, reason("getpeername", err))
	}
	return typed(s, network, netAddr(s, local, network), addr), nil
}

// typed is the connection of the type that fits the socket.
func typed(s *esock.Socket, network string, local, peer net.Addr) based {
	c := conn{s, network, local, peer}
	inet, packets := isInet(s.Domain()), s.Type() == esock.Dgram
	switch {
	case inet && s.Type() == esock.Stream && (s.Protocol() == esock.TCP || s.Protocol() == esock.MPTCP):
		v := &with[TCPConn]{inner: c}
		v.outer.conn = &v.inner
		return &v.outer
	case inet && packets && s.Protocol() == esock.UDP:
		v := &with[UDPConn]{inner: c}
		v.outer.conn = &v.inner
		return &v.outer
	case inet && s.Type() == esock.Raw:
		v := &with[IPConn]{inner: c}
		v.outer.conn = &v.inner
		return &v.outer
	case s.Domain() == esock.Local && packets:
		v := &with[UnixgramConn]{inner: c}
		v.outer.conn = &v.inner
		return &v.outer
	case s.Domain() == esock.Local:
		v := &with[UnixConn]{inner: c}
		v.outer.conn = &v.inner
		return &v.outer
	case s.Type() == esock.Stream || s.Type() == esock.SeqPacket:
		return stream{&conn{s, network, local, peer}} // not &c, which would be on the heap for every type
	default:
		return packetConn{&conn{s, network, local, peer}}
	}
}

func isInet(d esock.Domain) bool { return d == esock.Inet || d == esock.Inet6 }

// Read receives up to len(b) bytes, or one message cut to them. io.EOF is the end of the stream.
func (c *conn) Read(b []byte) (int, error) {
	c = c.orClosed()
	if len(b) == 0 {
		return 0, c.readNothing()
	}
	n, err := c.s.Recv(b, 0, esock.Wait{}) // Forever, which as a constant is cheaper than as a variable
	if err != nil {
		err = c.failed("read", "read", err)
	}
	return n, err
}

// readNothing answers a Read into no bytes as package net does: neither data nor a deadline counts.
func (c *conn) readNothing() error {
	c = c.orClosed()
	if c.s.Closed() {
		return c.failed("read", "read", net.ErrClosed)
	}
	return nil
}

// Write sends all of b, on a socket of messages as one.
func (c *conn) Write(b []byte) (int, error) {
	c = c.orClosed()
	n, err := c.s.Send(b, 0, esock.Wait{})
	if err != nil {
		err = c.failed("write", "write", err)
	}
	return n, err
}

// Close closes the connection. Calls in progress return net.ErrClosed.
func (c *conn) Close() error {
	c = c.orClosed()
	if err := c.s.Close(); err != nil {
		return c.failed("close", "close", err)
	}
	return nil
}

func (c *conn) shutdown(how esock.How) error {
	c = c.orClosed()
	if err := c.s.Shutdown(how); err != nil {
		return c.failed("close", "shutdown", err)
	}
	return nil
}

// LocalAddr returns the local address as it was when the connection was made.
func (c *conn) LocalAddr() net.Addr {
	c = c.orClosed()
	return c.local
}

// RemoteAddr returns the peer's address as it was when the connection was made, nil if it has none.
func (c *conn) RemoteAddr() net.Addr {
	c = c.orClosed()
	return c.peer
}

// SetDeadline sets the deadline of reading and of writing; see net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c = c.orClosed()
	return c.settled(c.s.SetDeadline(t))
}

// SetReadDeadline sets the deadline of calls that read, also of those that wait; see net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c = c.orClosed()
	return c.settled(c.s.SetReadDeadline(t))
}

// SetWriteDeadline sets the deadline of calls that write, also of those that wait; see net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c = c.orClosed()
	return c.settled(c.s.SetWriteDeadline(t))
}

// SetReadBuffer sets the size of the kernel's receive buffer in bytes, beyond net.core.rmem_max where the process may
// (SO_RCVBUFFORCE, CAP_NET_ADMIN), else up to it.
func (c *conn) SetReadBuffer(bytes int) error {
	c = c.orClosed()
	return c.settled(setReadBuffer(c.s, bytes))
}

// SetWriteBuffer is SetReadBuffer for the send buffer (SO_SNDBUFFORCE, net.core.wmem_max).
func (c *conn) SetWriteBuffer(bytes int) error {
	c = c.orClosed()
	return c.settled(setWriteBuffer(c.s, bytes))
}

// File returns a duplicate of the descriptor, which the caller must close. Both have one open file description.
func (c *conn) File() (*os.File, error) {
	c = c.orClosed()
	f, err := c.s.File()
	if err != nil {
		return nil, c.failed("file", "dup", err)
	}
	return f, nil
}

// Socket returns the socket beneath the connection.
func (c *conn) Socket() *esock.Socket {
	c = c.orClosed()
	return c.s
}

// settled is the error of a call that sets something.
func (c *conn) settled(err error) error {
	c = c.orClosed()
	if err == nil {
		return nil
	}
	return wrap("set", c.network, nil, c.local, reason("setsockopt", err))
}

// asked is the error of a call that asks for something.
func (c *conn) asked(err error) error {
	c = c.orClosed()
	if err == nil {
		return nil
	}
	return c.failed("get", "getsockopt", err)
}

// String returns the network and the addresses, for logs.
func (c *conn) String() string {
	c = c.orClosed()
	if c.s == nil {
		return "closed"
	}
	s := c.network
	if c.local != nil {
		s += " " + c.local.String()
	}
	if c.peer != nil {
		s += "->" + c.peer.String()
	}
	return s
}

// option is the error of a call about an option of a connection.
func (c *conn) option(err error) error {
	c = c.orClosed()
	if err == nil {
		return nil
	}
	return c.failed("set", "setsockopt", err)
}
