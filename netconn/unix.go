package netconn

import (
	"net"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// UnixConn is a unix stream or a connection of sequenced packets: what *net.UnixConn is in package net for the networks
// "unix" and "unixpacket". On the latter each Read is one message, and only io.EOF is the end.
type UnixConn struct{ stream }

// UnixgramConn is a unix socket of datagrams: what *net.UnixConn is in package net for the network "unixgram".
type UnixgramConn struct{ packetConn }

var (
	_ Conn       = (*UnixConn)(nil)
	_ PacketConn = (*UnixgramConn)(nil)
)

// PeerCred returns the process on the other end, as of its connect or listen (SO_PEERCRED, unix(7)).
func (c *UnixConn) PeerCred() (esock.Credentials, error) {
	c = c.orClosed()
	v, err := sockopt.SocketPeerCred.Get(c.s)
	return v, c.asked(err)
}

// ReadMsgUnix receives data into b, and control messages as the kernel wrote them into oob. The descriptors in them are the
// caller's. addr is the peer's address, nil if it has no name. If b is empty and oob is not, one byte of data is received and
// lost, and n is 1, as in package net. recvmsg(2).
func (c *UnixConn) ReadMsgUnix(b, oob []byte) (n, oobn, flags int, addr *net.UnixAddr, err error) {
	c = c.orClosed()
	return c.readMsgUnix(b, oob)
}

// WriteMsgUnix sends b with control messages, which oob has as sendmsg(2) takes them. addr must be nil. If b is empty, a
// byte of 0 goes with the control messages, as in package net.
func (c *UnixConn) WriteMsgUnix(b, oob []byte, addr *net.UnixAddr) (n, oobn int, err error) {
	c = c.orClosed()
	return c.writeMsgUnix(b, oob, addr)
}

// ReadFrom receives a datagram, cut to b. The address is a *net.UnixAddr, or nil if the sender has no name.
func (c *UnixgramConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromUnix(b)
	if addr == nil {
		return n, nil, err
	}
	return n, addr, err
}

// ReadFromUnix is ReadFrom with the address's own type.
func (c *UnixgramConn) ReadFromUnix(b []byte) (int, *net.UnixAddr, error) {
	c = c.orClosed()
	n, from, err := c.recvFrom(b)
	return n, unixSender(from, c.network), err
}

// CloseRead ends receiving: what has arrived can still be received, then a receive returns no bytes. The peers' sends fail.
func (c *UnixgramConn) CloseRead() error { return c.orClosed().shutdown(esock.ShutRead) }

// CloseWrite ends sending.
func (c *UnixgramConn) CloseWrite() error { return c.orClosed().shutdown(esock.ShutWrite) }

// unixSender is the sender's address, nil if it has none.
func unixSender(a esock.Addr, network string) *net.UnixAddr {
	if a.Path() == "" {
		return nil
	}
	return unixAddr(a, network)
}

// WriteTo sends b as a datagram to a *net.UnixAddr. Errors: net.ErrWriteToConnected; EINVAL for another type.
func (c *UnixgramConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	c = c.orClosed()
	a, ok := addr.(*net.UnixAddr)
	if !ok {
		return 0, c.notAn(addr)
	}
	return c.WriteToUnix(b, a)
}

// WriteToUnix is WriteTo with the address's own type.
func (c *UnixgramConn) WriteToUnix(b []byte, addr *net.UnixAddr) (int, error) {
	c = c.orClosed()
	to, err := c.toUnix(addr)
	if err != nil {
		return 0, wrap("write", c.network, c.local, opUnix(addr), err)
	}
	return c.sendTo(b, to, addr)
}

// ReadMsgUnix receives a datagram, cut to b, and its control messages as the kernel wrote them, cut to oob. The descriptors
// in them are the caller's. recvmsg(2).
func (c *UnixgramConn) ReadMsgUnix(b, oob []byte) (n, oobn, flags int, addr *net.UnixAddr, err error) {
	c = c.orClosed()
	return c.readMsgUnix(b, oob)
}

// WriteMsgUnix sends b with control messages, which oob has as sendmsg(2) takes them. addr is nil on a connected socket.
func (c *UnixgramConn) WriteMsgUnix(b, oob []byte, addr *net.UnixAddr) (n, oobn int, err error) {
	c = c.orClosed()
	return c.writeMsgUnix(b, oob, addr)
}

func (c *conn) readMsgUnix(b, oob []byte) (n, oobn, flags int, addr *net.UnixAddr, err error) {
	c = c.orClosed()
	n, oobn, flags, from, err := c.recvMsg(b, oob)
	return n, oobn, flags, unixSender(from, c.network), err
}

func (c *conn) writeMsgUnix(b, oob []byte, addr *net.UnixAddr) (n, oobn int, err error) {
	c = c.orClosed()
	var to esock.Addr
	if addr != nil {
		if to, err = c.toUnix(addr); err != nil {
			return 0, 0, wrap("write", c.network, c.local, opUnix(addr), err)
		}
	}
	if n, oobn, err = c.sendMsg(b, oob, to); err != nil {
		err = c.failedTo(opUnix(addr), "sendmsg", refused(err))
	}
	return n, oobn, err
}

// toUnix is the destination in esock's form.
func (c *conn) toUnix(addr *net.UnixAddr) (esock.Addr, error) {
	c = c.orClosed()
	switch {
	case c.peer != nil:
		return esock.Addr{}, net.ErrWriteToConnected
	case addr == nil:
		return esock.Addr{}, errMissingAddress
	case addr.Net != c.network:
		return esock.Addr{}, syscall.EAFNOSUPPORT
	}
	to := fromUnix(addr)
	return to, to.Err()
}

// opUnix keeps a nil pointer out of an interface.
func opUnix(a *net.UnixAddr) net.Addr {
	if a == nil {
		return nil
	}
	return a
}
