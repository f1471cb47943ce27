package tests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/sockopt"
)

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

	// A whole frame, made by hand, to the broadcast address.
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
			continue // another's
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
