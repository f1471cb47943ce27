package fileserver

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testkit"
	"github.com/esock-go/esock/internal/testwait"
)

func TestServePipelinedRequests(t *testing.T) {
	at := serving(t, site(t), nil)
	got := raw(t, at, request("GET /a.txt HTTP/1.1")+"\r\n"+
		request("HEAD /a.txt HTTP/1.1")+request("GET /none HTTP/1.1")+
		request("POST /a.txt HTTP/1.1", "Content-Length: 5")+"12345"+request("GET /a.txt HTTP/1.1", "Range: bytes=1-1"))
	assert.Equal(t, []string{"200 0123456789", "200 ", "404 404 Not Found\n", "405 405 Method Not Allowed\n", "206 1"},
		answers(t, got, "GET", "HEAD", "GET", "POST", "GET"))
}

func TestServeKeepsAndClosesConnections(t *testing.T) {
	at := serving(t, site(t), nil)
	for _, c := range []struct {
		ask        string
		keeps      bool
		connection string
	}{
		{request("GET /a.txt HTTP/1.1"), true, ""},
		{request("GET /a.txt HTTP/1.1", "Connection: close"), false, "close"},
		{request("GET /a.txt HTTP/1.1", "Connection: Upgrade , CLOSE"), false, "close"},
		{"GET /a.txt HTTP/1.0\r\n\r\n", false, "close"},
		{"GET /a.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, "keep-alive"},
		{request("PUT /a.txt HTTP/1.1", "Content-Length: 3") + "abc", true, ""},
		{request("PUT /a.txt HTTP/1.1", "Content-Length: 100000000"), false, "close"},
		{request("PUT /a.txt HTTP/1.1", "Content-Length: 3", "Expect: 100-continue"), false, "close"},
		{request("PUT /a.txt HTTP/1.1", "Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n", false, "close"},
	} {
		conn := dialed(t, at)
		_, err := conn.Write([]byte(c.ask))
		require.NoError(t, err)
		r := bufio.NewReader(conn)
		res, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		assert.Equal(t, c.connection == "close", res.Close, c.ask) // ReadResponse takes it out of the header
		assert.Equal(t, c.connection == "keep-alive", res.Header.Get("Connection") == "keep-alive", c.ask)
		_, err = io.ReadAll(res.Body)
		require.NoError(t, err)
		if c.keeps {
			_, err = conn.Write([]byte(request("GET /a.txt HTTP/1.1", "Connection: close")))
			require.NoError(t, err)
			res, err := http.ReadResponse(r, nil)
			require.NoError(t, err, c.ask)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			assert.Equal(t, "0123456789", string(body))
		}
		_, err = r.ReadByte()
		assert.Equal(t, io.EOF, err, c.ask)
		conn.Close()
	}
}

func TestServeDribblingClient(t *testing.T) {
	at := serving(t, site(t), nil)
	c := dialed(t, at)
	for _, b := range []byte(request("GET /a.txt HTTP/1.1", "X: y", "Connection: close")) {
		_, err := c.Write([]byte{b})
		require.NoError(t, err)
	}
	got, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Equal(t, []string{"200 0123456789"}, answers(t, string(got), "GET"))
}

func TestServeDoesNotWaitForEver(t *testing.T) {
	short := func(c *Config) { c.Idle, c.Head = 50*time.Millisecond, 50*time.Millisecond }
	at := serving(t, site(t), nil, short)
	for text, want := range map[string][]string{
		"":                                   nil, // nothing was asked
		"GET /a.t":                           nil,
		request("GET /a.txt HTTP/1.1"):       {"200 0123456789"},
		"GET /a.txt HTTP/1.1\r\nHost: x\r\n": {"408 408 Request Timeout\n"},
		"GET /a.txt HTTP/1.1\r\nHo":          {"408 408 Request Timeout\n"},
		request("PUT /a.txt HTTP/1.1", "Content-Length: 3") + "a": {"405 405 Method Not Allowed\n"},
	} {
		// On a slow machine the time may run out before all of the text is there; then try again.
		var got []string
		for late := time.Now().Add(testwait.Patience); ; {
			c := dialed(t, at)
			_, err := c.Write([]byte(text)) // it fails when the server has closed already
			var answer []byte
			if err == nil {
				answer, err = io.ReadAll(c)
			}
			if got = nil; len(answer) > 0 {
				got = answers(t, string(answer), "GET")
			}
			early := err != nil || got == nil || strings.HasPrefix(got[0], "408 ")
			if !early || err == nil && slices.Equal(got, want) || time.Now().After(late) {
				break
			}
		}
		assert.Equal(t, want, got, text)
	}
	// A client that always sends a little more, and never an end.
	c := dialed(t, at)
	_, err := c.Write([]byte("GET / HTTP/1.1\r\n"))
	require.NoError(t, err)
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		for n := 0; ; n++ {
			if _, err := fmt.Fprintf(c, "X-%d: y\r\n", n); err != nil {
				return
			}
		}
	}()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil { // a reset may have come before the answer was read: this client did not stop sending
		assert.Contains(t, []int{408, 431}, res.StatusCode)
	}
	<-writing
}

func TestServeClientThatDoesNotRead(t *testing.T) {
	dir, log := site(t), make(lines, 1)
	testkit.BigFile(t, dir, 32<<20)
	at := serving(t, dir, log, func(c *Config) { c.Stall = 50 * time.Millisecond })
	c := dialed(t, at)
	_, err := c.Write([]byte(request("GET /big HTTP/1.1")))
	require.NoError(t, err)
	var sent int
	line := <-log
	_, err = fmt.Sscanf(line[strings.LastIndex(line, `"`)+2:], "200 %d", &sent)
	require.NoError(t, err, line)
	assert.Less(t, sent, 32<<20)
	n, _ := io.Copy(io.Discard, c)
	assert.Less(t, n, int64(32<<20))
}

func TestServeClientsThatVanish(t *testing.T) {
	dir := site(t)
	testkit.BigFile(t, dir, 8<<20)
	at := serving(t, dir, nil)
	for _, text := range []string{"", "GE", request("GET /big HTTP/1.1"), "GET / HTTP/1.1\r\nHost",
		request("PUT / HTTP/1.1", "Content-Length: 9")} {
		for _, abort := range []bool{false, true} {
			c := dialed(t, at)
			_, err := c.Write([]byte(text))
			require.NoError(t, err)
			if strings.Contains(text, "big") {
				_, err := io.ReadFull(c, make([]byte, 100000))
				require.NoError(t, err)
			}
			if abort {
				require.NoError(t, c.SetLinger(0))
			}
			c.Close()
		}
	}
	assert.Equal(t, []string{"200 0123456789"}, answers(t, raw(t, at, request("GET /a.txt HTTP/1.1")), "GET"))
}

// The first line of a connection and what follows it share the time of --head; after a wait for the next request the
// time begins with its first line. A body shares it, too.
func TestServeHeadIsOneTime(t *testing.T) {
	s := listening(t, t.TempDir(), nil)
	defer s.Close()
	client := dialed(t, s.Addr().String())
	sock, err := s.listener.Accept(s.owner, esock.Within(testwait.Patience))
	require.NoError(t, err)
	_, err = client.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab" + request("GET / HTTP/1.1")))
	require.NoError(t, err)

	c := &connection{Server: s, stream: &socket{Socket: sock, stall: s.stall}}
	require.True(t, s.crowd.rest(&c.member, false))
	first := esock.Within(s.head).Begin()
	c.until = first
	problem, err := c.readHead(first)
	require.NoError(t, err)
	assert.Zero(t, problem)
	assert.Equal(t, first, c.until, "no time of their own for the headers")
	require.NoError(t, c.skip(2, c.until))
	assert.Equal(t, first, c.until)

	c.until = esock.Within(s.head)
	require.True(t, s.crowd.rest(&c.member, true))
	problem, err = c.readHead(s.idle)
	require.NoError(t, err)
	assert.Zero(t, problem)
	assert.Equal(t, c.until.Begin(), c.until, "it has begun")
	assert.NotEqual(t, first, c.until)
}
