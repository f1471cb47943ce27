package netdevice

import (
	"encoding/binary"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
	"github.com/esock-go/esock/sockopt"
)

// A kernel of each age tells the beginning of struct tcp_info; what it does not tell has no key. The offsets are those of
// <linux/tcp.h>.
func TestTCPInfoOfAnyLength(t *testing.T) {
	info := make([]byte, 248)
	info[0], info[5] = 1, 1
	put := func(offset int, v uint32) { binary.NativeEndian.PutUint32(info[offset:], v) }
	put(16, 1000)                                    // snd_mss
	put(68, 25)                                      // rtt
	put(80, 10)                                      // snd_cwnd
	put(144, 300)                                    // notsent_bytes
	put(148, 20)                                     // min_rtt
	put(228, 65535)                                  // snd_wnd
	put(232, 65534)                                  // rcv_wnd
	binary.NativeEndian.PutUint64(info[128:], 7)     // bytes_received
	binary.NativeEndian.PutUint64(info[200:], 1<<40) // bytes_sent
	binary.NativeEndian.PutUint64(info[208:], 8)     // bytes_retrans
	binary.NativeEndian.PutUint16(info[242:], 3)     // total_rto_recoveries
	m := tcpInfoMap(info, 500, 4096)
	assert.Equal(t, "established", m["state"])
	assert.Equal(t, true, m["timestamp_enabled"])
	for key, want := range map[string]uint64{"mss": 1000, "rtt": 25, "cwnd": 10000, "min_rtt": 20, "snd_wnd": 65535,
		"bytes_out": 1 << 40, "timeout_episodes": 3, "bytes_in_flight": 200, "rcv_buf": 4096, "rcv_wnd": 65534, "bytes_in": 7,
		"bytes_retrans": 8} {
		assert.Equal(t, want, m[key], key)
	}
	assert.Len(t, m, 14)
	for n := range len(info) {
		short := tcpInfoMap(info[:n], 0, 0)
		assert.LessOrEqual(t, len(short), 14)
		for key, end := range map[string]int{"state": 1, "rtt": 72, "cwnd": 84, "bytes_in": 136, "timeout_episodes": 244} {
			_, has := short[key]
			assert.Equal(t, n >= end, has, "%s in %d bytes", key, n)
		}
	}
	assert.Equal(t, uint64(0), tcpInfoMap(info, 100, 0)["bytes_in_flight"], "the two answers are not of the same moment")
	info[0] = 99
	assert.Equal(t, 99, tcpInfoMap(info, 0, 0)["state"])
}

// The request and the option read the same fields.
func TestTCPInfoIsThatOfTheOption(t *testing.T) {
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	defer s.Close()
	fields := corecall.OptionFields("tcp", "info")
	option, err := sockopt.Get(s, "tcp", "info")
	require.NoError(t, err)
	for name := range option.(map[string]any) {
		assert.Contains(t, fields, name)
	}
	for _, k := range append(tcpInfoKeys, []struct{ key, field string }{{"", "state"}, {"", "options"}, {"", "snd_cwnd"}, {"", "notsent_bytes"}}...) {
		assert.Positive(t, fields[k.field].Size, k.field)
	}
	assert.Empty(t, corecall.OptionFields("tcp", "nodelay"))
	assert.Empty(t, corecall.OptionFields("tcp", "nonsense"))

	info, err := IOCtl(s, "tcp_info")
	require.NoError(t, err)
	assert.Equal(t, "closed", info.(map[string]any)["state"])
	assert.EqualValues(t, option.(map[string]any)["snd_mss"], info.(map[string]any)["mss"])
	size, err := sockopt.SocketRcvBuf.Get(s)
	require.NoError(t, err)
	assert.EqualValues(t, size, info.(map[string]any)["rcv_buf"])
}

// Whatever it is made of, the request fails as itself.
func TestTCPInfoFailsAsARequest(t *testing.T) {
	s := inet(t)
	_, err := IOCtl(s, "tcp_info")
	var e *esock.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "ioctl", e.Op)
	assert.ErrorIs(t, err, syscall.EOPNOTSUPP)
	require.NoError(t, s.Close())
	_, err = IOCtl(s, "tcp_info")
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "ioctl", e.Op)
	assert.ErrorIs(t, err, net.ErrClosed)
}
