package gentcp_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// onWire has two packets of each type as they are on the wire, and as they are received.
var onWire = []struct {
	t         packet.Type
	one, two  string
	got, next string
}{
	{packet.Len1, "\x02ab", "\x01c", "ab", "c"},
	{packet.Len2, "\x00\x02ab", "\x00\x01c", "ab", "c"},
	{packet.Len4, "\x00\x00\x00\x02ab", "\x00\x00\x00\x01c", "ab", "c"},
	{packet.Line, "ab\n", "c\n", "ab\n", "c\n"},
	{packet.ASN1, "\x30\x02ab", "\x30\x01c", "\x30\x02ab", "\x30\x01c"},
	{packet.SunRM, "\x80\x00\x00\x02ab", "\x80\x00\x00\x01c", "\x80\x00\x00\x02ab", "\x80\x00\x00\x01c"},
	{packet.CDR, "GIOP0000\x00\x00\x00\x01a", "GIOP0000\x00\x00\x00\x01b", "GIOP0000\x00\x00\x00\x01a", "GIOP0000\x00\x00\x00\x01b"},
	{packet.TPKT, "\x03\x00\x00\x05a", "\x03\x00\x00\x05b", "\x03\x00\x00\x05a", "\x03\x00\x00\x05b"},
	{packet.FCGI, "\x01\x05\x00\x01\x00\x01\x00\x00a", "\x01\x05\x00\x01\x00\x01\x00\x00b",
		"\x01\x05\x00\x01\x00\x01\x00\x00a", "\x01\x05\x00\x01\x00\x01\x00\x00b"},
	{packet.HTTPH, "\r\n", "A: b\r\n\r\n", "http_eoh", "A: b"},
	{packet.HTTPHBin, "\r\n", "A: b\r\n\r\n", "http_eoh", "A: b"},
}

// What is put back is received again, ahead of what was read already and of what the kernel has.
func TestUnrecvInEveryPacketMode(t *testing.T) {
	for _, c := range onWire {
		t.Run(c.t.String(), func(t *testing.T) {
			s, peer := wired(t, nil, gentcp.PacketType(c.t))
			put(t, s, peer, c.one+c.two)
			recvs(t, s, c.got) // the second was read ahead
			require.NoError(t, s.Unrecv([]byte(c.one)))
			recvs(t, s, c.got)
			// In two halves, the last first; and again.
			half := len(c.one) / 2
			require.NoError(t, s.Unrecv([]byte(c.one[half:])))
			require.NoError(t, s.Unrecv([]byte(c.one[:half])))
			require.NoError(t, s.Unrecv([]byte(c.one)))
			recvs(t, s, c.got, c.got, c.next)

			mb := owner(t)
			for _, mode := range []gentcp.Option{gentcp.ActiveOnce(), gentcp.ActiveN(2), gentcp.Active(true)} {
				s, peer := wired(t, mb, gentcp.PacketType(c.t), gentcp.Active(false))
				require.NoError(t, s.Unrecv([]byte(c.one)))
				require.NoError(t, s.SetOpts(mode))
				tag := "tcp "
				if c.t.IsHTTP() {
					tag = "http "
				}
				gets(t, mb, tag+c.got)
				// While the handle waits with the poller.
				require.NoError(t, s.Unrecv([]byte(c.one)))
				if mode.Value() == gentcp.Once {
					holds(t, mb)
					recvs(t, s, c.got)
					continue
				}
				gets(t, mb, tag+c.got)
				if mode.Value() == 2 {
					gets(t, mb, "passive")
					continue
				}
				put(t, s, peer, c.two)
				require.NoError(t, s.Unrecv([]byte(c.one)))
				gets(t, mb, tag+c.got, tag+c.next)
			}
		})
	}
}

