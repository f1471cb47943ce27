package gentcp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/callback"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

func TestRecvRaw(t *testing.T) {
	for _, c := range []struct {
		name    string
		opts    []gentcp.Option
		sent    string
		lengths []int
		want    []string
	}{
		{"length 0 takes what is there", none, "abcdef", []int{0}, []string{"abcdef"}},
		{"length 0 takes at most what a read takes", []gentcp.Option{gentcp.Buffer(4)}, "abcdefghij", []int{0, 0, 0},
			[]string{"abcd", "efgh", "ij"}},
		{"a length takes exactly so much", none, "abcdefghij", []int{3, 5, 2}, []string{"abc", "defgh", "ij"}},
		{"a length may be more than a read takes", []gentcp.Option{gentcp.Buffer(4)}, "abcdefghij", []int{10},
			[]string{"abcdefghij"}},
		{"a leftover is given whole", []gentcp.Option{gentcp.Buffer(8)}, "abcdefghijkl", []int{2, 0, 0},
			[]string{"ab", "cdefgh", "ijkl"}},
		{"type 0 is raw", []gentcp.Option{gentcp.PacketType(packet.Len0)}, "abcdef", []int{2, 0}, []string{"ab", "cdef"}},
		{"without read_ahead length 0 is the same", []gentcp.Option{gentcp.ReadAhead(false)}, "abcdef", []int{2, 0},
			[]string{"ab", "cdef"}},
		{"packet_size does not matter", []gentcp.Option{gentcp.PacketSize(2)}, "abcdef", []int{0}, []string{"abcdef"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, peer := wired(t, nil, c.opts...)
			put(t, s, peer, c.sent)
			for i, n := range c.lengths {
				assert.Equal(t, c.want[i], recvText(s, n, now), "receive %d", i)
			}
			assert.Equal(t, "error: timeout", recvText(s, 0, now))
		})
	}
}

func TestRecvOfManyBytes(t *testing.T) {
	s, peer := wired(t, nil)
	want := string(pattern(3<<20 + 17))
	background(t, func() { io.WriteString(peer, want) })
	assert.Equal(t, want, recvText(s, len(want), soon))
}

func TestRecvLengthDoesNotMatterForPackets(t *testing.T) {
	s, peer := wired(t, nil, gentcp.PacketType(packet.Len2))
	put(t, s, peer, "\x00\x03abc\x00\x01x\x00\x00")
	assert.Equal(t, "abc", recvText(s, 1, soon))
	assert.Equal(t, "x", recvText(s, 100, soon))
	assert.Equal(t, "", recvText(s, 7, soon))
}

func TestRecvIntoMemory(t *testing.T) {
	for _, c := range []struct {
		name   string
		typ    packet.Type
		sent   string
		length int
		want   string
		fits   bool
	}{
		{"raw", packet.Raw, "abc", 0, "abc", true},
		{"raw with a length", packet.Raw, "abcdef", 4, "abcd", true},
		{"raw with a length that does not fit", packet.Raw, "abcdefghij", 9, "abcdefghi", false},
		{"a packet", packet.Len1, "\x04abcd", 0, "abcd", true},
		{"a packet that just fits", packet.Len1, "\x08abcdefgh", 0, "abcdefgh", true},
		{"a packet that does not fit", packet.Len1, "\x09abcdefghi", 0, "abcdefghi", false},
		{"a line", packet.Line, "abc\n", 0, "abc\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, peer := wired(t, nil, gentcp.PacketType(c.typ))
			put(t, s, peer, c.sent)
			whole := []byte("................")
			buf := whole[:8]
			p, err := s.RecvInto(buf, c.length, soon)
			require.NoError(t, err)
			assert.Equal(t, c.want, string(p.Data()))
			assert.Equal(t, c.fits, &p.Data()[0] == &buf[0], "in the caller's memory")
			assert.Equal(t, "........", string(whole[8:]), "behind the caller's memory")
			assert.Equal(t, len(p.Data()), cap(p.Data()), "appending to a packet makes a copy")
		})
	}
	t.Run("raw takes no more than fits", func(t *testing.T) {
		s, peer := wired(t, nil)
		put(t, s, peer, "abcdef")
		p, err := s.RecvInto(make([]byte, 4), 0, soon)
		require.NoError(t, err)
		assert.Equal(t, "abcd", string(p.Data()))
		recvs(t, s, "ef")
	})
	t.Run("Recv has memory of its own", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Len1))
		put(t, s, peer, "\x03abc\x03def")
		p, err := s.Recv(0, soon)
		require.NoError(t, err)
		recvs(t, s, "def")
		put(t, s, peer, "\x03ghi")
		recvs(t, s, "ghi")
		assert.Equal(t, "abc", string(p.Data()))
	})
}

