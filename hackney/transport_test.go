package hackney

import (
	"context"
	"io"
	"math"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
	"github.com/stretchr/testify/require"
)

func write(t testing.TB, p peer, data string) {
	t.Helper()
	_, err := p.Write([]byte(data))
	require.NoError(t, err)
}

func read(t testing.TB, p peer, n int) string {
	t.Helper()
	b := make([]byte, n)
	_, err := io.ReadFull(p, b)
	require.NoError(t, err)
	return string(b)
}

func recv(t testing.TB, s Socket, length int) string {
	t.Helper()
	p, err := s.RecvWait(length, soon)
	require.NoError(t, err)
	return string(p.Data())
}

// beneath is the esock socket.
func beneath(s Socket) *esock.Socket { return s.Sock.(interface{ Socket() *esock.Socket }).Socket() }

func TestMessagesAreThoseOfTheTransport(t *testing.T) {
	s, _ := connect(t, nil, TCP)
	require.Equal(t, Messages{"tcp", "tcp_closed", "tcp_error"}, s.Messages())
	require.Equal(t, "tcp", s.Transport.Name())
	s, _ = connect(t, nil, overTLS)
	require.Equal(t, Messages{"ssl", "ssl_closed", "ssl_error"}, s.Messages())
	require.Equal(t, "ssl", s.Transport.Name())
}

func TestSendRecvShutdownClose(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		s, p := connect(t, nil, tr)
		require.NoError(t, s.Send([]byte("a"), nil, []byte("bc")))
		require.NoError(t, s.Send())
		require.NoError(t, s.Send(nil))
		require.Equal(t, "abc", read(t, p, 3))
		write(t, p, "hello world")
		require.Equal(t, "hello", recv(t, s, 5))
		require.Equal(t, " world", recv(t, s, 0))
		_, err := s.RecvWait(0, esock.Within(0))
		require.Equal(t, esock.ErrTimeout, err)
		_, err = s.RecvWait(4, esock.Within(time.Millisecond))
		require.Equal(t, esock.ErrTimeout, err)
		write(t, p, "par")
		eventually(t, func() bool {
			_, err = s.RecvWait(4, esock.Within(0))
			require.Equal(t, esock.ErrTimeout, err)
			n, err := beneath(s).NRead()
			require.NoError(t, err)
			return n == 0
		}, "an empty kernel buffer")
		write(t, p, "t")
		require.Equal(t, "part", recv(t, s, 4)) // what had come was kept

		addr, err := s.PeerName()
		require.NoError(t, err)
		require.Equal(t, p.LocalAddr().String(), addr.String())
		addr, err = s.SockName()
		require.NoError(t, err)
		require.Equal(t, p.RemoteAddr().String(), addr.String())

		require.NoError(t, s.Shutdown(esock.ShutWrite))
		require.Equal(t, "closed", reason(s.Send([]byte("late"))))
		_, err = p.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		write(t, p, "answer")
		require.Equal(t, "answer", recv(t, s, 6))
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		_, err = s.Recv(0)
		require.ErrorIs(t, err, gentcp.ErrClosed)
		require.ErrorIs(t, err, net.ErrClosed)
		require.Equal(t, "closed", reason(s.Send([]byte("late"))))
		require.Equal(t, "closed", reason(s.ControllingProcess(nil, mailbox(t))))
		require.Equal(t, "einval", reason(s.SetOpts(gentcp.NoDelay(true))))
		require.Equal(t, "einval", reason(s.SetOpts()))
		require.Equal(t, "closed", reason(s.Shutdown(esock.ShutWrite)))
		_, err = s.PeerName()
		require.Equal(t, "closed", reason(err))
		_, err = s.SockName()
		require.Equal(t, "closed", reason(err))
	})
}

func TestWrongArgumentsAreRefused(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, _ := connect(t, mb, tr)
		_, err := s.Recv(-1)
		require.Equal(t, "badarg", reason(err))
		_, err = s.RecvWait(0, esock.NoWait(mb))
		require.Equal(t, "badarg", reason(err))
		_, err = s.RecvWait(0, esock.Within(-1))
		require.Error(t, err)
		require.Equal(t, "einval", reason(s.Shutdown(7)))
		_, err = ConnectWait(mb, tr, "localhost", 1, esock.NoWait(mb))
		require.Equal(t, "badarg", reason(err))
		_, err = ConnectWait(mb, tr, "localhost", 1, esock.Within(-1))
		require.Equal(t, "badarg", reason(err))
		_, err = Connect(mb, tr, "localhost", 70000)
		require.Equal(t, "badarg", reason(err))
		_, err = Connect(mb, tr, "localhost", 1, gentcp.PacketSize(-1))
		require.Equal(t, "badarg", reason(err))
	})
}

