package netconn

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testmain"
	"github.com/esock-go/esock/internal/testwait"
)

// patience is how long a test waits for what must come.
const patience = testwait.Patience

var background = context.Background()

// TestMain checks that no goroutine and no descriptor is left behind.
func TestMain(m *testing.M) {
	if os.Getenv(activatedVariable) != "" {
		activatedMain()
		return
	}
	os.Exit(testmain.Run(m))
}

var abstractNames atomic.Int64

// abstractName is an unused abstract unix address.
func abstractName() string {
	return fmt.Sprintf("@esock-netconn-%d-%d", os.Getpid(), abstractNames.Add(1))
}

// addressOf is an address to listen on. Without IPv6 it skips a test that needs it.
func addressOf(t testing.TB, network string) string {
	if strings.HasSuffix(network, "6") {
		machine.NeedIPv6(t)
	}
	switch network {
	case "tcp", "tcp4", "udp", "udp4":
		return "127.0.0.1:0"
	case "tcp6", "udp6":
		return "[::1]:0"
	}
	return filepath.Join(t.TempDir(), "s")
}

// listening listens for the time of the test.
func listening(t testing.TB, lc ListenConfig, network string) *Listener {
	l, err := lc.Listen(background, network, addressOf(t, network))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.(*Listener)
}

// pair is a connected pair: what was dialled, and what was accepted.
func pair(t testing.TB, network string) (dialled, accepted Conn) {
	l := listening(t, ListenConfig{}, network)
	c, err := Dialer{}.Dial(network, l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	a, err := l.AcceptConn()
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	return c.(Conn), a
}

// receiving makes a datagram socket for the time of the test.
func receiving(t testing.TB, network string) PacketConn {
	c, err := ListenConfig{}.ListenPacket(background, network, addressOf(t, network))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.(PacketConn)
}

// opError is err as what all errors of connections are.
func opError(t testing.TB, err error) *net.OpError {
	t.Helper()
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	require.Same(t, op, err)
	return op
}

// ownListener is the listener with its own type.
func ownListener(l net.Listener, err error) (*Listener, error) {
	own, _ := l.(*Listener)
	return own, err
}

// ownPackets is the socket of datagrams with its own type.
func ownPackets(c net.PacketConn, err error) (PacketConn, error) {
	own, _ := c.(PacketConn)
	return own, err
}
