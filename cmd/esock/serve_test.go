package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testkit"
	"github.com/esock-go/esock/internal/testwait"
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

// served runs esock serve until the test ends, and returns its first line, and its log.
func served(t *testing.T, args ...string) (first string, log lines) {
	t.Helper()
	log = make(lines, 100)
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(append([]string{"serve"}, args...), w, log)
		w.Close()
	}()
	out := bufio.NewReader(r)
	first, err := out.ReadString('\n')
	require.NoError(t, err)
	if slices.Contains(args, "--unix") {
		second, err := out.ReadString('\n')
		require.NoError(t, err)
		first += second
	}
	t.Cleanup(func() {
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		assert.Equal(t, 0, testwait.Result(t, "the exit code", code))
	})
	return strings.TrimSpace(first), log
}

func TestServePort(t *testing.T) {
	first, _ := served(t, site(t), "-p", "0")
	assert.Regexp(t, `^serving .* on http://127\.0\.0\.1:\d+$`, first)
	_, at, _ := strings.Cut(first, " on ")
	assert.Equal(t, "0123456789", fetched(t, at+"/a.txt"))
}

func TestServeHiddenNames(t *testing.T) {
	dir := site(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".env"), []byte("secret"), 0o644))
	for flag, want := range map[string]string{"--quiet": "404 Not Found\n", "--hidden": "secret"} {
		t.Run(flag, func(t *testing.T) {
			first, _ := served(t, dir, flag)
			_, at, _ := strings.Cut(first, " on ")
			assert.Equal(t, want, fetched(t, at+"/.env"))
		})
	}
}

func TestServeOnAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's a socket")
	t.Run("", func(t *testing.T) {
		first, log := served(t, site(t), "--unix", path)
		_, at, _ := strings.Cut(first, " on ")
		assert.Equal(t, path+"\n"+`try curl --unix-socket '`+strings.ReplaceAll(path, "'", `'\''`)+`' http://localhost/`, at)
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte("GET /a.txt HTTP/1.0\r\n\r\n"))
		require.NoError(t, err)
		got, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(string(got), "\r\n\r\n0123456789"))
		assert.True(t, strings.HasPrefix(<-log, "unix: - - ["))
		// What the first line says, works.
		if _, err := exec.LookPath("curl"); err == nil {
			_, try, _ := strings.Cut(at, "try ")
			out, err := exec.Command("sh", "-c", try+"a.txt --silent --noproxy '*' --max-time 60").Output()
			require.NoError(t, err)
			assert.Equal(t, "0123456789", string(out))
		}
	})
	assert.NoFileExists(t, path)
}

func TestServeHTTPS(t *testing.T) {
	cert, key, both := certificate(t)
	for _, flags := range [][]string{{"--cert", cert, "--key", key}, {"-C", both}} {
		t.Run("", func(t *testing.T) { servesHTTPS(t, cert, flags...) })
	}
}

// servesHTTPS checks that a server with these flags has the certificate.
func servesHTTPS(t *testing.T, cert string, flags ...string) {
	first, log := served(t, append([]string{site(t)}, flags...)...)
	_, at, _ := strings.Cut(first, " on ")
	assert.True(t, strings.HasPrefix(at, "https://127.0.0.1:"), at)
	text, err := os.ReadFile(cert)
	require.NoError(t, err)
	known := x509.NewCertPool()
	require.True(t, known.AppendCertsFromPEM(text))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: known}}}
	res, err := client.Get(at + "/a.txt")
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, "0123456789", string(body))
	assert.Contains(t, <-log, `"GET /a.txt HTTP/1.1" 200 10`)
	if _, err := exec.LookPath("curl"); err == nil {
		out, err := exec.Command("curl", "-sS", "--noproxy", "*", "--max-time", "60", "--cacert", cert, at+"/a.txt").CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Equal(t, "0123456789", string(out))
	}
}

// The first TERM lets a response end, and says that it waits.
func TestServeTermIsGraceful(t *testing.T) {
	dir := site(t)
	want := testkit.BigFile(t, dir, 32<<20)
	out, stdout := pipe(t)
	errs, stderr := pipe(t)
	c := child(t, stdout, stderr, "serve", dir, "--grace", testwait.Patience.String())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	defer c.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, at, _ := strings.Cut(strings.TrimSpace(line), " on ")
	res, err := http.Get(at + "/big")
	require.NoError(t, err)
	defer res.Body.Close()
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	said, err := bufio.NewReader(errs).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "esock serve: waiting up to "+testwait.Patience.String()+" for 1 connection; a second signal ends at once\n", said)
	h := sha256.New()
	_, err = io.Copy(h, res.Body)
	require.NoError(t, err)
	assert.Equal(t, want[:], h.Sum(nil))
	assert.NoError(t, testwait.Result(t, "the end", ended))
}

// A message about an argument names the flag at fault.
func TestServeNamesTheFlag(t *testing.T) {
	dir := site(t)
	cert, key, _ := certificate(t)
	_, other, _ := certificate(t)
	bad := textFile(t, "nonsense")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "--port: the port is already in --addr", []string{"--addr", "127.0.0.1:0", "--port", "0"}},
		{exitUsage, "--port: 70000 is not a port", []string{"--port", "70000"}},
		{exitUsage, "--port: there is no service", []string{"--port", "nonsense"}},
		{exitFailed, "--port: cannot listen on 127.0.0.1:" + port, []string{"--port", port}},
		{exitFailed, "--addr: cannot listen on 127.0.0.1:" + port, []string{"--addr", "127.0.0.1:" + port}},
		{exitUsage, "--unix: a Unix domain socket has neither", []string{"--unix", "x", "--port", "0"}},
		{exitUsage, "--unix: ", []string{"--unix", strings.Repeat("x", 200)}},
		{exitFailed, "--unix: cannot listen on " + bad, []string{"--unix", bad}},
		{exitFailed, "--unix: cannot listen on " + dir, []string{"--unix", dir + "/none/socket"}},
		{exitFailed, "--cert: " + cert + " has no private key", []string{"--cert", cert}},
		{exitUsage, "--key: it needs --cert", []string{"--key", key}},
		{exitFailed, "--cert: open " + dir, []string{"--cert", dir + "/none", "--key", key}},
		{exitFailed, "--key: open " + dir, []string{"--cert", cert, "--key", dir + "/none"}},
		{exitFailed, "--cert: " + bad + " cannot be used", []string{"--cert", bad, "--key", key}},
		{exitFailed, "--cert: " + key + " cannot be used", []string{"--cert", key, "--key", key}},
		{exitFailed, "--key: " + bad + " cannot be used", []string{"--cert", cert, "--key", bad}},
		{exitFailed, "--key: " + other + " cannot be used", []string{"--cert", cert, "--key", other}},
		{exitFailed, "--key: " + cert + " cannot be used", []string{"--cert", cert, "--key", cert}},
		{exitUsage, "--grace: a time of -1s is too short", []string{"--grace=-1s"}},
		{exitUsage, "--stall: a time of 0s is too short", []string{"--stall", "0s"}},
		{exitUsage, "--unix: the value is empty", []string{"--unix="}},
	} {
		code, out, errs := command(t, append([]string{"serve", dir}, c.args...)...)
		assert.Equal(t, c.code, code, c.args)
		assert.Empty(t, out)
		assert.Contains(t, errs, c.want)
		assert.Equal(t, 1, strings.Count(errs, "\n"), errs)
	}
}
