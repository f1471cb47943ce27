package tests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// host is a network namespace with one interface, the end of a cable.
type host struct {
	name  string // of the namespace
	dev   string
	index int // of the interface
	ip    netip.Addr
	mac   net.HardwareAddr
}

func (h host) inside() esock.OpenOption { return esock.NetNS("/run/netns/" + h.name) }

func (h host) addr(port uint16) esock.Addr { return esock.Inet4Addr(h.ip, port) }

// cable makes two namespaces joined by a pair of veth.
func cable(t *testing.T) (a, b host) {
	t.Helper()
	privileged(t)
	ip := func(args ...string) string {
		var says bytes.Buffer // its warnings: a peer whose namespace is gone, say
		cmd := exec.Command("ip", args...)
		cmd.Stderr = &says
		out, err := cmd.Output()
		if err != nil {
			t.Skipf("ip %v: %v: %s", args, err, says.Bytes())
		}
		return string(out)
	}
	ends := [2]host{}
	for i := range ends {
		h := host{name: fmt.Sprintf("esock-%d-%d", os.Getpid(), i), dev: fmt.Sprintf("end%d", i),
			ip: netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}), mac: net.HardwareAddr{2, 0, 0, 0, 77, byte(i + 1)}}
		ip("netns", "add", h.name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", h.name).Run() })
		ends[i] = h
	}
	ip("link", "add", ends[0].dev, "netns", ends[0].name, "address", ends[0].mac.String(), "type", "veth",
		"peer", "name", ends[1].dev, "netns", ends[1].name, "address", ends[1].mac.String())
	for i, h := range ends {
		ip("-n", h.name, "link", "set", "lo", "up")
		ip("-n", h.name, "address", "add", h.ip.String()+"/24", "dev", h.dev)
		ip("-n", h.name, "link", "set", h.dev, "up")
		number, _, _ := strings.Cut(ip("-n", h.name, "-oneline", "link", "show", h.dev), ":")
		index, err := strconv.Atoi(number)
		require.NoError(t, err)
		ends[i].index = index
	}
	for _, h := range ends { // until both are up, what a packet socket sends is dropped
		eventually(t, "the carrier", func() bool {
			return strings.Contains(ip("-n", h.name, "-oneline", "link", "show", h.dev), "state UP")
		})
	}
	return ends[0], ends[1]
}

func TestTwoHostsTalkOverTCP(t *testing.T) {
	a, b := cable(t)
	l := open(t, esock.Inet, esock.Stream, esock.TCP, a.inside())
	require.NoError(t, l.Bind(a.addr(0)))
	require.NoError(t, l.Listen(5))
	c := open(t, esock.Inet, esock.Stream, esock.TCP, b.inside())
	require.NoError(t, c.Connect(sockName(t, l), esock.Within(patience)))
	s, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, s)
	echoes(t, c, s)
	peer, err := s.PeerName()
	require.NoError(t, err)
	assert.Equal(t, b.ip, peer.IP())
	assert.Equal(t, netnsCookie(t, l), netnsCookie(t, s), "accepted where the listener is")
	assert.NotEqual(t, netnsCookie(t, c), netnsCookie(t, s))
}

func TestTwoHostsTalkOverUDPAndSayByWhichInterface(t *testing.T) {
	a, b := cable(t)
	server := open(t, esock.Inet, esock.Dgram, esock.UDP, a.inside())
	require.NoError(t, server.Bind(esock.Any))
	require.NoError(t, sockopt.IPPktInfo.Set(server, true))
	client := open(t, esock.Inet, esock.Dgram, esock.UDP, b.inside())
	require.NoError(t, client.Connect(a.addr(uint16(sockName(t, server).Port())), esock.Forever))
	send(t, client, "hello")

	m := esock.Msg{Buf: make([]byte, 16)}
	info := gotInto(t, server, &m, cm.PktInfo4)
	assert.Equal(t, "hello", string(m.Data()))
	assert.Equal(t, b.ip, m.Addr.IP())
	assert.Equal(t, a.index, info.IfIndex)
	assert.Equal(t, a.ip, info.Addr)

	reply := esock.Msg{Addr: m.Addr, Iov: [][]byte{[]byte("back")}}
	require.NoError(t, reply.SetControl(esock.PktInfo4{IfIndex: info.IfIndex}.Control()))
	_, err := server.SendMsg(&reply, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, "back", recv(t, client))
}

