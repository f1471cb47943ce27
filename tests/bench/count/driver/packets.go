package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

const header = 4 // bytes before a packet, its length

// echoed is a client of bare system calls. It writes when the server has begun to wait: the server tells of each answer
// through a channel, and keeps the processor until it waits.
func echoed(port int, serve func(answered chan<- struct{}) error) (operation, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return operation{}, err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: sockets.Loopback.As4(), Port: port}); err != nil {
		return operation{}, err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return operation{}, err
	}
	answered := make(chan struct{})
	go func() { fail(serve(answered)) }()
	out, in := make([]byte, header+sockets.Message), make([]byte, header+sockets.Message)
	binary.BigEndian.PutUint32(out, sockets.Message)
	return operation{run: func() error {
		if err := bareWrite(fd, out); err != nil {
			return err
		}
		<-answered
		return bareRead(fd, in)
	}}, nil
}

func listenGentcp() (*gentcp.Socket, int, error) {
	l, err := gentcp.Listen(nil, 0, gentcp.IPLoopback(), gentcp.PacketType(packet.Len4), gentcp.PacketSize(64<<10),
		gentcp.NoDelay(true), gentcp.Backlog(16), gentcp.Binary())
	if err != nil {
		return nil, 0, err
	}
	port, err := l.Port()
	return l, port, err
}

func passiveGentcp() (operation, error) {
	l, port, err := listenGentcp()
	if err != nil {
		return operation{}, err
	}
	return echoed(port, func(answered chan<- struct{}) error {
		s, err := l.Accept(nil, esock.Forever)
		if err != nil {
			return err
		}
		buf := make([]byte, 4096)
		for {
			p, err := s.RecvInto(buf, 0, esock.Forever)
			if err != nil {
				return err
			}
			if err := s.Send(p.Data()); err != nil {
				return err
			}
			answered <- struct{}{}
		}
	})
}

func activeGentcp() (operation, error) {
	l, port, err := listenGentcp()
	if err != nil {
		return operation{}, err
	}
	return echoed(port, func(answered chan<- struct{}) error {
		mb := esock.NewMailbox()
		s, err := l.Accept(mb, esock.Forever)
		if err != nil {
			return err
		}
		if err := s.SetOpts(gentcp.Active(true)); err != nil {
			return err
		}
		for {
			msg, err := mb.Receive(context.Background())
			if err != nil {
				return err
			}
			m, ok := msg.(gentcp.TCPMsg)
			if !ok {
				return fmt.Errorf("got %T", msg)
			}
			if err := s.Send(m.Data()); err != nil {
				return err
			}
			answered <- struct{}{}
		}
	})
}

// passiveNet is what one would write by hand.
func passiveNet() (operation, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return operation{}, err
	}
	return echoed(l.Addr().(*net.TCPAddr).Port, func(answered chan<- struct{}) error {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		r := bufio.NewReader(c)
		buf := make([]byte, 4096)
		for {
			if _, err := io.ReadFull(r, buf[:header]); err != nil {
				return err
			}
			n := header + int(binary.BigEndian.Uint32(buf))
			if n > len(buf) {
				return io.ErrShortBuffer
			}
			if _, err := io.ReadFull(r, buf[header:n]); err != nil {
				return err
			}
			if _, err := c.Write(buf[:n]); err != nil {
				return err
			}
			answered <- struct{}{}
		}
	})
}
