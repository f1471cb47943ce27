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

// Close ends calls inside, whatever they do at that moment, and each ends with a word that says so.
func TestCloseWithCallsInside(t *testing.T) {
	rounds := 1000
	if testing.Short() || raceEnabled {
		rounds = 100
	}
	for _, network := range []string{"tcp4", "unix"} {
		l := listening(t, ListenConfig{}, network)
		for range rounds {
			d, err := Dialer{}.Dial(network, l.Addr().String())
			require.NoError(t, err)
			a, err := l.Accept()
			require.NoError(t, err)
			var wg sync.WaitGroup
			for _, c := range []net.Conn{d, a} {
				wg.Go(func() {
					buf := make([]byte, 1<<16)
					for {
						if _, err := c.Write(buf); err != nil {
							assert.True(t, ended(err), "%v", err)
							return
						}
					}
				})
				wg.Go(func() {
					buf := make([]byte, 1<<12)
					for {
						if _, err := c.Read(buf); err != nil {
							assert.True(t, ended(err), "%v", err)
							return
						}
					}
				})
			}
			runtime.Gosched()
			d.Close()
			a.Close()
			wg.Wait()
		}
	}
}

// Deadlines flap while data flows, and no byte is lost or comes twice.
func TestDeadlinesFlapUnderLoad(t *testing.T) {
	a, b := pair(t, "tcp4")
	content := someBytes(1 << 20)
	stop := make(chan bool)
	var flapping sync.WaitGroup
	for _, set := range []func(time.Time) error{a.SetWriteDeadline, b.SetReadDeadline} {
		flapping.Go(func() {
			for {
				select {
				case <-stop:
					set(time.Time{})
					return
				default:
				}
				set(time.Now().Add(50 * time.Microsecond))
				runtime.Gosched()
			}
		})
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		left := content
		for len(left) > 0 {
			n, err := a.Write(left[:min(len(left), 100_000)])
			left = left[n:]
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
				return
			}
		}
	})
	got := make([]byte, 0, len(content))
	buf := make([]byte, 30_000)
	for len(got) < len(content) && !t.Failed() {
		n, err := b.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	close(stop)
	flapping.Wait()
	wg.Wait()
	assert.True(t, bytes.Equal(content, got))
}

// Many idle connections come and go, and leave no goroutine and no descriptor.
func TestIdleConnectionsLeaveNothing(t *testing.T) {
	count := 1000
	if testing.Short() || raceEnabled {
		count = 100
	}
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	count = min(count, int(min(limit.Cur, 1<<20)/3))
	before, open := runtime.NumGoroutine(), esock.Info().Gauges
	l := listening(t, ListenConfig{}, "unix")
	var conns []net.Conn
	for range count {
		d, err := Dialer{}.Dial("unix", l.Addr().String())
		require.NoError(t, err)
		a, err := l.Accept()
		require.NoError(t, err)
		conns = append(conns, d, a)
	}
	for _, c := range conns {
		require.NoError(t, c.Close())
	}
	require.NoError(t, l.Close())
	assert.Equal(t, open, esock.Info().Gauges)
	testwait.Until(t, "the end of goroutines", func() bool { return runtime.NumGoroutine() <= before })
}

// A peer that resets the connection in any state ends calls with net's words.
func TestAResetEndsCallsInEveryState(t *testing.T) {
	for what, call := range map[string]func(c Conn) error{
		"a read that waits":  func(c Conn) error { _, err := c.Read(make([]byte, 1)); return err },
		"a write that waits": func(c Conn) error { _, err := c.Write(make([]byte, 64<<20)); return err },
		"a copy that waits": func(c Conn) error {
			_, err := io.Copy(c, zeros{})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			a, b := pair(t, "tcp4")
			done := make(chan error, 1)
			go func() { done <- call(a) }()
			testwait.Until(t, "the call waits", func() bool {
				info := a.Socket().Info()
				return info.NumReaders+info.NumWriters > 0
			})
			require.NoError(t, b.(*TCPConn).SetLinger(0))
			require.NoError(t, b.Close())
			err := testwait.Result(t, "the end of the call", done)
			assert.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE), "%v", err)
			opError(t, err)
		})
	}
}
