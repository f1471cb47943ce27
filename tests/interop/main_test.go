// Package interop tests gentcp against Erlang's gen_tcp: the same scripts are played by both languages in both roles,
// and must go the same way. It also tests "esock serve" against curl.
package interop

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testmain"
)

var (
	erlang   *node
	noErlang error // why there is none
)

// TestMain runs the tests beside one Erlang node for all, and then looks for what was left behind.
func TestMain(m *testing.M) {
	os.Exit(testmain.Around(func() int { return besideErlang(m) }))
}

func besideErlang(m *testing.M) int {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	erlang, noErlang = startNode(dir)
	if noErlang != nil && !errors.Is(noErlang, exec.ErrNotFound) {
		fmt.Println(noErlang)
		return 1
	}
	flag.Set("test.parallel", "8") // scenarios mostly wait; -parallel overrides it
	code := m.Run()
	if erlang != nil {
		if said := erlang.stop(); code != 0 && said != "" {
			fmt.Println("the Erlang node said:\n" + said)
		}
	}
	return code
}

// descriptors lists what the process has open.
var descriptors = machine.Descriptors

// needErlang skips a test if there is no Erlang.
func needErlang(t *testing.T) {
	t.Helper()
	if noErlang != nil {
		t.Skip("no Erlang (Debian: erlang-base): ", noErlang)
	}
}

// deadPort is a port of loopback without a listener.
func deadPort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}
