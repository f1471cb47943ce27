package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// site is a directory with one file to serve.
func site(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("0123456789"), 0o644))
	return dir
}

// fetched is the body of what a URL names.
func fetched(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

// lines takes what is written, line by line.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		l <- strings.TrimSuffix(line, "\n")
	}
	return len(b), nil
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
	assert.Equal(t, "0123456789", fetched(t, strings.TrimSpace(at)+"/a.txt"))
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
		assert.Equal(t, refusedCode(want), code, args)
		assert.Empty(t, out)
		assert.Contains(t, errs, want)
		assert.Equal(t, 1, strings.Count(errs, "\n"))
	}
	assert.Equal(t, before, esock.NumberOf())
	assert.Equal(t, 1, run([]string{"serve", dir}, noWriter{}, io.Discard))
	assert.Equal(t, before, esock.NumberOf())
}
