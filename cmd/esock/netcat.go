package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/esock-go/esock/packet"
)

// netcat has the flags that listen and connect share. The letters are those of nc(1).
type netcat struct {
	IPv4 bool           `name:"ipv4" short:"4" xor:"family" help:"Use IPv4 only."`
	IPv6 bool           `name:"ipv6" short:"6" xor:"family" help:"Use IPv6 only."`
	UDP  bool           `name:"udp" short:"u" help:"Use datagrams: each read of the input is sent as one."`
	Unix bool           `name:"unix" short:"U" help:"Use a unix socket: the address is a path, or @NAME, which is no file."`
	Wait *time.Duration `short:"w" placeholder:"TIME" help:"Give up connecting after this time, and end when nothing was sent or received for as long: seconds, or a time such as 1m30s."`
	framing
	security
}

// framing is how packets are told apart.
type framing struct {
	Packet string `short:"p" placeholder:"TYPE" enum:"${socketpackets}" default:"raw" help:"How packets are framed: ${socketpackets} (raw)."`
	Escape bool   `short:"e" help:"Interpret escapes in the input, as in a Go string."`
}

const netcatHelp = "The input is sent as it is, and what is received is printed as it is. At the end of the input the command " +
	"stops sending; it ends when the peer closes the connection. Datagrams have no end: with -u it ends after -w, or when it " +
	"is interrupted. It fails if it is interrupted before all of the input that it has read has reached the peer.\n\n" +
	"With -p each line of the input is sent as one packet, in its frame. Packets received are printed: those of types raw, 0 " +
	"and line unchanged, HTTP part by part, others one to a line, with escapes for what cannot be printed. With -e a line may " +
	"contain escapes such as \\x00, \\n, \\\" and \\\\, and the types raw and 0 send it without its newline."

// terminals are the two streams that a command has beside its output.
type terminals struct {
	in  io.Reader
	err io.Writer
}

// check returns what is wrong with flags that are right one by one.
func (n *netcat) check() error {
	switch {
	case n.Wait != nil && *n.Wait <= 0:
		return usagef("--wait: must be more than 0, not %v", *n.Wait)
	case n.Unix && (n.IPv4 || n.IPv6):
		return usagef("--unix: a unix socket has no IP address, so --ipv4 and --ipv6 cannot be combined with it")
	case n.UDP && n.TLS:
		return usagef("--tls: needs a stream, so --udp cannot be combined with it")
	case n.UDP && !n.asIs():
		return usagef("--packet: datagrams have no frames; with --udp it is raw, 0 or line, not %s", n.Packet)
	}
	return n.security.check()
}

// wait is the time of --wait; 0 if there is none.
func (n *netcat) wait() time.Duration {
	if n.Wait == nil {
		return 0
	}
	return *n.Wait
}

// within is ctx with the time of --wait.
func (n *netcat) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if n.Wait == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, *n.Wait)
}

// typ is the type of --packet.
func (f *framing) typ() packet.Type {
	t, _ := packet.ParseType(f.Packet) // the parser has checked it
	return t
}

// asIs reports whether the bytes of the input are sent as they are, without a frame for each line.
func (f *framing) asIs() bool {
	t := f.typ()
	return t == packet.Raw || t == packet.Len0 || t == packet.Line
}

// Causes of an end that are no failures in themselves.
var (
	errIdle        = errors.New("idle")
	errInterrupted = errors.New("interrupted")
)
