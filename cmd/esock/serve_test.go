package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
)

// site is a directory to serve, beside a file that must not be.
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

// lines takes what is written, line by line.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		l <- strings.TrimSuffix(line, "\n")
	}
	return len(b), nil
}

// serving serves a directory until the test ends, and gives HOST:PORT. It must leave nothing behind.
func serving(t *testing.T, dir string, log io.Writer, change ...func(*serveCmd)) string {
	t.Helper()
	before, here := goleak.IgnoreCurrent(), esock.NumberOf()
	c := &serveCmd{Dir: dir, Addr: "127.0.0.1:0", Connections: 1000, Idle: testwait.Patience, Head: testwait.Patience, Stall: testwait.Patience}
	for _, f := range change {
		f(c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	first, ended := make(lines, 1), make(chan error, 1)
	go func() { ended <- c.serve(ctx, &output{Writer: first}, log) }()
	var line string
	select {
	case line = <-first:
	case err := <-ended:
		cancel()
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
		assert.Equal(t, here, esock.NumberOf(), "all sockets are closed")
		goleak.VerifyNone(t, before)
	})
	at, ok := strings.CutPrefix(line, "serving "+dir+" on http://")
	require.True(t, ok, line)
	return at
}

// browser is a client that keeps connections.
func browser(t *testing.T) *http.Client {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	here := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: tr, CheckRedirect: here}
}

// ask makes a request, with headers as "Name: value", and gives the answer with its body.
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

// raw sends bytes, ends sending, and gives all that comes until the server closes.
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

func TestServeFile(t *testing.T) {
	url := "http://" + serving(t, site(t), nil)
	client := browser(t)
	res, body := ask(t, client, "GET", url+"/a.txt")
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, "0123456789", body)
	assert.Equal(t, "text/plain; charset=utf-8", res.Header.Get("Content-Type"))
	assert.Equal(t, "10", res.Header.Get("Content-Length"))
	assert.Equal(t, "bytes", res.Header.Get("Accept-Ranges"))
	for _, name := range []string{"Date", "Last-Modified"} {
		_, err := http.ParseTime(res.Header.Get(name))
		assert.NoError(t, err, name)
	}
	head, body := ask(t, client, "HEAD", url+"/a.txt", "Range: bytes=1-2")
	assert.Empty(t, body)
	assert.Equal(t, 200, head.StatusCode)
	for _, name := range []string{"Content-Length", "Content-Type", "Etag", "Last-Modified"} {
		assert.Equal(t, res.Header.Get(name), head.Header.Get(name))
	}

	for _, c := range []struct {
		path, body, typ string
		status          int
	}{
		{"/a.txt?x=/../%zz", "0123456789", "text/plain; charset=utf-8", 200},
		{"/%61.txt", "0123456789", "text/plain; charset=utf-8", 200},
		{"/./list//../a.txt", "0123456789", "text/plain; charset=utf-8", 200},
		{"/in", "0123456789", "application/octet-stream", 200},
		{"/empty", "", "application/octet-stream", 200},
		{"/unknown.zzz", "?", "application/octet-stream", 200},
		{"/page.html", "<p>page</p>", "text/html; charset=utf-8", 200},
		{"/sub/", "<p>index</p>", "text/html; charset=utf-8", 200},
		{"/sub/index.html", "<p>index</p>", "text/html; charset=utf-8", 200},
		{"/%C3%BCn%C3%AF", "umlauts", "application/octet-stream", 200},
		{"/none", "404 Not Found\n", "text/plain; charset=utf-8", 404},
		{"/a.txt/", "404 Not Found\n", "text/plain; charset=utf-8", 404},
		{"/a.txt/x", "404 Not Found\n", "text/plain; charset=utf-8", 404},
		{"/fifo", "404 Not Found\n", "text/plain; charset=utf-8", 404},
		{"/" + strings.Repeat("n", 300), "404 Not Found\n", "text/plain; charset=utf-8", 404},
	} {
		res, body := ask(t, client, "GET", url+c.path)
		assert.Equal(t, c.status, res.StatusCode, c.path)
		assert.Equal(t, c.body, body, c.path)
		assert.Equal(t, c.typ, res.Header.Get("Content-Type"), c.path)
	}
}

