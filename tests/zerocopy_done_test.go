package tests

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

func TestZeroCopyGivesBackWhatWasSent(t *testing.T) {
	a, b := tcpPair(t)
	go discard(b)
	zc, err := a.ZeroCopy()
	require.NoError(t, err)
	bufs := [][]byte{bytes.Repeat([]byte("a"), 1<<18), bytes.Repeat([]byte("b"), 100), bytes.Repeat([]byte("c"), 1<<16)}
	for _, buf := range bufs {
		n, err := zc.Send(buf, esock.Within(patience))
		require.NoError(t, err)
		assert.Equal(t, len(buf), n)
	}
	n, err := zc.Send(nil, esock.Forever)
	assert.NoError(t, err)
	assert.Zero(t, n)
	var back []string
	var m esock.Msg
	for len(back) < len(bufs) {
		e, err := a.RecvErr(&m, esock.Within(patience))
		require.NoError(t, err, "%d of %d", len(back), len(bufs))
		keepControl(t, &m)
		for _, d := range zc.Done(e) {
			assert.True(t, d.Copied, "the loopback copies")
			assert.True(t, slices.ContainsFunc(bufs, func(b []byte) bool { return &b[0] == &d.Buf[0] && len(b) == len(d.Buf) }))
			back = append(back, string(d.Buf[:1]))
		}
	}
	slices.Sort(back)
	assert.Equal(t, "abc", strings.Join(back, ""))
	assert.Zero(t, zc.Pending())
	assert.Empty(t, zc.Done(esock.QueuedError{}))
}

func TestZeroCopyOfDatagrams(t *testing.T) {
	from, to := both(t, esock.Inet)
	zc, err := from.ZeroCopy()
	require.NoError(t, err)
	buf := bytes.Repeat([]byte("z"), 5000)
	_, err = zc.Send(buf, esock.Forever)
	require.NoError(t, err)
	n, err := to.Recv(make([]byte, 6000), 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, 5000, n)
	var m esock.Msg
	e, err := from.RecvErr(&m, esock.Within(patience))
	require.NoError(t, err)
	require.Len(t, zc.Done(e), 1)
}

// A full queue drops some fragments of a datagram, and others are on their way: the datagram fails, and has a number whose notice
// comes much later. A send meanwhile would be given back when the one before it is done.
func TestZeroCopyOfADatagramThatGoesInPart(t *testing.T) {
	apart(t, "mtu 1500", func(t *testing.T) {
		slow := strings.Fields("tc qdisc add dev lo root tbf rate 8kbit burst 1600 limit 3000") // a second per fragment, two wait
		if !sys(t, slow...) {
			t.Skip("there is no queue that sends slowly")
		}
		for _, size := range []int{1400, 5000} {
			from, _ := both(t, esock.Inet)
			require.NoError(t, sockopt.IPRecvErr.Set(from, true))
			z, err := from.ZeroCopy()
			require.NoError(t, err)
			for err == nil {
				_, err = z.Send(make([]byte, size), esock.Within(0))
			}
			require.ErrorIs(t, err, syscall.ENOBUFS)
			done := func() bool {
				for {
					e, err := from.RecvErr(new(esock.Msg), esock.Within(0))
					if err != nil {
						return z.Pending() == 0
					}
					z.Done(e)
				}
			}
			done()
			_, err = z.Send([]byte("x"), esock.Within(0))
			assert.Equal(t, size > 1500, errors.Is(err, esock.ErrState), "%d bytes: %v", size, err)
			eventually(t, "the notices", done)
		}
	})
}
