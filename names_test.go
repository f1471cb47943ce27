package esock

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/esock-go/esock/internal/plain"
	"github.com/esock-go/esock/internal/sourcetree"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNamesAreCanonicalAndParseBack(t *testing.T) {
	for _, n := range plain.Domains {
		d, err := ParseDomain(n.Text)
		require.NoError(t, err)
		assert.Equal(t, n.Text, d.String())
	}
	for _, n := range plain.Types {
		ty, err := ParseType(n.Text)
		require.NoError(t, err)
		assert.Equal(t, n.Text, ty.String())
	}
	printed := map[Protocol]string{}
	for _, n := range plain.Protocols {
		p, err := ParseProtocol(n.Text)
		require.NoError(t, err)
		if printed[p] == "" {
			printed[p] = n.Text // the others are aliases
		}
		assert.Equal(t, Protocol(n.Number), p)
		assert.Equal(t, printed[p], p.String())
	}
}

func TestEachNameHasOneNumber(t *testing.T) {
	tables := []plain.Names{plain.Domains, plain.Types, plain.Protocols, plain.Levels, plain.MsgFlags, plain.TOS, pktTypeNames,
		plain.HardwareTypes, cidNames}
	for _, table := range cmsgTypeNames {
		tables = append(tables, table)
	}
	for _, table := range tables {
		texts := map[string]bool{}
		for _, n := range table {
			assert.False(t, texts[n.Text], "%s has two numbers", n.Text)
			texts[n.Text] = true
		}
	}
}

// What getprotobyname(3) finds on Debian, whose names and aliases other systems share.
func TestProtocolsHaveTheNamesOfSystems(t *testing.T) {
	sourcetree.Need(t)
	b, err := os.ReadFile("testdata/protocols")
	require.NoError(t, err)
	found := 0
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line) // name number aliases
		if len(fields) < 2 {
			continue
		}
		number, err := strconv.Atoi(fields[1])
		require.NoError(t, err)
		for _, name := range slices.Delete(fields, 1, 2) {
			p, err := ParseProtocol(name)
			require.NoError(t, err)
			assert.Equal(t, Protocol(number), p, name)
			found++
		}
		if number != 0 {
			assert.Equal(t, fields[0], Protocol(number).String())
		}
	}
	assert.Greater(t, found, 100)
}

// The system's protocol database made level 0 appear as hopopt.
func TestLevelsAndProtocolsShareNumbersButNotNames(t *testing.T) {
	for _, wrong := range []string{"Tcp", "IPv4 ", "tcp6", "264", "dccp"} {
		n, ok := plain.Level(wrong)
		p, err := ParseProtocol(wrong)
		if wrong == "264" || wrong == "dccp" {
			require.True(t, ok)
			require.NoError(t, err)
			assert.Equal(t, wrong == "264", int(p) == n, "dccp is protocol 33 of level 269")
			continue
		}
		assert.False(t, ok, wrong)
		assert.ErrorIs(t, err, &InvalidError{What: "protocol"}, wrong)
	}
	assert.Equal(t, "default", Protocol(0).String())
	assert.Equal(t, "ip", plain.Levels.Spell(0))
	assert.Equal(t, "socket", plain.Levels.Spell(1))
	for name, number := range map[string]int{"ip": 0, "ipv6": 41, "ospf": 89, "gre": 47, "esp": 50} {
		p, err := ParseProtocol(name)
		require.NoError(t, err)
		assert.Equal(t, number, int(p), name)
		n, ok := plain.Level(name)
		require.True(t, ok)
		assert.Equal(t, number, n, name)
	}
}

func TestNamesOfOtherSystemsAreSaidToBeTheirs(t *testing.T) {
	const cause = "not on Linux: it is for the BSDs"
	_, err := ParseDomain("link")
	assert.ErrorIs(t, err, &InvalidError{What: "domain"})
	assert.ErrorContains(t, err, cause)
	_, err = AddrFromMap(map[string]any{"family": "link", "index": 1})
	assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"})
	assert.ErrorContains(t, err, cause)
	_, err = ParseAddr("family link:00")
	assert.ErrorContains(t, err, cause)
	_, err = OpenOptionsFromMap(map[string]any{"domain": "link"})
	assert.ErrorContains(t, err, cause)
}

