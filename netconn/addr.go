package netconn

import (
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/esock-go/esock"
)

// networkOf is net's word for a socket.
func networkOf(s *esock.Socket) string {
	switch s.Domain() {
	case esock.Inet, esock.Inet6:
		switch {
		case s.Type() == esock.Stream && (s.Protocol() == esock.TCP || s.Protocol() == esock.MPTCP):
			return "tcp"
		case s.Type() == esock.Dgram && s.Protocol() == esock.UDP:
			return "udp"
		case s.Type() == esock.Raw:
			return "ip"
		}
		return s.Protocol().String()
	case esock.Local:
		switch s.Type() {
		case esock.Dgram:
			return "unixgram"
		case esock.SeqPacket:
			return "unixpacket"
		}
		return "unix"
	}
	return s.Domain().String()
}

// netAddr is an address of the socket in net's form. nil stands for none.
func netAddr(s *esock.Socket, a esock.Addr, network string) net.Addr {
	if a.IsZero() {
		return nil
	}
	if a.Family() == esock.Local {
		return unixAddr(a, network)
	}
	return named(s, a).NetAddr(network)
}

// unixAddr writes abstract names and the unnamed address as package net does.
func unixAddr(a esock.Addr, network string) *net.UnixAddr {
	name := a.Path()
	if name == "" {
		name = "@"
	} else if name[0] == 0 {
		name = "@" + name[1:]
	}
	return &net.UnixAddr{Name: name, Net: network}
}

// fromUnix is the opposite of unixAddr.
func fromUnix(a *net.UnixAddr) esock.Addr {
	if name, abstract := strings.CutPrefix(a.Name, "@"); abstract {
		return esock.AbstractAddr(name)
	}
	return esock.UnixAddr(a.Name)
}

// named gives a link-local address the name of its interface.
func named(s *esock.Socket, a esock.Addr) esock.Addr {
	if a.ScopeID() != 0 {
		return s.NameZone(a)
	}
	return a
}

// inetAddr is the address as a socket of the domain takes it: an inet6 socket reaches IPv4 by ::ffff:a.b.c.d.
func inetAddr(d esock.Domain, ip netip.Addr, port uint16) (esock.Addr, error) {
	if d == esock.Inet {
		if !ip.Is4() {
			return esock.Addr{}, &net.AddrError{Err: errNotInet4, Addr: ip.String()}
		}
		return esock.Inet4Addr(ip, port), nil
	}
	if zone := ip.Zone(); zone != "" {
		return esock.Inet6Addr(ip.WithZone(""), port, 0).WithZone(zone), nil
	}
	return esock.Inet6Addr(ip, port, 0), nil
}

// fromIP is inetAddr for the parts of net's addresses, in which no bytes stand for any address.
func fromIP(d esock.Domain, ip net.IP, port int, zone string) (esock.Addr, error) {
	if port < 0 || port > 1<<16-1 {
		return esock.Addr{}, syscall.EINVAL
	}
	if len(ip) == 0 || d == esock.Inet6 && ip.Equal(net.IPv4zero) {
		if d == esock.Inet {
			return inetAddr(d, netip.IPv4Unspecified(), uint16(port))
		}
		return inetAddr(d, netip.IPv6Unspecified().WithZone(zone), uint16(port))
	}
	a, ok := netip.AddrFromSlice(ip)
	switch {
	case !ok && d == esock.Inet6:
		return esock.Addr{}, &net.AddrError{Err: errNotInet6, Addr: ip.String()}
	case !ok:
		return esock.Addr{}, &net.AddrError{Err: errNotInet4, Addr: ip.String()}
	case d == esock.Inet:
		a = a.Unmap()
	case a.Is6() && !a.Is4In6():
		a = a.WithZone(zone)
	}
	return inetAddr(d, a, uint16(port))
}
