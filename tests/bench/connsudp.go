package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

// bound is a socket of datagrams, and its address.
func (m *maker) bound() (udpConn, netip.AddrPort, error) {
	c, err := m.packet()
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort(), nil
}

func connUDP(m *maker, e effort) (*session, error) {
	c, to, err := m.bound()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, sockets.Message)
	return &session{costing(e, func(n int) error {
		for range n {
			if _, err := c.WriteToUDPAddrPort(buf, to); err != nil {
				return err
			}
			if _, _, err := c.ReadFromUDPAddrPort(buf); err != nil {
				return err
			}
		}
		return nil
	}), closer(c)}, nil
}

// connMsgs is what a QUIC library does with each datagram: its mark for congestion and its address on this machine.
func connMsgs(m *maker, e effort) (*session, error) {
	c, to, err := m.bound()
	if err != nil {
		return nil, err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	if raw.Control(func(fd uintptr) {
		for _, o := range []int{unix.IP_RECVTOS, unix.IP_PKTINFO} {
			if err == nil {
				err = unix.SetsockoptInt(int(fd), unix.SOL_IP, o, 1)
			}
		}
	}); err != nil {
		return nil, err
	}
	info := unix.Inet4Pktinfo{Spec_dst: sockets.Loopback.As4()}
	control := controlMessage(nil, unix.IP_TOS, binary.NativeEndian.AppendUint32(nil, 2))
	control = controlMessage(control, unix.IP_PKTINFO, (*[unix.SizeofInet4Pktinfo]byte)(unsafe.Pointer(&info))[:])
	want := unix.CmsgSpace(1) + unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	buf, oob := make([]byte, sockets.Message), make([]byte, 128)
	return &session{costing(e, func(n int) error {
		for range n {
			if _, _, err := c.WriteMsgUDPAddrPort(buf, control, to); err != nil {
				return err
			}
			if _, n, _, _, err := c.ReadMsgUDPAddrPort(buf, oob); err != nil || n != want {
				return fmt.Errorf("%d bytes of control messages: %w", n, err)
			}
		}
		return nil
	}), closer(c)}, nil
}

// controlMessage appends a control message of IP as the kernel takes it.
func controlMessage(b []byte, typ int, data []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, unix.CmsgSpace(len(data)))...)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[at]))
	h.Level, h.Type = unix.SOL_IP, int32(typ)
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[at+unix.CmsgLen(0):], data)
	return b
}

// connEight sends from eight goroutines. Nothing receives: the kernel drops what the full receiver has no room for.
func connEight(m *maker, e effort) (*session, error) {
	sink, to, err := m.bound()
	if err != nil {
		return nil, err
	}
	c, err := m.packet()
	if err != nil {
		return nil, err
	}
	return &session{costing(e, eight(func(buf []byte) error {
		_, err := c.WriteToUDPAddrPort(buf, to)
		return err
	})), closer(c, sink)}, nil
}
