// Restart is an HTTP server that hands its listener to a new process of itself on SIGHUP, and loses no request.
//
//	restart [-listen ADDRESS] [-grace TIME]
//
// It prints its address, and each process that serves says so. http.Server.Shutdown alone loses requests in two ways:
//
//   - It closes the listener, and the kernel then resets the connections that wait in its queue. Here the new process has
//     the same listening socket, with the same queue, before the old one closes its descriptor.
//   - It closes idle connections, and a client may be sending a request on one at that moment. So does
//     http.Server.SetKeepAlivesEnabled(false). Here the old process answers "Connection: close" instead, which ends a
//     connection after a response, when no request can be on its way. It calls Shutdown once the connections have ended, or
//     after the grace.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/esock-go/esock/netconn"
)

// handedOver says that descriptor 3 is the listener, and 4 a pipe to close when the process serves.
const handedOver = "RESTART_HANDED_OVER"

func main() {
	address := flag.String("listen", "127.0.0.1:8080", "the address to listen on")
	grace := flag.Duration("grace", 10*time.Second, "how long idle connections may stay after a restart")
	flag.Parse()
	if err := run(*address, *grace); err != nil {
		log.Fatal(err)
	}
}

func run(address string, grace time.Duration) error {
	l, serving, err := listener(address)
	if err != nil {
		return err
	}
	s := &server{}
	s.http = &http.Server{Handler: s, ConnState: s.count}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, os.Interrupt)
	done := make(chan error, 1)
	go func() { done <- s.http.Serve(l) }()
	fmt.Println(l.Addr(), "served by", os.Getpid())
	serving()
	for {
		select {
		case err := <-done:
			return err
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				if err := successor(l); err != nil {
					log.Println("the restart failed, and this process goes on:", err)
					continue
				}
				s.draining.Store(true)
				l.Close() // the new process has the listening socket and its queue
				<-done    // all accepted connections are counted
				s.drain(grace)
				return s.http.Shutdown(context.Background())
			}
			err := s.http.Shutdown(context.Background())
			if ended := <-done; !errors.Is(ended, http.ErrServerClosed) {
				return ended
			}
			return err
		}
	}
}

// listener is the one of the process before, or a new one. serving tells the process before that this one serves.
func listener(address string) (l *netconn.Listener, serving func(), err error) {
	if os.Getenv(handedOver) == "" {
		made, err := netconn.Listen("tcp", address)
		if err != nil {
			return nil, nil, err
		}
		return made.(*netconn.Listener), func() {}, nil
	}
	os.Unsetenv(handedOver)
	f, ready := os.NewFile(3, "listener"), os.NewFile(4, "ready")
	defer f.Close()
	l, err = netconn.FileListener(f)
	return l, func() {
		ready.Write([]byte{1})
		ready.Close()
	}, err
}

// successor starts a new process with the listener, and waits until it serves.
func successor(l *netconn.Listener) error {
	f, err := l.File()
	if err != nil {
		return err
	}
	defer f.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	self, err := os.Executable()
	if err != nil {
		w.Close()
		return err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{f, w}
	cmd.Env = append(os.Environ(), handedOver+"=1")
	err = cmd.Start()
	w.Close()
	if err != nil {
		return err
	}
	if n, _ := io.ReadFull(r, make([]byte, 1)); n == 0 {
		return fmt.Errorf("the new process has not served: %w", cmd.Wait())
	}
	return cmd.Process.Release()
}

// server answers each request with the number of the process.
type server struct {
	http     *http.Server
	open     atomic.Int64
	draining atomic.Bool
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	fmt.Fprintln(w, os.Getpid())
}

func (s *server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.open.Add(-1)
	}
}

// drain waits for the end of the connections, up to the grace.
func (s *server) drain(grace time.Duration) {
	for end := time.Now().Add(grace); s.open.Load() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}
