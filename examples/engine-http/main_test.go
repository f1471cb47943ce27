package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/testmain"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// start runs the server until stop is called, which returns how it ended.
func start(t *testing.T, idle time.Duration) (address string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, w, "127.0.0.1:0", 2, idle, time.Minute)
		w.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(cancel)
	address, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(address), func() error {
		cancel()
		return <-ended
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return c
}

// response reads a response to a request with the method.
func response(t *testing.T, r *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

// ended reports that the server has closed the connection.
func ended(t *testing.T, r *bufio.Reader) {
	t.Helper()
	_, err := r.ReadByte()
	require.Equal(t, io.EOF, err)
}

func TestNetHTTPIsAnswered(t *testing.T) {
	address, stop := start(t, time.Minute)
	tr := &http.Transport{}
	client := &http.Client{Transport: tr}
	for _, x := range []struct {
		method, path string
		status       int
		kind, body   string
		length       int64
	}{
		{"GET", "/plaintext", 200, "text/plain", "Hello, World!", 13},
		{"GET", "/plaintext?a=b", 200, "text/plain", "Hello, World!", 13},
		{"GET", "/json", 200, "application/json", `{"message":"Hello, World!"}`, 27},
		{"HEAD", "/json", 200, "application/json", "", 27},
		{"POST", "/json", 405, "text/plain", "", 0},
		{"GET", "/", 404, "text/plain", "", 0},
	} {
		req, err := http.NewRequest(x.method, "http://"+address+x.path, strings.NewReader(strings.Repeat("a", 100_000)))
		if x.method != "POST" {
			req.Body, req.ContentLength = nil, 0
		}
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, x.status, resp.StatusCode, "%s %s", x.method, x.path)
		assert.Equal(t, x.kind, resp.Header.Get("Content-Type"))
		assert.Equal(t, x.body, string(body))
		assert.Equal(t, x.length, resp.ContentLength)
		assert.Equal(t, "esock", resp.Header.Get("Server"))
		assert.Equal(t, x.status == 405, resp.Header.Get("Allow") != "")
		date, err := http.ParseTime(resp.Header.Get("Date"))
		assert.NoError(t, err)
		assert.WithinDuration(t, time.Now(), date, time.Minute)
	}
	tr.CloseIdleConnections()
	require.NoError(t, stop())
}

// pipelined are requests without a pause, and their responses.
var pipelined = []struct {
	text, method string
	status       int
	body         string
}{
	{"GET /plaintext HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", "GET", 200, "Hello, World!"},
	{"POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n", "POST", 405, ""},
	{"\r\nHEAD /json HTTP/1.1\r\nHOST:a\r\nX: folded\r\n more\r\n\r\n", "HEAD", 200, ""},
	{"GET http://a/json HTTP/1.1\nHost: a\n\n", "GET", 200, `{"message":"Hello, World!"}`},
	{"GET /none HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", "GET", 404, ""},
}

func TestPipelinedRequests(t *testing.T) {
	address, stop := start(t, time.Minute)
	var text string
	for _, p := range pipelined {
		text += p.text
	}
	answered := func(r *bufio.Reader) {
		for i, p := range pipelined {
			resp, body := response(t, r, p.method)
			require.Equal(t, p.status, resp.StatusCode, p.text)
			require.Equal(t, p.body, body, p.text)
			require.Equal(t, i == len(pipelined)-1, resp.Close, p.text)
		}
		ended(t, r)
	}
	t.Run("at once", func(t *testing.T) {
		c := dial(t, address)
		_, err := io.WriteString(c, text)
		require.NoError(t, err)
		answered(bufio.NewReader(c))
	})
	t.Run("byte by byte", func(t *testing.T) {
		c := dial(t, address)
		for i := range text {
			_, err := c.Write([]byte{text[i]})
			require.NoError(t, err)
		}
		answered(bufio.NewReader(c))
	})
	t.Run("in two", func(t *testing.T) {
		// The server has the first part when it has answered the request before.
		const first = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n"
		for i := range text {
			c := dial(t, address)
			r := bufio.NewReader(c)
			_, err := io.WriteString(c, first+text[:i])
			require.NoError(t, err)
			_, body := response(t, r, "GET")
			require.Equal(t, "Hello, World!", body)
			_, err = io.WriteString(c, text[i:])
			require.NoError(t, err)
			answered(r)
		}
	})
	require.NoError(t, stop())
}

// A client that sends many requests before it reads gets all responses.
func TestManyRequestsBeforeAResponseIsRead(t *testing.T) {
	address, stop := start(t, time.Minute)
	const many = 50_000
	c := dial(t, address)
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, strings.Repeat("GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n", many))
		sent <- err
	}()
	r := bufio.NewReader(c)
	for range many {
		resp, body := response(t, r, "GET")
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, "Hello, World!", body)
	}
	require.NoError(t, <-sent)
	require.NoError(t, c.Close())
	require.NoError(t, stop())
}

func TestTheConnectionEndsAfter(t *testing.T) {
	address, stop := start(t, time.Minute)
	for name, x := range map[string]struct {
		text   string
		status int
	}{
		"HTTP/1.0":           {"GET /plaintext HTTP/1.0\r\n\r\n", 200},
		"Connection: close":  {"GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200},
		"no request":         {"hello\r\n", 400},
		"a response":         {"HTTP/1.1 200 OK\r\n", 400},
		"no version":         {"GET /plaintext\r\n", 400},
		"HTTP/2.0":           {"GET /plaintext HTTP/2.0\r\n", 400},
		"after the version":  {"GET /plaintext HTTP/1.1 x\r\n", 400},
		"no field":           {"GET /plaintext HTTP/1.1\r\nHost: a\r\nx\r\n\r\n", 400},
		"a blank before ':'": {"GET /plaintext HTTP/1.1\r\nHost : a\r\n\r\n", 400},
		"no Host":            {"GET /plaintext HTTP/1.1\r\n\r\n", 400},
		"two Hosts":          {"GET /plaintext HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
		"no length":          {"POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\nA: b", 400},
		"two lengths":        {"POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\nA: b", 400},
		"a transfer coding":  {"POST /json HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
		"a long line":        {"GET /" + strings.Repeat("a", maxLine-len("GET /")), 400},
		"many lines":         {"GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", maxLines+1) + "A", 431},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, address)
			_, err := io.WriteString(c, x.text)
			require.NoError(t, err)
			r := bufio.NewReader(c)
			resp, body := response(t, r, "GET")
			require.Equal(t, x.status, resp.StatusCode)
			require.Equal(t, x.status == 200, body != "")
			require.True(t, resp.Close)
			ended(t, r)
		})
	}
	require.NoError(t, stop())
}

func TestASilentClientIsSentAway(t *testing.T) {
	address, stop := start(t, 10*time.Millisecond)
	ended(t, bufio.NewReader(dial(t, address)))
	require.NoError(t, stop())
}

// A request that is on its way when the server is interrupted is answered.
func TestTheLastResponse(t *testing.T) {
	address, stop := start(t, time.Minute)
	c := dial(t, address)
	r := bufio.NewReader(c)
	fmt.Fprint(c, "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, _ := response(t, r, "GET")
	require.False(t, resp.Close)
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for !resp.Close {
		fmt.Fprint(c, "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, _ = response(t, r, "GET")
	}
	ended(t, r)
	require.NoError(t, <-stopped)
}

func TestAWrongAddress(t *testing.T) {
	require.Error(t, run(t.Context(), io.Discard, "nowhere", 1, 0, 0))
	require.Error(t, run(t.Context(), io.Discard, "127.0.0.1:0", 0, 0, 0))
}
