package main

import (
	"net"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

// Control messages: datagrams that wait already are received with their TTL, TOS and packet info as typed values.
var recvmsg = benchmark{
	name:       "recvmsg",
	about:      "UDP, receive 64 bytes with ttl, tos and pktinfo, as typed values",
	metrics:    []metric{{name: "3 controls", unit: "ns"}},
	contenders: []contender{{nameEsock, recvmsgEsock}, {nameNet, recvmsgNet}, {nameSyscall, recvmsgSyscall}},
}

func recvmsgEsock(e effort) (*session, error) {
	s, err := sockets.EsockUDP()
	if err != nil {
		return nil, err
	}
	if err := sockets.AskEsock(s); err != nil {
		return nil, err
	}
	at, err := s.SockName()
	if err != nil {
		return nil, err
	}
	var m esock.Msg
	return received(e, int(at.Port()), func(c *sockets.Controls) error {
		if err := s.RecvMsg(&m, 0, esock.Forever); err != nil {
			return err
		}
		c.Read(&m)
		return nil
	}, func() { s.Close() })
}

func recvmsgNet(e effort) (*session, error) {
	s, err := sockets.NetUDP()
	if err != nil {
		return nil, err
	}
	if err := sockets.AskNet(s); err != nil {
		return nil, err
	}
	buf, oob := make([]byte, 8192), make([]byte, 1024)
	return received(e, s.LocalAddr().(*net.UDPAddr).Port, func(c *sockets.Controls) error {
		_, n, _, _, err := s.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			return err
		}
		return c.Parse(oob[:n])
	}, func() { s.Close() })
}

func recvmsgSyscall(e effort) (*session, error) {
	fd, at, err := sockets.SysUDP()
	if err == nil {
		err = sockets.AskSys(fd)
	}
	if err != nil {
		return nil, err
	}
	buf, oob := make([]byte, 8192), make([]byte, 1024)
	return received(e, at.Port, func(c *sockets.Controls) error {
		_, n, _, _, err := unix.Recvmsg(fd, buf, oob, 0)
		if err != nil {
			return err
		}
		return c.Parse(oob[:n])
	}, func() { unix.Close(fd) })
}

// received makes a turn: datagrams are sent, not timed, and received, timed.
func received(e effort, port int, receive func(*sockets.Controls) error, done func()) (*session, error) {
	out, _, err := sockets.SysUDP()
	if err != nil {
		return nil, err
	}
	to := &unix.SockaddrInet4{Addr: sockets.Loopback.As4(), Port: port}
	data := make([]byte, sockets.Message)
	batches := pick(e, 1500, 300)
	const batch = 64 // fits the smallest receive buffer
	turn := func() ([]float64, error) {
		var took time.Duration
		for range batches {
			for range batch {
				if err := unix.Sendto(out, data, 0, to); err != nil {
					return nil, err
				}
			}
			start := time.Now()
			for range batch {
				c := sockets.Controls{TOS: -1}
				err := receive(&c)
				if err == nil {
					err = c.Check()
				}
				if err != nil {
					return nil, err
				}
			}
			took += time.Since(start)
		}
		return []float64{float64(took.Nanoseconds()) / float64(batches*batch)}, nil
	}
	return &session{turn, func() { unix.Close(out); done() }}, nil
}
