// Package examples tests that the programs beside it run.
package examples

import (
	"bufio"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/sourcetree"
)

func TestTheClientIsAnsweredByTheWorkers(t *testing.T) {
	if why := machine.Lacks(); why != "" {
		t.Skip(why)
	}
	bin := t.TempDir()
	out, err := exec.Command("go", "build", "-o", bin, "./gentcp-workers", "./gentcp-client").CombinedOutput()
	require.NoError(t, err, "%s", out)

	server := exec.Command(bin+"/gentcp-workers", "-workers", "2")
	stdout, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	t.Cleanup(func() { server.Process.Kill() })
	says := bufio.NewReader(stdout)
	port, err := says.ReadString('\n')
	require.NoError(t, err)

	answers, err := exec.Command(bin+"/gentcp-client", strings.TrimSpace(port), "some", "data").CombinedOutput()
	require.NoError(t, err, "%s", answers)
	require.Equal(t, "SOME\nDATA\n", string(answers))
	closed, err := says.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "socket closed\n", closed)

	require.NoError(t, server.Process.Signal(os.Interrupt))
	rest, err := io.ReadAll(says)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("accept returned closed - goodbye!\n", 2), string(rest))
	require.NoError(t, server.Wait())
}

// Clients that never pause lose no request while the server restarts twice.
func TestARestartLosesNoRequest(t *testing.T) {
	if why := machine.Lacks(); why != "" {
		t.Skip(why)
	}
	bin := filepath.Join(t.TempDir(), "restart")
	out, err := exec.Command("go", "build", "-o", bin, "./restart").CombinedOutput()
	require.NoError(t, err, "%s", out)
	server := exec.Command(bin, "-listen", "127.0.0.1:0", "-grace", "1m")
	server.Stderr = os.Stderr
	stdout, w, err := os.Pipe() // Wait would close one of its own, and the processes share it
	require.NoError(t, err)
	defer stdout.Close()
	server.Stdout = w
	require.NoError(t, server.Start())
	require.NoError(t, w.Close())
	says := bufio.NewReader(stdout)
	next := func() (address string, p *os.Process) {
		var pid int
		_, err := fmt.Fscanf(says, "%s served by %d\n", &address, &pid)
		require.NoError(t, err)
		p, err = os.FindProcess(pid)
		require.NoError(t, err)
		t.Cleanup(func() { p.Kill() })
		return address, p
	}
	address, running := next()

	var third atomic.Int64
	var last atomic.Int64 // requests that the third process has answered
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			tr := &http.Transport{}
			defer tr.CloseIdleConnections()
			client := &http.Client{Transport: tr}
			for last.Load() < 100 && !t.Failed() {
				resp, err := client.Post("http://"+address, "text/plain", strings.NewReader("a request that is not repeated"))
				if !assert.NoError(t, err) {
					return
				}
				var pid int
				body, err := io.ReadAll(resp.Body) // to the end, so that the connection is used again
				assert.NoError(t, err)
				resp.Body.Close()
				_, err = fmt.Sscan(string(body), &pid)
				assert.NoError(t, err)
				if pid == int(third.Load()) {
					last.Add(1)
				}
			}
		})
	}
	for range 2 {
		require.NoError(t, running.Signal(syscall.SIGHUP))
		var same string
		same, running = next()
		require.Equal(t, address, same)
	}
	third.Store(int64(running.Pid))
	clients.Wait()
	require.NoError(t, server.Wait(), "the first process ends")
	require.NoError(t, running.Signal(os.Interrupt))
	_, err = io.ReadAll(says)
	require.NoError(t, err, "all have ended")
}

// Each shard gets the connections that the program gives it.
func TestShardsGetWhatTheProgramSays(t *testing.T) {
	if why := machine.Lacks(); why != "" {
		t.Skip(why)
	}
	bin := filepath.Join(t.TempDir(), "sharding")
	out, err := exec.Command("go", "build", "-o", bin, "./sharding").CombinedOutput()
	require.NoError(t, err, "%s", out)
	const shards = 3
	start := func(t *testing.T, by, listen string) (address string, stop func()) {
		server := exec.Command(bin, "-listen", listen, "-shards", fmt.Sprint(shards), "-by", by)
		server.Stderr = os.Stderr
		stdout, err := server.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, server.Start())
		t.Cleanup(func() { server.Process.Kill() })
		var count int
		_, err = fmt.Fscanf(stdout, "%s served by %d shards\n", &address, &count)
		require.NoError(t, err)
		assert.Equal(t, shards, count)
		return address, func() {
			require.NoError(t, server.Process.Signal(os.Interrupt))
			require.NoError(t, server.Wait())
		}
	}
	get := func(t *testing.T, address string, from net.IP) (shard int) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
		client := http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
		resp, err := client.Get("http://" + address)
		require.NoError(t, err)
		defer resp.Body.Close()
		_, err = fmt.Fscan(resp.Body, new(string), &shard)
		require.NoError(t, err)
		return shard
	}
	t.Run("by client", func(t *testing.T) {
		address, stop := start(t, "client", "127.0.0.1:0")
		for last := range byte(10) {
			assert.Equal(t, int(last)%shards, get(t, address, net.IPv4(127, 0, 1, last)), "from 127.0.1.%d", last)
		}
		stop()
	})
	t.Run("by client of IPv6", func(t *testing.T) {
		machine.NeedIPv6(t)
		address, stop := start(t, "client", "[::1]:0")
		assert.Equal(t, 1, get(t, address, net.IPv6loopback), "from ::1")
		stop()
	})
	t.Run("by processor", func(t *testing.T) {
		address, stop := start(t, "processor", "127.0.0.1:0")
		for range 10 {
			assert.Contains(t, []int{0, 1, 2}, get(t, address, nil))
		}
		stop()
	})
	said, err := exec.Command(bin, "-by", "nothing").CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(said), "no way to choose")
}

