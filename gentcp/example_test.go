package gentcp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"sync"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// The simple client and server of gen_tcp's manual: the server collects what comes until the client closes.
func Example() {
	listener, err := gentcp.Listen(nil, 0, gentcp.Binary(), gentcp.PacketType(packet.Len0))
	orPanic(err)
	defer listener.Close()
	port, err := listener.Port()
	orPanic(err)

	received := make(chan []byte)
	go func() { // server() ->
		s, err := listener.Accept(nil, esock.Forever)
		orPanic(err)
		defer s.Close()
		var all []byte
		for {
			p, err := s.Recv(0, esock.Forever)
			if errors.Is(err, gentcp.ErrClosed) {
				received <- all
				return
			}
			orPanic(err)
			all = append(all, p.Data()...)
		}
	}()

	// client() ->
	s, err := gentcp.Connect(nil, "127.0.0.1", port, esock.Within(time.Minute),
		gentcp.Binary(), gentcp.PacketType(packet.Len0))
	orPanic(err)
	orPanic(s.Send([]byte("Some Data")))
	s.Close()

	fmt.Printf("%s\n", <-received)
	// Output: Some Data
}

// The server of gen_tcp's manual: workers that all accept from one listener, and take one packet at a time with
// {active, once}.
func Example_workers() {
	self := esock.NewMailbox() // the process that calls start: it owns the listener
	var workers sync.WaitGroup
	port, err := startWorkers(self, &workers, 3, 0)
	orPanic(err)

	fmt.Println(askWorkers(port, "hello"))
	fmt.Println(askWorkers(port, "again"))

	self.Close() // its death closes the listener
	workers.Wait()
	// Unordered output:
	// HELLO
	// AGAIN
	// socket closed
	// socket closed
	// accept returned closed - goodbye!
	// accept returned closed - goodbye!
	// accept returned closed - goodbye!
}

// start(Num, LPort) ->
func startWorkers(self *esock.Mailbox, workers *sync.WaitGroup, num, port int) (int, error) {
	listener, err := gentcp.Listen(self, port, gentcp.Active(false), gentcp.PacketType(packet.Len2))
	if err != nil {
		return 0, err
	}
	for range num {
		workers.Go(func() { worker(listener) })
	}
	return listener.Port()
}

// server(LS) ->
func worker(listener *gentcp.Socket) {
	self := esock.NewMailbox()
	defer self.Close()
	for {
		s, err := listener.Accept(self, esock.Forever)
		if err != nil {
			fmt.Printf("accept returned %s - goodbye!\n", gentcp.Reason(err))
			return
		}
		answerAll(self, s)
	}
}

// loop(S) ->
func answerAll(self *esock.Mailbox, s *gentcp.Socket) {
	for {
		s.SetOpts(gentcp.ActiveOnce())
		msg, err := self.ReceiveMatch(context.Background(), s.About)
		orPanic(err)
		switch msg := msg.(type) {
		case gentcp.TCPMsg:
			s.Send(answerTo(msg.Data()))
		case gentcp.ErrorMsg:
			s.Close() // no packet, or too large: it would come again
			return
		case gentcp.ClosedMsg:
			fmt.Println("socket closed")
			return
		}
	}
}

func answerTo(data []byte) []byte { return bytes.ToUpper(data) }

// client(PortNo, Message) ->
func askWorkers(port int, message string) string {
	s, err := gentcp.Connect(nil, "127.0.0.1", port, esock.Forever, gentcp.PacketType(packet.Len2))
	orPanic(err)
	defer s.Close()
	orPanic(s.Send([]byte(message)))
	answer, err := s.Recv(0, esock.Forever)
	orPanic(err)
	return string(answer.Data())
}