func TestUnrecvRaw(t *testing.T) {
	for name, recv := range map[string]func(s *gentcp.Socket, n int) string{
		"Recv": func(s *gentcp.Socket, n int) string { return recvText(s, n, soon) },
		"RecvInto": func(s *gentcp.Socket, n int) string {
			p, err := s.RecvInto(make([]byte, 100), n, soon)
			if err != nil {
				return "error: " + gentcp.Reason(err)
			}
			return textOf(p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, peer := wired(t, nil)
			put(t, s, peer, "defgh")
			require.NoError(t, s.Unrecv([]byte("bc")))
			require.NoError(t, s.Unrecv(nil))
			require.NoError(t, s.Unrecv([]byte("a")))
			assert.Equal(t, "ab", recv(s, 2))
			require.NoError(t, s.Unrecv([]byte("b")))
			assert.Equal(t, "bcde", recv(s, 4))
			assert.Equal(t, "fgh", recv(s, 0))

			b := []byte("mine")
			require.NoError(t, s.Unrecv(b))
			clear(b)
			assert.Equal(t, "mine", recv(s, 0), "it is a copy")
		})
	}
}

// A receive that waits has its memory filled by the kernel. What is put back meanwhile comes ahead of that.
func TestUnrecvWhileAReceiveWaits(t *testing.T) {
	t.Run("into the input", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Line))
		put(t, s, peer, "begin")
		result := recvLater(t, s, 0, soon)
		turns(t, s, 0)
		inKernelQueue(t, s, 0)
		require.NoError(t, s.Unrecv([]byte("two ")))
		require.NoError(t, s.Unrecv([]byte("one\n")))
		write(t, peer, "!\n")
		assert.Equal(t, "one\n", result())
		recvs(t, s, "two begin!\n")
	})
	for _, length := range []int{0, 4} {
		t.Run("into the caller's memory", func(t *testing.T) {
			s, peer := wired(t, nil)
			var got string
			wait := background(t, func() {
				p, err := s.RecvInto(make([]byte, 100), length, soon)
				assert.NoError(t, err)
				got = string(p.Data())
			})
			turns(t, s, 0)
			require.NoError(t, s.Unrecv([]byte("back")))
			write(t, peer, "data")
			wait()
			for len(got) < 8 {
				got += recvText(s, 0, soon)
			}
			assert.Equal(t, "backdata", got)
		})
	}
}

// Whatever is put back at whatever size, the stream is the same.
func TestUnrecvOfAnySize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s, peer := wired(t, nil)
	want := pattern(1 << 20)
	background(t, func() { peer.Write(want) })
	var got []byte
	for len(got) < len(want) {
		p, err := s.Recv(0, soon)
		require.NoError(t, err)
		got = append(got, p.Data()...)
		if n := min(len(got), 1<<r.IntN(18)); r.IntN(2) == 0 && n < len(got) {
			require.NoError(t, s.Unrecv(got[len(got)-n:]))
			got = got[:len(got)-n]
			if len(got) == 0 {
				continue
			}
			p, err := s.Recv(n, soon)
			require.NoError(t, err)
			got = append(got, p.Data()...)
		}
	}
	assert.True(t, bytes.Equal(want, got))
	// Byte by byte, backwards.
	for i := range 100_000 {
		require.NoError(t, s.Unrecv(want[100_000-1-i:100_000-i]))
	}
	p, err := s.Recv(100_000, soon)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want[:100_000], p.Data()))
	assert.Equal(t, "timeout", strings.TrimPrefix(recvText(s, 0, now), "error: "))
}

func TestUnrecvAtTheEnd(t *testing.T) {
	for _, exits := range []bool{true, false} {
		s, peer := wired(t, nil, gentcp.ExitOnClose(exits))
		put(t, s, peer, "abc")
		hangUp(t, s, peer)
		p, err := s.Recv(5, soon) // what is left, and the end was seen
		require.NoError(t, err)
		assert.Equal(t, "abc", string(p.Data()))
		require.NoError(t, s.Unrecv([]byte("bc")))
		recvs(t, s, "bc", "error: closed")
		reasons(t, "closed", s.Unrecv([]byte("x")))
		recvs(t, s, "error: closed")
	}
	s, _ := wired(t, owner(t))
	s.Close()
	reasons(t, "closed", s.Unrecv([]byte("x")))
	reasons(t, "enotconn", listenWith(t, nil).Unrecv([]byte("x")))
	reasons(t, "badarg", (*gentcp.Socket)(nil).Unrecv([]byte("x")))
	mb := esock.NewMailbox()
	s, _ = wired(t, mb)
	mb.Close()
	reasons(t, "closed", s.Unrecv([]byte("x")))
}
