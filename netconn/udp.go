package netconn

import (
	"net"
	"net/netip"

	"github.com/esock-go/esock"
)

// UDPConn is a UDP socket: what *net.UDPConn is in package net.
type UDPConn struct{ packetConn }

var _ PacketConn = (*UDPConn)(nil)

// ReadFrom receives a datagram, cut to b. The address is a *net.UDPAddr.
func (c *UDPConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromUDP(b)
	if addr == nil {
		return n, nil, err
	}
	return n, addr, err
}

// ReadFromUDP is ReadFrom with the address's own type.
func (c *UDPConn) ReadFromUDP(b []byte) (int, *net.UDPAddr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, udpAddr(from), nil
}

// udpAddr is a's form of package net, made in one allocation.
func udpAddr(a netip.AddrPort) *net.UDPAddr {
	u := &struct {
		net.UDPAddr
		ip [16]byte
	}{}
	u.Port = int(a.Port())
	switch ip := a.Addr(); {
	case ip.Is4():
		*(*[4]byte)(u.ip[:]) = ip.As4()
		u.IP = u.ip[:4:4]
	case ip.Is6():
		u.ip = ip.As16()
		u.IP, u.Zone = u.ip[:], ip.Zone()
	}
	return &u.UDPAddr
}

// ReadFromUDPAddrPort receives a datagram, cut to b, without an allocation. An inet6 socket has the addresses of IPv4 as
// ::ffff:a.b.c.d.
func (c *UDPConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	c = c.orClosed()
	n, from, scope, err := calls.RecvInet(c.s, orOne(b))
	if err != nil {
		return n, netip.AddrPort{}, c.failed("read", "recvfrom", err)
	}
	if scope != 0 {
		from = c.zoned(from, scope)
	}
	return min(n, len(b)), from, nil
}

// zoned is the address with its zone.
func (c *UDPConn) zoned(a netip.AddrPort, scope uint32) netip.AddrPort {
	return c.s.NameZone(esock.Inet6Addr(a.Addr(), a.Port(), scope)).AddrPort()
}

// ReadMsgUDP receives a datagram, cut to b, and its control messages as the kernel wrote them, cut to oob. flags has
// MSG_TRUNC and MSG_CTRUNC for what was cut. recvmsg(2).
func (c *UDPConn) ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	n, oobn, flags, from, err := c.ReadMsgUDPAddrPort(b, oob)
	if from.IsValid() {
		addr = udpAddr(from)
	}
	return n, oobn, flags, addr, err
}

// ReadMsgUDPAddrPort is ReadMsgUDP with the address as a value, and without an allocation.
func (c *UDPConn) ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, addr netip.AddrPort, err error) {
	c = c.orClosed()
	n, oobn, f, addr, scope, err := calls.RecvRawInet(c.s, orOne(b), oob)
	if err != nil {
		return 0, 0, 0, netip.AddrPort{}, c.failed("read", "recvmsg", err)
	}
	if scope != 0 {
		addr = c.zoned(addr, scope)
	}
	n, flags = fitted(n, b, f)
	return n, oobn, flags, addr, nil
}

// WriteTo sends b as a datagram to a *net.UDPAddr. Errors: net.ErrWriteToConnected; EINVAL for another type.
func (c *UDPConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	c = c.orClosed()
	a, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, c.notAn(addr)
	}
	return c.WriteToUDP(b, a)
}

// WriteToUDP is WriteTo with the address's own type.
func (c *UDPConn) WriteToUDP(b []byte, addr *net.UDPAddr) (int, error) {
	c = c.orClosed()
	if to, ok := c.direct(addr); ok {
		n, err := calls.SendInet(c.s, b, to)
		if err != nil {
			err = c.failedTo(addr, "sendto", err)
		}
		return n, err
	}
	to, err := c.to(addr)
	if err != nil {
		return 0, c.failedTo(opAddr(addr), "sendto", err)
	}
	return c.sendTo(b, to, addr)
}

