package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/esock-go/esock"
)

type listenCmd struct {
	framing
	Addr string `placeholder:"HOST:PORT" default:"127.0.0.1:0" help:"Where to listen (127.0.0.1 and a free port)."`
}

// Help is what --help adds.
func (listenCmd) Help() string { return framingHelp + " One connection is accepted." }

func (c *listenCmd) Run(out *output, std terminals) error {
	ctx, stop := untilSignal()
	defer stop()
	return c.listen(ctx, out, std)
}

// listen takes one connection and talks with the peer.
func (c *listenCmd) listen(ctx context.Context, out *output, std terminals) error {
	l, at, err := listenAt(nil, c.Addr, c.options()...)
	if err != nil {
		return err
	}
	defer l.Close()
	if _, err := fmt.Fprintln(std.err, "listening on", at); err != nil {
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
