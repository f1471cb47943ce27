package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
	"golang.org/x/sys/unix"
)

// Control messages: datagrams that wait already are received with their TTL, TOS and packet info as typed values.
var recvmsg = benchmark{
	name:       "recvmsg",
	about:      "UDP, receive 64 bytes with ttl, tos and pktinfo, as typed values",
	metrics:    []metric{{name: "3 controls", unit: "ns"}},
	contenders: []contender{{nameEsock, recvmsgEsock}, {nameNet, recvmsgNet}, {nameSyscall, recvmsgSyscall}},
}

// controls is what a received datagram must have told.
type controls struct {
	ttl, tos, ifindex int
	to                netip.Addr
}

func (c controls) check() error {
	if c.ttl <= 0 || c.tos < 0 || c.ifindex <= 0 || c.to != loopback {
		return fmt.Errorf("the control messages said %+v", c)
	}
	return nil
}

func recvmsgEsock(e effort) (*session, error) {
	s, err := esockUDP()
	if err != nil {
		return nil, err
	}
	for _, o := range []sockopt.Option[bool]{sockopt.IPRecvTTL, sockopt.IPRecvTOS, sockopt.IPPktInfo} {
		if err := o.Set(s, true); err != nil {
			return nil, err
		}
	}
	at, err := s.SockName()
	if err != nil {
		return nil, err
	}
	var m esock.Msg
	return received(e, uint16(at.Port()), func() (controls, error) {
		if err := s.RecvMsg(&m, 0, esock.Forever); err != nil {
			return controls{}, err
		}
		c := controls{tos: -1}
		c.read(&m)
		return c, nil
	}, func() { s.Close() })
}

// read takes the values that esock has decoded.
func (c *controls) read(m *esock.Msg) {
	for cm := range m.Control() {
		if cm.Level != unix.SOL_IP {
			continue
		}
		switch cm.Type {
		case unix.IP_TTL:
			c.ttl, _ = cm.TTL()
		case unix.IP_TOS:
			c.tos, _ = cm.TOS()
		case unix.IP_PKTINFO:
			v, _ := cm.PktInfo4()
			c.ifindex, c.to = v.IfIndex, v.Addr
		}
	}
}

func recvmsgNet(e effort) (*session, error) {
	s, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		return nil, err
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil, err
	}
	raw.Control(func(fd uintptr) { err = askForControls(int(fd)) })
	if err != nil {
		return nil, err
	}
	buf, oob := make([]byte, 8192), make([]byte, 1024)
	port := s.LocalAddr().(*net.UDPAddr).Port
	return received(e, uint16(port), func() (controls, error) {
		_, n, _, _, err := s.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			return controls{}, err
		}
		return parseControls(oob[:n])
	}, func() { s.Close() })
}

func recvmsgSyscall(e effort) (*session, error) {
	fd, err := udpSender()
	if err != nil {
		return nil, err
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: loopback.As4()}); err == nil {
		err = askForControls(fd)
	}
	if err != nil {
		return nil, err
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	buf, oob := make([]byte, 8192), make([]byte, 1024)
	return received(e, uint16(at.(*unix.SockaddrInet4).Port), func() (controls, error) {
		_, n, _, _, err := unix.Recvmsg(fd, buf, oob, 0)
		if err != nil {
			return controls{}, err
		}
		return parseControls(oob[:n])
	}, func() { unix.Close(fd) })
}

func udpSender() (int, error) {
	return unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}

func askForControls(fd int) error {
	for _, o := range []int{unix.IP_RECVTTL, unix.IP_RECVTOS, unix.IP_PKTINFO} {
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, o, 1); err != nil {
			return err
		}
	}
	return nil
}

func parseControls(oob []byte) (controls, error) {
	c := controls{tos: -1}
	err := c.parse(oob)
	return c, err
}

// parse is what a program writes with x/sys.
func (c *controls) parse(oob []byte) error {
	cms, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	for _, cm := range cms {
		if cm.Header.Level != unix.SOL_IP {
			continue
		}
		switch cm.Header.Type {
		case unix.IP_TTL:
			c.ttl = int(binary.NativeEndian.Uint32(cm.Data))
		case unix.IP_TOS:
			c.tos = int(cm.Data[0])
		case unix.IP_PKTINFO:
			c.ifindex = int(binary.NativeEndian.Uint32(cm.Data))
			c.to = netip.AddrFrom4([4]byte(cm.Data[8:12]))
		}
	}
	return nil
}

// received makes a turn: datagrams are sent, not timed, and received, timed.
func received(e effort, port uint16, receive func() (controls, error), done func()) (*session, error) {
	out, err := udpSender()
	if err != nil {
		return nil, err
	}
	to := &unix.SockaddrInet4{Addr: loopback.As4(), Port: int(port)}
	data := make([]byte, message)
	batches := pick(e, 1500, 300)
	const batch = 64 // fits the smallest receive buffer
	turn := func() ([]float64, error) {
		var took time.Duration
		for range batches {
			for range batch {
				if err := unix.Sendto(out, data, 0, to); err != nil {
					return nil, err
				}
			}
			start := time.Now()
			for range batch {
				c, err := receive()
				if err == nil {
					err = c.check()
				}
				if err != nil {
					return nil, err
				}
			}
			took += time.Since(start)
		}
		return []float64{float64(took.Nanoseconds()) / float64(batches*batch)}, nil
	}
	return &session{turn, func() { unix.Close(out); done() }}, nil
}
