package main

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/packet"
)

// servers are the servers of the rows of the engine, by kind: each prints where it listens, and ends with standard input.
var servers = map[string]func() error{
	"loop-epoll":              func() error { return serveLoop(engine.Epoll, echoing{}) },
	"loop-io_uring":           func() error { return serveLoop(engine.IOUring, echoing{}) },
	"packets-loop-epoll":      func() error { return servePackets(engine.Epoll) },
	"packets-loop-io_uring":   func() error { return servePackets(engine.IOUring) },
	"everybody-loop-epoll":    func() error { return serveLoop(engine.Epoll, &everybody{}) },
	"everybody-loop-io_uring": func() error { return serveLoop(engine.IOUring, &everybody{}) },
	"mailbox-complete":        func() error { return serveMailbox(esock.CompleteWith) },
	"mailbox-select":          func() error { return serveMailbox(esock.With) },
	"net":                     func() error { return serveNet(echoConn(4096)) },
	"net-16k":                 func() error { return serveNet(echoConn(16 << 10)) },
	"everybody-net":           func() error { return serveNet(new(hub).serve) },
	"gnet":                    gnetEcho,
	"netpoll":                 netpollEcho,
	"http-net":                netHTTP,
	"http-fasthttp":           fasthttpServer,
	"http-gnet":               gnetHTTP,
}

func childServer(kind string) error {
	serve, ok := servers[kind]
	if !ok {
		return fmt.Errorf("no server is called %s", kind)
	}
	return serve()
}

type echoing struct{}

func (echoing) Opened(*engine.Conn)               {}
func (echoing) Received(c *engine.Conn, b []byte) { c.Write(b) }
func (echoing) Writable(*engine.Conn)             {}
func (echoing) Closed(*engine.Conn, error)        {}

type echoesPackets struct{ echoing }

func (echoesPackets) Packet(c *engine.Conn, p packet.Packet) { c.WritePacket(p.Data()) }

func servePackets(b engine.Backend) error {
	h, err := engine.Packets(packet.Len4, packet.Options{PacketSize: maxPacket}, echoesPackets{})
	if err != nil {
		return err
	}
	return serveLoop(b, h)
}

// everybody sends a message to all connections, unless it begins with j.
type everybody struct{ conns []*engine.Conn }

func (e *everybody) Opened(c *engine.Conn) { e.conns = append(e.conns, c) }
func (e *everybody) Received(c *engine.Conn, b []byte) {
	if b[0] == 'j' {
		c.Write(b)
		return
	}
	for _, to := range e.conns {
		to.Write(b)
	}
}
func (e *everybody) Writable(*engine.Conn)      {}
func (e *everybody) Closed(*engine.Conn, error) {} // when the load ends, all do

func serveLoop(b engine.Backend, h engine.Handler) error {
	l, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err == nil {
		err = l.Bind(esock.Loopback)
	}
	if err == nil {
		err = l.Listen(1024)
	}
	if err != nil {
		return err
	}
	loop, err := engine.New(engine.WaitWith(b))
	if err == nil {
		err = loop.Serve(l, h)
	}
	if err != nil {
		return err
	}
	a, err := l.SockName()
	if err != nil {
		return err
	}
	fmt.Println(a.Port())
	untilStdinEnds()
	return loop.Run(context.Background())
}

func serveNet(serve func(net.Conn)) error {
	l, err := net.Listen("tcp4", anyPort)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	untilStdinEnds()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go serve(c)
	}
}

func echoConn(size int) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		buf := make([]byte, size)
		for {
			n, err := c.Read(buf)
			if err == nil {
				_, err = c.Write(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}
}

// hub is everybody over net. Each connection has a goroutine that reads, and one that writes what the hub gives it, so
// that a client that does not read holds up nobody else.
type hub struct {
	mu  sync.Mutex
	all []chan [64]byte
}

func (h *hub) serve(c net.Conn) {
	defer c.Close()
	out := make(chan [64]byte, 16)
	h.mu.Lock()
	h.all = append(h.all, out)
	h.mu.Unlock()
	go func() {
		for m := range out {
			if _, err := c.Write(m[:]); err != nil {
				return
			}
		}
	}()
	var m [64]byte
	for {
		if n, err := c.Read(m[:]); err != nil || n < len(m) {
			return
		}
		if m[0] == 'j' {
			out <- m
			continue
		}
		h.mu.Lock()
		for _, to := range h.all {
			select {
			case to <- m:
			default: // its client does not read
			}
		}
		h.mu.Unlock()
	}
}