// strays are the threads that are in another network namespace than the caller's.
func strays(t *testing.T) (tids []string) {
	t.Helper()
	home, err := os.Readlink("/proc/thread-self/ns/net") // not the first thread's: it cannot end, wherever it is
	require.NoError(t, err)
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	require.NoError(t, err)
	for _, task := range tasks {
		if there, err := os.Readlink(task); err == nil && there != home { // else it has ended
			tids = append(tids, task)
		}
	}
	return tids
}

func TestManyOpenInNamespacesAtOnceAndEveryThreadIsHome(t *testing.T) {
	a, b := cable(t)
	sameDescriptors(t)
	cookies := map[string]uint64{}
	for _, h := range []host{a, b} {
		s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP, h.inside())
		require.NoError(t, err)
		cookies[h.name] = netnsCookie(t, s)
		require.NoError(t, s.Close())
	}
	before := strays(t) // threads of tests that live in a namespace of their own, and end with them

	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			h := []host{a, b}[i%2]
			for range 25 {
				s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, h.inside())
				if !assert.NoError(t, err) {
					return
				}
				cookie, err := sockopt.SocketNetNSCookie.Get(s)
				assert.NoError(t, err)
				assert.Equal(t, cookies[h.name], cookie)
				assert.NoError(t, s.Close())
				_, err = esock.Open(esock.Inet, esock.Stream, esock.UDP, h.inside())
				assert.ErrorIs(t, err, syscall.EPROTONOSUPPORT)
			}
		})
	}
	all.Wait()
	eventually(t, "every thread is back", func() bool {
		return !slices.ContainsFunc(strays(t), func(tid string) bool { return !slices.Contains(before, tid) })
	})
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	assert.NotContains(t, []uint64{cookies[a.name], cookies[b.name]}, netnsCookie(t, s))
	require.NoError(t, s.Close())
}

// kindSocket opens a socket of a kind; the test is skipped if this machine has none, or no privilege for it.
func kindSocket(t *testing.T, kind sockopt.Kinds) *esock.Socket {
	t.Helper()
	if kind&(sockopt.KindTCP6|sockopt.KindUDP6|sockopt.KindRaw6) != 0 {
		machine.NeedIPv6(t)
	}
	s, err := kind.Open()
	if err != nil {
		t.Skipf("no sockets of kind %v here: %v", kind, err)
	}
	closeAtEnd(t, s)
	return s
}

func TestMPTCP(t *testing.T) {
	l := kindSocket(t, sockopt.KindMPTCP)
	assert.Equal(t, esock.MPTCP, l.Protocol())
	require.NoError(t, l.Bind(esock.Loopback))
	require.NoError(t, l.Listen(5))
	accepted := func(from *esock.Socket) *esock.Socket {
		require.NoError(t, from.Connect(sockName(t, l), esock.Within(patience)))
		s, err := l.Accept(esock.Within(patience))
		require.NoError(t, err)
		closeAtEnd(t, s)
		echoes(t, from, s)
		return s
	}

	c := kindSocket(t, sockopt.KindMPTCP)
	s := accepted(c)
	assert.Equal(t, esock.MPTCP, s.Protocol())
	info, err := sockopt.MPTCPInfo.Get(c)
	require.NoError(t, err)
	assert.NotZero(t, info.Token)
	assert.Zero(t, info.Flags&1, "it fell back to TCP")
	assert.Equal(t, uint64(4), c.Counters().ReadByte)
	is, err := sockopt.TCPIsMPTCP.Get(s)
	if !errors.Is(err, syscall.ENOPROTOOPT) && !errors.Is(err, syscall.EOPNOTSUPP) {
		require.NoError(t, err)
		assert.True(t, is)
	}
	require.NoError(t, sockopt.TCPNoDelay.Set(c, true))
	on, err := sockopt.TCPNoDelay.Get(c)
	require.NoError(t, err)
	assert.True(t, on)

	// What MPTCP does not take says so.
	err = sockopt.SocketOOBInline.Set(c, true)
	require.ErrorIs(t, err, syscall.EOPNOTSUPP)
	assert.ErrorContains(t, err, "socket.oobinline is not available on an MPTCP socket")

	// A peer that speaks only TCP is served all the same.
	plain := open(t, esock.Inet, esock.Stream, esock.TCP)
	s = accepted(plain)
	assert.Equal(t, uint64(4), plain.Counters().ReadByte)
	if is, err := sockopt.TCPIsMPTCP.Get(s); err == nil {
		assert.False(t, is)
	}
}

