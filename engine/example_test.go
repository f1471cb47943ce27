package engine_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
)

type greeter struct{}

func (greeter) Opened(c *engine.Conn)             { c.Write([]byte("who is there?\n")) }
func (greeter) Received(c *engine.Conn, b []byte) { fmt.Fprintf(c, "hello, %s", b); c.Close() }
func (greeter) Writable(*engine.Conn)             {}
func (greeter) Closed(*engine.Conn, error)        {}

func Example() {
	listener, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	check(err)
	defer listener.Close()
	check(listener.Bind(esock.Loopback))
	check(listener.Listen(128))
	address, err := listener.SockName()
	check(err)

	loop, err := engine.New()
	check(err)
	check(loop.Serve(listener, greeter{}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()

	c, err := net.Dial("tcp", address.AddrPort().String())
	check(err)
	_, err = c.Write([]byte("world"))
	check(err)
	all, err := io.ReadAll(c)
	check(err)
	fmt.Printf("%s\n", all)
	check(c.Close())
	stop()
	fmt.Println(<-ended)
	// Output:
	// who is there?
	// hello, world
	// context canceled
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