// Data that came before the time was over stays for the next call.
func TestRecvTimeoutKeepsWhatCame(t *testing.T) {
	soonOver := func() esock.Wait { return esock.Within(time.Millisecond) }
	cancelled := func() esock.Wait {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		t.Cleanup(cancel)
		return esock.Context(ctx)
	}
	for _, w := range []struct {
		name string
		wait func() esock.Wait
		err  error
	}{
		{"Within", soonOver, esock.ErrTimeout},
		{"Within 0", func() esock.Wait { return now }, esock.ErrTimeout},
		{"Until", func() esock.Wait { return esock.Until(time.Now().Add(time.Millisecond)) }, esock.ErrTimeout},
		{"Until a moment in the past", func() esock.Wait { return esock.Until(time.Now().Add(-time.Hour)) }, esock.ErrTimeout},
		{"Context", cancelled, context.DeadlineExceeded},
	} {
		for _, c := range []struct {
			name        string
			typ         packet.Type
			length      int
			first, rest string
			want        string
		}{
			{"raw", packet.Raw, 10, "abc", "defghij", "abcdefghij"},
			{"2", packet.Len2, 0, "\x00\x0aabc", "defghij", "abcdefghij"},
			{"line", packet.Line, 0, "abc", "def\n", "abcdef\n"},
		} {
			for _, into := range []int{0, 64} {
				t.Run(w.name+" "+c.name, func(t *testing.T) {
					s, peer := wired(t, nil, gentcp.PacketType(c.typ))
					put(t, s, peer, c.first)
					for range 2 {
						_, err := s.RecvInto(make([]byte, into), c.length, w.wait())
						require.ErrorIs(t, err, w.err)
						reasons(t, "timeout", err)
					}
					put(t, s, peer, c.rest)
					p, err := s.RecvInto(make([]byte, into), c.length, soon)
					require.NoError(t, err)
					assert.Equal(t, c.want, string(p.Data()))
				})
			}
		}
	}
}

func TestRecvTimesOutWhenNothingComes(t *testing.T) {
	s, _ := wired(t, nil)
	for _, length := range []int{0, 5} {
		assert.Equal(t, "error: timeout", recvText(s, length, now))
		assert.Equal(t, "error: timeout", recvText(s, length, esock.Within(time.Millisecond)))
	}
	ctx, cancel := context.WithCancel(context.Background())
	got := recvLater(t, s, 0, esock.Context(ctx))
	turns(t, s, 0)
	cancel()
	assert.Equal(t, "error: context canceled", got())
}

func TestRecvWithoutTimeTakesWhatIsThere(t *testing.T) {
	s, peer := wired(t, nil, gentcp.PacketType(packet.Line))
	put(t, s, peer, "a\nb\n")
	assert.Equal(t, "a\n", recvText(s, 0, now), "from the kernel")
	assert.Equal(t, "b\n", recvText(s, 0, now), "read ahead")
	assert.Equal(t, "error: timeout", recvText(s, 0, now))
}

