package esock

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nextStamp takes one timestamp out of the error queue.
func nextStamp(t *testing.T, s *Socket) QueuedError {
	t.Helper()
	e, err := s.RecvErr(new(Msg), Within(patience))
	require.NoError(t, err)
	return e
}

// What a try without room does to the count depends on the kernel: where it may have taken a number, no pair is made up.
func TestTxTimestampsAfterATryWithoutRoom(t *testing.T) {
	defer func(f func(Domain) bool) { givesNumbersBack = f }(givesNumbersBack)
	for _, gives := range []bool{true, false} {
		givesNumbersBack = func(Domain) bool { return gives }
		s, at := boundUDP(t)
		tx, err := s.TxTimestamps(TimestampTxSoftware)
		require.NoError(t, err)
		send := func() (int, error) { return s.SendTo([]byte("x"), at, 0, Forever) }
		_, _, err = tx.Send(send)
		require.NoError(t, err)
		_, ok := tx.Pair(nextStamp(t, s))
		assert.True(t, ok, "a send that goes at once is certain everywhere")
		_, _, err = tx.Send(func() (int, error) {
			_, err := s.SendTo(bytes.Repeat([]byte("x"), 70_000), at, 0, Forever) // stands for the try: it takes no number
			require.ErrorIs(t, err, syscall.EMSGSIZE)
			return send()
		})
		require.NoError(t, err)
		p, ok := tx.Pair(nextStamp(t, s))
		assert.Equal(t, gives, ok)
		if gives {
			assert.Equal(t, uint64(1), p.Send)
		}
	}
}

// From a refused datagram on nothing is paired, whether it took a number or not; counting anew, and keys of one's own, go on.
func TestTxTimestampsAfterARefusedDatagram(t *testing.T) {
	segments := func(s *Socket, at Addr) error { // refused once the packet is built: the number is gone
		m := Msg{Iov: [][]byte{make([]byte, 2000)}, Addr: at}
		if err := m.SetControl(UDPSegment(1)); err != nil {
			return err
		}
		_, err := s.SendMsg(&m, 0, Forever)
		return err
	}
	long := func(s *Socket, at Addr) error { // refused before: there is none
		_, err := s.SendTo(make([]byte, 70_000), at, 0, Forever)
		return err
	}
	for name, refused := range map[string]func(*Socket, Addr) error{"numbered": segments, "not numbered": long} {
		t.Run(name, func(t *testing.T) {
			s, at := boundUDP(t)
			tx, err := s.TxTimestamps(TimestampTxSoftware)
			require.NoError(t, err)
			send := func() (int, error) { return s.SendTo([]byte("x"), at, 0, Forever) }
			_, _, err = tx.Send(func() (int, error) { return 0, refused(s, at) })
			require.NotZero(t, errnoIn(err))
			_, _, err = tx.Send(send)
			require.NoError(t, err)
			_, ok := tx.Pair(nextStamp(t, s))
			assert.False(t, ok, "0 or 1")

			tx, err = s.TxTimestamps(TimestampTxSoftware)
			require.NoError(t, err)
			_, _, err = tx.Send(send)
			require.NoError(t, err)
			p, ok := tx.Pair(nextStamp(t, s))
			assert.True(t, ok)
			assert.Zero(t, p.Send)

			require.Error(t, refused(s, at))
			m := Msg{Iov: [][]byte{[]byte("x")}, Addr: at}
			require.NoError(t, m.SetControl(TimestampID(77)))
			if _, err = s.SendMsg(&m, 0, Forever); errors.Is(err, syscall.EINVAL) {
				t.Skip("this kernel is before 6.13")
			}
			require.NoError(t, err)
			_, key, ok := nextStamp(t, s).Timestamp()
			assert.True(t, ok)
			assert.Equal(t, uint32(77), key)
		})
	}
}
