package esock

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSupportsAgreesWithTheTables(t *testing.T) {
	s := Supports()
	for o := range Options() {
		state := s.Options[o.Level][o.Name]
		assert.GreaterOrEqual(t, state, OptionKnown, "%s.%s", o.Level, o.Name)
		assert.Equal(t, state == OptionWorks, IsSupported("options", o.Level, o.Name))
	}
	for _, o := range OtherOptions() {
		assert.Equal(t, OptionElsewhere, s.Options[o.Level][o.Name], "%s.%s", o.Level, o.Name)
		assert.False(t, IsSupported("options", o.Level, o.Name))
	}
	assert.Equal(t, OptionWorks, s.Options["otp"]["rcvbuf"])
	assert.Equal(t, OptionWorks, s.Options["socket"]["reuseaddr"])
	assert.Equal(t, OptionWorks, s.Options["tcp"]["info"])
	assert.Equal(t, OptionElsewhere, s.Options["socket"]["setfib"])
	assert.Equal(t, OptionUnknown, s.Options["socket"]["nonsense"])

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
	s := Supports()
	for name, open := range map[string]func() (*Socket, error){
		"ipv6":  func() (*Socket, error) { return Open(Inet6, Stream, TCP) },
		"local": func() (*Socket, error) { return Open(Local, Stream, Default) },
		"sctp":  func() (*Socket, error) { return Open(Inet, Stream, SCTP) },
		"mptcp": func() (*Socket, error) { return Open(Inet, Stream, MPTCP) },
	} {
		sock, err := open()
		if err == nil {
			require.NoError(t, sock.Close())
		}
		has := err == nil || isPrivilege(err)
		assert.Equal(t, has, s.Features[name], "%s: %v", name, err)
		assert.Equal(t, has, IsSupported(name), name)
	}
	assert.True(t, s.Features["sendfile"])
	assert.True(t, s.Features["netns"])
}

func TestIsSupported(t *testing.T) {
	for _, keys := range [][]string{{"options"}, {"msg_flags"}, {"msg_flags", "peek"}, {"protocols", "udp"},
		{"ioctl_requests", "gifmtu"}, {"ioctl_flags", "loopback"}, {"options", "socket", "keepalive"}} {
		assert.True(t, IsSupported(keys...), keys)
	}
	for _, keys := range [][]string{{}, {""}, {"nonsense"}, {"msg_flags", "nonsense"}, {"nonsense", "tcp"},
		{"protocols", "nonsense"}, {"options", "tcp"}, {"options", "tcp", "nonsense"}, {"options", "tcp", "nodelay", "x"},
		{"ioctl_requests", "nonsense"}, {"ioctl_flags", "nonsense"}} {
		assert.False(t, IsSupported(keys...), keys)
	}
}

func TestSupportsCannotBeChangedByItsReaders(t *testing.T) {
	s := Supports()
	s.Options["tcp"]["nodelay"] = OptionUnknown
	s.Features["ipv6"] = !s.Features["ipv6"]
	assert.True(t, IsSupported("options", "tcp", "nodelay"))
	assert.NotEqual(t, s.Features["ipv6"], IsSupported("ipv6"))
}

func TestSupportsMap(t *testing.T) {
	m := Supports().Map()
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
