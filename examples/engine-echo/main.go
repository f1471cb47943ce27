// Engine-echo sends back what it receives, on any number of connections: one loop for each processor serves its share
// of them.
//
//	engine-echo [-listen ADDRESS] [-shards N] [-idle DURATION] [-grace DURATION]
//
// It prints its address. An interrupt ends it: it accepts no more, and gives its clients time to finish.
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
	"runtime"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
)

// echo is the handler. It has no state, so that all loops share it.
type echo struct{ idle time.Duration }

func (e echo) Opened(c *engine.Conn) {
	c.SetIdleTimeout(e.idle)
	c.SetWriteTimeout(e.idle)
}

// Received never finds the connection full: a client that does not read is not read from either.
func (echo) Received(c *engine.Conn, b []byte) {
	if _, err := c.Write(b); err != nil {
		c.Socket().Close()
	}
}

func (echo) Writable(*engine.Conn)      {}
func (echo) Closed(*engine.Conn, error) {}

func main() {
	address := flag.String("listen", "127.0.0.1:8080", "the address to listen on")
	shards := flag.Int("shards", runtime.NumCPU(), "how many loops share it")
	idle := flag.Duration("idle", time.Minute, "how long a connection may be silent; 0: for ever")
	grace := flag.Duration("grace", 10*time.Second, "how long clients have to finish after an interrupt")
	flag.Parse()
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(interrupted, os.Stdout, *address, *shards, *idle, *grace); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, out io.Writer, address string, shards int, idle, grace time.Duration) error {
	a, err := esock.ParseAddr(address)
	if err != nil {
		return err
	}
	s, err := engine.Sharded(shards)
	if err != nil {
		return err
	}
	defer s.Close()
	listeners, err := s.Listen(a, 1024, echo{idle})
	if err != nil {
		return err
	}
	if a, err = listeners[0].SockName(); err != nil {
		return err
	}
	fmt.Fprintln(out, a)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err = s.Shutdown(limit)
	if why := <-ended; !errors.Is(why, engine.ErrClosed) {
		err = errors.Join(err, why)
	}
	return err
}
