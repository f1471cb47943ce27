package main

import (
	"net"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

// Accepting: connections are in the backlog already; only taking them out of it is timed.
var accept = benchmark{
	name:       "accept",
	about:      "TCP, taking connections from a full backlog, without closing them",
	metrics:    []metric{{name: "rate", unit: "1/s", more: true}},
	contenders: []contender{{nameEsock, acceptEsock}, {nameNet, acceptNet}, {nameSyscall, acceptSyscall}},
}

const backlog = 128

func acceptEsock(e effort) (*session, error) {
	l, at, err := sockets.EsockListen(backlog)
	if err != nil {
		return nil, err
	}
	var got [backlog]*esock.Socket
	return accepted(e, int(at.Port()), func(i int) (err error) {
		got[i], err = l.Accept(esock.Forever)
		return err
	}, func(i int) error { return got[i].Close() }, closer(l))
}

func acceptNet(e effort) (*session, error) {
	// Without keepalive: esock sets nothing that nobody asked for.
	c := net.ListenConfig{KeepAlive: -1}
	l, err := c.Listen(background, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var got [backlog]net.Conn
	return accepted(e, l.Addr().(*net.TCPAddr).Port, func(i int) (err error) {
		got[i], err = l.Accept()
		return err
	}, func(i int) error { return got[i].Close() }, closer(l))
}

func acceptSyscall(e effort) (*session, error) {
	fd, at, err := sockets.SysListen(backlog)
	if err != nil {
		return nil, err
	}
	var got [backlog]int
	return accepted(e, at.Port, func(i int) (err error) {
		got[i], _, err = unix.Accept4(fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		return err
	}, func(i int) error { return unix.Close(got[i]) }, func() { unix.Close(fd) })
}

func accepted(e effort, port int, take, drop func(i int) error, done func()) (*session, error) {
	batches := pick(e, 40, 8)
	to := &unix.SockaddrInet4{Addr: sockets.Loopback.As4(), Port: port}
	turn := func() ([]float64, error) {
		var took time.Duration
		for range batches {
			var clients [backlog]int
			for i := range clients {
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					return nil, err
				}
				// Reset at close: a run leaves no ports behind in TIME_WAIT.
				unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
				if err := unix.Connect(fd, to); err != nil {
					return nil, err
				}
				clients[i] = fd
			}
			start := time.Now()
			for i := range clients {
				if err := take(i); err != nil {
					return nil, err
				}
			}
			took += time.Since(start)
			for i, fd := range clients {
				unix.Close(fd)
				if err := drop(i); err != nil {
					return nil, err
				}
			}
		}
		return []float64{float64(batches) * backlog / took.Seconds()}, nil
	}
	return &session{turn, done}, nil
}
