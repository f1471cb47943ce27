package netconn

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The functions are drop-ins for those of package net, which these variables hold as well.
func TestSignaturesAreThoseOfNet(t *testing.T) {
	dials := []func(string, string) (net.Conn, error){net.Dial, Dial}
	timeouts := []func(string, string, time.Duration) (net.Conn, error){net.DialTimeout, DialTimeout}
	contexts := []func(context.Context, string, string) (net.Conn, error){new(net.Dialer).DialContext, Dialer{}.DialContext}
	listens := []func(string, string) (net.Listener, error){net.Listen, Listen}
	packets := []func(string, string) (net.PacketConn, error){net.ListenPacket, ListenPacket}
	configs := []func(context.Context, string, string) (net.Listener, error){new(net.ListenConfig).Listen, ListenConfig{}.Listen}
	configPackets := []func(context.Context, string, string) (net.PacketConn, error){
		new(net.ListenConfig).ListenPacket, ListenConfig{}.ListenPacket}

	for i := range listens {
		for _, listen := range []func() (net.Listener, error){
			func() (net.Listener, error) { return listens[i]("tcp4", "127.0.0.1:0") },
			func() (net.Listener, error) { return configs[i](background, "tcp4", "127.0.0.1:0") },
		} {
			l, err := listen()
			require.NoError(t, err)
			for _, dial := range []func() (net.Conn, error){
				func() (net.Conn, error) { return dials[i]("tcp4", l.Addr().String()) },
				func() (net.Conn, error) { return timeouts[i]("tcp4", l.Addr().String(), patience) },
				func() (net.Conn, error) { return contexts[i](background, "tcp4", l.Addr().String()) },
			} {
				c, err := dial()
				require.NoError(t, err)
				a, err := l.Accept()
				require.NoError(t, err)
				assert.Equal(t, c.LocalAddr().String(), a.RemoteAddr().String())
				require.NoError(t, a.Close())
				require.NoError(t, c.Close())
			}
			require.NoError(t, l.Close())
		}
		for _, open := range []func() (net.PacketConn, error){
			func() (net.PacketConn, error) { return packets[i]("udp4", "127.0.0.1:0") },
			func() (net.PacketConn, error) { return configPackets[i](background, "udp4", "127.0.0.1:0") },
		} {
			c, err := open()
			require.NoError(t, err)
			require.NoError(t, c.Close())
		}
		// What fails is a nil interface.
		l, err := configs[i](background, "tcp", "127.0.0.1")
		assert.True(t, l == nil && err != nil)
		c, err := configPackets[i](background, "udp", "127.0.0.1")
		assert.True(t, c == nil && err != nil)
	}
}

// Types are pointers, so that a type switch written for net needs the package's name changed and no more.
func TestTypesArePointersAsThoseOfNet(t *testing.T) {
	l := listening(t, ListenConfig{}, "tcp4")
	c, err := Dial("tcp4", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	assert.IsType(t, (*TCPConn)(nil), c)
	a, err := l.AcceptTCP()
	require.NoError(t, err)
	require.NoError(t, a.SetNoDelay(false))
	require.NoError(t, a.Close())

	u := listening(t, ListenConfig{}, "unixpacket")
	c, err = Dial("unixpacket", u.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	assert.IsType(t, (*UnixConn)(nil), c)
	b, err := u.AcceptUnix()
	require.NoError(t, err)
	require.NoError(t, b.Close())

	_, err = u.AcceptTCP()
	opError(t, err)
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.ErrorContains(t, err, "its connections are no *netconn.TCPConn")
	_, err = l.AcceptUnix()
	assert.ErrorIs(t, err, syscall.EINVAL)
	_, err = (*Listener)(nil).AcceptTCP()
	assert.ErrorIs(t, err, net.ErrClosed)

	assert.IsType(t, (*UDPConn)(nil), receiving(t, "udp4"))
	assert.IsType(t, (*UnixgramConn)(nil), receiving(t, "unixgram"))
}
