package ready

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/mem"

	"github.com/esock-go/esock/netconn"
)

// counting counts the buffers that are out.
type counting struct{ out int }

func (p *counting) Get(n int) *[]byte { p.out++; b := make([]byte, n); return &b }
func (p *counting) Put(*[]byte)       { p.out-- }

var _ mem.BufferPool = (*counting)(nil)

func TestReadOnReady(t *testing.T) {
	l, err := netconn.ListenConfig{}.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := Dialer(netconn.Dialer{})(context.Background(), l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	a, err := Listener(l).Accept()
	require.NoError(t, err)
	defer a.Close()
	r := a.(*Conn)
	pool := &counting{}

	require.NoError(t, r.SetReadDeadline(time.Now().Add(-time.Second)))
	_, _, err = r.ReadOnReady(10, pool)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.Zero(t, pool.out)
	require.NoError(t, r.SetReadDeadline(time.Time{}))

	_, err = c.Write([]byte("hello"))
	require.NoError(t, err)
	buf, n, err := r.ReadOnReady(10, pool)
	require.NoError(t, err)
	assert.Equal(t, "hello", string((*buf)[:n]))
	assert.Equal(t, 1, pool.out)
	pool.Put(buf)

	require.NoError(t, c.Close())
	_, _, err = r.ReadOnReady(10, pool)
	assert.Equal(t, io.EOF, err)
	require.NoError(t, r.Close())
	_, _, err = r.ReadOnReady(10, pool)
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.Zero(t, pool.out)

	_, err = New(nil)
	assert.Error(t, err)
	_, _, err = (*Conn)(nil).ReadOnReady(10, pool)
	assert.ErrorIs(t, err, net.ErrClosed)
}

func TestAddressesOfGRPC(t *testing.T) {
	for in, want := range map[string][2]string{
		"localhost:80": {"tcp", "localhost:80"}, "unix:/a": {"unix", "/a"}, "unix:///a": {"unix", "/a"}, "unix-abstract:x": {"unix", "@x"},
		"/a": {"unix", "/a"},
	} {
		network, address := split(in)
		assert.Equal(t, want, [2]string{network, address}, in)
	}
}
