package ready

import (
	"context"
	"embed"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/mem"

	"github.com/esock-go/esock/internal/zerocall"
	"github.com/esock-go/esock/netconn"
)

//go:embed *.go
var source embed.FS

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

}

// Zero values and nil are errors, and no end of the stream.
func TestMistakes(t *testing.T) {
	pool := &counting{}
	for _, c := range []netconn.Conn{nil, (*netconn.TCPConn)(nil), (*Conn)(nil)} {
		_, err := New(c)
		assert.EqualError(t, err, "invalid connection: it is nil")
	}
	for _, c := range []netconn.Conn{&netconn.TCPConn{}, &Conn{}} {
		_, err := New(c)
		assert.ErrorIs(t, err, net.ErrClosed)
	}
	for _, c := range []*Conn{nil, {}} {
		_, _, err := c.ReadOnReady(10, pool)
		assert.ErrorIs(t, err, net.ErrClosed)
	}
	_, err := Listener(nil).Accept()
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.Nil(t, Listener(nil).Addr())
	assert.ErrorIs(t, Listener(nil).Close(), net.ErrClosed)

	l, err := netconn.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := Dialer(netconn.Dialer{})(context.Background(), l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	r := c.(*Conn)
	assert.IsType(t, (*netconn.TCPConn)(nil), r.Conn)
	s, ok := netconn.SocketOf(c)
	assert.True(t, ok)
	assert.Same(t, r.Socket(), s)
	_, _, err = r.ReadOnReady(-1, pool)
	assert.EqualError(t, err, "invalid size -1: it is negative")
	_, _, err = r.ReadOnReady(10, nil)
	assert.EqualError(t, err, "invalid pool: it is nil")
	buf, n, err := r.ReadOnReady(0, pool)
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Empty(t, *buf)
	pool.Put(buf)
	require.NoError(t, r.Close())
	_, _, err = r.ReadOnReady(0, pool)
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.Zero(t, pool.out)
}

// Whatever is called with or on zero values, nothing panics or waits. The zero Conn is closed.
func TestZeroValues(t *testing.T) {
	zerocall.Package{Source: source, Types: []any{Conn{}}, Funcs: map[string]any{"New": New, "Listener": Listener, "Dialer": Dialer}}.Run(t)
	for _, c := range []*Conn{nil, {}} {
		_, err := c.Read(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
		_, err = c.Write(nil)
		assert.ErrorIs(t, err, net.ErrClosed)
		assert.ErrorIs(t, c.Close(), net.ErrClosed)
	}
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
