package netconn

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/sockopt"
)

// ipSocket is what both packages have.
type ipSocket interface {
	net.PacketConn
	net.Conn
	ReadFromIP(b []byte) (int, *net.IPAddr, error)
	ReadMsgIP(b, oob []byte) (n, oobn, flags int, addr *net.IPAddr, err error)
	WriteToIP(b []byte, addr *net.IPAddr) (int, error)
	WriteMsgIP(b, oob []byte, addr *net.IPAddr) (n, oobn int, err error)
}

var (
	_ ipSocket = (*net.IPConn)(nil)
	_ ipSocket = (*IPConn)(nil)
)

// needRaw skips a test where the process may not open raw sockets.
func needRaw(t testing.TB) {
	s, err := esock.Open(esock.Inet, esock.Raw, esock.ICMP)
	if err != nil {
		t.Skip("no raw socket: " + err.Error())
	}
	s.Close()
}

var ipTokens atomic.Uint32

// token is data that no other socket of the machine sends.
func token() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(os.Getpid()))
	return fmt.Appendf(binary.BigEndian.AppendUint32(b, ipTokens.Add(1)), " and some more data")
}

// Raw sockets have the results of net's, call by call. 253 is a protocol for experiments, RFC 3692.
func TestIPConnsDoAsThoseOfNet(t *testing.T) {
	needRaw(t)
	for _, test := range []struct{ network, listen, dial string }{
		{"ip4:253", "127.0.0.1", "127.0.0.1"}, {"ip6:253", "::1", "::1"}, {"ip:253", "127.0.0.1", "127.0.0.1"}, {"ip4:253", "", "127.0.0.1"},
		{"ip:253", "", "::1"}, {"ip:253", "::1", "::1"},
	} {
		t.Run(test.network+" "+test.listen, func(t *testing.T) {
			if test.dial == "::1" {
				machine.NeedIPv6(t)
			}
			var said [2][]string
			for i, s := range sides {
				said[i] = runIP(t, s, test.network, test.listen, test.dial)
			}
			assert.Equal(t, said[0], said[1])
		})
	}
}

