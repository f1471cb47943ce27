package netconn

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/esock-go/esock"
)

// The methods that the types of connections share are spelled out, because a promoted method cannot be called through a nil
// pointer.

// with is a connection and what it points to, in one allocation.
type with[T any] struct {
	outer T
	inner conn
}

var closedTCPConn = TCPConn{stream{&closedConn}}

// orClosed is the connection, or a closed one for a nil pointer or the zero TCPConn.
func (c *TCPConn) orClosed() *TCPConn {
	if c == nil || c.conn == nil {
		return &closedTCPConn
	}
	return c
}

func (c *TCPConn) base() *conn { return c.orClosed().conn }

// Read receives up to len(b) bytes, or one message cut to them. io.EOF is the end of the stream.
func (c *TCPConn) Read(b []byte) (int, error) { return c.orClosed().conn.Read(b) }

// Write sends all of b, on a socket of messages as one.
func (c *TCPConn) Write(b []byte) (int, error) { return c.orClosed().conn.Write(b) }

// Close closes the connection. Calls in progress return net.ErrClosed.
func (c *TCPConn) Close() error { return c.orClosed().conn.Close() }

// LocalAddr returns the local address as it was when the connection was made.
func (c *TCPConn) LocalAddr() net.Addr { return c.orClosed().conn.LocalAddr() }

// RemoteAddr returns the peer's address as it was when the connection was made, nil if it has none.
func (c *TCPConn) RemoteAddr() net.Addr { return c.orClosed().conn.RemoteAddr() }

// SetDeadline sets the deadline of reading and of writing; see net.Conn.
func (c *TCPConn) SetDeadline(t time.Time) error { return c.orClosed().conn.SetDeadline(t) }

