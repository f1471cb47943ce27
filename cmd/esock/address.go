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

// bindAddr is the address that --addr HOST:PORT means on the network, tcp or udp. No host is all of this host's IPv4 addresses;
// the zone of an IPv6 address is kept, for the socket to look up. Errors name the flag.
func bindAddr(network, text string) (esock.Addr, error) {
	host, service, err := net.SplitHostPort(text)
	switch {
	case text == "":
		return esock.Addr{}, errors.New("--addr: it takes HOST:PORT, and is empty")
	case err != nil && strings.Contains(err.Error(), "missing port"):
		return esock.Addr{}, fmt.Errorf("--addr: missing port in %q; it takes HOST:PORT", text)
	case err != nil:
		return esock.Addr{}, fmt.Errorf("--addr: it takes HOST:PORT, with an IPv6 address in brackets, not %q", text)
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
	a := esock.AddrFrom(netip.AddrPortFrom(ip, uint16(port)))
	var bad *esock.InvalidError
	if errors.As(a.Err(), &bad) {
		return a, fmt.Errorf("--addr: %q is no address: %s", host, bad.Cause)
	}
	return a, nil
}

// portOf is a port by its number or the name of a service.
func portOf(network, service string) (int, error) {
	n, err := strconv.ParseInt(service, 10, 64)
	switch {
	case err == nil && (n < 0 || n > 65535), errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s is not a port from 0 to 65535", service)
	case err == nil:
		return int(n), nil
	}
	port, err := net.LookupPort(network, service)
	if err != nil || service == "" {
		return 0, fmt.Errorf("there is no service %q, and no port", service)
	}
	return port, nil
}

// lookUp is the address of a host, the first of IPv4 if it has any.
func lookUp(host string) (netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap(), nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(context.Background(), "ip", host)
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

// hostError says what a failed look-up means; other errors it passes on.
func hostError(host string, err error) error {
	var dns *net.DNSError
	switch {
	case err == nil, errors.Is(err, gentcp.ErrNXDomain), errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("there is no such host %q", host)
	case errors.As(err, &dns):
		return fmt.Errorf("the host %q cannot be looked up: %s", host, dns.Err)
	}
	return err
}
