package fileserver

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
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
	bigFile(t, dir, 32<<20)
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
		bigFile(t, dir, 32<<20)
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
