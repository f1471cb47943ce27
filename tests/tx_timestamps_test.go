package tests

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

// stamps collects transmit timestamps until there are n.
func stamps(t *testing.T, s *esock.Socket, tx *esock.TxTimestamps, n int) (all []esock.TxTimestamp) {
	t.Helper()
	var m esock.Msg
	for len(all) < n {
		e, err := s.RecvErr(&m, esock.Within(patience))
		require.NoError(t, err, "%d of %d timestamps", len(all), n)
		keepControl(t, &m)
		p, ok := tx.Pair(e)
		require.True(t, ok, "%+v", e)
		assert.WithinDuration(t, time.Now(), p.Stamps.Software, time.Minute)
		assert.Empty(t, m.Data(), "the stamp alone")
		all = append(all, p)
	}
	return all
}

func TestTxTimestampsOfDatagrams(t *testing.T) {
	_, at := udp(t)
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	_, err := s.TxTimestamps(esock.TimestampRxSoftware)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "flags"})
	tx, err := s.TxTimestamps(esock.TimestampTxSoftware | esock.TimestampTxSched)
	require.NoError(t, err)
	for i := range uint64(5) {
		n, sent, err := tx.Send(func() (int, error) { return s.SendTo([]byte("x"), at, 0, esock.Forever) })
		require.NoError(t, err)
		assert.Equal(t, 1, sent)
		assert.Equal(t, i, n)
	}
	seen := map[esock.TxStage][]uint64{}
	for _, p := range stamps(t, s, tx, 10) {
		assert.True(t, p.Whole)
		seen[p.Stage] = append(seen[p.Stage], p.Send)
	}
	assert.Equal(t, map[esock.TxStage][]uint64{esock.TxSent: {0, 1, 2, 3, 4}, esock.TxScheduled: {0, 1, 2, 3, 4}}, seen)

	// Switched on again it counts from the start.
	tx, err = s.TxTimestamps(esock.TimestampTxSoftware)
	require.NoError(t, err)
	tx.Send(func() (int, error) { return s.SendTo([]byte("x"), at, 0, esock.Forever) })
	assert.Equal(t, uint64(0), stamps(t, s, tx, 1)[0].Send)
}

func TestTxTimestampsByKeysOfOurOwn(t *testing.T) {
	_, at := udp(t)
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	_, err := s.TxTimestamps(esock.TimestampTxSoftware)
	require.NoError(t, err)
	m := esock.Msg{Iov: [][]byte{[]byte("x")}, Addr: at}
	require.NoError(t, m.SetControl(esock.TimestampID(0xfeedbeef)))
	if _, err = s.SendMsg(&m, 0, esock.Forever); errors.Is(err, syscall.EINVAL) {
		t.Skip("this kernel is before 6.13")
	}
	require.NoError(t, err)
	var r esock.Msg
	e, err := s.RecvErr(&r, esock.Within(patience))
	require.NoError(t, err)
	keepControl(t, &r)
	stage, key, ok := e.Timestamp()
	assert.True(t, ok)
	assert.Equal(t, esock.TxSent, stage)
	assert.Equal(t, uint32(0xfeedbeef), key)
}

func TestTxTimestampsOfOneSendAlone(t *testing.T) {
	_, at := udp(t)
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	native(t, s, unix.SOL_SOCKET, unix.SO_TIMESTAMPING,
		int(esock.TimestampSoftware|esock.TimestampOptTSOnly|esock.TimestampOptID))
	m := esock.Msg{Iov: [][]byte{[]byte("x")}, Addr: at}
	_, err := s.SendMsg(&m, 0, esock.Forever)
	require.NoError(t, err)
	require.NoError(t, m.SetControl(esock.TimestampsFor(esock.TimestampTxSoftware)))
	_, err = s.SendMsg(&m, 0, esock.Forever)
	require.NoError(t, err)
	var r esock.Msg
	n := 0
	for e, err := range s.Errors(&r) {
		require.NoError(t, err)
		assert.False(t, e.Stamps.Software.IsZero())
		n++
	}
	assert.Equal(t, 1, n)
}

func TestTxTimestampsOfAStream(t *testing.T) {
	a, b := tcpPair(t)
	go discard(b)
	_, err := a.Send([]byte("before it counts"), 0, esock.Forever)
	require.NoError(t, err)
	tx, err := a.TxTimestamps(esock.TimestampTxSoftware | esock.TimestampTxAck)
	require.NoError(t, err)
	acked := func(want uint64) (parts int) {
		for {
			for _, p := range stamps(t, a, tx, 1) {
				assert.Equal(t, want, p.Send)
				if !p.Whole {
					parts++
				}
				if p.Whole && p.Stage == esock.TxAcked {
					return parts
				}
			}
		}
	}
	for i, size := range []int{1, 10, 1, 1000} {
		n, _, err := tx.Send(func() (int, error) { return a.Send(make([]byte, size), 0, esock.Forever) })
		require.NoError(t, err)
		assert.Equal(t, uint64(i), n)
		acked(n)
	}
	// More than the buffers hold: the kernel takes it in parts, and each has its own stamps.
	big := make([]byte, 1<<20)
	n, sent, err := tx.Send(func() (int, error) { return a.Send(big, 0, esock.Within(patience)) })
	require.NoError(t, err)
	assert.Equal(t, len(big), sent)
	assert.NotZero(t, acked(n))
}

func TestTxTimestampsThatFailChangeNothing(t *testing.T) {
	const soTimestamping = 37
	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	_, err := s.TxTimestamps(esock.TimestampTxSoftware)
	assert.ErrorIs(t, err, syscall.EINVAL, "a stream must be connected")
	on, err := s.GetOptionNativeInt(syscall.SOL_SOCKET, soTimestamping)
	require.NoError(t, err)
	assert.Zero(t, on)
}
