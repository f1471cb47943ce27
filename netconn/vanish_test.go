package netconn

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testwait"
)

// A peer that vanishes, in whatever state, ends calls with net's words: each scenario runs on both packages.

// vanishing is a scenario, which returns the errors that it ends with.
type vanishing struct {
	what     string
	networks []string
	run      func(t *testing.T, of side, network string) []error
}

var (
	notPackets = []string{"tcp4", "tcp6", "unix"}
	overTCP    = []string{"tcp4"}
)

// vanish ends a connection without an orderly end: with a reset, or on unix sockets with data that was not read.
func vanish(t *testing.T, c net.Conn, peer net.Conn) {
	if l, ok := c.(tcpOptions); ok && isTCP(c) {
		require.NoError(t, l.SetLinger(0))
	} else {
		_, err := peer.Write([]byte("x"))
		require.NoError(t, err)
	}
	require.NoError(t, c.Close())
}

// during is the error of a call in which the peer vanishes. Package net does not say when a call waits.
func during(t *testing.T, of side, network string, call func(c net.Conn) error) error {
	c, peer := connected(t, of, network)
	done := make(chan error, 1)
	if !isTCP(c) { // what was not read must come first
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
	}
	go func() { done <- call(c) }()
	if own, ok := c.(Conn); ok {
		testwait.Until(t, "the call waits", func() bool {
			info := own.Socket().Info()
			return info.NumReaders+info.NumWriters > 0
		})
	}
	if l, ok := peer.(tcpOptions); ok && isTCP(c) {
		require.NoError(t, l.SetLinger(0))
	}
	require.NoError(t, peer.Close())
	return testwait.Result(t, "the end of the call", done)
}

func read(c net.Conn) error { _, err := c.Read(make([]byte, 1)); return err }

// writeUntil writes until that fails.
func writeUntil(c net.Conn) error {
	for {
		if _, err := c.Write(make([]byte, 1<<20)); err != nil {
			return err
		}
	}
}

// deaf makes a socket ignore all segments that come from now on.
func deaf(t *testing.T, c any) {
	raw, err := c.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	var failed error
	require.NoError(t, raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]})
	}))
	require.NoError(t, failed)
}

func setInt(t *testing.T, c any, level, name, value int) {
	raw, err := c.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	var failed error
	require.NoError(t, raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, name, value) }))
	require.NoError(t, failed)
}

// dialWith dials with a limit and a function that gets the descriptor before.
func dialWith(of side, network, address string, limit time.Duration, prepare func(fd int) error) (net.Conn, error) {
	var failed error
	control := func(c syscall.Conn) error {
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		if err := raw.Control(func(fd uintptr) { failed = prepare(int(fd)) }); err != nil {
			return err
		}
		return failed
	}
	if of.own {
		return Dialer{Timeout: limit, Control: func(_ context.Context, _, _ string, s *esock.Socket) error { return control(s) }}.Dial(network, address)
	}
	d := net.Dialer{Timeout: limit, Control: func(_, _ string, c syscall.RawConn) error { return control(rawOnly{c}) }}
	return d.Dial(network, address)
}

type rawOnly struct{ c syscall.RawConn }

func (r rawOnly) SyscallConn() (syscall.RawConn, error) { return r.c, nil }

