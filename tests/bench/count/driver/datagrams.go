package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

func udpEsock() (operation, error) {
	in, err := sockets.EsockUDP()
	if err != nil {
		return operation{}, err
	}
	at, err := in.SockName()
	if err != nil {
		return operation{}, err
	}
	out, err := sockets.EsockUDP()
	buf := make([]byte, sockets.Message)
	return operation{run: func() error {
		if _, err := out.SendTo(buf, at, 0, esock.Forever); err != nil {
			return err
		}
		_, _, err := in.RecvFrom(buf, 0, esock.Forever)
		return err
	}}, err
}

func udpNet() (operation, error) {
	in, err := sockets.NetUDP()
	if err != nil {
		return operation{}, err
	}
	at := netip.MustParseAddrPort(in.LocalAddr().String())
	out, err := sockets.NetUDP()
	buf := make([]byte, sockets.Message)
	return operation{run: func() error {
		if _, err := out.WriteToUDPAddrPort(buf, at); err != nil {
			return err
		}
		_, _, err := in.ReadFromUDPAddrPort(buf)
		return err
	}}, err
}

func udpSys() (operation, error) {
	in, at, err := sockets.SysUDP()
	if err != nil {
		return operation{}, err
	}
	out, _, err := sockets.SysUDP()
	buf := make([]byte, sockets.Message)
	return operation{run: func() error {
		if err := unix.Sendto(out, buf, 0, at); err != nil {
			return err
		}
		_, _, err := unix.Recvfrom(in, buf, 0)
		return err
	}}, err
}

func recvmsgEsock() (operation, error) {
	s, err := sockets.EsockUDP()
	if err != nil {
		return operation{}, err
	}
	if err := sockets.AskEsock(s); err != nil {
		return operation{}, err
	}
	at, err := s.SockName()
	if err != nil {
		return operation{}, err
	}
	var m esock.Msg
	return received(int(at.Port()), func(c *sockets.Controls) error {
		if err := s.RecvMsg(&m, 0, esock.Forever); err != nil {
			return err
		}
		c.Read(&m)
		return nil
	})
}

func recvmsgNet() (operation, error) {
	s, err := sockets.NetUDP()
	if err != nil {
		return operation{}, err
	}
	if err := sockets.AskNet(s); err != nil {
		return operation{}, err
	}
	buf, oob := make([]byte, 8192), make([]byte, 1024)
	return received(s.LocalAddr().(*net.UDPAddr).Port, func(c *sockets.Controls) error {
		_, n, _, _, err := s.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			return err
		}
		return c.Parse(oob[:n])
	})
}

func recvmsgSys() (operation, error) {
	fd, at, err := sockets.SysUDP()
	if err == nil {
		err = sockets.AskSys(fd)
	}
	if err != nil {
		return operation{}, err
	}
	buf, oob := make([]byte, 8192), make([]byte, 1024)
	return received(at.Port, func(c *sockets.Controls) error {
		_, n, _, _, err := unix.Recvmsg(fd, buf, oob, 0)
		if err != nil {
			return err
		}
		return c.Parse(oob[:n])
	})
}

// received sends a datagram before each run, and looks at what was received before the next.
func received(port int, receive func(*sockets.Controls) error) (operation, error) {
	out, _, err := sockets.SysUDP()
	to := &unix.SockaddrInet4{Addr: sockets.Loopback.As4(), Port: port}
	data := make([]byte, sockets.Message)
	got := sockets.Controls{TTL: 1, IfIndex: 1, To: sockets.Loopback}
	return operation{func() error {
		if err := got.Check(); err != nil {
			return err
		}
		got = sockets.Controls{TOS: -1}
		return unix.Sendto(out, data, 0, to)
	}, func() error { return receive(&got) }}, err
}

func sendmsgEsock() (operation, error) {
	out, err := sockets.EsockUDP()
	if err != nil {
		return operation{}, err
	}
	in, at, err := sockets.SysUDP()
	if err != nil {
		return operation{}, err
	}
	m := &esock.Msg{Addr: esock.Inet4Addr(sockets.Loopback, uint16(at.Port)), Iov: [][]byte{make([]byte, sockets.Message)}}
	if err := m.SetControl(esock.TTL(33)); err != nil {
		return operation{}, err
	}
	return sent(in, func() error {
		_, err := out.SendMsg(m, 0, esock.Forever)
		return err
	}), nil
}

func sendmsgNet() (operation, error) {
	out, err := sockets.NetUDP()
	if err != nil {
		return operation{}, err
	}
	in, at, err := sockets.SysUDP()
	if err != nil {
		return operation{}, err
	}
	data, oob, to := make([]byte, sockets.Message), ttlControl(33), netip.AddrPortFrom(sockets.Loopback, uint16(at.Port))
	return sent(in, func() error {
		_, _, err := out.WriteMsgUDPAddrPort(data, oob, to)
		return err
	}), nil
}

func sendmsgSys() (operation, error) {
	out, _, err := sockets.SysUDP()
	if err != nil {
		return operation{}, err
	}
	in, at, err := sockets.SysUDP()
	if err != nil {
		return operation{}, err
	}
	data, oob := make([]byte, sockets.Message), ttlControl(33)
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
	buf := make([]byte, sockets.Message)
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
	return messaged(esock.With, func(msg esock.Message, in *esock.Socket, buf []byte, w esock.Wait) error {
		if _, ok := msg.(esock.SelectMsg); !ok {
			return fmt.Errorf("got %T", msg)
		}
		_, err := in.Recv(buf, 0, w)
		return err
	})
}

// completionEsock arms a handle, sends, and takes the message with the result.
func completionEsock() (operation, error) {
	return messaged(esock.CompleteWith, func(msg esock.Message, _ *esock.Socket, _ []byte, _ esock.Wait) error {
		done, ok := msg.(esock.CompletionMsg)
		if !ok {
			return fmt.Errorf("got %T", msg)
		}
		_, err := done.Result()
		return err
	})
}

// messaged makes an asynchronous receive wait, sends what it waits for, and gives its message to take.
func messaged(form func(*esock.Handle) esock.Wait,
	take func(msg esock.Message, in *esock.Socket, buf []byte, w esock.Wait) error) (operation, error) {
	in, err := sockets.EsockUDP()
	if err != nil {
		return operation{}, err
	}
	at, err := in.SockName()
	if err != nil {
		return operation{}, err
	}
	out, _, err := sockets.SysUDP()
	if err != nil {
		return operation{}, err
	}
	to := &unix.SockaddrInet4{Addr: sockets.Loopback.As4(), Port: int(at.Port())}
	mb := esock.NewMailbox()
	w := form(mb.NewHandle())
	buf, ctx := make([]byte, sockets.Message), context.Background()
	return operation{run: func() error {
		if _, err := in.Recv(buf, 0, w); !isPending(err) {
			return fmt.Errorf("not armed: %v", err)
		}
		if err := unix.Sendto(out, buf, 0, to); err != nil {
			return err
		}
		msg, err := mb.Receive(ctx)
		if err != nil {
			return err
		}
		return take(msg, in, buf, w)
	}}, nil
}

func isPending(err error) bool {
	_, ok := err.(esock.Pending)
	return ok
}
