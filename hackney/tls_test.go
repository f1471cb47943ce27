package hackney

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/packet"
)

func TestTheHandshakesFailureIsTheReason(t *testing.T) {
	before := len(machine.Descriptors())
	port, accepted := accepting(t, overTLS)
	_, err := ConnectWait(nil, TLS(nil), "localhost", port, soon)
	require.ErrorAs(t, err, new(x509.UnknownAuthorityError))
	(<-accepted).Close()
	port, accepted = accepting(t, overTLS)
	_, err = ConnectWait(nil, overTLS, "127.0.0.1", port, soon)
	require.ErrorAs(t, err, new(x509.HostnameError))
	(<-accepted).Close()
	port, accepted = accepting(t, TCP)
	result := make(chan error)
	go func() {
		_, err := ConnectWait(nil, overTLS, "localhost", port, soon)
		result <- err
	}()
	p := <-accepted
	write(t, p, "HTTP/1.1 400 this is no TLS\r\n\r\n")
	require.ErrorAs(t, <-result, new(tls.RecordHeaderError))
	p.Close()
	port, accepted = accepting(t, TCP)
	go func() {
		_, err := ConnectWait(nil, overTLS, "localhost", port, soon)
		result <- err
	}()
	p = <-accepted
	read(t, p, 100)
	p.Close()
	require.Equal(t, "closed", reason(<-result))
	eventually(t, func() bool { return len(machine.Descriptors()) <= before+4 }, "the descriptors") // the listeners
}

func TestTheTimeOfConnectIncludesTheHandshake(t *testing.T) {
	connecting := func(w esock.Wait) (<-chan peer, <-chan error) {
		port, accepted := accepting(t, TCP)
		result := make(chan error, 1)
		go func() {
			_, err := ConnectWait(nil, overTLS, "localhost", port, w)
			result <- err
		}()
		return accepted, result
	}
	ctx, cancel := context.WithCancel(context.Background())
	accepted, result := connecting(esock.Context(ctx))
	p := <-accepted // and says nothing
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	p.Close()

	// As long as it takes until the time is over in the handshake, and not before it.
	for d := 20 * time.Millisecond; d < patience; d *= 2 {
		accepted, result := connecting(esock.Within(d))
		require.ErrorIs(t, <-result, esock.ErrTimeout)
		select {
		case p := <-accepted:
			p.Close()
			return
		case <-time.After(d): // the connection may have been made all the same
		}
	}
	require.Fail(t, "it never connected in time")
}

func TestTheConfigDecides(t *testing.T) {
	config := &tls.Config{RootCAs: trusted, ServerName: "localhost", MaxVersion: tls.VersionTLS12}
	tr := TLS(config)
	config.RootCAs = nil // it was copied
	port, accepted := accepting(t, tr)
	mb := mailbox(t)
	s, err := ConnectWait(mb, tr, "127.0.0.1", port, soon)
	require.NoError(t, err)
	defer s.Close()
	p := <-accepted
	defer p.tcp.Close()
	c := s.Sock.(*TLSConn)
	require.EqualValues(t, tls.VersionTLS12, c.ConnectionState().Version)
	require.Equal(t, "localhost", c.ConnectionState().ServerName)
	require.Same(t, mb, c.Owner())
	require.Equal(t, c.Socket().String(), c.String())
	require.NoError(t, s.SetOpts(gentcp.Active(true)))
	write(t, p, "over 1.2")
	require.Equal(t, "over 1.2", nextData(t, mb, s))
	p.Close()
	require.Equal(t, "ssl_closed", next(t, mb, s).Tag)
}

func TestOptionsThatTLSHasNot(t *testing.T) {
	s, _ := connect(t, mailbox(t), overTLS, gentcp.Header(0), gentcp.Deliver(gentcp.DeliverTerm))
	for _, o := range []gentcp.Option{
		gentcp.Header(4), gentcp.Deliver(gentcp.DeliverPort), gentcp.PacketType(packet.TLS),
		gentcp.PacketSize(-1), gentcp.ActiveN(1 << 20)} {
		require.Equal(t, "einval", reason(s.SetOpts(o)), o)
	}
	_, err := ConnectWait(nil, overTLS, "localhost", 1, soon, gentcp.Header(4))
	require.Equal(t, "badarg", reason(err))
	require.NoError(t, s.SetOpts(gentcp.List(), gentcp.Mode(gentcp.ModeBinary), gentcp.Binary(), gentcp.NoDelay(true)))
}

func TestTicketsAreNoMessages(t *testing.T) {
	mb := mailbox(t)
	l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	require.NoError(t, err)
	defer l.Close()
	accepted := make(chan net.Conn)
	go func() {
		c, _ := l.Accept()
		c.(*tls.Conn).Handshake() // sends tickets
		accepted <- c
	}()
	s, err := ConnectWait(mb, overTLS, "localhost", l.Addr().(*net.TCPAddr).Port, soon)
	require.NoError(t, err)
	defer s.Close()
	p := peer{Conn: <-accepted}
	defer p.Close()
	require.NoError(t, s.SetOpts(gentcp.ActiveOnce()))
	left, err := s.Leftover(mb)
	require.NoError(t, err)
	require.False(t, left)
	_, err = s.RecvWait(0, esock.Within(0))
	require.Equal(t, esock.ErrTimeout, err)
	write(t, p, "data")
	require.Equal(t, "data", recv(t, s, 0))
}

