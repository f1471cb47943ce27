package netconn

import (
	"net"

	"github.com/esock-go/esock"
)

// packetConn is a datagram socket of a family that has no type of its own here.
type packetConn struct{ *conn }

var _ PacketConn = packetConn{}

// recvFrom receives a datagram, cut to b.
func (c packetConn) recvFrom(b []byte) (int, esock.Addr, error) {
	c.conn = c.orClosed()
	if len(b) == 0 {
		return c.recvNothing()
	}
	n, from, err := c.s.RecvFrom(b, 0, esock.Forever)
	if err != nil {
		err = c.failed("read", "recvfrom", err)
	}
	return n, from, err
}

// recvNothing receives a datagram into no bytes, as package net lets a program do: the datagram is lost.
func (c packetConn) recvNothing() (int, esock.Addr, error) {
	_, from, err := c.recvFrom(make([]byte, 1))
	return 0, from, err
}

// ReadFrom receives a datagram, cut to b, and returns its sender, nil if that has no address.
func (c packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	c.conn = c.orClosed()
	n, from, err := c.recvFrom(b)
	return n, netAddr(c.s, from, c.network), err
}

// WriteTo sends b as a datagram to an address that esock.AddrFromNet takes.
func (c packetConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, err := esock.AddrFromNet(addr)
	if err != nil {
		return 0, c.failedTo(addr, "sendto", err)
	}
	return c.sendTo(b, to, addr)
}

// sendTo sends a datagram. addr is its destination in errors.
func (c packetConn) sendTo(b []byte, to esock.Addr, addr net.Addr) (int, error) {
	c.conn = c.orClosed()
	n, err := c.s.SendTo(b, to, 0, esock.Forever)
	if err != nil {
		err = c.failedTo(addr, "sendto", err)
	}
	return n, err
}

// recvMsg receives a message into b, and its control messages into oob, as recvmsg(2) does.
func (c *conn) recvMsg(b, oob []byte) (n, oobn, flags int, from esock.Addr, err error) {
	c = c.orClosed()
	if len(b) == 0 && len(oob) == 0 && c.s.Type() == esock.Stream {
		return 0, 0, 0, from, c.readNothing()
	}
	room := orOne(b)
	n, oobn, f, from, err := calls.RecvRaw(c.s, room, oob)
	if err != nil {
		err = c.failed("read", "recvmsg", err)
	}
	if c.byteFor(b, oob) {
		b = room
	}
	n, flags = fitted(n, b, f)
	return n, oobn, flags, from, err
}

// orOne is b, or one byte: esock refuses no bytes, in which a message would be lost.
func orOne(b []byte) []byte {
	if len(b) == 0 {
		return make([]byte, 1)
	}
	return b
}

// fitted is what a message received into orOne(b) is to the caller of recvmsg(2).
func fitted(n int, b []byte, flags esock.MsgFlags) (int, int) {
	if n > len(b) {
		return len(b), int(flags | esock.MsgTrunc)
	}
	return n, int(flags)
}

// sendMsg sends b with control messages, to an address or, if that is the zero Addr, to the peer.
func (c *conn) sendMsg(b, oob []byte, to esock.Addr) (n, oobn int, err error) {
	c = c.orClosed()
	if c.byteFor(b, oob) {
		_, err = calls.SendRaw(c.s, make([]byte, 1), oob, to)
	} else {
		n, err = calls.SendRaw(c.s, b, oob, to)
	}
	if err != nil {
		return n, 0, err
	}
	return n, len(oob), nil
}

// byteFor reports whether control messages go with a byte that the program does not have, as in package net: Linux sends
// and receives none on a stream without data. Only a received byte counts as data.
func (c *conn) byteFor(b, oob []byte) bool {
	return len(b) == 0 && len(oob) > 0 && c.s.Type() != esock.Dgram
}
