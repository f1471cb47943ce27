package fileserver

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
)

// site makes a directory to serve, next to a file that must not be served.
func site(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "site")
	for name, text := range map[string]string{
		"secret":                   "secret",
		"site/a.txt":               "0123456789",
		"site/empty":               "",
		"site/page.html":           "<p>page</p>",
		"site/unknown.zzz":         "?",
		"site/sub/index.html":      "<p>index</p>",
		"site/list/deep/x":         "x",
		"site/list/<b>&\"c d%.txt": "odd",
		"site/list/java:script":    "colon",
		"site/ünï":                 "umlauts",
	} {
		path := filepath.Join(top, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	require.NoError(t, os.Symlink("../secret", filepath.Join(dir, "out")))
	require.NoError(t, os.Symlink(top, filepath.Join(dir, "up")))
	require.NoError(t, os.Symlink("a.txt", filepath.Join(dir, "in")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	return dir
}

// lines passes on what is written, line by line.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		l <- strings.TrimSuffix(line, "\n")
	}
	return len(b), nil
}

// serving serves a directory until the test ends, and returns HOST:PORT. It checks that the server leaves nothing behind.
func serving(t *testing.T, dir string, log io.Writer, change ...func(*Config)) string {
	t.Helper()
	before, here := goleak.IgnoreCurrent(), esock.NumberOf()
	s := listening(t, dir, func(c *Config) {
		c.Log = log
		for _, f := range change {
			f(c)
		}
	})
	stop := running(t, s)
	t.Cleanup(func() {
		stop()
		assert.Equal(t, here, esock.NumberOf(), "all sockets are closed")
		goleak.VerifyNone(t, before)
	})
	return s.Addr().String()
}

// running runs a server until stop is called, which returns when the server has ended.
func running(t *testing.T, s *Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		assert.NoError(t, testwait.Result(t, "the end of the server", ended))
	}
}

// listening makes a server of a directory.
func listening(t *testing.T, dir string, change func(*Config)) *Server {
	t.Helper()
	c := Config{Root: rooted(t, dir), Connections: 1000, Idle: testwait.Patience, Head: testwait.Patience, Stall: testwait.Patience}
	if change != nil {
		change(&c)
	}
	s, err := Listen(esock.Inet4Addr(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), c)
	require.NoError(t, err)
	return s
}

// rooted opens a directory to serve until the test ends.
func rooted(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

// browser is a client that keeps connections.
func browser(t *testing.T) *http.Client {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	here := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: tr, CheckRedirect: here}
}

// ask makes a request, with headers as "Name: value", and returns the response and its body.
func ask(t *testing.T, client *http.Client, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

// raw sends bytes, ends sending, and returns all that comes until the server closes.
func raw(t *testing.T, at, text string) string {
	t.Helper()
	c := dialed(t, at)
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, c.CloseWrite())
	got, err := io.ReadAll(c)
	require.NoError(t, err)
	return string(got)
}

func dialed(t *testing.T, at string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", at)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// request is the text of a request with headers.
func request(line string, headers ...string) string {
	return strings.Join(append([]string{line, "Host: x"}, headers...), "\r\n") + "\r\n\r\n"
}

// answers parses responses to requests of these methods, and returns their statuses and bodies.
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
