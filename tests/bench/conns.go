package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/esock-go/esock/netconn"
	"github.com/esock-go/esock/tests/bench/sockets"
)

// Programs that speak net: the same code over package netconn, which is the column esock, and over package net.

// A maker makes connections: of netconn, or of net.
type maker struct {
	listen  func() (net.Listener, error)
	dial    func(address string) (net.Conn, error)
	packet  func() (udpConn, error)
	buffers func(c net.Conn, v *net.Buffers) (int64, error)
}

// udpConn is what both packages have for datagrams.
type udpConn interface {
	net.PacketConn
	syscall.Conn
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	ReadMsgUDPAddrPort(b, oob []byte) (n, oobn, flags int, from netip.AddrPort, err error)
	WriteMsgUDPAddrPort(b, oob []byte, to netip.AddrPort) (n, oobn int, err error)
}

const anyPort = "127.0.0.1:0"

var byNetconn = maker{
	listen: func() (net.Listener, error) { return netconn.ListenConfig{}.Listen(background, "tcp4", anyPort) },
	dial:   func(address string) (net.Conn, error) { return netconn.Dialer{}.Dial("tcp4", address) },
	packet: func() (udpConn, error) {
		c, err := netconn.ListenConfig{}.ListenPacket(background, "udp4", anyPort)
		if err != nil {
			return nil, err
		}
		return c.(*netconn.UDPConn), nil
	},
	buffers: func(c net.Conn, v *net.Buffers) (int64, error) { return c.(*netconn.TCPConn).WriteBuffers(v) },
}

var byNet = maker{
	listen:  func() (net.Listener, error) { return net.Listen("tcp4", anyPort) },
	dial:    func(address string) (net.Conn, error) { return net.Dial("tcp4", address) },
	packet:  func() (udpConn, error) { return sockets.NetUDP() },
	buffers: func(c net.Conn, v *net.Buffers) (int64, error) { return v.WriteTo(c) },
}

// both are the contenders of a row.
func both(open func(m *maker, e effort) (*session, error)) []contender {
	return []contender{
		{nameEsock, func(e effort) (*session, error) { return open(&byNetconn, e) }},
		{nameNet, func(e effort) (*session, error) { return open(&byNet, e) }},
	}
}

// pair is a connection, both ends.
func (m *maker) pair() (a, b net.Conn, err error) {
	l, err := m.listen()
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if a, err = m.dial(l.Addr().String()); err != nil {
		return nil, nil, err
	}
	b, err = l.Accept()
	return a, b, err
}

// costs are the metrics of a row: the time of an operation, the processor's, which has a target, and its allocations.
func costs(what string, limit float64) []metric {
	return []metric{
		{name: what, unit: "ns"},
		{name: "processor", unit: "ns", targets: []target{{peer: nameNet, limit: limit}}},
		{name: "allocations", unit: "allocs/op"},
	}
}

