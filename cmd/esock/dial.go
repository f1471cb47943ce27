package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// why returns the reason inside an error of gentcp: which socket it was needs no mention here.
func why(err error) error {
	var e *gentcp.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return err
}

// listenError says why the command cannot listen on the address of --addr.
func listenError(addr string, err error) error {
	return fmt.Errorf("cannot listen on %s: %w", addr, why(err))
}

// dial connects to a host, by its address or its name, which may have addresses of either family, and to a port, by its
// number or name.
func dial(ctx context.Context, host, port string, opts ...gentcp.Option) (*gentcp.Socket, error) {
	return dialFamily(ctx, "ip", host, port, opts...)
}

// dialFamily is dial with the addresses of a network: ip4, ip6, or ip for both. Those of IPv4 are tried first.
func dialFamily(ctx context.Context, network, host, port string, opts ...gentcp.Option) (*gentcp.Socket, error) {
	number, err := portOf("tcp", port)
	if err != nil {
		return nil, err
	}
	host = withoutBrackets(host)
	switch {
	case number == 0:
		return nil, usagef("port 0 cannot be connected to")
	case host == "":
		return nil, usagef("the name of the host is empty")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if _, err := addrOf(host, ip, number); err != nil {
			return nil, err
		}
	}
	var first error
	for _, family := range familiesOf(network, host) {
		s, err := gentcp.Connect(nil, host, number, esock.Context(ctx), append(opts[:len(opts):len(opts)], family)...)
		if err == nil {
			return s, nil
		}
		if first == nil || errors.Is(first, gentcp.ErrNXDomain) && !errors.Is(err, gentcp.ErrNXDomain) {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("cannot connect to %s: %w", net.JoinHostPort(host, port), hostError(host, why(first)))
}

// familiesOf are the families whose addresses a host may have: both, if it is a name.
func familiesOf(network, host string) []gentcp.Option {
	ip, err := netip.ParseAddr(host)
	switch {
	case network == "ip4", err == nil && ip.Is4():
		return []gentcp.Option{gentcp.Inet()}
	case network == "ip6", err == nil:
		return []gentcp.Option{gentcp.Inet6()}
	}
	return []gentcp.Option{gentcp.Inet(), gentcp.Inet6()}
}
