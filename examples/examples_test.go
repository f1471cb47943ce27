// Package examples tests that the programs beside it run.
package examples

import (
	"bufio"
	"fmt"
	"go/parser"
	"go/token"
	"io"
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
			body := "package p\nfunc _() {\n" + strings.ReplaceAll(code, "…", "") + "\n}\n"
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
