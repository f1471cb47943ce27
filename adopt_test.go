package esock

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fdFlags are a descriptor's own flags, -1: it is closed.
func fdFlags(fd int) int {
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
	if errno != 0 {
		return -1
	}
	return int(flags)
}

// After an error the descriptor is the caller's, and as it was.
func TestAdoptThatFailsLeavesTheDescriptor(t *testing.T) {
	dead := NewMailbox()
	dead.Close()
	for name, way := range map[string][]OpenOption{"dup": nil, "NoDup": {NoDup()}, "TakeFD": {TakeFD()}} {
		t.Run(name, func(t *testing.T) {
			fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			require.NoError(t, err)
			defer syscall.Close(fds[0])
			defer syscall.Close(fds[1])
			was, file, before := fdState(t, fds[0]), sameFile(fds[0]), gauges.read()
			_, err = Adopt(fds[0], append(way[:len(way):len(way)], Owner(dead))...)
			assert.ErrorIs(t, err, &InvalidError{What: "owner"})
			assert.Equal(t, file, sameFile(fds[0]))
			assert.Equal(t, was, fdState(t, fds[0]))
			assert.Equal(t, 0, fdFlags(fds[0]))
			assert.Equal(t, before, gauges.read())
			_, err = Open(Inet, Stream, TCP, Owner(dead))
			assert.ErrorIs(t, err, &InvalidError{What: "owner"})
			assert.Equal(t, before, gauges.read())
		})
	}
}

// Every descriptor of esock's is close-on-exec; one that is lent keeps what it has.
func TestAdoptAndCloseOnExec(t *testing.T) {
	for _, c := range []struct {
		way  OpenOption
		want int
	}{{NoDup(), 0}, {TakeFD(), syscall.FD_CLOEXEC}} {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		s, err := Adopt(fds[0], c.way)
		require.NoError(t, err)
		assert.Equal(t, c.want, fdFlags(fds[0]))
		require.NoError(t, s.Close())
		assert.Equal(t, c.want == 0, fdFlags(fds[0]) == 0)
		if c.want == 0 {
			syscall.Close(fds[0])
		}
		syscall.Close(fds[1])
	}
}