func TestCloseTellsThePeer(t *testing.T) {
	s, p := connect(t, nil, overTLS)
	require.NoError(t, s.Send([]byte("last")))
	require.NoError(t, s.Close())
	got, err := io.ReadAll(p)
	require.NoError(t, err)
	require.Equal(t, "last", string(got))
	// So does the end that exit_on_close makes of the peer's.
	s, p = connect(t, nil, overTLS)
	require.NoError(t, p.Conn.(*tls.Conn).CloseWrite())
	_, err = s.RecvWait(0, soon)
	require.Equal(t, "closed", reason(err))
	require.ErrorIs(t, err, io.EOF)
	_, err = p.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	require.Equal(t, "closed", reason(s.Send([]byte("x"))))
}

func TestHalfClosedByThePeer(t *testing.T) {
	mb := mailbox(t)
	s, p := connect(t, mb, overTLS, gentcp.ExitOnClose(false))
	require.NoError(t, s.SetOpts(gentcp.Active(true)))
	write(t, p, "request")
	require.NoError(t, p.Conn.(*tls.Conn).CloseWrite())
	require.Equal(t, "request", nextData(t, mb, s))
	require.Equal(t, "ssl_closed", next(t, mb, s).Tag)
	require.NoError(t, s.SetOpts(gentcp.Active(true))) // ignored
	require.NoError(t, s.Send([]byte("answer")))
	require.Equal(t, "answer", read(t, p, 6))
	_, err := s.Recv(0)
	require.Equal(t, "closed", reason(err))
	armed(t, mb)
}

func TestThePassiveEndIsToldOnceActive(t *testing.T) {
	mb := mailbox(t)
	s, p := connect(t, mb, overTLS, gentcp.ExitOnClose(false))
	write(t, p, "abc")
	p.Close()
	require.Equal(t, "ab", recv(t, s, 2))
	require.Equal(t, "c", recv(t, s, 2)) // the last may be short
	require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len4)))
	require.NoError(t, s.SetOpts(gentcp.Active(true)))
	require.Equal(t, "ssl_closed", next(t, mb, s).Tag)
	armed(t, mb)
}

func TestASendThatTimesOutClosesTheConnection(t *testing.T) {
	mb := mailbox(t)
	s, _ := connect(t, mb, overTLS, gentcp.SndBuf(1<<12), gentcp.SendTimeout(20*time.Millisecond))
	require.NoError(t, s.SetOpts(gentcp.Active(true)))
	require.Equal(t, esock.ErrTimeout, s.Send(make([]byte, 64<<20))) // the peer does not read
	require.Equal(t, "ssl_closed", next(t, mb, s).Tag)
	require.Equal(t, "closed", reason(s.Send([]byte("x"))))
	_, err := s.Recv(0)
	require.Equal(t, "closed", reason(err))
}

// stuck reports whether the kernel has something to send, and nothing is on its way: the window is closed.
func stuck(t *testing.T, c *net.TCPConn) bool {
	t.Helper()
	raw, err := c.SyscallConn()
	require.NoError(t, err)
	var info *unix.TCPInfo
	require.NoError(t, raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}))
	require.NoError(t, err)
	return info.Notsent_bytes > 0 && info.Unacked == 0 && info.Snd_wnd < info.Snd_mss
}

func TestAForgedRecordIsAnError(t *testing.T) {
	mb := mailbox(t)
	s, p := connect(t, mb, overTLS)
	require.NoError(t, s.SetOpts(gentcp.Active(true)))
	_, err := p.tcp.Write([]byte("\x17\x03\x03\x00\x14forged, forged, forged"))
	require.NoError(t, err)
	e := next(t, mb, s)
	require.Equal(t, "ssl_error", e.Tag)
	require.ErrorContains(t, e.Reason, "bad record MAC")
	require.Equal(t, "ssl_closed", next(t, mb, s).Tag)
	_, err = s.Recv(0)
	require.Equal(t, "closed", reason(err))
}

func TestAnOwnerWhoDoesNotLookLeavesTheDataWithTheKernel(t *testing.T) {
	mb := mailbox(t)
	s, p := connect(t, mb, overTLS, gentcp.RecBuf(1<<14))
	require.NoError(t, s.SetOpts(gentcp.Active(true)))
	armed(t, mb)
	written := make(chan error, 1)
	go func() { _, err := p.Write(make([]byte, 64<<20)); written <- err }()
	eventually(t, func() bool { return stuck(t, p.tcp) }, "a closed window")
	eventually(t, func() bool { return mb.Len() == 1 }, "the announcement")
	c := s.Sock.(*TLSConn)
	require.LessOrEqual(t, len(c.buf), 2*maxRecord)
	require.NoError(t, s.Close())
	require.Error(t, <-written)
}

