// Command gentcp-workers is the server of gen_tcp's manual: workers that all accept from one listener, and answer one packet
// at a time with {active, once}. It prints its port, and ends at the first interrupt.
//
//	go run ./examples/gentcp-workers -port 5678 &
//	go run ./examples/gentcp-client 5678 hello
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

func main() {
	num := flag.Int("workers", 3, "how many workers accept")
	port := flag.Int("port", 0, "the port to listen on; 0: the system chooses")
	flag.Parse()
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	self := esock.NewMailbox() // it owns the listener: closing it ends the workers
	var workers sync.WaitGroup
	bound, err := start(self, &workers, *num, *port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bound)
	<-interrupted.Done()
	self.Close()
	workers.Wait()
}

// start listens, starts the workers and returns the port.
func start(self *esock.Mailbox, workers *sync.WaitGroup, num, port int) (int, error) {
	listener, err := gentcp.Listen(self, port, gentcp.IPLoopback(), gentcp.Active(false), gentcp.PacketType(packet.Len2))
	if err != nil {
		return 0, err
	}
	for range num {
		workers.Go(func() { server(listener) })
	}
	return listener.Port()
}

// server accepts one connection after the other.
func server(listener *gentcp.Socket) {
	self := esock.NewMailbox()
	defer self.Close() // and with it the connection
	if _, err := listener.Monitor(self); err != nil {
		return
	}
	for {
		s, err := listener.Accept(self, esock.Forever)
		if err != nil {
			fmt.Printf("accept returned %s - goodbye!\n", gentcp.Reason(err))
			return
		}
		loop(self, s)
	}
}

// loop answers until the client closes, or the listener does.
func loop(self *esock.Mailbox, s *gentcp.Socket) {
	defer s.Close()
	for s.SetOpts(gentcp.ActiveOnce()) == nil {
		msg, err := self.Receive(context.Background())
		if err != nil {
			return
		}
		switch msg := msg.(type) {
		case gentcp.TCPMsg:
			s.Send(bytes.ToUpper(msg.Data()))
		case gentcp.ErrorMsg:
			s.Close() // no packet, or too large: it would come again
			return
		case gentcp.ClosedMsg:
			fmt.Println("socket closed")
			return
		case esock.DownMsg:
			return
		}
	}
}
