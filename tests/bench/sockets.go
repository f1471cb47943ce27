package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
	"golang.org/x/sys/unix"
)

const message = 64 // bytes

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// unixPair is two connected, nonblocking unix descriptors.
func unixPair(typ int) ([2]int, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fds, fmt.Errorf("socketpair: %w", err)
	}
	return fds, nil
}

// esockPair is two connected unix sockets of esock's.
func esockPair(typ esock.Type) (a, b *esock.Socket, err error) {
	fds, err := unixPair(int(typ))
	if err != nil {
		return nil, nil, err
	}
	var socks [2]*esock.Socket
	for i, fd := range fds {
		if socks[i], err = esock.Adopt(fd); err != nil {
			return nil, nil, err
		}
		unix.Close(fd)
	}
	return socks[0], socks[1], nil
}

// netPair is two connected unix sockets of net's.
func netPair(typ int) (a, b net.Conn, err error) {
	fds, err := unixPair(typ)
	if err != nil {
		return nil, nil, err
	}
	var conns [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		if conns[i], err = net.FileConn(f); err != nil {
			return nil, nil, err
		}
		f.Close()
	}
	return conns[0], conns[1], nil
}

// esockListen listens on a port of loopback.
func esockListen(backlog int) (*esock.Socket, esock.Addr, error) {
	l, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err != nil {
		return nil, esock.Addr{}, err
	}
	if err = l.Bind(esock.Loopback); err == nil {
		err = l.Listen(backlog)
	}
	if err != nil {
		return nil, esock.Addr{}, err
	}
	at, err := l.SockName()
	return l, at, err
}

// esockDial connects to a port of loopback.
func esockDial(at esock.Addr) (*esock.Socket, error) {
	c, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err != nil {
		return nil, err
	}
	if err = c.Connect(at, esock.Forever); err == nil {
		err = sockopt.TCPNoDelay.Set(c, true) // as net does
	}
	return c, err
}

// esockTCP is a TCP connection over loopback, both ends.
func esockTCP() (client, server *esock.Socket, err error) {
	l, at, err := esockListen(1)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = esockDial(at); err != nil {
		return nil, nil, err
	}
	if server, err = l.Accept(esock.Forever); err != nil {
		return nil, nil, err
	}
	return client, server, sockopt.TCPNoDelay.Set(server, true)
}

// netTCP is the same of net's.
func netTCP() (client, server *net.TCPConn, err error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	s, err := l.Accept()
	if err != nil {
		return nil, nil, err
	}
	return c.(*net.TCPConn), s.(*net.TCPConn), nil
}

// esockUDP is a datagram socket bound to loopback.
func esockUDP(opts ...esock.OpenOption) (*esock.Socket, error) {
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP, opts...)
	if err != nil {
		return nil, err
	}
	return s, s.Bind(esock.Loopback)
}

// closer closes what a contender opened, at the end of its session.
func closer[T interface{ Close() error }](list ...T) func() {
	return func() {
		for _, c := range list {
			c.Close()
		}
	}
}
