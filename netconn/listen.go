package netconn

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// ListenConfig says how to listen. The zero value listens as package net does. A field that a network does not have is
// ignored: KeepAlive, FastOpen, DeferAccept and MPTCP are for TCP, ReusePort is not for unix, and Backlog is for listeners. A
// negative FastOpen, DeferAccept or Backlog is an *esock.InvalidError with its name.
type ListenConfig struct {
	// Control is called with each new socket before it is bound, nil for nothing; network is "tcp4", "udp6", "unix" or the
	// like.
	Control func(ctx context.Context, network, address string, s *esock.Socket) error

	// KeepAlive is how long an accepted TCP connection is idle before its first probe, 0 for 15 seconds; negative: no probes.
	// It has no effect if KeepAliveConfig has Enable. Values that Linux refuses have none: see Dialer.
	KeepAlive       time.Duration
	KeepAliveConfig net.KeepAliveConfig // probes in detail

	ReusePort bool // several sockets share the address, and the kernel spreads the load: SO_REUSEPORT
	// FastOpen is how many connections may wait with data in their first packet, 0 for none: TCP_FASTOPEN, RFC 7413. It has an
	// effect where bit 2 of net.ipv4.tcp_fastopen is set.
	FastOpen int

	// DeferAccept accepts a connection of TCP once data has come, or after that time; 0: at once. It counts whole seconds, which
	// the kernel rounds up to the steps in which it repeats its answer: 1, 3, 7 seconds and so on. TCP_DEFER_ACCEPT.
	DeferAccept time.Duration

	MPTCP      bool // TCP: take connections of MPTCP too, where the kernel has it; RFC 8684
	Backlog    int  // connections that wait for Accept; 0: as many as net.core.somaxconn allows
	Registered bool // the sockets are in the registry of package esock, and so are accepted ones

	OpenOptions []esock.OpenOption // for esock.Open: a network namespace, or a host of package esocktest; nil for none
}

// Listen listens as the zero ListenConfig does.
func Listen(network, address string) (net.Listener, error) {
	return ListenConfig{}.Listen(context.Background(), network, address)
}

// ListenPacket makes a socket for datagrams as the zero ListenConfig does.
func ListenPacket(network, address string) (net.PacketConn, error) {
	return ListenConfig{}.ListenPacket(context.Background(), network, address)
}

// Listen listens on an address of "tcp", "tcp4", "tcp6", "unix" or "unixpacket", written as for net.Listen. The result is a
// *Listener.
func (lc ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l, err := lc.listener(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (lc *ListenConfig) listener(ctx context.Context, network, address string) (*Listener, error) {
	s, n, addr, err := lc.bound(ctx, network, address, false)
	if err != nil {
		return nil, wrap("listen", network, nil, addr, err)
	}
	if err := lc.listen(n, s); err != nil {
		s.Close()
		return nil, wrap("listen", network, nil, addr, err)
	}
	l, err := newListener(s, network)
	if err != nil {
		s.Close()
		return nil, err
	}
	l.SetUnlinkOnClose(true)
	return l, nil
}

// ListenPacket makes a socket that receives datagrams on an address of "udp", "udp4", "udp6", "unixgram", or "ip", "ip4" or
// "ip6" with a protocol, as in "ip4:icmp" and "ip6:ipv6-icmp"; written as for net.ListenPacket. The result is a PacketConn: a
// *UDPConn, *UnixgramConn or *IPConn.
func (lc ListenConfig) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	s, n, addr, err := lc.bound(ctx, network, address, true)
	if err != nil {
		return nil, wrap("listen", network, nil, addr, err)
	}
	c, err := newConn(s, n.word)
	if err != nil {
		s.Close()
		return nil, err
	}
	return c.(PacketConn), nil
}

// bound opens a socket and binds it. The address is for errors.
func (lc *ListenConfig) bound(ctx context.Context, name, address string, packets bool) (*esock.Socket, network, net.Addr, error) {
	n, err := parseNetwork(name)
	if err == nil && ctx == nil {
		err = errNilContext
	}
	if err == nil {
		err = lc.invalid()
	}
	if err != nil {
		return nil, n, nil, err
	}
	found, err := n.resolve(ctx, net.DefaultResolver, address)
	if err != nil {
		return nil, n, nil, err
	}
	e := preferred(found)
	addr := n.netAddr(e)
	if packets != n.packets() {
		return nil, n, addr, &net.AddrError{Err: "unexpected address type", Addr: address}
	}
	wildcard := n.family != "unix" && (!e.ip.IsValid() || e.ip.IsUnspecified())
	if wildcard && n.only == 0 {
		// One socket for both families. A host without IPv6 refuses it.
		e.ip = endpoint{}.ip
		if s, err := lc.bind(ctx, n, esock.Inet6, e, address); err == nil || !lacksInet6(err) {
			return s, n, addr, err
		}
	}
	s, err := lc.bind(ctx, n, n.domain(e), e, address)
	return s, n, addr, err
}

// invalid is the error of a value that means nothing.
func (lc *ListenConfig) invalid() error {
	for _, field := range []struct {
		name  string
		value any
		bad   bool
	}{
		{"FastOpen", lc.FastOpen, lc.FastOpen < 0}, {"Backlog", lc.Backlog, lc.Backlog < 0}, {"DeferAccept", lc.DeferAccept, lc.DeferAccept < 0},
	} {
		if field.bad {
			return &esock.InvalidError{What: field.name, Value: field.value, Cause: "it is negative"}
		}
	}
	return nil
}

// preferred is the address to listen on: as in package net, the first of IPv4, or else the first.
func preferred(found []endpoint) endpoint {
	for _, e := range found {
		if e.ip.Is4() {
			return e
		}
	}
	return found[0]
}

func lacksInet6(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// bind opens a socket of the domain for the endpoint.
func (lc *ListenConfig) bind(ctx context.Context, n network, d esock.Domain, e endpoint, address string) (_ *esock.Socket, err error) {
	s, err := n.open(d, lc.MPTCP, lc.Registered, lc.OpenOptions)
	if err != nil {
		return nil, reason("socket", err)
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	group := n.family == "udp" && e.ip.IsMulticast()
	if err := lc.prepare(n, s, d, group); err != nil {
		return nil, reason("setsockopt", err)
	}
	if lc.Control != nil {
		if err := lc.Control(ctx, controlNetwork(n, d), address, s); err != nil {
			return nil, err
		}
	}
	if group {
		e.ip = endpoint{}.ip // so that several sockets join several groups on one port
	}
	if err := s.Bind(e.addr(d)); err != nil {
		return nil, reason("bind", err)
	}
	return s, nil
}

// prepare sets the options that must be set before the socket is bound.
func (lc *ListenConfig) prepare(n network, s *esock.Socket, d esock.Domain, group bool) error {
	if d == esock.Inet6 && n.family != "ip" {
		if err := sockopt.IPv6V6Only.Set(s, n.only == '6'); err != nil {
			return err
		}
	}
	switch {
	case n.family == "tcp" || group:
		if err := sockopt.SocketReuseAddr.Set(s, true); err != nil {
			return err
		}
	case n.family == "udp", n.family == "ip":
		if err := sockopt.SocketBroadcast.Set(s, true); err != nil {
			return err
		}
	}
	if lc.ReusePort && n.family != "unix" {
		return sockopt.SocketReusePort.Set(s, true)
	}
	return nil
}

// listen sets the options of a listener, which accepted connections inherit, and listens.
func (lc *ListenConfig) listen(n network, s *esock.Socket) error {
	if n.family == "tcp" {
		if err := lc.prepareTCP(s); err != nil {
			return reason("setsockopt", err)
		}
	}
	backlog := lc.Backlog
	if backlog <= 0 {
		backlog = 1<<16 - 1 // the kernel takes net.core.somaxconn if that is less
	}
	if err := s.Listen(backlog); err != nil {
		return reason("listen", err)
	}
	return nil
}

func (lc *ListenConfig) prepareTCP(s *esock.Socket) error {
	inheritable(s, keepAlive(lc.KeepAlive, lc.KeepAliveConfig))
	if lc.FastOpen > 0 {
		if err := sockopt.TCPFastOpen.Set(s, lc.FastOpen); err != nil {
			return err
		}
	}
	if lc.DeferAccept > 0 {
		return sockopt.TCPDeferAccept.Set(s, int((lc.DeferAccept+time.Second-1)/time.Second))
	}
	return nil
}

// inheritable sets what accepted connections of TCP have. As in package net, they do without what the kernel refuses here.
func inheritable(s *esock.Socket, cfg net.KeepAliveConfig) {
	sockopt.TCPNoDelay.Set(s, true)
	if cfg.Enable {
		setKeepAlive(s, cfg)
	}
}

// controlNetwork is the network with the family, as net's Control functions get it.
func controlNetwork(n network, d esock.Domain) string {
	switch {
	case n.family == "unix":
		return n.name
	case d == esock.Inet6:
		return n.family + "6"
	}
	return n.family + "4"
}

func lacksMPTCP(err error) bool {
	return errors.Is(err, syscall.EPROTONOSUPPORT) || errors.Is(err, syscall.ENOPROTOOPT) || errors.Is(err, syscall.EINVAL) ||
		errors.Is(err, os.ErrPermission)
}
