package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

func client(t testing.TB) *Client {
	t.Helper()
	c, err := Open()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// supported skips the test where the kernel lacks a module.
func supported(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
}

// pair is a TCP connection, and its listener.
func pair(t testing.TB) (l net.Listener, dialled, accepted net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	dialled, err = net.Dial("tcp4", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { dialled.Close() })
	accepted, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { accepted.Close() })
	return l, dialled, accepted
}

func addrOf(t testing.TB, a net.Addr) esock.Addr {
	at, err := esock.AddrFromNet(a)
	require.NoError(t, err)
	return at
}

// inode is what the link of the descriptor in /proc says.
func inode(t testing.TB, c syscall.Conn) (n uint32) {
	raw, err := c.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		var st syscall.Stat_t
		require.NoError(t, syscall.Fstat(int(fd), &st))
		n = uint32(st.Ino)
	}))
	return n
}

func TestInetListsAConnection(t *testing.T) {
	l, dialled, _ := pair(t)
	_, err := dialled.Write([]byte("hello"))
	require.NoError(t, err)
	c := client(t)
	found := map[State]InetSocket{}
	for s, err := range c.Inet(InetRequest{Domain: esock.Inet, Protocol: esock.TCP, Want: HasTCPInfo | HasMemory | HasCongestion}) {
		supported(t, err)
		switch s.Local {
		case addrOf(t, l.Addr()):
			if s.State == Listening {
				found[Listening] = *s
			} else if s.Peer == addrOf(t, dialled.LocalAddr()) {
				found[CloseWait] = *s // the accepted end
			}
		case addrOf(t, dialled.LocalAddr()):
			found[Established] = *s
		}
	}
	require.Len(t, found, 3)
	assert.EqualValues(t, 5, found[CloseWait].RecvQ)
	s := found[Established]
	assert.Equal(t, Established, s.State)
	assert.Equal(t, addrOf(t, l.Addr()), s.Peer)
	assert.Equal(t, inode(t, dialled.(*net.TCPConn)), s.Inode)
	assert.EqualValues(t, os.Getuid(), s.UID)
	assert.Equal(t, HasTCPInfo|HasMemory|HasCongestion, s.Has&(HasTCPInfo|HasMemory|HasCongestion))
	assert.EqualValues(t, Established, s.TCP.State)
	assert.NotZero(t, s.TCP.SndMSS)
	assert.NotZero(t, s.Memory.RcvBuf)
	assert.NotEmpty(t, s.Congestion)
	assert.NotZero(t, found[Listening].SendQ, "the backlog")

	for s, err := range c.Inet(InetRequest{Domain: esock.Inet, Protocol: esock.TCP, States: StatesOf(Listening)}) {
		require.NoError(t, err)
		assert.Equal(t, Listening, s.State)
	}
}

func TestAnIterationThatEndsEarlyLeavesNothing(t *testing.T) {
	pair(t)
	c := client(t)
	for range 3 {
		n := 0
		for _, err := range c.Inet(InetRequest{Domain: esock.Inet, Protocol: esock.TCP}) {
			supported(t, err)
			n++
			for _, err := range c.Unix(UnixRequest{}) {
				assert.ErrorIs(t, err, esock.ErrState, "another iteration is going on")
			}
			break
		}
		assert.Equal(t, 1, n)
	}
}

func TestUnixListsAPair(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	a, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer a.Close()
	b, err := l.Accept()
	require.NoError(t, err)
	defer b.Close()
	_, err = a.Write([]byte("hello"))
	require.NoError(t, err)
	found := map[uint32]UnixSocket{}
	for s, err := range client(t).Unix(UnixRequest{Want: HasQueues | HasPeer | HasMemory | HasUID}) {
		supported(t, err)
		found[s.Inode] = *s
	}
	listener, accepted := found[inode(t, l.(*net.UnixListener))], found[inode(t, b.(*net.UnixConn))]
	assert.Equal(t, Listening, listener.State)
	assert.Equal(t, esock.UnixAddr(path), listener.Local)
	assert.Equal(t, Established, accepted.State)
	assert.Equal(t, inode(t, a.(*net.UnixConn)), accepted.Peer)
	assert.NotZero(t, accepted.RecvQ)
	assert.NotZero(t, accepted.Memory.RcvBuf)
}

func TestNetlinkListsItsOwnSocket(t *testing.T) {
	c := client(t)
	at, err := c.s.SockName()
	require.NoError(t, err)
	if at.Port() == 0 { // bound with the first message
		for range c.Netlink(NetlinkRequest{}) {
			break
		}
		at, err = c.s.SockName()
		require.NoError(t, err)
	}
	found := false
	for s, err := range c.Netlink(NetlinkRequest{Want: HasMemory | HasGroups | HasFlags}) {
		supported(t, err)
		found = found || s.Protocol == protocolSockDiag && s.Port == at.Port() && s.Inode != 0
	}
	assert.True(t, found)
}

