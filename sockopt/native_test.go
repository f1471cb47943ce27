package sockopt

import (
	"encoding/binary"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/sourcetree"
)

func TestNativeOptionsByName(t *testing.T) {
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	defer s.Close()
	on := binary.NativeEndian.AppendUint32(nil, 1)
	for _, name := range [][2]string{{"tcp", "nodelay"}, {"tcp", "1"}, {"6", "nodelay"}, {"TCP", "nodelay"}, {"6", "1"}} {
		require.NoError(t, TCPNoDelay.Set(s, false))
		require.NoError(t, SetNative(s, name[0], name[1], on), "%v", name)
		got := make([]byte, 4)
		n, err := GetNative(s, name[0], name[1], got)
		require.NoError(t, err)
		assert.Equal(t, 4, n)
		assert.NotZero(t, binary.NativeEndian.Uint32(got), "%v", name)
	}
	require.NoError(t, SetNative(s, "socket", "keepalive", true))
	assert.ErrorIs(t, SetNative(s, "ospf", "1", 1), syscall.ENOPROTOOPT, "a protocol is a level, too")
	assert.ErrorIs(t, SetNative(s, "tcp", "nodelay", 1.5), &esock.InvalidError{What: "value"})

	for cause, name := range map[string][2]string{
		"neither a known name": {"nowhere", "nodelay"},
		"tcp.nodely":           {"tcp", "nodely"},
		"the BSDs":             {"tcp", "nopush"},
		"have no numbers":      {"otp", "rcvbuf"},
	} {
		_, get := GetNative(s, name[0], name[1], nil)
		for op, err := range map[string]error{"getopt_native": get, "setopt_native": SetNative(s, name[0], name[1], 1)} {
			assert.ErrorIs(t, err, syscall.EINVAL)
			assert.ErrorContains(t, err, cause)
			var e *esock.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, op, e.Op)
		}
	}
}

func TestOptionsAndLevelsByName(t *testing.T) {
	for o := range All() {
		got, err := OptionByName(o.Level, o.Name)
		require.NoError(t, err)
		assert.Equal(t, o, got)
		level, err := ParseLevel(o.Level)
		require.NoError(t, err)
		assert.Equal(t, o.LevelNumber, level)
		l, n, err := nativeNumbers(o.Level, o.Name)
		require.NoError(t, err)
		assert.Equal(t, []int{o.LevelNumber, o.Number}, []int{l, n}, "%s.%s", o.Level, o.Name)
	}
	for _, o := range Others() {
		_, err := OptionByName(o.Level, o.Name)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
		assert.ErrorContains(t, err, o.Where)
	}
	for text, number := range map[string]int{"socket": 1, "tls": 282, "esp": 50, "dccp": 269, "300": 300} {
		got, err := ParseLevel(text)
		require.NoError(t, err)
		assert.Equal(t, number, got, text)
	}
	for _, text := range []string{"", "default", "Socket", "1.5"} {
		_, err := ParseLevel(text)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "protocol"}, text)
	}
}

func TestLevelOTPIsInTheDocuments(t *testing.T) {
	sourcetree.Need(t)
	page, err := os.ReadFile("../docs/options.md")
	require.NoError(t, err)
	godoc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, name := range OTPNames() {
		assert.Contains(t, string(page), "\n| `"+name+"` | `", "docs/options.md")
		assert.Contains(t, string(godoc), "\n//\t"+name+" ", "doc.go")
	}
}
