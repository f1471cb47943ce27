package gentcp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/sockopt"
)

// everybody is an address that TCP cannot connect to.
var everybody = netip.MustParseAddr("255.255.255.255")

// hosts is a resolver that gives every host these addresses.
func hosts(t testing.TB, ips ...netip.Addr) {
	t.Helper()
	UseResolver(t, func(context.Context, string, string) ([]netip.Addr, error) { return ips, nil })
}

// blackHole is a listener whose queue is full: connecting to it does not end.
func blackHole(t testing.TB, ip netip.Addr, port int) *Socket {
	t.Helper()
	l := opened(t)(Listen(nil, port, IP(ip), Backlog(0)))
	connectTo(t, nil, l)
	comes(t, "a full queue", func() bool {
		info, err := sockopt.TCPInfo.Get(l.Socket())
		require.NoError(t, err)
		return info.Unacked > info.Sacked // more than the backlog: Linux drops every SYN
	})
	return l
}

// assertNobodyCame checks that a listener was left alone.
func assertNobodyCame(t testing.TB, l *Socket) {
	t.Helper()
	s, err := l.Accept(nil, esock.Within(0))
	assertReason(t, "timeout", s, err)
}

// connecting waits until a socket of the owner's is connecting.
func connecting(t testing.TB, mb *esock.Mailbox) {
	t.Helper()
	comes(t, "a connect under way", func() bool {
		socks, err := esock.WhichSockets(esock.OwnedBy(mb))
		return err == nil && slices.ContainsFunc(socks, func(s *esock.Socket) bool {
			return slices.Contains(s.Info().WStates, "connecting")
		})
	})
}

func TestConnect_Owner(t *testing.T) {
	mb := owner(t)
	l := listenWith(t, nil)
	client := connectTo(t, mb, l)
	server := acceptFrom(t, l, nil)
	assert.Equal(t, mb, client.Owner())
	assert.Equal(t, mb, client.Socket().Owner())
	assert.Equal(t, true, valueOf(t, client, "active"))
	require.NoError(t, server.Send([]byte("hello")))
	assert.Equal(t, "hello", string(nextMessage(t, mb).(TCPMsg).Data()))
	mb.Close()
	assert.False(t, client.Open(), "it dies with its owner")
	_, err := server.Recv(0, soon)
	assert.ErrorIs(t, err, ErrClosed)

	nobodys := connectTo(t, nil, l)
	assert.Nil(t, nobodys.Owner())
	assert.Equal(t, false, valueOf(t, nobodys, "active"))
}

// What could never be right is badarg, for every way to make a socket, and there is no socket.
func TestCreation_BadArguments(t *testing.T) {
	l := listenWith(t, nil)
	gone := esock.NewMailbox()
	gone.Close()
	before := esock.NumberOf()
	var err error
	var s *Socket
	for _, w := range []esock.Wait{esock.Within(-1), esock.NoWait(owner(t)), esock.Context(nil),
		esock.With(owner(t).NewHandle())} {
		s, err = Connect(nil, "127.0.0.1", portOf(t, l), w)
		assertReason(t, "badarg", s, err)
		assert.ErrorContains(t, err, "timeout")
		s, err = ConnectAddr(nil, nameOf(t, l), w)
		assertReason(t, "badarg", s, err)
		s, err = l.Accept(nil, w)
		assertReason(t, "badarg", s, err)
		assert.ErrorContains(t, err, "timeout")
	}
	for name, f := range map[string]func() (*Socket, error){
		"listen":       func() (*Socket, error) { return Listen(gone, 0) },
		"connect":      func() (*Socket, error) { return Connect(gone, "127.0.0.1", portOf(t, l), soon) },
		"connect addr": func() (*Socket, error) { return ConnectAddr(gone, nameOf(t, l), soon) },
		"fdopen":       func() (*Socket, error) { return FDOpen(gone, 1) },
		"accept":       func() (*Socket, error) { return l.Accept(gone, soon) },
	} {
		s, err = f()
		assertReason(t, "badarg", s, err, name)
		assert.ErrorContains(t, err, "mailbox is closed", name)
	}
	for _, port := range []int{-1, 65536} {
		s, err = Connect(nil, "127.0.0.1", port, soon)
		assertReason(t, "badarg", s, err)
		assert.ErrorContains(t, err, "port")
		s, err = Listen(nil, port)
		assertReason(t, "badarg", s, err)
		assert.ErrorContains(t, err, "port")
	}
	assert.Equal(t, before, esock.NumberOf())
}

