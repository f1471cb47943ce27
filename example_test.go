package esock_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// An echo server and its client, as in the manual of OTP's socket module.
func Example() {
	server, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	if err = server.Bind(esock.Loopback); err != nil {
		log.Fatal(err)
	}
	if err = server.Listen(128); err != nil {
		log.Fatal(err)
	}
	addr, _ := server.SockName()

	go func() {
		c, err := server.Accept(esock.Forever)
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 512)
		for {
			n, err := c.Recv(buf, 0, esock.Forever)
			if err != nil {
				return // io.EOF: the client has sent everything
			}
			if _, err = c.Send(buf[:n], 0, esock.Within(time.Minute)); err != nil {
				return
			}
		}
	}()

	client, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err = client.Connect(addr, esock.Within(time.Minute)); err != nil {
		log.Fatal(err)
	}
	client.Send([]byte("hello"), 0, esock.Forever)
	client.Shutdown(esock.ShutWrite)
	reply := make([]byte, 5)
	if _, err = client.RecvFull(reply, 0, esock.Forever); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", reply)
	fmt.Println(client.Counters().ReadByte, "bytes received")
	// Output:
	// hello
	// 5 bytes received
}

// Datagrams with control messages: the time to live, and the interface and address of arrival.
func ExampleSocket_RecvMsg() {
	receiver, _ := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	defer receiver.Close()
	receiver.Bind(esock.Loopback)
	sockopt.IPRecvTTL.Set(receiver, true)
	sockopt.IPPktInfo.Set(receiver, true)
	to, _ := receiver.SockName()

	sender, _ := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	defer sender.Close()
	out := esock.Msg{Iov: [][]byte{[]byte("ping")}, Addr: to}
	if err := out.SetControl(esock.TTL(7)); err != nil {
		log.Fatal(err)
	}
	if _, err := sender.SendMsg(&out, 0, esock.Forever); err != nil {
		log.Fatal(err)
	}

	var in esock.Msg // reused, so nothing is allocated
	if err := receiver.RecvMsg(&in, 0, esock.Within(time.Minute)); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", in.Data())
	for c := range in.Control() {
		if ttl, ok := c.TTL(); ok {
			fmt.Println("ttl", ttl)
		}
		if p, ok := c.PktInfo4(); ok {
			fmt.Println("sent to", p.Addr)
		}
	}
	// Unordered output:
	// ping
	// ttl 7
	// sent to 127.0.0.1
}

// An asynchronous receive: a message says when to repeat it. Another is cancelled.
func ExampleNoWait() {
	server, client := connected()
	defer server.Close()
	defer client.Close()

	mb := esock.NewMailbox()
	defer mb.Close()
	buf := make([]byte, 16)
	_, err := client.Recv(buf, 0, esock.NoWait(mb))
	var sel *esock.Select
	if errors.As(err, &sel) {
		fmt.Println("selected:", sel.Op())
	}

	server.Send([]byte("now"), 0, esock.Forever)
	msg, _ := mb.Receive(context.Background())
	switch msg := msg.(type) {
	case esock.SelectMsg:
		n, _ := msg.Socket().Recv(buf, 0, esock.NoWait(mb))
		fmt.Printf("received: %s\n", buf[:n])
	case esock.AbortMsg:
		fmt.Println("aborted:", msg.Reason)
	}

	_, err = client.Recv(buf, 0, esock.NoWait(mb))
	if errors.As(err, &sel) {
		fmt.Println("cancelled:", client.Cancel(sel) == nil)
	}
	server.Send([]byte("late"), 0, esock.Forever)
	_, seen := mb.Poll()
	fmt.Println("message after the cancel:", seen)
	// Output:
	// selected: recv
	// received: now
	// cancelled: true
	// message after the cancel: false
}

// An asynchronous receive that the library carries out: a message brings the result.
func ExampleComplete() {
	server, client := connected()
	defer server.Close()
	defer client.Close()

	mb := esock.NewMailbox()
	defer mb.Close()
	buf := make([]byte, 16)
	_, err := client.Recv(buf, 0, esock.Complete(mb))
	var call *esock.Completion
	if errors.As(err, &call) {
		fmt.Println("goes on:", call.Op())
	}

	server.Send([]byte("now"), 0, esock.Forever)
	msg, _ := mb.Receive(context.Background())
	switch msg := msg.(type) {
	case esock.CompletionMsg:
		n, err := msg.Result()
		fmt.Printf("received: %s %v\n", buf[:n], err)
	case esock.AbortMsg:
		fmt.Println("aborted:", msg.Reason)
	}
	// Output:
	// goes on: recv
	// received: now <nil>
}

