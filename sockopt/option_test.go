package sockopt

import (
	"math"
	"net/netip"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
	"github.com/esock-go/esock/internal/plain"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGoAndCHaveTheSameOptionTable(t *testing.T) {
	require.NoError(t, optionTableError(), "run go generate")
	rows, _ := corecall.OptionTable()
	require.Equal(t, rows, len(optionRows))
}

func TestDifferentOptionTablesAreAnErrorOfEveryCall(t *testing.T) {
	for _, err := range []error{
		compareOptionTables(len(optionRows)+1, optionHash),
		compareOptionTables(len(optionRows), optionHash+1),
	} {
		assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
		assert.ErrorContains(t, err, "go generate")
	}
	defer func(f func() error) { optionTableError = f }(optionTableError)
	optionTableError = func() error { return compareOptionTables(0, 0) }
	s := new(esock.Socket)
	_, err := TCPNoDelay.Get(s)
	assert.ErrorContains(t, err, "go generate")
	assert.ErrorContains(t, TCPNoDelay.Set(s, true), "go generate")
	_, err = Get(s, "tcp", "nodelay")
	assert.ErrorContains(t, err, "go generate")
	assert.ErrorContains(t, Set(s, "tcp", "nodelay", true), "go generate")
}

func TestEveryRowIsFoundByItsNames(t *testing.T) {
	for i, r := range optionRows {
		assert.Equal(t, i, findOption(r.Level, r.Name))
		n, ok := plain.Levels.Number(r.Level)
		assert.True(t, ok, r.Level)
		assert.Equal(t, r.LevelNumber, n)
		assert.NotEmpty(t, r.Doc)
		assert.NotEmpty(t, r.Since)
		assert.True(t, r.CanGet || r.CanSet)
	}
	assert.Equal(t, -1, findOption("ip", "nodelay"))
	n := 0
	for range All() {
		n++
	}
	assert.Equal(t, len(optionRows), n)
	for o := range All() {
		assert.Equal(t, optionRows[0], o)
		break
	}
}

func TestLayoutsAreThoseOfTheCore(t *testing.T) {
	assert.Equal(t, uintptr(8), reflect.TypeFor[cLinger]().Size())
	assert.Equal(t, uintptr(12), reflect.TypeFor[ucred]().Size())
}

func TestTimesAreRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]int64{0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, math.MaxInt32 * time.Second: math.MaxInt32} {
		i, _, cause := intSeconds.encode(d)
		assert.Empty(t, cause)
		assert.Equal(t, want, i)
	}
	for _, d := range []time.Duration{-1, math.MinInt64, math.MaxInt32*time.Second + 1, math.MaxInt64} {
		_, _, cause := intSeconds.encode(d)
		assert.NotEmpty(t, cause, d)
	}
	i, _, cause := uintMilliseconds.encode(1500 * time.Microsecond)
	assert.Empty(t, cause)
	assert.Equal(t, int64(2), i)
	assert.Equal(t, 2*time.Millisecond, uintMilliseconds.decode(2, nil))
}

// A number that does not fit is an invalid option, like any other value that does not.
func TestOptionValuesOutOfRangeAreInvalid(t *testing.T) {
	s := new(esock.Socket)
	for _, err := range []error{
		TCPUserTimeout.Set(s, -1),
		TCPUserTimeout.Set(s, (math.MaxUint32+1)*time.Millisecond),
		TCPKeepIdle.Set(s, math.MaxInt64),
		SocketLinger.Set(s, Linger{On: true, Time: -1}),
		Set(s, "socket", "rcvbuf", int64(math.MaxInt32+1)),
		Set(s, "socket", "rcvbuf", uint64(math.MaxUint64)),
		Set(s, "tcp", "user_timeout", -1),
		Set(s, "tcp", "user_timeout", int64(math.MaxUint32+1)),
	} {
		assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
	}
	if tooLong := int64(math.MaxInt32 + 1); int64(int(tooLong)) == tooLong {
		assert.ErrorIs(t, SocketRcvBuf.Set(s, int(tooLong)), &esock.InvalidError{What: "socket_option"})
		assert.ErrorIs(t, IPTTL.Set(s, int(-1-tooLong)), &esock.InvalidError{What: "socket_option"})
	}
}

