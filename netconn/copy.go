package netconn

import (
	"io"
	"math"
	"net"
	"os"
	"reflect"
	"sync"
	"syscall"

	"github.com/esock-go/esock"
)

// ReadFrom sends all of r, for io.Copy. A regular file goes by sendfile(2) and a stream socket by splice(2), also those
// within an io.LimitedReader, and others through a buffer. Afterwards a file's position is behind what was sent, also after
// an error. Up to 1 MiB that was read from a socket is lost if the connection ends before it was written.
func (c stream) ReadFrom(r io.Reader) (int64, error) {
	c.conn = c.orClosed()
	if r == nil {
		return 0, wrap("readfrom", c.network, c.local, c.peer, syscall.EINVAL)
	}
	if _, limit, limited := unlimited(r); limited != nil && limit == 0 {
		return 0, nil // whatever the connection's state, as in package net
	}
	n, handled, err := c.sendFile(r)
	if !handled {
		n, handled, err = c.spliceFrom(r)
	}
	if !handled {
		n, err = io.Copy(writerOnly{c}, r)
	}
	if err != nil && err != io.EOF {
		err = wrap("readfrom", c.network, c.local, c.peer, err)
	}
	return n, err
}

// WriteTo writes what comes to w up to the end, for io.Copy: to a stream socket by splice(2), and to others through a
// buffer.
func (c stream) WriteTo(w io.Writer) (int64, error) {
	c.conn = c.orClosed()
	if w == nil {
		return 0, wrap("writeto", c.network, c.local, c.peer, syscall.EINVAL)
	}
	n, handled, err := c.spliceTo(w)
	if !handled {
		n, err = io.Copy(w, readerOnly{c})
	}
	if err != nil && err != io.EOF {
		err = wrap("writeto", c.network, c.local, c.peer, err)
	}
	return n, err
}

// io.Copy finds no other methods in these, and so copies through a buffer.
type (
	writerOnly struct{ io.Writer }
	readerOnly struct{ io.Reader }
)

// file is what os.File has. io.Copy gives its own wrapper of one to ReadFrom.
type file interface {
	io.ReadSeeker
	syscall.Conn
}

// sendFile sends a regular file, which is held open meanwhile. handled is false if nothing was sent and another way may do.
func (c stream) sendFile(r io.Reader) (n int64, handled bool, err error) {
	c.conn = c.orClosed()
	r, limit, limited := unlimited(r)
	f, ok := r.(file)
	if !ok || !isOf(r, "os", (*os.File)(nil)) || c.messages() {
		return 0, false, nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, false, nil // the copy through a buffer says why
	}
	from, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, false, nil
	}
	x := fileCopies.Get().(*fileCopy)
	x.s, x.from, x.count = c.s, from, limit
	closed := raw.Control(x.send)
	n, err = x.n, x.err
	*x = fileCopy{send: x.send}
	fileCopies.Put(x)
	if closed != nil {
		return 0, false, nil
	}
	if n == 0 && (err == nil || refusesKind(err)) {
		return 0, false, nil // a file of /proc, for example, which only read(2) can read
	}
	if limited != nil {
		limited.N -= n
	}
	if _, failed := f.Seek(from+n, io.SeekStart); err == nil && failed != nil {
		return n, true, failed
	}
	if err != nil {
		err = reason("sendfile", err)
	}
	return n, true, err
}

// fileCopy is a sendfile while the file is held.
type fileCopy struct {
	s           *esock.Socket
	from, count int64
	n           int64
	err         error
	send        func(fd uintptr) // makes n and err of the others
}

var fileCopies = sync.Pool{New: func() any {
	x := new(fileCopy)
	x.send = func(fd uintptr) { x.run(int(fd)) }
	return x
}}

// run asks for the file's size, because a sendfile that sends all it is asked for needs no second one to find the end. A file
// that has grown meanwhile is sent up to its new end.
func (x *fileCopy) run(fd int) {
	for x.n < x.count {
		var st syscall.Stat_t
		if syscall.Fstat(fd, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
			return
		}
		size := min(st.Size-x.from, x.count) - x.n
		if size <= 0 {
			return
		}
		n, err := calls.SendOpenFile(x.s, fd, x.from+x.n, size)
		x.n, x.err = x.n+n, err
		if err != nil || n < size {
			return
		}
	}
}

// unlimited is the reader within an io.LimitedReader, and its limit.
func unlimited(r io.Reader) (io.Reader, int64, *io.LimitedReader) {
	if l, ok := r.(*io.LimitedReader); ok {
		return l.R, max(l.N, 0), l
	}
	return r, math.MaxInt64, nil
}

// isOf reports whether v is of the type of a pointer of package os or net, or one of the wrappers that only the package
// itself can make. The methods of others may do more than those they embed, so their descriptor must not be read behind
// their back.
func isOf(v any, pkg string, like ...any) bool {
	t := reflect.TypeOf(v)
	for _, l := range like {
		if t == reflect.TypeOf(l) {
			return true
		}
	}
	return t.PkgPath() == pkg
}

// streamOf is v as an end of a splice(2), if it is a stream socket that this may read or write in its place.
func streamOf(v any) (e end, ok bool) {
	var found syscall.Conn
	if b := ownStream(v); b != nil {
		if b.base().messages() || b.base().s == nil || calls.Simulated(b.base().s) {
			return end{}, false
		}
		e.s = b.base().s
		found = e.s
	} else if c, ok := v.(net.Conn); ok && isOf(v, "net", (*net.TCPConn)(nil), (*net.UnixConn)(nil)) {
		if a := c.LocalAddr(); a == nil || a.Network() != "tcp" && a.Network() != "unix" {
			return end{}, false
		}
		found, _ = v.(syscall.Conn)
	}
	if found == nil {
		return end{}, false
	}
	raw, err := found.SyscallConn()
	if err != nil {
		return end{}, false // the copy through a buffer says why
	}
	e.raw = raw
	return e, true
}

// ownStream is v as a stream of this package, nil if it is none. Types of others that embed one have its methods too, and
// may override them.
func ownStream(v any) based {
	switch v := v.(type) {
	case *TCPConn:
		return v
	case *UnixConn:
		return v
	case stream:
		return v
	}
	return nil
}

func (c stream) spliceFrom(r io.Reader) (n int64, handled bool, err error) {
	r, limit, limited := unlimited(r)
	from, ok := streamOf(r)
	to, both := streamOf(c)
	if !ok || !both {
		return 0, false, nil
	}
	n, handled, err = splice(to, from, limit)
	if limited != nil {
		limited.N -= n
	}
	return n, handled, err
}

func (c stream) spliceTo(w io.Writer) (n int64, handled bool, err error) {
	from, ok := streamOf(c)
	to, both := streamOf(w)
	if !ok || !both {
		return 0, false, nil
	}
	return splice(to, from, math.MaxInt64)
}
