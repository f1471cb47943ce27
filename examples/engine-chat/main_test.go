package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/testmain"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

// start opens a room until stop is called, which returns how it ended.
func start(t *testing.T) (address string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, w, "127.0.0.1:0")
		w.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(cancel)
	address, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(address), func() error {
		cancel()
		return <-ended
	}
}

type client struct {
	net.Conn
	r *bufio.Reader
}

func (c client) hears(t *testing.T, format string, args ...any) {
	t.Helper()
	line, err := c.r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf(format, args...)+"\n", line)
}

func join(t *testing.T, address string) client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return client{c, bufio.NewReader(c)}
}

// Everybody hears every line, in the same order.
func TestEverybodyHearsEveryLine(t *testing.T) {
	address, stop := start(t)
	const many = 50
	var all []client
	for range many {
		c := join(t, address)
		for _, other := range append(all, c) {
			other.hears(t, "%s comes", c.LocalAddr())
		}
		all = append(all, c)
	}
	for _, c := range all[:10] {
		_, err := fmt.Fprintf(c, "hello\nand goodbye\n")
		require.NoError(t, err)
		for _, other := range all {
			other.hears(t, "%s: hello", c.LocalAddr())
			other.hears(t, "%s: and goodbye", c.LocalAddr())
		}
	}
	gone, all := all[0], all[1:]
	require.NoError(t, gone.Close())
	for _, other := range all {
		other.hears(t, "%s goes", gone.LocalAddr())
	}
	require.NoError(t, stop())
	for i, c := range all { // those that are still there hear of those that have gone
		_, err := io.ReadAll(c.r)
		require.NoError(t, err, "%d", i)
	}
}

func TestALineThatIsTooLong(t *testing.T) {
	address, stop := start(t)
	long, other := join(t, address), join(t, address)
	long.hears(t, "%s comes", long.LocalAddr())
	long.hears(t, "%s comes", other.LocalAddr())
	other.hears(t, "%s comes", other.LocalAddr())
	_, err := long.Write([]byte(strings.Repeat("x", 1001)))
	require.NoError(t, err)
	other.hears(t, "%s goes", long.LocalAddr())
	_, err = long.r.ReadByte()
	require.Error(t, err)
	require.NoError(t, stop())
}

func TestAWrongAddress(t *testing.T) {
	require.Error(t, run(t.Context(), io.Discard, "nowhere"))
}
