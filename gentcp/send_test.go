package gentcp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// pieces is text as the parts of a Send.
func pieces(parts ...string) [][]byte {
	var b [][]byte
	for _, p := range parts {
		b = append(b, []byte(p))
	}
	return b
}

func TestSendFrames(t *testing.T) {
	long := strings.Repeat("x", 0x12345)
	for _, c := range []struct {
		typ   packet.Type
		parts []string
		want  string
	}{
		{packet.Raw, []string{"abc"}, "abc"},
		{packet.Raw, []string{"a", "", "bc"}, "abc"},
		{packet.Raw, nil, ""},
		{packet.Raw, []string{""}, ""},
		{packet.Raw, []string{"", ""}, ""},
		{packet.Raw, []string{long, "b", long}, long + "b" + long},
		{packet.Len0, []string{"abc"}, "abc"},
		{packet.Len1, []string{"abc"}, "\x03abc"},
		{packet.Len1, []string{"ab", "c"}, "\x03abc"},
		{packet.Len1, nil, "\x00"},
		{packet.Len1, []string{strings.Repeat("x", 255)}, "\xff" + strings.Repeat("x", 255)},
		{packet.Len2, []string{"ab", "c"}, "\x00\x03abc"},
		{packet.Len2, []string{""}, "\x00\x00"},
		{packet.Len2, []string{long[:0xffff]}, "\xff\xff" + long[:0xffff]},
		{packet.Len4, []string{"abc"}, "\x00\x00\x00\x03abc"},
		{packet.Len4, []string{}, "\x00\x00\x00\x00"},
		{packet.Len4, []string{long, "", long, "b"}, "\x00\x02\x46\x8b" + long + long + "b"},
		// These send bytes as they are.
		{packet.Line, []string{"ab", "c\n"}, "abc\n"},
		{packet.SunRM, []string{"\x80\x00\x00\x01x"}, "\x80\x00\x00\x01x"},
		{packet.ASN1, []string{"\x30\x00"}, "\x30\x00"},
		{packet.CDR, []string{"GIOP"}, "GIOP"},
		{packet.FCGI, []string{"\x01"}, "\x01"},
		{packet.TPKT, []string{"\x03"}, "\x03"},
		{packet.HTTP, []string{"GET / ", "HTTP/1.0\r\n\r\n"}, "GET / HTTP/1.0\r\n\r\n"},
		{packet.HTTPH, []string{"a: b\r\n"}, "a: b\r\n"},
		{packet.HTTPBin, []string{"x"}, "x"},
		{packet.HTTPHBin, []string{"x"}, "x"},
	} {
		s, peer := wired(t, nil, gentcp.PacketType(c.typ))
		wait := background(t, func() {
			assert.NoError(t, s.Send(pieces(c.parts...)...), "%s", c.typ)
			assert.NoError(t, s.Shutdown(esock.ShutWrite))
		})
		got, err := io.ReadAll(peer)
		require.NoError(t, err)
		wait()
		assert.Equal(t, len(c.want), len(got), "%s %d parts", c.typ, len(c.parts))
		assert.True(t, c.want == string(got), "%s %d parts", c.typ, len(c.parts))
	}
}

