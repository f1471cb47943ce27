package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

// watching runs esock watch, and gives its lines, its exit code when it ends, and where it listens.
func watching(t *testing.T, args ...string) (lines *bufio.Scanner, code <-chan int, first string) {
	t.Helper()
	r, w := io.Pipe()
	ch := make(chan int, 1)
	go func() {
		ch <- run(append([]string{"watch"}, args...), w, os.Stderr)
		w.Close()
	}()
	lines = bufio.NewScanner(r)
	require.True(t, lines.Scan())
	return lines, ch, lines.Text()
}

func sendTo(t *testing.T, to string, data string, cs ...esock.ControlMessage) {
	t.Helper()
	a, err := esock.ParseAddr(to)
	require.NoError(t, err)
	s, err := esock.Open(a.Family(), esock.Dgram, esock.UDP)
	require.NoError(t, err)
	defer s.Close()
	m := esock.Msg{Iov: [][]byte{[]byte(data)}, Addr: a}
	require.NoError(t, m.SetControl(cs...))
	_, err = s.SendMsg(&m, 0, esock.Within(testwait.Patience))
	require.NoError(t, err)
}

func TestWatchPrintsControlMessages(t *testing.T) {
	lines, code, first := watching(t, "--count", "1")
	to := strings.Fields(first)[2]
	sendTo(t, to, "hello\n", esock.TTL(42), esock.TOS(0x20))
	var out strings.Builder
	for lines.Scan() {
		assert.LessOrEqual(t, len([]rune(lines.Text())), 100)
		out.WriteString(lines.Text() + "\n")
	}
	assert.Equal(t, 0, <-code)
	for _, want := range []string{"refused: ", "recvhoplimit", `"hello\n"`, "6 bytes", "ip      ttl           42\n",
		"ip      tos           0x20\n", "ip      origdstaddr   " + to + "\n", "socket  timestampns   20", "addr 127.0.0.1, ifindex 1"} {
		assert.Contains(t, out.String(), want)
	}
}

func TestWatchAsJSONUntilInterrupted(t *testing.T) {
	machine.NeedIPv6(t)
	lines, code, first := watching(t, "--json", "--addr", "[::1]:0")
	var begin struct {
		Listening string   `json:"listening"`
		Options   []string `json:"options"`
	}
	require.NoError(t, json.Unmarshal([]byte(first), &begin))
	assert.Contains(t, begin.Options, "ipv6 recvhoplimit")
	for range 2 {
		sendTo(t, begin.Listening, "hello", esock.HopLimit(42))
		require.True(t, lines.Scan())
		var m struct {
			Ctrl []struct {
				Level, Type string
				Value       any
			}
			Addr map[string]any
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &m))
		values := map[string]any{}
		for _, c := range m.Ctrl {
			values[c.Level+" "+c.Type] = c.Value
		}
		assert.EqualValues(t, 42, values["ipv6 hoplimit"])
		assert.Contains(t, values, "socket timestampns")
		assert.Equal(t, "inet6", m.Addr["family"])
	}
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGINT))
	assert.False(t, lines.Scan())
	assert.Equal(t, 0, <-code)
}

func TestWatchSaysWhatIsWrong(t *testing.T) {
	used, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer used.Close()
	for addr, want := range map[string]int{"nonsense": exitUsage, used.LocalAddr().String(): exitFailed} {
		code, _, errs := command(t, "watch", "--addr", addr)
		assert.Equal(t, want, code)
		assert.NotEmpty(t, errs)
	}
}

// multicast sends a datagram to a group by the loopback interface.
func multicast(t *testing.T, from, to string) {
	t.Helper()
	a, err := esock.ParseAddr(to)
	require.NoError(t, err)
	s, err := esock.Open(a.Family(), esock.Dgram, esock.UDP)
	require.NoError(t, err)
	defer s.Close()
	at, err := netip.ParseAddr(from)
	require.NoError(t, err)
	require.NoError(t, s.Bind(esock.AddrFrom(netip.AddrPortFrom(at, 0))))
	require.NoError(t, sockopt.IPMulticastIf.Set(s, netip.MustParseAddr("127.0.0.1")))
	_, err = s.SendTo([]byte(from), a, 0, esock.Within(testwait.Patience))
	require.NoError(t, err)
}

func TestWatchJoinsGroups(t *testing.T) {
	lines, code, first := watching(t, "--count", "2", "--group", "239.3.2.1%lo", "--group", "239.3.2.2%lo@127.0.0.9", "--json")
	var begin struct {
		Listening string
		Groups    []string
	}
	require.NoError(t, json.Unmarshal([]byte(first), &begin))
	assert.Equal(t, []string{"239.3.2.1%lo", "239.3.2.2%lo@127.0.0.9"}, begin.Groups)
	_, port, err := net.SplitHostPort(begin.Listening)
	require.NoError(t, err)
	multicast(t, "127.0.0.8", "239.3.2.2:"+port) // another sender
	multicast(t, "127.0.0.8", "239.3.2.3:"+port) // another group
	multicast(t, "127.0.0.8", "239.3.2.1:"+port)
	multicast(t, "127.0.0.9", "239.3.2.2:"+port)
	for _, want := range []string{"239.3.2.1", "239.3.2.2"} {
		require.True(t, lines.Scan())
		assert.Contains(t, lines.Text(), want)
	}
	assert.False(t, lines.Scan())
	assert.Equal(t, exitOK, <-code)
}

func TestWatchSaysWhatIsWrongWithGroups(t *testing.T) {
	for _, c := range [][]string{
		{"10.0.0.1", "not the address of a multicast group"}, {"", "empty"}, {"239.1.1.1%", "no interface"},
		{"239.1.1.1%nowhere", `no interface "nowhere"`}, {"239.1.1.1@", "not the address of a sender"}, {"239.1.1.1@::1", "not the address of a sender"},
	} {
		code, _, errs := command(t, "watch", "--group", c[0])
		assert.Equal(t, exitUsage, code, c[0])
		assert.Contains(t, errs, c[1])
	}
	code, _, errs := command(t, "watch", "--group", "239.1.1.1", "--group", "ff02::1")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, "two families")
	code, _, errs = command(t, "watch", "--group", "239.1.1.1", "--addr", "[::1]:0")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, "family")
}
