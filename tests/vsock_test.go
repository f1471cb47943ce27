package tests

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// vsockPair is the two ends of a vsock connection over the machine's own transport.
func vsockPair(t *testing.T, typ esock.Type) (client, server *esock.Socket) {
	t.Helper()
	kindSocket(t, sockopt.KindVSock)
	if !vsockReachesItself() {
		t.Skip("no transport to the loopback cid (module vsock_loopback)")
	}
	l, err := esock.Open(esock.VSock, typ, esock.Default)
	if typ == esock.SeqPacket && err != nil {
		require.ErrorIs(t, err, unix.ESOCKTNOSUPPORT)
		t.Skip("this kernel has no seqpacket of vsock: it came with 5.14")
	}
	require.NoError(t, err)
	closeAtEnd(t, l)
	require.NoError(t, l.Bind(esock.VSockAddr(esock.VSockAny, math.MaxUint32)))
	require.NoError(t, l.Listen(1))
	client = open(t, esock.VSock, typ, esock.Default)
	if err := client.Connect(esock.VSockAddr(esock.VSockLocal, sockName(t, l).Port()), esock.Within(patience)); err != nil {
		require.ErrorIs(t, err, unix.ESOCKTNOSUPPORT)
		t.Skip("the transport has no ", typ)
	}
	server, err = l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, server)
	return client, server
}

func TestVSockStream(t *testing.T) {
	a, b := vsockPair(t, esock.Stream)
	assert.Equal(t, esock.Stream, b.Type())
	echoes(t, a, b)
	// More than both buffers hold: the sender waits for the receiver, and nothing is lost.
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	sent := start(func() (int, error) { return a.Send(data, 0, esock.Within(patience)) })
	got := make([]byte, len(data))
	_, err := b.RecvFull(got, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, outcome{len(data), nil}, result(t, sent))
	assert.True(t, string(data) == string(got), "the bytes that were sent")
	require.NoError(t, a.Shutdown(esock.ShutWrite))
	_, err = b.Recv(got, 0, esock.Within(patience))
	assert.Error(t, err, "the end of the stream")
}

// A seqpacket socket keeps the boundaries of messages, and says when it cuts one.
func TestVSockSeqPacket(t *testing.T) {
	a, b := vsockPair(t, esock.SeqPacket)
	assert.Equal(t, esock.SeqPacket, b.Type())
	for _, text := range []string{"one", "and two"} {
		n, err := a.Send([]byte(text), 0, esock.Within(patience))
		require.NoError(t, err)
		assert.Equal(t, len(text), n)
	}
	var m esock.Msg
	require.NoError(t, b.RecvMsg(&m, 0, esock.Within(patience)))
	assert.Equal(t, "one", string(m.Data()))
	assert.Zero(t, m.Flags&esock.MsgTrunc)
	cut := esock.Msg{Buf: make([]byte, 3)}
	require.NoError(t, b.RecvMsg(&cut, 0, esock.Within(patience)))
	assert.Equal(t, "and", string(cut.Data()))
	assert.NotZero(t, cut.Flags&esock.MsgTrunc)
	_, err := b.Send([]byte("back"), 0, esock.Within(patience))
	require.NoError(t, err)
	require.NoError(t, a.RecvMsg(&m, 0, esock.Within(patience)))
	assert.Equal(t, "back", string(m.Data()))
}

// Every row of level vsock, on a connection.
func TestVSockOptions(t *testing.T) {
	a, _ := vsockPair(t, esock.Stream)
	tried := map[string]bool{}
	number := func(name string, o sockopt.Option[uint64], v uint64) {
		tried[name] = true
		require.NoError(t, o.Set(a, v), name)
		is, err := o.Get(a)
		require.NoError(t, err, name)
		assert.Equal(t, v, is, name)
	}
	number("buffer_max_size", sockopt.VSockBufferMaxSize, 300000)
	number("buffer_min_size", sockopt.VSockBufferMinSize, 5000)
	number("buffer_size", sockopt.VSockBufferSize, 100000)
	require.NoError(t, sockopt.VSockBufferSize.Set(a, 1000000))
	is, err := sockopt.VSockBufferSize.Get(a)
	require.NoError(t, err)
	assert.Equal(t, uint64(300000), is, "no more than the greatest")
	require.NoError(t, sockopt.VSockBufferSize.Set(a, 10))
	is, err = sockopt.VSockBufferSize.Get(a)
	require.NoError(t, err)
	assert.Equal(t, uint64(5000), is, "no less than the least")

	tried["connect_timeout"] = true
	require.NoError(t, sockopt.VSockConnectTimeout.Set(a, 3*time.Second))
	d, err := sockopt.VSockConnectTimeout.Get(a)
	require.NoError(t, err)
	assert.Equal(t, 3*time.Second, d)

	// Those of VMware's transport, and of programs inside the kernel.
	for _, name := range []string{"peer_host_vm_id", "trusted", "nonblock_txrx"} {
		tried[name] = true
		_, err := sockopt.Get(a, "vsock", name)
		assert.ErrorIs(t, err, unix.ENOPROTOOPT, name)
	}
	assert.ErrorIs(t, sockopt.Set(a, "vsock", "nonblock_txrx", true), unix.ENOPROTOOPT)
	for o := range sockopt.All() {
		assert.True(t, o.Level != "vsock" || tried[o.Name], "%s is tested nowhere", o.Name)
	}
}
