package main

import (
	"net"
	"net/netip"
	"os"
	"unsafe"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
	"golang.org/x/sys/unix"
)

const message = 64 // bytes

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func unixPair(typ int) ([2]int, error) {
	return unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}

// esockPair is two connected unix sockets.
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

// netPair is the same of package net.
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

func esockListen() (*esock.Socket, esock.Addr, error) {
	l, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err != nil {
		return nil, esock.Addr{}, err
	}
	if err = l.Bind(esock.Loopback); err == nil {
		err = l.Listen(16)
	}
	if err != nil {
		return nil, esock.Addr{}, err
	}
	at, err := l.SockName()
	return l, at, err
}

// esockTCP is a TCP connection over loopback, both ends.
func esockTCP() (client, server *esock.Socket, err error) {
	l, at, err := esockListen()
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = esock.Open(esock.Inet, esock.Stream, esock.TCP); err != nil {
		return nil, nil, err
	}
	if err = client.Connect(at, esock.Forever); err != nil {
		return nil, nil, err
	}
	if server, err = l.Accept(esock.Forever); err != nil {
		return nil, nil, err
	}
	for _, s := range []*esock.Socket{client, server} {
		if err := sockopt.TCPNoDelay.Set(s, true); err != nil {
			return nil, nil, err
		}
	}
	return client, server, nil
}

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
func esockUDP() (*esock.Socket, error) {
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	if err != nil {
		return nil, err
	}
	return s, s.Bind(esock.Loopback)
}

func netUDP() (*net.UDPConn, error) {
	return net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
}

// sysUDP is a descriptor bound to loopback, and its address.
func sysUDP() (int, *unix.SockaddrInet4, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: loopback.As4()}); err != nil {
		return -1, nil, err
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return -1, nil, err
	}
	return fd, at.(*unix.SockaddrInet4), nil
}

func bareWrite(fd int, b []byte) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b))); errno != 0 {
		return errno
	}
	return nil
}

func bareRead(fd int, b []byte) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b))); errno != 0 {
		return errno
	}
	return nil
}