func TestRecvsQueue(t *testing.T) {
	t.Run("first come, first served", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Line))
		var got []func() string
		for i := range 8 {
			w := esock.Forever
			if i%2 == 0 {
				w = soon
			}
			got = append(got, recvLater(t, s, 0, w))
			turns(t, s, i)
		}
		assert.Equal(t, "error: timeout", recvText(s, 0, now), "who does not wait does not queue")
		write(t, peer, "0\n1\n2\n3\n4\n5\n6\n7\n")
		for i := range got {
			assert.Equal(t, string(rune('0'+i))+"\n", got[i]())
		}
	})
	t.Run("the time runs from the turn", func(t *testing.T) {
		s, peer := wired(t, nil)
		first := recvLater(t, s, 0, esock.Forever)
		turns(t, s, 0)
		second := recvLater(t, s, 0, esock.Within(time.Millisecond))
		turns(t, s, 1)
		third := recvLater(t, s, 0, esock.Within(longEnough))
		turns(t, s, 2)
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond) // far more than the second has
		defer cancel()
		<-ctx.Done()
		assert.Equal(t, 3, gentcp.Receivers(s), "nobody's time has run")
		write(t, peer, "a")
		assert.Equal(t, "a", first())
		assert.Equal(t, "error: timeout", second())
		write(t, peer, "b")
		assert.Equal(t, "b", third())
	})
	t.Run("a moment or a context ends the waiting for the turn", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Line))
		first := recvLater(t, s, 0, esock.Forever)
		turns(t, s, 0)
		ctx, cancel := context.WithCancel(context.Background())
		second := recvLater(t, s, 0, esock.Context(ctx))
		turns(t, s, 1)
		third := recvLater(t, s, 0, esock.Forever)
		turns(t, s, 2)
		assert.Equal(t, "error: timeout", recvText(s, 0, esock.Until(time.Now().Add(time.Millisecond))))
		cancel()
		assert.Equal(t, "error: context canceled", second())
		write(t, peer, "a\nb\n")
		assert.Equal(t, "a\n", first())
		assert.Equal(t, "b\n", third())
	})
	t.Run("the end is told to all", func(t *testing.T) {
		s, peer := wired(t, nil)
		var got []func() string
		for i := range 4 {
			got = append(got, recvLater(t, s, 0, esock.Forever))
			turns(t, s, i)
		}
		require.NoError(t, peer.Close())
		for i := range got {
			assert.Equal(t, "error: closed", got[i]())
		}
	})
}

// A turn that comes at the moment when a waiter gives up is not lost.
func TestRecvTurnIsNotLostWithItsWaiter(t *testing.T) {
	s, peer := wired(t, nil)
	for range 300 {
		letGo := gentcp.HoldUp(s)
		ctx, cancel := context.WithCancel(context.Background())
		first := recvLater(t, s, 0, esock.Context(ctx))
		turns(t, s, 1)
		second := recvLater(t, s, 1, esock.Forever)
		turns(t, s, 2)
		wait := background(t, cancel)
		letGo()
		wait()
		require.Equal(t, "error: context canceled", first())
		write(t, peer, "x")
		require.Equal(t, "x", second())
	}
}

func TestRecvRefuses(t *testing.T) {
	mb := owner(t)
	for _, c := range []struct {
		name   string
		opts   []gentcp.Option
		length int
		wait   esock.Wait
		want   string
	}{
		{"a negative length", []gentcp.Option{gentcp.Active(false)}, -1, soon, "badarg"},
		{"a negative time", []gentcp.Option{gentcp.Active(false)}, 0, esock.Within(-1), "badarg"},
		{"no context", []gentcp.Option{gentcp.Active(false)}, 0, esock.Context(nil), "badarg"}, //nolint
		{"not to wait", []gentcp.Option{gentcp.Active(false)}, 0, esock.NoWait(mb), "badarg"},
		{"a handle", []gentcp.Option{gentcp.Active(false)}, 0, esock.With(mb.NewHandle()), "badarg"},
		{"active true", []gentcp.Option{gentcp.Active(true)}, 0, soon, "einval"},
		{"active once", []gentcp.Option{gentcp.ActiveOnce()}, 0, soon, "einval"},
		{"active 3", []gentcp.Option{gentcp.ActiveN(3)}, 0, soon, "einval"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := wired(t, mb, c.opts...)
			_, err := s.Recv(c.length, c.wait)
			reasons(t, c.want, err)
		})
	}
	t.Run("a listener", func(t *testing.T) {
		l := listenWith(t, mb)
		_, err := l.Recv(0, soon)
		reasons(t, "enotconn", err)
		l.Close()
		_, err = l.Recv(0, soon)
		reasons(t, "closed", err)
	})
}

func TestRecvErrorsSayWhatAndWhere(t *testing.T) {
	s, peer := wired(t, nil)
	hangUp(t, s, peer)
	_, err := s.Recv(0, soon)
	var e *gentcp.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "recv", e.Op)
	assert.Same(t, s, e.Socket)
	assert.ErrorIs(t, err, gentcp.ErrClosed)
	assert.ErrorIs(t, err, io.EOF)
	assert.False(t, errors.Is(err, net.ErrClosed), "the peer has")

	s, _ = wired(t, nil)
	s.Close()
	_, err = s.Recv(0, soon)
	assert.ErrorIs(t, err, gentcp.ErrClosed)
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.False(t, errors.Is(err, io.EOF), "we have")
}

