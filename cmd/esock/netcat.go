package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. The second ends the process, because a command
// that is blocked writing its output cannot end otherwise.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, reset := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	forget := context.AfterFunc(ctx, reset)
	return ctx, func() {
		forget()
		reset()
	}
}

// framing is the packet type of listen and connect.
type framing struct {
	Packet string `short:"p" placeholder:"TYPE" enum:"${socketpackets}" default:"raw" help:"How packets are framed: ${socketpackets} (raw)."`
	Escape bool   `short:"e" help:"Interpret escapes in the input, as in a Go string."`
}

const framingHelp = "Each line of the input is sent as one packet; with the types raw, 0 and line its bytes are sent " +
	"unchanged. With -e a line may contain escapes such as \\x00, \\n, \\\" and \\\\, and the types raw and 0 send it " +
	"without its newline. Packets received are printed: those of types raw, 0 and line unchanged, HTTP part by part, " +
	"others one to a line, with escapes for what cannot be printed. At the end of the input the command stops sending; " +
	"it ends when the peer closes the connection."

// terminals are the two streams that a command has beside its output.
type terminals struct {
	in  io.Reader
	err io.Writer
}

// chunk is how many raw bytes are read and sent at once.
const chunk = 64 << 10

// maxPacket is the size of the largest packet accepted.
const maxPacket = 64 << 20

// afterwards is how long the input may pause once the peer has finished sending. What the input still holds is sent, but
// it does not wait for a person to type.
const afterwards = 500 * time.Millisecond

// options returns the options of the socket. It receives raw bytes: package packet decodes them, so that an incomplete
// packet at the end of the stream is noticed. The socket stays open when the peer has finished sending, because the peer may
// still read.
func (f *framing) options() []gentcp.Option {
	return []gentcp.Option{gentcp.Buffer(chunk), gentcp.ExitOnClose(false), gentcp.ShowEconnreset(true),
		gentcp.NoDelay(true)}
}

// session carries packets between the input and output here, and a peer.
type session struct {
	framing
	typ  packet.Type
	sock *gentcp.Socket
	in   io.Reader
	out  io.Writer
}

// talk sends what is read from the input and prints what is received, until the peer ends or ctx does.
func (f *framing) talk(ctx context.Context, s *gentcp.Socket, in io.Reader, out io.Writer) error {
	t, _ := packet.ParseType(f.Packet)
	x := &session{framing: *f, typ: t, sock: s, in: in, out: out}
	// Closing the socket ends every wait on it.
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	end := sync.OnceFunc(func() { s.Close() }) // a second call waits until the first is done
	defer context.AfterFunc(inner, end)()
	defer end()

	lines, stop := x.read()
	defer stop()
	peer := make(chan struct{}) // closed when the peer has ended
	sent := make(chan error, 1)
	go func() {
		err := x.send(inner, lines, peer)
		if err != nil {
			cancel() // which ends receive
		}
		sent <- err
	}()
	err := x.receive()
	if err != nil {
		cancel()
	}
	close(peer)
	serr := <-sent
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil, errors.Is(err, net.ErrClosed) && serr != nil:
		return serr
	}
	return err
}

// input is a piece of the input, or the error that ended it.
type input struct {
	data []byte
	err  error
}

// read reads the input in a goroutine of its own, because a read cannot be interrupted. It alternates between two buffers:
// one is read into while the bytes of the other are in use. stop makes it end after the read in progress.
func (x *session) read() (<-chan input, func()) {
	ch, done := make(chan input), make(chan struct{})
	hand := func(i input) bool {
		select {
		case ch <- i:
			return i.err == nil
		case <-done:
			return false
		}
	}
	go func() {
		if x.asIs() && !x.Escape {
			bufs := [2][]byte{make([]byte, chunk), make([]byte, chunk)}
			for i := 0; ; i ^= 1 {
				n, err := x.in.Read(bufs[i])
				if n > 0 && !hand(input{data: bufs[i][:n]}) {
					return
				}
				if err != nil {
					hand(input{err: err})
					return
				}
			}
		}
		r := bufio.NewReaderSize(x.in, chunk)
		for {
			line, err := r.ReadBytes('\n')
			if len(line) > 0 {
				data, perr := x.packetOf(line)
				if !hand(input{data, perr}) {
					return
				}
			}
			if err != nil {
				hand(input{err: err})
				return
			}
		}
	}()
	return ch, func() { close(done) }
}

// asIs reports whether the bytes of the input are sent as they are, without a frame for each line.
func (x *session) asIs() bool {
	return x.typ == packet.Raw || x.typ == packet.Len0 || x.typ == packet.Line
}

// packetOf returns the packet that a line of the input stands for.
func (x *session) packetOf(line []byte) ([]byte, error) {
	text, ended := strings.CutSuffix(string(line), "\n")
	if x.Escape {
		var err error
		if text, err = unescape(text); err != nil {
			return nil, err
		}
	}
	switch {
	case x.typ.IsHTTP():
		text = strings.TrimSuffix(text, "\r") + "\r\n"
	case x.typ == packet.Line && ended:
		text += "\n"
	}
	return []byte(text), nil
}

