package main

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// What the sender asks for, and the receiver must receive.
const (
	sentHops  = 42
	sentClass = 0x20 // CS1, RFC 2474
)

func (d *demo) datagrams4() error {
	st := d.step("datagrams_udp4", "Datagrams over UDP, IPv4",
		"One datagram with its own time to live and type of service. The receiver asked for both, and for packet info; "+
			"they arrive as typed control messages.")
	receiver, msg, err := d.datagram(st, "udp4", esock.Inet, netip.AddrFrom4([4]byte{127, 0, 0, 1}),
		[]sockopt.Option[bool]{sockopt.IPRecvTTL, sockopt.IPRecvTOS, sockopt.IPPktInfo},
		esock.TTL(sentHops), esock.TOS(sentClass))
	if err != nil {
		return err
	}
	ttl, tos := -1, -1
	var info esock.PktInfo4
	for c := range msg.Control() {
		if n, ok := c.TTL(); ok {
			ttl = n
		}
		if n, ok := c.TOS(); ok {
			tos = n
		}
		if v, ok := c.PktInfo4(); ok {
			info = v
		}
	}
	st.fact("TTL()", ttl)
	st.fact("TOS()", tos, fmt.Sprintf("%#x", tos))
	st.fact("PktInfo4()", map[string]any{"ifindex": info.IfIndex, "addr": info.Addr, "spec_dst": info.SpecDst},
		fmt.Sprintf("to %v, received on %s", info.Addr, interfaceName(info.IfIndex)))
	return d.checkDatagram(receiver, ttl, tos, info.Addr)
}

func (d *demo) datagrams6() error {
	st := d.step("datagrams_udp6", "Datagrams over UDP, IPv6",
		"The same. IPv6 calls the time to live the hop limit, and the type of service the traffic class.")
	if d.without6(st) {
		return nil
	}
	receiver, msg, err := d.datagram(st, "udp6", esock.Inet6, netip.IPv6Loopback(),
		[]sockopt.Option[bool]{sockopt.IPv6RecvHopLimit, sockopt.IPv6RecvTClass, sockopt.IPv6RecvPktInfo},
		esock.HopLimit(sentHops), esock.TClass(sentClass))
	if err != nil {
		return err
	}
	hops, class := -1, -1
	var info esock.PktInfo6
	for c := range msg.Control() {
		if n, ok := c.HopLimit(); ok {
			hops = n
		}
		if n, ok := c.TClass(); ok {
			class = n
		}
		if v, ok := c.PktInfo6(); ok {
			info = v
		}
	}
	st.fact("HopLimit()", hops)
	st.fact("TClass()", class, fmt.Sprintf("%#x", class))
	st.fact("PktInfo6()", map[string]any{"ifindex": info.IfIndex, "addr": info.Addr},
		fmt.Sprintf("to %v, received on %s", info.Addr, interfaceName(info.IfIndex)))
	return d.checkDatagram(receiver, hops, class, info.Addr)
}

// datagram sends a datagram with the control messages, and receives it with the options switched on.
func (d *demo) datagram(st *step, name string, domain esock.Domain, ip netip.Addr, options []sockopt.Option[bool],
	control ...esock.ControlMessage) (receiver *esock.Socket, in *esock.Msg, err error) {
	if receiver, err = d.keep(name + " receiver")(esock.Open(domain, esock.Dgram, esock.UDP)); err != nil {
		return nil, nil, err
	}
	if err = receiver.Bind(esock.AddrFrom(netip.AddrPortFrom(ip, 0))); err != nil {
		return nil, nil, err
	}
	asked := ""
	for _, o := range options {
		if err = o.Set(receiver, true); err != nil {
			return nil, nil, err
		}
		asked += " " + o.Info().Level + "." + o.Info().Name
	}
	to, err := receiver.SockName()
	if err != nil {
		return nil, nil, err
	}
	sender, err := d.keep(name + " sender")(esock.Open(domain, esock.Dgram, esock.UDP))
	if err != nil {
		return nil, nil, err
	}
	text := "a datagram over " + name
	out := &esock.Msg{Iov: [][]byte{[]byte(text)}, Addr: to}
	if err = out.SetControl(control...); err != nil {
		return nil, nil, err
	}
	if _, err = sender.SendMsg(out, 0, patience); err != nil {
		return nil, nil, err
	}
	st.fact("options on", asked[1:])
	st.fact("sendmsg", text, fmt.Sprintf("%q to %v", text, to))
	in = new(esock.Msg)
	if err = receiver.RecvMsg(in, 0, patience); err != nil {
		return nil, nil, err
	}
	st.fact("recvmsg", string(in.Data()), fmt.Sprintf("%q from %v", in.Data(), in.Addr))
	from, err := sender.SockName()
	switch {
	case err != nil:
		return nil, nil, err
	case string(in.Data()) != text:
		return nil, nil, fmt.Errorf("%q was sent, but %q was received", text, in.Data())
	case in.Addr.Port() != from.Port():
		return nil, nil, fmt.Errorf("the datagram was sent from port %d, but came from %v", from.Port(), in.Addr)
	}
	return receiver, in, nil
}

// checkDatagram compares what was received with what was sent.
func (d *demo) checkDatagram(receiver *esock.Socket, hops, class int, to netip.Addr) error {
	at, err := receiver.SockName()
	switch {
	case err != nil:
		return err
	case hops != sentHops:
		return fmt.Errorf("the datagram was sent with a hop limit of %d, but arrived with %d", sentHops, hops)
	case class != sentClass:
		return fmt.Errorf("the datagram was sent with class %#x, but arrived with %#x", sentClass, class)
	case to != at.IP():
		return fmt.Errorf("the datagram was sent to %v, but packet info says %v", at.IP(), to)
	}
	return nil
}

func interfaceName(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return fmt.Sprintf("%s (interface %d)", i.Name, index)
	}
	return fmt.Sprintf("interface %d", index)
}
