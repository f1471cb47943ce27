package netconn

import (
	"net"
	"os"
	"syscall"

	"github.com/esock-go/esock"
)

// FileConn makes a connection of a duplicate of a file's descriptor, a connected socket; the caller must close both.
// Options stay as they are. Errors: as NewConn's and those of esock.AdoptFile.
func FileConn(f *os.File) (Conn, error) {
	return adopted(f, NewConn)
}

// FilePacketConn is FileConn for a socket of datagrams, connected or not.
func FilePacketConn(f *os.File) (PacketConn, error) {
	return adopted(f, NewPacketConn)
}

// FileListener is FileConn for a socket that listens. Close leaves the path of a unix socket.
func FileListener(f *os.File) (*Listener, error) {
	return adopted(f, NewListener)
}

func adopted[T any](f *os.File, make func(*esock.Socket) (T, error)) (c T, err error) {
	s, err := esock.AdoptFile(f, esock.Registered(false))
	if err != nil {
		var name net.Addr
		if f != nil {
			name = fileAddr(f.Name())
		}
		return c, wrap("file", "file+net", nil, name, reason("dup", err))
	}
	if c, err = make(s); err != nil {
		s.Close()
	}
	return c, err
}

// fileAddr is the name of a file in an error.
type fileAddr string

func (fileAddr) Network() string  { return "file+net" }
func (a fileAddr) String() string { return string(a) }

// SocketOf returns the socket beneath a connection or a listener of this package, also beneath a layer with the method
// NetConn, as tls.Conn has it, and false for others: Adopt is for those.
//
//	if s, ok := netconn.SocketOf(c); ok {
//		info, err := sockopt.TCPInfo.Get(s)
//	}
func SocketOf(c any) (*esock.Socket, bool) {
	for {
		switch v := c.(type) {
		case interface{ Socket() *esock.Socket }:
			return v.Socket(), true
		case interface{ NetConn() net.Conn }:
			c = v.NetConn()
		default:
			return nil, false
		}
	}
}

// Adopt makes a socket of a duplicate of the descriptor beneath a connection, listener or file of any package; the caller
// must close both. It is not in the registry unless an option says so. Errors: as esock.Adopt's.
//
//	s, err := netconn.Adopt(c.(*net.TCPConn))
func Adopt(c syscall.Conn, opts ...esock.OpenOption) (*esock.Socket, error) {
	if c == nil {
		return nil, &esock.InvalidError{What: "socket", Cause: "it is nil"}
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var s *esock.Socket
	var failed error
	opts = append([]esock.OpenOption{esock.Registered(false)}, opts...)
	if err := raw.Control(func(fd uintptr) { s, failed = esock.Adopt(int(fd), opts...) }); err != nil {
		return nil, err
	}
	return s, failed
}

// Take is Adopt, and then closes the connection or listener: the socket stays and is the caller's alone. If it fails, the
// connection stays as it was.
func Take(c interface {
	syscall.Conn
	Close() error
}, opts ...esock.OpenOption) (*esock.Socket, error) {
	if c == nil {
		return nil, &esock.InvalidError{What: "socket", Cause: "it is nil"}
	}
	s, err := Adopt(c, opts...)
	if err != nil {
		return nil, err
	}
	if l, ok := c.(interface{ SetUnlinkOnClose(bool) }); ok {
		l.SetUnlinkOnClose(false) // the path belongs to the socket
	}
	if err := c.Close(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}