func TestReceiversOfOneMailboxShareTheMessages(t *testing.T) {
	const receivers, packets = 8, 3000
	mb := mailbox(t)
	s, p := connect(t, mb, overTLS)
	require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len2), gentcp.Active(true)))
	var seen [packets]atomic.Int32
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for range receivers {
		wg.Go(func() {
			for {
				msg, err := mb.Receive(ctx)
				if err != nil {
					return
				}
				e, _ := s.Event(msg)
				if e.Tag == "ssl_closed" {
					cancel()
					return
				}
				seen[binary.BigEndian.Uint16(e.Packet.Data())].Add(1)
			}
		})
	}
	sendNumbers(t, p, packets)
	p.Close()
	wg.Wait()
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	for i := range seen {
		require.EqualValues(t, 1, seen[i].Load(), i)
	}
}

// sendNumbers sends packets of type 2 that are numbers, in records of random size.
func sendNumbers(t testing.TB, p peer, packets int) {
	var out []byte
	for i := range packets {
		out, _ = packet.Append(out, packet.Len2, binary.BigEndian.AppendUint16(nil, uint16(i)))
	}
	for r := rand.New(rand.NewPCG(3, 4)); len(out) > 0; {
		n := min(len(out), 1+r.IntN(300))
		_, err := p.Write(out[:n])
		require.NoError(t, err)
		out = out[n:]
	}
}

func TestNothingIsLostWhenOwnersAndModesChange(t *testing.T) {
	const packets = 4000
	both(t, func(t *testing.T, tr Transport) {
		owners := [2]*esock.Mailbox{mailbox(t), mailbox(t)}
		s, p := connect(t, owners[0], tr)
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len2)))
		done := make(chan struct{})
		go func() {
			defer close(done)
			sendNumbers(t, p, packets)
		}()
		r := rand.New(rand.NewPCG(5, 6))
		owner, want := 0, 0
		take := func(p gentcp.Packet) {
			require.EqualValues(t, want, binary.BigEndian.Uint16(p.Data()))
			want++
		}
		for want < packets {
			mb := owners[owner]
			// What waits is received first, so that a passive receive does not overtake it.
			drain := func() {
				for msg, ok := mb.Poll(); ok; msg, ok = mb.Poll() {
					e, ok := s.Event(msg)
					require.True(t, ok)
					if e.Tag == s.Messages().Data {
						take(e.Packet)
					}
				}
			}
			switch r.IntN(6) {
			case 0:
				require.NoError(t, s.SetOpts(gentcp.ActiveN(1+r.IntN(20))))
			case 1:
				require.NoError(t, s.SetOpts(gentcp.ActiveOnce()))
			case 2:
				require.NoError(t, s.SetOpts(gentcp.Active(r.IntN(2) == 0)))
			case 3:
				require.NoError(t, s.ControllingProcess(mb, owners[1-owner]))
				require.Zero(t, mb.Len())
				owner = 1 - owner
			case 4:
				require.NoError(t, s.SetOpts(gentcp.Active(false)))
				drain()
				p, err := s.RecvWait(0, esock.Within(time.Millisecond))
				if err == nil {
					take(p)
				} else {
					require.Equal(t, esock.ErrTimeout, err)
				}
			default:
				drain()
			}
		}
		<-done
	})
}

func TestEverythingAtOnce(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		for range 30 {
			mb, other := esock.NewMailbox(), esock.NewMailbox()
			s, p := connect(t, mb, tr)
			var wg sync.WaitGroup
			wg.Go(func() { io.Copy(io.Discard, p) })
			wg.Go(func() {
				for {
					if _, err := p.Write(make([]byte, 5000)); err != nil {
						return
					}
				}
			})
			for range 2 {
				wg.Go(func() {
					for s.Send(make([]byte, 3000)) == nil {
					}
				})
				wg.Go(func() {
					for {
						if _, err := s.RecvWait(0, esock.Within(time.Millisecond)); reason(err) == "closed" {
							return
						}
					}
				})
			}
			ctx, cancel := context.WithCancel(context.Background())
			for _, m := range []*esock.Mailbox{mb, other} {
				wg.Go(func() {
					for {
						if _, err := m.Receive(ctx); err != nil {
							return
						}
					}
				})
			}
			modes := []gentcp.Option{gentcp.Active(true), gentcp.ActiveOnce(), gentcp.ActiveN(3), gentcp.Active(false),
				gentcp.PacketType(packet.Line), gentcp.PacketType(packet.Raw)}
			for i := range 60 {
				s.SetOpts(modes[i%len(modes)])
				if i%7 == 0 {
					s.ControllingProcess(mb, other)
					s.ControllingProcess(other, mb)
				}
			}
			switch rand.IntN(3) {
			case 0:
				s.Close()
			case 1:
				s.Shutdown(esock.ShutReadWrite)
				s.Close()
			default:
				mb.Close()
				other.Close()
			}
			p.tcp.Close()
			cancel()
			wg.Wait()
			mb.Close()
			other.Close()
		}
	})
}