func TestAFailedConnectIsTheTransportsError(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		require.NoError(t, err)
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		s, err := ConnectWait(nil, tr, "127.0.0.1", port, soon)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.Equal(t, Socket{}, s)
		dead := mailbox(t)
		dead.Close()
		_, err = ConnectWait(dead, tr, "127.0.0.1", port, soon)
		require.Equal(t, "badarg", reason(err))
		_, err = ConnectWait(nil, tr, "::1", port, soon, gentcp.Inet())
		require.Equal(t, "nxdomain", reason(err))
	})
}

func TestBaseOptionsWinAndOthersArrive(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		const tcpKeepIdle = 4
		s, p := connect(t, mb, tr,
			gentcp.Active(true), gentcp.List(), gentcp.PacketType(packet.Len4), gentcp.ActiveN(3),
			gentcp.Mode(gentcp.ModeList), gentcp.Keepalive(true), gentcp.LineDelimiter(';'), gentcp.PacketSize(3),
			gentcp.Raw(syscall.IPPROTO_TCP, tcpKeepIdle, []byte{42, 0, 0, 0}),
			gentcp.Raw(syscall.SOL_SOCKET, syscall.SO_PRIORITY, []byte{3, 0, 0, 0}),
			gentcp.NoDelay(true), gentcp.Buffer(1<<10), gentcp.ExitOnClose(false), gentcp.IPLoopback(),
			gentcp.SendTimeout(time.Minute))
		write(t, p, "raw, passive")
		require.Equal(t, "raw, passive", recv(t, s, 12))
		require.Zero(t, mb.Len())
		beneath := beneath(s)
		on, err := sockopt.SocketKeepAlive.Get(beneath)
		require.NoError(t, err)
		require.True(t, on)
		n, err := sockopt.SocketPriority.Get(beneath)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		on, err = sockopt.TCPNoDelay.Get(beneath)
		require.NoError(t, err)
		require.True(t, on)
		idle := make([]byte, 4)
		_, err = beneath.GetOptionNative(syscall.IPPROTO_TCP, tcpKeepIdle, idle)
		require.NoError(t, err)
		require.Equal(t, byte(42), idle[0])
		if sock, ok := s.Sock.(*gentcp.Socket); ok {
			for name, want := range map[gentcp.Name]any{
				"active": false, "mode": gentcp.ModeBinary, "packet": packet.Raw, "buffer": 1 << 10,
				"exit_on_close": false, "line_delimiter": int(';'), "send_timeout": time.Minute} {
				got, err := sock.Opt(name)
				require.NoError(t, err)
				require.EqualValues(t, want, got, name)
			}
		}
		// packet_size and line_delimiter matter once a packet type is set.
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Line)))
		write(t, p, "ab;long;")
		require.Equal(t, "ab;", recv(t, s, 0))
		_, err = s.RecvWait(0, soon)
		require.Equal(t, "emsgsize", reason(err))
		require.NoError(t, s.SetOpts(gentcp.PacketSize(5)))
		require.Equal(t, "long;", recv(t, s, 0))
		p.Close()
		_, err = s.RecvWait(0, soon)
		require.Equal(t, "closed", reason(err))
		require.NoError(t, s.SetOpts(gentcp.NoDelay(false))) // exit_on_close is off: it stands
	})
}

