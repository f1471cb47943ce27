package netconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/internal/testwait"
)

// Where package net does without what the kernel refuses, so does this package: dialled and accepted connections have the
// same options.
func TestRefusedKeepAliveIsIgnored(t *testing.T) {
	for _, cfg := range []net.KeepAliveConfig{
		{Enable: true, Idle: 12 * time.Hour}, {Enable: true, Count: 500}, {Enable: true, Interval: 12 * time.Hour, Count: 3},
		{Enable: true, Idle: time.Minute, Interval: time.Minute, Count: 128}, {Enable: true, Idle: 33 * time.Second},
	} {
		var got [2]string
		for i, listen := range []func(context.Context, string, string) (net.Listener, error){
			(&net.ListenConfig{KeepAliveConfig: cfg}).Listen, ListenConfig{KeepAliveConfig: cfg}.Listen,
		} {
			l, err := listen(background, "tcp4", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			dial := (&net.Dialer{KeepAliveConfig: cfg}).Dial
			if i == 1 {
				dial = Dialer{KeepAliveConfig: cfg}.Dial
			}
			c, err := dial("tcp4", l.Addr().String())
			require.NoError(t, err)
			defer c.Close()
			a, err := l.Accept()
			require.NoError(t, err)
			defer a.Close()
			for _, c := range []net.Conn{c, a} {
				got[i] += fmt.Sprintln(intOption(c, unix.SOL_SOCKET, unix.SO_KEEPALIVE), intOption(c, unix.SOL_TCP, unix.TCP_KEEPIDLE),
					intOption(c, unix.SOL_TCP, unix.TCP_KEEPINTVL), intOption(c, unix.SOL_TCP, unix.TCP_KEEPCNT))
			}
		}
		assert.Equal(t, got[0], got[1], cfg)
	}
	for _, d := range []time.Duration{12 * time.Hour, -1} {
		c, err := Dialer{KeepAlive: d}.Dial("tcp4", listening(t, ListenConfig{KeepAlive: d}, "tcp4").Addr().String())
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}

	// A call that only sets them names what was refused.
	c, _ := pair(t, "tcp4")
	tcp := c.(*TCPConn)
	assert.ErrorContains(t, tcp.SetKeepAliveConfig(net.KeepAliveConfig{Count: 500}), "setsockopt tcp.keepcnt 500: invalid argument")
	assert.ErrorContains(t, tcp.SetKeepAlivePeriod(12*time.Hour), "setsockopt tcp.keepidle 12h0m0s: invalid argument")
	err := tcp.SetKeepAliveConfig(net.KeepAliveConfig{Interval: 12 * time.Hour})
	assert.ErrorContains(t, err, "setsockopt tcp.keepintvl 12h0m0s: invalid argument")
	assert.ErrorIs(t, err, unix.EINVAL)
}

// The addresses of a name that are tried one after the other share the time that is left, as in package net.
func TestSerialAttemptsShareTheTime(t *testing.T) {
	var shares []time.Duration
	d := Dialer{AttemptDelay: -1, Control: func(ctx context.Context, _, _ string, _ *esock.Socket) error {
		deadline, ok := ctx.Deadline()
		require.True(t, ok)
		shares = append(shares, time.Until(deadline).Round(time.Minute))
		return errors.New("the next one")
	}}
	ctx, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	_, err := dialAll(ctx, d, endpoints(1, "127.0.0.1", "127.0.0.2", "127.0.0.3"))
	require.Error(t, err)
	assert.Equal(t, []time.Duration{20 * time.Minute, 30 * time.Minute, time.Hour}, shares)

	now := time.Now()
	for _, test := range []struct {
		rest, share time.Duration
		left        int
	}{{time.Minute, 30 * time.Second, 2}, {3 * time.Second, 2 * time.Second, 3}, {time.Second, time.Second, 2}, {-1, 0, 2}} {
		assert.Equal(t, test.share, shareOf(now, now.Add(test.rest), test.left).Sub(now), test)
	}
}

// A dial whose time is over, or that is cancelled, says so in the words of package net, however the limit was given.
func TestDialsThatEndEarly(t *testing.T) {
	address := net.JoinHostPort("127.0.0.5", strconv.Itoa(full(t, "127.0.0.5")))
	late, end := context.WithTimeout(background, time.Millisecond)
	defer end()
	soon := time.Now().Add(time.Millisecond)
	for what, d := range map[string]struct {
		ctx      context.Context
		timeout  time.Duration
		deadline time.Time
	}{
		"Timeout": {background, time.Millisecond, time.Time{}}, "Deadline": {background, 0, soon}, "context": {late, 0, time.Time{}},
	} {
		_, err := Dialer{Timeout: d.timeout, Deadline: d.deadline}.DialContext(d.ctx, "tcp", address)
		_, of := (&net.Dialer{Timeout: d.timeout, Deadline: d.deadline}).DialContext(d.ctx, "tcp", address)
		op := opError(t, err)
		assert.Equal(t, of.Error(), err.Error(), what)
		assert.Equal(t, "i/o timeout", op.Err.Error(), what)
		assert.True(t, op.Timeout(), what)
		assert.ErrorIs(t, err, context.DeadlineExceeded, what)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded, what)
	}

	for _, delay := range []time.Duration{0, -1} {
		ctx, cancel := context.WithCancel(background)
		d := Dialer{AttemptDelay: delay, Control: func(context.Context, string, string, *esock.Socket) error {
			time.AfterFunc(time.Millisecond, cancel)
			return nil
		}}
		_, err := d.DialContext(ctx, "tcp", address)
		op := opError(t, err)
		assert.Equal(t, "operation was canceled", op.Err.Error())
		assert.False(t, op.Timeout())
		assert.ErrorIs(t, err, context.Canceled)
	}
}