// README's programs run, and its fragments are Go.
func TestREADME(t *testing.T) {
	sourcetree.Need(t)
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	programs := 0
	for _, block := range strings.Split(string(text), "```go\n")[1:] {
		code, _, ok := strings.Cut(block, "\n```")
		require.True(t, ok)
		if !strings.HasPrefix(code, "package main") {
			body := strings.ReplaceAll(code, "…", "")
			if !strings.HasPrefix(body, "type ") { // declarations stand for themselves
				body = "func _() {\n" + body + "\n}\n"
			}
			body = "package p\n" + body
			_, err := parser.ParseFile(token.NewFileSet(), "README.md", body, parser.SkipObjectResolution)
			assert.NoError(t, err, code)
			continue
		}
		programs++
		file := filepath.Join(t.TempDir(), "main.go")
		require.NoError(t, os.WriteFile(file, []byte(code), 0o644))
		cmd := exec.Command("go", "run", file)
		cmd.Dir = ".."
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Equal(t, "hello, 5 bytes received\n", string(out))
	}
	assert.Equal(t, 1, programs)
}

// The program of docs/scale.md runs, and prints what the page says.
func TestTheServerBehindABalancer(t *testing.T) {
	sourcetree.Need(t)
	text, err := os.ReadFile("../docs/scale.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "\n```go\n")
	require.True(t, ok)
	code, rest, ok := strings.Cut(rest, "\n```\n")
	require.True(t, ok)
	formatted, err := format.Source([]byte(code + "\n"))
	require.NoError(t, err)
	assert.Equal(t, string(formatted), code+"\n", "gofmt")
	_, rest, ok = strings.Cut(rest, "\nIt prints:\n\n```\n")
	require.True(t, ok)
	prints, _, ok := strings.Cut(rest, "```\n")
	require.True(t, ok)
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(code), 0o644))
	cmd := exec.Command("go", "run", file)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, prints, string(out))
}

// README's server of net/http serves, and its handler reaches the socket.
func TestREADMEUnderPackageNet(t *testing.T) {
	sourcetree.Need(t)
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\n## Under package net\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	var code []string
	for _, block := range strings.Split(section, "```go\n")[1:] {
		inside, _, ok := strings.Cut(block, "\n```")
		require.True(t, ok)
		code = append(code, inside)
	}
	require.Len(t, code, 3, "serve, the server, and its handler")
	assert.Equal(t, 5, strings.Count(code[0], "\n")+1, "lines to serve")
	// An address that follows from the process's number is nobody else's.
	address := fmt.Sprintf("127.%d.%d.%d:20433", 128+os.Getpid()>>16&63, os.Getpid()>>8&255, os.Getpid()&255)
	serve := strings.Replace(code[0], "127.0.0.1:8080", address, 1)
	require.NotEqual(t, code[0], serve)

	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(`package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/esock-go/esock/netconn"
	"github.com/esock-go/esock/sockopt"
)

type connKey struct{}

func serve(ctx context.Context, handler http.Handler) error {
`+serve+`
}

func main() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
`+code[2]+`
		fmt.Fprintln(w, "served")
	})
	go func() { panic(serve(context.Background(), handler)) }()
	for {
		if resp, err := http.Get("http://`+address+`"); err == nil {
			io.Copy(os.Stdout, resp.Body)
			break
		}
	}
`+code[1]+`
	l, err := netconn.ListenConfig{}.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go server.Serve(l)
	resp, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		panic(err)
	}
	io.Copy(os.Stdout, resp.Body)
}
`), 0o644))
	cmd := exec.Command("go", "run", file)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Regexp(t, `^served\n[0-9.]+[µm]?s <nil>\nserved\n$`, string(out))
}

// A datagram for each of two groups, from the sender that is heard and from none other.
func TestMulticast(t *testing.T) {
	if why := machine.Lacks(); why != "" {
		t.Skip(why)
	}
	bin := filepath.Join(t.TempDir(), "multicast")
	out, err := exec.Command("go", "build", "-o", bin, "./multicast").CombinedOutput()
	require.NoError(t, err, "%s", out)
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(c.LocalAddr().String())
	require.NoError(t, err)
	require.NoError(t, c.Close())
	groups := []string{"239.4.3.1:" + port, "239.4.3.2:" + port}

	receiver := exec.Command(bin, append([]string{"-interface", "lo", "-source", "127.0.0.1", "-source", "127.0.0.2", "-count", "2"}, groups...)...)
	stdout, err := receiver.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, receiver.Start())
	t.Cleanup(func() { receiver.Process.Kill() })
	says := bufio.NewReader(stdout)
	line, err := says.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "listening to 2 groups\n", line)
	answers, err := exec.Command(bin, append([]string{"-interface", "lo", "-from", "127.0.0.1", "-ttl", "3", "-send", "hello"}, groups...)...).CombinedOutput()
	require.NoError(t, err, "%s", answers)
	rest, err := io.ReadAll(says)
	require.NoError(t, err)
	require.NoError(t, receiver.Wait())
	assert.Regexp(t, `^127.0.0.1:\d+ to 239.4.3.1 by interface \d+ with TTL 3: "hello"\n`+
		`127.0.0.1:\d+ to 239.4.3.2 by interface \d+ with TTL 3: "hello"\n$`, string(rest))
}
