package gentcp_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// An error of a call that makes a socket says which host, address and port.
func TestErrorsSayTheAddress(t *testing.T) {
	l := listenWith(t, nil)
	inUse := connectTo(t, nil, l)
	taken := nameOf(t, inUse)
	port := int(taken.Port()) // nobody listens on it
	var e *gentcp.Error

	_, err := gentcp.Connect(nil, "127.0.0.1", port, soon)
	require.ErrorAs(t, err, &e)
	assert.Equal(t, fmt.Sprintf("127.0.0.1:%d", port), e.Host)
	assert.Equal(t, taken, e.Addr)
	assert.EqualError(t, err, fmt.Sprintf("gentcp: connect to 127.0.0.1:%d: connection refused", port))
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)

	gentcp.UseResolver(t, func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{ipA, netip.MustParseAddr("127.0.0.1")}, nil
	})
	_, err = gentcp.Connect(nil, "some.host", port, soon)
	assert.EqualError(t, err, fmt.Sprintf("gentcp: connect to some.host:%d (127.0.0.1:%[1]d): connection refused", port))
	_, err = gentcp.Connect(nil, "loopback", port, soon)
	assert.EqualError(t, err, fmt.Sprintf("gentcp: connect to loopback:%d (127.0.0.1:%[1]d): connection refused", port))
	_, err = gentcp.ConnectAddr(nil, taken, soon)
	assert.EqualError(t, err, fmt.Sprintf("gentcp: connect to 127.0.0.1:%d: connection refused", port))
	_, err = gentcp.Connect(nil, "::1", port, soon, gentcp.Inet())
	assert.EqualError(t, err, fmt.Sprintf("gentcp: connect to [::1]:%d: no such host: it has no inet address", port))
	_, err = gentcp.Connect(nil, "some.host", 70000, soon)
	assert.EqualError(t, err, "gentcp: connect to some.host:70000: invalid port 70000: it is not from 0 to 65535")
	assert.ErrorIs(t, err, gentcp.ErrBadArg)
	_, err = gentcp.Connect(nil, "some.host", 80, soon, gentcp.Header(-1))
	assert.EqualError(t, err, "gentcp: connect to some.host:80: invalid header -1: it takes a number from 0")
	gone := esock.UnixAddr("/nowhere/at/all")
	_, err = gentcp.ConnectAddr(nil, gone, soon)
	assert.EqualError(t, err, "gentcp: connect to /nowhere/at/all: no such file or directory")
	_, err = gentcp.ConnectAddr(nil, gone, soon, gentcp.Inet())
	assert.EqualError(t, err, "gentcp: connect to /nowhere/at/all: address family not supported by protocol")

	_, err = gentcp.Listen(nil, port, gentcp.IPLoopback())
	require.ErrorAs(t, err, &e)
	assert.Equal(t, taken, e.Addr)
	assert.EqualError(t, err, fmt.Sprintf("gentcp: listen on 127.0.0.1:%d: address already in use", port))
	assert.ErrorIs(t, err, syscall.EADDRINUSE)
	_, err = gentcp.Listen(nil, 0, gentcp.IfAddr(gone))
	assert.EqualError(t, err, "gentcp: listen on /nowhere/at/all: no such file or directory")
}

// What the core says of the cause is not lost.
func TestErrorsSayTheCause(t *testing.T) {
	s, _ := wired(t, nil)
	require.NoError(t, s.Shutdown(esock.ShutWrite))
	err := s.Send([]byte("x"))
	reasons(t, "closed", err)
	assert.EqualError(t, err, "gentcp: send on "+s.String()+": closed: Shutdown has ended writing")
	l := listenWith(t, nil)
	require.NoError(t, l.Shutdown(esock.ShutRead))
	_, err = l.Accept(nil, soon)
	reasons(t, "einval", err)
	assert.ErrorContains(t, err, "Shutdown has ended reading")
}

// What a connection can do and a listener cannot says that it is one.
func TestErrorsSayThatTheSocketIsAListener(t *testing.T) {
	l := listenWith(t, nil)
	errs := map[string]error{"send": l.Send([]byte("x")), "unrecv": l.Unrecv([]byte("x"))}
	_, errs["recv"] = l.Recv(0, soon)
	_, errs["peername"] = l.PeerName()
	_, errs["sendfile"] = gentcp.SendFile("errors_text_test.go", l)
	for op, err := range errs {
		assert.ErrorContains(t, err, "gentcp: "+op+" on "+l.String(), op)
		assert.Regexp(t, ": the socket (is a listener|listens): Accept returns its connections$", err.Error())
		if op == "send" || op == "sendfile" {
			reasons(t, "closed", err)
			assert.ErrorIs(t, err, syscall.EPIPE)
		} else {
			reasons(t, "enotconn", err)
		}
	}
}

