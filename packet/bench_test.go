package packet_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/esock-go/esock/packet"
)

// Each benchmark decodes the same bytes over and over; MB/s is of the bytes with their headers.

const repeat = 1024

var requestHead = "GET /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg HTTP/1.1\r\n" +
	"Host: www.kittyhell.com\r\n" +
	"User-Agent: Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10.6; ja-JP-mac; rv:1.9.2.3) " +
	"Gecko/20100401 Firefox/3.6.3\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: ja,en-us;q=0.7,en;q=0.3\r\n" +
	"Accept-Encoding: gzip,deflate\r\n" +
	"Accept-Charset: Shift_JIS,utf-8;q=0.7,*;q=0.7\r\n" +
	"Keep-Alive: 115\r\n" +
	"Connection: keep-alive\r\n" +
	"Cookie: wp_ozh_wsa_visits=2; wp_ozh_wsa_visit_lasttime=xxxxxxxxxx\r\n\r\n"

func frames() []byte {
	one, err := packet.Append(nil, packet.Len4, bytes.Repeat([]byte("x"), 64))
	if err != nil {
		panic(err)
	}
	return bytes.Repeat(one, repeat)
}

func lines() []byte { return bytes.Repeat([]byte(strings.Repeat("x", 63)+"\n"), repeat) }

var sink int

func benchDecode(b *testing.B, t packet.Type, input []byte) {
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		for rest := input; len(rest) > 0; {
			p, n, err := packet.Decode(t, rest, packet.Options{PacketSize: 1 << 20})
			if err != nil {
				b.Fatal(err)
			}
			sink += len(p.Data())
			rest = rest[n:]
		}
	}
}

func benchNext(b *testing.B, t packet.Type, input []byte) {
	b.SetBytes(int64(len(input)))
	parser, err := packet.NewParser(t, packet.Options{PacketSize: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for rest := input; len(rest) > 0; {
			p, n, err := parser.Next(rest)
			if err != nil {
				b.Fatal(err)
			}
			sink += len(p.Data())
			rest = rest[n:]
		}
	}
}

func benchDecoder(b *testing.B, t packet.Type, input []byte) {
	b.SetBytes(int64(len(input)))
	r := bytes.NewReader(nil)
	d, err := packet.NewDecoder(r, t, packet.Options{PacketSize: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r.Reset(input)
		for {
			p, err := d.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			sink += len(p.Data())
		}
	}
}

func benchScanner(b *testing.B, input []byte, split bufio.SplitFunc) {
	b.SetBytes(int64(len(input)))
	r := bytes.NewReader(nil)
	buf := make([]byte, 64<<10)
	for b.Loop() {
		r.Reset(input)
		s := bufio.NewScanner(r)
		s.Buffer(buf, 1<<20)
		s.Split(split)
		for s.Scan() {
			sink += len(s.Bytes())
		}
	}
}

func BenchmarkLen4(b *testing.B) {
	input := frames()
	b.Run("Decode", func(b *testing.B) { benchDecode(b, packet.Len4, input) })
	b.Run("Parser", func(b *testing.B) { benchNext(b, packet.Len4, input) })
	b.Run("Decoder", func(b *testing.B) { benchDecoder(b, packet.Len4, input) })
	b.Run("Scanner", func(b *testing.B) {
		benchScanner(b, input, func(data []byte, atEOF bool) (int, []byte, error) {
			if len(data) < 4 {
				return 0, nil, nil
			}
			n := 4 + int(binary.BigEndian.Uint32(data))
			if n > len(data) {
				return 0, nil, nil
			}
			return n, data[4:n], nil
		})
	})
}

func BenchmarkLine(b *testing.B) {
	input := lines()
	b.Run("Decode", func(b *testing.B) { benchDecode(b, packet.Line, input) })
	b.Run("Parser", func(b *testing.B) { benchNext(b, packet.Line, input) })
	b.Run("Decoder", func(b *testing.B) { benchDecoder(b, packet.Line, input) })
	b.Run("Scanner", func(b *testing.B) { benchScanner(b, input, bufio.ScanLines) })
}

// BenchmarkRequestHead takes the parts of every line, as the peer does.
func BenchmarkRequestHead(b *testing.B) {
	input := bytes.Repeat([]byte(requestHead), repeat/16)
	take := func(p packet.Packet) {
		switch p.Kind() {
		case packet.KindHTTPRequest:
			r, _ := p.HTTPRequest()
			sink += len(r.URI.Path)
		case packet.KindHTTPHeader:
			h, _ := p.HTTPHeader()
			sink += h.Index + len(h.Value)
		}
	}
	b.Run("Parser", func(b *testing.B) {
		b.SetBytes(int64(len(input)))
		b.ReportAllocs()
		parser, _ := packet.NewParser(packet.HTTP, packet.Options{PacketSize: 1 << 20})
		for b.Loop() {
			for rest := input; len(rest) > 0; {
				p, n, err := parser.Next(rest)
				if err != nil {
					b.Fatal(err)
				}
				take(p)
				rest = rest[n:]
			}
		}
	})
	b.Run("Decoder", func(b *testing.B) {
		b.SetBytes(int64(len(input)))
		b.ReportAllocs()
		r := bytes.NewReader(nil)
		d, _ := packet.NewDecoder(r, packet.HTTP, packet.Options{PacketSize: 1 << 20})
		for b.Loop() {
			r.Reset(input)
			for p, err := range d.All() {
				if err != nil {
					b.Fatal(err)
				}
				take(p)
			}
		}
	})
	b.Run("NetHTTP", func(b *testing.B) {
		b.SetBytes(int64(len(input)))
		b.ReportAllocs()
		r := bytes.NewReader(nil)
		br := bufio.NewReaderSize(r, 64<<10)
		for b.Loop() {
			r.Reset(input)
			br.Reset(r)
			for {
				req, err := http.ReadRequest(br)
				if err == io.EOF {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				sink += len(req.Header)
			}
		}
	})
}
