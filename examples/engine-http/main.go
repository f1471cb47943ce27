// Engine-http answers GET /plaintext and GET /json, as the usual benchmarks of HTTP servers ask for it: "Hello,
// World!", and the same as a JSON object. Requests may be pipelined. Package packet finds the lines of their heads.
//
//	engine-http [-listen ADDRESS] [-shards N] [-idle DURATION] [-grace DURATION]
//
// It prints its address. An interrupt ends it: it accepts no more, and ends each connection with its next response.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/packet"
)

// The limits of a request's head.
const (
	maxLine  = 8 << 10
	maxLines = 100
)

// server is the handler. All loops share it.
type server struct {
	idle  time.Duration
	lines packet.Parser
	date  atomic.Pointer[string] // the value of the field Date
}

// client is what a connection has between two calls of Received.
type client struct {
	lines packet.Parser
	kept  []byte // the beginning of a line
	body  int64  // how many bytes of the last request's body are still to come
	last  bool   // the connection ends with the next response
	request
}

func (s *server) Opened(c *engine.Conn) {
	c.SetIdleTimeout(s.idle)
	c.SetWriteTimeout(s.idle)
	c.Data = &client{lines: s.lines}
}

// Received answers the requests whose heads are complete, with one Write. That never finds the connection full: a
// client that does not read is not read from either.
func (s *server) Received(c *engine.Conn, b []byte) {
	cl := c.Data.(*client)
	if len(cl.kept) > 0 {
		cl.kept = append(cl.kept, b...)
		b = cl.kept
	}
	var room [4096]byte
	out := room[:0]
	for closing := false; !closing; {
		skip := min(cl.body, int64(len(b)))
		cl.body -= skip
		b = b[skip:]
		p, n, err := cl.lines.Next(b)
		if err == packet.ErrMore {
			break
		}
		b = b[n:]
		status := http.StatusBadRequest // a line is too long
		if err == nil {
			status = cl.add(p)
		}
		if status == 0 {
			continue
		}
		switch status {
		case http.StatusBadRequest, http.StatusRequestHeaderFieldsTooLarge, http.StatusNotImplemented:
			closing = true // nobody knows where the next request begins
		default:
			closing = cl.last || cl.close
		}
		out = s.respond(out, status, &cl.request, closing)
		cl.last, cl.body = closing, cl.length
	}
	cl.kept = append(cl.kept[:0], b...)
	if _, err := c.Write(out); err != nil {
		c.Socket().Close()
	} else if cl.last && len(out) > 0 {
		c.Close()
	}
}

func (*server) Writable(*engine.Conn)      {}
func (*server) Closed(*engine.Conn, error) {}

// Stopping waits for the next request: on a connection that is silent now, it may be on its way.
func (*server) Stopping(c *engine.Conn) { c.Data.(*client).last = true }

// request has what is needed of a request's head.
type request struct {
	page   func() (kind string, body []byte) // nil: there is no such page
	head   bool                              // the method is HEAD
	other  bool                              // the method is neither HEAD nor GET
	old    bool                              // HTTP/1.0
	close  bool                              // the client wants no further response
	hosts  int                               // how many fields Host there are
	coded  bool                              // the body has a transfer coding
	sized  bool                              // the body's length was given
	length int64                             // of the body
	lines  int
}

// add adds a line of a head. It returns the status of the response, or 0 if more lines follow.
func (cl *client) add(p packet.Packet) (status int) {
	r := &cl.request
	switch p.Kind() {
	case packet.KindHTTPRequest:
		line, _ := p.HTTPRequest()
		if !r.start(line) {
			return http.StatusBadRequest
		}
		return 0
	case packet.KindHTTPHeader:
		field, _ := p.HTTPHeader()
		if r.lines++; r.lines > maxLines {
			return http.StatusRequestHeaderFieldsTooLarge
		}
		if !r.field(field) {
			return http.StatusBadRequest
		}
		return 0
	case packet.KindHTTPEOH:
		return r.status()
	case packet.KindHTTPError:
		if len(bytes.TrimRight(p.Data(), "\r\n")) == 0 { // an empty line before a request (RFC 9112, section 2.2)
			return 0
		}
	}
	return http.StatusBadRequest
}

