//go:build !race && !asan && !msan

package netconn

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock/sockopt"
)

// The paths of data allocate nothing, nor does a deadline before each read.
func TestHotPathsAllocateNothing(t *testing.T) {
	a, b := pair(t, "tcp4")
	p, q := receiving(t, "udp4").(*UDPConn), receiving(t, "udp6").(*UDPConn)
	r := receiving(t, "udp6").(*UDPConn)
	buf, oob := make([]byte, 64), make([]byte, 64)
	self := p.LocalAddr().(*net.UDPAddr).AddrPort()
	six := r.LocalAddr().(*net.UDPAddr).AddrPort()
	require.NoError(t, sockopt.IPRecvTTL.Set(p.Socket(), true))
	ttl := rawOf(unix.IPPROTO_IP, unix.IP_TTL, binary.NativeEndian.AppendUint32(nil, 33))
	v := make(net.Buffers, 2)
	bufs := v
	read := func(from *UDPConn, want netip.AddrPort) {
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
			a.(*TCPConn).WriteBuffers(&v)
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
			p.WriteMsgUDPAddrPort(buf[:8], ttl, self)
			if _, n, _, addr, err := p.ReadMsgUDPAddrPort(buf, oob); err != nil || addr != self || n != unix.CmsgSpace(4) {
				t.Error(n, addr, err)
			}
		},
		"WriteTo and WriteMsgUDP to a *net.UDPAddr": func() {
			p.WriteTo(buf[:8], p.LocalAddr())
			read(p, self)
			q.WriteMsgUDP(buf[:8], nil, r.LocalAddr().(*net.UDPAddr))
			read(r, q.LocalAddr().(*net.UDPAddr).AddrPort())
		},
	} {
		f()
		assert.Zero(t, testing.AllocsPerRun(100, f), what)
	}
	require.NoError(t, a.Close())
}

// An address of package net is one allocation, as few as there are in package net.
func TestReceivedAddressIsOneAllocation(t *testing.T) {
	p, buf := receiving(t, "udp4"), make([]byte, 8)
	var from net.Addr
	assert.EqualValues(t, 1, testing.AllocsPerRun(100, func() {
		p.WriteTo(buf, p.LocalAddr())
		_, from, _ = p.ReadFrom(buf)
	}))
	assert.Equal(t, p.LocalAddr(), from)
}

// A connection is 17 allocations from Dial to the closes of both ends. In package net it is 21.
func TestConnectionIsFewAllocations(t *testing.T) {
	l, err := Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	address := l.Addr().String()
	assert.LessOrEqual(t, testing.AllocsPerRun(200, func() {
		c, err := Dial("tcp", address)
		if !assert.NoError(t, err) {
			return
		}
		if s, err := l.Accept(); assert.NoError(t, err) {
			s.Close()
		}
		c.Close()
	}), 17.0)
}

// io.Copy of a file allocates twice: the file's syscall.RawConn, and the connection's, which os.File asks for first.
func TestCopyOfFileIsFewAllocations(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "file")
	require.NoError(t, err)
	defer f.Close()
	const size = 1000
	_, err = f.Write(make([]byte, size))
	require.NoError(t, err)
	a, b := pair(t, "tcp4")
	got := make([]byte, size)
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		_, err := f.Seek(0, io.SeekStart)
		n, failed := io.Copy(a, f)
		if _, short := io.ReadFull(b, got); n != size || errors.Join(err, failed, short) != nil {
			t.Error(n, err, failed, short)
		}
	}), 2.0)
}
