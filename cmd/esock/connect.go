package main

import (
	"context"
	"errors"
)

type connectCmd struct {
	framing
	Host string `arg:"" help:"A host name or address."`
	Port string `arg:"" help:"A port number or the name of a service."`
}

// Help is what --help adds.
func (connectCmd) Help() string { return framingHelp }

func (c *connectCmd) Run(out *output, std terminals) error {
	ctx, stop := untilSignal()
	defer stop()
	return c.connect(ctx, out, std)
}

// connect connects to a host and port, and exchanges packets with the peer.
func (c *connectCmd) connect(ctx context.Context, out *output, std terminals) error {
	s, err := dial(ctx, c.Host, c.Port, c.options()...)
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return err
	}
	return c.talk(ctx, s, std.in, out)
}
