package netconn

import (
	"io"
	"net"

	"github.com/esock-go/esock"
)

// stream is a connection of a family that has streams or sequenced packets.
type stream struct{ *conn }

var (
	_ Conn          = stream{}
	_ io.ReaderFrom = stream{}
	_ io.WriterTo   = stream{}
)

// CloseRead ends reading: what has arrived can still be read, then io.EOF follows.
func (c stream) CloseRead() error { return c.shutdown(esock.ShutRead) }

// CloseWrite ends writing: the peer reads what was sent, then io.EOF.
func (c stream) CloseWrite() error { return c.shutdown(esock.ShutWrite) }

// WriteBuffers sends the buffers in order with as few system calls as possible, and nothing between them, on a socket of
// messages as one message. It consumes them as their WriteTo would, which sends one at a time to a connection that package
// net has not made. writev(2).
func (c stream) WriteBuffers(v *net.Buffers) (int64, error) {
	c.conn = c.orClosed()
	if v == nil {
		return 0, nil
	}
	n, err := c.s.SendV(*v, esock.Forever)
	consume(v, n)
	if err != nil {
		err = c.failed("write", "writev", err)
	}
	return int64(n), err
}

// consume takes the first n bytes out of the buffers, and the empty ones before the rest.
func consume(v *net.Buffers, n int) {
	for len(*v) > 0 {
		first := (*v)[0]
		if len(first) > n {
			(*v)[0] = first[n:]
			return
		}
		n -= len(first)
		(*v)[0] = nil
		*v = (*v)[1:]
	}
}
