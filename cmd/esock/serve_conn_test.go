package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testwait"
)

// request is the text of a request with headers.
func request(line string, headers ...string) string {
	return strings.Join(append([]string{line, "Host: x"}, headers...), "\r\n") + "\r\n\r\n"
}

// answers are the statuses and bodies of what came, to be read as answers to these methods.
func answers(t *testing.T, got string, methods ...string) (all []string) {
	t.Helper()
	r := bufio.NewReader(strings.NewReader(got))
	for _, m := range methods {
		res, err := http.ReadResponse(r, &http.Request{Method: m})
		if !assert.NoError(t, err, got) {
			return all
		}
		body, err := io.ReadAll(res.Body)
		assert.NoError(t, err)
		all = append(all, fmt.Sprint(res.StatusCode, " ", string(body)))
	}
	rest, err := io.ReadAll(r)
	assert.NoError(t, err)
	assert.Empty(t, rest, "that is all")
	return all
}

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

func TestServeRefusesWhatIsMalformed(t *testing.T) {
	at := serving(t, site(t), nil)
	for text, status := range map[string]int{
		request("GET a.txt HTTP/1.1"):                                                400,
		request("GET x HTTP/1.1"):                                                    400,
		request("GET /a.txt HTTP/1.1 junk"):                                          400,
		request("GET /a.txt HTTP/1.1 "):                                              400,
		request("GET /a.txt HTTP/1.1abc"):                                            400,
		request("GET /a.txt HTTP/1.1\rX"):                                            400,
		request("GET /a.txt HTTP/0001.1"):                                            400,
		request("GET /a.txt HTTP/1.10"):                                              400,
		request("GET /a.txt HTTP/1.01"):                                              400,
		request("GET /a.txt HTTP/20.0"):                                              400,
		request("GET http:///a.txt HTTP/1.1"):                                        400,
		request("GET http://:80/a.txt HTTP/1.1"):                                     400,
		request("GET http://a:1:2/a.txt HTTP/1.1"):                                   400,
		request("GET http://a b/a.txt HTTP/1.1"):                                     400,
		"GET /a.txt HTTP/1.1\r\nHost: a b\r\n\r\n":                                   400,
		"GET /a.txt HTTP/1.1\r\nHost: a/b\r\n\r\n":                                   400,
		"GET /a.txt HTTP/1.0\r\nHost: a@b\r\n\r\n":                                   400,
		request("GET * HTTP/1.1"):                                                    400,
		request("GET ftp://x/a.txt HTTP/1.1"):                                        400,
		request("GET /a%2 HTTP/1.1"):                                                 400,
		request("GET /a%zz HTTP/1.1"):                                                400,
		request("GET /a.txt%00 HTTP/1.1"):                                            400,
		request("GET /a.txt#x HTTP/1.1"):                                             400,
		request("GET /list?\rX: y HTTP/1.1"):                                         400,
		request("GET /a\x01 HTTP/1.1"):                                               400,
		request("GET /a b HTTP/1.1"):                                                 400,
		request("GET /"):                                                             400,
		request("GET"):                                                               400,
		request("GET / HTTP/2.0"):                                                    505,
		request("HTTP/1.1 200 OK"):                                                   400,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                           505,
		"\x16\x03\x01\x02\x00\x01\n":                                                 400,
		"\r\n\r\n\r\n\r\n\r\n\r\n":                                                   400,
		"GET / HTTP/1.1\r\n\r\n":                                                     400,
		request("GET / HTTP/1.1", "Host: y"):                                         400,
		request("GET / HTTP/1.1", "Name : value"):                                    400,
		request("GET / HTTP/1.1", "Name"):                                            400,
		request("GET / HTTP/1.1", ": value"):                                         400,
		request("GET / HTTP/1.1", "Folded: a", " b"):                                 400,
		request("GET / HTTP/1.1", "Nul: a\x00"):                                      400,
		request("GET / HTTP/1.1", "Cr: a\rb"):                                        400,
		request("GET / HTTP/1.1", "Content-Length: -1"):                              400,
		request("GET / HTTP/1.1", "Content-Length: 1, 1"):                            400,
		request("GET / HTTP/1.1", "Content-Length: 1", "Content-Length: 2"):          400,
		request("GET / HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked"): 400,
		request("DELETE /a.txt HTTP/1.1"):                                            405,
		request("OPTIONS * HTTP/1.1"):                                                405,
		request("CONNECT x:1 HTTP/1.1"):                                              405,
		request("get /a.txt HTTP/1.1"):                                               405,
		request("GET /" + strings.Repeat("a", maxLine) + " HTTP/1.1"):                414,
		strings.Repeat("a", maxLine):                                                 414,
		request("GET / HTTP/1.1", "Long: "+strings.Repeat("a", maxLine)):             431,
		request("GET / HTTP/1.1", strings.Repeat("A: b\r\n", maxLines)+"A: b"):       431,
		request("GET / HTTP/1.1", strings.Repeat("A: "+strings.Repeat("b", 7000)+"\r\n", 10)+"A: b"): 431,
	} {
		got := raw(t, at, text)
		name := text[:min(len(text), 60)]
		require.NotEmpty(t, got, name)
		res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got)), nil)
		require.NoError(t, err, name)
		assert.Equal(t, status, res.StatusCode, "%q", name)
		if status == 405 {
			assert.Equal(t, "GET, HEAD", res.Header.Get("Allow"))
		} else {
			assert.True(t, res.Close || status == 400 && strings.HasPrefix(text, "GET"), "%q", name)
		}
	}
	// What is unusual, and right.
	for _, text := range []string{
		request("GET http://x/a.txt HTTP/1.1"),
		request("GET http://[::1]:80/a.txt?http://:/ HTTP/1.1"),
		"GET /a.txt HTTP/1.1\r\nHost:\r\n\r\n",
		"GET /a.txt HTTP/1.1\r\nHost: a_b.%41:\r\n\r\n",
		"\r\n\r\n" + request("GET /a.txt HTTP/1.1"),
		strings.ReplaceAll(request("GET /a.txt HTTP/1.1"), "\r\n", "\n"),
		request("GET /a.txt HTTP/1.9"),
		"GET /a.txt HTTP/1.0\r\n\r\n",
		request("GET /a.txt HTTP/1.1", "Content-Length: 3", "Content-Length: 3") + "abc",
		request("GET /a.txt HTTP/1.1", "Empty:", "X-Long: "+strings.Repeat("a", 5000)),
	} {
		assert.Equal(t, []string{"200 0123456789"}, answers(t, raw(t, at, text), "GET"), "%q", text)
	}
	for _, target := range []string{"http://x", "http://x?/a.txt"} {
		all := answers(t, raw(t, at, request("GET "+target+" HTTP/1.1")), "GET")
		require.Len(t, all, 1)
		assert.Contains(t, all[0], "<h1>/</h1>", target)
	}
}

