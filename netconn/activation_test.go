package netconn

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/sockopt"
)

// activatedVariable makes the test program a service that describes what was passed to it.
const activatedVariable = "ESOCK_TEST_ACTIVATED"

type passedSocket struct {
	Name, Kind, Addr string
	NoDelay          bool
}

func activatedMain() {
	found, err := ListenFDs()
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	again, err := ListenFDs()
	if err != nil || len(again) > 0 || os.Getenv("LISTEN_FDS") != "" {
		fmt.Println("error: again", again, err)
		return
	}
	list := []passedSocket{}
	for _, a := range found {
		p := passedSocket{Name: a.Name}
		if c, err := NewPacketConn(a.Socket); err == nil {
			p.Kind, p.Addr = "packets", c.LocalAddr().String()
		} else if l, err := NewListener(a.Socket); err == nil {
			p.Kind, p.Addr = "listener", l.Addr().String()
			p.NoDelay, _ = sockopt.TCPNoDelay.Get(l.Socket())
		}
		list = append(list, p)
	}
	json.NewEncoder(os.Stdout).Encode(list)
}

// activate runs the test program as a service with the variables.
func activate(t *testing.T, files []*os.File, variables string) string {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell: ", err)
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(sh, "-c", "export "+variables+`; exec "$0"`, exe)
	cmd.Env = append(os.Environ(), activatedVariable+"=1")
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func TestSocketActivation(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	p, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer p.Close()
	lf, err := l.(*net.TCPListener).File()
	require.NoError(t, err)
	defer lf.Close()
	pf, err := p.(*net.UDPConn).File()
	require.NoError(t, err)
	defer pf.Close()
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	files := []*os.File{lf, null, pf}

	var got []passedSocket
	out := activate(t, files, "LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=web:null:dns")
	require.NoError(t, json.Unmarshal([]byte(out), &got), out)
	assert.Equal(t, []passedSocket{{"web", "listener", l.Addr().String(), true}, {"dns", "packets", p.LocalAddr().String(), false}}, got)

	assert.Equal(t, "[]", activate(t, files, "LISTEN_PID=1 LISTEN_FDS=3"), "those of another process")
	assert.Equal(t, "[]", activate(t, files, "UNUSED=1"))
}

// What is wrong with the variables is said, and no descriptor is taken.
func TestSocketActivationErrors(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, test := range []struct{ pid, fds, want string }{
		{own, "many", "LISTEN_FDS=many: it is not a number"},
		{"one", "3", "LISTEN_PID=one: it is not a number"},
		{own, "-1", "LISTEN_FDS=-1: it is negative"},
		{own, "9999999", "LISTEN_FDS=9999999: there are not so many descriptors"},
		{own, "1000000", "LISTEN_FDS=1000000: descriptor "},
		{"", "3", "LISTEN_PID=: it is not set, and LISTEN_FDS is"},
		{own, "", "LISTEN_FDS=: it is not set, and LISTEN_PID is"},
	} {
		t.Setenv("LISTEN_PID", test.pid)
		t.Setenv("LISTEN_FDS", test.fds)
		found, err := ListenFDs()
		assert.Empty(t, found)
		assert.ErrorContains(t, err, "invalid environment "+test.want)
	}
}