// The loop of gen_tcp's manual that forwards data to a server, and gives up on a server that does not read.
func ExampleSendTimeout() {
	s, peer := quietPair(gentcp.PacketType(packet.Len2), gentcp.SendTimeout(50*time.Millisecond))
	defer peer.Close()

	type request struct { // {Client, send_data, Binary}
		data   []byte
		answer chan<- error
	}
	requests := make(chan request)
	var forwarder sync.WaitGroup
	forwarder.Go(func() { // loop(Sock) ->
		defer s.Close()
		for r := range requests {
			err := s.Send(r.data)
			r.answer <- err
			switch {
			case errors.Is(err, esock.ErrTimeout):
				fmt.Println("Send timeout, closing!")
				return
			case err != nil:
				fmt.Printf("Some other error on socket (%s), closing\n", gentcp.Reason(err))
				return
			}
		}
	})

	answer := make(chan error, 1)
	var err error
	for err == nil {
		requests <- request{make([]byte, 60000), answer}
		err = <-answer
	}
	forwarder.Wait()
	fmt.Println("error_sending:", gentcp.Reason(err))
	// Output:
	// Send timeout, closing!
	// error_sending: timeout
}

// After a timeout the peer has the beginning of a packet. To go on, send the rest raw.
func ExampleSendTimeoutError() {
	s, peer := quietPair(gentcp.PacketType(packet.Len4), gentcp.SendTimeout(50*time.Millisecond))
	defer s.Close()
	defer peer.Close()

	err := s.Send(make([]byte, 1<<20))
	var timeout *gentcp.SendTimeoutError
	fmt.Println(errors.As(err, &timeout), len(timeout.Rest) > 0)

	// Now the peer reads.
	sizes := make(chan int)
	go func() {
		defer close(sizes)
		for range 2 {
			p, err := peer.Recv(0, esock.Forever)
			orPanic(err)
			sizes <- len(p.Data())
		}
	}()

	orPanic(s.SetOpts(gentcp.PacketType(packet.Raw)))
	for errors.As(err, &timeout) {
		err = s.Send(timeout.Rest)
	}
	orPanic(err)
	orPanic(s.SetOpts(gentcp.PacketType(packet.Len4)))
	fmt.Println(<-sizes)
	orPanic(s.Send([]byte("next")))
	fmt.Println(<-sizes)
	<-sizes
	// Output:
	// true true
	// 1048576
	// 4
}

// With send_timeout_close a timeout is the end of the socket.
func ExampleSendTimeoutClose() {
	s, peer := quietPair(gentcp.SendTimeout(50*time.Millisecond), gentcp.SendTimeoutClose(true))
	defer peer.Close()

	fmt.Println(s.Send(make([]byte, 1<<20)) == esock.ErrTimeout, s.Open())
	fmt.Println(gentcp.Reason(s.Send([]byte("more"))))
	// Output:
	// true false
	// closed
}

// An HTTP request: the head comes as packets of type http, the body as raw bytes.
func ExamplePacketType() {
	s, peer := quietPair()
	defer s.Close()
	defer peer.Close()
	orPanic(s.Send([]byte("POST /a?b HTTP/1.1\r\nhost: example.org\r\nContent-length: 5\r\n\r\nhello")))

	orPanic(peer.SetOpts(gentcp.PacketType(packet.HTTPBin)))
	var length int
	for {
		p, err := peer.Recv(0, esock.Forever)
		orPanic(err)
		if r, ok := p.HTTPRequest(); ok {
			fmt.Printf("%s %s, version %d.%d\n", r.Method, r.URI.Path, r.Version.Major, r.Version.Minor)
		}
		if h, ok := p.HTTPHeader(); ok {
			fmt.Printf("%s: %s\n", h.Field(), h.Value)
			if h.Field() == "Content-Length" {
				length, err = strconv.Atoi(string(h.Value))
				orPanic(err)
			}
		}
		if p.Kind() == packet.KindHTTPEOH {
			break
		}
	}
	orPanic(peer.SetOpts(gentcp.PacketType(packet.Raw)))
	body, err := peer.Recv(length, esock.Forever)
	orPanic(err)
	fmt.Printf("%s\n", body.Data())
	// Output:
	// POST /a?b, version 1.1
	// Host: example.org
	// Content-Length: 5
	// hello
}

