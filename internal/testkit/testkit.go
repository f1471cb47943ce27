// Package testkit has what the tests of several packages need of sockets and files.
package testkit

import (
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// StaysFull makes a TCP socket that takes no more stay so; false: what is on its way may make room once more.
func StaysFull(t testing.TB, s *esock.Socket) bool {
	t.Helper()
	info, err := sockopt.TCPInfo.Get(s)
	require.NoError(t, err)
	switch {
	case info.Unacked > 0 || info.SndWnd >= info.SndMSS: // what is on its way, or goes there soon, makes room once more
		return false
	case info.NotSentBytes < info.SndWnd+1<<14: // what the window has room for is nearly all
		n, err := sockopt.SocketSndBuf.Get(s)
		require.NoError(t, err)
		require.NoError(t, sockopt.SocketSndBuf.Set(s, n)) // Linux doubles it
		return false
	}
	// Linux sends what the window has room for, less than a segment, after 200 ms. The buffer becomes so small that this
	// makes no room in it.
	require.NoError(t, sockopt.SocketSndBuf.Set(s, 1))
	return true
}

// BigFile puts a file of random bytes with the name "big" into a directory, and returns its hash.
func BigFile(t testing.TB, dir string, size int) [32]byte {
	t.Helper()
	b := make([]byte, size)
	_, err := rand.NewChaCha8([32]byte{1}).Read(b)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "big"), b, 0o644))
	return sha256.Sum256(b)
}
