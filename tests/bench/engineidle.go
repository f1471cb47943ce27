package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"golang.org/x/sys/unix"
)

// telling tells when a connection is there.
type telling struct {
	echoing
	opened chan struct{}
}

func (t telling) Opened(*engine.Conn) { t.opened <- struct{}{} }

// childIdleConns measures n connections of a loop, "idle-loop-epoll" or "idle-loop-io_uring", or of net, "idle-conns", each with a goroutine in a read. Their clients
// are in the same process: descriptors without memory of it.
func childIdleConns(mode string, n int) error {
	opened := make(chan struct{})
	var port int
	var err error
	switch mode {
	case "idle-conns":
		port, err = netOfIdle(opened)
	case "idle-loop-epoll":
		port, err = loopOfIdle(engine.Epoll, opened)
	default:
		port, err = loopOfIdle(engine.IOUring, opened)
	}
	if err != nil {
		return err
	}
	open := func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port})
		}
		if err == nil { // no port is left in TIME_WAIT
			err = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		}
		if err == nil {
			<-opened
		}
		return err
	}
	if err := open(); err != nil { // what the first makes for all
		return err
	}
	before, err := memoryNow()
	if err != nil {
		return err
	}
	for i := 1; i < n; i++ {
		if err := open(); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	after, err := memoryNow()
	if err != nil {
		return err
	}
	if file := os.Getenv("ESOCK_BENCH_HEAP"); file != "" {
		if err := writeHeapProfile(file); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(idleMemory{int64(n - 1), after.Anonymous - before.Anonymous,
		after.Heap - before.Heap, after.Stacks - before.Stacks})
}

func loopOfIdle(b engine.Backend, opened chan struct{}) (port int, err error) {
	l, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err == nil {
		err = l.Bind(esock.Loopback)
	}
	if err == nil {
		err = l.Listen(1024)
	}
	if err != nil {
		return 0, err
	}
	at, err := l.SockName()
	if err != nil {
		return 0, err
	}
	loop, err := engine.New(engine.WaitWith(b))
	if err == nil {
		err = loop.Serve(l, telling{opened: opened})
	}
	go loop.Run(context.Background())
	return int(at.Port()), err
}

func netOfIdle(opened chan struct{}) (port int, err error) {
	l, err := net.Listen("tcp4", anyPort)
	if err != nil {
		return 0, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				var buf [64]byte
				opened <- struct{}{}
				c.Read(buf[:])
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, nil
}
