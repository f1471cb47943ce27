package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const page = 1024 // bytes of an answer

// serveHTTP starts net/http's server on a listener.
func (m *maker) serveHTTP() (l net.Listener, done func(), err error) {
	if l, err = m.listen(); err != nil {
		return nil, nil, err
	}
	answer := bytes.Repeat([]byte("x"), page)
	srv := &http.Server{IdleTimeout: time.Hour, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(answer)
	})}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	return l, func() { srv.Close(); <-ended }, nil
}

func connHTTP(m *maker, e effort) (*session, error) {
	const clients = 16
	l, done, err := m.serveHTTP()
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	tr := &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return m.dial(address) }}
	client := &http.Client{Transport: tr}
	get := func() error {
		resp, err := client.Get("http://" + address)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != page {
			return fmt.Errorf("%d bytes: %w", n, err)
		}
		return nil
	}
	return &session{costing(e, func(n int) error {
		var failures [clients]error
		var all sync.WaitGroup
		for c := range clients {
			all.Go(func() {
				for i := c; i < n; i += clients {
					if failures[c] = get(); failures[c] != nil {
						return
					}
				}
			})
		}
		all.Wait()
		return errors.Join(failures[:]...)
	}), func() { tr.CloseIdleConnections(); done() }}, nil
}

// Memory of a server's connections that have had a request and wait for the next. The clients are bare descriptors.
var netconnIdle = benchmark{
	name:  "netconn-idle",
	about: "memory of 5,000 idle keep-alive connections of net/http's server (fewer where descriptors are limited)",
	turns: 5,
	metrics: []metric{
		{name: "total", unit: "bytes/connection", targets: []target{{peer: nameNet, limit: 1}}},
		{name: "Go heap", unit: "bytes/connection"},
		{name: "Go stacks", unit: "bytes/connection"},
		{name: "C and the rest", unit: "bytes/connection"},
	},
	contenders: []contender{{nameEsock, idleTurnsOf("idle-http-netconn", 5000, 2)}, {nameNet, idleTurnsOf("idle-http-net", 5000, 2)}},
	group:      "netconn",
	asked:      true,
}

func childIdleHTTP(mode string, n int) error {
	limit := unix.Rlimit{Cur: uint64(2*n + 50), Max: uint64(2*n + 50)}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	m := &byNetconn
	if mode == "idle-http-net" {
		m = &byNet
	}
	l, done, err := m.serveHTTP()
	if err != nil {
		return err
	}
	defer done()
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: l.Addr().(*net.TCPAddr).Port}
	fds, buf := make([]int, n), make([]byte, 4096)
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	const warm = 20 // what the first make for all
	var before idleMemory
	for i := range fds {
		if i == warm {
			if before, err = memoryNow(); err != nil {
				return err
			}
		}
		if fds[i], err = requestOnce(to, buf); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	after, err := memoryNow()
	if err != nil {
		return err
	}
	runtime.KeepAlive(fds)
	if file := os.Getenv("ESOCK_BENCH_HEAP"); file != "" {
		if err := writeHeapProfile(file); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(idleMemory{int64(n - warm), after.Anonymous - before.Anonymous,
		after.Heap - before.Heap, after.Stacks - before.Stacks})
}

// requestOnce makes a connection, and a request on it.
func requestOnce(to unix.Sockaddr, buf []byte) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, to); err != nil {
		return fd, err
	}
	if _, err := unix.Write(fd, []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		return fd, err
	}
	var got []byte
	for {
		n, err := unix.Read(fd, buf)
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fd, err
		}
		got = append(got, buf[:n]...)
		if i := bytes.Index(got, []byte("\r\n\r\n")); i >= 0 && len(got) == i+4+page {
			return fd, nil
		}
	}
}
