package main

import (
	"io"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
)

// The blocked path: each receive waits for the other goroutine.
var blocked = benchmark{
	name:  "blocked",
	about: "TCP, two goroutines of one process: 64 bytes there and back",
	turns: 5,
	turn:  time.Second,
	metrics: []metric{{name: "round trip", unit: "ns", targets: []target{
		{peer: nameNet, limit: 1.05, worst: 1.10}}}},
	contenders: []contender{{nameEsock, blockedEsock}, {nameNet, blockedNet}},
}

func blockedEsock(e effort) (*session, error) {
	a, b, err := sockets.EsockTCP()
	if err != nil {
		return nil, err
	}
	go echoEsock(b, esock.Forever)
	buf := make([]byte, sockets.Message)
	return &session{repeated(e, func(n int) error {
		for range n {
			if err := roundEsock(a, buf, esock.Forever); err != nil {
				return err
			}
		}
		return nil
	}), closer(a, b)}, nil
}

func blockedNet(e effort) (*session, error) {
	a, b, err := sockets.NetTCP()
	if err != nil {
		return nil, err
	}
	go echoNet(b)
	buf := make([]byte, sockets.Message)
	return &session{repeated(e, func(n int) error {
		for range n {
			if err := roundNet(a, buf); err != nil {
				return err
			}
		}
		return nil
	}), closer(a, b)}, nil
}

func roundEsock(s *esock.Socket, buf []byte, w esock.Wait) error {
	if _, err := s.Send(buf, 0, w); err != nil {
		return err
	}
	_, err := s.Recv(buf, 0, w)
	return err
}

func roundNet(c io.ReadWriter, buf []byte) error {
	if _, err := c.Write(buf); err != nil {
		return err
	}
	_, err := c.Read(buf)
	return err
}

// echoEsock sends back what comes, until the end.
func echoEsock(s *esock.Socket, w esock.Wait) {
	buf := make([]byte, sockets.Message)
	for {
		n, err := s.Recv(buf, 0, w)
		if err != nil {
			return
		}
		if _, err := s.Send(buf[:n], 0, w); err != nil {
			return
		}
	}
}

func echoNet(c io.ReadWriter) {
	buf := make([]byte, sockets.Message)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}