// direct is the destination as a value, if the socket can send to it as it is.
func (c *UDPConn) direct(addr *net.UDPAddr) (to netip.AddrPort, ok bool) {
	if addr == nil || addr.Zone != "" || addr.Port < 0 || addr.Port > 1<<16-1 {
		return to, false
	}
	ip := addr.IP
	if c.s.Domain() == esock.Inet {
		if ip = ip.To4(); ip == nil {
			return to, false
		}
	} else if len(ip) != net.IPv6len || ip.Equal(net.IPv4zero) {
		return to, false
	}
	a, _ := netip.AddrFromSlice(ip)
	return c.directPort(netip.AddrPortFrom(a, uint16(addr.Port)))
}

// directPort is direct for an address as a value.
func (c *UDPConn) directPort(to netip.AddrPort) (netip.AddrPort, bool) {
	ip := to.Addr()
	return to, c.peer == nil && (ip.Is4() && c.s.Domain() == esock.Inet ||
		ip.Is6() && c.s.Domain() == esock.Inet6 && ip.Zone() == "")
}

// to is the destination in esock's form.
func (c *UDPConn) to(addr *net.UDPAddr) (esock.Addr, error) {
	c = c.orClosed()
	if c.peer != nil {
		return esock.Addr{}, net.ErrWriteToConnected
	}
	if addr == nil {
		return esock.Addr{}, errMissingAddress
	}
	return fromIP(c.s.Domain(), addr.IP, addr.Port, addr.Zone)
}

// toAddrPort is to for an address as a value.
func (c *UDPConn) toAddrPort(addr netip.AddrPort) (esock.Addr, error) {
	c = c.orClosed()
	if c.peer != nil {
		return esock.Addr{}, net.ErrWriteToConnected
	}
	if !addr.IsValid() {
		return esock.Addr{}, errMissingAddress
	}
	return inetAddr(c.s.Domain(), addr.Addr(), addr.Port())
}

// WriteToUDPAddrPort sends b as a datagram to addr, without an allocation.
func (c *UDPConn) WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	c = c.orClosed()
	if to, ok := c.directPort(addr); ok {
		n, err := calls.SendInet(c.s, b, to)
		if err != nil {
			err = c.failedTo(addrPort{addr}, "sendto", err)
		}
		return n, err
	}
	to, err := c.toAddrPort(addr)
	if err != nil {
		return 0, c.failedTo(addrPort{addr}, "sendto", err)
	}
	return c.sendTo(b, to, addrPort{addr})
}

// WriteMsgUDP sends b with control messages, which oob has as sendmsg(2) takes them. addr is nil on a connected socket.
func (c *UDPConn) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	c = c.orClosed()
	if to, ok := c.direct(addr); ok {
		n, err = calls.SendRawInet(c.s, b, oob, to)
		return c.sentMsg(n, oob, opAddr(addr), err)
	}
	var to esock.Addr
	if c.peer == nil || addr != nil {
		to, err = c.to(addr)
	}
	if err == nil {
		n, err = calls.SendRaw(c.s, b, oob, to)
	}
	return c.sentMsg(n, oob, opAddr(addr), err)
}

// WriteMsgUDPAddrPort is WriteMsgUDP with the address as a value, the zero one on a connected socket, and without an
// allocation.
func (c *UDPConn) WriteMsgUDPAddrPort(b, oob []byte, addr netip.AddrPort) (n, oobn int, err error) {
	c = c.orClosed()
	to, ok := c.directPort(addr)
	if ok {
		if n, err = calls.SendRawInet(c.s, b, oob, to); err == nil {
			return n, len(oob), nil
		}
	} else {
		var to esock.Addr
		if c.peer == nil || addr.IsValid() {
			to, err = c.toAddrPort(addr)
		}
		if err == nil {
			n, err = calls.SendRaw(c.s, b, oob, to)
		}
	}
	return c.sentMsg(n, oob, addrPort{addr}, err)
}

// sentMsg is the result of a message sent to addr.
func (c *UDPConn) sentMsg(n int, oob []byte, addr net.Addr, err error) (int, int, error) {
	if err != nil {
		return n, 0, c.failedTo(addr, "sendmsg", refused(err))
	}
	return n, len(oob), nil
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
