package sctp

import (
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// sorted is the addresses by their text.
func sorted(addrs []esock.Addr) (text []string) {
	for _, a := range addrs {
		text = append(text, a.String())
	}
	slices.Sort(text)
	return text
}

func TestAnAssociationHasAllAddressesOfBothSides(t *testing.T) {
	for _, typ := range []esock.Type{esock.Stream, esock.SeqPacket} {
		t.Run(typ.String(), func(t *testing.T) {
			server, at := listener(t, typ)
			port := at.Port()
			require.NoError(t, BindX(server, local(2, port), local(3, 0)))
			require.NoError(t, UnbindX(server, local(2, 0)))
			require.NoError(t, server.Listen(1))
			client := open(t, typ)
			require.NoError(t, BindX(client, local(4, 0)))
			require.NoError(t, BindX(client, local(5, 0)))
			require.NoError(t, Subscribe(client, AllAssoc, EventAssocChange))
			require.NoError(t, Subscribe(server, AllAssoc, EventAssocChange))

			id, err := ConnectX(client, patient, local(1, port), local(3, port))
			require.NoError(t, err)
			up := next[AssocChange](t, client)
			require.Equal(t, CommUp, up.State)
			assert.Equal(t, id, up.AssocID)
			peers, err := PeerNames(client, id)
			require.NoError(t, err)
			assert.Equal(t, sorted([]esock.Addr{local(1, port), local(3, port)}), sorted(peers))
			own, err := SockNames(client, id)
			require.NoError(t, err)
			require.Len(t, own, 2)
			assert.Equal(t, sorted([]esock.Addr{local(4, own[0].Port()), local(5, own[0].Port())}), sorted(own))

			if typ == esock.Stream {
				server, err = server.Accept(patient)
				require.NoError(t, err)
				closes(t, server)
			}
			up = next[AssocChange](t, server)
			peers, err = PeerNames(server, up.AssocID)
			require.NoError(t, err)
			assert.Equal(t, sorted(own), sorted(peers))
		})
	}
}

// A list that is longer than the room of the first question comes whole.
func TestManyAddresses(t *testing.T) {
	s, at := listener(t, esock.SeqPacket)
	want := []esock.Addr{at}
	for n := range byte(99) {
		a := local(2+n, at.Port())
		require.NoError(t, BindX(s, a))
		want = append(want, a)
	}
	names, err := SockNames(s, 0)
	require.NoError(t, err)
	assert.Equal(t, sorted(want), sorted(names))
}

func TestAddressesOfBothFamilies(t *testing.T) {
	s, err := esock.Open(esock.Inet6, esock.SeqPacket, esock.SCTP)
	if err != nil {
		open(t, esock.SeqPacket) // says why there is no SCTP
		t.Skip("no SCTP over IPv6: ", err)
	}
	closes(t, s)
	six := esock.Inet6Addr(netip.IPv6Loopback(), 0, 0)
	require.NoError(t, BindX(s, six))
	at, err := s.SockName()
	require.NoError(t, err)
	require.NoError(t, BindX(s, local(1, at.Port())))
	names, err := SockNames(s, 0)
	require.NoError(t, err)
	mapped := esock.Inet6Addr(netip.MustParseAddr("::ffff:127.0.0.1"), uint16(at.Port()), 0)
	assert.Equal(t, sorted([]esock.Addr{at, mapped}), sorted(names))
	require.NoError(t, sockopt.SCTPIWantMappedV4Addr.Set(s, false))
	names, err = SockNames(s, 0)
	require.NoError(t, err)
	assert.Equal(t, sorted([]esock.Addr{at, local(1, at.Port())}), sorted(names))
}

// Where both sides can, an association learns of addresses that come and go.
func TestAnAssociationLearnsOfAddresses(t *testing.T) {
	client, server, cid, sid := oneToMany(t, func(client, server *esock.Socket) {
		for _, s := range []*esock.Socket{client, server} {
			require.NoError(t, sockopt.SCTPAuthSupported.Set(s, value(0, 1)))
			require.NoError(t, sockopt.SCTPASCONFSupported.Set(s, value(0, 1)))
			require.NoError(t, Subscribe(s, AllAssoc, EventPeerAddrChange))
		}
		require.NoError(t, client.Bind(local(1, 0)))
	})
	at, err := client.SockName()
	require.NoError(t, err)
	more := local(9, at.Port())
	hears := func(state AddrState) {
		t.Helper()
		for n := next[PeerAddrChange](t, server); n.State != state || n.Addr != more || n.AssocID != sid; {
			n = next[PeerAddrChange](t, server)
		}
	}
	require.NoError(t, BindX(client, more))
	hears(AddrAdded)
	names, err := SockNames(client, cid)
	require.NoError(t, err)
	assert.Equal(t, sorted([]esock.Addr{at, more}), sorted(names))
	require.NoError(t, UnbindX(client, more))
	hears(AddrRemoved)
	names, err = PeerNames(server, sid)
	require.NoError(t, err)
	assert.Equal(t, []esock.Addr{at}, names)
}

func TestNoAddressesAreRefused(t *testing.T) {
	s, at := listener(t, esock.SeqPacket)
	zone := esock.Inet6Addr(netip.MustParseAddr("fe80::1"), 1, 0).WithZone("eth0")
	for _, bad := range [][]esock.Addr{nil, {{}}, {esock.UnixAddr("/x")}, {zone}, {at, esock.Inet4Addr(netip.IPv6Loopback(), 1)}} {
		_, err := ConnectX(s, patient, bad...)
		for _, err := range []error{err, BindX(s, bad...), UnbindX(s, bad...)} {
			assert.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"}, "%v", bad)
		}
	}
	assert.ErrorIs(t, UnbindX(s, at), syscall.EBUSY, "one address stays")
	_, err := PeerNames(s, 4711)
	assert.ErrorIs(t, err, syscall.EINVAL)
	_, err = SockNames(s, 4711)
	assert.ErrorIs(t, err, syscall.EINVAL)
	_, err = PeelOff(s, 4711)
	assert.ErrorIs(t, err, syscall.EINVAL)
}

func TestAConnectToNobodyIsRefused(t *testing.T) {
	_, at := listener(t, esock.Stream) // bound, and does not listen
	client := open(t, esock.Stream)
	_, err := ConnectX(client, patient, at)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)

	many := open(t, esock.SeqPacket)
	require.NoError(t, Subscribe(many, AllAssoc, EventAssocChange))
	id, err := ConnectX(many, esock.Forever, at)
	require.NoError(t, err)
	assert.NotZero(t, id)
	assert.Equal(t, CantStrAssoc, next[AssocChange](t, many).State)
}

