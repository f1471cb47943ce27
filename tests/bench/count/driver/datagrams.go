package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
	"golang.org/x/sys/unix"
)

func udpEsock() (operation, error) {
	in, err := esockUDP()
	if err != nil {
		return operation{}, err
	}
	at, err := in.SockName()
	if err != nil {
		return operation{}, err
	}
	out, err := esockUDP()
	buf := make([]byte, message)
	return operation{run: func() error {
		if _, err := out.SendTo(buf, at, 0, esock.Forever); err != nil {
			return err
		}
		_, _, err := in.RecvFrom(buf, 0, esock.Forever)
		return err
	}}, err
}

func udpNet() (operation, error) {
	in, err := netUDP()
	if err != nil {
		return operation{}, err
	}
	at := netip.MustParseAddrPort(in.LocalAddr().String())
	out, err := netUDP()
	buf := make([]byte, message)
	return operation{run: func() error {
		if _, err := out.WriteToUDPAddrPort(buf, at); err != nil {
			return err
		}
		_, _, err := in.ReadFromUDPAddrPort(buf)
		return err
	}}, err
}

func udpSys() (operation, error) {
	in, at, err := sysUDP()
	if err != nil {
		return operation{}, err
	}
	out, _, err := sysUDP()
	buf := make([]byte, message)
	return operation{run: func() error {
		if err := unix.Sendto(out, buf, 0, at); err != nil {
			return err
		}
		_, _, err := unix.Recvfrom(in, buf, 0)
		return err
	}}, err
}

// controls is what a received datagram must have told.
type controls struct {
	ttl, tos, ifindex int
	to                netip.Addr
}

func (c *controls) check() error {
	if c.ttl <= 0 || c.tos < 0 || c.ifindex <= 0 || c.to != loopback {
		return fmt.Errorf("the control messages said %+v", *c)
	}
	return nil
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

func recvmsgEsock() (operation, error) {
	s, err := esockUDP()
	if err != nil {
		return operation{}, err
	}
	for _, o := range []sockopt.Option[bool]{sockopt.IPRecvTTL, sockopt.IPRecvTOS, sockopt.IPPktInfo} {
		if err := o.Set(s, true); err != nil {
			return operation{}, err
		}
	}
	at, err := s.SockName()
	if err != nil {
		return operation{}, err
	}
	var m esock.Msg
	return received(uint16(at.Port()), func(c *controls) error {
		if err := s.RecvMsg(&m, 0, esock.Forever); err != nil {
			return err
		}
		c.read(&m)
		return nil
	})
}

func recvmsgNet() (operation, error) {
	s, err := netUDP()
	if err != nil {
		return operation{}, err
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return operation{}, err
	}
	raw.Control(func(fd uintptr) { err = askForControls(int(fd)) })
	if err != nil {
		return operation{}, err
	}
	buf, oob := make([]byte, 8192), make([]byte, 1024)
	return received(netip.MustParseAddrPort(s.LocalAddr().String()).Port(), func(c *controls) error {
		_, n, _, _, err := s.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			return err
		}
		return c.parse(oob[:n])
	})
}

func recvmsgSys() (operation, error) {
	fd, at, err := sysUDP()
	if err == nil {
		err = askForControls(fd)
	}
	if err != nil {
		return operation{}, err
	}
	buf, oob := make([]byte, 8192), make([]byte, 1024)
	return received(uint16(at.Port), func(c *controls) error {
		_, n, _, _, err := unix.Recvmsg(fd, buf, oob, 0)
		if err != nil {
			return err
		}
		return c.parse(oob[:n])
	})
}

func askForControls(fd int) error {
	for _, o := range []int{unix.IP_RECVTTL, unix.IP_RECVTOS, unix.IP_PKTINFO} {
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, o, 1); err != nil {
			return err
		}
	}
	return nil
}

// received sends a datagram before each run, and looks at what was received before the next.
func received(port uint16, receive func(*controls) error) (operation, error) {
	out, _, err := sysUDP()
	to := &unix.SockaddrInet4{Addr: loopback.As4(), Port: int(port)}
	data := make([]byte, message)
	got := controls{ttl: 1, ifindex: 1, to: loopback}
	return operation{func() error {
		if err := got.check(); err != nil {
			return err
		}
		got = controls{tos: -1}
		return unix.Sendto(out, data, 0, to)
	}, func() error { return receive(&got) }}, err
}

func sendmsgEsock() (operation, error) {
	out, err := esockUDP()
	if err != nil {
		return operation{}, err
	}
	in, at, err := sysUDP()
	if err != nil {
		return operation{}, err
	}
	m := &esock.Msg{Addr: esock.Inet4Addr(loopback, uint16(at.Port)), Iov: [][]byte{make([]byte, message)}}
	if err := m.SetControl(esock.TTL(33)); err != nil {
		return operation{}, err
	}
	return sent(in, func() error {
		_, err := out.SendMsg(m, 0, esock.Forever)
		return err
	}), nil
}

func sendmsgNet() (operation, error) {
	out, err := netUDP()
	if err != nil {
		return operation{}, err
	}
	in, at, err := sysUDP()
	if err != nil {
		return operation{}, err
	}
	data, oob, to := make([]byte, message), ttlControl(33), netip.AddrPortFrom(loopback, uint16(at.Port))
	return sent(in, func() error {
		_, _, err := out.WriteMsgUDPAddrPort(data, oob, to)
		return err
	}), nil
}

func sendmsgSys() (operation, error) {
	out, _, err := sysUDP()
	if err != nil {
		return operation{}, err
	}
	in, at, err := sysUDP()
	if err != nil {
		return operation{}, err
	}
	data, oob := make([]byte, message), ttlControl(33)
	return sent(in, func() error { return unix.Sendmsg(out, data, oob, at, 0) }), nil
}

func ttlControl(ttl uint32) []byte {
	b := make([]byte, unix.CmsgSpace(4))
	binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(4)))
	binary.NativeEndian.PutUint32(b[8:], unix.SOL_IP)
	binary.NativeEndian.PutUint32(b[12:], unix.IP_TTL)
	binary.NativeEndian.PutUint32(b[16:], ttl)
	return b
}

// sent receives before each run what the last one sent.
func sent(in int, send func() error) operation {
	buf := make([]byte, message)
	first := true
	return operation{func() error {
		if first {
			first = false
			return nil
		}
		_, err := unix.Read(in, buf)
		return err
	}, send}
}

// selectEsock arms a handle, sends, takes the message and repeats the call.
func selectEsock() (operation, error) {
	in, err := esockUDP()
	if err != nil {
		return operation{}, err
	}
	at, err := in.SockName()
	if err != nil {
		return operation{}, err
	}
	out, _, err := sysUDP()
	if err != nil {
		return operation{}, err
	}
	to := &unix.SockaddrInet4{Addr: loopback.As4(), Port: int(at.Port())}
	mb := esock.NewMailbox()
	w := esock.With(mb.NewHandle())
	buf, ctx := make([]byte, message), context.Background()
	return operation{run: func() error {
		if _, err := in.Recv(buf, 0, w); !isSelect(err) {
			return fmt.Errorf("not armed: %v", err)
		}
		if err := unix.Sendto(out, buf, 0, to); err != nil {
			return err
		}
		msg, err := mb.Receive(ctx)
		if err != nil {
			return err
		}
		if _, ok := msg.(esock.SelectMsg); !ok {
			return fmt.Errorf("got %T", msg)
		}
		_, err = in.Recv(buf, 0, w)
		return err
	}}, nil
}

func isSelect(err error) bool {
	_, ok := err.(*esock.Select)
	return ok
}
