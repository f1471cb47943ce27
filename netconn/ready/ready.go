// Package ready lets gRPC read connections of package netconn as it reads those of package net: it takes a buffer from its
// pool when data has come, so that an idle connection has none.
//
//	err := server.Serve(ready.Listener(l))
//	grpc.WithContextDialer(ready.Dialer(netconn.Dialer{}))
//
// It is a module of its own, so that esock does not depend on gRPC:
//
//	go get github.com/esock-go/esock/netconn/ready
//
// A connection of the listener and the dialer is a *Conn. The one beneath it is in its field Conn, and its socket beneath both:
//
//	t, ok := c.(*ready.Conn).Conn.(*netconn.TCPConn)
//	s, ok := netconn.SocketOf(c)
package ready

import (
	"context"
	"io"
	"net"
	"os"
	"reflect"
	"syscall"

	"google.golang.org/grpc/mem"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/netconn"
)

// Conn is a connection with the method that gRPC looks for. The zero Conn is closed.
type Conn struct {
	netconn.Conn
	raw  syscall.RawConn
	call func(fd uintptr) bool

	// Of the call in progress; gRPC makes one at a time.
	size int
	pool mem.BufferPool
	buf  *[]byte
	n    int
	err  error
}

// New gives a connection the method ReadOnReady. Errors: *esock.InvalidError "connection" for nil; net.ErrClosed for a zero
// connection.
func New(c netconn.Conn) (*Conn, error) {
	if p := reflect.ValueOf(c); c == nil || p.Kind() == reflect.Pointer && p.IsNil() {
		return nil, &esock.InvalidError{What: "connection", Cause: "it is nil"}
	}
	if own, ok := c.(*Conn); ok && own.Conn == nil || c.Socket() == nil {
		return nil, net.ErrClosed
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &Conn{Conn: c, raw: raw}
	r.call = r.read
	return r, nil
}

// ReadOnReady waits for data, takes a buffer of size bytes from the pool, and reads into it. The caller gives the buffer
// back. After an error there is none. One call at a time; deadlines bind it. A size of 0 reads nothing and waits for nothing.
// Errors: *esock.InvalidError "size" for a negative one, "pool" for nil; io.EOF at the end; those of Read.
func (c *Conn) ReadOnReady(size int, pool mem.BufferPool) (buf *[]byte, n int, err error) {
	switch {
	case c == nil || c.raw == nil:
		return nil, 0, net.ErrClosed
	case size < 0:
		return nil, 0, &esock.InvalidError{What: "size", Value: size, Cause: "it is negative"}
	case pool == nil:
		return nil, 0, &esock.InvalidError{What: "pool", Cause: "it is nil"}
	case size == 0:
		if _, err := c.Read(nil); err != nil {
			return nil, 0, err
		}
		return pool.Get(0), 0, nil
	}
	c.size, c.pool = size, pool
	err = c.raw.Read(c.call)
	buf, n = c.buf, c.n
	if err == nil {
		err = c.err
	}
	c.pool, c.buf, c.n, c.err = nil, nil, 0, nil
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil && buf != nil {
		pool.Put(buf)
		buf = nil
	}
	return buf, n, err
}

// read reads once, and returns false if nothing has come.
func (c *Conn) read(fd uintptr) bool {
	buf := c.pool.Get(c.size)
	n, err := syscall.Read(int(fd), *buf)
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), *buf)
	}
	if err == nil {
		c.buf, c.n = buf, n
		return true
	}
	c.pool.Put(buf)
	if err == syscall.EAGAIN {
		return false
	}
	c.err = &net.OpError{Op: "read", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(),
		Err: os.NewSyscallError("read", err)}
	return true
}

// Listener makes l return such connections. Those of other packages stay as they are. A nil one is closed.
func Listener(l net.Listener) net.Listener {
	if l == nil {
		l = (*netconn.Listener)(nil)
	}
	return listener{l}
}

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return of(c, err)
}

func of(c net.Conn, err error) (net.Conn, error) {
	own, ok := c.(netconn.Conn)
	if err != nil || !ok {
		return c, err
	}
	r, err := New(own)
	if err != nil {
		c.Close()
		return nil, err
	}
	return r, nil
}

// Dialer is a function for grpc.WithContextDialer that makes such connections: to addresses of TCP, and to unix sockets by
// paths that begin with a slash and by gRPC's unix: and unix-abstract:.
func Dialer(d netconn.Dialer) func(ctx context.Context, address string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		network, address := split(address)
		return of(d.DialContext(ctx, network, address))
	}
}
