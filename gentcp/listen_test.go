package gentcp_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/packet"
)

func TestListen_Address(t *testing.T) {
	l := opened(t)(Listen(nil, 0))
	assert.Equal(t, any4, nameOf(t, l).IP())
	portOf(t, l)
	port := freePorts(t, 1)[0]
	l = opened(t)(Listen(nil, port, Inet6()))
	assert.Equal(t, at(any6, port), nameOf(t, l))
	_, err := l.PeerName()
	assert.Equal(t, "enotconn", Reason(err))
}

// backlogOf is what the kernel has: tcpi_sacked of a listener.
func backlogOf(t testing.TB, l *Socket) uint32 {
	t.Helper()
	opts, err := l.GetOpts(RawName(tcpLevel, syscall.TCP_INFO, 32))
	require.NoError(t, err)
	require.Len(t, opts, 1)
	return binary.NativeEndian.Uint32(opts[0].Value().([]byte)[28:])
}

func TestListen_Backlog(t *testing.T) {
	assert.EqualValues(t, 5, backlogOf(t, opened(t)(Listen(nil, 0))))
	assert.EqualValues(t, 17, backlogOf(t, opened(t)(Listen(nil, 0, Backlog(5), Backlog(17)))))
	assert.EqualValues(t, 0, backlogOf(t, opened(t)(Listen(nil, 0, Backlog(0)))))
	l := opened(t)(Listen(nil, 0, must(Opt("backlog", 7.0))))
	require.NoError(t, l.SetOpts(Backlog(9)))
	assert.EqualValues(t, 7, backlogOf(t, l), "setopts ignores it")
}

func TestListen_Errors(t *testing.T) {
	l := listenWith(t, nil)
	before := esock.NumberOf()
	s, err := Listen(nil, portOf(t, l), IPLoopback())
	assertReason(t, "eaddrinuse", s, err)
	assert.ErrorIs(t, err, syscall.EADDRINUSE)
	assert.ErrorContains(t, err, "listen")
	s, err = Listen(nil, portOf(t, l), IPLoopback(), ReuseAddr(true))
	assertReason(t, "eaddrinuse", s, err, "there is a listener")
	if machine.RefusesForeign() {
		s, err = Listen(nil, 0, IP(netip.MustParseAddr("192.0.2.1")))
		assertReason(t, "eaddrnotavail", s, err)
	}
	assert.Equal(t, before, esock.NumberOf())
}

func TestListen_PrivilegedPort(t *testing.T) {
	if start, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err == nil && string(start) <= "1\n" {
		t.Skip("here every port is everybody's")
	}
	asNobody(t)
	s, err := Listen(nil, 1, IPLoopback())
	assertReason(t, "eacces", s, err)
}

// asNobody takes root's rights from the goroutine, until the test ends.
func asNobody(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody, same = 65534, ^uintptr(0)
	runtime.LockOSThread()
	_, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, same, nobody, same)
	require.Zero(t, errno)
	t.Cleanup(func() {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, same, 0, same); errno == 0 {
			runtime.UnlockOSThread()
		}
	})
}

// reuseport is set before the bind.
func TestListen_ReusePort(t *testing.T) {
	for _, o := range []Option{ReusePort(true), ReusePortLB(true), Raw(solSocket, 15, cInt(1))} {
		l := listenWith(t, nil, o)
		again := opened(t)(Listen(nil, portOf(t, l), IPLoopback(), o))
		assert.Equal(t, nameOf(t, l), nameOf(t, again))
	}
}

func TestListen_OwnerDeath(t *testing.T) {
	mb := owner(t)
	l := listenWith(t, mb)
	port := portOf(t, l)
	assert.Equal(t, mb, l.Owner())
	client := connectTo(t, nil, l)
	accepted := acceptFrom(t, l, nil)
	waiting := inBackground(func() (*Socket, error) { return l.Accept(nil, esock.Forever) })
	comes(t, "an acceptor", func() bool { return l.Socket().Info().NumAcceptors == 1 })
	mb.Close()
	r := outcomeOf(t, waiting)
	assertReason(t, "closed", r.s, r.err)
	assert.False(t, l.Open())
	s, err := Connect(nil, "127.0.0.1", port, soon)
	assertReason(t, "econnrefused", s, err)
	sent(t, client, accepted, "accepted sockets live on")
}

