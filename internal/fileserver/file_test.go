package fileserver

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/testkit"
)

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

// The server opens only files and directories: a writer would notice that a pipe is opened.
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
	assert.Equal(t, syscall.EAGAIN, err, "no reader has opened it")
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
		assert.Equal(t, status == 200, strings.Contains(body, "<h1>"), sub)
		assert.Equal(t, sub == "dir", strings.Contains(body, "index.html"), sub)
		// The listing above leaves out what answers 404.
		_, above := ask(t, browser(t), "GET", url+"/")
		assert.Equal(t, status == 200, strings.Contains(above, "./"+sub+"/\""), sub)
	}
}

func TestServeBigFile(t *testing.T) {
	dir := site(t)
	const size = 20<<20 + 3
	want := testkit.BigFile(t, dir, size)
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

func TestServeFileThatShrinks(t *testing.T) {
	dir := site(t)
	testkit.BigFile(t, dir, 32<<20)
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
