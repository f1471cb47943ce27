package main

import (
	"bufio"
	"context"
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

// start runs the server until stop is called, which returns how it ended.
func start(t *testing.T, idle time.Duration) (address string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, w, "127.0.0.1:0", 2, idle, time.Minute)
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

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return c
}

func TestItEchoes(t *testing.T) {
	address, stop := start(t, 0)
	clients := []net.Conn{dial(t, address), dial(t, address), dial(t, address)}
	for _, c := range clients {
		_, err := c.Write([]byte("hello"))
		require.NoError(t, err)
	}
	for _, c := range clients {
		b := make([]byte, 5)
		_, err := io.ReadFull(c, b)
		require.NoError(t, err)
		require.Equal(t, "hello", string(b))
		require.NoError(t, c.Close())
	}
	require.NoError(t, stop())
}

func TestASilentClientIsSentAway(t *testing.T) {
	address, stop := start(t, 10*time.Millisecond)
	_, err := dial(t, address).Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	require.NoError(t, stop())
}

func TestAWrongAddress(t *testing.T) {
	require.Error(t, run(t.Context(), io.Discard, "nowhere", 1, 0, 0))
	require.Error(t, run(t.Context(), io.Discard, "127.0.0.1:0", 0, 0, 0))
}
