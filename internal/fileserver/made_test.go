package fileserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServeFilesThatTheKernelMakesUp(t *testing.T) {
	at := serving(t, "/proc/sys/kernel", nil)
	url := "http://" + at
	want, err := os.ReadFile("/proc/sys/kernel/ostype")
	require.NoError(t, err)
	require.NotEmpty(t, want)
	client := browser(t)
	for _, headers := range [][]string{nil, {"Range: bytes=1-2"}, {"If-Modified-Since: Mon, 02 Jan 2090 15:04:05 GMT"},
		{`If-None-Match: "a"`}, {"If-Unmodified-Since: Mon, 02 Jan 2006 15:04:05 GMT"}} {
		res, body := ask(t, client, "GET", url+"/ostype", headers...)
		assert.Equal(t, 200, res.StatusCode, headers)
		assert.Equal(t, string(want), body, headers)
		assert.EqualValues(t, len(want), res.ContentLength)
		for _, name := range []string{"Etag", "Last-Modified", "Accept-Ranges"} {
			assert.Empty(t, res.Header.Get(name), "it can change at any time")
		}
	}
	for status, header := range map[int]string{304: "If-None-Match: *", 412: `If-Match: "a"`} {
		res, _ := ask(t, client, "GET", url+"/ostype", header)
		assert.Equal(t, status, res.StatusCode)
	}
	res, body := ask(t, client, "HEAD", url+"/ostype")
	assert.Empty(t, body)
	assert.EqualValues(t, len(want), res.ContentLength)
	got := raw(t, at, "GET /ostype HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"+request("GET /ostype HTTP/1.1"))
	assert.Equal(t, []string{"200 " + string(want), "200 " + string(want)}, answers(t, got, "GET", "GET"))
}

// A file of /sys has the size of a page, whatever it holds.
func TestServeFilesOfSys(t *testing.T) {
	const dir = "/sys/class/net/lo"
	want, err := os.ReadFile(dir + "/mtu")
	if err != nil {
		t.Skip("no sysfs: ", err)
	}
	_, body := ask(t, browser(t), "GET", "http://"+serving(t, dir, nil)+"/mtu")
	assert.Equal(t, string(want), body)
}

// A long one has no known length: it is sent in chunks, or ends with the connection.
func TestServeLongFilesThatTheKernelMakesUp(t *testing.T) {
	want, err := os.ReadFile("/proc/kallsyms")
	if err != nil || len(want) <= maxMade {
		t.Skip("no long file: ", err)
	}
	log := make(lines, 10)
	at := serving(t, "/proc", log)
	res, body := ask(t, browser(t), "GET", "http://"+at+"/kallsyms")
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, []string{"chunked"}, res.TransferEncoding)
	assert.True(t, string(want) == body)
	assert.Contains(t, <-log, fmt.Sprintf(" 200 %d", len(want)))
	got := raw(t, at, "GET /kallsyms HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	assert.Contains(t, got, "Connection: close")
	_, body, _ = strings.Cut(got, "\r\n\r\n")
	assert.True(t, string(want) == body)
	head := raw(t, at, request("HEAD /kallsyms HTTP/1.1")+request("HEAD /kallsyms HTTP/1.1"))
	assert.Equal(t, []string{"200 ", "200 "}, answers(t, head, "HEAD", "HEAD"))
}

// A file without blocks is not always made up.
func TestServeFilesWithoutBlocks(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hole"), nil, 0o644))
	require.NoError(t, os.Truncate(filepath.Join(dir, "hole"), 1000))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644))
	url := "http://" + serving(t, dir, nil)
	for name, size := range map[string]int{"hole": 1000, "empty": 0} {
		res, body := ask(t, browser(t), "GET", url+"/"+name)
		assert.Equal(t, strings.Repeat("\x00", size), body)
		assert.NotEmpty(t, res.Header.Get("Etag"), name)
		assert.NotEmpty(t, res.Header.Get("Last-Modified"), name)
	}
	res, body := ask(t, browser(t), "GET", url+"/hole", "Range: bytes=0-1")
	assert.Equal(t, 206, res.StatusCode)
	assert.Equal(t, "\x00\x00", body)
}

// Opening may be allowed where reading is not.
func TestServeFilesThatCannotBeRead(t *testing.T) {
	const dir = "/proc/self/task"
	name := fmt.Sprintf("%d/mem", os.Getpid()) // there is nothing at address 0
	if _, err := os.ReadFile(filepath.Join(dir, name)); !errors.Is(err, syscall.EIO) {
		t.Skip("reading it fails differently: ", err)
	}
	at := serving(t, dir, nil)
	res, body := ask(t, browser(t), "GET", "http://"+at+"/"+name)
	assert.Equal(t, 500, res.StatusCode)
	assert.Equal(t, "500 Internal Server Error\n", body)
}
