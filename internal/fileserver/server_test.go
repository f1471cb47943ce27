package fileserver

import (
	"context"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/gentcp"
)

func TestServeManyClients(t *testing.T) {
	dir := site(t)
	want := bigFile(t, dir, 300<<10)
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

func TestServeBoundsConnections(t *testing.T) {
	at := serving(t, site(t), nil, func(c *Config) { c.Connections = 1 })
	first := dialed(t, at)
	_, err := first.Write([]byte("GET /a.txt HTTP/1.1\r\n"))
	require.NoError(t, err)
	second := dialed(t, at)
	_, err = second.Write([]byte(request("GET /page.html HTTP/1.1")))
	require.NoError(t, err)
	_, err = first.Write([]byte("Host: x\r\n\r\n"))
	require.NoError(t, err)
	// No connection keeps the only slot, so the second client has its turn.
	for c, want := range map[*net.TCPConn]string{first: "200 0123456789", second: "200 <p>page</p>"} {
		require.NoError(t, c.CloseWrite())
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.Equal(t, []string{want}, answers(t, string(got), "GET"))
		assert.Contains(t, string(got), "Connection: close")
	}
}

func TestServeKeepsALoneClient(t *testing.T) {
	for _, n := range []int{2, 3} { // of which the acceptors have two
		t.Run("", func(t *testing.T) {
			at := serving(t, site(t), nil, func(c *Config) { c.Connections = n })
			got := raw(t, at, request("GET /a.txt HTTP/1.1")+request("GET /page.html HTTP/1.1"))
			assert.Equal(t, []string{"200 0123456789", "200 <p>page</p>"}, answers(t, got, "GET", "GET"), n)
			assert.NotContains(t, got, "Connection: close")
		})
	}
}

func TestServeEndsWhileClientsAreThere(t *testing.T) {
	dir := site(t)
	bigFile(t, dir, 16<<20)
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
	bigFile(t, dir, 1<<20)
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
