package datagram_test

import (
	"errors"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/datagram"
	"github.com/esock-go/esock/sockopt"
)

// gro is a batch with GRO, and skips the test where the kernel has none.
func gro(t *testing.T, s *esock.Socket, count int, opts ...datagram.Option) *datagram.Batch {
	t.Helper()
	trainsStayWhole(t)
	b := batch(t, s, count, 65535, append(opts, datagram.GRO())...)
	if i := b.Info(); !i.GRO {
		t.Skip(i.GROErr)
	}
	return b
}

// sendTrain sends one train to an address: n datagrams of that size, and one of tail bytes.
func sendTrain(t *testing.T, s *esock.Socket, to netip.AddrPort, n, size, tail int) {
	t.Helper()
	b := batch(t, s, n+1, size)
	if err := b.Info().TrainsErr; err != nil {
		t.Skip(err)
	}
	for range n {
		require.NoError(t, b.Append(make([]byte, size), to))
	}
	if tail > 0 {
		require.NoError(t, b.Append(make([]byte, tail), to))
	}
	_, err := b.Send(0, patience)
	require.NoError(t, err)
	_, sent := b.Counters()
	require.EqualValues(t, 1, sent.Trains)
}

// The option GRO is the batch's own, and a batch that trains do not fit is refused whoever switched it on.
func TestTrainsNeedTheirRoom(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	var invalid *esock.InvalidError
	_, err := datagram.NewBatch(s, 4, 65534, datagram.GRO())
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "size", invalid.What)
	_, err = datagram.NewBatch(s, 4, 65535, datagram.GRO(), datagram.Control(23))
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "control", invalid.What)
	require.NoError(t, sockopt.UDPGRO.Set(s, false))

	// A batch that is there already notices when trains come, and refuses to go on.
	short := batch(t, s, 4, 1000)
	assert.False(t, short.Info().GRO)
	assert.ErrorContains(t, short.Info().GROErr, "GRO")
	in := gro(t, s, 4)
	assert.NoError(t, in.Info().GROErr)
	sendTrain(t, a, to, 3, 100, 0)
	n, err := short.Recv(0, patience)
	require.NoError(t, err, "it fits by chance")
	assert.Equal(t, 3, n)
	if _, err := sockopt.UDPGRO.Get(s); err != nil {
		t.Skip("the kernel cannot tell before 5.12")
	}
	_, err = short.Recv(0, esock.Within(0))
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "size", invalid.What)
	require.NoError(t, sockopt.UDPGRO.Set(s, false))
	_, err = short.Recv(0, esock.Within(0))
	assert.ErrorIs(t, err, esock.ErrTimeout)
}

// Each place where a train can be cut: the datagrams before it are whole, and what is said is exact.
func TestCutTrains(t *testing.T) {
	for _, c := range []struct {
		room, index, yielded int
		last                 bool // is cut
	}{
		{10, 0, 1, true}, {40, 1, 1, false}, {41, 1, 2, true}, {80, 2, 2, false}, {99, 2, 3, true}, {120, 3, 3, false}, {126, 3, 4, true},
	} {
		a, from := udp(t, esock.Inet)
		s, to := udp(t, esock.Inet)
		in := batch(t, s, 4, c.room)
		withTrains(t, s)
		one := batch(t, a, 1, 40)
		require.NoError(t, one.Append(make([]byte, 5), to))
		_, err := one.Send(0, patience)
		require.NoError(t, err)
		sendTrain(t, a, to, 3, 40, 7)
		n, err := in.Recv(0, patience)
		assert.Equal(t, 1+c.yielded, n, "%+v", c)
		var cut *datagram.TruncatedError
		require.ErrorAs(t, err, &cut)
		assert.Equal(t, datagram.TruncatedError{Index: 1 + c.index, Len: 127, Room: c.room, Segment: 40, From: esock.AddrFrom(from)}, *cut)
		assert.ErrorContains(t, err, "train of datagrams of 40 bytes")
		cuts := []bool{}
		for d := range in.All() {
			cuts = append(cuts, d.Truncated())
		}
		want := make([]bool, 1+c.yielded)
		want[c.yielded] = c.last
		assert.Equal(t, want, cuts, "%+v", c)
	}
}

// Several that are cut are all counted.
func TestMoreThanOneCut(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	out, in := batch(t, a, 4, 100, datagram.Trains(1)), batch(t, s, 4, 10)
	for _, size := range []int{11, 1, 12, 13} {
		require.NoError(t, out.Append(make([]byte, size), to))
	}
	_, err := out.Send(0, patience)
	require.NoError(t, err)
	n, err := in.Recv(0, patience)
	assert.Equal(t, 4, n)
	var cut *datagram.TruncatedError
	require.ErrorAs(t, err, &cut)
	assert.Equal(t, [3]int{0, 11, 2}, [3]int{cut.Index, cut.Len, cut.More})
}

