package hackney_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/hackney"
	"github.com/esock-go/esock/packet"
)

// hello answers every request.
var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })

// A request over plain TCP; the head of the answer comes as HTTP packets.
func Example() {
	server := httptest.NewServer(hello)
	defer server.Close()
	port := server.Listener.Addr().(*net.TCPAddr).Port

	s, err := hackney.ConnectWait(nil, hackney.TCP, "127.0.0.1", port, esock.Within(time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	s.Send([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	s.SetOpts(gentcp.PacketType(packet.HTTPBin))
	for {
		p, err := s.Recv(0)
		if err != nil {
			log.Fatal(err)
		}
		if r, ok := p.HTTPResponse(); ok {
			fmt.Println(r.Status)
		}
		if p.Kind() == packet.KindHTTPEOH {
			break
		}
	}
	s.SetOpts(gentcp.PacketType(packet.Raw))
	body, err := s.Recv(5)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", body.Data())
	// Output:
	// 200
	// hello
}

// The same over TLS, with the answer as messages to the mailbox that owns the socket.
func ExampleTLS() {
	server := httptest.NewTLSServer(hello) // with a self-signed certificate
	defer server.Close()
	port := server.Listener.Addr().(*net.TCPAddr).Port
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	overTLS := hackney.TLS(&tls.Config{RootCAs: roots})

	mb := esock.NewMailbox()
	defer mb.Close() // and with it the socket
	s, err := hackney.Connect(mb, overTLS, "127.0.0.1", port)
	if err != nil {
		log.Fatal(err)
	}
	s.Send([]byte("GET / HTTP/1.0\r\n\r\n"))
	s.SetOpts(gentcp.Active(true))
	var answer []byte
	for tags := s.Messages(); ; {
		msg, err := mb.ReceiveMatch(context.Background(), s.About)
		if err != nil {
			log.Fatal(err)
		}
		e, _ := s.Event(msg)
		switch e.Tag {
		case tags.Data:
			answer = append(answer, e.Packet.Data()...)
			continue
		case tags.Error:
			log.Fatal(e.Reason)
		}
		break // tags.Closed
	}
	_, body, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	fmt.Printf("%s\n", body)
	// Output: hello
}

// A pool asks whether anything came while the socket was idle.
func ExampleSocket_Leftover() {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	defer l.Close()
	mb := esock.NewMailbox()
	defer mb.Close()
	s, err := hackney.Connect(mb, hackney.TCP, "127.0.0.1", l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		log.Fatal(err)
	}
	peer, _ := l.Accept()
	pool := map[hackney.Socket]*esock.Mailbox{}

	s.SetOpts(gentcp.ActiveOnce()) // so that its end, or stray data, is noticed
	mb.Poll()                      // nothing yet
	pool[s] = mb
	peer.Close()
	for mb.Len() == 0 { // it is idle
		<-mb.Wake()
	}

	for s, mb := range pool {
		if left, err := s.Leftover(mb); left || err != nil {
			s.Close()
			delete(pool, s)
		}
	}
	fmt.Println(len(pool), "to use again")
	// Output: 0 to use again
}

// A file in chunks, with a look at each.
func ExampleSocket_SendFile() {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	defer l.Close()
	s, err := hackney.Connect(nil, hackney.TCP, "127.0.0.1", l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(os.TempDir(), fmt.Sprint("example", os.Getpid()))
	os.WriteFile(path, []byte("0123456789"), 0o600)
	defer os.Remove(path)

	n, err := s.SendFileName(nil, path) // sendfile(2)
	fmt.Println(n, err)

	f, _ := os.Open(path)
	defer f.Close()
	progress := func(s hackney.Socket, data []byte) error {
		fmt.Printf("%q\n", data)
		return s.Send(data)
	}
	n, err = s.SendFile(nil, f, 2, 0, hackney.ChunkSize(5), hackney.SendFun(progress))
	fmt.Println(n, err)
	// Output:
	// 10 <nil>
	// "23456"
	// "789"
	// 8 <nil>
}
