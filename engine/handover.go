package engine

import (
	"errors"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// HandOver takes the connection out of the loop as soon as all that was written has been sent, as a Stopper may want
// to at a restart. Then it calls f in the goroutine of Run, with the socket, which is the caller's again, and the
// bytes that were received and are in no packet yet: see AdoptUnread. Both are f's to keep. Until then the handler
// goes on: it may get even the peer's answer to what it has written last, which is not among f's bytes then. Closed is
// called if the connection ends before, and f is not. Another call replaces f; with nil the connection stays. It
// reports false if the connection has ended. It is for the handler.
func (c *Conn) HandOver(f func(s *esock.Socket, unread []byte)) bool {
	if !c.made() || c.gone.Load() || c.ending != nil {
		return false
	}
	switch {
	case c.moving != nil:
		c.moving.out = f
	case f != nil:
		c.moving = &moving{out: f}
	}
	c.tryOut()
	return true
}

// tryOut looks soon whether the connection can be handed over.
func (c *Conn) tryOut() {
	if c.out() != nil && len(c.sending) == 0 {
		c.l.post(c, c.handOver)
	}
}

func (c *Conn) handOver() {
	f := c.out()
	if f == nil {
		return
	}
	s, err := c.Detach()
	if errors.Is(err, esock.ErrState) {
		c.tryOut() // after what was received; the end of a send tries too
	}
	if err != nil {
		return
	}
	c.moving.out = nil
	f(s, append([]byte(nil), c.Unread()...))
}

// AdoptUnread is Adopt for a connection of which bytes were received before: from HandOver, or by blocking calls. The
// handler gets them first, after Opened, as if they had come then. They are copied.
func (l *Loop) AdoptUnread(s *esock.Socket, h Handler, unread []byte) (*Conn, error) {
	return l.adopt(s, h, append([]byte(nil), unread...))
}

// tellUnread hands over what was received before.
func (c *Conn) tellUnread() {
	if c.moving == nil {
		return
	}
	b := c.moving.first
	c.moving.first = nil
	if len(b) == 0 || c.gone.Load() || c.ending != nil {
		return
	}
	defer c.l.returned(c)
	c.l.inside = true
	c.h.Received(c, b)
	c.l.inside = false
}

// Framed is a connection with packets: a *gentcp.Socket.
type Framed interface {
	Socket() *esock.Socket
	// TakeInput returns a parser of the packets, and what was received and is in none yet.
	TakeInput() (packet.Parser, []byte, error)
}

// AdoptFramed is Adopt for a connection of package gentcp, which must be passive. The handler gets the packets that an
// active mode would deliver, by the socket's options at this time, without a mailbox and its goroutine between. The
// loop answers with WritePacket, and the options of the socket beneath stay. After HandOver the *gentcp.Socket goes on:
// its Unrecv takes the unread bytes. Errors: those of Adopt and TakeInput.
func (l *Loop) AdoptFramed(s Framed, h PacketHandler) (*Conn, error) {
	switch {
	case s == nil || s.Socket() == nil:
		return nil, &esock.InvalidError{What: "socket", Cause: "it is nil"}
	case h == nil:
		return nil, &esock.InvalidError{What: "handler", Cause: "it is nil"}
	case !l.made():
		return nil, ErrClosed
	}
	parser, unread, err := s.TakeInput()
	if err != nil {
		return nil, err
	}
	c, err := l.adopt(s.Socket(), &packets{h: h, parser: parser}, unread)
	if back, ok := s.(interface{ Unrecv([]byte) error }); ok && err != nil && len(unread) > 0 {
		back.Unrecv(unread)
	}
	return c, err
}