// A train whose control message was cut cannot be split, and does not pass as one datagram.
func TestCutControlOfATrain(t *testing.T) {
	a, from := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	in := gro(t, s, 4, datagram.Details(datagram.DetailTime), datagram.Control(40)) // the time comes first
	if _, err := sockopt.UDPGRO.Get(s); err != nil {
		t.Skip("the kernel cannot tell before 5.12")
	}
	sendTrain(t, a, to, 3, 40, 0)
	n, err := in.Recv(0, patience)
	assert.Equal(t, 1, n)
	var cut *datagram.TruncatedError
	require.ErrorAs(t, err, &cut)
	assert.Equal(t, datagram.TruncatedError{Len: 120, Room: 120, Control: true, From: esock.AddrFrom(from)}, *cut)
	assert.ErrorContains(t, err, "control messages were cut")
	for d := range in.All() {
		assert.True(t, d.Truncated())
		assert.True(t, d.ControlTruncated())
	}
	// Without trains it is no error, and each datagram tells.
	require.NoError(t, sockopt.UDPGRO.Set(s, false))
	plain := batch(t, s, 4, 100, datagram.Control(8))
	_, err = a.SendTo([]byte("x"), esock.AddrFrom(to), 0, esock.Forever)
	require.NoError(t, err)
	_, err = plain.Recv(0, patience)
	require.NoError(t, err)
	for d := range plain.All() {
		assert.False(t, d.Truncated())
		assert.True(t, d.ControlTruncated())
	}
}

// What the socket cuts by itself would be counted as one.
func TestASocketThatCuts(t *testing.T) {
	s, to := udp(t, esock.Inet)
	if err := sockopt.UDPSegment.Set(s, 100); err != nil {
		t.Skip(err)
	}
	var invalid *esock.InvalidError
	_, err := datagram.NewBatch(s, 4, 1000)
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "socket", invalid.What)
	require.NoError(t, sockopt.UDPSegment.Set(s, 0))
	b := batch(t, s, 4, 1000)
	require.ErrorAs(t, b.SetControl(esock.TOS(8), esock.UDPSegment(100)), &invalid)
	assert.Equal(t, "control", invalid.What)
	require.NoError(t, b.Append([]byte("x"), to))
}

// What Details asks for, of IPv4, IPv6, and IPv4 on a socket of IPv6.
func TestDetails(t *testing.T) {
	all := datagram.DetailAddr | datagram.DetailTOS | datagram.DetailTTL | datagram.DetailTime | datagram.DetailDrops
	lo, err := os.ReadFile("/sys/class/net/lo/ifindex")
	require.NoError(t, err)
	for _, c := range []struct {
		name     string
		from, at esock.Domain
		control  []esock.ControlMessage
	}{
		{"inet", esock.Inet, esock.Inet, []esock.ControlMessage{esock.TOS(0x22), esock.TTL(9)}},
		{"inet6", esock.Inet6, esock.Inet6, []esock.ControlMessage{esock.TClass(0x22), esock.HopLimit(9)}},
		{"inet to inet6", esock.Inet, esock.Inet6, []esock.ControlMessage{esock.TOS(0x22), esock.TTL(9)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _ := udp(t, c.from)
			s, err := esock.Open(c.at, esock.Dgram, esock.UDP)
			require.NoError(t, err)
			defer s.Close()
			if c.at == esock.Inet6 {
				require.NoError(t, sockopt.IPv6V6Only.Set(s, false))
			}
			require.NoError(t, s.Bind(esock.Any))
			name, err := s.SockName()
			require.NoError(t, err)
			to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.Port()))
			if c.from == esock.Inet6 {
				to = netip.AddrPortFrom(netip.IPv6Loopback(), to.Port())
			}
			in, out := gro(t, s, 4, datagram.Details(all)), batch(t, a, 4, 100)
			require.NoError(t, out.SetControl(c.control...))
			before := time.Now()
			for range 3 {
				require.NoError(t, out.Append([]byte("hello"), to))
			}
			_, err = out.Send(0, patience)
			require.NoError(t, err)
			for left := 3; left > 0; {
				n, err := in.Recv(0, patience)
				require.NoError(t, err)
				left -= n
				for d := range in.All() {
					assert.Equal(t, to.Addr(), d.Dest().Unmap())
					assert.Equal(t, to.Addr(), d.Local().Unmap())
					assert.Equal(t, string(lo), strconv.Itoa(d.Interface())+"\n")
					tos, ok := d.TOS()
					assert.Equal(t, 0x22, tos)
					assert.True(t, ok)
					ecn, ok := d.ECN()
					assert.Equal(t, 2, ecn)
					assert.True(t, ok)
					ttl, ok := d.TTL()
					assert.Equal(t, 9, ttl)
					assert.True(t, ok)
					at, ok := d.Time()
					assert.True(t, ok)
					assert.WithinRange(t, at, before.Add(-time.Hour), before.Add(time.Hour))
					drops, _ := d.Drops()
					assert.Zero(t, drops)
					assert.False(t, d.ControlTruncated())
				}
			}
		})
	}
}

