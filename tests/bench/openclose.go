package main

import (
	"context"
	"net"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

var background = context.Background()

// A socket's life. Package net has no socket without an address: it is measured with bind.
var openClose = benchmark{
	name:       "open-close",
	about:      "a TCP socket opened and closed",
	metrics:    []metric{{name: "pair", unit: "ns"}},
	contenders: []contender{{nameEsock, openCloseEsock}, {nameSyscall, openCloseSyscall}, cTurns("ns_per_op", "openclose", 100000, 20000)},
}

var openBindClose = benchmark{
	name:       "open-bind-close",
	about:      "a UDP socket opened, bound to loopback and closed",
	metrics:    []metric{{name: "all three", unit: "ns"}},
	contenders: []contender{{nameEsock, openBindCloseEsock}, {nameNet, openBindCloseNet}, {nameSyscall, openBindCloseSyscall}},
}

// lives makes a session of one function that opens and closes.
func lives(e effort, one func() error) (*session, error) {
	return &session{repeated(e, func(n int) error {
		for range n {
			if err := one(); err != nil {
				return err
			}
		}
		return nil
	}), func() {}}, nil
}

func openCloseEsock(e effort) (*session, error) {
	return lives(e, func() error {
		s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
		if err != nil {
			return err
		}
		return s.Close()
	})
}

func openCloseSyscall(e effort) (*session, error) {
	return lives(e, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	})
}

func openBindCloseEsock(e effort) (*session, error) {
	return lives(e, func() error {
		s, err := sockets.EsockUDP()
		if err != nil {
			return err
		}
		return s.Close()
	})
}

func openBindCloseNet(e effort) (*session, error) {
	at := &net.UDPAddr{IP: sockets.Loopback.AsSlice()}
	return lives(e, func() error {
		c, err := net.ListenUDP("udp4", at)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

func openBindCloseSyscall(e effort) (*session, error) {
	at := &unix.SockaddrInet4{Addr: sockets.Loopback.As4()}
	return lives(e, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		if err := unix.Bind(fd, at); err != nil {
			return err
		}
		return unix.Close(fd)
	})
}
