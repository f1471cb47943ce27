package supports

import (
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSupportsAgreesWithTheTables(t *testing.T) {
	s := All()
	for o := range sockopt.All() {
		state := s.Options[o.Level][o.Name]
		assert.GreaterOrEqual(t, state, Known, "%s.%s", o.Level, o.Name)
		assert.Equal(t, state == Works, Is("options", o.Level, o.Name))
	}
	for _, o := range sockopt.Others() {
		assert.Equal(t, Elsewhere, s.Options[o.Level][o.Name], "%s.%s", o.Level, o.Name)
		assert.False(t, Is("options", o.Level, o.Name))
	}
	assert.Equal(t, Works, s.Options["otp"]["rcvbuf"])
	assert.Equal(t, Works, s.Options["socket"]["reuseaddr"])
	assert.Equal(t, Works, s.Options["tcp"]["info"])
	assert.Equal(t, Elsewhere, s.Options["socket"]["setfib"])
	assert.Equal(t, Unknown, s.Options["socket"]["nonsense"])

	assert.True(t, s.IOCtlRequests["gifconf"])
	assert.True(t, s.IOCtlRequests["tcp_info"])
	assert.False(t, s.IOCtlRequests["rcvall"], "another system's")
	assert.Contains(t, s.IOCtlRequests, "rcvall")
	assert.True(t, s.IOCtlFlags["up"])
	assert.False(t, s.IOCtlFlags["renaming"])
	assert.Len(t, s.MsgFlags, 11)
	for name, on := range s.MsgFlags {
		assert.True(t, on, name)
	}
	assert.True(t, s.Protocols["tcp"])
	assert.True(t, s.Protocols["ip"])
}

func TestFeaturesAreWhatOpens(t *testing.T) {
	s := All()
	for name, open := range map[string]func() (*esock.Socket, error){
		"ipv6":  func() (*esock.Socket, error) { return esock.Open(esock.Inet6, esock.Stream, esock.TCP) },
		"local": func() (*esock.Socket, error) { return esock.Open(esock.Local, esock.Stream, esock.Default) },
		"sctp":  func() (*esock.Socket, error) { return esock.Open(esock.Inet, esock.Stream, esock.SCTP) },
		"mptcp": func() (*esock.Socket, error) { return esock.Open(esock.Inet, esock.Stream, esock.MPTCP) },
	} {
		sock, err := open()
		if err == nil {
			require.NoError(t, sock.Close())
		}
		has := err == nil || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
		assert.Equal(t, has, s.Features[name], "%s: %v", name, err)
		assert.Equal(t, has, Is(name), name)
	}
	assert.True(t, s.Features["sendfile"])
	assert.True(t, s.Features["netns"])
}

func TestIsSupported(t *testing.T) {
	for _, keys := range [][]string{{"options"}, {"msg_flags"}, {"msg_flags", "peek"}, {"protocols", "udp"},
		{"ioctl_requests", "gifmtu"}, {"ioctl_flags", "loopback"}, {"options", "socket", "keepalive"}} {
		assert.True(t, Is(keys...), keys)
	}
	for _, keys := range [][]string{{}, {""}, {"nonsense"}, {"msg_flags", "nonsense"}, {"nonsense", "tcp"},
		{"protocols", "nonsense"}, {"options", "tcp"}, {"options", "tcp", "nonsense"}, {"options", "tcp", "nodelay", "x"},
		{"ioctl_requests", "nonsense"}, {"ioctl_flags", "nonsense"}} {
		assert.False(t, Is(keys...), keys)
	}
}

func TestSupportsCannotBeChangedByItsReaders(t *testing.T) {
	s := All()
	s.Options["tcp"]["nodelay"] = Unknown
	s.Features["ipv6"] = !s.Features["ipv6"]
	assert.True(t, Is("options", "tcp", "nodelay"))
	assert.NotEqual(t, s.Features["ipv6"], Is("ipv6"))
}

func TestSupportsMap(t *testing.T) {
	m := All().Map()
	b, err := json.Marshal(m)
	require.NoError(t, err)
	assert.Contains(t, string(b), `"nodelay":"works"`)
	assert.Equal(t, true, m["sendfile"])
	assert.Equal(t, true, m["protocols"].(map[string]any)["tcp"])
}

func TestProtocolDatabase(t *testing.T) {
	names := protocolsIn(strings.NewReader("# comment\nip\t0\tIP\t# internet\n\nbroken\nhopopt 0 HOPOPT Hop # x\n"))
	assert.Equal(t, []string{"ip", "IP", "hopopt", "HOPOPT", "Hop"}, names)
}

func TestTableIsItsMapInJSON(t *testing.T) {
	table := All()
	got, err := json.Marshal(table)
	require.NoError(t, err)
	want, err := json.Marshal(table.Map())
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(got))
}
