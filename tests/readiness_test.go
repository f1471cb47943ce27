package tests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
)

// How waits end, of every family, in every direction, blocking and asynchronous: the result, and the number of system
// calls that it took. The results are those of a blocking call of the kernel, measured with C, but where a note says
// otherwise.

// parties are the sockets of one case.
type parties struct {
	own   *esock.Socket // its call waits
	peer  *esock.Socket // nil if there is none
	third *esock.Socket // sends to the same queue; nil if nobody can
	call  func(w esock.Wait) error
	other func(w esock.Wait) error // the third's
	act   func()                   // what makes the call possible
	tries func() uint64
}

// An end is what may end a wait, and does to the wait of a family: an errno's name, "EOF", "ok", "ErrClosed", "waits": it
// goes on; alternatives are separated by |.
type end struct {
	name string
	do   func(t *testing.T, p *parties)
}

func shutdownOf(of func(p *parties) *esock.Socket, how esock.How) func(*testing.T, *parties) {
	return func(_ *testing.T, p *parties) { _ = of(p).Shutdown(how) } // some families have none
}

func theirs(p *parties) *esock.Socket { return p.peer }
func ours(p *parties) *esock.Socket   { return p.own }

var ends = []end{
	{"nothing", func(*testing.T, *parties) {}},
	{"it becomes possible", func(_ *testing.T, p *parties) { p.act() }},
	{"peer closes", func(_ *testing.T, p *parties) { p.peer.Close() }},
	{"peer shuts reading", shutdownOf(theirs, esock.ShutRead)},
	{"peer shuts writing", shutdownOf(theirs, esock.ShutWrite)},
	{"peer shuts both", shutdownOf(theirs, esock.ShutReadWrite)},
	{"own shut reading", shutdownOf(ours, esock.ShutRead)},
	{"own shut writing", shutdownOf(ours, esock.ShutWrite)},
	{"own shut both", shutdownOf(ours, esock.ShutReadWrite)},
	{"a sharer shuts both", func(t *testing.T, p *parties) { _ = syscall.Shutdown(fdOf(t, p.own), syscall.SHUT_RDWR) }},
	{"own close", func(_ *testing.T, p *parties) { p.own.Close() }},
	{"a third drains", func(t *testing.T, p *parties) {
		buf := make([]byte, 4096)
		for fd := fdOf(t, p.peer); ; {
			if n, _, _ := syscall.Recvfrom(fd, buf, syscall.MSG_DONTWAIT); n <= 0 {
				return
			}
		}
	}},
	{"a third fills", func(t *testing.T, p *parties) {
		buf := make([]byte, 4096)
		for range 20 { // one is taken out, and the third puts one in
			_, _ = p.peer.Recv(buf, 0, esock.Within(0))
			_ = p.other(esock.Within(0))
		}
		p.act()
	}},
}

// A row is one direction of a family, with the results in the order of ends; "" is no case.
type row struct {
	name  string
	setup func(t *testing.T) *parties
	want  []string
}

func results(nothing, possible, peerCloses, peerR, peerW, peerRW, ownR, ownW, ownRW, sharer, thirds string) []string {
	return []string{nothing, possible, peerCloses, peerR, peerW, peerRW, ownR, ownW, ownRW, sharer, "ErrClosed", thirds, thirds}
}

