// Package esocktest gives tests a simulated network: hosts whose sockets, connections and time are inside the process.
//
//	synctest.Test(t, func(t *testing.T) {
//		net := esocktest.New(t, 1)
//		server, client := net.Host("10.0.0.1"), net.Host("10.0.0.2")
//		net.Link(server, client, esocktest.Path{Delay: 20 * time.Millisecond, Loss: 0.01})
//		l, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, server.Kernel())
//		…
//
// A socket that is opened with Host.Kernel lives on that host, and so do the connections that it accepts. All its methods work
// as on a socket of the machine: docs/simulation.md has what is simulated, and what is not.
//
// # Time
//
// In a bubble of testing/synctest the network has the bubble's clock, and a call that waits is durably blocked. So hours of
// time-outs, delays and repeated packets pass at once, and where nothing can go on any more, synctest reports the deadlock. Call New
// in the bubble, and make mailboxes, contexts and sockets after it, there too: they belong to the bubble. A mailbox of such a
// bubble serves sockets of the simulation only. Outside of a bubble the network has the machine's clock: delays take their time.
//
// # Determinism
//
// What may happen or not, a lost packet or a fault, is a function of the seed, the socket, and how many such decisions the
// socket had. So a seed that has found an error finds it again, as long as each socket makes the same calls: goroutines of one
// host that open sockets at the same moment, or share a direction of a socket, are not ordered. Make the hosts first, in one
// goroutine, and give each actor one.
package esocktest

import (
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/kernel"
)

// Net is a simulated network. Its methods may be called from any goroutine.
type Net struct {
	t      testing.TB
	c      *cSim
	shared kernel.Simulation
}

// Host is a computer in a network.
type Host struct {
	net   *Net
	table *cTable
	ip    string
}

// New makes a network without hosts, which lasts until the test ends. Then the sockets that are open are closed, and the test
// fails, with a list of them. The seed decides what goes wrong.
func New(t testing.TB, seed uint64) *Net {
	t.Helper()
	c, err := cNew(seed)
	if err != nil {
		t.Fatal("esocktest: no simulation: ", err)
	}
	n := &Net{t: t, c: c}
	n.shared.Words = cWords(c)
	nowhere := cHost(c, "192.0.2.254") // only the poller is there
	if r := kernel.Begin(&n.shared, unsafe.Pointer(nowhere)); r < 0 {
		cFree(c)
		t.Fatal("esocktest: no simulation: ", syscall.Errno(-r))
	}
	t.Cleanup(n.end)
	return n
}

// end ends the network, and reports what the test has left.
func (n *Net) end() {
	n.t.Helper()
	open := kernel.End(&n.shared)
	left := cFree(n.c)
	n.c = nil
	if len(open) > 0 {
		n.t.Errorf("esocktest: the test has not closed %d sockets:\n\t%s", len(open), strings.Join(open, "\n\t"))
	}
	if left > 0 {
		n.t.Errorf("esocktest: %d descriptors of the simulation are left", left)
	}
}

// Host returns the host with an IPv4 or IPv6 address, and makes it first if there is none. It fails the test if ip is not the
// address of a single host. A host with the IPv4 address a.b.c.d has the IPv6 address fd00::a.b.c.d too. Each host has
// loopback addresses of its own, and paths and names of unix sockets of its own.
func (n *Net) Host(ip string) *Host {
	n.t.Helper()
	table := cHost(n.c, ip)
	if table == nil {
		n.t.Fatalf("esocktest: %q is not the address of a host", ip)
	}
	return &Host{n, table, ip}
}

// Path says how packets go between two hosts. The zero Path loses and delays none.
type Path struct {
	Delay  time.Duration // of each packet
	Jitter time.Duration // up to so much more; a stream stays in order
	// Loss is how many of the packets are lost, from 0 to 1. A stream sends them again: after 200 ms, and each time after twice as
	// long; a connect after 1 s. It gives up as Linux does, after 15 minutes with ETIMEDOUT; a connect after 127 s.
	Loss float64
	Cut  bool // nothing gets through
}

// Link says how packets go between two hosts, in both directions, from now on. A nil host stands for every host; the last call
// for a pair counts. Unix sockets, and packets from a host to itself, use no path. A Path that cannot be fails the test.
func (n *Net) Link(a, b *Host, p Path) {
	n.t.Helper()
	if p.Delay < 0 || p.Jitter < 0 || !(p.Loss >= 0 && p.Loss <= 1) {
		n.t.Fatalf("esocktest: no path is like %+v", p)
	}
	err := n.do(func() error {
		return cLink(n.c, a.orEvery(), b.orEvery(), uint64(p.Delay), uint64(p.Jitter), uint32(math.Round(p.Loss*1e6)), p.Cut)
	})
	if err != nil {
		n.t.Fatal("esocktest: no link: ", err)
	}
}