// A receive that waits when an active mode is set gets the next packet; the rest become messages.
func TestRecvPendingWhileActiveIsSet(t *testing.T) {
	for name, c := range map[string]struct {
		mode gentcp.Option
		sent string
		want []string
		left string
	}{
		"true": {gentcp.Active(true), "a\nb\nc\n", []string{"tcp b\n", "tcp c\n"}, ""},
		"once": {gentcp.ActiveOnce(), "a\nb\nc\n", []string{"tcp b\n"}, "c\n"},
		"2":    {gentcp.ActiveN(2), "a\nb\nc\nd\n", []string{"tcp b\n", "tcp c\n", "passive"}, "d\n"},
	} {
		t.Run(name, func(t *testing.T) {
			mb := owner(t)
			s, peer := wired(t, mb, gentcp.PacketType(packet.Line), gentcp.Active(false))
			got := recvLater(t, s, 0, esock.Forever)
			turns(t, s, 0)
			require.NoError(t, s.SetOpts(c.mode))
			holds(t, mb)
			assert.Equal(t, "error: einval", recvText(s, 0, soon), "another receive")
			write(t, peer, c.sent)
			assert.Equal(t, "a\n", got())
			gets(t, mb, c.want...)
			holds(t, mb)
			if c.left != "" {
				recvs(t, s, c.left)
			}
		})
	}
	t.Run("then the end", func(t *testing.T) {
		mb := owner(t)
		s, peer := wired(t, mb, gentcp.Active(false), gentcp.ExitOnClose(false))
		got := recvLater(t, s, 0, esock.Forever)
		turns(t, s, 0)
		require.NoError(t, s.SetOpts(gentcp.Active(true)))
		require.NoError(t, peer.Close())
		assert.Equal(t, "error: closed", got())
		gets(t, mb, "closed")
		holds(t, mb)
		assert.Equal(t, false, valueOf(t, s, "active"))
		recvs(t, s, "error: closed")
	})
	t.Run("then a packet that is none", func(t *testing.T) {
		mb := owner(t)
		s, peer := wired(t, mb, gentcp.Active(false), gentcp.PacketType(packet.TPKT))
		got := recvLater(t, s, 0, esock.Forever)
		turns(t, s, 0)
		require.NoError(t, s.SetOpts(gentcp.Active(true)))
		write(t, peer, "no packet")
		assert.Equal(t, "error: emsgsize", got())
		gets(t, mb, "error emsgsize")
		holds(t, mb)
		assert.Equal(t, false, valueOf(t, s, "active"))
	})
}

func TestReadAheadOffLeavesTheRestToTheKernel(t *testing.T) {
	for _, c := range []struct {
		typ    packet.Type
		first  string
		length int
	}{
		{packet.Raw, "abc", 3},
		{packet.Len1, "\x03abc", 0},
		{packet.Len2, "\x00\x03abc", 0},
		{packet.Len4, "\x00\x00\x00\x03abc", 0},
		{packet.Len4, "\x00\x00\x50\x00" + strings.Repeat("x", 0x5000), 0},
		{packet.SunRM, "\x80\x00\x00\x03abc", 0},
		{packet.CDR, "GIOP\x01\x02\x01\x01\x04\x00\x00\x00abcd", 0},
		{packet.FCGI, "\x01\x05\x00\x01\x00\x03\x02\x00abc\x00\x00", 0},
		{packet.TPKT, "\x03\x00\x00\x07abc", 0},
		{packet.ASN1, "\x30\x03\x02\x01\x05", 0},
		{packet.ASN1, "\x30\x82\x01\x00" + strings.Repeat("x", 256), 0},
		{packet.Line, "abc\r\n", 0},
		{packet.HTTP, "GET / HTTP/1.1\r\n", 0},
		{packet.HTTPH, "\r\n", 0},
	} {
		t.Run(c.typ.String(), func(t *testing.T) {
			for _, ahead := range []bool{false, true} {
				s, peer := wired(t, nil, gentcp.PacketType(c.typ), gentcp.ReadAhead(ahead), gentcp.Buffer(1<<16))
				const rest = "what follows"
				put(t, s, peer, c.first+rest)
				assert.NotContains(t, recvText(s, c.length, soon), "error")
				if ahead {
					assert.Equal(t, 0, unread(t, s), "read ahead")
				} else {
					assert.Equal(t, len(rest), unread(t, s), "left to the kernel")
				}
				require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw)))
				recvs(t, s, rest)
			}
		})
	}
}