// The tables. A stream's receive, and its send:
var (
	streamRecv = results("waits", "ok", "EOF", "waits", "EOF", "EOF", "EOF", "waits", "EOF", "EOF", "")
	unixSend   = results("waits", "ok", "EPIPE|ECONNRESET", "EPIPE", "waits", "EPIPE", "waits", "EPIPE", "EPIPE", "EPIPE", "")
	// What is on its way in a TCP connection may make room. MPTCP may take a last piece before it knows of the end.
	tcpSend = results("waits|ok", "ok", "EPIPE|ECONNRESET|ok", "waits|ok", "waits|ok", "waits|ok|EPIPE|ECONNRESET", "waits|ok", "EPIPE|ok",
		"EPIPE|ok", "EPIPE|ok", "")
	acceptTCP = results("waits", "ok", "", "", "", "", "EINVAL", "waits", "EINVAL", "EINVAL", "")
	// A socket that has no shutdown.
	neverShut = results("waits", "ok", "", "", "", "", "waits", "waits", "waits", "waits", "")
	// The end of the peer is nothing to a datagram socket that receives.
	dgramRecv = results("waits", "ok", "waits", "waits", "waits", "waits", "EOF", "waits", "EOF", "EOF", "")
	// The kernel's blocking send does not hear of the peer's shutdown, nor of its own: a try does.
	unixDgramSend = results("waits", "ok", "ECONNREFUSED|ENOTCONN|ECONNRESET", "EPIPE", "waits", "EPIPE", "waits", "EPIPE", "EPIPE", "EPIPE", "ok")
	// Both ends of a pair may send as long as there is memory; then the peer's shutdown frees none.
	unixPairSend = results("waits", "ok", "ECONNREFUSED|ENOTCONN|ECONNRESET", "waits", "waits", "waits", "waits", "EPIPE", "EPIPE", "EPIPE", "")
	netlinkSend  = results("waits", "ok", "ECONNREFUSED", "waits", "waits", "waits", "waits", "waits", "waits", "waits", "ok")
	netlinkRecv  = results("waits", "ok", "waits", "waits", "waits", "waits", "waits", "waits", "waits", "waits", "")
	// Sends that wait for room in the sender's own buffer.
	inetSend = results("waits", "ok", "", "", "", "", "waits", "EPIPE", "EPIPE", "EPIPE", "")
	inetRecv = results("waits", "ok", "waits", "waits", "waits", "waits", "EOF", "waits", "EOF", "EOF", "")
	linkSend = neverShut
	errQueue = results("waits", "ok", "waits", "waits", "waits", "waits", "waits", "waits", "waits", "waits", "")
	connect  = results("waits", "", "", "", "", "", "!ok", "waits|!ok", "!ok", "!ok", "")
)

func TestHowWaitsEnd(t *testing.T) {
	for _, r := range rows() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for i, e := range ends {
				for _, async := range []bool{false, true} {
					if r.want[i] == "" {
						continue
					}
					form := "blocking"
					if async {
						form = "asynchronous"
					}
					t.Run(e.name+", "+form, func(t *testing.T) { howItEnds(t, r, e, r.want[i], async) })
				}
			}
		})
	}
}

// watched is for how long a wait that must go on is looked at: one that spins makes thousands of system calls meanwhile.
const watched = 20 * time.Millisecond

func howItEnds(t *testing.T, r row, e end, want string, async bool) {
	p := r.setup(t)
	before, begin := p.tries(), time.Now()
	waits := func() uint64 {
		c := p.own.Counters()
		return c.ReadWaits + c.WriteWaits + c.AccWaits
	}
	waited := waits()
	mayWait := strings.HasPrefix(want, "waits")
	mb := esock.NewMailbox()
	defer mb.Close()
	done := make(chan error, 1)
	var armed, messages atomic.Int32
	go func() {
		if !async {
			done <- p.call(esock.Forever)
			return
		}
		for {
			err := p.call(esock.NoWait(mb))
			if _, ok := err.(*esock.Select); !ok {
				done <- err
				return
			}
			armed.Store(1)
			msg, err := mb.Receive(context.Background())
			if abort, ok := msg.(esock.AbortMsg); ok {
				err = abort.Reason
			}
			if err != nil {
				done <- err
				return
			}
			messages.Add(1)
		}
	}()
	eventually(t, "the wait", func() bool {
		if len(done) > 0 {
			return true
		}
		if async {
			return armed.Load() > 0
		}
		// Counted by the try after which it sleeps. An end that a sharer makes before is not seen.
		return waits() > waited || hasState(p.own.Info().WStates, "connecting")
	})
	e.do(t, p)
	var got string
	limit := time.After(patience)
	if mayWait {
		limit = time.After(watched)
	}
	select {
	case err := <-done:
		got = resultName(err)
	case <-limit:
		got = "waits"
	}
	made, took := p.tries()-before, time.Since(begin)
	if got == "waits" {
		p.own.Close()
		assert.ErrorIs(t, <-done, errClosed, "Close ends it all the same")
	}
	ok := slices.Contains(strings.Split(want, "|"), got) || strings.Contains(want, "!ok") && got != "ok" && got != "waits"
	assert.True(t, ok, "it ended with %s, and not with %s", got, want)
	// Pauses are of 50 ms in the end, and there are few before.
	most := 40 + uint64(took/(20*time.Millisecond))
	assert.LessOrEqual(t, made, most, "system calls in %v", took)
	assert.LessOrEqual(t, uint64(messages.Load()), most, "messages in %v", took)
}

