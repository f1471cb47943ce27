package tests

import (
	"bytes"
	"encoding/binary"
	"net"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

// netlinkRequest is a message with a header, netlink(7), and a struct ifinfomsg of zeros behind it.
func netlinkRequest(typ, flags uint16, number uint32) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN+unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], typ)
	binary.NativeEndian.PutUint16(b[6:], flags)
	binary.NativeEndian.PutUint32(b[8:], number)
	return b
}

// netlinkMessages takes apart what a datagram holds: types and bodies.
func netlinkMessages(t *testing.T, b []byte, each func(typ uint16, number uint32, body []byte)) {
	t.Helper()
	for len(b) >= unix.NLMSG_HDRLEN {
		n := int(binary.NativeEndian.Uint32(b))
		require.GreaterOrEqual(t, n, unix.NLMSG_HDRLEN)
		require.LessOrEqual(t, n, len(b))
		each(binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint32(b[8:]), b[unix.NLMSG_HDRLEN:n])
		b = b[min(len(b), (n+3)&^3):]
	}
}

func TestNetlinkDumpsTheLinks(t *testing.T) {
	s := open(t, esock.Netlink, esock.Raw, esock.Protocol(unix.NETLINK_ROUTE))
	require.NoError(t, s.Bind(esock.NetlinkAddr(0, 0)))
	assert.NotZero(t, sockName(t, s).Port(), "the kernel chose one")
	request := esock.Msg{Addr: esock.NetlinkAddr(0, 0),
		Iov: [][]byte{netlinkRequest(unix.RTM_GETLINK, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, 7)}}
	_, err := s.SendMsg(&request, 0, esock.Within(patience))
	require.NoError(t, err)
	links, done := 0, false
	loop := false
	m := esock.Msg{Buf: make([]byte, 1<<16)}
	for !done {
		require.NoError(t, s.RecvMsg(&m, 0, esock.Within(patience)))
		require.Zero(t, m.Flags&esock.MsgTrunc)
		assert.Equal(t, esock.NetlinkAddr(0, 0), m.Addr, "from the kernel")
		netlinkMessages(t, m.Data(), func(typ uint16, number uint32, body []byte) {
			assert.Equal(t, uint32(7), number)
			switch typ {
			case unix.RTM_NEWLINK:
				links++
				loop = loop || bytes.Contains(body, []byte("lo\x00"))
			case unix.NLMSG_DONE:
				done = true
			default:
				t.Errorf("a message of type %d", typ)
			}
		})
	}
	assert.True(t, loop)
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, links, len(interfaces))
}

func TestNetlinkGroupsTellWhatHappens(t *testing.T) {
	a, _ := cable(t)
	const group = 1 // RTNLGRP_LINK
	s := open(t, esock.Netlink, esock.Raw, esock.Protocol(unix.NETLINK_ROUTE), a.inside())
	require.NoError(t, s.Bind(esock.NetlinkAddr(0, 1<<(group-1))))
	groups, ok := sockName(t, s).Groups()
	assert.True(t, ok)
	assert.Equal(t, uint32(1<<(group-1)), groups)
	require.NoError(t, exec.Command("ip", "-n", a.name, "link", "set", a.dev, "mtu", "1400").Run())
	m := esock.Msg{Buf: make([]byte, 1<<16)}
	for seen := false; !seen; {
		require.NoError(t, s.RecvMsg(&m, 0, esock.Within(patience)))
		assert.Equal(t, esock.NetlinkAddr(0, 1<<(group-1)), m.Addr)
		netlinkMessages(t, m.Data(), func(typ uint16, _ uint32, body []byte) {
			seen = seen || typ == unix.RTM_NEWLINK && bytes.Contains(body, []byte(a.dev+"\x00"))
		})
	}
}
