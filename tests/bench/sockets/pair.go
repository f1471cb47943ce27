// Package sockets makes the sockets that the benchmarks measure and the driver of count steps through: those of esock, of
// package net, and bare descriptors.
package sockets

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/esock-go/esock"
	"golang.org/x/sys/unix"
)

// Message is how many bytes the messages of most rows have.
const Message = 64

// Loopback is where all sockets with an internet address are bound.
var Loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// UnixPair is two connected, nonblocking unix descriptors.
func UnixPair(typ int) ([2]int, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fds, fmt.Errorf("socketpair: %w", err)
	}
	return fds, nil
}

// EsockPair is two connected unix sockets of esock's.
func EsockPair(typ esock.Type) (a, b *esock.Socket, err error) {
	fds, err := UnixPair(int(typ))
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

// NetPair is two connected unix sockets of net's.
func NetPair(typ int) (a, b net.Conn, err error) {
	fds, err := UnixPair(typ)
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
