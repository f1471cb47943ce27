package datagram_test

import (
	"fmt"
	"log"
	"net/netip"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/datagram"
)

// Datagrams of one length to one peer go through the kernel as one, and are received one by one.
func Example() {
	server, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	if err := server.Bind(esock.Loopback); err != nil {
		log.Fatal(err)
	}
	name, err := server.SockName()
	if err != nil {
		log.Fatal(err)
	}
	in, err := datagram.NewBatch(server, 16, 65535, datagram.GRO(), datagram.Details(datagram.DetailTOS))
	if err != nil {
		log.Fatal(err)
	}
	defer in.Close()

	client, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	out, err := datagram.NewBatch(client, 64, 1200)
	if err != nil {
		log.Fatal(err)
	}
	defer out.Close()
	if err := out.SetControl(esock.TOS(2)); err != nil { // ECT(0)
		log.Fatal(err)
	}
	for _, text := range []string{"one", "two", "six", "4"} {
		if err := out.Append([]byte(text), netip.AddrPortFrom(name.IP(), uint16(name.Port()))); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := out.Send(0, esock.Forever); err != nil {
		log.Fatal(err)
	}
	for left := 4; left > 0; {
		n, err := in.Recv(0, esock.Forever)
		if err != nil {
			log.Fatal(err)
		}
		for d := range in.All() {
			ecn, _ := d.ECN()
			fmt.Printf("%s with ECN %d\n", d.Data(), ecn)
		}
		left -= n
	}
	// Output:
	// one with ECN 2
	// two with ECN 2
	// six with ECN 2
	// 4 with ECN 2
}
