package netconn

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What cannot be dialled or listened on fails with the same words as in package net.
func TestFailuresHaveTheWordsOfNet(t *testing.T) {
	port := unused(t)
	none := filepath.Join(t.TempDir(), "none")
	refused := fmt.Sprintf("127.0.0.1:%d", port)
	for _, test := range []struct{ network, address string }{
		{"tcp", refused}, {"tcp4", refused}, {"tcp", "127.0.0.1"}, {"tcp", "127.0.0.1:99999"}, {"tcp", "127.0.0.1:-1"}, {"tcp", ""},
		{"tcp6", refused}, {"tcp4", "[::1]:1"}, {"nothing", "x"}, {"udp4", "[::1]:1"}, {"unix", none}, {"unixpacket", none}, {"unixgram", none},
		{"unix", ""}, {"tcp", "[::1:1"}, {"tcp", "127.0.0.1:http:1"}, {"udp", "127.0.0.1"},
		{"ip", "127.0.0.1"}, {"ip4", "127.0.0.1"}, {"ip4:", "127.0.0.1"}, {"ip4:nothing", "127.0.0.1"}, {"ip5:icmp", "127.0.0.1"}, {"ip4:icmp", ""},
		{"ip4:icmp", "::1"}, {"ip6:icmp", "127.0.0.1"}, {"tcp:6", refused}, {"ip4:300", "127.0.0.1"}, {"ip4:-1", "127.0.0.1"},
		{"ip4:icmp", "127.0.0.1:80"}, {"ip4:0x1", "127.0.0.1"}, {"ip4:99999999999999999999", "127.0.0.1"},
	} {
		t.Run(fmt.Sprintf("dial %s %.20q", test.network, test.address), func(t *testing.T) {
			var got [2]string
			for i, s := range sides {
				c, err := s.dial(test.network, test.address)
				if !assert.Error(t, err) {
					c.Close()
				}
				got[i] = described(err)
			}
			assert.Equal(t, got[0], got[1])
		})
	}

	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	p, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer p.Close()
	for _, test := range []struct{ network, address string }{
		{"tcp", l.Addr().String()}, {"tcp4", l.Addr().String()}, {"tcp", "127.0.0.1"}, {"tcp", "127.0.0.1:99999"}, {"nothing", "x"}, {"udp", ":0"},
		{"tcp4", "[::1]:0"}, {"unix", filepath.Join(none, "x")}, {"ip4:icmp", "127.0.0.1"},
	} {
		t.Run(fmt.Sprintf("listen %s %.20q", test.network, test.address), func(t *testing.T) {
			var got [2]string
			for i, s := range sides {
				l, err := s.listen(test.network, test.address)
				if !assert.Error(t, err) {
					l.Close()
				}
				got[i] = described(err)
			}
			assert.Equal(t, got[0], got[1])
		})
	}
	for _, test := range []struct{ network, address string }{
		{"udp", p.LocalAddr().String()}, {"udp4", p.LocalAddr().String()}, {"udp", "127.0.0.1"}, {"nothing", "x"}, {"tcp", ":0"},
		{"udp4", "[::1]:0"}, {"unixgram", filepath.Join(none, "x")}, {"ip4:icmp", "::1"}, {"ip4", "127.0.0.1"}, {"ip:x", ""},
		{"ip4:icmp", "127.0.0.1:1"},
	} {
		t.Run(fmt.Sprintf("listen for packets %s %.20q", test.network, test.address), func(t *testing.T) {
			var got [2]string
			for i, s := range sides {
				c, err := s.packet(test.network, test.address)
				if !assert.Error(t, err) {
					c.Close()
				}
				got[i] = described(err)
			}
			assert.Equal(t, got[0], got[1])
		})
	}
	t.Run("accept", func(t *testing.T) {
		var got [2]string
		for i, s := range sides {
			l, err := s.listen("tcp4", "127.0.0.1:0")
			require.NoError(t, err)
			d := l.(interface{ SetDeadline(time.Time) error })
			said := described(d.SetDeadline(time.Now().Add(-time.Second)))
			_, err = l.Accept()
			said += described(err) + described(l.Close()) + described(l.Close())
			_, err = l.Accept()
			got[i] = said + described(err)
		}
		assert.Equal(t, got[0], got[1])
	})
}
