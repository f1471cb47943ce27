package sockets

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
	"golang.org/x/sys/unix"
)

// Controls is what a received datagram tells in control messages: its time to live, its type of service, and where it came
// in. An absent TOS is -1 if the value was made so.
type Controls struct {
	TTL, TOS, IfIndex int
	To                netip.Addr
}

// Check reports a datagram over loopback that has not told all of them.
func (c *Controls) Check() error {
	if c.TTL <= 0 || c.TOS < 0 || c.IfIndex <= 0 || c.To != Loopback {
		return fmt.Errorf("the control messages said %+v", *c)
	}
	return nil
}

// Read takes the values that esock has decoded.
func (c *Controls) Read(m *esock.Msg) {
	for cm := range m.Control() {
		if cm.Level != unix.SOL_IP {
			continue
		}
		switch cm.Type {
		case unix.IP_TTL:
			c.TTL, _ = cm.TTL()
		case unix.IP_TOS:
			c.TOS, _ = cm.TOS()
		case unix.IP_PKTINFO:
			v, _ := cm.PktInfo4()
			c.IfIndex, c.To = v.IfIndex, v.Addr
		}
	}
}

// Parse is what a program writes with x/sys.
func (c *Controls) Parse(oob []byte) error {
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
			c.TTL = int(binary.NativeEndian.Uint32(cm.Data))
		case unix.IP_TOS:
			c.TOS = int(cm.Data[0])
		case unix.IP_PKTINFO:
			c.IfIndex = int(binary.NativeEndian.Uint32(cm.Data))
			c.To = netip.AddrFrom4([4]byte(cm.Data[8:12]))
		}
	}
	return nil
}

// AskEsock makes a socket of esock's receive them.
func AskEsock(s *esock.Socket) error {
	for _, o := range []sockopt.Option[bool]{sockopt.IPRecvTTL, sockopt.IPRecvTOS, sockopt.IPPktInfo} {
		if err := o.Set(s, true); err != nil {
			return err
		}
	}
	return nil
}

// AskNet makes a socket of net's receive them.
func AskNet(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	raw.Control(func(fd uintptr) { err = AskSys(int(fd)) })
	return err
}

// AskSys makes a descriptor receive them.
func AskSys(fd int) error {
	for _, o := range []int{unix.IP_RECVTTL, unix.IP_RECVTOS, unix.IP_PKTINFO} {
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, o, 1); err != nil {
			return err
		}
	}
	return nil
}