var vanishings = []vanishing{
	{"a reset while a read waits", notPackets, func(t *testing.T, of side, network string) []error {
		return []error{during(t, of, network, read)}
	}},
	{"a reset while a write waits", overTCP, func(t *testing.T, of side, network string) []error {
		return []error{during(t, of, network, func(c net.Conn) error { _, err := c.Write(make([]byte, 64<<20)); return err })}
	}},
	{"the end while a write waits", []string{"unix"}, func(t *testing.T, of side, network string) []error {
		return []error{during(t, of, network, func(c net.Conn) error { _, err := c.Write(make([]byte, 64<<20)); return err })}
	}},
	{"a reset while a copy waits", overTCP, func(t *testing.T, of side, network string) []error {
		return []error{during(t, of, network, func(c net.Conn) error { _, err := io.Copy(c, zeros{}); return err })}
	}},
	{"a reset while a file is sent", overTCP, func(t *testing.T, of side, network string) []error {
		f := fileOf(t, make([]byte, 16<<20))
		err := during(t, of, network, func(c net.Conn) error { _, err := c.(io.ReaderFrom).ReadFrom(f); return err })
		// The kernel forgets the reset if the same sendfile(2) has sent something.
		if op, ok := err.(*net.OpError); ok && isLike(err, syscall.ECONNRESET) {
			op.Err = os.NewSyscallError("sendfile", syscall.EPIPE)
		}
		return []error{err}
	}},
	{"a reset before a read, and calls after it", streams, func(t *testing.T, of side, network string) []error {
		c, peer := connected(t, of, network)
		vanish(t, peer, c)
		first := read(c)
		second := read(c)
		_, third := c.Write([]byte("x"))
		_, fourth := c.Write([]byte("x"))
		return []error{first, second, third, fourth, c.(streamEnd).CloseWrite(), c.(streamEnd).CloseRead(), c.Close()}
	}},
	{"a reset before a write", streams, func(t *testing.T, of side, network string) []error {
		c, peer := connected(t, of, network)
		vanish(t, peer, c)
		first := writeUntil(c)
		return []error{first, read(c), read(c), writeUntil(c)}
	}},
	{"the end before a write", streams, func(t *testing.T, of side, network string) []error {
		c, peer := connected(t, of, network)
		require.NoError(t, peer.Close())
		return []error{read(c), writeUntil(c), read(c)}
	}},
	{"a reset in the accept queue, for the server", notPackets, func(t *testing.T, of side, network string) []error {
		l, err := of.listen(network, addressOf(t, network))
		require.NoError(t, err)
		defer l.Close()
		c, err := of.dial(network, l.Addr().String())
		require.NoError(t, err)
		if isTCP(c) {
			require.NoError(t, c.(tcpOptions).SetLinger(0))
		}
		require.NoError(t, c.Close())
		a, err := l.Accept()
		require.NoError(t, err)
		defer a.Close()
		return []error{read(a), read(a), writeUntil(a)}
	}},
	{"the end of the listener, for who is in its queue", streams, func(t *testing.T, of side, network string) []error {
		l, err := of.listen(network, addressOf(t, network))
		require.NoError(t, err)
		c, err := of.dial(network, l.Addr().String())
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, l.Close())
		return []error{read(c), read(c), writeUntil(c)}
	}},
	{"silence, with TCP_USER_TIMEOUT and a read", overTCP, func(t *testing.T, of side, network string) []error {
		c, peer := connected(t, of, network)
		deaf(t, peer)
		setInt(t, c, unix.SOL_TCP, unix.TCP_USER_TIMEOUT, 100)
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
		first := read(c)
		return []error{first, read(c), writeUntil(c)}
	}},
	{"silence, with TCP_USER_TIMEOUT and a write", overTCP, func(t *testing.T, of side, network string) []error {
		c, peer := connected(t, of, network)
		deaf(t, peer)
		setInt(t, c, unix.SOL_TCP, unix.TCP_USER_TIMEOUT, 100)
		first := writeUntil(c)
		return []error{first, read(c), writeUntil(c)}
	}},
	{"silence, with keep-alive probes", overTCP, func(t *testing.T, of side, network string) []error {
		c, peer := connected(t, of, network)
		deaf(t, peer)
		require.NoError(t, c.(tcpOptions).SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 1}))
		return []error{read(c), read(c)}
	}},
	{"silence while connecting", overTCP, func(t *testing.T, of side, network string) []error {
		l := listening(t, ListenConfig{}, network)
		deaf(t, l)
		_, first := dialWith(of, network, l.Addr().String(), 0, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_SYNCNT, 1) })
		_, late := dialWith(of, network, l.Addr().String(), 50*time.Millisecond, func(int) error { return nil })
		op := opError(t, late)
		assert.Equal(t, "dial i/o timeout true", fmt.Sprint(op.Op, " ", op.Err, " ", op.Timeout()))
		if of.own { // package net has one or the other
			assert.ErrorIs(t, late, context.DeadlineExceeded)
			assert.ErrorIs(t, late, os.ErrDeadlineExceeded)
		}
		return []error{first}
	}},
}

func TestAPeerVanishes(t *testing.T) {
	for _, v := range vanishings {
		for _, network := range v.networks {
			t.Run(v.what+" "+network, func(t *testing.T) {
				addressOf(t, network) // skips here what the machine lacks
				t.Parallel()
				var said [2][]string
				t.Cleanup(func() {
					if !t.Failed() {
						assert.Equal(t, said[0], said[1])
					}
				})
				for i, of := range sides {
					t.Run([]string{"net", "netconn"}[i], func(t *testing.T) {
						t.Parallel()
						for _, err := range v.run(t, of, network) {
							what := described(err)
							for _, like := range []error{io.EOF, os.ErrDeadlineExceeded, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT} {
								what += fmt.Sprint(" ", isLike(err, like))
							}
							said[i] = append(said[i], what)
						}
					})
				}
			})
		}
	}
}

// A connected socket of datagrams learns from the kernel that nobody receives.
func TestAReceiverOfDatagramsVanishes(t *testing.T) {
	for _, network := range []string{"udp4", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			if network == "udp4" {
				machine.NeedICMP(t)
			}
			alike(t, func(s *script, of side) {
				p, err := of.packet(network, addressOf(t, network))
				require.NoError(t, err)
				c, err := of.dial(network, p.LocalAddr().String())
				require.NoError(t, err)
				defer c.Close()
				require.NoError(t, p.Close())
				if network == "unixgram" {
					_, err = c.Write([]byte("x"))
					s.say("Write", err)
					_, err = c.Write([]byte("x"))
					s.say("Write again", err)
					return
				}
				// The kernel sends only so many answers in a while.
				testwait.Retry(t, "the refusal", func() {
					require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
					c.Write([]byte("x"))
					err = read(c)
				}, func() bool { return isLike(err, syscall.ECONNREFUSED) })
				s.say("Read", err)
			})
		})
	}
}
