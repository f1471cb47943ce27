package gentcp_test

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

func TestLocal(t *testing.T) {
	for name, path := range map[string]string{
		"a path":            filepath.Join(t.TempDir(), "l"),
		"any bytes":         filepath.Join(t.TempDir(), "\xff\xfe"),
		"an abstract name":  "\x00gentcp test " + strconv.Itoa(os.Getpid()),
		"a name with a NUL": "\x00gentcp\x00test " + strconv.Itoa(os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			l := opened(t)(Listen(nil, 0, IfAddr(esock.UnixAddr(path)), PacketType(packet.Len1)))
			assert.Equal(t, path, nameOf(t, l).Path())
			port, err := l.Port()
			require.NoError(t, err)
			assert.Zero(t, port)
			mb := owner(t)
			client := connectTo(t, mb, l, PacketType(packet.Len1))
			server := acceptFrom(t, l, nil)
			require.NoError(t, server.Send([]byte("hello")))
			assert.Equal(t, "hello", string(nextMessage(t, mb).(TCPMsg).Data()))
			peer, err := client.PeerName()
			require.NoError(t, err)
			assert.Equal(t, esock.UnixAddr(path), peer)
			for _, unnamed := range []func() (esock.Addr, error){client.SockName, server.PeerName} {
				a, err := unnamed()
				require.NoError(t, err)
				assert.Equal(t, esock.UnixAddr(""), a)
			}
		})
	}
}

// The ways to say the path.
func TestLocal_Options(t *testing.T) {
	dir := t.TempDir()
	for i, opts := range []func(path string) []Option{
		func(p string) []Option { return []Option{IfAddr(esock.UnixAddr(p))} },
		func(p string) []Option { return []Option{Local(), IfAddr(esock.UnixAddr(p))} },
		func(p string) []Option { return []Option{must(Opt("ip", p))} },
		func(p string) []Option { return []Option{must(Opt("ifaddr", p))} },
		func(p string) []Option {
			return []Option{must(Opt("ifaddr", map[string]any{"family": "local", "path": p}))}
		},
		func(p string) []Option { return []Option{TCPModule(LocalTCP), IfAddr(esock.UnixAddr(p)), Port(0)} },
		func(p string) []Option { return []Option{IfAddr(esock.UnixAddr(p + "x")), IfAddr(esock.UnixAddr(p))} },
	} {
		path := filepath.Join(dir, strconv.Itoa(i))
		l := opened(t)(Listen(nil, 0, opts(path)...))
		assert.Equal(t, path, nameOf(t, l).Path())
	}
}

// Without an address Linux chooses an abstract name.
func TestLocal_Unnamed(t *testing.T) {
	l := opened(t)(Listen(nil, 0, Local()))
	path := nameOf(t, l).Path()
	require.NotEmpty(t, path)
	assert.Zero(t, path[0])
	sent(t, connectTo(t, nil, l), acceptFrom(t, l, nil), "hello")
}

// A client may have a path as well.
func TestLocal_ClientWithAPath(t *testing.T) {
	l := opened(t)(Listen(nil, 0, Local()))
	path := filepath.Join(t.TempDir(), "client")
	client := connectTo(t, nil, l, IfAddr(esock.UnixAddr(path)))
	assert.Equal(t, path, nameOf(t, client).Path())
	peer, err := acceptFrom(t, l, nil).PeerName()
	require.NoError(t, err)
	assert.Equal(t, path, peer.Path())
}

func TestLocal_Errors(t *testing.T) {
	dir := t.TempDir()
	used := esock.UnixAddr(filepath.Join(dir, "used"))
	l := opened(t)(Listen(nil, 0, IfAddr(used)))
	before := esock.NumberOf()
	s, err := Listen(nil, 0, IfAddr(used))
	assertReason(t, "eaddrinuse", s, err)
	s, err = Listen(nil, 0, IfAddr(esock.UnixAddr(filepath.Join(dir, "no", "where"))))
	assertReason(t, "enoent", s, err)
	s, err = ConnectAddr(nil, esock.UnixAddr(filepath.Join(dir, "none")), soon)
	assertReason(t, "enoent", s, err)
	s, err = ConnectAddr(nil, used, soon, IfAddr(used))
	assertReason(t, "eaddrinuse", s, err)

	// The file stays, without a listener.
	require.NoError(t, l.Close())
	_, err = os.Stat(used.Path())
	require.NoError(t, err)
	s, err = Listen(nil, 0, IfAddr(used))
	assertReason(t, "eaddrinuse", s, err)
	s, err = ConnectAddr(nil, used, soon)
	assertReason(t, "econnrefused", s, err)
	require.NoError(t, os.Remove(used.Path()))
	opened(t)(Listen(nil, 0, IfAddr(used)))
	assert.Equal(t, before, esock.NumberOf())
}

// A local address has no port: anything else is badarg.
func TestLocal_PortMustBeZero(t *testing.T) {
	path := esock.UnixAddr(filepath.Join(t.TempDir(), "l"))
	for _, opts := range [][]Option{{Port(7), IfAddr(path)}, {IfAddr(path), Port(7)}, {Local(), Port(7)},
		{Port(7), Local(), IfAddr(path)}} {
		s, err := Listen(nil, 0, opts...)
		assertReason(t, "badarg", s, err, opts)
		assert.ErrorContains(t, err, "port")
		s, err = ConnectAddr(nil, path, soon, opts...)
		assertReason(t, "badarg", s, err, opts)
	}
	s, err := Listen(nil, 7, IfAddr(path))
	assertReason(t, "badarg", s, err)
	s, err = Listen(nil, 7, Local())
	assertReason(t, "badarg", s, err)
	_, err = os.Stat(path.Path())
	assert.ErrorIs(t, err, os.ErrNotExist)
	opened(t)(Listen(nil, 7, IfAddr(path), Port(0))) // the last port counts
}

// nodelay is TCP's, and a local socket says so, whatever the value.
func TestLocal_NoDelay(t *testing.T) {
	dir := t.TempDir()
	l := opened(t)(Listen(nil, 0, Local()))
	before := esock.NumberOf()
	for _, on := range []bool{true, false} {
		path := filepath.Join(dir, "l")
		s, err := Listen(nil, 0, IfAddr(esock.UnixAddr(path)), NoDelay(on))
		assertReason(t, "enotsup", s, err)
		assert.ErrorIs(t, err, syscall.ENOTSUP)
		_, err = os.Stat(path)
		assert.ErrorIs(t, err, os.ErrNotExist, "it was not bound yet")
		s, err = ConnectAddr(nil, nameOf(t, l), soon, NoDelay(on))
		assertReason(t, "enotsup", s, err)
	}
	for _, o := range []Option{KeepIdle(5), NoPush(true), UserTimeout(5e9), Protocol(ProtocolMPTCP), TOS(16), TTL(5)} {
		s, err := Listen(nil, 0, Local(), o)
		require.Error(t, err, o)
		assert.Nil(t, s)
	}
	assert.Equal(t, before, esock.NumberOf())
}

// A local connect does not wait: it also succeeds with no time at all.
func TestLocal_ConnectTimeoutZero(t *testing.T) {
	l := opened(t)(Listen(nil, 0, Local()))
	s := opened(t)(ConnectAddr(nil, nameOf(t, l), esock.Within(0)))
	sent(t, s, acceptFrom(t, l, nil), "hello")
}
