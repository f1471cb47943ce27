package netconn

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
)

// Listener is a net.Listener on a socket of esock: what *net.TCPListener and *net.UnixListener are in package net.
type Listener struct {
	s       *esock.Socket
	network string
	addr    net.Addr

	unlink sync.Once // done when there is no path to remove
	path   string    // of a unix socket
	keep   bool
	mu     sync.Mutex // guards keep
}

var (
	_ net.Listener = (*Listener)(nil)
	_ syscall.Conn = (*Listener)(nil)
)

// NewListener makes a listener of a socket on which Listen was called, and which it owns from now on. Accepted connections
// have the options of the socket that Linux inherits, such as TCP_NODELAY, and no others; they are registered if it is.
// Closing leaves the path of a unix socket, unless SetUnlinkOnClose asks. After an error the socket still is the caller's.
// Errors: those of getsockname(2); *esock.InvalidError "socket" for nil, and for one that does not listen.
func NewListener(s *esock.Socket) (*Listener, error) {
	return newListener(s, "")
}

func newListener(s *esock.Socket, network string) (*Listener, error) {
	if s == nil {
		return nil, wrap("listen", network, nil, nil, errNoSocket)
	}
	if network == "" {
		network = networkOf(s)
	}
	a, err := s.SockName()
	if err != nil {
		return nil, wrap("listen", network, nil, nil, reason("getsockname", err))
	}
	if !listens(s) {
		return nil, wrap("listen", network, nil, netAddr(s, a, network), errNoListener)
	}
	l := &Listener{s: s, network: network, addr: netAddr(s, a, network), keep: true}
	if a.Family() == esock.Local && a.Path() != "" && a.Path()[0] != 0 {
		l.path = a.Path()
	}
	return l, nil
}

// orClosed is the listener, or a closed one for nil.
func (l *Listener) orClosed() *Listener {
	if l == nil {
		return &Listener{}
	}
	return l
}

// Accept waits for a connection. It is a Conn; see NewConn.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.AcceptConn()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptConn is Accept with the type of this package.
func (l *Listener) AcceptConn() (Conn, error) {
	l = l.orClosed()
	for {
		var peer esock.Addr
		made, err := corecall.Accept(l.s, &peer)
		if err != nil {
			if errors.Is(err, syscall.ECONNABORTED) {
				continue // the peer has gone before its turn
			}
			return nil, l.failed("accept", "accept4", err)
		}
		s := made.(*esock.Socket)
		local, err := s.SockName()
		if err != nil { // the program has closed it: a Mailbox or a list of sockets leads to it
			s.Close()
			return nil, l.failed("accept", "getsockname", err)
		}
		return typed(s, l.network, netAddr(s, local, l.network), netAddr(s, peer, l.network)), nil
	}
}

// AcceptTCP is Accept with the type of connections of TCP. Errors: *esock.InvalidError "socket" for a listener of others.
func (l *Listener) AcceptTCP() (*TCPConn, error) { return acceptAs[*TCPConn](l) }

// AcceptUnix is Accept with the type of connections of unix sockets. Errors: *esock.InvalidError "socket" for a listener of
// others.
func (l *Listener) AcceptUnix() (*UnixConn, error) { return acceptAs[*UnixConn](l) }

func acceptAs[T Conn](l *Listener) (none T, err error) {
	l = l.orClosed()
	if l.s != nil {
		if _, ok := typed(l.s, "", nil, nil).(T); !ok {
			return none, l.failed("accept", "accept4", &esock.InvalidError{What: "socket", Value: l.network,
				Cause: fmt.Sprintf("its connections are no %T", none)})
		}
	}
	c, err := l.AcceptConn()
	if err != nil {
		return none, err
	}
	return c.(T), nil
}

// Close stops listening. Accept returns net.ErrClosed.
func (l *Listener) Close() error {
	l = l.orClosed()
	l.mu.Lock()
	keep := l.keep
	l.mu.Unlock()
	if l.path != "" && !keep && !l.s.Closed() {
		// Before the close, so that the path is never that of a listener which comes after it.
		l.unlink.Do(func() { syscall.Unlink(l.path) })
	}
	if err := l.s.Close(); err != nil {
		return l.failed("close", "close", err)
	}
	return nil
}

// SetUnlinkOnClose says whether Close removes the path of a unix socket. Listeners of ListenConfig do, others do not.
func (l *Listener) SetUnlinkOnClose(unlink bool) {
	l = l.orClosed()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep = !unlink
}

// Addr returns the address that the listener had when it was made.
func (l *Listener) Addr() net.Addr {
	l = l.orClosed()
	return l.addr
}

// SetDeadline sets the deadline of Accept; the zero time is none.
func (l *Listener) SetDeadline(t time.Time) error {
	l = l.orClosed()
	if err := l.s.SetReadDeadline(t); err != nil {
		return l.failed("set", "setsockopt", err)
	}
	return nil
}

// File returns a duplicate of the descriptor, which the caller must close. Close of a listener whose descriptor lives on in
// another process should leave the path of a unix socket: see SetUnlinkOnClose.
func (l *Listener) File() (*os.File, error) {
	l = l.orClosed()
	f, err := l.s.File()
	if err != nil {
		return nil, l.failed("file", "dup", err)
	}
	return f, nil
}

// SyscallConn gives access to the descriptor; see esock.Socket.SyscallConn.
func (l *Listener) SyscallConn() (syscall.RawConn, error) {
	l = l.orClosed()
	return (&conn{s: l.s, network: l.network, local: l.addr}).SyscallConn()
}

// String returns the network and the address, for logs.
func (l *Listener) String() string {
	l = l.orClosed()
	return (&conn{s: l.s, network: l.network, local: l.addr}).String()
}

// Socket returns the socket beneath the listener. Its Close leaves the path of a unix socket. It is nil for a nil or zero
// listener.
func (l *Listener) Socket() *esock.Socket {
	l = l.orClosed()
	return l.s
}

func (l *Listener) failed(op, call string, err error) error {
	l = l.orClosed()
	return wrap(op, l.network, nil, l.addr, reason(call, err))
}
