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

// TLSConn is a TLS connection. Receive and send through a Socket.
//
// One goroutine at a time reads from crypto/tls: it has the turn. It is a passive receive, or a receiver of the owner's
// mailbox. mu guards all other fields, and is not held while crypto/tls reads or sends.
type TLSConn struct {
	raw       *gentcp.Socket // passive and raw
	tls       *tls.Conn
	sender    sync.Mutex // held by the Send in progress
	shutWrite atomic.Bool

	// These belong to the goroutine that has the turn. start and end change with mu held.
	wire       wire
	buf        []byte // buf[start:end] was read and not delivered yet
	start, end int

	mu       sync.Mutex
	settings settings
	parser   packet.Parser
	delivery active.Delivery
}

// settings are the options that this layer uses.
type settings struct {
	typ         packet.Type
	size        int // of a packet
	delimiter   packet.Delimiter
	exitOnClose bool
	showReset   bool
	sendTimeout time.Duration // negative: none
}

// maxRecord is the most data that a TLS record has (RFC 8446, section 5.1).
const maxRecord = 1 << 14

func newTLSConn(raw *gentcp.Socket, mb *esock.Mailbox, o settings) *TLSConn {
	c := &TLSConn{raw: raw, settings: o}
	c.delivery.Init(&c.mu, raw.Socket(), (*source)(c), mb, false)
	c.wire = wire{raw: raw, delivery: &c.delivery}
	c.parser, _ = packet.NewParser(o.typ, o.decoding()) // they were checked
	return c
}

// decoding returns the options of the parser. As on a TCP socket, line_length is packet_size.
func (o *settings) decoding() packet.Options {
	d := packet.Options{PacketSize: o.size}
	if o.typ == packet.Line {
		d.LineLength, d.LineDelimiter = o.size, o.delimiter
	}
	return d
}

// made reports whether a transport made the connection: it is not nil or the zero value.
func (c *TLSConn) made() bool { return c != nil && c.raw != nil }

// Socket returns the esock socket beneath, with its options and counters. Its data is TLS records. This and the following
// methods return nil or the zero value if no transport made the TLSConn.
func (c *TLSConn) Socket() *esock.Socket {
	if !c.made() {
		return nil
	}
	return c.raw.Socket()
}

// Owner returns the mailbox that owns the connection, nil if it has no owner.
func (c *TLSConn) Owner() *esock.Mailbox {
	if !c.made() {
		return nil
	}
	return c.raw.Owner()
}

// ConnectionState returns what the handshake negotiated, and the peer's certificates.
func (c *TLSConn) ConnectionState() tls.ConnectionState {
	if !c.made() {
		return tls.ConnectionState{}
	}
	return c.tls.ConnectionState()
}

// String formats the connection like the esock socket beneath.
func (c *TLSConn) String() string {
	if !c.made() {
		return "no socket"
	}
	return c.raw.String()
}

// room returns memory for a record. The buffer grows with the data that has come, not with the length that a header
// announces.
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

// endOf returns why nothing more can be received, from the error of a read. The turn is held, and mu is not, because the
// error may be one that a function in the caller's tls.Config returned.
func (c *TLSConn) endOf(err error) error {
	if err == io.EOF && c.wire.ended {
		err = io.ErrUnexpectedEOF // crypto/tls takes an end between two records for an announced one
	}
	return c.shown(err)
}

// finish records why nothing more can be received. With exit_on_close it closes the connection. The turn and mu are held; it
// unlocks while it closes, because crypto/tls may call a function of the caller's tls.Config.
func (c *TLSConn) finish(reason error) {
	c.delivery.End(reason)
	if !c.settings.exitOnClose || !c.raw.Open() {
		return
	}
	c.wire.hurry.Store(true) // the peer may not be reading
	c.mu.Unlock()
	c.tls.Close()
	c.mu.Lock()
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
		c.wire.hurry.Store(true) // the peer has a part of a record, so it could not read the alert
		c.close(true)
		return esock.ErrTimeout
	}
	return c.fail(op, c.shown(err))
}

// write sends all of b within the timeout, which all its records share; negative: no limit.
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

// shutdown is Transport.Shutdown. TLS announces the end to the peer, unless a Send is in progress, which fails then. No Send
// starts meanwhile, so this call does not wait for one.
func (c *TLSConn) shutdown(how esock.How) error {
	if how == esock.ShutWrite || how == esock.ShutReadWrite {
		c.shutWrite.Store(true)
		if c.sender.TryLock() {
			c.tls.CloseWrite() // if the connection is broken, the call below fails too
			c.sender.Unlock()
		}
	}
	return c.raw.Shutdown(how)
}

// close closes the connection. With tell the caller is not the owner, which gets a message in an active mode. If the
// kernel's buffer is full, it waits up to 5 seconds to send the alert that ends TLS.
func (c *TLSConn) close(tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delivery.Close(tell, func() { c.tls.Close() })
}

// errUnannounced is an end without close_notify: data may be missing.
var errUnannounced = active.ClosedBy{Cause: fmt.Errorf("%w without close_notify: %w", io.EOF, io.ErrUnexpectedEOF)}

// shown converts a reason to the one that the caller gets, as in gentcp. It calls methods of the error, so no lock is held.
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
			c.mu.Lock()
			showReset := c.settings.showReset
			c.mu.Unlock()
			if showReset {
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

// fail makes the error of an operation, as gentcp does.
func (c *TLSConn) fail(op string, err error) error {
	switch err {
	case nil, esock.ErrTimeout, context.Canceled, context.DeadlineExceeded:
		return err
	case active.ErrOwnerClosed:
		return badArg(op, err.Error())
	}
	return &gentcp.Error{Op: op, Socket: c.raw, Reason: err}
}