// A length that the header cannot tell is refused, and nothing is written.
func TestSendRefusesWhatTheHeaderCannotTell(t *testing.T) {
	for _, c := range []struct {
		typ  packet.Type
		most int
	}{{packet.Len1, 255}, {packet.Len2, 65535}} {
		s, peer := wired(t, nil, gentcp.PacketType(c.typ))
		half := make([]byte, c.most/2+1)
		reasons(t, "emsgsize", s.Send(half, half))
		reasons(t, "emsgsize", s.Send(make([]byte, c.most+1)))
		require.NoError(t, s.Send([]byte("x")))
		require.NoError(t, s.Close())
		got, err := io.ReadAll(peer)
		require.NoError(t, err)
		want, err := packet.Append(nil, c.typ, []byte("x"))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

func TestSendOfManyParts(t *testing.T) {
	for _, typ := range []packet.Type{packet.Raw, packet.Len4} {
		s, peer := wired(t, nil, gentcp.PacketType(typ))
		want := pattern(5 << 20)
		var parts [][]byte
		for rest, n := want, 1; len(rest) > 0; n = n*7%9001 + 1 {
			n = min(n, len(rest))
			parts = append(parts, rest[:n])
			rest = rest[n:]
		}
		require.Greater(t, len(parts), 1024, "more than one system call takes")
		background(t, func() { assert.NoError(t, s.Send(parts...)); s.Shutdown(esock.ShutWrite) })
		got, err := io.ReadAll(peer)
		require.NoError(t, err)
		if typ == packet.Len4 {
			require.Equal(t, len(want), int(binary.BigEndian.Uint32(got)))
			got = got[4:]
		}
		assert.True(t, bytes.Equal(want, got))
	}
}

// Whole packets of several senders do not mix, whatever their size, however often each has to wait.
func TestSendersDoNotMix(t *testing.T) {
	client, server := bothEnds(t, nil, gentcp.PacketType(packet.Len4))
	require.NoError(t, server.SetOpts(gentcp.PacketType(packet.Len4)))
	const senders, packets = 8, 40
	for i := range senders {
		background(t, func() {
			for k := range packets {
				one := bytes.Repeat([]byte{byte(i)}, 1+(k*k*i*977)%100_000)
				half := len(one) / 2
				if !assert.NoError(t, client.Send([]byte{byte(i), byte(k)}, one[:half], one[half:])) {
					return
				}
			}
		})
	}
	next := make([]int, senders)
	for range senders * packets {
		p, err := server.Recv(0, soon)
		require.NoError(t, err)
		b := p.Data()
		i, k := int(b[0]), int(b[1])
		require.Equal(t, next[i], k, "of sender %d", i)
		next[i]++
		require.Len(t, b, 2+1+(k*k*i*977)%100_000)
		require.Equal(t, len(b)-2, bytes.Count(b[2:], b[:1]))
	}
}

// stuffed is a connection whose peer does not read and whose buffers are small.
func stuffed(t *testing.T, mb *esock.Mailbox, opts ...gentcp.Option) (*gentcp.Socket, *net.TCPConn) {
	t.Helper()
	return wired(t, mb, append([]gentcp.Option{gentcp.SndBuf(1 << 16)}, opts...)...)
}

// The rest that a timeout leaves is exactly what the kernel has not taken: sent as raw, it completes the packet.
func TestSendTimeoutGivesTheRest(t *testing.T) {
	for _, c := range []struct {
		name    string
		typ     packet.Type
		timeout time.Duration
		parts   int
	}{
		{"raw", packet.Raw, time.Millisecond, 1},
		{"raw parts", packet.Raw, time.Millisecond, 9},
		{"2 with a header", packet.Len2, time.Millisecond, 1},
		{"4 with a header", packet.Len4, time.Millisecond, 1},
		{"4 with parts", packet.Len4, time.Millisecond, 9},
		{"4 and only a look", packet.Len4, 0, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, peer := stuffed(t, nil, gentcp.PacketType(c.typ), gentcp.SendTimeout(c.timeout))
			size := 60_000
			if c.typ != packet.Len2 {
				size = 2 << 20
			}
			data := pattern(size)
			var parts [][]byte
			for i := range c.parts {
				parts = append(parts, data[i*size/c.parts:(i+1)*size/c.parts])
			}
			var wire []byte // what the peer must get
			var rest *gentcp.SendTimeoutError
			for rest == nil {
				wire, _ = packet.Append(wire, c.typ, data)
				if err := s.Send(parts...); err != nil {
					require.ErrorAs(t, err, &rest)
					assert.ErrorIs(t, err, esock.ErrTimeout)
					assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
					reasons(t, "timeout", err)
				}
			}
			require.True(t, bytes.HasSuffix(wire, rest.Rest))
			require.NotEmpty(t, rest.Rest)
			assert.True(t, s.Open())
			var got []byte
			done := background(t, func() { got, _ = io.ReadAll(peer) })
			require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw), gentcp.SendTimeout(gentcp.Infinity)))
			require.NoError(t, s.Send(rest.Rest))
			require.NoError(t, s.SetOpts(gentcp.PacketType(c.typ)))
			require.NoError(t, s.Send([]byte("next")))
			require.NoError(t, s.Close())
			done()
			wire, _ = packet.Append(wire, c.typ, []byte("next"))
			assert.True(t, bytes.Equal(wire, got), "%d bytes sent, %d came", len(wire), len(got))
		})
	}
}

// When the kernel takes nothing at all, the rest is the whole packet, its header included.
func TestSendTimeoutOfAWholePacket(t *testing.T) {
	s, peer := stuffed(t, nil, gentcp.SendTimeout(time.Millisecond))
	var wire []byte
	var rest string
	for big := pattern(1 << 20); rest == ""; {
		wire = append(wire, big...)
		var e *gentcp.SendTimeoutError
		if errors.As(s.Send(big), &e) {
			rest = string(e.Rest)
		}
	}
	wire = wire[:len(wire)-len(rest)]
	// With the smallest buffer what has been taken is more than fills it, except that it may be on its way still.
	require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len2), gentcp.SndBuf(1)))
	whole := "\x00\x06abcdef"
	for rest != whole {
		wire = append(wire, whole...)
		if err := s.Send([]byte("abc"), []byte("def")); err != nil {
			var e *gentcp.SendTimeoutError
			require.ErrorAs(t, err, &e)
			rest = string(e.Rest)
			wire = wire[:len(wire)-len(rest)]
		}
	}
	s.Close()
	got, err := io.ReadAll(peer)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(wire, got))
}

