package sctp

import (
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

var reconfigEvents = []Event{EventStreamReset, EventAssocReset, EventStreamChange}

// reconfigurable has an association whose sides may do what is in the masks.
func reconfigurable(t *testing.T, clientMay, serverMay uint32) (client, server *esock.Socket, cid, sid int32) {
	return oneToMany(t, func(client, server *esock.Socket) {
		for s, may := range map[*esock.Socket]uint32{client: clientMay, server: serverMay} {
			require.NoError(t, sockopt.SCTPReconfigSupported.Set(s, sockopt.SCTPAssocValue{Value: 1}))
			require.NoError(t, sockopt.SCTPEnableStreamReset.Set(s, sockopt.SCTPAssocValue{Value: may}))
			require.NoError(t, Subscribe(s, AllAssoc, reconfigEvents...))
		}
	})
}

const mayAll = EnableResetStreams | EnableResetAssoc | EnableChangeAssoc

func TestStreamsAreReset(t *testing.T) {
	client, server, cid, sid := reconfigurable(t, mayAll, mayAll)
	require.NoError(t, sockopt.SCTPRecvRcvInfo.Set(server, true))
	number := func() uint16 {
		t.Helper()
		sends(t, client, "x", esock.SCTPSndInfo{AssocID: cid, SID: 2})
		info, ok := RcvInfo(message(t, server))
		require.True(t, ok)
		return info.SSN
	}
	assert.EqualValues(t, 0, number())
	assert.EqualValues(t, 1, number())
	// Until the peer has acknowledged what was sent, the kernel says EAGAIN.
	require.NoError(t, Subscribe(client, AllAssoc, EventSenderDry))
	next[SenderDry](t, client)
	require.NoError(t, ResetStreams(client, cid, Outgoing, 2, 3))
	reset := next[StreamReset](t, client)
	slices.Sort(reset.Streams)
	assert.Equal(t, StreamReset{Outgoing: true, AssocID: cid, Streams: []uint16{2, 3}}, reset)
	reset = next[StreamReset](t, server)
	slices.Sort(reset.Streams)
	assert.Equal(t, StreamReset{Incoming: true, AssocID: sid, Streams: []uint16{2, 3}}, reset)
	assert.EqualValues(t, 0, number())

	require.NoError(t, ResetStreams(server, sid, Incoming))
	for _, s := range []*esock.Socket{client, server} {
		reset = next[StreamReset](t, s)
		assert.Equal(t, StreamReset{Incoming: s == server, Outgoing: s == client, AssocID: reset.AssocID}, reset)
	}
}

func TestStreamsAreAdded(t *testing.T) {
	client, server, cid, sid := reconfigurable(t, mayAll, mayAll)
	require.NoError(t, AddStreams(client, cid, 0, 5))
	assert.Equal(t, StreamChange{AssocID: cid, OutboundStreams: 5}, next[StreamChange](t, client))
	assert.Equal(t, StreamChange{AssocID: sid, InboundStreams: 5}, next[StreamChange](t, server))
	status, err := sockopt.SCTPStatus.Ask(client, sockopt.SCTPStatusValue{AssocID: cid})
	require.NoError(t, err)
	assert.EqualValues(t, 15, status.OutStrms)
	sends(t, client, "on a new stream", esock.SCTPSndInfo{AssocID: cid, SID: 14})
	assert.Equal(t, "on a new stream", string(message(t, server).Data()))
}

func TestAnAssociationIsReset(t *testing.T) {
	client, server, cid, sid := reconfigurable(t, mayAll, mayAll)
	require.NoError(t, ResetAssoc(client, cid))
	here, there := next[AssocReset](t, client), next[AssocReset](t, server)
	assert.Equal(t, AssocReset{AssocID: cid, LocalTSN: here.LocalTSN, RemoteTSN: here.RemoteTSN}, here)
	assert.Equal(t, AssocReset{AssocID: sid, LocalTSN: here.RemoteTSN, RemoteTSN: here.LocalTSN}, there)
	assert.NotZero(t, here.LocalTSN)
}

// What the peer does not allow, it denies; what is not allowed here is refused at once.
func TestAResetIsDenied(t *testing.T) {
	client, server, cid, sid := reconfigurable(t, mayAll, 0)
	require.NoError(t, ResetStreams(client, cid, Outgoing, 1))
	assert.Equal(t, StreamReset{Outgoing: true, Denied: true, AssocID: cid, Streams: []uint16{1}}, next[StreamReset](t, client))
	require.NoError(t, AddStreams(client, cid, 0, 1))
	assert.Equal(t, StreamChange{Denied: true, AssocID: cid, OutboundStreams: 1}, next[StreamChange](t, client))
	require.NoError(t, ResetAssoc(client, cid))
	denied := next[AssocReset](t, client)
	assert.True(t, denied.Denied)
	for _, err := range []error{ResetStreams(server, sid, Outgoing), AddStreams(server, sid, 1, 1), ResetAssoc(server, sid)} {
		assert.ErrorIs(t, err, syscall.ENOPROTOOPT)
	}
}
