package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/esock-go/esock"
)

// mailboxConn is a connection of a server that has one goroutine, with one mailbox for all of them.
type mailboxConn struct {
	s    *esock.Socket
	h    *esock.Handle
	wait esock.Wait
	buf  [4096]byte
}

// Socket makes a new connection a message.
func (c *mailboxConn) Socket() *esock.Socket { return c.s }

// serveMailbox is an echo server with calls that do not block. In the select form a message says that a receive is worth
// repeating; in the completion form it has what was received.
func serveMailbox(form func(*esock.Handle) esock.Wait) error {
	l, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err == nil {
		err = l.Bind(esock.Loopback)
	}
	if err == nil {
		err = l.Listen(1024)
	}
	if err != nil {
		return err
	}
	a, err := l.SockName()
	if err != nil {
		return err
	}
	mb := esock.NewMailbox()
	conns := map[*esock.Handle]*mailboxConn{}
	go func() {
		for {
			s, err := l.Accept(esock.Forever)
			if err != nil {
				return
			}
			h := mb.NewHandle()
			mb.Post(&mailboxConn{s: s, h: h, wait: form(h)})
		}
	}()
	fmt.Println(a.Port())
	untilStdinEnds()
	for {
		msg, err := mb.Receive(context.Background())
		if err != nil {
			return err
		}
		switch m := msg.(type) {
		case *mailboxConn:
			conns[m.h] = m
			m.receive()
		case esock.SelectMsg:
			conns[m.Handle].receive()
		case esock.CompletionMsg:
			if c := conns[m.Handle]; c.answer(m.Result()) {
				c.receive()
			}
		}
	}
}

// receive answers what there is, until a call would block.
func (c *mailboxConn) receive() {
	for c.answer(c.s.Recv(c.buf[:], 0, c.wait)) {
	}
}

// answer sends what was received back. It reports false if nothing was.
func (c *mailboxConn) answer(n int, err error) bool {
	if err == nil {
		_, err = c.s.Send(c.buf[:n], 0, esock.Forever)
	}
	if pending := esock.Pending(nil); errors.As(err, &pending) {
		return false
	}
	if err != nil {
		c.s.Close()
	}
	return err == nil
}
