package main

import (
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/net/ipv4"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/datagram"
	"github.com/esock-go/esock/tests/bench/sockets"
)

// Datagrams by the batch: batchCount of batchSize bytes are sent and then received, by one goroutine, so that nothing waits and
// one peer cannot be ahead of the other. The figure is the processor time of a datagram, sent and received; of a mixed batch,
// sent.
const (
	batchCount = 64 // fits a receive buffer of the default size
	batchSize  = 1200
)

var datagramRows = []benchmark{
	batchRow("datagrams-trains", "64 datagrams of 1,200 bytes, sent and received as trains (UDP_SEGMENT, UDP_GRO)",
		[]target{{peer: nameNet, limit: 0.08}, {peer: nameC, limit: 1.10}},
		contender{nameEsock, func(e effort) (*session, error) { return batchEsock(e, 64) }},
		contender{nameNet, batchNet}, contender{nameXNet, batchXNet}, batchC("datagrams-trains")),
	batchRow("datagrams-plain", "the same without trains",
		[]target{{peer: nameNet, limit: 0.75}},
		contender{nameEsock, func(e effort) (*session, error) { return batchEsock(e, 1) }},
		contender{nameNet, batchNet}, contender{nameXNet, batchXNet}, batchC("datagrams-plain")),
	batchRow("datagrams-mixed", "64 datagrams of 1,200 bytes to 64 peers, sent",
		[]target{{peer: nameNet, limit: 0.80}},
		contender{nameEsock, mixedEsock}, contender{nameNet, mixedNet}, contender{nameXNet, mixedXNet}, batchC("datagrams-mixed")),
}

func batchRow(name, about string, targets []target, contenders ...contender) benchmark {
	return benchmark{name: name, about: "UDP: " + about, group: "datagrams", asked: true, turns: 15,
		metrics: []metric{{name: name, unit: "ns of processor/datagram", targets: targets}}, contenders: contenders}
}

// batches is a turn of work that moves n batches.
func batches(e effort, work func() error) func() ([]float64, error) {
	n := pick(e, 3000, 200)
	return func() ([]float64, error) {
		start := processorTime()
		for range n {
			if err := work(); err != nil {
				return nil, err
			}
		}
		return []float64{float64((processorTime() - start).Nanoseconds()) / float64(n*batchCount)}, nil
	}
}

func batchC(mode string) contender {
	return contender{nameC, func(e effort) (*session, error) {
		if os.Getenv("ESOCK_PEER") == "" {
			return nil, errNoPeer
		}
		n := strconv.Itoa(pick(e, 3000, 200))
		return &session{func() ([]float64, error) {
			v, err := cPeer("ns_per_datagram", mode, n)
			return []float64{v}, err
		}, func() {}}, nil
	}}
}

func batchEsock(e effort, trains int) (*session, error) {
	s, at, err := boundEsock()
	if err != nil {
		return nil, err
	}
	a, err := sockets.EsockUDP()
	if err != nil {
		return nil, err
	}
	size, count := 65535, 4
	var opts []datagram.Option
	if trains > 1 {
		opts = []datagram.Option{datagram.GRO()}
	} else {
		size, count = 2048, batchCount
	}
	in, err := datagram.NewBatch(s, count, size, opts...)
	if err != nil {
		return nil, err
	}
	out, err := datagram.NewBatch(a, batchCount, batchSize, datagram.Trains(trains))
	if err != nil {
		return nil, err
	}
	to, data := at.AddrPort(), make([]byte, batchSize)
	return &session{batches(e, func() error {
		for range batchCount {
			if err := out.Append(data, to); err != nil {
				return err
			}
		}
		if _, err := out.Send(0, esock.Forever); err != nil {
			return err
		}
		for left := batchCount; left > 0; {
			if _, err := in.Recv(0, esock.Forever); err != nil {
				return err
			}
			for d := range in.All() {
				if d.From().IsValid() && len(d.Data()) == batchSize {
					left--
				}
			}
		}
		return nil
	}), closer(a, s)}, nil
}