// unescape replaces the escapes in a text.
func unescape(text string) (string, error) {
	b := make([]byte, 0, len(text))
	for rest := text; rest != ""; {
		// The byte itself, where it was not escaped: it need not be UTF-8.
		if rest[0] != '\\' {
			b, rest = append(b, rest[0]), rest[1:]
			continue
		}
		r, wide, tail, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			return "", fmt.Errorf("%q is not an escape; use \\x00, \\n, \\t, \\\\", shorten(rest, 10))
		}
		if wide {
			b = append(b, string(r)...)
		} else {
			b = append(b, byte(r))
		}
		rest = tail
	}
	return string(b), nil
}

// send sends what comes through lines, and shuts down the sending side at the end. Once the peer has ended, it stops as
// soon as the lines pause.
func (x *session) send(ctx context.Context, lines <-chan input, peer <-chan struct{}) error {
	var pause *time.Timer
	var paused <-chan time.Time
	var frame []byte
	for {
		select {
		case i := <-lines:
			switch {
			case i.err == io.EOF:
				err := x.sock.Shutdown(esock.ShutWrite)
				if errors.Is(err, syscall.ENOTCONN) || errors.Is(err, gentcp.ErrClosed) {
					err = nil // both directions have ended already
				}
				return err
			case i.err != nil:
				return fmt.Errorf("the input cannot be read: %w", i.err)
			}
			var err error
			if frame, err = packet.AppendHeader(frame[:0], x.typ, len(i.data)); err == nil {
				err = x.sock.Send(frame, i.data)
			}
			if err != nil {
				return x.explain(err, len(i.data))
			}
			if pause != nil {
				pause.Reset(afterwards)
			}
		case <-peer:
			peer = nil
			pause = time.NewTimer(afterwards)
			defer pause.Stop()
			paused = pause.C
			if f, ok := x.in.(*os.File); ok && isTerminal(f) {
				return nil
			}
		case <-paused:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// stream reads what a socket receives.
type stream struct{ sock *gentcp.Socket }

func (r stream) Read(b []byte) (int, error) {
	p, err := r.sock.RecvInto(b[:len(b):len(b)], 0, esock.Forever)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return len(p.Data()), err
}

// receive prints packets until the peer has ended.
func (x *session) receive() error {
	typ := x.typ
	if x.asIs() {
		typ = packet.Raw // lines are printed as they are, the last even if it has no end
	}
	d, err := packet.NewDecoder(stream{x.sock}, typ, packet.Options{PacketSize: maxPacket})
	if err != nil {
		return err
	}
	show := printer{typ: typ, out: x.out}
	for {
		p, err := d.Next()
		switch {
		case err == io.EOF:
			return nil
		case err == io.ErrUnexpectedEOF:
			return fmt.Errorf("the peer ended in the middle of a packet of type %v, after %s", x.typ,
				count(len(d.Buffered()), "byte"))
		case err != nil:
			return x.explain(err, 0)
		}
		if err := show.packet(p); err != nil {
			return err
		}
		if show.body == 0 {
			continue
		}
		body, length := io.Reader(d), show.body
		if length > 0 {
			body = io.LimitReader(d, length)
		}
		show.body = 0
		n, err := io.Copy(x.out, body)
		if err != nil {
			return x.explain(err, 0)
		}
		if n < length {
			return fmt.Errorf("the peer ended in the middle of a body of %s, after %d", count(int(length), "byte"), n)
		}
	}
}

// explain says what an error means here. length is the length of the packet to send, 0 when receiving.
func (x *session) explain(err error, length int) error {
	switch {
	case errors.Is(err, syscall.EMSGSIZE) && length > 0:
		return fmt.Errorf("%s are too many for a packet of type %v", count(length, "byte"), x.typ)
	case errors.Is(err, syscall.EMSGSIZE):
		return fmt.Errorf("what was received is not a packet of type %v, or is too large", x.typ)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("the peer reset the connection")
	}
	return why(err)
}

// why returns the reason inside an error of gentcp: which socket it was needs no mention here.
func why(err error) error {
	var e *gentcp.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return err
}

// listenError says why the command cannot listen on the address of --addr.
func listenError(addr string, err error) error {
	return fmt.Errorf("cannot listen on %s: %w", addr, why(err))
}

// dial connects to a host, by its address or its name, which may have addresses of either family, and to a port, by its
// number or name.
func dial(ctx context.Context, host, port string, opts ...gentcp.Option) (*gentcp.Socket, error) {
	number, err := portOf("tcp", port)
	if err != nil {
		return nil, err
	}
	switch {
	case number == 0:
		return nil, usagef("port 0 cannot be connected to")
	case host == "":
		return nil, usagef("the name of the host is empty")
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1] // as in a URL
	}
	s, err := gentcp.Connect(nil, host, number, esock.Context(ctx), opts...)
	if errors.Is(err, gentcp.ErrNXDomain) {
		s, err = gentcp.Connect(nil, host, number, esock.Context(ctx),
			append(opts[:len(opts):len(opts)], gentcp.Inet6())...)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", net.JoinHostPort(host, port), hostError(host, why(err)))
	}
	return s, nil
}
