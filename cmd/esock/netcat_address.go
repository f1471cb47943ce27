package main

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"github.com/esock-go/esock"
)

// splitAddress returns the host and the port that the words of an address say: HOST PORT, HOST:PORT or :PORT.
func splitAddress(words []string) (host, port string, err error) {
	switch len(words) {
	case 0:
		return "", "", usagef("an address is missing: HOST PORT or HOST:PORT")
	case 1:
	case 2:
		return withoutBrackets(words[0]), words[1], nil
	default:
		return "", "", usagef("an address is HOST PORT or HOST:PORT, not %d words", len(words))
	}
	host, port, err = net.SplitHostPort(words[0])
	switch {
	case err == nil:
		return host, port, nil
	case words[0] == "":
		return "", "", usagef("the address is empty")
	case strings.Contains(err.Error(), "missing port"):
		return "", "", usagef("%q has no port: write HOST PORT or HOST:PORT", words[0])
	}
	return "", "", usagef("%q is not HOST:PORT; an IPv6 address is in brackets there", words[0])
}

// splitListening is splitAddress for a socket that listens: a port alone is one on all addresses.
func splitListening(words []string) (host, port string, err error) {
	if len(words) == 1 && words[0] != "" && !strings.ContainsAny(words[0], ":[]") {
		return "", words[0], nil
	}
	return splitAddress(words)
}

// withoutBrackets is an IPv6 address without the brackets that it has in a URL.
func withoutBrackets(host string) string {
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}

// path returns the address of a unix socket.
func (n *netcat) path(words []string) (esock.Addr, error) {
	if len(words) != 1 || words[0] == "" {
		return esock.Addr{}, usagef("--unix: the address is one word, a path or @NAME")
	}
	a := esock.UnixAddr(words[0])
	if name, ok := strings.CutPrefix(words[0], "@"); ok {
		a = esock.AbstractAddr(name)
	}
	if err := a.Err(); err != nil {
		return a, usagef("--unix: %s", reason(err))
	}
	return a, nil
}

// network is the kind of IP addresses that are wanted: ip4, ip6, or ip for both.
func (n *netcat) network() string {
	switch {
	case n.IPv4:
		return "ip4"
	case n.IPv6:
		return "ip6"
	}
	return "ip"
}

// wrongFamily returns the error about an address that a flag excludes.
func (n *netcat) wrongFamily(host string) error {
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil:
	case n.IPv4 && !ip.Unmap().Is4():
		return usagef("--ipv4: %s is an IPv6 address", host)
	case n.IPv6 && ip.Is4():
		return usagef("--ipv6: %s is an IPv4 address", host)
	}
	return nil
}

// address looks up a host and a port of a transport, tcp or udp. Without a host it is the wildcard address.
func (n *netcat) address(ctx context.Context, transport, host, port string) (esock.Addr, error) {
	number, err := portOf(transport, port)
	if err != nil {
		return esock.Addr{}, err
	}
	if err := n.wrongFamily(host); err != nil {
		return esock.Addr{}, err
	}
	ip := netip.IPv4Unspecified()
	switch {
	case host != "":
		if ip, err = lookUpIn(ctx, n.network(), host); err != nil {
			return esock.Addr{}, err
		}
	case n.IPv6:
		ip = netip.IPv6Unspecified()
	}
	return addrOf(host, ip, number)
}
