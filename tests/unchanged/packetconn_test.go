package unchanged

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/netconn"
)

// The checks here are for net.PacketConn what nettest.TestConn is for net.Conn. They ask nothing that package net does not
// give, which they run on as well.

// makePackets makes two sockets that reach each other.
type makePackets func(t *testing.T) (a, b net.PacketConn)

func TestPacketConn(t *testing.T) {
	row(t, "std net.PacketConn", "checks in the style of nettest over udp4, udp6, unixgram: boundaries, truncation, ping-pong, deadlines past, present, "+
		"future and moving, close, racing calls, all methods at once")
	for _, network := range []string{"udp4", "udp6", "unixgram"} {
		for what, listen := range map[string]func(network, address string) (net.PacketConn, error){
			"netconn": func(network, address string) (net.PacketConn, error) {
				return netconn.ListenConfig{}.ListenPacket(background, network, address)
			},
			"net": func(network, address string) (net.PacketConn, error) {
				if network == "unixgram" {
					return net.ListenUnixgram(network, &net.UnixAddr{Name: address, Net: network})
				}
				return net.ListenPacket(network, address)
			},
		} {
			t.Run(network+"/"+what, func(t *testing.T) {
				testPacketConn(t, func(t *testing.T) (a, b net.PacketConn) {
					var made [2]net.PacketConn
					for i := range made {
						c, err := listen(network, addressOf(t, network))
						require.NoError(t, err)
						t.Cleanup(func() { c.Close() })
						made[i] = c
					}
					return made[0], made[1]
				})
			})
		}
	}
}

func testPacketConn(t *testing.T, make makePackets) {
	for what, check := range map[string]func(t *testing.T, a, b net.PacketConn){
		"Boundaries": packetBoundaries, "Truncation": packetTruncation, "PingPong": packetPingPong, "RacyRead": packetRacyRead,
		"RacyWrite": packetRacyWrite, "PastDeadline": packetPastDeadline, "PresentDeadline": packetPresentDeadline,
		"FutureDeadline": packetFutureDeadline, "MovingDeadline": packetMovingDeadline, "Close": packetClose,
		"ConcurrentMethods": packetConcurrentMethods,
	} {
		t.Run(what, func(t *testing.T) {
			a, b := make(t)
			check(t, a, b)
		})
	}
}

// A datagram is neither split nor joined with another, whatever its size; an empty one is one, too.
func packetBoundaries(t *testing.T, a, b net.PacketConn) {
	buf := make([]byte, 10000)
	for _, size := range []int{0, 1, 100, 1472, 9000, 0, 5} {
		data, _ := content(size)
		n, err := a.WriteTo(data, b.LocalAddr())
		require.NoError(t, err)
		require.Equal(t, size, n)
		n, from, err := b.ReadFrom(buf)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, buf[:n]))
		require.Equal(t, a.LocalAddr().String(), from.String())
	}
}

// What does not fit is lost, and the next datagram is whole.
func packetTruncation(t *testing.T, a, b net.PacketConn) {
	for _, s := range []string{"a long one", "next"} {
		_, err := a.WriteTo([]byte(s), b.LocalAddr())
		require.NoError(t, err)
	}
	buf := make([]byte, 4)
	for _, want := range []string{"a lo", "next"} {
		n, _, err := b.ReadFrom(buf)
		require.NoError(t, err)
		assert.Equal(t, want, string(buf[:n]))
	}
}

// A number goes back and forth, and each time to the address that it came from.
func packetPingPong(t *testing.T, a, b net.PacketConn) {
	const rounds = 500
	var wg sync.WaitGroup
	pong := func(c net.PacketConn) {
		buf := make([]byte, 8)
		for {
			n, from, err := c.ReadFrom(buf)
			if !assert.NoError(t, err) || !assert.Equal(t, 8, n) {
				return
			}
			v := binary.BigEndian.Uint64(buf) + 1
			binary.BigEndian.PutUint64(buf, v)
			if v <= rounds {
				_, err = c.WriteTo(buf, from)
				assert.NoError(t, err)
			}
			if v >= rounds-1 {
				return
			}
		}
	}
	wg.Go(func() { pong(a) })
	wg.Go(func() { pong(b) })
	_, err := a.WriteTo(make([]byte, 8), b.LocalAddr())
	require.NoError(t, err)
	wg.Wait()
}

// Readers beside each other get each datagram once, and whole, while deadlines end some of their calls.
func packetRacyRead(t *testing.T, a, b net.PacketConn) {
	const count = 200
	var mu sync.Mutex
	seen := map[byte]int{}
	got := 0
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			buf := make([]byte, 100)
			for {
				mu.Lock()
				done := got == count
				mu.Unlock()
				if done {
					return
				}
				b.SetReadDeadline(time.Now().Add(time.Millisecond))
				n, _, err := b.ReadFrom(buf)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					continue
				}
				if !assert.NoError(t, err) || !assert.Equal(t, 50, n) {
					return
				}
				assert.Equal(t, bytes.Repeat(buf[:1], 50), buf[:n])
				mu.Lock()
				seen[buf[0]]++
				got++
				mu.Unlock()
			}
		})
	}
	for i := range count {
		_, err := a.WriteTo(bytes.Repeat([]byte{byte(i)}, 50), b.LocalAddr())
		require.NoError(t, err)
		for { // no more than the receive buffer holds
			mu.Lock()
			ok := i-got < 10
			mu.Unlock()
			if ok || t.Failed() {
				break
			}
			runtime.Gosched()
		}
	}
	wg.Wait()
	assert.Len(t, seen, count)
}

