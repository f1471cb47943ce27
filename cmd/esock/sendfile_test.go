package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testkit"
	"github.com/esock-go/esock/internal/testwait"
)

func sendingTo(
	t *testing.T, ctx context.Context, l net.Listener, file string, terminal bool,
) (*bytes.Buffer, <-chan error) {
	t.Helper()
	host, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	var out bytes.Buffer
	ended := make(chan error, 1)
	c := &sendfileCmd{Host: host, Port: port, File: file}
	go func() { ended <- c.sendfile(ctx, &output{Writer: &out, terminal: terminal}) }()
	return &out, ended
}

func TestSendfileSendsAll(t *testing.T) {
	nothingLeft(t)
	dir := t.TempDir()
	want := testkit.BigFile(t, dir, 3<<20+1)
	for _, terminal := range []bool{false, true} {
		l := peer(t)
		out, ended := sendingTo(t, context.Background(), l, filepath.Join(dir, "big"), terminal)
		p := accepted(t, l)
		h := sha256.New()
		_, err := io.Copy(h, p) // while it keeps its own direction open
		require.NoError(t, err)
		assert.Equal(t, want[:], h.Sum(nil))
		require.NoError(t, <-ended)
		if terminal {
			assert.Regexp(t, `(?s)^\r.* 100% \[#{40}\] \(3\.0/3\.0 MiB.*\n3145729 bytes sent and confirmed in `, out.String())
		} else {
			assert.Regexp(t, `^3145729 bytes sent and confirmed in [^\n]*, [^\n]* a second\n$`, out.String())
		}
	}
}

// The address is HOST PORT or HOST:PORT.
func TestSendfileToAnAddress(t *testing.T) {
	nothingLeft(t)
	file := textFile(t, "hello")
	for _, join := range []bool{false, true} {
		l := peer(t)
		host, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		args := []string{"sendfile", host, port, file}
		if join {
			args = []string{"sendfile", host + ":" + port, file}
		}
		code := make(chan int, 1)
		go func() { code <- run(args, io.Discard, io.Discard) }()
		got, err := io.ReadAll(accepted(t, l))
		require.NoError(t, err)
		assert.Equal(t, "hello", string(got))
		assert.Equal(t, exitOK, testwait.Result(t, "the exit code", code))
	}
}

func TestSendfileOfNothing(t *testing.T) {
	nothingLeft(t)
	l := peer(t)
	out, ended := sendingTo(t, context.Background(), l, textFile(t, ""), true)
	got, err := io.ReadAll(accepted(t, l))
	require.NoError(t, err)
	assert.Empty(t, got)
	require.NoError(t, <-ended)
	assert.Contains(t, out.String(), "0 bytes sent and confirmed in ")
}

// Files that the kernel makes up have no size.
func TestSendfileOfAFileWithoutSize(t *testing.T) {
	nothingLeft(t)
	const name = "/proc/sys/kernel/ostype"
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NotEmpty(t, want)
	l := peer(t)
	out, ended := sendingTo(t, context.Background(), l, name, true)
	got, err := io.ReadAll(accepted(t, l))
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
	require.NoError(t, <-ended)
	assert.Contains(t, out.String(), fmt.Sprintf("%d bytes sent and confirmed in ", len(want)))
}

func TestSendfileToAPeerThatEndsItsOwnDirection(t *testing.T) {
	nothingLeft(t)
	dir := t.TempDir()
	testkit.BigFile(t, dir, 8<<20)
	l := peer(t)
	_, ended := sendingTo(t, context.Background(), l, filepath.Join(dir, "big"), false)
	p := accepted(t, l)
	_, err := p.Write([]byte("thanks"))
	require.NoError(t, err)
	require.NoError(t, p.CloseWrite())
	n, err := io.Copy(io.Discard, p)
	require.NoError(t, err)
	assert.EqualValues(t, 8<<20, n)
	assert.NoError(t, <-ended)
}

// wrote returns how much the sockets of this process have sent to an address, as far as the kernel here has taken it.
func wrote(to net.Addr) (n uint64) {
	all, _ := esock.WhichSockets()
	for _, s := range all {
		if a, err := s.PeerName(); err == nil && a.String() == to.String() {
			if c := s.Counters().SendFile; c != nil {
				n += c.Byte
			}
		}
	}
	return n
}

