package fileserver

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testkit"
	"github.com/esock-go/esock/internal/testwait"
)

func TestServeManyClients(t *testing.T) {
	dir := site(t)
	want := testkit.BigFile(t, dir, 300<<10)
	at := "http://" + serving(t, dir, nil) + "/big"
	const clients = 200
	client := browser(t)
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = clients
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range 3 {
				res, err := client.Get(at)
				if !assert.NoError(t, err) {
					return
				}
				h := sha256.New()
				_, err = io.Copy(h, res.Body)
				res.Body.Close()
				assert.NoError(t, err)
				assert.Equal(t, want[:], h.Sum(nil))
			}
		})
	}
	all.Wait()
}

// answered makes a request on a connection and reads the response to it.
func answered(t *testing.T, c net.Conn, text string) (*http.Response, string) {
	t.Helper()
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
	return response(t, c)
}

// response reads a response from a connection.
func response(t *testing.T, c net.Conn) (*http.Response, string) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(testwait.Patience)))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

// ends checks that the server ends a connection, and sends nothing before.
func ends(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(testwait.Patience)))
	got, err := io.ReadAll(c)
	assert.Empty(t, got)
	assert.NoError(t, err)
}

// crowded waits until as many clients wait for a place, and as many connections for a request.
func crowded(t *testing.T, s *Server, wanted, quiet int) {
	t.Helper()
	testwait.Until(t, fmt.Sprintf("%d clients and %d connections wait", wanted, quiet), func() bool {
		s.crowd.mu.Lock()
		defer s.crowd.mu.Unlock()
		return s.crowd.wanted == wanted && s.crowd.quiet.Len() == quiet
	})
}

// busy returns how many connections have a request that is being answered.
func busy(s *Server) int {
	s.crowd.mu.Lock()
	defer s.crowd.mu.Unlock()
	return s.crowd.inside - s.crowd.quiet.Len()
}

// A connection that only waits for its next request gives way to a client, the one that has waited longest.
func TestServeIdleConnectionGivesWay(t *testing.T) {
	s := listening(t, site(t), func(c *Config) { c.Connections = 2 })
	stop := running(t, s)
	defer stop()
	first, second := dialed(t, s.Addr().String()), dialed(t, s.Addr().String())
	crowded(t, s, 0, 2)
	for _, c := range []net.Conn{first, second} {
		res, _ := answered(t, c, request("GET /a.txt HTTP/1.1"))
		assert.False(t, res.Close, "nobody waits")
		crowded(t, s, 0, 2)
	}
	_, body := answered(t, dialed(t, s.Addr().String()), request("GET /page.html HTTP/1.1"))
	assert.Equal(t, "<p>page</p>", body)
	ends(t, first)
	_, body = answered(t, second, request("GET /a.txt HTTP/1.1"))
	assert.Equal(t, "0123456789", body, "it stays")
}

// A connection that is busy gives way after its response, and says so there if the other client waits by then.
func TestServeBusyConnectionGivesWay(t *testing.T) {
	s := listening(t, site(t), func(c *Config) { c.Connections = 1 })
	stop := running(t, s)
	defer stop()
	first := dialed(t, s.Addr().String())
	_, err := first.Write([]byte("GET /a.txt HTTP/1.1\r\n"))
	require.NoError(t, err)
	testwait.Until(t, "the first request begins", func() bool { return busy(s) == 1 })
	second := dialed(t, s.Addr().String())
	_, err = second.Write([]byte(request("GET /page.html HTTP/1.1")))
	require.NoError(t, err)
	crowded(t, s, 1, 0)
	res, body := answered(t, first, "Host: x\r\n\r\n")
	assert.Equal(t, "0123456789", body)
	assert.True(t, res.Close)
	first.Close()
	res, body = response(t, second)
	assert.Equal(t, "<p>page</p>", body)
	assert.False(t, res.Close, "nobody waits")
}

// A client that has sent nothing yet keeps its place, but not for ever.
func TestServeNewClientKeepsItsPlace(t *testing.T) {
	s := listening(t, site(t), func(c *Config) { c.Connections = 1 })
	stop := running(t, s)
	defer stop()
	first, second := dialed(t, s.Addr().String()), dialed(t, s.Addr().String())
	crowded(t, s, 1, 1)
	res, body := answered(t, first, request("GET /a.txt HTTP/1.1"))
	assert.Equal(t, "0123456789", body)
	assert.True(t, res.Close)
	first.Close()
	_, body = answered(t, second, request("GET /a.txt HTTP/1.1"))
	assert.Equal(t, "0123456789", body)
}

func TestServeKeepsALoneClient(t *testing.T) {
	for _, n := range []int{1, 2, 3} { // the acceptors are two
		t.Run("", func(t *testing.T) {
			at := serving(t, site(t), nil, func(c *Config) { c.Connections = n })
			got := raw(t, at, request("GET /a.txt HTTP/1.1")+request("GET /page.html HTTP/1.1"))
			assert.Equal(t, []string{"200 0123456789", "200 <p>page</p>"}, answers(t, got, "GET", "GET"), n)
			assert.NotContains(t, got, "Connection: close")
		})
	}
}

