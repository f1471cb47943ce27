package tests

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// A request that ends early is over: what it moved is a package at once, not when the next request begins.
func TestRequestThatEndsEarlyIsAPackageAtOnce(t *testing.T) {
	a, b := pair(t, esock.Stream)
	send(t, a, "abc")
	n, err := b.RecvFull(make([]byte, 8), 0, esock.Within(time.Millisecond))
	assert.Equal(t, outcome{3, esock.ErrTimeout}, outcome{n, err})
	c := b.Counters()
	assert.EqualValues(t, 1, c.ReadPkg)
	assert.EqualValues(t, 3, c.ReadPkgMax)

	n, err = b.Send(make([]byte, 16<<20), 0, esock.Within(time.Millisecond))
	require.Equal(t, esock.ErrTimeout, err)
	require.Positive(t, n)
	c = b.Counters()
	assert.EqualValues(t, 1, c.WritePkg)
	assert.EqualValues(t, n, c.WritePkgMax)
}

// A partial request that is selected is not over; a call that does not continue it is another one.
func TestCallThatDoesNotContinueIsAnother(t *testing.T) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	n, err := a.Send(make([]byte, 16<<20), 0, esock.NoWait(mb))
	sel := selected(t, err)
	require.Positive(t, n)
	assert.Zero(t, a.Counters().WritePkg, "it is in progress")
	drain(t, b, n)
	assert.Equal(t, selectOf(sel), message(t, mb))
	m, err := a.Send([]byte("xyz"), 0, esock.NoWait(mb))
	require.NoError(t, err)
	require.Equal(t, 3, m)
	c := a.Counters()
	assert.EqualValues(t, 2, c.WritePkg)
	assert.EqualValues(t, n, c.WritePkgMax)
	drain(t, b, 3)

	// Continued, it is one.
	n, err = a.Send(make([]byte, 16<<20), 0, esock.NoWait(mb))
	sel = selected(t, err)
	drain(t, b, n)
	message(t, mb)
	m, err = a.Send([]byte("xyz"), 0, esock.NoWait(mb).Continue(sel))
	require.NoError(t, err)
	require.Equal(t, 3, m)
	c = a.Counters()
	assert.EqualValues(t, 3, c.WritePkg)
	assert.GreaterOrEqual(t, c.WritePkgMax, uint64(n+3))
}

// What has arrived is delivered after shutdown(read); then comes the end, and no wait.
func TestMessagesBeforeShutdownAreDelivered(t *testing.T) {
	for _, typ := range []esock.Type{esock.Dgram, esock.SeqPacket} {
		t.Run(typ.String(), func(t *testing.T) {
			a, b := pair(t, typ)
			send(t, a, "one")
			send(t, a, "two")
			require.NoError(t, b.Shutdown(esock.ShutRead))
			buf := make([]byte, 8)
			for _, want := range []string{"one", "two"} {
				n, err := b.Recv(buf, 0, esock.Within(patience))
				require.NoError(t, err)
				assert.Equal(t, want, string(buf[:n]))
			}
			for _, w := range kinds(esock.NewMailbox()) {
				done := start(func() (int, error) { return b.Recv(buf, 0, w) })
				assert.Equal(t, ioEOF, result(t, done).err)
			}
		})
	}
}

// {otp, select_read} is about asynchronous calls only.
func TestSelectReadLeavesBlockingCallsAlone(t *testing.T) {
	a, b := pair(t, esock.Stream)
	require.NoError(t, sockopt.Set(b, "otp", "select_read", true))
	for _, w := range []esock.Wait{esock.Within(0), esock.Forever, esock.Within(patience)} {
		send(t, a, "x")
		n, err := b.Recv(make([]byte, 1), 0, w)
		assert.Equal(t, outcome{1, nil}, outcome{n, err})
	}
	assert.NotContains(t, b.Info().RStates, "selected")
}

// A sendfile that the kernel was not asked for yet, because it was queued, may be replaced by another of the same requester;
// afterwards it may only be continued.
func TestSendFileThatHasNotBegunMayBeReplaced(t *testing.T) {
	a, b := pair(t, esock.Stream)
	holder, mb := esock.NewMailbox(), esock.NewMailbox()
	full := fillForFiles(t, a)
	_, err := a.Send([]byte("x"), 0, esock.NoWait(holder))
	held := selected(t, err)
	_, err = a.SendFile(fileOf(t, 10), 0, esock.ToEnd, esock.NoWait(mb))
	first := selected(t, err)
	require.NoError(t, a.Cancel(held)) // now the sendfile has the lane
	_, err = a.SendFile(fileOf(t, 20), 0, esock.ToEnd, esock.NoWait(mb))
	second := selected(t, err)
	assert.Equal(t, abortOf(first, esock.ErrCancelled), message(t, mb))
	_, err = a.SendFile(fileOf(t, 30), 0, esock.ToEnd, esock.NoWait(mb))
	assert.ErrorIs(t, err, esock.ErrState)
	drain(t, b, full)
	assert.Equal(t, selectOf(second), message(t, mb))
	n, err := a.SendFile(nil, 0, esock.ToEnd, esock.NoWait(mb).Continue(second))
	require.NoError(t, err)
	assert.EqualValues(t, 20, n)
	drain(t, b, 20)
}
