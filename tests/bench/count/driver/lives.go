package main

import (
	"net"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

func openCloseEsock() (operation, error) {
	return operation{run: func() error {
		s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
		if err != nil {
			return err
		}
		return s.Close()
	}}, nil
}

func openCloseSys() (operation, error) {
	return operation{run: func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}}, nil
}

func openBindCloseEsock() (operation, error) {
	return operation{run: func() error {
		s, err := sockets.EsockUDP()
		if err != nil {
			return err
		}
		return s.Close()
	}}, nil
}

func openBindCloseNet() (operation, error) {
	at := &net.UDPAddr{IP: sockets.Loopback.AsSlice()}
	return operation{run: func() error {
		c, err := net.ListenUDP("udp4", at)
		if err != nil {
			return err
		}
		return c.Close()
	}}, nil
}

func openBindCloseSys() (operation, error) {
	at := &unix.SockaddrInet4{Addr: sockets.Loopback.As4()}
	return operation{run: func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		if err := unix.Bind(fd, at); err != nil {
			return err
		}
		return unix.Close(fd)
	}}, nil
}

// resetAtClose leaves no port behind in TIME_WAIT.
func resetAtClose(fd int) error {
	return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// acceptEsock connects a socket of esock's and accepts it with another: loopback finishes the handshake in connect.
func acceptEsock() (operation, error) {
	l, at, err := sockets.EsockListen(16)
	var c, s *esock.Socket
	return operation{func() error {
		if c != nil {
			c.Close()
			s.Close()
		}
		var err error
		if c, err = esock.Open(esock.Inet, esock.Stream, esock.TCP); err != nil {
			return err
		}
		return sockopt.SocketLinger.Set(c, sockopt.Linger{On: true})
	}, func() error {
		err := c.Connect(at, esock.Forever)
		if err == nil {
			s, err = l.Accept(esock.Forever)
		}
		return err
	}}, err
}

func acceptSys() (operation, error) {
	l, at, err := sockets.SysListen(16)
	c, s := -1, -1
	return operation{func() error {
		if c >= 0 {
			unix.Close(c)
			unix.Close(s)
		}
		var err error
		if c, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return resetAtClose(c)
	}, func() error {
		err := unix.Connect(c, at)
		if err == nil {
			s, _, err = unix.Accept4(l, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		}
		return err
	}}, err
}