// An option that the socket cannot have is named, and so is the family of a host that has no address in it.
func TestErrorsNameTheOptionAndTheFamily(t *testing.T) {
	local := gentcp.IfAddr(esock.UnixAddr("a"))
	for name, o := range map[string]gentcp.Option{
		"nodelay":                 gentcp.NoDelay(true),
		"protocol mptcp":          gentcp.Protocol(gentcp.ProtocolMPTCP),
		"user_timeout":            gentcp.UserTimeout(5e9),
		"option 9999 of level 99": gentcp.Raw(99, 9999, []byte{1, 0, 0, 0}),
	} {
		_, err := gentcp.Listen(nil, 0, o, local)
		assert.ErrorContains(t, err, name)
	}
	gentcp.UseResolver(t, func(context.Context, string, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{IsNotFound: true}
	})
	for family, o := range map[string]gentcp.Option{"inet": gentcp.Inet(), "inet6": gentcp.Inet6()} {
		_, err := gentcp.Connect(nil, "some.host", 1, soon, o)
		reasons(t, "nxdomain", err)
		assert.EqualError(t, err, "gentcp: connect to some.host:1: no such host: it has no "+family+" address")
	}
}

// A context may have another error each time that it is asked. It ends the connect, whatever its error is.
func TestConnectEndsWithItsContext(t *testing.T) {
	l := listenWith(t, nil)
	gentcp.UseResolver(t, func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{ipA, netip.MustParseAddr("127.0.0.1")}, nil
	})
	blackHole(t, ipA, portOf(t, l))
	ctx := newFickle()
	ctx.cancel()
	_, err := gentcp.Connect(nil, "some.host", portOf(t, l), esock.Context(ctx))
	var odd oddError
	require.ErrorAs(t, err, &odd)
	assert.ErrorContains(t, err, ipA.String(), "the first address")
}

// fickle is a context that, once it has ended, makes a new error each time that it is asked.
type fickle struct {
	context.Context
	cancel func()
	mu     sync.Mutex
	asked  int
}

type oddError struct{ n *int } // no two are equal

func (oddError) Error() string { return "odd" }

func newFickle() *fickle {
	ctx, cancel := context.WithCancel(context.Background())
	return &fickle{Context: ctx, cancel: cancel}
}

func (f *fickle) Err() error {
	if f.Context.Err() == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return oddError{new(int)}
}

// After such a context has ended a receive, the connection goes on.
func TestRecvGoesOnAfterAnOddContext(t *testing.T) {
	for name, recv := range map[string]func(s *gentcp.Socket, w esock.Wait) error{
		"Recv":     func(s *gentcp.Socket, w esock.Wait) error { _, err := s.Recv(0, w); return err },
		"RecvInto": func(s *gentcp.Socket, w esock.Wait) error { _, err := s.RecvInto(make([]byte, 9), 5, w); return err },
	} {
		t.Run(name, func(t *testing.T) {
			s, peer := wired(t, nil)
			ctx := newFickle()
			wait := background(t, func() {
				var odd oddError
				assert.ErrorAs(t, recv(s, esock.Context(ctx)), &odd)
			})
			comes(t, "a receiver", func() bool { return s.Socket().Info().NumReaders == 1 })
			ctx.cancel()
			wait()
			assert.True(t, s.Open())
			put(t, s, peer, "data")
			recvs(t, s, "data")
		})
	}
}

// The error of a receive says that the socket is active, and how.
func TestRecvSaysTheActiveMode(t *testing.T) {
	for _, mode := range []gentcp.Option{gentcp.Active(true), gentcp.ActiveOnce(), gentcp.ActiveN(7)} {
		s, _ := wired(t, owner(t), mode)
		_, err := s.Recv(0, soon)
		assert.ErrorIs(t, err, syscall.EINVAL)
		var errno syscall.Errno
		assert.ErrorAs(t, err, &errno)
		reasons(t, "einval", err)
		assert.ErrorContains(t, err, fmt.Sprintf("active is %v", mode.Value()))
	}
}

