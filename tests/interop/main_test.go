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
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
)

var (
	erlang   *node
	noErlang error // why there is none
)

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

// runAll runs the tests beside one Erlang node for all, and then looks for what was left behind.
func runAll(m *testing.M) int {
	if why := machine.Lacks(); why != "" {
		fmt.Println("skipped:", why)
		return 0
	}
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	startPollers()
	before := len(descriptors())
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
	if code == 0 {
		return leftovers(before)
	}
	return code
}

// startPollers makes both pollers open what they keep for ever.
func startPollers() {
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	s.Recv(make([]byte, 1), 0, esock.Within(time.Nanosecond))
	s.Recv(make([]byte, 1), 0, esock.NoWait(esock.NewMailbox()))
}

// leftovers looks for goroutines and descriptors that the tests have left. The pollers live as long as the process.
func leftovers(before int) int {
	if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/esock-go/esock.servePoller")); err != nil {
		fmt.Println("goroutines left:", err)
		return 1
	}
	if after := descriptors(); len(after) > before {
		fmt.Printf("descriptors left: %d before, now %v\n", before, after)
		return 1
	}
	return 0
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
