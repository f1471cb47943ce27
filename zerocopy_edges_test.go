package esock

import (
	"io"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// One notice may be about sends that are noted and sends that are not yet.
func TestZeroCopyNoticeThatReachesBeyondWhatIsNoted(t *testing.T) {
	b := &zeroCopyBook{}
	o := &zeroCopyResult{book: b}
	for n := range uint32(3) {
		keptBy(b, o).sent(&Socket{typ: Stream}, 2, 1, nil)
		assert.Equal(t, 1, o.pending)
		b.sending = true
		noteOf(b, 3*n, 3*n+2)
		assert.Zero(t, o.pending)
		keptBy(b, o).sent(&Socket{typ: Stream}, 1, 1, nil)
		assert.Zero(t, o.pending)
		assert.EqualValues(t, 3*(n+1), b.noted)
	}
	assert.Empty(t, b.slots)
	assert.False(t, b.lost)
}

// Where all has been sent, and another holder took the notices, the memory comes back after a moment, and the connection is not
// aborted.
func TestZeroCopyNoticesThatNeverComeAreNotWaitedForLong(t *testing.T) {
	r, z, peer := restOf(t)
	require.NoError(t, errnoOf(cShutdown(r.h, syscall.SHUT_WR)))
	var err error
	for buf := make([]byte, 1<<16); err == nil; {
		_, err = peer.Recv(buf, 0, Within(patience))
	}
	require.Equal(t, io.EOF, err)
	eventually(t, func() bool {
		var out cIOArg
		cIOCtl(r.h, ioNWrite, &out)
		return out.i == 0
	}, "the last acknowledgement")
	r.book.lost = true
	over, _ := r.step(zeroCopyGrace - 1)
	require.False(t, over)
	assert.Equal(t, 1, z.Pending())
	over, _ = r.step(1)
	assert.True(t, over)
	assert.Zero(t, z.Pending())
}

// A message without data is sent as always, however its emptiness is written: UDP would number it, and the book would not.
func TestZeroCopyOfNothingTakesNoNumber(t *testing.T) {
	s := selfUDP(t)
	z, err := s.ZeroCopy()
	if err != nil {
		t.Skip("UDP sends without copying since Linux 5.0:", err)
	}
	_, err = s.SendV([][]byte{make([]byte, 5000), make([]byte, 5000)}, Forever) // leaves a vector in the pool
	require.NoError(t, err)
	for _, iov := range [][][]byte{nil, {}, {{}}, {nil, {}}} {
		_, err = s.SendMsg(&Msg{Iov: iov}, MsgZeroCopy, Forever)
		require.NoError(t, err)
	}
	_, err = z.Send(make([]byte, 5000), Forever)
	require.NoError(t, err)
	var m Msg
	e, err := s.RecvErr(&m, Forever)
	require.NoError(t, err)
	r, ok := e.ZeroCopy()
	require.True(t, ok)
	require.EqualValues(t, [2]uint32{0, 0}, [2]uint32{r.First, r.Last}, "the one send with data")
	require.Zero(t, z.Pending())
}
