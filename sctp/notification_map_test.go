package sctp

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

func TestNotificationsAreMaps(t *testing.T) {
	info := map[string]any{"sid": 1, "flags": 2, "ppid": 3, "context": 4, "assoc_id": 5}
	sndrcv := map[string]any{"stream": 1, "ssn": 2, "flags": 3, "ppid": 4, "context": 5, "timetolive": 6, "tsn": 7, "cumtsn": 8,
		"assoc_id": 9}
	addr := esock.Inet4Addr(netip.MustParseAddr("10.1.2.3"), 80)
	for _, c := range []struct {
		n    Notification
		want map[string]any
	}{
		{AssocChange{State: CommLost, Error: 12, OutboundStreams: 3, InboundStreams: 4, AssocID: 5, Info: []byte{6}},
			map[string]any{"event": "assoc_change", "assoc_id": 5, "state": "comm_lost", "error": 12, "outbound_streams": 3,
				"inbound_streams": 4, "info": []byte{6}}},
		{PeerAddrChange{Addr: addr, State: AddrConfirmed, Error: 1, AssocID: 2},
			map[string]any{"event": "peer_addr_change", "assoc_id": 2, "addr": addr.Map(), "state": "addr_confirmed", "error": 1}},
		{SendFailed{Sent: true, Error: 1, AssocID: 2, Data: []byte("x"), Info: esock.SCTPSndRcv{Stream: 1, SSN: 2, Flags: 3, PPID: 4,
			Context: 5, TimeToLive: 6, TSN: 7, CumTSN: 8, AssocID: 9}},
			map[string]any{"event": "send_failed", "assoc_id": 2, "sent": true, "error": 1, "info": sndrcv, "data": []byte("x")}},
		{SendFailedEvent{Error: 1, AssocID: 2, Data: []byte("x"), Info: esock.SCTPSndInfo{SID: 1, Flags: 2, PPID: 3, Context: 4,
			AssocID: 5}},
			map[string]any{"event": "send_failed_event", "assoc_id": 2, "sent": false, "error": 1, "info": info, "data": []byte("x")}},
		{RemoteError{Error: 3, AssocID: 4, Data: []byte{1}},
			map[string]any{"event": "remote_error", "assoc_id": 4, "error": 3, "data": []byte{1}}},
		{Shutdown{7}, map[string]any{"event": "shutdown", "assoc_id": 7}},
		{PartialDelivery{Indication: 1, AssocID: 2, Stream: 3, Seq: 4},
			map[string]any{"event": "partial_delivery", "assoc_id": 2, "indication": 1, "stream": 3, "seq": 4}},
		{Adaptation{Indication: 9, AssocID: -1}, map[string]any{"event": "adaptation", "assoc_id": -1, "indication": 9}},
		{Authentication{KeyNumber: 1, AltKeyNumber: 2, Indication: AuthFreeKey, AssocID: 3},
			map[string]any{"event": "authentication", "assoc_id": 3, "key_number": 1, "alt_key_number": 2,
				"indication": "auth_free_key"}},
		{SenderDry{7}, map[string]any{"event": "sender_dry", "assoc_id": 7}},
		{StreamReset{Incoming: true, Denied: true, AssocID: 1, Streams: []uint16{4, 5}},
			map[string]any{"event": "stream_reset", "assoc_id": 1, "incoming": true, "outgoing": false, "denied": true,
				"failed": false, "streams": []int{4, 5}}},
		{AssocReset{Failed: true, AssocID: 1, LocalTSN: 1<<31 - 1, RemoteTSN: 3},
			map[string]any{"event": "assoc_reset", "assoc_id": 1, "denied": false, "failed": true, "local_tsn": 1<<31 - 1,
				"remote_tsn": 3}},
		{StreamChange{Denied: true, AssocID: 1, InboundStreams: 2, OutboundStreams: 3},
			map[string]any{"event": "stream_change", "assoc_id": 1, "denied": true, "failed": false, "inbound_streams": 2,
				"outbound_streams": 3}},
	} {
		assert.Equal(t, c.want, c.n.Map(), "%v", c.n)
		_, err := json.Marshal(c.n.Map())
		assert.NoError(t, err)
	}
}

// Every field of every kind has a key.
func TestNotificationsAsMapsLackNothing(t *testing.T) {
	for _, k := range kinds {
		if k.decode == nil {
			continue
		}
		n := k.decode(make(body, k.size))
		m, fields := n.Map(), reflect.TypeOf(n)
		assert.Len(t, m, fields.NumField()+1, "%T", n)
		for i := range fields.NumField() {
			name := strings.ToLower(fields.Field(i).Name)
			found := false
			for key := range m {
				found = found || strings.ReplaceAll(key, "_", "") == name
			}
			assert.True(t, found, "%T has no key for %s", n, fields.Field(i).Name)
		}
		assert.Equal(t, n.Event().String(), m["event"])
	}
}

// What a map has is a copy.
func TestNotificationMapsAreCopies(t *testing.T) {
	n := RemoteError{Data: []byte("data")}
	got, ok := n.Map()["data"].([]byte)
	require.True(t, ok)
	got[0] = 'x'
	assert.Equal(t, "data", string(n.Data))
}
