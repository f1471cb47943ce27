package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
)

// perSource is how many connections have one source address: fewer than it has ports.
const perSource = 20_000

// patience is for an emulated processor that has a million things to do.
const patience = 30 * time.Minute

// dial connects the plain descriptor of the ith peer.
func dial(i int, port uint16) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	// The connection is aborted at the end, which leaves nothing behind in the kernel; and connect chooses the port.
	err = errors.Join(
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 1, byte(i / perSource), 1}}),
		unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(port)}))
	return fd, err
}

// connections are open, and nothing waits on them.
type connections struct {
	socks []*esock.Socket
	conns []*net.TCPConn // in place of socks, for the form net
	peers []int
	buf   []byte // one byte for each, which is not counted
}

// open opens n connections. It calls ready when all is there but them.
func open(n int, ready func() error) (*connections, error) {
	c := &connections{socks: make([]*esock.Socket, 0, n), peers: make([]int, 0, n), buf: make([]byte, n)}
	l, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if err := errors.Join(l.Bind(esock.Inet4Addr(netip.MustParseAddr("127.0.0.1"), 0)), l.Listen(128)); err != nil {
		return nil, err
	}
	at, err := l.SockName()
	if err != nil {
		return nil, err
	}
	if _, err := l.Accept(esock.Within(time.Millisecond)); err != esock.ErrTimeout { // what the first wait starts is there now
		return nil, fmt.Errorf("somebody else connected: %v", err)
	}
	if err := ready(); err != nil {
		return nil, err
	}
	for i := range n {
		fd, err := dial(i, uint16(at.Port()))
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		s, err := l.Accept(esock.Within(patience))
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		c.peers, c.socks = append(c.peers, fd), append(c.socks, s)
	}
	return c, nil
}

// openNet does the same with package net.
func openNet(n int, ready func() error) (*connections, error) {
	c := &connections{conns: make([]*net.TCPConn, 0, n), peers: make([]int, 0, n), buf: make([]byte, n)}
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	if err := ready(); err != nil {
		return nil, err
	}
	for i := range n {
		fd, err := dial(i, port)
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		conn, err := l.AcceptTCP()
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		c.peers, c.conns = append(c.peers, fd), append(c.conns, conn)
	}
	return c, nil
}

// wake sends a byte to each, from the first on in steps.
func (c *connections) wake(step int) error {
	for i := 0; i < len(c.peers); i += step {
		if _, err := unix.Write(c.peers[i], []byte{'x'}); err != nil {
			return err
		}
	}
	return nil
}

// forms are how calls wait. Each returns when all wait; the function that it returns ends the waits, after it has seen that
// they are real.
var forms = map[string]func(c *connections) (leave func() error, err error){
	"blocked": blocked, "select": selects, "engine": looped, "net": blockedNet,
}

func until(what string, done func() bool) error {
	for start := time.Now(); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > patience {
			return errors.New(what + " did not come")
		}
	}
	return nil
}

func blocked(c *connections) (func() error, error) {
	var ended sync.WaitGroup
	var wrong atomic.Pointer[error]
	for i, s := range c.socks {
		ended.Go(func() {
			if _, err := s.Recv(c.buf[i:i+1], 0, esock.Forever); err != nil {
				wrong.Store(&err)
			}
		})
	}
	waiting := 0
	err := until("all waits", func() bool {
		for waiting < len(c.socks) && c.socks[waiting].Counters().ReadWaits > 0 {
			waiting++
		}
		return waiting == len(c.socks)
	})
	return func() error {
		if err := c.wake(1); err != nil {
			return err
		}
		ended.Wait()
		if err := wrong.Load(); err != nil {
			return *err
		}
		return nil
	}, err
}

func selects(c *connections) (func() error, error) {
	mb := esock.NewMailbox()
	waits := make(map[*esock.Handle]*esock.Select)
	sels := make([]*esock.Select, len(c.socks))
	for i, s := range c.socks {
		_, err := s.Recv(c.buf[i:i+1], 0, esock.NoWait(mb))
		sel, ok := err.(*esock.Select)
		if !ok {
			return nil, fmt.Errorf("no select: %v", err)
		}
		sels[i] = sel
	}
	return func() error {
		defer mb.Close()
		const step = 1000
		if err := c.wake(step); err != nil {
			return err
		}
		for i := 0; i < len(sels); i += step {
			waits[sels[i].Handle()] = sels[i]
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for len(waits) > 0 {
			msg, err := mb.Receive(ctx)
			if err != nil {
				return err
			}
			m, ok := msg.(esock.SelectMsg)
			if !ok || waits[m.Handle] == nil {
				return fmt.Errorf("a message of no connection that has data: %v", msg)
			}
			delete(waits, m.Handle)
		}
		for i, s := range c.socks {
			if i%step != 0 {
				if err := s.Cancel(sels[i]); err != nil {
					return err
				}
			} else if _, err := s.Recv(c.buf[i:i+1], 0, esock.NoWait(mb)); err != nil { // it is this mailbox's turn
				return err
			}
		}
		return nil
	}, nil
}

// counting is a handler that counts.
type counting struct{ opened, received atomic.Int64 }

func (h *counting) Opened(*engine.Conn)               { h.opened.Add(1) }
func (h *counting) Received(_ *engine.Conn, b []byte) { h.received.Add(int64(len(b))) }
func (h *counting) Writable(*engine.Conn)             {}
func (h *counting) Closed(*engine.Conn, error)        {}

func looped(c *connections) (func() error, error) {
	loop, err := engine.New()
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(context.Background()) }()
	h := new(counting)
	conns := make([]*engine.Conn, len(c.socks)) // as a program that knows its connections has them
	for i, s := range c.socks {
		if conns[i], err = loop.Adopt(s, h); err != nil {
			return nil, err
		}
	}
	err = until("all connections", func() bool { return h.opened.Load() == int64(len(conns)) })
	return func() error {
		const step = 1000
		if err := c.wake(step); err != nil {
			return err
		}
		want := int64((len(conns) + step - 1) / step)
		if err := until("the bytes", func() bool { return h.received.Load() == want }); err != nil {
			return err
		}
		left := make(chan error, 1)
		loop.Post(func() {
			for _, conn := range conns {
				if _, err := conn.Detach(); err != nil {
					left <- err
					return
				}
			}
			left <- nil
		})
		if err := <-left; err != nil {
			return err
		}
		if err := loop.Close(); err != nil {
			return err
		}
		<-ended
		return nil
	}, err
}

// blockedNet is blocked for package net, which does not say which of its reads wait: a goroutine that has begun gets there
// within a few turns of the scheduler.
func blockedNet(c *connections) (func() error, error) {
	var ended sync.WaitGroup
	var begun atomic.Int64
	for i, conn := range c.conns {
		ended.Go(func() {
			begun.Add(1)
			_, _ = conn.Read(c.buf[i : i+1])
		})
	}
	err := until("all reads", func() bool { return begun.Load() == int64(len(c.conns)) })
	for range 100 {
		runtime.Gosched()
	}
	return func() error {
		err := c.wake(1)
		ended.Wait()
		return err
	}, err
}
