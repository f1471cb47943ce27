package gentcp

import (
	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/active"
)

// source makes the socket the active.Source of its delivery.
type source Socket

// Next makes the next packet a message, in the shape that option deliver asks for.
func (c *source) Next() (esock.Message, error) {
	s := (*Socket)(c)
	o := s.opts.Load()
	p, err := s.next(nil, 0)
	switch {
	case err != nil:
		return nil, err
	case o.deliver == DeliverPort:
		return PortMsg{s, p}, nil
	case o.typ.IsHTTP():
		return HTTPMsg{s, p}, nil
	}
	return TCPMsg{s, p}, nil
}

// Read reads available data. It keeps the lock, because it does not wait and no context's methods run.
func (c *source) Read(w esock.Wait) error {
	s := (*Socket)(c)
	room := s.room()
	n, err := s.delivery.Recv(room, w)
	s.input.short = n < len(room)
	reason, lasts := active.Lasts(err, w)
	return s.arrived(n, reason, lasts)
}

func (c *source) Buffered() int                    { return c.input.len() }
func (c *source) Drained() bool                    { return c.input.short && c.input.len() == 0 }
func (c *source) Drop()                            { c.input.drop() }
func (c *source) Passive() esock.Message           { return PassiveMsg{(*Socket)(c)} }
func (c *source) Error(reason error) esock.Message { return ErrorMsg{(*Socket)(c), reason} }
func (c *source) Closed() esock.Message            { return ClosedMsg{(*Socket)(c)} }
func (c *source) About(msg esock.Message) bool     { return (*Socket)(c).About(msg) }
