package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/sockopt"
)

type listenCmd struct {
	netcat
	Keep    bool     `name:"keep-listening" short:"k" help:"Go on listening: for the next connection when one has ended, and with -u for datagrams from everyone."`
	Address []string `arg:"" optional:"" help:"PORT on all IPv4 addresses of this machine (with -6, on all IPv6 addresses), HOST PORT or HOST:PORT; by default, 127.0.0.1 and a free port. [::]:PORT takes both. With -U: a path that does not exist yet."`
}

// Help is what --help adds.
func (listenCmd) Help() string {
	return "The address is printed on standard error. Without -k one connection is accepted and others are refused; with -u " +
		"the first peer that is heard is the only one. With -u and -k the input goes to the peer that was heard last. " +
		"The wait for a peer has no limit; -w counts from then on. With -k and TLS clients may begin TLS beside the connection " +
		"that is served, within -w or 30 seconds, and then wait for it to end. When 64 do, the next takes the place of the one that " +
		"has been at it for the longest time.\n\n" + netcatHelp
}

func (c *listenCmd) Run(out *output, std terminals) error {
	ctx, stop := untilSignal()
	defer stop()
	return c.listen(ctx, out, std)
}

// listen accepts connections, and exchanges bytes, packets or datagrams with the peers.
func (c *listenCmd) listen(ctx context.Context, out *output, std terminals) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.TLS && c.Cert == "" {
		return usagef("--tls: a server needs a certificate, and --cert is missing")
	}
	config, err := c.config()
	if err != nil {
		return err
	}
	at, err := c.at(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	case c.UDP:
		return c.listenDatagrams(ctx, at, out, std)
	}
	l, err := gentcp.Listen(nil, int(at.Port()), c.listenOptions(at)...)
	if err != nil {
		return listenError(c.shown(at), err)
	}
	remove := c.remover(at)
	defer remove()
	defer l.Close()
	name, err := l.SockName()
	if err != nil {
		return why(err)
	}
	if err := announce(std, l.Socket(), name); err != nil {
		return err
	}
	return c.accept(ctx, l, config, out, std)
}

func (c *listenCmd) listenOptions(at esock.Addr) []gentcp.Option {
	opts := append(streamOptions(), gentcp.IfAddr(at))
	if c.Unix {
		return opts
	}
	opts = append(opts, gentcp.NoDelay(true), gentcp.ReuseAddr(true))
	if c.IPv6 {
		opts = append(opts, gentcp.IPv6V6Only(true))
	}
	return opts
}

// accept takes one connection, or with -k one after the other.
func (c *listenCmd) accept(ctx context.Context, l *gentcp.Socket, config *tls.Config, out *output, std terminals) error {
	var in *feed // the input is not read before somebody comes
	printed := &sink{Writer: out}
	next, stop := c.arrivals(ctx, l, config)
	defer stop()
	for {
		a := next()
		switch {
		case ctx.Err() != nil:
			if a.peer != nil {
				a.peer.Close()
			}
			return nil
		case a.fatal:
			return a.err
		}
		if in == nil {
			var stop func()
			in, stop = newFeed(&c.netcat, std.in)
			defer stop()
		}
		err := a.err
		if err == nil {
			err = c.talk(ctx, a.peer, in, printed, c.wait())
		}
		switch {
		case !c.Keep || ctx.Err() != nil || printed.failed:
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		case err != nil:
			fmt.Fprintf(std.err, "esock listen: %s\n", plain(err))
		}
	}
}

// listenDatagrams receives datagrams, and sends the input back to their sender.
func (c *listenCmd) listenDatagrams(ctx context.Context, at esock.Addr, out *output, std terminals) error {
	protocol := esock.UDP
	if c.Unix {
		protocol = esock.Default
	}
	s, err := esock.Open(at.Family(), esock.Dgram, protocol)
	if err != nil {
		return err
	}
	defer s.Close()
	if c.IPv6 {
		if err := sockopt.IPv6V6Only.Set(s, true); err != nil {
			return err
		}
	}
	if err := s.Bind(at); err != nil {
		return fmt.Errorf("cannot listen on %s: %s", c.shown(at), reason(err))
	}
	remove := c.remover(at)
	defer remove()
	name, err := s.SockName()
	if err != nil {
		return err
	}
	if err := announce(std, s, name); err != nil {
		return err
	}
	in, stop := newFeed(&c.netcat, std.in)
	defer stop()
	return talkDatagrams(ctx, s, esock.Addr{}, c.Keep, in, out, c.wait())
}

func announce(std terminals, s *esock.Socket, name esock.Addr) error {
	_, err := fmt.Fprintln(std.err, "listening on", s.NameZone(name))
	return err
}

// at is the address to listen on.
func (c *listenCmd) at(ctx context.Context) (esock.Addr, error) {
	if c.Unix {
		return c.path(c.Address)
	}
	host, port := "127.0.0.1", "0"
	if c.IPv6 {
		host = "::1"
	}
	if len(c.Address) > 0 {
		var err error
		if host, port, err = splitListening(c.Address); err != nil {
			return esock.Addr{}, err
		}
	}
	transport := "tcp"
	if c.UDP {
		transport = "udp"
	}
	return c.address(ctx, transport, host, port)
}

// shown is the address in messages.
func (c *listenCmd) shown(at esock.Addr) string {
	if len(c.Address) > 0 {
		return strings.Join(c.Address, " ")
	}
	return at.String()
}

// remover returns a function that removes the file of a unix socket, unless another file has the name by then.
func (c *listenCmd) remover(at esock.Addr) func() {
	if !c.Unix || strings.HasPrefix(c.Address[0], "@") {
		return func() {}
	}
	made, err := os.Lstat(at.Path())
	if err != nil {
		return func() {}
	}
	return func() {
		if now, err := os.Lstat(at.Path()); err == nil && os.SameFile(made, now) {
			os.Remove(at.Path())
		}
	}
}

// sink notes that the output cannot be written any more, which no other peer changes.
type sink struct {
	io.Writer
	failed bool
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.Writer.Write(b)
	s.failed = s.failed || err != nil
	return n, err
}