func TestServeDirectory(t *testing.T) {
	at := "http://" + serving(t, site(t), nil)
	client := browser(t)
	for path, to := range map[string]string{"/list": "/list/", "/list?q=1": "/list/?q=1", "//list/deep": "/list/deep/",
		"/list/%2e": "", "/%6cist": "/list/"} {
		res, body := ask(t, client, "GET", at+path)
		if to == "" {
			assert.Equal(t, 200, res.StatusCode, path)
			continue
		}
		assert.Equal(t, 301, res.StatusCode, path)
		assert.Equal(t, to, res.Header.Get("Location"), path)
		assert.NotEmpty(t, body)
	}
	_, body := ask(t, client, "GET", at+"/list/")
	assert.Contains(t, body, `<a href="./deep/">deep/</a>`)
	assert.Contains(t, body, `<a href="./%3Cb%3E%26%22c%20d%25.txt">&lt;b&gt;&amp;&#34;c d%.txt</a>`)
	assert.Contains(t, body, `<a href="./java%3Ascript">java:script</a>`)
	assert.Contains(t, body, `<a href="../">`)
	assert.Less(t, strings.Index(body, "deep/"), strings.Index(body, "java:"), "directories come first")
	// The links lead to what they name.
	base, err := url.Parse(at + "/list/")
	require.NoError(t, err)
	for _, part := range strings.Split(body, `href="`)[1:] {
		link, err := base.Parse(part[:strings.Index(part, `"`)])
		require.NoError(t, err)
		res, _ := ask(t, client, "GET", link.String())
		assert.Equal(t, 200, res.StatusCode, link)
	}
	res, top := ask(t, client, "GET", at)
	assert.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"))
	assert.NotContains(t, top, `"../"`)
	head, none := ask(t, client, "HEAD", at)
	assert.Empty(t, none)
	assert.Equal(t, fmt.Sprint(len(top)), head.Header.Get("Content-Length"))
}

func TestServeRanges(t *testing.T) {
	at := "http://" + serving(t, site(t), nil) + "/a.txt"
	client := browser(t)
	whole, _ := ask(t, client, "GET", at)
	tag, modified := whole.Header.Get("Etag"), whole.Header.Get("Last-Modified")
	for _, c := range []struct {
		status          int
		body, rangeSent string
		headers         []string
	}{
		{206, "0", "bytes 0-0/10", []string{"Range: bytes=0-0"}},
		{206, "234", "bytes 2-4/10", []string{"Range: bytes=2-4"}},
		{206, "89", "bytes 8-9/10", []string{"Range: bytes=8-"}},
		{206, "89", "bytes 8-9/10", []string{"Range: bytes=8-99999999999999999999999999"}},
		{206, "789", "bytes 7-9/10", []string{"Range: bytes=-3"}},
		{206, "0123456789", "bytes 0-9/10", []string{"Range: bytes=-30"}},
		{206, "23", "bytes 2-3/10", []string{"Range: Bytes=2-3"}},
		{206, "23", "bytes 2-3/10", []string{"Range: bytes=2-3", "If-Range: " + tag}},
		{206, "23", "bytes 2-3/10", []string{"Range: bytes=2-3", "If-Range: " + modified}},
		{200, "0123456789", "", []string{"Range: bytes=2-3", `If-Range: "other"`}},
		{200, "0123456789", "", []string{"Range: bytes=2-3", "If-Range: W/" + tag}},
		{200, "0123456789", "", []string{"Range: bytes=2-3", "If-Range: Mon, 02 Jan 2006 15:04:05 GMT"}},
		{200, "0123456789", "", []string{"Range: bytes=0-1,3-4"}},
		{200, "0123456789", "", []string{"Range: bytes=0-1", "Range: bytes=3-4"}},
		{200, "0123456789", "", []string{"Range: bytes=4-2"}},
		{200, "0123456789", "", []string{"Range: bytes=-"}},
		{200, "0123456789", "", []string{"Range: bytes=--1"}},
		{200, "0123456789", "", []string{"Range: bytes=a-b"}},
		{200, "0123456789", "", []string{"Range: lines=1-2"}},
		{416, "416 Range Not Satisfiable\n", "bytes */10", []string{"Range: bytes=10-"}},
		{416, "416 Range Not Satisfiable\n", "bytes */10", []string{"Range: bytes=99999999999999999999-"}},
		{416, "416 Range Not Satisfiable\n", "bytes */10", []string{"Range: bytes=-0"}},
	} {
		res, body := ask(t, client, "GET", at, c.headers...)
		assert.Equal(t, c.status, res.StatusCode, c.headers)
		assert.Equal(t, c.body, body, c.headers)
		assert.Equal(t, c.rangeSent, res.Header.Get("Content-Range"), c.headers)
	}
}