func TestAConnectIsSelectedAndFinished(t *testing.T) {
	l, at := listener(t, esock.Stream)
	require.NoError(t, l.Listen(1))
	client, mb := open(t, esock.Stream), esock.NewMailbox()
	defer mb.Close()
	id, err := ConnectX(client, esock.NoWait(mb), at)
	if sel, ok := err.(*esock.Select); ok {
		assert.NotZero(t, id)
		msg, err := mb.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, esock.SelectMsg{Handle: sel.Handle()}, msg)
		require.NoError(t, client.FinishConnect(esock.NoWait(mb)))
	} else {
		require.NoError(t, err)
	}
	sends(t, client, "x")
	_, err = ConnectX(client, patient, at)
	assert.ErrorIs(t, err, syscall.EISCONN)
}

func TestAnAssociationIsPeeledOff(t *testing.T) {
	client, server, cid, sid := oneToMany(t, nil)
	peeled, err := PeelOff(server, sid)
	require.NoError(t, err)
	closes(t, peeled)
	for _, cmd := range []struct{ get, flag int }{{syscall.F_GETFD, syscall.FD_CLOEXEC}, {syscall.F_GETFL, syscall.O_NONBLOCK}} {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(peeled.FD()), uintptr(cmd.get), 0)
		require.Zero(t, errno)
		assert.NotZero(t, int(flags)&cmd.flag)
	}
	sends(t, client, "to the new socket", esock.SCTPSndInfo{AssocID: cid})
	assert.Equal(t, "to the new socket", string(message(t, peeled).Data()))
	sends(t, peeled, "and back")
	assert.Equal(t, "and back", string(message(t, client).Data()))
	left, err := sockopt.SCTPGetAssocNumber.Get(server)
	require.NoError(t, err)
	assert.Zero(t, left)
	_, err = PeelOff(server, sid)
	assert.ErrorIs(t, err, syscall.EINVAL)

	one, _ := oneToOne(t, nil)
	_, err = PeelOff(one, 0)
	assert.ErrorIs(t, err, syscall.EINVAL)
}

func TestTheLastPartOfPeelOffMayFail(t *testing.T) {
	_, server, _, sid := oneToMany(t, nil)
	owner := esock.NewMailbox()
	owner.Close()
	_, err := PeelOff(server, sid, esock.Owner(owner))
	assert.ErrorIs(t, err, &esock.InvalidError{What: "owner"})
}