func TestBufferIsAllThatARawReadTakes(t *testing.T) {
	for _, size := range []int{10, 100, 8192, 10_000, 30_000} {
		s, peer := wired(t, nil, gentcp.Buffer(size))
		data := string(pattern(size + 10))
		put(t, s, peer, data)
		assert.Equal(t, data[:size], recvText(s, 0, soon), "%d", size)
		assert.Equal(t, data[size:], recvText(s, 0, soon), "%d", size)
	}
}

func TestHeaderDividesThePacket(t *testing.T) {
	for _, c := range []struct {
		name       string
		opts       []gentcp.Option
		sent       string
		head, body string
	}{
		{"none", []gentcp.Option{gentcp.Binary()}, "abcdef", "", "abcdef"},
		{"some", []gentcp.Option{gentcp.Binary(), gentcp.Header(2)}, "abcdef", "ab", "cdef"},
		{"all", []gentcp.Option{gentcp.Binary(), gentcp.Header(6)}, "abcdef", "abcdef", ""},
		{"more", []gentcp.Option{gentcp.Binary(), gentcp.Header(9)}, "abcdef", "abcdef", ""},
		{"of a packet", []gentcp.Option{gentcp.Binary(), gentcp.Header(2), gentcp.PacketType(packet.Len1)}, "\x03abc", "ab", "c"},
		{"with lists", []gentcp.Option{gentcp.List(), gentcp.Header(2)}, "abcdef", "", "abcdef"},
		{"of HTTP", []gentcp.Option{gentcp.Binary(), gentcp.Header(2), gentcp.PacketType(packet.HTTPBin)},
			"GET / HTTP/1.0\r\n", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			mb := owner(t)
			s, peer := wired(t, mb, append(c.opts, gentcp.Active(false))...)
			for i := range 3 {
				require.NoError(t, s.SetOpts(c.opts...)) // an HTTP head begins again
				put(t, s, peer, c.sent)
				var p gentcp.Packet
				var err error
				switch i {
				case 0:
					p, err = s.Recv(0, soon)
				case 1:
					p, err = s.RecvInto(make([]byte, 100), 0, soon)
				case 2:
					require.NoError(t, s.SetOpts(gentcp.ActiveOnce(), gentcp.Deliver(gentcp.DeliverPort)))
					p = nextMessage(t, mb).(gentcp.PortMsg).Packet
				}
				require.NoError(t, err)
				assert.Equal(t, c.head, string(p.Head()))
				assert.Equal(t, c.body, string(p.Body()))
			}
		})
	}
}

// Time that has passed ends a receive of several reads, also when each read finds data at once. What has come is kept.
func TestRecvHeedsItsTimeBetweenReads(t *testing.T) {
	s, peer := wired(t, nil, gentcp.PacketType(packet.Len4), gentcp.ReadAhead(false))
	body := strings.Repeat("x", 50_000)
	put(t, s, peer, "\x00\x00\xc3\x50"+body[:40_000])
	_, err := s.Recv(0, esock.Until(time.Now().Add(-time.Second)))
	assert.ErrorIs(t, err, esock.ErrTimeout)
	assert.Positive(t, unread(t, s), "not all of it was read")
	write(t, peer, body[40_000:])
	recvs(t, s, body)
}

// No method of a caller's context, or of its error, runs under a lock that the socket's methods need.
func TestTheContextOfARecvMayUseTheSocket(t *testing.T) {
	for name, recv := range map[string]func(s *gentcp.Socket, w esock.Wait) error{
		"a packet":       func(s *gentcp.Socket, w esock.Wait) error { _, err := s.Recv(9, w); return err },
		"into memory":    func(s *gentcp.Socket, w esock.Wait) error { _, err := s.RecvInto(make([]byte, 9), 9, w); return err },
		"into too small": func(s *gentcp.Socket, w esock.Wait) error { _, err := s.RecvInto(make([]byte, 1), 9, w); return err },
	} {
		t.Run(name, func(t *testing.T) {
			s, peer := wired(t, nil)
			parent, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := esock.Context(callback.Context(parent, func() { s.Owner(); s.Opt("active") }))
			put(t, s, peer, "abc")
			errs := make(chan error, 2)
			go func() { errs <- recv(s, w) }()
			turns(t, s, 0)
			go func() { errs <- recv(s, w) }()
			turns(t, s, 1)
			cancel()
			for range 2 {
				assert.ErrorIs(t, testwait.Result(t, "the end of a receive", errs), context.Canceled)
			}
			assert.True(t, s.Open())
			recvs(t, s, "abc")
		})
	}
}