func TestServeRangesOfAnEmptyFile(t *testing.T) {
	at := "http://" + serving(t, site(t), nil) + "/empty"
	for part, status := range map[string]int{"-5": 200, "-0": 416, "0-": 416, "0-0": 416} {
		res, _ := ask(t, browser(t), "GET", at, "Range: bytes="+part)
		assert.Equal(t, status, res.StatusCode, part)
	}
}

// What is asked for by name is opened only if it is a file or a directory: a writer would notice that a pipe is opened.
func TestServeDoesNotOpenPipes(t *testing.T) {
	dir := site(t)
	at := serving(t, dir, nil)
	watch, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	require.NoError(t, err)
	defer syscall.Close(watch)
	_, err = syscall.InotifyAddWatch(watch, filepath.Join(dir, "fifo"), syscall.IN_OPEN)
	require.NoError(t, err)
	_, body := ask(t, browser(t), "GET", "http://"+at+"/fifo")
	assert.Equal(t, "404 Not Found\n", body)
	_, err = syscall.Read(watch, make([]byte, 4096))
	assert.Equal(t, syscall.EAGAIN, err, "nobody has opened it")
}

func TestServeIndexThatCannotBeOpened(t *testing.T) {
	dir := site(t)
	for _, sub := range []string{"pipe", "away", "loop", "dir", "dangling"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe/index.html"), 0o644))
	require.NoError(t, os.Symlink("../../secret", filepath.Join(dir, "away/index.html")))
	require.NoError(t, os.Symlink("index.html", filepath.Join(dir, "loop/index.html")))
	require.NoError(t, os.Symlink("none", filepath.Join(dir, "dangling/index.html")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "dir/index.html"), 0o755))
	url := "http://" + serving(t, dir, nil)
	for sub, status := range map[string]int{"pipe": 404, "away": 404, "loop": 404, "dir": 200, "dangling": 200} {
		res, body := ask(t, browser(t), "GET", url+"/"+sub+"/")
		assert.Equal(t, status, res.StatusCode, sub)
		assert.Equal(t, status == 200, strings.Contains(body, "index.html"), sub)
	}
}

func TestServeConditions(t *testing.T) {
	at := "http://" + serving(t, site(t), nil) + "/a.txt"
	client := browser(t)
	whole, _ := ask(t, client, "GET", at)
	tag, modified := whole.Header.Get("Etag"), whole.Header.Get("Last-Modified")
	const old, later = "Mon, 02 Jan 2006 15:04:05 GMT", "Mon, 02 Jan 2090 15:04:05 GMT"
	for _, c := range []struct {
		status  int
		headers []string
	}{
		{304, []string{"If-None-Match: " + tag}},
		{304, []string{"If-None-Match: W/" + tag}},
		{304, []string{`If-None-Match: "a,b", ` + tag}},
		{304, []string{"If-None-Match: *"}},
		{304, []string{`If-None-Match: "a"`, `If-None-Match: "b"`, "If-None-Match: " + tag}},
		{200, []string{`If-None-Match: "a"`, `If-None-Match: "b"`, "If-Match: " + tag}},
		{200, []string{`If-Match: "a"`, "If-Match: " + tag}},
		{412, []string{`If-Match: "a"`, `If-Match: "b"`}},
		{200, []string{`If-None-Match: "a"`}},
		{200, []string{"If-None-Match: nonsense"}},
		{200, []string{`If-None-Match: "a"`, "If-Modified-Since: " + later}},
		{304, []string{"If-Modified-Since: " + modified}},
		{304, []string{"If-Modified-Since: " + later}},
		{200, []string{"If-Modified-Since: " + old}},
		{200, []string{"If-Modified-Since: yesterday"}},
		{200, []string{"If-Match: " + tag}},
		{200, []string{"If-Match: *"}},
		{412, []string{"If-Match: W/" + tag}},
		{412, []string{`If-Match: "a"`}},
		{412, []string{"If-Unmodified-Since: " + old}},
		{200, []string{"If-Unmodified-Since: " + modified}},
	} {
		res, body := ask(t, client, "GET", at, c.headers...)
		assert.Equal(t, c.status, res.StatusCode, c.headers)
		assert.Equal(t, map[int]string{200: "0123456789", 304: "", 412: "412 Precondition Failed\n"}[c.status], body,
			c.headers)
		if c.status == 304 {
			assert.Equal(t, tag, res.Header.Get("Etag"))
		}
	}
}

