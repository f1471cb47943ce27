package tests

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

func TestDeath_Owner(t *testing.T) { eachForm(t, ownerDies) }

func ownerDies(t *testing.T, f form) {
	sameDescriptors(t)
	owner, m1, m2, watcher := esock.NewMailbox(), esock.NewMailbox(), esock.NewMailbox(), esock.NewMailbox()
	_, b := pair(t, esock.Stream)
	require.NoError(t, b.ControllingProcess(nil, owner))
	a, _ := pair(t, esock.Stream, esock.Owner(owner))
	require.Equal(t, owner, a.Owner())
	mon, err := b.Monitor(watcher)
	require.NoError(t, err)
	fill(t, b)
	s1, s2 := f.recv(t, b, m1), f.recv(t, b, m2)
	w1 := f.send(t, b, m1)
	reading := recvStart(t, b, make([]byte, 1), esock.Forever, 3)
	writing := sendStart(t, b, []byte("x"), esock.Forever, 2)
	own := f.recv(t, a, owner)
	require.NoError(t, owner.Close())
	require.NoError(t, owner.Close(), "again does nothing")
	assert.Equal(t, abortOf(s1, errClosed), message(t, m1))
	assert.Equal(t, abortOf(w1, errClosed), message(t, m1))
	assert.Equal(t, abortOf(s2, errClosed), message(t, m2))
	assert.ErrorIs(t, result(t, reading).err, errClosed)
	assert.ErrorIs(t, result(t, writing).err, errClosed)
	down, ok := message(t, watcher).(esock.DownMsg)
	require.True(t, ok)
	assert.Equal(t, b, down.Socket())
	assert.Equal(t, b, mon.Socket())
	for _, s := range []*esock.Socket{a, b} {
		assert.ErrorIs(t, s.Close(), errClosed)
		assert.Nil(t, s.Owner())
		assert.Subset(t, s.Info().RStates, []string{"closing", "closed"})
	}
	assert.Zero(t, owner.Len())
	assert.ErrorIs(t, a.Cancel(own), errClosed)
	_, err = owner.Receive(context.Background())
	assert.ErrorIs(t, err, errClosed)
	c, _ := pair(t, esock.Stream)
	_, err = c.Recv(make([]byte, 1), 0, f.wait(owner))
	assert.ErrorIs(t, err, &esock.InvalidError{What: "mailbox"}, "a dead requester")
	assert.Zero(t, c.Info().NumReaders)
}

func TestDeath_NewOwnerIsDeadAlready(t *testing.T) {
	a, b := pair(t, esock.Stream)
	dead := esock.NewMailbox()
	dead.Close()
	alive := esock.NewMailbox()
	assert.ErrorIs(t, a.ControllingProcess(alive, dead), &esock.InvalidError{What: "not_owner"})
	require.NoError(t, a.ControllingProcess(nil, dead))
	_, err := b.Recv(make([]byte, 1), 0, esock.Within(patience))
	assert.Equal(t, ioEOF, err)
	assert.ErrorIs(t, a.Close(), errClosed)
}

func TestDeath_FormerOwnerDoesNotMatter(t *testing.T) {
	old, young := esock.NewMailbox(), esock.NewMailbox()
	a, b := pair(t, esock.Stream, esock.Owner(old))
	require.NoError(t, a.ControllingProcess(old, young))
	require.NoError(t, b.ControllingProcess(old, nil))
	old.Close()
	echoes(t, a, b)
	young.Close()
	_, err := b.Recv(make([]byte, 1), 0, esock.Within(patience))
	assert.Equal(t, ioEOF, err)
}

// A socket that was never selected changes owner, and that owner dies: no descriptor is left.
func TestNewOwnerDies(t *testing.T) {
	sameDescriptors(t)
	first, second := esock.NewMailbox(), esock.NewMailbox()
	for range 10 {
		s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, esock.Owner(first))
		require.NoError(t, err)
		require.NoError(t, s.ControllingProcess(first, second))
	}
	second.Close()
}

func TestDeath_CurrentRequester(t *testing.T) {
	eachLane(t, func(t *testing.T, l laneCase) {
		for _, fired := range []bool{false, true} {
			m1, m2 := esock.NewMailbox(), esock.NewMailbox()
			l.async(t, m1)
			s2 := l.async(t, m2)
			if fired {
				l.tell(t, m1)
			}
			m1.Close()
			assert.Equal(t, 1, l.count(), "silently removed")
			l.tell(t, m2)
			require.NoError(t, l.end(t, s2, m2, l.call), "the next is armed")
			for l.call(esock.NoWait(m2)) == nil { // also what else came
			}
			m2.Close()
			assert.Zero(t, l.count())
			if l.name == "write" {
				fill(t, l.s)
			}
		}
	})
}

func TestDeath_QueuedRequester(t *testing.T) {
	eachLane(t, func(t *testing.T, l laneCase) {
		m1, m2, m3 := esock.NewMailbox(), esock.NewMailbox(), esock.NewMailbox()
		l.async(t, m1)
		l.async(t, m2)
		s3 := l.async(t, m3)
		m2.Close()
		assert.Equal(t, 2, l.count())
		m1.Close()
		l.tell(t, m3)
		l.done(t, s3, m3)
	})
}

func TestDeath_Connector(t *testing.T) { eachForm(t, connectorDies) }

func connectorDies(t *testing.T, f form) {
	s, mb := open(t, esock.Inet, esock.Stream, esock.TCP), esock.NewMailbox()
	f.pending(t, s.Connect(pendingAddr(t), f.wait(mb)))
	require.Contains(t, s.Info().WStates, "connecting")
	mb.Close()
	assert.NotContains(t, s.Info().WStates, "connecting")
	assert.ErrorIs(t, s.FinishConnect(esock.Forever), esock.ErrState)
}

func TestDeath_WriterDuringSendFile(t *testing.T) {
	a, b := pair(t, esock.Stream)
	f, m1, m2 := fileOf(t, 1<<20), esock.NewMailbox(), esock.NewMailbox()
	n, _ := sendFileSelect(t, a, f, m1)
	s2 := sendSelect(t, a, m2)
	before := len(descriptors())
	m1.Close()
	assert.Len(t, descriptors(), before-1, "the file is closed")
	drain(t, b, int(n))
	assert.Equal(t, selectOf(s2), message(t, m2))
	sent, err := a.SendFile(f, 0, 10, esock.NoWait(m2))
	require.NoError(t, err)
	assert.EqualValues(t, 10, sent)
}

func TestDeath_RequesterOfManySockets(t *testing.T) {
	mb := esock.NewMailbox()
	var socks []*esock.Socket
	for range 20 {
		a, b := pair(t, esock.Stream)
		recvSelect(t, a, mb)
		recvSelect(t, b, mb)
		socks = append(socks, a, b)
	}
	mb.Close()
	for i := 0; i < len(socks); i += 2 {
		assert.Zero(t, socks[i].Info().NumReaders)
		echoes(t, socks[i], socks[i+1])
	}
}
