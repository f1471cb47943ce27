package supports

import (
	"encoding/json"
	"errors"
	"syscall"
	"testing"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
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
	assert.Contains(t, s.IOCtlRequests, "rcvall_mcall", "the manual's name")
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
	assert.True(t, s.Features["completion"], "the library carries them out")
	loop, err := engine.New(engine.WaitWith(engine.IOUring))
	assert.Equal(t, err == nil, s.Features["io_uring"], "%v", err)
	assert.Equal(t, err == nil, Is("io_uring"))
	if err == nil {
		require.NoError(t, loop.Close())
	}
	assert.True(t, s.Features["netns"])
}

func TestIsSupported(t *testing.T) {
	for _, keys := range [][]string{{"options"}, {"msg_flags"}, {"msg_flags", "peek"}, {"protocols", "udp"},
		{"ioctl_requests", "gifmtu"}, {"ioctl_flags", "loopback"}, {"options", "tcp"}, {"options", "socket", "keepalive"}} {
		assert.True(t, Is(keys...), keys)
	}
	for _, keys := range [][]string{{}, {""}, {"nonsense"}, {"msg_flags", "nonsense"}, {"nonsense", "tcp"},
		{"protocols", "nonsense"}, {"options", "tcp", "nonsense"}, {"options", "tcp", "nodelay", "x"},
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

func TestProtocolsAreThoseThatParse(t *testing.T) {
	for name, on := range All().Protocols {
		assert.True(t, on)
		p, err := esock.ParseProtocol(name)
		require.NoError(t, err)
		assert.True(t, Is("protocols", name))
		assert.True(t, Is("protocols", p.String()), "%s prints as %s", name, p)
	}
	for _, name := range []string{"ip", "IP", "ipv6", "ospf", "gre", "esp", "IPSEC-ESP"} {
		assert.True(t, Is("protocols", name), name)
	}
}

// The table that Map makes, also as JSON, comes back.
func TestTableComesBackFromItsMap(t *testing.T) {
	table := All()
	got, err := TableFromMap(table.Map())
	require.NoError(t, err)
	assert.Equal(t, table, got)
	b, err := json.Marshal(table)
	require.NoError(t, err)
	var read Table
	require.NoError(t, json.Unmarshal(b, &read))
	assert.Equal(t, table, read)
	assert.Error(t, (*Table)(nil).UnmarshalJSON(b))
	for cause, m := range map[string]map[string]any{
		"msg_flags: not a map of booleans": {"msg_flags": map[string]any{"peek": 1}},
		"protocols: not a map":             {"protocols": true},
		"options: tcp: not a map":          {"options": map[string]any{"tcp": true}},
		"options: tcp: nodelay: none of":   {"options": map[string]any{"tcp": map[string]any{"nodelay": "perhaps"}}},
		"sctp: not a boolean":              {"sctp": "yes"},
	} {
		_, err := TableFromMap(m)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "supports"})
		assert.ErrorContains(t, err, cause)
	}
}

// OTP: is_supported(options, Level) is true where supports(options, Level) has something that is.
func TestLevelsAreSupportedThatHaveOptions(t *testing.T) {
	for level, options := range All().Options {
		some := false
		for _, o := range options {
			some = some || o == Works
		}
		assert.Equal(t, some, Is("options", level), level)
	}
	assert.True(t, Is("options", "socket"))
	assert.True(t, Is("options", "otp"))
	assert.False(t, Is("options", "nonsense"))
}

func TestStatesParseBack(t *testing.T) {
	for o := Unknown; o <= Works; o++ {
		got, err := ParseOption(o.String())
		require.NoError(t, err)
		assert.Equal(t, o, got)
		var read Option
		require.NoError(t, read.UnmarshalText([]byte(o.String())))
		assert.Equal(t, o, read)
	}
	for _, text := range []string{"", "0", "work", "4"} {
		_, err := ParseOption(text)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "support"}, text)
	}
	assert.Error(t, (*Option)(nil).UnmarshalText([]byte("works")))
}

func TestTableIsItsMapInJSON(t *testing.T) {
	table := All()
	got, err := json.Marshal(table)
	require.NoError(t, err)
	want, err := json.Marshal(table.Map())
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(got))
}
