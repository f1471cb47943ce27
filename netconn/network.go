package netconn

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/esock-go/esock"
)

// network is what a word of package net stands for.
type network struct {
	name   string
	word   string // net's word for it in a connection: the name without the protocol
	family string // "tcp", "udp", "ip" or "unix"
	only   byte   // '4', '6', or 0 for both
	typ    esock.Type
	proto  esock.Protocol
}

func parseNetwork(name string) (network, error) {
	word, proto, raw := cutLast(name, ':')
	n := network{name: name, word: word, family: word, typ: esock.Stream}
	if raw != (word == "ip" || word == "ip4" || word == "ip6") {
		return n, net.UnknownNetworkError(name)
	}
	switch word {
	case "tcp":
		n.proto = esock.TCP
	case "tcp4", "tcp6":
		n.family, n.only, n.proto = "tcp", name[3], esock.TCP
	case "unix":
	case "udp":
		n.typ = esock.Dgram
	case "udp4", "udp6":
		n.family, n.only, n.typ = "udp", name[3], esock.Dgram
	case "unixgram":
		n.family, n.typ = "unix", esock.Dgram
	case "unixpacket":
		n.family, n.typ = "unix", esock.SeqPacket
	case "ip", "ip4", "ip6":
		p, err := esock.ParseProtocol(strings.ToLower(proto))
		if err != nil || p < 0 {
			return n, &net.AddrError{Err: "unknown IP protocol specified", Addr: proto}
		}
		n.family, n.typ, n.proto = "ip", esock.Raw, p
		if word != "ip" {
			n.only = word[2]
		}
	default:
		return n, net.UnknownNetworkError(name)
	}
	return n, nil
}

// cutLast cuts s around the last sep.
func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// packets reports whether sockets of the network receive datagrams and do not listen.
func (n network) packets() bool { return n.typ == esock.Dgram || n.typ == esock.Raw }

const errNoSuitableAddress = "no suitable address found"

// endpoint is an address to dial or to listen on.
type endpoint struct {
	ip   netip.Addr // not valid: any
	port uint16
	path string // of unix
	bad  error  // why it is none
}

// resolve returns the endpoints of an address, in the order of preference.
func (n network) resolve(ctx context.Context, r *net.Resolver, address string) ([]endpoint, error) {
	if n.family == "unix" {
		return []endpoint{{path: address}}, nil
	}
	if address == "" {
		return []endpoint{{}}, nil
	}
	host, port := address, 0
	if n.family != "ip" {
		h, service, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if port, err = r.LookupPort(ctx, n.name, service); err != nil {
			return nil, err
		}
		host = h
	}
	if host == "" {
		return []endpoint{{port: uint16(port)}}, nil
	}
	var ips []netip.Addr
	if ip, err := netip.ParseAddr(host); err == nil {
		ips = []netip.Addr{ip}
	} else if ips, err = r.LookupNetIP(ctx, n.lookup(), host); err != nil {
		return nil, err
	}
	var found []endpoint
	for _, ip := range ips {
		ip = ip.Unmap()
		if n.takes(ip) {
			found = append(found, endpoint{ip: ip, port: uint16(port)})
		}
	}
	if len(found) == 0 {
		return nil, &net.AddrError{Err: errNoSuitableAddress, Addr: host}
	}
	return found, nil
}

// lookup is the network to look a name up in.
func (n network) lookup() string {
	if n.only == 0 {
		return "ip"
	}
	return "ip" + string(n.only)
}

// takes reports whether the network has the address.
func (n network) takes(ip netip.Addr) bool {
	return n.only == 0 || n.only == '4' && ip.Is4() || n.only == '6' && ip.Is6()
}

// domain is that of a socket for the endpoint.
func (n network) domain(e endpoint) esock.Domain {
	switch {
	case n.family == "unix":
		return esock.Local
	case n.only == '6', e.ip.Is6():
		return esock.Inet6
	}
	return esock.Inet
}

