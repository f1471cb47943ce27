package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// bindAddr returns the address that --addr HOST:PORT stands for on the network, tcp or udp. Without a host it is the
// wildcard address of IPv4. The zone of an IPv6 address is kept: the socket looks it up. Errors name the flag.
func bindAddr(network, text string) (esock.Addr, error) {
	host, service, err := net.SplitHostPort(text)
	switch {
	case text == "":
		return esock.Addr{}, usagef("--addr: must be HOST:PORT, not empty")
	case err != nil && strings.Contains(err.Error(), "missing port"):
		return esock.Addr{}, usagef("--addr: missing port in %q; it must be HOST:PORT", text)
	case err != nil:
		return esock.Addr{}, usagef("--addr: must be HOST:PORT, with an IPv6 address in brackets, not %q", text)
	}
	port, err := portOf(network, service)
	if err != nil {
		return esock.Addr{}, fmt.Errorf("--addr: %w", err)
	}
	ip := netip.IPv4Unspecified()
	if host != "" {
		if ip, err = lookUp(host); err != nil {
			return esock.Addr{}, fmt.Errorf("--addr: %w", err)
		}
	}
	a, err := addrOf(host, ip, port)
	if err != nil {
		return a, fmt.Errorf("--addr: %w", err)
	}
	return a, nil
}

// addrOf is the address that a host was found to have. A literal can have a zone that none can have.
func addrOf(host string, ip netip.Addr, port int) (esock.Addr, error) {
	a := esock.AddrFrom(netip.AddrPortFrom(ip, uint16(port)))
	if err := a.Err(); err != nil {
		return a, usagef("%q is not an address: %s", host, reason(err))
	}
	return a, nil
}

// portOf returns a port by its number or the name of its service.
func portOf(network, service string) (int, error) {
	n, err := strconv.ParseInt(service, 10, 64)
	switch {
	case err == nil && (n < 0 || n > 65535), errors.Is(err, strconv.ErrRange):
		return 0, usagef("%s is not a port from 0 to 65535", service)
	case err == nil:
		return int(n), nil
	}
	if service == "" {
		return 0, usagef("no port is given")
	}
	port, err := net.LookupPort(network, service)
	if err != nil {
		return 0, usagef("there is no service %q", service)
	}
	return port, nil
}

// lookUp returns the address of a host: its first IPv4 address if it has any.
func lookUp(host string) (netip.Addr, error) { return lookUpIn(context.Background(), "ip", host) }

// lookUpIn is lookUp with the addresses of a network: ip4, ip6, or ip for both.
func lookUpIn(ctx context.Context, network, host string) (netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap(), nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	if err != nil || len(ips) == 0 {
		return netip.Addr{}, hostError(host, err)
	}
	for _, ip := range ips {
		if ip.Unmap().Is4() {
			return ip.Unmap(), nil
		}
	}
	return ips[0], nil
}

// hostError explains the error of a look-up, and returns other errors unchanged.
func hostError(host string, err error) error {
	var dns *net.DNSError
	switch {
	case err == nil, errors.Is(err, gentcp.ErrNXDomain), errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("there is no such host %q", host)
	case errors.As(err, &dns):
		return fmt.Errorf("cannot look up the host %q: %s", host, dns.Err)
	}
	return err
}
