package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

type listenCmd struct {
	framing
	Addr string `placeholder:"HOST:PORT" default:"127.0.0.1:0" help:"Where to listen (by default, 127.0.0.1 and a free port)."`
}

// Help is what --help adds.
func (listenCmd) Help() string { return framingHelp + " Only one connection is accepted." }

func (c *listenCmd) Run(out *output, std terminals) error {
	ctx, stop := untilSignal()
	defer stop()
	return c.listen(ctx, out, std)
}

// listen accepts one connection, and exchanges packets with the peer.
func (c *listenCmd) listen(ctx context.Context, out *output, std terminals) error {
	at, err := bindAddr("tcp", c.Addr)
	if err != nil {
		return err
	}
	l, err := gentcp.Listen(nil, int(at.Port()), append(c.options(), gentcp.IfAddr(at), gentcp.ReuseAddr(true))...)
	if err != nil {
		return listenError(c.Addr, err)
	}
	defer l.Close()
	name, err := l.SockName()
	if err != nil {
		return why(err)
	}
	if _, err := fmt.Fprintln(std.err, "listening on", l.Socket().NameZone(name)); err != nil {
		return err
	}
	s, err := l.Accept(nil, esock.Context(ctx))
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return why(err)
	}
	l.Close() // others are refused from now on
	return c.talk(ctx, s, std.in, out)
}