// Control messages without data, sent and received, are what they are in package net.
func TestControlMessagesWithoutData(t *testing.T) {
	f, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer f.Close()
	rights := unix.UnixRights(int(f.Fd()))
	for _, network := range []string{"unix", "unixpacket", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			alike(t, func(s *script, of side) {
				var from, to unixMessages
				var addr *net.UnixAddr
				if network == "unixgram" {
					p, err := of.packet(network, addressOf(t, network))
					require.NoError(t, err)
					defer p.Close()
					d, err := of.packet(network, addressOf(t, network))
					require.NoError(t, err)
					defer d.Close()
					from, to, addr = d.(unixMessages), p.(unixMessages), p.LocalAddr().(*net.UnixAddr)
				} else {
					d, a := connected(t, of, network)
					from, to = d.(unixMessages), a.(unixMessages)
				}
				receive := func(size, room int) {
					require.NoError(t, to.SetReadDeadline(time.Now().Add(patience)))
					oob := make([]byte, room)
					n, oobn, flags, _, err := to.ReadMsgUnix(make([]byte, size), oob)
					s.say("ReadMsgUnix", size, room, n, oobn, flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC), err)
					if ms, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
						for _, m := range ms {
							if fds, err := unix.ParseUnixRights(&m); err == nil {
								s.say("descriptors", len(fds))
								for _, fd := range fds {
									unix.Close(fd)
								}
							}
						}
					}
				}
				for _, size := range []int{4, 1, 0} {
					n, oobn, err := from.WriteMsgUnix(nil, rights, addr)
					s.say("WriteMsgUnix without data", n, oobn, err)
					require.NoError(t, err)
					receive(size, 64)
				}
				if network == "unix" {
					n, _, err := from.WriteMsgUnix([]byte("z"), nil, nil)
					s.say("WriteMsgUnix", n, err)
					if own, ok := to.(*UnixConn); ok { // package net's has io.EOF here
						n, oobn, flags, _, err := own.ReadMsgUnix(nil, nil)
						assert.Equal(t, [3]int{}, [3]int{n, oobn, flags})
						assert.NoError(t, err)
					}
					receive(4, 64)
				}
				for _, data := range []string{"x", "xy"} {
					n, oobn, err := from.WriteMsgUnix([]byte(data), rights, addr)
					s.say("WriteMsgUnix", n, oobn, err)
					receive(0, 64)
					if network == "unix" && data == "xy" {
						receive(4, 64) // the rest
					}
				}
				if network != "unix" {
					n, oobn, err := from.WriteMsgUnix(nil, nil, addr)
					s.say("WriteMsgUnix of nothing", n, oobn, err)
					if network == "unixgram" {
						receive(4, 64)
					}
				}
			})
		})
	}
}

// Calls that must not wait do not wait, also beside one that does.
func TestBatchesThatDoNotWait(t *testing.T) {
	a, b := receiving(t, "udp4").(*UDPConn), receiving(t, "udp4").(*UDPConn)
	require.NoError(t, a.SetDeadline(time.Now().Add(patience))) // so that one that waits ends
	ms := []Message{{Buffers: [][]byte{make([]byte, 10)}, OOB: make([]byte, 100)}}
	for _, flags := range []int{unix.MSG_DONTWAIT, unix.MSG_ERRQUEUE, unix.MSG_ERRQUEUE | unix.MSG_DONTWAIT} {
		n, err := a.ReadBatch(ms, flags)
		assert.Zero(t, n)
		assert.ErrorIs(t, err, unix.EAGAIN)
		assert.Equal(t, "read", opError(t, err).Op)
	}
	n, err := a.WriteBatch([]Message{{Buffers: [][]byte{[]byte("x")}, Addr: b.LocalAddr()}}, unix.MSG_DONTWAIT)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	require.NoError(t, b.SetReadDeadline(time.Now().Add(patience)))
	n, err = b.ReadBatch(ms, 0)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	n, err = b.ReadBatch(ms, unix.MSG_DONTWAIT)
	assert.Zero(t, n)
	assert.ErrorIs(t, err, unix.EAGAIN)

	for _, flags := range append(testint.Wide(), -1) {
		for _, call := range []func([]Message, int) (int, error){a.ReadBatch, a.WriteBatch} {
			_, err := call(ms, flags)
			opError(t, err)
			assert.ErrorContains(t, err, fmt.Sprintf("invalid flags %d: it does not fit into 32 bits", flags))
		}
	}

	done := make(chan error, 1)
	go func() {
		_, err := a.Read(make([]byte, 1))
		done <- err
	}()
	testwait.Until(t, "a read waits", func() bool { return a.Socket().Info().NumReaders > 0 })
	_, err = a.ReadBatch(ms, unix.MSG_ERRQUEUE)
	assert.ErrorIs(t, err, unix.EAGAIN)
	require.NoError(t, a.Close())
	assert.ErrorIs(t, <-done, net.ErrClosed)
}
