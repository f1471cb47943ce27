package sctp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

var patient = esock.Within(testwait.Patience)

// local is an address of the loopback network: 127.0.0.n.
func local(n byte, port uint32) esock.Addr {
	return esock.Inet4Addr(netip.AddrFrom4([4]byte{127, 0, 0, n}), uint16(port))
}

// open opens an SCTP socket, and skips the test where the kernel has no SCTP.
func open(t *testing.T, typ esock.Type, opts ...esock.OpenOption) *esock.Socket {
	t.Helper()
	s, err := esock.Open(esock.Inet, typ, esock.SCTP, opts...)
	if errors.Is(err, syscall.EPROTONOSUPPORT) || errors.Is(err, syscall.ESOCKTNOSUPPORT) {
		t.Skip("the kernel has no SCTP: ", err)
	}
	require.NoError(t, err)
	closes(t, s)
	return s
}

// closes aborts what is left of a socket at the end of the test.
func closes(t *testing.T, s *esock.Socket) {
	t.Cleanup(func() {
		sockopt.SocketLinger.Set(s, sockopt.Linger{On: true})
		s.Close()
	})
}

// listener is a socket that listens at an address of the loopback network.
func listener(t *testing.T, typ esock.Type) (*esock.Socket, esock.Addr) {
	t.Helper()
	s := open(t, typ)
	require.NoError(t, s.Bind(local(1, 0)))
	at, err := s.SockName()
	require.NoError(t, err)
	return s, at
}

// oneToOne is two sockets with an association. before is called with both before it begins, and with the listener for
// the second.
func oneToOne(t *testing.T, before func(client, server *esock.Socket)) (client, server *esock.Socket) {
	t.Helper()
	l, at := listener(t, esock.Stream)
	client = open(t, esock.Stream)
	if before != nil {
		before(client, l)
	}
	require.NoError(t, l.Listen(1))
	require.NoError(t, client.Connect(at, patient))
	server, err := l.Accept(patient)
	require.NoError(t, err)
	closes(t, server)
	return client, server
}

// oneToMany is two one-to-many sockets with an association, and its number at each. Both have AssocChange subscribed.
func oneToMany(t *testing.T, before func(client, server *esock.Socket)) (client, server *esock.Socket, cid, sid int32) {
	t.Helper()
	server, at := listener(t, esock.SeqPacket)
	client = open(t, esock.SeqPacket)
	for _, s := range []*esock.Socket{client, server} {
		require.NoError(t, Subscribe(s, AllAssoc, EventAssocChange))
	}
	if before != nil {
		before(client, server)
	}
	require.NoError(t, server.Listen(1))
	cid, err := ConnectX(client, esock.Forever, at)
	require.NoError(t, err)
	up := next[AssocChange](t, client)
	require.Equal(t, CommUp, up.State)
	require.Equal(t, cid, up.AssocID)
	up = next[AssocChange](t, server)
	require.Equal(t, CommUp, up.State)
	return client, server, cid, up.AssocID
}

// receive receives a message or a notification. It records the bytes of notifications and control messages.
func receive(t *testing.T, s *esock.Socket, m *esock.Msg) Notification {
	t.Helper()
	n, err := RecvV(s, m, patient)
	require.NoError(t, err)
	switch {
	case n != nil:
		record(n.Event().String(), m.Data())
	case len(m.RawControl()) > 0:
		record("control", m.RawControl())
	}
	return n
}

// next receives until there is a notification of the type; messages and others are passed over.
func next[T Notification](t *testing.T, s *esock.Socket) T {
	t.Helper()
	for {
		var m esock.Msg
		if n, ok := receive(t, s, &m).(T); ok {
			return n
		}
	}
}

// message receives until there is a message; notifications are passed over.
func message(t *testing.T, s *esock.Socket) *esock.Msg {
	t.Helper()
	for {
		m := new(esock.Msg)
		if receive(t, s, m) == nil {
			return m
		}
	}
}

// sends sends one message.
func sends(t *testing.T, s *esock.Socket, data string, infos ...Info) {
	t.Helper()
	n, err := SendV(s, [][]byte{[]byte(data)}, nil, patient, infos...)
	require.NoError(t, err)
	require.Equal(t, len(data), n)
}

// record prints bytes of the kernel for a file of testdata, if ESOCK_SCTP_RECORD is set.
func record(what string, b []byte) {
	if os.Getenv("ESOCK_SCTP_RECORD") != "" && len(b) < 400 {
		fmt.Printf("RECORD %s %s\n", what, hex.EncodeToString(b))
	}
}