// Options about packets are stored for the sockets accepted; a count that is none makes one message.
func TestListen_Active(t *testing.T) {
	for _, c := range []struct {
		set      Option
		want     any
		messages int
	}{
		{Active(true), true, 0}, {Active(false), false, 0}, {ActiveOnce(), Once, 0}, {ActiveN(7), 7, 0},
		{ActiveN(0), false, 1}, {ActiveN(-32768), false, 1}, {ActiveN(32767), 32767, 0},
	} {
		mb := owner(t)
		l := listenWith(t, mb, c.set)
		assert.Equal(t, c.want, valueOf(t, l, "active"))
		connectTo(t, nil, l)
		require.Equal(t, c.messages, mb.Len(), c.set)
		if c.messages > 0 {
			assert.Equal(t, PassiveMsg{l}, nextMessage(t, mb))
		}
	}
	mb := owner(t)
	assert.Equal(t, true, valueOf(t, listenWith(t, mb), "active"), "the default with an owner")
	assert.Equal(t, true, valueOf(t, listenWith(t, nil), "active"), "and without")
}

// Setopts works on a listener as on others.
func TestListen_SetOpts(t *testing.T) {
	mb := owner(t)
	l := listenWith(t, mb, ActiveN(2))
	require.NoError(t, l.SetOpts(Active(false), PacketType(packet.Len4), NoDelay(true)))
	assert.Equal(t, PassiveMsg{l}, nextMessage(t, mb), "from a count")
	require.NoError(t, l.SetOpts(Active(true)))
	require.NoError(t, l.SetOpts(Active(false)))
	assert.Zero(t, mb.Len())
	client := connectTo(t, nil, l, PacketType(packet.Len4))
	server := acceptFrom(t, l, mb)
	require.NoError(t, client.Send([]byte("a packet")))
	p, err := server.Recv(0, soon)
	require.NoError(t, err)
	assert.Equal(t, "a packet", string(p.Data()))
}

func TestMPTCP(t *testing.T) {
	l, err := Listen(nil, 0, IPLoopback(), Protocol(ProtocolMPTCP))
	if err != nil {
		assert.Contains(t, []string{"eprotonosupport", "enoprotoopt"}, Reason(err))
		s, err := Connect(nil, "127.0.0.1", 1, soon, Protocol(ProtocolMPTCP))
		require.Error(t, err)
		assert.Contains(t, []string{"eprotonosupport", "enoprotoopt"}, Reason(err))
		assert.Nil(t, s)
		t.Skip("the kernel has no MPTCP")
	}
	made(t, l, err)
	client := connectTo(t, nil, l, must(Opt("protocol", "mptcp")))
	server := acceptFrom(t, l, nil)
	for _, s := range []*Socket{l, client, server} {
		assert.Equal(t, esock.MPTCP, s.Socket().Protocol())
	}
	sent(t, client, server, "there")
	sent(t, server, client, "back")
	plain := connectTo(t, nil, l, Protocol(ProtocolMPTCP), Protocol(ProtocolTCP))
	assert.Equal(t, esock.TCP, plain.Socket().Protocol())
	sent(t, plain, acceptFrom(t, l, nil), "and TCP talks to it")
}

// A socket bound to lo hears nothing else.
func TestBindToDevice(t *testing.T) {
	l, err := Listen(nil, 0, BindToDevice("lo"))
	if Reason(err) == "eperm" {
		t.Skip("SO_BINDTODEVICE needs CAP_NET_RAW")
	}
	made(t, l, err)
	client := opened(t)(Connect(nil, "127.0.0.1", portOf(t, l), soon, BindToDevice("lo")))
	server := acceptFrom(t, l, nil)
	sent(t, client, server, "hello")
	assert.Equal(t, "lo", valueOf(t, server, "bind_to_device"))
	err = client.SetOpts(BindToDevice(""))
	if Reason(err) == "eperm" {
		return // to change the device needs CAP_NET_RAW
	}
	require.NoError(t, err)
	assert.Equal(t, "", valueOf(t, client, "bind_to_device"))
}
