package sctp

import (
	"io"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

func TestMessagesHaveStreamsAndProtocols(t *testing.T) {
	client, server := oneToOne(t, func(client, server *esock.Socket) {
		require.NoError(t, sockopt.SCTPRecvRcvInfo.Set(server, true))
		require.NoError(t, sockopt.SCTPRecvNxtInfo.Set(server, true))
		require.NoError(t, sockopt.SCTPNoDelay.Set(client, true))
	})
	require.NoError(t, sockopt.SCTPRecvRcvInfo.Set(server, true))
	require.NoError(t, sockopt.SCTPRecvNxtInfo.Set(server, true))
	require.NoError(t, Subscribe(client, AllAssoc, EventSenderDry))
	next[SenderDry](t, client)
	sends(t, client, "first", esock.SCTPSndInfo{SID: 3, PPID: 17})
	sends(t, client, "second", esock.SCTPSndInfo{SID: 4, PPID: 18, Flags: FlagUnordered})
	next[SenderDry](t, client) // both are there

	m := message(t, server)
	info, ok := RcvInfo(m)
	require.True(t, ok)
	assert.Equal(t, "first", string(m.Data()))
	assert.NotZero(t, m.Flags&esock.MsgEOR)
	assert.Equal(t, esock.SCTPRcvInfo{SID: 3, PPID: 17, TSN: info.TSN, CumTSN: info.CumTSN, AssocID: info.AssocID}, info)
	then, ok := NxtInfo(m)
	require.True(t, ok)
	assert.Equal(t, esock.SCTPNxtInfo{SID: 4, PPID: 18, Flags: FlagUnordered, Length: 6, AssocID: info.AssocID}, then)
	m = message(t, server)
	info, _ = RcvInfo(m)
	assert.Equal(t, "second", string(m.Data()))
	assert.Equal(t, FlagUnordered, info.Flags)
	_, ok = NxtInfo(m)
	assert.False(t, ok)
}

// The older form of RcvInfo.
func TestMessagesHaveTheOldInformation(t *testing.T) {
	client, server, cid, _ := oneToMany(t, func(client, server *esock.Socket) {
		require.NoError(t, Subscribe(server, AllAssoc, EventDataIO))
	})
	sends(t, client, "x", esock.SCTPSndRcv{Stream: 2, PPID: 16, AssocID: cid})
	for c := range message(t, server).Control() {
		info, ok := c.SCTPSndRcv()
		require.True(t, ok)
		assert.EqualValues(t, 2, info.Stream)
		assert.EqualValues(t, 16, info.PPID)
		assert.NotZero(t, info.TSN)
		return
	}
	require.Fail(t, "there is no control message")
}

func TestAMessageOfSeveralBuffersComesInParts(t *testing.T) {
	client, server := oneToOne(t, nil)
	n, err := SendV(client, [][]byte{[]byte("one "), []byte("message")}, nil, patient)
	require.NoError(t, err)
	assert.Equal(t, 11, n)
	m := &esock.Msg{Buf: make([]byte, 6)}
	require.Nil(t, receive(t, server, m))
	assert.Equal(t, "one me", string(m.Data()))
	assert.Zero(t, m.Flags&esock.MsgEOR)
	require.Nil(t, receive(t, server, m))
	assert.Equal(t, "ssage", string(m.Data()))
	assert.NotZero(t, m.Flags&esock.MsgEOR)
}

// A message to several addresses begins an association with a peer that has all of them.
func TestAMessageBeginsAnAssociation(t *testing.T) {
	server, at := listener(t, esock.SeqPacket)
	require.NoError(t, BindX(server, local(2, 0), local(3, 0)))
	require.NoError(t, sockopt.SCTPRecvRcvInfo.Set(server, true))
	require.NoError(t, server.Listen(1))
	client := open(t, esock.SeqPacket)
	require.NoError(t, Subscribe(client, AllAssoc, EventAssocChange))
	to := []esock.Addr{at, local(2, 0), local(3, at.Port())}
	_, err := SendV(client, [][]byte{[]byte("hello")}, to, patient, esock.SCTPInit{NumOStreams: 7, MaxInStreams: 9},
		esock.SCTPSndInfo{SID: 6})
	require.NoError(t, err)
	m := message(t, server)
	assert.Equal(t, "hello", string(m.Data()))
	info, _ := RcvInfo(m)
	assert.EqualValues(t, 6, info.SID)
	up := next[AssocChange](t, client)
	assert.EqualValues(t, 7, up.OutboundStreams)
	assert.EqualValues(t, 9, up.InboundStreams)
	peers, err := PeerNames(client, up.AssocID)
	require.NoError(t, err)
	assert.Equal(t, sorted([]esock.Addr{at, local(2, at.Port()), local(3, at.Port())}), sorted(peers))

	many := esock.Inet4Addr(netip.AddrFrom4([4]byte{224, 0, 0, 1}), 0)
	_, err = SendV(open(t, esock.SeqPacket), [][]byte{[]byte("x")}, []esock.Addr{at, many}, patient)
	assert.ErrorIs(t, err, syscall.EINVAL, "the kernel sees each address")
	_, err = SendV(client, nil, []esock.Addr{at, local(2, at.Port()+1)}, patient)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"})
	_, err = SendV(client, nil, []esock.Addr{at, esock.UnixAddr("/x")}, patient)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"})
	_, err = SendV(client, nil, nil, patient, nil)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "msg"})
}