func resultName(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errClosed):
		return "ErrClosed"
	case err == io.EOF:
		return "EOF"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

func writeTries(s *esock.Socket) func() uint64 {
	return func() uint64 { return s.Counters().WriteTries }
}

func readTries(s *esock.Socket) func() uint64 { return func() uint64 { return s.Counters().ReadTries } }

// sending is the case of own, which has sent until it would wait.
func sending(t *testing.T, own, peer *esock.Socket, send func(s *esock.Socket, w esock.Wait) error) *parties {
	p := &parties{own: own, peer: peer, tries: writeTries(own)}
	p.call = func(w esock.Wait) error { return send(own, w) }
	p.act = func() {
		for buf := make([]byte, 1<<16); ; {
			if n, err := peer.Recv(buf, 0, esock.Within(0)); n == 0 || err != nil {
				return
			}
		}
	}
	stuff(t, p.call)
	return p
}

// stuff sends until nothing is taken any more, also a little later: what is on its way may make room.
func stuff(t *testing.T, send func(w esock.Wait) error) {
	t.Helper()
	for {
		err := send(esock.Within(0))
		if err == esock.ErrTimeout {
			err = send(esock.Within(2 * time.Millisecond))
		}
		if err == esock.ErrTimeout || errors.Is(err, syscall.ENOBUFS) {
			return
		}
		require.NoError(t, err)
	}
}

func receiving(own, peer *esock.Socket, send func()) *parties {
	return &parties{own: own, peer: peer, act: send, tries: readTries(own),
		call: func(w esock.Wait) error { _, err := own.Recv(make([]byte, 100), 0, w); return err }}
}

func plainSend(s *esock.Socket, w esock.Wait) error {
	_, err := s.Send(make([]byte, 1000), 0, w)
	return err
}

func sendTo(a esock.Addr) func(*esock.Socket, esock.Wait) error {
	return func(s *esock.Socket, w esock.Wait) error {
		_, err := s.SendTo(make([]byte, 1000), a, 0, w)
		return err
	}
}

// kindRows are send and receive of a family.
func kindRows(name string, send, recv []string, sender, receiver func(t *testing.T) *parties) []row {
	return []row{{name + " send", sender, send}, {name + " receive", receiver, recv}}
}

