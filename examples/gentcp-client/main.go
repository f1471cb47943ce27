// Command gentcp-client is the simple client of gen_tcp's manual: it sends each of its arguments as one packet, and prints
// the answer.
//
//	go run ./examples/gentcp-client PORT MESSAGE...
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: gentcp-client PORT MESSAGE...")
		os.Exit(2)
	}
	port, err := strconv.Atoi(os.Args[1])
	if err == nil {
		err = client(port, os.Args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func client(port int, messages []string) error {
	const patience = 5 * time.Second
	s, err := gentcp.Connect(nil, "localhost", port, esock.Within(patience), gentcp.PacketType(packet.Len2))
	if err != nil {
		return err
	}
	defer s.Close()
	for _, message := range messages {
		if err := s.Send([]byte(message)); err != nil {
			return err
		}
		answer, err := s.Recv(0, esock.Within(patience))
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", answer.Data())
	}
	return nil
}
