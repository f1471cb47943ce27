// Package fileserver serves the files of a directory over HTTP/1.1, as the command "esock serve" does. It shows how a
// server is built on package gentcp: requests are packets of type http, the kernel sends the files, and every wait is
// bounded.
package fileserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// Config is what a server serves, and the limits for its clients.
type Config struct {
	Root        *os.Root      // the directory; the caller closes it after Run has returned
	Connections int           // served at once; others wait
	Idle        time.Duration // how long a connection may wait for its next request
	Head        time.Duration // how long a request may take to arrive, with the body, which is discarded
	Stall       time.Duration // how long a client may stop reading a response
	Log         io.Writer     // one line for each request, in the Common Log Format; nil: no log
}

// Check refuses a configuration with which no client could be served. Listen calls it. Errors: *esock.InvalidError
// "connections", "idle", "head", "stall".
func (c *Config) Check() error {
	if c.Connections < 1 {
		return &esock.InvalidError{What: "connections", Value: c.Connections,
			Cause: fmt.Sprintf("with %d connections no client can be served", c.Connections)}
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"idle", c.Idle}, {"head", c.Head}, {"stall", c.Stall}} {
		if f.d <= 0 {
			return &esock.InvalidError{What: f.name, Value: f.d, Cause: fmt.Sprintf("a time of %v is too short", f.d)}
		}
	}
	return nil
}

// Server serves the files of a directory to any number of clients.
type Server struct {
	root     *os.Root
	at       string // HOST:PORT
	idle     esock.Wait
	head     time.Duration
	stall    esock.Wait
	listener *gentcp.Socket
	owner    *esock.Mailbox // it owns all sockets: closing it closes them
	slots    chan struct{}  // holds an element for each connection, and for each acceptor that waits for one
	busy     atomic.Int64   // the number of connections
	conns    sync.WaitGroup

	logging sync.Mutex
	log     io.Writer // nil: none
}

const (
	acceptors = 2
	// backlog is how many connections may wait in the kernel for an acceptor.
	backlog = 1024
	// scarce is the pause of an acceptor after a transient error.
	scarce = 50 * time.Millisecond
)

// Listen makes a server that listens at an address. For port 0 the kernel chooses one. Connections wait until Run is called.
// Errors: those of Config.Check and gentcp.Listen.
func Listen(at esock.Addr, c Config) (*Server, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	s := &Server{root: c.Root, log: c.Log, idle: esock.Within(c.Idle), head: c.Head, stall: esock.Within(c.Stall),
		owner: esock.NewMailbox(), slots: make(chan struct{}, c.Connections)}
	var err error
	s.listener, err = gentcp.Listen(s.owner, int(at.Port()), gentcp.IfAddr(at), gentcp.ReuseAddr(true),
		gentcp.Active(false), gentcp.Backlog(backlog), gentcp.PacketType(packet.HTTP), gentcp.PacketSize(maxLine),
		gentcp.NoDelay(true))
	if err != nil {
		s.Close()
		return nil, err
	}
	name, err := s.listener.SockName()
	if err != nil {
		s.Close()
		return nil, err
	}
	s.at = s.listener.Socket().NameZone(name).String()
	return s, nil
}

// Addr returns the server's address as HOST:PORT.
func (s *Server) Addr() string { return s.at }

// Close closes the listener and all connections, which ends every wait on them.
func (s *Server) Close() { s.owner.Close() }

// Run serves until ctx ends, and returns nil, or until an accept fails for good, and returns the reason. When it returns,
// all sockets are closed and all goroutines have ended.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var pool sync.WaitGroup
	for range acceptors {
		pool.Go(func() { cancel(s.accept(ctx)) })
	}
	<-ctx.Done()
	s.Close()
	pool.Wait()
	s.conns.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// accept accepts connections, and serves each in its own goroutine. It returns why it stopped.
func (s *Server) accept(ctx context.Context) error {
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		sock, err := s.listener.Accept(s.owner, esock.Forever)
		switch {
		case err == nil:
			s.conns.Go(func() {
				s.busy.Add(1)
				defer func() {
					s.busy.Add(-1)
					<-s.slots
				}()
				s.serve(sock)
			})
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case transient(err):
		default:
			var e *gentcp.Error
			if errors.As(err, &e) {
				err = e.Reason // there is only one listener: do not name it
			}
			return fmt.Errorf("connections cannot be accepted: %w", err)
		}
		<-s.slots
		select {
		case <-ctx.Done():
		case <-time.After(scarce):
		}
	}
}

// transient reports whether an error of accept(2) is not about the listener: the client is gone, the system is short of
// files or memory, or the network failed. The manual page lists the errors of the network.
func transient(err error) bool {
	return slices.ContainsFunc([]error{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EPERM, syscall.EPROTO, syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH,
		syscall.ENOPROTOOPT, syscall.ENONET, syscall.EOPNOTSUPP}, func(target error) bool { return errors.Is(err, target) })
}
