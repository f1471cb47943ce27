package hackney

import (
	"errors"
	"testing"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
	"github.com/stretchr/testify/require"
)

// fake notes its calls and answers what it is told to.
type fake struct {
	calls []any
	err   error
}

type fakeConn struct{ owner *esock.Mailbox }

func (c *fakeConn) About(msg esock.Message) bool {
	m, ok := msg.(fakeMsg)
	return ok && m.conn == c
}
func (c *fakeConn) Owner() *esock.Mailbox { return c.owner }

type fakeMsg struct{ conn *fakeConn }

func (fakeMsg) Socket() *esock.Socket { return nil }

type call struct {
	name string
	args []any
}

func (f *fake) note(name string, args ...any) error {
	f.calls = append(f.calls, call{name, args})
	return f.err
}

var (
	fakePacket = gentcp.Packet{Packet: packet.DataPacket([]byte("data"))}
	fakeAddr   = esock.UnixAddr("/fake")
)

func (f *fake) Name() string { return "fake" }
func (f *fake) Messages(c Conn) Messages {
	f.note("messages", c)
	return Messages{"a", "b", "c"}
}
func (f *fake) Connect(mb *esock.Mailbox, host string, port int, opts []gentcp.Option, w esock.Wait) (Conn, error) {
	return &fakeConn{mb}, f.note("connect", mb, host, port, opts, w)
}
func (f *fake) Recv(c Conn, length int, w esock.Wait) (gentcp.Packet, error) {
	return fakePacket, f.note("recv", c, length, w)
}
func (f *fake) Send(c Conn, data ...[]byte) error { return f.note("send", c, data) }
func (f *fake) SetOpts(c Conn, opts ...gentcp.Option) error {
	return f.note("setopts", c, opts)
}
func (f *fake) ControllingProcess(c Conn, from, to *esock.Mailbox) error {
	return f.note("controlling_process", c, from, to)
}
func (f *fake) PeerName(c Conn) (esock.Addr, error) { return fakeAddr, f.note("peername", c) }
func (f *fake) SockName(c Conn) (esock.Addr, error) { return fakeAddr, f.note("sockname", c) }
func (f *fake) Shutdown(c Conn, how esock.How) error {
	return f.note("shutdown", c, how)
}
func (f *fake) Close(c Conn) error { return f.note("close", c) }

func TestEveryFunctionIsOneCallWithTheSameArguments(t *testing.T) {
	mb, other := mailbox(t), mailbox(t)
	opts := []gentcp.Option{gentcp.NoDelay(true), gentcp.Active(true)}
	w := esock.Within(7 * time.Second)
	c := &fakeConn{}
	for _, failure := range []error{nil, errors.New("of the transport")} {
		f := &fake{err: failure}
		s := Socket{f, c}
		last := func(name string, args ...any) {
			t.Helper()
			require.Equal(t, []any{call{name, args}}, f.calls)
			f.calls = nil
		}
		p, err := s.Recv(3)
		last("recv", c, 3, esock.Forever)
		require.Equal(t, failure, err)
		require.Equal(t, fakePacket, p)
		p, err = s.RecvWait(4, w)
		last("recv", c, 4, w)
		require.Equal(t, failure, err)
		require.Equal(t, fakePacket, p)
		require.Equal(t, failure, s.Send([]byte("a"), []byte("b")))
		last("send", c, [][]byte{[]byte("a"), []byte("b")})
		require.Equal(t, failure, s.SetOpts(opts...))
		last("setopts", c, opts)
		require.Equal(t, failure, s.ControllingProcess(mb, other))
		last("controlling_process", c, mb, other)
		a, err := s.PeerName()
		last("peername", c)
		require.Equal(t, failure, err)
		require.Equal(t, fakeAddr, a)
		a, err = s.SockName()
		last("sockname", c)
		require.Equal(t, failure, err)
		require.Equal(t, fakeAddr, a)
		require.Equal(t, failure, s.Shutdown(esock.ShutWrite))
		last("shutdown", c, esock.ShutWrite)
		require.Equal(t, failure, s.Close())
		last("close", c)
		require.Equal(t, Messages{"a", "b", "c"}, s.Messages())
		last("messages", c)
	}
}

