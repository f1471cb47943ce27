package gentcp_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

var allStats = []string{"recv_oct", "recv_cnt", "recv_max", "recv_avg", "recv_dvi",
	"send_oct", "send_cnt", "send_max", "send_avg", "send_pend"}

func TestGetStat_Names(t *testing.T) {
	client, _ := bothEnds(t, nil)
	assert.Equal(t, allStats, StatNames())
	StatNames()[0] = "spoilt"
	assert.Equal(t, allStats, StatNames())
	stats, err := client.GetStat()
	require.NoError(t, err)
	var names []string
	for _, s := range stats {
		names = append(names, s.Name)
	}
	assert.Equal(t, allStats, names)
	for _, c := range []struct{ ask, want []string }{
		{[]string{"send_pend", "recv_oct"}, []string{"send_pend", "recv_oct"}},
		{[]string{"no_such", "send_cnt", ""}, []string{"send_cnt"}},
		{[]string{"recv_dvi", "recv_dvi"}, []string{"recv_dvi", "recv_dvi"}},
		{[]string{"no_such"}, nil},
	} {
		stats, err := client.GetStat(c.ask...)
		require.NoError(t, err)
		var names []string
		for _, s := range stats {
			names = append(names, s.Name)
			assert.Zero(t, s.Value)
		}
		assert.Equal(t, c.want, names)
	}
}

func TestGetStat_ListenerHasZeros(t *testing.T) {
	l := listenWith(t, nil)
	client := connectTo(t, nil, l)
	sent(t, client, acceptFrom(t, l, nil), "hello")
	stats, err := l.GetStat()
	require.NoError(t, err)
	require.Len(t, stats, len(allStats))
	for _, s := range stats {
		assert.Zero(t, s.Value, s.Name)
	}
}

// assertStats checks all that are not zero.
func assertStats(t testing.TB, s *Socket, want map[string]uint64) {
	t.Helper()
	stats, err := s.GetStat()
	require.NoError(t, err)
	got := map[string]uint64{}
	for _, s := range stats {
		if s.Value != 0 {
			got[s.Name] = s.Value
		}
	}
	assert.Equal(t, want, got)
}

// The numbers after known traffic; the mean is rounded to the nearest, half up.
func TestGetStat_AfterTraffic(t *testing.T) {
	for _, c := range []struct {
		sizes         []int
		sum, max, avg uint64
	}{
		{[]int{7}, 7, 7, 7},
		{[]int{5, 2}, 7, 5, 4},       // 3.5
		{[]int{1, 1, 2}, 4, 2, 1},    // 1.33
		{[]int{1, 2, 2}, 5, 2, 2},    // 1.67
		{[]int{1, 1, 1, 3}, 6, 3, 2}, // 1.5
	} {
		client, server := bothEnds(t, nil)
		for _, n := range c.sizes {
			require.NoError(t, client.Send(make([]byte, n)))
			_, err := server.Recv(n, soon)
			require.NoError(t, err)
		}
		n := uint64(len(c.sizes))
		assertStats(t, client, map[string]uint64{"send_oct": c.sum, "send_cnt": n, "send_max": c.max, "send_avg": c.avg})
		assertStats(t, server, map[string]uint64{"recv_oct": c.sum, "recv_cnt": n, "recv_max": c.max, "recv_avg": c.avg})
	}
}

// They count what the kernel took and gave: headers with it, operations and not packets.
func TestGetStat_CountsOperations(t *testing.T) {
	l := listenWith(t, nil, PacketType(packet.Len2))
	client := connectTo(t, nil, l, PacketType(packet.Len2))
	server := acceptFrom(t, l, nil)
	require.NoError(t, client.Send([]byte("ab"), []byte("c")))
	require.NoError(t, client.Send())
	assertStats(t, client, map[string]uint64{"send_oct": 7, "send_cnt": 2, "send_max": 5, "send_avg": 4})
	comes(t, "both packets", func() bool { n, err := server.Socket().NRead(); return err == nil && n == 7 })
	for _, want := range []string{"abc", ""} {
		p, err := server.Recv(0, soon)
		require.NoError(t, err)
		assert.Equal(t, want, string(p.Data()))
	}
	assertStats(t, server, map[string]uint64{"recv_oct": 7, "recv_cnt": 1, "recv_max": 7, "recv_avg": 7})
}