func TestValuesOfAnotherTypeAreInvalid(t *testing.T) {
	s := new(esock.Socket)
	for level, options := range map[string]map[string][]any{
		"socket": {
			"reuseaddr":    {2, 1, 0, 1.0, "true", "on", nil, []byte{1}},
			"buf_lock":     {-1, uint64(1 << 32)},
			"rcvbuf":       {true, "5", 1.5, nil, time.Second},
			"bindtodevice": {1, nil},
			"linger": {"never", 5, nil, map[string]any{"onoff": true}, map[string]any{"linger": 5},
				map[string]any{"onoff": true, "linger": -1}, map[string]any{"onoff": "yes", "linger": 1},
				map[string]any{"onoff": 1, "linger": 1},
				map[string]any{"onoff": true, "linger": 1, "lingre": 1}},
		},
		"ip":      {"tos": {"lowdelai"}},
		"ipv6":    {"unicast_hops": {-1, 256, "any", nil}, "multicast_hops": {-1, 256, "Default"}},
		"tcp":     {"keepidle": {-5 * time.Second, "5", map[string]any{"sec": 5}, 1.5}, "nodely": {true}},
		"nowhere": {"ttl": {1}},
	} {
		for name, values := range options {
			for _, v := range values {
				assert.ErrorIs(t, Set(s, level, name, v), &esock.InvalidError{What: "socket_option"}, "%s %s %v", level, name, v)
			}
		}
	}
	_, err := Get(s, "tcp", "nodely")
	assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
	assert.ErrorContains(t, err, "tcp.nodely")
	var zero Option[int]
	_, err = zero.Get(s)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
	assert.ErrorIs(t, zero.Set(s, 1), &esock.InvalidError{What: "socket_option"})
}

func TestPlainValuesOfEveryCodec(t *testing.T) {
	row := func(level, name string) int {
		i := findOption(level, name)
		require.GreaterOrEqual(t, i, 0)
		return i
	}
	for _, c := range []struct {
		row int
		in  any
		out any
	}{
		{row("tcp", "nodelay"), true, true},
		{row("socket", "rcvbuf"), int8(5), 5},
		{row("socket", "type"), "stream", "stream"},
		{row("socket", "type"), esock.Dgram, "dgram"},
		{row("socket", "domain"), 38, 38},
		{row("socket", "protocol"), "tcp", "tcp"},
		{row("ip", "tos"), "lowdelay", 16},
		{row("tcp", "user_timeout"), uint32(math.MaxUint32), plain.Int(math.MaxUint32)},
		{row("tcp", "congestion"), []byte("reno"), "reno"},
		{row("socket", "linger"), "abort", map[string]any{"onoff": true, "linger": 0}},
		{row("socket", "linger"), Linger{Time: 7 * time.Second}, map[string]any{"onoff": false, "linger": 7}},
		{row("socket", "linger"), map[string]any{"onoff": true, "linger": 7.0}, map[string]any{"onoff": true, "linger": 7}},
		{row("socket", "peercred"), esock.Credentials{PID: 1, UID: 2, GID: 3}, map[string]any{"pid": 1, "uid": 2, "gid": 3}},
		{row("socket", "peercred"), map[string]any{"pid": 1, "uid": 0, "gid": 3}, map[string]any{"pid": 1, "uid": 0, "gid": 3}},
		{row("ipv6", "unicast_hops"), "default", -1},
		{row("ipv6", "multicast_hops"), 255, 255},
		{row("raw", "icmp_filter"), ^uint32(1 << 8), plain.Int(int64(^uint32(1 << 8)))},
	} {
		i, data, cause := optionFromPlain(c.row, c.in)
		require.Empty(t, cause, "%v", c.in)
		assert.Equal(t, c.out, plainOption(c.row, i, data))
	}
}

// Linux counts the NUL in the length it returns for SO_BINDTODEVICE, and hands out all 16 bytes of the name of
// the congestion control.
func TestStringsEndAtTheirNUL(t *testing.T) {
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	require.NoError(t, err)
	defer s.Close()
	for _, name := range []string{"socket.bindtodevice", "tcp.congestion"} {
		for i, row := range optionRows {
			if row.Level+"."+row.Name != name {
				continue
			}
			data := make([]byte, optionSizes()[i].room)
			_, n, _, err := corecall.GetOption(s, i, 0, data)
			require.NoError(t, err)
			assert.NotContains(t, string(data[:n]), "\x00", name)
		}
	}
}

