// Package examples tests that the programs beside it run.
package examples

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
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