func TestConnect_Refused(t *testing.T) {
	port := freePorts(t, 1)[0]
	before := esock.NumberOf()
	s, err := Connect(owner(t), "127.0.0.1", port, soon)
	assertReason(t, "econnrefused", s, err)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.ErrorContains(t, err, "connect")
	assert.Equal(t, before, esock.NumberOf())
}

func TestConnect_TheNextAddress(t *testing.T) {
	l := listenWith(t, nil)
	hosts(t, ipA, ipB, ip4, ipC)
	before := esock.NumberOf()
	s := opened(t)(Connect(nil, "host", portOf(t, l), soon))
	assert.Equal(t, before+1, esock.NumberOf(), "the sockets that failed are closed")
	peer, err := s.PeerName()
	require.NoError(t, err)
	assert.Equal(t, nameOf(t, l), peer)
	sent(t, s, acceptFrom(t, l, nil), "hello")
	assertNobodyCame(t, l)
}

// Each address has a socket of its own, with the options and the local address.
func TestConnect_EveryAttemptIsWhole(t *testing.T) {
	l := listenWith(t, nil)
	port := freePorts(t, 1)[0]
	hosts(t, ipA, ip4)
	s := opened(t)(Connect(nil, "host", portOf(t, l), soon, ReuseAddr(true), KeepIdle(7), IP(ipC), Port(port),
		Binary()))
	assert.Equal(t, at(ipC, port), nameOf(t, s))
	assert.Equal(t, 7, valueOf(t, s, "keepidle"))
	assert.Equal(t, ModeBinary, valueOf(t, s, "mode"))
	peer, err := acceptFrom(t, l, nil).PeerName()
	require.NoError(t, err)
	assert.Equal(t, at(ipC, port), peer)
}

func TestConnect_TheLastReasonCounts(t *testing.T) {
	port := freePorts(t, 1)[0]
	hosts(t, ipA, everybody)
	_, last := Connect(nil, "host", port, soon)
	hosts(t, everybody)
	_, alone := Connect(nil, "host", port, soon)
	require.Error(t, alone)
	assert.NotErrorIs(t, alone, syscall.ECONNREFUSED)
	assert.Equal(t, Reason(alone), Reason(last))
	hosts(t, everybody, ipA)
	_, err := Connect(nil, "host", port, soon)
	assert.Equal(t, "econnrefused", Reason(err))
	hosts(t)
	_, err = Connect(nil, "host", port, soon)
	assert.Equal(t, "einval", Reason(err), "no addresses")
}

// timeout, einval and closed end it: other addresses are not tried.
func TestConnect_ReasonsThatEndIt(t *testing.T) {
	t.Run("timeout", func(t *testing.T) {
		l := listenWith(t, nil)
		blackHole(t, ipA, portOf(t, l))
		hosts(t, ipA, ip4)
		for _, w := range []esock.Wait{esock.Within(20 * time.Millisecond), esock.Within(0),
			esock.Until(time.Now().Add(20 * time.Millisecond)), esock.Until(time.Now().Add(-time.Second))} {
			s, err := Connect(nil, "host", portOf(t, l), w)
			assertReason(t, "timeout", s, err)
			assert.ErrorIs(t, err, esock.ErrTimeout)
			assert.EqualError(t, err, fmt.Sprintf("gentcp: connect to host:%d (%v:%[1]d): esock: timeout", portOf(t, l), ipA))
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			assertNobodyCame(t, l)
		}
	})
	t.Run("einval", func(t *testing.T) {
		l := listenWith(t, nil, Inet6())
		hosts(t, netip.MustParseAddr("fe80::1"), ip6) // link-local without a scope
		s, err := Connect(nil, "host", portOf(t, l), soon, Inet6())
		assertReason(t, "einval", s, err)
		assertNobodyCame(t, l)
	})
	t.Run("closed", func(t *testing.T) {
		l := listenWith(t, nil)
		blackHole(t, ipA, portOf(t, l))
		hosts(t, ipA, ip4)
		mb := owner(t)
		done := inBackground(func() (*Socket, error) { return Connect(mb, "host", portOf(t, l), esock.Forever) })
		connecting(t, mb)
		mb.Close()
		r := outcomeOf(t, done)
		assertReason(t, "closed", r.s, r.err, "the owner's end")
		assert.ErrorIs(t, r.err, net.ErrClosed)
		assertNobodyCame(t, l)
	})
}

