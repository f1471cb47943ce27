package hackney

import (
	"errors"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// source makes the connection the active.Source of its delivery.
type source TLSConn

// Next makes the next packet a message.
func (s *source) Next() (esock.Message, error) {
	c := (*TLSConn)(s)
	p, err := c.next(0)
	if err != nil {
		return nil, err
	}
	return SSLMsg{c, p}, nil
}

// Read reads at most one record. It unlocks meanwhile, because TLS may have to wait to send an answer.
func (s *source) Read(w esock.Wait) error {
	c := (*TLSConn)(s)
	room := c.room()
	n, lasts, err := c.readUnlocked(room, w)
	c.end += n
	switch {
	case err == nil:
	case !lasts:
		c.finish(err)
	case n == 0:
		return err
	}
	return nil
}

// readUnlocked reads into room. lasts: the stream goes on after the error. mu is held, but not meanwhile, when methods of the
// wait's context run, which may panic.
func (c *TLSConn) readUnlocked(room []byte, w esock.Wait) (n int, lasts bool, err error) {
	c.mu.Unlock()
	defer c.mu.Lock()
	c.wire.wait = w
	n, err = c.tls.Read(room)
	reason, lasts := paused(err)
	if err != nil && !lasts {
		reason = c.endOf(err)
	}
	return n, lasts, reason
}

func (s *source) Buffered() int                    { return s.end - s.start }
func (s *source) Drained() bool                    { return false } // crypto/tls may have more
func (s *source) Drop()                            { s.start, s.end = 0, 0 }
func (s *source) Passive() esock.Message           { return SSLPassiveMsg{(*TLSConn)(s)} }
func (s *source) Error(reason error) esock.Message { return SSLErrorMsg{(*TLSConn)(s), reason} }
func (s *source) Closed() esock.Message            { return SSLClosedMsg{(*TLSConn)(s)} }
func (s *source) About(msg esock.Message) bool     { return (*TLSConn)(s).About(msg) }

// recv is Transport.Recv.
func (c *TLSConn) recv(length int, w esock.Wait) (gentcp.Packet, error) {
	const op = "recv"
	switch {
	case w.Err() != nil:
		return gentcp.Packet{}, c.fail(op, w.Err())
	case w.Asynchronous():
		return gentcp.Packet{}, badArg(op, "a receive waits, or uses an active mode")
	case length < 0:
		return gentcp.Packet{}, badArg(op, "the length is negative")
	}
	var p gentcp.Packet
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.delivery.Receive(w, func() (err error) {
		p, err = c.next(length)
		return err
	}, (*source)(c).Read)
	if err != nil {
		return gentcp.Packet{}, c.fail(op, err)
	}
	return p, nil
}

// errUnread ends the receive in unread.
var errUnread = errors.New("there is data")

// unread reports whether a passive connection has data or an end to receive, including a part of a packet or record, or is
// being read. It waits only if TLS has to answer.
func (c *TLSConn) unread() bool {
	c.mu.Lock()
	if c.delivery.Receivers() > 0 { // the data that a receiver of the mailbox is reading will not become a message
		c.mu.Unlock()
		return true
	}
	err := c.delivery.Receive(esock.Within(0), func() error {
		if c.end > c.start {
			return errUnread
		}
		return packet.ErrMore
	}, (*source)(c).Read)
	begun := c.wire.record.begun()
	c.mu.Unlock() // the error may be the caller's
	return begun || !errors.Is(err, esock.ErrTimeout) || readable(c.raw.Socket())
}

// next removes the next packet from the buffer, and copies it. Errors: packet.ErrMore, EMSGSIZE. The turn and mu are held.
func (c *TLSConn) next(length int) (gentcp.Packet, error) {
	p, n, err := c.delivery.Cut(&c.parser, c.buf[c.start:c.end], length)
	if err != nil {
		return gentcp.Packet{}, err
	}
	p = p.CopyTo(nil)
	c.start += n
	return gentcp.Packet{Packet: p}, nil
}

// controllingProcess is Transport.ControllingProcess.
func (c *TLSConn) controllingProcess(from, to *esock.Mailbox) error {
	const op = "controlling_process"
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.delivery.Give(from, to, func() error { return c.raw.ControllingProcess(from, to) })
	return c.fail(op, err)
}