// Without the options nothing is known.
func TestNoDetails(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	in := batch(t, s, 4, 100)
	_, err := a.SendTo([]byte("x"), esock.AddrFrom(to), 0, esock.Forever)
	require.NoError(t, err)
	_, err = in.Recv(0, patience)
	require.NoError(t, err)
	for d := range in.All() {
		assert.False(t, d.Dest().IsValid())
		assert.False(t, d.Local().IsValid())
		assert.Zero(t, d.Interface())
		for _, f := range []func() (int, bool){d.TOS, d.ECN, d.TTL} {
			_, ok := f()
			assert.False(t, ok)
		}
		_, ok := d.Time()
		assert.False(t, ok)
		_, ok = d.Drops()
		assert.False(t, ok)
	}
}

// A full buffer drops, and the datagrams that come later say how many.
func TestDropsAreCounted(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	require.NoError(t, sockopt.SocketRcvBuf.Set(s, 1))
	in, out := batch(t, s, 100, 1000, datagram.Details(datagram.DetailDrops)), batch(t, a, 100, 1000, datagram.Trains(1))
	came := 0
	for range 2 {
		for range 50 {
			require.NoError(t, out.Append(make([]byte, 1000), to))
		}
		_, err := out.Send(0, patience)
		require.NoError(t, err)
		n, err := in.Recv(0, patience)
		require.NoError(t, err)
		came += n
	}
	require.Less(t, came, 100)
	last := uint32(0)
	for d := range in.All() {
		last, _ = d.Drops()
	}
	assert.NotZero(t, last)
	assert.LessOrEqual(t, int(last), 100-came)
}

func TestBadDetails(t *testing.T) {
	s, _ := udp(t, esock.Inet)
	var invalid *esock.InvalidError
	_, err := datagram.NewBatch(s, 1, 1, datagram.Details(1<<20))
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "details", invalid.What)
	u, err := esock.Open(esock.Local, esock.Dgram, 0)
	require.NoError(t, err)
	defer u.Close()
	_, err = datagram.NewBatch(u, 1, 1, datagram.Details(datagram.DetailTTL))
	require.ErrorAs(t, err, &invalid)
	b := batch(t, u, 1, 1)
	assert.Equal(t, 1, b.Info().Trains)
	assert.ErrorIs(t, b.Info().TrainsErr, errors.ErrUnsupported)
	assert.ErrorIs(t, b.Info().GROErr, errors.ErrUnsupported)
}

// The source address of each datagram.
func TestSourceOfEach(t *testing.T) {
	a, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	require.NoError(t, err)
	defer a.Close()
	require.NoError(t, a.Bind(esock.Any))
	s, to := udp(t, esock.Inet)
	out, in := batch(t, a, 6, 100), batch(t, s, 6, 100)
	want := []string{}
	for _, from := range []string{"127.0.0.2", "127.0.0.3"} {
		require.NoError(t, out.SetControl(esock.PktInfo4{SpecDst: netip.MustParseAddr(from)}.Control()))
		for range 2 {
			require.NoError(t, out.Append([]byte("x"), to))
			want = append(want, from)
		}
	}
	require.NoError(t, out.SetControl())
	require.NoError(t, out.Append([]byte("x"), to))
	want = append(want, "127.0.0.1")
	_, err = out.Send(0, patience)
	require.NoError(t, err)
	got := []string{}
	for len(got) < len(want) {
		_, err := in.Recv(0, patience)
		require.NoError(t, err)
		for d := range in.All() {
			got = append(got, d.From().Addr().String())
		}
	}
	assert.Equal(t, want, got)
	_, sent := out.Counters()
	if out.Info().TrainsErr == nil {
		assert.EqualValues(t, 2, sent.Trains)
	}
}

// An error that waits in the socket stops a batch before its datagram, which goes when it is sent again.
func TestAnErrorOfThePeer(t *testing.T) {
	a, _ := udp(t, esock.Inet)
	s, to := udp(t, esock.Inet)
	require.NoError(t, a.Connect(esock.AddrFrom(to), esock.Forever))
	out := batch(t, a, 3, 100)
	for range 3 {
		require.NoError(t, out.Append([]byte("x"), netip.AddrPort{}))
	}
	require.NoError(t, s.Close())
	_, err := a.Send([]byte("nobody hears it"), 0, esock.Forever)
	require.NoError(t, err)
	n, err := out.Send(0, patience)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.Zero(t, n)
	assert.Equal(t, 3, out.Len())
	n, err = out.Send(0, patience)
	require.NoError(t, err)
	assert.Equal(t, 3, n)
}