// One goroutine and one mailbox serve a listener and its connections. A call that need not wait returns its result, and
// no message follows; both ways lead to the same place.
func ExampleCompleteWith() {
	l, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	l.Bind(esock.Loopback)
	l.Listen(128)
	addr, _ := l.SockName()

	mb := esock.NewMailbox() // owns what is accepted
	type conn struct {
		recv, send *esock.Handle
		buf        []byte
	}
	waits := func(err error) bool {
		_, ok := err.(*esock.Completion)
		return ok
	}
	// serve goes on after a receive or a send, until a call has to wait.
	serve := func(s *esock.Socket, op esock.Op, n int, err error) {
		c := s.Meta().(*conn)
		for err == nil {
			if op == esock.OpRecv {
				op = esock.OpSend
				n, err = s.Send(c.buf[:n], 0, esock.CompleteWith(c.send))
			} else {
				op = esock.OpRecv
				n, err = s.Recv(c.buf, 0, esock.CompleteWith(c.recv))
			}
		}
		if !waits(err) {
			s.Close()
		}
	}
	begin := func(s *esock.Socket) {
		s.SetMeta(&conn{mb.NewHandle(), mb.NewHandle(), make([]byte, 4096)})
		serve(s, esock.OpSend, 0, nil)
	}
	accept := func() {
		s, err := l.Accept(esock.Complete(mb))
		for ; err == nil; s, err = l.Accept(esock.Complete(mb)) {
			begin(s)
		}
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		accept()
		for {
			msg, err := mb.Receive(context.Background())
			if err != nil {
				return // the mailbox is closed
			}
			m, ok := msg.(esock.CompletionMsg)
			if !ok {
				continue // an AbortMsg: the program has closed the socket
			}
			n, err := m.Result()
			if m.Op() != esock.OpAccept {
				serve(m.Socket(), m.Op(), n, err)
			} else if err == nil {
				begin(m.Accepted())
				accept()
			}
		}
	}()

	for _, text := range []string{"one", "two"} {
		c, err := net.Dial("tcp", addr.AddrPort().String())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprint(c, text)
		b := make([]byte, len(text))
		io.ReadFull(c, b)
		fmt.Printf("%s\n", b)
		c.Close()
	}
	mb.Close()
	<-served
	// Output:
	// one
	// two
}

// A file is sent without passing through the program.
func ExampleSocket_SendFile() {
	name := filepath.Join(os.TempDir(), "esock-example")
	os.WriteFile(name, []byte("from a file"), 0o600)
	defer os.Remove(name)
	f, err := os.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	server, client := connected()
	defer client.Close()
	n, err := server.SendFile(f, 5, esock.ToEnd, esock.Within(time.Minute)) // from byte 5 to the end
	if err != nil {
		log.Fatal(err)
	}
	server.Close()
	buf := make([]byte, 32)
	m, err := client.RecvFull(buf, 0, esock.Forever)
	fmt.Println(n, err == io.EOF, string(buf[:m]))
	// Output: 6 true a file
}

// Any option by number, also one without a name in the library.
func ExampleSocket_SetOptionNative() {
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	const ipprotoTCP, tcpQuickAck = 6, 12
	if err = s.SetOptionNative(ipprotoTCP, tcpQuickAck, 0); err != nil {
		log.Fatal(err)
	}
	v, err := s.GetOptionNativeInt(ipprotoTCP, tcpQuickAck)
	fmt.Println(v, err)
	// Output: 0 <nil>
}

// An open file is passed to the other end of a unix socket.
func ExampleRights() {
	addr := esock.UnixAddr("") // Linux chooses an abstract name
	l, _ := esock.Open(esock.Local, esock.Dgram, esock.Default)
	defer l.Close()
	l.Bind(addr)
	addr, _ = l.SockName()

	r, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	giver, _ := esock.Open(esock.Local, esock.Dgram, esock.Default)
	defer giver.Close()
	c, err := esock.RightsOf(w)
	if err != nil {
		log.Fatal(err)
	}
	m := esock.Msg{Iov: [][]byte{[]byte("a pipe")}, Addr: addr}
	m.SetControl(c)
	if _, err = giver.SendMsg(&m, 0, esock.Forever); err != nil {
		log.Fatal(err)
	}
	w.Close()

	var in esock.Msg
	if err = l.RecvMsg(&in, 0, esock.Within(time.Minute)); err != nil {
		log.Fatal(err)
	}
	files := in.TakeFiles() // the next receive closes what is not taken
	fmt.Fprint(files[0], "through the passed descriptor")
	files[0].Close()
	text, _ := io.ReadAll(r)
	fmt.Printf("%s: %s\n", in.Data(), text)
	// Output: a pipe: through the passed descriptor
}

// connected returns the two ends of a TCP connection.
func connected() (server, client *esock.Socket) {
	l, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	if err = l.Bind(esock.Inet4Addr(netip.MustParseAddr("127.0.0.1"), 0)); err != nil {
		log.Fatal(err)
	}
	if err = l.Listen(1); err != nil {
		log.Fatal(err)
	}
	addr, _ := l.SockName()
	client, err = esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err != nil {
		log.Fatal(err)
	}
	if err = client.Connect(addr, esock.Forever); err != nil {
		log.Fatal(err)
	}
	if server, err = l.Accept(esock.Forever); err != nil {
		log.Fatal(err)
	}
	return server, client
}
