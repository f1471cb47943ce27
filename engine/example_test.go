package engine_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/packet"
)

type greeter struct{}

func (greeter) Opened(c *engine.Conn)             { c.Write([]byte("who is there?\n")) }
func (greeter) Received(c *engine.Conn, b []byte) { fmt.Fprintf(c, "hello, %s", b); c.Close() }
func (greeter) Writable(*engine.Conn)             {}
func (greeter) Closed(*engine.Conn, error)        {}

func Example() {
	listener, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	check(err)
	defer listener.Close()
	check(listener.Bind(esock.Loopback))
	check(listener.Listen(128))
	address, err := listener.SockName()
	check(err)

	loop, err := engine.New()
	check(err)
	check(loop.Serve(listener, greeter{}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()

	c, err := net.Dial("tcp", address.AddrPort().String())
	check(err)
	_, err = c.Write([]byte("world"))
	check(err)
	all, err := io.ReadAll(c)
	check(err)
	fmt.Printf("%s\n", all)
	check(c.Close())
	stop()
	fmt.Println(<-ended)
	// Output:
	// who is there?
	// hello, world
	// context canceled
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A server of datagrams answers each sender.
func ExampleConn_WriteTo() {
	server, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	check(err)
	check(server.Bind(esock.Loopback))
	address, err := server.SockName()
	check(err)

	loop, err := engine.New()
	check(err)
	_, err = loop.Adopt(server, answerer{})
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()

	c, err := net.Dial("udp", address.AddrPort().String())
	check(err)
	_, err = c.Write([]byte("world"))
	check(err)
	b := make([]byte, 100)
	n, err := c.Read(b)
	check(err)
	fmt.Printf("%s\n", b[:n])
	check(c.Close())
	stop()
	<-ended
	// Output: hello, world
}

type answerer struct{ greeter }

func (answerer) Opened(*engine.Conn) {}
func (answerer) Received(c *engine.Conn, b []byte) {
	c.WriteTo(append([]byte("hello, "), b...), c.From())
}

// An HTTP server takes the body of a request as it comes, and then the next head.
func ExampleConn_Raw() {
	handler, err := engine.Packets(packet.HTTPBin, packet.Options{}, &upload{})
	check(err)
	loop, err := engine.New()
	check(err)
	listener, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	check(err)
	defer listener.Close()
	check(listener.Bind(esock.Loopback))
	check(listener.Listen(128))
	address, err := listener.SockName()
	check(err)
	check(loop.Serve(listener, handler))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()

	c, err := net.Dial("tcp", address.AddrPort().String())
	check(err)
	fmt.Fprint(c, "PUT /file HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello")
	answer, err := io.ReadAll(c)
	check(err)
	fmt.Printf("%q\n", answer)
	check(c.Close())
	stop()
	<-ended
	// Output: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
}

// upload serves one connection; a server of many keeps length in Conn.Data.
type upload struct {
	greeter
	length int64
}

func (*upload) Opened(*engine.Conn) {}

func (u *upload) Packet(c *engine.Conn, p packet.Packet) {
	switch p.Kind() {
	case packet.KindHTTPHeader:
		if h, _ := p.HTTPHeader(); h.Field() == "Content-Length" {
			u.length, _ = strconv.ParseInt(string(h.Value), 10, 64)
		}
	case packet.KindHTTPEOH:
		c.Raw(u.length)
		u.answer(c) // a request without a body has no further packet
	case packet.KindData: // a part of the body
		u.answer(c)
	}
}

func (*upload) answer(c *engine.Conn) {
	if c.RawLeft() == 0 {
		c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		c.Close()
	}
}

// A connection that another process gives, or blocking code, goes on in a loop with what was received before.
func ExampleLoop_AdoptUnread() {
	a, b := socketPair()
	defer b.Close()
	loop, err := engine.New()
	check(err)
	_, err = loop.AdoptUnread(a, echoer{}, []byte("half, "))
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()
	_, err = b.Send([]byte("and half"), 0, esock.Forever)
	check(err)
	all := make([]byte, 14)
	_, err = b.RecvFull(all, 0, esock.Forever)
	check(err)
	fmt.Printf("%s\n", all)
	stop()
	<-ended
	// Output: half, and half
}

// At Shutdown the connections of one loop go on in another, with the packets that have begun.
func ExampleConn_HandOver() {
	old, err := engine.New()
	check(err)
	heir, err := engine.New()
	check(err)
	lines, err := engine.Packets(packet.Line, packet.Options{PacketSize: 1000}, mover{heir})
	check(err)
	a, b := socketPair()
	defer b.Close()
	_, err = old.Adopt(a, lines)
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- old.Run(ctx) }()
	go func() { ended <- heir.Run(ctx) }()

	answer := make([]byte, 6)
	_, err = b.Send([]byte("whole\nhalf"), 0, esock.Forever)
	check(err)
	_, err = b.RecvFull(answer, 0, esock.Forever)
	check(err)
	fmt.Printf("%s", answer)
	check(old.Shutdown(context.Background()))
	fmt.Println(<-ended)
	_, err = b.Send([]byte(" gone\n"), 0, esock.Forever)
	check(err)
	answer = make([]byte, 10)
	_, err = b.RecvFull(answer, 0, esock.Forever)
	check(err)
	fmt.Printf("%s", answer)
	stop()
	<-ended
	// Output:
	// whole
	// engine: the loop is closed
	// half gone
}

// mover echoes lines, and gives its connections to another loop when its own is shut down.
type mover struct{ heir *engine.Loop }

func (mover) Opened(*engine.Conn)                    {}
func (mover) Packet(c *engine.Conn, p packet.Packet) { c.Write(p.Data()) }
func (mover) Writable(*engine.Conn)                  {}
func (mover) Closed(*engine.Conn, error)             {}
func (m mover) Stopping(c *engine.Conn) {
	c.HandOver(func(s *esock.Socket, unread []byte) {
		lines, err := engine.Packets(packet.Line, packet.Options{PacketSize: 1000}, m)
		if err == nil {
			_, err = m.heir.AdoptUnread(s, lines, unread)
		}
		if err != nil {
			s.Close()
		}
	})
}

type echoer struct{ greeter }

func (echoer) Opened(*engine.Conn)               {}
func (echoer) Received(c *engine.Conn, b []byte) { c.Write(b) }

func socketPair() (a, b *esock.Socket) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	check(err)
	a, err = esock.Adopt(fds[0], esock.TakeFD())
	check(err)
	b, err = esock.Adopt(fds[1], esock.TakeFD())
	check(err)
	return a, b
}
