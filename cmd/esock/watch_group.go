package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// group is a multicast group to join.
type group struct {
	text   string
	ip     netip.Addr
	dev    uint32     // the interface's index, 0: as routed
	source netip.Addr // the only sender to hear; not valid: any
}

// groupsOf reads the values of --group: GROUP, GROUP%INTERFACE, and both with @SENDER.
func groupsOf(texts []string) (groups []group, err error) {
	for _, text := range texts {
		g := group{text: text}
		rest, source, only := strings.Cut(text, "@")
		ip, dev, on := strings.Cut(rest, "%")
		if g.ip, err = netip.ParseAddr(ip); err != nil || !g.ip.IsMulticast() {
			return nil, usagef("--group: %q is not the address of a multicast group", ip)
		}
		if on {
			i, err := net.InterfaceByName(dev)
			if err != nil {
				return nil, usagef("--group: there is no interface %q", dev)
			}
			g.dev = uint32(i.Index)
		}
		if only {
			if g.source, err = netip.ParseAddr(source); err != nil || g.source.Is4() != g.ip.Is4() {
				return nil, usagef("--group: %q is not the address of a sender to %s", source, ip)
			}
		}
		if g.ip.Is4() != groupFamily(append(groups, g)).Is4() {
			return nil, usagef("--group: %s and %s are of two families, and a socket has one", groups[0].ip, g.ip)
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// groupFamily is the address for all addresses of the groups' family.
func groupFamily(groups []group) netip.Addr {
	if groups[0].ip.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// groupAddr is where to listen for groups: --addr, but all addresses if it is the default, on which no group arrives.
func groupAddr(to esock.Addr, groups []group) (esock.Addr, error) {
	all := groupFamily(groups)
	switch loopback := esock.AddrFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)); {
	case to == loopback:
		return esock.AddrFrom(netip.AddrPortFrom(all, 0)), nil
	case to.IP() == netip.IPv4Unspecified(): // what an empty host stands for
		return esock.AddrFrom(netip.AddrPortFrom(all, uint16(to.Port()))), nil
	case to.IP().Is4() != all.Is4():
		return to, usagef("--addr: %v is not of the family of the group %s", to, groups[0].ip)
	}
	return to, nil
}

// join joins the groups, and makes the socket receive of no other group that some program of the host has joined.
func join(s *esock.Socket, groups []group) error {
	all, join, joinSource := sockopt.IPMulticastAll, sockopt.IPJoinGroup, sockopt.IPJoinSourceGroup
	if s.Domain() == esock.Inet6 {
		all, join, joinSource = sockopt.IPv6MulticastAll, sockopt.IPv6McastJoinGroup, sockopt.IPv6JoinSourceGroup
	}
	if err := all.Set(s, false); err != nil && len(groups) > 0 && s.Domain() == esock.Inet { // of IPv6 since Linux 4.20
		return err
	}
	for _, g := range groups {
		at := esock.AddrFrom(netip.AddrPortFrom(g.ip, 0))
		var err error
		if g.source.IsValid() {
			source := esock.AddrFrom(netip.AddrPortFrom(g.source, 0))
			err = joinSource.Set(s, sockopt.GroupSourceReq{Interface: g.dev, Group: at, Source: source})
		} else {
			err = join.Set(s, sockopt.GroupReq{Interface: g.dev, Group: at})
		}
		if err != nil {
			return fmt.Errorf("cannot join %s: %s", g.text, reason(err))
		}
	}
	return nil
}
