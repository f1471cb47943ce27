package datagram_test

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/datagram"
	"github.com/esock-go/esock/internal/testmain"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/internal/zerocall"
	"github.com/esock-go/esock/sockopt"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

var patience = esock.Within(time.Minute)

// udp is a socket on loopback, and its address.
func udp(t testing.TB, d esock.Domain) (*esock.Socket, netip.AddrPort) {
	t.Helper()
	s, err := esock.Open(d, esock.Dgram, esock.UDP)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	require.NoError(t, s.Bind(esock.Loopback))
	a, err := s.SockName()
	require.NoError(t, err)
	return s, netip.AddrPortFrom(a.IP(), uint16(a.Port()))
}

func batch(t testing.TB, s *esock.Socket, count, size int, opts ...datagram.Option) *datagram.Batch {
	t.Helper()
	b, err := datagram.NewBatch(s, count, size, opts...)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

// texts receives n datagrams, in calls of a batch, and returns them.
func texts(t testing.TB, b *datagram.Batch, n int) (got []string) {
	t.Helper()
	for len(got) < n {
		came, err := b.Recv(0, patience)
		require.NoError(t, err)
		before := len(got)
		for d := range b.All() {
			got = append(got, string(d.Data()))
		}
		require.Equal(t, came, len(got)-before)
	}
	return got
}

// withTrains switches UDP_GRO on, and skips the test where there is none.
func withTrains(t testing.TB, s *esock.Socket) {
	t.Helper()
	if err := sockopt.UDPGRO.Set(s, true); errors.Is(err, syscall.ENOPROTOOPT) {
		t.Skip("UDP_GRO is in Linux since 5.0")
	} else {
		require.NoError(t, err)
	}
	trainsStayWhole(t)
}

// trainsStayWhole skips the test where the loopback takes trains apart before a socket has them, as that of Linux 5.10 does.
func trainsStayWhole(t testing.TB) {
	t.Helper()
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	require.NoError(t, sockopt.UDPGRO.Set(s, true))
	m := esock.Msg{Iov: [][]byte{make([]byte, 20)}, Addr: esock.AddrFrom(to)}
	require.NoError(t, m.SetControl(esock.UDPSegment(10)))
	_, err := a.SendMsg(&m, 0, patience)
	require.NoError(t, err)
	n, err := s.Recv(make([]byte, 100), 0, patience)
	require.NoError(t, err)
	if n != 20 {
		t.Skip("the loopback of this kernel takes trains apart")
	}
}

func TestABatchGoesAndComes(t *testing.T) {
	for name, trains := range map[string]bool{"one by one": false, "in trains": true} {
		t.Run(name, func(t *testing.T) {
			a, from := udp(t, esock.Inet)
			s, to := udp(t, esock.Inet)
			if trains {
				withTrains(t, s)
			}
			most := 1
			if trains {
				most = 64
			}
			out, in := batch(t, a, 100, 1200, datagram.Trains(most)), batch(t, s, 20, 65535)
			want := []string{}
			for i := range 10 {
				data := bytes.Repeat([]byte{byte('a' + i)}, 100)
				if i == 9 {
					data = data[:7]
				}
				require.NoError(t, out.Append(data, to))
				want = append(want, string(data))
			}
			assert.Equal(t, 10, out.Len())
			n, err := out.Send(0, patience)
			require.NoError(t, err)
			assert.Equal(t, 10, n)
			assert.Zero(t, out.Len())
			assert.Equal(t, want, texts(t, in, 10))
			for d := range in.All() {
				assert.Equal(t, from, d.From())
				assert.False(t, d.Truncated())
			}
			received, _ := in.Counters()
			_, sent := out.Counters()
			assert.EqualValues(t, 10, sent.Count)
			assert.EqualValues(t, 10, received.Count)
			if trains {
				assert.Equal(t, datagram.Counters{Calls: 1, Count: 10, Trains: 1}, sent)
				for d, segment := range in.Trains() {
					assert.Equal(t, 100, segment)
					assert.Len(t, d.Data(), 907)
				}
			} else {
				assert.Zero(t, sent.Trains)
			}
			assert.EqualValues(t, 10, a.Counters().WritePkg)
			assert.EqualValues(t, 10, s.Counters().ReadPkg)
		})
	}
}

// Whatever is appended, to whom, in whatever calls: every datagram comes once, in order for each peer.
func TestBatchesBesideAModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a, _ := udp(t, esock.Inet)
	const peers = 3
	var in [peers]*datagram.Batch
	var to [peers]netip.AddrPort
	for i := range peers {
		var s *esock.Socket
		s, to[i] = udp(t, esock.Inet)
		if i > 0 {
			withTrains(t, s)
		}
		in[i] = batch(t, s, 1+r.IntN(40), 65535)
	}
	out := batch(t, a, 50, 1000, datagram.Trains(1+r.IntN(64)))
	for round := range 200 {
		var want [peers][]string
		for i := range 1 + r.IntN(50) {
			p, size := 0, r.IntN(4)*100
			if r.IntN(3) == 0 {
				p = r.IntN(peers)
			}
			if r.IntN(4) == 0 {
				size = r.IntN(1001)
			}
			data := bytes.Repeat([]byte{byte(round + i)}, size)
			require.NoError(t, out.Append(data, to[p]))
			want[p] = append(want[p], string(data))
		}
		total := out.Len()
		n, err := out.Send(0, patience)
		require.NoError(t, err)
		require.Equal(t, total, n)
		for p := range peers {
			require.Equal(t, want[p], texts(t, in[p], len(want[p])), "round %d, peer %d", round, p)
		}
	}
}

