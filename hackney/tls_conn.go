package hackney

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/active"
	"github.com/esock-go/esock/packet"
)

// TLSConn is a connection of a transport that TLS made. Its data is received and sent through a Socket.
//
// One goroutine at a time reads from crypto/tls, and has the turn: a passive receive, or a receiver of the owner's mailbox.
// mu guards everything else, and is not held while crypto/tls reads or sends.
type TLSConn struct {
	raw       *gentcp.Socket // passive and raw
	tls       *tls.Conn
	sender    sync.Mutex // held by the Send in progress
	shutWrite atomic.Bool

	// These belong to whoever has the turn. start and end change with mu held.
	wire       wire
	buf        []byte // buf[start:end] is what was read and not delivered yet
	start, end int

	mu       sync.Mutex
	settings settings
	parser   packet.Parser
	delivery active.Delivery
}

// settings are the options that are not the TCP connection's, or matter here as well.
type settings struct {
	typ         packet.Type
	size        uint32 // of a packet
	delimiter   packet.Delimiter
	exitOnClose bool
	showReset   bool
	sendTimeout time.Duration // negative: none
}

// maxRecord is how many bytes a TLS record has at most (RFC 8446, section 5.1).
const maxRecord = 1 << 14

func newTLSConn(raw *gentcp.Socket, mb *esock.Mailbox, o settings) *TLSConn {
	c := &TLSConn{raw: raw, settings: o}
	c.delivery.Init(&c.mu, raw.Socket(), (*source)(c), mb, false)
	c.wire = wire{raw: raw, delivery: &c.delivery}
	c.parser, _ = packet.NewParser(o.typ, o.decoding()) // they were checked
	return c
}

// decoding are the options of the parser. As on a TCP socket, the length of a line is the size of a packet.
func (o *settings) decoding() packet.Options {
	d := packet.Options{PacketSize: o.size}
	if o.typ == packet.Line {
		d.LineLength, d.LineDelimiter = o.size, o.delimiter
	}
	return d
}

// made reports whether a transport made the connection: a nil pointer and a zero value are none.
func (c *TLSConn) made() bool { return c != nil && c.raw != nil }

// Socket is the esock socket beneath: for its options and counters. Its data is TLS records. It is nil, as is all that
// follows empty, for a TLSConn that no transport made.
func (c *TLSConn) Socket() *esock.Socket {
	if !c.made() {
		return nil
	}
	return c.raw.Socket()
}

// Owner is the mailbox that owns the connection, nil if none does.
func (c *TLSConn) Owner() *esock.Mailbox {
	if !c.made() {
		return nil
	}
	return c.raw.Owner()
}

// ConnectionState says what was negotiated, and who the peer is.
func (c *TLSConn) ConnectionState() tls.ConnectionState {
	if !c.made() {
		return tls.ConnectionState{}
	}
	return c.tls.ConnectionState()
}

// String is that of the esock socket beneath.
func (c *TLSConn) String() string {
	if !c.made() {
		return ""
	}
	return c.raw.String()
}

// room is where a record may be read to. The buffer grows with what has come, not with what a header announces.
func (c *TLSConn) room() []byte {
	n := c.end - c.start
	if n == 0 && len(c.buf) > 2*maxRecord {
		c.buf = nil
	}
	if n == 0 {
		c.start, c.end = 0, 0
	}
	if len(c.buf)-c.end < maxRecord {
		buf := c.buf
		if len(buf)-n < maxRecord {
			buf = make([]byte, max(2*len(buf), n+maxRecord))
		}
		copy(buf, c.buf[c.start:c.end])
		c.buf, c.start, c.end = buf, 0, n
	}
	return c.buf[c.end : c.end+maxRecord]
}

