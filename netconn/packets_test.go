package netconn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

func TestUDPDatagrams(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			a, b := receiving(t, network).(*UDPConn), receiving(t, network).(*UDPConn)
			to := b.LocalAddr().(*net.UDPAddr)
			from := a.LocalAddr().(*net.UDPAddr)
			buf := make([]byte, 100)
			n, err := a.WriteTo([]byte("one"), to)
			require.NoError(t, err)
			assert.Equal(t, 3, n)
			n, addr, err := b.ReadFrom(buf)
			require.NoError(t, err)
			assert.Equal(t, "one", string(buf[:n]))
			assert.Equal(t, from.String(), addr.String())
			assert.IsType(t, from, addr)

			n, err = a.WriteToUDPAddrPort([]byte("two"), to.AddrPort())
			require.NoError(t, err)
			assert.Equal(t, 3, n)
			n, ap, err := b.ReadFromUDPAddrPort(buf[:2])
			require.NoError(t, err)
			assert.Equal(t, "tw", string(buf[:n]), "cut")
			assert.Equal(t, from.AddrPort(), ap)

			_, err = a.WriteToUDP(nil, to)
			require.NoError(t, err)
			n, _, err = b.ReadFrom(buf)
			require.NoError(t, err)
			assert.Zero(t, n, "an empty datagram")
			_, err = a.WriteTo([]byte("lost"), to)
			require.NoError(t, err)
			n, addr, err = b.ReadFrom(nil)
			require.NoError(t, err)
			assert.Zero(t, n)
			assert.Equal(t, from.String(), addr.String())
		})
	}
}

func TestUDPControlMessages(t *testing.T) {
	a, b := receiving(t, "udp4").(*UDPConn), receiving(t, "udp4").(*UDPConn)
	require.NoError(t, sockopt.IPPktInfo.Set(b.s, true))
	require.NoError(t, sockopt.IPRecvTTL.Set(b.s, true))
	to := b.LocalAddr().(*net.UDPAddr)
	var m esock.Msg
	require.NoError(t, m.SetControl(esock.TTL(33)))
	ttl := rawOf(unix.IPPROTO_IP, unix.IP_TTL, []byte{33, 0, 0, 0})
	buf, oob := make([]byte, 100), make([]byte, 200)

	n, oobn, err := a.WriteMsgUDP([]byte("one"), ttl, to)
	require.NoError(t, err)
	assert.Equal(t, 3, n)
	assert.Equal(t, len(ttl), oobn)
	n, oobn, flags, addr, err := b.ReadMsgUDP(buf, oob)
	require.NoError(t, err)
	assert.Equal(t, "one", string(buf[:n]))
	assert.Equal(t, a.LocalAddr().String(), addr.String())
	assert.Zero(t, flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC))
	m.DecodeControl(oob[:oobn])
	found := map[string]bool{}
	for c := range m.Control() {
		if hops, ok := c.TTL(); ok {
			assert.Equal(t, 33, hops)
			found["ttl"] = true
		}
		if info, ok := c.PktInfo4(); ok {
			assert.Equal(t, "127.0.0.1", info.Addr.String())
			found["pktinfo"] = true
		}
	}
	assert.Len(t, found, 2)

	for _, room := range [][]byte{nil, make([]byte, 4)} { // cut: data and control messages
		_, _, err = a.WriteMsgUDPAddrPort([]byte("two"), nil, to.AddrPort())
		require.NoError(t, err)
		n, oobn, flags, ap, err := b.ReadMsgUDPAddrPort(buf[:1], room)
		require.NoError(t, err)
		assert.Equal(t, "t", string(buf[:n]))
		assert.LessOrEqual(t, oobn, len(room))
		assert.Equal(t, unix.MSG_TRUNC|unix.MSG_CTRUNC, flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC))
		assert.Equal(t, a.LocalAddr().(*net.UDPAddr).AddrPort(), ap)
	}
	_, _, err = a.WriteMsgUDP([]byte("x"), bytes.Repeat([]byte{0xff}, 20), to)
	assert.ErrorIs(t, err, syscall.EINVAL)
}

// rawOf is one control message as the kernel has it.
func rawOf(level, typ int, data []byte) []byte {
	var buf []byte
	head := unix.Cmsghdr{Level: int32(level), Type: int32(typ)}
	head.SetLen(unix.CmsgLen(len(data)))
	buf = make([]byte, unix.CmsgSpace(len(data)))
	copyHeader(buf, &head)
	copy(buf[unix.CmsgLen(0):], data)
	return buf
}

