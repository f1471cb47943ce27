// Package fileserver serves the files of a directory over HTTP/1.1, as the command "esock serve" does. It shows how a
// server is built on package gentcp: requests are packets of type http, the kernel sends the files unless they must be
// encrypted, and every wait is bounded.
package fileserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// Config is what a server serves, and the limits for its clients.
type Config struct {
	Root   *os.Root    // the directory; the caller closes it after Run has returned
	Hidden bool        // names that begin with a dot are served and listed, too
	TLS    *tls.Config // nil: without TLS

	Connections int           // served at once; others wait, at most 2 s for a place that a silent client has
	Idle        time.Duration // how long a connection may wait for its next request
	Head        time.Duration // how long a request may take to arrive, with the body, which is discarded
	Stall       time.Duration // how long a client may stop reading a response
	Grace       time.Duration // how long Run lets requests go on after its context has ended

	// Ending is called once Run's context has ended, with the number of connections whose request is being answered, unless
	// there is none. nil: nothing is called.
	Ending func(busy int)

	// Log gets one line for each request, in the Common Log Format, once the client's system has confirmed the response, the
	// client has gone on, or the connection has ended. If the response was cut off, the line goes on with "aborted: ", the reason,
	// and the bytes that were sent and should have been. nil: no log.
	Log io.Writer
}

// Check refuses a configuration with which no client could be served. Listen calls it. Errors: *esock.InvalidError "root",
// "connections", "idle", "head", "stall", "grace".
func (c *Config) Check() error {
	if c.Root == nil {
		return &esock.InvalidError{What: "root", Cause: "there is no directory"}
	}
	if c.Connections < 1 {
		return &esock.InvalidError{What: "connections", Value: c.Connections,
			Cause: fmt.Sprintf("with %d connections no client can be served", c.Connections)}
	}
	for _, f := range []struct {
		name string
		d    time.Duration
		min  time.Duration
	}{{"idle", c.Idle, 1}, {"head", c.Head, 1}, {"stall", c.Stall, 1}, {"grace", c.Grace, 0}} {
		if f.d < f.min {
			return &esock.InvalidError{What: f.name, Value: f.d, Cause: fmt.Sprintf("a time of %v is too short", f.d)}
		}
	}
	return nil
}

// Server serves the files of a directory to any number of clients.
type Server struct {
	root     *os.Root
	bases    []string // the paths of the directory, for absolute symbolic links
	hidden   bool
	tls      *tls.Config
	at       esock.Addr
	idle     esock.Wait
	head     time.Duration
	stall    esock.Wait
	patience time.Duration // of stall
	grace    time.Duration
	listener *gentcp.Socket
	owner    *esock.Mailbox // it owns all sockets: closing it closes them
	ending   func(busy int)
	unlink   func() // removes the name of a local socket
	crowd    crowd
	conns    sync.WaitGroup

	logging sync.Mutex
	log     io.Writer // nil: none
}

const (
	acceptors = 2
	// backlog is how many connections may wait in the kernel for an acceptor.
	backlog = 1024
	// silence is how long a new client may make no request while others wait for its place.
	silence = 2 * time.Second
	// scarce is the pause of an acceptor after a transient error.
	scarce = 50 * time.Millisecond
)

// Listen makes a server that listens at an address of TCP, or of a local socket. For port 0 the kernel chooses one. The name
// of a local socket must not exist; Close removes it. Connections wait until Run is called. Errors: those of Config.Check
// and gentcp.Listen.
func Listen(at esock.Addr, c Config) (*Server, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	s := &Server{root: c.Root, bases: basesOf(c.Root), hidden: c.Hidden, tls: c.TLS, log: c.Log, idle: esock.Within(c.Idle),
		head: c.Head, stall: esock.Within(c.Stall), patience: c.Stall, grace: c.Grace, ending: c.Ending,
		owner: esock.NewMailbox(), unlink: func() {},
		crowd: crowd{limit: c.Connections, silence: min(silence, c.Head)}}
	opts := []gentcp.Option{gentcp.IfAddr(at), gentcp.Active(false), gentcp.Backlog(backlog),
		gentcp.PacketType(packet.HTTP), gentcp.PacketSize(maxLine),
		gentcp.ExitOnClose(false), gentcp.ShowEconnreset(true)} // for the log: what was confirmed when a client left
	if c.TLS != nil {
		opts[3] = gentcp.PacketType(packet.Raw)
	}
	if at.Family() != esock.Local {
		opts = append(opts, gentcp.ReuseAddr(true), gentcp.NoDelay(true))
	}
	var err error
	s.listener, err = gentcp.Listen(s.owner, int(at.Port()), opts...)
	if err == nil {
		s.at, err = s.listener.SockName()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	s.at = s.listener.Socket().NameZone(s.at)
	if at.Family() == esock.Local {
		s.unlink = unlinker(at.Path())
	}
	return s, nil
}

// unlinker returns a function that removes the name of a local socket, unless another file has it by then. An abstract
// address has no name.
func unlinker(name string) func() {
	made, err := os.Lstat(name)
	if err != nil {
		return func() {}
	}
	return sync.OnceFunc(func() {
		if now, err := os.Lstat(name); err == nil && os.SameFile(made, now) {
			os.Remove(name)
		}
	})
}

// Addr returns the address that the server listens at.
func (s *Server) Addr() esock.Addr { return s.at }

// Close closes the listener and all connections, which ends every wait on them.
func (s *Server) Close() {
	s.unlink()
	s.owner.Close()
}

// Run serves until ctx ends, and returns nil, or until an accept fails for good, and returns the reason. Then it accepts no
// client, ends the connections that wait for a request, and lets the others finish theirs for Config.Grace. When it returns,
// all sockets are closed and all goroutines have ended.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var pool sync.WaitGroup
	for range acceptors {
		pool.Go(func() { cancel(s.accept(ctx)) })
	}
	<-ctx.Done()
	s.unlink() // so that clients meet a new server, if there is one
	s.listener.Close()
	if busy := s.crowd.end(); busy > 0 && s.ending != nil {
		s.ending(busy)
	}
	pool.Wait()
	over := make(chan struct{})
	late := time.AfterFunc(s.grace, func() {
		s.Close()
		close(over)
	})
	s.conns.Wait()
	if !late.Stop() {
		<-over
	}
	s.Close()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// accept accepts connections, and serves each in its own goroutine. It returns why it stopped. A client is accepted before
// there is a place for it, so that others know that one is wanted.
func (s *Server) accept(ctx context.Context) error {
	for {
		sock, err := s.listener.Accept(s.owner, esock.Forever)
		switch {
		case err == nil && s.crowd.enter():
			s.conns.Go(func() { s.serve(sock) })
			continue
		case err == nil:
			sock.Close()
			return ctx.Err()
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