// runIP makes each call on raw sockets of one implementation, and says what came of it.
func runIP(t *testing.T, s side, network, listen, dial string) (said []string) {
	say := func(what string, v ...any) { said = append(said, what+": "+fmt.Sprint(v...)) }
	opened, err := s.packet(network, listen)
	require.NoError(t, err)
	defer opened.Close()
	c := opened.(ipSocket)
	dialled, err := s.dial(network, dial)
	require.NoError(t, err)
	defer dialled.Close()
	d := dialled.(ipSocket)
	say("addresses", shape(c.LocalAddr()), c.LocalAddr(), isNil(c.RemoteAddr()), shape(d.LocalAddr()), shape(d.RemoteAddr()), d.RemoteAddr())
	to := &net.IPAddr{IP: net.ParseIP(dial)}

	// received is what the first call that gets the data makes of it.
	received := func(what string, data []byte, size int, call func(b []byte) (n, flags int, addr net.Addr, err error)) {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
		for {
			b := make([]byte, size)
			n, flags, addr, err := call(b)
			require.NoError(t, err, what)
			b = b[:n]
			at := indexOf(b, data[:8])
			if size > 30 && at < 0 {
				continue // another's
			}
			if size > 30 {
				say(what, n, " at ", at, " ", flags, shape(addr), addr, string(b[at+8:]))
			} else {
				say(what, n, " ", flags, shape(addr))
			}
			return
		}
	}
	readFrom := func(b []byte) (int, int, net.Addr, error) { n, a, err := c.ReadFrom(b); return n, 0, a, err }
	reads := map[string]func(b []byte) (int, int, net.Addr, error){
		"ReadFrom":   readFrom,
		"ReadFromIP": func(b []byte) (int, int, net.Addr, error) { n, a, err := c.ReadFromIP(b); return n, 0, a, err },
		"ReadMsgIP": func(b []byte) (int, int, net.Addr, error) {
			n, _, f, a, err := c.ReadMsgIP(b, nil)
			return n, f, a, err
		},
		"Read": func(b []byte) (int, int, net.Addr, error) { n, err := c.Read(b); return n, 0, nil, err },
	}
	for _, name := range []string{"ReadFrom", "ReadFromIP", "ReadMsgIP", "Read"} {
		for _, size := range []int{100, 35, 22, 10, 0} {
			data := token()
			n, err := d.Write(data)
			say("Write", n, described(err))
			if size == 0 && name == "Read" {
				n, err := c.Read(nil)
				say("Read of nothing", n, described(err))
				size = 100
			}
			received(name, data, size, reads[name])
		}
	}
	data := token()
	n, err := c.WriteTo(data, to)
	say("WriteTo", n, described(err))
	received("ReadFrom", data, 100, readFrom)
	n, err = c.WriteToIP(data, to)
	say("WriteToIP", n, described(err))
	received("ReadFrom", data, 100, readFrom)
	n, oobn, err := c.WriteMsgIP(data, nil, to)
	say("WriteMsgIP", n, oobn, described(err))
	received("ReadFrom", data, 100, readFrom)

	errs := func(what string, n int, err error) { say(what, n, described(err)) }
	n, err = c.WriteTo(data, &net.UDPAddr{IP: to.IP})
	errs("WriteTo of another type", n, err)
	n, err = c.WriteTo(data, nil)
	errs("WriteTo nil", n, err)
	n, err = c.WriteToIP(data, nil)
	errs("WriteToIP nil", n, err)
	n, err = c.WriteTo(data, (*net.IPAddr)(nil))
	errs("WriteTo nil pointer", n, err)
	if c.LocalAddr().(*net.IPAddr).IP.To4() != nil && len(c.LocalAddr().(*net.IPAddr).IP) == 4 {
		n, err = c.WriteToIP(data, &net.IPAddr{IP: net.ParseIP("::2")})
		errs("WriteToIP to another family", n, err)
	}
	n, err = c.WriteToIP(data, &net.IPAddr{IP: net.IP{1, 2}})
	errs("WriteToIP to no address", n, err)
	n, oobn, err = c.WriteMsgIP(data, nil, nil)
	errs("WriteMsgIP nil", n+oobn, err)
	n, oobn, err = c.WriteMsgIP(data, []byte{1, 2, 3}, to)
	errs("WriteMsgIP with bad control messages", n+oobn, err)
	n, err = c.Write(data)
	errs("Write without a peer", n, err)
	n, err = d.WriteTo(data, to)
	errs("WriteTo with a peer", n, err)
	n, oobn, err = d.WriteMsgIP(data, nil, to)
	errs("WriteMsgIP with a peer", n+oobn, err)
	n, oobn, err = d.WriteMsgIP(data, nil, nil)
	errs("WriteMsgIP nil with a peer", n+oobn, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(-time.Hour)))
	n, addr, err := c.ReadFrom(make([]byte, 10))
	errs("ReadFrom late", n, err)
	say("its address", isNil(addr))
	errs("Close", 0, c.Close())
	errs("Close again", 0, c.Close())
	n, ip, err := c.ReadFromIP(make([]byte, 10))
	errs("ReadFromIP closed", n, err)
	say("its address", ip)
	n, oobn, flags, ip, err := c.ReadMsgIP(make([]byte, 10), nil)
	errs("ReadMsgIP closed", n+oobn+flags, err)
	say("its address", ip)
	n, err = c.WriteTo(data, to)
	errs("WriteTo closed", n, err)
	return said
}

func indexOf(b, part []byte) int {
	for i := range b {
		if len(b)-i >= len(part) && string(b[i:i+len(part)]) == string(part) {
			return i
		}
	}
	return -1
}

// The header of IPv4 is of its own length, and what is none stays.
func TestTheHeaderOfIPv4(t *testing.T) {
	packet := func(first byte, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i)
		}
		b[0] = first
		return b
	}
	for _, test := range []struct {
		first    byte
		n, start int // where the data starts
	}{
		{0x45, 20, 20}, {0x45, 30, 20}, {0x46, 30, 24}, {0x4f, 70, 60}, {0x4f, 50, 0}, {0x44, 30, 0}, {0x65, 30, 0}, {0x45, 19, 0},
	} {
		b := packet(test.first, test.n)
		n := withoutHeader(b, len(b))
		assert.Equal(t, packet(test.first, test.n)[test.start:], b[:n], "%+v", test)
	}
	assert.Zero(t, withoutHeader(nil, 0))
}

