package packet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/packet"
)

func size(n int) packet.Options { return packet.Options{PacketSize: n} }

var none packet.Options

func TestRawIsAllThereIs(t *testing.T) {
	for _, typ := range []packet.Type{packet.Raw, packet.Len0} {
		checkRows(t, []row{
			{typ, none, "", "more"},
			{typ, none, "\x00ab", `"\x00ab"`},
			{typ, packet.Options{PacketSize: 1, LineLength: 1}, "abcdef", `"abcdef"`},
		})
	}
}

func TestLengthsOf124Bytes(t *testing.T) {
	checkRows(t, []row{
		{packet.Len1, none, "", "more"},
		{packet.Len1, none, "\x00ab", `"" rest "ab"`},
		{packet.Len1, none, "\x03ab", "more 4"},
		{packet.Len1, none, "\xff", "more 256"},
		{packet.Len1, none, "\x02abc", `"ab" rest "c"`},
		{packet.Len1, size(5), "\x06", "invalid"},
		{packet.Len1, size(5), "\x05", "more 6"},
		{packet.Len2, none, "\x00", "more"},
		{packet.Len2, none, "\x00\x03abc\x00\x01x", `"abc" rest "\x00\x01x"`},
		{packet.Len2, none, "\xff\xff", "more 65537"},
		{packet.Len2, size(65534), "\xff\xff", "invalid"},
		{packet.Len4, none, "\x00\x00\x00", "more"},
		{packet.Len4, none, "\x00\x00\x00\x03abcd", `"abc" rest "d"`},
		{packet.Len4, size(67108864), "\x04\x00\x00\x00", "more 67108868"},
		{packet.Len4, size(67108864), "\x04\x00\x00\x01", "invalid"},
		{packet.Len4, none, "\x7f\xff\xff\xfb", "more 2147483647"},
		{packet.Len4, none, "\x7f\xff\xff\xfc", "invalid"},
		{packet.Len4, none, "\x80\x00\x00\x00", "invalid"},
		{packet.Len4, none, "\xff\xff\xff\xff", "invalid"},
		{packet.Len4, size(mostSize), "\x7f\xff\xff\xfb", "more 2147483647"},
		{packet.Len4, size(mostSize), "\xff\xff\xff\xff", "invalid"},
		{packet.Len4, packet.Options{LineLength: 1}, "\x00\x00\x00\x02ab", `"ab"`},
	})
}

func TestSunRM(t *testing.T) {
	checkRows(t, []row{
		{packet.SunRM, none, "\x80\x00\x00", "more"},
		{packet.SunRM, none, "\x80\x00\x00\x03abcd", `"\x80\x00\x00\x03abc" rest "d"`},
		{packet.SunRM, none, "\x80\x00\x00\x05abc", "more 9"},
		{packet.SunRM, none, "\x00\x00\x00\x00", `"\x00\x00\x00\x00"`},
		{packet.SunRM, size(3), "\x80\x00\x00\x03", "more 7"},
		{packet.SunRM, size(3), "\x80\x00\x00\x04", "invalid"},
		{packet.SunRM, none, "\xff\xff\xff\xfb", "more 2147483647"},
		{packet.SunRM, none, "\xff\xff\xff\xfc", "invalid"},
	})
}

func TestCDR(t *testing.T) {
	checkRows(t, []row{
		{packet.CDR, none, "GIOP\x01\x02\x01\x01\x04\x00\x00", "more"},
		{packet.CDR, none, "XXXX", "more"}, // nothing is looked at before the header is whole
		{packet.CDR, none, "GIOP\x01\x02\x01\x01\x04\x00\x00\x00abcdXY",
			`"GIOP\x01\x02\x01\x01\x04\x00\x00\x00abcd" rest "XY"`},
		{packet.CDR, none, "GIOP\x01\x02\x00\x01\x00\x00\x00\x04ab", "more 16"},
		{packet.CDR, none, "GIOP\x01\x02\xfe\x01\x00\x00\x00\x04ab", "more 16"}, // other flags
		{packet.CDR, none, "GIOQ\x01\x00\x00\x00\x00\x00\x00\x00", "invalid"},
		{packet.CDR, size(4), "GIOP\x01\x02\x00\x01\x00\x00\x00\x04", "more 16"},
		{packet.CDR, size(4), "GIOP\x01\x02\x00\x01\x00\x00\x00\x05", "invalid"},
		{packet.CDR, none, "GIOP\x01\x02\x00\x01\x7f\xff\xff\xf3", "more 2147483647"},
		{packet.CDR, none, "GIOP\x01\x02\x00\x01\x7f\xff\xff\xf4", "invalid"},
		{packet.CDR, none, "GIOP\x01\x02\x01\x01\xff\xff\xff\xff", "invalid"},
	})
}

