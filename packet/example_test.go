package packet_test

import (
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/esock-go/esock/packet"
)

func ExampleDecode() {
	b := []byte("\x00\x03abc\x00\x05he")
	p, n, err := packet.Decode(packet.Len2, b, packet.Options{})
	fmt.Printf("%s %d %v\n", p.Data(), n, err)
	_, n, err = packet.Decode(packet.Len2, b[n:], packet.Options{})
	fmt.Printf("%d %v\n", n, err)
	// Output:
	// abc 5 <nil>
	// 7 packet: incomplete
}

func ExampleDecoder() {
	r := strings.NewReader("one\ntwo\nthree\n")
	d, err := packet.NewDecoder(r, packet.Line, packet.Options{PacketSize: 1024})
	if err != nil {
		log.Fatal(err)
	}
	for p, err := range d.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q\n", p.Data())
	}
	// Output:
	// "one\n"
	// "two\n"
	// "three\n"
}

// The head of a request, and then its body.
func ExampleDecoder_http() {
	r := strings.NewReader("POST /form?x=1 HTTP/1.1\r\n" +
		"Host: example.org\r\ncontent-length: 5\r\nX-trace-ID: 7\r\n\r\nhello")
	d, err := packet.NewDecoder(r, packet.HTTP, packet.Options{PacketSize: 8192})
	if err != nil {
		log.Fatal(err)
	}
	for p, err := range d.All() {
		if err != nil {
			log.Fatal(err)
		}
		if r, ok := p.HTTPRequest(); ok {
			fmt.Printf("%s %s HTTP/%d.%d\n", r.Method, r.URI.Path, r.Version.Major, r.Version.Minor)
		}
		if h, ok := p.HTTPHeader(); ok {
			fmt.Printf("%s (%d): %s\n", h.Field(), h.Index, h.Value)
		}
		if p.Kind() == packet.KindHTTPEOH {
			break
		}
	}
	body, err := io.ReadAll(d)
	fmt.Printf("%s %v\n", body, err)
	// Output:
	// POST /form?x=1 HTTP/1.1
	// Host (14): example.org
	// Content-Length (38): 5
	// X-Trace-Id (0): 7
	// hello <nil>
}

// A buffer that the caller fills.
func ExampleParser() {
	p, err := packet.NewParser(packet.Line, packet.Options{})
	if err != nil {
		log.Fatal(err)
	}
	var buf []byte
	for _, arrived := range []string{"on", "e\ntw", "o\n"} {
		buf = append(buf, arrived...)
		for {
			pkt, n, err := p.Next(buf)
			if err != nil {
				break // packet.ErrMore
			}
			fmt.Printf("%q\n", pkt.Data())
			buf = buf[n:]
		}
	}
	// Output:
	// "one\n"
	// "two\n"
}

func ExampleAppend() {
	b, err := packet.Append(nil, packet.Len4, []byte("hello, "), []byte("world"))
	fmt.Printf("%q %v\n", b, err)
	_, err = packet.Append(nil, packet.Len1, make([]byte, 256))
	fmt.Println(err)
	// Output:
	// "\x00\x00\x00\fhello, world" <nil>
	// packet: too long for its header
}
