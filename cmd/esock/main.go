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
	Demo       demoCmd       `cmd:"" help:"Use sockets of every kind on real input and show each step."`
	I          tableCmd      `cmd:"" help:"Print the table of sockets, for a small sample that the command opens."`
	Info       infoCmd       `cmd:"" help:"Print the library's settings and the number of open sockets."`
	Opt        optCmd        `cmd:"" help:"Read and set options of a new socket, by name or by number."`
	Options    optionsCmd    `cmd:"" help:"List all options; with --probe, try them on this kernel."`
	Supports   supportsCmd   `cmd:"" help:"Print what the library knows and what this system supports."`
	Packet     packetCmd     `cmd:"" help:"Decode packets as erlang:decode_packet/3 does."`
	Ifs        ifsCmd        `cmd:"" help:"List the network interfaces, as netdevice(7) requests report them."`
	SS         ssCmd         `cmd:"" name:"ss" help:"List the sockets of this host, of all processes, as ss(8) does."`
	Watch      watchCmd      `cmd:"" help:"Print UDP datagrams with every control message, until interrupted."`
	Listen     listenCmd     `cmd:"" help:"Accept a connection, send it the input, and print what it sends."`
	Connect    connectCmd    `cmd:"" help:"Connect, send the input, and print what the peer sends."`
	Sendfile   sendfileCmd   `cmd:"" help:"Connect to a TCP port and send a file."`
	Serve      serveCmd      `cmd:"" help:"Serve the files of a directory over HTTP/1.1, until interrupted."`
	Completion completionCmd `cmd:"" help:"Print a script that completes the command's arguments in a shell."`
	Man        manCmd        `cmd:"" help:"Print the manual page."`
	Help       helpCmd       `cmd:"" help:"Print the help of a command."`
	Version    versionCmd    `cmd:"" help:"Print the versions of the library, its C core, Go and the kernel."`

	ShowVersion versionFlag `name:"version" help:"Print the version."`
}

// about is what the program is, in a sentence.
const about = "The operating system's socket API for Go, after Erlang/OTP's socket module."

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the arguments alone are wrong
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole command. It returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	exited, code := false, exitOK
	// --help and --version call this, and parsing goes on afterwards.
	parser, err := newParser(stdout, stderr, func(c int) { exited, code = true, c })
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
		wrongUsage(parser, err, stderr)
		return exitUsage
	}
	out := newOutput(stdout)
	if err := ctx.Run(out, terminals{os.Stdin, stderr}, parser.Model); err != nil {
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

func newParser(stdout, stderr io.Writer, exit func(code int)) (*kong.Kong, error) {
	parser, err := kong.New(&commands{}, append(valueOptions(),
		kong.Name("esock"),
		kong.Vars{
			"columns":       strings.Join(esock.TableColumns(), ", "),
			"filters":       strings.Join(filterWords, ", "),
			"packets":       strings.Join(packetNames(), ", "),
			"socketpackets": strings.Join(socketPackets(), ", "),
		},
		kong.Description(about),
		kong.Writers(stdout, stderr),
		kong.Help(printHelp),
		kong.Exit(exit),
	)...)
	if err == nil {
		parser.Model.HelpFlag.Help = "Print this help."
	}
	return parser, err
}

// commandOf is "esock opt get": the command without its arguments.
func commandOf(ctx *kong.Context) string {
	if node := ctx.Selected(); node != nil {
		return node.FullPath()
	}
	return "esock"
}
