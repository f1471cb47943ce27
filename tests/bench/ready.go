package main

import (
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

// The ready path: nothing waits, so this is what a call costs.
var ready = benchmark{
	name:  "ready",
	about: "unix seqpacket, one goroutine: send and receive 64 bytes",
	turns: 25,
	turn:  100 * time.Millisecond, // short turns, often: the difference is small, and machines are not steady
	metrics: []metric{{name: "send+recv", unit: "ns", targets: []target{
		{peer: nameNet, limit: 0.85}, {peer: nameSyscall, limit: 1.15}}}},
	contenders: []contender{
		{nameEsock, readyEsock}, {nameNet, readyNet}, {nameSyscall, readySyscall},
		cTurns("ns_per_op", "pingpong-ready", 40000, 10000),
	},
}

func readyEsock(e effort) (*session, error) {
	a, b, err := sockets.EsockPair(esock.SeqPacket)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, sockets.Message)
	return &session{repeated(e, func(n int) error {
		for range n {
			if _, err := a.Send(buf, 0, esock.Forever); err != nil {
				return err
			}
			if _, err := b.Recv(buf, 0, esock.Forever); err != nil {
				return err
			}
		}
		return nil
	}), closer(a, b)}, nil
}

func readyNet(e effort) (*session, error) {
	a, b, err := sockets.NetPair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, sockets.Message)
	return &session{repeated(e, func(n int) error {
		for range n {
			if _, err := a.Write(buf); err != nil {
				return err
			}
			if _, err := b.Read(buf); err != nil {
				return err
			}
		}
		return nil
	}), closer(a, b)}, nil
}

func readySyscall(e effort) (*session, error) {
	fds, err := sockets.UnixPair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, sockets.Message)
	return &session{repeated(e, func(n int) error {
		for range n {
			if _, err := unix.Write(fds[0], buf); err != nil {
				return err
			}
			if _, err := unix.Read(fds[1], buf); err != nil {
				return err
			}
		}
		return nil
	}), func() { unix.Close(fds[0]); unix.Close(fds[1]) }}, nil
}
