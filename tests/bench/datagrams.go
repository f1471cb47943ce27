package main

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

// Datagrams, each with its address: nothing waits.
var udp = benchmark{
	name:    "udp",
	about:   "UDP, one goroutine: SendTo and RecvFrom of 64 bytes",
	turns:   25,
	turn:    100 * time.Millisecond,
	metrics: []metric{{name: "sendto+recvfrom", unit: "ns", targets: []target{{peer: nameNet, limit: 0.90}}}},
	contenders: []contender{
		{nameEsock, udpEsock}, {nameNet, udpNet}},
}

// Many goroutines send on one socket. Nothing receives: the kernel drops what the full receiver has no room for.
var udpEight = benchmark{
	name:       "udp-8",
	about:      "UDP, eight goroutines of one socket: SendTo of 64 bytes",
	turns:      15,
	metrics:    []metric{{name: "sendto", unit: "ns", targets: []target{{peer: nameNet, limit: 0.80}}}},
	contenders: []contender{{nameEsock, udpEightEsock}, {nameNet, udpEightNet}},
}

// A server with four workers on one socket. Its clients are threads with bare system calls, whose time is taken off.
var udpEcho = benchmark{
	name:       "udp-echo",
	about:      "UDP, four workers of one socket echo 64 bytes to eight clients",
	metrics:    []metric{{name: "server's processor", unit: "µs/message", targets: []target{{peer: nameNet, limit: 1.05}}}},
	contenders: []contender{{nameEsock, udpEchoEsock}, {nameNet, udpEchoNet}},
}

func udpEsock(e effort) (*session, error) {
	a, to, err := boundEsock()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, sockets.Message)
	return &session{repeated(e, func(n int) error {
		for range n {
			if _, err := a.SendTo(buf, to, 0, esock.Forever); err != nil {
				return err
			}
			if _, _, err := a.RecvFrom(buf, 0, esock.Forever); err != nil {
				return err
			}
		}
		return nil
	}), closer(a)}, nil
}

func udpNet(e effort) (*session, error) {
	a, err := sockets.NetUDP()
	if err != nil {
		return nil, err
	}
	to := sockets.AddrPort(a)
	buf := make([]byte, sockets.Message)
	return &session{repeated(e, func(n int) error {
		for range n {
			if _, err := a.WriteToUDPAddrPort(buf, to); err != nil {
				return err
			}
			if _, _, err := a.ReadFromUDPAddrPort(buf); err != nil {
				return err
			}
		}
		return nil
	}), closer(a)}, nil
}

// boundEsock is a socket, and its address.
func boundEsock() (*esock.Socket, esock.Addr, error) {
	s, err := sockets.EsockUDP()
	if err != nil {
		return nil, esock.Addr{}, err
	}
	at, err := s.SockName()
	return s, at, err
}

func udpEightEsock(e effort) (*session, error) {
	sink, to, err := boundEsock()
	if err != nil {
		return nil, err
	}
	a, err := sockets.EsockUDP()
	if err != nil {
		return nil, err
	}
	return &session{repeated(e, eight(func(buf []byte) error {
		_, err := a.SendTo(buf, to, 0, esock.Forever)
		return err
	})), closer(a, sink)}, nil
}

func udpEightNet(e effort) (*session, error) {
	sink, err := sockets.NetUDP()
	if err != nil {
		return nil, err
	}
	to := sockets.AddrPort(sink)
	a, err := sockets.NetUDP()
	if err != nil {
		return nil, err
	}
	return &session{repeated(e, eight(func(buf []byte) error {
		_, err := a.WriteToUDPAddrPort(buf, to)
		return err
	})), closer(a, sink)}, nil
}

// eight makes n calls of send from eight goroutines.
func eight(send func(buf []byte) error) func(n int) error {
	return func(n int) error {
		const goroutines = 8
		var failures [goroutines]error
		var all sync.WaitGroup
		for g := range goroutines {
			all.Go(func() {
				buf := make([]byte, sockets.Message)
				for range n / goroutines {
					if err := send(buf); err != nil {
						failures[g] = err
						return
					}
				}
			})
		}
		all.Wait()
		return errors.Join(failures[:]...)
	}
}

const (
	udpWorkers = 4
	udpClients = 8
)

func udpEchoEsock(e effort) (*session, error) {
	s, to, err := boundEsock()
	if err != nil {
		return nil, err
	}
	var workers sync.WaitGroup
	for range udpWorkers {
		workers.Go(func() {
			buf := make([]byte, sockets.Message)
			for {
				n, from, err := s.RecvFrom(buf, 0, esock.Forever)
				if err == nil {
					_, err = s.SendTo(buf[:n], from, 0, esock.Forever)
				}
				if err != nil {
					return
				}
			}
		})
	}
	at := to.AddrPort()
	return &session{echoTurn(e, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}),
		func() { s.Close(); workers.Wait() }}, nil
}

func udpEchoNet(e effort) (*session, error) {
	s, err := sockets.NetUDP()
	if err != nil {
		return nil, err
	}
	var workers sync.WaitGroup
	for range udpWorkers {
		workers.Go(func() {
			buf := make([]byte, sockets.Message)
			for {
				n, from, err := s.ReadFromUDPAddrPort(buf)
				if err == nil {
					_, err = s.WriteToUDPAddrPort(buf[:n], from)
				}
				if err != nil {
					return
				}
			}
		})
	}
	at := sockets.AddrPort(s)
	return &session{echoTurn(e, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}),
		func() { s.Close(); workers.Wait() }}, nil
}

// echoTurn is a turn in which the clients send to a server in this process. Its figure is the processor time of the process
// without the clients' threads, for one message.
func echoTurn(e effort, to *unix.SockaddrInet4) func() ([]float64, error) {
	each := pick(e, 5000, 1000)
	return func() ([]float64, error) {
		var used [udpClients]time.Duration
		var failures [udpClients]error
		var all sync.WaitGroup
		before := processorTime()
		for c := range udpClients {
			all.Go(func() { used[c], failures[c] = echoClient(to, each) })
		}
		all.Wait()
		server := processorTime() - before
		for _, t := range used {
			server -= t
		}
		return []float64{float64(server.Nanoseconds()) / 1e3 / float64(udpClients*each)}, errors.Join(failures[:]...)
	}
}

// echoClient sends n messages, each after the echo of the last, on a thread of its own. It returns the thread's processor time.
func echoClient(to *unix.SockaddrInet4, n int) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	lost := unix.NsecToTimeval(int64(time.Second))
	err = errors.Join(unix.Connect(fd, to), unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &lost))
	before := threadTime()
	buf := make([]byte, sockets.Message)
	for range n {
		if err == nil {
			_, err = unix.Write(fd, buf)
		}
		if err == nil {
			_, err = unix.Read(fd, buf)
		}
		if err == unix.EAGAIN || err == unix.EINTR { // the message is lost: it counts all the same
			err = nil
		}
	}
	return threadTime() - before, err
}

// threadTime is what this thread has used, in the kernel and outside.
func threadTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
