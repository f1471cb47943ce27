package sctp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

func TestTheAdaptationOfThePeerIsSaid(t *testing.T) {
	client, _, cid, _ := oneToMany(t, func(client, server *esock.Socket) {
		require.NoError(t, Subscribe(client, AllAssoc, EventAdaptation))
		require.NoError(t, sockopt.SCTPAdaptionLayer.Set(server, sockopt.SCTPSetAdaptation{AdaptationInd: 99}))
	})
	assert.Equal(t, Adaptation{Indication: 99, AssocID: cid}, next[Adaptation](t, client))
}

func TestUnsubscribedEventsDoNotCome(t *testing.T) {
	client, server, cid, _ := oneToMany(t, func(client, server *esock.Socket) {
		require.NoError(t, Subscribe(client, AllAssoc, EventShutdown))
		require.NoError(t, Unsubscribe(client, AllAssoc, EventShutdown))
	})
	require.NoError(t, EOF(server, assocs(t, server)[0], patient))
	var m esock.Msg
	end, ok := receive(t, client, &m).(AssocChange)
	require.True(t, ok, "the first notification is about the end")
	assert.Equal(t, ShutdownComp, end.State)
	assert.Equal(t, cid, end.Assoc())
	assert.Error(t, Subscribe(client, AllAssoc, EventSendFailedEvent+1))
}

// assocs is the numbers of a one-to-many socket's associations.
func assocs(t *testing.T, s *esock.Socket) (ids []int32) {
	t.Helper()
	list, err := sockopt.SCTPGetAssocIDList.Get(s)
	require.NoError(t, err)
	for _, id := range list.AssocIDs {
		ids = append(ids, int32(id))
	}
	return ids
}
