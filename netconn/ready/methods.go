package ready

import (
	"net"
	"os"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/netconn"
)

// The methods of netconn.Conn, which would panic on the zero Conn if they were promoted.

// beneath is the connection, or a closed one.
func (c *Conn) beneath() netconn.Conn {
	if c == nil || c.Conn == nil {
		return (*netconn.TCPConn)(nil)
	}
	return c.Conn
}

// Read is net.Conn's.
func (c *Conn) Read(b []byte) (int, error) { return c.beneath().Read(b) }

// Write is net.Conn's.
func (c *Conn) Write(b []byte) (int, error) { return c.beneath().Write(b) }

// Close is net.Conn's.
func (c *Conn) Close() error { return c.beneath().Close() }

// LocalAddr is net.Conn's.
func (c *Conn) LocalAddr() net.Addr { return c.beneath().LocalAddr() }

// RemoteAddr is net.Conn's.
func (c *Conn) RemoteAddr() net.Addr { return c.beneath().RemoteAddr() }

// SetDeadline is net.Conn's.
func (c *Conn) SetDeadline(t time.Time) error { return c.beneath().SetDeadline(t) }

// SetReadDeadline is net.Conn's.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.beneath().SetReadDeadline(t) }

// SetWriteDeadline is net.Conn's.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.beneath().SetWriteDeadline(t) }

// SyscallConn is syscall.Conn's.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.beneath().SyscallConn() }

// File is netconn.Conn's.
func (c *Conn) File() (*os.File, error) { return c.beneath().File() }

// Socket is netconn.Conn's: nil for the zero Conn.
func (c *Conn) Socket() *esock.Socket { return c.beneath().Socket() }