func TestProcessesHaveThisOne(t *testing.T) {
	l, _, _ := pair(t)
	all, err := Processes()
	require.NoError(t, err)
	of := all[inode(t, l.(*net.TCPListener))]
	require.NotEmpty(t, of)
	assert.Equal(t, os.Getpid(), of[0].PID)
	assert.NotEmpty(t, of[0].Name)
	_, ok := socketInode("socket:[x]")
	assert.False(t, ok)
	_, err = processesIn(filepath.Join(t.TempDir(), "none"))
	assert.Error(t, err)
}

// TestOtherFamilies lists what needs a module, and finds no error but its absence.
func TestOtherFamilies(t *testing.T) {
	c := client(t)
	check := func(what string, err error) {
		if err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, ErrInterrupted) {
			assert.NoError(t, err, what)
		}
	}
	for _, p := range []esock.Protocol{esock.UDP, esock.RawProto, esock.MPTCP, esock.SCTP} {
		for s, err := range c.Inet(InetRequest{Domain: esock.Inet6, Protocol: p}) {
			check(p.String(), err)
			if err == nil {
				assert.Equal(t, esock.Inet6, s.Domain)
			}
		}
	}
	for _, err := range c.Packet(PacketRequest{Want: HasInterface | HasMemory | HasFanout}) {
		check("packet", err)
	}
	for _, err := range c.VSock(VSockRequest{}) {
		check("vsock", err)
	}
}

func TestZeroAndBadRequests(t *testing.T) {
	var none *Client
	for _, c := range []*Client{none, {}} {
		assert.ErrorIs(t, c.Close(), net.ErrClosed)
		for _, err := range c.Inet(InetRequest{Domain: esock.Inet, Protocol: esock.TCP}) {
			assert.ErrorIs(t, err, net.ErrClosed)
		}
		for _, err := range c.Unix(UnixRequest{}) {
			assert.ErrorIs(t, err, net.ErrClosed)
		}
	}
	c := client(t)
	var invalid *esock.InvalidError
	for _, r := range []InetRequest{{}, {Domain: esock.Local, Protocol: esock.TCP}, {Domain: esock.Inet}, {Domain: esock.Inet, Protocol: -1}} {
		n := 0
		for _, err := range c.Inet(r) {
			assert.ErrorAs(t, err, &invalid)
			n++
		}
		assert.Equal(t, 1, n)
	}
	require.NoError(t, c.Close())
	for _, err := range c.Unix(UnixRequest{}) {
		assert.ErrorIs(t, err, net.ErrClosed)
	}
	assert.Error(t, (*InetSocket)(nil).Decode(nil, 0))
	assert.Error(t, (*UnixSocket)(nil).Decode(nil))
	assert.Error(t, (*PacketSocket)(nil).Decode(nil))
	assert.Error(t, (*NetlinkSocket)(nil).Decode(nil))
	assert.Error(t, (*VSockSocket)(nil).Decode(nil))
	assert.Equal(t, "77", State(77).String())
	assert.True(t, States(0).Has(Listening))
	assert.Equal(t, States(0), StatesOf(40))
	assert.False(t, (*NetlinkSocket)(nil).InGroup(1))
}

// inetBytes is a struct inet_diag_msg of a TCP connection from 192.0.2.1:1000 to 192.0.2.2:2000.
func inetBytes() []byte {
	b := make([]byte, inetSize)
	b[0], b[1], b[2], b[3] = byte(esock.Inet), byte(Established), byte(KeepaliveTimer), 3
	binary.BigEndian.PutUint16(b[4:], 1000)
	binary.BigEndian.PutUint16(b[6:], 2000)
	copy(b[8:], []byte{192, 0, 2, 1})
	copy(b[24:], []byte{192, 0, 2, 2})
	for i, v := range []uint32{7, 0x11111111, 0x22222222, 1500, 10, 20, 1000, 4711} { // interface, cookie, expires, queues, uid, inode
		binary.NativeEndian.PutUint32(b[40+4*i:], v)
	}
	return b
}

func attr(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(attrSize+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, aligned(len(value))-len(value))...)
}

