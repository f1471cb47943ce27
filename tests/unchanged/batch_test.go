package unchanged

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"
	"golang.zx2c4.com/wireguard/conn"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/datagram"
	"github.com/esock-go/esock/netconn"
	"github.com/esock-go/esock/sockopt"
)

// Adapters over package datagram: a transport for quic-go and a conn.Bind for wireguard-go, which receive trains (UDP_GRO).

// batchConn is what quic.Transport takes as Conn. It receives by the batch, and sends as netconn's connection does: quic-go
// makes trains itself.
type batchConn struct {
	*netconn.UDPConn
	in *datagram.Batch
}

var _ quic.OOBCapablePacketConn = (*batchConn)(nil)

func newBatchConn(c *netconn.UDPConn) (*batchConn, error) {
	in, err := datagram.NewBatch(c.Socket(), 16, 65535, datagram.GRO(), datagram.Control(256))
	return &batchConn{c, in}, err
}

// ReadBatch takes the place of the one of x/net. The control messages are the kernel's, and of a train each datagram has them.
func (c *batchConn) ReadBatch(ms []ipv4.Message, _ int) (n int, err error) {
	for n < len(ms) {
		d, ok := c.in.Next()
		if ok {
			m := &ms[n]
			m.N, m.NN = copy(m.Buffers[0], d.Data()), copy(m.OOB, d.ControlBytes())
			m.Addr = net.UDPAddrFromAddrPort(d.From())
			n++
			continue
		}
		if n > 0 {
			break
		}
		if _, err := c.in.Recv(0, esock.Forever); err != nil && !truncated(err) {
			return 0, err
		}
	}
	return n, nil
}

// truncated reports whether an error is about one of several datagrams. What protects its packets by itself can go on.
func truncated(err error) bool {
	var cut *datagram.TruncatedError
	return errors.As(err, &cut)
}

// trainBind is wireguard-go's conn.Bind over one socket for IPv4.
type trainBind struct {
	s  *esock.Socket
	in *datagram.Batch

	sending sync.Mutex
	out     *datagram.Batch
}

func (b *trainBind) Open(port uint16) (_ []conn.ReceiveFunc, _ uint16, err error) {
	if b.s != nil {
		return nil, 0, conn.ErrBindAlreadyOpen
	}
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := s.Bind(esock.Inet4Addr(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)); err != nil {
		return nil, 0, err
	}
	name, err := s.SockName()
	if err != nil {
		return nil, 0, err
	}
	in, err := datagram.NewBatch(s, 16, 65535, datagram.GRO())
	if err != nil {
		return nil, 0, err
	}
	out, err := datagram.NewBatch(s, conn.IdealBatchSize, 65535)
	if err != nil {
		return nil, 0, err
	}
	b.s, b.in, b.out = s, in, out
	receive := func(packets [][]byte, sizes []int, eps []conn.Endpoint) (n int, err error) {
		for n < len(packets) {
			if d, ok := in.Next(); ok {
				sizes[n] = copy(packets[n], d.Data())
				eps[n] = peer{d.From()}
				n++
				continue
			}
			if n > 0 {
				break
			}
			if _, err := in.Recv(0, esock.Forever); errors.Is(err, net.ErrClosed) {
				return 0, net.ErrClosed
			} else if err != nil && !truncated(err) {
				return 0, err
			}
		}
		return n, nil
	}
	return []conn.ReceiveFunc{receive}, uint16(name.Port()), nil
}

// Close leaves the memory of the batches to the garbage collector, because a receive may be about to end.
func (b *trainBind) Close() error {
	if b.s == nil {
		return nil
	}
	s := b.s
	b.s = nil
	return s.Close()
}

func (b *trainBind) SetMark(mark uint32) error {
	if mark == 0 || b.s == nil {
		return nil
	}
	return sockopt.SocketMark.Set(b.s, uint(mark))
}

func (b *trainBind) Send(bufs [][]byte, ep conn.Endpoint) error {
	b.sending.Lock()
	defer b.sending.Unlock()
	defer b.out.Reset() // what an error has left
	for _, buf := range bufs {
		err := b.out.Append(buf, ep.(peer).to)
		if errors.Is(err, datagram.ErrFull) {
			if _, err = b.out.Send(0, esock.Forever); err == nil {
				err = b.out.Append(buf, ep.(peer).to)
			}
		}
		if err != nil {
			return err
		}
	}
	_, err := b.out.Send(0, esock.Forever)
	return err
}

func (b *trainBind) ParseEndpoint(s string) (conn.Endpoint, error) {
	to, err := netip.ParseAddrPort(s)
	return peer{to}, err
}

func (b *trainBind) BatchSize() int { return conn.IdealBatchSize }

func TestQUICOverBatches(t *testing.T) {
	row(t, "github.com/quic-go/quic-go", "udp4, udp6: 16 MiB each way at once, over an adapter of 25 lines on package datagram: GRO")
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			var ends [2]*batchConn
			for i := range ends {
				c, err := newBatchConn(packets(t, network).(*netconn.UDPConn))
				require.NoError(t, err)
				ends[i] = c
				defer c.in.Close()
			}
			quicBothWays(t, ends[0], ends[1])
			for _, end := range ends {
				received, _ := end.in.Counters()
				if end.in.Info().GRO {
					assert.NotZero(t, received.Trains, fmt.Sprintf("%+v", received))
				}
			}
		})
	}
}

func TestWireGuardOverBatches(t *testing.T) {
	row(t, "golang.zx2c4.com/wireguard", "two devices, over a conn.Bind of 100 lines on package datagram: handshake, 500 packets each way")
	binds := [2]*trainBind{{}, {}}
	wireGuard(t, [2]conn.Bind{binds[0], binds[1]}, func(i int) netip.AddrPort {
		name, err := binds[i].s.SockName()
		require.NoError(t, err)
		return netip.AddrPortFrom(name.IP(), uint16(name.Port()))
	})
}