// One time is for looking the host up and for all addresses.
func TestConnect_OneBudget(t *testing.T) {
	l := listenWith(t, nil)
	blackHole(t, ipA, portOf(t, l))
	t.Run("the resolver gets it", func(t *testing.T) {
		var deadline time.Time
		var has bool
		UseResolver(t, func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			deadline, has = ctx.Deadline()
			return []netip.Addr{ip4}, nil
		})
		atLatest := time.Now().Add(time.Hour)
		opened(t)(Connect(nil, "host", portOf(t, l), esock.Until(atLatest)))
		assert.True(t, has)
		assert.WithinDuration(t, atLatest, deadline, time.Minute)
		opened(t)(Connect(nil, "host", portOf(t, l), esock.Forever))
		assert.False(t, has)
	})
	t.Run("all of it", func(t *testing.T) {
		UseResolver(t, func(ctx context.Context, _, host string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}
		})
		for _, w := range []esock.Wait{esock.Within(5 * time.Millisecond), esock.Within(0)} {
			s, err := Connect(nil, "host", portOf(t, l), w)
			assertReason(t, "timeout", s, err)
			assert.ErrorIs(t, err, esock.ErrTimeout)
			assert.EqualError(t, err, fmt.Sprintf("gentcp: connect to host:%d: esock: timeout", portOf(t, l)))
		}
	})
	t.Run("nothing is left for the addresses", func(t *testing.T) {
		UseResolver(t, func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return []netip.Addr{ipA, ip4}, nil
		})
		for { // what other tests left in the queue
			s, err := l.Accept(nil, esock.Within(0))
			if err != nil {
				break
			}
			s.Close()
		}
		s, err := Connect(nil, "host", portOf(t, l), esock.Within(5*time.Millisecond))
		assertReason(t, "timeout", s, err)
		assertNobodyCame(t, l)
	})
	t.Run("a refusal leaves the rest to the next", func(t *testing.T) {
		hosts(t, ipB, ipA, ip4)
		s, err := Connect(nil, "host", portOf(t, l), esock.Within(20*time.Millisecond))
		assertReason(t, "timeout", s, err)
		assertNobodyCame(t, l)
	})
}

func TestConnect_Context(t *testing.T) {
	l := listenWith(t, nil)
	hole := blackHole(t, ipA, 0)
	t.Run("ends while the host is looked up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		UseResolver(t, func(ctx context.Context, _, host string) ([]netip.Addr, error) {
			cancel()
			<-ctx.Done()
			return nil, &net.DNSError{Err: "operation was canceled", Name: host}
		})
		s, err := Connect(nil, "host", portOf(t, l), esock.Context(ctx))
		assert.Nil(t, s)
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorContains(t, err, fmt.Sprintf("connect to host:%d: ", portOf(t, l)))
	})
	t.Run("ends while it connects", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		hosts(t, ipA, ip4)
		mb := owner(t)
		done := inBackground(func() (*Socket, error) { return Connect(mb, "host", portOf(t, hole), esock.Context(ctx)) })
		connecting(t, mb)
		cancel()
		r := outcomeOf(t, done)
		assert.Nil(t, r.s)
		assert.ErrorIs(t, r.err, context.Canceled)
		assert.ErrorContains(t, r.err, ipA.String())
		owned, err := esock.WhichSockets(esock.OwnedBy(mb))
		require.NoError(t, err)
		assert.Empty(t, owned)
	})
	t.Run("has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s, err := ConnectAddr(nil, nameOf(t, hole), esock.Context(ctx))
		assert.Nil(t, s)
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorContains(t, err, nameOf(t, hole).String())
	})
	t.Run("has a deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		s, err := ConnectAddr(nil, nameOf(t, hole), esock.Context(ctx))
		assertReason(t, "timeout", s, err)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, nameOf(t, hole).String())
	})
	t.Run("lasts", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		opened(t)(ConnectAddr(nil, nameOf(t, l), esock.Context(ctx)))
	})
}

// A name is looked up in one family only.
func TestConnect_LooksUpOneFamily(t *testing.T) {
	var asked []string
	UseResolver(t, func(_ context.Context, network, host string) ([]netip.Addr, error) {
		asked = append(asked, network+" "+host)
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	})
	for _, opts := range [][]Option{nil, {Inet6()}, {IP(ip6)}, {Inet()}, {IPAny()}} {
		s, err := Connect(nil, "some.host", 1, soon, opts...)
		assertReason(t, "nxdomain", s, err)
		assert.ErrorIs(t, err, ErrNXDomain)
	}
	assert.Equal(t, []string{"ip4 some.host", "ip6 some.host", "ip6 some.host", "ip4 some.host", "ip4 some.host"}, asked)
}