func TestDecodeInet(t *testing.T) {
	b := attr(inetBytes(), inetCongestion, []byte("bbr\x00"))
	b = attr(b, inetShutdown, []byte{2})
	b = attr(b, 999, []byte{1, 2, 3})
	b = attr(b, inetInfo, []byte{1, 2})
	tls := attr(nil, 1, binary.NativeEndian.AppendUint16(nil, 0x304))
	b = attr(b, inetULP|1<<15, attr(attr(nil, ulpName, []byte("tls\x00")), ulpTLS, tls))
	var s InetSocket
	require.NoError(t, s.Decode(b, esock.TCP))
	assert.Equal(t, esock.AddrFrom(netip.MustParseAddrPort("192.0.2.1:1000")), s.Local)
	assert.Equal(t, esock.AddrFrom(netip.MustParseAddrPort("192.0.2.2:2000")), s.Peer)
	assert.Equal(t, [...]any{Established, KeepaliveTimer, uint8(3), 1500 * time.Millisecond, uint32(10), uint32(20), uint32(1000), uint32(4711),
		uint32(7), uint64(0x2222222211111111)},
		[...]any{s.State, s.Timer, s.Retransmits, s.Expires, s.RecvQ, s.SendQ, s.UID, s.Inode, s.Interface, s.Cookie})
	assert.Equal(t, "bbr", s.Congestion)
	assert.Equal(t, ShutSend, s.Shutdown)
	assert.Equal(t, "tls", s.ULP)
	assert.EqualValues(t, 0x304, s.TLS.Version)
	assert.EqualValues(t, 1, s.TCP.State, "a structure that is cut")
	assert.EqualValues(t, 2, s.TCP.CAState)
	assert.Zero(t, s.TCP.RTT)
	assert.Equal(t, HasCongestion|HasShutdown|HasULP|HasTCPInfo, s.Has)

	require.NoError(t, s.Decode(inetBytes(), esock.UDP), "what was there before is gone")
	assert.Zero(t, s.Congestion)
	var malformed *MalformedError
	for n := range inetSize {
		assert.ErrorAs(t, s.Decode(inetBytes()[:n], esock.TCP), &malformed)
	}
}

func TestMessagesThatMakeNoSense(t *testing.T) {
	for _, b := range [][]byte{{1}, make([]byte, 16), append([]byte{200, 0, 0, 0}, make([]byte, 12)...)} {
		_, _, _, err := message(b)
		assert.Error(t, err, fmt.Sprint(b))
	}
	assert.Equal(t, syscall.Errno(0), status(nil))
	assert.Equal(t, syscall.ENOENT, status(binary.NativeEndian.AppendUint32(nil, ^uint32(syscall.ENOENT)+1)))
	_, _, _, ok := attribute([]byte{3, 0, 0, 0})
	assert.False(t, ok)
}

func FuzzDecode(f *testing.F) {
	f.Add(attr(inetBytes(), inetInfo, make([]byte, 100)))
	f.Add(attr(append([]byte{byte(esock.Local), 1, 1, 0}, make([]byte, 12)...), unixName, []byte("/run/x\x00")))
	f.Add(append([]byte{byte(esock.Packet)}, make([]byte, 60)...))
	f.Add(attr(append([]byte{byte(esock.Netlink)}, make([]byte, 27)...), netlinkGroups, make([]byte, 5)))
	f.Add(append([]byte{byte(esock.VSock)}, make([]byte, 31)...))
	c, err := Open()
	if err == nil {
		c.Close()
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var inet InetSocket
		for _, p := range []esock.Protocol{esock.TCP, esock.MPTCP, esock.RawProto, 0} {
			if err := inet.Decode(b, p); err == nil && len(b) < inetSize {
				t.Error("too short, and no error")
			}
			_ = inet.Options.Names()
		}
		new(UnixSocket).Decode(b)
		new(PacketSocket).Decode(b)
		var n NetlinkSocket
		n.Decode(b)
		for g := range 100 {
			n.InGroup(g)
		}
		new(VSockSocket).Decode(b)
		for rest := b; len(rest) > 0; {
			var err error
			if _, _, rest, err = message(rest); err != nil {
				break
			}
		}
	})
}

// A kernel that cannot list MPTCP says so, and does not list TCP instead: 262 cut to a byte is 6.
func TestMPTCPIsNotTCP(t *testing.T) {
	_, dialled, _ := pair(t) // net.Dial makes TCP
	for s, err := range client(t).Inet(InetRequest{Domain: esock.Inet, Protocol: esock.MPTCP}) {
		supported(t, err)
		assert.NotEqual(t, addrOf(t, dialled.LocalAddr()), s.Local)
	}
}

func TestALoopThatPanicsClosesTheClient(t *testing.T) {
	c, err := Open()
	require.NoError(t, err)
	require.Panics(t, func() {
		for range c.Netlink(NetlinkRequest{}) {
			panic("in the loop")
		}
	})
	for _, err := range c.Netlink(NetlinkRequest{}) {
		require.ErrorIs(t, err, net.ErrClosed)
	}
	require.ErrorIs(t, c.Close(), net.ErrClosed)
}