func TestUDPErrors(t *testing.T) {
	a := receiving(t, "udp4").(*UDPConn)
	d, err := Dialer{}.Dial("udp4", a.LocalAddr().String())
	require.NoError(t, err)
	defer d.Close()
	c := d.(*UDPConn)
	addr := a.LocalAddr().(*net.UDPAddr)
	for what, err := range map[string]error{
		"WriteTo":            second(c.WriteTo([]byte("x"), addr)),
		"WriteToUDPAddrPort": second(c.WriteToUDPAddrPort([]byte("x"), addr.AddrPort())),
		"WriteMsgUDP":        third(c.WriteMsgUDP([]byte("x"), nil, addr)),
	} {
		op := opError(t, err)
		assert.Equal(t, "write", op.Op, what)
		assert.ErrorIs(t, err, net.ErrWriteToConnected, what)
	}
	for what, err := range map[string]error{
		"WriteTo":            second(a.WriteTo([]byte("x"), &net.TCPAddr{})),
		"WriteToUDP":         second(a.WriteToUDP([]byte("x"), nil)),
		"WriteToUDPAddrPort": second(a.WriteToUDPAddrPort([]byte("x"), netip.AddrPort{})),
		"IPv6":               second(a.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort("[::1]:1"))),
		"Write":              second(a.Write([]byte("x"))),
	} {
		op := opError(t, err)
		assert.Equal(t, "write", op.Op, what)
	}
	assert.Nil(t, a.RemoteAddr())
	assert.Equal(t, addr.String(), c.RemoteAddr().String())

	_, err = c.Write([]byte("hello"))
	require.NoError(t, err)
	_, _, err = a.ReadFromUDP(make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, a.SetReadDeadline(time.Now().Add(-time.Hour)))
	_, _, err = a.ReadFromUDP(make([]byte, 10))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, a.Close())
	_, _, err = a.ReadFromUDPAddrPort(make([]byte, 10))
	assert.ErrorIs(t, err, net.ErrClosed)
	_, _, _, _, err = a.ReadMsgUDP(make([]byte, 10), nil)
	assert.ErrorIs(t, err, net.ErrClosed)
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }

// A read that waits has the message that ends it, with the control messages as the kernel wrote them and nothing of another.
func TestReadMsgUDPThatWaits(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		a, b := receiving(t, network).(*UDPConn), receiving(t, network).(*UDPConn)
		require.NoError(t, sockopt.SocketTimestamp.Set(b.s, true))
		for _, text := range []string{"one", "", "three"} {
			type result struct {
				n, oobn, flags int
				from           netip.AddrPort
				err            error
			}
			done := make(chan result, 1)
			buf, oob := make([]byte, 10), bytes.Repeat([]byte{0xee}, 100)
			go func() {
				var r result
				r.n, r.oobn, r.flags, r.from, r.err = b.ReadMsgUDPAddrPort(buf, oob)
				done <- r
			}()
			testwait.Until(t, "the read waits", func() bool { return waits(b.s) })
			_, err := a.WriteTo([]byte(text), b.LocalAddr())
			require.NoError(t, err)
			r := testwait.Result(t, "the message", done)
			require.NoError(t, r.err)
			assert.Equal(t, text, string(buf[:r.n]))
			assert.Equal(t, a.LocalAddr().(*net.UDPAddr).AddrPort(), r.from)
			assert.Zero(t, r.flags)
			cms, err := unix.ParseSocketControlMessage(oob[:r.oobn])
			require.NoError(t, err)
			require.Len(t, cms, 1)
			assert.Equal(t, int32(unix.SCM_TIMESTAMP), cms[0].Header.Type)
			assert.Equal(t, bytes.Repeat([]byte{0xee}, len(oob)-r.oobn), oob[r.oobn:], "the rest is untouched")
		}
		require.NoError(t, b.SetReadDeadline(time.Now().Add(-time.Hour)))
		n, oobn, flags, from, err := b.ReadMsgUDPAddrPort(make([]byte, 10), make([]byte, 100))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, [3]int{}, [3]int{n, oobn, flags}, "nothing of an earlier message")
		assert.Zero(t, from)
	}
}

// The kernel alone judges control messages and their size, as in package net.
func TestWriteMsgUDPAsPackageNet(t *testing.T) {
	a := receiving(t, "udp4").(*UDPConn)
	l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer l.Close()
	ttl := rawOf(unix.IPPROTO_IP, unix.IP_TTL, []byte{33, 0, 0, 0})
	for what, oob := range map[string][]byte{
		"none":                {},
		"one":                 ttl,
		"with a rest":         append(ttl[:len(ttl):len(ttl)], 0, 0, 0),
		"many":                bytes.Repeat(ttl, 100),
		"no control messages": bytes.Repeat([]byte{0xff}, 20),
		"of an unknown type":  rawOf(unix.IPPROTO_IP, 250, []byte{33, 0, 0, 0}),
	} {
		n, oobn, err := a.WriteMsgUDP([]byte("x"), oob, l.LocalAddr().(*net.UDPAddr))
		n2, oobn2, err2 := l.WriteMsgUDP([]byte("x"), oob, l.LocalAddr().(*net.UDPAddr))
		var errno, errno2 syscall.Errno
		errors.As(err, &errno)
		errors.As(err2, &errno2)
		assert.Equal(t, errno2, errno, what)
		assert.Equal(t, [2]int{n2, oobn2}, [2]int{n, oobn}, what)
	}
}

