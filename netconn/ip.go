package netconn

import (
	"net"

	"github.com/esock-go/esock"
)

// IPConn is a raw IP socket: what *net.IPConn is in package net for the networks "ip4:icmp", "ip:89" and the like. To open
// one takes CAP_NET_RAW; raw(7). A packet of IPv4 comes with its header, which only ReadFrom and ReadFromIP take off.
type IPConn struct{ packetConn }

var _ PacketConn = (*IPConn)(nil)

// ReadFrom receives a packet, cut to b, without the header of IPv4. The address is a *net.IPAddr.
func (c *IPConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromIP(b)
	if addr == nil {
		return n, nil, err
	}
	return n, addr, err
}

// ReadFromIP is ReadFrom with the address's own type.
func (c *IPConn) ReadFromIP(b []byte) (int, *net.IPAddr, error) {
	c = c.orClosed()
	n, from, err := c.recvFrom(b)
	if err != nil {
		return n, nil, err
	}
	if from.Family() == esock.Inet {
		n = withoutHeader(b, n)
	}
	return n, c.ipAddr(from), nil
}

// withoutHeader moves the data of an IPv4 packet of n bytes to the start of b, and returns how many bytes they are. What
// has no whole header stays as it is.
func withoutHeader(b []byte, n int) int {
	const smallest = 20
	if n < smallest || b[0]>>4 != 4 {
		return n
	}
	size := int(b[0]&0xf) * 4
	if size < smallest || size > n {
		return n
	}
	return copy(b, b[size:n])
}

// ipAddr is an address in net's form, nil for none.
func (c *IPConn) ipAddr(a esock.Addr) *net.IPAddr {
	c = c.orClosed()
	if a.IsZero() {
		return nil
	}
	ip := named(c.s, a).AddrPort().Addr()
	return &net.IPAddr{IP: ip.AsSlice(), Zone: ip.Zone()}
}

// ReadMsgIP receives a packet, cut to b and with the header of IPv4, and its control messages as the kernel wrote them, cut
// to oob. flags has MSG_TRUNC and MSG_CTRUNC for what was cut. recvmsg(2).
func (c *IPConn) ReadMsgIP(b, oob []byte) (n, oobn, flags int, addr *net.IPAddr, err error) {
	c = c.orClosed()
	n, oobn, flags, from, err := c.recvMsg(b, oob)
	return n, oobn, flags, c.ipAddr(from), err
}

// WriteTo sends b as the data of a packet to a *net.IPAddr. Errors: net.ErrWriteToConnected; EINVAL for another type.
func (c *IPConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	c = c.orClosed()
	a, ok := addr.(*net.IPAddr)
	if !ok {
		return 0, c.notAn(addr)
	}
	return c.WriteToIP(b, a)
}

// WriteToIP is WriteTo with the address's own type.
func (c *IPConn) WriteToIP(b []byte, addr *net.IPAddr) (int, error) {
	c = c.orClosed()
	to, err := c.to(addr)
	if err != nil {
		return 0, c.failedTo(opIP(addr), "sendto", err)
	}
	return c.sendTo(b, to, addr)
}

// WriteMsgIP sends b with control messages, which oob has as sendmsg(2) takes them. It is not for a connected socket.
func (c *IPConn) WriteMsgIP(b, oob []byte, addr *net.IPAddr) (n, oobn int, err error) {
	c = c.orClosed()
	to, err := c.to(addr)
	if err == nil {
		n, oobn, err = c.sendMsg(b, oob, to)
	}
	if err != nil {
		err = c.failedTo(opIP(addr), "sendmsg", refused(err))
	}
	return n, oobn, err
}

// to is the destination in esock's form.
func (c *IPConn) to(addr *net.IPAddr) (esock.Addr, error) {
	c = c.orClosed()
	if c.peer != nil {
		return esock.Addr{}, net.ErrWriteToConnected
	}
	if addr == nil {
		return esock.Addr{}, errMissingAddress
	}
	return fromIP(c.s.Domain(), addr.IP, 0, addr.Zone)
}

// opIP keeps a nil pointer out of an interface.
func opIP(a *net.IPAddr) net.Addr {
	if a == nil {
		return nil
	}
	return a
}
