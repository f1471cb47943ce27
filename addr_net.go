package esock

import (
	"net"
	"net/netip"
	"strings"
)

// NetAddr returns the address in package net's form: a *net.TCPAddr for the networks "tcp", "tcp4" and "tcp6", a *net.UDPAddr
// for "udp" and its kin, a *net.IPAddr for "ip", a *net.UnixAddr for "unix", "unixgram" and "unixpacket". If the address
// does not fit the network, and for other networks, it is a net.Addr with the network's name and the address's text.
func (a Addr) NetAddr(network string) net.Addr {
	family, _, _ := strings.Cut(network, ":") // "ip4:icmp"
	ap, isUnix := a.AddrPort(), a.Family() == Local && a.form == formKnown
	switch family {
	case "tcp", "tcp4", "tcp6":
		if ap.IsValid() {
			return tcpAddr(ap)
		}
	case "udp", "udp4", "udp6":
		if ap.IsValid() {
			return net.UDPAddrFromAddrPort(ap)
		}
	case "ip", "ip4", "ip6":
		if ap.IsValid() {
			return &net.IPAddr{IP: ap.Addr().AsSlice(), Zone: ap.Addr().Zone()}
		}
	case "unix", "unixgram", "unixpacket":
		if isUnix {
			name := a.Path()
			if strings.HasPrefix(name, "\x00") { // net writes abstract names with an at sign
				name = "@" + name[1:]
			}
			return &net.UnixAddr{Name: name, Net: network}
		}
	}
	return netAddr{network, a}
}

// tcpAddr is net.TCPAddrFromAddrPort in one allocation.
func tcpAddr(ap netip.AddrPort) *net.TCPAddr {
	if ip := ap.Addr(); ip.Is4() {
		t := &struct {
			net.TCPAddr
			b [4]byte
		}{b: ip.As4()}
		t.IP, t.Port = t.b[:], int(ap.Port())
		return &t.TCPAddr
	}
	t := &struct {
		net.TCPAddr
		b [16]byte
	}{b: ap.Addr().As16()}
	t.IP, t.Port, t.Zone = t.b[:], int(ap.Port()), ap.Addr().Zone()
	return &t.TCPAddr
}

// netAddr is an address that package net has no type for.
type netAddr struct {
	network string
	Addr
}

func (a netAddr) Network() string { return a.network }

// AddrFromNet converts an address of package net: TCP, UDP, IP or unix, or one that NetAddr returned. A zone stays a name.
// Errors: *InvalidError "sockaddr" for nil and for other types.
func AddrFromNet(a net.Addr) (Addr, error) {
	bad := func(cause string) (Addr, error) {
		return Addr{}, &InvalidError{What: "sockaddr", Cause: cause}
	}
	of := func(ip net.IP, zone string, port int) (Addr, error) {
		if len(ip) == 0 { // net's way to say any address
			return Addr{}, &InvalidError{What: "sockaddr", Value: a, Cause: "it has no IP address; Any is any"}
		}
		addr, ok := netip.AddrFromSlice(ip)
		if !ok || port < 0 || port > 1<<16-1 {
			return Addr{}, &InvalidError{What: "sockaddr", Value: a, Cause: "not an IP address and a port"}
		}
		r := AddrFrom(netip.AddrPortFrom(addr.Unmap().WithZone(zone), uint16(port)))
		return r, r.Err()
	}
	switch a := a.(type) {
	case nil:
		return bad("it is nil")
	case *net.TCPAddr:
		if a != nil {
			return of(a.IP, a.Zone, a.Port)
		}
	case *net.UDPAddr:
		if a != nil {
			return of(a.IP, a.Zone, a.Port)
		}
	case *net.IPAddr:
		if a != nil {
			return of(a.IP, a.Zone, 0)
		}
	case *net.UnixAddr:
		if a != nil {
			r := UnixAddr(a.Name)
			if strings.HasPrefix(a.Name, "@") {
				r = AbstractAddr(a.Name[1:])
			}
			return r, r.Err()
		}
	case netAddr:
		return a.Addr, nil
	default:
		return Addr{}, &InvalidError{What: "sockaddr", Value: a, Cause: "not an address of TCP, UDP, IP or unix"}
	}
	return bad("it is nil")
}
