package sockdiag_test

import (
	"fmt"
	"log"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockdiag"
)

// The listeners of this host over TCP and IPv4.
func Example() {
	c, err := sockdiag.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	r := sockdiag.InetRequest{Domain: esock.Inet, Protocol: esock.TCP, States: sockdiag.StatesOf(sockdiag.Listening)}
	for s, err := range c.Inet(r) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(s.Local, s.RecvQ, "of", s.SendQ)
	}
}