func (h *Host) orEvery() *cTable {
	if h == nil {
		return nil
	}
	return h.table
}

// do makes a call that may change what happens.
func (n *Net) do(f func() error) error {
	kernel.Enter(&n.shared)
	defer kernel.Leave(&n.shared)
	return f()
}

// Fault is what may go wrong with a call. Each happens only to calls that it can happen to on Linux.
type Fault int

// The faults.
const (
	ShortRead   Fault = faultShortRead   // a receive stops before its buffer is full
	ShortWrite  Fault = faultShortWrite  // a send takes less than it is given
	Interrupted Fault = faultInterrupted // EINTR, which the core handles
	NotReady    Fault = faultNotReady    // readiness was reported, and the call would block
	Spurious    Fault = faultSpurious    // readiness is reported that is not there
	NoBuffers   Fault = faultNoBuffers   // ENOBUFS from open, connect and send
	NoMemory    Fault = faultNoMemory    // ENOMEM
	NoFiles     Fault = faultNoFiles     // EMFILE from what makes a descriptor
	Aborted     Fault = faultAborted     // ECONNABORTED from accept, and the connection is gone
	Reset       Fault = faultReset       // the peer resets the connection just before a receive or a send
)

// Chance sets how often a fault happens, from 0 to 1, to calls that it can happen to. It is 0 at first.
func (n *Net) Chance(f Fault, chance float64) {
	n.t.Helper()
	if !(chance >= 0 && chance <= 1) || f < 0 || f >= simFaults {
		n.t.Fatalf("esocktest: fault %d cannot have the chance %v", f, chance)
	}
	if err := cChance(n.c, int(f), uint(math.Round(chance*1000))); err != nil {
		n.t.Fatal("esocktest: ", err)
	}
}

// Call is a kind of system call.
type Call int

// The calls that Fail takes.
const (
	Socket   Call = callSocket
	Accept   Call = callAccept
	Close    Call = callClose // the descriptor is closed all the same
	Bind     Call = callBind
	Connect  Call = callConnect
	Listen   Call = callListen
	Shutdown Call = callShutdown
	Option   Call = callOption // getsockopt, setsockopt
	Recv     Call = callRecv
	Send     Call = callSend
)

// Fail makes one call of a kind fail: the first on the socket after skip others, with err. A nil socket stands for any.
func (n *Net) Fail(call Call, s *esock.Socket, skip uint, err syscall.Errno) {
	n.t.Helper()
	fd := -1
	if s != nil {
		fd = s.FD()
	}
	if e := cScript(n.c, int(call), fd, skip, -int(err)); e != nil || err == 0 {
		n.t.Fatalf("esocktest: call %d cannot fail with %d", call, int(err))
	}
}

// Kernel returns the option of esock.Open and esock.Adopt, and of the OpenOptions of package netconn, with which a socket lives on the host. An open after the end of the test fails.
func (h *Host) Kernel() esock.OpenOption {
	return kernel.Bound(&kernel.Host{Table: unsafe.Pointer(h.table), Simulation: &h.net.shared}).(esock.OpenOption)
}

// Pair makes two connected unix streams of the host, as socketpair(2) does.
func (h *Host) Pair() (a, b *esock.Socket) {
	h.net.t.Helper()
	var fd [2]int
	err := h.net.do(func() (err error) {
		fd, err = cPair(h.table)
		return err
	})
	if err == nil {
		a, err = esock.Adopt(fd[0], esock.TakeFD(), h.Kernel())
	}
	if err == nil {
		b, err = esock.Adopt(fd[1], esock.TakeFD(), h.Kernel())
	}
	if err != nil {
		h.net.t.Fatal("esocktest: no pair: ", err)
	}
	return a, b
}

// Unlink removes the path of a unix socket, which Close does not remove. Errors: ENOENT.
func (h *Host) Unlink(path string) error {
	return h.net.do(func() error { return cUnlink(h.table, path) })
}

// IP returns the address with which the host was made.
func (h *Host) IP() string { return h.ip }

func (h *Host) String() string { return fmt.Sprintf("host %s", h.ip) }