func TestConnect_WithoutAHost(t *testing.T) {
	_, err := Connect(nil, "", 1, soon)
	assert.ErrorIs(t, err, ErrNXDomain)
	assert.EqualError(t, err, "gentcp: connect to :1: no such host: its name is empty")
}

func TestConnect_ResolverErrors(t *testing.T) {
	broken := &net.DNSError{Err: "server misbehaving", Name: "host", IsTemporary: true}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host", IsNotFound: true}, "nxdomain"},
		{&net.AddrError{Err: "no suitable address found", Addr: "host"}, "nxdomain"},
		{broken, "gentcp: connect to host:1: " + broken.Error()},
		{syscall.EMFILE, "emfile"},
	} {
		UseResolver(t, func(context.Context, string, string) ([]netip.Addr, error) { return nil, c.err })
		s, err := Connect(nil, "host", 1, soon)
		assertReason(t, c.want, s, err)
	}
	UseResolver(t, func(context.Context, string, string) ([]netip.Addr, error) { return nil, broken })
	_, err := Connect(nil, "host", 1, soon)
	var dns *net.DNSError
	assert.True(t, errors.As(err, &dns))
}

// What the resolver gives is used in the socket's family.
func TestConnect_ResolvedAddresses(t *testing.T) {
	machine.NeedMapped(t)
	l := listenWith(t, nil)
	hosts(t, netip.MustParseAddr("::ffff:127.0.0.1"))
	assert.Equal(t, "127.0.0.1", peerIP(t, opened(t)(Connect(nil, "host", portOf(t, l), soon))))
	hosts(t, ip4)
	assert.Equal(t, "::ffff:127.0.0.1", peerIP(t, opened(t)(Connect(nil, "host", portOf(t, l), soon, Inet6()))))
	six := listenWith(t, nil, Inet6())
	hosts(t, ip6.WithZone("lo"))
	assert.Equal(t, "::1", peerIP(t, opened(t)(Connect(nil, "host", portOf(t, six), soon, Inet6()))))
}

func peerIP(t testing.TB, s *Socket) string {
	t.Helper()
	a, err := s.PeerName()
	require.NoError(t, err)
	return a.IP().String()
}

// Without a local address nothing is bound before: the kernel chooses the port for the destination.
func TestConnect_BindsOnlyWhenAsked(t *testing.T) {
	l := listenWith(t, nil)
	inUse := connectTo(t, nil, l)
	s, err := ConnectAddr(nil, nameOf(t, l), soon, Port(portOf(t, inUse)))
	assertReason(t, "eaddrinuse", s, err)
	if machine.RefusesForeign() {
		s, err = ConnectAddr(nil, nameOf(t, l), soon, IP(netip.MustParseAddr("192.0.2.1")))
		assertReason(t, "eaddrnotavail", s, err)
	}
	// A range of one port, which is taken for other destinations: only a socket that is not bound before gets it.
	port := portOf(t, inUse)
	const localPortRange = 51 // IP_LOCAL_PORT_RANGE, Linux 6.3
	other := listenWith(t, nil)
	s, err = ConnectAddr(nil, nameOf(t, other), soon, Raw(ipLevel, localPortRange, cInt(uint32(port)<<16|uint32(port))))
	if Reason(err) == "enoprotoopt" {
		t.Skip("the kernel has no IP_LOCAL_PORT_RANGE")
	}
	assert.Equal(t, port, portOf(t, made(t, s, err)))
}

// The kernel's own patience is another error than ours.
func TestConnect_TheSystemGivesUp(t *testing.T) {
	hole := blackHole(t, ipA, 0)
	s, err := ConnectAddr(nil, nameOf(t, hole), esock.Forever, Raw(tcpLevel, syscall.TCP_SYNCNT, cInt(1)),
		UserTimeout(time.Millisecond))
	assertReason(t, "etimedout", s, err)
	assert.NotErrorIs(t, err, esock.ErrTimeout)
	assert.ErrorIs(t, err, syscall.ETIMEDOUT)
}

func TestService(t *testing.T) {
	for name, want := range map[string]int{"http": 80, "https": 443, "80": 80} {
		port, err := Service(name)
		require.NoError(t, err)
		assert.Equal(t, want, port)
	}
	for _, name := range []string{"", "no-such-service", "-1", "65536"} {
		_, err := Service(name)
		assert.Equal(t, "einval", Reason(err), name)
		assert.ErrorContains(t, err, "service")
	}
}
