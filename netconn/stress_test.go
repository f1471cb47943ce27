package netconn

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
)

// ended reports whether err is a word that package net has for the end of a connection.
func ended(err error) bool {
	return err == io.EOF || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// sized is how often a stress test repeats: short with -short or a detector, full with ESOCK_STRESS=full.
func sized(short, usual, full int) int {
	switch {
	case os.Getenv("ESOCK_STRESS") == "full":
		return full
	case testing.Short() || raceEnabled:
		return short
	}
	return usual
}

// Close ends calls inside, whatever they do at that moment, and each ends with a word that says so.
func TestCloseWithCallsInside(t *testing.T) {
	rounds := sized(50, 200, 10_000)
	for _, network := range []string{"tcp4", "unix", "unixpacket"} {
		l := listening(t, ListenConfig{}, network)
		for round := range rounds {
			d, err := Dialer{}.Dial(network, l.Addr().String())
			require.NoError(t, err)
			a, err := l.Accept()
			require.NoError(t, err)
			var wg sync.WaitGroup
			for _, c := range []net.Conn{d, a} {
				for i, call := range []func([]byte) (int, error){c.Write, c.Write, c.Read, c.Read} {
					wg.Go(func() {
						buf := make([]byte, 1<<12<<(i%2*3))
						for {
							if _, err := call(buf); err != nil {
								// Linux before 6.2 says the first to a send that meets the peer's close, and the second to others.
								refused := network == "unixpacket" &&
									(errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTCONN))
								assert.True(t, ended(err) || refused, "%v", err)
								return
							}
						}
					})
				}
				wg.Go(func() {
					for c.SetDeadline(time.Time{}) == nil {
						runtime.Gosched()
					}
				})
			}
			runtime.Gosched()
			switch round % 4 { // who closes, and how
			case 0:
				d.Close()
				a.Close()
			case 1:
				wg.Go(func() { d.Close() })
				wg.Go(func() { d.Close() })
				a.Close()
			case 2:
				if c, ok := a.(*TCPConn); ok {
					assert.NoError(t, c.SetLinger(0))
				}
				a.Close()
				d.Close()
			case 3:
				assert.NoError(t, a.(streamEnd).CloseWrite())
				d.Close()
				a.Close()
			}
			wg.Wait()
			if t.Failed() {
				return
			}
		}
	}
}

// Close ends calls of datagrams inside, and Accept.
func TestCloseWithPacketCallsInside(t *testing.T) {
	rounds := sized(50, 200, 10_000)
	for _, network := range []string{"udp4", "unixgram"} {
		for range rounds {
			c := receivingOnce(t, network)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for {
						if _, _, err := c.ReadFrom(make([]byte, 100)); err != nil {
							assert.ErrorIs(t, err, net.ErrClosed)
							return
						}
					}
				})
				wg.Go(func() {
					for {
						if _, err := c.WriteTo(make([]byte, 100), c.LocalAddr()); err != nil {
							assert.ErrorIs(t, err, net.ErrClosed)
							return
						}
					}
				})
			}
			runtime.Gosched()
			assert.NoError(t, c.Close())
			wg.Wait()
			if t.Failed() {
				return
			}
		}
	}
	for _, network := range []string{"tcp4", "unix"} {
		for range rounds / 10 {
			l := listening(t, ListenConfig{}, network)
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					for {
						c, err := l.Accept()
						if err != nil {
							assert.ErrorIs(t, err, net.ErrClosed)
							return
						}
						c.Close()
					}
				})
			}
			wg.Go(func() {
				for {
					c, err := Dialer{}.Dial(network, l.Addr().String())
					if err != nil {
						return
					}
					if tcp, ok := c.(*TCPConn); ok {
						tcp.SetLinger(0) // leaves no TIME_WAIT, of which the machine has only so many
					}
					c.Close()
				}
			})
			runtime.Gosched()
			assert.NoError(t, l.Close())
			wg.Wait()
			if t.Failed() {
				return
			}
		}
	}
}

// receivingOnce is receiving for one round of many.
func receivingOnce(t *testing.T, network string) PacketConn {
	address := "127.0.0.1:0"
	if network == "unixgram" {
		address = abstractName()
	}
	c, err := ownPackets(ListenConfig{}.ListenPacket(background, network, address))
	require.NoError(t, err)
	return c.(PacketConn)
}

