package datagram

import (
	"net/netip"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// Detail is something that the kernel tells of received datagrams. A set of them is their sum.
type Detail uint

const (
	DetailAddr  Detail = 1 << iota // Datagram.Dest, Local and Interface
	DetailTOS                      // Datagram.TOS and ECN
	DetailTTL                      // Datagram.TTL
	DetailTime                     // Datagram.Time
	DetailDrops                    // Datagram.Drops

	allDetails = 1<<iota - 1
)

// Details makes the kernel tell these things of received datagrams, by options of the socket: IP_PKTINFO, IP_RECVTOS,
// IP_RECVTTL and their twins of IPv6, SO_TIMESTAMPNS, SO_RXQ_OVFL.
func Details(d Detail) Option {
	return func(o *options) error {
		if d&^allDetails != 0 {
			return &esock.InvalidError{What: "details", Value: uint(d)}
		}
		o.details |= d
		return nil
	}
}

// describe sets the options of details.
func (b *Batch) describe(o *options) error {
	if o.details == 0 {
		return nil
	}
	v4, v6 := b.s.Domain() == esock.Inet, b.s.Domain() == esock.Inet6
	for _, x := range []struct {
		detail Detail
		fits   bool
		option sockopt.Option[bool]
	}{
		{DetailAddr, v4, sockopt.IPPktInfo},
		{DetailAddr, v6, sockopt.IPv6RecvPktInfo}, // of mapped IPv4, too
		{DetailTOS, v4 || v6, sockopt.IPRecvTOS},  // of mapped IPv4 on a socket of IPv6
		{DetailTOS, v6, sockopt.IPv6RecvTClass},
		{DetailTTL, v4 || v6, sockopt.IPRecvTTL},
		{DetailTTL, v6, sockopt.IPv6RecvHopLimit},
		{DetailTime, true, sockopt.SocketTimestampNS},
		{DetailDrops, true, sockopt.SocketRXQOvfl},
	} {
		switch {
		case o.details&x.detail == 0:
			continue
		case !v4 && !v6 && x.detail < DetailTime:
			return &esock.InvalidError{What: "details", Value: uint(x.detail), Cause: "the socket is neither inet nor inet6"}
		case !x.fits:
			continue
		}
		if err := x.option.Set(b.s, true); err != nil {
			return err
		}
	}
	return nil
}

// find returns the first control message of a kind.
func (d Datagram) find(is func(esock.ControlMessage) bool) (esock.ControlMessage, bool) {
	if d.b == nil {
		return esock.ControlMessage{}, false
	}
	return calls.FindControl(d.b.b, d.i, is)
}

// pktInfo returns what IP_PKTINFO and IPV6_PKTINFO say.
func (d Datagram) pktInfo() (dest, local netip.Addr, index int) {
	c, _ := d.find(isPktInfo)
	if v, ok := c.PktInfo6(); ok {
		dest, local, index = v.Addr, v.Addr, v.IfIndex
		if v.Addr.Unmap().IsMulticast() {
			local = netip.Addr{}
		}
	}
	if v, ok := c.PktInfo4(); ok {
		dest, local, index = v.Addr, v.SpecDst, v.IfIndex
	}
	return dest, local, index
}

func isPktInfo(c esock.ControlMessage) bool {
	_, v4 := c.PktInfo4()
	_, v6 := c.PktInfo6()
	return v4 || v6
}

// Dest returns the address that the datagram was sent to, which may be a group's or a broadcast address. It needs DetailAddr;
// not valid if it is not known.
func (d Datagram) Dest() netip.Addr {
	dest, _, _ := d.pktInfo()
	return dest
}

// Local returns the address of this host that an answer should come from: Dest, unless that is a group's or a broadcast
// address. On a socket of IPv6 it is not valid then. It needs DetailAddr; not valid if it is not known.
func (d Datagram) Local() netip.Addr {
	_, local, _ := d.pktInfo()
	return local
}

// Interface returns the index of the interface that the datagram has come in by. It needs DetailAddr; 0 if it is not known.
func (d Datagram) Interface() int {
	_, _, index := d.pktInfo()
	return index
}

// TOS returns the type of service, or IPv6's traffic class: DSCP and ECN, 0 to 255. It needs DetailTOS.
func (d Datagram) TOS() (int, bool) {
	c, ok := d.find(isTOS)
	if !ok {
		return 0, false
	}
	if v, ok := c.TOS(); ok {
		return v, true
	}
	return c.TClass()
}

func isTOS(c esock.ControlMessage) bool {
	_, v4 := c.TOS()
	_, v6 := c.TClass()
	return v4 || v6
}

// ECN returns the lower two bits of TOS: 0 not ECN-capable, 1 ECT(1), 2 ECT(0), 3 congestion experienced (RFC 3168).
func (d Datagram) ECN() (int, bool) {
	v, ok := d.TOS()
	return v & 3, ok
}

// TTL returns the time to live, or IPv6's hop limit. It needs DetailTTL.
func (d Datagram) TTL() (int, bool) {
	c, ok := d.find(isTTL)
	if !ok {
		return 0, false
	}
	if v, ok := c.TTL(); ok {
		return v, true
	}
	return c.HopLimit()
}

func isTTL(c esock.ControlMessage) bool {
	_, v4 := c.TTL()
	_, v6 := c.HopLimit()
	return v4 || v6
}

// Time returns when the kernel has received the datagram, or the first of a train, by its realtime clock. It needs DetailTime.
func (d Datagram) Time() (time.Time, bool) {
	c, _ := d.find(isTime)
	return c.Time()
}

func isTime(c esock.ControlMessage) bool {
	_, ok := c.Time()
	return ok
}

// Drops returns how many datagrams the socket has dropped until then because its buffer was full, modulo 2^32. It needs
// DetailDrops; the kernel does not say it before the first.
func (d Datagram) Drops() (uint32, bool) {
	c, _ := d.find(isDrops)
	return c.RxqOvfl()
}

func isDrops(c esock.ControlMessage) bool {
	_, ok := c.RxqOvfl()
	return ok
}
