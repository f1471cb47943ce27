package sctp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

const chunkData = 0

// authenticated has an association whose DATA chunks are authenticated with key 1, which both sides have; 2 is there,
// too.
func authenticated(t *testing.T) (client, server *esock.Socket, cid, sid int32) {
	return oneToMany(t, func(client, server *esock.Socket) {
		for _, s := range []*esock.Socket{client, server} {
			require.NoError(t, sockopt.SCTPAuthSupported.Set(s, sockopt.SCTPAssocValue{Value: 1}))
			require.NoError(t, sockopt.SCTPAuthChunk.Set(s, sockopt.SCTPAuthChunkValue{Chunk: chunkData}))
			for n := range uint16(2) {
				key := sockopt.SCTPAuthKeyValue{KeyNumber: n + 1, Key: []byte("a key of the test")}
				require.NoError(t, sockopt.SCTPAuthKey.Set(s, key))
			}
			require.NoError(t, sockopt.SCTPAuthActiveKey.Set(s, sockopt.SCTPAuthKeyID{KeyNumber: 1}))
			require.NoError(t, Subscribe(s, AllAssoc, EventAuthentication))
		}
	})
}

func TestMessagesAreAuthenticated(t *testing.T) {
	client, server, cid, sid := authenticated(t)
	for _, key := range []uint16{1, 2} {
		sends(t, client, "signed", esock.SCTPSndInfo{AssocID: cid}, AuthInfo{KeyNumber: key})
		assert.Equal(t, "signed", string(message(t, server).Data()))
	}
	_, err := SendV(client, [][]byte{{1}}, nil, patient, esock.SCTPSndInfo{AssocID: cid}, AuthInfo{KeyNumber: 77})
	assert.Error(t, err, "there is no such key")
	chunks, err := sockopt.SCTPPeerAuthChunks.Ask(server, sockopt.SCTPAuthChunks{AssocID: sid})
	require.NoError(t, err)
	assert.Contains(t, chunks.Chunks, byte(chunkData))
}

// A message that is signed with another key than the active one says so; a deactivated key says when it is free.
func TestKeysChange(t *testing.T) {
	client, server, cid, sid := authenticated(t)
	sends(t, client, "signed", esock.SCTPSndInfo{AssocID: cid}, AuthInfo{KeyNumber: 2})
	assert.Equal(t, Authentication{KeyNumber: 2, Indication: AuthNewKey, AssocID: sid}, next[Authentication](t, server))
	require.NoError(t, sockopt.SCTPAuthActiveKey.Set(client, sockopt.SCTPAuthKeyID{AssocID: cid, KeyNumber: 2}))
	require.NoError(t, sockopt.SCTPAuthDeactivateKey.Set(client, sockopt.SCTPAuthKeyID{AssocID: cid, KeyNumber: 1}))
	assert.Equal(t, Authentication{KeyNumber: 1, Indication: AuthFreeKey, AssocID: cid}, next[Authentication](t, client))
	require.NoError(t, sockopt.SCTPAuthDeleteKey.Set(client, sockopt.SCTPAuthKeyID{AssocID: cid, KeyNumber: 1}))
}

func TestAPeerWithoutAuthenticationIsSaid(t *testing.T) {
	client, _, cid, _ := oneToMany(t, func(client, server *esock.Socket) {
		require.NoError(t, sockopt.SCTPAuthSupported.Set(client, sockopt.SCTPAssocValue{Value: 1}))
		require.NoError(t, Subscribe(client, AllAssoc, EventAuthentication))
	})
	assert.Equal(t, Authentication{Indication: AuthNoAuth, AssocID: cid}, next[Authentication](t, client))
}
