// Package examples tests that the programs beside it run.
package examples

import (
	"bufio"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