func TestSendTimeoutClose(t *testing.T) {
	for _, mode := range []gentcp.Option{gentcp.Active(true), gentcp.Active(false)} {
		mb := owner(t)
		s, peer := stuffed(t, mb, mode, gentcp.SendTimeout(time.Millisecond), gentcp.SendTimeoutClose(true))
		put(t, s, peer, "x")
		var err error
		for err == nil {
			err = s.Send(make([]byte, 1<<20))
		}
		assert.Equal(t, esock.ErrTimeout, err, "plain: there is no rest")
		assert.False(t, s.Open())
		reasons(t, "closed", s.Send([]byte("x")))
		recvs(t, s, "error: closed")
		if mode.Value() == true {
			gets(t, mb, "tcp x", "closed")
		}
		holds(t, mb)
	}
}

// A sender that waits does not hold up a receiver, nor the other way round.
func TestSendAndRecvDoNotWaitForEachOther(t *testing.T) {
	s, peer := stuffed(t, nil)
	sending := background(t, func() { assert.NoError(t, s.Send(make([]byte, 8<<20))) })
	put(t, s, peer, "x")
	recvs(t, s, "x")
	pending := recvLater(t, s, 0, esock.Forever)
	background(t, func() { io.CopyN(io.Discard, peer, 8<<20) })
	sending()
	write(t, peer, "y")
	assert.Equal(t, "y", pending())
}

// A failed send leaves received data: it is still there, then comes the end.
func TestAFailedSendLeavesReceivedData(t *testing.T) {
	fail := func(t *testing.T, s *gentcp.Socket, peer *net.TCPConn) {
		put(t, s, peer, "a\nb\n")
		require.NoError(t, peer.Close())
		inState(t, s, tcpCloseWait)
		var err error
		for err == nil { // the first is answered by a reset
			err = s.Send([]byte("x"))
		}
		reasons(t, "closed", err)
		assert.True(t, s.Open())
	}
	t.Run("passive", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Line))
		fail(t, s, peer)
		recvs(t, s, "a\n", "b\n", "error: closed", "error: closed")
	})
	t.Run("read ahead", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Line))
		put(t, s, peer, "0\n1\n")
		recvs(t, s, "0\n")
		fail(t, s, peer)
		recvs(t, s, "1\n", "a\n", "b\n", "error: closed")
	})
	t.Run("active", func(t *testing.T) {
		mb := owner(t)
		s, peer := wired(t, mb, gentcp.PacketType(packet.Line))
		fail(t, s, peer)
		gets(t, mb, "tcp a\n", "tcp b\n", "closed")
		holds(t, mb)
	})
}

func TestSendErrors(t *testing.T) {
	for _, show := range []bool{false, true} {
		show := gentcp.ShowEconnreset(show)
		t.Run(show.String(), func(t *testing.T) {
			t.Run("after shutdown", func(t *testing.T) {
				s, peer := wired(t, nil, show)
				require.NoError(t, s.Shutdown(esock.ShutWrite))
				reasons(t, "closed", s.Send([]byte("x")))
				reasons(t, "closed", s.Send([]byte("x"), []byte("y")))
				put(t, s, peer, "still read")
				recvs(t, s, "still read")
			})
			t.Run("after close", func(t *testing.T) {
				s, _ := wired(t, nil, show)
				s.Close()
				reasons(t, "closed", s.Send([]byte("x")))
				reasons(t, "closed", s.Send())
			})
			t.Run("on a listener", func(t *testing.T) {
				reasons(t, "closed", listenWith(t, nil, show).Send([]byte("x")))
			})
			t.Run("the peer has gone", func(t *testing.T) {
				s, peer := wired(t, nil, show)
				reset(t, s, peer)
				want := "closed"
				if show.Value() == true {
					want = "econnreset"
				}
				reasons(t, want, s.Send([]byte("x")))
				reasons(t, want, s.Send([]byte("x")), "again")
			})
		})
	}
}

// Senders that wait are told when the socket is closed, and when the peer has gone.
func TestSendersThatWaitAreTold(t *testing.T) {
	for _, how := range []string{"close", "owner's death", "reset"} {
		t.Run(how, func(t *testing.T) {
			mb := owner(t)
			s, peer := stuffed(t, mb, gentcp.PacketType(packet.Len4), gentcp.Active(false))
			var wg sync.WaitGroup
			errs := make(chan error, 4)
			for range cap(errs) {
				wg.Go(func() { errs <- s.Send(make([]byte, 8<<20)) })
			}
			comes(t, "a sender that waits", func() bool {
				return len(s.Socket().Info().WStates) > 0
			})
			switch how {
			case "close":
				s.Close()
			case "owner's death":
				mb.Close()
			case "reset":
				peer.SetLinger(0)
				peer.Close()
			}
			for range cap(errs) {
				reasons(t, "closed", <-errs)
			}
			wg.Wait()
		})
	}
}