func rows() (all []row) {
	add := func(r ...row) { all = append(all, r...) }
	streams := []struct {
		name       string
		make       maker
		send, recv []string
		accept     []string
	}{
		{"tcp", kindOf(esock.KindTCP4), tcpSend, streamRecv, acceptTCP},
		{"tcp6", kindOf(esock.KindTCP6), tcpSend, streamRecv, acceptTCP},
		{"mptcp", kindOf(esock.KindMPTCP), tcpSend, streamRecv, acceptTCP},
		{"sctp", kindOf(esock.KindSCTP), tcpSend, streamRecv, acceptTCP},
		{"unix stream", unixOf(esock.Stream), unixSend, streamRecv, acceptTCP},
		{"unix seqpacket", unixOf(esock.SeqPacket), unixSend, streamRecv, acceptTCP},
		{"vsock", kindOf(esock.KindVSock), tcpSend, streamRecv, neverShut},
	}
	for _, f := range streams {
		add(kindRows(f.name, f.send, f.recv, func(t *testing.T) *parties {
			a, b := connected(t, f.make)
			return sending(t, a, b, plainSend)
		}, func(t *testing.T) *parties {
			a, b := connected(t, f.make)
			return receiving(a, b, func() { send(t, b, "x") })
		})...)
		add(row{f.name + " accept", func(t *testing.T) *parties { return accepting(t, f.make) }, f.accept})
	}
	add(row{"tcp connect", connecting, connect})

	add(kindRows("unix datagram pair", unixPairSend, dgramRecv, func(t *testing.T) *parties {
		a, b := pair(t, esock.Dgram)
		return sending(t, a, b, plainSend)
	}, func(t *testing.T) *parties {
		a, b := pair(t, esock.Dgram)
		return receiving(a, b, func() { send(t, b, "x") })
	})...)
	for _, name := range []string{"connected", "not connected", "connected to another"} {
		add(row{"unix datagram " + name + " send", func(t *testing.T) *parties { return unixSender(t, name) }, unixDgramSend})
	}
	add(row{"unix datagram receive", func(t *testing.T) *parties {
		r, to := unixReceiver(t)
		s := open(t, esock.Local, esock.Dgram, 0)
		return receiving(r, s, func() { _ = sendTo(to)(s, esock.Forever) })
	}, dgramRecv})

	for _, name := range []string{"netlink", "netlink connected"} {
		add(kindRows(name, netlinkSend, netlinkRecv, func(t *testing.T) *parties { return netlinkSender(t, name != "netlink") },
			func(t *testing.T) *parties {
				r, to := netlinkUser(t)
				s, _ := netlinkUser(t)
				return receiving(r, s, func() { require.NoError(t, sendTo(to)(s, esock.Forever)) })
			})...)
	}

	for _, f := range []struct {
		name string
		kind esock.SocketKinds
		ip6  bool
	}{{"udp", esock.KindUDP4, false}, {"udp6", esock.KindUDP6, true}, {"udp-lite", esock.KindUDPLite, false}} {
		add(row{f.name + " send", func(t *testing.T) *parties { return slowSender(t, f.kind) }, inetSend})
		add(row{f.name + " receive", func(t *testing.T) *parties {
			r, s := kindSocket(t, f.kind), kindSocket(t, f.kind)
			require.NoError(t, r.Bind(esock.Loopback))
			return receiving(r, s, func() { require.NoError(t, sendTo(sockName(t, r))(s, esock.Forever)) })
		}, inetRecv})
	}
	// A raw socket for which the kernel makes the header does not wait for room.
	add(row{"raw send", func(t *testing.T) *parties { return rawSender(t, false) }, []string{"ENOBUFS", "", "", "", "", "", "", "", "", "", "", "", ""}})
	add(row{"raw send with header", func(t *testing.T) *parties { return rawSender(t, true) }, inetSend})
	add(row{"raw receive", rawReceiver, inetRecv})
	add(row{"packet send", func(t *testing.T) *parties { return slowSender(t, 0) }, linkSend})
	add(row{"packet receive", packetReceiver, neverShut})
	add(row{"udp error queue", udpErrors, errQueue}, row{"tcp error queue", tcpErrors, errQueue})
	return all
}

// maker opens a socket of a family, or skips.
type maker func(t *testing.T) *esock.Socket

func kindOf(k esock.SocketKinds) maker {
	return func(t *testing.T) *esock.Socket { return kindSocket(t, k) }
}

func unixOf(typ esock.Type) maker {
	return func(t *testing.T) *esock.Socket { return open(t, esock.Local, typ, 0) }
}

// connected is two ends of a connection, with small buffers.
func connected(t *testing.T, kind maker) (a, b *esock.Socket) {
	l := listening(t, kind)
	a = kind(t)
	_ = esock.SocketSndBuf.Set(a, 16<<10)
	reach(t, a, l)
	b, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, b)
	return a, b
}

func listening(t *testing.T, kind maker) *esock.Socket {
	l := kind(t)
	_ = esock.SocketRcvBuf.Set(l, 16<<10)
	at := esock.Loopback
	switch l.Domain() {
	case esock.Local:
		at = esock.UnixAddr("")
	case esock.VSock:
		at = esock.VSockAddr(esock.VSockAny, 1<<32-1)
	}
	require.NoError(t, l.Bind(at))
	require.NoError(t, l.Listen(4))
	return l
}

func accepting(t *testing.T, kind maker) *parties {
	l := listening(t, kind)
	return &parties{own: l, tries: func() uint64 { return l.Counters().AccTries }, call: func(w esock.Wait) error {
		n, err := l.Accept(w)
		if err == nil {
			n.Close()
		}
		return err
	}, act: func() {
		reach(t, kind(t), l)
	}}
}

// reach connects c to a listener. A machine may have no vsock transport to itself.
func reach(t *testing.T, c, l *esock.Socket) {
	to := sockName(t, l)
	if l.Domain() == esock.VSock {
		if !vsockReachesItself() {
			t.Skip("no transport to the loopback cid (module vsock_loopback)")
		}
		to = esock.VSockAddr(esock.VSockLocal, to.Port())
	}
	require.NoError(t, c.Connect(to, esock.Within(patience)))
}

