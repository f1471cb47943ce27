package engine_test

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/engine"
)

// Connections end in every way at every moment, and each is told once. What arrives is what was sent.
func TestConnectionsThatEndInEveryWay(t *testing.T) {
	l := run(t, engine.Buffers(32, 1024), engine.Mark(2048))
	s, address := listen(t)
	var opened, closed atomic.Int64
	var mu sync.Mutex
	conns := map[*engine.Conn]bool{}
	told := make(chan struct{}, 1)
	require.NoError(t, l.Serve(s, handler{
		opened: func(c *engine.Conn) {
			opened.Add(1)
			mu.Lock()
			conns[c] = true
			mu.Unlock()
		},
		received: func(c *engine.Conn, b []byte) {
			for len(b) > 0 {
				n, err := c.Write(b)
				if err != nil {
					c.Data = append([]byte(nil), b[n:]...) // at most what one buffer has
					return
				}
				b = b[n:]
			}
			switch rand.IntN(200) {
			case 0:
				c.Close()
			case 1:
				c.Socket().Close()
			}
		},
		writable: func(c *engine.Conn) {
			rest, _ := c.Data.([]byte)
			c.Data = nil
			if len(rest) > 0 {
				_, err := c.Write(rest)
				assert.NoError(t, err)
			}
		},
		closed: func(c *engine.Conn, err error) {
			assert.Error(t, err)
			mu.Lock()
			assert.True(t, conns[c])
			delete(conns, c)
			mu.Unlock()
			closed.Add(1)
			select {
			case told <- struct{}{}:
			default:
			}
		},
	}))
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 40 {
				c, err := net.Dial("tcp", address)
				if !assert.NoError(t, err) {
					return
				}
				data := make([]byte, 1+rand.IntN(5000))
				for i := range data {
					data[i] = byte(i)
				}
				clients.Go(func() { c.Write(data) })
				got, err := io.ReadAll(io.LimitReader(c, int64(rand.IntN(len(data)+1))))
				for i := range got {
					if got[i] != byte(i) {
						assert.Fail(t, "another byte was expected", "at %d: %d", i, got[i])
						break
					}
				}
				switch rand.IntN(3) {
				case 0:
					c.(*net.TCPConn).SetLinger(0)
				case 1:
					mu.Lock()
					var other *engine.Conn
					for other = range conns {
						break
					}
					mu.Unlock()
					if other != nil {
						other.Socket().Close()
					}
				}
				c.Close()
				_ = err
			}
		})
	}
	clients.Wait()
	for closed.Load() < opened.Load() || opened.Load() < 1 {
		<-told
	}
}