// One process accepts and hands the socket over. Messages that wait with it already go along.
func ExampleSocket_ControllingProcess() {
	listener, err := gentcp.Listen(nil, 0, gentcp.IPLoopback(), gentcp.PacketType(packet.Line))
	orPanic(err)
	defer listener.Close()
	addr, err := listener.SockName()
	orPanic(err)
	c, err := gentcp.ConnectAddr(nil, addr, esock.Forever)
	orPanic(err)
	defer c.Close()

	acceptor, worker := esock.NewMailbox(), esock.NewMailbox()
	defer acceptor.Close()
	defer worker.Close()
	s, err := listener.Accept(acceptor, esock.Forever)
	orPanic(err)
	orPanic(s.SetOpts(gentcp.Active(true)))
	orPanic(c.Send([]byte("one\n")))
	<-acceptor.Wake() // it has a message

	orPanic(s.ControllingProcess(acceptor, worker))
	orPanic(c.Send([]byte("two\n")))
	for range 2 {
		msg, err := worker.Receive(context.Background())
		orPanic(err)
		fmt.Printf("%s", msg.(gentcp.TCPMsg).Data())
	}
	_, left := acceptor.Poll()
	fmt.Println(left, gentcp.Reason(s.ControllingProcess(acceptor, acceptor)))

	worker.Close() // the owner's death
	fmt.Println(s.Open())
	// Output:
	// one
	// two
	// false not_owner
	// false
}

// A count lets so many packets through, and then says that it is spent.
func ExampleActiveN() {
	s, peer := quietPair(gentcp.PacketType(packet.Line))
	defer s.Close()
	defer peer.Close()
	orPanic(peer.Send([]byte("one\ntwo\nthree\n")))

	self := esock.NewMailbox()
	defer self.Close()
	orPanic(s.ControllingProcess(nil, self)) // it had no owner
	orPanic(s.SetOpts(gentcp.ActiveN(2)))
	for range 3 {
		msg, err := self.Receive(context.Background())
		orPanic(err)
		switch msg := msg.(type) {
		case gentcp.TCPMsg:
			fmt.Printf("tcp %s", msg.Data())
		case gentcp.PassiveMsg:
			fmt.Println("tcp_passive")
		}
	}
	p, err := s.Recv(0, esock.Forever)
	orPanic(err)
	fmt.Printf("%s", p.Data())
	// Output:
	// tcp one
	// tcp two
	// tcp_passive
	// three
}

// Options by OTP's names, as a configuration file has them.
func ExampleOptionsFromMap() {
	opts, err := gentcp.OptionsFromMap(map[string]any{
		"ip": "127.0.0.1", "packet": 4, "send_timeout": 5000, "linger": []any{true, 10}, "binary": nil,
	})
	orPanic(err)
	listener, err := gentcp.Listen(nil, 0, opts...)
	orPanic(err)
	defer listener.Close()
	found, err := listener.GetOpts("packet", "linger", "send_timeout")
	orPanic(err)
	fmt.Println(found)
	_, err = gentcp.Opt("packet", 3)
	fmt.Println(gentcp.Reason(err))
	// Output:
	// [{packet, 4} {linger, {true, 10}} {send_timeout, 5s}]
	// badarg
}

// quietPair is a connection with small buffers, and its other end, which does not read by itself.
func quietPair(opts ...gentcp.Option) (s, peer *gentcp.Socket) {
	small := []gentcp.Option{gentcp.SndBuf(4096), gentcp.RecBuf(4096)}
	listener, err := gentcp.Listen(nil, 0, append(small, opts...)...)
	orPanic(err)
	defer listener.Close()
	port, err := listener.Port()
	orPanic(err)
	s, err = gentcp.Connect(nil, "loopback", port, esock.Forever, append(small, opts...)...)
	orPanic(err)
	peer, err = listener.Accept(nil, esock.Forever)
	orPanic(err)
	return s, peer
}

func orPanic(err error) {
	if err != nil {
		log.Panic(err)
	}
}