func TestAnAssociationEndsGracefully(t *testing.T) {
	client, server, cid, sid := oneToMany(t, func(client, server *esock.Socket) {
		require.NoError(t, Subscribe(server, AllAssoc, EventShutdown))
	})
	sends(t, client, "last", esock.SCTPSndInfo{AssocID: cid})
	require.NoError(t, EOF(client, cid, patient))
	assert.Equal(t, "last", string(message(t, server).Data()))
	assert.Equal(t, Shutdown{AssocID: sid}, next[Shutdown](t, server))
	assert.Equal(t, ShutdownComp, next[AssocChange](t, server).State)
	end := next[AssocChange](t, client)
	assert.Equal(t, ShutdownComp, end.State)
	assert.Equal(t, cid, end.AssocID)
	assert.Error(t, EOF(client, cid, patient), "there is no such association any more")

	one, other := oneToOne(t, func(client, _ *esock.Socket) {
		require.NoError(t, Subscribe(client, AllAssoc, EventAssocChange))
	})
	sends(t, one, "last")
	require.NoError(t, EOF(one, 0, patient))
	assert.Equal(t, "last", string(message(t, other).Data()))
	var m esock.Msg
	_, err := RecvV(other, &m, patient)
	assert.ErrorIs(t, err, io.EOF)
	assert.Equal(t, CommUp, next[AssocChange](t, one).State)
	assert.Equal(t, ShutdownComp, next[AssocChange](t, one).State, "this side gets no io.EOF")
}

func TestAnAssociationIsAborted(t *testing.T) {
	client, server, cid, sid := oneToMany(t, nil)
	require.NoError(t, Abort(client, cid, []byte("because"), patient))
	lost := next[AssocChange](t, server)
	assert.Equal(t, CommLost, lost.State)
	assert.EqualValues(t, 12, lost.Error, "the user aborted")
	assert.Equal(t, sid, lost.AssocID)
	assert.Contains(t, string(lost.Info), "because")
	assert.Equal(t, CommLost, next[AssocChange](t, client).State)

	one, _ := oneToOne(t, nil)
	assert.ErrorIs(t, Abort(one, 0, nil, patient), syscall.EINVAL)
}

// stuffing is one message of stuffed.
var stuffing = strings.Repeat("x", 20)