func TestWrongDirectionIsToldFromTheKernelsRefusal(t *testing.T) {
	s := new(esock.Socket)
	get, both := findOption("socket", "type"), findOption("tcp", "nodelay")
	err := optionResult(s, setopt, get, 1, -int(syscall.ENOTSUP))
	assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
	err = optionResult(s, setopt, both, 1, -int(syscall.ENOTSUP))
	assert.ErrorIs(t, err, syscall.ENOTSUP)
	assert.NotErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
	assert.ErrorIs(t, optionResult(s, setopt, both, 1, -int(syscall.ERANGE)), &esock.InvalidError{What: "socket_option"})
	assert.ErrorIs(t, optionResult(s, getopt, both, nil, -int(syscall.ENOPROTOOPT)), syscall.ENOPROTOOPT)
}

// What the running kernel cannot show: every structure's sample goes into its bytes and out again, by name and as
// the Go type.
func TestStructuresKeepTheirValues(t *testing.T) {
	for row, o := range optionRows {
		set, _, why := o.SampleValue(KindTCP4)
		if o.Struct == "" || why != "" || set == nil {
			continue
		}
		_, data, cause := optionFromPlain(row, set)
		require.Empty(t, cause, "%s.%s", o.Level, o.Name)
		got := plainOption(row, 0, data)
		again, ok := got.(map[string]any)
		if !ok {
			assert.Equal(t, set, got)
			continue
		}
		_, same, cause := optionFromPlain(row, again)
		require.Empty(t, cause, "%s.%s", o.Level, o.Name)
		assert.Equal(t, data, same, "%s.%s", o.Level, o.Name)
	}
}

func TestStructuresWithListsCountThem(t *testing.T) {
	v := SCTPHMACAlgo{Idents: []uint16{3, 1}}
	_, data, cause := codecOfSCTPHMACAlgo.encode(v)
	require.Empty(t, cause)
	assert.Len(t, data, 8)
	assert.Equal(t, v, codecOfSCTPHMACAlgo.decode(0, data))
	// A count beyond the bytes is not believed.
	data[0] = 200
	assert.Equal(t, v, codecOfSCTPHMACAlgo.decode(0, data))
	assert.Empty(t, codecOfSCTPHMACAlgo.decode(0, nil).Idents)

	g := GroupFilter{Interface: 1, Group: esock.Inet4Addr(netip.MustParseAddr("232.1.1.1"), 0), Mode: Include,
		SList: []esock.Addr{esock.Inet6Addr(netip.IPv6Loopback(), 5, 7)}}
	_, data, cause = codecOfGroupFilter.encode(g)
	require.Empty(t, cause)
	assert.Equal(t, g, codecOfGroupFilter.decode(0, data))
	_, _, cause = codecOfGroupFilter.encode(GroupFilter{Group: esock.UnixAddr("/x")})
	assert.NotEmpty(t, cause)
	m := SCTPRTOInfoValue{AssocID: -1, Initial: time.Second, Max: time.Minute, Min: time.Millisecond}
	_, data, cause = codecOfSCTPRTOInfoValue.encode(m)
	require.Empty(t, cause)
	assert.Equal(t, m, codecOfSCTPRTOInfoValue.decode(0, data))
	_, _, cause = codecOfSCTPRTOInfoValue.encode(SCTPRTOInfoValue{Max: -1})
	assert.NotEmpty(t, cause)
}

// An option's structure has the number of an interface beside the address: a zone in the address is refused and not dropped.
func TestAddressesOfOptionsHaveNoZone(t *testing.T) {
	named := esock.AddrFrom(netip.MustParseAddrPort("[fe80::1%lo]:80"))
	assert.NotEmpty(t, putStorage(make([]byte, 128), named))
	_, _, cause := pktInfo6Codec.encode(esock.PktInfo6{Addr: netip.MustParseAddr("fe80::1%lo")})
	assert.NotEmpty(t, cause)
	assert.ErrorContains(t, IPv6AddMembership.Set(new(esock.Socket), IPv6Mreq{MultiAddr: netip.MustParseAddr("ff02::1%lo")}), "zone")
}
