package unchanged

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun/tuntest"

	"github.com/esock-go/esock/netconn"
	"github.com/esock-go/esock/sockopt"
)

// bind is wireguard-go's conn.Bind over one socket of this library for IPv4.
type bind struct{ c *netconn.UDPConn }

type peer struct{ to netip.AddrPort }

func (peer) ClearSrc()             {}
func (peer) SrcToString() string   { return "" }
func (p peer) DstToString() string { return p.to.String() }
func (p peer) DstToBytes() []byte  { b, _ := p.to.MarshalBinary(); return b }
func (p peer) DstIP() netip.Addr   { return p.to.Addr() }
func (peer) SrcIP() netip.Addr     { return netip.Addr{} }

const batchSize = 16

func (b *bind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	if b.c != nil {
		return nil, 0, conn.ErrBindAlreadyOpen
	}
	c, err := netconn.ListenConfig{}.ListenPacket(background, "udp4", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		return nil, 0, err
	}
	u := c.(*netconn.UDPConn)
	b.c = u
	ms := make([]netconn.Message, batchSize)
	receive := func(packets [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
		for i := range packets {
			ms[i].Buffers = packets[i : i+1]
		}
		n, err := u.ReadBatch(ms[:len(packets)], 0)
		for i := range ms[:n] {
			sizes[i] = ms[i].N
			eps[i] = peer{ms[i].Addr.(*net.UDPAddr).AddrPort()}
		}
		if errors.Is(err, net.ErrClosed) {
			err = net.ErrClosed
		}
		return n, err
	}
	return []conn.ReceiveFunc{receive}, c.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
}

func (b *bind) Close() error {
	if b.c == nil {
		return nil
	}
	c := b.c
	b.c = nil
	return c.Close()
}

func (b *bind) SetMark(mark uint32) error {
	if mark == 0 || b.c == nil {
		return nil
	}
	return sockopt.SocketMark.Set(b.c.Socket(), uint(mark))
}

var sends = sync.Pool{New: func() any { return new([batchSize]netconn.Message) }}

func (b *bind) Send(bufs [][]byte, ep conn.Endpoint) error {
	if len(bufs) == 1 {
		_, err := b.c.WriteToUDPAddrPort(bufs[0], ep.(peer).to)
		return err
	}
	to := net.UDPAddrFromAddrPort(ep.(peer).to)
	ms := sends.Get().(*[batchSize]netconn.Message)
	defer sends.Put(ms)
	for len(bufs) > 0 {
		most := min(len(bufs), batchSize)
		for i := range most {
			ms[i] = netconn.Message{Buffers: bufs[i : i+1], Addr: to}
		}
		n, err := b.c.WriteBatch(ms[:most], 0)
		if err != nil {
			return err
		}
		bufs = bufs[n:]
	}
	return nil
}

func (b *bind) ParseEndpoint(s string) (conn.Endpoint, error) {
	to, err := netip.ParseAddrPort(s)
	return peer{to}, err
}

func (b *bind) BatchSize() int { return batchSize }

func TestWireGuard(t *testing.T) {
	row(t, "golang.zx2c4.com/wireguard", "two devices, over a conn.Bind of 60 lines on ReadBatch and WriteBatch: handshake, 500 packets each way")
	binds := [2]*bind{{}, {}}
	wireGuard(t, [2]conn.Bind{binds[0], binds[1]}, func(i int) netip.AddrPort {
		return binds[i].c.LocalAddr().(*net.UDPAddr).AddrPort()
	})
}

// wireGuard runs two devices, each over a bind, which has an address once its device is up.
func wireGuard(t *testing.T, binds [2]conn.Bind, address func(i int) netip.AddrPort) {
	var keys [2]*ecdh.PrivateKey
	for i := range keys {
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		require.NoError(t, err)
		keys[i] = key
	}
	ips := [2]netip.Addr{netip.MustParseAddr("1.0.0.1"), netip.MustParseAddr("1.0.0.2")}
	var tuns [2]*tuntest.ChannelTUN
	var devices [2]*device.Device
	for i := range devices {
		other := keys[1-i].PublicKey().Bytes()
		tuns[i] = tuntest.NewChannelTUN()
		devices[i] = device.NewDevice(tuns[i].TUN(), binds[i], device.NewLogger(device.LogLevelSilent, ""))
		require.NoError(t, devices[i].IpcSet(fmt.Sprintf("private_key=%s\nlisten_port=0\npublic_key=%s\nprotocol_version=1\nallowed_ip=%s/32\n",
			hex.EncodeToString(keys[i].Bytes()), hex.EncodeToString(other), ips[1-i])))
		require.NoError(t, devices[i].Up())
		defer devices[i].Close()
	}
	for i := range devices {
		require.NoError(t, devices[i].IpcSet(fmt.Sprintf("public_key=%s\nendpoint=%s\n",
			hex.EncodeToString(keys[1-i].PublicKey().Bytes()), address(1-i))))
	}
	for range 500 {
		for i := range tuns {
			packet := tuntest.Ping(ips[1-i], ips[i])
			tuns[i].Outbound <- packet
			require.True(t, bytes.Equal(packet, result(t, "the packet", tuns[1-i].Inbound)))
		}
	}
}
