package fileserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testkit"
	"github.com/esock-go/esock/internal/testwait"
)

func TestServeLogIsOneLine(t *testing.T) {
	log := make(lines, 10)
	at := serving(t, site(t), log)
	raw(t, at, request("GET /\"\x1b[31m HTTP/1.1"))
	assert.Contains(t, <-log, `"GET /\x22\x1b[31m HTTP/1.1" 400 16`)
	raw(t, at, "nonsense\x00\r\n")
	assert.Contains(t, <-log, `"nonsense\x00" 400 16`)
	raw(t, at, request("GET / HTTP/01.1 \tjunk"))
	assert.Contains(t, <-log, `"GET / HTTP/01.1 \tjunk" 400 16`)
	raw(t, at, request(`GET /\" HTTP/1.1`))
	assert.Contains(t, <-log, `"GET /\\\x22 HTTP/1.1" 404 `, "the backslash escapes nothing")
}

// The line of a response that was cut off has the client's address, and does not look complete.
func TestServeLogOfAnAbortedResponse(t *testing.T) {
	dir, log := site(t), make(lines, 10)
	testkit.BigFile(t, dir, 32<<20)
	at := serving(t, dir, log)
	for name, leave := range map[string]func(c *net.TCPConn){
		"the client left": func(c *net.TCPConn) {
			require.NoError(t, c.SetLinger(0))
			c.Close()
		},
		"the file ended": func(c *net.TCPConn) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "big"), 1))
			io.Copy(io.Discard, c)
		},
	} {
		testkit.BigFile(t, dir, 32<<20)
		c := dialed(t, at)
		_, err := c.Write([]byte(request("GET /big HTTP/1.1")))
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.NoError(t, err)
		leave(c)
		line := testwait.Result(t, "a line", log)
		m := regexp.MustCompile(`^127\.0\.0\.1 - - \[.*\] "GET /big HTTP/1\.1" 200 (\d+) aborted: (.*) after (\d+) of 33554432 bytes$`).
			FindStringSubmatch(line)
		require.NotNil(t, m, line)
		assert.Equal(t, name, m[2])
		assert.Equal(t, m[1], m[3])
	}
}

// A response that is all in the kernel's buffers is not all at the client.
func TestServeLogOfAResponseInTheKernel(t *testing.T) {
	if f := strings.Fields(machine.Sysctl("net/ipv4/tcp_wmem")); len(f) != 3 || len(f[2]) < len("1048576") {
		t.Skip("the send buffer cannot hold the file: net.ipv4.tcp_wmem is ", f)
	}
	dir, log := site(t), make(lines, 10)
	const size = 256 << 10
	testkit.BigFile(t, dir, size)
	for what, change := range map[string]func(*Config){"the client left": func(*Config) {}, "": func(*Config) {},
		"the client stopped reading": func(c *Config) { c.Stall = 50 * time.Millisecond }} {
		t.Run(what, func(t *testing.T) {
			var server *esock.Socket
			at := serving(t, dir, log, change)
			d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error { // the client's system takes less than the file
				return raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10) })
			}}
			conn, err := d.Dial("tcp", at)
			require.NoError(t, err)
			defer conn.Close()
			c := conn.(*net.TCPConn)
			_, err = c.Write([]byte(request("GET /big HTTP/1.1")))
			require.NoError(t, err)
			testwait.Until(t, "the kernel has all", func() bool {
				all, _ := esock.WhichSockets()
				for _, s := range all {
					if a, err := s.PeerName(); err == nil && a.String() == c.LocalAddr().String() {
						server = s
					}
				}
				// On a slow machine the time for reading may be over before.
				return len(log) > 0 || server != nil && server.Counters().SendFile != nil && server.Counters().SendFile.Byte == size
			})
			switch what {
			case "the client left":
				assert.Empty(t, log, "it waits")
				require.NoError(t, c.SetLinger(0))
				c.Close()
			case "":
				assert.Empty(t, log, "it waits")
				_, body := response(t, c)
				assert.Len(t, body, size)
			}
			line := testwait.Result(t, "a line", log)
			if what == "" {
				assert.True(t, strings.HasSuffix(line, fmt.Sprint(" 200 ", size)), line)
				return
			}
			var sent, again int
			_, end, _ := strings.Cut(line, `HTTP/1.1" `)
			_, err = fmt.Sscanf(end, "200 %d aborted: "+what+" after %d of 262144 bytes", &sent, &again)
			require.NoError(t, err, line)
			assert.Less(t, sent, size)
			assert.Equal(t, sent, again)
		})
	}
}

