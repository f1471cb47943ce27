package sctp

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// A peer that gets a chunk which it does not know reports it, if the chunk's type says so. The test sends one in the
// name of the client.
func TestAnErrorThatThePeerReports(t *testing.T) {
	wire, err := esock.Open(esock.Inet, esock.Raw, esock.SCTP)
	if err != nil {
		open(t, esock.SeqPacket)
		t.Skip("no raw socket: ", err)
	}
	closes(t, wire)
	require.NoError(t, wire.Bind(local(1, 0)))
	client, server, cid, _ := oneToMany(t, func(client, server *esock.Socket) {
		require.NoError(t, client.Bind(local(1, 0)))
		require.NoError(t, Subscribe(client, AllAssoc, EventRemoteError))
	})
	from, err := client.SockName()
	require.NoError(t, err)
	to, err := server.SockName()
	require.NoError(t, err)

	// The packets of the client have the tag that the server gave the association, but for INIT.
	var tag uint32
	for buf := make([]byte, 4096); tag == 0; {
		n, err := wire.Recv(buf, 0, patient)
		require.NoError(t, err)
		packet := buf[int(buf[0]&15)*4 : n]
		if binary.BigEndian.Uint16(packet) == uint16(from.Port()) && binary.BigEndian.Uint16(packet[2:]) == uint16(to.Port()) {
			tag = binary.BigEndian.Uint32(packet[4:])
		}
	}
	packet := binary.BigEndian.AppendUint16(nil, uint16(from.Port()))
	packet = binary.BigEndian.AppendUint16(packet, uint16(to.Port()))
	packet = binary.BigEndian.AppendUint32(packet, tag)
	packet = append(packet, 0, 0, 0, 0)                // the sum
	packet = append(packet, 0xfe, 0, 0, 8, 1, 2, 3, 4) // 11 at the top of the type: skip it, and report it
	binary.LittleEndian.PutUint32(packet[8:], crc32.Checksum(packet, crc32.MakeTable(crc32.Castagnoli)))
	_, err = wire.SendTo(packet, local(1, 0), 0, patient)
	require.NoError(t, err)
	const unrecognizedChunk = 6
	n := next[RemoteError](t, client)
	assert.EqualValues(t, unrecognizedChunk, n.Error)
	assert.Equal(t, cid, n.AssocID)
	assert.Contains(t, string(n.Data), "\xfe\x00\x00\x08\x01\x02\x03\x04")
}

// The rest of a message that comes in parts does not come when its sender aborts.
func TestAPartialDeliveryEnds(t *testing.T) {
	var server *esock.Socket
	client, server := oneToOne(t, func(client, l *esock.Socket) {
		require.NoError(t, sockopt.SocketSndBuf.Set(client, 1<<20))
		require.NoError(t, sockopt.SocketRcvBuf.Set(l, 16_000))
		require.NoError(t, sockopt.SCTPPartialDeliveryPoint.Set(l, 2000))
	})
	require.NoError(t, sockopt.SCTPPartialDeliveryPoint.Set(server, 2000))
	require.NoError(t, Subscribe(server, AllAssoc, EventPartialDelivery))
	sends(t, client, strings.Repeat("x", 200_000), esock.SCTPSndInfo{SID: 3})
	m := &esock.Msg{Buf: make([]byte, 1000)}
	require.Nil(t, receive(t, server, m))
	require.Zero(t, m.Flags&esock.MsgEOR)
	require.NoError(t, sockopt.SocketLinger.Set(client, sockopt.Linger{On: true}))
	require.NoError(t, client.Close())
	for {
		n, err := RecvV(server, m, patient)
		require.NoError(t, err)
		if n != nil {
			record(n.Event().String(), m.Data())
			assert.Equal(t, PartialDelivery{AssocID: n.Assoc(), Stream: n.(PartialDelivery).Stream, Seq: n.(PartialDelivery).Seq}, n)
			return
		}
	}
}