func TestOnceByOnce(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, p := connect(t, mb, tr)
		for _, text := range []string{"one", "two", "three"} {
			require.NoError(t, s.SetOpts(gentcp.ActiveOnce()))
			write(t, p, text)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			msg, err := mb.ReceiveMatch(ctx, s.About)
			cancel()
			require.NoError(t, err)
			e, ok := s.Event(msg)
			require.True(t, ok)
			require.Equal(t, s.Messages().Data, e.Tag)
			require.Equal(t, text, string(e.Packet.Data()))
			require.Same(t, beneath(s), msg.Socket())
			// It carries the connection, which is what the Socket has.
			switch m := msg.(type) {
			case gentcp.TCPMsg:
				require.True(t, s.Sock == Conn(m.Sock))
			case SSLMsg:
				require.True(t, s.Sock == Conn(m.Sock))
			}
		}
		write(t, p, "passive")
		require.Equal(t, "passive", recv(t, s, 7))
		require.NoError(t, s.SetOpts(gentcp.ActiveOnce()))
		p.Close()
		require.Equal(t, Event{Tag: s.Messages().Closed}, next(t, mb, s))
		require.Zero(t, mb.Len())
	})
}

func TestActiveTrueUntilTheEnd(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, p := connect(t, mb, tr)
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len2), gentcp.Active(true)))
		_, err := s.Recv(0)
		require.Equal(t, "einval", reason(err))
		go func() {
			for i := range 2000 {
				b, _ := packet.Append(nil, packet.Len2, []byte(strings.Repeat("x", i%700)))
				p.Write(b)
			}
			p.Close()
		}()
		for i := range 2000 {
			require.Len(t, nextData(t, mb, s), i%700)
		}
		require.Equal(t, s.Messages().Closed, next(t, mb, s).Tag)
		_, err = s.Recv(0)
		require.Equal(t, "closed", reason(err))
	})
}

func TestCountMode(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, p := connect(t, mb, tr)
		passive := Event{Tag: s.Messages().Data + "_passive"}
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Line), gentcp.ActiveN(3), gentcp.ActiveN(-1)))
		write(t, p, "a\nb\nc\nd\n")
		require.Equal(t, "a\n", nextData(t, mb, s))
		require.Equal(t, "b\n", nextData(t, mb, s))
		require.Equal(t, passive, next(t, mb, s))
		require.Equal(t, "c\n", recv(t, s, 0))
		require.NoError(t, s.SetOpts(gentcp.ActiveN(0)))
		require.Equal(t, passive, next(t, mb, s))
		require.NoError(t, s.SetOpts(gentcp.ActiveN(1)))
		require.Equal(t, "d\n", nextData(t, mb, s))
		require.Equal(t, passive, next(t, mb, s))
		require.NoError(t, s.SetOpts(gentcp.ActiveN(math.MaxInt16)))
		require.Equal(t, "einval", reason(s.SetOpts(gentcp.ActiveN(1))))
		require.Equal(t, "einval", reason(s.SetOpts(gentcp.ActiveN(math.MaxInt16+1))))
		require.NoError(t, s.SetOpts(gentcp.Active(false)))
		require.Equal(t, passive, next(t, mb, s))
		require.NoError(t, s.SetOpts(gentcp.ActiveN(5), gentcp.ActiveOnce(), gentcp.Active(true), gentcp.Active(false)))
		armed(t, mb)
	})
}

func TestAPacketThatIsTooLargeEndsTheActiveModeAlone(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, p := connect(t, mb, tr)
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len4), gentcp.PacketSize(10), gentcp.Active(true)))
		write(t, p, "\xff\xff\xff\xffrest")
		e := next(t, mb, s)
		require.Equal(t, s.Messages().Error, e.Tag)
		require.ErrorIs(t, e.Reason, syscall.EMSGSIZE)
		_, err := s.RecvWait(0, soon)
		require.Equal(t, "emsgsize", reason(err))
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw)))
		require.Equal(t, "\xff\xff\xff\xffrest", recv(t, s, 8))
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len1)))
		require.Equal(t, "emsgsize", reason(s.Send(make([]byte, 256))))
		require.NoError(t, s.Send([]byte("ab"), []byte("c")))
		require.Equal(t, "\x03abc", read(t, p, 4))
	})
}

