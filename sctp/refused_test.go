package sctp

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// noSCTP is a socket of another protocol, which there is on every kernel.
func noSCTP(t *testing.T, domain esock.Domain, typ esock.Type, protocol esock.Protocol) *esock.Socket {
	t.Helper()
	s, err := esock.Open(domain, typ, protocol)
	require.NoError(t, err)
	closes(t, s)
	return s
}

// operations makes all calls of the package that need the kernel, by the name that their errors have.
func operations(s *esock.Socket) map[string]error {
	at := local(1, 9)
	var m esock.Msg
	failed := map[string]error{"sendmsg": Abort(s, 7, nil, esock.Within(0)), "setopt": ResetAssoc(s, 7)}
	_, failed["connectx"] = ConnectX(s, patient, at)
	_, failed["peeloff"] = PeelOff(s, 7)
	_, failed["peernames"] = PeerNames(s, 7)
	_, failed["socknames"] = SockNames(s, 7)
	failed["bindx"] = BindX(s, at)
	_, failed["recvmsg"] = RecvV(s, &m, esock.Within(0))
	return failed
}

func TestErrorsNameTheOperation(t *testing.T) {
	udp := noSCTP(t, esock.Inet, esock.Dgram, esock.UDP)
	for op, err := range operations(udp) {
		if op == "recvmsg" {
			assert.Equal(t, esock.ErrTimeout, err)
			continue
		}
		var e *esock.Error
		require.ErrorAs(t, err, &e, op)
		assert.Equal(t, op, e.Op)
		assert.Equal(t, udp, e.Socket, op)
	}
	require.NoError(t, udp.Close())
	for op, err := range operations(udp) {
		assert.ErrorIs(t, err, net.ErrClosed, op)
	}
	for op, err := range operations(nil) {
		assert.ErrorIs(t, err, net.ErrClosed, op)
	}
}

// What is no SCTP socket refuses, and is as it was.
func TestOtherSocketsRefuse(t *testing.T) {
	l := noSCTP(t, esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, l.Bind(local(1, 0)))
	require.NoError(t, l.Listen(1))
	at, err := l.SockName()
	require.NoError(t, err)
	for _, s := range []*esock.Socket{noSCTP(t, esock.Inet, esock.Stream, esock.TCP), noSCTP(t, esock.Local, esock.SeqPacket, 0)} {
		mb := esock.NewMailbox()
		for _, w := range []esock.Wait{patient, esock.Within(0), esock.NoWait(mb)} {
			id, err := ConnectX(s, w, at)
			assert.Error(t, err)
			assert.False(t, isSelect(err), "%v", err)
			assert.Zero(t, id)
		}
		mb.Close()
		for op, err := range operations(s) {
			assert.Error(t, err, op)
		}
	}
	s := noSCTP(t, esock.Inet, esock.Stream, esock.TCP)
	_, err = ConnectX(s, patient, at)
	require.Error(t, err)
	assert.NoError(t, s.Connect(at, patient))
}

func isSelect(err error) bool { _, ok := err.(*esock.Select); return ok }

// What is wrong in the arguments is said without the kernel.
func TestWrongArgumentsAreRefused(t *testing.T) {
	udp := noSCTP(t, esock.Inet, esock.Dgram, esock.UDP)
	for _, bad := range [][]esock.Addr{nil, {{}}, {esock.UnixAddr("/x")}, {local(1, 1), esock.UnixAddr("/x")}} {
		_, err := ConnectX(udp, patient, bad...)
		for op, err := range map[string]error{"connectx": err, "bindx": BindX(udp, bad...)} {
			assert.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"}, "%v", bad)
			assert.ErrorContains(t, err, "esock: "+op)
		}
	}
	for _, c := range []struct {
		to   []esock.Addr
		says string
	}{
		{[]esock.Addr{local(1, 1), local(2, 2)}, "the port differs"},
		{[]esock.Addr{local(1, 1), esock.UnixAddr("/x")}, "SCTP takes addresses"},
		{[]esock.Addr{local(1, 1), {}}, "SCTP takes addresses"},
	} {
		n, err := SendV(udp, [][]byte{{1}}, c.to, patient)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"})
		assert.ErrorContains(t, err, c.says)
		assert.ErrorContains(t, err, "esock: sendv")
		assert.Zero(t, n)
	}
}

// A nil pointer is no Info, whatever its type.
func TestANilInfoIsRefused(t *testing.T) {
	udp := noSCTP(t, esock.Inet, esock.Dgram, esock.UDP)
	for _, info := range []Info{nil, (*PrInfo)(nil), (*AuthInfo)(nil), (*DstAddr)(nil), (*esock.SCTPSndInfo)(nil),
		(*esock.SCTPSndRcv)(nil), (*esock.SCTPInit)(nil)} {
		n, err := SendV(udp, nil, nil, patient, PrInfo{}, &AuthInfo{}, info)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "msg"}, "%T", info)
		assert.ErrorContains(t, err, "info 3 is nil")
		assert.Zero(t, n)
	}
}
