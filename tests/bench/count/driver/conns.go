package main

import (
	"context"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock/netconn"
	"github.com/esock-go/esock/tests/bench/sockets"
)

// connUDP is a socket of netconn, bound to loopback.
func connUDP() (*netconn.UDPConn, netip.AddrPort, error) {
	c, err := netconn.ListenConfig{}.ListenPacket(context.Background(), "udp4", "127.0.0.1:0")
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	return c.(*netconn.UDPConn), c.LocalAddr().(*net.UDPAddr).AddrPort(), nil
}

func udpConn() (operation, error) {
	in, at, err := connUDP()
	if err != nil {
		return operation{}, err
	}
	out, _, err := connUDP()
	buf := make([]byte, sockets.Message)
	return operation{run: func() error {
		if _, err := out.WriteToUDPAddrPort(buf, at); err != nil {
			return err
		}
		_, _, err := in.ReadFromUDPAddrPort(buf)
		return err
	}}, err
}

func recvmsgConn() (operation, error) {
	s, at, err := connUDP()
	if err != nil {
		return operation{}, err
	}
	if err := sockets.AskEsock(s.Socket()); err != nil {
		return operation{}, err
	}
	buf, oob := make([]byte, 8192), make([]byte, 1024)
	return received(int(at.Port()), func(c *sockets.Controls) error {
		_, n, _, _, err := s.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			return err
		}
		return c.Parse(oob[:n])
	})
}

func sendmsgConn() (operation, error) {
	out, _, err := connUDP()
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

// connPair is a pair of unix sequenced packets.
func connPair(conn func(*os.File) (net.Conn, error)) (a, b net.Conn, err error) {
	fds, err := sockets.UnixPair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, nil, err
	}
	var c [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		if c[i], err = conn(f); err != nil {
			return nil, nil, err
		}
		f.Close()
	}
	return c[0], c[1], nil
}

func ofNetconn(f *os.File) (net.Conn, error) { return netconn.FileConn(f) }

// readyConn is readyNet on a connection of either package, with a deadline before each read if that is asked for.
func readyConn(conn func(*os.File) (net.Conn, error), deadline bool) func() (operation, error) {
	return func() (operation, error) {
		a, b, err := connPair(conn)
		buf := make([]byte, sockets.Message)
		far := time.Now().Add(time.Hour)
		return operation{run: func() error {
			if _, err := a.Write(buf); err != nil {
				return err
			}
			if deadline {
				far = far.Add(time.Millisecond)
				if err := b.SetReadDeadline(far); err != nil {
					return err
				}
			}
			_, err := b.Read(buf)
			return err
		}}, err
	}
}