func TestNamesAllocateNothing(t *testing.T) {
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		p, err := ParseProtocol("BIT-EMU")
		if err != nil || p.String() != "bit-emu" || ShutReadWrite.String() != "read_write" {
			panic("names")
		}
	}))
}

func TestNumbersWithoutNamesStayNumbers(t *testing.T) {
	d, err := ParseDomain("38")
	require.NoError(t, err)
	assert.Equal(t, Domain(38), d)
	assert.Equal(t, "38", d.String())
	assert.Equal(t, "-1", Type(-1).String())
}

func TestNumbersBeyondACIntAreRefused(t *testing.T) {
	for _, text := range []string{"2147483648", "-2147483649", "99999999999999999999", "", "1.5", "0x1"} {
		_, err := ParseDomain(text)
		assert.ErrorIs(t, err, &InvalidError{What: "domain"}, text)
	}
	for _, v := range []any{int64(math.MaxInt32) + 1, uint64(math.MaxUint64), 1.5, math.Inf(1), math.NaN(), nil, true, []byte("inet")} {
		_, ok := nameFromAny(plain.Domains, v)
		assert.False(t, ok, "%v", v)
	}
	for _, v := range []any{int(2), int8(2), int16(2), int32(2), int64(2), uint(2), uint8(2), uint16(2), uint32(2), uint64(2),
		2.0, "2", "inet", Inet} {
		n, ok := nameFromAny(plain.Domains, v)
		require.True(t, ok)
		assert.Equal(t, int(Inet), n)
	}
}

func TestNamesTravelThroughJSON(t *testing.T) {
	type config struct {
		D Domain
		T Type
		P Protocol
		A Addr
	}
	in := config{Local, SeqPacket, Default, UnixAddr("/run/x")}
	b, err := json.Marshal(in)
	require.NoError(t, err)
	assert.JSONEq(t, `{"D":"local","T":"seqpacket","P":"default","A":"/run/x"}`, string(b))
	var out config
	require.NoError(t, json.Unmarshal(b, &out))
	assert.Equal(t, in, out)
	assert.Error(t, json.Unmarshal([]byte(`{"D":"nowhere"}`), &out))
}

func TestMsgFlagsAreListedInOTPsOrder(t *testing.T) {
	all := MsgOOB | MsgPeek | MsgDontRoute | MsgCTrunc | MsgTrunc | MsgEOR | MsgConfirm | MsgErrQueue | MsgNoSignal |
		MsgMore | MsgCmsgCloexec
	names, rest := (all | 0x40).Names()
	assert.Equal(t, []string{"cmsg_cloexec", "confirm", "ctrunc", "dontroute", "eor", "errqueue", "more", "nosignal", "oob",
		"peek", "trunc"}, names)
	assert.Equal(t, MsgFlags(0x40), rest)
	assert.Equal(t, []any{"peek", "trunc", 0x140}, (MsgPeek | MsgTrunc | 0x140).list())
	assert.Equal(t, "peek|trunc", (MsgPeek | MsgTrunc).String())
	assert.Empty(t, MsgFlags(0).String())
}

func TestMsgFlagsParseWhatTheyPrint(t *testing.T) {
	for _, f := range []MsgFlags{0, MsgPeek, MsgPeek | MsgTrunc, MsgOOB | 0x40, math.MinInt32, -1} {
		got, err := ParseMsgFlags(f.String())
		require.NoError(t, err)
		assert.Equal(t, f, got)
	}
	for _, text := range []string{"peak", "peek|", "|", "peek trunc", "0x100000000", "-1"} {
		_, err := ParseMsgFlags(text)
		assert.ErrorIs(t, err, &InvalidError{What: "msg_flag"}, text)
	}
	for _, v := range []any{[]any{"peek", 0x20}, []string{"peek", "trunc"}, "peek|trunc", 0x22, 34.0, MsgFlags(0x22)} {
		got, err := msgFlagsFromAny(v)
		require.NoError(t, err)
		assert.Equal(t, MsgPeek|MsgTrunc, got)
	}
	for _, v := range []any{[]any{"peek", true}, nil, 1.5, uint64(1 << 40)} {
		_, err := msgFlagsFromAny(v)
		assert.ErrorIs(t, err, &InvalidError{What: "msg_flag"}, "%v", v)
	}
}