// addr is the endpoint as an address of a socket of the domain.
func (e endpoint) addr(d esock.Domain) esock.Addr {
	if d == esock.Local {
		if name, abstract := strings.CutPrefix(e.path, "@"); abstract {
			return esock.AbstractAddr(name)
		}
		return esock.UnixAddr(e.path)
	}
	ip := e.ip
	if !ip.IsValid() {
		ip = netip.IPv4Unspecified()
		if d == esock.Inet6 {
			ip = netip.IPv6Unspecified()
		}
	}
	if a, err := inetAddr(d, ip, e.port); err == nil {
		return a
	}
	return esock.AddrFrom(netip.AddrPortFrom(ip, e.port))
}

// netAddr is the endpoint in net's form, for errors.
func (n network) netAddr(e endpoint) net.Addr {
	if n.family == "unix" {
		return &net.UnixAddr{Name: e.path, Net: n.name}
	}
	ip := net.IP(e.ip.AsSlice()).To16() // the long form, as net's resolver has it
	switch n.family {
	case "udp":
		return &net.UDPAddr{IP: ip, Port: int(e.port), Zone: e.ip.Zone()}
	case "ip":
		return &net.IPAddr{IP: ip, Zone: e.ip.Zone()}
	}
	return &net.TCPAddr{IP: ip, Port: int(e.port), Zone: e.ip.Zone()}
}

// local is the endpoint of an address to bind to, which is of package net and must be of the network; nil stands for none.
// Package net's own checks are these, and a port that does not fit is the error of the bind.
func (n network) local(a net.Addr) (*endpoint, error) {
	var ip net.IP
	var port int
	var zone string
	switch a := a.(type) {
	case *net.UnixAddr:
		if a == nil && n.family == "unix" {
			return nil, nil
		}
		if a != nil && a.Net == n.name {
			return &endpoint{path: a.Name}, nil
		}
		return nil, mismatched(a)
	case *net.TCPAddr:
		if n.family != "tcp" {
			return nil, mismatched(a)
		}
		if a == nil {
			return nil, nil
		}
		ip, port, zone = a.IP, a.Port, a.Zone
	case *net.UDPAddr:
		if n.family != "udp" {
			return nil, mismatched(a)
		}
		if a == nil {
			return nil, nil
		}
		ip, port, zone = a.IP, a.Port, a.Zone
	case *net.IPAddr:
		if n.family != "ip" {
			return nil, mismatched(a)
		}
		if a == nil {
			return nil, nil
		}
		ip, zone = a.IP, a.Zone
	default:
		return nil, mismatched(a)
	}
	e := &endpoint{port: uint16(port)}
	if port != int(e.port) {
		e.bad = syscall.EINVAL
	}
	if len(ip) > 0 {
		v, ok := netip.AddrFromSlice(ip)
		if !ok {
			return nil, unsuitable(a)
		}
		e.ip = v.Unmap().WithZone(zone)
	}
	return e, nil
}

func mismatched(a net.Addr) error {
	return &net.AddrError{Err: "mismatched local address type", Addr: a.String()}
}

func unsuitable(local net.Addr) error {
	return &net.AddrError{Err: errNoSuitableAddress, Addr: local.String()}
}

// open opens a socket for the network.
func (n network) open(d esock.Domain, mptcp, registered bool, opts []esock.OpenOption) (*esock.Socket, error) {
	open := calls.Open
	if len(opts) > 0 {
		open = func(d esock.Domain, t esock.Type, p esock.Protocol, registered bool) (*esock.Socket, error) {
			return esock.Open(d, t, p, append([]esock.OpenOption{esock.Registered(registered)}, opts...)...)
		}
	}
	if n.family == "tcp" && mptcp {
		s, err := open(d, esock.Stream, esock.MPTCP, registered)
		if err == nil || !lacksMPTCP(err) {
			return s, err
		}
	}
	return open(d, n.typ, n.proto, registered)
}
