package gentcp_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// serviceNames is a module that knows the hosts of a cluster by name, and asks inet_tcp for all others.
type serviceNames struct {
	gentcp.Module
	hosts map[string]netip.Addr
}

func (m serviceNames) Resolve(ctx context.Context, host string, port uint16) ([]esock.Addr, error) {
	if ip, ok := m.hosts[host]; ok {
		return []esock.Addr{esock.Inet4Addr(ip, port)}, nil
	}
	return m.Module.Resolve(ctx, host, port)
}

// A module of one's own replaces a part of one of OTP's: here the names of hosts.
func ExampleModule() {
	listener, err := gentcp.Listen(nil, 0, gentcp.IPLoopback())
	orPanic(err)
	defer listener.Close()
	port, err := listener.Port()
	orPanic(err)

	cluster := serviceNames{gentcp.InetTCP, map[string]netip.Addr{"store-1": netip.MustParseAddr("127.0.0.1")}}
	s, err := gentcp.Connect(nil, "store-1", port, esock.Forever, gentcp.TCPModule(cluster))
	orPanic(err)
	defer s.Close()
	peer, err := s.PeerName()
	orPanic(err)
	fmt.Println(peer.IP())
	// Output: 127.0.0.1
}

// Options that all later connections of the process start with. A connection can have others.
func ExampleSetDefaultConnectOptions() {
	orPanic(gentcp.SetDefaultConnectOptions(gentcp.NoDelay(true), gentcp.PacketType(packet.Len4)))
	defer gentcp.SetDefaultConnectOptions()

	listener, err := gentcp.Listen(nil, 0, gentcp.IPLoopback())
	orPanic(err)
	defer listener.Close()
	port, err := listener.Port()
	orPanic(err)
	s, err := gentcp.Connect(nil, "127.0.0.1", port, esock.Forever, gentcp.PacketType(packet.Line))
	orPanic(err)
	defer s.Close()
	opts, err := s.GetOpts("nodelay", "packet")
	orPanic(err)
	fmt.Println(opts)
	// Output: [{nodelay, true} {packet, line}]
}

// A parser that has read too much puts the rest back.
func ExampleSocket_Unrecv() {
	listener, err := gentcp.Listen(nil, 0, gentcp.IPLoopback())
	orPanic(err)
	defer listener.Close()
	port, err := listener.Port()
	orPanic(err)
	client, err := gentcp.Connect(nil, "127.0.0.1", port, esock.Forever)
	orPanic(err)
	defer client.Close()
	s, err := listener.Accept(nil, esock.Forever)
	orPanic(err)
	defer s.Close()

	orPanic(client.Send([]byte("HELLO\nfirst line\n")))
	p, err := s.Recv(len("HELLO\nfirst"), esock.Forever)
	orPanic(err)
	orPanic(s.Unrecv(p.Data()[len("HELLO\n"):]))
	orPanic(s.SetOpts(gentcp.PacketType(packet.Line)))
	p, err = s.Recv(0, esock.Forever)
	orPanic(err)
	fmt.Printf("%q\n", p.Data())
	// Output: "first line\n"
}
