package engine

import (
	"io"
	"net"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// PacketHandler is a Handler that gets whole packets.
type PacketHandler interface {
	Opened(c *Conn)
	// Packet is called with each packet. p is valid until it returns.
	Packet(c *Conn, p packet.Packet)
	Writable(c *Conn)
	// Closed is that of Handler. err is io.ErrUnexpectedEOF when the peer has ended the stream within a packet, or
	// before all bytes of Raw. It has packet.ErrInvalid when it has sent none of the type, or one that is too large.
	Closed(c *Conn, err error)
}

// Packets makes a Handler that finds packets in what connections receive. Each connection has a packet.Parser, which
// Conn.Parser returns. The options limit how much of a packet is kept: without PacketSize it is as large as the peer
// likes. While too much is unsent (Mark), packets that were received wait. Errors: *esock.InvalidError;
// *packet.ArgumentError.
//
// A peer that sends no packet, or one that is too large, gets no answer: Closed follows. A server that is to answer, as
// one of HTTP with 400, is a Handler with a packet.Parser of its own: examples/engine-http.
func Packets(t packet.Type, o packet.Options, h PacketHandler) (Handler, error) {
	if h == nil {
		return nil, &esock.InvalidError{What: "handler", Cause: "it is nil"}
	}
	p, err := packet.NewParser(t, o)
	if err != nil {
		return nil, err
	}
	return &packets{h: h, parser: p}, nil
}

// packets is the Handler.
type packets struct {
	h      PacketHandler
	parser packet.Parser // of new connections
}

// framing is what a connection with packets has.
type framing struct {
	h      *packets // the connection's handler, or what that calls
	parser packet.Parser
	kept   []byte // received, and not yet used; empty between packets
	unread []byte // what follows the packet at hand
	raw    int64  // bytes that come before the next packet
	busy   bool   // in the handler
	again  bool   // resume was posted
}

// spares are buffers for what connections keep, of which few keep something at a time.
const (
	spares    = 64
	spareSize = 64 << 10 // larger ones are freed
)

// Parser returns the parser of the connection's packets: its type and options may be changed at any time, for the
// packets that follow. It is nil without Packets, and before Opened; a nil Parser returns errors.
func (c *Conn) Parser() *packet.Parser {
	if c == nil || c.framing == nil {
		return nil
	}
	c.changed()
	return &c.framing.parser
}

// changed looks soon at what was kept, as the parser may make a packet of it now.
func (c *Conn) changed() {
	if f := c.framing; !f.busy && !f.again && len(f.kept) > 0 {
		f.again = c.l.post(nil, func() {
			f.again = false
			resume(c)
		})
	}
}

// Raw makes the next n bytes come as they are, before packets are searched for again: the body after the head of an
// HTTP request. Packet gets them in packets of kind packet.KindData, each time as many as there are. They are in
// addition to those of an earlier call that have not come yet, which RawLeft returns. Errors: *esock.InvalidError for
// an n below 0, and without Packets.
//
// An n of 0 brings no packet: a request without a body is complete with its head.
func (c *Conn) Raw(n int64) error {
	switch {
	case c == nil || c.framing == nil:
		return &esock.InvalidError{What: "connection", Cause: "it has no packets"}
	case n < 0 || c.framing.raw+n < 0:
		return &esock.InvalidError{What: "bytes", Value: n, Cause: "it is negative, or too large"}
	}
	c.framing.raw += n
	c.framing.parser.Rewind()
	c.changed()
	return nil
}

// RawLeft returns how many bytes of Raw have not come yet. It is 0 in the call of Packet that has the last of them.
func (c *Conn) RawLeft() int64 {
	if c == nil || c.framing == nil {
		return 0
	}
	return c.framing.raw
}

// Unread returns the bytes that were received and are in no packet yet: for who takes the connection out of the loop,
// or goes on with another protocol. They are valid until the handler returns. It is nil without Packets.
func (c *Conn) Unread() []byte {
	switch {
	case c == nil || c.framing == nil:
		return nil
	case c.framing.busy:
		return c.framing.unread
	}
	return c.framing.kept
}

// WritePacket writes a packet: the header that the type of the connection's Parser has, and the data. Without Packets
// there is no header. Errors: those of Write, and then nothing is written; packet.ErrTooLong.
func (c *Conn) WritePacket(data []byte) error {
	t := packet.Raw
	if c != nil && c.framing != nil {
		t = c.framing.parser.Type()
	}
	var room [8]byte
	header, err := packet.AppendHeader(room[:0], t, len(data))
	if err == nil {
		err = c.writes()
	}
	if err == nil {
		_, err = c.write(header)
	}
	if err == nil {
		_, err = c.write(data)
	}
	return err
}

func (h *packets) Opened(c *Conn) {
	c.framing = &framing{h: h, parser: h.parser}
	h.h.Opened(c)
}

func (h *packets) Writable(c *Conn) { h.h.Writable(c) }

// Stopping makes it a Stopper for a program's that is one.
func (h *packets) Stopping(c *Conn) {
	if s, ok := h.h.(Stopper); ok {
		s.Stopping(c)
	}
}

func (h *packets) Closed(c *Conn, err error) {
	if err == io.EOF && c.framing != nil && len(c.framing.kept)+int(min(c.framing.raw, 1)) > 0 {
		err = io.ErrUnexpectedEOF
	}
	h.h.Closed(c, err)
	if c.framing != nil {
		c.l.keep(c.framing.kept)
		c.framing = nil
	}
}

func (h *packets) Received(c *Conn, b []byte) {
	f := c.framing
	if f == nil { // Opened has panicked
		return
	}
	if len(f.kept) > 0 {
		f.kept = append(f.kept, b...)
		b = f.kept
	}
	h.decode(c, b)
}

// resume goes on with the packets that waited.
func resume(c *Conn) {
	if f := c.framing; f != nil && len(f.kept) > 0 {
		defer c.l.returned(c)
		c.l.inside = true
		f.h.decode(c, f.kept)
		c.l.inside = false
	}
}

// decode hands over the packets at the front of b, which is what was kept, or nothing was, and keeps the rest.
func (h *packets) decode(c *Conn, b []byte) {
	f := c.framing
	defer func() { f.busy, f.unread = false, nil }() // also when the handler panics
	for !c.paused && !c.gone.Load() && c.ending == nil {
		p, n, err := f.next(b)
		if err == packet.ErrMore {
			break
		}
		if err != nil {
			c.endWith(&net.OpError{Op: "read", Net: "esock", Err: err})
			break
		}
		b = b[n:]
		f.busy, f.unread = true, b
		h.h.Packet(c, p)
		f.busy, f.unread = false, nil
	}
	c.keep(b)
}

// next takes the packet at the front of b, or what there is of the raw bytes.
func (f *framing) next(b []byte) (packet.Packet, int, error) {
	if f.raw == 0 {
		return f.parser.Next(b)
	}
	n := int(min(f.raw, int64(len(b))))
	if n == 0 {
		return packet.Packet{}, 0, packet.ErrMore
	}
	f.raw -= int64(n)
	return packet.DataPacket(b[:n:n]), n, nil
}

// keep keeps the rest.
func (c *Conn) keep(b []byte) {
	f, l := c.framing, c.l
	if len(b) == 0 || c.gone.Load() {
		if f.kept != nil {
			l.keep(f.kept)
			f.kept = nil
		}
		return
	}
	if len(b) == len(f.kept) { // no packet yet
		return
	}
	if f.kept == nil {
		if n := len(l.spares); n > 0 {
			f.kept, l.spares = l.spares[n-1], l.spares[:n-1]
		}
	}
	f.kept = append(f.kept[:0], b...) // it may be the end of itself
}

// keep keeps a buffer for the next connection.
func (l *Loop) keep(b []byte) {
	if cap(b) > 0 && cap(b) <= spareSize && len(l.spares) < spares {
		l.spares = append(l.spares, b[:0])
	}
}
