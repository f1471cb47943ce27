package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
	"github.com/esock-go/esock/tests/bench/sockets"
)

// Two processes: what a round trip costs when the other side's thread sleeps, and what spinning saves.
const spinBudget = 50 * time.Microsecond

var processes = benchmark{
	name:       "processes",
	about:      "TCP, two processes: 64 bytes there and back",
	metrics:    []metric{{name: "p50", unit: "µs"}, {name: "p99", unit: "µs"}},
	contenders: []contender{{nameEsock, roundTrips(0)}, {nameNet, roundTripsNet}},
}

var processesSpin = benchmark{
	name:  "processes-spin",
	about: "the same, both sides spinning for up to 50 µs before they park",
	metrics: []metric{
		{name: "p50", unit: "µs", targets: []target{{peer: nameNet, limit: 0.2}}},
		{name: "p99", unit: "µs", targets: []target{{peer: nameNet, limit: 0.3}}},
	},
	contenders: []contender{{nameEsock, roundTrips(spinBudget)}, {nameNet, roundTripsNet}},
}

// roundTrips is esock on both sides, with a spin budget.
func roundTrips(spin time.Duration) func(e effort) (*session, error) {
	return func(e effort) (*session, error) {
		c, err := startChild("echo-esock", spin.String())
		if err != nil {
			return nil, err
		}
		c.cpu(1)
		s, err := sockets.EsockDial(esock.Inet4Addr(sockets.Loopback, c.port))
		if err != nil {
			return nil, err
		}
		w := esock.Forever.Spin(spin)
		buf := make([]byte, sockets.Message)
		return &session{percentiles(e, func() error { return roundEsock(s, buf, w) }),
			func() { s.Close(); c.stop() }}, nil
	}
}

func roundTripsNet(e effort) (*session, error) {
	c, err := startChild("echo-net")
	if err != nil {
		return nil, err
	}
	c.cpu(1)
	s, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", c.port))
	if err != nil {
		return nil, err
	}
	buf := make([]byte, sockets.Message)
	return &session{percentiles(e, func() error { return roundNet(s, buf) }),
		func() { s.Close(); c.stop() }}, nil
}

// percentiles makes a turn of round trips, each of them timed: median and 99th percentile in µs.
func percentiles(e effort, round func() error) func() ([]float64, error) {
	n := pick(e, 4000, 600)
	times := make([]time.Duration, n)
	return func() ([]float64, error) {
		defer ownCPU()()
		for range n / 10 { // after the others' turn, everything has cooled down
			if err := round(); err != nil {
				return nil, err
			}
		}
		for i := range times {
			start := time.Now()
			if err := round(); err != nil {
				return nil, err
			}
			times[i] = time.Since(start)
		}
		slices.Sort(times)
		return []float64{percentile(times, 0.5) / 1e3, percentile(times, 0.99) / 1e3}, nil
	}
}

// ownCPU keeps this process on the first processor, the other one having the second, until the turn is over. Else the
// scheduler sometimes has both on one, where spinning only keeps the other from running. The runtime's idea of how
// many processors there are stays.
func ownCPU() (back func()) {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0)) // no adjusting to the affinity
	pin(os.Getpid(), 0)
	return func() {
		if all, err := allowedCPUs(); err == nil {
			confine(os.Getpid(), all)
		}
	}
}

// childEchoEsock and childEchoNet are the other process.
func childEchoEsock(spin time.Duration) error {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0)) // as in ownCPU
	l, at, err := sockets.EsockListen(1)
	if err != nil {
		return err
	}
	fmt.Println(at.Port())
	s, err := l.Accept(esock.Forever)
	if err != nil {
		return err
	}
	if err := sockopt.TCPNoDelay.Set(s, true); err != nil {
		return err
	}
	echoEsock(s, esock.Forever.Spin(spin))
	return nil
}

func childEchoNet() error {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	c, err := l.Accept()
	if err != nil {
		return err
	}
	echoNet(c)
	return nil
}
