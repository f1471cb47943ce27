package tests

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/netdevice"
	"github.com/esock-go/esock/sockopt"
)

// Text that goes to C is never cut at a NUL: no other file, device or algorithm is meant than the one that was named.
func TestNULInATextIsRefused(t *testing.T) {
	dir := t.TempDir()
	decoy := open(t, esock.Local, esock.Stream, 0)
	require.NoError(t, decoy.Bind(esock.UnixAddr(dir+"/a")))
	require.NoError(t, decoy.Listen(5))

	for _, path := range []string{dir + "/a\x00b", dir + "/a\x00", "a\x00/b"} {
		a := esock.UnixAddr(path)
		assert.ErrorIs(t, a.Err(), &esock.InvalidError{What: "sockaddr"})
		for _, typ := range []esock.Type{esock.Stream, esock.SeqPacket, esock.Dgram} {
			s := open(t, esock.Local, typ, 0)
			assert.ErrorContains(t, s.Connect(a, esock.Within(patience)), "NUL")
			assert.ErrorContains(t, s.Bind(a), "NUL")
			_, err := s.SendTo([]byte("x"), a, 0, esock.Within(patience))
			assert.ErrorContains(t, err, "NUL")
			_, err = s.SendMsg(&esock.Msg{Addr: a, Iov: [][]byte{{1}}}, 0, esock.Within(patience))
			assert.ErrorContains(t, err, "NUL")
		}
		_, err := esock.AddrFromMap(map[string]any{"family": "local", "path": path})
		assert.ErrorContains(t, err, "NUL")
		_, err = esock.AddrFromMap(map[string]any{"family": "local", "path": []byte(path)})
		assert.ErrorContains(t, err, "NUL")
		_, err = esock.ParseAddr("unix:" + path)
		assert.ErrorContains(t, err, "NUL")
		var a2 esock.Addr
		assert.ErrorContains(t, a2.UnmarshalText([]byte("unix:"+path)), "NUL")
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "nothing was made")

	// An abstract name has its bytes, NULs among them, and two names that differ behind one are two.
	x, y := esock.AbstractAddr("esock"+dir+"\x00x"), esock.AbstractAddr("esock"+dir+"\x00y")
	for _, a := range []esock.Addr{x, y} {
		s := open(t, esock.Local, esock.Dgram, 0)
		require.NoError(t, s.Bind(a))
		assert.Equal(t, a, sockName(t, s))
	}

	_, err = esock.Open(esock.Inet, esock.Stream, esock.TCP, esock.NetNS("/proc/self/ns/net\x00x"))
	assert.ErrorIs(t, err, &esock.InvalidError{What: "netns"})
	assert.ErrorContains(t, err, "NUL")

	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	reno := "reno"
	require.NoError(t, sockopt.TCPCongestion.Set(s, reno))
	for _, v := range []any{"cubic\x00x", "reno\x00", "\x00", []byte("reno\x00x")} {
		assert.ErrorContains(t, sockopt.Set(s, "tcp", "congestion", v), "NUL")
	}
	for level, name := range map[string]string{"socket": "bindtodevice", "tcp": "ulp"} {
		assert.ErrorContains(t, sockopt.Set(s, level, name, "lo\x00x"), "NUL", name)
	}
	assert.ErrorContains(t, sockopt.SocketBindToDevice.Set(s, "lo\x00x"), "NUL")
	got, err := sockopt.TCPCongestion.Get(s)
	require.NoError(t, err)
	assert.Equal(t, reno, got)

	_, err = netdevice.Index(s, "lo\x00x")
	assert.ErrorContains(t, err, "NUL")
	_, err = netdevice.IOCtl(s, "gifmtu", "lo\x00x")
	assert.ErrorContains(t, err, "NUL")

	// Native values are bytes.
	assert.NoError(t, s.SetOptionNative(syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, "reno\x00"))
}

// A path may fill all 108 bytes of sun_path, in which case there is no NUL behind it. Peers may have bound such ones
// without esock, and every form of the address stays the address.
func TestPathsThatFillSunPath(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := func(last string) string {
		p := filepath.Join(dir, "")
		return p + "/" + strings.Repeat("p", 108-len(p)-1-len(last)) + last
	}
	// The peer is bound by a bare system call.
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	raw := append([]byte{syscall.AF_UNIX, 0}, path("raw")...)
	_, _, errno := syscall.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&raw[0])), uintptr(len(raw)))
	require.Zero(t, errno)
	peer := adopt(t, fd)
	full := sockName(t, peer)
	require.Equal(t, path("raw"), full.Path())

	s := open(t, esock.Local, esock.Dgram, 0)
	mine := esock.UnixAddr(path("mine"))
	require.NoError(t, s.Bind(mine))
	assert.Equal(t, mine, sockName(t, s))

	_, err = peer.SendTo([]byte("hi"), mine, 0, esock.Within(patience))
	require.NoError(t, err)
	n, from, err := s.RecvFrom(make([]byte, 8), 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	assert.Equal(t, full, from)
	_, err = s.SendTo([]byte("back"), from, 0, esock.Within(patience))
	require.NoError(t, err)
	m := esock.Msg{Buf: make([]byte, 8)}
	require.NoError(t, peer.RecvMsg(&m, 0, esock.Within(patience)))
	assert.Equal(t, mine, m.Addr)
	_, err = peer.SendMsg(&m, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, "back", recv(t, s))
	require.NoError(t, s.Connect(full, esock.Within(patience)))
	name, err := s.PeerName()
	require.NoError(t, err)
	assert.Equal(t, full, name)

	for _, a := range []esock.Addr{full, mine} {
		b, err := esock.AddrFromMap(a.Map())
		require.NoError(t, err)
		assert.Equal(t, a, b)
		b, err = esock.ParseAddr(a.String())
		require.NoError(t, err)
		assert.Equal(t, a, b)
		text, err := a.MarshalText()
		require.NoError(t, err)
		b = esock.Addr{}
		require.NoError(t, b.UnmarshalText(text))
		assert.Equal(t, a, b)
	}

	// Streams and packets connect to them.
	for _, typ := range []esock.Type{esock.Stream, esock.SeqPacket} {
		l := open(t, esock.Local, typ, 0)
		at := esock.UnixAddr(path("l" + typ.String()))
		require.NoError(t, l.Bind(at))
		require.NoError(t, l.Listen(1))
		c := open(t, esock.Local, typ, 0)
		require.NoError(t, c.Connect(at, esock.Within(patience)))
		name, err := c.PeerName()
		require.NoError(t, err)
		assert.Equal(t, at, name)
	}
	assert.Error(t, esock.UnixAddr(path("")+"p").Err())
}

// The message names what is wrong.
func TestControllingProcessTakesAMailbox(t *testing.T) {
	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	for _, v := range []any{nil, 5, "me", (*esock.Mailbox)(nil)} {
		err := sockopt.Set(s, "otp", "controlling_process", v)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
		assert.ErrorContains(t, err, "*Mailbox")
		assert.NotContains(t, err.Error(), "only be read")
	}
	assert.ErrorContains(t, sockopt.Set(s, "otp", "fd", 5), "only be read")
	mb := esock.NewMailbox()
	t.Cleanup(func() { mb.Close() })
	require.NoError(t, sockopt.Set(s, "otp", "controlling_process", mb))
	assert.Equal(t, mb, s.Owner())
	_, err := sockopt.Get(s, "otp", "nosuch")
	assert.ErrorContains(t, err, "not a known option")
}
