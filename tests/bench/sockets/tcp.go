package sockets

import (
	"net"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
	"golang.org/x/sys/unix"
)

// EsockListen listens on a port of loopback.
func EsockListen(backlog int) (*esock.Socket, esock.Addr, error) {
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

// SysListen is EsockListen with a descriptor.
func SysListen(backlog int) (int, *unix.SockaddrInet4, error) {
	fd, at, err := bound(unix.SOCK_STREAM)
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	return fd, at, err
}

// EsockDial connects to a port of loopback.
func EsockDial(at esock.Addr) (*esock.Socket, error) {
	c, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err != nil {
		return nil, err
	}
	if err = c.Connect(at, esock.Forever); err == nil {
		err = sockopt.TCPNoDelay.Set(c, true) // as net does
	}
	return c, err
}

// EsockTCP is a TCP connection over loopback, both ends.
func EsockTCP() (client, server *esock.Socket, err error) {
	l, at, err := EsockListen(1)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = EsockDial(at); err != nil {
		return nil, nil, err
	}
	if server, err = l.Accept(esock.Forever); err != nil {
		return nil, nil, err
	}
	return client, server, sockopt.TCPNoDelay.Set(server, true)
}

// NetTCP is EsockTCP with net's sockets.
func NetTCP() (client, server *net.TCPConn, err error) {
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
