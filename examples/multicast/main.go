// Multicast sends to groups, or prints what is sent to them.
//
//	multicast [-interface NAME] [-source ADDRESS]... [-count N] GROUP:PORT...
//	multicast [-interface NAME] [-from ADDRESS] [-ttl N] -send TEXT GROUP:PORT...
//
// All groups have one family and one port. Received datagrams come by the batch, and each is printed with its group, interface
// and TTL. With -source only those senders are heard: routers and switches then need not carry the others (RFC 4607).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/datagram"
	"github.com/esock-go/esock/sockopt"
)

func main() {
	var sources []netip.Addr
	var from netip.Addr
	dev := flag.String("interface", "", "the interface, otherwise as routed")
	ttl := flag.Int("ttl", 1, "how many routers may pass on what is sent, and one more")
	send := flag.String("send", "", "the text to send")
	count := flag.Int("count", 0, "stop after so many datagrams")
	flag.Func("source", "a sender to hear, and no others", func(text string) error {
		a, err := netip.ParseAddr(text)
		sources = append(sources, a)
		return err
	})
	flag.Func("from", "the source address of what is sent, otherwise the kernel's choice", func(text string) (err error) {
		from, err = netip.ParseAddr(text)
		return err
	})
	flag.Parse()
	groups, err := groupsOf(flag.Args())
	if err == nil {
		err = run(groups, *dev, *ttl, *send, from, *count, sources)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func groupsOf(texts []string) (groups []netip.AddrPort, err error) {
	for _, text := range texts {
		g, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
		if !g.Addr().IsMulticast() || g.Port() != groups[0].Port() || g.Addr().Is4() != groups[0].Addr().Is4() {
			return nil, fmt.Errorf("%s is not a group of the family and port of the first", text)
		}
	}
	if len(groups) == 0 {
		return nil, errors.New("which GROUP:PORT?")
	}
	return groups, nil
}

func run(groups []netip.AddrPort, dev string, ttl int, text string, from netip.Addr, count int,
	sources []netip.Addr) error {
	domain := esock.Inet
	if groups[0].Addr().Is6() {
		domain = esock.Inet6
	}
	index := 0
	if dev != "" {
		i, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		index = i.Index
	}
	s, err := esock.Open(domain, esock.Dgram, esock.UDP)
	if err != nil {
		return err
	}
	defer s.Close()
	if text != "" {
		return send(s, groups, index, from, ttl, text)
	}
	return receive(s, groups, index, count, sources)
}

// send sends a datagram to each group. The control messages say by which interface, from which address, and how far.
func send(s *esock.Socket, groups []netip.AddrPort, index int, from netip.Addr, ttl int, text string) error {
	b, err := datagram.NewBatch(s, len(groups), max(len(text), 1))
	if err != nil {
		return err
	}
	defer b.Close()
	if s.Domain() == esock.Inet {
		// The interface by its number is a control message. The option would need one of its addresses.
		err = b.SetControl(esock.PktInfo4{IfIndex: index, SpecDst: from}.Control(), esock.TTL(ttl))
	} else {
		err = b.SetControl(esock.PktInfo6{IfIndex: index, Addr: from}.Control(), esock.HopLimit(ttl))
	}
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := b.Append([]byte(text), g); err != nil {
			return err
		}
	}
	_, err = b.Send(0, esock.Forever)
	return err
}

func receive(s *esock.Socket, groups []netip.AddrPort, index, count int, sources []netip.Addr) error {
	if err := listen(s, groups, uint32(index), sources); err != nil {
		return err
	}
	b, err := datagram.NewBatch(s, 64, 65535, datagram.GRO(), datagram.Details(datagram.DetailAddr|datagram.DetailTTL))
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Println("listening to", len(groups), "groups")
	for n := 0; ; {
		switch _, err := b.Recv(0, esock.Context(ctx)); {
		case errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return err
		}
		for d := range b.All() {
			ttl, _ := d.TTL()
			fmt.Printf("%v to %v by interface %d with TTL %d: %q\n", d.From(), d.Dest(), d.Interface(), ttl, d.Data())
			if n++; n == count {
				return nil
			}
		}
	}
}

// listen binds the socket and joins the groups: all senders of each, or each sender of each. Linux gives a socket what any
// program of the host has joined, unless it is told not to.
func listen(s *esock.Socket, groups []netip.AddrPort, index uint32, sources []netip.Addr) error {
	all, join, joinSource := sockopt.IPMulticastAll, sockopt.IPJoinGroup, sockopt.IPJoinSourceGroup
	if s.Domain() == esock.Inet6 {
		all, join, joinSource = sockopt.IPv6MulticastAll, sockopt.IPv6McastJoinGroup, sockopt.IPv6JoinSourceGroup
	}
	if err := errors.Join(sockopt.SocketReuseAddr.Set(s, true), all.Set(s, false)); err != nil {
		return err
	}
	any := netip.IPv4Unspecified()
	if s.Domain() == esock.Inet6 {
		any = netip.IPv6Unspecified()
	}
	if err := s.Bind(esock.AddrFrom(netip.AddrPortFrom(any, groups[0].Port()))); err != nil {
		return err
	}
	for _, g := range groups {
		group := esock.AddrFrom(netip.AddrPortFrom(g.Addr(), 0))
		if len(sources) == 0 {
			if err := join.Set(s, sockopt.GroupReq{Interface: index, Group: group}); err != nil {
				return fmt.Errorf("join %v: %w", g.Addr(), err)
			}
		}
		for _, source := range sources {
			from := esock.AddrFrom(netip.AddrPortFrom(source, 0))
			if err := joinSource.Set(s, sockopt.GroupSourceReq{Interface: index, Group: group, Source: from}); err != nil {
				return fmt.Errorf("join %v from %v: %w", g.Addr(), source, err)
			}
		}
	}
	return nil
}
