// Engine-chat is a chat room: each line that a client sends goes to all clients. One loop serves them all, so the room
// needs no lock. Try it with nc.
//
//	engine-chat [-listen ADDRESS]
//
// It prints its address. Lines of more than 1,000 bytes end a connection, and so does a client that does not read.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/packet"
)

// room is the handler: the connections in it, with their names.
type room map[*engine.Conn]string

func (r room) Opened(c *engine.Conn) {
	c.SetWriteTimeout(10 * time.Second)
	name := "somebody"
	if a, err := c.Socket().PeerName(); err == nil {
		name = a.String()
	}
	r[c] = name
	r.say("%s comes\n", name)
}

func (r room) Packet(c *engine.Conn, p packet.Packet) { r.say("%s: %s", r[c], p.Data()) }

func (room) Writable(*engine.Conn) {}

func (r room) Closed(c *engine.Conn, _ error) {
	name := r[c]
	delete(r, c)
	r.say("%s goes\n", name)
}

// Stopping ends a connection when the server ends, after what was said.
func (r room) Stopping(c *engine.Conn) { c.Close() }

// say sends a line to all connections. One with too many unread lines is closed.
func (r room) say(format string, args ...any) {
	line := fmt.Appendf(nil, format, args...)
	for c := range r {
		if _, err := c.Write(line); errors.Is(err, engine.ErrFull) {
			c.Socket().Close()
		}
	}
}

func main() {
	address := flag.String("listen", "127.0.0.1:8080", "the address to listen on")
	flag.Parse()
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(interrupted, os.Stdout, *address); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, out io.Writer, address string) error {
	h, err := engine.Packets(packet.Line, packet.Options{PacketSize: 1000}, room{})
	if err != nil {
		return err
	}
	listener, err := listen(address)
	if err != nil {
		return err
	}
	defer listener.Close()
	loop, err := engine.New(engine.Mark(64 << 10))
	if err != nil {
		return err
	}
	defer loop.Close()
	if err := loop.Serve(listener, h); err != nil {
		return err
	}
	a, err := listener.SockName()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, a)
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(context.Background()) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return loop.Shutdown(limit)
}

func listen(address string) (*esock.Socket, error) {
	a, err := esock.ParseAddr(address)
	if err != nil {
		return nil, err
	}
	s, err := esock.Open(a.Family(), esock.Stream, esock.Default)
	if err != nil {
		return nil, err
	}
	if err = s.Bind(a); err == nil {
		err = s.Listen(1024)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}