func TestServeNothingOutside(t *testing.T) {
	at := serving(t, site(t), nil)
	for _, path := range []string{"/../secret", "/%2e%2e/secret", "/..%2fsecret", "/list/../../secret", "/.%2E/secret",
		"/out", "/up/",
		"/up/secret", "/up/site/a.txt", "//etc/passwd", "/%2fetc/passwd", "/%2Fetc%2Fpasswd",
		"/list/%2e%2e/%2e%2e/secret", "/..", "/../",
		"/..\\secret", "/a.txt%00.html", "/\xff\xfe", "/fifo/../../secret"} {
		for _, method := range []string{"GET", "HEAD"} {
			all := answers(t, raw(t, at, request(method+" "+path+" HTTP/1.1")), method)
			require.Len(t, all, 1)
			assert.Contains(t, []string{"400", "404"}, all[0][:3], path)
			assert.NotContains(t, all[0], "secret", path)
			assert.NotContains(t, all[0], "root:", path)
		}
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
	short := func(c *serveCmd) { c.Idle, c.Head = 50*time.Millisecond, 50*time.Millisecond }
	at := serving(t, site(t), nil, short)
	for text, want := range map[string][]string{
		"":                                   nil, // nothing was asked
		"GET /a.t":                           nil,
		request("GET /a.txt HTTP/1.1"):       {"200 0123456789"},
		"GET /a.txt HTTP/1.1\r\nHost: x\r\n": {"408 408 Request Timeout\n"},
		"GET /a.txt HTTP/1.1\r\nHo":          {"408 408 Request Timeout\n"},
		request("PUT /a.txt HTTP/1.1", "Content-Length: 3") + "a": {"405 405 Method Not Allowed\n"},
	} {
		// On a slow machine the time may be over before all of the text is there: then once more.
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
	// Somebody who always sends a little more, and never an end.
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
	bigFile(t, dir, 32<<20)
	at := serving(t, dir, log, func(c *serveCmd) { c.Stall = 50 * time.Millisecond })
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
	bigFile(t, dir, 8<<20)
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

func TestServeBoundsConnections(t *testing.T) {
	at := serving(t, site(t), nil, func(c *serveCmd) { c.Connections = 1 })
	first := dialed(t, at)
	_, err := first.Write([]byte("GET /a.txt HTTP/1.1\r\n"))
	require.NoError(t, err)
	second := dialed(t, at)
	_, err = second.Write([]byte(request("GET /page.html HTTP/1.1")))
	require.NoError(t, err)
	_, err = first.Write([]byte("Host: x\r\n\r\n"))
	require.NoError(t, err)
	// Nobody keeps the only slot, so the second has its turn.
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
			at := serving(t, site(t), nil, func(c *serveCmd) { c.Connections = n })
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
	// serving's end cancels, and sees that nothing is left.
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

func TestServeFileThatShrinks(t *testing.T) {
	dir := site(t)
	bigFile(t, dir, 32<<20)
	at := serving(t, dir, nil)
	c := dialed(t, at)
	_, err := c.Write([]byte(request("GET /big HTTP/1.1")))
	require.NoError(t, err)
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(dir, "big"), 0))
	_, err = io.Copy(io.Discard, res.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF, "the client sees that it is not all")
}

func TestServeLogIsOneLine(t *testing.T) {
	log := make(lines, 10)
	at := serving(t, site(t), log)
	raw(t, at, request("GET /\"\x1b[31m HTTP/1.1"))
	assert.Contains(t, <-log, `"GET /\x22\x1b[31m HTTP/1.1" 400 16`)
	raw(t, at, "nonsense\x00\r\n")
	assert.Contains(t, <-log, `"nonsense\x00" 400 16`)
	raw(t, at, request("GET / HTTP/01.1 \tjunk"))
	assert.Contains(t, <-log, `"GET / HTTP/01.1 \tjunk" 400 16`)
}

func TestServeGoesOnAfterErrorsThatPass(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENOBUFS} {
		assert.True(t, passes(&gentcp.Error{Op: "accept", Reason: errno}))
	}
	assert.False(t, passes(&gentcp.Error{Op: "accept", Reason: syscall.EINVAL}))
	assert.False(t, passes(gentcp.ErrClosed))
}

func TestServeEndsWhenItCannotAccept(t *testing.T) {
	nothingLeft(t)
	root, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	defer root.Close()
	s, err := newServer(root, &serveCmd{Addr: "127.0.0.1:0", Connections: 1, Idle: 1, Head: 1, Stall: 1}, nil)
	require.NoError(t, err)
	s.listener.Close()
	assert.ErrorContains(t, s.run(context.Background()), "connections cannot be accepted: closed")
}

func TestHosts(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "a": true, "a.b:80": true, "a:": true, "a!$&'()*+,;=~_-": true, "%41%4a": true, "[::1]": true,
		"[::1]:8":  true,
		"[v1.a:b]": true, ":8": true,
		"a b": false, "a\tb": false, "a:b": false, "a:1:2": false, "::1": false, "a/": false, "a?": false, "a#": false,
		"u@a": false,
		"%4":  false, "%zz": false, "[]": false, "[::1": false, "::1]": false, "[::1]a": false, "a[::1]": false,
		"[[::1]": false,
		"[::1]]": false, "[::1]:a": false, "]": false, "]:": false, "\xff": false, `"`: false, "<a>": false,
	} {
		assert.Equal(t, want, isHost([]byte(text)), text)
	}
}