// One dual-stack socket reaches both families.
func TestUDPOfBothFamilies(t *testing.T) {
	a, err := ownPackets(ListenConfig{}.ListenPacket(background, "udp", ":0"))
	require.NoError(t, err)
	defer a.Close()
	if a.Socket().Domain() != esock.Inet6 {
		t.Skip("no IPv6 here")
	}
	c := a.(*UDPConn)
	for _, network := range []string{"udp4", "udp6"} {
		b := receiving(t, network).(*UDPConn)
		_, err := c.WriteTo([]byte(network), b.LocalAddr())
		require.NoError(t, err)
		buf := make([]byte, 10)
		n, from, err := b.ReadFromUDPAddrPort(buf)
		require.NoError(t, err)
		assert.Equal(t, network, string(buf[:n]))
		_, err = b.WriteToUDPAddrPort([]byte("back"), from)
		require.NoError(t, err)
		n, addr, err := c.ReadFromUDP(buf)
		require.NoError(t, err)
		assert.Equal(t, "back", string(buf[:n]))
		assert.Equal(t, b.LocalAddr().String(), addr.String())
	}
}

func TestBatches(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			a, b := receiving(t, network).(*UDPConn), receiving(t, network).(*UDPConn)
			require.NoError(t, sockopt.SocketTimestamp.Set(b.s, true))
			var out []Message
			for i := range 5 {
				out = append(out, Message{Buffers: [][]byte{[]byte("message "), {}, fmt.Append(nil, i)}, Addr: b.LocalAddr()})
			}
			for sent := 0; sent < len(out); {
				n, err := a.WriteBatch(out[sent:], 0)
				require.NoError(t, err)
				for _, m := range out[sent : sent+n] {
					assert.Equal(t, 9, m.N)
				}
				sent += n
			}
			in := make([]Message, 8)
			for i := range in {
				in[i].Buffers = [][]byte{make([]byte, 4), make([]byte, 20)}
				in[i].OOB = make([]byte, 64)
			}
			for got := 0; got < len(out); {
				n, err := b.ReadBatch(in, 0)
				require.NoError(t, err)
				for _, m := range in[:n] {
					assert.Equal(t, "mess", string(m.Buffers[0]))
					assert.Equal(t, fmt.Sprintf("age %d", got), string(m.Buffers[1][:m.N-4]))
					assert.Equal(t, a.LocalAddr().String(), m.Addr.String())
					assert.Positive(t, m.NN)
					assert.Zero(t, m.Flags&unix.MSG_TRUNC)
					got++
				}
			}
			sent, got := a.s.Counters(), b.s.Counters()
			assert.Equal(t, [3]uint64{45, 5, 9}, [3]uint64{sent.WriteByte, sent.WritePkg, sent.WritePkgMax})
			assert.Equal(t, [3]uint64{45, 5, 9}, [3]uint64{got.ReadByte, got.ReadPkg, got.ReadPkgMax})
			n, err := b.ReadBatch(nil, 0)
			assert.NoError(t, err)
			assert.Zero(t, n)
			require.NoError(t, b.SetReadDeadline(time.Now().Add(-time.Hour)))
			_, err = b.ReadBatch(in, 0)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			_, err = a.WriteBatch([]Message{{Addr: &net.TCPAddr{}}}, 0)
			assert.ErrorIs(t, err, syscall.EINVAL)
			_, err = a.WriteBatch([]Message{{}}, 0)
			assert.True(t, errors.Is(err, syscall.EDESTADDRREQ), "%v", err)
			assert.EqualValues(t, 1, a.s.Counters().WriteFails)
			require.NoError(t, a.Close())
			_, err = a.WriteBatch(out, 0)
			assert.ErrorIs(t, err, net.ErrClosed)
		})
	}
}

