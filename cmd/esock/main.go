// Command esock shows what the library does: it demonstrates sockets on real input, reads and sets options, lists what this
// system supports, and serves, sends and receives over TCP and UDP.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/esock-go/esock"
)

type commands struct {
	Demo     demoCmd     `cmd:"" help:"Use sockets of every kind on real input and show each step."`
	I        tableCmd    `cmd:"" help:"Print the table of sockets, for a small sample that the command opens."`
	Info     infoCmd     `cmd:"" help:"Print the library's settings and the number of open sockets."`
	Opt      optCmd      `cmd:"" help:"Read and set options of a new socket, by name or by number."`
	Options  optionsCmd  `cmd:"" help:"List all options; with --probe, try them on this kernel."`
	Supports supportsCmd `cmd:"" help:"Print what the library knows and what this system supports."`
	Packet   packetCmd   `cmd:"" help:"Decode packets as erlang:decode_packet/3 does."`
	Ifs      ifsCmd      `cmd:"" help:"List the network interfaces, as netdevice(7) requests report them."`
	Watch    watchCmd    `cmd:"" help:"Print UDP datagrams with every control message, until interrupted."`
	Listen   listenCmd   `cmd:"" help:"Accept one TCP connection, send each line of the input as a packet, and print the packets received."`
	Connect  connectCmd  `cmd:"" help:"Connect to a TCP port, send each line of the input as a packet, and print the packets received."`
	Sendfile sendfileCmd `cmd:"" help:"Connect to a TCP port and send a file."`
	Serve    serveCmd    `cmd:"" help:"Serve the files of a directory over HTTP/1.1, until interrupted."`
	Version  versionCmd  `cmd:"" help:"Print the versions of the library, its C core, Go and the kernel."`
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the arguments alone are wrong
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole command. It returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	var cli commands
	exited, code := false, exitOK
	parser, err := kong.New(&cli, append(valueOptions(),
		kong.Name("esock"),
		kong.Vars{"columns": strings.Join(esock.TableColumns(), ", ")},
		kong.Description("The operating system's socket API for Go, after Erlang/OTP's socket module."),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		// --help calls this, and parsing goes on afterwards.
		kong.Exit(func(c int) { exited, code = true, c }),
	)...)
	if err != nil {
		fmt.Fprintln(stderr, "esock:", err)
		return exitFailed
	}
	ctx, err := parser.Parse(args)
	if exited {
		return code
	}
	if err == nil {
		err = emptyValue(ctx)
	}
	if err != nil {
		fmt.Fprintf(stderr, "esock: %s; esock --help shows the usage\n", parseCause(err))
		return exitUsage
	}
	if err := ctx.Run(&output{Writer: stdout, terminal: isTerminal(stdout)}, terminals{os.Stdin, stderr}); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintf(stderr, "%s: %s\n", commandOf(ctx), plain(err))
		}
		if isUsage(err) {
			return exitUsage
		}
		return exitFailed
	}
	return exitOK
}

// commandOf is "esock opt get": the command without its arguments.
func commandOf(ctx *kong.Context) string {
	name := "esock"
	for _, p := range ctx.Path {
		if p.Command != nil {
			name += " " + p.Command.Name
		}
	}
	return name
}
