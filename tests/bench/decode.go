package main

import (
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

// Control messages without the receive around them: the same three, from bytes to typed values. A receive decodes
// them in the crossing into C that it makes anyway. Here they need one of their own, so what decoding nothing takes is
// taken off; x/sys has none of that.
var decode = benchmark{
	name:       "decode",
	about:      "three control messages (ttl, tos, pktinfo), from bytes to typed values",
	metrics:    []metric{{name: "3 controls", unit: "ns", targets: []target{{peer: nameSyscall, limit: 0.5}}}},
	contenders: []contender{{nameEsock, decodeEsock}, {nameSyscall, decodeSys}},
}

func decodeEsock(e effort) (*session, error) {
	var m esock.Msg
	return decoded(e, func(oob []byte, c *sockets.Controls) error {
		m.DecodeControl(oob)
		c.Read(&m)
		return nil
	}, func() { m.DecodeControl(nil) })
}

func decodeSys(e effort) (*session, error) {
	return decoded(e, func(oob []byte, c *sockets.Controls) error { return c.Parse(oob) }, func() {})
}

// decoded makes a turn of f, on the control data of a real datagram, less what nothing takes.
func decoded(e effort, f func(oob []byte, c *sockets.Controls) error, nothing func()) (*session, error) {
	oob, err := someControls()
	if err != nil {
		return nil, err
	}
	rounds := pick(e, 1_000_000, 100_000)
	turn := func() ([]float64, error) {
		var c sockets.Controls
		start := time.Now()
		for range rounds {
			if err := f(oob, &c); err != nil {
				return nil, err
			}
		}
		took := time.Since(start)
		if err := c.Check(); err != nil {
			return nil, err
		}
		start = time.Now()
		for range rounds {
			nothing()
		}
		took -= time.Since(start)
		return []float64{float64(took.Nanoseconds()) / float64(rounds)}, nil
	}
	return &session{turn, func() {}}, nil
}

// someControls is the control data of a datagram over loopback.
func someControls() ([]byte, error) {
	fd, at, err := sockets.SysUDP()
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err = sockets.AskSys(fd); err != nil {
		return nil, err
	}
	if err = unix.Sendto(fd, make([]byte, sockets.Message), 0, at); err != nil {
		return nil, err
	}
	buf, oob := make([]byte, sockets.Message), make([]byte, 1024)
	_, n, _, _, err := unix.Recvmsg(fd, buf, oob, 0)
	return oob[:n], err
}