func TestUnixDatagrams(t *testing.T) {
	a, b := receiving(t, "unixgram").(*UnixgramConn), receiving(t, "unixgram").(*UnixgramConn)
	to := b.LocalAddr().(*net.UnixAddr)
	_, err := a.WriteTo([]byte("one"), to)
	require.NoError(t, err)
	buf := make([]byte, 10)
	n, from, err := b.ReadFrom(buf)
	require.NoError(t, err)
	assert.Equal(t, "one", string(buf[:n]))
	assert.Equal(t, a.LocalAddr(), from)

	c, err := Dialer{}.Dial("unixgram", to.Name) // without a name
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("two"))
	require.NoError(t, err)
	n, from, err = b.ReadFrom(buf)
	require.NoError(t, err)
	assert.Equal(t, "two", string(buf[:n]))
	assert.Nil(t, from)
	assert.ErrorIs(t, second(c.(*UnixgramConn).WriteTo([]byte("x"), to)), net.ErrWriteToConnected)
	assert.ErrorIs(t, second(a.WriteTo([]byte("x"), &net.UnixAddr{Name: to.Name, Net: "unix"})), syscall.EAFNOSUPPORT)
	assert.ErrorIs(t, second(a.WriteTo([]byte("x"), &net.UDPAddr{})), syscall.EINVAL)
	assert.Error(t, second(a.WriteToUnix([]byte("x"), nil)))
	_, _, err = c.(*UnixgramConn).WriteMsgUnix([]byte("three"), nil, nil)
	require.NoError(t, err)
	n, _, _, _, err = b.ReadMsgUnix(buf, nil)
	require.NoError(t, err)
	assert.Equal(t, "three", string(buf[:n]))
}

// Descriptors cross a connection, and belong to the receiver: none is closed behind its back.
func TestUnixDescriptors(t *testing.T) {
	for _, network := range []string{"unix", "unixpacket"} {
		a, b := pair(t, network)
		f := fileOf(t, []byte("content"))
		n, oobn, err := a.(*UnixConn).WriteMsgUnix([]byte("x"), unix.UnixRights(int(f.Fd())), nil)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		assert.Equal(t, unix.CmsgSpace(4), oobn)
		buf, oob := make([]byte, 10), make([]byte, 100)
		n, oobn, _, addr, err := b.(*UnixConn).ReadMsgUnix(buf, oob)
		require.NoError(t, err)
		assert.Equal(t, "x", string(buf[:n]))
		assert.Nil(t, addr)
		list, err := unix.ParseSocketControlMessage(oob[:oobn])
		require.NoError(t, err)
		fds, err := unix.ParseUnixRights(&list[0])
		require.NoError(t, err)
		got := os.NewFile(uintptr(fds[0]), "received")
		at := make([]byte, 7)
		_, err = got.ReadAt(at, 0)
		require.NoError(t, err)
		assert.Equal(t, "content", string(at))
		require.NoError(t, got.Close())

		cred, err := a.(*UnixConn).PeerCred()
		require.NoError(t, err)
		assert.Equal(t, esock.Credentials{PID: os.Getpid(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}, cred)
	}
}

// Descriptors for which the caller has no room are closed.
func TestUnixDescriptorsWithoutRoom(t *testing.T) {
	for _, room := range []int{0, unix.CmsgSpace(4) - 8} {
		for _, network := range []string{"unix", "unixpacket"} {
			a, b := pair(t, network)
			r, w, err := os.Pipe()
			require.NoError(t, err)
			_, _, err = a.(*UnixConn).WriteMsgUnix([]byte("x"), unix.UnixRights(int(w.Fd()), int(w.Fd())), nil)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			n, _, flags, _, err := b.(*UnixConn).ReadMsgUnix(make([]byte, 10), make([]byte, room))
			require.NoError(t, err)
			assert.Equal(t, 1, n)
			assert.NotZero(t, flags&unix.MSG_CTRUNC)
			require.NoError(t, r.SetReadDeadline(time.Now().Add(patience)))
			_, err = r.Read(make([]byte, 1))
			assert.Equal(t, io.EOF, err, "all writers are closed")
			require.NoError(t, r.Close())
		}
	}
}

// An empty message is not the end.
func TestAnEmptyPacketIsNotTheEnd(t *testing.T) {
	a, b := pair(t, "unixpacket")
	_, err := a.Write(nil)
	require.NoError(t, err)
	_, err = a.Write([]byte("x"))
	require.NoError(t, err)
	buf := make([]byte, 10)
	n, err := b.Read(buf)
	assert.NoError(t, err)
	assert.Zero(t, n)
	n, err = b.Read(buf)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

// The end of a connection is the end for ReadMsgUnix as well, and an empty message is not.
func TestReadMsgUnixAtTheEnd(t *testing.T) {
	for _, network := range []string{"unix", "unixpacket"} {
		a, b := pair(t, network)
		buf := make([]byte, 10)
		if network == "unixpacket" {
			_, err := a.Write(nil)
			require.NoError(t, err)
			n, _, _, _, err := b.(*UnixConn).ReadMsgUnix(buf, nil)
			require.NoError(t, err)
			assert.Zero(t, n)
		}
		require.NoError(t, a.Close())
		_, _, _, _, err := b.(*UnixConn).ReadMsgUnix(buf, nil)
		assert.Equal(t, io.EOF, err, network)
	}
}