// What is cut is named, and the others are whole.
func TestWhatIsCutIsNamed(t *testing.T) {
	a, from := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	out, in := batch(t, a, 10, 1200), batch(t, s, 10, 50)
	for _, size := range []int{10, 60, 20} {
		require.NoError(t, out.Append(make([]byte, size), to))
	}
	_, err := out.Send(0, patience)
	require.NoError(t, err)
	n, err := in.Recv(0, patience)
	assert.Equal(t, 3, n)
	var cut *datagram.TruncatedError
	require.ErrorAs(t, err, &cut)
	assert.Equal(t, datagram.TruncatedError{Index: 1, Len: 60, Room: 50, From: esock.AddrFrom(from)}, *cut)
	assert.EqualError(t, err, fmt.Sprintf("datagram: number 1, from %v, has 60 bytes, and there is room for 50", from))
	sizes, cuts := []int{}, []bool{}
	for d := range in.All() {
		sizes, cuts = append(sizes, len(d.Data())), append(cuts, d.Truncated())
	}
	assert.Equal(t, []int{10, 50, 20}, sizes)
	assert.Equal(t, []bool{false, true, false}, cuts)
	require.NoError(t, out.Append(nil, to))
	_, err = out.Send(0, patience)
	require.NoError(t, err)
	n, err = in.Recv(0, patience)
	assert.Equal(t, 1, n)
	assert.NoError(t, err)

	// A socket that receives trains takes no shorter buffers.
	withTrains(t, s)
	_, err = datagram.NewBatch(s, 10, 65534)
	var invalid *esock.InvalidError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "size", invalid.What)
	// One that begins later cuts a train between its datagrams or within one.
	for range 3 {
		require.NoError(t, out.Append(make([]byte, 40), to))
	}
	_, err = out.Send(0, patience)
	require.NoError(t, err)
	n, err = in.Recv(0, patience)
	assert.Equal(t, 2, n)
	require.ErrorAs(t, err, &cut)
	assert.Equal(t, 1, cut.Index)
	assert.Equal(t, 120, cut.Len)
}

// What cannot go stops the batch there; it stays until it goes or is skipped.
func TestSkip(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	out, in := batch(t, a, 5, 70000), batch(t, s, 5, 65535)
	for _, size := range []int{1, 70000, 3} {
		require.NoError(t, out.Append(make([]byte, size), to))
	}
	for range 2 {
		n, err := out.Send(0, patience)
		assert.ErrorIs(t, err, syscall.EMSGSIZE)
		assert.Equal(t, 2, out.Len(), "%d", n)
	}
	out.Skip()
	n, err := out.Send(0, patience)
	assert.Equal(t, 1, n)
	assert.NoError(t, err)
	assert.Equal(t, []string{"\x00", "\x00\x00\x00"}, texts(t, in, 2))
	out.Skip() // nothing
	assert.Zero(t, out.Len())
}

// Control messages go with each datagram that is appended behind them, and an IPv4 address may be a peer of an inet6 socket.
func TestControlAndFamilies(t *testing.T) {
	s, to := udp(t, esock.Inet)
	require.NoError(t, sockopt.IPRecvTOS.Set(s, true))
	a, err := esock.Open(esock.Inet6, esock.Dgram, esock.UDP)
	require.NoError(t, err)
	defer a.Close()
	require.NoError(t, sockopt.IPv6V6Only.Set(a, false))
	out, in := batch(t, a, 5, 100), batch(t, s, 5, 100)
	require.NoError(t, out.Append([]byte("plain"), to))
	require.NoError(t, out.SetControl(esock.TOS(8)))
	require.NoError(t, out.Append([]byte("first"), to))
	require.NoError(t, out.Append([]byte("again"), to))
	require.NoError(t, out.SetControl())
	require.NoError(t, out.AppendAddr([]byte("other"), esock.AddrFrom(netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port()))))
	require.NoError(t, out.Append([]byte("enddd"), to))
	assert.ErrorIs(t, out.Append(nil, to), datagram.ErrFull)
	_, err = out.Send(0, patience)
	require.NoError(t, err)
	require.Equal(t, []string{"plain", "first", "again", "other", "enddd"}, texts(t, in, 5))
	tos := []int{}
	for d := range in.All() {
		for c := range d.Control() {
			if v, ok := c.TOS(); ok {
				tos = append(tos, v)
			}
		}
	}
	assert.Equal(t, []int{0, 8, 8, 0, 0}, tos)
}