// stuffed sends to a peer that does not read until no more fits, so that messages are left unsent.
func stuffed(t *testing.T, s *esock.Socket, infos ...Info) {
	t.Helper()
	data := [][]byte{[]byte(stuffing)}
	for range 1_000_000 {
		if _, err := SendV(s, data, nil, esock.Within(0), infos...); err != nil {
			require.ErrorIs(t, err, esock.ErrTimeout)
			return
		}
	}
	require.Fail(t, "the peer takes everything")
}

func TestUndeliveredMessagesComeBack(t *testing.T) {
	client, _, cid, _ := oneToMany(t, func(client, server *esock.Socket) {
		require.NoError(t, Subscribe(client, AllAssoc, EventSendFailed, EventSendFailedEvent))
	})
	info := esock.SCTPSndInfo{AssocID: cid, SID: 1, PPID: 5, Context: 77}
	stuffed(t, client, info)
	require.NoError(t, Abort(client, cid, nil, patient))
	var sent, unsent, old bool
	for !sent || !unsent || !old {
		var m esock.Msg
		switch n := receive(t, client, &m).(type) {
		case SendFailed:
			assert.Equal(t, cid, n.AssocID)
			assert.EqualValues(t, 12, n.Error, "the user aborted")
			assert.EqualValues(t, 77, n.Info.Context)
			assert.EqualValues(t, 1, n.Info.Stream)
			assert.EqualValues(t, 5, n.Info.PPID)
			assert.Equal(t, stuffing, string(n.Data))
			old = true
		case SendFailedEvent:
			assert.Equal(t, cid, n.AssocID)
			assert.EqualValues(t, 12, n.Error, "the user aborted")
			assert.EqualValues(t, 77, n.Info.Context)
			assert.EqualValues(t, 1, n.Info.SID)
			assert.EqualValues(t, 5, n.Info.PPID)
			assert.Equal(t, stuffing, string(n.Data))
			sent, unsent = sent || n.Sent, unsent || !n.Sent
		}
	}
}

// A notification that is longer than the buffer comes whole.
func TestALongNotificationInAShortBuffer(t *testing.T) {
	client, _, cid, _ := oneToMany(t, func(client, server *esock.Socket) {
		require.NoError(t, Subscribe(client, AllAssoc, EventSendFailedEvent))
	})
	stuffed(t, client, esock.SCTPSndInfo{AssocID: cid})
	require.NoError(t, Abort(client, cid, nil, patient))
	for {
		m := &esock.Msg{Buf: make([]byte, 16)}
		n, err := RecvV(client, m, patient)
		require.NoError(t, err)
		if failed, ok := n.(SendFailedEvent); ok {
			assert.Equal(t, stuffing, string(failed.Data))
			return
		}
	}
}

// A message whose time is over before the peer has room for it is given up.
func TestPartialReliabilityGivesUp(t *testing.T) {
	client, _, cid, _ := oneToMany(t, func(client, server *esock.Socket) {
		require.NoError(t, Subscribe(client, AllAssoc, EventSendFailedEvent))
		require.NoError(t, sockopt.SocketRcvBuf.Set(server, 20_000))
	})
	info, brief := esock.SCTPSndInfo{AssocID: cid, Context: 1}, PrInfo{Policy: PrTTL, Value: 1}
	var m esock.Msg
	testwait.Until(t, "a message that was given up", func() bool {
		for range 100 { // the peer reads nothing
			if _, err := SendV(client, [][]byte{[]byte(stuffing)}, nil, esock.Within(0), info, brief); err != nil {
				require.ErrorIs(t, err, esock.ErrTimeout)
			}
		}
		n, err := RecvV(client, &m, esock.Within(0))
		if err == esock.ErrTimeout {
			return false
		}
		require.NoError(t, err)
		failed, ok := n.(SendFailedEvent)
		require.True(t, ok, "%+v", n)
		assert.Equal(t, info, esock.SCTPSndInfo{AssocID: failed.Info.AssocID, Context: failed.Info.Context})
		assert.Equal(t, stuffing, string(failed.Data))
		return true
	})
}