func TestServeChangedFileHasAnotherTag(t *testing.T) {
	dir := site(t)
	at := "http://" + serving(t, dir, nil) + "/a.txt"
	client := browser(t)
	res, _ := ask(t, client, "GET", at)
	tag := res.Header.Get("Etag")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("other and longer"), 0o644))
	res, body := ask(t, client, "GET", at, "If-None-Match: "+tag)
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, "other and longer", body)
}

// bigFile puts a file of random bytes into a directory, and gives its hash.
func bigFile(t *testing.T, dir string, size int) [32]byte {
	t.Helper()
	b := make([]byte, size)
	_, err := rand.NewChaCha8([32]byte{1}).Read(b)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "big"), b, 0o644))
	return sha256.Sum256(b)
}

func TestServeBigFile(t *testing.T) {
	dir := site(t)
	const size = 20<<20 + 3
	want := bigFile(t, dir, size)
	at := "http://" + serving(t, dir, nil) + "/big"
	client := browser(t)
	_, body := ask(t, client, "GET", at)
	assert.Equal(t, want, sha256.Sum256([]byte(body)))
	var parts bytes.Buffer
	for from := 0; from < size; from += 7 << 20 {
		res, body := ask(t, client, "GET", at, fmt.Sprintf("Range: bytes=%d-%d", from, from+7<<20-1))
		assert.Equal(t, 206, res.StatusCode)
		parts.WriteString(body)
	}
	assert.Equal(t, want, sha256.Sum256(parts.Bytes()))
}

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

func TestServeCommand(t *testing.T) {
	dir := site(t)
	r, w := io.Pipe()
	code, log := make(chan int, 1), make(lines, 10)
	go func() {
		code <- run([]string{"serve", dir}, w, log)
		w.Close()
	}()
	out := bufio.NewReader(r)
	first, err := out.ReadString('\n')
	require.NoError(t, err)
	_, at, _ := strings.Cut(first, " on ")
	_, body := ask(t, browser(t), "GET", strings.TrimSpace(at)+"/a.txt")
	assert.Equal(t, "0123456789", body)
	assert.Regexp(t, `^127\.0\.0\.1 - - \[../.../....:..:..:.. [+-]....\] "GET /a\.txt HTTP/1\.1" 200 10$`, <-log)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGINT))
	rest, err := io.ReadAll(out)
	require.NoError(t, err)
	assert.Empty(t, rest, "one line is all")
	assert.Equal(t, 0, <-code)
}

func TestServeSaysWhatIsWrong(t *testing.T) {
	dir := site(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	before := esock.NumberOf()
	for want, args := range map[string][]string{
		"no such file":         {dir + "/none"},
		"not a directory":      {dir + "/a.txt"},
		"missing port":         {dir, "--addr", "nonsense"},
		"cannot listen on 127": {dir, "--addr", taken.Addr().String()},
		"already in use":       {dir, "--addr", taken.Addr().String()},
		"too short":            {dir, "--idle", "0s"},
		"with 0 connections":   {dir, "--connections", "0"},
	} {
		code, out, errs := command(t, append([]string{"serve"}, args...)...)
		assert.Equal(t, 1, code, args)
		assert.Empty(t, out)
		assert.Contains(t, errs, want)
		assert.Equal(t, 1, strings.Count(errs, "\n"))
	}
	assert.Equal(t, before, esock.NumberOf())
	assert.Equal(t, 1, run([]string{"serve", dir}, noWriter{}, io.Discard))
	assert.Equal(t, before, esock.NumberOf())
}
