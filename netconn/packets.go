package netconn

import (
	"net"
	"sync"

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

// msg is a message and the array of its buffers, for one call.
type msg struct {
	esock.Msg
	bufs [1][]byte
}

var msgs = sync.Pool{New: func() any { return new(msg) }}

// free gives the message back. Descriptors that it holds are the caller's: they are in the control bytes that it got.
func (m *msg) free() {
	m.TakeFDs()
	m.Reset()
	m.bufs[0] = nil
	msgs.Put(m)
}

// recvMsg receives a message into b, and its control messages into oob, as recvmsg(2) does.
func (c *conn) recvMsg(b, oob []byte) (n, oobn, flags int, from esock.Addr, err error) {
	c = c.orClosed()
	m := msgs.Get().(*msg)
	defer m.free()
	m.Buf = b
	if len(b) == 0 {
		m.Buf = make([]byte, 1) // esock refuses no bytes, in which the message would be lost
	}
	m.CtrlSize = len(oob)
	if err := c.s.RecvMsg(&m.Msg, esock.MsgCTrunc, esock.Forever); err != nil {
		return 0, 0, 0, esock.Addr{}, c.failed("read", "recvmsg", err)
	}
	control := m.RawControl()
	oobn = copy(oob, control)
	flags = int(m.Flags)
	if len(control) > oobn { // no room was asked for, and esock has its own
		flags |= int(esock.MsgCTrunc)
	}
	if len(m.Data()) > len(b) {
		flags |= int(esock.MsgTrunc)
	}
	return min(len(m.Data()), len(b)), oobn, flags, m.Addr, nil
}

// sendMsg sends b with control messages, to an address or, if that is the zero Addr, to the peer.
func (c *conn) sendMsg(b, oob []byte, to esock.Addr) (n, oobn int, err error) {
	c = c.orClosed()
	m := msgs.Get().(*msg)
	defer m.free()
	m.bufs[0] = b
	m.Iov, m.Addr = m.bufs[:], to
	if len(oob) > 0 {
		if err := m.SetRawControl(oob); err != nil {
			return 0, 0, err
		}
	}
	if n, err = c.s.SendMsg(&m.Msg, 0, esock.Forever); err != nil {
		return n, 0, err
	}
	return n, len(oob), nil
}
