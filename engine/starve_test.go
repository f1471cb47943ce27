package engine_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/engine"
)

// starved is the variable that makes a copy of this binary the server of TestOthersAreNotStarved: engine or net.
const starved = "ESOCK_ENGINE_STARVED"

// A goroutine beside a loaded loop runs in time, with one processor: the test prints how late those are that sleep for a
// millisecond, beside a server of package net, and functions of Post. It asserts nothing, because other programs share
// the machine.
func TestOthersAreNotStarved(t *testing.T) {
	if which := os.Getenv(starved); which != "" {
		serveStarved(t, which)
		return
	}
	if !full {
		t.Skip("a measurement: ESOCK_STRESS=full")
	}
	for range 2 {
		for _, which := range []string{"engine", "net"} {
			t.Logf("%s: %s", which, loadStarved(t, which))
		}
	}
}

// loadStarved loads a server for some seconds, and returns what it says.
func loadStarved(t *testing.T, which string) string {
	server := exec.Command(os.Args[0], "-test.run=^TestOthersAreNotStarved$")
	server.Env = append(os.Environ(), starved+"="+which, "GOMAXPROCS=1")
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	require.NoError(t, err)
	in, err := server.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	address := lines.Text()
	var group sync.WaitGroup
	for range 200 {
		c := dial(t, address)
		group.Go(func() {
			b := make([]byte, 64)
			for {
				if _, err := c.Write(b); err != nil {
					return
				}
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
			}
		})
	}
	time.Sleep(3 * time.Second) // the load
	require.NoError(t, in.Close())
	require.True(t, lines.Scan())
	said := lines.Text()
	io.Copy(io.Discard, out)
	server.Wait()
	group.Wait()
	return said
}

// serveStarved serves echoes until the standard input ends, and prints how late others were meanwhile.
func serveStarved(t *testing.T, which string) {
	post := func(f func()) { f() }
	served := 0
	if which == "engine" {
		l := run(t)
		s, address := listen(t)
		require.NoError(t, l.Serve(s, handler{received: func(c *engine.Conn, b []byte) { served++; c.Write(b) }}))
		fmt.Println(address)
		post = func(f func()) { l.Post(f) }
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { c.Close() })
				go func() {
					b := make([]byte, 16<<10)
					for {
						n, err := c.Read(b)
						if err != nil {
							return
						}
						served++ // about
						c.Write(b[:n])
					}
				}()
			}
		}()
		fmt.Println(l.Addr())
	}
	end := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(end)
	}()
	var late, posts []time.Duration
	called := make(chan time.Duration, 1)
	for {
		select {
		case <-end:
			fmt.Printf("late p50 %v p99 %v, Post p50 %v p99 %v, %d exchanges\n", part(late, 50), part(late, 99),
				part(posts, 50), part(posts, 99), served)
			return
		default:
		}
		next := time.Now().Add(time.Millisecond)
		time.Sleep(time.Millisecond)
		late = append(late, time.Since(next))
		began := time.Now()
		post(func() { called <- time.Since(began) })
		posts = append(posts, <-called)
	}
}

// part is the duration below which so many per cent lie.
func part(d []time.Duration, percent int) time.Duration {
	slices.Sort(d)
	if len(d) == 0 {
		return 0
	}
	return d[len(d)*percent/100]
}
