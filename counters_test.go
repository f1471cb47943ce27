package esock

import (
	"encoding/json"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
)

// narrow makes the counters of a socket wrap at a width, instead of 64 bits.
func narrow(t *testing.T, s *Socket, bits int) {
	t.Helper()
	require.NoError(t, errnoOf(cCountersWidth(s.h, bits)))
}

// sendFile sends size bytes from a file through s.
func sendFile(t *testing.T, s *Socket, size int) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, make([]byte, size), 0o600))
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	n, err := s.SendFile(f, 0, ToEnd, Forever)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
}

func TestCountersLayoutIsTheCores(t *testing.T) {
	a, _ := pair(t, Stream)
	assert.EqualValues(t, countersLayout, a.block.layout)
}

func TestCountersNameTheirPlaceInTheBlock(t *testing.T) {
	a, _ := pair(t, Stream)
	for i := range a.block.value {
		a.block.value[i] = 0
	}
	for i, name := range counterNames {
		a.block.value[i] = cCounters{}.value[0] + 7
		m := a.Counters().Map()
		assert.EqualValues(t, 7, m[name], name)
		a.block.value[i] = 0
	}
}

func TestCountersAreExact(t *testing.T) {
	a, b := pair(t, Stream)
	buf := make([]byte, 100)
	for _, n := range []int{10, 30} {
		_, err := a.Send(buf[:n], 0, Forever)
		require.NoError(t, err)
	}
	assert.Equal(t, Counters{WriteByte: 40, WritePkg: 2, WritePkgMax: 30, WriteTries: 2}, a.Counters())

	_, err := b.Recv(buf, MsgPeek, Forever)
	require.NoError(t, err)
	_, err = b.RecvFull(buf[:25], 0, Forever)
	require.NoError(t, err)
	_, err = b.Recv(buf, 0, Forever)
	require.NoError(t, err)
	c := b.Counters()
	assert.EqualValues(t, 40, c.ReadByte, "peeked bytes are not counted")
	assert.EqualValues(t, 2, c.ReadPkg)
	assert.EqualValues(t, 25, c.ReadPkgMax)
	assert.EqualValues(t, 3, c.ReadTries)

	_, err = b.Recv(buf, 0, NoWait(NewMailbox()))
	require.ErrorAs(t, err, new(*Select))
	assert.EqualValues(t, 1, b.Counters().ReadWaits, "the wait is counted")
}

func TestCountersOfAClosedSocketStay(t *testing.T) {
	a, b := pair(t, Stream)
	_, err := a.Send([]byte("hello"), 0, Forever)
	require.NoError(t, err)
	sendFile(t, a, 1000)
	before := a.Counters()
	require.NoError(t, a.Close())
	assert.Equal(t, before, a.Counters())
	require.NotNil(t, before.SendFile)
	assert.EqualValues(t, 1000, before.SendFile.Byte)
	require.NoError(t, b.Close())
	assert.Zero(t, b.Counters().ReadByte)
	assert.Nil(t, b.Counters().SendFile)
}

func TestSendFileCountersExistFromTheFirstOn(t *testing.T) {
	a, _ := pair(t, Stream)
	assert.Nil(t, a.Counters().SendFile)
	assert.NotContains(t, a.Counters().Map(), "sendfile")
	sendFile(t, a, 5000)
	c := a.Counters()
	assert.Zero(t, c.WriteByte, "they are counted apart")
	require.NotNil(t, c.SendFile)
	assert.EqualValues(t, 5000, c.SendFile.Byte)
	assert.EqualValues(t, 5000, c.SendFile.Max)
	assert.EqualValues(t, 1, c.SendFile.Tries)
	for _, name := range sendFileCounterNames {
		assert.Contains(t, c.Map(), name)
	}
	// All 64 bits come through.
	b := a.sendFileBlock()
	for i := range b.value {
		b.value[i] = math.MaxUint64 - 1
	}
	assert.EqualValues(t, uint64(math.MaxUint64-1), a.Counters().Map()["sendfile_max"])
}

func TestCountersMapAndJSONGoBothWays(t *testing.T) {
	var c Counters
	for i, f := range c.fields() {
		*f = math.MaxUint64 - uint64(i)
	}
	for range 2 {
		assert.Len(t, c.Map(), map[bool]int{true: 16, false: 24}[c.SendFile == nil])
		back, err := CountersFromMap(c.Map())
		require.NoError(t, err)
		assert.Equal(t, c, back)
		text, err := json.Marshal(c)
		require.NoError(t, err)
		var read Counters
		require.NoError(t, json.Unmarshal(text, &read))
		assert.Equal(t, c, read)
		c.SendFile = &SendFileCounters{Calls: 1, Byte: 1 << 63, Pkg: 3, PkgMax: 4, Tries: 5, Max: 6, Waits: 7, Fails: 8}
	}
	for name, m := range map[string]map[string]any{
		"reed_byte": {"reed_byte": 1},
		"read_byte": {"read_byte": -1},
		"acc_tries": {"acc_tries": "many"},
	} {
		_, err := CountersFromMap(m)
		assert.ErrorIs(t, err, &InvalidError{What: "counters"})
		assert.ErrorContains(t, err, name)
	}
	assert.Error(t, json.Unmarshal([]byte(`[]`), new(Counters)))
}