// SetReadDeadline sets the deadline of calls that read, also of those that wait; see net.Conn.
func (c *TCPConn) SetReadDeadline(t time.Time) error { return c.orClosed().conn.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of calls that write, also of those that wait; see net.Conn.
func (c *TCPConn) SetWriteDeadline(t time.Time) error { return c.orClosed().conn.SetWriteDeadline(t) }

// SetReadBuffer sets the size of the kernel's receive buffer in bytes, beyond net.core.rmem_max where the process may
// (SO_RCVBUFFORCE, CAP_NET_ADMIN), else up to it.
func (c *TCPConn) SetReadBuffer(bytes int) error { return c.orClosed().conn.SetReadBuffer(bytes) }

// SetWriteBuffer is SetReadBuffer for the send buffer (SO_SNDBUFFORCE, net.core.wmem_max).
func (c *TCPConn) SetWriteBuffer(bytes int) error { return c.orClosed().conn.SetWriteBuffer(bytes) }

// File returns a duplicate of the descriptor, which the caller must close. Both have one open file description.
func (c *TCPConn) File() (*os.File, error) { return c.orClosed().conn.File() }

// SyscallConn gives access to the descriptor. Its Read and Write take turns with other calls, and are bound to the
// deadlines; see esock.Socket.SyscallConn.
func (c *TCPConn) SyscallConn() (syscall.RawConn, error) { return c.orClosed().conn.SyscallConn() }

// String returns the network and the addresses, for logs.
func (c *TCPConn) String() string { return c.orClosed().conn.String() }

// Socket returns the socket beneath the connection. The connection's deadlines bind its calls too. It is nil for a nil
// or zero connection.
func (c *TCPConn) Socket() *esock.Socket { return c.orClosed().conn.Socket() }

// CloseRead ends reading: what has arrived can still be read, then io.EOF follows. Linux tells the peer nothing, and data that
// comes later is still delivered.
func (c *TCPConn) CloseRead() error { return c.orClosed().stream.CloseRead() }

// CloseWrite ends writing: the peer reads what was sent, then io.EOF.
func (c *TCPConn) CloseWrite() error { return c.orClosed().stream.CloseWrite() }

// ReadFrom sends all of r, for io.Copy. A regular file goes by sendfile(2) and a stream socket by splice(2), also those
// within an io.LimitedReader, and others through a buffer. Afterwards a file's position is behind what was sent, also after
// an error. Up to 1 MiB that was read from a socket is lost if the connection ends before it was written.
func (c *TCPConn) ReadFrom(r io.Reader) (int64, error) { return c.orClosed().stream.ReadFrom(r) }

// WriteTo writes what comes to w up to the end, for io.Copy: to a stream socket by splice(2), and to others through a
// buffer.
func (c *TCPConn) WriteTo(w io.Writer) (int64, error) { return c.orClosed().stream.WriteTo(w) }

// WriteBuffers sends the buffers in order with as few system calls as possible, and nothing between them, on a socket of
// messages as one message. It consumes them as their WriteTo would, which sends one at a time to a connection that package
// net has not made. writev(2).
func (c *TCPConn) WriteBuffers(v *net.Buffers) (int64, error) {
	return c.orClosed().stream.WriteBuffers(v)
}

var closedUnixConn = UnixConn{stream{&closedConn}}

// orClosed is the connection, or a closed one for a nil pointer or the zero UnixConn.
func (c *UnixConn) orClosed() *UnixConn {
	if c == nil || c.conn == nil {
		return &closedUnixConn
	}
	return c
}

func (c *UnixConn) base() *conn { return c.orClosed().conn }

// Read receives up to len(b) bytes, or one message cut to them. io.EOF is the end of the stream.
func (c *UnixConn) Read(b []byte) (int, error) { return c.orClosed().conn.Read(b) }

// Write sends all of b, on a socket of messages as one.
func (c *UnixConn) Write(b []byte) (int, error) { return c.orClosed().conn.Write(b) }

// Close closes the connection. Calls in progress return net.ErrClosed.
func (c *UnixConn) Close() error { return c.orClosed().conn.Close() }

// LocalAddr returns the local address as it was when the connection was made.
func (c *UnixConn) LocalAddr() net.Addr { return c.orClosed().conn.LocalAddr() }

// RemoteAddr returns the peer's address as it was when the connection was made, nil if it has none.
func (c *UnixConn) RemoteAddr() net.Addr { return c.orClosed().conn.RemoteAddr() }

// SetDeadline sets the deadline of reading and of writing; see net.Conn.
func (c *UnixConn) SetDeadline(t time.Time) error { return c.orClosed().conn.SetDeadline(t) }

// SetReadDeadline sets the deadline of calls that read, also of those that wait; see net.Conn.
func (c *UnixConn) SetReadDeadline(t time.Time) error { return c.orClosed().conn.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of calls that write, also of those that wait; see net.Conn.
func (c *UnixConn) SetWriteDeadline(t time.Time) error { return c.orClosed().conn.SetWriteDeadline(t) }

// SetReadBuffer sets the size of the kernel's receive buffer in bytes, beyond net.core.rmem_max where the process may
// (SO_RCVBUFFORCE, CAP_NET_ADMIN), else up to it.
func (c *UnixConn) SetReadBuffer(bytes int) error { return c.orClosed().conn.SetReadBuffer(bytes) }

// SetWriteBuffer is SetReadBuffer for the send buffer (SO_SNDBUFFORCE, net.core.wmem_max).
func (c *UnixConn) SetWriteBuffer(bytes int) error { return c.orClosed().conn.SetWriteBuffer(bytes) }

// File returns a duplicate of the descriptor, which the caller must close. Both have one open file description.
func (c *UnixConn) File() (*os.File, error) { return c.orClosed().conn.File() }

// SyscallConn gives access to the descriptor. Its Read and Write take turns with other calls, and are bound to the
// deadlines; see esock.Socket.SyscallConn.
func (c *UnixConn) SyscallConn() (syscall.RawConn, error) { return c.orClosed().conn.SyscallConn() }

// String returns the network and the addresses, for logs.
func (c *UnixConn) String() string { return c.orClosed().conn.String() }

// Socket returns the socket beneath the connection. The connection's deadlines bind its calls too. It is nil for a nil
// or zero connection.
func (c *UnixConn) Socket() *esock.Socket { return c.orClosed().conn.Socket() }

// CloseRead ends reading: what has arrived can still be read, then io.EOF follows.
func (c *UnixConn) CloseRead() error { return c.orClosed().stream.CloseRead() }

// CloseWrite ends writing: the peer reads what was sent, then io.EOF.
func (c *UnixConn) CloseWrite() error { return c.orClosed().stream.CloseWrite() }

// ReadFrom sends all of r, for io.Copy. A regular file goes by sendfile(2) and a stream socket by splice(2), also those
// within an io.LimitedReader, and others through a buffer. Afterwards a file's position is behind what was sent, also after
// an error. Up to 1 MiB that was read from a socket is lost if the connection ends before it was written.
func (c *UnixConn) ReadFrom(r io.Reader) (int64, error) { return c.orClosed().stream.ReadFrom(r) }

// WriteTo writes what comes to w up to the end, for io.Copy: to a stream socket by splice(2), and to others through a
// buffer.
func (c *UnixConn) WriteTo(w io.Writer) (int64, error) { return c.orClosed().stream.WriteTo(w) }

// WriteBuffers sends the buffers in order with as few system calls as possible, and nothing between them, on a socket of
// messages as one message. It consumes them as their WriteTo would, which sends one at a time to a connection that package
// net has not made. writev(2).
func (c *UnixConn) WriteBuffers(v *net.Buffers) (int64, error) {
	return c.orClosed().stream.WriteBuffers(v)
}

var closedUDPConn = UDPConn{packetConn{&closedConn}}

// orClosed is the connection, or a closed one for a nil pointer or the zero UDPConn.
func (c *UDPConn) orClosed() *UDPConn {
	if c == nil || c.conn == nil {
		return &closedUDPConn
	}
	return c
}

func (c *UDPConn) base() *conn { return c.orClosed().conn }

// Read receives up to len(b) bytes, or one message cut to them. io.EOF is the end of the stream.
func (c *UDPConn) Read(b []byte) (int, error) { return c.orClosed().conn.Read(b) }

// Write sends all of b, on a socket of messages as one.
func (c *UDPConn) Write(b []byte) (int, error) { return c.orClosed().conn.Write(b) }

// Close closes the connection. Calls in progress return net.ErrClosed.
func (c *UDPConn) Close() error { return c.orClosed().conn.Close() }

// LocalAddr returns the local address as it was when the connection was made.
func (c *UDPConn) LocalAddr() net.Addr { return c.orClosed().conn.LocalAddr() }

// RemoteAddr returns the peer's address as it was when the connection was made, nil if it has none.
func (c *UDPConn) RemoteAddr() net.Addr { return c.orClosed().conn.RemoteAddr() }

// SetDeadline sets the deadline of reading and of writing; see net.Conn.
func (c *UDPConn) SetDeadline(t time.Time) error { return c.orClosed().conn.SetDeadline(t) }

// SetReadDeadline sets the deadline of calls that read, also of those that wait; see net.Conn.
func (c *UDPConn) SetReadDeadline(t time.Time) error { return c.orClosed().conn.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of calls that write, also of those that wait; see net.Conn.
func (c *UDPConn) SetWriteDeadline(t time.Time) error { return c.orClosed().conn.SetWriteDeadline(t) }

// SetReadBuffer sets the size of the kernel's receive buffer in bytes, beyond net.core.rmem_max where the process may
// (SO_RCVBUFFORCE, CAP_NET_ADMIN), else up to it.
func (c *UDPConn) SetReadBuffer(bytes int) error { return c.orClosed().conn.SetReadBuffer(bytes) }

// SetWriteBuffer is SetReadBuffer for the send buffer (SO_SNDBUFFORCE, net.core.wmem_max).
func (c *UDPConn) SetWriteBuffer(bytes int) error { return c.orClosed().conn.SetWriteBuffer(bytes) }

// File returns a duplicate of the descriptor, which the caller must close. Both have one open file description.
func (c *UDPConn) File() (*os.File, error) { return c.orClosed().conn.File() }

// SyscallConn gives access to the descriptor. Its Read and Write take turns with other calls, and are bound to the
// deadlines; see esock.Socket.SyscallConn.
func (c *UDPConn) SyscallConn() (syscall.RawConn, error) { return c.orClosed().conn.SyscallConn() }

// String returns the network and the addresses, for logs.
func (c *UDPConn) String() string { return c.orClosed().conn.String() }

// Socket returns the socket beneath the connection. The connection's deadlines bind its calls too. It is nil for a nil
// or zero connection.
func (c *UDPConn) Socket() *esock.Socket { return c.orClosed().conn.Socket() }

var closedUnixgramConn = UnixgramConn{packetConn{&closedConn}}

// orClosed is the connection, or a closed one for a nil pointer or the zero UnixgramConn.
func (c *UnixgramConn) orClosed() *UnixgramConn {
	if c == nil || c.conn == nil {
		return &closedUnixgramConn
	}
	return c
}

func (c *UnixgramConn) base() *conn { return c.orClosed().conn }

// Read receives up to len(b) bytes, or one message cut to them. io.EOF is the end of the stream.
func (c *UnixgramConn) Read(b []byte) (int, error) { return c.orClosed().conn.Read(b) }

// Write sends all of b, on a socket of messages as one.
func (c *UnixgramConn) Write(b []byte) (int, error) { return c.orClosed().conn.Write(b) }

// Close closes the connection. Calls in progress return net.ErrClosed.
func (c *UnixgramConn) Close() error { return c.orClosed().conn.Close() }

// LocalAddr returns the local address as it was when the connection was made.
func (c *UnixgramConn) LocalAddr() net.Addr { return c.orClosed().conn.LocalAddr() }

// RemoteAddr returns the peer's address as it was when the connection was made, nil if it has none.
func (c *UnixgramConn) RemoteAddr() net.Addr { return c.orClosed().conn.RemoteAddr() }

// SetDeadline sets the deadline of reading and of writing; see net.Conn.
func (c *UnixgramConn) SetDeadline(t time.Time) error { return c.orClosed().conn.SetDeadline(t) }

// SetReadDeadline sets the deadline of calls that read, also of those that wait; see net.Conn.
func (c *UnixgramConn) SetReadDeadline(t time.Time) error {
	return c.orClosed().conn.SetReadDeadline(t)
}

// SetWriteDeadline sets the deadline of calls that write, also of those that wait; see net.Conn.
func (c *UnixgramConn) SetWriteDeadline(t time.Time) error {
	return c.orClosed().conn.SetWriteDeadline(t)
}

// SetReadBuffer sets the size of the kernel's receive buffer in bytes, beyond net.core.rmem_max where the process may
// (SO_RCVBUFFORCE, CAP_NET_ADMIN), else up to it.
func (c *UnixgramConn) SetReadBuffer(bytes int) error { return c.orClosed().conn.SetReadBuffer(bytes) }

// SetWriteBuffer is SetReadBuffer for the send buffer (SO_SNDBUFFORCE, net.core.wmem_max).
func (c *UnixgramConn) SetWriteBuffer(bytes int) error {
	return c.orClosed().conn.SetWriteBuffer(bytes)
}

// File returns a duplicate of the descriptor, which the caller must close. Both have one open file description.
func (c *UnixgramConn) File() (*os.File, error) { return c.orClosed().conn.File() }

// SyscallConn gives access to the descriptor. Its Read and Write take turns with other calls, and are bound to the
// deadlines; see esock.Socket.SyscallConn.
func (c *UnixgramConn) SyscallConn() (syscall.RawConn, error) { return c.orClosed().conn.SyscallConn() }

// String returns the network and the addresses, for logs.
func (c *UnixgramConn) String() string { return c.orClosed().conn.String() }

// Socket returns the socket beneath the connection. The connection's deadlines bind its calls too. It is nil for a nil
// or zero connection.
func (c *UnixgramConn) Socket() *esock.Socket { return c.orClosed().conn.Socket() }

var closedIPConn = IPConn{packetConn{&closedConn}}

// orClosed is the connection, or a closed one for a nil pointer or the zero IPConn.
func (c *IPConn) orClosed() *IPConn {
	if c == nil || c.conn == nil {
		return &closedIPConn
	}
	return c
}

func (c *IPConn) base() *conn { return c.orClosed().conn }

// Read receives up to len(b) bytes, or one message cut to them. io.EOF is the end of the stream.
func (c *IPConn) Read(b []byte) (int, error) { return c.orClosed().conn.Read(b) }

// Write sends all of b, on a socket of messages as one.
func (c *IPConn) Write(b []byte) (int, error) { return c.orClosed().conn.Write(b) }

// Close closes the connection. Calls in progress return net.ErrClosed.
func (c *IPConn) Close() error { return c.orClosed().conn.Close() }

// LocalAddr returns the local address as it was when the connection was made.
func (c *IPConn) LocalAddr() net.Addr { return c.orClosed().conn.LocalAddr() }

// RemoteAddr returns the peer's address as it was when the connection was made, nil if it has none.
func (c *IPConn) RemoteAddr() net.Addr { return c.orClosed().conn.RemoteAddr() }

// SetDeadline sets the deadline of reading and of writing; see net.Conn.
func (c *IPConn) SetDeadline(t time.Time) error { return c.orClosed().conn.SetDeadline(t) }

// SetReadDeadline sets the deadline of calls that read, also of those that wait; see net.Conn.
func (c *IPConn) SetReadDeadline(t time.Time) error { return c.orClosed().conn.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of calls that write, also of those that wait; see net.Conn.
func (c *IPConn) SetWriteDeadline(t time.Time) error { return c.orClosed().conn.SetWriteDeadline(t) }

// SetReadBuffer sets the size of the kernel's receive buffer in bytes, beyond net.core.rmem_max where the process may
// (SO_RCVBUFFORCE, CAP_NET_ADMIN), else up to it.
func (c *IPConn) SetReadBuffer(bytes int) error { return c.orClosed().conn.SetReadBuffer(bytes) }

// SetWriteBuffer is SetReadBuffer for the send buffer (SO_SNDBUFFORCE, net.core.wmem_max).
func (c *IPConn) SetWriteBuffer(bytes int) error { return c.orClosed().conn.SetWriteBuffer(bytes) }

// File returns a duplicate of the descriptor, which the caller must close. Both have one open file description.
func (c *IPConn) File() (*os.File, error) { return c.orClosed().conn.File() }

// SyscallConn gives access to the descriptor. Its Read and Write take turns with other calls, and are bound to the
// deadlines; see esock.Socket.SyscallConn.
func (c *IPConn) SyscallConn() (syscall.RawConn, error) { return c.orClosed().conn.SyscallConn() }

// String returns the network and the addresses, for logs.
func (c *IPConn) String() string { return c.orClosed().conn.String() }

// Socket returns the socket beneath the connection. The connection's deadlines bind its calls too. It is nil for a nil
// or zero connection.
func (c *IPConn) Socket() *esock.Socket { return c.orClosed().conn.Socket() }
