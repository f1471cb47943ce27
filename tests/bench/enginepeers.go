package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/cloudwego/netpoll"
	"github.com/panjf2000/gnet/v2"
	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"
)

// gnetServer says where it listens.
type gnetServer struct {
	gnet.BuiltinEventEngine
	traffic func(c gnet.Conn) gnet.Action
}

func (s *gnetServer) OnBoot(e gnet.Engine) gnet.Action {
	fd, err := e.Dup()
	if err != nil {
		return gnet.Shutdown
	}
	defer unix.Close(fd)
	a, err := unix.Getsockname(fd)
	if err != nil {
		return gnet.Shutdown
	}
	fmt.Println(a.(*unix.SockaddrInet4).Port)
	untilStdinEnds()
	return gnet.None
}

func (s *gnetServer) OnTraffic(c gnet.Conn) gnet.Action { return s.traffic(c) }

// stderr is where gnet logs errors. It has standard output without it.
type stderr struct{}

func (stderr) Debugf(string, ...any)          {}
func (stderr) Infof(string, ...any)           {}
func (stderr) Warnf(string, ...any)           {}
func (stderr) Errorf(format string, a ...any) { fmt.Fprintf(os.Stderr, "gnet: "+format+"\n", a...) }
func (stderr) Fatalf(format string, a ...any) {
	stderr{}.Errorf(format, a...)
	os.Exit(1)
}

func gnetRun(traffic func(c gnet.Conn) gnet.Action) error {
	return gnet.Run(&gnetServer{traffic: traffic}, "tcp4://127.0.0.1:0", gnet.WithNumEventLoop(1),
		gnet.WithLogger(stderr{}))
}

func gnetEcho() error {
	return gnetRun(func(c gnet.Conn) gnet.Action {
		b, err := c.Next(-1)
		if err == nil {
			_, err = c.Write(b)
		}
		if err != nil {
			return gnet.Close
		}
		return gnet.None
	})
}

// gnetHTTP looks for the ends of heads and nothing else, as the HTTP example of gnet does.
func gnetHTTP() error {
	var out []byte
	return gnetRun(func(c gnet.Conn) gnet.Action {
		b, _ := c.Peek(-1)
		out = out[:0]
		used := 0
		for {
			i := bytes.Index(b[used:], []byte("\r\n\r\n"))
			if i < 0 {
				break
			}
			used += i + 4
			out = append(out, "HTTP/1.1 200 OK\r\nServer: gnet\r\nContent-Type: text/plain\r\nDate: "...)
			out = time.Now().UTC().AppendFormat(out, http.TimeFormat)
			out = append(out, "\r\nContent-Length: 13\r\n\r\nHello, World!"...)
		}
		c.Discard(used)
		if _, err := c.Write(out); err != nil {
			return gnet.Close
		}
		return gnet.None
	})
}

func netpollEcho() error {
	if err := netpoll.Configure(netpoll.Config{PollerNum: 1}); err != nil {
		return err
	}
	l, err := netpoll.CreateListener("tcp4", anyPort)
	if err != nil {
		return err
	}
	loop, err := netpoll.NewEventLoop(func(_ context.Context, c netpoll.Connection) error {
		r := c.Reader()
		b, err := r.Next(r.Len())
		if err == nil {
			_, err = c.Writer().WriteBinary(b)
		}
		if err == nil {
			err = c.Writer().Flush()
		}
		r.Release()
		return err
	})
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	untilStdinEnds()
	return loop.Serve(l)
}

type greeting struct {
	Message string `json:"message"`
}

func fasthttpServer() error {
	l, err := net.Listen("tcp4", anyPort)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	untilStdinEnds()
	s := &fasthttp.Server{Name: "fasthttp", Handler: func(ctx *fasthttp.RequestCtx) {
		switch string(ctx.Path()) {
		case "/plaintext":
			ctx.SetContentType("text/plain")
			ctx.WriteString("Hello, World!")
		case "/json":
			ctx.SetContentType("application/json")
			json.NewEncoder(ctx).Encode(greeting{"Hello, World!"})
		default:
			ctx.SetStatusCode(http.StatusNotFound)
		}
	}}
	return s.Serve(l)
}

func netHTTP() error {
	l, err := net.Listen("tcp4", anyPort)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	untilStdinEnds()
	mux := http.NewServeMux()
	mux.HandleFunc("/plaintext", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "net/http")
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte("Hello, World!"))
	})
	mux.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "net/http")
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(greeting{"Hello, World!"})
	})
	return http.Serve(l, mux)
}