// finish notes that nothing more can be received, and why; with exit_on_close that closes the connection. The turn and
// mu are held.
func (c *TLSConn) finish(err error) {
	if err == io.EOF && c.wire.ended {
		err = io.ErrUnexpectedEOF // between two records crypto/tls takes it for an end that was announced
	}
	c.delivery.End(c.shown(err))
	if !c.settings.exitOnClose || !c.raw.Open() {
		return
	}
	c.wire.hurry.Store(true) // the peer may not be reading
	c.tls.Close()
}

// send is Transport.Send.
func (c *TLSConn) send(data [][]byte) error {
	const op = "send"
	c.mu.Lock()
	typ, timeout := c.settings.typ, c.settings.sendTimeout
	c.mu.Unlock()
	var b []byte
	if len(data) == 1 && typ.HeaderLen() == 0 {
		b = data[0]
	} else {
		var err error
		if b, err = packet.Append(nil, typ, data...); err != nil {
			return c.fail(op, syscall.EMSGSIZE)
		}
	}
	err := c.write(b, timeout)
	switch {
	case err == nil:
		return nil
	case c.shutWrite.Load():
		return c.fail(op, active.ClosedHere)
	case errors.Is(err, esock.ErrTimeout):
		c.wire.hurry.Store(true) // the peer has half a record: the end of TLS would make no sense to it
		c.close(true)
		return esock.ErrTimeout
	}
	c.mu.Lock()
	err = c.shown(err)
	c.mu.Unlock()
	return c.fail(op, err)
}

// write sends all of b within the timeout, negative: whenever. However many records it takes, they share the time.
func (c *TLSConn) write(b []byte, timeout time.Duration) error {
	c.sender.Lock()
	defer c.sender.Unlock()
	w := &esock.Forever
	if timeout >= 0 {
		begun := esock.Within(timeout).Begin()
		w = &begun
	}
	c.wire.send.Store(w)
	defer c.wire.send.Store(nil)
	_, err := c.tls.Write(b)
	return err
}

// shutdown is Transport.Shutdown. The peer is told by TLS, unless a Send is in progress, which the end then breaks
// off. None begins meanwhile, which could make this one wait.
func (c *TLSConn) shutdown(how esock.How) error {
	if how == esock.ShutWrite || how == esock.ShutReadWrite {
		c.shutWrite.Store(true)
		if c.sender.TryLock() {
			c.tls.CloseWrite() // that the connection is broken, the last line tells
			c.sender.Unlock()
		}
	}
	return c.raw.Shutdown(how)
}

// close closes the connection for its owner, or for somebody else, of whom an owner in an active mode is told. It
// waits up to 5 seconds for a kernel whose buffer is full to take the alert that ends TLS.
func (c *TLSConn) close(tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delivery.Close(tell, func() { c.tls.Close() })
}

// errUnannounced is the end of a connection that the peer did not announce by TLS: what came may not be all.
var errUnannounced = fmt.Errorf("%w: %w without close_notify: %w", gentcp.ErrClosed, io.EOF, io.ErrUnexpectedEOF)

// shown is how a reason looks to the caller, as gentcp has it. mu is held.
func (c *TLSConn) shown(err error) error {
	var below *esock.Error
	var beneath *gentcp.Error
	switch {
	case errors.As(err, &below):
		err = below.Reason
	case errors.As(err, &beneath):
		return beneath.Reason
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		switch errno {
		case syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE:
			if c.settings.showReset {
				return syscall.ECONNRESET
			}
			return active.ClosedBy{Cause: errno}
		}
	}
	switch err {
	case io.EOF:
		return active.ClosedByPeer
	case io.ErrUnexpectedEOF:
		return errUnannounced
	}
	if errors.Is(err, net.ErrClosed) {
		return active.ClosedHere
	}
	return err
}

// fail wraps a reason as gentcp does.
func (c *TLSConn) fail(op string, err error) error {
	switch err {
	case nil, esock.ErrTimeout, context.Canceled, context.DeadlineExceeded:
		return err
	case active.ErrOwnerClosed:
		return badArg(op, err.Error())
	}
	return &gentcp.Error{Op: op, Socket: c.raw, Reason: err}
}
