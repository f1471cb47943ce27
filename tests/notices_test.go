package tests

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// What a record of the error queue says depends on where it comes from: the same numbers mean something else elsewhere.
func TestNoticesByTheirOrigin(t *testing.T) {
	const e = esock.OriginTxStatus + 10 // no origin that there is
	origins := []esock.ErrorOrigin{esock.OriginNone, esock.OriginLocal, esock.OriginICMP, esock.OriginICMP6, esock.OriginTxStatus,
		esock.OriginZeroCopy, esock.OriginTxTime, e}
	for _, o := range origins {
		for _, errno := range []syscall.Errno{0, syscall.ENOMSG, syscall.ECANCELED} {
			x := esock.ExtendedError{Errno: errno, Origin: o, Code: 1, Info: 7, Data: 9}
			r, ok := x.ZeroCopy()
			assert.Equal(t, o == esock.OriginZeroCopy && errno == 0, ok, "%v %v", o, errno)
			if ok {
				assert.Equal(t, esock.ZeroCopyRange{First: 7, Last: 9, Copied: true}, r)
			} else {
				assert.Zero(t, r)
			}
			stage, key, ok := x.Timestamp()
			assert.Equal(t, o == esock.OriginTxStatus && errno == syscall.ENOMSG, ok, "%v %v", o, errno)
			if ok {
				assert.Equal(t, esock.TxStage(7), stage)
				assert.EqualValues(t, 9, key)
			}
			miss, ok := x.TxTime()
			assert.Equal(t, o == esock.OriginTxTime, ok, "%v %v", o, errno)
			if ok {
				assert.Equal(t, esock.TxTimeMiss{At: 9<<32 | 7, Invalid: true}, miss)
			} else {
				assert.Zero(t, miss)
			}
		}
	}
	missed, ok := esock.ExtendedError{Origin: esock.OriginTxTime, Code: 2, Info: 0xffffffff, Data: 1}.TxTime()
	require.True(t, ok)
	assert.Equal(t, esock.TxTimeMiss{At: time.Duration(0x1ffffffff)}, missed)
	r, ok := esock.ExtendedError{Origin: esock.OriginZeroCopy, Code: 2}.ZeroCopy()
	require.True(t, ok)
	assert.False(t, r.Copied)
}

// A notice about something else gives no memory back, and the count can be asked for at any time.
func TestZeroCopyIsNotDoneByOtherNotices(t *testing.T) {
	a, b := tcpPair(t)
	zc, err := a.ZeroCopy()
	require.NoError(t, err)
	n, err := zc.Send([]byte("abc"), esock.Within(patience))
	require.NoError(t, err)
	drain(t, b, n)
	for range 2 {
		assert.Equal(t, 1, zc.Pending())
		for _, e := range []esock.ExtendedError{{}, {Origin: esock.OriginTxStatus, Errno: syscall.ENOMSG},
			{Origin: esock.OriginZeroCopy, Errno: syscall.ENOMSG}} {
			assert.Empty(t, zc.Done(esock.QueuedError{ExtendedError: e}))
		}
	}
	done := zc.Done(esock.QueuedError{ExtendedError: esock.ExtendedError{Origin: esock.OriginZeroCopy}})
	require.Len(t, done, 1)
	assert.Equal(t, "abc", string(done[0].Buf))
	assert.Zero(t, zc.Pending())
}
