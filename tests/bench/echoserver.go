package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

const maxPacket = 64 << 10 // what the servers accept

// untilStdinEnds ends a server's process when its parent has gone or wants it to.
func untilStdinEnds() {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}

// childPackets is a server that echoes packets with a length of 4 bytes: "gentcp", "gentcp-active", "net".
func childPackets(kind string) error {
	switch kind {
	case "gentcp":
		return packetsGentcp(false)
	case "gentcp-active":
		return packetsGentcp(true)
	case "net":
		return packetsNet()
	}
	return fmt.Errorf("no server is called %s", kind)
}

func packetsGentcp(active bool) error {
	l, err := gentcp.Listen(nil, 0, gentcp.IPLoopback(), gentcp.PacketType(packet.Len4), gentcp.PacketSize(maxPacket),
		gentcp.NoDelay(true), gentcp.Backlog(1024), gentcp.Binary())
	if err != nil {
		return err
	}
	port, err := l.Port()
	if err != nil {
		return err
	}
	fmt.Println(port)
	untilStdinEnds()
	for {
		if !active {
			s, err := l.Accept(nil, esock.Forever)
			if err != nil {
				return err
			}
			go packetsPassive(s)
			continue
		}
		mb := esock.NewMailbox()
		s, err := l.Accept(mb, esock.Forever)
		if err != nil {
			return err
		}
		if err := s.SetOpts(gentcp.Active(true)); err != nil {
			return err
		}
		go packetsActive(s, mb)
	}
}

func packetsPassive(s *gentcp.Socket) {
	defer s.Close()
	buf := make([]byte, 4096) // longer packets get memory of their own
	for {
		p, err := s.RecvInto(buf, 0, esock.Forever)
		if err != nil {
			complain(err)
			return
		}
		if err := s.Send(p.Data()); err != nil {
			complain(err)
			return
		}
	}
}

func packetsActive(s *gentcp.Socket, mb *esock.Mailbox) {
	defer mb.Close()
	for {
		msg, err := mb.Receive(context.Background())
		if err != nil {
			return
		}
		m, ok := msg.(gentcp.TCPMsg)
		if !ok { // the end
			return
		}
		if err := s.Send(m.Data()); err != nil {
			complain(err)
			return
		}
	}
}

// packetsNet is what one would write by hand.
func packetsNet() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	untilStdinEnds()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if err := packetsNetConn(c); err != nil {
				complain(err)
			}
		}()
	}
}

func packetsNetConn(c net.Conn) error {
	const header = 4
	r := bufio.NewReader(c)
	buf := make([]byte, 4096)
	for {
		if _, err := io.ReadFull(r, buf[:header]); err != nil {
			return err
		}
		size := binary.BigEndian.Uint32(buf)
		if size > maxPacket {
			return errors.New("too large")
		}
		n := header + int(size)
		if n > len(buf) {
			buf = append(buf, make([]byte, n-len(buf))...)
		}
		if _, err := io.ReadFull(r, buf[header:n]); err != nil {
			return err
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// complain says what ended a connection, unless the other side did.
func complain(err error) {
	if !errors.Is(err, io.EOF) && !errors.Is(err, gentcp.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
		fmt.Fprintln(os.Stderr, "bench: echo:", err)
	}
}
