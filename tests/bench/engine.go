package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
)

// What many connections cost: packets of 68 bytes echoed by a server with one processor, with another one for the load. The
// engine serves all connections from one goroutine; net has a goroutine for each; the C program is the plain loop over epoll.
var (
	engine50   = engines(50)
	engine500  = engines(500)
	engine5000 = engines(5000)
)

func engines(conns int) benchmark {
	return benchmark{
		name:  fmt.Sprintf("engine-%d", conns),
		about: fmt.Sprintf("packets of 68 bytes echoed: %d connections in a loop", conns),
		turns: 7,
		metrics: []metric{
			{name: "messages", unit: "1/s", more: true, targets: []target{{peer: nameC, limit: 0.95}, {peer: nameNet, limit: 1.25}}},
			{name: "server's processor", unit: "µs/message", targets: []target{{peer: nameC, limit: 1.06}}},
		},
		contenders: []contender{
			{nameEsock, echoed(conns, func() (*exec.Cmd, error) { return goEcho("engine") })},
			{nameNet, echoed(conns, func() (*exec.Cmd, error) { return goEcho("net-raw") })},
			{nameC, echoed(conns, func() (*exec.Cmd, error) { return cServer() })},
		},
		group: "engine",
	}
}

func cServer() (*exec.Cmd, error) {
	peer := os.Getenv("ESOCK_PEER")
	if peer == "" {
		return nil, errNoPeer
	}
	return exec.Command(peer, "serve"), nil
}

type echoes64 struct{}

func (echoes64) Opened(*engine.Conn)               {}
func (echoes64) Received(c *engine.Conn, b []byte) { c.Write(b) }
func (echoes64) Writable(*engine.Conn)             {}
func (echoes64) Closed(*engine.Conn, error)        {}

// echoesEngine is a server that echoes what comes.
func echoesEngine() error {
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
	loop, err := engine.New()
	if err == nil {
		err = loop.Serve(l, echoes64{})
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

// echoesNet is the same with a goroutine for each connection.
func echoesNet() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
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
		go func() {
			defer c.Close()
			buf := make([]byte, 4096)
			for {
				n, err := c.Read(buf)
				if err == nil {
					_, err = c.Write(buf[:n])
				}
				if err != nil {
					return
				}
			}
		}()
	}
}
