package sctp

import (
	"embed"
	"testing"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/zerocall"
)

//go:embed *.go
var source embed.FS

// Nothing panics that is called with zero values, and on nil pointers.
func TestZeroValuesAreHarmless(t *testing.T) {
	zerocall.Package{
		Source: source,
		Types: []any{Event(0), (*Notification)(nil), AssocState(0), AssocChange{}, AddrState(0), PeerAddrChange{}, SendFailed{},
			SendFailedEvent{}, RemoteError{}, Shutdown{}, PartialDelivery{}, Adaptation{}, AuthIndication(0), Authentication{},
			SenderDry{}, StreamReset{}, AssocReset{}, StreamChange{}, (*Info)(nil), PrPolicy(0), PrInfo{}, AuthInfo{}, DstAddr{},
			Direction(0)},
		Values: map[string]any{"MsgNotification": MsgNotification, "an Event": EventAdaptation, "a state": AddrState(-1)},
		Funcs: map[string]any{"Abort": Abort, "AddStreams": AddStreams, "BindX": BindX, "ConnectX": ConnectX, "Decode": Decode,
			"EOF": EOF, "NxtInfo": NxtInfo, "PeelOff": PeelOff, "PeerNames": PeerNames, "RcvInfo": RcvInfo, "RecvV": RecvV,
			"ResetAssoc": ResetAssoc, "ResetStreams": ResetStreams, "SendV": SendV, "SockNames": SockNames, "Subscribe": Subscribe,
			"UnbindX": UnbindX, "Unsubscribe": Unsubscribe},
		Args: map[string]map[int]any{"BindX": {1: esock.Addr{}}},
	}.Run(t)
}