// vsockReachesItself tries it once: without a transport an attempt lasts until its time is up.
var vsockReachesItself = sync.OnceValue(func() bool {
	s, err := esock.Open(esock.VSock, esock.Stream, 0)
	if err != nil {
		return false
	}
	defer s.Close()
	err = s.Connect(esock.VSockAddr(esock.VSockLocal, 1), esock.Within(time.Second))
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED)
})

// connecting is an attempt that nobody answers.
func connecting(t *testing.T) *parties {
	to := pendingAddr(t)
	c := open(t, esock.Inet, esock.Stream, esock.TCP)
	return &parties{own: c, tries: writeTries(c), call: func(w esock.Wait) error { return c.Connect(to, w) }}
}

func unixReceiver(t *testing.T) (*esock.Socket, esock.Addr) {
	r := open(t, esock.Local, esock.Dgram, 0)
	require.NoError(t, r.Bind(esock.UnixAddr("")))
	return r, sockName(t, r)
}

// unixSender sends to a queue that another has filled.
func unixSender(t *testing.T, how string) *parties {
	r, to := unixReceiver(t)
	third, me := open(t, esock.Local, esock.Dgram, 0), open(t, esock.Local, esock.Dgram, 0)
	call := sendTo(to)
	stuff(t, func(w esock.Wait) error { return call(third, w) })
	switch how {
	case "connected":
		require.NoError(t, me.Connect(to, esock.Forever))
		call = plainSend
	case "connected to another":
		_, elsewhere := unixReceiver(t)
		require.NoError(t, me.Connect(elsewhere, esock.Forever))
	}
	p := sending(t, me, r, call)
	p.third, p.other = third, func(w esock.Wait) error { return sendTo(to)(third, w) }
	return p
}

var netlinkPorts atomic.Uint32

// netlinkUser is a socket of a protocol for messages between processes. Its port is nobody's after it: those that the kernel
// gives are, and what is sent to a socket that was closed would then reach one of another test.
func netlinkUser(t *testing.T) (*esock.Socket, esock.Addr) {
	s, err := esock.Open(esock.Netlink, esock.Dgram, unix.NETLINK_USERSOCK)
	if err != nil {
		t.Skipf("no netlink between processes: %v", err)
	}
	closeAtEnd(t, s)
	require.NoError(t, esock.SocketRcvBuf.Set(s, 4096))
	for err = error(syscall.EADDRINUSE); errors.Is(err, syscall.EADDRINUSE); {
		err = s.Bind(esock.NetlinkAddr(uint32(os.Getpid())<<9+netlinkPorts.Add(1), 0))
	}
	require.NoError(t, err)
	return s, sockName(t, s)
}

func netlinkSender(t *testing.T, connect bool) *parties {
	r, to := netlinkUser(t)
	third, _ := netlinkUser(t)
	me, _ := netlinkUser(t)
	call := sendTo(to)
	if connect {
		require.NoError(t, me.Connect(to, esock.Forever))
		call = plainSend
	}
	stuff(t, func(w esock.Wait) error { return sendTo(to)(third, w) })
	p := sending(t, me, r, call)
	p.third, p.other = third, func(w esock.Wait) error { return sendTo(to)(third, w) }
	return p
}

var namespaces atomic.Int32

// slowLoopback is a network namespace whose loopback lets a packet through each ten seconds, until open is called.
//
// What waits in the queue keeps its socket, and that the namespace, whatever else is closed and deleted. So the queue is
// emptied at the end; it empties itself after a minute, should the test be killed. Nothing sent there may be answered by
// ICMP: the kernel has one ICMP socket per processor for all namespaces, and with its answers waiting here it would be full.
func slowLoopback(t *testing.T) (inside esock.OpenOption, open func()) {
	privileged(t)
	name := fmt.Sprintf("esock-slow-%d-%d", os.Getpid(), namespaces.Add(1))
	run := func(command string) error { return exec.Command("/bin/sh", "-c", command).Run() }
	if err := run("ip netns add " + name); err != nil {
		t.Skipf("no network namespace: %v", err)
	}
	t.Cleanup(func() { _ = run("tc -n " + name + " qdisc del dev lo root; ip netns del " + name) })
	if err := run("ip -n " + name + " link set lo up && tc -n " + name + " qdisc replace dev lo root tbf rate 800bit burst 1200 limit 10000000"); err != nil {
		t.Skipf("no token bucket: %v", err)
	}
	return esock.NetNS("/run/netns/" + name), func() { assert.NoError(t, run("tc -n "+name+" qdisc del dev lo root")) }
}

