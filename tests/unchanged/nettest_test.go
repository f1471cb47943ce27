package unchanged

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/netconn"
)

var abstract atomic.Int64

// addressOf is an address to listen on.
func addressOf(t testing.TB, network string) string {
	if strings.HasSuffix(network, "6") {
		machine.NeedIPv6(t)
	}
	switch network {
	case "tcp4", "udp4":
		return "127.0.0.1:0"
	case "tcp6", "udp6":
		return "[::1]:0"
	case "abstract":
		return fmt.Sprintf("@esock-unchanged-%d-%d", pid, abstract.Add(1))
	}
	return filepath.Join(t.TempDir(), "s")
}

// pairs makes connected pairs over a listener.
func pairs(t *testing.T, network string) nettest.MakePipe {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		address := addressOf(t, network)
		if network == "abstract" {
			network = "unix"
		}
		l, err := netconn.ListenConfig{}.Listen(context.Background(), network, address)
		if err != nil {
			return nil, nil, nil, err
		}
		defer l.Close()
		if c1, err = (netconn.Dialer{}).Dial(network, l.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		if c2, err = l.Accept(); err != nil {
			c1.Close()
			return nil, nil, nil, err
		}
		return c1, c2, func() { c1.Close(); c2.Close() }, nil
	}
}

// TestNettest runs the conformance tests of net.Conn.
func TestNettest(t *testing.T) {
	row(t, "golang.org/x/net", "nettest.TestConn over tcp4, tcp6, unix, abstract")
	for _, network := range []string{"tcp4", "tcp6", "unix", "abstract"} {
		t.Run(network, func(t *testing.T) {
			addressOf(t, network) // skips here what the machine lacks
			nettest.TestConn(t, pairs(t, network))
		})
	}
}