// costing makes a turn of work that can be done n times, with the values of costs. The processor's time is the process's.
func costing(e effort, work func(n int) error) func() ([]float64, error) {
	n := 0
	return func() ([]float64, error) {
		for n == 0 {
			if err := work(20); err != nil {
				return nil, err
			}
			const probe = 100
			start := time.Now()
			if err := work(probe); err != nil {
				return nil, err
			}
			n = max(probe, int(probe*e.turn/max(1, time.Since(start))))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		cpu, start := processorTime(), time.Now()
		err := work(n)
		took, used := time.Since(start), processorTime()-cpu
		runtime.ReadMemStats(&after)
		per := func(v int64) float64 { return float64(v) / float64(n) }
		allocations := per(int64(after.Mallocs - before.Mallocs))
		if allocations < 0.01 { // of the runtime
			allocations = 0
		}
		return []float64{per(took.Nanoseconds()), per(used.Nanoseconds()), allocations}, err
	}
}

// netconnRow is a row of this kind.
func netconnRow(name, about, what string, limit float64, open func(m *maker, e effort) (*session, error)) benchmark {
	return benchmark{name: "netconn-" + name, about: about, metrics: costs(what, limit), contenders: both(open),
		turns: 15, turn: 250 * time.Millisecond, group: "netconn", asked: true}
}

var netconnRows = []benchmark{
	netconnRow("ping-pong", "TCP, two goroutines: 64 bytes there and back", "round trip", 1, pingPong(false)),
	netconnRow("deadline", "the same, with a deadline set before each read", "round trip", 1, pingPong(true)),
	netconnRow("stream", "TCP, writes of 64 KiB to a goroutine that reads", "write", 1, connStream),
	netconnRow("writev", "TCP, 64 buffers of 1 KiB in one call: WriteBuffers, net.Buffers", "call", 1, connBuffers),
	netconnRow("file", "io.Copy of a file of 1 MiB to TCP", "copy", 1, connFile),
	netconnRow("splice", "io.Copy of 1 MiB from TCP to TCP, with its source and its sink", "copy", 1, connSplice),
	netconnRow("dial", "TCP, dial, accept and close", "connection", 1, connDial),
	netconnRow("http", "HTTP/1.1, net/http at both ends, 16 clients: GET of 1 KiB", "request", 1, connHTTP),
	netconnRow("udp", "UDP, WriteTo and ReadFrom of 64 bytes, one goroutine", "datagram", 0.85, connUDP),
	netconnRow("udp-msg", "UDP, WriteMsgUDP and ReadMsgUDP with two control messages", "datagram", 0.85, connMsgs),
	netconnRow("udp-8", "UDP, WriteTo of 64 bytes by eight goroutines of one socket", "datagram", 0.85, connEight),
	speed("quic", "QUIC, quic-go at both ends: 50 MiB over one stream", "50 MiB", 0.85, 50, 1, "quic"),
	speed("wireguard", "wireguard-go: packets of 1,400 bytes through a tunnel, with its own bind and with one of 60 lines", "packet", 0.85,
		20000, 20000, "wireguard"),
	netconnIdle,
}

// pingPong is a round trip. With a deadline, both ends set one before each read.
func pingPong(deadline bool) func(m *maker, e effort) (*session, error) {
	return func(m *maker, e effort) (*session, error) {
		a, b, err := m.pair()
		if err != nil {
			return nil, err
		}
		if deadline {
			a, b = patient{a}, patient{b}
		}
		go echoNet(b)
		buf := make([]byte, sockets.Message)
		return &session{costing(e, func(n int) error {
			for range n {
				if err := roundNet(a, buf); err != nil {
					return err
				}
			}
			return nil
		}), closer(a, b)}, nil
	}
}

// patient sets a deadline before each read.
type patient struct{ net.Conn }

func (c patient) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// connDial makes connections and resets them, so that no port is left in TIME_WAIT.
func connDial(m *maker, e effort) (*session, error) {
	l, err := m.listen()
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	return &session{costing(e, func(n int) error {
		for range n {
			a, err := m.dial(address)
			if err != nil {
				return err
			}
			b, err := l.Accept()
			if err != nil {
				return err
			}
			if err := a.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
				return err
			}
			if err := a.Close(); err != nil {
				return err
			}
			if err := b.Close(); err != nil {
				return err
			}
		}
		return nil
	}), closer(l)}, nil
}

// speed is a row of the programs in tests/unchanged, whose test program runs them; it needs ESOCK_UNCHANGED. Each turn does n of
// what the other program counts, in `times` of what the row counts.
func speed(name, about, what string, limit float64, n, times int, program string) benchmark {
	by := func(socket string) func(e effort) (*session, error) {
		return func(e effort) (*session, error) {
			binary := os.Getenv("ESOCK_UNCHANGED")
			if binary == "" {
				return nil, missing("the programs are not built (ESOCK_UNCHANGED)")
			}
			cmd := exec.Command(binary)
			cmd.Env = append(os.Environ(), "ESOCK_SPEED="+program+" "+socket)
			t, _, err := talkTo(cmd, anyCPU)
			if err != nil {
				return nil, err
			}
			turn := func() ([]float64, error) {
				answer, err := t.ask(strconv.Itoa(n))
				if err != nil {
					return nil, err
				}
				var costs [3]float64
				if err := json.Unmarshal([]byte(answer), &costs); err != nil {
					return nil, fmt.Errorf("%q: %w", answer, err)
				}
				for i := range costs {
					costs[i] /= float64(times)
				}
				return costs[:], nil
			}
			return &session{turn, t.stop}, nil
		}
	}
	b := netconnRow(name, about, what, limit, nil)
	b.contenders = []contender{{nameEsock, by("netconn")}, {nameNet, by("net")}}
	b.turns = 9
	return b
}
