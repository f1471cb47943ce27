package esock

import (
	"encoding/binary"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// toItself connects a datagram socket to its own address.
func toItself(t *testing.T, s *Socket) {
	t.Helper()
	require.NoError(t, s.Bind(Loopback))
	at, err := s.SockName()
	require.NoError(t, err)
	require.NoError(t, s.Connect(at, Forever))
}

// zeroCopied is a socket that has sent data without copying, which the kernel is done with, and its book.
func zeroCopied(t *testing.T, data string) (*Socket, *ZeroCopy) {
	t.Helper()
	s := selfUDP(t)
	z, err := s.ZeroCopy()
	require.NoError(t, err)
	n, err := z.Send([]byte(data), Forever)
	require.NoError(t, err)
	require.Equal(t, len(data), n)
	n, err = s.Recv(make([]byte, len(data)), 0, Within(patience)) // what holds the memory is freed by this
	require.NoError(t, err)
	require.Equal(t, len(data), n)
	return s, z
}

// What a receive with MsgErrQueue answers does not depend on whether the socket has memory out.
func TestQueuedRecordsAreTheSameBesideABook(t *testing.T) {
	stamped := func(s *Socket) {
		require.NoError(t, s.SetOptionNative(solSocket, scmTimestamping,
			binary.NativeEndian.AppendUint32(nil, uint32(TimestampTxSoftware|TimestampSoftware))))
		_, err := s.Send([]byte("stamped"), 0, Forever)
		require.NoError(t, err)
	}
	type answer struct {
		n    int
		err  error
		data string
	}
	read := func(s *Socket) (all []answer) {
		for _, size := range []int{1000, 10, 1000} {
			stamped(s)
			buf := make([]byte, size)
			n, err := s.Recv(buf, MsgErrQueue, Within(patience))
			all = append(all, answer{n, err, string(buf[max(n-7, 0):max(n, 0)])})
			stamped(s)
			n, from, err := s.RecvFrom(buf, MsgErrQueue|MsgTrunc, Within(patience))
			assert.True(t, from.IsZero() || from.Family() == Inet, "%v", from)
			all = append(all, answer{n, err, string(buf[max(min(n, size)-7, 0):max(min(n, size), 0)])})
		}
		return all
	}
	with, z := zeroCopied(t, "x")
	for e := range with.Errors(new(Msg)) {
		z.Done(e)
	}
	require.Zero(t, z.Pending())
	require.NotNil(t, with.uncopied())
	got := read(with)
	without := selfUDP(t)
	assert.Equal(t, read(without), got)
	assert.Nil(t, without.uncopied(), "a socket that only reads needs no book")
	assert.Equal(t, "stamped", got[0].data)
}

// A notice is noted also where more control messages come than there are records for.
func TestNoticesBehindManyControlMessages(t *testing.T) {
	s, z := zeroCopied(t, "data")
	b := s.uncopied()
	var ctrl [256]byte
	var recs [1]cCmsg
	var out cMsg
	require.NoError(t, s.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_TIMESTAMP, true)) // its message comes first
	require.GreaterOrEqual(t, b.take(s.h, nil, int(MsgErrQueue), howPoll, ctrl[:], recs[:], &out), 0)
	require.Greater(t, int(out.cmsgs), 1)
	require.NotEqual(t, cmsgRecvErr, int(recs[0].kind))
	assert.Zero(t, z.Pending())
}
