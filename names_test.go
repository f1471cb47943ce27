package esock

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/esock-go/esock/internal/plain"
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
	for _, n := range plain.Protocols {
		p, err := ParseProtocol(n.Text)
		require.NoError(t, err)
		assert.Equal(t, n.Text, p.String())
	}
}

func TestTablesOfNamesAreOneToOne(t *testing.T) {
	tables := []plain.Names{plain.Domains, plain.Types, plain.Protocols, plain.Levels, plain.MsgFlags, plain.TOS, pktTypeNames,
		plain.HardwareTypes, cidNames}
	for _, table := range cmsgTypeNames {
		tables = append(tables, table)
	}
	for _, table := range tables {
		numbers, texts := map[int]bool{}, map[string]bool{}
		for _, n := range table {
			assert.False(t, numbers[n.Number], "%d has two names", n.Number)
			assert.False(t, texts[n.Text], "%s has two numbers", n.Text)
			numbers[n.Number], texts[n.Text] = true, true
		}
	}
}

// The system's protocol database has aliases, which made level 0 appear as hopopt.
func TestProtocolsHaveNoAliases(t *testing.T) {
	for _, alias := range []string{"hopopt", "HOPOPT", "TCP", "IP", "ipv4", "Tcp", "IPv6-ICMP", "icmp6"} {
		_, err := ParseProtocol(alias)
		assert.ErrorIs(t, err, &InvalidError{What: "protocol"}, alias)
	}
	assert.Equal(t, "default", Protocol(0).String())
	assert.Equal(t, "ip", plain.Levels.Spell(0))
	assert.Equal(t, "socket", plain.Levels.Spell(1))
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
		_, err := nameFromAny("domain", plain.Domains, v)
		assert.ErrorIs(t, err, &InvalidError{What: "domain"}, "%v", v)
	}
	for _, v := range []any{int(2), int8(2), int16(2), int32(2), int64(2), uint(2), uint8(2), uint16(2), uint32(2), uint64(2),
		2.0, "2", "inet", Inet} {
		n, err := nameFromAny("domain", plain.Domains, v)
		require.NoError(t, err)
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
