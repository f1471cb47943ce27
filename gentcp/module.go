package gentcp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"

	"github.com/esock-go/esock"
)

// Module is the value of option tcp_module: an address family, and how its hosts are found and its sockets connect and
// listen. InetTCP, Inet6TCP and LocalTCP are OTP's. To change a part of one, embed it in a type with methods of its own.
//
// Connect and Listen make the socket, set its options, and hand it to the module; afterwards it is theirs again, so a module
// keeps neither the socket nor the slices, and does not change the owner. Errors of a module are the Reason of the Error that
// they return. A module is used by several goroutines at once, with no lock held. Should it panic, the socket is closed.
type Module interface {
	// Family is Inet, Inet6 or Local.
	Family() esock.Domain
	// Resolve returns the addresses of a host, all of the family, in the order in which Connect tries them. ctx ends with the
	// wait of Connect. ErrNXDomain: there are none. OTP: getaddrs/2.
	Resolve(ctx context.Context, host string, port uint16) ([]esock.Addr, error)
	// Connect binds a socket, unless local is the zero Addr, and connects it. After a syscall.Errno other than EINVAL the next
	// address is tried, with a new socket. OTP: connect/4.
	Connect(s *esock.Socket, local, to esock.Addr, w esock.Wait) error
	// Listen binds a socket, unless local is the zero Addr, and makes it listen. OTP: listen/2.
	Listen(s *esock.Socket, local esock.Addr, backlog int) error
}

// The modules of OTP. Resolve looks names up in the family of the module; "any" and "loopback" are names, too. A path needs no
// resolving, so that of LocalTCP returns ErrBadArg.
var (
	InetTCP  Module = module{"inet_tcp", esock.Inet}
	Inet6TCP Module = module{"inet6_tcp", esock.Inet6}
	LocalTCP Module = module{"local_tcp", esock.Local}
)

// moduleOf returns the module of a family.
func moduleOf(d esock.Domain) Module {
	switch d {
	case esock.Inet6:
		return Inet6TCP
	case esock.Local:
		return LocalTCP
	}
	return InetTCP
}

// module is a module of OTP.
type module struct {
	name   string
	family esock.Domain
}

func (m module) String() string { return m.name }

func (m module) Family() esock.Domain { return m.family }

func (m module) Connect(s *esock.Socket, local, to esock.Addr, w esock.Wait) error {
	if local != (esock.Addr{}) {
		if err := s.Bind(local); err != nil {
			return err
		}
	}
	return s.Connect(to, w)
}

func (m module) Listen(s *esock.Socket, local esock.Addr, backlog int) error {
	if local != (esock.Addr{}) {
		if err := s.Bind(local); err != nil {
			return err
		}
	}
	return s.Listen(backlog)
}

func (m module) Resolve(ctx context.Context, host string, port uint16) ([]esock.Addr, error) {
	ip, err := netip.ParseAddr(host)
	switch {
	case m.family == esock.Local:
		return nil, &badArgument{"address", host, "a local socket connects to a path: ConnectAddr"}
	case host == "any" && m.family == esock.Inet6:
		ip, err = netip.IPv6Unspecified(), nil
	case host == "any":
		ip, err = netip.IPv4Unspecified(), nil
	case host == "loopback" && m.family == esock.Inet6:
		ip, err = netip.IPv6Loopback(), nil
	case host == "loopback":
		ip, err = netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	switch {
	case err != nil:
	case m.family == esock.Inet && !ip.Is4():
		return nil, ErrNXDomain
	default:
		return []esock.Addr{m.destination(ip, port)}, nil
	}
	if ctx == nil {
		return nil, &badArgument{"context", nil, "it is nil"}
	}
	network := "ip4"
	if m.family == esock.Inet6 {
		network = "ip6"
	}
	ips, err := lookUpHost(ctx, network, host)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound || errors.As(err, new(*net.AddrError)) {
			return nil, ErrNXDomain
		}
		return nil, err
	}
	addrs := make([]esock.Addr, 0, len(ips))
	for _, ip := range ips {
		addrs = append(addrs, m.destination(ip, port))
	}
	return addrs, nil
}

// destination converts an address to the family of the module: IPv4 to mapped IPv6, and back.
func (m module) destination(ip netip.Addr, port uint16) esock.Addr {
	switch {
	case m.family == esock.Inet:
		return esock.Inet4Addr(ip, port)
	case ip.Is4():
		return esock.Inet6Addr(ip, port, 0)
	}
	return inetAddr(ip, int(port))
}

// lookUpHost is the resolver. Tests replace it.
var lookUpHost = func(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, network, host)
}

// TCPModule sets the module of a socket, and so its family, like a family word: of several the first counts. By name there
// are "inet_tcp", "inet6_tcp" and "local_tcp". OTP: {tcp_module, Module}.
func TCPModule(m Module) Option { return Option{name: "tcp_module", value: m} }

// checkModule accepts a module, or the name of one of OTP's.
func checkModule(v any) (any, string) {
	switch v := v.(type) {
	case string:
		for _, m := range []Module{InetTCP, Inet6TCP, LocalTCP} {
			if m.(module).name == v {
				return m, ""
			}
		}
	case Module:
		if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && p.IsNil() {
			return nil, "it is nil"
		}
		switch d := v.Family(); d {
		case esock.Inet, esock.Inet6, esock.Local:
			return v, ""
		default:
			return nil, "its family is " + d.String() + ", and not inet, inet6 or local"
		}
	}
	return nil, "it takes a Module, or inet_tcp, inet6_tcp or local_tcp"
}
