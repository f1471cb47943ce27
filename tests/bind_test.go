package tests

import (
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
)

func TestBind_Shorthands(t *testing.T) {
	for name, c := range map[string]struct {
		d    esock.Domain
		a    esock.Addr
		want string // the address; empty: an error
		err  error
	}{
		"any":                {esock.Inet, esock.Any, "0.0.0.0", nil},
		"loopback":           {esock.Inet, esock.Loopback, "127.0.0.1", nil},
		"broadcast":          {esock.Inet, esock.Broadcast, "255.255.255.255", nil},
		"any inet6":          {esock.Inet6, esock.Any, "::", nil},
		"loopback inet6":     {esock.Inet6, esock.Loopback, "::1", nil},
		"no broadcast there": {esock.Inet6, esock.Broadcast, "", &esock.InvalidError{What: "sockaddr"}},
		"local has none":     {esock.Local, esock.Any, "", syscall.EAFNOSUPPORT},
		"nor loopback":       {esock.Local, esock.Loopback, "", syscall.EAFNOSUPPORT},
	} {
		t.Run(name, func(t *testing.T) {
			if c.d == esock.Inet6 {
				machine.NeedIPv6(t)
			}
			s := open(t, c.d, esock.Dgram, esock.Default)
			err := s.Bind(c.a)
			if c.err != nil {
				assert.ErrorIs(t, err, c.err)
				assert.NotContains(t, s.Info().RStates, "bound")
				return
			}
			require.NoError(t, err)
			got := sockName(t, s)
			assert.Equal(t, c.want, got.IP().String())
			assert.NotZero(t, got.Port())
			assert.Equal(t, []string{"bound"}, s.Info().RStates)
		})
	}
}

func TestBind_Errors(t *testing.T) {
	used := open(t, esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, used.Bind(esock.Loopback))
	require.NoError(t, used.Listen(1))
	inet4 := func(ip string) esock.Addr { return esock.Inet4Addr(netip.MustParseAddr(ip), 0) }
	for name, c := range map[string]struct {
		d   esock.Domain
		a   esock.Addr
		err error
	}{
		"address of another host": {esock.Inet, inet4("192.0.2.1"), syscall.EADDRNOTAVAIL},
		"address in use":          {esock.Inet, sockName(t, used), syscall.EADDRINUSE},
		"inet6 address to inet":   {esock.Inet, esock.Inet6Addr(netip.IPv6Loopback(), 0, 0), syscall.EAFNOSUPPORT},
		"no address":              {esock.Inet, esock.Addr{}, &esock.InvalidError{What: "sockaddr"}},
		"inet address to local":   {esock.Local, inet4("127.0.0.1"), syscall.EINVAL},
		"directory that is not":   {esock.Local, esock.UnixAddr("/nowhere/at/all"), syscall.ENOENT},
	} {
		t.Run(name, func(t *testing.T) {
			if c.err == syscall.EADDRNOTAVAIL && !machine.RefusesForeign() {
				t.Skip("net.ipv4.ip_nonlocal_bind is on")
			}
			s := open(t, c.d, esock.Stream, esock.Default)
			assert.ErrorIs(t, s.Bind(c.a), c.err)
			assert.Empty(t, s.Info().RStates)
			if c.d == esock.Inet {
				assert.NoError(t, s.Bind(esock.Loopback), "still usable")
				assert.ErrorIs(t, s.Bind(esock.Loopback), syscall.EINVAL, "a second bind")
			}
		})
	}
}

func TestNames(t *testing.T) {
	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	a := sockName(t, s)
	assert.Equal(t, "0.0.0.0:0", a.AddrPort().String())
	_, err := s.PeerName()
	assert.ErrorIs(t, err, syscall.ENOTCONN)

	u := open(t, esock.Local, esock.Stream, esock.Default)
	a = sockName(t, u)
	assert.Equal(t, esock.Local, a.Family())
	assert.Empty(t, a.Path())

	path := filepath.Join(t.TempDir(), "sock")
	require.NoError(t, u.Bind(esock.UnixAddr(path)))
	assert.Equal(t, path, sockName(t, u).Path())

	v := open(t, esock.Local, esock.Dgram, esock.Default)
	require.NoError(t, v.Bind(esock.UnixAddr("")))
	assert.Regexp(t, "^\x00[0-9a-f]{5}$", sockName(t, v).Path(), "Linux chose an abstract name")

	require.NoError(t, s.Close())
	_, err = s.SockName()
	assert.ErrorIs(t, err, errClosed)
	_, err = s.PeerName()
	assert.ErrorIs(t, err, errClosed)
}

func TestListen(t *testing.T) {
	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	assert.ErrorIs(t, s.Listen(-1), &esock.InvalidError{What: "backlog"})
	require.NoError(t, s.Listen(0))
	assert.Equal(t, []string{"listening"}, s.Info().RStates)
	require.NoError(t, s.Listen(7), "once more, with another backlog")
	d, _ := udp(t)
	assert.ErrorIs(t, d.Listen(1), syscall.EOPNOTSUPP)
}
