package main

import (
	"context"
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
	Addr        string        `placeholder:"HOST:PORT" default:"127.0.0.1:0" help:"Where to listen (by default, 127.0.0.1 and a free port)."`
	Quiet       bool          `short:"q" help:"Do not log requests to standard error."`
	Connections int           `default:"1000" help:"How many connections are served at once; others wait."`
	Idle        time.Duration `default:"60s" help:"How long a connection may wait for its next request."`
	Head        time.Duration `default:"10s" help:"How long a request may take to arrive: its headers, its body, which is discarded, and, if it is the first on its connection, its first line."`
	Stall       time.Duration `default:"30s" help:"How long a client may stop reading a response."`
}

// Help is what --help adds.
func (serveCmd) Help() string {
	return "Files are sent with sendfile(2), whole or in part. For a directory, its index.html is sent, or else a listing. " +
		"Nothing outside the directory is served, not even through symbolic links."
}

func (c *serveCmd) Run(out *output, std terminals) error {
	ctx, stop := untilSignal()
	defer stop()
	log := std.err
	if c.Quiet {
		log = nil
	}
	return c.serve(ctx, out, log)
}

// serve serves until ctx ends. It logs requests unless log is nil.
func (c *serveCmd) serve(ctx context.Context, out *output, log io.Writer) error {
	if c.Dir == "" {
		return usagef("the name of the directory is empty")
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return fmt.Errorf("the directory cannot be served: %w", err)
	}
	defer root.Close()
	config := fileserver.Config{Root: root, Connections: c.Connections, Idle: c.Idle, Head: c.Head, Stall: c.Stall, Log: log}
	var bad *esock.InvalidError
	if err := config.Check(); errors.As(err, &bad) {
		return usagef("--%s: %s", bad.What, bad.Cause)
	}
	at, err := bindAddr("tcp", c.Addr)
	if err != nil {
		return err
	}
	s, err := fileserver.Listen(at, config)
	if err != nil {
		return listenError(c.Addr, err)
	}
	// In a URL the percent sign before a zone is escaped (RFC 6874).
	if _, err := fmt.Fprintf(out, "serving %s on http://%s\n", c.Dir, strings.Replace(s.Addr(), "%", "%25", 1)); err != nil {
		s.Close()
		return err
	}
	return s.Run(ctx)
}
