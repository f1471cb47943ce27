package sockopt

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testmain"
)

// TestMain checks, after all tests of the package, that no goroutine and no descriptor is left behind.
func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// pair opens two unix sockets that are connected to each other.
func pair(t testing.TB, typ esock.Type, opts ...esock.OpenOption) (a, b *esock.Socket) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, int(typ)|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	var socks [2]*esock.Socket
	for i, fd := range fds {
		socks[i], err = esock.Adopt(fd, append(opts, esock.TakeFD())...)
		require.NoError(t, err)
		t.Cleanup(func() { socks[i].Close() })
	}
	return socks[0], socks[1]
}

// descriptors lists what the process has open.
var descriptors = machine.Descriptors