// Writers beside each other send whole datagrams.
func packetRacyWrite(t *testing.T, a, b net.PacketConn) {
	const writers, each = 5, 20
	var wg sync.WaitGroup
	slots := make(chan bool, 8)
	for i := range writers {
		wg.Go(func() {
			for range each {
				slots <- true
				_, err := a.WriteTo(bytes.Repeat([]byte{byte(i)}, 100+i), b.LocalAddr())
				assert.NoError(t, err)
			}
		})
	}
	count := map[byte]int{}
	buf := make([]byte, 200)
	for range writers * each {
		n, _, err := b.ReadFrom(buf)
		require.NoError(t, err)
		require.Equal(t, bytes.Repeat(buf[:1], 100+int(buf[0])), buf[:n])
		count[buf[0]]++
		<-slots
	}
	wg.Wait()
	for i := range writers {
		assert.Equal(t, each, count[byte(i)])
	}
}

// timedOut checks the error of a call that a deadline has ended.
func timedOut(t *testing.T, err error) {
	t.Helper()
	var ne net.Error
	require.ErrorAs(t, err, &ne)
	assert.True(t, ne.Timeout())
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// After the deadline no call does anything, not even one that could.
func packetPastDeadline(t *testing.T, a, b net.PacketConn) {
	_, err := a.WriteTo([]byte("x"), b.LocalAddr())
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, b.SetDeadline(time.Now().Add(-time.Minute)))
		_, _, err = b.ReadFrom(make([]byte, 10))
		timedOut(t, err)
		_, err = b.WriteTo([]byte("y"), a.LocalAddr())
		timedOut(t, err)
	}
	require.NoError(t, b.SetDeadline(time.Time{}))
	n, _, err := b.ReadFrom(make([]byte, 10))
	require.NoError(t, err)
	assert.Equal(t, 1, n, "the datagram is still there")
}

// A deadline that is set to now ends a call that waits.
func packetPresentDeadline(t *testing.T, _, b net.PacketConn) {
	started, done := make(chan bool), make(chan error, 1)
	go func() {
		close(started)
		_, _, err := b.ReadFrom(make([]byte, 10))
		done <- err
	}()
	<-started
	runtime.Gosched()
	require.NoError(t, b.SetReadDeadline(time.Now()))
	timedOut(t, result(t, "the end of the call", done))
}

func packetFutureDeadline(t *testing.T, _, b net.PacketConn) {
	for range 5 {
		require.NoError(t, b.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		_, _, err := b.ReadFrom(make([]byte, 10))
		timedOut(t, err)
	}
}

// A deadline that moves away while a call waits does not end it.
func packetMovingDeadline(t *testing.T, a, b net.PacketConn) {
	got := make(chan error, 1)
	require.NoError(t, b.SetReadDeadline(time.Now().Add(time.Hour)))
	go func() {
		_, _, err := b.ReadFrom(make([]byte, 10))
		got <- err
	}()
	for i := range 100 {
		require.NoError(t, b.SetReadDeadline(time.Now().Add(time.Duration(i+1)*time.Hour)))
		runtime.Gosched()
	}
	require.NoError(t, b.SetReadDeadline(time.Time{}))
	_, err := a.WriteTo([]byte("x"), b.LocalAddr())
	require.NoError(t, err)
	assert.NoError(t, result(t, "the datagram", got))
}

// Close ends calls that wait, and those that come.
func packetClose(t *testing.T, a, b net.PacketConn) {
	started, done := make(chan bool, 3), make(chan error, 3)
	for range 3 {
		go func() {
			started <- true
			_, _, err := b.ReadFrom(make([]byte, 10))
			done <- err
		}()
	}
	for range 3 {
		<-started
	}
	to, local := a.LocalAddr(), b.LocalAddr().String()
	require.NoError(t, b.Close())
	for range 3 {
		assert.ErrorIs(t, result(t, "the end of the call", done), net.ErrClosed)
	}
	_, _, err := b.ReadFrom(make([]byte, 10))
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = b.WriteTo([]byte("x"), to)
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.ErrorIs(t, b.Close(), net.ErrClosed)
	assert.ErrorIs(t, b.SetDeadline(time.Now()), net.ErrClosed)
	assert.Equal(t, local, b.LocalAddr().String())
}

// All methods may be called at once.
func packetConcurrentMethods(t *testing.T, a, b net.PacketConn) {
	var wg sync.WaitGroup
	to := b.LocalAddr()
	for range 30 {
		for _, c := range []net.PacketConn{a, b} {
			wg.Go(func() { c.SetDeadline(time.Now().Add(10 * time.Millisecond)); c.ReadFrom(make([]byte, 100)) })
			wg.Go(func() { c.WriteTo(make([]byte, 100), to) })
			wg.Go(func() { c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) })
			wg.Go(func() { c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)) })
			wg.Go(func() { c.LocalAddr() })
		}
	}
	wg.Wait()
}