func TestVSock(t *testing.T) {
	s := kindSocket(t, sockopt.KindVSock)
	require.NoError(t, s.Bind(esock.VSockAddr(esock.VSockAny, math.MaxUint32)))
	name := sockName(t, s)
	cid, ok := name.CID()
	assert.True(t, ok)
	assert.Equal(t, esock.VSockAny, cid)
	assert.NotZero(t, name.Port())
	assert.NotEqual(t, uint32(math.MaxUint32), name.Port(), "the kernel chose one")
	assert.ErrorIs(t, s.Bind(name), syscall.EINVAL, "a second time")
	other := kindSocket(t, sockopt.KindVSock)
	assert.ErrorIs(t, other.Bind(name), syscall.EADDRINUSE)
	assert.ErrorIs(t, other.Bind(esock.Loopback), syscall.EAFNOSUPPORT, "a shorthand of inet")
	parsed, err := esock.ParseAddr(name.String())
	require.NoError(t, err)
	assert.Equal(t, name, parsed)
	require.NoError(t, s.Listen(1))

	c := kindSocket(t, sockopt.KindVSock)
	require.NoError(t, sockopt.VSockConnectTimeout.Set(c, 50*time.Millisecond))
	if err := c.Connect(esock.VSockAddr(esock.VSockLocal, name.Port()), esock.Within(patience)); err != nil {
		t.Skipf("addresses and binding work; no transport to the loopback cid (module vsock_loopback): %v", err)
	}
	served, err := s.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, served)
	echoes(t, c, served)
	peer, err := served.PeerName()
	require.NoError(t, err)
	cid, _ = peer.CID()
	assert.Equal(t, esock.VSockLocal, cid)
}

func TestPacket(t *testing.T) {
	const protocol = 0x88b5 // for experiments, IEEE 802
	a, b := cable(t)
	at := func(h host, typ esock.Type) *esock.Socket {
		s := open(t, esock.Packet, typ, esock.Default, h.inside())
		require.NoError(t, s.Bind(esock.PacketAddr(esock.LinkLayer{Protocol: protocol, IfIndex: h.index})))
		return s
	}
	whole, payload, from := at(a, esock.Raw), at(a, esock.Dgram), at(b, esock.Dgram)

	name, ok := sockName(t, whole).LinkLayer()
	require.True(t, ok)
	assert.Equal(t, esock.LinkLayer{Protocol: protocol, IfIndex: a.index, HaType: 1, Hardware: a.mac}, name)

	to := esock.PacketAddr(esock.LinkLayer{Protocol: protocol, IfIndex: b.index, Hardware: a.mac})
	data := bytes.Repeat([]byte("frame"), 20)
	n, err := from.SendTo(data, to, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, len(data), n)

	want := esock.LinkLayer{Protocol: protocol, IfIndex: a.index, PktType: 0, HaType: 1, Hardware: b.mac}
	buf := make([]byte, 2048)
	n, sender, err := payload.RecvFrom(buf, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, data, buf[:n])
	l, ok := sender.LinkLayer()
	assert.True(t, ok)
	assert.Equal(t, want, l)
	n, sender, err = whole.RecvFrom(buf, 0, esock.Within(patience))
	require.NoError(t, err)
	header := append(append(slices.Clone(a.mac), b.mac...), 0x88, 0xb5)
	assert.Equal(t, append([]byte(header), data...), buf[:n])
	l, _ = sender.LinkLayer()
	assert.Equal(t, want, l)

	// A whole frame, made by hand, to everybody.
	copy(header, bytes.Repeat([]byte{0xff}, 6))
	_, err = whole.SendTo(append([]byte(header), data...), esock.PacketAddr(esock.LinkLayer{IfIndex: a.index}), 0, esock.Within(patience))
	require.NoError(t, err)
	n, sender, err = from.RecvFrom(buf, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, data, buf[:n])
	assert.Equal(t, "broadcast", sender.Map()["pkttype"])
	assert.Equal(t, "ether", sender.Map()["hatype"])

	stats, err := sockopt.PacketStatistics.Get(payload)
	require.NoError(t, err)
	assert.Equal(t, uint32(1), stats.Packets)
	assert.Zero(t, stats.Drops)
	stats, err = sockopt.PacketStatistics.Get(payload)
	require.NoError(t, err)
	assert.Zero(t, stats.Packets, "reading begins anew")
}

