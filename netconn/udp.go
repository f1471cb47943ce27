package netconn

import (
	"net"
	"net/netip"

	"github.com/esock-go/esock"
)

// UDPConn is a UDP socket: what *net.UDPConn is in package net.
type UDPConn struct{ packetConn }

var _ PacketConn = UDPConn{}

// ReadFrom receives a datagram, cut to b. The address is a *net.UDPAddr.
func (c UDPConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromUDP(b)
	if addr == nil {
		return n, nil, err
	}
	return n, addr, err
}

// ReadFromUDP is ReadFrom with the address's own type.
func (c UDPConn) ReadFromUDP(b []byte) (int, *net.UDPAddr, error) {
	n, from, err := c.recvFrom(b)
	if err != nil {
		return n, nil, err
	}
	return n, c.udpAddr(from), nil
}

func (c UDPConn) udpAddr(a esock.Addr) *net.UDPAddr {
	c.conn = c.orClosed()
	return net.UDPAddrFromAddrPort(named(c.s, a).AddrPort())
}

// ReadFromUDPAddrPort receives a datagram, cut to b, without an allocation. An inet6 socket has the addresses of IPv4 as
// ::ffff:a.b.c.d.
func (c UDPConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.conn = c.orClosed()
	n, from, err := c.recvFrom(b)
	if err != nil {
		return n, netip.AddrPort{}, err
	}
	return n, named(c.s, from).AddrPort(), nil
}

// ReadMsgUDP receives a datagram, cut to b, and its control messages as the kernel wrote them, cut to oob. flags has
// MSG_TRUNC and MSG_CTRUNC for what was cut. recvmsg(2).
func (c UDPConn) ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	n, oobn, flags, from, err := c.recvMsg(b, oob)
	if err == nil && !from.IsZero() {
		addr = c.udpAddr(from)
	}
	return n, oobn, flags, addr, err
}

// ReadMsgUDPAddrPort is ReadMsgUDP with the address as a value, and without an allocation.
func (c UDPConn) ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, addr netip.AddrPort, err error) {
	c.conn = c.orClosed()
	n, oobn, flags, from, err := c.recvMsg(b, oob)
	return n, oobn, flags, named(c.s, from).AddrPort(), err
}

// WriteTo sends b as a datagram to a *net.UDPAddr. Errors: net.ErrWriteToConnected; EINVAL for another type.
func (c UDPConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	a, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, c.notAn(addr)
	}
	return c.WriteToUDP(b, a)
}

// WriteToUDP is WriteTo with the address's own type.
func (c UDPConn) WriteToUDP(b []byte, addr *net.UDPAddr) (int, error) {
	c.conn = c.orClosed()
	to, err := c.to(addr)
	if err != nil {
		return 0, c.failedTo(opAddr(addr), "sendto", err)
	}
	n, err := c.s.SendTo(b, to, 0, esock.Forever)
	if err != nil {
		err = c.failedTo(addr, "sendto", err)
	}
	return n, err
}

// to is the destination in esock's form.
func (c UDPConn) to(addr *net.UDPAddr) (esock.Addr, error) {
	c.conn = c.orClosed()
	if c.peer != nil {
		return esock.Addr{}, net.ErrWriteToConnected
	}
	if addr == nil {
		return esock.Addr{}, errMissingAddress
	}
	return fromIP(c.s.Domain(), addr.IP, addr.Port, addr.Zone)
}

// toAddrPort is to for an address as a value.
func (c UDPConn) toAddrPort(addr netip.AddrPort) (esock.Addr, error) {
	c.conn = c.orClosed()
	if c.peer != nil {
		return esock.Addr{}, net.ErrWriteToConnected
	}
	if !addr.IsValid() {
		return esock.Addr{}, errMissingAddress
	}
	return inetAddr(c.s.Domain(), addr.Addr(), addr.Port())
}

// WriteToUDPAddrPort sends b as a datagram to addr, without an allocation.
func (c UDPConn) WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	c.conn = c.orClosed()
	to, err := c.toAddrPort(addr)
	if err != nil {
		return 0, c.failedTo(addrPort{addr}, "sendto", err)
	}
	n, err := c.s.SendTo(b, to, 0, esock.Forever)
	if err != nil {
		err = c.failedTo(addrPort{addr}, "sendto", err)
	}
	return n, err
}

// WriteMsgUDP sends b with control messages, which oob has as sendmsg(2) takes them. addr is nil on a connected socket.
func (c UDPConn) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	c.conn = c.orClosed()
	var to esock.Addr
	if c.peer == nil || addr != nil {
		to, err = c.to(addr)
	}
	if err == nil {
		n, oobn, err = c.sendMsg(b, oob, to)
	}
	if err != nil {
		err = c.failedTo(opAddr(addr), "sendmsg", refused(err))
	}
	return n, oobn, err
}

// WriteMsgUDPAddrPort is WriteMsgUDP with the address as a value, the zero one on a connected socket, and without an
// allocation.
func (c UDPConn) WriteMsgUDPAddrPort(b, oob []byte, addr netip.AddrPort) (n, oobn int, err error) {
	c.conn = c.orClosed()
	var to esock.Addr
	if c.peer == nil || addr.IsValid() {
		to, err = c.toAddrPort(addr)
	}
	if err == nil {
		n, oobn, err = c.sendMsg(b, oob, to)
	}
	if err != nil {
		err = c.failedTo(addrPort{addr}, "sendmsg", refused(err))
	}
	return n, oobn, err
}

// addrPort is a UDP address in an error.
type addrPort struct{ netip.AddrPort }

func (addrPort) Network() string { return "udp" }

// opAddr keeps a nil pointer out of an interface.
func opAddr(a *net.UDPAddr) net.Addr {
	if a == nil {
		return nil
	}
	return a
}
