//go:build !race && !asan && !msan

package netconn

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The paths of data allocate nothing, nor does a deadline before each read.
func TestHotPathsAllocateNothing(t *testing.T) {
	a, b := pair(t, "tcp4")
	p, q := receiving(t, "udp4").(UDPConn), receiving(t, "udp6").(UDPConn)
	r := receiving(t, "udp6").(UDPConn)
	buf, oob := make([]byte, 64), make([]byte, 64)
	self := p.LocalAddr().(*net.UDPAddr).AddrPort()
	six := r.LocalAddr().(*net.UDPAddr).AddrPort()
	v := make(net.Buffers, 2)
	bufs := v
	read := func(from UDPConn, want netip.AddrPort) {
		if _, addr, err := from.ReadFromUDPAddrPort(buf); err != nil || addr != want {
			t.Error(addr, err)
		}
	}
	for what, f := range map[string]func(){
		"Write, Read": func() {
			a.Write(buf[:8])
			b.Read(buf)
		},
		"Write, SetReadDeadline, Read": func() {
			a.Write(buf[:8])
			b.SetReadDeadline(time.Now().Add(time.Hour))
			b.Read(buf)
		},
		"WriteBuffers": func() {
			v = append(bufs[:0], buf[:4], buf[4:8])
			a.(TCPConn).WriteBuffers(&v)
			b.Read(buf)
		},
		"WriteToUDPAddrPort, ReadFromUDPAddrPort over IPv4": func() {
			p.WriteToUDPAddrPort(buf[:8], self)
			read(p, self)
		},
		"WriteToUDPAddrPort, ReadFromUDPAddrPort over IPv6": func() {
			q.WriteToUDPAddrPort(buf[:8], six)
			read(r, q.LocalAddr().(*net.UDPAddr).AddrPort())
		},
		"WriteMsgUDPAddrPort, ReadMsgUDPAddrPort": func() {
			p.WriteMsgUDPAddrPort(buf[:8], nil, self)
			p.ReadMsgUDPAddrPort(buf, oob)
		},
	} {
		f()
		assert.Zero(t, testing.AllocsPerRun(100, f), what)
	}
	require.NoError(t, a.Close())
}
