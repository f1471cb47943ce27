// Package fileserver serves the files of a directory over HTTP/1.1. It is what "esock serve" runs, and shows a server on
// package gentcp: packets framed as HTTP, files sent by the kernel, every wait bounded.
package fileserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// Config says what a server serves and how long it waits for its clients.
type Config struct {
	Root        *os.Root      // the directory; the caller closes it after Run has returned
	Connections int           // how many connections are served at once; others wait
	Idle        time.Duration // how long a connection may wait for its next request
	Head        time.Duration // how long a request may take to arrive, with the body, which is discarded
	Stall       time.Duration // how long a client may stop reading a response
	Log         io.Writer     // one line for each request, in the Common Log Format; nil: no log
}

// Check returns an error that names what nobody could be served with, nil if there is nothing of the kind. Errors:
// *esock.InvalidError "connections", "idle", "head", "stall".
func (c *Config) Check() error {
	if c.Connections < 1 {
		return &esock.InvalidError{What: "connections", Value: c.Connections,
			Cause: fmt.Sprintf("with %d connections nobody can be served", c.Connections)}
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

// Server serves a directory.
type Server struct {
	root     *os.Root
	at       string // HOST:PORT
	idle     esock.Wait
	head     time.Duration
	stall    esock.Wait
	listener *gentcp.Socket
	owner    *esock.Mailbox // of all sockets: closing it closes them
	slots    chan struct{}  // one for each connection, or for an acceptor that waits for one
	busy     atomic.Int64   // how many connections there are
	conns    sync.WaitGroup

	logging sync.Mutex
	log     io.Writer // nil: none
}

const (
	acceptors = 2
	// backlog is how many connections wait for an acceptor in the kernel.
	backlog = 1024
	// scarce is how long accepting rests when the system has run out of something.
	scarce = 50 * time.Millisecond
)

// Listen makes a server that listens at an address; port 0: the kernel chooses one. Nothing is served before Run.
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

// Addr is where the server listens, as HOST:PORT.
func (s *Server) Addr() string { return s.at }

// Close closes all sockets, which wakes whatever waits on one.
func (s *Server) Close() { s.owner.Close() }

// Run serves until ctx ends, or until connections cannot be accepted any more.
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

// accept gives each connection a goroutine of its own. It returns why there are no more.
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
				s.converse(sock)
			})
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case passes(err):
		default:
			var e *gentcp.Error
			if errors.As(err, &e) {
				err = e.Reason // which socket it was does not matter to the caller
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

// passes reports an error of accept that says nothing about the listener: the peer has gone already, or there are too
// many files or too little memory at the moment. accept(2) lists the network's.
func passes(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS,
		syscall.ENOMEM,
		syscall.EPERM, syscall.EPROTO, syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH,
		syscall.ENOPROTOOPT, syscall.ENONET, syscall.EOPNOTSUPP} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