// The errors of options say what is wrong.
func TestErrorsOfOptions(t *testing.T) {
	s, _ := wired(t, nil)
	_, err := gentcp.Opt("packet", 3)
	assert.EqualError(t, err, "invalid packet 3: it takes a packet type: raw, 0, 1, 2, 4, asn1, sunrm, cdr, fcgi, line, tpkt, "+
		"http, httph, http_bin, httph_bin")
	for name, try := range map[string]func(o gentcp.Option) error{
		"listen":  func(o gentcp.Option) error { _, err := gentcp.Listen(nil, 0, o); return err },
		"connect": func(o gentcp.Option) error { _, err := gentcp.Connect(nil, "loopback", 1, soon, o); return err },
		"setopts": func(o gentcp.Option) error { return s.SetOpts(o) },
	} {
		err := try(gentcp.Option{})
		assert.ErrorIs(t, err, syscall.EINVAL, name)
		assert.Equal(t, name != "setopts", isBadArg(err), name)
		assert.True(t, strings.HasSuffix(err.Error(), ": invalid option: it has no name: a zero Option"), err)
	}
	_, err = gentcp.Opt("", 1)
	assert.EqualError(t, err, "invalid option: it has no name: a zero Option")
	_, err = gentcp.Opt("nodelya", true)
	assert.EqualError(t, err, "invalid option nodelya: there is no such option")
	_, err = gentcp.Connect(nil, "loopback", 1, soon, gentcp.Backlog(1))
	assert.ErrorContains(t, err, "invalid option backlog: it is for Listen only")
	assert.ErrorContains(t, s.SetOpts(gentcp.Port(1)), "invalid option port: it can only be given when the socket is made")
	_, err = s.GetOpts("port")
	assert.ErrorContains(t, err, "invalid option port: it cannot be read")
	_, err = s.GetOpts("")
	assert.ErrorContains(t, err, "it has no name")
	require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len1)))
	err = s.Send(make([]byte, 256))
	assert.ErrorIs(t, err, syscall.EMSGSIZE)
	assert.ErrorContains(t, err, "message too long: a packet of type 1 has at most 255 bytes")
	_, err = gentcp.SendFile("no/such file", s)
	assert.ErrorIs(t, err, syscall.ENOENT)
	assert.ErrorContains(t, err, `no such file or directory: "no/such file"`)
	_, err = gentcp.FDOpen(nil, 1<<20)
	assert.EqualError(t, err, "gentcp: fdopen: bad file descriptor: descriptor 1048576")
	_, err = gentcp.Listen(nil, 0, gentcp.Inet(), gentcp.IP(netip.IPv6Loopback()))
	assert.ErrorIs(t, err, syscall.EAFNOSUPPORT)
	assert.ErrorContains(t, err, "the local address is ::1, and the socket is inet")
	_, err = gentcp.Service("")
	assert.ErrorContains(t, err, `invalid service "": it is not known`)
	s.Close()
	assert.ErrorContains(t, s.SetOpts(), "invalid argument: the socket is closed")
	_, err = s.GetStat()
	assert.ErrorContains(t, err, "the socket is closed")
}

func isBadArg(err error) bool { return gentcp.Reason(err) == "badarg" }

// Messages print as OTP's terms.
func TestMessagesPrint(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.ActiveN(2))
	put(t, s, peer, "a\nb\n")
	texts := func(msgs ...string) {
		t.Helper()
		for _, want := range msgs {
			assert.Equal(t, want, fmt.Sprint(nextMessage(t, mb)))
		}
	}
	texts(fmt.Sprintf(`{tcp, %v, "a\n"}`, s), fmt.Sprintf(`{tcp, %v, "b\n"}`, s), fmt.Sprintf("{tcp_passive, %v}", s))
	require.NoError(t, s.SetOpts(gentcp.Deliver(gentcp.DeliverPort), gentcp.ActiveOnce()))
	put(t, s, peer, "c\n")
	texts(fmt.Sprintf(`{%v, {data, "c\n"}}`, s))
	require.NoError(t, s.SetOpts(gentcp.Deliver(gentcp.DeliverTerm), gentcp.PacketType(packet.HTTP), gentcp.ActiveOnce()))
	put(t, s, peer, "GET /x HTTP/1.1\r\n")
	texts(fmt.Sprintf(`{http, %v, {http_request, "GET", "/x", {1, 1}}}`, s))
	require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len4), gentcp.PacketSize(1), gentcp.Active(true)))
	put(t, s, peer, "\x00\x00\x00\x09")
	texts(fmt.Sprintf("{tcp_error, %v, emsgsize}", s))
	require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw), gentcp.Active(true)))
	nextMessage(t, mb)
	require.NoError(t, peer.Close())
	texts(fmt.Sprintf("{tcp_closed, %v}", s))
	assert.Equal(t, "{tcp, no socket, none}", fmt.Sprint(gentcp.TCPMsg{}))
}