func TestLocate(t *testing.T) {
	for text, want := range map[string]string{
		"/":            "./",
		"//":           "./",
		"/.":           "./",
		"/a":           "a",
		"/a/":          "a/",
		"/a/b":         "a/b",
		"/a//b/":       "a/b/",
		"/a/./b":       "a/b",
		"/a/.":         "a/",
		"/a/..":        "./",
		"/a/b/..":      "a/",
		"/a/b/../c":    "a/c",
		"/a/../b":      "b",
		"/a/b/../../c": "c",
		"/a%2fb":       "a/b",
		"/%41%2e":      "A.",
		"/a?b/../../c": "a",
		"/...":         "...",
		"/..a":         "..a",
		"/a/../..":     "refused",
		"/..":          "refused",
		"/%2e.":        "refused",
		"/a/%2e%2e/..": "refused",
		"/%":           "refused",
		"/%4":          "refused",
		"/%0":          "refused",
		"/%00":         "refused",
		"":             "refused",
		"a":            "refused",
	} {
		p, ok := locate([]byte("old"), []byte(text))
		got := "refused"
		if ok {
			if got = string(p.name); p.slash {
				got += "/"
			}
		}
		assert.Equal(t, want, got, text)
	}
}

func FuzzLocate(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%2e%2e/", "/a//b?c", "/..", "/%00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := locate(nil, []byte(text))
		if !ok {
			return
		}
		name := string(p.name)
		assert.True(t, filepath.IsLocal(name), name)
		assert.Equal(t, filepath.Clean(name), name)
		// A redirect leads to the same place.
		again, ok := locate(nil, appendPath(nil, p.name))
		assert.True(t, ok)
		assert.Equal(t, name, string(again.name))
	})
}