func batchNet(e effort) (*session, error) {
	s, err := sockets.NetUDP()
	if err != nil {
		return nil, err
	}
	a, err := sockets.NetUDP()
	if err != nil {
		return nil, err
	}
	to, data := sockets.AddrPort(s), make([]byte, 2048)
	return &session{batches(e, func() error {
		for range batchCount {
			if _, err := a.WriteToUDPAddrPort(data[:batchSize], to); err != nil {
				return err
			}
		}
		for range batchCount {
			if _, _, err := s.ReadFromUDPAddrPort(data); err != nil {
				return err
			}
		}
		return nil
	}), closer(a, s)}, nil
}

// messages makes messages of x/net for one batch.
func messages(to func(i int) net.Addr, size int) []ipv4.Message {
	ms := make([]ipv4.Message, batchCount)
	for i := range ms {
		ms[i].Buffers = [][]byte{make([]byte, size)}
		if to != nil {
			ms[i].Addr = to(i)
		}
	}
	return ms
}

// writeAll sends messages of x/net.
func writeAll(c *ipv4.PacketConn, ms []ipv4.Message) error {
	for len(ms) > 0 {
		n, err := c.WriteBatch(ms, 0)
		if err != nil {
			return err
		}
		ms = ms[n:]
	}
	return nil
}

func batchXNet(e effort) (*session, error) {
	s, err := sockets.NetUDP()
	if err != nil {
		return nil, err
	}
	a, err := sockets.NetUDP()
	if err != nil {
		return nil, err
	}
	in, out := ipv4.NewPacketConn(s), ipv4.NewPacketConn(a)
	sent, received := messages(func(int) net.Addr { return s.LocalAddr() }, batchSize), messages(nil, 2048)
	return &session{batches(e, func() error {
		if err := writeAll(out, sent); err != nil {
			return err
		}
		for left := batchCount; left > 0; {
			n, err := in.ReadBatch(received[:left], 0)
			if err != nil {
				return err
			}
			left -= n
		}
		return nil
	}), closer(a, s)}, nil
}

// sinks are as many sockets as a batch has datagrams. Nothing receives: the kernel drops what they have no room for.
func sinks() (at []netip.AddrPort, done func(), err error) {
	var all []*net.UDPConn
	done = func() {
		for _, c := range all {
			c.Close()
		}
	}
	for range batchCount {
		c, err := sockets.NetUDP()
		if err != nil {
			done()
			return nil, nil, err
		}
		all, at = append(all, c), append(at, sockets.AddrPort(c))
	}
	return at, done, nil
}

func mixedEsock(e effort) (*session, error) {
	at, done, err := sinks()
	if err != nil {
		return nil, err
	}
	a, err := sockets.EsockUDP()
	if err != nil {
		return nil, err
	}
	out, err := datagram.NewBatch(a, batchCount, batchSize)
	if err != nil {
		return nil, err
	}
	data := make([]byte, batchSize)
	return &session{batches(e, func() error {
		for _, to := range at {
			if err := out.Append(data, to); err != nil {
				return err
			}
		}
		_, err := out.Send(0, esock.Forever)
		return err
	}), func() { a.Close(); done() }}, nil
}

func mixedNet(e effort) (*session, error) {
	at, done, err := sinks()
	if err != nil {
		return nil, err
	}
	a, err := sockets.NetUDP()
	if err != nil {
		return nil, err
	}
	data := make([]byte, batchSize)
	return &session{batches(e, func() error {
		for _, to := range at {
			if _, err := a.WriteToUDPAddrPort(data, to); err != nil {
				return err
			}
		}
		return nil
	}), func() { a.Close(); done() }}, nil
}

func mixedXNet(e effort) (*session, error) {
	at, done, err := sinks()
	if err != nil {
		return nil, err
	}
	a, err := sockets.NetUDP()
	if err != nil {
		return nil, err
	}
	out := ipv4.NewPacketConn(a)
	ms := messages(func(i int) net.Addr { return net.UDPAddrFromAddrPort(at[i]) }, batchSize)
	return &session{batches(e, func() error { return writeAll(out, ms) }), func() { a.Close(); done() }}, nil
}
