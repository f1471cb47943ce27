package sctp

import (
	"bytes"

	"github.com/esock-go/esock/internal/plain"
)

// mapped is a notification as a map: its own keys, and those that all have.
func mapped(n Notification, own map[string]any) map[string]any {
	own["event"], own["assoc_id"] = n.Event().String(), int(n.Assoc())
	return own
}

// Map returns event, assoc_id, state, error, outbound_streams, inbound_streams and info.
func (n AssocChange) Map() map[string]any {
	return mapped(n, map[string]any{"state": n.State.String(), "error": int(n.Error), "outbound_streams": int(n.OutboundStreams),
		"inbound_streams": int(n.InboundStreams), "info": bytes.Clone(n.Info)})
}

// Map returns event, assoc_id, addr (as esock.Addr.Map has it), state and error.
func (n PeerAddrChange) Map() map[string]any {
	return mapped(n, map[string]any{"addr": n.Addr.Map(), "state": n.State.String(), "error": int(n.Error)})
}

// Map returns event, assoc_id, sent, error, info (the value of a control message sndrcv) and data.
func (n SendFailed) Map() map[string]any {
	return mapped(n, map[string]any{"sent": n.Sent, "error": int(n.Error), "info": n.Info.Control().Map()["value"],
		"data": bytes.Clone(n.Data)})
}

// Map returns event, assoc_id, sent, error, info (the value of a control message sndinfo) and data.
func (n SendFailedEvent) Map() map[string]any {
	return mapped(n, map[string]any{"sent": n.Sent, "error": int(n.Error), "info": n.Info.Control().Map()["value"],
		"data": bytes.Clone(n.Data)})
}

// Map returns event, assoc_id, error and data.
func (n RemoteError) Map() map[string]any {
	return mapped(n, map[string]any{"error": int(n.Error), "data": bytes.Clone(n.Data)})
}

// Map returns event and assoc_id.
func (n Shutdown) Map() map[string]any { return mapped(n, map[string]any{}) }

// Map returns event, assoc_id, indication, stream and seq.
func (n PartialDelivery) Map() map[string]any {
	return mapped(n, map[string]any{"indication": plain.Int(int64(n.Indication)), "stream": plain.Int(int64(n.Stream)),
		"seq": plain.Int(int64(n.Seq))})
}

// Map returns event, assoc_id and indication.
func (n Adaptation) Map() map[string]any {
	return mapped(n, map[string]any{"indication": plain.Int(int64(n.Indication))})
}

// Map returns event, assoc_id, key_number, alt_key_number and indication.
func (n Authentication) Map() map[string]any {
	return mapped(n, map[string]any{"key_number": int(n.KeyNumber), "alt_key_number": int(n.AltKeyNumber),
		"indication": n.Indication.String()})
}

// Map returns event and assoc_id.
func (n SenderDry) Map() map[string]any { return mapped(n, map[string]any{}) }

// Map returns event, assoc_id, incoming, outgoing, denied, failed and streams, a list of numbers that is empty for all.
func (n StreamReset) Map() map[string]any {
	streams := make([]int, len(n.Streams))
	for i, s := range n.Streams {
		streams[i] = int(s)
	}
	return mapped(n, map[string]any{"incoming": n.Incoming, "outgoing": n.Outgoing, "denied": n.Denied, "failed": n.Failed,
		"streams": streams})
}

// Map returns event, assoc_id, denied, failed, local_tsn and remote_tsn.
func (n AssocReset) Map() map[string]any {
	return mapped(n, map[string]any{"denied": n.Denied, "failed": n.Failed, "local_tsn": plain.Int(int64(n.LocalTSN)),
		"remote_tsn": plain.Int(int64(n.RemoteTSN))})
}

// Map returns event, assoc_id, denied, failed, inbound_streams and outbound_streams.
func (n StreamChange) Map() map[string]any {
	return mapped(n, map[string]any{"denied": n.Denied, "failed": n.Failed, "inbound_streams": int(n.InboundStreams),
		"outbound_streams": int(n.OutboundStreams)})
}