// Every waiting form.
func TestBatchesWait(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	in := batch(t, s, 4, 100)
	send := func() {
		t.Helper()
		_, err := a.SendTo([]byte("x"), esock.AddrFrom(to), 0, esock.Forever)
		require.NoError(t, err)
	}
	n, err := in.Recv(0, esock.Within(0))
	assert.Zero(t, n)
	assert.ErrorIs(t, err, esock.ErrTimeout)
	mb := esock.NewMailbox()
	defer mb.Close()
	_, err = in.Recv(0, esock.NoWait(mb))
	assert.IsType(t, &esock.Select{}, err)
	send()
	_, err = mb.Receive(context.Background())
	require.NoError(t, err)
	n, err = in.Recv(0, esock.NoWait(mb))
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	_, err = in.Recv(0, esock.Complete(mb))
	assert.IsType(t, &esock.Completion{}, err)
	send()
	m, err := mb.Receive(context.Background())
	require.NoError(t, err)
	n, err = in.Finish(m.(esock.CompletionMsg))
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	for d := range in.All() {
		assert.Equal(t, "x", string(d.Data()))
	}
	done := make(chan error, 1)
	waits := s.Counters().ReadWaits
	go func() {
		_, err := in.Recv(0, esock.Forever)
		done <- err
	}()
	testwait.Until(t, "the wait", func() bool { return s.Counters().ReadWaits > waits })
	require.NoError(t, s.Close())
	assert.ErrorIs(t, testwait.Result(t, "the end", done), net.ErrClosed)
}

func TestMistakes(t *testing.T) {
	s, to := udp(t, esock.Inet)
	stream, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	defer stream.Close()
	for _, c := range []struct {
		s           *esock.Socket
		count, size int
		opts        []datagram.Option
		what        string
	}{
		{nil, 1, 1, nil, "socket"}, {stream, 1, 1, nil, "socket"}, {s, 0, 1, nil, "count"}, {s, -1, 1, nil, "count"},
		{s, 1 << 30, 1, nil, "count"}, {s, 1, 0, nil, "size"}, {s, 1, -5, nil, "size"}, {s, 1, math.MaxInt, nil, "size"},
		{s, 1, 1, []datagram.Option{nil}, "option"}, {s, 1, 1, []datagram.Option{datagram.Control(-1)}, "control"},
		{s, 1, 1, []datagram.Option{datagram.Trains(0)}, "trains"},
	} {
		b, err := datagram.NewBatch(c.s, c.count, c.size, c.opts...)
		var invalid *esock.InvalidError
		require.ErrorAs(t, err, &invalid, "%+v", c)
		assert.Equal(t, c.what, invalid.What)
		assert.Nil(t, b)
	}
	b := batch(t, s, 2, 10, datagram.Control(0))
	var invalid *esock.InvalidError
	require.ErrorAs(t, b.Append(make([]byte, 11), to), &invalid)
	require.ErrorAs(t, b.SetControl(esock.TOS(1)), &invalid)
	require.ErrorAs(t, b.AppendAddr(nil, esock.Inet4Addr(netip.IPv6Loopback(), 1)), &invalid)
	n, err := b.Send(0, patience)
	assert.Zero(t, n)
	assert.NoError(t, err, "nothing to send")
	require.NoError(t, b.Append([]byte("1"), to))
	_, err = b.Recv(0, patience)
	assert.ErrorIs(t, err, esock.ErrState)
	b.Reset()
	_, err = b.Recv(esock.MsgPeek, patience)
	assert.ErrorAs(t, err, &invalid)
	require.NoError(t, b.Append([]byte("1"), to))
	require.NoError(t, s.Close())
	_, err = b.Send(0, patience)
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.Equal(t, 1, b.Len())
	_, err = datagram.NewBatch(s, 1, 1)
	assert.ErrorIs(t, err, net.ErrClosed)
	b.Close()
	b.Close()
	assert.ErrorAs(t, b.Append(nil, to), &invalid)
}

//go:embed *.go
var source embed.FS

// Whatever is called with or on zero values, nothing panics or waits.
func TestZeroValues(t *testing.T) {
	zerocall.Package{
		Source: source,
		Types: []any{datagram.Batch{}, datagram.Datagram{}, datagram.Counters{}, datagram.TruncatedError{}, datagram.Option(nil),
			datagram.Info{}, datagram.Refusal{}, datagram.Detail(0), datagram.Report{}},
		Values: map[string]any{"ErrFull": datagram.ErrFull, "DetailAddr": datagram.DetailAddr, "DetailTOS": datagram.DetailTOS,
			"DetailTTL": datagram.DetailTTL, "DetailTime": datagram.DetailTime, "DetailDrops": datagram.DetailDrops},
		Funcs: map[string]any{"NewBatch": datagram.NewBatch, "Control": datagram.Control, "Trains": datagram.Trains, "GRO": datagram.GRO,
			"Details": datagram.Details, "SelfTest": datagram.SelfTest, "Paced": datagram.Paced, "Now": datagram.Now},
	}.Run(t)
}
