package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/esock-go/esock/packet"
	"github.com/valyala/fasthttp"
)

// Heads of HTTP requests as browsers send them: a start line, 10 headers, the empty line. All parts are looked at: the
// method, the target, and name and value of each header, which esock and Erlang also look up among the headers they know.
var heads = benchmark{
	name:    "heads",
	about:   "heads of HTTP requests of about 550 bytes, from memory",
	turn:    150 * time.Millisecond,
	metrics: throughput(nameNetHTTP, nameFasthttp),
	contenders: []contender{
		{nameEsock, cutting(headBytes, headsEsock)},
		{nameDecoder, cutting(headBytes, headsDecoder)},
		{nameNetHTTP, cutting(headBytes, headsNetHTTP)},
		{nameFasthttp, cutting(headBytes, headsFasthttp)},
		{nameErlang, cuttingErlang(headBytes, packet.HTTPBin)},
	},
	group: "framing",
}

const headHeaders = 10

var headBytes = filled(func(b []byte, r *rand.Rand) []byte {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	word := func(least, most int) []byte { return letters(nil, r, least+r.IntN(most-least)) }
	return fmt.Appendf(b, "%s /%s/%s?q=%s HTTP/1.1\r\n"+
		"Host: www.example.com\r\n"+
		"User-Agent: Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36\r\n"+
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"+
		"Accept-Language: en-GB,en;q=0.%d\r\n"+
		"Accept-Encoding: gzip, deflate, br\r\n"+
		"Connection: keep-alive\r\n"+
		"Referer: https://www.example.com/%s\r\n"+
		"Cookie: session=%s; theme=%s\r\n"+
		"Cache-Control: max-age=0\r\n"+
		"X-Request-Id: %s\r\n\r\n",
		pick("GET", "GET", "GET", "HEAD"), word(4, 12), word(4, 20), word(2, 16),
		pick("X11; Linux x86_64", "Windows NT 10.0; Win64; x64"), 100+r.IntN(40), 1+r.IntN(9),
		word(4, 16), word(24, 33), pick("dark", "light"), word(32, 33))
})

var (
	errNoTarget     = errors.New("no target")
	errEmptyHeader  = errors.New("an empty header")
	errWrongHeaders = errors.New("a head with too few headers or too many")
)

// headCheck looks at the parts of a head, packet by packet, and says whether it is over.
type headCheck struct{ headers int }

func (h *headCheck) look(p packet.Packet) (over bool, err error) {
	switch p.Kind() {
	case packet.KindHTTPRequest:
		r, _ := p.HTTPRequest()
		if len(r.Method.Name) < 3 || len(r.URI.Path) < 8 {
			return false, errNoTarget
		}
		h.headers = 0
		return false, nil
	case packet.KindHTTPHeader:
		f, _ := p.HTTPHeader()
		if len(f.Name) < 4 || len(f.Value) < 8 {
			return false, errEmptyHeader
		}
		h.headers++
		return false, nil
	case packet.KindHTTPEOH:
		if h.headers != headHeaders {
			return true, errWrongHeaders
		}
		return true, nil
	}
	return false, fmt.Errorf("a packet of kind %v", p.Kind())
}

func headsEsock(b []byte) (cutter, error) {
	parser, err := packet.NewParser(packet.HTTPBin, packet.Options{})
	return func() (n int, err error) {
		var h headCheck
		for rest := b; len(rest) > 0; {
			p, used, err := parser.Next(rest)
			if err != nil {
				return n, err
			}
			over, err := h.look(p)
			if err != nil {
				return n, err
			}
			if over {
				n++
			}
			rest = rest[used:]
		}
		return n, nil
	}, err
}

func headsDecoder(b []byte) (cutter, error) {
	in := bytes.NewReader(b)
	d, err := packet.NewDecoder(in, packet.HTTPBin, packet.Options{})
	return func() (n int, err error) {
		var h headCheck
		for in.Reset(b); ; {
			p, err := d.Next()
			if err == io.EOF {
				return n, nil
			}
			if err != nil {
				return n, err
			}
			over, err := h.look(p)
			if err != nil {
				return n, err
			}
			if over {
				n++
			}
		}
	}, err
}

func headsNetHTTP(b []byte) (cutter, error) {
	in := bytes.NewReader(b)
	r := bufio.NewReader(in)
	return func() (n int, err error) {
		in.Reset(b)
		r.Reset(in)
		for ; ; n++ {
			req, err := http.ReadRequest(r)
			if err == io.EOF {
				return n, nil
			}
			if err != nil {
				return n, err
			}
			if len(req.URL.Path) < 8 {
				return n, errNoTarget
			}
			if len(req.Header) != headHeaders-1 { // Host is elsewhere
				return n, errWrongHeaders
			}
		}
	}, nil
}

func headsFasthttp(b []byte) (cutter, error) {
	in := bytes.NewReader(b)
	r := bufio.NewReader(in)
	var h fasthttp.RequestHeader
	return func() (n int, err error) {
		in.Reset(b)
		r.Reset(in)
		for ; ; n++ {
			err := h.Read(r)
			if err == io.EOF {
				return n, nil
			}
			if err != nil {
				return n, err
			}
			if len(h.RequestURI()) < 8 {
				return n, errNoTarget
			}
			// Not h.Len: it sorts the headers and the cookies into lists again.
			if len(h.UserAgent()) < 8 || len(h.Peek("X-Request-Id")) != 32 {
				return n, errWrongHeaders
			}
		}
	}, nil
}