// inetChecksum is RFC 1071's.
func inetChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func TestRawSocketPings(t *testing.T) {
	const request, reply = 8, 0
	machine.NeedICMP(t)
	s := kindSocket(t, sockopt.KindRaw4)
	require.NoError(t, sockopt.RawICMPFilter.Set(s, 1<<request)) // the loopback would show us our own
	packet := make([]byte, 16)
	packet[0] = request
	binary.BigEndian.PutUint16(packet[4:], uint16(os.Getpid()))
	copy(packet[8:], "esock!!!")
	binary.BigEndian.PutUint16(packet[2:], inetChecksum(packet))
	_, err := s.SendTo(packet, esock.Inet4Addr(loopback, 0), 0, esock.Within(patience))
	require.NoError(t, err)

	buf := make([]byte, 256)
	for {
		n, from, err := s.RecvFrom(buf, 0, esock.Within(patience))
		require.NoError(t, err)
		require.Greater(t, n, 20+8)
		got := buf[4*int(buf[0]&15) : n] // behind the header of IP
		if got[0] != reply || !bytes.Equal(got[4:], packet[4:]) {
			continue // somebody else's
		}
		assert.Equal(t, loopback, from.IP())
		assert.Zero(t, inetChecksum(got))
		return
	}
}

func TestUDPLite(t *testing.T) {
	to, from := kindSocket(t, sockopt.KindUDPLite), kindSocket(t, sockopt.KindUDPLite)
	assert.Equal(t, esock.UDPLite, to.Protocol())
	require.NoError(t, to.Bind(esock.Loopback))
	require.NoError(t, sockopt.UDPLiteSendCsCov.Set(from, 8))
	require.NoError(t, from.Connect(sockName(t, to), esock.Forever))
	send(t, from, "only the header is checked")
	assert.Equal(t, "only the header is checked", recv(t, to))

	require.NoError(t, sockopt.UDPLiteRecvCsCov.Set(to, 20)) // takes what covers at least so much
	send(t, from, "too little")
	require.NoError(t, sockopt.UDPLiteSendCsCov.Set(from, 20))
	send(t, from, "enough is covered")
	assert.Equal(t, "enough is covered", recv(t, to))
}

func TestUnixAbstractNamesAndAutobind(t *testing.T) {
	to := open(t, esock.Local, esock.Dgram, esock.Default)
	addr := esock.AbstractAddr("esock-test-" + strconv.Itoa(os.Getpid()) + "\x00with a NUL")
	require.NoError(t, to.Bind(addr))
	assert.Equal(t, addr, sockName(t, to))
	parsed, err := esock.ParseAddr(addr.String())
	require.NoError(t, err)
	assert.Equal(t, addr, parsed)
	taken := open(t, esock.Local, esock.Dgram, esock.Default)
	assert.ErrorIs(t, taken.Bind(addr), syscall.EADDRINUSE)

	from := open(t, esock.Local, esock.Dgram, esock.Default)
	require.NoError(t, from.Bind(esock.UnixAddr("")))
	chosen := sockName(t, from)
	assert.Regexp(t, "^\x00[0-9a-f]{5}$", chosen.Path())
	_, err = from.SendTo([]byte("hi"), addr, 0, esock.Within(patience))
	require.NoError(t, err)
	buf := make([]byte, 8)
	n, sender, err := to.RecvFrom(buf, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, "hi", string(buf[:n]))
	assert.Equal(t, chosen, sender)
	_, err = to.SendTo([]byte("back"), sender, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, "back", recv(t, from))
}