// slowSender is a sender whose own buffer is full; kind 0 is a packet socket.
func slowSender(t *testing.T, kind esock.SocketKinds) *parties {
	inside, through := slowLoopback(t)
	var s *esock.Socket
	var to esock.Addr
	var err error
	switch kind {
	case 0:
		s = open(t, esock.Packet, esock.Dgram, 0, inside)
		to = esock.PacketAddr(esock.LinkLayer{Protocol: 0x88b5, IfIndex: 1, Hardware: make([]byte, 6)})
	case esock.KindUDPLite:
		if s, err = esock.Open(esock.Inet, esock.Dgram, esock.UDPLite, inside); err != nil {
			t.Skipf("no UDP-Lite: %v", err)
		}
		closeAtEnd(t, s)
		require.NoError(t, s.Bind(esock.Loopback))
		to = sockName(t, s)
	case esock.KindUDP6:
		machine.NeedIPv6(t)
		s = open(t, esock.Inet6, esock.Dgram, esock.UDP, inside)
		require.NoError(t, s.Bind(esock.Loopback))
		to = sockName(t, s)
	default:
		s = open(t, esock.Inet, esock.Dgram, esock.UDP, inside)
		require.NoError(t, s.Bind(esock.Loopback))
		to = sockName(t, s)
	}
	require.NoError(t, esock.SocketSndBuf.Set(s, 8192))
	p := sending(t, s, s, sendTo(to))
	p.act = through
	return p
}

// rawSender is a raw sender whose buffer is full.
func rawSender(t *testing.T, header bool) *parties {
	inside, through := slowLoopback(t)
	s := open(t, esock.Inet, esock.Raw, 253, inside) // a protocol for experiments, RFC 3692
	require.NoError(t, esock.SocketSndBuf.Set(s, 8192))
	require.NoError(t, esock.IPHdrIncl.Set(s, header))
	to := esock.Inet4Addr(loopback, 0)
	packet := make([]byte, 1000)
	if header {
		copy(packet, []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 253, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1})
	}
	p := sending(t, s, s, func(s *esock.Socket, w esock.Wait) error {
		_, err := s.SendTo(packet, to, 0, w)
		return err
	})
	p.act = through
	return p
}

func rawReceiver(t *testing.T) *parties {
	privileged(t)
	r := open(t, esock.Inet, esock.Raw, esock.Protocol(253))
	s := open(t, esock.Inet, esock.Raw, esock.Protocol(254))
	own := open(t, esock.Inet, esock.Raw, esock.Protocol(253))
	return receiving(r, s, func() { require.NoError(t, sendTo(esock.Inet4Addr(loopback, 0))(own, esock.Forever)) })
}

func packetReceiver(t *testing.T) *parties {
	privileged(t)
	to := esock.PacketAddr(esock.LinkLayer{Protocol: 0x88b6, IfIndex: 1, Hardware: make([]byte, 6)})
	r, s := open(t, esock.Packet, esock.Dgram, 0), open(t, esock.Packet, esock.Dgram, 0)
	require.NoError(t, r.Bind(to))
	return receiving(r, s, func() { require.NoError(t, sendTo(to)(s, esock.Forever)) })
}

func errorWaiter(own, peer *esock.Socket, act func()) *parties {
	p := receiving(own, peer, act)
	p.call = func(w esock.Wait) error {
		var m esock.Msg
		_, err := own.RecvErr(&m, w)
		return err
	}
	return p
}

func udpErrors(t *testing.T) *parties {
	peer, _ := udp(t)
	s, _ := udp(t)
	require.NoError(t, esock.IPRecvErr.Set(s, true))
	return errorWaiter(s, peer, func() { provoke(t, s) })
}

func tcpErrors(t *testing.T) *parties {
	a, b := tcpPair(t)
	p := errorWaiter(a, b, nil)
	p.act = func() {
		_, err := a.TxTimestamps(esock.TimestampTxSoftware)
		require.NoError(t, err)
		send(t, a, "x")
	}
	return p
}