// start is for the first line. It reports false if that is no request of HTTP/1.
func (r *request) start(line packet.HTTPRequest) bool {
	method := string(line.Method.Name)
	*r = request{head: method == "HEAD", other: method != "HEAD" && method != "GET", old: line.Version.Minor == 0}
	r.close = r.old
	path, _, _ := bytes.Cut(line.URI.Path, []byte("?"))
	r.page = pages[string(path)]
	return line.Version.Major == 1 && len(line.Rest) == 0
}

// field is for each further line. It reports false if that makes the request ambiguous.
func (r *request) field(h packet.HTTPHeader) bool {
	value := bytes.TrimRight(h.Value, " \t")
	switch h.Field() {
	case "Host":
		r.hosts++
	case "Connection":
		for token := range bytes.SplitSeq(value, []byte(",")) {
			r.close = r.close || bytes.EqualFold(bytes.TrimSpace(token), []byte("close"))
		}
	case "Transfer-Encoding":
		r.coded = true
	case "Content-Length":
		n, err := strconv.ParseUint(string(value), 10, 63)
		if err != nil || r.sized {
			return false
		}
		r.length, r.sized = int64(n), true
	}
	return true
}

// status is for the end of the head.
func (r *request) status() int {
	switch {
	case r.hosts > 1 || r.hosts == 0 && !r.old: // RFC 9112, section 3.2
		return http.StatusBadRequest
	case r.coded: // where the body ends is not looked for
		return http.StatusNotImplemented
	case r.page == nil:
		return http.StatusNotFound
	case r.other:
		return http.StatusMethodNotAllowed
	}
	return http.StatusOK
}

// pages are the pages by path. The JSON is made for each request, as the benchmarks want it.
var pages = map[string]func() (kind string, body []byte){
	"/plaintext": func() (string, []byte) { return "text/plain", hello },
	"/json": func() (string, []byte) {
		body, _ := json.Marshal(struct {
			Message string `json:"message"`
		}{string(hello)})
		return "application/json", body
	},
}

var hello = []byte("Hello, World!")

// respond appends a response to out.
func (s *server) respond(out []byte, status int, r *request, closing bool) []byte {
	kind, body := "text/plain", []byte(nil)
	if status == http.StatusOK {
		kind, body = r.page()
	}
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, http.StatusText(status)...)
	out = append(out, "\r\nServer: esock\r\nDate: "...)
	out = append(out, *s.date.Load()...)
	out = append(out, "\r\nContent-Type: "...)
	out = append(out, kind...)
	out = append(out, "\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(body)), 10)
	if status == http.StatusMethodNotAllowed {
		out = append(out, "\r\nAllow: GET, HEAD"...)
	}
	if closing {
		out = append(out, "\r\nConnection: close"...)
	}
	out = append(out, "\r\n\r\n"...)
	if r.head {
		return out
	}
	return append(out, body...)
}

// tell sets the date, now and each second.
func (s *server) tell(l *engine.Loop) {
	now := time.Now().UTC().Format(http.TimeFormat)
	s.date.Store(&now)
	l.After(time.Second, func() { s.tell(l) })
}

func main() {
	address := flag.String("listen", "127.0.0.1:8080", "the address to listen on")
	shards := flag.Int("shards", runtime.NumCPU(), "how many loops share it")
	idle := flag.Duration("idle", time.Minute, "how long a connection may be silent; 0: for ever")
	grace := flag.Duration("grace", 10*time.Second, "how long clients have to finish after an interrupt")
	flag.Parse()
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(interrupted, os.Stdout, *address, *shards, *idle, *grace); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, out io.Writer, address string, shards int, idle, grace time.Duration) error {
	a, err := esock.ParseAddr(address)
	if err != nil {
		return err
	}
	lines, err := packet.NewParser(packet.HTTPBin, packet.Options{PacketSize: maxLine})
	if err != nil {
		return err
	}
	h := &server{idle: idle, lines: lines}
	s, err := engine.Sharded(shards)
	if err != nil {
		return err
	}
	defer s.Close()
	h.tell(s.Loops()[0])
	listeners, err := s.Listen(a, 1024, h)
	if err != nil {
		return err
	}
	if a, err = listeners[0].SockName(); err != nil {
		return err
	}
	fmt.Fprintln(out, a)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err = s.Shutdown(limit)
	if why := <-ended; !errors.Is(why, engine.ErrClosed) {
		err = errors.Join(err, why)
	}
	return err
}
