// Package datagram moves many datagrams in one call: with recvmmsg(2), sendmmsg(2), and the trains of UDP, in which the kernel
// carries several datagrams of one peer through its layers as one (UDP_SEGMENT and UDP_GRO, udp(7)).
//
//	in, err := datagram.NewBatch(s, 64, 65535, datagram.GRO())
//	n, err := in.Recv(0, esock.Forever)
//	for d := range in.All() {
//		fmt.Println(d.From(), len(d.Data()))
//	}
//
//	out, err := datagram.NewBatch(s, 64, 1200)
//	err = out.Append(data, peer)
//	n, err = out.Send(0, esock.Forever)
//
// A Batch owns the memory of its datagrams. It says exactly how many have gone, and names what was cut. It makes trains of what
// is appended where it can, and sends datagrams one by one where the kernel refuses trains. The option GRO
// makes a socket receive trains. docs/datagrams.md goes through it all.
package datagram
