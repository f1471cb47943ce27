package tests

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

var (
	notInProgress = &esock.InvalidError{What: "select"}
	notCarriedOut = &esock.InvalidError{What: "completion"}
)

// over is the error of Cancel for a call that is not in progress.
func (f form) over() error {
	if f.completes {
		return notCarriedOut
	}
	return notInProgress
}

func TestCancel_ArmedAndNotFired(t *testing.T) {
	eachLane(t, func(t *testing.T, l laneCase) {
		mb := esock.NewMailbox()
		sel := l.async(t, mb)
		require.NoError(t, l.s.Cancel(sel))
		assert.Zero(t, l.count())
		assert.ErrorIs(t, l.s.Cancel(sel), l.over(), "it is not in progress any more")
		l.makeReady()
		require.NoError(t, l.call(esock.Within(patience)), "the lane is free")
		assert.Zero(t, mb.Len(), "and nothing is told of what was cancelled")
	})
}

func TestCancel_MessageSentButNotSeen(t *testing.T) {
	eachLaneOf(t, selectForm, func(t *testing.T, l laneCase) {
		mb := esock.NewMailbox()
		sel := l.async(t, mb)
		l.tell(t, mb)
		require.NoError(t, l.s.Cancel(sel))
		assert.Zero(t, mb.Len(), "it is withdrawn")
		require.NoError(t, l.call(esock.Within(0)))
	})
}

func TestCancel_MessageSeen(t *testing.T) {
	eachLaneOf(t, selectForm, func(t *testing.T, l laneCase) {
		m1, m2 := esock.NewMailbox(), esock.NewMailbox()
		s1, s2 := l.async(t, m1), l.async(t, m2)
		l.tell(t, m1)
		assert.Equal(t, selectOf(s1), message(t, m1))
		require.NoError(t, l.s.Cancel(s1), "it still holds the slot")
		assert.Equal(t, selectOf(s2), message(t, m2), "which the next one gets")
		require.NoError(t, l.call(esock.NoWait(m2)))
		assert.ErrorIs(t, l.s.Cancel(s2), notInProgress, "the call was made")
	})
}

func TestCancel_Queued(t *testing.T) {
	eachLane(t, func(t *testing.T, l laneCase) {
		m1, m2, m3 := esock.NewMailbox(), esock.NewMailbox(), esock.NewMailbox()
		s1, s2, s3 := l.async(t, m1), l.async(t, m2), l.async(t, m3)
		require.NoError(t, l.s.Cancel(s2))
		assert.Equal(t, 2, l.count())
		assert.ErrorIs(t, l.s.Cancel(s2), l.over())
		require.NoError(t, l.s.Cancel(s1))
		assert.Equal(t, 1, l.count())
		l.tell(t, m3)
		l.done(t, s3, m3)
		assert.Zero(t, m1.Len()+m2.Len())
	})
}

func TestCancel_BlockedCallBehindIsLetThrough(t *testing.T) {
	eachLane(t, func(t *testing.T, l laneCase) {
		mb := esock.NewMailbox()
		sel := l.async(t, mb)
		blocked := l.blocked(t, esock.Forever, 2)
		require.NoError(t, l.s.Cancel(sel))
		l.makeReady()
		assert.NoError(t, result(t, blocked).err)
	})
}

func TestCancel_NotInProgress(t *testing.T) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	replaced := recvSelect(t, b, mb)
	sel := recvSelect(t, b, mb)
	assert.Equal(t, abortOf(replaced, esock.ErrCancelled), message(t, mb))
	assert.ErrorIs(t, b.Cancel(replaced), notInProgress, "replaced")
	assert.ErrorIs(t, a.Cancel(sel), notInProgress, "another socket's")
	assert.ErrorIs(t, b.Cancel(nil), notInProgress, "nil")
	assert.ErrorIs(t, b.Cancel(new(esock.Select)), notInProgress, "made by hand")
	assert.ErrorIs(t, b.Cancel((*esock.Select)(mb.NewHandle())), notInProgress, "never used")
	assert.Equal(t, 1, b.Info().NumReaders, "none of which touched the one in progress")
	send(t, a, "x")
	assert.Equal(t, selectOf(sel), message(t, mb))
}

func TestCancel_WithdrawsAnUnseenAbort(t *testing.T) {
	_, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	replaced := recvSelect(t, b, mb)
	recvSelect(t, b, mb)
	require.Equal(t, 1, mb.Len())
	assert.ErrorIs(t, b.Cancel(replaced), notInProgress)
	assert.Zero(t, mb.Len())
}

func TestCancel_ClosedSocket(t *testing.T) { eachForm(t, cancelOnClosed) }

func cancelOnClosed(t *testing.T, f form) {
	_, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	sel := f.recv(t, b, mb)
	require.NoError(t, closeSoon(t, b))
	require.Equal(t, 1, mb.Len())
	assert.ErrorIs(t, b.Cancel(sel), errClosed)
	assert.Zero(t, mb.Len(), "its abort is withdrawn")
}

// One direction's cancel leaves the other armed.
func TestCancel_OneOfTwoDirections(t *testing.T) { eachForm(t, cancelOneOfTwo) }

func cancelOneOfTwo(t *testing.T, f form) {
	a, b := pair(t, esock.Stream)
	n := fill(t, a)
	m1, m2 := esock.NewMailbox(), esock.NewMailbox()
	r, w := f.recv(t, a, m1), f.send(t, a, m2)
	require.NoError(t, a.Cancel(r))
	drain(t, b, n)
	require.NoError(t, f.end(t, w, m2, func(esock.Wait) error { return a.Cancel(w) }))
	send(t, b, "x")
	assert.Equal(t, "x", recv(t, a))
	assert.Zero(t, m1.Len()+m2.Len())
}

// A result is the receiver's, whether or not it was received: a cancel comes too late.
func TestCancel_CompletionSent(t *testing.T) {
	eachLaneOf(t, completionForm, func(t *testing.T, l laneCase) {
		mb := esock.NewMailbox()
		p := l.async(t, mb)
		l.tell(t, mb)
		assert.ErrorIs(t, l.s.Cancel(p), notCarriedOut, "not received yet")
		assert.Equal(t, 1, mb.Len(), "it stays")
		l.done(t, p, mb)
		assert.ErrorIs(t, l.s.Cancel(p), notCarriedOut, "received")
		assert.Zero(t, l.count(), "the lane is free without another call")
		assert.Zero(t, mb.Len())
	})
}