// A program pings the loopback.
func TestPing(t *testing.T) {
	needRaw(t)
	for _, test := range []struct {
		network, address string
		request, reply   byte
	}{
		{"ip4:icmp", "127.0.0.1", 8, 0}, {"ip4:1", "127.0.0.1", 8, 0}, {"ip6:ipv6-icmp", "::1", 128, 129}, {"ip6:58", "::1", 128, 129},
	} {
		t.Run(test.network, func(t *testing.T) {
			if test.address == "::1" {
				machine.NeedIPv6(t)
			}
			p, err := ownPackets(ListenConfig{}.ListenPacket(background, test.network, test.address))
			require.NoError(t, err)
			defer p.Close()
			require.IsType(t, (*IPConn)(nil), p)
			data := token()
			request := append([]byte{test.request, 0, 0, 0, 0, 0, 0, 0}, data...)
			if test.request == 8 { // the kernel sums up for ICMPv6
				binary.BigEndian.PutUint16(request[2:], checksum(request))
				if machine.Sysctl("net.ipv4.icmp_echo_ignore_all") != "0" {
					t.Skip("the kernel answers no echo requests")
				}
			} else if machine.Sysctl("net.ipv6.icmp.echo_ignore_all") == "1" {
				t.Skip("the kernel answers no echo requests")
			}
			to := &net.IPAddr{IP: net.ParseIP(test.address)}
			_, err = p.WriteTo(request, to)
			require.NoError(t, err)
			b := make([]byte, 500)
			require.NoError(t, p.SetReadDeadline(time.Now().Add(patience)))
			for {
				n, from, err := p.ReadFrom(b)
				require.NoError(t, err)
				if n < 8 || b[0] != test.reply || indexOf(b[:n], data) != 8 {
					continue // another's, or our own request
				}
				assert.Equal(t, test.address, from.String())
				break
			}
		})
	}
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for i, v := range b {
		if i%2 == 0 {
			sum += uint32(v) << 8
		} else {
			sum += uint32(v)
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// What else a raw socket is made of: a socket of the program's own, a file, options.
func TestIPConnsOfSockets(t *testing.T) {
	needRaw(t)
	p, err := ownPackets(ListenConfig{}.ListenPacket(background, "ip4:253", "127.0.0.1"))
	require.NoError(t, err)
	defer p.Close()
	on, err := sockopt.SocketBroadcast.Get(p.Socket())
	require.NoError(t, err)
	assert.True(t, on, "as net's")
	f, err := p.File()
	require.NoError(t, err)
	defer f.Close()
	again, err := FilePacketConn(f)
	require.NoError(t, err)
	defer again.Close()
	require.IsType(t, (*IPConn)(nil), again)
	assert.Equal(t, "ip 127.0.0.1", again.LocalAddr().Network()+" "+again.LocalAddr().String())

	local, err := Dialer{LocalAddr: &net.IPAddr{IP: net.IPv4(127, 0, 0, 2)}}.Dial("ip4:253", "127.0.0.1")
	require.NoError(t, err)
	defer local.Close()
	assert.Equal(t, "127.0.0.2", local.LocalAddr().String())
	s, err := esock.Open(esock.Inet, esock.Raw, esock.ICMP)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Connect(esock.AddrFrom(netip.MustParseAddrPort("127.0.0.1:0")), esock.Forever))
	c, err := NewConn(s)
	require.NoError(t, err)
	require.IsType(t, (*IPConn)(nil), c)
	assert.Nil(t, c.RemoteAddr(), "the kernel does not say")
}

// Control says which network a raw socket is of, and an error which one was asked for.
func TestControlOfIPConns(t *testing.T) {
	needRaw(t)
	for _, network := range []string{"ip4:253", "ip:icmp"} {
		var got [2]string
		for i := range sides {
			var word string
			var err error
			if i == 0 {
				lc := net.ListenConfig{Control: func(network, address string, _ syscall.RawConn) error {
					word = network
					return syscall.EXDEV
				}}
				_, err = lc.ListenPacket(background, network, "127.0.0.1")
			} else {
				lc := ListenConfig{Control: func(_ context.Context, network, _ string, _ *esock.Socket) error {
					word = network
					return syscall.EXDEV
				}}
				_, err = lc.ListenPacket(background, network, "127.0.0.1")
			}
			got[i] = word + " " + described(err)
		}
		assert.Equal(t, got[0], got[1])
	}
}
