package netconn

import (
	"net"
	"syscall"
)

// SyscallConn gives access to the descriptor. Its Read and Write take turns with other calls, and are bound to the
// deadlines; see esock.Socket.SyscallConn.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	c = c.orClosed()
	raw, err := c.s.SyscallConn()
	if err != nil {
		raw = closedRaw{} // as in package net, the calls say so
	}
	return rawConn{c, raw}, nil
}

// closedRaw is the descriptor of a closed socket.
type closedRaw struct{}

func (closedRaw) Control(func(uintptr)) error    { return net.ErrClosed }
func (closedRaw) Read(func(uintptr) bool) error  { return net.ErrClosed }
func (closedRaw) Write(func(uintptr) bool) error { return net.ErrClosed }

type rawConn struct {
	c   *conn
	raw syscall.RawConn
}

func (r rawConn) Control(f func(fd uintptr)) error {
	if err := r.raw.Control(f); err != nil {
		return wrap("raw-control", r.c.network, nil, r.c.local, reason("control", err))
	}
	return nil
}

func (r rawConn) Read(f func(fd uintptr) (done bool)) error {
	if err := r.raw.Read(f); err != nil {
		return r.c.failed("raw-read", "read", err)
	}
	return nil
}

func (r rawConn) Write(f func(fd uintptr) (done bool)) error {
	if err := r.raw.Write(f); err != nil {
		return r.c.failed("raw-write", "write", err)
	}
	return nil
}
