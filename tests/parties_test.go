package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	"github.com/esock-go/esock/sockopt"
)

// parties are the sockets of one case.
type parties struct {
	own   *esock.Socket // its call waits
	peer  *esock.Socket // nil if there is none
	third *esock.Socket // sends to the same queue; nil if there is none
	call  func(w esock.Wait) error
	other func(w esock.Wait) error // the third's
	act   func()                   // what makes the call possible
	tries func() uint64
}

func theirs(p *parties) *esock.Socket { return p.peer }
func ours(p *parties) *esock.Socket   { return p.own }

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

// maker opens a socket of a family, or skips.
type maker func(t *testing.T) *esock.Socket

func kindOf(k sockopt.Kinds) maker {
	return func(t *testing.T) *esock.Socket { return kindSocket(t, k) }
}

func unixOf(typ esock.Type) maker {
	return func(t *testing.T) *esock.Socket { return open(t, esock.Local, typ, 0) }
}

// connected is two ends of a connection, with small buffers.
func connected(t *testing.T, kind maker) (a, b *esock.Socket) {
	l := listening(t, kind)
	a = kind(t)
	_ = sockopt.SocketSndBuf.Set(a, 16<<10)
	reach(t, a, l)
	b, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, b)
	return a, b
}

func listening(t *testing.T, kind maker) *esock.Socket {
	l := kind(t)
	_ = sockopt.SocketRcvBuf.Set(l, 16<<10)
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

// connecting is an attempt that is not answered.
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

// netlinkUser is a socket of a protocol for messages between processes. The kernel would give a closed socket's port to another
// test, which would then get what is sent to the closed one. So each has a port of its own, of 1024 for each process.
func netlinkUser(t *testing.T) (*esock.Socket, esock.Addr) {
	s, err := esock.Open(esock.Netlink, esock.Dgram, unix.NETLINK_USERSOCK)
	if err != nil {
		t.Skipf("no netlink between processes: %v", err)
	}
	closeAtEnd(t, s)
	require.NoError(t, sockopt.SocketRcvBuf.Set(s, 4096))
	for err = error(syscall.EADDRINUSE); errors.Is(err, syscall.EADDRINUSE); {
		err = s.Bind(esock.NetlinkAddr(uint32(os.Getpid())<<10+netlinkPorts.Add(1), 0))
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
func slowSender(t *testing.T, kind sockopt.Kinds) *parties {
	inside, through := slowLoopback(t)
	var s *esock.Socket
	var to esock.Addr
	var err error
	switch kind {
	case 0:
		s = open(t, esock.Packet, esock.Dgram, 0, inside)
		to = esock.PacketAddr(esock.LinkLayer{Protocol: 0x88b5, IfIndex: 1, Hardware: make([]byte, 6)})
	case sockopt.KindUDPLite:
		if s, err = esock.Open(esock.Inet, esock.Dgram, esock.UDPLite, inside); err != nil {
			t.Skipf("no UDP-Lite: %v", err)
		}
		closeAtEnd(t, s)
		require.NoError(t, s.Bind(esock.Loopback))
		to = sockName(t, s)
	case sockopt.KindUDP6:
		machine.NeedIPv6(t)
		s = open(t, esock.Inet6, esock.Dgram, esock.UDP, inside)
		require.NoError(t, s.Bind(esock.Loopback))
		to = sockName(t, s)
	default:
		s = open(t, esock.Inet, esock.Dgram, esock.UDP, inside)
		require.NoError(t, s.Bind(esock.Loopback))
		to = sockName(t, s)
	}
	require.NoError(t, sockopt.SocketSndBuf.Set(s, 8192))
	p := sending(t, s, s, sendTo(to))
	p.act = through
	return p
}

// rawSender is a raw sender whose buffer is full.
func rawSender(t *testing.T, header bool) *parties {
	inside, through := slowLoopback(t)
	s := open(t, esock.Inet, esock.Raw, 253, inside) // a protocol for experiments, RFC 3692
	require.NoError(t, sockopt.SocketSndBuf.Set(s, 8192))
	require.NoError(t, sockopt.IPHdrIncl.Set(s, header))
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
	require.NoError(t, sockopt.IPRecvErr.Set(s, true))
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