// Deadlines flap while data flows, and no byte is lost or comes twice.
func TestDeadlinesFlapUnderLoad(t *testing.T) {
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) { flap(t, network, sized(1, 2, 30)<<20) })
	}
}

// flap sends so many bytes each way.
func flap(t *testing.T, network string, size int) {
	a, b := pair(t, network)
	content := someBytes(size)
	stop := make(chan bool)
	var flapping, ways sync.WaitGroup
	for _, set := range []func(time.Time) error{a.SetWriteDeadline, b.SetReadDeadline, a.SetDeadline, b.SetDeadline} {
		flapping.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					assert.NoError(t, set(time.Time{}))
					return
				default:
				}
				// Past ones, some that come while a call waits, and none.
				at := time.Now().Add(time.Duration(i%4-1) * 50 * time.Microsecond)
				if i%7 == 0 {
					at = time.Time{}
				}
				assert.NoError(t, set(at))
				runtime.Gosched()
			}
		})
	}
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		ways.Go(func() {
			left := content
			for len(left) > 0 {
				n, err := way[0].Write(left[:min(len(left), 100_000)])
				left = left[n:]
				if err != nil && !assert.ErrorIs(t, err, os.ErrDeadlineExceeded) {
					way[0].Close()
					return
				}
			}
		})
		ways.Go(func() {
			buf := make([]byte, 30_000)
			for left := content; len(left) > 0; {
				n, err := way[1].Read(buf)
				if !assert.True(t, bytes.HasPrefix(left, buf[:n]), "other bytes came, %d before the end", len(left)) ||
					err != nil && !assert.ErrorIs(t, err, os.ErrDeadlineExceeded) {
					way[1].Close()
					return
				}
				left = left[n:]
			}
		})
	}
	ways.Wait()
	close(stop)
	flapping.Wait()
}

// Many idle connections, with a call that waits on each accepted one, come and go, and leave no goroutine, no descriptor and
// no memory.
func TestIdleConnectionsLeaveNothing(t *testing.T) {
	count := sized(1000, 5000, 5000)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)) // Go raises the soft limit
	if most := (int(min(limit.Cur, 1<<20)) - 100) / 2; count > most {
		t.Logf("%d connections instead of %d: RLIMIT_NOFILE is %d", most, count, limit.Cur)
		count = most
	}
	before, open := runtime.NumGoroutine(), esock.Info().Gauges
	for _, network := range []string{"unix", "tcp4"} {
		idle(t, network, count) // what is made once stays: pools, the poller
		held := memory()
		idle(t, network, count)
		assert.Equal(t, open, esock.Info().Gauges)
		testwait.Until(t, "the end of goroutines", func() bool { return runtime.NumGoroutine() <= before })
		// One object of a connection that stayed would be more.
		testwait.Until(t, "the end of "+network+" connections' memory", func() bool { return memory() < held+uint64(count)/2 })
	}
}

// memory is how many objects are in use.
func memory() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // for what the first one's cleanups let go
	runtime.ReadMemStats(&stats)
	return stats.HeapObjects
}

// idle opens so many connections and closes them.
func idle(t *testing.T, network string, count int) {
	l, err := ListenConfig{}.Listen(background, network, addressOf(t, network))
	require.NoError(t, err)
	defer l.Close()
	var wg sync.WaitGroup
	var conns []net.Conn
	for range count {
		d, err := Dialer{}.Dial(network, l.Addr().String())
		require.NoError(t, err)
		conns = append(conns, d)
		a, err := l.Accept()
		require.NoError(t, err)
		wg.Go(func() {
			defer a.Close()
			b := make([]byte, 1)
			for {
				if _, err := a.Read(b); err != nil {
					assert.True(t, ended(err), "%v", err)
					return
				}
				_, err := a.Write(b)
				assert.NoError(t, err)
			}
		})
	}
	for _, c := range conns { // all still work
		b := []byte("x")
		_, err := c.Write(b)
		require.NoError(t, err)
		_, err = io.ReadFull(c, b)
		require.NoError(t, err)
	}
	for _, c := range conns {
		if tcp, ok := c.(*TCPConn); ok {
			require.NoError(t, tcp.SetLinger(0)) // leaves no TIME_WAIT, of which the machine has only so many
		}
		require.NoError(t, c.Close())
	}
	wg.Wait()
}