// The kernel here has all of the file long before the peer's has: only what the peer has confirmed counts.
func TestSendfileWaitsForTheConfirmation(t *testing.T) {
	nothingLeft(t)
	if text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_wmem"); err == nil {
		if f := strings.Fields(string(text)); len(f) != 3 || len(f[2]) < len("2097152") {
			t.Skip("the send buffer cannot hold the file: net.ipv4.tcp_wmem is ", string(text))
		}
	}
	dir := t.TempDir()
	const size = 1 << 20
	testkit.BigFile(t, dir, size)
	for _, half := range []bool{false, true} {
		for what, want := range map[string]string{"read": "", "abort": "the peer reset the connection after it had confirmed %d of",
			"interrupt": "interrupted after the peer had confirmed %d of", "ignore": "the peer confirms no more: %d of"} {
			l := peer(t)
			raw, err := l.SyscallConn()
			require.NoError(t, err)
			// The peer's system takes less than the file before it is read.
			require.NoError(t, raw.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 32<<10)
			}))
			require.NoError(t, err)
			host, port, err := net.SplitHostPort(l.Addr().String())
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(context.Background())
			var out bytes.Buffer
			ended := make(chan error, 1)
			c := &sendfileCmd{Host: host, Port: port, File: filepath.Join(dir, "big")}
			if what == "ignore" {
				c.Wait = 50 * time.Millisecond
			}
			go func() { ended <- c.sendfile(ctx, &output{Writer: &out, terminal: true}) }()
			p := accepted(t, l)
			if half {
				require.NoError(t, p.CloseWrite())
			}
			if what != "ignore" {
				testwait.Until(t, "the kernel has all", func() bool { return wrote(l.Addr()) == size })
				assert.Empty(t, ended, "it waits")
			}
			switch what {
			case "read":
				_, err = io.Copy(io.Discard, p)
				require.NoError(t, err)
			case "abort":
				require.NoError(t, p.SetLinger(0))
				p.Close()
			case "interrupt":
				cancel()
			}
			err = testwait.Result(t, "the end", ended)
			cancel()
			if want == "" {
				assert.NoError(t, err)
				assert.Contains(t, out.String(), "100%")
				continue
			}
			var confirmed int
			if assert.Error(t, err) {
				_, bad := fmt.Sscanf(err.Error(), want, &confirmed)
				assert.NoError(t, bad, err)
				assert.Less(t, confirmed, size, what)
				assert.NotContains(t, out.String(), "100%")
			}
		}
	}
}

func TestSendfileSaysWhatIsWrong(t *testing.T) {
	nothingLeft(t)
	dir := t.TempDir()
	testkit.BigFile(t, dir, 16<<20)
	big := filepath.Join(dir, "big")
	l := peer(t)

	// The peer aborts, at once or while the last bytes are on their way.
	for _, file := range []string{big, textFile(t, "short")} {
		_, ended := sendingTo(t, context.Background(), l, file, false)
		p := accepted(t, l)
		_, err := p.Read(make([]byte, 1))
		require.NoError(t, err)
		require.NoError(t, p.SetLinger(0))
		if file == big {
			p.Close()
			assert.ErrorContains(t, <-ended, "the peer reset the connection after it had confirmed ")
		} else {
			assert.NoError(t, <-ended, "the peer's system had it all")
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	_, ended := sendingTo(t, ctx, l, big, false)
	_, err := accepted(t, l).Read(make([]byte, 1))
	require.NoError(t, err)
	cancel()
	assert.ErrorContains(t, <-ended, "interrupted after the peer had confirmed ")

	host, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	l.Close()
	for want, args := range map[string][]string{
		"cannot connect to 127.0.0.1:" + port + ": connection refused": {host, port, big},
		"no such file":             {host, port, dir + "/none"},
		"file: the value is empty": {host, port, ""},
		"the file is empty":        {host + ":" + port, ""},
		"has no port":              {host, big},
		"brackets":                 {"::1:80:x", big},
		"--wait: a time of -1s":    {host, port, big, "--wait=-1s"},
		"is a directory":           {host, port, dir},
		"is not a regular file":    {host, port, "/dev/null"},
		"no service \"nonsense\"":  {host, "nonsense", big},
	} {
		code, out, errs := command(t, append([]string{"sendfile"}, args...)...)
		assert.Equal(t, refusedCode(want), code, want)
		assert.Empty(t, out)
		assert.Contains(t, errs, want)
	}
}