func TestHTTPPackets(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, p := connect(t, mb, tr)
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.HTTPBin)))
		write(t, p, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodyHTTP/1.0 404 No\r\n\r\n")
		got, err := s.RecvWait(0, soon)
		require.NoError(t, err)
		r, ok := got.HTTPResponse()
		require.True(t, ok)
		require.Equal(t, 200, r.Status)
		require.NoError(t, s.SetOpts(gentcp.ActiveOnce()))
		h, ok := next(t, mb, s).Packet.HTTPHeader()
		require.True(t, ok)
		require.Equal(t, "Content-Length", h.Field())
		got, err = s.RecvWait(0, soon)
		require.NoError(t, err)
		require.Equal(t, packet.KindHTTPEOH, got.Kind())
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw)))
		require.Equal(t, "body", recv(t, s, 4))
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.HTTP)))
		got, err = s.RecvWait(0, soon)
		require.NoError(t, err)
		r, ok = got.HTTPResponse()
		require.True(t, ok)
		require.Equal(t, 404, r.Status)
	})
}

func TestAPacketTypeSetLaterAppliesToWhatHasCome(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, p := connect(t, mb, tr)
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len4), gentcp.Active(true)))
		write(t, p, "\x00\x01\x00\x00ab\n")
		_, ok := mb.Poll()
		for ; !ok && mb.Len() > 0; _, ok = mb.Poll() {
		}
		require.False(t, ok)
		eventually(t, func() bool { // it is a packet that has only begun
			_, ok := mb.Poll()
			require.False(t, ok)
			n, err := beneath(s).NRead()
			require.NoError(t, err)
			return n == 0
		}, "the first bytes")
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Line)))
		require.Equal(t, "\x00\x01\x00\x00ab\n", nextData(t, mb, s))
	})
}

func TestAResetIsReportedAsAsked(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		for _, show := range []bool{true, false} {
			mb := mailbox(t)
			s, p := connect(t, mb, tr, gentcp.ShowEconnreset(show))
			require.NoError(t, s.SetOpts(gentcp.Active(true)))
			require.NoError(t, p.tcp.SetLinger(0))
			p.tcp.Close()
			if show {
				e := next(t, mb, s)
				require.Equal(t, s.Messages().Error, e.Tag)
				require.ErrorIs(t, e.Reason, syscall.ECONNRESET)
			}
			require.Equal(t, s.Messages().Closed, next(t, mb, s).Tag)
			require.Zero(t, mb.Len())

			s, p = connect(t, mb, tr, gentcp.ShowEconnreset(show))
			require.NoError(t, p.tcp.SetLinger(0))
			p.tcp.Close()
			_, err := s.RecvWait(0, soon)
			require.Equal(t, map[bool]string{true: "econnreset", false: "closed"}[show], reason(err))
			_, err = s.RecvWait(0, soon)
			require.Equal(t, "closed", reason(err))
		}
	})
}

func TestAWaitingRecvEndsWhenItShould(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, p := connect(t, mb, tr)
		ctx, cancel := context.WithCancel(context.Background())
		result := make(chan error)
		receive := func(w esock.Wait) {
			go func() {
				_, err := s.RecvWait(0, w)
				result <- err
			}()
		}
		receive(esock.Context(ctx))
		cancel()
		require.ErrorIs(t, <-result, context.Canceled)
		receive(esock.Within(time.Millisecond))
		require.Equal(t, esock.ErrTimeout, <-result)
		receive(soon)
		write(t, p, "x")
		require.NoError(t, <-result)
		receive(esock.Forever)
		require.NoError(t, s.Close())
		require.Equal(t, "closed", reason(<-result))

		s, _ = connect(t, mb, tr)
		receive(esock.Forever)
		mb.Close()
		require.Equal(t, "closed", reason(<-result))
	})
}

// A deadline of the socket beneath ends a call, not the connection, and Leftover sees data in spite of it.
func TestDeadlineOfTheSocketBeneath(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, p := connect(t, mb, tr)
		require.NoError(t, beneath(s).SetReadDeadline(time.Now().Add(time.Millisecond)))
		_, err := s.RecvWait(0, esock.Forever)
		require.ErrorIs(t, err, esock.ErrTimeout)
		left, err := s.Leftover(mb)
		require.NoError(t, err)
		require.False(t, left)
		write(t, p, "abc")
		eventually(t, func() bool { n, err := beneath(s).NRead(); return err == nil && n > 0 }, "the data")
		left, err = s.Leftover(mb)
		require.NoError(t, err)
		require.True(t, left)
		require.NoError(t, beneath(s).SetReadDeadline(time.Time{}))
		b, err := s.RecvWait(3, esock.Forever)
		require.NoError(t, err)
		require.Equal(t, "abc", string(b.Data()))
	})
}