// The address is known even if the client has reset the connection before it was accepted.
func TestServeLogKnowsAClientThatHasGone(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		ip := netip.MustParseAddr(host)
		if ip.Is6() && !machine.IPv6 {
			continue
		}
		l, err := gentcp.Listen(nil, 0, gentcp.IfAddr(esock.AddrFrom(netip.AddrPortFrom(ip, 0))), gentcp.Active(false))
		require.NoError(t, err)
		defer l.Close()
		name, err := l.SockName()
		require.NoError(t, err)
		c := dialed(t, name.String())
		require.NoError(t, c.SetLinger(0))
		c.Close()
		// The reset has arrived when the connection has an error; until then accept gives one that has none yet.
		s, err := l.Accept(nil, esock.Within(testwait.Patience))
		require.NoError(t, err)
		defer s.Close()
		testwait.Until(t, "the reset arrives", func() bool {
			_, err := s.PeerName()
			return err != nil
		})
		assert.Equal(t, host, clientOf(s))
	}
}

func TestAbortion(t *testing.T) {
	for want, err := range map[string]error{
		"the client stopped reading": &gentcp.Error{Reason: esock.ErrTimeout},
		"the client left":            syscall.EPIPE,
		"input/output error":         syscall.EIO,
		"strange":                    errors.New("strange"),
	} {
		assert.Equal(t, want, abortion(err))
	}
}

// A response that is too short for the server to wait for it does not look complete either if the client leaves with a part.
func TestServeLogOfAShortAbortedResponse(t *testing.T) {
	dir, log := site(t), make(lines, 10)
	const size = longBody - 1
	testkit.BigFile(t, dir, size)
	at := serving(t, dir, log)
	for _, header := range []string{"X: y", "Connection: close"} {
		for _, leaves := range []bool{true, false} {
			d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error { // the client's system takes less than the file
				return raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
			}}
			conn, err := d.Dial("tcp", at)
			require.NoError(t, err)
			c := conn.(*net.TCPConn)
			_, err = c.Write([]byte(request("GET /big HTTP/1.1", header)))
			require.NoError(t, err)
			if leaves {
				_, err = c.Read(make([]byte, 1))
				require.NoError(t, err)
				assert.Empty(t, log)
				require.NoError(t, c.SetLinger(0))
				require.NoError(t, c.Close())
				line := testwait.Result(t, "a line", log)
				var sent, again int
				_, end, _ := strings.Cut(line, `HTTP/1.1" `)
				_, err = fmt.Sscanf(end, "200 %d aborted: the client left after %d of 65535 bytes", &sent, &again)
				require.NoError(t, err, line)
				assert.Less(t, sent, size)
				assert.Equal(t, sent, again)
				continue
			}
			_, body := response(t, c)
			assert.Len(t, body, size)
			if header == "Connection: close" {
				c.Close() // and otherwise the line comes while the connection is kept
			}
			assert.Regexp(t, " 200 65535$", testwait.Result(t, "a line", log))
			c.Close()
		}
	}
}

// What is sent after a response, the alert of TLS and the end, may stay unconfirmed: the client that closes at once has the
// response all the same.
func TestLogCountsNoBytesOfTheEnd(t *testing.T) {
	for left, want := range map[int]string{
		0:  "200 10\n",
		1:  "200 10\n",
		25: "200 10\n",
		27: "200 8 aborted: the client left after 8 of 10 bytes\n",
		90: "200 0 aborted: the client left after 0 of 10 bytes\n",
	} {
		var got string
		h := heldEntry{write: func(line string) { got = line }, left: func() (int, error) { return left, nil }}
		h.hold(logEntry{"200", 10, 10})
		h.release(syscall.ECONNRESET, 25)
		assert.Equal(t, want, got, "%d bytes are not confirmed", left)
	}
}
