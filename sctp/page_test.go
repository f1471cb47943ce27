package sctp

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/sourcetree"
	"github.com/esock-go/esock/sockopt"
)

// The programs of docs/sctp.md are pieces of this file, so that they compile, and run where there is SCTP.

func exampleServer(at ...esock.Addr) (*esock.Socket, error) {
	s, err := esock.Open(esock.Inet, esock.SeqPacket, esock.SCTP)
	if err != nil {
		return nil, err
	}
	if err := sockopt.SCTPRecvRcvInfo.Set(s, true); err != nil {
		return s, err
	}
	if err := Subscribe(s, AllAssoc, EventAssocChange, EventPeerAddrChange); err != nil {
		return s, err
	}
	if err := BindX(s, at...); err != nil { // all of them are the association's
		return s, err
	}
	return s, s.Listen(128)
}

func exampleLoop(s *esock.Socket) error {
	var m esock.Msg
	for {
		event, err := RecvV(s, &m, esock.Forever)
		if err != nil {
			return err
		}
		switch e := event.(type) {
		case nil: // a message
			info, _ := RcvInfo(&m)
			answer := esock.SCTPSndInfo{SID: info.SID, PPID: info.PPID, AssocID: info.AssocID}
			if _, err := SendV(s, [][]byte{m.Data()}, nil, esock.Forever, answer); err != nil {
				return err
			}
		case AssocChange:
			fmt.Println("association", e.AssocID, e.State) // comm_up, comm_lost, …
		case PeerAddrChange:
			fmt.Println("address", e.Addr, e.State) // addr_unreachable: another one is used
		}
	}
}

func exampleClient(addrs []esock.Addr) error {
	s, err := esock.Open(esock.Inet, esock.Stream, esock.SCTP)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := ConnectX(s, esock.Forever, addrs...); err != nil {
		return err
	}
	urgent := PrInfo{Policy: PrTTL, Value: 100} // given up after 100 ms
	_, err = SendV(s, [][]byte{[]byte("hello")}, nil, esock.Forever, esock.SCTPSndInfo{SID: 1, Flags: FlagUnordered}, urgent)
	if err != nil {
		return err
	}
	var m esock.Msg
	if _, err := RecvV(s, &m, esock.Forever); err != nil {
		return err
	}
	fmt.Printf("%s\n", m.Data())
	return EOF(s, 0, esock.Forever)
}

func exampleStreams(s *esock.Socket, id int32) error {
	if err := ResetStreams(s, id, Outgoing, 1); err != nil { // stream 1 counts from 0 again
		return err
	}
	for {
		var m esock.Msg
		event, err := RecvV(s, &m, esock.Forever)
		if err != nil {
			return err
		}
		if e, ok := event.(StreamReset); ok {
			fmt.Println("denied:", e.Denied, "failed:", e.Failed)
			return nil
		}
	}
}

func TestTheProgramsOfThePageRun(t *testing.T) {
	open(t, esock.Stream)
	s, err := exampleServer(local(1, 0))
	require.NoError(t, err)
	closes(t, s)
	at, err := s.SockName()
	require.NoError(t, err)
	require.NoError(t, BindX(s, local(2, 0)))
	ended := make(chan error, 1)
	go func() { ended <- exampleLoop(s) }()
	require.NoError(t, exampleClient([]esock.Addr{at, local(2, at.Port())}))
	require.NoError(t, s.Close())
	require.Error(t, <-ended)

	client, _, cid, _ := reconfigurable(t, mayAll, mayAll)
	require.NoError(t, exampleStreams(client, cid))
}

// Each block of Go on the page is in this file, without the package's name.
func TestThePageHasProgramsThatCompile(t *testing.T) {
	sourcetree.Need(t)
	page, err := os.ReadFile("../docs/sctp.md")
	require.NoError(t, err)
	here, err := os.ReadFile("page_test.go")
	require.NoError(t, err)
	plain := func(code string) string {
		return strings.Join(strings.Fields(strings.ReplaceAll(code, "sctp.", "")), " ")
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		code, _, ok := strings.Cut(block, "```")
		require.True(t, ok)
		assert.Contains(t, plain(string(here)), plain(code))
	}
}
