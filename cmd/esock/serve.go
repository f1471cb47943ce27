package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/fileserver"
)

type serveCmd struct {
	Dir         string        `arg:"" help:"The directory to serve."`
	Addr        string        `placeholder:"HOST:PORT" help:"Where to listen (by default, 127.0.0.1 and a free port). Without a HOST, on all IPv4 addresses; [::] takes IPv6 as well."`
	Port        string        `short:"p" placeholder:"PORT" help:"Listen on this port of 127.0.0.1."`
	Unix        string        `short:"U" placeholder:"PATH" help:"Listen on a Unix domain socket, whose file is removed at the end. @NAME is an abstract one."`
	Cert        string        `short:"C" placeholder:"FILE" help:"Serve HTTPS: the file with the certificate, in PEM, and with the chain that it needs."`
	Key         string        `short:"K" placeholder:"FILE" help:"The file with the private key of the certificate, in PEM (by default, that of the certificate)."`
	Hidden      bool          `short:"H" help:"Serve and list files whose name begins with a dot, too."`
	Quiet       bool          `short:"q" help:"Do not log requests to standard error."`
	Connections int           `default:"1000" help:"How many connections are served at once. To make room for another, one that waits for its next request is closed, or one that has made no request within 2 seconds."`
	Idle        time.Duration `default:"60s" help:"How long a connection may wait for its next request."`
	Head        time.Duration `default:"10s" help:"How long a request may take to arrive: its headers, its body, which is discarded, and, if it is the first on its connection, its first line."`
	Stall       time.Duration `default:"30s" help:"How long a client may stop reading a response."`
	Grace       time.Duration `default:"10s" help:"How long responses may go on after SIGINT or SIGTERM. A second signal ends them at once."`
}

// Help is what --help adds.
func (serveCmd) Help() string {
	return "Files are sent with sendfile(2), whole or in part; with HTTPS they are read and encrypted. For a directory, its " +
		"index.html is sent, or else a listing. Nothing outside the directory is served, not even through symbolic links. " +
		"Names that begin with a dot, .well-known included, are hidden; a visible link to one is not.\n\n" +
		"Requests are logged in the Common Log Format. The line of a response that was cut off goes on with " +
		"\"aborted:\" and the reason."
}

func (c *serveCmd) Run(out *output, std terminals) error {
	ctx, stop := untilSignal()
	defer stop()
	return c.serve(ctx, out, std.err)
}

// serve serves until ctx ends. It logs requests to errs, unless --quiet is given.
func (c *serveCmd) serve(ctx context.Context, out *output, errs io.Writer) error {
	if c.Dir == "" {
		return usagef("the name of the directory is empty")
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return fmt.Errorf("the directory cannot be served: %w", err)
	}
	defer root.Close()
	config := fileserver.Config{Root: root, Hidden: c.Hidden, Connections: c.Connections, Idle: c.Idle, Head: c.Head,
		Stall: c.Stall, Grace: c.Grace}
	if !c.Quiet {
		config.Log = errs
	}
	config.Ending = func(busy int) {
		noun := "connections"
		if busy == 1 {
			noun = "connection"
		}
		fmt.Fprintf(errs, "esock serve: waiting up to %v for %d %s; a second signal ends at once\n", c.Grace, busy, noun)
	}
	var bad *esock.InvalidError
	if err := config.Check(); errors.As(err, &bad) {
		return usagef("--%s: %s", bad.What, bad.Cause)
	}
	if config.TLS, err = c.certificate(); err != nil {
		return err
	}
	at, flag, err := c.address()
	if err != nil {
		return err
	}
	s, err := fileserver.Listen(at, config)
	if err != nil {
		return fmt.Errorf("%s: %w", flag, listenError(at.String(), err))
	}
	if err := c.writePlace(out, s.Addr()); err != nil {
		s.Close()
		return err
	}
	return s.Run(ctx)
}

// address returns where to listen, and the flag that says so.
func (c *serveCmd) address() (at esock.Addr, flag string, err error) {
	flag = "--addr"
	switch {
	case c.Addr != "" && c.Port != "":
		return at, flag, usagef("--port: the port is already in --addr %s", c.Addr)
	case c.Unix != "" && c.Addr+c.Port != "":
		return at, flag, usagef("--unix: a Unix domain socket has neither --addr nor --port")
	case c.Unix != "":
		if flag, at = "--unix", esock.UnixAddr(c.Unix); c.Unix[0] == '@' {
			at = esock.AbstractAddr(c.Unix[1:])
		}
		var bad *esock.InvalidError
		if errors.As(at.Err(), &bad) {
			err = usagef("--unix: %q is not the name of a socket: %s", c.Unix, bad.Cause)
		}
	case c.Port != "":
		flag = "--port"
		port, bad := portOf("tcp", c.Port)
		if bad != nil {
			return at, flag, usagef("--port: %s", bad)
		}
		at, err = bindAddr("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	case c.Addr != "":
		at, err = bindAddr("tcp", c.Addr)
	default:
		at, err = bindAddr("tcp", "127.0.0.1:0")
	}
	return at, flag, err
}

// writePlace writes what is served, and where. A URL is not broken, because it is copied from the page.
func (c *serveCmd) writePlace(out *output, at esock.Addr) error {
	what, where := "serving "+c.Dir, "on "+c.place(at)
	if first, _, _ := strings.Cut(where, "\n"); !out.fits(length(what + " " + first)) {
		return out.writeLines([]string{"serving " + out.shorten(c.Dir, len("serving ")), where})
	}
	return out.writeLines([]string{what + " " + where})
}

// place returns where a browser or curl finds the server.
func (c *serveCmd) place(at esock.Addr) string {
	scheme, curl := "http", ""
	if c.Cert != "" {
		scheme, curl = "https", "--insecure "
	}
	if at.Family() != esock.Local {
		// In a URL the percent sign before a zone is escaped (RFC 6874).
		return scheme + "://" + strings.Replace(at.String(), "%", "%25", 1)
	}
	kind := "--unix-socket "
	if c.Unix[0] == '@' {
		kind = "--abstract-unix-socket "
	}
	name := strings.ReplaceAll(strings.TrimPrefix(c.Unix, "@"), "'", `'\''`) // for a shell
	return fmt.Sprintf("%s\ntry curl %s%s'%s' %s://localhost/", at, curl, kind, name, scheme)
}

// certificate returns the configuration of TLS, nil without --cert and --key. The files are read once.
func (c *serveCmd) certificate() (*tls.Config, error) {
	switch {
	case c.Cert == "" && c.Key == "":
		return nil, nil
	case c.Cert == "":
		return nil, usagef("--key: it needs --cert, the certificate")
	}
	pair, err := readKeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}, nil
}