// Nothing to send is no operation, and still an error on a closed socket.
func TestSend_OfNothing(t *testing.T) {
	client, _ := bothEnds(t, nil)
	for _, data := range [][][]byte{nil, {nil}, {{}, {}}} {
		require.NoError(t, client.Send(data...))
	}
	assertStats(t, client, map[string]uint64{})
	client.Close()
	assert.ErrorIs(t, client.Send(), ErrClosed)
	assert.ErrorIs(t, client.Send(nil), ErrClosed)
}

func TestGetStat_SendFile(t *testing.T) {
	client, server := bothEnds(t, nil)
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, make([]byte, 100), 0o600))
	sent(t, client, server, "12345")
	n, err := SendFile(path, client)
	require.NoError(t, err)
	require.EqualValues(t, 100, n)
	assertStats(t, client, map[string]uint64{"send_oct": 105, "send_cnt": 2, "send_max": 100, "send_avg": 53})
}

func TestNames(t *testing.T) {
	l := listenWith(t, nil)
	client := connectTo(t, nil, l)
	server := acceptFrom(t, l, nil)

	_, err := l.PeerName()
	assert.Equal(t, "enotconn", Reason(err))
	assert.ErrorContains(t, err, "peername")
	assertPeers(t, client, server)
	assertPeers(t, server, client)
	assert.Equal(t, nameOf(t, l), nameOf(t, server))
	assert.Equal(t, portOf(t, l), portOf(t, server))

	// One direction finished, then both.
	require.NoError(t, client.Shutdown(esock.ShutWrite))
	assertPeers(t, client, server)
	assertPeers(t, server, client)
	require.NoError(t, server.Shutdown(esock.ShutWrite))
	for _, s := range []*Socket{client, server} {
		require.NoError(t, s.SetOpts(ExitOnClose(false)))
		_, err := s.Recv(0, soon)
		require.ErrorIs(t, err, ErrClosed)
		comes(t, "the end", func() bool { _, err := s.PeerName(); return Reason(err) == "enotconn" })
		require.True(t, s.Open())
		nameOf(t, s)
		portOf(t, s)
	}

	client.Close()
	_, err = client.SockName()
	assert.Equal(t, "closed", Reason(err))
	assert.ErrorContains(t, err, "sockname")
	_, err = client.PeerName()
	assert.Equal(t, "closed", Reason(err))
	_, err = client.Port()
	assert.Equal(t, "closed", Reason(err))
	assert.ErrorContains(t, err, "port")
}

func TestMonitor(t *testing.T) {
	for name, end := range map[string]func(s, peer *Socket, mb *esock.Mailbox){
		"closed by the owner":    func(s, _ *Socket, _ *esock.Mailbox) { s.Close() },
		"closed by somebody":     func(s, _ *Socket, _ *esock.Mailbox) { s.CloseFrom(nil) },
		"the owner ends":         func(_, _ *Socket, mb *esock.Mailbox) { mb.Close() },
		"closed when peer ended": func(s, peer *Socket, _ *esock.Mailbox) { peer.Close(); s.Recv(0, soon) },
	} {
		t.Run(name, func(t *testing.T) {
			mb, watcher := owner(t), owner(t)
			client, server := bothEnds(t, mb, Active(false))
			m, err := client.Monitor(watcher)
			require.NoError(t, err)
			cancelled, err := client.Monitor(watcher)
			require.NoError(t, err)
			assert.True(t, cancelled.Cancel())
			assert.Zero(t, watcher.Len())
			end(client, server, mb)
			assert.Equal(t, esock.DownMsg{Monitor: m, Reason: net.ErrClosed}, nextMessage(t, watcher))
			assert.Zero(t, watcher.Len(), "one, and none of what was cancelled")
			m, err = client.Monitor(watcher)
			require.NoError(t, err)
			assert.Equal(t, esock.DownMsg{Monitor: m, Reason: esock.ErrNoSocket}, nextMessage(t, watcher),
				"at once, when it is closed")
			assert.Zero(t, mb.Len())
		})
	}
	l := listenWith(t, nil)
	watcher := owner(t)
	_, err := l.Monitor(watcher)
	require.NoError(t, err)
	l.Close()
	assert.IsType(t, esock.DownMsg{}, nextMessage(t, watcher))
}
