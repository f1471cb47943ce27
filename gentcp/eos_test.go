package gentcp_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// What comes before the end is delivered, what is no whole packet is dropped, and from then on it is closed.
func TestEndOfStream(t *testing.T) {
	for _, c := range []struct {
		name    string
		typ     packet.Type
		sent    string
		lengths []int // of the receives; nil: 0
		want    []string
	}{
		{"nothing", packet.Raw, "", nil, nil},
		{"raw", packet.Raw, "x", nil, []string{"x"}},
		{"raw, the last may be short", packet.Raw, "abcde", []int{3, 3}, []string{"abc", "de"}},
		{"raw, short from the first", packet.Raw, "ab", []int{100_000}, []string{"ab"}},
		{"raw, exactly", packet.Raw, "abcd", []int{2, 2, 2}, []string{"ab", "cd"}},
		{"1", packet.Len1, "\x01a\x01b", nil, []string{"a", "b"}},
		{"1, incomplete", packet.Len1, "\x01a\x02b", nil, []string{"a"}},
		{"2, half a header", packet.Len2, "\x00\x01a\x00", nil, []string{"a"}},
		{"4, incomplete", packet.Len4, "\x00\x00\x00\x05abcd", nil, nil},
		{"line", packet.Line, "a\nb\n", nil, []string{"a\n", "b\n"}},
		{"line, incomplete", packet.Line, "a\nb", nil, []string{"a\n"}},
		{"http", packet.HTTP, "GET /a HTTP/1.0\r\n\r\n", nil, []string{"GET /a", "http_eoh"}},
		{"http, incomplete", packet.HTTP, "GET /a HTTP/1.0\r\nHo", nil, []string{"GET /a"}},
		{"asn1, incomplete", packet.ASN1, "\x30\x01a\x30", nil, []string{"\x30\x01a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, exit := range []bool{true, false} {
				for _, into := range []int{0, 16} {
					s, peer := wired(t, nil, gentcp.PacketType(c.typ), gentcp.ExitOnClose(exit))
					put(t, s, peer, c.sent)
					hangUp(t, s, peer)
					for i, w := range c.want {
						length := 0
						if c.lengths != nil {
							length = c.lengths[i]
						}
						p, err := s.RecvInto(make([]byte, into), length, soon)
						require.NoError(t, err)
						require.Equal(t, w, textOf(p))
					}
					recvs(t, s, "error: closed", "error: closed")
					assert.Equal(t, "error: closed", recvText(s, 3, now))
					assert.Equal(t, !exit, s.Open())
					if !exit {
						require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw)))
						recvs(t, s, "error: closed")
						n, room := gentcp.Buffered(s)
						assert.Zero(t, n+room)
					}
				}
				mb := owner(t)
				s, peer := wired(t, mb, gentcp.PacketType(c.typ), gentcp.ExitOnClose(exit))
				write(t, peer, c.sent)
				require.NoError(t, peer.CloseWrite())
				if c.typ == packet.Raw {
					var got string
					msg := nextMessage(t, mb)
					for ; describe(msg) != "closed"; msg = nextMessage(t, mb) {
						got += string(msg.(gentcp.TCPMsg).Data())
					}
					assert.Equal(t, c.sent, got)
				} else {
					form := "tcp "
					if c.typ.IsHTTP() {
						form = "http "
					}
					for _, w := range c.want {
						gets(t, mb, form+w)
					}
					gets(t, mb, "closed")
				}
				holds(t, mb)
				assert.Equal(t, !exit, s.Open())
			}
		})
	}
}

// The simple server of the manual: everything that the client sent until it closed.
func TestEndOfStreamAfterManyReads(t *testing.T) {
	s, peer := wired(t, nil)
	data := string(pattern(1 << 20))
	background(t, func() { write(t, peer, data); peer.Close() })
	var got []byte
	for {
		p, err := s.Recv(0, soon)
		if err != nil {
			reasons(t, "closed", err)
			break
		}
		got = append(got, p.Data()...)
	}
	assert.True(t, data == string(got))
}

func TestExitOnClose(t *testing.T) {
	t.Run("true", func(t *testing.T) {
		for _, active := range []bool{true, false} {
			mb := owner(t)
			s, peer := wired(t, mb, gentcp.Active(active))
			hangUp(t, s, peer)
			require.NoError(t, s.Send([]byte("before it is seen")))
			if active {
				gets(t, mb, "closed")
			} else {
				recvs(t, s, "error: closed")
			}
			assert.False(t, s.Open())
			reasons(t, "closed", s.Send([]byte("x")))
			_, err := s.SockName()
			reasons(t, "closed", err)
			reasons(t, "einval", s.SetOpts(gentcp.Active(true)))
			reads(t, peer, "before it is seen")
			readsEnd(t, peer)
		}
	})
	t.Run("false", func(t *testing.T) {
		for _, active := range []bool{true, false} {
			mb := owner(t)
			s, peer := wired(t, mb, gentcp.Active(active), gentcp.ExitOnClose(false))
			hangUp(t, s, peer)
			if active {
				gets(t, mb, "closed")
			} else {
				recvs(t, s, "error: closed")
			}
			assert.True(t, s.Open())
			require.NoError(t, s.Send([]byte("answer")))
			reads(t, peer, "answer")
			_, err := s.PeerName()
			reasons(t, "ok", err)
			require.NoError(t, s.SetOpts(gentcp.NoDelay(true), gentcp.Active(true), gentcp.PacketType(packet.Len4)))
			assert.Equal(t, false, valueOf(t, s, "active"))
			assert.Equal(t, packet.Len4, valueOf(t, s, "packet"))
			recvs(t, s, "error: closed")
			require.NoError(t, s.CloseFrom(nil))
			holds(t, mb)
			readsEnd(t, peer)
		}
	})
	t.Run("what it is when the end is seen counts", func(t *testing.T) {
		s, peer := wired(t, nil)
		hangUp(t, s, peer)
		require.NoError(t, s.SetOpts(gentcp.ExitOnClose(false)))
		recvs(t, s, "error: closed")
		assert.True(t, s.Open())
	})
	t.Run("nobody waits for unsent data", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.Linger(true, 100), gentcp.SendTimeout(0))
		for s.Send(make([]byte, 1<<20)) == nil { // until nothing goes out any more
		}
		hangUp(t, s, peer)
		recvs(t, s, "error: closed")
		assert.False(t, s.Open())
	})
}

// A socket that is not connected is told so by the kernel.
func TestRecvUnconnected(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	s, err := gentcp.FDOpen(nil, fd)
	made(t, s, err)
	recvs(t, s, "error: enotconn", "error: closed")
}

// Of any number of goroutines that wait on a mailbox, one gets the end.
func TestEndIsToldOnceToManyReceivers(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.PacketType(packet.Line))
	got := make(chan esock.Message, 16)
	for range 4 {
		background(t, func() {
			for {
				msg, err := mb.Receive(t.Context())
				if err != nil {
					return
				}
				got <- msg
			}
		})
	}
	write(t, peer, "a\n")
	assert.Equal(t, "tcp a\n", describe(<-got))
	require.NoError(t, peer.Close())
	assert.Equal(t, gentcp.ClosedMsg{Sock: s}, <-got)
	mb.Close()
	assert.Empty(t, got)
}