// netlinkRequest is a message with a header, netlink(7), and a struct ifinfomsg of zeros behind it.
func netlinkRequest(typ, flags uint16, number uint32) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN+unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], typ)
	binary.NativeEndian.PutUint16(b[6:], flags)
	binary.NativeEndian.PutUint32(b[8:], number)
	return b
}

// netlinkMessages takes apart what a datagram holds: types and bodies.
func netlinkMessages(t *testing.T, b []byte, each func(typ uint16, number uint32, body []byte)) {
	t.Helper()
	for len(b) >= unix.NLMSG_HDRLEN {
		n := int(binary.NativeEndian.Uint32(b))
		require.GreaterOrEqual(t, n, unix.NLMSG_HDRLEN)
		require.LessOrEqual(t, n, len(b))
		each(binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint32(b[8:]), b[unix.NLMSG_HDRLEN:n])
		b = b[min(len(b), (n+3)&^3):]
	}
}

func TestNetlinkDumpsTheLinks(t *testing.T) {
	s := open(t, esock.Netlink, esock.Raw, esock.Protocol(unix.NETLINK_ROUTE))
	require.NoError(t, s.Bind(esock.NetlinkAddr(0, 0)))
	assert.NotZero(t, sockName(t, s).Port(), "the kernel chose one")
	request := esock.Msg{Addr: esock.NetlinkAddr(0, 0),
		Iov: [][]byte{netlinkRequest(unix.RTM_GETLINK, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, 7)}}
	_, err := s.SendMsg(&request, 0, esock.Within(patience))
	require.NoError(t, err)
	links, done := 0, false
	loop := false
	m := esock.Msg{Buf: make([]byte, 1<<16)}
	for !done {
		require.NoError(t, s.RecvMsg(&m, 0, esock.Within(patience)))
		require.Zero(t, m.Flags&esock.MsgTrunc)
		assert.Equal(t, esock.NetlinkAddr(0, 0), m.Addr, "from the kernel")
		netlinkMessages(t, m.Data(), func(typ uint16, number uint32, body []byte) {
			assert.Equal(t, uint32(7), number)
			switch typ {
			case unix.RTM_NEWLINK:
				links++
				loop = loop || bytes.Contains(body, []byte("lo\x00"))
			case unix.NLMSG_DONE:
				done = true
			default:
				t.Errorf("a message of type %d", typ)
			}
		})
	}
	assert.True(t, loop)
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, links, len(interfaces))
}

func TestNetlinkGroupsTellWhatHappens(t *testing.T) {
	a, _ := cable(t)
	const group = 1 // RTNLGRP_LINK
	s := open(t, esock.Netlink, esock.Raw, esock.Protocol(unix.NETLINK_ROUTE), a.inside())
	require.NoError(t, s.Bind(esock.NetlinkAddr(0, 1<<(group-1))))
	groups, ok := sockName(t, s).Groups()
	assert.True(t, ok)
	assert.Equal(t, uint32(1<<(group-1)), groups)
	require.NoError(t, exec.Command("ip", "-n", a.name, "link", "set", a.dev, "mtu", "1400").Run())
	m := esock.Msg{Buf: make([]byte, 1<<16)}
	for seen := false; !seen; {
		require.NoError(t, s.RecvMsg(&m, 0, esock.Within(patience)))
		assert.Equal(t, esock.NetlinkAddr(0, 1<<(group-1)), m.Addr)
		netlinkMessages(t, m.Data(), func(typ uint16, _ uint32, body []byte) {
			seen = seen || typ == unix.RTM_NEWLINK && bytes.Contains(body, []byte(a.dev+"\x00"))
		})
	}
}