// When the server ends, it ends connections that wait for a request at once, and lets the others have their response.
func TestServeEndsGracefully(t *testing.T) {
	dir := site(t)
	want := testkit.BigFile(t, dir, 32<<20)
	log := make(lines, 10)
	going := make(chan int, 1)
	s := listening(t, dir, func(c *Config) {
		c.Grace, c.Log = testwait.Patience, log
		c.Ending = func(busy int) { going <- busy }
	})
	stop := running(t, s)
	at := s.Addr().String()
	fresh, idle := dialed(t, at), dialed(t, at)
	crowded(t, s, 0, 2)
	res, _ := answered(t, idle, request("GET /a.txt HTTP/1.1"))
	assert.False(t, res.Close)
	<-log
	crowded(t, s, 0, 2)
	half, whole := dialed(t, at), dialed(t, at)
	_, err := half.Write([]byte("GET /a.txt HTTP/1.1\r\n"))
	require.NoError(t, err)
	_, err = whole.Write([]byte(request("GET /big HTTP/1.1")))
	require.NoError(t, err)
	testwait.Until(t, "two requests begin", func() bool { return busy(s) == 2 })
	ended := make(chan struct{})
	go func() {
		stop()
		close(ended)
	}()
	assert.Equal(t, 2, testwait.Result(t, "the end begins", going))
	ends(t, idle)
	ends(t, fresh)
	res, body := answered(t, half, "Host: x\r\n\r\n")
	assert.Equal(t, "0123456789", body)
	assert.True(t, res.Close)
	half.Close()
	select {
	case <-ended:
		t.Fatal("a response is in progress")
	default:
	}
	_, body = response(t, whole)
	assert.Equal(t, want, sha256.Sum256([]byte(body)))
	whole.Close()
	testwait.Result(t, "the end", ended)
	_, err = net.Dial("tcp", at)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// A response that takes longer than the grace is cut off, and the log says so.
func TestServeGraceIsLimited(t *testing.T) {
	dir := site(t)
	testkit.BigFile(t, dir, 32<<20)
	log := make(lines, 10)
	s := listening(t, dir, func(c *Config) { c.Grace, c.Log = time.Millisecond, log })
	stop := running(t, s)
	c := dialed(t, s.Addr().String())
	_, err := c.Write([]byte(request("GET /big HTTP/1.1")))
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	require.NoError(t, err)
	stop()
	assert.Regexp(t, ` 200 \d+ aborted: the server ended after \d+ of 33554432 bytes$`, <-log)
}

func TestServeEndsWhileClientsAreThere(t *testing.T) {
	dir := site(t)
	testkit.BigFile(t, dir, 16<<20)
	at := serving(t, dir, nil)
	for _, text := range []string{"", "GET / HT", request("GET /big HTTP/1.1"), request("GET /a.txt HTTP/1.1")} {
		c := dialed(t, at)
		_, err := c.Write([]byte(text))
		require.NoError(t, err)
		if strings.HasSuffix(text, "\r\n\r\n") {
			_, err = c.Read(make([]byte, 10))
			require.NoError(t, err)
		}
	}
	// The cleanup of serving cancels, and checks that nothing is left.
}

func TestServeLeavesNoDescriptor(t *testing.T) {
	dir := site(t)
	testkit.BigFile(t, dir, 1<<20)
	count := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(all)
	}
	var seen []int
	for range 3 {
		t.Run("", func(t *testing.T) {
			at := serving(t, dir, nil)
			for _, path := range []string{"/big", "/a.txt", "/sub/", "/list/", "/list", "/fifo", "/out", "/none",
				"/a.txt/"} {
				answers(t, raw(t, at, request("GET "+path+" HTTP/1.1")), "GET")
				answers(t, raw(t, at, request("HEAD "+path+" HTTP/1.1")), "HEAD")
			}
		})
		seen = append(seen, count())
	}
	assert.Equal(t, seen[1], seen[2], "the first has opened what the runtime keeps")
}

func TestServeGoesOnAfterErrorsThatPass(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENOBUFS} {
		assert.True(t, transient(&gentcp.Error{Op: "accept", Reason: errno}))
	}
	assert.False(t, transient(&gentcp.Error{Op: "accept", Reason: syscall.EINVAL}))
	assert.False(t, transient(gentcp.ErrClosed))
}

func TestServeEndsWhenItCannotAccept(t *testing.T) {
	s := listening(t, t.TempDir(), nil)
	s.listener.Close()
	assert.ErrorContains(t, s.Run(context.Background()), "connections cannot be accepted: closed")
}

func TestListenRefusesWhatCannotServe(t *testing.T) {
	good := Config{Root: rooted(t, t.TempDir()), Connections: 1, Idle: 1, Head: 1, Stall: 1}
	assert.NoError(t, good.Check())
	for name, spoil := range map[string]func(*Config){
		"root":        func(c *Config) { c.Root = nil },
		"connections": func(c *Config) { c.Connections = 0 },
		"idle":        func(c *Config) { c.Idle = 0 },
		"head":        func(c *Config) { c.Head = -1 },
		"stall":       func(c *Config) { c.Stall = 0 },
		"grace":       func(c *Config) { c.Grace = -1 },
	} {
		c := good
		spoil(&c)
		_, err := Listen(esock.Loopback, c)
		var bad *esock.InvalidError
		if assert.ErrorAs(t, err, &bad, name) {
			assert.Equal(t, name, bad.What)
		}
	}
}
