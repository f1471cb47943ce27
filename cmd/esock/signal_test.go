package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/testwait"
)

// childArgs names the variable that makes the test binary the command, with these arguments.
const childArgs = "ESOCK_TEST_CHILD"

// TestChild is no test: as a process of its own it is the command.
func TestChild(t *testing.T) {
	if args := os.Getenv(childArgs); args != "" {
		os.Exit(run(strings.Split(args, "\n"), os.Stdout, os.Stderr))
	}
}

// child starts the command.
func child(t *testing.T, stdout, stderr *os.File, args ...string) *exec.Cmd {
	t.Helper()
	return childWith(t, nil, stdout, stderr, args...)
}

// childWith is child with an input.
func childWith(t *testing.T, stdin, stdout, stderr *os.File, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestChild$")
	c.Env = append(os.Environ(), childArgs+"="+strings.Join(args, "\n"))
	if stdin != nil {
		c.Stdin = stdin
	}
	c.Stdout, c.Stderr = stdout, stderr
	// A signal that is ignored here, as for a job of a shell in the background, would be ignored in the child. One that is
	// caught here is not.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(caught)
	require.NoError(t, c.Start())
	return c
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

// fill writes until a pipe takes no more.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	raw, err := w.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		for err == nil {
			_, err = syscall.Write(int(fd), make([]byte, 4096))
		}
	}))
	require.ErrorIs(t, err, syscall.EAGAIN)
}

// A log that is not read keeps the server from ending, until a second signal.
func TestServeSecondSignalKills(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		out, stdout := pipe(t)
		_, stderr := pipe(t)
		fill(t, stderr)
		c := child(t, stdout, stderr, "serve", site(t))
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		line, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err)
		_, at, ok := strings.Cut(strings.TrimSpace(line), " on ")
		require.True(t, ok, line)
		assert.Equal(t, "0123456789", fetched(t, at+"/a.txt"))
		killed(t, c, ended, sig)
	}
}

// A standard output that is not read keeps watch from ending, until a second signal.
func TestWatchSecondSignalKills(t *testing.T) {
	_, stdout := pipe(t)
	fill(t, stdout)
	c := child(t, stdout, os.Stderr, "watch")
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	testwait.Until(t, "it has a socket, and listens to signals", func() bool {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", c.Process.Pid))
		return slices.ContainsFunc(fds, func(fd string) bool {
			to, _ := os.Readlink(fd)
			return strings.HasPrefix(to, "socket:")
		})
	})
	killed(t, c, ended, syscall.SIGTERM)
}

// killed sends a signal until the process ends, and checks that it was killed by the signal.
func killed(t *testing.T, c *exec.Cmd, ended <-chan error, sig syscall.Signal) {
	t.Helper()
	give := time.NewTimer(testwait.Patience)
	defer give.Stop()
	wait := 10 * time.Millisecond
	for running := true; running; {
		wait *= 2 // signals without end would keep a slow machine from anything else
		require.NoError(t, ignoreGone(c.Process.Signal(sig)))
		select {
		case <-ended:
			running = false
		case <-time.After(wait):
		case <-give.C:
			c.Process.Kill()
			<-ended
			running = false
		}
	}
	status := c.ProcessState.Sys().(syscall.WaitStatus)
	assert.Equal(t, sig, status.Signal(), "%v", status)
}

// ignoreGone takes away that a process has ended already.
func ignoreGone(err error) error {
	if err == os.ErrProcessDone {
		return nil
	}
	return err
}

// Interrupted, connect succeeds if nothing is lost, and fails if the peer has not taken all of its input.
func TestConnectExitCodes(t *testing.T) {
	for name, want := range map[string]int{os.DevNull: exitOK, "/dev/zero": exitFailed} {
		l := peer(t)
		in, err := os.Open(name)
		require.NoError(t, err)
		defer in.Close()
		errs, stderr := pipe(t)
		c := childWith(t, in, nil, stderr, "connect", l.Addr().String())
		conn := accepted(t, l)
		_, err = conn.Read(make([]byte, 1)) // the command is at its work; the end of the input arrives, too
		if want == exitFailed {
			require.NoError(t, err)
		}
		require.NoError(t, c.Process.Signal(os.Interrupt))
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		testwait.Result(t, "the end of the command", ended)
		assert.Equal(t, want, c.ProcessState.ExitCode(), name)
		stderr.Close()
		said, err := io.ReadAll(errs)
		require.NoError(t, err)
		assert.Equal(t, map[int]string{exitOK: "", exitFailed: "esock connect: interrupted: not all of the input has reached the peer\n"}[want], string(said))
	}
}