func TestConnectWrapsTransportAndConnection(t *testing.T) {
	mb := mailbox(t)
	f := &fake{}
	opts := []gentcp.Option{gentcp.List(), gentcp.Inet6()}
	s, err := Connect(mb, f, "host", 80, opts...)
	require.NoError(t, err)
	require.Same(t, f, s.Transport)
	require.Same(t, mb, s.Sock.(*fakeConn).owner)
	w := esock.Within(time.Second)
	_, err = ConnectWait(mb, f, "host", 80, w, opts...)
	require.NoError(t, err)
	require.Equal(t, []any{
		call{"connect", []any{mb, "host", 80, opts, esock.Forever}}, // the first is the second without an end
		call{"connect", []any{mb, "host", 80, opts, w}},
	}, f.calls)
	f.err = errors.New("of the transport")
	s, err = Connect(mb, f, "host", 80)
	require.Equal(t, f.err, err)
	require.Equal(t, Socket{}, s)
}

func TestEqualSocketsAreTheSameConnection(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		s, _ := connect(t, nil, tr)
		other, _ := connect(t, nil, tr)
		pool := map[Socket]int{s: 1, other: 2}
		again := s
		require.Equal(t, 1, pool[again])
		require.Equal(t, 2, pool[Socket{other.Transport, other.Sock}])
	})
}

// refusesAll checks that each function answers gentcp.ErrBadArg.
func refusesAll(t *testing.T, s Socket, mb *esock.Mailbox) {
	t.Helper()
	_, received := s.Recv(0)
	_, peerName := s.PeerName()
	_, sockName := s.SockName()
	_, sent := s.SendFileName(mb, tempFile(t, pattern(1)).Name())
	for _, err := range []error{received, peerName, sockName, sent, s.Send(nil), s.SetOpts(), s.ControllingProcess(mb, mb),
		s.Shutdown(esock.ShutRead), s.Close()} {
		require.Equal(t, "badarg", reason(err))
	}
}

func TestTheZeroSocketIsABadArgument(t *testing.T) {
	mb := mailbox(t)
	for _, s := range []Socket{{}, {Transport: TCP}, {Sock: &fakeConn{}}} {
		refusesAll(t, s, mb)
		_, err := s.Leftover(mb)
		require.Equal(t, "badarg", reason(err))
		require.False(t, s.About(nil))
	}
	require.Equal(t, Messages{}, Socket{}.Messages())
	_, err := Connect(mb, nil, "localhost", 1)
	require.Equal(t, "badarg", reason(err))
}

func TestAConnectionOfAnotherTransportIsABadArgument(t *testing.T) {
	mb := mailbox(t)
	for _, s := range []Socket{{TCP, &fakeConn{}}, {overTLS, &fakeConn{}}, {TCP, (*gentcp.Socket)(nil)},
		{overTLS, (*TLSConn)(nil)}} {
		refusesAll(t, s, mb)
	}
}

func TestMessagesOfATransportWithoutEventsAreKnownByTheirConnection(t *testing.T) {
	mb := mailbox(t)
	s, err := Connect(mb, &fake{}, "host", 80)
	require.NoError(t, err)
	msg := fakeMsg{s.Sock.(*fakeConn)}
	require.True(t, s.About(msg))
	require.False(t, s.About(fakeMsg{}))
	_, ok := s.Event(msg)
	require.False(t, ok)
	left, err := s.Leftover(mb)
	require.NoError(t, err)
	require.False(t, left)
	require.NoError(t, mb.Post(fakeMsg{})) // of another
	require.NoError(t, mb.Post(msg))
	left, err = s.Leftover(mb)
	require.NoError(t, err)
	require.True(t, left)
	require.Equal(t, 1, mb.Len())
	left, err = s.Leftover(nil)
	require.NoError(t, err)
	require.False(t, left)
}
