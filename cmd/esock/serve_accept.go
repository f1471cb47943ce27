package main

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

// server serves a directory.
type server struct {
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

// newServer listens.
func newServer(root *os.Root, c *serveCmd, log io.Writer) (*server, error) {
	if c.Connections < 1 {
		return nil, fmt.Errorf("--connections: with %d connections nobody can be served", c.Connections)
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"idle", c.Idle}, {"head", c.Head}, {"stall", c.Stall}} {
		if f.d <= 0 {
			return nil, fmt.Errorf("--%s: a time of %v is too short", f.name, f.d)
		}
	}
	s := &server{root: root, log: log, idle: esock.Within(c.Idle), head: c.Head, stall: esock.Within(c.Stall),
		owner: esock.NewMailbox(), slots: make(chan struct{}, c.Connections)}
	var err error
	s.listener, s.at, err = listenAt(s.owner, c.Addr, gentcp.Active(false), gentcp.Backlog(backlog),
		gentcp.PacketType(packet.HTTP), gentcp.PacketSize(maxLine), gentcp.NoDelay(true))
	return s, err
}

// run serves until ctx ends, or until connections cannot be accepted any more.
func (s *server) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var pool sync.WaitGroup
	for range acceptors {
		pool.Go(func() { cancel(s.accept(ctx)) })
	}
	<-ctx.Done()
	s.stop()
	pool.Wait()
	s.conns.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// stop closes all sockets, so whoever waits on one is woken.
func (s *server) stop() { s.owner.Close() }

// accept gives each connection a goroutine of its own. It returns why there are no more.
func (s *server) accept(ctx context.Context) error {
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
			return fmt.Errorf("connections cannot be accepted: %w", why(err))
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
