package netconn

import (
	"net"
	"os"
	"reflect"
	"syscall"

	"github.com/esock-go/esock"
)

// FileConn makes a connection of a duplicate of a file's descriptor, a connected socket; the caller must close both.
// A connection of TCP gets TCP_NODELAY and keep-alive probes, as by net.FileConn; other options stay as they are. Errors: as
// NewConn's and those of esock.AdoptFile.
func FileConn(f *os.File) (Conn, error) {
	return adopted(f, NewConn)
}

// FilePacketConn is FileConn for a socket of datagrams, connected or not.
func FilePacketConn(f *os.File) (PacketConn, error) {
	return adopted(f, NewPacketConn)
}

// FileListener is FileConn for a socket that listens: accepted connections of TCP have TCP_NODELAY and keep-alive probes,
// because the listener gets them. Close leaves the path of a unix socket. The first Accept sets
// SO_RCVTIMEO and SO_SNDTIMEO where they are 0, until Close, which ends blocking calls of other processes on the same socket
// after 20 ms: see esock.Adopt.
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
		return c, err
	}
	likeNet(s)
	return c, nil
}

// likeNet gives a socket of TCP what package net gives those that it takes from a file.
func likeNet(s *esock.Socket) {
	if networkOf(s) == "tcp" {
		inheritable(s, keepAlive(0, net.KeepAliveConfig{}))
	}
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
	for !isNilPointer(c) {
		switch v := c.(type) {
		case interface{ Socket() *esock.Socket }:
			s := v.Socket()
			return s, s != nil
		case interface{ NetConn() net.Conn }:
			c = v.NetConn()
		default:
			return nil, false
		}
	}
	return nil, false
}

// isNilPointer reports whether v is nil, or an interface of a nil pointer.
func isNilPointer(v any) bool {
	if v == nil {
		return true
	}
	p := reflect.ValueOf(v)
	return p.Kind() == reflect.Pointer && p.IsNil()
}

// Adopt returns a socket, not a connection as FileConn does: one on a duplicate of the descriptor beneath a connection,
// listener or file of any package. The caller must close both. It is not in the registry unless an option says so. Errors:
// as esock.Adopt's; *esock.InvalidError "connection" for nil.
//
//	s, err := netconn.Adopt(c.(*net.TCPConn))
func Adopt(c syscall.Conn, opts ...esock.OpenOption) (*esock.Socket, error) {
	if isNilPointer(c) {
		return nil, errNilConn
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
	if isNilPointer(c) {
		return nil, errNilConn
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
