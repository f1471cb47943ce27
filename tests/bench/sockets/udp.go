package sockets

import (
	"net"
	"net/netip"

	"github.com/esock-go/esock"
	"golang.org/x/sys/unix"
)

// EsockUDP is a datagram socket bound to loopback.
func EsockUDP(opts ...esock.OpenOption) (*esock.Socket, error) {
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP, opts...)
	if err != nil {
		return nil, err
	}
	return s, s.Bind(esock.Loopback)
}

// NetUDP is EsockUDP with a socket of net's.
func NetUDP() (*net.UDPConn, error) {
	return net.ListenUDP("udp4", &net.UDPAddr{IP: Loopback.AsSlice()})
}

// SysUDP is EsockUDP with a descriptor, and its address.
func SysUDP() (int, *unix.SockaddrInet4, error) { return bound(unix.SOCK_DGRAM) }

// bound is a descriptor bound to loopback, and its address.
func bound(typ int) (int, *unix.SockaddrInet4, error) {
	fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: Loopback.As4()}); err != nil {
		return -1, nil, err
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return -1, nil, err
	}
	return fd, at.(*unix.SockaddrInet4), nil
}

// AddrPort is the address that a socket of net's is bound to.
func AddrPort(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }
