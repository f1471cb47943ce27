package fileserver

import (
	"context"
	"crypto/sha256"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testkit"
	"github.com/esock-go/esock/internal/testwait"
)

func TestServeLocalSocket(t *testing.T) {
	dir := site(t)
	want := testkit.BigFile(t, dir, 1<<20)
	path := filepath.Join(t.TempDir(), "socket")
	for _, at := range []esock.Addr{esock.UnixAddr(path), esock.AbstractAddr("esock-test-" + filepath.Base(t.TempDir()) + path)} {
		log := make(lines, 10)
		s, err := Listen(at, Config{Root: rooted(t, dir), Connections: 10, Idle: testwait.Patience, Head: testwait.Patience,
			Stall: testwait.Patience, Log: log})
		require.NoError(t, err)
		assert.Equal(t, at, s.Addr())
		stop := running(t, s)
		client := browser(t)
		client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("unix", at.String())
		}
		_, body := ask(t, client, "GET", "http://localhost/a.txt")
		assert.Equal(t, "0123456789", body)
		assert.Regexp(t, `^unix: - - \[.*\] "GET /a.txt HTTP/1.1" 200 10$`, <-log)
		_, body = ask(t, client, "GET", "http://localhost/big")
		assert.Equal(t, want, sha256.Sum256([]byte(body)))
		assert.Regexp(t, `"GET /big HTTP/1.1" 200 1048576$`, <-log)
		_, err = Listen(at, Config{Root: rooted(t, dir), Connections: 1, Idle: 1, Head: 1, Stall: 1})
		assert.Error(t, err, "the name is taken")
		stop()
		assert.NoFileExists(t, path)
	}

	// A name that belongs to another by the end is kept.
	s, err := Listen(esock.UnixAddr(path), Config{Root: rooted(t, dir), Connections: 1, Idle: 1, Head: 1, Stall: 1})
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	s.Close()
	assert.FileExists(t, path)
}