func TestFCGI(t *testing.T) {
	checkRows(t, []row{
		{packet.FCGI, none, "\x01\x05\x00\x01\x00\x03\x02", "more"},
		{packet.FCGI, none, "\x01\x05\x00\x01\x00\x03\x02\x00abc\x00\x00next",
			`"\x01\x05\x00\x01\x00\x03\x02\x00abc" rest "next"`},
		{packet.FCGI, none, "\x01\x05\x00\x01\x00\x03\x02\x00abc\x00", "more 13"},
		{packet.FCGI, none, "\x02\x05\x00\x01\x00\x00\x00\x00", "invalid"},
		{packet.FCGI, none, "\x01\x05\x00\x01\xff\xff\xff\x00", "more 65798"},
		{packet.FCGI, size(5), "\x01\x05\x00\x01\x00\x03\x02\x00", "more 13"},
		{packet.FCGI, size(4), "\x01\x05\x00\x01\x00\x03\x02\x00", "invalid"}, // the padding counts
	})
}

func TestTPKT(t *testing.T) {
	checkRows(t, []row{
		{packet.TPKT, none, "\x03\x00\x00", "more"},
		{packet.TPKT, none, "\x03\x00\x00\x07abcd", `"\x03\x00\x00\aabc" rest "d"`},
		{packet.TPKT, none, "\x03\x00\x00\x04", `"\x03\x00\x00\x04"`},
		{packet.TPKT, none, "\x03\x00\x00\x03", "invalid"},
		{packet.TPKT, none, "\x02\x00\x00\x04", "invalid"},
		{packet.TPKT, none, "\x03\x00\xff\xff", "more 65535"},
		{packet.TPKT, size(3), "\x03\x00\x00\x07", "more 7"},
		{packet.TPKT, size(3), "\x03\x00\x00\x08", "invalid"},
	})
}

func TestASN1(t *testing.T) {
	long := "0\x81\x80" + strings.Repeat("x", 128)
	checkRows(t, []row{
		{packet.ASN1, none, "", "more"},
		{packet.ASN1, none, "0", "more"},
		{packet.ASN1, none, "0\x03\x02\x01\x05\x09\x09", `"0\x03\x02\x01\x05" rest "\t\t"`},
		{packet.ASN1, none, "0\x7f", "more 129"},
		{packet.ASN1, none, "0\x80\x00\x00", `"0\x80" rest "\x00\x00"`}, // indefinite form
		{packet.ASN1, none, "0\x81", "more"},
		{packet.ASN1, none, "0\x81\x80", "more 131"},
		{packet.ASN1, none, long, `"0\x81\x80` + strings.Repeat("x", 128) + `"`},
		{packet.ASN1, none, "0\x82\x01\x00", "more 260"},
		{packet.ASN1, none, "0\x83\x01\x00\x00", "more 65541"},
		{packet.ASN1, none, "0\x84\x00\x00\x00\x02a", "more 8"},
		{packet.ASN1, none, "0\x85\x00\x00\x00\x00\x02", "invalid"},
		{packet.ASN1, none, "0\x85\x00\x00\x00\x00", "more"}, // the length is not whole
		{packet.ASN1, none, "0\x84\x7f\xff\xff\xf9", "more 2147483647"},
		{packet.ASN1, none, "0\x84\x7f\xff\xff\xfa", "invalid"},
		{packet.ASN1, none, "0\x84\xff\xff\xff\xff", "invalid"},
		{packet.ASN1, none, "\x1f", "more"},
		{packet.ASN1, none, "\x1f\x81", "more"},
		{packet.ASN1, none, "\x1f\x81\x01", "more"},
		{packet.ASN1, none, "\x1f\x81\x01\x02ab", `"\x1f\x81\x01\x02ab"`},
		{packet.ASN1, none, "\x1f\x01\x02abc", `"\x1f\x01\x02ab" rest "c"`},
		{packet.ASN1, none, "\x3f\xff\xff\x7f\x81\x01a", `"?\xff\xff\x7f\x81\x01a"`},
		{packet.ASN1, size(3), "0\x03", "more 5"},
		{packet.ASN1, size(3), "0\x04", "invalid"},
		{packet.ASN1, size(1), "\x1f\x81\x01\x01a", `"\x1f\x81\x01\x01a"`}, // the tag does not count
	})
}

