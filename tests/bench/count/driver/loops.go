package main

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

const looped = 20 // connections of a loop, each with one message on its way

// clients are connected sockets of bare system calls.
func clients(port int) (fds []int, err error) {
	for range looped {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: sockets.Loopback.As4(), Port: port}); err != nil {
			return nil, err
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return nil, err
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, err
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// asked is an operation that serves what the clients have sent. The sends and the receives of the clients are not counted.
func asked(fds []int, serve func() error) operation {
	buf := make([]byte, sockets.Message)
	asked := false
	return operation{
		before: func() error {
			for _, fd := range fds {
				for asked {
					err := bareRead(fd, buf)
					if err == nil {
						break
					}
					if err != unix.EAGAIN {
						return err
					}
					runtime.Gosched() // the loop was interrupted between its receives and its sends
				}
				if err := bareWrite(fd, buf); err != nil {
					return err
				}
			}
			asked = true
			return nil
		},
		run: serve,
	}
}

// counting echoes, and counts the messages.
type counting struct{ n *atomic.Int64 }

func (counting) Opened(*engine.Conn)                 {}
func (h counting) Received(c *engine.Conn, b []byte) { h.n.Add(1); c.Write(b) }
func (counting) Writable(*engine.Conn)               {}
func (counting) Closed(*engine.Conn, error)          {}

// loopEsock is a loop that never sleeps. It lets this goroutine run after a turn that had nothing to do, when all is sent.
func loopEsock() (operation, error) {
	l, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err == nil {
		err = l.Bind(esock.Loopback)
	}
	if err == nil {
		err = l.Listen(looped)
	}
	if err != nil {
		return operation{}, err
	}
	at, err := l.SockName()
	if err != nil {
		return operation{}, err
	}
	loop, err := engine.New(engine.Spin(time.Hour))
	if err != nil {
		return operation{}, err
	}
	var n atomic.Int64
	if err := loop.Serve(l, counting{&n}); err != nil {
		return operation{}, err
	}
	go func() { fail(loop.Run(context.Background())) }()
	fds, err := clients(int(at.Port()))
	if err != nil {
		return operation{}, err
	}
	var until int64
	return asked(fds, func() error {
		for until += looped; n.Load() < until; {
			runtime.Gosched()
		}
		return nil
	}), nil
}

// loopBare is the plain loop over epoll that one writes by hand.
func loopBare() (operation, error) {
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(l, &unix.SockaddrInet4{Addr: sockets.Loopback.As4()})
	}
	if err == nil {
		err = unix.Listen(l, looped)
	}
	if err != nil {
		return operation{}, err
	}
	at, err := unix.Getsockname(l)
	if err != nil {
		return operation{}, err
	}
	fds, err := clients(at.(*unix.SockaddrInet4).Port)
	if err != nil {
		return operation{}, err
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return operation{}, err
	}
	for range fds {
		fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err == nil {
			err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
		}
		if err != nil {
			return operation{}, err
		}
	}
	var events [256]unix.EpollEvent
	buf := make([]byte, sockets.Message)
	return asked(fds, func() error {
		for left := looped; left > 0; {
			n, err := bareEpollWait(ep, events[:])
			if err != nil {
				return err
			}
			for _, e := range events[:n] {
				if err := bareRead(int(e.Fd), buf); err != nil {
					return err
				}
				if err := bareWrite(int(e.Fd), buf); err != nil {
					return err
				}
			}
			if left -= n; n == 0 {
				return fmt.Errorf("%d messages have not come", left)
			}
		}
		return nil
	}), nil
}
