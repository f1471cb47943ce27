package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

type connectCmd struct {
	netcat
	trust
	Address []string `arg:"" help:"HOST PORT or HOST:PORT. The host is a name or an address, the port a number or the name of a service. With -U: a path."`
}

// Help is what --help adds.
func (connectCmd) Help() string { return netcatHelp }

func (c *connectCmd) Run(out *output, std terminals) error {
	ctx, stop := untilSignal()
	defer stop()
	return c.connect(ctx, out, std)
}

// connect connects to the address, and exchanges bytes, packets or datagrams with the peer.
func (c *connectCmd) connect(ctx context.Context, out *output, std terminals) error {
	if err := firstError(c.netcat.check(), c.trust.check(c.TLS)); err != nil {
		return err
	}
	if c.UDP {
		return c.connectDatagrams(ctx, out, std)
	}
	l, err := c.reach(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		return nil // nothing was read from the input
	case err != nil:
		return err
	}
	in, stop := newFeed(&c.netcat, std.in)
	defer stop()
	return c.talk(ctx, l, in, out, c.wait())
}

// reach connects a stream, within the time of --wait.
func (c *connectCmd) reach(ctx context.Context) (link, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	within, cancel := c.within(ctx)
	defer cancel()
	l, err := c.open(within, config)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("cannot connect to %s: no answer within %v", strings.Join(c.Address, " "), c.wait())
	}
	return l, err
}

func (c *connectCmd) open(ctx context.Context, config *tls.Config) (link, error) {
	if c.Unix {
		to, err := c.path(c.Address)
		if err != nil {
			return nil, err
		}
		s, err := gentcp.ConnectAddr(nil, to, esock.Context(ctx), streamOptions()...)
		if err != nil {
			return nil, fmt.Errorf("cannot connect to %s: %w", c.Address[0], why(err))
		}
		return c.client(ctx, stream{s}, config, "")
	}
	host, port, err := c.peer()
	if err != nil {
		return nil, err
	}
	s, err := dialFamily(ctx, c.network(), host, port, append(streamOptions(), gentcp.NoDelay(true))...)
	if err != nil {
		return nil, err
	}
	return c.client(ctx, stream{s}, config, host)
}

// peer is the host and the port to connect to. Without a host it is this machine.
func (c *connectCmd) peer() (host, port string, err error) {
	host, port, err = splitAddress(c.Address)
	if err == nil && host == "" && len(c.Address) == 1 {
		host = "localhost"
	}
	if err == nil {
		err = c.wrongFamily(host)
	}
	return host, port, err
}

// connectDatagrams exchanges datagrams with the address.
func (c *connectCmd) connectDatagrams(ctx context.Context, out *output, std terminals) error {
	to, err := c.datagramPeer(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	protocol := esock.UDP
	if c.Unix {
		protocol = esock.Default
	}
	s, err := esock.Open(to.Family(), esock.Dgram, protocol)
	if err != nil {
		return err
	}
	defer s.Close()
	if c.Unix {
		err = s.Bind(esock.UnixAddr("")) // Linux chooses a name, so that the peer can answer
	}
	if err == nil {
		err = s.Connect(to, esock.Context(ctx))
	}
	if err != nil {
		return fmt.Errorf("cannot connect to %s: %s", strings.Join(c.Address, " "), reason(err))
	}
	in, stop := newFeed(&c.netcat, std.in)
	defer stop()
	return talkDatagrams(ctx, s, to, false, in, out, c.wait())
}

func (c *connectCmd) datagramPeer(ctx context.Context) (esock.Addr, error) {
	if c.Unix {
		return c.path(c.Address)
	}
	host, port, err := c.peer()
	switch {
	case err != nil:
		return esock.Addr{}, err
	case host == "":
		return esock.Addr{}, usagef("the name of the host is empty")
	}
	to, err := c.address(ctx, "udp", host, port)
	if err == nil && to.Port() == 0 {
		return to, usagef("port 0 cannot be connected to")
	}
	return to, err
}