// A tag has no length field: without a limit a peer could send it for ever.
func TestASN1TagWithoutEndIsInvalid(t *testing.T) {
	tag := "\x1f" + strings.Repeat("\x81", 70)
	checkRows(t, []row{
		{packet.ASN1, size(60), tag[:64], "more"},
		{packet.ASN1, size(60), tag[:65], "invalid"},
		{packet.ASN1, size(60), tag[:63] + "\x01\x01a", `"\x1f` + strings.Repeat(`\x81`, 62) + `\x01\x01a"`},
		{packet.ASN1, size(70), tag[:70], "more"},
		{packet.ASN1, size(70), tag, "invalid"},
		{packet.ASN1, none, tag + "\x81", "more"},
	})
}

func TestTLSRecords(t *testing.T) {
	checkRows(t, []row{
		{packet.TLS, none, "\x16\x03\x03\x00", "more"},
		{packet.TLS, none, "\x16\x03\x03\x00\x04abcde", `22 3.3 "abcd" rest "e"`},
		{packet.TLS, none, "\x63\x09\x08\x00\x00", `99 9.8 ""`}, // neither type nor version is looked at
		{packet.TLS, none, "\x17\x03\x03\xff\xff", "more 65540"},
		{packet.TLS, size(3), "\x17\x03\x03\x00\x04", "invalid"},
		{packet.TLS, none, "\x96\x03\x03\x00\x01a", `150 3.3 "a"`}, // the top bit alone is no SSLv2 hello
		{packet.TLS, none, "\x80\x09\x01\x03\x00abcdef", `22 3.0 "\x01\x00\x00\b\x03\x00abcdef"`},
		{packet.TLS, none, "\x80\x09\x01\x03\x00abcdefg", `22 3.0 "\x01\x00\x00\b\x03\x00abcdef" rest "g"`},
		{packet.TLS, none, "\x80\x09\x01\x03\x00abcde", "more 11"},
		{packet.TLS, none, "\x80\x03\x01\x03\x01", `22 3.1 "\x01\x00\x00\x02\x03\x01"`},
		{packet.TLS, none, "\x80\x02\x01\x03\x01", "invalid"},
		{packet.TLS, size(5), "\x80\x09\x01\x03\x00", "invalid"},
		{packet.TLS, size(6), "\x80\x09\x01\x03\x00", "more 11"},
		{packet.TLS, none, "\xff\xff\x01\x03\x00", "more 32769"},
	})
}

func TestUnknownTypesAndDelimitersOfOthersAreBadarg(t *testing.T) {
	assert.Equal(t, "badarg", answer(200, "", none))
	_, err := packet.NewParser(packet.HTTPHBin+1, none)
	assert.ErrorContains(t, err, "bad type 16")
	for typ := packet.Raw; typ <= packet.HTTPHBin; typ++ {
		o := packet.Options{LineDelimiter: packet.DelimiterOf('\n')}
		_, err := packet.NewParser(typ, o)
		if typ == packet.Line {
			require.NoError(t, err)
			continue
		}
		assert.Equal(t, "badarg", answer(typ, "a\n", o), typ)
		assert.ErrorContains(t, err, "bad line_delimiter 10: the type is "+typ.String())
	}
	assert.Equal(t, "badarg", answer(packet.Line, "a\n", packet.Options{LineDelimiter: 257}))
	assert.Equal(t, `"a\xff" rest "b"`, answer(packet.Line, "a\xffb", packet.Options{LineDelimiter: 256}))
}