func TestCountersAllocateNothing(t *testing.T) {
	a, _ := pair(t, Stream)
	var c Counters
	assert.Zero(t, allocsPerRun(100, func() { c = a.Counters() }))
	_ = c
}

// wrapReads lets read_byte, at a width of 8, go round once.
func wrapReads(t *testing.T, a, b *Socket) {
	t.Helper()
	buf := make([]byte, 128)
	for range 2 {
		_, err := a.Send(buf, 0, Forever)
		require.NoError(t, err)
		_, err = b.Recv(buf, 0, Forever)
		require.NoError(t, err)
	}
}

func TestCounterWrapIsToldWhenAsked(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	a, b := pair(t, SeqPacket, Owner(mb))
	narrow(t, b, 8)

	wrapReads(t, a, b)
	assert.Zero(t, b.Counters().ReadByte)
	assert.EqualValues(t, 128, b.Counters().ReadPkgMax)
	assert.Zero(t, mb.Len(), "iow is off")

	// What wrapped before is not told later.
	require.NoError(t, b.SetIOW(true))
	_, err := b.Recv(make([]byte, 1), 0, Within(0))
	require.Equal(t, ErrTimeout, err)
	assert.Zero(t, mb.Len())

	wrapReads(t, a, b)
	assert.Equal(t, CounterWrapMsg{b, "read_byte"}, receive(t, mb))
	assert.Zero(t, mb.Len(), "once for each wrap")

	require.NoError(t, b.SetIOW(false))
	wrapReads(t, a, b)
	wrapReads(t, a, b)
	assert.Zero(t, mb.Len())
}

func TestCounterWrapWithoutOwner(t *testing.T) {
	a, b := pair(t, SeqPacket)
	narrow(t, b, 8)
	require.NoError(t, b.SetIOW(true))
	wrapReads(t, a, b)
	mb := NewMailbox()
	defer mb.Close()
	require.NoError(t, b.ControllingProcess(nil, mb))
	_, err := b.Recv(make([]byte, 1), 0, Within(0))
	require.Equal(t, ErrTimeout, err)
	assert.Zero(t, mb.Len(), "no mailbox was there to be told")
}

func TestGaugesFollowTheSockets(t *testing.T) {
	for name, c := range map[string]struct {
		d Domain
		t Type
		p Protocol
		g Gauges
	}{
		"tcp":             {Inet, Stream, TCP, Gauges{Sockets: 1, Streams: 1, Inet: 1, TCP: 1}},
		"tcp by default":  {Inet6, Stream, Default, Gauges{Sockets: 1, Streams: 1, Inet6: 1, TCP: 1}},
		"udp":             {Inet, Dgram, UDP, Gauges{Sockets: 1, Dgrams: 1, Inet: 1, UDP: 1}},
		"local":           {Local, Stream, Default, Gauges{Sockets: 1, Streams: 1, Local: 1, IP: 1}},
		"local seqpacket": {Local, SeqPacket, Default, Gauges{Sockets: 1, SeqPackets: 1, Local: 1, IP: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			before := gauges.read()
			s, err := Open(c.d, c.t, c.p)
			if err != nil {
				t.Skip("not here:", err)
			}
			assert.Equal(t, c.g, minus(gauges.read(), before))
			require.NoError(t, s.Close())
			assert.Equal(t, before, gauges.read())
			assert.Error(t, s.Close())
			assert.Equal(t, before, gauges.read(), "closed once")
		})
	}
}

func minus(a, b Gauges) Gauges {
	bs := b.fields()
	for i, f := range a.fields() {
		*f -= *bs[i]
	}
	return a
}

func TestGaugesHave64Bits(t *testing.T) {
	var g gaugeSet
	g.book(Inet, Stream, SCTP, 1<<40)
	assert.Equal(t, Gauges{Sockets: 1 << 40, Streams: 1 << 40, Inet: 1 << 40, SCTP: 1 << 40}, g.read())
}

func TestGaugesForgetAHandle(t *testing.T) {
	before := gauges.read()
	m := cOpen(int(Inet), int(Dgram), 0, nil)
	require.NoError(t, errnoOf(int(m.r)))
	defer cClose(m.h, 0)
	gauges.book(Inet, Dgram, UDP, 1)
	gauges.forget(m.h)
	assert.Equal(t, before, gauges.read())
}

// IPV6_ADDRFORM makes a socket one of another domain, for the gauges as well.
func TestGaugesFollowASocketIntoAnotherDomain(t *testing.T) {
	machine.NeedMapped(t)
	before := gauges.read()
	s, err := Open(Inet6, Dgram, UDP)
	require.NoError(t, err)
	defer s.Close()
	set := func() error { return s.SetOptionNative(solIPv6, ipv6AddrForm, int(Inet)) }
	assert.Error(t, set(), "it is not connected")
	assert.Equal(t, Gauges{Sockets: 1, Dgrams: 1, Inet6: 1, UDP: 1}, minus(gauges.read(), before))
	mapped := netip.AddrFrom16(netip.AddrFrom4([4]byte{127, 0, 0, 1}).As16())
	require.NoError(t, s.Connect(Inet6Addr(mapped, 9, 0), Forever))
	require.NoError(t, set())
	assert.Equal(t, Inet, s.Domain())
	assert.Equal(t, Gauges{Sockets: 1, Dgrams: 1, Inet: 1, UDP: 1}, minus(gauges.read(), before))
	require.NoError(t, s.Close())
	assert.Equal(t, before, gauges.read())
}
